#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What makes no lasting connection, or one without a server: single packets, bypass, answers of this very host."""

import socket

from harness import ipvs
from harness.bypass import CLIENT, Elsewhere, fake_peers
from harness.clients import ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.packet import ACK, FIN, SYN, Sniffer, Wire, ip, udp
from harness.tap import always, case, equal, run, true, until
from harness.protocol import fake_peer

# ---- single packets ----


@case(
    'S-12 C-8 C-14 E-4 each datagram of a single-packet service is scheduled by itself and leaves nothing',
    fresh=True,
)
def single_packets():
    for vip, servers in (
        (VIP, ['10.0.2.11:80', '10.0.2.12:80', '10.0.2.13:80']),
        (VIP6, ['[fd00:2::b]:80', '[fd00:2::c]:80', '[fd00:2::d]:80']),
    ):
        at = f'[{vip}]:80' if ':' in vip else f'{vip}:80'
        ipvs.service(f'-u {at}', '-g', servers, '-s rr -o')
        # One client, one port: each of its datagrams goes to the next server.
        with g.client:
            sock = socket.socket(
                socket.AF_INET6 if ':' in vip else socket.AF_INET, socket.SOCK_DGRAM
            )
        sock.settimeout(3)
        sock.connect((vip, 80))
        names = []
        for n in range(9):
            sock.send(b'%d' % n)
            names.append(sock.recv(2000).split()[0].decode())
        sock.close()
        equal(sorted(names), ['s1'] * 3 + ['s2'] * 3 + ['s3'] * 3, 'who answered')
        equal(len(set(names[:3])), 3, 'servers of the first three')
        equal(ipvs.rows(), [], 'connections')
        until(lambda a=at: ipvs.stats(a).conns == 9, f'connections counted ({ipvs.stats(at)})', 5)
        equal(ipvs.stats(at).inpkts, 9, 'packets counted')
        equal(
            [(d.active, d.inactive) for d in ipvs.dests()],
            [(0, 0)] * 3,
            'connections of the servers',
        )
        ipvs.admin('-C')


@case('S-12 NAT and tunnels: a datagram of a single-packet service reaches its server', fresh=True)
def single_packets_methods():
    fake_peers()
    for method, wanted in (
        ('-m', lambda p: p.proto == 17 and p.dst == '10.0.2.11' and p.dport == 8080),
        ('-i', lambda p: p.proto == 4 and p.inner().dst == VIP),
    ):
        ipvs.service(f'-u {VIP}:80', method, ['10.0.2.11:8080'], '-s rr --ops')
        wire = Wire(g.client, 'eth0', g.director, 'front')
        with Sniffer(g.s1, 'back') as sniffer:
            wire.send(ip(CLIENT, VIP, 17, udp(CLIENT, VIP, 5500, 80, b'single')))
            true(sniffer.wait(wanted), f'{method}: it arrives')
        wire.close()
        equal(ipvs.rows(), [], 'connections')
        ipvs.admin('-C')


@case(
    'S-12 C-3 TCP of a single-packet service of a mark has connections as ever, its UDP has none',
    fresh=True,
)
def single_packets_tcp():
    g.director.run('nft add table ip rv-ops')
    g.director.run(
        [
            'nft',
            'add',
            'chain',
            'ip',
            'rv-ops',
            'pre',
            '{ type filter hook prerouting priority mangle; }',
        ]
    )
    g.director.run(f'nft add rule ip rv-ops pre ip daddr {VIP} meta mark set 7')
    try:
        ipvs.service('-f 7', '-g', ['10.0.2.11'], '-s rr -o')
        equal(ask(g.client, VIP).name, 's1', 'by TCP')
        equal(len(ipvs.rows(proto='TCP')), 1, 'connections of TCP')
        equal(ask(g.client, VIP, kind='udp').name, 's1', 'by UDP')
        equal(ipvs.rows(proto='UDP'), [], 'connections of UDP')
    finally:
        g.director.run('nft delete table ip rv-ops')


@case('C-23 S-13 single packets ask for room as others do', fresh=True)
def single_packets_limit():
    ipvs.service(f'-u {VIP}:80', '-g', ['10.0.2.11:80'], '-s rr -o')
    ipvs.setting('conn_max', 0)
    equal(ask(g.client, VIP, kind='udp', timeout=0.4).name, 'timeout', 'with room for none')
    ipvs.setting('conn_max', 1)
    equal([ask(g.client, VIP, kind='udp').name for _ in range(3)], ['s1'] * 3, 'with room for one')
    ipvs.setting('conn_max', 2**30)


# ---- bypass ----


@case(
    'S-15 X-15 E-3 E-4 cache_bypass: what no server may have goes where it is addressed, and counts nowhere',
    fresh=True,
)
def bypass():
    for version in (4, 6):
        with Elsewhere(version) as there, Sniffer(g.s1, 'back') as sniffer:
            there.service()
            there.send(6000)
            always(
                lambda s=sniffer: not s.all(lambda p: p.proto == 17 and p.sport == 6000),
                'without cache_bypass nothing arrives',
                0.4,
            )
            equal(ipvs.rows(cport=6000, caddr=there.client), [], 'connections')
            ipvs.setting('cache_bypass', 1)
            for _ in range(3):
                there.send(6001)
            seen = sniffer.wait(lambda p: p.proto == 17 and p.sport == 6001)
            true(seen, 'the datagram arrives')
            equal(
                (seen.src, seen.dst, seen.dport, seen.ttl),
                (there.client, there.there, 80, 63),
                'what arrives',
            )
            true(seen.transport_sum_is_right(), 'its checksum')
            (row,) = ipvs.rows(cport=6001, caddr=there.client)
            equal(
                (row.proto, row.vaddr, row.vport, row.daddr, row.dport, row.state),
                ('UDP', there.there, 80, '0.0.0.0' if version == 4 else '::', 0, 'UDP'),
                'the connection',
            )
            equal(ipvs.total().conns, 0, 'connections counted')
            equal(ipvs.total().inpkts, 0, 'packets counted')
        ipvs.admin('-C')


@case(
    'S-15 T-2 T-4 a connection that goes past the servers has states as if both directions passed',
    fresh=True,
)
def bypass_states():
    with Elsewhere(4) as there:
        # Where nobody is who would answer.
        there.there = '10.0.2.99'
        fake_peer('10.0.2.99', 'back')
        there.service()
        ipvs.setting('cache_bypass', 1)
        for flags, state in ((SYN, 'SYN_RECV'), (ACK, 'ESTABLISHED'), (FIN | ACK, 'CLOSE_WAIT')):
            there.send(6100, flags)
            until(lambda s=state: [r for r in ipvs.rows(cport=6100) if r.state == s], state, 3)


@case(
    'S-15 C-23 a single packet that goes past the servers makes no connection; one without room is dropped',
    fresh=True,
)
def bypass_single():
    with Elsewhere(4) as there, Sniffer(g.s1, 'back') as sniffer:
        there.service('-s rr -o')
        ipvs.setting('cache_bypass', 1)
        there.send(6200)
        true(sniffer.wait(lambda p: p.proto == 17 and p.sport == 6200), 'the datagram arrives')
        equal(ipvs.rows(), [], 'connections')
        ipvs.setting('conn_max', 0)
        there.send(6201)
        always(
            lambda: not sniffer.all(lambda p: p.proto == 17 and p.sport == 6201),
            'nothing without room',
            0.4,
        )
        ipvs.setting('conn_max', 2**30)


@case(
    'S-15 S-17 cache_bypass is for marked services and for other hosts\' addresses only', fresh=True
)
def bypass_not():
    ipvs.setting('cache_bypass', 1)
    ipvs.admin(f'-A -u {VIP}:80 -s rr')
    equal(ask(g.client, VIP, kind='udp', timeout=2).name, 'refused', 'a service of an address')
    ipvs.admin('-C')
    g.director.run('nft add table ip rv-by')
    g.director.run(
        [
            'nft',
            'add',
            'chain',
            'ip',
            'rv-by',
            'pre',
            '{ type filter hook prerouting priority mangle; }',
        ]
    )
    g.director.run(f'nft add rule ip rv-by pre ip daddr {VIP} meta mark set 9')
    try:
        ipvs.admin('-A -f 9 -s rr')
        equal(
            ask(g.client, VIP, kind='udp', timeout=2).name, 'refused', 'an address of the director'
        )
    finally:
        g.director.run('nft delete table ip rv-by')
        ipvs.setting('cache_bypass', 0)


# ---- answers of this very host ----


@case(
    'S-8 what answers a connection is not scheduled, though a service has its addressee', fresh=True
)
def local_reply():
    # The client is an address of the director, and a service of its own: the answer of the first
    # service's server would begin a connection of the second one.
    fake_peers()
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    ipvs.service('-u 10.0.9.2:7000', '-m', ['10.0.2.12:80'])
    with g.director:
        asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asks, answers, Sniffer(g.s2, 'back') as sniffer:
        asks.bind(('10.0.9.2', 7000))
        asks.sendto(b'question', (VIP, 80))
        (row,) = until(lambda: ipvs.rows(caddr='10.0.9.2', cport=7000), 'the connection')
        equal(row.daddr, '10.0.2.11', 'its server')
        # In the VIP's name, as a server on this host answers.
        answers.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        answers.bind((VIP, 80))
        answers.sendto(b'answer', ('10.0.9.2', 7000))
        asks.settimeout(3)
        equal(asks.recv(100), b'answer', 'what comes to who asked')
        equal(len(ipvs.rows()), 1, 'connections')
        true(not sniffer.all(lambda p: p.proto == 17), 'the other server hears nothing')
        # From any other port it is a client as any other.
        answers.close()
        with g.director:
            other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind((VIP, 81))
        other.sendto(b'question', ('10.0.9.2', 7000))
        true(
            sniffer.wait(lambda p: p.proto == 17 and p.dst == '10.0.2.12'),
            'the other server is asked',
        )
        other.close()


if __name__ == '__main__':
    run(g)
