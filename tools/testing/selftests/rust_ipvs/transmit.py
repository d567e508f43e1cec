#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What becomes of a packet on its way: TTL, size, checksums, tunnel headers, routes, fragments."""

import errno
import os
import socket
import subprocess

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, SERVER, VIP, VIP6, VIPS
from harness.ipvs import at
from harness.packet import ACK, PSH, SYN, Sniffer, Wire, fragment6, ip, tcp, udp
from harness.servers import Servers
from harness.tap import Skip, case, equal, run, true, until

METHODS = {'NAT': '-m', 'DR': '-g', 'TUN': '-i'}
CLIENT = {4: '10.0.1.1', 6: 'fd00:1::1'}
DIRECTOR = {4: '10.0.2.254', 6: 'fd00:2::fe'}


def serve(method, version, kind='u', server_version=None, port=80):
    """A service with s1 behind it; returns the VIP."""
    ipvs.service(
        f'-{kind} {at(VIPS[version])}',
        METHODS[method],
        [at(SERVER[server_version or version], port)],
    )
    return VIPS[version]


class Shot:
    """Sends packets as the client, and sees what arrives at s1."""

    port = 6000

    def __init__(self, version):
        Shot.port += 1
        self.version, self.port = version, Shot.port
        self.front = Wire(g.client, 'eth0', g.director, 'front')
        self.back = Wire(g.s1, 'back', g.director, 'back')

    def __enter__(self):
        self.at_server = Sniffer(g.s1, 'back')
        self.at_client = Sniffer(g.client, 'eth0')
        return self

    def __exit__(self, *_):
        for thing in (self.front, self.back, self.at_server, self.at_client):
            thing.close()

    def ask(self, data=b'shot', **options):
        """One datagram of the client to the VIP."""
        me, vip = CLIENT[self.version], VIPS[self.version]
        options.setdefault('ttl', 50)
        packet = ip(me, vip, 17, udp(me, vip, self.port, 80, data), **options)
        self.front.send(packet)
        return packet

    def answer(self, data=b'answer', ttl=40, sum_=None):
        """One datagram of s1 to the client, as from behind NAT."""
        me, server = CLIENT[self.version], SERVER[self.version]
        self.back.send(ip(server, me, 17, udp(server, me, 80, self.port, data, sum_=sum_), ttl=ttl))

    def arrived(self, seconds=3):
        """The datagram as it came to the server, in a tunnel or not; its answer is not counted."""
        return self.at_server.wait(
            lambda p: self._of_us(p) or (p.proto in (4, 41) and self._of_us(p.inner())), seconds
        )

    def _of_us(self, packet):
        return (
            packet.sport == self.port
            or (packet.offset or packet.more)
            and packet.dst in SERVER.values()
        )

    def error(self, seconds=3):
        """The ICMP error that came to the client."""
        return self.at_client.wait(
            lambda p: p.type is not None
            and (p.proto == 1 and p.type in (3, 11) or p.proto == 58 and p.type < 128),
            seconds,
        )


for METHOD in METHODS:
    for VERSION in (4, 6):

        @case(
            f'A-21 X-8 X-12 X-13 X-17 {METHOD} IPv{VERSION}: TTL one less, and the tunnel has it too'
        )
        def ttl(method=METHOD, version=VERSION):
            serve(method, version)
            with Shot(version) as shot:
                shot.ask(ttl=50)
                packet = shot.arrived()
                true(packet, 'the datagram arrives')
                equal(packet.ttl, 49, 'TTL')
                true(packet.sum_is_right, 'the IP header checksum')
                if method == 'TUN':
                    equal(packet.inner().ttl, 49, 'TTL of the packet in the tunnel')
                    true(packet.inner().sum_is_right, 'the IP header checksum in the tunnel')

        @case(f'X-8 {METHOD} IPv{VERSION}: TTL 1 ends at the director, with "time exceeded"')
        def ttl_ends(method=METHOD, version=VERSION):
            serve(method, version)
            with Shot(version) as shot:
                shot.ask(ttl=1)
                error = shot.error()
                true(error, 'an ICMP error')
                equal(
                    (error.proto, error.type, error.code),
                    (1, 11, 0) if version == 4 else (58, 3, 0),
                    'the error',
                )
                equal(shot.arrived(0.2), None, 'what arrives')


@case('X-13 DR changes nothing but TTL and header checksum')
def dr_unchanged():
    serve('DR', 4)
    with Shot(4) as shot:
        sent = shot.ask(ttl=9, df=True, ident=0x1234, tos=0xB8)
        seen = shot.arrived().data[: len(sent)]
        equal(seen[:8] + seen[9:10] + seen[12:], sent[:8] + sent[9:10] + sent[12:], 'the packet')
    serve('DR', 6)
    with Shot(6) as shot:
        sent = shot.ask(ttl=9, tos=0xB8)
        seen = shot.arrived().data[: len(sent)]
        equal(seen[:7] + seen[8:], sent[:7] + sent[8:], 'the IPv6 packet')


@case('X-12 T-16 NAT changes addresses and ports, and the checksums fit, both ways')
def nat_sums():
    for version in (4, 6):
        vip = serve('NAT', version, port=8080)
        with Shot(version) as shot:
            for length in (0, 1, 2, 3, 64, 1001):
                shot.at_server.seen.clear()
                shot.ask(b'\xff' * length)
                packet = shot.arrived()
                equal(
                    (packet.src, packet.dst, packet.sport, packet.dport),
                    (CLIENT[version], SERVER[version], shot.port, 8080),
                    'addresses and ports at the server',
                )
                equal(packet.body, b'\xff' * length, 'data at the server')
                true(
                    packet.sum_is_right and packet.transport_sum_is_right(),
                    f'checksums with {length} bytes',
                )
        ipvs.admin('-C')
        serve('NAT', version)
        with Shot(version) as shot:
            shot.ask()
            true(shot.arrived(), 'the request')
            for length in (0, 1, 2, 3, 64, 1001):
                shot.at_client.seen.clear()
                shot.answer(b'\xee' * length)
                packet = shot.at_client.wait(
                    lambda p, n=length: p.dport == shot.port and p.body == b'\xee' * n
                )
                true(packet, f'the answer of {length} bytes')
                equal(
                    (packet.src, packet.sport, packet.ttl),
                    (vip, 80, 39),
                    'address, port and TTL at the client',
                )
                true(
                    packet.sum_is_right and packet.transport_sum_is_right(),
                    f'checksums with {length} bytes',
                )
        ipvs.admin('-C')


@case('T-16 NAT keeps TCP checksums right')
def nat_tcp_sums():
    for version in (4, 6):
        vip = serve('NAT', version, 't', port=8080)
        me = CLIENT[version]
        with Shot(version) as shot:
            for seq, length in ((1, 0), (2, 1), (3, 7), (4, 1200)):
                shot.front.send(
                    ip(
                        me,
                        vip,
                        6,
                        tcp(
                            me,
                            vip,
                            shot.port,
                            80,
                            SYN if seq == 1 else ACK | PSH,
                            seq,
                            data=b'\xab' * length,
                        ),
                    )
                )
                # The client's own kernel, which knows nothing of this, answers with a RST.
                packet = shot.at_server.wait(
                    lambda p, s=seq, n=length: p.sport == shot.port
                    and p.flags is not None
                    and p.seq == s
                    and len(p.body) == n
                )
                true(packet and packet.dport == 8080, f'the segment with {length} bytes')
                true(
                    packet.transport_sum_is_right() and packet.sum_is_right,
                    f'checksums with {length} bytes',
                )
        ipvs.admin('-C')


@case('T-17 A-20 Q-33 a UDP datagram without checksum: C makes one, ours leaves it out')
def no_checksum():
    serve('NAT', 4)
    with Shot(4) as shot:
        me = CLIENT[4]
        shot.front.send(ip(me, VIP, 17, udp(me, VIP, shot.port, 80, b'no sum', sum_=0)))
        packet = shot.arrived()
        sums = packet.payload[6:8]
        if g.impl == 'c':
            true(packet.transport_sum_is_right(), 'a right checksum at the server')
        else:
            equal(sums, b'\0\0', 'the checksum at the server')
        shot.answer(b'no sum either', sum_=0)
        packet = shot.at_client.wait(lambda p: p.dport == shot.port and p.body == b'no sum either')
        if g.impl == 'c':
            true(packet.transport_sum_is_right(), 'a right checksum at the client')
        else:
            equal(packet.payload[6:8], b'\0\0', 'the checksum at the client')


@case('X-17 a tunnel: addresses, protocol, TOS and DF of the outer header, by families')
def tunnel_headers():
    for inner, outer in ((4, 4), (6, 4), (4, 6), (6, 6)):
        serve('TUN', inner, server_version=outer)
        with Shot(inner) as shot:
            for tos, df in ((0, False), (0xB8, True), (0x03, True)):
                shot.at_server.seen.clear()
                options = dict(df=df) if inner == 4 else {}
                sent = shot.ask(tos=tos, **options)
                packet = shot.arrived()
                where = f'IPv{inner} in IPv{outer}, TOS {tos:#x}, DF {df}: '
                equal(
                    (packet.version, packet.proto),
                    (outer, 4 if inner == 4 else 41),
                    where + 'protocol',
                )
                equal(
                    (packet.src, packet.dst), (DIRECTOR[outer], SERVER[outer]), where + 'addresses'
                )
                # "Congestion experienced" of the packet within does not show outside.
                equal(packet.tos, tos if tos & 3 != 3 else (tos & ~3) | 2, where + 'TOS')
                if outer == 4:
                    equal(packet.df, df if inner == 4 else False, where + 'DF')
                equal(packet.inner().data[40:], sent[40:], where + 'what is in the tunnel')
                equal(packet.inner().tos, tos, where + 'TOS in the tunnel')
        ipvs.admin('-C')


@case('X-17 Y-1 with pmtu_disc 0 a tunnel has no DF')
def no_pmtu_discovery():
    ipvs.setting('pmtu_disc', 0)
    serve('TUN', 4)
    with Shot(4) as shot:
        shot.ask(df=True)
        packet = shot.arrived()
        equal((packet.df, packet.inner().df), (False, True), 'DF outside and inside')
    ipvs.setting('pmtu_disc', 1)


def back_mtu(mtu=None):
    """What the director believes of the way to the servers; None brings back what was. Answers are not concerned."""
    four, six = (f' mtu lock {mtu}', f' mtu {mtu}') if mtu else ('', '')
    g.director.run(
        'ip route replace 10.0.2.0/24 dev back proto kernel scope link src 10.0.2.254' + four
    )
    g.director.run('ip -6 route del fd00:2::/64 dev back')
    g.director.run('ip -6 route add fd00:2::/64 dev back proto kernel metric 256' + six)


def forget_mtus():
    """Lets everybody forget what the client has learnt of ways."""
    back_mtu()
    for vip in VIPS.values():
        g.client.run(f'ip route flush cache {vip}', quiet=True)
    g.client.run('ip -6 route flush cache', quiet=True)


@case('X-9 a packet too big for the way behind is told so, by each method')
def too_big():
    back_mtu(1400)
    try:
        for version, method, expected in (
            (4, 'NAT', 1400),
            (4, 'DR', 1400),
            (4, 'TUN', 1380),
            (6, 'NAT', 1400),
            (6, 'DR', 1400),
            (6, 'TUN', 1360),
        ):
            serve(method, version)
            with Shot(version) as shot:
                head = 28 if version == 4 else 48
                options = dict(df=True) if version == 4 else {}
                shot.ask(bytes(expected + 1 - head), **options)
                error = shot.error()
                where = f'{method} IPv{version}: '
                true(error, where + 'an ICMP error')
                equal(
                    (error.proto, error.type, error.code),
                    (1, 3, 4) if version == 4 else (58, 2, 0),
                    where + 'the error',
                )
                equal(
                    error.rest & 0xFFFF if version == 4 else error.rest,
                    expected,
                    where + 'the size it tells',
                )
                equal(shot.arrived(0.1), None, where + 'what arrives')
                shot.ask(bytes(expected - head), **options)
                true(shot.arrived(), where + 'what fits arrives')
            ipvs.admin('-C')
    finally:
        forget_mtus()


@case('X-9 X-10 a packet that may be cut is cut, by each method')
def may_be_cut():
    back_mtu(1400)
    try:
        for method in METHODS:
            serve(method, 4)
            with Connection(g.client, VIP, 80, 'udp') as connection:
                connection.sock.setsockopt(0, 10, 0)  # IP_MTU_DISCOVER: without DF
                data = bytes(n & 255 for n in range(1440))
                true(connection.exchange(data).endswith(data), f'{method}: 1440 bytes come back')
            ipvs.admin('-C')
    finally:
        forget_mtus()


@case('X-9 TCP finds a size that fits on its own, by each method')
def path_mtu():
    back_mtu(1400)
    try:
        for method in METHODS:
            for version in (4, 6):
                serve(method, version, 't')
                with Connection(g.client, VIPS[version], timeout=20) as connection:
                    true(connection.put(100000), f'{method} IPv{version}: 100 kB arrive')
                ipvs.admin('-C')
    finally:
        forget_mtus()


@case('X-9 a tunnel with less room than IPv6 demands carries nothing')
def tunnel_too_narrow():
    back_mtu(1300)
    try:
        serve('TUN', 6)
        with Shot(6) as shot:
            shot.ask(b'small')
            equal(shot.arrived(0.3), None, 'what arrives')
    finally:
        forget_mtus()


@case('H-19 G-30 large datagrams pass in fragments, there and back, by each method')
def large_datagrams():
    for method in METHODS:
        for version in (4, 6):
            serve(method, version)
            with Connection(g.client, VIPS[version], 80, 'udp') as connection:
                for length in (2000, 5000):
                    data = bytes(n * 7 & 255 for n in range(length))
                    try:
                        answer = connection.exchange(data)
                    except OSError as error:
                        # In a tunnel there is less room; the client is told, and cuts smaller.
                        true(
                            error.errno == errno.EMSGSIZE and method == 'TUN',
                            f'{method} IPv{version}: {error}',
                        )
                        answer = connection.exchange(data)
                    true(answer.endswith(data), f'{method} IPv{version}: {length} bytes come back')
            ipvs.admin('-C')
    forget_mtus()


def defragments():
    """Whether fragments of IPv6 are put together before the director routes them."""
    return 'ipv6_defrag' in g.director.run('nft list hooks ip6', quiet=True)


def remove_module(name):
    """Removes a module, and first those that use it. With C's own one loaded, some stay."""
    holders = f'/sys/module/{name}/holders'
    for holder in os.listdir(holders) if os.path.exists(holders) else []:
        remove_module(holder)
    if os.path.exists(f'/sys/module/{name}'):
        subprocess.run(['rmmod', name], check=g.impl == 'rust')


@case(
    'G-30 H-19 the first fragments of IPv6 are put together where they are found, and all before routing from then on'
)
def first_fragments():
    if not os.path.exists('/sys/module/nf_defrag_ipv6/initstate'):
        raise Skip('nf_defrag_ipv6 is built into this kernel, so its hooks cannot be taken away')
    g.unload()
    # With it go its hooks, which stay in a namespace, and those that use it.
    remove_module('nf_defrag_ipv6')
    g.load()
    serve('NAT', 6)
    with Shot(6) as shot:
        shot.ask()
        true(shot.arrived(), 'the request arrives')
        equal(defragments(), g.impl == 'c', 'whether they are put together before any has come')
        whole = udp(SERVER[6], CLIENT[6], 80, shot.port, bytes(n & 255 for n in range(2000)))
        for time in (1, 2):
            for place in (1200, 0):
                part = fragment6(17, place // 8, not place, time, whole[place : place + 1200])
                shot.back.send(ip(SERVER[6], CLIENT[6], 44, part))
            # What was put together is cut again, in as many pieces.
            until(
                lambda n=time: len(shot.at_client.all(lambda p: p.src == VIP6 and p.proto == 44))
                == 2 * n,
                f'the VIP answers in fragments, time {time}',
            )
            until(defragments, 'fragments are put together before routing')


@case('T-16 X-11 bytes stay intact without any offload, by each method')
def no_offload():
    places = [
        (g.client, 'eth0'),
        (g.director, 'front'),
        (g.director, 'back'),
        (g.s1, 'front'),
        (g.s1, 'back'),
    ]

    def offload(state):
        for space, device in places:
            space.run(
                f'ethtool -K {device} tx {state} tso {state} gso {state} gro {state}', quiet=True
            )

    offload('off')
    try:
        for method in METHODS:
            for version in (4, 6):
                serve(method, version, 't')
                with Connection(g.client, VIPS[version], timeout=30) as connection:
                    true(connection.put(300000), f'{method} IPv{version}: 300 kB to the server')
                    true(connection.get(300000), f'{method} IPv{version}: 300 kB from the server')
                ipvs.admin('-C')
    finally:
        offload('on')


@case('X-11 X-25 segments stay merged through the director: gro on, by NAT')
def merged():
    g.director.run('ethtool -K front gro on', quiet=True)
    g.director.run('ethtool -K back gro on', quiet=True)
    for version in (4, 6):
        serve('NAT', version, 't')
        with Connection(g.client, VIPS[version], timeout=30) as connection:
            true(connection.put(1 << 20), f'IPv{version}: 1 MB to the server')
            true(connection.get(1 << 20), f'IPv{version}: 1 MB from the server')
        ipvs.admin('-C')
    g.director.run('ethtool -K front gro off', quiet=True)
    g.director.run('ethtool -K back gro off', quiet=True)


@case('X-7 X-22 X-23 a real server on the director itself')
def local_server():
    servers = Servers()
    servers.add(g.director, [80, 8080])
    servers.start()
    try:
        for version in (4, 6):
            for kind in ('tcp', 'udp'):
                for method, port in (('NAT', 8080), ('NAT', 80), ('DR', 80)):
                    ipvs.service(
                        f'-{kind[0]} {at(VIPS[version])}',
                        METHODS[method],
                        [at(DIRECTOR[version], port)],
                    )
                    answer = ask(g.client, VIPS[version], kind=kind)
                    where = f'{method} IPv{version} {kind} to port {port}: '
                    equal(answer.name, 'director', where + 'who answers')
                    equal(
                        answer.local,
                        DIRECTOR[version] if method == 'NAT' else VIPS[version],
                        where + 'asked at',
                    )
                    equal(answer.local_port, port, where + 'asked at port')
                    ipvs.admin('-C')
    finally:
        servers.stop()


@case('X-12 X-6 a packet from outside does not come to a real server at 127.0.0.1')
def loopback_server():
    servers = Servers()
    servers.add(g.director, [8080])
    servers.start()
    try:
        ipvs.service(f'-u {VIP}:80', '-m', ['127.0.0.1:8080'])
        equal(ask(g.client, VIP, kind='udp', timeout=0.5).name, 'timeout', 'what the client hears')
    finally:
        servers.stop()


@case('X-4 without a route to the real server the client hears "host unreachable"')
def no_route():
    for method in METHODS:
        ipvs.service(f'-u {VIP}:80', METHODS[method], ['10.99.0.1:80'])
        with Shot(4) as shot:
            shot.ask()
            error = shot.error()
            true(error, f'{method}: an ICMP error')
            equal((error.type, error.code), (3, 1), f'{method}: type and code')
        ipvs.admin('-C')


def error_here(version):
    """The errno that a client on the director itself gets for a datagram."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with g.director, socket.socket(family, socket.SOCK_DGRAM) as sock:
        # IPV6_RECVERR, IP_RECVERR: without it, errors that may pass are not reported.
        level, option = (socket.IPPROTO_IPV6, 25) if version == 6 else (socket.IPPROTO_IP, 11)
        sock.setsockopt(level, option, 1)
        sock.settimeout(3)
        sock.connect((VIPS[version], 80))
        try:
            sock.send(b'x')
            return f'an answer: {sock.recv(10)!r}'
        except TimeoutError:
            return 'nothing'
        except OSError as error:
            return errno.errorcode[error.errno]


@case(
    'U-5 X-4 no route, or an unreachable, prohibit or blackhole one, is an error to clients, local ones too'
)
def refused_routes():
    # Without a limit each packet gets its error.
    g.director.write('/proc/sys/net/ipv4/icmp_ratelimit', 0)
    g.director.write('/proc/sys/net/ipv6/icmp/ratelimit', 0)
    try:
        for version, server, words in ((4, '10.99.0.1', (1, 3, 1)), (6, 'fd00:99::1', (58, 1, 3))):
            spec = f'-u {at(VIPS[version])}'
            ipvs.service(spec, '-m', [at(server)])
            for kind in ('no route', 'unreachable', 'prohibit', 'blackhole'):
                if kind != 'no route':
                    g.director.run(f'ip route add {kind} {server}', quiet=True)
                try:
                    with Shot(version) as shot:
                        shot.ask()
                        error = shot.error()
                        true(error, f'{kind}, IPv{version}: an ICMP error')
                        equal((error.proto, error.type, error.code), words, f'{kind}: the error')
                        equal(shot.arrived(0.1), None, f'{kind}: what arrives')
                    equal(error_here(version), 'EHOSTUNREACH', f'{kind}, IPv{version}: locally')
                finally:
                    if kind != 'no route':
                        g.director.run(f'ip route del {kind} {server}', quiet=True)
            ipvs.admin(f'-D {spec}')
    finally:
        g.director.write('/proc/sys/net/ipv4/icmp_ratelimit', 1000)
        g.director.write('/proc/sys/net/ipv6/icmp/ratelimit', 1000)


@case('X-1 L-8 a connection follows its route when that changes')
def route_change():
    for method in METHODS:
        serve(method, 4)
        with Connection(g.client, VIP, 80, 'udp', timeout=5) as connection, Sniffer(
            g.s1, 'front'
        ) as sniffer:
            true(b'one' in connection.exchange(b'one'), f'{method}: an answer')
            g.director.run('ip route add 10.0.2.11/32 via 10.0.1.11', quiet=True)
            true(
                b'two' in connection.exchange(b'two'),
                f'{method}: an answer after the route changed',
            )
            true(sniffer.wait(lambda p: p.data.find(b'two') > 0), f'{method}: by the new route')
            g.director.run('ip route del 10.0.2.11/32', quiet=True)
            sniffer.seen.clear()
            true(
                b'three' in connection.exchange(b'three'),
                f'{method}: an answer after it changed back',
            )
            equal(
                sniffer.all(lambda p: p.data.find(b'three') > 0, 0.1),
                [],
                f'{method}: by the other way',
            )
        ipvs.admin('-C')


@case('L-8 U-6 a device goes away while servers behind it are configured, whose routes are known')
def device_deleted():
    for version, net, server in (
        (4, '10.60.0.0/16', '10.60.0.2'),
        (6, 'fd00:60::/64', 'fd00:60::2'),
    ):
        for method in METHODS:
            g.director.run('ip link add rv-gone type dummy', quiet=True)
            g.director.run('ip link set rv-gone up', quiet=True)
            g.director.run('ip addr add 10.61.0.1/24 dev rv-gone', quiet=True)
            g.director.run('ip addr add fd00:61::1/64 dev rv-gone nodad', quiet=True)
            g.director.run(f'ip route add {net} dev rv-gone', quiet=True)
            spec = f'-u {at(VIPS[version])}'
            ipvs.service(spec, METHODS[method], [at(server)])
            with Shot(version) as shot:
                shot.ask()
            until(lambda: ipvs.stats(at(VIPS[version])).inpkts, 'a packet')
            with g.director:
                deleting = subprocess.Popen(['ip', 'link', 'del', 'rv-gone'])
            try:
                until(
                    lambda: deleting.poll() is not None,
                    f'{method} IPv{version}: the device is gone',
                )
            finally:
                # This lets go of whatever holds it, or the test would never end.
                ipvs.admin(f'-D {spec}')
                deleting.wait()


@case('X-1 L-8 U-6 a device goes down and comes back; connections go on')
def device_down():
    for version in (4, 6):
        serve('NAT', version)
        with Connection(g.client, VIPS[version], 80, 'udp', timeout=3) as connection:
            g.director.run('ip link set back down', quiet=True)
            try:
                connection.sock.settimeout(0.3)
                connection.exchange(b'down')
                true(False, f'IPv{version}: no answer while the device is down')
            except OSError:
                pass
            g.director.run('ip link set back up', quiet=True)
            # Going down has taken the IPv6 address away.
            g.director.run('ip addr replace fd00:2::fe/64 dev back nodad', quiet=True)

            def answered():
                try:
                    return b'up' in connection.exchange(b'up')
                except OSError:
                    return False

            until(answered, f'IPv{version}: an answer when the device is back', 10)
        ipvs.admin('-C')


@case('X-26 without forwarding, NAT answers do not pass; DR and TUN need none')
def no_forwarding():
    g.director.run('sysctl -qw net.ipv4.ip_forward=0')
    try:
        for method, name in (('NAT', 'timeout'), ('DR', 's1'), ('TUN', 's1')):
            serve(method, 4)
            equal(ask(g.client, VIP, kind='udp', timeout=1.5).name, name, f'{method}: who answers')
            ipvs.admin('-C')
    finally:
        g.director.run('sysctl -qw net.ipv4.ip_forward=1')


@case('X-25 with snat_reroute an answer follows the route of the VIP')
def snat_reroute():
    # A rule for what the VIP sends: by a table that has no way to the client.
    serve('NAT', 4)
    g.director.run('ip rule add from 10.0.9.1 lookup 123')
    g.director.run('ip route add blackhole 10.0.1.0/24 table 123')
    try:
        for setting, name in ((1, 'timeout'), (0, 's1')):
            ipvs.setting('snat_reroute', setting)
            equal(
                ask(g.client, VIP, kind='udp', timeout=1.5).name,
                name,
                f'who answers with snat_reroute {setting}',
            )
    finally:
        ipvs.setting('snat_reroute', 1)
        g.director.run('ip rule del from 10.0.9.1 lookup 123')
        g.director.run('ip route flush table 123')


@case('X-11 mark and TOS of a packet stay')
def mark_stays():
    serve('NAT', 4)
    g.director.run(
        [
            'nft',
            'table ip marks { counter marked {}; chain pre { type filter hook prerouting priority -150; '
            'udp dport 80 meta mark set 5; }; chain post { type filter hook postrouting priority 0; '
            'meta mark 5 ip daddr 10.0.2.11 counter name marked; }; }',
        ]
    )
    with Shot(4) as shot:
        shot.ask(tos=0x28)
        equal(shot.arrived().tos, 0x28, 'TOS')
    true('packets 1 ' in g.director.run('nft list counters', quiet=True), 'the mark on the way out')
    g.director.run('nft flush ruleset', quiet=True)


if __name__ == '__main__':
    run(g)
