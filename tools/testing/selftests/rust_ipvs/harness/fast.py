# SPDX-License-Identifier: GPL-2.0
"""Flows for the fast path, packet by packet."""

import contextlib
import itertools

from . import ipvs, links
from .fixture import FIXTURE as g, SERVER, VIPS
from .ipvs import at
from .packet import ACK, SYN, Sniffer, Wire, ip, tcp, udp
from .tap import true

METHODS = {'NAT': '-m', 'DR': '-g', 'TUN': '-i'}
CLIENT = {4: '10.0.1.1', 6: 'fd00:1::1'}
# Each flow has a port of its own: connections outlive the services of a case.
PORTS = itertools.count(6100)
# Nobody answers at this port: see quiet().
VPORT = 8099
# Packets of a flow before the ones that count.
WARM = 3


def received(version):
    """Number of packets that IP has received at the director, without those of the fast path."""
    if version == 6:
        lines = g.director.read('/proc/net/snmp6').splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith('Ip6InNoECTPkts')))
    lines = g.director.read('/proc/net/netstat').splitlines()
    names, values = [line.split() for line in lines if line.startswith('IpExt:')]
    return int(values[names.index('InNoECTPkts')])


def quiet():
    """Has s1 and the client hear nothing but neighbours; what arrives is seen before that.

    Until loud().
    """
    rules = (
        'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
        'drop',
    )
    loud()
    for space in g.s1, g.client:
        hook = '{ type filter hook prerouting priority 0; }'
        lines = ['add table inet quiet', f'add chain inet quiet c {hook}']
        lines += [f'add rule inet quiet c {rule}' for rule in rules]
        space.run(['nft', '-f', '-'], stdin='\n'.join(lines) + '\n', quiet=True)


def loud():
    """Ends that."""
    for space in g.s1, g.client:
        space.run('nft delete table inet quiet', check=False, quiet=True)


def serve(method, version, kind='u', vport=VPORT, options='-s rr'):
    """A service with s1 behind it."""
    servers = [at(SERVER[version], vport)]
    ipvs.service(f'-{kind} {at(VIPS[version], vport)}', METHODS[method], servers, options)


class Flow:
    """A client's flow to the VIP, packet by packet, and what s1 and the client get of it."""

    def __init__(self, version, kind, link=None, vport=VPORT):
        self.version, self.kind, self.port, self.vport = version, kind, next(PORTS), vport
        self.me, self.vip, self.server = CLIENT[version], VIPS[version], SERVER[version]
        if link:
            self.me = links.CLIENT[version]
        self.front = link.wire() if link else Wire(g.client, 'eth0', g.director, 'front')
        self.back = Wire(g.s1, 'back', g.director, 'back')
        self.at_server = Sniffer(g.s1, 'back')
        self.at_client = link.sniffer() if link else Sniffer(g.client, 'eth0')

    def __enter__(self):
        quiet()
        return self

    def __exit__(self, *_):
        for thing in (self.front, self.back, self.at_server, self.at_client):
            thing.close()
        loud()

    def _packet(self, src, dst, ports, data=b'x', flags=ACK, wrong=None, **options):
        """Returns a packet; WRONG goes to udp() or tcp(), OPTIONS to ip()."""
        wrong = wrong or {}
        if self.kind == 'u':
            return ip(src, dst, 17, udp(src, dst, *ports, data, **wrong), **options)
        ack = 7 if flags & ACK else 0
        segment = tcp(src, dst, *ports, flags, seq=9, ack=ack, data=data, **wrong)
        return ip(src, dst, 6, segment, **options)

    def request(self, *args, **options):
        """Returns a packet of the client, of the arguments of _packet()."""
        options.setdefault('ttl', 50)
        return self._packet(self.me, self.vip, (self.port, self.vport), *args, **options)

    def reply(self, *args, **options):
        """Returns a packet of the server, as request()."""
        options.setdefault('ttl', 40)
        return self._packet(self.server, self.me, (self.vport, self.port), *args, **options)

    def ask(self, *args, **options):
        self.front.send(self.request(*args, **options))

    def answer(self, *args, **options):
        self.back.send(self.reply(*args, **options))

    def _is_ours(self, packet):
        ports = {packet.sport, packet.dport}
        return ports == {self.port, self.vport}

    def at_s1(self, seconds=2):
        return following(
            self.at_server,
            lambda p: p.dport == self.vport
            and self._is_ours(p)
            or (p.proto in (4, 41) and self._is_ours(p.inner())),
            seconds,
        )

    def at_me(self, seconds=2):
        return following(
            self.at_client,
            lambda p: (p.sport == self.vport and self._is_ours(p)) or p.type in (1, 2, 3, 11),
            seconds,
        )

    def open(self):
        """Establishes the flow, with packets both ways."""
        if self.kind == 't':
            self.ask(b'', SYN)
            true(self.at_s1(), 'the SYN arrives')
            self.answer(b'', SYN | ACK)
            self.at_me(0.5)
        for _ in range(WARM):
            self.ask(b'warm')
            true(self.at_s1(), 'a packet of the flow arrives')


def following(sniffer, wanted, seconds):
    """The next packet that WANTED accepts, as bytes; None if there is none."""
    packet = sniffer.wait(wanted, seconds)
    if packet is None:
        return None
    sniffer.seen.remove(packet)
    return plain(packet)


def plain(packet):
    """The bytes of a packet but for the identification that an outer header has for itself."""
    data = bytearray(packet.data)
    if packet.proto in (4, 41) and packet.version == 4:
        true(packet.sum_is_right, 'the checksum of the outer header')
        data[4:6] = data[10:12] = b'\0\0'
    return bytes(data)


def path_of(method):
    """Where the client is: where packets have room for an outer header."""
    return links.Link('tap') if method == 'TUN' else contextlib.nullcontext()
