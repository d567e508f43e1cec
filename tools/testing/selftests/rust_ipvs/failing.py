#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Every allocation fails once: the first of each operation, then the second, and so on.

Operations are requests, socket options, new connections, messages and namespaces. What fails is
refused in words, or a packet is dropped; all is as before then, and the next try succeeds. It wants
a kernel with fault injection, as make test-debug-kernel has it.
"""

import contextlib
import errno
import os
import socket
import struct
import threading
import time

from harness import faults, sync
from harness.abi import (
    ALL,
    DEL_DAEMON,
    DEL_DEST,
    DEL_SERVICE,
    FLUSH,
    GET_CONFIG,
    GET_DAEMON,
    GET_DEST,
    GET_INFO,
    GET_SERVICE,
    MASQ,
    NEW_DAEMON,
    NEW_DEST,
    NEW_SERVICE,
    PERSISTENT,
    ROUTE,
    SET_CONFIG,
    SET_DEST,
    SET_SERVICE,
    TCP,
    TUNNEL,
    UDP,
    V6,
    ZERO,
    daemon,
    dest,
    dest_id,
    g,
    mark,
    ok,
    service,
    service_id,
    v6,
)
from harness.failing import FAR, FAR6, V6_ID, Failing, connected, each, option, request, rows, undo
from harness.netlink import attr, u32
from harness.packet import Wire, ip, udp
from harness.sockopt import (
    ADD,
    ADD_DEST,
    DAEMONS,
    DEL,
    DEL_DEST as DEL_DEST_OPTION,
    DESTS,
    EDIT,
    EDIT_DEST,
    INFO,
    SERVICES,
    START,
    STOP,
    ask,
    opened,
    say,
    svc,
    svc_dest,
)
from harness.tap import case, equal, note, run, skip_all, true, until


@case(
    'G-8 L-3 U-7 each allocation of a new service fails: its hooks, each kind, each scheduler',
    only='rust',
)
def new_service():
    total = 0
    for name, whole, short in (
        ('the first service', service(), service_id()),
        ('the first service of IPv6', v6(), service_id(**V6_ID)),
        ('a mark', mark(7), mark(7)),
        ('a persistent one', service(flags=(PERSISTENT, ALL), timeout=60), service_id()),
        (
            'one with SIP',
            service(protocol=UDP, flags=(PERSISTENT, ALL), timeout=60, pe='sip'),
            service_id(protocol=UDP),
        ),
    ):
        total += each(name, request(NEW_SERVICE, whole), undo(DEL_SERVICE, short))
    for scheduler in 'rr wrr lc wlc sed nq sh dh mh fo ovf lblc lblcr twos'.split():
        total += each(
            scheduler,
            request(NEW_SERVICE, service(sched=scheduler)),
            undo(DEL_SERVICE, service_id()),
        )
    true(total > 20, f'{total} allocations')


@case('G-9 each allocation of changing and deleting a service fails', only='rust')
def change_service():
    ok(NEW_SERVICE, service())
    for n in range(9):
        ok(NEW_DEST, service_id() + dest(addr=f'10.60.0.{2 + n}'))
    total = 0
    for scheduler in 'wrr lc sh dh mh lblc lblcr twos'.split():
        total += each(
            f'to {scheduler}',
            request(SET_SERVICE, service(sched=scheduler)),
            undo(SET_SERVICE, service()),
        )
    total += each(
        'to persistent',
        request(SET_SERVICE, service(flags=(PERSISTENT, ALL), timeout=9)),
        undo(SET_SERVICE, service()),
    )

    def again():
        ok(NEW_SERVICE, service())
        for n in range(9):
            ok(NEW_DEST, service_id() + dest(addr=f'10.60.0.{2 + n}'))

    total += each('DEL_SERVICE', request(DEL_SERVICE, service_id()), again)
    total += each('FLUSH', request(FLUSH), again)
    true(total > 8, f'{total} allocations')


@case('G-10 V-13 each allocation of adding, changing and deleting a destination fails', only='rust')
def destinations():
    total = 0
    for scheduler in 'rr wrr sh mh lblcr'.split():
        ok(NEW_SERVICE, service(sched=scheduler))
        for n in range(17):
            one = dict(addr=f'10.60.0.{2 + n}')
            total += each(
                f'{scheduler}: NEW_DEST {n}',
                request(NEW_DEST, service_id() + dest(**one)),
                undo(DEL_DEST, service_id() + dest_id(**one)),
            )
            ok(NEW_DEST, service_id() + dest(**one))
        one = dict(addr='10.60.0.2')
        for fields in (
            dict(weight=7),
            dict(fwd=ROUTE),
            dict(fwd=TUNNEL, tun_type=1, tun_port=6080),
            dict(upper=9, lower=2),
        ):
            total += each(
                f'{scheduler}: SET_DEST {fields}',
                request(SET_DEST, service_id() + dest(**one, **fields)),
                undo(SET_DEST, service_id() + dest(**one, tun_type=0, tun_port=0, tun_flags=0)),
            )

        def again():
            ok(NEW_DEST, service_id() + dest(addr='10.60.0.18'))

        total += each(
            f'{scheduler}: DEL_DEST',
            request(DEL_DEST, service_id() + dest_id(addr='10.60.0.18')),
            again,
        )
        ok(DEL_SERVICE, service_id())
    for name, fields in (
        ('IPv6', dict(addr=FAR6, af=V6)),
        ('GUE', dict(addr=FAR, fwd=TUNNEL, tun_type=1, tun_port=6080)),
        ('GRE', dict(addr=FAR, fwd=TUNNEL, tun_type=2)),
    ):
        wide = name == 'IPv6'
        ok(NEW_SERVICE, v6() if wide else service())
        short = service_id(**V6_ID) if wide else service_id()
        gone = {name_: value for name_, value in fields.items() if name_ in ('addr', 'af')}
        total += each(
            f'NEW_DEST by {name}',
            request(NEW_DEST, short + dest(**fields)),
            undo(DEL_DEST, short + dest_id(**gone)),
        )
        ok(FLUSH)
    true(total > 20, f'{total} allocations')


@case('G-6 G-7 each allocation of what only asks, zeroes or sets timeouts fails', only='rust')
def questions():
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest())
    for name, operation in (
        ('GET_SERVICE', request(GET_SERVICE, service_id())),
        ('dump of services', request(GET_SERVICE, dumped=True)),
        ('dump of destinations', request(GET_DEST, service_id(), dumped=True)),
        ('GET_INFO', request(GET_INFO)),
        ('GET_CONFIG', request(GET_CONFIG)),
        ('dump of daemons', request(GET_DAEMON, dumped=True)),
        ('ZERO', request(ZERO)),
        ('ZERO of one', request(ZERO, service_id())),
        ('SET_CONFIG', request(SET_CONFIG, attr(4, u32(900)))),
    ):
        each(name, operation)
    for name in (
        'ip_vs',
        'ip_vs_conn',
        'ip_vs_stats',
        'ip_vs_stats_percpu',
        'ip_vs_app',
        'ip_vs_conn_sync',
    ):

        def read(name=name):
            try:
                g.director.read(f'/proc/net/{name}')
            except OSError as error:
                return errno.errorcode[error.errno]
            return None

        each(f'/proc/net/{name}', read)
    for name, value, before in (
        ('conn_lfactor', 3, -2),
        ('expire_nodest_conn', 0, 1),
        ('sync_threshold', '0 1', '3 50'),
        ('est_cpulist', '0', ''),
        ('conntrack', 1, 0),
    ):

        def write(name=name, value=value):
            try:
                g.director.write(f'/proc/sys/net/ipv4/vs/{name}', value)
            except OSError as error:
                return errno.errorcode[error.errno]
            return None

        each(
            f'net.ipv4.vs.{name}',
            write,
            lambda name=name, before=before: g.director.write(
                f'/proc/sys/net/ipv4/vs/{name}', before
            ),
        )


@case('O-1 O-3 each allocation of a socket option fails', only='rust')
def options():
    total = each('ADD', option(ADD, svc()), undo(DEL_SERVICE, service_id()))
    ok(NEW_SERVICE, service())
    total += each('EDIT', option(EDIT, svc(sched=b'sh')), undo(SET_SERVICE, service()))
    total += each(
        'ADD_DEST', option(ADD_DEST, svc_dest()), undo(DEL_DEST, service_id() + dest_id())
    )
    ok(NEW_DEST, service_id() + dest())
    total += each(
        'EDIT_DEST', option(EDIT_DEST, svc_dest(weight=9)), undo(SET_DEST, service_id() + dest())
    )
    total += each(
        'DEL_DEST', option(DEL_DEST_OPTION, svc_dest()), undo(NEW_DEST, service_id() + dest())
    )

    def again():
        ok(NEW_SERVICE, service())
        ok(NEW_DEST, service_id() + dest())

    total += each('DEL', option(DEL, svc()), again)
    backup = struct.pack('=i16si', 2, b'lo', 7)
    total += each('START', option(START, backup), lambda: equal(say(STOP, backup), 0, 'STOP'))
    for name, number, payload in (
        ('INFO', INFO, bytes(12)),
        ('SERVICES', SERVICES, struct.pack('=I4x', 1) + bytes(104)),
        ('DESTS', DESTS, svc()[:16] + struct.pack('=I4x', 1) + bytes(96)),
        ('DAEMONS', DAEMONS, bytes(48)),
    ):
        sock = opened()

        def question(number=number, payload=payload, sock=sock):
            error = ask(number, payload, contextlib.nullcontext(sock))[0]
            return errno.errorcode[error] if error else None

        each(name, question)
    true(total > 8, f'{total} allocations')


@case('B-1 G-31 each allocation of starting and stopping a sync daemon fails', only='rust')
def daemons():
    total = 0
    for kind in (1, 2):
        name = 'master' if kind == 1 else 'backup'
        total += each(
            f'start of a {name}',
            request(NEW_DAEMON, daemon(state=kind)),
            undo(DEL_DAEMON, daemon(state=kind, interface=None)),
        )
        ok(NEW_DAEMON, daemon(state=kind))
        total += each(
            f'stop of a {name}',
            request(DEL_DAEMON, daemon(state=kind, interface=None)),
            undo(NEW_DAEMON, daemon(state=kind)),
        )
        ok(DEL_DAEMON, daemon(state=kind, interface=None))
    true(total > 6, f'{total} allocations')


def sender(family, address, port=80, kind=socket.SOCK_DGRAM, source=None):
    """An operation: sends a datagram from the director itself, so in process context."""

    def operation():
        with g.director, socket.socket(family, kind) as sock:
            sock.settimeout(0.1)
            sock.setblocking(False)
            if source:
                sock.bind((source, 0))
            try:
                if kind == socket.SOCK_DGRAM:
                    sock.sendto(b'x', (address, port))
                else:
                    sock.connect((address, port))
            except BlockingIOError:
                return None
            except OSError as error:
                return errno.errorcode[error.errno]
        return None

    return operation


@case(
    'S-1 S-4 P-1 X-1 each allocation of a new connection fails, by each method, tracked or not',
    only='rust',
)
def connections():
    total = 0
    four, six = socket.AF_INET, socket.AF_INET6
    kinds = [
        ('NAT', {}, dict(fwd=MASQ)),
        ('DR', {}, dict(fwd=ROUTE)),
        ('IPIP', {}, dict(fwd=TUNNEL)),
        ('GUE', {}, dict(fwd=TUNNEL, tun_type=1, tun_port=6080)),
        ('GRE', {}, dict(fwd=TUNNEL, tun_type=2, tun_flags=1)),
        ('persistent', dict(flags=(PERSISTENT, ALL), timeout=60), dict(fwd=MASQ)),
        ('lblc', dict(sched='lblc'), dict(fwd=MASQ)),
        ('lblcr', dict(sched='lblcr'), dict(fwd=MASQ)),
        ('a server of IPv6', {}, dict(fwd=TUNNEL, addr=FAR6, af=V6)),
    ]
    for track, told in ((0, False), (1, False), (0, True)):
        g.director.write('/proc/sys/net/ipv4/vs/conntrack', track)
        if told:
            g.director.write('/proc/sys/net/ipv4/vs/sync_threshold', '0 1')
            ok(NEW_DAEMON, daemon(interface='cable'))
        for family in (four, six):
            for name, fields, server in kinds:
                if 'af' in server and (family == six or told):
                    continue
                own = dict(V6_ID) if family == six else {}
                server = {
                    'addr': FAR6 if family == six else FAR,
                    **({'af': V6} if family == six else {}),
                    **server,
                }

                def prepare(own=own, fields=fields, server=server):
                    ok(NEW_SERVICE, service(**{**own, **fields, 'protocol': UDP}))
                    ok(NEW_DEST, service_id(**own, protocol=UDP) + dest(**server))

                def back(own=own, prepare=prepare):
                    ok(DEL_SERVICE, service_id(**own, protocol=UDP))
                    until(lambda: not rows(), 'the connections go with their server')
                    prepare()

                prepare()
                address = 'fd00::1' if family == six else '10.0.0.1'
                total += each(
                    f'{name}, IPv{6 if family == six else 4}, conntrack={track}, sync={told}',
                    sender(family, address),
                    back,
                    connected,
                )
                ok(DEL_SERVICE, service_id(**own, protocol=UDP))
        if told:
            ok(DEL_DAEMON, daemon(interface=None))
            g.director.write('/proc/sys/net/ipv4/vs/sync_threshold', '3 50')
    g.director.write('/proc/sys/net/ipv4/vs/conntrack', 0)
    true(total > 20, f'{total} allocations')


@case(
    'B-8 B-9 each allocation fails of a backup that hears of connections and templates', only='rust'
)
def messages():
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest(addr=FAR))
    ok(NEW_DAEMON, daemon(state=2, interface='cable'))
    thread = next(
        pid for pid in os.listdir('/proc') if pid.isdigit() and _name(pid).startswith('ipvs-b')
    )
    port, total = 2000, 0
    with faults.Nth(thread) as nth:
        for kind in (0, sync.TEMPLATE):
            # A template for a server that is not known is not kept.
            for known in (FAR,) if kind else (FAR, '10.60.0.77'):
                for n in range(1, 50):
                    port += 1
                    cport = 0 if kind else port
                    client = f'10.61.{port >> 8}.{port & 255}'
                    flags = sync.SYNC | kind | sync.MASQ
                    entry = sync.Entry(
                        TCP, flags, 0 if kind else 1, client, cport, '10.0.0.1', 80, known, 80, 0, 3
                    )
                    until(lambda: not rows(), 'those before end', 10)
                    before = 0
                    nth.arm(n)
                    sync.send(g.other, 'cable', sync.message(entry, syncid=1))
                    heard(before, 0.3)
                    hit = nth.failed()
                    if not heard(before, 0 if hit else 5):
                        true(hit, f'{entry} is not taken')
                        sync.send(g.other, 'cable', sync.message(entry, syncid=1))
                        true(heard(before, 5), f'{entry} is not taken when it is told again')
                    total += hit
                    if not hit:
                        break
    note(f'{total} allocations failed, {len(rows())} connections')
    true(total > 2, f'{total} allocations')
    ok(DEL_DAEMON, daemon(state=2, interface=None))
    until(lambda: not rows(), 'all end', 10)


def _name(pid):
    with contextlib.suppress(OSError), open(f'/proc/{pid}/comm', encoding='utf-8') as file:
        return file.read()
    return ''


def heard(before, seconds):
    """Whether there come to be more connections than BEFORE."""
    end = time.monotonic() + seconds
    while len(rows()) <= before:
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@case(
    'L-3 each allocation of a new namespace fails: it is not made, and nothing of it is left',
    only='rust',
)
def namespaces():
    results = []

    def shown():
        folders = '/proc/thread-self/net', '/proc/sys/net/ipv4/vs'
        return [
            name
            for folder in folders
            for name in sorted(os.listdir(folder))
            if folder[-1] == 's' or 'ip_vs' in name
        ]

    def life(n):
        with faults.Nth() as nth:
            nth.arm(n)
            try:
                os.unshare(os.CLONE_NEWNET)
                error = 0
            except OSError as reason:
                error = reason.errno
            results.append((nth.failed(), error, [] if error else shown()))

    with g.director:
        wanted = shown()
    refused = 0
    for n in range(1, 200):
        thread = threading.Thread(target=life, args=(n,))
        thread.start()
        thread.join()
        hit, error, seen = results[-1]
        refused += error == errno.ENOMEM
        if not error:
            # The kernel may have gone on with less than it asked for; then nothing is missing.
            equal(
                set(wanted) - set(seen), set(), f'files of a namespace whose allocation {n} fails'
            )
        else:
            equal((hit, error), (True, errno.ENOMEM), f'a namespace whose allocation {n} fails')
        if not hit:
            break
    note(f'{len(results) - 1} allocations, {refused} refused')
    true(refused > 3, 'a namespace allocates')


@case(
    'C-16 C-28 half of all allocations fail while packets come and the table is resized',
    only='rust',
)
def from_outside():
    own = dict(protocol=UDP)
    ok(NEW_SERVICE, service(**own, addr='10.58.0.1'))
    ok(NEW_DEST, service_id(**own, addr='10.58.0.1') + dest(addr=FAR))
    ok(SET_CONFIG, attr(6, u32(300)))
    with Wire(g.other, 'cable', g.director, 'cable') as wire:

        def send(count, first=0):
            for n in range(first, first + count):
                client = f'10.62.{n >> 8}.{n & 255}'
                wire.send(ip(client, '10.58.0.1', UDP, udp(client, '10.58.0.1', 1000, 80, b'x')))
                if n % 50 == 0:
                    time.sleep(0.005)

        with faults.some(50):
            for lfactor in (-3, 3, -3, 3, -3):
                g.director.write('/proc/sys/net/ipv4/vs/conn_lfactor', lfactor)
                send(2000)
                time.sleep(0.3)
        # By then each had enough tries, or comes now.
        failed = 2000 - len(rows())
        send(2000)
        equal(
            until(lambda: len(rows()) == 2000 and 2000, 'a connection of each client'),
            2000,
            'connections',
        )
        note(f'{failed} had no connection before')
        for lfactor in (3, -3):
            g.director.write('/proc/sys/net/ipv4/vs/conn_lfactor', lfactor)
            time.sleep(1)
        until(
            lambda: int(g.director.read('/proc/net/ip_vs').split('size=')[1].split(')')[0]) >= 4096,
            'the table grows then',
            20,
        )
        g.director.write('/proc/sys/net/ipv4/vs/conn_lfactor', -2)
    ok(FLUSH)
    until(lambda: not rows(), 'the connections go with their server')


@case('L-5 nothing is left in the slabs', only='rust')
def nothing_left():
    g.unload()
    g.after()
    with open('/proc/slabinfo', encoding='ascii') as file:
        equal(
            [line for line in file if line.startswith('rust_ipvs_conn')], [], 'slabs that are left'
        )
    g.load()


if __name__ == '__main__':
    if not faults.possible():
        skip_all('this kernel has no fault injection')
    run(Failing())
