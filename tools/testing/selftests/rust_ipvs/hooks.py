#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Where in the packet's way IPVS stands, which packets it takes there, and which it lets pass."""

import re
import socket
import subprocess

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, SERVER, VIP, VIP6
from harness.packet import (
    ACK,
    FRAGMENT,
    ICMP,
    ICMPV6,
    RST,
    SCTP,
    SYN,
    Sniffer,
    Wire,
    chunk,
    fragment6,
    icmp,
    ip,
    sctp,
    tcp,
    udp,
)
from harness.servers import Servers
from harness.protocol import CLIENT, VIPS, fake_peer
from harness.tap import always, case, equal, run, true, until

IP_NODEFRAG = 22
# A port at which no server listens: what comes from there, the test has sent.
NOBODY = 8081


def hooks(family):
    """How many hooks of ours stand in the director's path of a family."""
    listing = g.director.run(f'nft list hooks {family}', quiet=True)
    return len(re.findall(rf'\[{g.module}\]', listing))


@case('H-2 a family has its hooks from its first service to its last')
def lazy_registration():
    equal((hooks('ip'), hooks('ip6')), (0, 0), 'hooks without a service')
    ipvs.admin(f'-A -t {VIP}:80 -s rr')
    true(hooks('ip') > 0, 'IPv4 hooks with an IPv4 service')
    equal(hooks('ip6'), 0, 'IPv6 hooks with an IPv4 service')
    count = hooks('ip')
    ipvs.admin(f'-A -u {VIP}:80 -s rr')
    equal(hooks('ip'), count, 'IPv4 hooks with a second service')
    ipvs.admin(f'-A -t [{VIP6}]:80 -s rr')
    equal(hooks('ip6'), count, 'IPv6 hooks with an IPv6 service')
    ipvs.admin(f'-D -t {VIP}:80')
    equal(hooks('ip'), count, 'IPv4 hooks with one service left')
    ipvs.admin(f'-D -u {VIP}:80')
    equal((hooks('ip'), hooks('ip6')), (0, count), 'hooks with only an IPv6 service left')
    ipvs.admin('-C')
    equal((hooks('ip'), hooks('ip6')), (0, 0), 'hooks without a service again')


@case('H-2 a service that cannot be added leaves no hook')
def failed_add():
    ipvs.refused(f'-A -t {VIP}:80 -s nosuch')
    equal((hooks('ip'), hooks('ip6')), (0, 0), 'hooks')
    ipvs.refused(f'-A -t [{VIP6}]:80 -s rr -p 10 -M 129')
    equal((hooks('ip'), hooks('ip6')), (0, 0), 'hooks')


def apply_rules(*rules):
    """Makes of these rules the director's table, in one transaction."""
    words = ['ripvsadm', 'apply', '-q', '-']
    with g.director:
        subprocess.run(words, input='\n'.join(rules), text=True, check=True)


@case('H-2 I-5 a tunnel to the other family has its hooks, for errors about it', only='rust')
def mixed_registration():
    tunnel = f'-a -u {VIP}:80 -r [{SERVER[6]}]:80 -i'
    service = f'-A -u {VIP}:80 -s rr'
    ipvs.admin(service)
    count = hooks('ip')
    ipvs.refused(f'-a -u {VIP}:80 -r [ff02::1]:80 -i')
    ipvs.refused(f'-a -u {VIP}:80 -r [{SERVER[6]}]:80 -m')
    equal(hooks('ip6'), 0, 'hooks after destinations that were refused')
    ends = (f'-d -u {VIP}:80 -r [{SERVER[6]}]:80', f'-D -u {VIP}:80', '-C')
    for end in ends:
        for together in (False, True):
            if together:
                apply_rules(service, tunnel)
            else:
                ipvs.admin(tunnel)
            equal((hooks('ip'), hooks('ip6')), (count, count), 'hooks with the tunnel')
            ipvs.admin(end)
            equal(hooks('ip6'), 0, f'IPv6 hooks after {end}')
            if end != ends[0]:
                ipvs.admin(service)
    ipvs.admin(tunnel)
    apply_rules(service)
    equal((hooks('ip'), hooks('ip6')), (count, 0), 'hooks after the tunnel went in a transaction')


def counters(family, hook, match):
    """Rules that count what MATCHes at a hook, before and after IPVS stands there."""
    ours = {'input': 99, 'forward': 100, 'output': -98}[hook]
    chains = ''.join(
        f'counter {name} {{}}; chain {name} {{ type filter hook {hook} priority {ours + place}; {match} counter name {name}; }}; '
        for name, place in (('early', -50), ('late', 50))
    )
    g.director.run(['nft', f'table {family} watch_{hook} {{ {chains} }}'], quiet=True)
    return lambda: tuple(
        int(n)
        for n in re.findall(
            r'packets (\d+)',
            g.director.run(f'nft list counters table {family} watch_{hook}', quiet=True),
        )
    )


def drop_tables():
    g.director.run('nft flush ruleset', quiet=True)


@case('H-1 at LOCAL_IN, filters see a request and what comes later does not')
def input_order():
    for family, vip, server in (('ip', VIP, '10.0.2.11'), ('ip6', VIP6, '[fd00:2::b]')):
        at = f'[{vip}]:80' if family == 'ip6' else f'{vip}:80'
        ipvs.service(f'-t {at}', '-m', [f'{server}:80'])
        count = counters(family, 'input', 'tcp dport 80')
        equal(ask(g.client, vip).name, 's1', 'who answered')
        early, late = count()
        true(early >= 3 and late == 0, f'{family}: {early} packets before, {late} after')
        drop_tables()


@case('H-1 at LOCAL_IN, a filter that drops leaves IPVS nothing to do')
def input_filter():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    g.director.run(
        [
            'nft',
            'table ip stop { chain in { type filter hook input priority 0; udp dport 80 drop; }; }',
        ]
    )
    equal(ask(g.client, VIP, kind='udp', sport=4001, timeout=0.5).name, 'timeout', 'who answered')
    equal(ipvs.rows(cport=4001), [], 'connections')
    drop_tables()
    equal(ask(g.client, VIP, kind='udp', sport=4001).name, 's1', 'who answered without the filter')


@case('H-1 H-18 at FORWARD, a reply has the server\'s address before and the VIP after')
def forward_order():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    before = counters('ip', 'forward', 'ip saddr 10.0.2.11')
    equal(ask(g.client, VIP).name, 's1', 'who answered')
    early, late = before()
    true(early >= 3 and late == 0, f'from the server: {early} packets before, {late} after')
    drop_tables()
    after = counters('ip', 'forward', f'ip saddr {VIP}')
    equal(ask(g.client, VIP).name, 's1', 'who answered')
    early, late = after()
    true(early == 0 and late >= 3, f'from the VIP: {early} packets before, {late} after')
    drop_tables()


@case('H-4 X-11 a packet that goes on passes LOCAL_OUT and is counted once')
def once_only():
    ipvs.pass_rules()
    for method in ('-m', '-g', '-i'):
        ipvs.service(f'-u {VIP}:80', method, ['10.0.2.11:80'])
        count = counters('ip', 'output', f'ip daddr {{ 10.0.2.11, {VIP} }}')
        with Connection(g.client, VIP, 80, 'udp') as connection:
            for _ in range(4):
                connection.exchange(b'again')
            port = connection.port
        early, late = count()
        equal((early, late), (5, 5), f'{method}: packets at LOCAL_OUT')
        drop_tables()
        equal(len(ipvs.rows(cport=port)), 1, f'{method}: connections')
        until(lambda: ipvs.stats(f'{VIP}:80').inpkts == 5, f'{method}: 5 packets counted', 5)
        ipvs.admin('-C')


@case('H-5 H-26 a raw socket that wants no defragmentation is left alone at LOCAL_OUT')
def raw_socket():
    # The VIP is on the client's side: at the director it is seen at LOCAL_OUT only.
    ipvs.service('-u 10.0.1.1:80', '-m', ['10.0.2.11:80'])
    with g.director:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    sock.bind(('10.0.2.254', 0))
    for nodefrag, port in ((1, 4002), (0, 4003)):
        sock.setsockopt(socket.IPPROTO_IP, IP_NODEFRAG, nodefrag)
        sock.sendto(udp('10.0.2.254', '10.0.1.1', port, 80, b'raw'), ('10.0.1.1', 0))
    until(lambda: ipvs.rows(cport=4003), 'a connection of the socket without the flag')
    equal(ipvs.rows(cport=4002), [], 'connections of the socket with the flag')
    sock.close()


@case('H-7 a packet that was sent to all on the wire is left alone')
def not_to_host():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    wire = Wire(g.client, 'eth0', g.director, 'front')
    to_director, wire.destination = wire.destination, b'\xff' * 6
    wire.send(ip('10.0.1.1', VIP, 17, udp('10.0.1.1', VIP, 4004, 80, b'to all')))
    wire.destination = to_director
    wire.send(ip('10.0.1.1', VIP, 17, udp('10.0.1.1', VIP, 4005, 80, b'to the director')))
    wire.close()
    until(lambda: ipvs.rows(cport=4005), 'a connection of the packet to the director')
    equal(ipvs.rows(cport=4004), [], 'connections of the packet to all')


@case('H-10 H-11 other protocols pass: the VIP still answers an echo request')
def other_protocols():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    ipvs.service(f'-t [{VIP6}]:80', '-m', ['[fd00:2::b]:80'])
    for vip in (VIP, VIP6):
        g.client.run(f'ping -c 1 -W 2 {vip}')


@case('H-25 X-8 X-11 C-11 a client on the director, by each method')
def local_client():
    # An answer in the VIP's name comes from an address that is the director's own as well.
    g.director.run('sysctl -qw net.ipv4.conf.back.accept_local=1')
    for method in ('-m', '-g', '-i'):
        ipvs.service('-t 10.0.9.1:80', method, ['10.0.2.11:80'])
        answer = ask(g.director, VIP, source='10.0.2.254')
        equal(answer.name, 's1', f'{method}: who answered')
        equal(answer.peer, '10.0.2.254', f'{method}: the client as the server saw it')
        ipvs.admin('-C')
    g.director.run('sysctl -qw net.ipv4.conf.back.accept_local=0')
    ipvs.service('-t [fd00:9::1]:80', '-m', ['[fd00:2::b]:80'])
    equal(ask(g.director, VIP6, source='fd00:2::fe').name, 's1', 'who answered over IPv6')


@case('X-7 X-11 a packet of a client on the director keeps its socket on the way to a server there')
def keeps_socket():
    servers = Servers()
    servers.add(g.director, [8080])
    servers.start()
    try:
        for family, vip, server in (('ip', VIP, '10.0.2.254'), ('ip6', VIP6, 'fd00:2::fe')):
            for kind in ('udp', 'tcp'):
                ipvs.service(f'-{kind[0]} {ipvs.at(vip)}', '-m', [ipvs.at(server, 8080)])
                g.director.run(
                    [
                        'nft',
                        f'table {family} watch {{ counter owned {{}}; chain post {{ '
                        f'type filter hook postrouting priority 0; {family} daddr {server} {kind} dport 8080 '
                        'meta skuid 0 counter name owned; }; }',
                    ]
                )
                equal(
                    ask(g.director, vip, kind=kind).name,
                    'director',
                    f'{family} {kind}: who answers',
                )
                listing = g.director.run(f'nft list counters table {family} watch', quiet=True)
                drop_tables()
                ipvs.admin('-C')
                true(
                    'packets 0 ' not in listing,
                    f'{family} {kind}: packets that have a socket: {listing}',
                )
    finally:
        servers.stop()


@case('H-26 S-5 a VIP that is not the director\'s own is only routed')
def foreign_vip():
    # A service for an address of s1: what the client sends there is forwarded, not scheduled.
    ipvs.service('-t 10.0.2.11:80', '-m', ['10.0.2.12:80'])
    equal(ask(g.client, '10.0.2.11', sport=4006).name, 's1', 'who answered')
    equal(ipvs.rows(cport=4006), [], 'connections')


@case('S-1 a segment without SYN is nobody\'s connection, and sloppy_tcp makes it one')
def mid_stream():
    ipvs.service(f'-t {VIP}:80', '-g', ['10.0.2.11:80'])
    wire = Wire(g.client, 'eth0', g.director, 'front')
    wire.send(ip('10.0.1.9', VIP, 6, tcp('10.0.1.9', VIP, 4010, 80, ACK)))
    ipvs.setting('sloppy_tcp', 1)
    wire.send(ip('10.0.1.9', VIP, 6, tcp('10.0.1.9', VIP, 4011, 80, RST)))
    wire.send(ip('10.0.1.9', VIP, 6, tcp('10.0.1.9', VIP, 4012, 80, ACK)))
    until(lambda: ipvs.rows(cport=4012), 'with sloppy_tcp, a connection of an ACK')
    ipvs.setting('sloppy_tcp', 0)
    equal(ipvs.rows(cport=4010), [], 'connections of an ACK without it')
    equal(ipvs.rows(cport=4011), [], 'connections of a RST with it')
    wire.send(ip('10.0.1.9', VIP, 6, tcp('10.0.1.9', VIP, 4013, 80, SYN | ACK)))
    until(lambda: ipvs.rows(cport=4013), 'a connection of a SYN with ACK')
    wire.close()


@case('S-5 a segment of no connection is answered by the director itself')
def unknown_segment():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    equal(ask(g.client, VIP, 81, timeout=2).name, 'refused', 'a port without a service')
    servers = Servers()
    servers.add(g.director, [82])
    servers.start()
    try:
        equal(ask(g.client, VIP, 82).name, 'director', 'a port on which the director itself serves')
        equal(ask(g.client, VIP, 82, 'udp').name, 'director', 'the same by UDP')
    finally:
        servers.stop()


@case('S-7 a client from port 20 is not balanced')
def ftp_data_port():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    equal(ask(g.client, VIP, kind='udp', sport=20).name, 'refused', 'by UDP')
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    equal(ask(g.client, VIP, sport=20).name, 'refused', 'by TCP')
    equal(ipvs.rows(cport=20), [], 'connections')


# ---- a backup that takes no requests ----


class Replies:
    """A director that is a backup, and takes replies alone with `backup_only`."""

    port = 7100

    def __init__(self, version):
        Replies.port += 1
        self.version, self.port = version, Replies.port
        self.client, self.vip, self.server = CLIENT[version], VIPS[version], SERVER[version]
        fake_peer(self.client, 'front')

    def __enter__(self):
        self.front = Wire(g.client, 'eth0', g.director, 'front')
        self.back = Wire(g.s1, 'back', g.director, 'back')
        self.at_client, self.at_server = Sniffer(g.client, 'eth0'), Sniffer(g.s1, 'back')
        ipvs.admin('--start-daemon backup --mcast-interface front')
        return self

    def __exit__(self, *_):
        ipvs.setting('backup_only', 0)
        ipvs.admin('--stop-daemon backup')
        for thing in (self.front, self.back, self.at_client, self.at_server):
            thing.close()
        ipvs.admin('-C')

    def request(self, proto, body):
        """Sends a request, and waits for its connection."""
        self.front.send(ip(self.client, self.vip, proto, body))
        until(
            lambda: ipvs.rows(
                cport=self.port, proto='SCTP' if proto == SCTP else 'UDP', caddr=self.client
            ),
            'the connection',
        )

    def only(self):
        """Takes no requests from now on."""
        ipvs.setting('backup_only', 1)

    def forget(self):
        """Forgets what came so far."""
        for sniffer in (self.at_client, self.at_server):
            sniffer.all()
            sniffer.seen.clear()

    def seen(self, wanted):
        """A packet that comes to the client."""
        return self.at_client.wait(lambda p: p.dst == self.client and wanted(p))


for VERSION in (4, 6):

    @case(
        f'H-8 H-18 H-19 T-19 I-3 IPv{VERSION}: a backup that takes no requests translates all replies'
    )
    def replies_only(version=VERSION):
        with Replies(version) as it:
            at = ipvs.at(it.vip)
            ipvs.service(f'-u {at}', '-m', [ipvs.at(it.server, NOBODY)])
            ipvs.service(f'--sctp-service {at}', '-m', [ipvs.at(it.server, NOBODY)])
            it.request(17, udp(it.client, it.vip, it.port, 80, b'request'))
            it.request(SCTP, sctp(it.port, 80, chunk(1, bytes(16))))
            it.only()
            it.forget()
            it.back.send(
                ip(it.server, it.client, 17, udp(it.server, it.client, NOBODY, it.port, b'whole'))
            )
            true(
                it.seen(lambda p: p.src == it.vip and p.sport == 80 and p.transport_sum_is_right()),
                'a datagram',
            )
            it.back.send(ip(it.server, it.client, SCTP, sctp(NOBODY, it.port, chunk(2, bytes(16)))))
            packet = it.seen(lambda p: p.proto == SCTP)
            true(packet, 'a packet of SCTP')
            equal(
                (packet.src, packet.sport, packet.transport_sum_is_right()),
                (it.vip, 80, True),
                'who sent it, and its checksum',
            )
            it.forget()
            whole = udp(it.server, it.client, NOBODY, it.port, bytes(n & 255 for n in range(2000)))
            for place in (0, 1200):
                part = whole[place : place + 1200]
                if version == 4:
                    it.back.send(
                        ip(
                            it.server,
                            it.client,
                            17,
                            part,
                            offset=place // 8,
                            more=not place,
                            ident=9,
                        )
                    )
                else:
                    it.back.send(
                        ip(
                            it.server,
                            it.client,
                            FRAGMENT,
                            fragment6(17, place // 8, not place, 9, part),
                        )
                    )
            true(
                it.seen(lambda p: p.src == it.vip and (p.more or p.proto == FRAGMENT)),
                'a datagram in fragments',
            )
            equal(
                [p for p in it.at_client.all() if p.src == it.server],
                [],
                'what comes in the name of the server',
            )
            about = ip(
                it.client, it.server, 17, udp(it.client, it.server, it.port, NOBODY, b'request')
            )
            it.back.send(icmp(it.server, it.client, about, (3, 3) if version == 4 else (1, 4)))
            error = it.seen(lambda p: p.proto in (ICMP, ICMPV6) and p.type in (1, 3))
            true(error, 'an ICMP error')
            equal(
                (error.src, error.inner().dst, error.inner().dport),
                (it.vip, it.vip, 80),
                'whose it is, and about what',
            )
            # What is for a server does not get there.
            about = ip(it.vip, it.client, 17, udp(it.vip, it.client, 80, it.port, b'answer'))
            it.front.send(icmp(it.client, it.vip, about, (3, 3) if version == 4 else (1, 4)))
            it.front.send(ip(it.client, it.vip, 17, udp(it.client, it.vip, it.port, 80, b'more')))
            it.front.send(
                ip(it.client, it.vip, 17, udp(it.client, it.vip, it.port + 500, 80, b'another'))
            )
            always(
                lambda: not it.at_server.all(lambda p: p.src == it.client and p.dst == it.server),
                'no request is taken',
                0.3,
            )
            equal(ipvs.rows(cport=it.port + 500), [], 'connections of what came since')


@case('H-5 H-8 a backup that takes no requests leaves a raw socket alone')
def replies_only_raw():
    with Replies(4) as it:
        ipvs.service(f'-u {VIP}:80', '-m', [f'10.0.2.254:{NOBODY}'])
        with g.director:
            listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        with listener, sock:
            listener.bind(('10.0.2.254', NOBODY))
            sock.bind(('10.0.2.254', 0))
            it.request(17, udp(it.client, it.vip, it.port, 80, b'request'))
            it.only()
            for nodefrag, source in ((1, '10.0.2.254'), (0, VIP)):
                it.forget()
                sock.setsockopt(socket.IPPROTO_IP, IP_NODEFRAG, nodefrag)
                sock.sendto(udp('10.0.2.254', it.client, NOBODY, it.port, b'raw'), (it.client, 0))
                packet = it.seen(lambda p: p.proto == 17)
                true(packet, f'IP_NODEFRAG {nodefrag}: the datagram')
                equal(packet.src, source, f'IP_NODEFRAG {nodefrag}: who sent it')


@case('H-8 H-19 a backup that takes no requests translates a reply whose headers are in pages')
def replies_only_split():
    devices = (
        (g.lan, 's1-back back director-back director-front front client-front'),
        (g.s1, 'back'),
        (g.director, 'back front'),
        (g.client, 'eth0'),
    )

    def resize(mtu):
        for space, names in devices:
            for name in names.split():
                space.run(f'ip link set {name} mtu {mtu}', quiet=True)

    resize(6000)
    try:
        with Replies(4) as it:
            ipvs.service(f'-u {VIP}:80', '-m', [f'{it.server}:{NOBODY}'])
            it.request(17, udp(it.client, it.vip, it.port, 80, b'request'))
            it.only()
            it.forget()
            data = udp(it.server, it.client, NOBODY, it.port, bytes(5000))
            it.back.send_split(ip(it.server, it.client, 17, data))
            packet = it.seen(lambda p: p.proto == 17 and len(p.payload) > 5000)
            true(packet, 'the datagram')
            equal((packet.src, packet.sport), (it.vip, 80), 'who sent it')
            true(packet.transport_sum_is_right(), 'its checksum is right')
    finally:
        resize(1500)


@case('H-8 H-22 a backup that takes no requests tells a server that nobody knows its connection')
def replies_only_refused():
    with Replies(4) as it:
        ipvs.service(f'-u {VIP}:80', '-m', [f'{it.server}:{NOBODY}'])
        ipvs.setting('nat_icmp_send', 1)
        it.only()
        try:
            it.back.send(
                ip(it.server, it.client, 17, udp(it.server, it.client, NOBODY, it.port, b'unknown'))
            )
            true(
                it.at_server.wait(lambda p: p.proto == ICMP and p.type == 3 and p.code == 3),
                'an ICMP error',
            )
        finally:
            ipvs.setting('nat_icmp_send', 0)


if __name__ == '__main__':
    run(g)
