#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""/proc/net/ip_vs* and /proc/sys/net/ipv4/vs: each blank and digit, pieces, ranges, and who may write.

Each expectation holds of C IPVS too: IPVS_IMPL=c runs the same cases on the kernel's own ip_vs.
"""

import json
import os
import re
import socket
import subprocess

from harness.abi import (
    ALL,
    dest,
    FLUSH,
    g,
    LOCAL,
    mark,
    MASQ,
    NEW_DEST,
    NEW_SERVICE,
    ok,
    ONEPACKET,
    PERSISTENT,
    ROUTE,
    SCTP,
    service,
    service_id,
    TUNNEL,
    UDP,
    v6,
)
from harness.fixture import FAST_PATH, HZ, lib
from harness.netns import make, remove
from harness.tap import case, equal, note, run, true, until

HEAD = (
    'Prot LocalAddress:Port Scheduler Flags\n'
    '  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n'
)
CONNECTIONS_HEAD = (
    'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n'
)
ORIGINS_HEAD = 'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n'
VS = '/proc/sys/net/ipv4/vs'
INT_MAX = (1 << 31) - 1
# The most seconds whose jiffies an int can count.
LONGEST = INT_MAX // HZ

# Variables and their defaults in the first namespace and in others (12.2).
DEFAULTS = dict(
    conn_max=(1 << 30, 1 << 30),
    conn_reuse_mode=(1, 1),
    expire_nodest_conn=(0, 0),
    ignore_tunneled=(0, 0),
    nat_icmp_send=(0, 0),
    pmtu_disc=(1, 1),
    schedule_icmp=(0, 0),
    sloppy_tcp=(0, 0),
    snat_reroute=(1, 1),
    conn_lfactor=(-4, -2),
    svc_lfactor=(-3, -2),
    expire_quiescent_template=(0, 0),
    amemthresh=(1024, 1024),
    am_droprate=(10, 10),
    cache_bypass=(0, 0),
    drop_entry=(0, 0),
    drop_packet=(0, 0),
    secure_tcp=(0, 0),
    sloppy_sctp=(0, 0),
    run_estimation=(1, 1),
    est_nice=(0, 0),
    lblc_expiration=(86400, 86400),
    lblcr_expiration=(86400, 86400),
    conntrack=(0, 0),
    sync_version=(1, 1),
    sync_persist_mode=(0, 0),
    sync_sock_size=(0, 0),
    sync_retries=(0, 0),
    backup_only=(0, 0),
    sync_refresh_period=(0, 0),
    fast_path=(FAST_PATH, FAST_PATH),
)
RANGES = dict(
    conn_max=(0, 1 << 30),
    conn_lfactor=(-8, 8),
    svc_lfactor=(-8, 8),
    drop_entry=(0, 3),
    drop_packet=(0, 3),
    secure_tcp=(0, 3),
    est_nice=(-20, 19),
    sync_version=(0, 1),
    sync_retries=(0, 3),
    sync_refresh_period=(-LONGEST, LONGEST),
    fast_path=(0, 2),
)
OF_HOST = ('conn_lfactor', 'svc_lfactor', 'run_estimation', 'est_nice', 'sync_sock_size')
HIDDEN = ('lblc_expiration', 'lblcr_expiration')
if g.impl == 'c':
    del DEFAULTS['fast_path'], RANGES['fast_path']
    # They are there with the modules of these schedulers.
    del DEFAULTS['lblc_expiration'], DEFAULTS['lblcr_expiration']
# Variables that are no numbers.
OTHERS = ['est_cpulist', 'sync_ports', 'sync_qlen_max', 'sync_threshold']


def in_pieces(path, size):
    """A file of the director, read in pieces of SIZE bytes."""
    with g.director:
        file = os.open(path.replace('/proc/net', '/proc/thread-self/net'), os.O_RDONLY)
        try:
            pieces = []
            while piece := os.read(file, size):
                pieces.append(piece)
        finally:
            os.close(file)
    return b''.join(pieces).decode()


def blocks():
    """/proc/net/ip_vs without its head, a block for each service."""
    text = g.director.read('/proc/net/ip_vs')
    head, rest = text.split('\n', 1)
    true(
        re.fullmatch(r'IP Virtual Server version 1\.2\.1 \(size=\d+\)', head),
        f'the first line: {head!r}',
    )
    true(rest.startswith(HEAD), f'the head: {rest!r}')
    return re.findall(r'^\S.*\n(?:  -> .*\n)*', rest[len(HEAD) :], re.M)


@case('K-1 the files are there, all but one for all to read')
def modes():
    for name in ('', '_app', '_conn', '_conn_sync', '_stats', '_stats_percpu', '_status'):
        with g.director:
            mode = os.stat(f'/proc/thread-self/net/ip_vs{name}').st_mode
        equal(mode & 0o7777, 0o440 if name == '_status' else 0o444, f'mode of ip_vs{name}')


@case('K-2 K-3 K-7 G-13 what the files show of a fresh namespace')
def fresh():
    equal(
        g.other.read('/proc/net/ip_vs'),
        'IP Virtual Server version 1.2.1 (size=0)\n' + HEAD,
        'ip_vs',
    )
    equal(g.other.read('/proc/net/ip_vs_conn'), CONNECTIONS_HEAD, 'ip_vs_conn')
    equal(
        g.other.read('/proc/net/ip_vs_stats'),
        '   Total Incoming Outgoing         Incoming         Outgoing\n'
        '   Conns  Packets  Packets            Bytes            Bytes\n'
        '       0        0        0                0                0\n'
        '\n'
        ' Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n'
        '       0        0        0                0                0\n',
        'ip_vs_stats',
    )


@case('K-6 K-8 K-9 K-10 what the other files show of a fresh namespace')
def fresh_others():
    equal(g.other.read('/proc/net/ip_vs_conn_sync'), ORIGINS_HEAD, 'ip_vs_conn_sync')
    head = 'prot port    usecnt name\n'
    equal(g.other.read('/proc/net/ip_vs_app')[: len(head)], head, 'head of ip_vs_app')
    numbers = '       0        0        0                0                0\n'
    cpus = os.sysconf('SC_NPROCESSORS_CONF')
    equal(
        g.other.read('/proc/net/ip_vs_stats_percpu'),
        '       Total Incoming Outgoing         Incoming         Outgoing\n'
        'CPU    Conns  Packets  Packets            Bytes            Bytes\n'
        + ''.join(f'{cpu:3X} {numbers}' for cpu in range(cpus))
        + f'  ~ {numbers}\n'
        '     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n'
        f'    {numbers}',
        'ip_vs_stats_percpu',
    )
    lines = g.other.read('/proc/net/ip_vs_status').splitlines()
    equal(
        lines[:4],
        [
            'Conns:\t0',
            'Conn buckets:\t0 (0 bits, lfactor 0)',
            'Services:\t0',
            'Service buckets:\t0 (0 bits, lfactor 0)',
        ],
        'ip_vs_status',
    )
    equal(
        [re.sub(r'\d+', 'N', line) for line in lines[4:]],
        ['Stats thread slots:\tN (max N)', 'Stats chain max len:\tN', 'Stats thread ests:\tN'],
        'the rest of ip_vs_status',
    )


@case('K-2 Q-23 services of all kinds in ip_vs')
def services():
    for nests in (
        service(),
        service(protocol=UDP, port=53, flags=(ONEPACKET, ALL)),
        service(protocol=SCTP, sched='none'),
        service(
            port=443,
            flags=(PERSISTENT, ALL),
            timeout=1,
            netmask=int.from_bytes(b'\xff\xff\xff\0', 'little'),
        ),
        mark(0xABC),
        mark(16, flags=(PERSISTENT | ONEPACKET, ALL), timeout=0),
        v6(flags=(ONEPACKET, ALL)),
        v6(port=0xABCD, flags=(PERSISTENT, ALL), timeout=1, netmask=64),
    ):
        ok(NEW_SERVICE, nests)
    hz = int(re.search(r'persistent (\d+) FFFFFF00', g.director.read('/proc/net/ip_vs'))[1])
    true(hz in (100, 250, 300, 1000), f'{hz} jiffies a second')
    six = 'fd00:0000:0000:0000:0000:0000:0000:0001'
    equal(
        sorted(blocks()),
        sorted(
            [
                'TCP  0A000001:0050 rr  \n',
                'UDP  0A000001:0035 rr ops  \n',
                'SCTP  0A000001:0050 none  \n',
                f'TCP  0A000001:01BB rr  persistent {hz} FFFFFF00\n',
                'FWM  00000ABC rr \n',
                'FWM  00000010 rr ops persistent 0 FFFFFFFF\n',
                f'TCP  [{six}]:0050 rr \n',
                f'TCP  [{six}]:ABCD rr persistent {hz} 40000000\n',
            ]
        ),
        'services',
    )


@case('K-2 V-9 destinations in ip_vs, newest first')
def destinations():
    ok(NEW_SERVICE, service())
    for number, method in enumerate((MASQ, LOCAL, TUNNEL, ROUTE, 4, 6)):
        ok(NEW_DEST, service_id() + dest(port=number, fwd=method, weight=10**number))
    ok(NEW_DEST, service_id() + dest(addr='fd00::2', af=10, fwd=TUNNEL, port=65535, weight=INT_MAX))
    equal(
        blocks(),
        [
            'TCP  0A000001:0050 rr  \n'
            '  -> [fd00:0000:0000:0000:0000:0000:0000:0002]:FFFF      Tunnel  2147483647 0          0         \n'
            '  -> 0A000002:0005      Masq    100000 0          0         \n'
            '  -> 0A000002:0004      Masq    10000  0          0         \n'
            '  -> 0A000002:0003      Route   1000   0          0         \n'
            '  -> 0A000002:0002      Tunnel  100    0          0         \n'
            '  -> 0A000002:0001      Local   10     0          0         \n'
            '  -> 0A000002:0000      Masq    1      0          0         \n'
        ],
        'service',
    )


@case('K-2 many services, whatever the size of the pieces, each once')
def many_services():
    for port in range(1, 400):
        ok(NEW_SERVICE, service(port=port))
        ok(NEW_DEST, service_id(port=port) + dest(port=port))
    whole = in_pieces('/proc/net/ip_vs', 1 << 20)
    for size in (1, 97, 4096, 5000):
        equal(in_pieces('/proc/net/ip_vs', size), whole, f'in pieces of {size} bytes')
    found = re.findall(r'^TCP  0A000001:(\S{4}) rr  \n  -> 0A000002:\1 ', whole, re.M)
    equal(sorted(int(port, 16) for port in found), list(range(1, 400)), 'ports')


@case('K-3 K-4 many connections, whatever the size of the pieces, each once')
def many_connections():
    count = 600
    ok(NEW_SERVICE, service(protocol=UDP))
    ok(NEW_DEST, service_id(protocol=UDP) + dest(addr='127.0.0.1', port=8080))
    with g.director:
        for port in range(20000, 20000 + count):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.bind(('10.0.0.1', port))
                client.sendto(b'x', ('10.0.0.1', 80))
    row = re.compile(
        r'^UDP 0A000001 ([0-9A-F]{4}) 0A000001 0050 7F000001 1F90 UDP         ( {4}| {5})\d{2,3}$',
        re.M,
    )

    def ports(text):
        true(text.startswith(CONNECTIONS_HEAD), 'the head')
        found = [int(match[1], 16) for match in row.finditer(text)]
        equal(len(found), text.count('\n') - 1, f'rows as they should be in\n{text[:400]}')
        return sorted(found)

    def buckets():
        status = g.director.read('/proc/net/ip_vs_status')
        return int(re.search(r'^Conn buckets:\t(\d+)', status, re.M)[1])

    # While the table grows, a row may be missed or repeated. New connections use an approximate
    # count; the expiry work checks the exact one, so the last growth may come after all of them.
    until(lambda: buckets() >= 1024, 'buckets for 600 connections', 10)
    want = list(range(20000, 20000 + count))
    until(
        lambda: ports(in_pieces('/proc/net/ip_vs_conn', 1 << 20)) == want, 'every connection once'
    )
    for size in (1, 97, 4096, 5000):
        equal(
            ports(in_pieces('/proc/net/ip_vs_conn', size)),
            want,
            f'ports, in pieces of {size} bytes',
        )
    equal(
        g.other.read('/proc/net/ip_vs_conn'), CONNECTIONS_HEAD, 'ip_vs_conn of the other namespace'
    )


@case('K-6 K-8 K-9 what the other files show of connections, and after their server has gone')
def others():
    ok(NEW_SERVICE, service(protocol=UDP))
    ok(NEW_DEST, service_id(protocol=UDP) + dest(addr='127.0.0.1', port=8080))

    def of_cpus():
        rows = re.findall(r'^ *[0-9A-F]+ +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)$', percpu(), re.M)
        return [sum(int(number, 16) for number in column) for column in zip(*rows)]

    def percpu():
        return g.director.read('/proc/net/ip_vs_stats_percpu').split('  ~')[0]

    before = of_cpus()
    with g.director:
        for port in range(21000, 21003):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.bind(('10.0.0.1', port))
                client.sendto(b'x' * 72, ('10.0.0.1', 80))
    row = r'^UDP 0A000001 520[89A] 0A000001 0050 7F000001 1F90 UDP         LOCAL      \d{3}$'
    text = g.director.read('/proc/net/ip_vs_conn_sync')
    true(text.startswith(ORIGINS_HEAD), 'the head of ip_vs_conn_sync')
    equal(len(re.findall(row, text, re.M)), 3, f'connections in\n{text}')
    after = [now - then for now, then in zip(of_cpus(), before)]
    equal([after[n] for n in (0, 1, 3)], [3, 3, 300], 'connections, packets, bytes')
    status = dict(
        line.split(':\t') for line in g.director.read('/proc/net/ip_vs_status').splitlines()
    )
    true(int(status['Conns']) >= 3, f'connections: {status}')
    for what in 'Conn', 'Service':
        size, bits, empty = (
            int(re.search(pattern, status[what + key])[1])
            for pattern, key in (
                (r'^(\d+)', ' buckets'),
                (r'\((\d+) bits', ' buckets'),
                (r'^(\d+)', ' buckets empty'),
            )
        )
        # Two tables, of both families, may be shown as one.
        equal(bits, size.bit_length() - 1, f'bits of the number of buckets of {what}, {size}')
        used = [
            int(status[f'{what} buckets len-{n}'].split()[0])
            for n in range(1, 8)
            if f'{what} buckets len-{n}' in status
        ]
        equal(empty + sum(used), size, f'buckets of each length of {what}')
    equal((status['Services'], status['Service buckets len-1'].split()[0]), ('1', '1'), 'services')
    ok(FLUSH)
    equal(
        [now - then for now, then in zip(of_cpus(), before)],
        after,
        'counters of CPUs after their server has gone',
    )


# ---- variables ----


def read(space, name):
    """The number in a variable."""
    return int(space.read(f'{VS}/{name}'))


def refuses(space, name, text):
    """A variable must refuse TEXT with EINVAL and keep its value."""
    before = read(space, name)
    try:
        space.write(f'{VS}/{name}', text)
    except OSError as error:
        equal(error.strerror, 'Invalid argument', f'{name} of {text!r}')
    else:
        true(False, f'{name} took {text!r}')
    equal(read(space, name), before, f'{name} after it refused {text!r}')


@case('12.2 variables are there with their defaults')
def defaults():
    for name, (first, other) in DEFAULTS.items():
        with open(f'{VS}/{name}', encoding='utf-8') as file:
            equal(int(file.read()), first, f'{name} of the first namespace')
        equal(read(g.other, name), other, f'{name} of another namespace')
        equal(os.stat(f'{VS}/{name}').st_mode & 0o7777, 0o644, f'mode of {name}')
    if g.impl == 'rust':
        equal(sorted(os.listdir(VS)), sorted([*DEFAULTS, *OTHERS]), 'variables')


@case('12.2 variables of synchronisation that are no plain numbers')
def of_synchronisation():
    for name, default, fine, wrong in (
        ('sync_ports', '1', ('2', '64', '1024'), ('0', '3', '-1', '-2147483648', 'x')),
        ('sync_threshold', '3\t50', ('0\t1', '5\t0', '0\t0'), ('3 3', '4 3', '-1 5', '3 -1', 'x')),
    ):
        equal(g.other.read(f'{VS}/{name}').strip(), default, name)
        for text in fine:
            g.director.write(f'{VS}/{name}', text)
            equal(g.director.read(f'{VS}/{name}').strip(), text, name)
        for text in wrong:
            equal(written_in(g.director, name, text), 'Invalid argument', f'{name} of {text!r}')
            equal(
                g.director.read(f'{VS}/{name}').strip(),
                fine[-1],
                f'{name} after it refused {text!r}',
            )
        equal(g.other.read(f'{VS}/{name}').strip(), default, f'{name} of another namespace')
        g.director.write(f'{VS}/{name}', default)
    true(int(g.director.read(f'{VS}/sync_qlen_max')) > 100, 'sync_qlen_max goes by the memory')
    g.director.write(f'{VS}/sync_qlen_max', str((1 << 64) - 1))
    equal(int(g.director.read(f'{VS}/sync_qlen_max')), (1 << 64) - 1, 'sync_qlen_max')
    equal(
        written_in(g.director, 'sync_qlen_max', 'x'),
        'Invalid argument',
        'sync_qlen_max of no number',
    )
    equal(
        in_user_namespace([('sync_qlen_max', '7'), ('sync_ports', '2'), ('sync_threshold', '1 2')]),
        ['Permission denied', '2', '1\t2'],
        'what root of a user namespace wrote',
    )


def written_in(space, name, text):
    """Why a variable did not take a TEXT."""
    try:
        space.write(f'{VS}/{name}', text)
    except OSError as error:
        return error.strerror
    return 'it was taken'


@case('12.2 variables keep to their ranges, and to their namespace')
def ranges():
    for name, (_, other) in DEFAULTS.items():
        low, high = RANGES.get(name, (-INT_MAX - 1, INT_MAX))
        for value in (low, high):
            g.director.write(f'{VS}/{name}', f'{value}\n')
            equal(read(g.director, name), value, name)
        for text in (low - 1, high + 1, 1 << 40, 'x', '1x', '--1', ' '):
            refuses(g.director, name, text)
        equal(read(g.other, name), other, f'{name} of another namespace')
        g.director.write(f'{VS}/{name}', DEFAULTS[name][1])


def in_user_namespace(writes):
    """Writes (name, text) pairs as root of new user and network namespaces; returns what is read back, or the error."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
            for file, text in (('setgroups', 'deny'), ('uid_map', '0 0 1'), ('gid_map', '0 0 1')):
                with open(f'/proc/self/{file}', 'w', encoding='utf-8') as f:
                    f.write(text)
            found = [written(name, text) for name, text in writes]
        except Exception as error:  # The parent tells what it was.
            found = repr(error)
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, encoding='utf-8') as pipe:
        found = json.loads(pipe.read())
    os.waitpid(child, 0)
    return found


def written(name, text):
    """What a variable holds after TEXT was written, or the error."""
    try:
        with open(f'{VS}/{name}', 'w', encoding='utf-8') as file:
            file.write(text)
        with open(f'{VS}/{name}', encoding='utf-8') as file:
            return file.read().strip()
    except OSError as error:
        return error.strerror


@case('12.2 in a user namespace of its own root writes what is not of the host')
def user_namespace():
    names = [name for name in DEFAULTS if name not in HIDDEN]
    equal(
        in_user_namespace([(name, '1') for name in names]),
        ['Permission denied' if name in OF_HOST else '1' for name in names],
        'what was read back',
    )


@case('D-20 12.2 in a user namespace of its own the expirations of lblc and lblcr are not shown')
def hidden():
    if g.impl == 'c':
        subprocess.run(['modprobe', '-a', 'ip_vs_lblc', 'ip_vs_lblcr'], check=True)
    for name in HIDDEN:
        equal(read(g.director, name), 86400, f'{name} of the first namespace')
    equal(
        in_user_namespace([(name, '1') for name in HIDDEN]),
        ['No such file or directory'] * 2,
        'what was read back',
    )


@case('Y-1 conn_max of a new namespace is that of the first, and its own root cannot exceed it')
def conn_max():
    equal(written('conn_max', '1000'), '1000', 'conn_max of the first namespace')
    space = make('rv-abi3')
    try:
        equal(read(space, 'conn_max'), 1000, 'conn_max of a new namespace')
        equal(read(g.other, 'conn_max'), 1 << 30, 'conn_max of an old namespace')
        space.write(f'{VS}/conn_max', 2000)
        equal(read(space, 'conn_max'), 2000, 'conn_max after the host raised it')
        equal(
            in_user_namespace([('conn_max', n) for n in ('1001', '7', '1000', '-1', '2000')]),
            ['Invalid argument', '7', '1000', 'Invalid argument', 'Invalid argument'],
            'what its own root wrote',
        )
    finally:
        remove(space)
        equal(written('conn_max', str(1 << 30)), str(1 << 30), 'conn_max of the first namespace')


# ---- coming and going ----


@case('L-3 K-1 files go with the module, also those that are open')
def unload():
    ok(FLUSH)
    with g.director:
        file = os.open('/proc/thread-self/net/ip_vs_conn', os.O_RDONLY)
    os.read(file, 10)
    try:
        lib('impl_unload')
        for path in ('/proc/thread-self/net/ip_vs', '/proc/thread-self/net/ip_vs_conn', VS):
            with g.director:
                true(not os.path.exists(path), f'{path} has gone')
        try:
            note(f'read: {os.read(file, 10)!r}')
            true(False, 'the open file could be read on')
        except OSError as error:
            equal(error.strerror, 'Input/output error', 'reading the open file on')
    finally:
        os.close(file)
        lib('impl_load')
    equal(
        g.director.read('/proc/net/ip_vs_conn'),
        CONNECTIONS_HEAD,
        'ip_vs_conn of the module that came back',
    )


if __name__ == '__main__':
    run(g)
