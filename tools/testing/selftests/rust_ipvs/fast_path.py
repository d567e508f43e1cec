#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The fast path: what it takes, and that nothing differs on the wire where it does."""

import contextlib
import os
import re

from harness import ipvs, links, tunnels
from harness.clients import Connection
from harness.fixture import FIXTURE as g, HERE, VIP, VIP6
from harness.ipvs import at
from harness.packet import ACK, FIN, PSH, SYN, Sniffer, Wire, ip, tcp, udp
from harness.tap import Failure, Skip, case, equal, run, true, until

METHODS = {'NAT': '-m', 'DR': '-g', 'TUN': '-i'}
CLIENT = {4: '10.0.1.1', 6: 'fd00:1::1'}
VIPS = {4: VIP, 6: VIP6}
SERVER = {4: '10.0.2.11', 6: 'fd00:2::b'}
PORT = 6100
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
    """Has s1 and the client answer nothing of these flows; what arrives is seen before that.

    Until loud(): nothing that comes by a tunnel is heard at all.
    """
    rules = (
        f'th dport {VPORT} drop',
        f'th sport {VPORT} drop',
        'meta l4proto { 4, 41 } drop',
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


def serve(method, version, kind='u'):
    """A service with s1 behind it."""
    servers = [at(SERVER[version], VPORT)]
    ipvs.service(f'-{kind} {at(VIPS[version], VPORT)}', METHODS[method], servers)


class Flow:
    """A client's flow to the VIP, packet by packet, and what s1 and the client get of it."""

    def __init__(self, version, kind, port=PORT, link=None):
        self.version, self.kind, self.port = version, kind, port
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

    def _transport(self, src, dst, ports, data, flags):
        if self.kind == 'u':
            return 17, udp(src, dst, *ports, data)
        return 6, tcp(src, dst, *ports, flags, seq=9, ack=7 if flags & ACK else 0, data=data)

    def ask(self, data=b'x', flags=ACK, **options):
        options.setdefault('ttl', 50)
        transport = self._transport(self.me, self.vip, (self.port, VPORT), data, flags)
        self.front.send(ip(self.me, self.vip, *transport, **options))

    def answer(self, data=b'x', flags=ACK, **options):
        options.setdefault('ttl', 40)
        transport = self._transport(self.server, self.me, (VPORT, self.port), data, flags)
        self.back.send(ip(self.server, self.me, *transport, **options))

    def _is_ours(self, packet):
        ports = {packet.sport, packet.dport}
        return ports == {self.port, VPORT}

    def at_s1(self, seconds=2):
        return following(
            self.at_server,
            lambda p: p.dport == VPORT
            and self._is_ours(p)
            or (p.proto in (4, 41) and self._is_ours(p.inner())),
            seconds,
        )

    def at_me(self, seconds=2):
        return following(
            self.at_client,
            lambda p: (p.sport == VPORT and self._is_ours(p)) or p.type in (1, 2, 3, 11),
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


ODD = [
    ('plain', dict(data=b'hello')),
    ('empty', dict(data=b'')),
    ('tos', dict(tos=0xB8)),
    ('CE', dict(tos=0x03)),
    ('ttl 2', dict(ttl=2)),
    ('ttl 1', dict(ttl=1)),
    ('DF', dict(df=True)),
    ('large', dict(data=bytes(1300))),
    ('too large', dict(data=bytes(1472), df=True)),
    ('push', dict(data=b'p', flags=ACK | PSH)),
]


def path_of(method):
    """Where the client is. Packets of a veth device have no room for an outer header."""
    return links.Link('tap') if method == 'TUN' else contextlib.nullcontext()


def transcript(mode, method, version, kind, link):
    """What comes of each packet, and the counters; a fresh module sees the same ports each time."""
    g.reload()
    ipvs.setting('fast_path', mode)
    serve(method, version, kind)
    lines = []
    with Flow(version, kind, link=link) as flow:
        flow.open()
        for name, options in ODD:
            flow.ask(**options)
            seen = flow.at_s1(1) if name not in ('ttl 1', 'too large') else flow.at_s1(0.2)
            error = flow.at_me(1 if seen is None else 0)
            # But for identification and checksum of the error's own header.
            lines.append((name, seen, error and error[:4] + error[6:10] + error[12:20]))
        if method == 'NAT':
            for name, options in ODD:
                flow.answer(**options)
                lines.append(('reply ' + name, flow.at_me(0.3 if name == 'ttl 1' else 1)))
        lines.append(('rows', [(row.state, row.daddr) for row in rows()]))
        lines.append(('stats', ipvs.total()))
        if kind == 't':
            flow.ask(b'', ACK | FIN)
            lines.append(('FIN', flow.at_s1()))
            lines.append(('state', [row.state for row in rows()]))
    return lines


def rows():
    return ipvs.rows(cport=PORT)


for METHOD in METHODS:
    for VERSION in (4, 6):
        for KIND in 'ut':

            @case(
                f'{METHOD} IPv{VERSION} -{KIND}: the wire is the same with fast_path 0 and 2',
                only='rust',
            )
            def same(method=METHOD, version=VERSION, kind=KIND):
                with path_of(method) as link:
                    slow = transcript(0, method, version, kind, link)
                    fast = transcript(2, method, version, kind, link)
                for before, after in zip(slow, fast):
                    equal(after, before, f'what comes of {before[0]}')
                ipvs.setting('fast_path', 0)


def taken(flow, packets=5, back=False):
    """Number of packets of the flow that IP does not see."""
    before = received(flow.version)
    for _ in range(packets):
        if back:
            flow.answer(b'taken')
            true(flow.at_me(), 'the reply arrives')
        else:
            flow.ask(b'taken')
            true(flow.at_s1(), 'the request arrives')
    return packets - (received(flow.version) - before)


def until_taken(flow, words='requests are taken', back=False):
    """Waits until packets of the flow are taken. IP may see another packet meanwhile."""
    counts = []

    def are_taken():
        counts.append(taken(flow, back=back))
        return counts[-1] >= 4

    try:
        until(are_taken, words)
    except Failure as failure:
        raise Failure(f'{failure}, but of five packets: {counts[-20:]}') from failure


class Seen:
    """Packets to the VIP that a rule at PRE_ROUTING sees."""

    def __init__(self, version):
        kind, vip = ('ip6', VIP6) if version == 6 else ('ip', VIP)
        g.director.run('nft add table inet seen', quiet=True)
        hook = '{ type filter hook prerouting priority 0; }'
        g.director.run(['nft', f'add chain inet seen c {hook}'], quiet=True)
        g.director.run(f'nft add rule inet seen c {kind} daddr {vip} counter', quiet=True)

    def number(self):
        rules = g.director.run('nft list table inet seen', quiet=True)
        return int(re.search(r'packets (\d+)', rules)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        g.director.run('nft delete table inet seen', quiet=True)


# With clients that have sockets: a packet socket's frames have no room for an outer header.
for KIND in tunnels.KINDS:
    for VERSION in (4, 6):

        @case(f'{KIND}, IPv{VERSION}: TCP with segments to be cut is taken with 2', only='rust')
        def tunnels_are_taken(kind=KIND, version=VERSION):
            g.reload()
            ipvs.setting('fast_path', 2)
            tunnels.serve(kind, version, version, 't')
            try:
                with Seen(version) as seen, Connection(g.client, VIPS[version]) as connection:
                    true(connection.echo(), 'an answer')
                    before = seen.number(), ipvs.stats(at(VIPS[version])).inpkts
                    true(connection.put(400000), '400 kB to the server')
                    after = seen.number(), ipvs.stats(at(VIPS[version])).inpkts
                slow, all_ = (now - then for now, then in zip(after, before))
                true(all_ >= 8 and slow <= all_ / 4, f'{slow} of {all_} packets were not taken')
            finally:
                tunnels.close()
                ipvs.setting('fast_path', 0)


for METHOD in METHODS:
    for VERSION in (4, 6):

        @case(f'{METHOD} IPv{VERSION}: requests and replies are taken with 2', only='rust')
        def is_taken(method=METHOD, version=VERSION):
            g.reload()
            ipvs.setting('fast_path', 2)
            serve(method, version)
            with path_of(method) as link, Flow(version, 'u', link=link) as flow:
                flow.open()
                until_taken(flow)
                if method == 'NAT':
                    flow.answer(b'first')
                    true(flow.at_me(), 'the first reply arrives')
                    until_taken(flow, 'replies are taken', back=True)
                ipvs.setting('fast_path', 0)
                true(taken(flow) <= 0, 'none is taken with 0')


@case('a rule that is added counts for the next packet with 1', only='rust')
def rules():
    g.reload()
    ipvs.setting('fast_path', 1)
    serve('NAT', 4)
    with Flow(4, 'u') as flow:
        flow.open()
        until_taken(flow)
        try:
            g.director.run('nft add table ip t', quiet=True)
            hook = '{ type filter hook prerouting priority 0; }'
            g.director.run(['nft', f'add chain ip t c {hook}'], quiet=True)
            g.director.run('nft add rule ip t c udp dport 8099 drop', quiet=True)
            flow.ask(b'dropped')
            equal(flow.at_s1(0.3), None, 'a packet after the rule')
        finally:
            g.director.run('nft delete table ip t', quiet=True)
        until_taken(flow, 'requests are taken again')
    ipvs.setting('fast_path', 0)


for VERSION in (4, 6):

    @case(f'IPv{VERSION}: conntrack and defragmentation do not count as rules with 1', only='rust')
    def idle_conntrack(version=VERSION):
        g.reload()
        ipvs.setting('fast_path', 1)
        serve('NAT', version)
        with Flow(version, 'u') as flow:
            flow.open()
            flow.answer(b'first')
            true(flow.at_me(), 'the first reply arrives')
            # Replies pass this chain, requests only the hooks of conntrack that it brings.
            g.director.run('nft add table inet t', quiet=True)
            hook = '{ type filter hook forward priority 0; }'
            g.director.run(['nft', f'add chain inet t c {hook}'], quiet=True)
            g.director.run('nft add rule inet t c ct state invalid counter', quiet=True)
            true(taken(flow, back=True) <= 0, 'no reply is taken')
            until(lambda: taken(flow) >= 4, 'requests are taken')
            g.director.run('nft delete table inet t', quiet=True)
            until(lambda: taken(flow, back=True) >= 4, 'replies are taken again')
        ipvs.setting('fast_path', 0)


@case('the VIP that goes is gone for the next packet, and a route that changes is the new one',
      only='rust')
def routes():
    g.reload()
    ipvs.setting('fast_path', 2)
    serve('NAT', 4)
    with Flow(4, 'u') as flow:
        flow.open()
        until_taken(flow)
        g.director.run(f'ip addr del {VIP}/32 dev lo', quiet=True)
        flow.ask(b'gone')
        equal(flow.at_s1(0.3), None, 'a packet after the VIP has gone')
        g.director.run(f'ip addr add {VIP}/32 dev lo', quiet=True)
        until_taken(flow, 'requests are taken again')
        g.director.run('sysctl -qw net.ipv4.conf.front.rp_filter=1', quiet=True)
        g.director.run('ip route add 10.0.1.1/32 dev back', quiet=True)
        flow.ask(b'spoofed')
        equal(flow.at_s1(0.3), None, 'a packet whose source is filtered')
        g.director.run('ip route del 10.0.1.1/32 dev back', quiet=True)
        g.director.run('sysctl -qw net.ipv4.conf.front.rp_filter=0', quiet=True)
        until_taken(flow, 'requests are taken again')
    ipvs.setting('fast_path', 0)


@case('a device is renamed, goes down, moves to a namespace and back, and is deleted', only='rust')
def devices():
    g.reload()
    ipvs.setting('fast_path', 2)
    serve('NAT', 4)
    with Flow(4, 'u') as flow:
        flow.open()
        until_taken(flow)
    for n in range(3):
        g.director.run(f'ip link add v{n} type veth peer name w{n}', quiet=True)
        g.director.run(f'ip link set v{n} up', quiet=True)
    g.director.run('ip link set v0 down', quiet=True)
    g.director.run('ip link set v0 name x0', quiet=True)
    g.director.run('ip link set w1 netns rv-s1', quiet=True)
    g.s1.run('ip link set w1 netns rv-director', quiet=True)
    g.director.run('ip link add vb type bridge', quiet=True)
    g.director.run('ip link set w2 master vb', quiet=True)
    for device in ('x0', 'v1', 'v2', 'vb'):
        g.director.run(f'ip link del {device}', quiet=True)
    with Flow(4, 'u', PORT + 1) as flow:
        flow.open()
        until_taken(flow, 'requests are taken after that')
    g.director.run('ip link add v0 type veth peer name w0', quiet=True)
    g.reload()
    g.director.run('ip link del v0', quiet=True)


# Kinds of devices: whether requests that come by one are taken, and replies that leave by it.
LINKS = {
    'veth': (True, True),
    'tun': (True, True),
    'tap': (True, True),
    'vlan': (True, True),
    'bond': (True, True),
    'bridge': (True, True),
    'macvlan': (True, True),
    'ipvlan': (True, True),
    'below macvlan': (False, True),
    'below ipvlan': (False, True),
    'vrf': (False, True),
}
# The same kinds in Documentation/fast-path.rst.
NAMES = {
    'VLAN': 'vlan',
    'with a macvlan on top': 'below macvlan',
    'with an ipvlan on top': 'below ipvlan',
    'in a VRF': 'vrf',
}


def both_ways(flow):
    """What comes of a request and of its reply."""
    flow.ask(b'same')
    request = flow.at_s1()
    flow.answer(b'same')
    reply = flow.at_me()
    true(request and reply, 'request and reply arrive')
    return request, reply


for LINK, TAKEN in LINKS.items():

    @case(f'a device of the kind "{LINK}" has the path, or has it not', only='rust', fresh=True)
    def link_has_path(kind=LINK, want=TAKEN):
        # A VRF has a rule, by which the route of a reply may depend on its source.
        ipvs.setting('snat_reroute', int(kind != 'vrf'))
        with links.Link(kind) as link:
            for version in (4, 6):
                ipvs.setting('fast_path', 0)
                serve('NAT', version)
                with Flow(version, 'u', link=link) as flow:
                    flow.open()
                    slow = both_ways(flow)
                    ipvs.setting('fast_path', 2)
                    for way, back in (('requests', False), ('replies', True)):
                        words = f'IPv{version}: {way} are taken'
                        if want[back]:
                            until_taken(flow, words, back)
                        else:
                            true(max(taken(flow, back=back), taken(flow, back=back)) <= 0, words)
                    equal(both_ways(flow), slow, f'IPv{version}: what comes of a packet')
        ipvs.setting('fast_path', 0)
        ipvs.setting('snat_reroute', 1)


@case('requests in a tunnel over a VRF pass its device, as they do with 0', only='rust', fresh=True)
def tunnel_over_vrf():
    join = ['link add vrf0 type vrf table 56', 'link set vrf0 up', 'link set back master vrf0']
    leave = ['route del 10.0.2.0/24 dev back', 'link set back nomaster', 'link del vrf0']
    serve('TUN', 4)
    try:
        links.batch(g.director, [*join, 'route add 10.0.2.0/24 dev back'])
        with links.Link('tap') as link, Flow(4, 'u', link=link) as flow:
            flow.open()
            with Sniffer(g.director, 'vrf0', outgoing=True) as at_vrf:
                for mode in (0, 2):
                    ipvs.setting('fast_path', mode)
                    for n in range(5):
                        flow.ask(f'mode {mode}, {n}'.encode())
                        true(flow.at_s1(), f'{mode}: a request arrives')
                    seen = at_vrf.all(lambda p, m=mode: f'mode {m}'.encode() in p.data, 0.1)
                    equal(len(seen), 5, f'{mode}: packets that a capture at the VRF sees')
    finally:
        links.batch(g.director, [*leave, 'addr replace fd00:2::fe/64 dev back nodad'])
        ipvs.setting('fast_path', 0)


@case('the document names the devices that have the path', only='rust')
def document():
    path = os.path.join(HERE, '../../../../Documentation/fast-path.rst')
    if not os.path.exists(path):
        raise Skip('the document is not in a kernel tree')
    with open(path, encoding='utf-8') as file:
        rows = re.findall(r'^(\S.*?)  +(taken|not taken) +(taken|not taken)$', file.read(), re.M)
    told = {
        NAMES.get(name, name): (incoming == 'taken', outgoing == 'taken')
        for names, incoming, outgoing in rows
        for name in names.split(', ')
    }
    equal(told, LINKS, 'the table of devices')


run(g)
