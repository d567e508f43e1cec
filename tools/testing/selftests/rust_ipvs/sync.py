#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Two directors, of which one tells the other of its connections (section 14).

The second director, "backup", is on both bridges as the first one is, with .253 in place of .254.
"""

import os
import random

from harness import ipvs, sync, tracked
from harness.clients import Connection, ask
from harness.flows import prepare
from harness.fixture import FIXTURE, VIP, VIP6
from harness.netns import make, remove
from harness.packet import ACK, FIN, SYN, UDP, Wire, ip, tcp, udp
from harness.sync import Ear, Entry, INACTIVE, MASQ, NOOUTPUT, ROUTE, TEMPLATE
from harness.tap import always, case, equal, note, run, true, until

TCP = 6
RIP, RIP6 = '10.0.2.11', 'fd00:2::b'
# Servers that take everything and answer nothing.
SINK, SINK6 = '10.60.0.1', 'fd00:60::1'
LONG = os.environ.get('LONG') == '1'


class Pair:
    """The usual fixture, and a second director."""

    def __getattr__(self, name):
        return getattr(FIXTURE, name)

    def __enter__(self):
        FIXTURE.__enter__()
        lan = FIXTURE.lan
        self.backup = make('rv-backup')
        for net, bridge in ((1, 'front'), (2, 'back')):
            lan.run(
                f'ip link add backup-{bridge} type veth peer name {bridge} netns rv-backup',
                quiet=True,
            )
            lan.run(f'ip link set backup-{bridge} master {bridge} up', quiet=True)
            self.backup.run(f'ip addr add 10.0.{net}.253/24 dev {bridge}', quiet=True)
            self.backup.run(f'ip addr add fd00:{net}::fd/64 dev {bridge} nodad', quiet=True)
            self.backup.run(f'ip link set {bridge} up', quiet=True)
        prepare(FIXTURE.director)
        FIXTURE.director.run('ip route replace fd00:60::/64 dev rv-sink', quiet=True)
        for address in (f'{VIP}/32', f'{VIP6}/128'):
            self.backup.run(f'ip addr add {address} dev lo', quiet=True)
        for path in (
            'ipv4/conf/all/rp_filter',
            'ipv4/conf/front/rp_filter',
            'ipv4/conf/back/rp_filter',
        ):
            self.backup.write(f'/proc/sys/net/{path}', 0)
        for path in ('ipv4/ip_forward', 'ipv6/conf/all/forwarding'):
            self.backup.write(f'/proc/sys/net/{path}', 1)
        return self

    def __exit__(self, *rest):
        remove(self.backup)
        FIXTURE.__exit__(*rest)

    def before(self, fresh=False):
        if self.loaded():
            stop()
            self.admin('-C', quiet=True, space=self.backup)
        FIXTURE.before(fresh)


g = Pair()


def daemon(role, space, options='', device='front'):
    """Starts a daemon."""
    ipvs.admin(f'--start-daemon {role} --mcast-interface {device} {options}', space=space)


def stop():
    """Stops whatever daemon runs."""
    for space in (g.director, g.backup):
        for role in ('master', 'backup'):
            ipvs.admin(f'--stop-daemon {role}', check=False, quiet=True, space=space)


def both(spec, method, servers, options='-s rr'):
    """The same service on both directors."""
    for space in (g.director, g.backup):
        ipvs.service(spec, method, servers, options, space=space)


def synced(**match):
    """The connections that the backup was told of (K-6), of those whose fields equal MATCH; it has no others of these."""
    found = []
    for line in g.backup.read('/proc/net/ip_vs_conn_sync').splitlines()[1:]:
        w = line.split()
        row = ipvs.Row(
            w[0],
            ipvs.address(w[1]),
            int(w[2], 16),
            ipvs.address(w[3]),
            int(w[4], 16),
            ipvs.address(w[5]),
            int(w[6], 16),
            w[7],
            int(w[9]),
        )
        if all(getattr(row, name) == value for name, value in match.items()):
            equal(w[8], 'SYNC', f'where {row} comes from')
            found.append(row)
    return found


def arrives(seconds=8, **match):
    """The connection that the backup comes to have."""
    until(lambda: ipvs.rows(space=g.backup, **match), f'{match} is synchronised', seconds)
    return synced(**match)[0]


def threads(letter):
    """The threads of daemons of a kind."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/comm', encoding='utf-8') as file:
                name = file.read().strip()
        except OSError:
            continue
        if name.startswith(f'ipvs-{letter}:'):
            found.append(name)
    return sorted(found)


def entry(**fields):
    """An established connection by DR from 10.0.1.9, as it is told."""
    whole = dict(
        proto=TCP,
        flags=ROUTE | NOOUTPUT,
        state=1,
        client='10.0.1.9',
        cport=4000,
        virt=VIP,
        vport=80,
        dest=RIP,
        dport=80,
        timeout=100,
    )
    return Entry(**{**whole, **fields})


def tell(*entries, **rest):
    """Tells the backup, as another director would."""
    sync.send(g.director, 'front', sync.message(*entries, **rest))


class Client:
    """Sends segments and datagrams of its own making, to the first director."""

    def __enter__(self):
        self.wire = Wire(g.client, 'eth0', g.director, 'front')
        return self

    def __exit__(self, *_):
        self.wire.close()

    def tcp(self, *flags, source='10.0.1.9', port=4000, to=VIP, dport=80):
        """Segments."""
        for bits in flags:
            self.wire.send(ip(source, to, TCP, tcp(source, to, port, dport, bits)))

    def udp(self, count, source='10.0.1.9', port=4000, to=VIP, dport=80):
        """Datagrams."""
        for _ in range(count):
            self.wire.send(ip(source, to, UDP, udp(source, to, port, dport, b'x')))


# ---- daemons ----


@case('B-1 B-2 G-12 daemons start, are listed, and stop', fresh=True)
def daemons():
    daemon('master', g.director, '--syncid 7')
    daemon(
        'backup',
        g.director,
        '--syncid 8 --mcast-group ff02::99 --mcast-port 9000 --mcast-ttl 5 --sync-maxlen 2000',
    )
    listed = ipvs.admin('-L --daemon -n')
    for words in (
        'syncid=7',
        'maxlen=1472',
        'group=224.0.0.81',
        'port=8848',
        'ttl=1',
        'syncid=8',
        'maxlen=2000',
        'group=ff02::99',
        'port=9000',
        'ttl=5',
        'front',
    ):
        true(words in listed, f'{words} is listed:\n{listed}')
    equal((len(threads('m')), len(threads('b'))), (1, 1), 'threads')
    ipvs.refused('--start-daemon master --mcast-interface front')
    ipvs.refused('--start-daemon backup --mcast-interface front')
    equal(ipvs.admin('-L --daemon', space=g.backup).strip(), '', 'daemons of the other namespace')
    ipvs.admin('--stop-daemon master')
    ipvs.refused('--stop-daemon master')
    ipvs.admin('--stop-daemon backup')
    equal(threads('m') + threads('b'), [], 'threads that are left')
    ipvs.refused('--start-daemon master --mcast-interface nosuch')


@case(
    'B-1 B-2 a daemon has as many threads as sync_ports says, and a backup fills up its interface'
)
def ports():
    ipvs.setting('sync_ports', 4, space=g.backup)
    ipvs.setting('sync_sock_size', 100000, space=g.backup)
    daemon('backup', g.backup)
    equal(len(threads('b')), 4, 'threads of a backup')
    # That is read when the first daemon starts.
    ipvs.setting('sync_ports', 1, space=g.backup)
    daemon('master', g.backup)
    equal(len(threads('m')), 4, 'threads of a master')
    for port in range(4):
        sync.send(
            g.director, 'front', sync.message(entry(cport=5000 + port)), port=sync.PORT + port
        )
    for port in range(4):
        arrives(cport=5000 + port)
    stop()
    daemon('master', g.backup)
    equal(len(threads('m')), 1, 'threads afterwards')
    stop()
    ipvs.setting('sync_sock_size', 0, space=g.backup)


@case('L-3 B-1 daemons end with their namespace')
def namespace_ends():
    space = make('rv-short')
    space.run('ip link add dummy0 type dummy', quiet=True)
    space.run('ip addr add 10.0.7.1/24 dev dummy0', quiet=True)
    space.run('ip link set dummy0 up', quiet=True)
    for role in ('master', 'backup'):
        daemon(role, space, device='dummy0')
    equal((len(threads('m')), len(threads('b'))), (1, 1), 'threads')
    remove(space)
    until(lambda: not threads('m') + threads('b'), 'the threads are gone', 30)


@case('L-5 the module can go while daemons run', only='rust', fresh=True)
def module_goes():
    daemon('master', g.director)
    daemon('backup', g.backup)
    both(f'-t {VIP}:80', '-g', [f'{RIP}:80'])
    tell(entry())
    arrives(caddr='10.0.1.9')
    g.unload()
    equal(threads('m') + threads('b'), [], 'threads')


@case('V-10 a server of the other family and a daemon exclude each other')
def mixed():
    ipvs.admin(f'-A -t {VIP}:80 -s rr')
    daemon('master', g.director)
    ipvs.refused(f'-a -t {VIP}:80 -r [{RIP6}]:80 -i')
    ipvs.admin('--stop-daemon master')
    ipvs.admin(f'-a -t {VIP}:80 -r [{RIP6}]:80 -i')
    ipvs.refused('--start-daemon master --mcast-interface front')
    ipvs.admin(f'-d -t {VIP}:80 -r [{RIP6}]:80')
    daemon('master', g.director)


# ---- what a master tells ----


@case('B-7 B-8 B-10 B-11 a connection is told at its third packet, and as it closes', fresh=True)
def thresholds():
    ipvs.service(f'-t {VIP}:80', '-g', [f'{SINK}:80'])
    ipvs.service(f'-u {VIP}:80', '-g', [f'{SINK}:80'])
    daemon('master', g.director, '--syncid 7')
    with Ear(g.backup, 'front') as ear, Client() as client:
        client.tcp(SYN, ACK, port=4001)
        client.tcp(SYN, ACK, ACK, port=4002)
        client.tcp(SYN, ACK, ACK, ACK | FIN, port=4003)
        client.tcp(SYN, *[ACK] * 60, port=4004)
        client.udp(2, port=4005)
        client.udp(54, port=4006)
        true(ear.wait(lambda e: e.cport == 4006), 'a message comes')
        told = {}
        for e in ear.entries(0.3):
            told.setdefault(e.cport, []).append((e.flags, e.state, e.timeout))
        established, closing = (ROUTE | NOOUTPUT, 1, 900), (ROUTE | NOOUTPUT | INACTIVE, 4, 120)
        # UDP has one state, in which no connection is an active one.
        datagrams = (ROUTE | NOOUTPUT | INACTIVE, 0, 300)
        equal(
            told,
            {
                4002: [established],
                4003: [established, closing],
                4004: [established] * 2,
                4006: [datagrams] * 2,
            },
            'what is told of each port',
        )
        equal({(m.version, m.syncid) for m in ear.messages}, {(1, 7)}, 'version and identity')
        first = ear.entries()[0]
        equal(
            (
                first.proto,
                first.client,
                first.virt,
                first.vport,
                first.dest,
                first.dport,
                first.mark,
                first.options,
            ),
            (TCP, '10.0.1.9', VIP, 80, SINK, 80, 0, b''),
            'the first one',
        )


@case('B-10 B-13 the old format, and other groups', fresh=True)
def old_format():
    ipvs.setting('sync_version', 0)
    ipvs.setting('sync_threshold', '1 2')
    ipvs.service(f'-t {VIP}:80', '-m', [f'{SINK}:80'])
    ipvs.service(f'-t [{VIP6}]:80', '-m', [f'[{SINK6}]:80'])
    daemon('master', g.director, f'--syncid 9 --mcast-group {sync.GROUP6} --mcast-port 9999')
    with Ear(g.backup, 'front', sync.GROUP6, 9999) as ear, Client() as client:
        client.tcp(SYN, ACK, ACK, port=4001)
        client.tcp(SYN, ACK, ACK, source='fd00:1::9', to=VIP6, port=4002)
        true(ear.wait(lambda e: e.cport == 4001), 'a message comes')
        equal(ear.messages[0][:2], (0, 9), 'version and identity')
        told = [(e.cport, e.flags, e.state) for e in ear.entries()]
        # It has no room for addresses of IPv6.
        equal(told, [(4001, MASQ, 1)], 'what is told')


@case('B-5 B-7 B-14 templates, of marked packets too, and single packets', fresh=True)
def templates():
    g.director.run('nft add table ip marks')
    g.director.run(['nft', 'add chain ip marks pre { type filter hook prerouting priority -150; }'])
    g.director.run('nft add rule ip marks pre tcp dport 90 meta mark set 5')
    try:
        ipvs.service(f'-t {VIP}:80', '-g', [f'{SINK}:80'], '-s rr -p 300 -M 255.255.255.0')
        ipvs.service('-f 5', '-g', [f'{SINK}:0'], '-s rr -p 200')
        ipvs.service(f'-u {VIP}:80', '-g', [f'{SINK}:80'], '-s rr -p 100 -o')
        daemon('master', g.director)
        with Ear(g.backup, 'front') as ear, Client() as client:
            client.tcp(SYN, ACK, ACK, port=4001)
            client.tcp(SYN, ACK, ACK, port=4002, dport=90)
            client.udp(1, port=4003)
            true(ear.wait(lambda e: e.timeout == 100), 'a message comes')
            plain = ROUTE | NOOUTPUT
            assured, new = (plain | TEMPLATE | INACTIVE, 1), (plain | TEMPLATE | INACTIVE, 0)
            told = [
                (
                    e.proto,
                    e.flags,
                    e.state,
                    e.client,
                    e.cport,
                    e.virt,
                    e.vport,
                    e.dport,
                    e.mark,
                    e.timeout,
                )
                for e in ear.entries()
            ]
            one = ('10.0.1.0', 0, VIP, 80, 80, 0, 300)
            marked = ('10.0.1.9', 0, '0.0.0.5', 0, 0, 5, 200)
            single = ('10.0.1.9', 0, VIP, 80, 80, 0, 100)
            equal(
                told,
                [
                    (6, *new, *one),
                    (6, *assured, *one),
                    (6, plain, 1, '10.0.1.9', 4001, VIP, 80, 80, 0, 900),
                    (6, *assured, *one),
                    (0, *new, *marked),
                    (0, *assured, *marked),
                    (6, plain, 1, '10.0.1.9', 4002, VIP, 90, 90, 5, 900),
                    (0, *assured, *marked),
                    (17, *new, *single),
                ],
                'what is told',
            )
            # Only templates.
            ipvs.setting('sync_persist_mode', 1)
            before = len(told)
            client.tcp(SYN, ACK, ACK, ACK | FIN, port=4004)
            until(lambda: len(ear.entries()) >= before + 4, 'more comes', 6)
            equal(
                {(e.proto, e.cport) for e in ear.entries(0.2)[before:]},
                {(6, 0)},
                'what is told then',
            )
    finally:
        g.director.run('nft delete table ip marks', quiet=True)
        ipvs.setting('sync_persist_mode', 0)


@case('B-6 B-7 told once, or not again for a while', fresh=True)
def refresh():
    ipvs.setting('sync_threshold', '2 0')
    ipvs.service(f'-t {VIP}:80', '-g', [f'{SINK}:80'])
    daemon('master', g.director)
    with Ear(g.backup, 'front') as ear, Client() as client:
        client.tcp(SYN, *[ACK] * 60, port=4001)
        true(ear.wait(lambda e: e.cport == 4001), 'a message comes')
        equal(len(ear.entries()), 1, 'how often it is told')
        # Each packet may have it told, but not more often than that.
        ipvs.setting('sync_refresh_period', 100)
        client.tcp(SYN, *[ACK] * 60, port=4002)
        true(ear.wait(lambda e: e.cport == 4002), 'a message comes')
        equal([e.cport for e in ear.entries(0.3)], [4001, 4002], 'what is told')


@case('B-9 no more messages wait than may; stopping throws them away', fresh=True)
def queue():
    ipvs.service(f'-u {VIP}:80', '-g', [f'{SINK}:80'])
    ipvs.setting('sync_threshold', '0 1')
    ipvs.setting('sync_qlen_max', 0)
    daemon('master', g.director, '--sync-maxlen 1')
    with Ear(g.backup, 'front') as ear, Client() as client:
        client.udp(20)
        equal(ear.entries(0.5), [], 'messages beyond none')
        # The last one is none that waits.
        ipvs.admin('--stop-daemon master')
        equal(ear.entries(2.5), [], 'messages of one who was stopped')
    ipvs.setting('sync_qlen_max', 10000)


# ---- what a backup makes of it ----


@case('B-20 B-21 B-24 B-25 B-27 K-6 connections come to be', fresh=True)
def backup():
    for kind in 'tu':
        ipvs.service(f'-{kind} {VIP}:80', '-g', [f'{RIP}:80'], space=g.backup)
    ipvs.service(f'-t [{VIP6}]:80', '-m', [f'[{RIP6}]:80'], space=g.backup)
    ipvs.service('-f 5', '-m', [f'{RIP}:0'], space=g.backup)
    daemon('backup', g.backup, '--syncid 7')
    tell(entry(cport=1), syncid=8)
    tell(
        entry(cport=2, flags=ROUTE | NOOUTPUT | INACTIVE, state=4),
        entry(cport=3, proto=17, state=0, flags=ROUTE | NOOUTPUT | INACTIVE, timeout=0),
        entry(cport=4, client='fd00:1::9', virt=VIP6, dest=RIP6, flags=MASQ),
        entry(cport=5, vport=90, dport=90, mark=5, flags=MASQ),
        entry(cport=6, state=11),
        entry(cport=7, proto=1),
        entry(cport=8, flags=sync.ONE_PACKET),
        entry(cport=9),
        syncid=7,
    )
    arrives(cport=9)
    rows = {row.cport: row for row in synced()}
    equal(sorted(rows), [2, 3, 4, 5, 9], 'who is there')
    equal(
        [(rows[n].proto, rows[n].state) for n in (2, 3, 4, 9)],
        [('TCP', 'FIN_WAIT'), ('UDP', 'UDP'), ('TCP', 'ESTABLISHED'), ('TCP', 'ESTABLISHED')],
        'states',
    )
    true(
        rows[9].expires <= 100 and 250 < rows[3].expires <= 300,
        f'they end when they are to: {rows}',
    )
    equal(
        sorted((d.address, d.active, d.inactive) for d in ipvs.dests(space=g.backup)),
        [(f'{RIP}:0', 1, 0), (f'{RIP}:80', 0, 1), (f'{RIP}:80', 1, 1), (f'[{RIP6}]:80', 1, 0)],
        'how servers count them',
    )
    # The old format; and both change what is there.
    sync.send(
        g.director,
        'front',
        sync.old_message(entry(cport=10, state=1), entry(cport=9, state=5), syncid=7),
    )
    arrives(cport=10)
    until(lambda: synced(cport=9)[0].state == 'TIME_WAIT', 'the other state')
    equal(len(synced(cport=9)), 1, 'it is the same connection')


@case(
    'B-22 B-24 B-26 connections elsewhere, to servers that nobody knows, and those that come',
    fresh=True,
)
def elsewhere():
    ipvs.service(f'-t {VIP}:80', '-g', [f'{RIP}:80', '10.0.2.12:80'], space=g.backup)
    daemon('backup', g.backup)
    tell(entry())
    arrives(daddr=RIP)
    # The end of another connection does not touch this one; its beginning does.
    tell(entry(dest='10.0.2.12', flags=ROUTE | NOOUTPUT | INACTIVE, state=4), entry(cport=1))
    arrives(cport=1)
    equal(synced(cport=4000)[0].daddr, RIP, 'it goes where it went')
    tell(entry(dest='10.0.2.12'))
    until(
        lambda: [r.daddr for r in synced(cport=4000)][:1] == ['10.0.2.12'],
        'it goes where it is told now',
    )
    # A server that is not known here.
    tell(entry(cport=2, dest='10.0.2.13'))
    equal(arrives(cport=2).daddr, '10.0.2.13', 'where it goes')
    equal(sum(d.active for d in ipvs.dests(space=g.backup)), 2, 'what servers count')
    ipvs.admin(f'-a -t {VIP}:80 -r 10.0.2.13:80 -g', space=g.backup)
    tell(entry(cport=2, dest='10.0.2.13'))
    until(
        lambda: sum(d.active for d in ipvs.dests(space=g.backup)) == 3, 'its server counts it, too'
    )
    equal(len(synced(cport=2)), 1, 'it is there once')


@case(
    'B-22 N-5 a connection that goes elsewhere now: its entry leaves connection tracking',
    fresh=True,
)
def elsewhere_tracked():
    known = {'dst': VIP, 'sport': 5300}
    ipvs.service(f'-u {VIP}:80', '-m', [f'{RIP}:80'])
    with tracked.rules(tracked.TRACKED):
        ipvs.setting('conntrack', 1)
        try:
            ask(g.client, VIP, kind='udp', sport=5300)
            equal([e.reply_src for e in tracked.entries(**known)], [RIP], 'where replies come from')
            daemon('backup', g.director)
            told = entry(
                client='10.0.1.1', cport=5300, proto=17, dest='10.0.2.12', flags=MASQ, state=0
            )
            sync.send(g.client, 'eth0', sync.message(told))
            until(
                lambda: [r.daddr for r in ipvs.rows(cport=5300)] == ['10.0.2.12'],
                'it goes where it is told',
            )
            equal(tracked.entries(**known), [], 'entries of it')
        finally:
            ipvs.setting('conntrack', 0)


@case('B-25 P-6 templates come to be, and clients go where they say', fresh=True)
def backup_templates():
    for vport in (80, 0):
        ipvs.service(
            f'-t {VIP}:{vport}',
            '-m',
            [f'{RIP}:{vport}', f'10.0.2.12:{vport}'],
            '-s rr -p 300',
            space=g.backup,
        )
    daemon('backup', g.backup)
    flags = MASQ | TEMPLATE | INACTIVE
    for turn, dest in enumerate((RIP, '10.0.2.12')):
        client = f'10.0.1.{8 + turn}'
        tell(
            entry(client=client, cport=0, flags=flags, state=1, dest=dest, timeout=0),
            entry(client=client, cport=0, vport=0, dport=0, flags=flags, state=0, dest=dest),
        )
        until(
            lambda c=client: len(ipvs.rows(space=g.backup, caddr=c)) == 2, 'the templates are there'
        )
        rows = {row.vport: row for row in synced(caddr=client)}
        equal((rows[80].state, rows[0].state), ('ASSURED', 'NONE'), 'states')
        true(
            100 < rows[80].expires <= 180 and rows[0].expires <= 100,
            f'they end when they are to: {rows}',
        )
    with_backup = Wire(g.client, 'eth0', g.backup, 'front')
    for _ in range(2):
        for client in ('10.0.1.8', '10.0.1.9'):
            for port in (80, 8080):
                sport = random.randrange(20000, 30000)
                with_backup.send(ip(client, VIP, TCP, tcp(client, VIP, sport, port, SYN)))
    with_backup.close()
    until(lambda: len(ipvs.rows(space=g.backup)) == 12, 'the connections are there')
    for client, dest in (('10.0.1.8', RIP), ('10.0.1.9', '10.0.2.12')):
        equal(
            {row.daddr for row in ipvs.rows(space=g.backup, caddr=client)},
            {dest},
            f'where {client} goes',
        )


@case('B-24 P-3 a template of FTP is known by its service', only='rust', fresh=True)
def ftp_template():
    # C IPVS looks for a service of all ports, and finds none: the client's next connection goes
    # anywhere.
    ipvs.service(
        f'-t {VIP}:21', '-m', [f'{RIP}:21', '10.0.2.12:21'], '-s rr -p 300', space=g.backup
    )
    daemon('backup', g.backup)
    tell(entry(cport=0, vport=0, dport=0, flags=MASQ | TEMPLATE | INACTIVE, state=0))
    arrives(cport=0)
    wire = Wire(g.client, 'eth0', g.backup, 'front')
    for sport in range(30001, 30004):
        wire.send(ip('10.0.1.9', VIP, TCP, tcp('10.0.1.9', VIP, sport, 21, SYN)))
    wire.close()
    until(lambda: len(ipvs.rows(space=g.backup, vport=21)) == 3, 'the connections are there')
    equal({row.daddr for row in ipvs.rows(space=g.backup)}, {RIP}, 'where the client goes')


@case('H-8 a backup that is only that takes no requests', fresh=True)
def backup_only():
    both(f'-t {VIP}:80', '-m', [f'{RIP}:80'])
    wire = Wire(g.client, 'eth0', g.backup, 'front')

    def takes(port):
        wire.send(ip('10.0.1.9', VIP, TCP, tcp('10.0.1.9', VIP, port, 80, SYN)))
        return bool(ipvs.rows(space=g.backup, cport=port))

    ipvs.setting('backup_only', 1, space=g.backup)
    until(lambda: takes(5001), 'without a daemon it takes requests')
    daemon('backup', g.backup)
    always(lambda: not takes(5002), 'it takes no requests', 0.3)
    ipvs.setting('backup_only', 0, space=g.backup)
    until(lambda: takes(5003), 'it takes requests')
    ipvs.setting('backup_only', 1, space=g.backup)
    always(lambda: not takes(5004), 'it takes no requests again', 0.3)
    ipvs.admin('--stop-daemon backup', space=g.backup)
    until(lambda: takes(5005), 'it takes requests, without a daemon')
    ipvs.setting('backup_only', 0, space=g.backup)
    wire.close()


def moves(to):
    """The VIPs are on the other director from now on: clients and servers send there."""
    g.client.run(f'ip route replace 10.0.0.0/16 via 10.0.1.{to}')
    g.client.run(f'ip route replace fd00::/16 via fd00:1::{to - 200 + 0xc8:x}')
    g.s1.run(f'ip route replace default via 10.0.2.{to} table 100')
    g.s1.run(f'ip -6 route replace ::/0 via fd00:2::{to - 200 + 0xc8:x} table 100')


@case('B-5 B-22 B-25 failover: open connections go on through the other director', fresh=True)
def failover():
    both(f'-t {VIP}:80', '-m', [f'{RIP}:80'])
    both(f'-t {VIP}:8080', '-g', [f'{RIP}:8080'], '-s rr -p 300')
    both(f'-t [{VIP6}]:80', '-m', [f'[{RIP6}]:80'])
    both(f'-u {VIP}:80', '-m', [f'{RIP}:80'])
    daemon('master', g.director, '--syncid 7')
    daemon('backup', g.backup, '--syncid 7')
    connections = [
        Connection(g.client, VIP),
        Connection(g.client, VIP, 8080),
        Connection(g.client, VIP6),
        Connection(g.client, VIP, kind='udp'),
    ]
    try:
        for connection in connections:
            for _ in range(3):
                true(connection.echo(), 'the connection works')
        for connection in connections:
            arrives(cport=connection.port)
        equal(len([r for r in synced() if r.cport == 0]), 1, 'templates')
        rows = {(r.proto, r.cport, r.daddr, r.dport, r.state) for r in ipvs.rows()}
        equal(
            {(r.proto, r.cport, r.daddr, r.dport, r.state) for r in synced()},
            rows,
            'both know the same',
        )
        moves(253)
        before = ipvs.total(space=g.backup).inpkts
        for connection in connections:
            true(connection.echo('after\n'), f'port {connection.port} goes on')
        until(
            lambda: ipvs.total(space=g.backup).inpkts > before,
            'the other director counts the packets',
        )
        # As keepalived does it: the backup becomes the master, and goes on telling.
        ipvs.admin('--stop-daemon backup', space=g.backup)
        ipvs.admin('--stop-daemon master')
        daemon('master', g.backup, '--syncid 7')
        ipvs.setting('sync_threshold', '0 1', space=g.backup)
        with Ear(g.director, 'front') as ear:
            true(connections[0].echo(), 'it goes on')
            told = ear.wait(lambda e: e.cport == connections[0].port)
            true(told, 'the new master tells of it')
            equal(told.flags & sync.SYNC, sync.SYNC, 'that it was told itself')
    finally:
        moves(254)
        for connection in connections:
            connection.close()


# ---- those who mean harm ----


@case(
    f'B-12 B-20 B-21 {1000000 if LONG else 1000} broken messages do no harm, and nobody is told of them',
    only='rust',
    fresh=True,
)
def hostile():
    # C IPVS writes a line for some of them, and could not be unloaded after such a run.
    both(f'-t {VIP}:80', '-g', [f'{RIP}:80'])
    ipvs.service(f'-u {VIP}:5060', '-m', [f'{RIP}:5060'], '-s rr -p 300 --pe sip', space=g.backup)
    daemon('backup', g.backup)
    luck = random.Random(7)
    good = [
        entry(),
        entry(client='fd00:1::9', virt=VIP6, dest=RIP6),
        entry(flags=MASQ | TEMPLATE, cport=0, state=1),
        entry(flags=0x600, options=bytes([1, 24]) + bytes(24)),
        entry(
            proto=17,
            vport=5060,
            cport=0,
            flags=TEMPLATE,
            state=0,
            options=b'\x02\x04a@bc\x03\x03sip',
        ),
    ]
    marked = len(g.log())
    for _ in range(4000 if LONG else 4):
        broken = []
        for _ in range(250):
            chosen = luck.choices(good, k=luck.randrange(1, 6))
            data = bytearray(
                luck.choice((sync.message, sync.message, sync.old_message))(
                    *[e for e in chosen if ':' not in e.client] or good[:1]
                )
                if luck.random() < 0.5
                else sync.message(*chosen)
            )
            for _ in range(luck.randrange(1, 5)):
                data[luck.randrange(len(data))] = luck.choice((0, 1, 2, 0xFF, luck.randrange(256)))
            if luck.random() < 0.2:
                del data[luck.randrange(len(data)) :]
            if len(data) >= 4 and luck.random() < 0.8:
                data[2:4] = len(data).to_bytes(2, 'big')
            broken.append(bytes(data))
        sync.send(g.director, 'front', *broken, b'', bytes(2000), b'\xff' * 1400)
    tell(entry(cport=7777))
    arrives(cport=7777)
    lines = [
        line.split()
        for line in g.backup.read('/proc/net/snmp').splitlines()
        if line.startswith('Udp: ')
    ]
    udp = dict(zip(*lines))
    note(f'the backup read {udp["InDatagrams"]} messages and lost {udp["RcvbufErrors"]}')
    note(f'{len(ipvs.rows(space=g.backup))} connections came of it')
    equal(g.log()[marked:], [], 'what the kernel says of it')
    ipvs.admin('--stop-daemon backup', space=g.backup)
    g.reload()


run(g)
