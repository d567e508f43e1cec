#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""IP options: the kernel writes into some as a packet comes in; it leaves with a right checksum.

Each case notes what it saw on the wire, so that two implementations can be compared byte by byte.
Times of a timestamp option are left out of that.
"""

import socket
import struct

from harness import ipvs
from harness.bypass import Elsewhere
from harness.fixture import FIXTURE as g, VIP
from harness.ipvs import at
from harness.packet import Packet, Sniffer, Wire, icmp, ip, raw, udp
from harness.tap import case, equal, note, run, true
from harness.protocol import fake_peer

CLIENT, SERVER, OTHER_VIP = '10.0.1.88', '10.0.2.11', '10.0.9.2'
FRONT, BACK = '10.0.1.254', '10.0.2.254'
# A port that no server listens at, so that only the test answers.
NOBODY = 8081
METHODS = {
    'NAT': ('-m', at(SERVER, 8080)),
    'DR': ('-g', at(SERVER)),
    'IPIP': ('-i', at(SERVER)),
    'IPIP in IPv6': ('-i', '[fd00:2::b]:80'),
    'GUE': ('-i --tun-type gue --tun-port 5555 --tun-nocsum', at(SERVER)),
    'GRE': ('-i --tun-type gre --tun-nocsum', at(SERVER)),
}
END, NOP, RECORD, TIME, LOOSE, STRICT, ALERT = 0, 1, 7, 68, 131, 137, 148


def record(slots, used=0):
    """A record route option with room for so many addresses."""
    return (
        bytes((RECORD, 3 + 4 * slots, 4 + 4 * used))
        + raw('192.0.2.1') * used
        + bytes(4 * (slots - used))
    )


def times(flag, words, used=0, data=None):
    """A timestamp option with room for so many words of 4 bytes."""
    return bytes((TIME, 4 + 4 * words, 5 + 4 * used, flag)) + (data or bytes(4 * words))


def route(kind, pointer, *hops):
    """A source route."""
    return bytes((kind, 3 + 4 * len(hops), pointer)) + b''.join(map(raw, hops))


OPTIONS = {f'record route, {4 * n} bytes': record(n - 1) + bytes((END,)) for n in range(1, 11)}
OPTIONS |= {
    'record route with one place left': record(3, 2),
    'record route that is full': record(9, 9),
    'record route behind others': bytes((NOP, NOP, NOP)) + record(2) + bytes((NOP,)),
    'timestamps, 8 bytes': times(0, 1),
    'timestamps, 40 bytes': times(0, 9),
    'timestamps without room': times(0, 2, 2),
    'timestamps without room, for the 15th time': times(0xE0, 1, 1),
    'timestamps with addresses': times(1, 8),
    'timestamps with addresses without room': times(1, 2, 2),
    'timestamps of addresses that are named, this one': times(
        3, 4, 0, raw(FRONT) + bytes(4) + raw(BACK) + bytes(4)
    ),
    'timestamps of addresses that are named, another': times(
        3, 4, 0, raw('10.0.1.5') + bytes(4) + raw(BACK) + bytes(4)
    ),
    'record route and timestamps': record(2) + bytes((NOP,)) + times(1, 4),
    'a loose source route that is over': route(LOOSE, 8, CLIENT),
    'a strict source route that is over': route(STRICT, 12, CLIENT, '10.0.1.77') + bytes((NOP,)),
    'router alert': bytes((ALERT, 4, 0, 0)),
    'router alert and record route': bytes((ALERT, 4, 0, 0)) + record(8),
    'nothing': bytes((NOP,)) * 4,
    'bytes behind the end': bytes((NOP, END, 0xFF, 0xFF, 0xAB, 0xCD, 0xEF, 0x01)),
    'an option that nobody knows': bytes((0x9E, 8, 1, 2, 3, 4, 5, 6)),
}


def masked(options):
    """Options with all that may be a time as 0."""
    out = bytearray(options)
    place = 0
    while place < len(out) and out[place] != END:
        if out[place] == NOP:
            place += 1
            continue
        if place + 1 == len(out):
            break
        length = out[place + 1]
        if out[place] == TIME:
            flag, pointer = out[place + 3] & 15, out[place + 2]
            first, step = (4, 4) if flag == 0 else (8, 8)
            for word in range(place + first, place + min(pointer - 1, length), step):
                out[word : word + 4] = b'time'
        place += max(length, 2)
    return bytes(out)


def seen(words, packet):
    """Notes a packet."""
    head = packet.data[:10] + packet.data[12:20]
    note(f'wire: {words}: {head.hex()} {masked(packet.data[20:packet.head]).hex()}')


def source_routes(on):
    """Lets the director take packets with source routes, or not."""
    for place in ('all', 'front', 'back'):
        g.director.write(f'/proc/sys/net/ipv4/conf/{place}/accept_source_route', on)


class Shot:
    """The wires and who looks at them; each packet has a port of its own."""

    port = 12000

    def __enter__(self):
        self.front = Wire(g.client, 'eth0', g.director, 'front')
        self.back = Wire(g.s1, 'back', g.director, 'back')
        self.at_server = Sniffer(g.s1, 'back')
        self.at_client = Sniffer(g.client, 'eth0')
        for address in (CLIENT, '10.0.1.77'):
            fake_peer(address, 'front')
        source_routes(1)
        return self

    def __exit__(self, *_):
        for thing in (self.front, self.back, self.at_server, self.at_client):
            thing.close()
        source_routes(0)
        ipvs.admin('-C')

    def ask(self, options, dst=VIP, **more):
        """Sends a request from a new port."""
        Shot.port += 1
        self.at_server.seen.clear()
        self.at_client.seen.clear()
        self.front.send(
            ip(
                CLIENT,
                dst,
                17,
                udp(CLIENT, dst if more.pop('plain', 0) else VIP, Shot.port, 80, b'request'),
                options=options,
                **more,
            )
        )
        return Shot.port

    def outer(self, port):
        """The packet that brings a request to the server, and where in it the request begins."""
        mark = struct.pack('!H', port)
        packet = self.at_server.wait(
            lambda p: mark in p.data[20:180] and b'request' in p.data and p.dst != CLIENT
        )
        true(packet, 'the request arrives')
        return packet, packet.data.find(raw(CLIENT)) - 12

    def reply(self, port, options, rport=NOBODY):
        """Has the server answer by hand."""
        self.back.send(
            ip(SERVER, CLIENT, 17, udp(SERVER, CLIENT, rport, port, b'answer'), options=options)
        )
        packet = self.at_client.wait(
            lambda p: p.src == VIP and p.dport == port and p.body == b'answer'
        )
        true(packet, 'the answer arrives')
        return packet


for METHOD in METHODS:

    @case(f'A-21 X-12 X-13 X-17 X-18 X-19 {METHOD}: requests with IP options have right checksums')
    def requests(method=METHOD):
        how, server = METHODS[method]
        ipvs.service(f'-u {at(VIP)}', how, [server])
        with Shot() as shot:
            for words, options in OPTIONS.items():
                packet, start = shot.outer(shot.ask(options))
                true(packet.sum_is_right, f'{words}: the outer header checksum')
                inner = Packet(packet.data[start:])
                seen(f'{method}: {words}', inner)
                true(inner.sum_is_right, f'{words}: the header checksum')
                true(inner.transport_sum_is_right(), f'{words}: the transport checksum')
                equal(
                    inner.head,
                    20 + (len(options) + 3) // 4 * 4,
                    f'{words}: the length of the header',
                )


@case(
    'A-21 X-12 a request by way of a source route through another address of the director',
    fresh=True,
)
def source_route():
    for method, (how, server) in METHODS.items():
        ipvs.service(f'-u {at(VIP)}', how, [server])
        with Shot() as shot:
            for kind in (LOOSE, STRICT):
                for more in (b'', record(3)):
                    packet, start = shot.outer(shot.ask(route(kind, 4, VIP) + more, dst=OTHER_VIP))
                    inner = Packet(packet.data[start:])
                    seen(f'{method}: source route {kind} {more.hex()}', inner)
                    true(inner.sum_is_right, f'{method} {kind}: the header checksum')


@case('A-21 X-25 a reply with IP options comes to the client with a right header checksum')
def replies():
    ipvs.service(f'-u {at(VIP)}', '-m', [at(SERVER, NOBODY)])
    with Shot() as shot:
        for words, options in OPTIONS.items():
            # No router takes one that does not name itself.
            if options[0] == STRICT:
                continue
            port = shot.ask(b'')
            shot.outer(port)
            packet = shot.reply(port, options)
            seen(f'reply: {words}', packet)
            true(packet.sum_is_right and packet.transport_sum_is_right(), f'{words}: the checksums')


@case('A-21 X-12 X-25 fragments with IP options have right header checksums')
def fragments():
    ipvs.service(f'-u {at(VIP)}', '-m', [at(SERVER, NOBODY)])
    with Shot() as shot:
        for options in (record(3), bytes((NOP,)) + record(2), times(1, 8)):
            Shot.port += 1
            for src, dst, wire, sniffer, ports in (
                (CLIENT, VIP, shot.front, shot.at_server, (Shot.port, 80)),
                (SERVER, CLIENT, shot.back, shot.at_client, (NOBODY, Shot.port)),
            ):
                whole = udp(src, dst, *ports, bytes(n & 255 for n in range(2000)))
                sniffer.seen.clear()
                for start in (0, 1200):
                    wire.send(
                        ip(
                            src,
                            dst,
                            17,
                            whole[start : start + 1200],
                            offset=start // 8,
                            more=not start,
                            ident=Shot.port & 0xFFFF,
                            options=options,
                        )
                    )
                true(
                    sniffer.wait(lambda p: p.offset and not p.more and p.proto == 17),
                    'the last fragment arrives',
                )
                for packet in sniffer.all(lambda p: p.proto == 17 and (p.offset or p.more)):
                    seen(f'fragment from {src} at {packet.offset}', packet)
                    true(packet.sum_is_right, 'the header checksum')


def damaged(packet):
    """A packet as a host quotes it that has written into its options and left the checksum."""
    last = (packet[0] & 15) * 4 - 1
    return (
        packet[:last] + bytes((packet[last] ^ 0x55,)) + packet[last + 1 :]
        if packet[0] > 0x45
        else packet
    )


@case('A-21 I-3 I-4 U-12 ICMP errors with IP options, about such packets: both checksums are right')
def errors():
    for method in ('NAT', 'DR', 'IPIP'):
        how, server = METHODS[method]
        ipvs.service(f'-u {at(VIP)}', how, [server])
        translated = method == 'NAT'
        with Shot() as shot:
            for words, options in OPTIONS.items():
                port = shot.ask(b'')
                shot.outer(port)
                for inside in (b'', options):
                    # About a reply, to the server.
                    about = damaged(
                        ip(VIP, CLIENT, 17, udp(VIP, CLIENT, 80, port, b'answer'), options=inside)
                    )
                    shot.at_server.seen.clear()
                    shot.front.send(icmp('10.0.1.77', VIP, about, (3, 1), options=options))

                    def is_error(packet):
                        packet = packet.inner() if packet.proto == 4 else packet
                        return packet.proto == 1 and packet.type == 3 and packet.src == '10.0.1.77'

                    packet = shot.at_server.wait(is_error, 3 if g.impl == 'rust' else 0.3)
                    where = f'{method}: {words}, {len(inside)} bytes inside: '
                    if g.impl == 'c' and not packet:
                        # It takes the wrong checksum of the header for one of the message.
                        true(translated, where + 'only what is translated is lost')
                        continue
                    true(packet, where + 'the error about a reply arrives')
                    true(packet.sum_is_right, where + 'the outer checksum')
                    packet = packet.inner() if packet.proto == 4 else packet
                    seen(where + 'to the server', packet)
                    seen(where + 'to the server, quoted', packet.inner())
                    true(
                        packet.sum_is_right and packet.transport_sum_is_right(), where + 'checksums'
                    )
                    # No router takes a strict source route that does not name itself.
                    if not translated or options[0] == STRICT:
                        continue
                    true(packet.inner().sum_is_right, where + 'the checksum of the quoted header')
                    # About a request, to the client.
                    about = damaged(
                        ip(
                            CLIENT,
                            SERVER,
                            17,
                            udp(CLIENT, SERVER, port, 8080, b'request'),
                            options=inside,
                        )
                    )
                    shot.at_client.seen.clear()
                    shot.back.send(icmp(SERVER, CLIENT, about, (3, 1), options=options))
                    packet = shot.at_client.wait(
                        lambda p: p.proto == 1 and p.type == 3 and p.src == VIP,
                        3 if g.impl == 'rust' else 0.3,
                    )
                    if g.impl == 'c' and not packet:
                        continue
                    true(packet, where + 'the error about a request arrives')
                    seen(where + 'to the client', packet)
                    seen(where + 'to the client, quoted', packet.inner())
                    true(
                        packet.sum_is_right and packet.transport_sum_is_right(),
                        where + 'checksums at the client',
                    )
                    true(
                        packet.inner().sum_is_right,
                        where + 'the checksum of the quoted header at the client',
                    )


@case(
    'A-21 X-15 a packet with IP options that goes past the servers has a right header checksum',
    fresh=True,
)
def bypass():
    with Elsewhere(4) as there, Shot() as shot:
        there.service()
        ipvs.setting('cache_bypass', 1)
        for port, (words, options) in enumerate(OPTIONS.items(), 6300):
            there.send(port, options=options)
            packet = shot.at_server.wait(lambda p, n=port: p.proto == 17 and p.sport == n)
            true(packet, f'{words}: the packet arrives')
            seen(f'bypass: {words}', packet)
            true(packet.sum_is_right, f'{words}: the header checksum')


@case('X-7 X-12 X-22 requests with IP options come to a local server with right checksums')
def local_server():
    ipvs.service(f'-u {at(VIP)}', '-m', [at(BACK, 8080)])
    with g.director:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    sock.settimeout(3)
    with sock, Shot() as shot:
        for words, options in OPTIONS.items():
            port = shot.ask(options)
            while True:
                packet = Packet(sock.recv(2000))
                if packet.sport == port and packet.dst == BACK:
                    break
            seen(f'local: {words}', packet)
            true(packet.sum_is_right, f'{words}: the header checksum')


if __name__ == '__main__':
    run(g)
