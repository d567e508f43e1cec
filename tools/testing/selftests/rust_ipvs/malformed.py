#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Packets that are cut short, wrong, in pieces or random: the kernel stays alive and silent, and works on.

What is random comes from a fixed seed: SEED=n chooses another, LONG=1 sends ten times as many.
"""

import os
import random
import struct
import time

from harness import ipvs
from harness.clients import ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.packet import (
    ACK,
    FIN,
    RST,
    SYN,
    Sniffer,
    Wire,
    checksum,
    fragment6,
    ip,
    pseudo,
    tcp,
    udp,
)
from harness.tap import case, equal, note, run, true, until

SEED = int(os.environ.get('SEED', '20261121'))
MANY = 20000 if os.environ.get('LONG') else 2000
SERVER, DIRECTOR = '10.0.2.11', '10.0.2.254'
CLIENT, CLIENT6 = '10.0.1.9', 'fd00:1::9'
VIPS, VIPS6 = ('10.0.9.1', '10.0.9.2', '10.0.9.3'), ('fd00:9::1', 'fd00:9::2', 'fd00:9::3')


def services():
    """NAT, DR and TUN, TCP and UDP, IPv4 and IPv6."""
    lines = ''
    for vips, server in ((VIPS, '10.0.2.11'), (VIPS6, '[fd00:2::b]')):
        for vip, method in zip(vips, ('-m', '-g', '-i')):
            at = f'[{vip}]' if ':' in vip else vip
            for kind in 'tu':
                lines += f'-A -{kind} {at}:80 -s rr\n-a -{kind} {at}:80 -r {server}:80 {method}\n'
    g.director.run('ipvsadm -R', stdin=lines)


class Wires:
    """The client's way to the director and a real server's."""

    def __enter__(self):
        self.front = Wire(g.client, 'eth0', g.director, 'front')
        self.back = Wire(g.s1, 'back', g.director, 'back')
        self.count = 0
        return self

    def send(self, packet, ethertype=None, back=False):
        """Sends one, and now and then waits: queues shall not overflow."""
        (self.back if back else self.front).send(packet, ethertype)
        self.count += 1
        if self.count % 100 == 0:
            time.sleep(0.002)

    def __exit__(self, *_):
        time.sleep(0.2)
        note(f'{self.count} packets')
        self.front.close()
        self.back.close()


def still_works():
    """Each service still answers, by TCP and UDP."""
    for vip in VIPS + VIPS6:
        equal(ask(g.client, vip).name, 's1', f'who answers at {vip} by TCP')
        equal(ask(g.client, vip, kind='udp').name, 's1', f'who answers at {vip} by UDP')


def good():
    """One right packet of each kind, with whether it comes from a real server."""
    for n, vip in enumerate(VIPS):
        for flags in (SYN, ACK, FIN | ACK, RST):
            yield ip(CLIENT, vip, 6, tcp(CLIENT, vip, 7000 + n, 80, flags, data=b'data')), False
        yield ip(CLIENT, vip, 17, udp(CLIENT, vip, 7000 + n, 80, b'data')), False
        yield ip('10.0.2.11', CLIENT, 6, tcp('10.0.2.11', CLIENT, 80, 7000 + n, SYN | ACK)), True
        yield ip('10.0.2.11', CLIENT, 17, udp('10.0.2.11', CLIENT, 80, 7000 + n, b'data')), True
    for n, vip in enumerate(VIPS6):
        for flags in (SYN, ACK, FIN | ACK, RST):
            yield ip(CLIENT6, vip, 6, tcp(CLIENT6, vip, 7000 + n, 80, flags, data=b'data')), False
        yield ip(CLIENT6, vip, 17, udp(CLIENT6, vip, 7000 + n, 80, b'data')), False
        yield ip('fd00:2::b', CLIENT6, 6, tcp('fd00:2::b', CLIENT6, 80, 7000 + n, SYN | ACK)), True
        yield ip('fd00:2::b', CLIENT6, 17, udp('fd00:2::b', CLIENT6, 80, 7000 + n, b'data')), True


def resized(packet, length):
    """A packet cut to LENGTH bytes whose header says so."""
    packet = packet[:length]
    if packet[:1] and packet[0] >> 4 == 4 and length >= 20:
        head = packet[:2] + struct.pack('!H', length) + packet[4:10] + b'\0\0' + packet[12:20]
        return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + packet[20:]
    if packet[:1] and packet[0] >> 4 == 6 and length >= 40:
        return packet[:4] + struct.pack('!H', length - 40) + packet[6:]
    return packet


@case('S-4 H-9 packets cut short anywhere, with and without saying so', fresh=True)
def truncated():
    services()
    with Wires() as wires:
        for packet, back in good():
            for length in range(len(packet)):
                wires.send(packet[:length], 0x86DD if packet[0] >> 4 == 6 else 0x0800, back)
                wires.send(resized(packet, length), 0x86DD if packet[0] >> 4 == 6 else 0x0800, back)
    still_works()


@case('S-4 a packet whose transport header is cut short makes no connection', fresh=True)
def truncated_transport():
    services()
    with Wires() as wires:
        for n in range(20):
            whole = ip(CLIENT, VIP, 6, tcp(CLIENT, VIP, 7100 + n, 80, SYN))
            wires.send(resized(whole, 20 + n))
            whole = ip(CLIENT6, VIP6, 6, tcp(CLIENT6, VIP6, 7100 + n, 80, SYN))
            wires.send(resized(whole, 40 + n))
        for n in range(8):
            whole = ip(CLIENT, VIP, 17, udp(CLIENT, VIP, 7100 + n, 80))
            wires.send(resized(whole, 20 + n))
            whole = ip(CLIENT6, VIP6, 17, udp(CLIENT6, VIP6, 7100 + n, 80))
            wires.send(resized(whole, 40 + n))
    equal(ipvs.rows(), [], 'connections')
    still_works()


@case('H-9 wrong versions, header lengths and total lengths', fresh=True)
def wrong_ip():
    services()
    with Wires() as wires:
        for vip in VIPS:
            segment, datagram = tcp(CLIENT, vip, 7200, 80, SYN), udp(CLIENT, vip, 7200, 80, b'data')
            for proto, payload in ((6, segment), (17, datagram)):
                for ihl in range(16):
                    wires.send(ip(CLIENT, vip, proto, payload, ihl=ihl))
                    wires.send(
                        ip(CLIENT, vip, proto, b'\1' * (max(0, ihl - 5) * 4) + payload, ihl=ihl)
                    )
                for version in range(16):
                    wires.send(ip(CLIENT, vip, proto, payload, version=version), 0x0800)
                for length in (0, 1, 19, 20, 21, 27, 28, 39, 40, 41, 1500, 65535):
                    wires.send(ip(CLIENT, vip, proto, payload, length=length))
        for vip in VIPS6:
            segment, datagram = tcp(CLIENT6, vip, 7200, 80, SYN), udp(
                CLIENT6, vip, 7200, 80, b'data'
            )
            for proto, payload in ((6, segment), (17, datagram)):
                for version in range(16):
                    wires.send(ip(CLIENT6, vip, proto, payload, version=version), 0x86DD)
                for length in (0, 1, 7, 8, 19, 20, 21, 1500, 65535):
                    wires.send(ip(CLIENT6, vip, proto, payload, length=length))
    still_works()


@case('S-4 wrong lengths in TCP and UDP headers', fresh=True)
def wrong_transport():
    services()
    with Wires() as wires:
        for vip in VIPS + VIPS6:
            me = CLIENT6 if ':' in vip else CLIENT
            for offset in range(16):
                for flags in (SYN, ACK, 0, 63):
                    wires.send(ip(me, vip, 6, tcp(me, vip, 7300, 80, flags, offset=offset)))
                    wires.send(
                        ip(
                            me,
                            vip,
                            6,
                            tcp(me, vip, 7301, 80, flags, offset=offset, data=b'\1' * 40),
                        )
                    )
            for length in (0, 1, 7, 8, 9, 100, 65535):
                wires.send(ip(me, vip, 17, udp(me, vip, 7300, 80, b'data', length=length)))
                wires.send(ip(me, vip, 17, udp(me, vip, 7301, 80, b'data', length=length, sum_=0)))
    still_works()


def pieces(packet, sizes):
    """The payload of a packet in fragments of SIZES bytes: (offset in units of 8, more, bytes)."""
    place = 0
    for size in sizes:
        yield place // 8, place + size < len(packet), packet[place : place + size]
        place += size


@case('H-19 C-9 fragments that fit together are one packet, in any order', fresh=True)
def right_fragments():
    services()
    orders = random.Random(SEED)
    with Wires() as wires, Sniffer(g.s1, 'back') as sniffer:
        for n in range(12):
            vip = VIPS[n % 2]
            datagram = udp(
                CLIENT, vip, 7400 + n, 80, bytes(orders.randrange(256) for _ in range(2000))
            )
            parts = list(pieces(datagram, (8, 8, 600, 800, 592)))
            orders.shuffle(parts)
            for offset, more, data in parts:
                wires.send(ip(CLIENT, vip, 17, data, ident=500 + n, offset=offset, more=more))
            vip = VIPS6[n % 2]
            datagram = udp(
                CLIENT6, vip, 7500 + n, 80, bytes(orders.randrange(256) for _ in range(2000))
            )
            parts = list(pieces(datagram, (1200, 808)))
            orders.shuffle(parts)
            for offset, more, data in parts:
                wires.send(ip(CLIENT6, vip, 44, fragment6(17, offset, more, 900 + n, data)))
        for n in range(12):
            until(lambda p=7400 + n: ipvs.rows(cport=p), f'a connection of IPv4 fragments {n}')
            until(lambda p=7500 + n: ipvs.rows(cport=p), f'a connection of IPv6 fragments {n}')
        # Each datagram arrives, whole or in pieces that the sender's kernel made anew.
        true(
            sniffer.wait(
                lambda p: p.src == CLIENT and p.proto == 17 and (p.more or len(p.payload) > 1400)
            ),
            'a datagram arrives at the server',
        )
    equal(len([r for r in ipvs.rows() if 7400 <= r.cport < 7600]), 24, 'connections')
    still_works()


@case('H-19 H-14 fragments that do not fit, overlap, repeat, or never end', fresh=True)
def wrong_fragments():
    services()
    rnd = random.Random(SEED)
    with Wires() as wires:
        for n in range(MANY // 4):
            offset, more, size = (
                rnd.randrange(0, 40),
                rnd.random() < 0.7,
                rnd.choice((0, 1, 7, 8, 16, 24, 64, 600)),
            )
            if rnd.random() < 0.1:
                offset = rnd.choice((8189, 8190, 8191))
            proto, payload = rnd.choice(
                (
                    (6, tcp(CLIENT, VIPS[n % 3], 7600, 80, SYN)),
                    (17, udp(CLIENT, VIPS[n % 3], 7600, 80, b'x' * 700)),
                )
            )
            data = (payload + bytes(700))[:size]
            wires.send(ip(CLIENT, VIPS[n % 3], proto, data, ident=n // 6, offset=offset, more=more))
            wires.send(ip(CLIENT6, VIPS6[n % 3], 44, fragment6(proto, offset, more, n // 6, data)))
            wires.send(
                ip('10.0.2.11', CLIENT, proto, data, ident=n // 6, offset=offset, more=more),
                back=True,
            )
            wires.send(
                ip('fd00:2::b', CLIENT6, 44, fragment6(proto, offset, more, n // 6, data)),
                back=True,
            )
    still_works()


@case('H-9 chains of IPv6 extension headers, right, long, broken', fresh=True)
def extension_headers():
    services()
    rnd = random.Random(SEED)
    kinds = (0, 43, 44, 51, 60, 135, 139, 140, 59)
    with Wires() as wires:
        for n in range(MANY // 2):
            vip, last = VIPS6[n % 3], rnd.choice((6, 17))
            payload = (
                tcp(CLIENT6, vip, 7700, 80, SYN) if last == 6 else udp(CLIENT6, vip, 7700, 80, b'x')
            )
            following = last
            for _ in range(rnd.choice((1, 1, 2, 3, 8, 40))):
                kind, units = rnd.choice(kinds), rnd.choice((0, 0, 0, 1, 2, 255))
                body = bytes(rnd.randrange(256) for _ in range(6 + 8 * min(units, 3)))
                if kind == 44:
                    body = struct.pack('!HI', rnd.choice((0, 1, 8)), n)
                payload = bytes((following, units if kind != 44 else 0)) + body + payload
                following = kind
            packet = ip(CLIENT6, vip, following, payload)
            wires.send(
                packet if rnd.random() < 0.7 else resized(packet, rnd.randrange(40, len(packet)))
            )
        # A right one: destination options before TCP. The connection is made.
        wires.send(
            ip(
                CLIENT6,
                VIP6,
                60,
                bytes((6, 0, 1, 4, 0, 0, 0, 0)) + tcp(CLIENT6, VIP6, 7701, 80, SYN),
            )
        )
    until(lambda: ipvs.rows(cport=7701), 'a connection of a segment behind destination options')
    still_works()


def icmp(src, dst, head, rest, right):
    """An ICMP or ICMPv6 message, with a right checksum or none."""
    message = head + b'\0\0' + rest
    proto = 58 if ':' in src else 1
    if right:
        covered = pseudo(src, dst, 58, len(message)) if proto == 58 else b''
        message = head + struct.pack('!H', checksum(covered + message)) + rest
    return ip(src, dst, proto, message)


@case('I-1 I-5 H-10 ICMP errors about anything and nothing', fresh=True)
def icmp_errors():
    services()
    rnd = random.Random(SEED)
    packets = list(good())
    with Wires() as wires:
        for n in range(MANY // 2):
            inner, back = rnd.choice(packets)
            if rnd.random() < 0.5:
                inner = inner[: rnd.randrange(len(inner))]
            if rnd.random() < 0.3:
                inner = bytes(b ^ (rnd.random() < 0.05) * rnd.randrange(256) for b in inner)
            kind = rnd.choice((3, 4, 5, 11, 12, 0, 8))
            wrapped = rnd.choice(
                (
                    inner,
                    ip(DIRECTOR, SERVER, 4, inner),
                    ip(DIRECTOR, SERVER, 47, b'\0\0\x08\0' + inner),
                    ip(
                        DIRECTOR,
                        SERVER,
                        17,
                        udp(DIRECTOR, SERVER, 40000, 5555, b'\0\4\0\0' + inner),
                    ),
                )
            )
            kind6 = rnd.choice((1, 2, 3, 4, 128, 129))
            code, rest = rnd.randrange(6), rnd.choice((bytes(4), rnd.randbytes(4)))
            for src, dst, number, about, back in (
                (CLIENT, VIPS[n % 3], kind, inner, False),
                (SERVER, CLIENT, kind, inner, True),
                (SERVER, DIRECTOR, kind, wrapped, True),
                (CLIENT6, VIPS6[n % 3], kind6, inner, False),
                ('fd00:2::b', CLIENT6, kind6, inner, True),
            ):
                wires.send(
                    icmp(src, dst, bytes((number, code)), rest + about, rnd.random() < 0.8),
                    back=back,
                )
    still_works()


@case(
    f'H-9 {MANY} packets with bytes changed at random, from clients and from real servers',
    fresh=True,
)
def mutated():
    services()
    rnd = random.Random(SEED)
    packets = list(good())
    with Wires() as wires:
        for _ in range(MANY):
            packet, back = rnd.choice(packets)
            packet = bytearray(packet)
            for _ in range(rnd.choice((1, 1, 2, 4, 16))):
                # The addresses stay mostly, for the packet to come to the hooks at all.
                place = rnd.randrange(len(packet))
                packet[place] = rnd.randrange(256)
            packet = bytes(packet)
            if rnd.random() < 0.5:
                packet = resized(packet, len(packet))
            wires.send(packet, 0x86DD if len(packet) > 60 and packet[0] >> 4 == 6 else None, back)
    still_works()


@case(f'H-9 {MANY} headers followed by random bytes', fresh=True)
def random_payload():
    services()
    rnd = random.Random(SEED)
    with Wires() as wires:
        for n in range(MANY // 2):
            proto = rnd.choice((6, 17, 6, 17, 132, 50, 51, 1, 58, 4, 41, 47, rnd.randrange(256)))
            payload = rnd.randbytes(rnd.choice((0, 4, 8, 12, 20, 40, 100, 1400)))
            wires.send(
                ip(
                    CLIENT,
                    VIPS[n % 3],
                    proto,
                    payload,
                    ttl=rnd.choice((0, 1, 2, 64)),
                    df=rnd.random() < 0.5,
                )
            )
            wires.send(ip(CLIENT6, VIPS6[n % 3], proto, payload, ttl=rnd.choice((0, 1, 2, 64))))
    still_works()


if __name__ == '__main__':
    run(g)
