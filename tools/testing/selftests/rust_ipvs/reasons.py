#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reasons: each branch that drops, refuses or leaves a packet of a service has one, and counts."""

import errno
import os
import re
import socket
import struct

from harness import ipvs
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.netlink import attr, u32
from harness.packet import ACK, RST, SYN, Wire, icmp, ip, tcp, udp
from harness.protocol import fake_peer
from harness.reasons import GET_REASONS, NAMES, REASON, ZERO_REASONS, Reasons, named
from harness.ripvs import SERVICE, SET_SERVICE, applied, change, nest
from harness.tap import case, equal, run, true, until

CLIENT, CLIENT6, SERVER = '10.0.1.99', 'fd00:1::99', '10.0.2.11'
UDP = {'af': 2, 'protocol': 17, 'addr': VIP, 'port': 80}
TCP = {**UDP, 'protocol': 6}
UDP6 = {**UDP, 'af': 10, 'addr': VIP6}


class Client:
    """An address of nobody from which packets come."""

    port = 40000

    def __init__(self):
        fake_peer(CLIENT, 'front')
        fake_peer(CLIENT6, 'front')
        self.wire = Wire(g.client, 'eth0', g.director, 'front')
        self.back = Wire(g.s1, 'back', g.director, 'back')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()
        self.back.close()

    def udp(self, vip=VIP, port=None, size=4, source=None, **options):
        """A datagram to a VIP, each from another port unless PORT says so."""
        Client.port += 1
        me = source or (CLIENT6 if ':' in vip else CLIENT)
        body = udp(me, vip, port or Client.port, 80, bytes(size))
        packet = ip(me, vip, 17, body, **options)
        self.wire.send(packet)
        return packet

    def tcp(self, flags, vip=VIP, port=None):
        Client.port += 1
        port = port or Client.port
        self.wire.send(ip(CLIENT, vip, 6, tcp(CLIENT, vip, port, 80, flags)))
        return port


def counts(service, **wanted):
    """The reasons of a service, in the end, and at least those of the namespace."""
    family = Reasons(g.director)
    true(family.come(service, **wanted), f'the namespace has them too: {family.totals()}')
    family.close()


def afresh():
    Reasons(g.director).zero()


@case('a service that takes no connection: the reason is that of its servers', only='rust')
def refusals():
    afresh()
    with Client() as client:
        ipvs.service(f'-u {VIP}:80')
        client.udp()
        counts(UDP, no_server=1)
        ipvs.admin(f'-a -u {VIP}:80 -r {SERVER} -m -w 0')
        client.udp()
        counts(UDP, no_server=1, weight_zero=1)
        ipvs.admin(f'-a -u {VIP}:80 -r 10.0.2.12 -m -w 1 -x 1')
        client.udp()
        client.udp()
        counts(UDP, no_server=1, weight_zero=1, overloaded=1)
        # The hash leads to the server with weight 0.
        ipvs.admin('-C')
        afresh()
        ipvs.service(f'-u {VIP}:80', '-m', [SERVER], '-s dh')
        ipvs.admin(f'-a -u {VIP}:80 -r 10.0.2.12 -m -w 0')
        for _ in range(4):
            client.udp()
        found = Reasons(g.director).of(UDP)
        true(set(found) <= {'not-chosen', 'weight-zero'}, f'reasons {found}')
    ipvs.admin('-C')
    with Client() as client:
        ipvs.service(f'-u [{VIP6}]:80')
        client.udp(VIP6)
        counts(UDP6, no_server=1)


@case('a service for all ports without persistence takes none', only='rust')
def all_ports():
    afresh()
    with Client() as client:
        # No tool adds such a service: the family RIPVS edits one.
        ipvs.service(f'-u {VIP}:0', '-m', [SERVER], '-s rr -p 60')
        name = {**UDP, 'port': 0}
        applied(Reasons(g.director), change(SET_SERVICE, {**name, 'flags': 0}))
        client.udp()
        counts(name, needs_persistence=1)


@case('limits and defenses: conn_max, drop_packet, drop_entry', only='rust', fresh=True)
def limits():
    afresh()
    with Client() as client:
        ipvs.service(f'-u {VIP}:80', '-m', [SERVER])
        before = ipvs.setting('conn_max')
        ipvs.setting('conn_max', 1)
        client.udp()
        client.udp()
        client.udp()
        counts(UDP, conn_limit=2)
        ipvs.setting('conn_max', before)
        afresh()
        ipvs.setting('am_droprate', 1)
        ipvs.setting('drop_packet', 3)
        client.udp()
        client.udp()
        counts(UDP, drop_packet=2)
        ipvs.setting('drop_packet', 0)
        ipvs.setting('am_droprate', 10)
        ipvs.admin('-C')
        afresh()
        ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.99'])
        fake_peer('10.0.2.99', 'back')
        for _ in range(300):
            client.tcp(SYN)
        until(lambda: len(ipvs.rows(state='SYN_RECV')) > 100, 'half-open connections')
        ipvs.setting('drop_entry', 3)
        until(lambda: Reasons(g.director).of(TCP).get('drop-entry', 0) > 10, 'connections ended')
        ipvs.setting('drop_entry', 0)


@case('untouched: no connection and no SYN; an RST is nothing', only='rust')
def untouched():
    afresh()
    with Client() as client:
        ipvs.service(f'-t {VIP}:80', '-m', [SERVER])
        client.tcp(RST)
        client.tcp(ACK)
        counts(TCP, no_connection=1)
        # One of no service is not counted.
        client.tcp(ACK, vip='10.0.9.2')
        client.tcp(ACK)
        counts(TCP, no_connection=2)
        equal(Reasons(g.director).totals(), {'no-connection': 2}, 'totals')


@case('a server that is gone, or that says what nobody asked for', only='rust')
def servers():
    afresh()
    with Client() as client:
        ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.99'])
        fake_peer('10.0.2.99', 'back')
        client.udp(port=4444)
        until(lambda: ipvs.rows(cport=4444), 'the connection')
        ipvs.admin(f'-d -u {VIP}:80 -r 10.0.2.99')
        client.udp(port=4444)
        counts(UDP, server_gone=1)
        ipvs.admin(f'-a -u {VIP}:80 -r 10.0.2.99 -m')
        ipvs.setting('nat_icmp_send', 1)
        stray = udp('10.0.2.99', CLIENT, 80, 4445, b'what')
        client.back.send(ip('10.0.2.99', CLIENT, 17, stray))
        family = Reasons(g.director)
        until(lambda: family.totals().get('unexpected-reply') == 1, 'the reply is refused', 3)
        ipvs.setting('nat_icmp_send', 0)


@case('what cannot be sent: route, TTL, MTU, loopback addresses, headers', only='rust')
def transmit():
    for method in '-m', '-g', '-i':
        afresh()
        with Client() as client:
            ipvs.service(f'-u {VIP}:80', method, ['10.0.2.99'])
            fake_peer('10.0.2.99', 'back')
            client.udp(ttl=1)
            counts(UDP, ttl_exceeded=1)
            # Not below 1280, with which the device would lose its IPv6 addresses.
            g.director.run('ip link set back mtu 1300')
            client.udp(size=1350, df=True)
            counts(UDP, ttl_exceeded=1, too_big=1)
            g.director.run('ip link set back mtu 1500')
            ipvs.admin('-C')
            afresh()
            # Nothing leads there.
            ipvs.service(f'-u {VIP}:80', method, ['192.0.2.77'])
            client.udp()
            counts(UDP, no_route=1)
            ipvs.admin('-C')
    afresh()
    with Client() as client:
        ipvs.service(f'-u {VIP}:80', '-m', ['127.0.0.1'])
        client.udp()
        counts(UDP, loopback_server=1)
        short = ip(CLIENT, VIP, 17, b'\0\x50\0')
        client.wire.send(short)
        family = Reasons(g.director)
        until(lambda: family.totals().get('bad-header') == 1, 'a truncated header', 3)


@case('ICMP errors that are wrong', only='rust')
def icmp_errors():
    afresh()
    with Client() as client:
        ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.99'])
        fake_peer('10.0.2.99', 'back')
        client.udp(port=4446)
        until(lambda: ipvs.rows(cport=4446), 'the connection')
        about = ip('10.0.1.99', '10.0.2.99', 17, udp(CLIENT, '10.0.2.99', 4446, 80, b'x'))
        client.back.send(icmp('10.0.2.99', CLIENT, about, (3, 3), sum_=0x1234))
        counts(UDP, icmp_checksum=1)


@case('the dump: totals first, services that have some, one service; zeroed', only='rust')
def dumps():
    afresh()
    family = Reasons(g.director)
    equal(family.dump(), [(None, {})], 'nothing was counted')
    with Client() as client:
        for number in (1, 2, 3):
            ipvs.service(f'-u 10.0.9.{number}:80')
        for number, times in ((1, 1), (2, 3)):
            for _ in range(times):
                client.udp(f'10.0.9.{number}')
        second = {**UDP, 'addr': '10.0.9.2'}
        counts(second, no_server=3)
        counts(UDP, no_server=1)
        totals, *rest = family.dump()
        equal(totals, (None, {'no-server': 4}), 'totals')
        equal(sorted(one['addr'][-1] for one, _ in rest), [1, 2], 'services')
        family.zero(second)
        equal(family.of(second), {}, 'the zeroed one')
        equal(family.totals(), {'no-server': 4}, 'totals stay')
        ipvs.admin('-D -u 10.0.9.1:80')
        equal(family.dump(), [(None, {'no-server': 4})], 'of a deleted service')
        client.udp('10.0.9.2')
        counts(second, no_server=1)
        family.zero()
        equal(family.dump(), [(None, {})], 'all zeroed')
        # 300 services with reasons: several buffers.
        ipvs.admin('-C')
        g.director.run(
            'ipvsadm -R',
            quiet=True,
            stdin=''.join(f'-A -u {VIP}:{port} -s rr\n' for port in range(1000, 1300)),
        )
        for port in range(1000, 1300):
            client.wire.send(ip(CLIENT, VIP, 17, udp(CLIENT, VIP, 5555, port, b'x')))
        until(lambda: family.totals() == {'no-server': 300}, 'all are refused')
        found = [one['port'] for one, counts_ in family.dump()[1:] if counts_]
        equal(sorted(found), list(range(1000, 1300)), 'services')


@case('requests that are wrong: words, and nothing is zeroed', only='rust')
def wrong():
    family = Reasons(g.director)
    ipvs.service(f'-u {VIP}:80')
    with Client() as client:
        afresh()
        client.udp()
        counts(UDP, no_server=1)
    before = family.dump()
    for payload, error in (
        (named({**UDP, 'port': 81}), errno.ESRCH),
        (named(UDP) + named(UDP), errno.EINVAL),
        (named({**UDP, 'timeout': 1}), errno.EINVAL),
        (named({'af': 2}), errno.EINVAL),
        (named({**UDP, 'af': 3}), errno.EAFNOSUPPORT),
        (named({'af': 2, 'fwmark': 0}), errno.EINVAL),
        (nest(SERVICE, b'\1\2\3'), errno.ERANGE),
        (nest(SERVICE, b''), errno.EINVAL),
        (nest(REASON, b''), errno.EINVAL),
        (attr(5, u32(1)), errno.EINVAL),
        (attr(99, u32(1)), errno.EINVAL),
    ):
        for answer in (
            family.genl.call(ZERO_REASONS, payload),
            family.genl.dump(GET_REASONS, payload),
        ):
            got = errno.errorcode.get(answer.error, answer.error)
            equal(got, errno.errorcode[error], f'{payload!r}, with "{answer.words}"')
            true(answer.words, f'{payload!r}: words')
    equal(family.dump(), before, 'what was counted')
    # Commands that take no service do not ignore one.
    for call in (lambda p: family.genl.call(1, p), lambda p: family.genl.dump(2, p)):
        equal(call(named(UDP)).error, errno.EINVAL, 'a service elsewhere')


@case('messages of a backup that are not taken', only='rust')
def sync_messages():
    afresh()
    family = Reasons(g.director)
    ipvs.admin('--start-daemon backup --mcast-interface back --syncid 7')
    with g.s1, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sender.setsockopt(
            socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('10.0.2.11')
        )
        # Of another sync ID, and shorter than it says.
        sender.sendto(struct.pack('!BBHBBH', 0, 8, 8, 0, 1, 0), ('224.0.0.81', 8848))
        sender.sendto(struct.pack('!BBHBBH', 0, 7, 99, 0, 1, 0), ('224.0.0.81', 8848))
        until(lambda: family.totals().get('sync-malformed') == 2, 'both are counted', 5)
    ipvs.admin('--stop-daemon backup')


TRACING = '/sys/kernel/tracing'


@case('the tracepoint skb:kfree_skb names a reason', only='rust')
def tracepoint():
    if not os.path.isdir(f'{TRACING}/events'):
        os.system(f'mount -t tracefs none {TRACING}')

    def write(path, text):
        with open(f'{TRACING}/{path}', 'w', encoding='ascii') as file:
            file.write(text)

    ipvs.service(f'-u {VIP}:80')
    with Client() as client:
        write('trace', '')
        write('events/skb/kfree_skb/enable', '1')
        try:
            client.udp()
            counts_of = Reasons(g.director)
            until(lambda: counts_of.of(UDP), 'the reason')
            ipvs.admin('-C')
            ipvs.service(f'-u {VIP}:80', '-m', ['192.0.2.77'])
            client.udp()
            until(lambda: counts_of.of(UDP), 'the reason')
            with open(f'{TRACING}/trace', encoding='utf-8') as file:
                trace = file.read()
        finally:
            write('events/skb/kfree_skb/enable', '0')
    for line in trace.splitlines():
        if 'rust_ipvs' in line:
            print('#', line.strip())
    words = set(re.findall(r'rust_ipvs\S*.* reason: (\w+)', trace))
    true({'NO_SOCKET', 'IP_OUTNOROUTES'} <= words, f'reasons of the module: {words}')
    true('NOT_SPECIFIED' not in words, f'a drop without a reason: {words}')


@case('names and numbers are those of the specification')
def names():
    here = os.path.dirname(os.path.abspath(__file__))
    path = f'{here}/../../../../Documentation/netlink/specs/ripvs.yaml'
    if not os.path.exists(path):
        return
    with open(path, encoding='utf-8') as file:
        text = file.read()
    part = text.split('name: reason\n')[1].split('\nattribute-sets')[0]
    equal(re.findall(r'name: ([a-z-]+)\n        doc', part), NAMES, 'names')


run(g)
