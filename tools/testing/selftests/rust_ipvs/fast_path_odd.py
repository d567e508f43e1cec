#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Odd packets and odd flows: nothing differs between fast_path 0 and 2.

Each packet is followed by a plain one, the fence, on the same CPU. Once that has arrived all that
comes of the packet has, so nothing is waited for that does not come.
"""

import contextlib
import os
import re
import select
import socket
import struct
import time

from harness import ipvs, links
from harness.fast import CLIENT, METHODS, SERVER, VPORT, Flow, path_of, received, serve
from harness.fixture import FIXTURE as g
from harness.packet import ACK, ETH_P_ALL, FIN, PACKET_OUTGOING, PSH, RST, SYN, fragment6, hardware
from harness.packet import ip
from harness.tap import case, equal, note, patience, run, true, until

BROADCAST, MULTICAST = b'\xff' * 6, b'\x01\x00\x5e\x00\x00\x09'
STRANGER = b'\x02\x00\x00\x00\x00\x99'
PRIORITY_TAG = b'\x81\x00\xe0\x00'
# MTU of the director's routes: a packet above it comes from a wire with 1500.
MTU = 1400
# Packets that nobody in this test sends: IGMP, and ICMPv6 of multicast and neighbours.
NOISE6 = range(130, 144)


def plain_ones(flow):
    """Packets that the fast path may take, and those at its limits."""
    yield 'plain', {'data': b'hello'}
    yield 'empty', {'data': b''}
    yield 'TOS', {'tos': 0xB8}
    yield 'CE', {'tos': 0x03}
    yield 'TTL 2', {'ttl': 2}
    yield 'TTL 1', {'ttl': 1}
    yield 'TTL 0', {'ttl': 0}
    yield 'large', {'data': bytes(1300)}
    yield 'too large', {'data': bytes(1420)}
    yield 'longer than the packet', {'length': 2000}
    yield 'shorter than the headers', {'length': 24 if flow.version == 4 else 4}
    if flow.version == 4:
        yield 'DF', {'df': True}
        yield 'too large, DF', {'data': bytes(1420), 'df': True}
        yield 'identification', {'ident': 0x1234}
        yield 'reserved flag', {'offset': 0x8000}
        yield 'header length 4', {'ihl': 4}
        yield 'header length beyond the packet', {'ihl': 15, 'length': 36}
        yield 'version 5', {'version': 5}
        yield 'record route', {'options': b'\x07\x07\x04' + bytes(4)}
        # Without room for a time, so that only its overflow is counted.
        yield 'timestamp', {'options': b'\x44\x0c\x0d\x00' + bytes(8)}
        yield 'router alert', {'options': b'\x94\x04\x00\x00'}
        yield 'malformed option', {'options': b'\x07\x40\x04\x00'}
    if flow.kind == 'u':
        yield 'no checksum', {'wrong': {'sum_': 0}}
        yield 'wrong checksum of UDP', {'wrong': {'sum_': 0x1234}}
        yield 'wrong length of UDP', {'wrong': {'length': 4}}
    else:
        yield 'PSH', {'data': b'p', 'flags': ACK | PSH}
        yield 'URG', {'data': b'u', 'flags': ACK | 0x20}
        yield 'ECE and CWR', {'data': b'e', 'flags': ACK | 0xC0}


def closing(flow, back):
    """Segments that change the state, or would."""
    if flow.kind == 't':
        yield 'SYN', {'data': b'', 'flags': SYN | ACK if back else SYN}
        yield 'no flags', {'flags': 0}
        yield 'header of TCP beyond the packet', {'wrong': {'offset': 15}}
        yield 'FIN', {'data': b'', 'flags': ACK | FIN}
        if not back:
            yield 'SYN after FIN', {'data': b'', 'flags': SYN}
        yield 'RST', {'data': b'', 'flags': RST}


def in_parts(flow, packet):
    """The same packet with other headers, and in parts."""
    data = packet(data=bytes(range(64)))
    if flow.version == 4:
        src, dst = flow_ends(data)
        proto, body = data[9], data[20:]
        options = {'ttl': 50, 'ident': 0x4321}
        first = ip(src, dst, proto, body[:40], more=True, **options)
        last = ip(src, dst, proto, body[40:], offset=5, **options)
        yield 'fragments', [first, last]
        yield 'fragments, the last one first', [last, first]
        damaged = data[:10] + bytes([data[10] ^ 0x55]) + data[11:]
        yield 'wrong header checksum', [damaged]
        yield 'wrong checksum of the transport', [data[:-1] + b'\xff']
        return
    src, dst = flow_ends(data)
    proto, body = data[6], data[40:]
    padding = struct.pack('!BBBB4x', proto, 0, 1, 4)
    alert = struct.pack('!BBBBHBB', proto, 0, 5, 2, 9, 1, 0)
    yield 'hop-by-hop options', [ip(src, dst, 0, padding + body, ttl=50)]
    yield 'router alert', [ip(src, dst, 0, alert + body, ttl=50)]
    yield 'destination options', [ip(src, dst, 60, padding + body, ttl=50)]
    yield 'flow label', [b'\x60\x01\x23\x45' + data[4:]]
    for name, more in ('fragment', True), ('atomic fragment', False):
        parts = [fragment6(proto, 0, more, 77 + more, body[: 40 if more else None])]
        parts += [fragment6(proto, 5, False, 77 + more, body[40:])] if more else []
        yield name, [ip(src, dst, 44, part, ttl=50) for part in parts]
    yield 'wrong checksum of the transport', [data[:-1] + b'\xff']


def flow_ends(packet):
    """The addresses of a packet in words."""
    family = socket.AF_INET if packet[0] >> 4 == 4 else socket.AF_INET6
    start, size = (12, 4) if family == socket.AF_INET else (8, 16)
    ends = packet[start : start + size], packet[start + size : start + 2 * size]
    return tuple(socket.inet_ntop(family, end) for end in ends)


def on_the_link(packet):
    """The same packet in frames that are not plain."""
    data = packet(data=b'link')
    yield 'padding', data, {'tail': bytes(18)}
    yield 'long padding', data, {'tail': bytes(1300)}
    yield 'broadcast', data, {'to': BROADCAST}
    yield 'multicast', data, {'to': MULTICAST}
    yield "another host's", data, {'to': STRANGER}
    yield 'priority tag', data, {'tag': PRIORITY_TAG}


def odd_ones(flow, back):
    """All packets of one direction: a name, and what sends it."""
    packet = flow.reply if back else flow.request
    wire, other = (flow.back, flow.front) if back else (flow.front, flow.back)
    for name, data, frame in on_the_link(packet):
        yield name, wire, [data], frame
    for name, options in plain_ones(flow):
        yield name, wire, [packet(**options)], {}
    for name, packets in in_parts(flow, packet):
        yield name, wire, packets, {}
    # An IPv6 reply that leaves by the device that it came by causes redirects, but not each one.
    if not (back and flow.version == 6):
        yield 'by another device', other, [packet(data=b'other')], {}
    for name, options in closing(flow, back):
        yield name, wire, [packet(**options)], {}


class Watch:
    """All frames that a device receives and sends."""

    def __init__(self, space, device):
        with space:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.bind((device, ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.sock.setblocking(False)
        self.noise = 0

    def take(self):
        """Returns the frames since the last call: whether sent, and the bytes."""
        frames = []
        while True:
            try:
                frame, address = self.sock.recvfrom(70000)
            except BlockingIOError:
                return frames
            if is_noise(frame):
                self.noise += 1
            else:
                frames.append((address[2] == PACKET_OUTGOING, comparable(frame)))

    def until(self, data):
        """Returns the frames up to one that contains DATA."""
        frames, end = [], time.monotonic() + patience(5)
        while True:
            frames += self.take()
            if any(data in frame for _, frame in frames):
                return frames
            left = end - time.monotonic()
            true(left > 0, f'{data} arrives')
            select.select([self.sock], [], [], left)


class Behind:
    """All packets that the director sends by its own tap device."""

    def __init__(self, tun):
        self.tun = tun
        self.noise = 0

    def take(self):
        """As Watch.take()."""
        packets = [packet.data for packet in self.tun.all()]
        self.tun.seen.clear()
        frames = [bytes(12) + (b'\x86\xdd', b'\x08\0')[p[0] >> 4 == 4] + p for p in packets]
        heard = [frame for frame in frames if not is_noise(frame)]
        self.noise += len(frames) - len(heard)
        return [(False, comparable(frame)) for frame in heard]


def is_noise(frame):
    """Whether the kernel sent it on its own account."""
    if frame[12:14] == b'\x08\0':
        return frame[23] == 2
    if frame[12:14] != b'\x86\xdd':
        return True
    at = 40 if frame[20] == 58 else 48 if frame[20] == 0 and frame[54] == 58 else None
    return at is not None and frame[14 + at] in NOISE6


def comparable(frame):
    """A frame but for the identification of a header that the director itself made."""
    if frame[12:14] == b'\x08\0' and frame[23] in (1, 4, 41, 47):
        frame = frame[:18] + b'\0\0' + frame[20:24] + b'\0\0' + frame[26:]
    elif frame[12:14] == b'\x86\xdd' and frame[20] == 44:
        frame = frame[:58] + bytes(4) + frame[62:]
    return frame


def kernel_counters():
    """Counters of IP, ICMP and devices of the director, without those by ECN."""
    found = {}
    for path in ('/proc/net/snmp', '/proc/net/netstat'):
        lines = g.director.read(path).splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            group = names.split()[0]
            if group in ('Ip:', 'IpExt:', 'Icmp:', 'IcmpMsg:', 'Udp:'):
                found |= zip((group + n for n in names.split()[1:]), values.split()[1:])
    for line in g.director.read('/proc/net/snmp6').splitlines():
        name, value = line.split()
        found[name] = value
    for line in g.director.read('/proc/net/dev').splitlines()[2:]:
        device, values = line.split(':')
        found |= {f'{device.strip()} {n}': value for n, value in enumerate(values.split())}
    is_ecn = re.compile('InNoECTPkts|InECT.Pkts|InCEPkts')
    return {name: int(value) for name, value in found.items() if not is_ecn.search(name)}


def ipvs_counters():
    """What IPVS counts of the service and of the destination."""
    lists = ipvs.admin('-Ln --stats --exact', quiet=True).splitlines()[3:]
    found = {f'total {n}': value for n, value in enumerate(ipvs.total())}
    for line in lists:
        words = line.replace('->', '').split()
        found |= {f'{words[-6]} {n}': int(value) for n, value in enumerate(words[-5:])}
    return found


def listed(flow):
    """The rows of ipvsadm -Lnc but for the time that is left."""
    lines = ipvs.admin('-Lnc', quiet=True).splitlines()
    return [re.sub(r' \d\d:\d\d ', ' ', row) for row in lines if f':{flow.port} ' in row]


# Who has neighbours, and by which device.
HOSTS = (('director', 'front'), ('director', 'back'), ('client', 'eth0'), ('s1', 'back'))


@contextlib.contextmanager
def prepared(flow, link):
    """Watches, a CPU for all, permanent neighbours, and routes with a small MTU."""
    watches = {
        'director, back': Watch(g.director, 'back'),
        's1': Watch(g.s1, 'back'),
    }
    if link:
        # A capture at the device that a packet comes by leaves no private room for a tunnel.
        watches['client'] = Behind(link.tun)
    else:
        watches['client'] = Watch(g.client, 'eth0')
        watches['director, front'] = Watch(g.director, 'front')
    macs = [(SERVER, 'back', hardware(g.s1, 'back'))]
    if not link:
        macs += [(CLIENT, 'front', hardware(g.client, 'eth0'))]
    for host, device in HOSTS:
        for family in ('ipv4', 'ipv6'):
            # Neighbours that are stale are asked again in the middle of a transcript.
            path = f'/proc/sys/net/{family}/neigh/{device}/delay_first_probe_time'
            getattr(g, host).write(path, 1000)
    known = [(ends[flow.version], mac.hex(':'), device) for ends, device, mac in macs]
    links.batch(
        g.director,
        [f'neigh replace {to} lladdr {mac} dev {dev} nud permanent' for to, mac, dev in known]
        + routes(flow.version, f'mtu {MTU}'),
    )
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        yield watches
    finally:
        os.sched_setaffinity(0, cpus)
        links.batch(
            g.director,
            [f'neigh del {to} dev {dev}' for to, _, dev in known] + routes(flow.version, ''),
        )
        for watch in watches.values():
            if isinstance(watch, Watch):
                watch.sock.close()


def routes(version, options):
    """Lines that replace the routes to both networks."""
    nets = (('front', 1), ('back', 2))
    if version == 4:
        more = 'proto kernel scope link src 10.0.{1}.254'
        form = 'route replace 10.0.{1}.0/24 dev {0} ' + more
    else:
        form = 'route replace fd00:{1}::/64 dev {0} proto kernel metric 256'
    return [form.format(*net) + ' ' + options for net in nets]


def fence(flow, back, number, watches):
    """Sends a plain packet; returns, once it has arrived, all that was seen since the last one."""
    data = f'<fence {number}>'.encode()
    if back:
        flow.answer(data)
        last = 'client'
    else:
        flow.ask(data)
        last = 's1'
    seen = {last: watches[last].until(data)}
    return seen | {name: watch.take() for name, watch in watches.items() if name != last}


def rows(flow):
    """The connections of a flow but for the time that is left."""
    return [row[:-1] for row in ipvs.rows(cport=flow.port)]


def transcript(flow, probes, watches):
    """What comes of each packet, and counters; how many packets IP saw; whether all is quiet."""
    for watch in watches.values():
        watch.take()
        watch.noise = 0
    before, mine, seen_by_ip = kernel_counters(), ipvs_counters(), received(flow.version)
    lines = {}
    for number, (back, (name, wire, packets, frame)) in enumerate(probes):
        for packet in packets:
            with contextlib.suppress(OSError):
                wire.send_frame(packet, **frame)
        way = 'reply' if back else 'request'
        lines[f'{way}, {name}'] = fence(flow, back, number, watches), rows(flow)
    after = kernel_counters()
    number = received(flow.version) - seen_by_ip
    lines |= {f'counter {name}': after[name] - was for name, was in before.items() if name in after}
    after = ipvs_counters()
    lines |= {f'IPVS, {name}': after[name] - was for name, was in mine.items()}
    lines['ipvsadm -Lnc'] = listed(flow)
    return lines, number, not any(watch.noise for watch in watches.values())


def quiet_transcript(*args):
    """The same, again as long as the kernel sends something on its own account."""
    for _ in range(10):
        lines, number, is_quiet = transcript(*args)
        if is_quiet:
            break
        time.sleep(0.5)
    return lines, number


def compare(flow, probes, link, is_taken):
    """Compares the transcripts of 0 and 2, in the latter of which packets are taken, or none."""
    with prepared(flow, link) as watches:
        ipvs.setting('fast_path', 0)
        # For what first packets alone do.
        transcript(flow, [*probes[:2], *probes[-2:]], watches)
        slow, seen_slow = quiet_transcript(flow, probes, watches)
        ipvs.setting('fast_path', 2)
        if is_taken:
            until(lambda: transcript(flow, probes[:2], watches)[1] <= 1, 'packets are taken')
        else:
            time.sleep(0.2)
        fast, seen_fast = quiet_transcript(flow, probes, watches)
    taken = seen_slow - seen_fast
    note(f'{len(probes)} packets and as many fences: {taken} are taken')
    differing = [name for name in slow if fast.get(name) != slow[name]]
    for name in differing:
        note(f'{name}: 0 {slow[name]}')
        note(f'{name}: 2 {fast.get(name)}')
    equal(differing, [], 'what differs')
    if is_taken:
        true(taken >= len(probes) // 2, 'the fences are taken')
    else:
        true(taken <= 0, 'none is taken')


def both_directions(flow, method):
    """The packets of both directions, where replies pass the director."""
    directions = (False, True) if method == 'NAT' else (False,)
    probes = [(back, odd) for back in directions for odd in odd_ones(flow, back)]
    if flow.kind == 't':
        # By this the flow goes on.
        syn = flow.request(data=b'', flags=SYN)
        probes.append((False, ('SYN after RST', flow.front, [syn], {})))
    return probes


for METHOD in METHODS:
    for VERSION in (4, 6):
        for KIND in 'ut':

            @case(f'{METHOD} IPv{VERSION} -{KIND}: all is the same with 0 and 2', only='rust')
            def same(method=METHOD, version=VERSION, kind=KIND):
                serve(method, version, kind)
                ipvs.setting('fast_path', 0)
                with path_of(method) as link, Flow(version, kind, link=link) as flow:
                    flow.open()
                    compare(flow, both_directions(flow, method), link, True)


def few(flow):
    """Some packets both ways."""
    for back in False, True:
        packet, wire = (flow.reply, flow.back) if back else (flow.request, flow.front)
        for name, options in list(plain_ones(flow))[:8]:
            yield back, (name, wire, [packet(**options)], {})


# Flows that are never taken: kind, port, options of the service, settings.
FLOWS = {
    'one-packet service': ('u', VPORT, '-s rr -o', {}),
    'vs.conntrack=1': ('u', VPORT, '-s rr', {'conntrack': 1}),
    'control connection of FTP': ('t', 21, '-s rr', {}),
}

for FLOW, HOW in FLOWS.items():

    @case(f'{FLOW}: no packet is taken, and all is the same', only='rust')
    def odd_flow(how=HOW):
        kind, vport, options, settings = how
        for name, value in settings.items():
            ipvs.setting(name, value)
        serve('NAT', 4, kind, vport, options)
        try:
            with Flow(4, kind, vport=vport) as flow:
                flow.open()
                compare(flow, list(few(flow)), None, False)
        finally:
            for name in settings:
                ipvs.setting(name, 0)


@case('secure_tcp=3: all is the same', only='rust')
def secure():
    ipvs.setting('secure_tcp', 3)
    serve('NAT', 4, 't')
    try:
        with Flow(4, 't') as flow:
            flow.open()
            compare(flow, list(few(flow)), None, True)
    finally:
        ipvs.setting('secure_tcp', 0)


@case('packets with a mark are not taken, and go by the rule for it', only='rust')
def marked():
    serve('NAT', 4)
    lines = ['add table netdev m', 'add chain netdev m c { type filter hook ingress']
    lines[1] += ' device front priority 0; }'
    g.director.run(
        ['nft', '-f', '-'],
        stdin='\n'.join([*lines, 'add rule netdev m c ip dscp 10 meta mark set 7']) + '\n',
    )
    g.director.run('ip rule add fwmark 7 prohibit pref 5')
    try:
        with Flow(4, 'u') as flow:
            flow.open()
            odd = [(name, {'tos': tos}) for name, tos in (('no mark', 0), ('mark', 40))]
            probes = [
                (False, (name, flow.front, [flow.request(**options)], {})) for name, options in odd
            ]
            compare(flow, probes * 2, None, True)
    finally:
        g.director.run('ip rule del fwmark 7 pref 5')
        g.director.run('nft delete table netdev m')


run(g)
