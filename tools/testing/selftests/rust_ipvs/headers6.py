#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""IPv6 extension headers: one to many, before each protocol, by each method, both ways."""

import struct

from harness import ipvs
from harness.fixture import FIXTURE as g, VIP6
from harness.packet import (
    ACK,
    FRAGMENT,
    ICMPV6,
    SCTP,
    SYN,
    TCP,
    UDP,
    Packet,
    chunk,
    crc32c,
    fragment6,
    icmp,
    ip,
    pseudo,
    checksum,
    sctp,
    tcp,
    udp,
)
from harness.tap import case, equal, run, true, until
from harness.protocol import CLIENT
from harness.wires import Wires

METHODS = {'NAT': '-m', 'DR': '-g', 'TUN': '-i'}
# Nobody has the server's address, so that only the test speaks for it.
ME, SERVER = CLIENT[6], 'fd00:2::99'
NOBODY = 8081
HOPS, ROUTING, OPTIONS = 0, 43, 60
# A type of option that nobody knows, and who does not skips it.
SKIPPED = 0x1E
OPTION = {'TCP': '-t', 'UDP': '-u', 'SCTP': '--sctp-service'}
NUMBER = {'TCP': TCP, 'UDP': UDP, 'SCTP': SCTP}


def header(kind, following, length=8):
    """An extension header of LENGTH bytes: an option that is skipped, or a route that is over."""
    rest = length - 4
    if kind == ROUTING:
        return struct.pack('!BBBB', following, length // 8 - 1, 4, 0) + bytes(rest)
    return struct.pack('!BBBB', following, length // 8 - 1, SKIPPED, rest & 255) + bytes(rest)


def chain(proto, headers):
    """The first next-header value and the bytes of headers (KIND, LENGTH) before a protocol."""
    out = b''
    for kind, length in reversed(headers):
        out = header(kind, proto, length) + out
        proto = kind
    return proto, out


CHAINS = {
    'none': [],
    'options, 8 bytes': [(OPTIONS, 8)],
    'options, 24 bytes': [(OPTIONS, 24)],
    'hop by hop, 24 bytes': [(HOPS, 24)],
    'hop by hop, options, a route, options': [
        (HOPS, 8),
        (OPTIONS, 24),
        (ROUTING, 24),
        (OPTIONS, 8),
    ],
    '8 headers': [(OPTIONS, 8)] * 8,
    '9 headers': [(OPTIONS, 8)] * 9,
    '12 headers': [(OPTIONS, 8)] * 12,
    'one of 256 bytes': [(OPTIONS, 256)],
}


class Shot(Wires):
    """The wires, with a client and a server of nobody."""

    port = 14000
    fake_peers = ((ME, 'front'), (SERVER, 'back'))

    def __exit__(self, *rest):
        super().__exit__(*rest)
        ipvs.admin('-C')


def body(kind, src, dst, sport, dport, reply=False):
    """A packet of a protocol, without its IP header."""
    if kind == 'TCP':
        return tcp(src, dst, sport, dport, SYN | (ACK if reply else 0), data=b'some data')
    if kind == 'UDP':
        return udp(src, dst, sport, dport, b'some data')
    return sctp(sport, dport, chunk(2 if reply else 1, bytes(16)))


def right(kind, src, dst, payload):
    """Whether a transport checksum is right."""
    if kind == 'SCTP':
        return struct.pack('<I', crc32c(payload[:8] + bytes(4) + payload[12:])) == payload[8:12]
    return checksum(pseudo(src, dst, NUMBER[kind], len(payload)) + payload) == 0


def arrives(sniffer, kind, port, extensions, dst):
    """The transport packet behind the extension headers, of a port, and the packet around it."""

    def wanted(packet):
        packet = packet.inner() if packet.proto == 41 else packet
        at = len(extensions)
        there = packet.payload[at : at + 4]
        return packet.dst == dst and len(there) == 4 and port in struct.unpack('!HH', there)

    packet = sniffer.wait(wanted)
    true(packet, f'{kind} with {len(extensions)} bytes of headers arrives')
    packet = packet.inner() if packet.proto == 41 else packet
    equal(packet.payload[: len(extensions)], extensions, 'the extension headers')
    return packet, packet.payload[len(extensions) :]


for METHOD in METHODS:

    @case(f'H-9 X-12 X-13 X-17 U-10 {METHOD}: requests with IPv6 extension headers, up to 12')
    def requests(method=METHOD):
        rport = NOBODY if method == 'NAT' else 80
        for kind, option in OPTION.items():
            ipvs.service(f'{option} [{VIP6}]:80', METHODS[method], [ipvs.at(SERVER, rport)])
        with Shot() as shot:
            for kind in OPTION:
                for words, headers in CHAINS.items():
                    port = shot.next()
                    proto, extensions = chain(NUMBER[kind], headers)
                    shot.front.send(
                        ip(ME, VIP6, proto, extensions + body(kind, ME, VIP6, port, 80))
                    )
                    dst = SERVER if method == 'NAT' else VIP6
                    packet, payload = arrives(shot.at_server, kind, port, extensions, dst)
                    where = f'{kind}, {words}: '
                    equal(struct.unpack('!HH', payload[:4]), (port, rport), where + 'ports')
                    true(right(kind, packet.src, packet.dst, payload), where + 'the checksum')
                    (row,) = ipvs.rows(cport=port, proto=kind)
                    # What begins a connection has been seen, wherever it was.
                    state = {'TCP': 'SYN_RECV', 'UDP': 'UDP', 'SCTP': 'INIT1'}[kind]
                    equal(row.state, state, where + 'the state')


@case('H-9 X-25 I-3 U-10 NAT: replies and ICMPv6 errors with IPv6 extension headers, up to 12')
def replies():
    for kind, option in OPTION.items():
        ipvs.service(f'{option} [{VIP6}]:80', '-m', [ipvs.at(SERVER, NOBODY)])
    with Shot() as shot:
        for kind in OPTION:
            for words, headers in CHAINS.items():
                port = shot.next()
                where = f'{kind}, {words}: '
                shot.front.send(ip(ME, VIP6, NUMBER[kind], body(kind, ME, VIP6, port, 80)))
                until(lambda n=port: ipvs.rows(cport=n), where + 'the connection')
                shot.at_client.seen.clear()
                proto, extensions = chain(NUMBER[kind], headers)
                answer = extensions + body(kind, SERVER, ME, NOBODY, port, True)
                shot.back.send(ip(SERVER, ME, proto, answer))
                packet, payload = arrives(shot.at_client, kind, port, extensions, ME)
                equal(
                    (packet.src, *struct.unpack('!HH', payload[:4])),
                    (VIP6, 80, port),
                    where + 'who answers',
                )
                true(right(kind, packet.src, packet.dst, payload), where + 'the checksum')
                state = {'TCP': 'SYN_RECV', 'UDP': 'UDP', 'SCTP': 'C-SENT'}[kind]
                equal(ipvs.rows(cport=port)[0].state, state, where + 'the state')
                # An error about the request, that has the headers itself and whose quote has them.
                about = ip(ME, SERVER, proto, extensions + body(kind, ME, SERVER, port, NOBODY))
                message = icmp(SERVER, ME, about, (1, 4))[40:]
                outer, before = chain(ICMPV6, headers)
                shot.at_client.seen.clear()
                shot.back.send(ip(SERVER, ME, outer, before + message))
                error = shot.at_client.wait(
                    lambda p, n=len(before): p.src == VIP6
                    and p.dst == ME
                    and p.payload[n : n + 2] == bytes((1, 4))
                )
                true(error, where + 'the ICMPv6 error arrives')
                quoted = Packet(error.payload[len(before) + 8 :])
                equal((quoted.src, quoted.dst), (ME, VIP6), where + 'whom it quotes')
                quoted_ports = quoted.payload[len(extensions) : len(extensions) + 4]
                equal(
                    struct.unpack('!HH', quoted_ports),
                    (port, 80),
                    where + 'the ports that it quotes',
                )


@case('H-9 a packet with more than 12 IPv6 extension headers is none of ours')
def too_many():
    ipvs.service(f'-u [{VIP6}]:80', '-m', [ipvs.at(SERVER, NOBODY)])
    with Shot() as shot:
        port = shot.next()
        for number in (13, 12):
            proto, extensions = chain(UDP, [(OPTIONS, 8)] * number)
            packet = extensions + udp(ME, VIP6, port + number, 80, b'some data')
            shot.front.send(ip(ME, VIP6, proto, packet))
        until(lambda: ipvs.rows(cport=port + 12), 'the connection of the packet with 12')
        equal(ipvs.rows(cport=port + 13), [], 'connections of the packet with 13')


@case('H-9 H-19 U-10 NAT: extension headers before and behind a fragment header')
def fragments():
    ipvs.service(f'-u [{VIP6}]:80', '-m', [ipvs.at(SERVER, NOBODY)])
    with Shot() as shot:
        for before, behind in (
            ([], []),
            ([(OPTIONS, 8)], []),
            ([], [(OPTIONS, 24)]),
            ([(HOPS, 8)], [(OPTIONS, 8)] * 9),
        ):
            port = shot.next()
            proto, inside = chain(UDP, behind)
            whole = inside + udp(ME, VIP6, port, 80, bytes(n & 255 for n in range(2000)))
            first, outside = chain(FRAGMENT, before)
            for place in (0, 1200):
                part = fragment6(proto, place // 8, not place, port, whole[place : place + 1200])
                shot.front.send(ip(ME, VIP6, first, outside + part))
            until(lambda n=port: ipvs.rows(cport=n), f'a connection, with {before} and {behind}')
            true(shot.at_server.wait(lambda p: p.dst == SERVER), 'it goes to the server')


if __name__ == '__main__':
    run(g)
