#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tunnels: IPIP, GUE and GRE with their checksums, in both families, and errors about them."""

import struct

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, VIP
from harness.ipvs import at
from harness.packet import Packet, Sniffer, Wire, icmp, ip, udp
from harness.routes import by_router, traceroute
from harness.tap import case, equal, run, true, until
from harness.tunnels import KINDS, PORT, SERVER, VIPS, close, serve

CLIENT = {4: '10.0.1.2', 6: 'fd00:1::2'}
DIRECTOR = {4: '10.0.2.254', 6: 'fd00:2::fe'}
FAMILIES = ((4, 4), (6, 4), (4, 6), (6, 6))


def inside(packet):
    """What is behind the outer IP header. Its length field says nothing: who opens GUE writes in the packet that is seen."""
    return packet.data[packet.head :]


class Shot:
    """Sends a datagram by hand, and sees the packet in which it travels."""

    port = 7000

    def __init__(self, inner):
        Shot.port += 1
        self.inner, self.port = inner, Shot.port

    def __enter__(self):
        self.front = Wire(g.client, 'eth0', g.director, 'front')
        self.at_server = Sniffer(g.s1, 'back')
        self.at_client = Sniffer(g.client, 'eth0')
        return self

    def __exit__(self, *_):
        for thing in (self.front, self.at_server, self.at_client):
            thing.close()

    def send(self, data=b'shot', **options):
        me, vip = CLIENT[self.inner], VIPS[self.inner]
        packet = ip(me, vip, 17, udp(me, vip, self.port, 80, data), ttl=50, **options)
        self.at_server.seen.clear()
        self.front.send(packet)
        return packet

    def arrived(self, seconds=3):
        """The outer packet."""
        ports = struct.pack('!HH', self.port, 80)
        return self.at_server.wait(lambda p: ports in inside(p)[20:100], seconds)

    def error(self, seconds=3):
        return self.at_client.wait(
            lambda p: p.type in (3, 11) and p.proto == 1 or p.proto == 58 and p.type < 5, seconds
        )


for KIND in KINDS:
    for INNER, OUTER in FAMILIES:

        @case(
            f'X-16 X-17 X-18 X-19 X-20 {KIND}, IPv{INNER} in IPv{OUTER}: a real server opens it; bytes stay intact, also merged ones'
        )
        def works(kind=KIND, inner=INNER, outer=OUTER):
            serve(kind, inner, outer)
            try:
                equal(ask(g.client, VIPS[inner], kind='udp').name, 's1', 'who answers by UDP')
                with Connection(g.client, VIPS[inner], timeout=20) as connection:
                    equal(
                        connection.answer.local,
                        VIPS[inner],
                        'the address that the server was asked at',
                    )
                    true(connection.put(200000), '200 kB to the server')
                    true(connection.get(50000), '50 kB from the server')
            finally:
                close()

    for INNER, OUTER in FAMILIES:

        @case(f'X-17 X-18 X-19 A-21 {KIND}, IPv{INNER} in IPv{OUTER}: the headers, byte by byte')
        def headers(kind=KIND, inner=INNER, outer=OUTER):
            serve(kind, inner, outer, 'u')
            ports = set()
            try:
                for tos, df in ((0, False), (0xB8, True), (3, False)):
                    with Shot(inner) as shot:
                        sent = shot.send(tos=tos, **(dict(df=df, ident=9) if inner == 4 else {}))
                        packet = shot.arrived()
                        true(packet, 'the datagram arrives')
                        equal(
                            (packet.src, packet.dst), (DIRECTOR[outer], SERVER[outer]), 'addresses'
                        )
                        equal(packet.ttl, 49, 'TTL')
                        equal(packet.tos, tos if tos != 3 else 2, 'TOS')
                        true(packet.sum_is_right or kind.startswith('GUE'), 'header checksum')
                        if outer == 4:
                            equal(packet.df, df if inner == 4 else False, 'DF')
                        number, kind_of = (4, 0x0800) if inner == 4 else (41, 0x86DD)
                        size = KINDS[kind][1]
                        payload = inside(packet)
                        if kind == 'IPIP':
                            equal(packet.proto, number, 'protocol')
                        elif kind.startswith('GUE'):
                            equal(
                                (packet.proto, packet.dport, payload[8:12]),
                                (17, PORT, bytes((0, number, 0, 0))),
                                'protocol, port and GUE header',
                            )
                            equal(struct.unpack('!H', payload[4:6])[0], len(payload), 'UDP length')
                            low, high = map(
                                int,
                                g.director.read('/proc/sys/net/ipv4/ip_local_port_range').split(),
                            )
                            true(low <= packet.sport <= high, f'source port {packet.sport}')
                            # A right checksum of what comes without a device's help is left to a
                            # device: by veth, to nobody.
                            equal(
                                payload[6:8] == b'\0\0', 'checksum' not in kind, 'no UDP checksum'
                            )
                            ports.add(packet.sport)
                            sport = packet.sport
                            shot.send(b'again')
                            equal(shot.arrived().sport, sport, 'the source port of the same flow')
                        else:
                            expected = struct.pack('!HH', 0x8000 if size == 8 else 0, kind_of)
                            equal(
                                (packet.proto, payload[:4]),
                                (47, expected),
                                'protocol and GRE header',
                            )
                        head = 20 if inner == 4 else 40
                        equal(payload[size + head :], sent[head:], 'what is inside')
                        equal(Packet(payload[size:]).ttl, 49, 'TTL inside')
                if kind.startswith('GUE'):
                    true(len(ports) > 1, f'flows have ports of their own: {ports}')
            finally:
                close()

    for INNER, OUTER in FAMILIES:

        @case(f'X-9 {KIND}, IPv{INNER} in IPv{OUTER}: the client hears what fits, and that fits')
        def mtu(kind=KIND, inner=INNER, outer=OUTER):
            serve(kind, inner, outer, 'u')
            room = 1500 - (20 if outer == 4 else 40) - KINDS[kind][1]
            head = 28 if inner == 4 else 48
            options = dict(df=True) if inner == 4 else {}
            try:
                with Shot(inner) as shot:
                    shot.send(bytes(room - head), **options)
                    true(shot.arrived(), f'{room} bytes arrive')
                    # A link takes no more than 1500, so the next one is said to be as large as two
                    # fragments.
                    g.director.run(
                        f'ip {"-6 " if outer == 6 else ""}route replace {SERVER[outer]} dev back '
                        f'mtu {"lock " if outer == 4 else ""}1450'
                    )
                    shot.send(bytes(room - 50 - head), **options)
                    true(shot.arrived(), f'{room - 50} bytes arrive by a way that takes 1450')
                    shot.send(bytes(room - 49 - head), **options)
                    error = shot.error()
                    true(error, 'an ICMP error')
                    equal(
                        (error.proto, error.type, error.code),
                        (1, 3, 4) if inner == 4 else (58, 2, 0),
                        'the error',
                    )
                    equal(error.rest & 0xFFFF, room - 50, 'the size it tells')
                    equal(shot.arrived(0.1), None, 'what arrives')
            finally:
                g.director.run(
                    f'ip {"-6 " if outer == 6 else ""}route del {SERVER[outer]} dev back',
                    check=False,
                )
                close()


@case(
    'X-18 X-20 GUE with remote checksum: the option where a checksum is left to a device, and only there'
)
def remote_checksum():
    for inner, outer in FAMILIES:
        serve('GUE with remote checksum', inner, outer, 'u')
        try:
            with Sniffer(g.s1, 'back') as sniffer:
                # What a socket sends over veth has no checksum yet.
                equal(ask(g.client, VIPS[inner], kind='udp').name, 's1', 'who answers')
                packet = sniffer.wait(lambda p: p.dport == PORT)
                head = 20 if inner == 4 else 40
                expected = struct.pack(
                    '!BBHIHH', 2, 4 if inner == 4 else 41, 1, 0x80000000, head, head + 6
                )
                equal(inside(packet)[8:20], expected, f'IPv{inner} in IPv{outer}: the GUE header')
        finally:
            close()
            ipvs.admin('-C')


@case('V-14 X-21 the kind of a tunnel may change under a connection; an unknown one is IPIP')
def changes():
    serve('GRE', 4, 4, 'u')
    try:
        with Shot(4) as shot:
            for options, proto in (
                ('--tun-type gre --tun-nocsum', 47),
                (f'--tun-type gue --tun-port {PORT}', 17),
                ('--tun-type ipip', 4),
            ):
                ipvs.admin(f'-e -u {at(VIP)} -r {at(SERVER[4])} -i {options}')
                shot.send()
                equal(shot.arrived().proto, proto, f'protocol with {options}')
        equal(len(ipvs.rows(cport=shot.port)), 1, 'connections')
    finally:
        close()


@case('X-17 identifications of packets that may be cut differ, and are 0 where they may not')
def identifications():
    serve('IPIP', 4, 4, 'u')
    with Shot(4) as shot:
        for n in range(300):
            shot.front.send(ip(CLIENT[4], VIP, 17, udp(CLIENT[4], VIP, shot.port, 80, b'%d' % n)))
        true(shot.at_server.wait(lambda p: p.proto == 4 and b'299' in p.payload), 'all arrive')
        seen = shot.at_server.all(lambda p: p.proto == 4)
        idents = [p.ident for p in seen]
        equal(len(set(idents)), len(idents), f'different identifications of {len(idents)} packets')
        true(len(idents) >= 250, f'{len(idents)} packets')
        shot.send(df=True)
        packet = shot.arrived()
        equal((packet.df, packet.ident), (True, 0), 'DF and identification')


for KIND in KINDS:

    @case(f'I-5 X-8 {KIND}: traceroute shows a router on the way of the tunnel')
    def trace(kind=KIND):
        by_router(4)
        try:
            serve(kind, 4, 4, 'u')
            hops, words = traceroute(VIP, '-U -p 80')
            equal(hops, [VIP] * 3, words)
        finally:
            close()
            by_router(4, on=False)

    @case(f'I-5 U-11 {KIND}: TCP finds a size that fits a narrow way of the tunnel')
    def narrow(kind=KIND):
        by_router(4, mtu=1300)
        try:
            serve(kind, 4, 4, 't')
            with Connection(g.client, VIP, timeout=30) as connection:
                true(connection.put(100000), '100 kB arrive')
            got = g.client.run(f'ip route get {VIP}')
            sizes = {1280 - KINDS[kind][1]}
            if 'remote' in kind:
                # Each packet has the option, unless the checksum was complete.
                sizes.add(1280 - KINDS[kind][1] - 8)
            true(
                any(f'mtu {size} ' in got + ' ' for size in sizes),
                f'the client knows what fits: {got}',
            )
        finally:
            close()
            by_router(4, on=False)
            g.director.run('ip route flush cache', quiet=True)


# C knows errors about IPv4 in IPv4 only. Routers cut IPv6 in IPv4, which has no DF.
for KIND in ('IPIP', 'GUE', 'GRE'):
    for INNER, OUTER in FAMILIES[2:]:

        @case(
            f'I-5 {KIND}, IPv{INNER} in IPv{OUTER}: TCP finds a size that fits a narrow way',
            only='rust',
        )
        def narrow_mixed(kind=KIND, inner=INNER, outer=OUTER):
            by_router(outer, mtu=1400)
            try:
                serve(kind, inner, outer, 't')
                with Connection(g.client, VIPS[inner], timeout=30) as connection:
                    true(connection.put(100000), '100 kB arrive')
                got = g.client.run(f'ip route get {VIPS[inner]}')
                size = 1400 - 40 - KINDS[kind][1]
                true(f'mtu {size} ' in got + ' ', f'the client knows what fits, {size}: {got}')
            finally:
                close()
                by_router(outer, on=False)
                g.director.run('ip -6 route flush cache', quiet=True)


for INNER, OUTER in FAMILIES[1:]:

    @case(
        f'I-5 X-8 IPIP, IPv{INNER} in IPv{OUTER}: traceroute shows a router on the way', only='rust'
    )
    def trace_mixed(inner=INNER, outer=OUTER):
        by_router(outer)
        try:
            serve('IPIP', inner, outer, 'u')
            hops, words = traceroute(VIPS[inner], '-U -p 80')
            equal(hops, [VIPS[inner]] * 3, words)
        finally:
            close()
            by_router(outer, on=False)


# The errors that a hop limit causes, and their numbers as a client sees them.
EXPIRED = {4: (11, 0), 6: (3, 0)}
ROUTER = {4: '10.0.2.12', 6: 'fd00:2::c'}

for INNER, OUTER in FAMILIES:

    @case(
        f'I-5 V-8 IPv{INNER} in IPv{OUTER}: errors about tunnels that are none of ours, about no '
        'connection, cut short or with a wrong sum are not passed on',
        only=None if (INNER, OUTER) == (4, 4) else 'rust',
    )
    def not_passed_on(inner=INNER, outer=OUTER):
        serve('IPIP', inner, outer, 'u')
        me, vip = CLIENT[inner], VIPS[inner]
        number, ethertype, head = (4, 0x800, 20) if inner == 4 else (41, 0x86DD, 40)
        try:
            with Shot(inner) as shot, Wire(g.s1, 'back', g.director, 'back') as back:
                shot.send()
                true(shot.arrived(), 'the connection')
                data = ip(me, vip, 17, udp(me, vip, shot.port, 80, b'shot'))
                other = ip(me, vip, 17, udp(me, vip, 99, 80, b'shot'))

                def error(proto, payload, to=SERVER[outer], kind=EXPIRED[outer], sum_=None, **how):
                    about = ip(DIRECTOR[outer], to, proto, payload, **how)
                    back.send(icmp(ROUTER[outer], DIRECTOR[outer], about, kind, sum_=sum_))

                gue = bytes((0, number, 0, 0)) + data
                for proto, payload in (
                    (number, other),
                    (47, struct.pack('!HH', 0, ethertype) + data),
                    (number, data[: head - 1]),
                    (number, data[: head + 1]),
                    (45 - number, data),
                    (17, udp(DIRECTOR[outer], SERVER[outer], 40000, PORT, gue)),
                ):
                    error(proto, payload)
                error(number, data, to=ROUTER[outer])
                if outer == 4:
                    error(number, data, offset=3)
                error(number, data, sum_=0x1234)
                equal(shot.error(0.3), None, 'what the client hears')
                error(number, data)
                heard = shot.error()
                true(heard, 'a right one is passed on')
                equal(
                    (heard.src, (heard.type, heard.code), heard.inner().sport),
                    (vip, EXPIRED[inner], shot.port),
                    'the error',
                )
        finally:
            close()


@case('I-5 E-2 an error about a tunnel counts as packets out', fresh=True)
def counted():
    serve('IPIP', 4, 4, 'u')
    with Shot(4) as shot, Wire(g.s1, 'back', g.director, 'back') as back:
        shot.send()
        true(shot.arrived(), 'the connection')
        inner = ip(CLIENT[4], VIP, 17, udp(CLIENT[4], VIP, shot.port, 80, b'shot'))
        back.send(icmp(ROUTER[4], DIRECTOR[4], ip(DIRECTOR[4], SERVER[4], 4, inner), (3, 1)))
        true(shot.error(), 'an ICMP error')
        # Once for itself, and once for what this host sends to the client because of it, which is
        # an error about the connection as well (C-11).
        until(lambda: ipvs.stats(at(VIP)).outpkts == 2, 'two packets out')
        equal(ipvs.stats(at(VIP)).outbytes, len(inner) + 28 + len(inner), 'bytes out')


if __name__ == '__main__':
    run(g)
