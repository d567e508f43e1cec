#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a master tells others of packets that come in a given order, and what a backup makes of messages.

Clients' packets are made here, so that each connection has the same ones each time.
"""

import os
import sys

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../selftests/rust_ipvs')
)

from harness import ipvs, sync  # noqa: E402
from harness.flows import Flows  # noqa: E402
from harness.netns import Netns  # noqa: E402
from harness.packet import ACK, FIN, RST, SYN, Wire, ip, sctp, tcp, chunk  # noqa: E402
from harness.sync import INACTIVE, MASQ, NOOUTPUT, ROUTE, TEMPLATE, Ear, Entry  # noqa: E402
from harness.tap import until  # noqa: E402

CLIENT, DIRECTOR = Netns('rv-client'), Netns('rv-director')
VIP, VIP6, RIP, RIP6 = '10.0.9.1', 'fd00:9::1', '10.60.0.11', 'fd00:60::11'


def do(line, show=True):
    """Runs ipvsadm."""
    if show:
        print(f'ipvsadm {line}')
    words = ipvs.admin(line, check=False, quiet=True, space=DIRECTOR).strip()
    if words:
        print(words)


def setting(name, value):
    """Sets a variable."""
    print(f'{name}={value}')
    ipvs.setting(name, value, space=DIRECTOR)


def show(what, messages):
    """Messages in words."""
    print(f'-- {what}')
    for message in messages:
        print(f'version {message.version} id {message.syncid}: {len(message.entries)} entries')
        for e in message.entries:
            print(
                f'  {e.proto} {e.client}:{e.cport} {e.virt}:{e.vport} {e.dest}:{e.dport} flags {e.flags:#x} state {e.state} '
                f'mark {e.mark} timeout {e.timeout} options {e.options.hex() or "none"}'
            )


class Master:
    """A director that tells, a client, and who hears it."""

    def __init__(self, options='--syncid 7'):
        do(f'--start-daemon master --mcast-interface front {options}')
        self.ear = Ear(CLIENT, 'eth0')
        self.wire = Wire(CLIENT, 'eth0', DIRECTOR, 'front')

    def tcp(self, port, *flags, source='10.0.1.1', to=VIP, dport=80):
        """Segments of a connection."""
        for bits in flags:
            self.wire.send(ip(source, to, 6, tcp(source, to, port, dport, bits)))

    def sctp(self, port, *kinds):
        """An association."""
        for kind in kinds:
            self.wire.send(ip('10.0.1.1', VIP, 132, sctp(port, 80, chunk(kind, bytes(16)))))

    def end(self, what):
        """Shows what was heard, when all of it was sent."""
        # A message waits for two seconds, and its thread for one more.
        show(what, self.ear.hear(4.5))
        self.ear.close()
        self.wire.close()
        do('--stop-daemon master', show=False)


def services():
    """Those of both parts."""
    for kind, vip, rip in (
        ('-t', f'{VIP}:80', f'{RIP}:80'),
        ('-t', f'{VIP}:81', f'{RIP}:8080'),
        ('-u', f'{VIP}:80', f'{RIP}:80'),
        ('-t', f'[{VIP6}]:80', f'[{RIP6}]:80'),
        ('--sctp-service', f'{VIP}:80', f'{RIP}:80'),
    ):
        do(f'-A {kind} {vip} -s rr')
        do(f'-a {kind} {vip} -r {rip} {"-m" if "81" in vip else "-g"}')
    do(f'-A -t {VIP}:82 -s rr -p 300 -M 255.255.255.0')
    do(f'-a -t {VIP}:82 -r {RIP}:82 -m')
    do(f'-A -t {VIP}:0 -s rr -p 200')
    do(f'-a -t {VIP}:0 -r {RIP}:0 -i')
    do('-A -f 7 -s rr -p 100')
    do('-a -f 7 -r 10.60.0.1:0 -g')


def master():
    """What is told."""
    m = Master()
    m.tcp(1001, SYN)
    m.tcp(1002, SYN, ACK, ACK)
    m.tcp(1003, SYN, *[ACK] * 110)
    m.tcp(1004, SYN, ACK, ACK, FIN | ACK, ACK)
    m.tcp(1005, SYN, ACK, RST, dport=81)
    m.tcp(1006, SYN, ACK, ACK, dport=81)
    m.tcp(1007, SYN, ACK, ACK, source='fd00:1::1', to=VIP6)
    m.tcp(1008, SYN, ACK, ACK, dport=82)
    m.tcp(1009, SYN, ACK, ACK, ACK | FIN, dport=83)
    m.tcp(1010, SYN, ACK, ACK, to='10.50.0.1')
    m.sctp(1011, 1, 10, 0, 0, 7, 8, 14)
    m.end('as it comes')

    setting('sync_threshold', '1 2')
    m = Master('--syncid 255 --sync-maxlen 100')
    m.tcp(1101, *[SYN], *[ACK] * 8)
    m.tcp(1102, *[SYN], *[ACK] * 4, dport=82)
    m.end('often, in short messages')

    setting('sync_threshold', '3 0')
    setting('sync_persist_mode', 1)
    m = Master('--syncid 0')
    m.tcp(1201, SYN, *[ACK] * 9)
    m.tcp(1202, SYN, *[ACK] * 9, FIN | ACK, dport=82)
    m.end('once, and only templates')

    setting('sync_persist_mode', 0)
    setting('sync_refresh_period', 1000)
    m = Master()
    m.tcp(1301, SYN, *[ACK] * 9, FIN | ACK)
    m.tcp(1302, SYN, *[ACK] * 9, dport=84)
    m.end('not again for a while')

    setting('sync_refresh_period', 0)
    setting('sync_threshold', '3 50')
    setting('sync_version', 0)
    m = Master()
    m.tcp(1401, SYN, ACK, ACK, ACK | FIN)
    m.tcp(1402, SYN, ACK, ACK, source='fd00:1::1', to=VIP6)
    m.tcp(1403, SYN, ACK, ACK, ACK, dport=82)
    m.end('in the old format')
    setting('sync_version', 1)


def entry(**fields):
    """An established connection by DR."""
    whole = dict(
        proto=6,
        flags=ROUTE | NOOUTPUT,
        state=1,
        client='10.9.1.1',
        cport=2000,
        virt=VIP,
        vport=80,
        dest=RIP,
        dport=80,
        timeout=100,
    )
    return Entry(**{**whole, **fields})


def told(what, *messages):
    """Tells the backup, and shows what it makes of it."""
    print(f'-- {what}')
    sync.send(CLIENT, 'eth0', *messages)
    told.last += 1
    # Messages are read in their order.
    sync.send(CLIENT, 'eth0', sync.message(entry(cport=told.last), syncid=7))
    until(lambda: ipvs.rows(space=DIRECTOR, cport=told.last), 'the last message was read')
    lines = DIRECTOR.read('/proc/net/ip_vs_conn_sync').splitlines()[1:]
    # Without the time that is left, and those that only say that messages were read.
    shown = [
        line.rsplit(None, 1)[0] for line in lines if not 20000 < int(line.split()[2], 16) < 30000
    ]
    print('\n'.join(sorted(shown)))
    for destination in sorted(ipvs.dests(space=DIRECTOR)):
        print(destination)
    do('-Ln --persistent-conn -t 10.0.9.1:82')


told.last = 20000


def backup():
    """What is heard."""
    do('--start-daemon backup --mcast-interface front --syncid 7')
    good, gone = entry(), ROUTE | NOOUTPUT | INACTIVE
    template = entry(
        cport=0, vport=82, dport=82, flags=MASQ | TEMPLATE | INACTIVE, state=1, timeout=0
    )
    told(
        'connections',
        sync.message(
            good, entry(cport=1, state=4, flags=gone), entry(cport=2, dest='10.60.0.12'), syncid=7
        ),
    )
    told(
        'to others', sync.message(entry(cport=3), syncid=6), sync.message(entry(cport=4), syncid=0)
    )
    told('in the old format', sync.old_message(entry(cport=5), entry(cport=6, state=10), syncid=7))
    told(
        'of other kinds',
        sync.message(
            entry(cport=7, client='fd00:1::1', virt=VIP6, dest=RIP6),
            entry(cport=8, proto=17, state=0, flags=gone),
            entry(cport=9, proto=132, state=8),
            entry(cport=10, vport=81, dport=8080, flags=MASQ),
            syncid=7,
        ),
    )
    told(
        'templates',
        sync.message(
            template,
            template._replace(client='10.9.1.0', state=0),
            entry(cport=0, vport=0, dport=0, flags=TEMPLATE | INACTIVE, state=0),
            entry(
                proto=0,
                cport=0,
                virt='0.0.0.7',
                vport=0,
                dest='10.60.0.1',
                dport=0,
                mark=7,
                flags=ROUTE | TEMPLATE | INACTIVE,
                state=0,
            ),
            syncid=7,
        ),
    )
    told(
        'changes',
        sync.message(
            good._replace(state=5, flags=gone),
            template._replace(state=0),
            entry(cport=1, state=1),
            syncid=7,
        ),
    )
    told('another server', sync.message(good._replace(dest='10.60.0.13'), syncid=7))
    told(
        'what nobody understands',
        sync.message(
            entry(cport=11, state=11),
            entry(cport=12, flags=sync.ONE_PACKET),
            entry(cport=13, proto=1),
            template._replace(client='10.9.1.9', state=2),
            entry(cport=14, options=b'\x07\x01\x00'),
            entry(cport=15, options=b'\x47\x01\x00'),
            entry(cport=16, options=b'\x02\x01x'),
            syncid=7,
        ),
    )
    told(
        'what breaks off',
        sync.message(entry(cport=17), entry(cport=18, options=b'\x41'), entry(cport=19), syncid=7),
        sync.message(entry(cport=20), syncid=7)[:-1],
        sync.message(entry(cport=21), syncid=7) + b'\0',
    )
    do('--stop-daemon backup')


with Flows(CLIENT, DIRECTOR):
    DIRECTOR.run('ip route replace fd00:60::/64 dev rv-sink', quiet=True)
    services()
    backup()
    master()
