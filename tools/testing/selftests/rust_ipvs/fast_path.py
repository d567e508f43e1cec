#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The fast path: what it takes, and when, and by which devices. fast_path_odd.py has the wire."""

import contextlib
import os
import re

from harness import ipvs, links, tunnels
from harness.clients import Connection
from harness.fast import CLIENT, METHODS, SERVER, VIPS, VPORT, Flow, path_of, received, serve
from harness.fixture import FIXTURE as g, HERE, VIP, VIP6
from harness.ipvs import at
from harness.packet import Sniffer
from harness.tap import Failure, Skip, case, equal, run, true, until


def taken(flow, packets=5, back=False, **options):
    """Number of packets of the flow that IP does not see. OPTIONS go to ip()."""
    before = received(flow.version)
    for _ in range(packets):
        if back:
            flow.answer(b'taken', **options)
            true(flow.at_me(), 'the reply arrives')
        else:
            flow.ask(b'taken', **options)
            true(flow.at_s1(), 'the request arrives')
    return packets - (received(flow.version) - before)


def until_taken(flow, words='requests are taken', back=False, **options):
    """Waits until packets of the flow are taken. IP may see another packet meanwhile."""
    counts = []

    def are_taken():
        counts.append(taken(flow, back=back, **options))
        return counts[-1] >= 4

    try:
        until(are_taken, words)
    except Failure as failure:
        raise Failure(f'{failure}, but of five packets: {counts[-20:]}') from failure


def chain(table, hook, rule):
    """Makes TABLE ("inet t") at the director, with a chain at HOOK that has RULE."""
    kind = f'{{ type filter hook {hook} priority 0; }}'
    lines = [f'add table {table}', f'add chain {table} c {kind}', f'add rule {table} c {rule}']
    g.director.run(['nft', '-f', '-'], stdin='\n'.join(lines) + '\n', quiet=True)


class Seen:
    """Packets to the VIP that a rule at PRE_ROUTING sees."""

    def __init__(self, version):
        kind, vip = ('ip6', VIP6) if version == 6 else ('ip', VIP)
        chain('inet seen', 'prerouting', f'{kind} daddr {vip} counter')

    def number(self):
        rules = g.director.run('nft list table inet seen', quiet=True)
        return int(re.search(r'packets (\d+)', rules)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        g.director.run('nft delete table inet seen', quiet=True)


for KIND in tunnels.KINDS:
    for VERSION in (4, 6):

        @case(f'{KIND}, IPv{VERSION}: TCP with segments to be cut is taken with 2', only='rust')
        def tunnels_are_taken(kind=KIND, version=VERSION):
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


for METHOD in METHODS:
    for VERSION in (4, 6):

        @case(f'{METHOD} IPv{VERSION}: requests and replies are taken with 2', only='rust')
        def is_taken(method=METHOD, version=VERSION):
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


for VERSION in (4, 6):

    @case(
        f'TUN IPv{VERSION}: packets without room for an outer header are taken with 2', only='rust'
    )
    def gets_room(version=VERSION):
        ipvs.setting('fast_path', 2)
        serve('TUN', version)
        # The frames of a packet socket have room for little more than a link-layer header.
        with Flow(version, 'u') as flow:
            flow.open()
            until_taken(flow)
            ipvs.setting('fast_path', 0)
            flow.ask(b'room')
            slow = flow.at_s1()
            ipvs.setting('fast_path', 2)
            until_taken(flow)
            flow.ask(b'room')
            equal(flow.at_s1(), slow, 'a packet that was taken')


@case('a rule that is added counts for the next packet with 1', only='rust')
def rules():
    ipvs.setting('fast_path', 1)
    serve('NAT', 4)
    with Flow(4, 'u') as flow:
        flow.open()
        until_taken(flow)
        try:
            chain('ip t', 'prerouting', f'udp dport {VPORT} drop')
            flow.ask(b'dropped')
            equal(flow.at_s1(0.3), None, 'a packet after the rule')
        finally:
            g.director.run('nft delete table ip t', quiet=True)
        until_taken(flow, 'requests are taken again')


for VERSION in (4, 6):

    @case(f'IPv{VERSION}: conntrack and defragmentation do not count as rules with 1', only='rust')
    def idle_conntrack(version=VERSION):
        ipvs.setting('fast_path', 1)
        serve('NAT', version)
        with Flow(version, 'u') as flow:
            flow.open()
            flow.answer(b'first')
            true(flow.at_me(), 'the first reply arrives')
            # Replies pass this chain, requests only the hooks of conntrack that it brings.
            try:
                chain('inet t', 'forward', 'ct state invalid counter')
                true(taken(flow, back=True) <= 0, 'no reply is taken')
                until_taken(flow)
            finally:
                g.director.run('nft delete table inet t', quiet=True)
            until_taken(flow, 'replies are taken again', back=True)


for SNAT_REROUTE in (0, 1):

    @case(
        f'X-25 policies of IPsec count for replies, too, with snat_reroute {SNAT_REROUTE}',
        only='rust',
    )
    def policies(snat_reroute=SNAT_REROUTE):
        ipvs.setting('fast_path', 2)
        ipvs.setting('snat_reroute', snat_reroute)
        serve('NAT', 4)
        with Flow(4, 'u') as flow:
            flow.open()
            flow.answer(b'first')
            true(flow.at_me(), 'the first reply arrives')
            until_taken(flow, 'replies are taken', back=True)
            policy = f'dir fwd src {SERVER[4]}/32 dst 0.0.0.0/0'
            try:
                g.director.run(f'ip xfrm policy add {policy} action block', quiet=True)
                flow.answer(b'blocked')
                equal(flow.at_me(0.3), None, 'a reply that a policy blocks')
            finally:
                g.director.run(f'ip xfrm policy delete {policy}', check=False, quiet=True)
                ipvs.setting('snat_reroute', 1)
            # No generation of routes ends with a policy; this ends the epoch.
            ipvs.setting('fast_path', 2)
            until_taken(flow, 'replies are taken again', back=True)


# Rules that are for a reply after its source has become the VIP, and its type of service.
RULES = (('', 0), ('ipproto udp sport 8099', 0), ('tos 0x10', 0x10))


@contextlib.contextmanager
def ruled(rule, version=4):
    """While the block lasts, a rule for what the VIP sends leads to table 124."""
    line = f'rule {{}} from {VIPS[version]} {rule} lookup 124 pref 50'
    g.director.run(f'ip -{version} {line.format("add")}', quiet=True)
    try:
        yield
    finally:
        g.director.run(f'ip -{version} {line.format("del")}', quiet=True)


@case('X-25 IPv4: replies are taken by the route that a rule gives the VIP', only='rust')
def by_rule():
    ipvs.setting('fast_path', 2)
    serve('NAT', 4)
    with links.Link('tap') as link, Flow(4, 'u') as flow:
        there, here = link.sniffer(), flow.at_client
        lines = [f'neigh add {CLIENT[4]} lladdr {links.MAC} dev top nud permanent']
        lines += [f'route add {CLIENT[4]} dev top mtu 1400 table 124']
        links.batch(g.director, lines)
        flow.open()
        for rule, tos in RULES:
            until_taken(flow, 'replies are taken', back=True)
            with ruled(rule):
                flow.at_client = there
                until_taken(flow, f'replies are taken with a rule "{rule}"', True, tos=tos)
                flow.at_client = here
                if tos:
                    until_taken(flow, 'replies with another type of service, too', True)
                    flow.answer(b'other', tos=tos)
                    equal(flow.at_me(0.3), None, f'a packet with {tos} by the other way')
        until_taken(flow, 'replies are taken without a rule', back=True)
        g.director.run(f'ip route replace blackhole {CLIENT[4]} table 124', quiet=True)
        with ruled(''):
            flow.answer(b'blackhole')
            equal(flow.at_me(0.3), None, 'a reply without a route')
        g.director.run('ip route flush table 124', check=False, quiet=True)


@case('X-25 IPv6: replies are taken by the route that a rule gives the VIP', only='rust')
def by_rule6():
    ipvs.setting('fast_path', 2)
    serve('NAT', 6)
    g.director.run('ip route add fd00:1::/64 dev front table 124', quiet=True)
    with Flow(6, 'u') as flow:
        flow.open()
        until_taken(flow, 'replies are taken', back=True)
        with ruled('', 6):
            until_taken(flow, 'replies are taken with a rule', back=True)
            g.director.run('ip route del fd00:1::/64 dev front table 124', quiet=True)
            g.director.run('ip route add unreachable fd00:1::/64 table 124', quiet=True)
            flow.answer(b'unreachable')
            equal(flow.at_me(0.3), None, 'a reply without a route')
        until_taken(flow, 'replies are taken without the rule', back=True)
    g.director.run('ip -6 route flush table 124', check=False, quiet=True)


for METHOD in METHODS:

    @case(f'S-22 {METHOD}: no request is taken for a server that is gone', only='rust')
    def gone(method=METHOD):
        ipvs.setting('fast_path', 2)
        serve(method, 4)
        with path_of(method) as link, Flow(4, 'u', link=link) as flow:
            flow.open()
            until_taken(flow)
            g.admin(f'-d -u {at(VIPS[4], VPORT)} -r {at(SERVER[4], VPORT)}')
            flow.ask(b'gone')
            equal(flow.at_s1(0.3), None, 'a request for a server that is gone')


@case('a device that IPv6 is disabled at takes no request', only='rust')
def disabled():
    ipvs.setting('fast_path', 2)
    serve('NAT', 6)
    switch = '/proc/sys/net/ipv6/conf/front/disable_ipv6'
    shown = g.director.run('ip -6 -o addr show dev front scope global', quiet=True)
    addresses = re.findall(r'inet6 (\S+)', shown)
    with Flow(6, 'u') as flow:
        flow.open()
        until_taken(flow)
        try:
            g.director.write(switch, 1)
            flow.ask(b'disabled')
            equal(flow.at_s1(0.3), None, 'a request by that device')
        finally:
            g.director.write(switch, 0)
            for address in addresses:
                g.director.run(f'ip addr add {address} dev front nodad', check=False, quiet=True)
        until_taken(flow, 'requests are taken again')


@case('the VIP that goes is gone for the next packet, and a route that changes is the new one',
      only='rust')
def routes():
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


@case('a device is renamed, goes down, moves to a namespace and back, and is deleted', only='rust')
def devices():
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
    with Flow(4, 'u') as flow:
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

    @case(f'a device of the kind "{LINK}" has the path, or has it not', only='rust')
    def link_has_path(kind=LINK, want=TAKEN):
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


@case('requests in a tunnel over a VRF pass its device, as they do with 0', only='rust')
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
