#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Malformed packets in numbers, protocol by protocol: the log stays silent, nothing leaks, counters add up.

What is random comes from a fixed seed: SEED=n chooses another. LONG=1 sends a million of each protocol.
"""

import os
import random
import time

from harness import ipvs
from harness.fixture import FIXTURE as g
from harness.packet import ACK, FIN, RST, SYN, Wire, checksum, chunk, ip, sctp, tcp, udp
from harness.tap import case, equal, note, run, until

SEED = int(os.environ.get('SEED', '20261121'))
MANY = 1000000 if os.environ.get('LONG') else 2000
CLIENT, CLIENT6 = '10.0.1.9', 'fd00:1::9'
SERVER, SERVER6 = '10.0.2.11', 'fd00:2::b'
VIPS, VIPS6 = ('10.0.9.1', '10.0.9.2', '10.0.9.3'), ('fd00:9::1', 'fd00:9::2', 'fd00:9::3')
METHODS = ('-m', '-g', '-i')
# Who asks for tunnels of other kinds: port, kind, and what comes before the packet in it.
DIRECTOR, ROUTER, GUE = '10.0.2.254', '10.0.2.12', 6080
TUNNELS = (
    (81, '--tun-type gue --tun-port 6080 --tun-nocsum'),
    (82, '--tun-type gue --tun-port 6080 --tun-csum'),
    (83, '--tun-type gre --tun-nocsum'),
    (84, '--tun-type gre --tun-csum'),
)


def services():
    """NAT, DR and TUN of TCP, UDP, SCTP and a key exchange, IPv4 and IPv6; and all kinds of tunnels."""
    lines = ''
    for vip, server in ((VIPS[2], SERVER), (VIPS6[2], f'[{SERVER6}]')):
        for port, kind in TUNNELS:
            at = f'[{vip}]:{port}' if ':' in vip else f'{vip}:{port}'
            lines += f'-A -u {at} -s rr\n-a -u {at} -r {server}:{port} -i {kind}\n'
    for vips, server in ((VIPS, SERVER), (VIPS6, f'[{SERVER6}]')):
        for vip, method in zip(vips, METHODS):
            at = f'[{vip}]' if ':' in vip else vip
            for kind in '-t', '-u', '--sctp-service':
                lines += f'-A {kind} {at}:80 -s rr\n-a {kind} {at}:80 -r {server}:80 {method}\n'
            lines += f'-A -u {at}:500 -s rr\n-a -u {at}:500 -r {server}:500 {method}\n'
    g.director.run('ipvsadm -R', stdin=lines)


def good(protocol, client, vip, server, port):
    """Right packets of one protocol, with whether they come from a server."""
    if protocol == 6:
        for flags in (SYN, ACK, FIN | ACK, RST):
            yield ip(client, vip, 6, tcp(client, vip, port, 80, flags, data=b'data')), False
            yield ip(server, client, 6, tcp(server, client, 80, port, flags | ACK)), True
    elif protocol == 17:
        yield ip(client, vip, 17, udp(client, vip, port, 80, b'data')), False
        yield ip(server, client, 17, udp(server, client, 80, port, b'data')), True
    elif protocol == 132:
        for kind in (1, 2, 10, 11, 0, 7, 8, 14, 9, 6):
            yield ip(client, vip, 132, sctp(port, 80, chunk(kind, bytes(8)) + chunk(6))), False
            yield ip(server, client, 132, sctp(80, port, chunk(kind, bytes(8)) + chunk(6))), True
    elif protocol in (50, 51):
        yield ip(client, vip, 17, udp(client, vip, 500, 500, b'keys')), False
        yield ip(client, vip, protocol, bytes(range(24))), False
        yield ip(server, client, protocol, bytes(range(24))), True
    elif protocol in (4, 41):
        yield from tunnels(client, vip, server, port)
    else:
        # Connections for errors to be about.
        yield ip(client, vip, 6, tcp(client, vip, port, 80, SYN)), False
        yield ip(client, vip, 17, udp(client, vip, port, 80, b'data')), False
        yield ip(client, vip, 132, sctp(port, 80, chunk(1, bytes(16)))), False
        kinds = (1, 2, 3, 4) if ':' in vip else (3, 4, 11, 12)
        for inner in (
            ip(vip, client, 6, tcp(vip, client, 80, port, ACK)),
            ip(vip, client, 17, udp(vip, client, 80, port)),
            ip(vip, client, 132, sctp(80, port, chunk(0))),
            ip(vip, client, 50, bytes(16)),
        ):
            for kind in kinds:
                yield ip(client, vip, protocol, bytes((kind, 3, 0, 0)) + bytes(4) + inner), False
                yield ip(server, client, protocol, bytes((kind, 3, 0, 0)) + bytes(4) + inner), True


def tunnels(client, vip, server, port):
    """What has to do with tunnels: connections that travel in them, errors about those, and tunnels that come by themselves."""
    for vport in (80, *(number for number, _ in TUNNELS)):
        inner = ip(client, vip, 17, udp(client, vip, port, vport, b'data'))
        yield inner, False
        six = ':' in vip
        number = 41 if six else 4
        gre = b'\x86\xdd' if six else b'\x08\x00'
        wrapped = (
            (number, inner),
            (17, udp(DIRECTOR, SERVER, 40000, GUE, bytes((0, number, 0, 0)) + inner)),
            (17, udp(DIRECTOR, SERVER, 40000, GUE, bytes((1, number, 0, 8)) + bytes(4) + inner)),
            (47, bytes(2) + gre + inner),
            (47, b'\x80\0' + gre + bytes(4) + inner),
        )
        for proto, payload in wrapped:
            # An error about a tunnel of the director's, by a router on its way, which has IPv4
            # outside; and one at the door.
            outer = ip(DIRECTOR, SERVER, proto, payload)
            for kind in (3, 11):
                message = (
                    bytes((kind, 4 if kind == 3 else 0, 0, 0)) + (1300).to_bytes(4, 'big') + outer
                )
                message = message[:2] + checksum(message).to_bytes(2, 'big') + message[4:]
                yield ip(ROUTER, DIRECTOR, 1, message), True
            yield ip(client, vip, proto, payload), False
            yield ip(server, client, proto, payload), True


def broken(rnd, packet):
    """A packet with some of it changed, cut off or added; mostly its addresses stay, or it would not come far."""
    data = bytearray(packet)
    head = 40 if data[0] >> 4 == 6 else 20
    way = rnd.randrange(8)
    for _ in range(rnd.choice((0, 1, 1, 2, 4) if way < 3 else (1, 1, 2, 4))):
        place = (
            rnd.randrange(head, len(data))
            if rnd.random() < 0.8 and len(data) > head
            else rnd.randrange(len(data))
        )
        data[place] = rnd.choice((0, 255, rnd.randrange(256)))
    if way == 0:
        del data[rnd.randrange(len(data)) :]
    elif way == 1:
        data += rnd.randbytes(rnd.randrange(64))
    elif way == 2:
        data[head:] = rnd.randbytes(rnd.randrange(48))
    if rnd.random() < 0.7 and len(data) >= head:
        # What says how long it is agrees with how long it is.
        length = len(data) - (40 if head == 40 else 0)
        data[4 if head == 40 else 2 : 6 if head == 40 else 4] = length.to_bytes(2, 'big')
        if head == 20:
            data[10:12] = b'\0\0'
            data[10:12] = checksum(bytes(data[:20])).to_bytes(2, 'big')
    return bytes(data)


def received():
    """How many packets came to the director's devices."""
    lines = g.director.read('/proc/net/dev').splitlines()
    return sum(
        int(line.split(':')[1].split()[1])
        for line in lines
        if line.split(':')[0].strip() in ('front', 'back')
    )


def send(protocols, count=MANY):
    """Sends COUNT broken packets, half of them of a protocol in IPv4, half of the one that it is in IPv6."""
    services()
    rnd = random.Random(SEED)
    packets = [[], []]
    for n, (vip, vip6) in enumerate(zip(VIPS, VIPS6)):
        packets[0] += good(protocols[0], CLIENT, vip, SERVER, 7000 + n)
        packets[1] += good(protocols[1], CLIENT6, vip6, SERVER6, 7000 + n)
    front, back = Wire(g.client, 'eth0', g.director, 'front'), Wire(
        g.s1, 'back', g.director, 'back'
    )
    before, start = received(), time.monotonic()
    made = whole = 0
    while made < count:
        right, from_server = rnd.choice(packets[made & 1])
        # Now and then a right one, for a state to be in; that is not counted.
        packet = right if rnd.random() < 0.1 else broken(rnd, right)
        ethertype = (0x86DD if packet[0] >> 4 == 6 else 0x0800) if packet else 0x0800
        if (back if from_server else front).send(packet, ethertype):
            made += packet != right
            whole += packet == right
        if (made + whole) % 100 == 0:
            time.sleep(0.001)
    note(
        f'{made} broken packets, half of them IPv6, and {whole} right ones in {time.monotonic() - start:.0f} s'
    )
    until(
        lambda: received() - before >= made + whole,
        f'the director got all of them ({received() - before})',
        5,
    )
    front.close()
    back.close()
    adds_up()


def adds_up():
    """What the namespace counted is what its services counted, and those what their servers counted."""

    def sums():
        services_, servers = [0] * 5, [0] * 5
        for line in ipvs.admin('-Ln --stats --exact', quiet=True).splitlines()[3:]:
            words = line.split()
            of = servers if words[0] == '->' else services_
            for place, number in enumerate(words[-5:]):
                of[place] += int(number)
        return services_, servers, list(ipvs.total())

    def settled():
        found = sums()
        # C shows what it counted up to two seconds late. Some of the packets are right ones.
        return found[0] == found[1] == found[2] and found[2][1] and found

    found = until(settled, f'the counters add up ({sums()})', 15)
    note(f'counted: {found[2]}')


def no_leak():
    """The module goes, and takes all with it; what is left in its slabs, the kernel complains of."""
    g.unload()
    g.after()
    with open('/proc/slabinfo', encoding='ascii') as file:
        equal(
            [line for line in file if line.startswith(('rust_ipvs', 'ip_vs_conn'))],
            [],
            'slabs that are left',
        )
    g.load()


@case(f'S-4 T-1 {MANY} malformed packets of TCP', fresh=True)
def noise_tcp():
    send((6, 6))
    no_leak()


@case(f'S-4 {MANY} malformed packets of UDP', fresh=True)
def noise_udp():
    send((17, 17))
    no_leak()


@case(f'S-4 T-11 {MANY} malformed packets of SCTP', fresh=True)
def noise_sctp():
    send((132, 132))
    no_leak()


@case(f'S-3 T-14 {MANY} malformed packets of ESP', fresh=True)
def noise_esp():
    send((50, 50))
    no_leak()


@case(f'S-3 T-14 {MANY} malformed packets of AH', fresh=True)
def noise_ah():
    send((51, 51))
    no_leak()


@case(f'I-1 I-2 {MANY} malformed packets of ICMP and as many of ICMPv6', fresh=True)
def noise_icmp():
    send((1, 58), 2 * MANY)
    no_leak()


@case(f'I-5 X-16 X-19 X-20 {MANY} malformed packets in tunnels and about them', fresh=True)
def noise_tunnels():
    send((4, 41))
    no_leak()


if __name__ == '__main__':
    run(g)
