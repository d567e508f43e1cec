#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ICMP errors about connections, to clients and to real servers; traceroute, ping and path MTU discovery."""

import struct

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, SERVER, VIP, VIPS
from harness.ipvs import at
from harness.packet import (
    ACK,
    RST,
    SYN,
    Packet,
    Sniffer,
    Wire,
    checksum,
    hardware,
    icmp,
    ip,
    tcp,
    udp,
)
from harness.routes import by_router, traceroute
from harness.tap import case, equal, run, true, until

METHODS = {'NAT': '-m', 'DR': '-g', 'TUN': '-i'}
# A client whose kernel does not know that it is one, and so says nothing by itself.
CLIENT = {4: '10.0.1.88', 6: 'fd00:1::88'}
DIRECTOR = {4: '10.0.2.254', 6: 'fd00:2::fe'}
FRONT_ROUTER = {4: '10.0.1.77', 6: 'fd00:1::77'}
# Where packets to nowhere go.
BACK_NEIGHBOUR = {4: '10.0.2.13', 6: 'fd00:2::d'}
BACK_ROUTER = {4: '10.0.2.77', 6: 'fd00:2::77'}
# "Port unreachable", "time exceeded", and "too big".
PORT = {4: (3, 3), 6: (1, 4)}
TIME = {4: (11, 0), 6: (3, 0)}
BIG = {4: (3, 4), 6: (2, 0)}


class Flow:
    """A connection by a method: its packets, sent by hand, and who sees what."""

    port = 9000

    def __init__(self, method, version, kind='udp', rport=8080):
        Flow.port += 1
        self.version, self.kind, self.method = version, kind, method
        self.me, self.vip, self.server = (
            (CLIENT[version], Flow.port),
            (VIPS[version], 80),
            (SERVER[version], rport),
        )
        if method != 'NAT':
            self.server = (SERVER[version], 80)
        ipvs.service(f'-{kind[0]} {at(self.vip[0])}', METHODS[method], [at(*self.server)])

    def __enter__(self):
        self.front = Wire(g.client, 'eth0', g.director, 'front')
        self.back = Wire(g.s1, 'back', g.director, 'back')
        self.at_server = Sniffer(g.s1, 'back')
        self.at_client = Sniffer(g.client, 'eth0')
        link = ':'.join(f'{byte:02x}' for byte in hardware(g.client, 'eth0'))
        g.director.run(
            f'ip neigh replace {self.me[0]} lladdr {link} dev front nud permanent', quiet=True
        )
        self.front.send(self.packet(self.me, self.vip))
        true(self.at_server.wait(self._of_us), 'the request arrives')
        self.at_server.seen.clear()
        return self

    def __exit__(self, *_):
        for thing in (self.front, self.back, self.at_server, self.at_client):
            thing.close()
        ipvs.admin('-C')

    def _of_us(self, packet):
        if packet.proto in (4, 41):
            packet = packet.inner()
        return packet.sport == self.me[1]

    def packet(self, src, dst, data=b'some data', **options):
        """A packet of the connection between two of its ends."""
        if self.kind == 'udp':
            return ip(src[0], dst[0], 17, udp(*(src[0], dst[0], src[1], dst[1]), data), **options)
        return ip(src[0], dst[0], 6, tcp(src[0], dst[0], src[1], dst[1], SYN, data=data), **options)

    def error(self, sniffer, seconds=3):
        """The ICMP error about this connection that came there."""

        def is_it(packet):
            if packet.proto in (4, 41):
                packet = packet.inner()
            if (
                packet.type is None
                or packet.proto == 58
                and packet.type > 127
                or packet.proto == 1
                and packet.type in (0, 8)
            ):
                return False
            about = packet.inner()
            return self.me[1] in (about.sport, about.dport) or not about.payload

        return sniffer.wait(is_it, seconds)


def ends(packet):
    return (packet.src, packet.sport), (packet.dst, packet.dport)


def sum_is_right(error):
    """Whether the checksum of a translated message is. C leaves that of ICMPv6 to a device, and veth to nobody."""
    return error.transport_sum_is_right() or g.impl == 'c' and error.proto == 58


for VERSION in (4, 6):
    for KIND in ('udp', 'tcp'):

        @case(
            f'I-2 I-3 H-18 X-25 NAT IPv{VERSION} {KIND}: an error of the real server comes to the client as one of the VIP'
        )
        def to_client(version=VERSION, kind=KIND):
            with Flow('NAT', version, kind) as flow:
                for what, source in ((PORT, SERVER), (TIME, BACK_ROUTER), (BIG, BACK_ROUTER)):
                    for length in (28 if version == 4 else 48, 60, 200):
                        flow.at_client.seen.clear()
                        about = flow.packet(flow.me, flow.server)[:length]
                        flow.back.send(
                            icmp(source[version], flow.me[0], about, what[version], 1400, ttl=30)
                        )
                        error = flow.error(flow.at_client)
                        where = f'type {what[version]}, {length} bytes quoted: '
                        true(error, where + 'an ICMP error')
                        equal(
                            (error.src, error.type, error.code, error.rest),
                            (VIPS[version], *what[version], 1400),
                            where + 'the error',
                        )
                        equal(error.ttl, 29, where + 'TTL')
                        true(error.sum_is_right and sum_is_right(error), where + 'checksums')
                        equal(ends(error.inner()), (flow.me, flow.vip), where + 'whom it quotes')
                        true(error.inner().sum_is_right, where + 'checksum of the quoted header')
                        if g.impl == 'rust':
                            # C leaves the quoted transport checksum as the real server's.
                            sent = flow.packet(flow.me, flow.vip)[:length]
                            if kind == 'udp' or len(sent) >= (40 if version == 4 else 60):
                                equal(error.body, sent, where + 'what the client sent, quoted')

        @case(
            f'I-2 I-3 I-4 H-10 NAT IPv{VERSION} {KIND}: an error about a reply comes to the real server'
        )
        def to_server(version=VERSION, kind=KIND):
            with Flow('NAT', version, kind) as flow:
                for what in (PORT, TIME, BIG):
                    for length in (28 if version == 4 else 48, 60, 200):
                        flow.at_server.seen.clear()
                        about = flow.packet(flow.vip, flow.me)[:length]
                        flow.front.send(
                            icmp(
                                FRONT_ROUTER[version],
                                flow.vip[0],
                                about,
                                what[version],
                                1400,
                                ttl=30,
                            )
                        )
                        error = flow.error(flow.at_server)
                        where = f'type {what[version]}, {length} bytes quoted: '
                        true(error, where + 'an ICMP error')
                        equal(
                            (error.src, error.dst, error.type, error.code, error.rest),
                            (FRONT_ROUTER[version], SERVER[version], *what[version], 1400),
                            where + 'the error',
                        )
                        equal(error.ttl, 29, where + 'TTL')
                        true(error.sum_is_right and sum_is_right(error), where + 'checksums')
                        equal(ends(error.inner()), (flow.server, flow.me), where + 'whom it quotes')
                        true(error.inner().sum_is_right, where + 'checksum of the quoted header')

    @case(f'I-3 U-17 NAT IPv{VERSION}: an error whose checksum is wrong is dropped, both ways')
    def wrong_sum(version=VERSION):
        with Flow('NAT', version) as flow:
            about = flow.packet(flow.me, flow.server)
            flow.back.send(icmp(SERVER[version], flow.me[0], about, PORT[version], sum_=0x1234))
            equal(flow.error(flow.at_client, 0.3), None, 'what the client hears')
            about = flow.packet(flow.vip, flow.me)
            flow.front.send(
                icmp(FRONT_ROUTER[version], flow.vip[0], about, PORT[version], sum_=0x1234)
            )
            equal(flow.error(flow.at_server, 0.3), None, 'what the server hears')

    @case(
        f'I-1 I-2 IPv{VERSION}: errors about no connection, and messages that are no errors, pass as they are'
    )
    def not_ours(version=VERSION):
        with Flow('NAT', version) as flow:
            other = (flow.me[0], 7)
            about = flow.packet(other, flow.server)
            sent = icmp(SERVER[version], flow.me[0], about, PORT[version], ttl=30)
            flow.back.send(sent)
            seen = flow.at_client.wait(lambda p: p.type == PORT[version][0])
            true(seen, 'the error arrives')
            equal((seen.src, seen.body), (SERVER[version], about), 'the error')
            # A redirect quotes a packet too, but is not followed by IPVS for IPv4; 137 is one for
            # IPv6.
            flow.at_client.seen.clear()
            kind = (5, 1) if version == 4 else (129, 0)
            flow.back.send(
                icmp(SERVER[version], flow.me[0], flow.packet(flow.me, flow.server), kind, ttl=30)
            )
            seen = flow.at_client.wait(lambda p: p.type == kind[0])
            true(seen, 'the other message arrives')
            equal(seen.src, SERVER[version], 'its sender')
            ping = g.client.run(f'ping -n -c 2 -i 0.2 -W 3 {VIPS[version]}', check=False)
            true(' 2 received' in ping, f'the director itself answers pings of the VIP:\n{ping}')

    for METHOD in ('DR', 'TUN'):

        @case(f'I-4 {METHOD} IPv{VERSION}: an error about a reply goes to the real server as it is')
        def as_it_is(version=VERSION, method=METHOD):
            with Flow(method, version) as flow:
                about = flow.packet(flow.vip, flow.me)
                sent = icmp(FRONT_ROUTER[version], flow.vip[0], about, TIME[version], ttl=30)
                flow.front.send(sent)
                error = flow.error(flow.at_server)
                true(error, 'an ICMP error')
                if method == 'TUN':
                    equal(
                        (error.dst, error.ttl),
                        (SERVER[version], 29),
                        'addressee and TTL of the tunnel',
                    )
                    error = error.inner()
                equal(
                    (error.dst, error.ttl, error.payload),
                    (flow.vip[0], 29, Packet(sent).payload),
                    'the error',
                )

        @case(f'I-4 X-8 {METHOD} IPv{VERSION}: an error with TTL 1 ends silently at the director')
        def no_error_about_errors(version=VERSION, method=METHOD):
            with Flow(method, version) as flow:
                about = flow.packet(flow.vip, flow.me)
                flow.front.send(
                    icmp(FRONT_ROUTER[version], flow.vip[0], about, TIME[version], ttl=1)
                )
                equal(flow.error(flow.at_server, 0.3), None, 'what the server hears')
                equal(flow.error(flow.at_client, 0.1), None, 'what the client hears')

    @case(
        f'I-4 C-11 DR IPv{VERSION}: an error of the VIP behind the director passes unchanged, and is counted',
        fresh=True,
    )
    def passing(version=VERSION):
        with Flow('DR', version) as flow:
            about = flow.packet(flow.me, flow.vip)
            sent = icmp(SERVER[version], flow.me[0], about, PORT[version], ttl=30)
            flow.back.send(sent)
            error = flow.error(flow.at_client)
            true(error, 'an ICMP error')
            equal((error.src, error.payload), (SERVER[version], Packet(sent).payload), 'the error')
            until(lambda: ipvs.stats(at(flow.vip[0])).outpkts == 1, 'one packet out')

    @case(
        f'E-2 I-4 NAT IPv{VERSION}: errors count as packets in and out, and do not keep the connection',
        fresh=True,
    )
    def counted(version=VERSION):
        with Flow('NAT', version) as flow:
            vip = at(flow.vip[0])
            until(lambda: ipvs.stats(vip).inpkts == 1, 'the request')
            before = ipvs.stats(vip)
            sent_in = icmp(
                FRONT_ROUTER[version], flow.vip[0], flow.packet(flow.vip, flow.me), TIME[version]
            )
            sent_out = icmp(
                SERVER[version], flow.me[0], flow.packet(flow.me, flow.server), PORT[version]
            )
            flow.front.send(sent_in)
            flow.back.send(sent_out)
            flow.back.send(sent_out)
            true(flow.error(flow.at_server) and flow.error(flow.at_client), 'both errors arrive')
            until(lambda: ipvs.stats(vip).outpkts == before.outpkts + 2, 'packets out')
            after = ipvs.stats(vip)
            equal(
                (
                    after.conns,
                    after.inpkts - before.inpkts,
                    after.inbytes - before.inbytes,
                    after.outbytes - before.outbytes,
                ),
                (1, 1, len(sent_in), 2 * len(sent_out)),
                'what was counted',
            )

    @case(
        f'I-3 NAT IPv{VERSION}: a client\'s socket is told that nobody listens at the real server'
    )
    def refused(version=VERSION):
        # s1 answers TCP with a RST by itself; of UDP its kernel tells by ICMP.
        ipvs.service(f'-u {at(VIPS[version])}', '-m', [at(SERVER[version], 81)])
        equal(ask(g.client, VIPS[version], kind='udp').name, 'refused', 'what the client hears')

    @case(f'I-3 H-18 U-17 NAT IPv{VERSION}: a client on the director is told, too', fresh=True)
    def refused_locally(version=VERSION):
        me = DIRECTOR[version]
        ipvs.service(f'-u {at(VIPS[version])}', '-m', [at(SERVER[version], 81)])
        equal(
            ask(g.director, VIPS[version], kind='udp', source=me).name,
            'refused',
            'what the client hears',
        )
        # And where no server is available.
        ipvs.admin(f'-e -u {at(VIPS[version])} -r {at(SERVER[version], 81)} -m -w 0')
        heard = ask(g.director, VIPS[version], kind='udp', source=me).name
        # The datagram itself could not be sent; that comes before any ICMP error.
        equal(heard, 'Operation not permitted', 'what a client hears without a server')

    @case(f'I-4 NAT IPv{VERSION}: a real server is told that the client is gone')
    def client_gone(version=VERSION):
        ipvs.service(f'-u {at(VIPS[version])}', '-m', [at(SERVER[version], 80)])
        with Sniffer(g.s1, 'back') as sniffer:
            with Connection(g.client, VIPS[version], kind='udp') as connection:
                port = connection.port
            with Wire(g.s1, 'back', g.director, 'back') as back:
                me = '10.0.1.1' if version == 4 else 'fd00:1::1'
                back.send(ip(SERVER[version], me, 17, udp(SERVER[version], me, 80, port, b'late')))
                error = sniffer.wait(lambda p: (p.type, p.code) == PORT[version])
            true(error, 'an ICMP error at the server')
            equal(
                (error.dst, ends(error.inner())),
                (SERVER[version], ((SERVER[version], 80), (me, port))),
                'the error',
            )


@case('I-1 H-19 an ICMP error in fragments is put together before it is translated')
def fragments():
    with Flow('NAT', 4) as flow:
        about = flow.packet(flow.me, flow.server, bytes(500))
        whole = icmp(SERVER[4], flow.me[0], about, PORT[4])[20:]
        for offset in (264, 0):
            flow.back.send(
                ip(
                    SERVER[4],
                    flow.me[0],
                    1,
                    whole[offset : offset + 264 if not offset else None],
                    ident=77,
                    offset=offset // 8,
                    more=not offset,
                )
            )
        error = flow.error(flow.at_client)
        true(error, 'an ICMP error')
        equal((error.src, ends(error.inner())), (VIP, (flow.me, flow.vip)), 'the error')
        true(error.transport_sum_is_right(), 'its checksum')


@case('I-1 H-9 U-12 errors cut short: without a header dropped, without a whole quote passed')
def cut_short():
    with Flow('NAT', 4) as flow:
        about = flow.packet(flow.me, flow.server)
        whole = icmp(SERVER[4], flow.me[0], about, PORT[4])[20:]
        for length in range(0, 8):
            flow.back.send(ip(SERVER[4], flow.me[0], 1, whole[:length], tos=4))
        for length in range(8, 32):
            part = whole[:length]
            part = part[:2] + b'\0\0' + part[4:]
            flow.back.send(
                ip(
                    SERVER[4],
                    flow.me[0],
                    1,
                    part[:2] + struct.pack('!H', checksum(part)) + part[4:],
                    tos=4,
                )
            )
        until(
            lambda: len(flow.at_client.all(lambda p: p.proto == 1 and p.tos == 4)) >= 24,
            'what passes',
        )
        seen = flow.at_client.all(lambda p: p.proto == 1 and p.tos == 4, 0.2)
        equal(sorted(p.length - 20 for p in seen), list(range(8, 32)), 'lengths of what passes')
        equal({p.src for p in seen}, {SERVER[4]}, 'senders')


for VERSION in (4, 6):
    for METHOD in METHODS:

        @case(
            f'I-3 X-8 {METHOD} IPv{VERSION}: traceroute to the VIP ends at the real server, by UDP and TCP'
        )
        def trace(version=VERSION, method=METHOD):
            for kind, options in (('u', '-U -p 80'), ('t', '-T -p 80')):
                ipvs.service(f'-{kind} {at(VIPS[version])}', METHODS[method], [at(SERVER[version])])
                hops, words = traceroute(VIPS[version], options)
                # The first is the director, which answers as the VIP.
                equal(hops, [VIPS[version]] * 2, words)
                ipvs.admin('-C')

    @case(
        f'I-3 NAT IPv{VERSION}: traceroute and path MTU discovery with a router before the real server'
    )
    def behind_router(version=VERSION):
        by_router(version, mtu=1300)
        try:
            ipvs.service(f'-u {at(VIPS[version])}', '-m', [at(SERVER[version])])
            hops, words = traceroute(VIPS[version], '-U -p 80')
            equal(hops, [VIPS[version]] * 3, words)
            ipvs.admin('-C')
            ipvs.service(f'-t {at(VIPS[version])}', '-m', [at(SERVER[version], 8080)])
            with Connection(g.client, VIPS[version], timeout=20) as connection:
                true(connection.put(100000), '100 kB arrive')
            got = g.client.run(f'ip route get {VIPS[version]}')
            true('mtu 1300' in got, f'the client knows the path\'s MTU: {got}')
        finally:
            by_router(version, on=False)

    for METHOD in METHODS:

        @case(
            f'I-4 {METHOD} IPv{VERSION}: a router before the client tells the real server what fits; the VIP answers pings'
        )
        def before_client(version=VERSION, method=METHOD):
            with Flow(method, version, rport=80) as flow:
                about = flow.packet(
                    flow.vip, flow.me, bytes(1400), **({'df': True} if version == 4 else {})
                )
                flow.front.send(
                    icmp(FRONT_ROUTER[version], flow.vip[0], about[:600], BIG[version], 1330)
                )
                true(flow.error(flow.at_server), 'an ICMP error at the server')
                me = SERVER[version] if method == 'NAT' else flow.vip[0]
                until(
                    lambda: 'mtu 1330'
                    in g.s1.run(f'ip route get {flow.me[0]} from {me}', quiet=True),
                    'the server knows the path\'s MTU',
                    3,
                )
                # Of a VIP the director answers pings itself, whatever its service does with
                # packets.
                ping = g.client.run(f'ping -n -c 2 -i 0.2 -W 3 {flow.vip[0]}', check=False)
                true(' 2 received' in ping, f'pings of the VIP:\n{ping}')
            g.s1.run(f'ip -{version} route flush cache', quiet=True)


for VERSION in (4, 6):
    for METHOD in ('NAT', 'DR'):

        @case(
            f'H-24 H-26 I-4 {METHOD} IPv{VERSION}: an error to an address that only a mark makes a VIP is found as it passes through'
        )
        def marked(version=VERSION, method=METHOD):
            vip, net, family = (
                ('10.0.77.1', '10.0.77.0/24', 'ip')
                if version == 4
                else ('fd00:77::1', 'fd00:77::/64', 'ip6')
            )
            option = '' if version == 4 else '-6'
            undo = []

            def do(line, back):
                g.director.run(line)
                undo.insert(0, back)

            try:
                do(
                    f'ip {option} rule add fwmark 5 lookup 105',
                    f'ip {option} rule del fwmark 5 lookup 105',
                )
                everywhere = '0.0.0.0/0' if version == 4 else '::/0'
                do(
                    f'ip {option} route add local {everywhere} dev lo table 105',
                    f'ip {option} route del local {everywhere} dev lo table 105',
                )
                do(
                    f'ip {option} route add {net} via {BACK_NEIGHBOUR[version]}',
                    f'ip {option} route del {net}',
                )
                g.director.run(
                    [
                        'nft',
                        f'table {family} marks {{ chain pre {{ type filter hook prerouting priority -150; '
                        f'{family} daddr {vip} udp dport 80 meta mark set 5; }}; }}',
                    ]
                )
                undo.insert(0, f'nft delete table {family} marks')
                ipvs.service(f'-f 5 {option}', METHODS[method], [at(SERVER[version], 80)])
                with (
                    Wire(g.client, 'eth0', g.director, 'front') as front,
                    Sniffer(g.s1, 'back') as at_server,
                ):
                    Flow.port += 1
                    me = (CLIENT[version], Flow.port)
                    front.send(ip(me[0], vip, 17, udp(me[0], vip, me[1], 80, b'marked')))
                    request = at_server.wait(lambda p: p.sport == me[1])
                    true(request, 'the request arrives')
                    about = ip(vip, me[0], 17, udp(vip, me[0], 80, me[1], b'reply'))
                    front.send(icmp(FRONT_ROUTER[version], vip, about, TIME[version]))
                    error = at_server.wait(lambda p: (p.type, p.code) == TIME[version])
                    true(error, 'an ICMP error at the server')
                    real = SERVER[version] if method == 'NAT' else vip
                    equal((error.dst, ends(error.inner())), (real, ((real, 80), me)), 'the error')
            finally:
                for line in undo:
                    g.director.run(line, check=False)

    @case(
        f'H-22 V-8 Y-1 IPv{VERSION}: with nat_icmp_send a real server hears that nobody knows its connection',
        fresh=True,
    )
    def unexpected(version=VERSION):
        me, server, other = CLIENT[version], SERVER[version], BACK_ROUTER[version]
        for kind, method in (('t', '-m'), ('u', '-m')):
            ipvs.service(f'-{kind} {at(VIPS[version], 8080)}', method, [at(server, 8080)])
        with (
            Wire(g.s1, 'back', g.director, 'back') as back,
            Sniffer(g.client, 'eth0') as at_client,
            Sniffer(g.s1, 'back') as at_server,
        ):
            link = ':'.join(f'{byte:02x}' for byte in hardware(g.client, 'eth0'))
            g.director.run(
                f'ip neigh replace {me} lladdr {link} dev front nud permanent', quiet=True
            )

            def check(source, port, flags, told):
                Flow.port += 1
                to = Flow.port
                if flags is None:
                    back.send(ip(source, me, 17, udp(source, me, port, to, b'data'), ttl=9))
                else:
                    back.send(ip(source, me, 6, tcp(source, me, port, to, flags), ttl=9))
                what = f'from {source} port {port} flags {flags}: '

                def tells(packet):
                    return (packet.type, packet.code) == PORT[
                        version
                    ] and packet.inner().dport == to

                if told:
                    true(at_server.wait(tells), what + 'the server is told')
                    equal(at_client.all(lambda p: p.dport == to, 0.1), [], what + 'what passes')
                else:
                    seen = at_client.wait(lambda p: p.dport == to)
                    true(seen, what + 'it passes')
                    equal((seen.src, seen.sport, seen.ttl), (source, port, 8), what + 'unchanged')
                    equal(at_server.all(tells, 0.1), [], what + 'what the server hears')

            check(server, 8080, ACK, False)
            ipvs.setting('nat_icmp_send', 1)
            check(server, 8080, ACK, True)
            check(server, 8080, None, True)
            check(server, 8080, RST, False)
            check(server, 8081, ACK, False)
            check(other, 8080, ACK, False)
            # A server that is not behind NAT, or is gone, is none of these.
            ipvs.admin(f'-e -t {at(VIPS[version], 8080)} -r {at(server, 8080)} -g')
            check(server, 8080, ACK, False)
            check(server, 8080, None, True)
            ipvs.admin(f'-e -t {at(VIPS[version], 8080)} -r {at(server, 8080)} -m')
            check(server, 8080, ACK, True)
            ipvs.admin(f'-d -u {at(VIPS[version], 8080)} -r {at(server, 8080)}')
            check(server, 8080, None, False)
            ipvs.admin(f'-D -t {at(VIPS[version], 8080)}')
            check(server, 8080, ACK, False)


class Late:
    """Errors about nothing that is known, for a service at a VIP of its own and by a method."""

    def __init__(self, version, method, front, at_server, at_client, kinds='tu', options='-s rr'):
        self.version, self.method = version, method
        self.front, self.at_server, self.at_client = front, at_server, at_client
        number = 1 + list(METHODS).index(method)
        self.vip = (f'10.0.9.{number}' if version == 4 else f'fd00:9::{number}', 80)
        self.server = (SERVER[version], 8080 if method == 'NAT' else 80)
        for kind in kinds:
            ipvs.service(f'-{kind} {at(self.vip[0])}', METHODS[method], [at(*self.server)], options)

    def error(self, kind, port):
        """Sends one about a packet that the client is said to have got."""
        self.at_server.seen.clear()
        vip, me = self.vip[0], CLIENT[self.version]
        about = (
            udp(vip, me, 80, port, b'late') if kind == 'u' else tcp(vip, me, 80, port, SYN | ACK)
        )
        about = ip(vip, me, 17 if kind == 'u' else 6, about)
        self.front.send(icmp(FRONT_ROUTER[self.version], vip, about, TIME[self.version]))

    def arrived(self, seconds=3):
        """What the real server gets of it."""
        # Others may hear of what earlier tests left behind; their errors are of another kind, or
        # family.
        packet = self.at_server.wait(
            lambda p: p.version == self.version
            and (p.proto in (4, 41) or (p.type, p.code) == TIME[self.version]),
            seconds,
        )
        return packet.inner() if packet and packet.proto in (4, 41) else packet

    def begins(self, kind):
        """An error begins a connection, which is one packet old."""
        before = ipvs.total().conns
        self.error(kind, 6001)
        packet = self.arrived()
        what = f'{self.method} {kind}: '
        true(packet, what + 'the error arrives')
        told = self.server if self.method == 'NAT' else self.vip
        equal(
            (packet.dst, ends(packet.inner())),
            (told[0], (told, (CLIENT[self.version], 6001))),
            what + 'whom it tells, what it quotes',
        )
        (row,) = ipvs.rows(proto='UDP' if kind == 'u' else 'TCP', vaddr=self.vip[0])
        equal(
            (row.cport, row.vport, row.state),
            (6001, 80, 'UDP' if kind == 'u' else 'NONE'),
            what + 'the connection',
        )
        true(row.expires <= 3, what + f'it ends soon: {row.expires} s')
        until(lambda: ipvs.total().conns == before + 1, what + 'connections that are counted')

    def nobody(self):
        """Nobody is there to hear of it."""
        for kind in 'tu':
            ipvs.admin(
                f'-e -{kind} {at(self.vip[0])} -r {at(*self.server)} {METHODS[self.method]} -w 0'
            )
        self.error('u', 6002)
        self.error('t', 6002)
        equal(self.arrived(0.3), None, f'{self.method}: what arrives when no server is available')
        equal(
            self.at_client.all(lambda p: (p.type, p.code) == PORT[self.version]),
            [],
            f'{self.method}: what the client hears',
        )


for VERSION in (4, 6):

    @case(
        f'S-28 S-17 E-4 IPv{VERSION}: with schedule_icmp an error about no connection begins one, by each method',
        fresh=True,
    )
    def scheduled(version=VERSION):
        # All at once: such connections last some seconds, and all of them shall be seen to end.
        with (
            Wire(g.client, 'eth0', g.director, 'front') as front,
            Sniffer(g.s1, 'back') as at_server,
            Sniffer(g.client, 'eth0') as at_client,
        ):
            services = [Late(version, method, front, at_server, at_client) for method in METHODS]
            for late in services:
                late.error('u', 6001)
                equal(late.arrived(0.3), None, 'what arrives without schedule_icmp')
            equal(ipvs.rows(), [], 'connections')
            ipvs.setting('schedule_icmp', 1)
            for late in services:
                for kind in 'ut':
                    late.begins(kind)
            until(lambda: not ipvs.rows(), 'all end', 20)
            for late in services:
                late.nobody()


@case(
    'S-28 S-12 C-8 an error for a service of single packets is sent on by a connection that nobody finds',
    fresh=True,
)
def scheduled_single():
    with Wire(g.client, 'eth0', g.director, 'front') as front, Sniffer(g.s1, 'back') as at_server:
        ipvs.setting('schedule_icmp', 1)
        for number, method in enumerate(METHODS, 1):
            late = Late(4, method, front, at_server, None, 'u', '-s rr -o')
            for _ in range(2):
                late.error('u', 6003)
                packet = late.arrived()
                true(packet, f'{method}: the error arrives')
                told = late.server if method == 'NAT' else late.vip
                equal(
                    (packet.dst, ends(packet.inner())),
                    (told[0], (told, (CLIENT[4], 6003))),
                    f'{method}: whom it tells, what it quotes',
                )
                equal(ipvs.rows(), [], f'{method}: connections')
            until(
                lambda n=number: ipvs.total().conns == 2 * n,
                f'{method}: connections that are counted',
            )


if __name__ == '__main__':
    run(g)
