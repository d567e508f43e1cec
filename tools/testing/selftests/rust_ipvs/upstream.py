#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Demands from what was mended in C IPVS in 2025 and 2026 (U-1 to U-24), as far as packets show."""

import struct

from harness import ipvs
from harness.bypass import Elsewhere
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, SERVER, VIP, VIPS
from harness.ipvs import at
from harness.packet import ICMP, IPIP, SYN, TCP, UDP, Packet, Sniffer, icmp, ip, tcp, udp
from harness.tap import always, case, equal, run, true, until
from harness.protocol import CLIENT, fake_peer
from harness.wires import Wires

METHODS = {'NAT': '-m', 'DR': '-g', 'TUN': '-i'}
# A port at which no server listens: what comes from there, the test has sent.
NOBODY = 8081


class Clients(Wires):
    """The wires, with clients of nobody."""

    port = 15000
    fake_peers = tuple((address, 'front') for address in CLIENT.values())

    def begin(self, port, version=4):
        """Makes a connection of UDP from a port."""
        me, vip = CLIENT[version], VIPS[version]
        self.front.send(ip(me, vip, UDP, udp(me, vip, port, 80, b'request')))
        until(lambda: ipvs.rows(cport=port, caddr=me), 'the connection')


# ---- chains of directors ----


@case(
    'U-2 X-13 X-17 a packet that one director handled is balanced by the next, in another namespace'
)
def next_director():
    for first in METHODS:
        for version, behind in ((4, '10.0.2.12'), (6, 'fd00:2::c')):
            if first == 'NAT':
                # The next director's VIP is its own address.
                vip = SERVER[version]
                options = {4: '10.0.2.13', 6: 'fd00:2::d'}
                behind = options[version]
            else:
                vip = VIPS[version]
            for protocol in 'tu':
                ipvs.service(
                    f'-{protocol} {at(VIPS[version])}', METHODS[first], [at(SERVER[version])]
                )
                ipvs.service(f'-{protocol} {at(vip)}', '-g', [at(behind)], space=g.s1)
            try:
                for kind in ('udp', 'tcp') if first != 'NAT' else ():
                    name = ask(g.client, VIPS[version], kind=kind).name
                    equal(name, 's2', f'{first} IPv{version} {kind}: who answers')
                if first == 'NAT':
                    # Whom s3 would answer is no matter: it gets the packet.
                    with Sniffer(g.s3, 'back') as sniffer, Clients() as wires:
                        me, port = CLIENT[version], wires.next()
                        packet = udp(me, VIPS[version], port, 80, b'chain')
                        wires.front.send(ip(me, VIPS[version], UDP, packet))
                        true(
                            sniffer.wait(lambda p, n=port: p.sport == n),
                            f'{first} IPv{version}: it arrives',
                        )
            finally:
                ipvs.admin('-C')
                ipvs.admin('-C', space=g.s1)


@case('U-2 H-11 a packet out of a tunnel that ends on this host is balanced')
def tunnel_end():
    g.director.run('ip link set tunl0 up', quiet=True)
    ipvs.service(f'-u {VIP}:80', '-g', ['10.0.2.11:80'])
    try:
        with Clients() as wires:
            for ignored, arrives in ((0, True), (1, True)):
                ipvs.setting('ignore_tunneled', ignored)
                port = wires.next()
                inner = ip(CLIENT[4], VIP, UDP, udp(CLIENT[4], VIP, port, 80, b'inside'))
                wires.front.send(ip(CLIENT[4], '10.0.1.254', IPIP, inner))
                seen = wires.at_server.wait(lambda p, n=port: p.sport == n, 2)
                equal(bool(seen), arrives, f'it arrives, with ignore_tunneled {ignored}')
    finally:
        ipvs.setting('ignore_tunneled', 0)


# ---- segments ----


@case('U-8 X-9 X-20 segments count, not the packet that holds them, beyond 64 KiB too')
def big_tcp():
    size = 130000
    places = [
        (g.client, 'eth0'),
        (g.lan, 'client-front'),
        (g.lan, 'director-front'),
        (g.lan, 'front'),
        (g.director, 'front'),
        (g.director, 'back'),
        (g.lan, 'back'),
        (g.lan, 'director-back'),
    ]

    def allow(most):
        for space, device in places:
            space.run(
                f'ip link set {device} gso_max_size {most} gro_max_size {most} '
                f'gso_ipv4_max_size {most} gro_ipv4_max_size {most}',
                quiet=True,
            )

    allow(size)
    largest = 0
    try:
        for method in METHODS:
            for version in (4, 6):
                ipvs.service(f'-t {at(VIPS[version])}', METHODS[method], [at(SERVER[version])])
                with Sniffer(g.client, 'eth0') as hears, Sniffer(g.director, 'front') as sees:
                    with Connection(g.client, VIPS[version], timeout=30) as connection:
                        true(connection.put(1 << 20), f'{method} IPv{version}: 1 MB to the server')
                    errors = hears.all(
                        lambda p: p.proto == ICMP and p.type == 3 or p.proto == 58 and p.type == 2
                    )
                    # What fits into a tunnel the client has to find out.
                    true(not errors or method == 'TUN', f'{method} IPv{version}: {errors}')
                    largest = max([largest] + [len(p.data) for p in sees.all()])
                ipvs.admin('-C')
    finally:
        allow(65536)
        g.client.run('ip route flush cache', quiet=True)
        g.client.run('ip -6 route flush cache', quiet=True)
    true(largest > 65536, f'packets beyond 64 KiB were seen: {largest}')


# ---- ICMP errors in pieces ----


def pieces(packet, size, ident):
    """An IPv4 packet in fragments with so many bytes of payload each."""
    seen = Packet(packet)
    for start in range(0, len(seen.payload), size):
        part = seen.payload[start : start + size]
        yield ip(
            seen.src,
            seen.dst,
            seen.proto,
            part,
            offset=start // 8,
            ident=ident,
            more=start + size < len(seen.payload),
        )


@case('U-12 I-1 H-19 headers that lie in pieces, of errors, datagrams and segments')
def in_pieces():
    for protocol in 'tu':
        ipvs.service(f'-{protocol} {VIP}:80', '-m', [f'10.0.2.11:{NOBODY}'])
    with Clients() as wires:
        for size in (8, 24):
            # A request whose transport header is in several pieces.
            for proto in (TCP, UDP):
                port = wires.next()
                me = CLIENT[4]
                data = bytes(n & 255 for n in range(48))
                payload = (
                    tcp(me, VIP, port, 80, SYN, data=data)
                    if proto == TCP
                    else udp(me, VIP, port, 80, data)
                )
                for piece in pieces(ip(me, VIP, proto, payload), size, port):
                    wires.front.send(piece)
                row = until(
                    lambda n=port: ipvs.rows(cport=n), f'the connection of pieces of {size} bytes'
                )[0]
                equal(row.daddr, '10.0.2.11', 'its server')
                seen = wires.at_server.wait(lambda p, n=port: p.sport == n)
                true(seen and seen.dport == NOBODY, 'it arrives')
            # An error about it, in pieces that cut its own header, the quoted one, and the ports.
            about = ip(me, '10.0.2.11', UDP, udp(me, '10.0.2.11', port, NOBODY, b'request'))
            for piece in pieces(icmp('10.0.2.11', me, about, (3, 1)), size, port):
                wires.back.send(piece)
            error = wires.at_client.wait(lambda p: p.proto == ICMP and p.type == 3 and p.src == VIP)
            true(error, f'the error in pieces of {size} bytes arrives')
            true(error.transport_sum_is_right(), 'its checksum')
            equal((error.inner().dst, error.inner().dport), (VIP, 80), 'what it quotes')


@case('U-12 I-1 I-3 an error whose quote is cut at each length is translated or passed')
def cut_anywhere():
    ipvs.service(f'-u {VIP}:80', '-m', [f'10.0.2.11:{NOBODY}'])
    with Clients() as wires:
        me, port = CLIENT[4], wires.next()
        wires.begin(port)
        for options in (b'', bytes(8), bytes(40)):
            about = ip(
                me,
                '10.0.2.11',
                UDP,
                udp(me, '10.0.2.11', port, NOBODY, b'request'),
                options=options,
            )
            for length in range(len(about) + 1):
                wires.at_client.all()
                wires.at_client.seen.clear()
                # A mark behind the quote is part of the message, but not of what is quoted.
                wires.back.send(icmp('10.0.2.11', me, about[:length], (3, 1)))
                error = wires.at_client.wait(lambda p: p.proto == ICMP and p.type == 3)
                where = f'{length} of {len(about)} bytes quoted: '
                true(error, where + 'it arrives')
                # The ports are all that is asked for.
                translated = length >= 24 + len(options)
                equal(error.src, VIP if translated else '10.0.2.11', where + 'whose it is')
                true(error.sum_is_right and error.transport_sum_is_right(), where + 'its checksums')
                equal(len(error.body), length, where + 'how much it quotes')
                if not translated:
                    equal(error.body, about[:length], where + 'what it quotes')


@case('U-13 I-1 of an error about a later fragment nothing is taken for ports')
def later_fragment():
    for version in (4, 6):
        ipvs.service(f'-u {at(VIPS[version])}', '-m', [at(SERVER[version], NOBODY)])
    with Clients() as wires:
        for version in (4,):
            me, vip, server = CLIENT[version], VIPS[version], SERVER[version]
            port = wires.next()
            wires.begin(port, version)
            # The data of the fragments are the ports of the connection, either way.
            there = ip(me, server, UDP, udp(me, server, port, NOBODY, b'data'), offset=3, more=True)
            back = ip(vip, me, UDP, udp(vip, me, 80, port, b'data'), offset=3)
            wires.next()
            wires.back.send(icmp(server, me, there, (3, 1)))
            error = wires.at_client.wait(lambda p: p.proto == ICMP and p.type == 3)
            true(error, 'an error about a request passes')
            equal((error.src, error.body), (server, there), 'it is as it was')
            wires.front.send(icmp('10.0.1.77', vip, back, (3, 1)))
            always(
                lambda: not wires.at_server.all(lambda p: p.src == '10.0.1.77'),
                'none comes to the server',
                0.3,
            )


# ---- what is written to, and who else has it ----


@case(
    'U-16 X-15 X-8 a packet that somebody else looks at is copied before it goes past the servers'
)
def copied():
    for version in (4, 6):
        with Elsewhere(version) as there, Sniffer(g.s1, 'back') as sniffer, Sniffer(
            g.director, 'front'
        ) as other:
            there.service()
            ipvs.setting('cache_bypass', 1)
            for port in range(6400, 6404):
                there.send(port)
                seen = sniffer.wait(lambda p, n=port: p.sport == n)
                true(seen, 'it arrives')
                equal(
                    (seen.ttl, seen.src, seen.dst), (63, there.client, there.there), 'what arrives'
                )
                true(seen.sum_is_right and seen.transport_sum_is_right(), 'its checksums')
                equal(
                    other.wait(lambda p, n=port: p.sport == n).ttl,
                    64,
                    'TTL of what the other looks at',
                )
        ipvs.admin('-C')


@case(
    'U-16 X-12 X-13 X-17 X-25 a packet that somebody else looks at is copied before it is changed'
)
def copied_otherwise():
    for method, how in METHODS.items():
        for version in (4, 6):
            ipvs.service(f'-u {at(VIPS[version])}', how, [at(SERVER[version])])
            with Clients() as wires, Sniffer(g.director, 'front') as front, Sniffer(
                g.director, 'back'
            ) as back:
                me, vip, port = CLIENT[version], VIPS[version], wires.next()
                wires.begin(port, version)
                seen = front.wait(lambda p, n=port: p.sport == n)
                equal(
                    (seen.src, seen.dst, seen.ttl),
                    (me, vip, 64),
                    f'{method} IPv{version}: the request',
                )
                true(seen.sum_is_right and seen.transport_sum_is_right(), 'its checksums')
                if method == 'NAT':
                    server = SERVER[version]
                    wires.back.send(ip(server, me, UDP, udp(server, me, 80, port, b'by hand')))
                    seen = back.wait(lambda p, n=port: p.dport == n and p.body == b'by hand')
                    equal((seen.src, seen.ttl), (server, 64), f'{method} IPv{version}: the reply')
            ipvs.admin('-C')


# ---- checksums ----


def spoilt(payload, place):
    """A transport packet whose checksum, at a place, is wrong by one."""
    total = (struct.unpack_from('!H', payload, place)[0] + 1) % 0xFFFF or 1
    return payload[:place] + struct.pack('!H', total) + payload[place + 2 :]


@case(
    'U-17 T-16 by NAT a wrong checksum of TCP and UDP stays as wrong as it was, in both directions'
)
def wrong_sums():
    for version in (4, 6):
        me, vip = CLIENT[version], VIPS[version]
        # Nobody has it, so that only the test answers.
        server = fake_peer('10.0.2.99' if version == 4 else 'fd00:2::99', 'back')
        for protocol in 'tu':
            ipvs.service(f'-{protocol} {at(vip)}', '-m', [at(server, NOBODY)])
        with Clients() as wires:
            for proto, place in ((TCP, 16), (UDP, 6)):

                def packet(src, dst, sport, dport, wrong=True):
                    data = (
                        tcp(src, dst, sport, dport, SYN)
                        if proto == TCP
                        else udp(src, dst, sport, dport, b'data')
                    )
                    return ip(src, dst, proto, spoilt(data, place) if wrong else data)

                port = wires.next()
                where = f'IPv{version} protocol {proto}: '
                for wrong in (True, False):
                    wires.front.send(packet(me, vip, port, 80, wrong))
                    seen = wires.at_server.wait(lambda p, n=port: p.sport == n)
                    true(seen, where + 'the request arrives')
                    equal(
                        (seen.dport, seen.transport_sum_is_right()),
                        (NOBODY, not wrong),
                        where + 'port and checksum',
                    )
                    wires.back.send(packet(server, me, NOBODY, port, wrong))
                    seen = wires.at_client.wait(lambda p, n=port: p.dport == n and p.src == vip)
                    true(seen, where + 'the reply arrives')
                    equal(
                        (seen.sport, seen.transport_sum_is_right()),
                        (80, not wrong),
                        where + 'port and checksum',
                    )
                    for sniffer in (wires.at_server, wires.at_client):
                        sniffer.all()
                        sniffer.seen.clear()
        ipvs.admin('-C')


if __name__ == '__main__':
    run(g)
