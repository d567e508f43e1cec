#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Persistence: which clients come back to which server, by which template, and for how long (section 4)."""

import os
import time

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.packet import SYN, UDP, Wire, ip, tcp
from harness.servers import Servers
from harness.tap import case, equal, note, run, true, until

VIP2 = '10.0.9.2'
# The server's port in a template that was found to be of no use (P-7).
NEVER = 0xFFFF
LONG = os.environ.get('LONG') == '1'
RIP = {'s1': '10.0.2.11', 's2': '10.0.2.12', 's3': '10.0.2.13'}
RIP6 = {'s1': 'fd00:2::b', 's2': 'fd00:2::c', 's3': 'fd00:2::d'}


def servers(port=80, names=('s1', 's2', 's3')):
    """Real servers as ipvsadm names them."""
    return [f'{RIP[name]}:{port}' for name in names]


def servers6(port=80, names=('s1', 's2', 's3')):
    """Real servers of IPv6 as ipvsadm names them."""
    return [f'[{RIP6[name]}]:{port}' for name in names]


def persist(spec, where, method='-m', options='', timeout=300):
    """A persistent service, round robin."""
    ipvs.service(spec, method, where, f'-s rr -p {timeout} {options}')


def name(source='10.0.1.1', vip=VIP, port=80, kind='tcp'):
    """Who answers a client."""
    return ask(g.client, vip, port, kind, source=source).name


def names(count, *args, **rest):
    """Who answers a client COUNT times, each once."""
    return sorted({name(*args, **rest) for _ in range(count)})


def templates(**match):
    """All templates, as (protocol, client, VIP, its port, server, its port)."""
    return sorted(
        (r.proto, r.caddr, r.vaddr, r.vport, r.daddr, r.dport) for r in ipvs.rows(cport=0, **match)
    )


def template(**match):
    """The row of the only template."""
    found = ipvs.rows(cport=0, **match)
    equal(len(found), 1, f'templates {match or ""}')
    return found[0]


def persistent(address):
    """How many templates a destination is said to have (P-21)."""
    for line in ipvs.admin('-Ln --persistent-conn', quiet=True).splitlines():
        words = line.split()
        if words[:1] == ['->'] and words[1] == address:
            return int(words[3])
    return None


def nft(*lines):
    """Rules in the director."""
    for line in lines:
        g.director.run(['nft', line])


def marks(match, value, family='ip'):
    """Marks what matches, before routing."""
    nft(
        f'add table {family} marks',
        f'add chain {family} marks pre {{ type filter hook prerouting priority -150; }}',
        f'add rule {family} marks pre {match} meta mark set {value}',
    )


def no_marks():
    g.director.run('nft flush ruleset', quiet=True)


class Ports:
    """Servers at further ports, for a while."""

    def __init__(self, *ports):
        self.servers = Servers()
        for space in (g.s1, g.s2, g.s3):
            self.servers.add(space, ports)

    def __enter__(self):
        self.servers.start()

    def __exit__(self, *_):
        self.servers.stop()


# ---- keys ----


@case(
    'P-1 P-3 A-13 a client comes back to its server, another goes elsewhere: one port', fresh=True
)
def one_port():
    persist(f'-t {VIP}:80', servers())
    first = name('10.0.1.1')
    equal(first, 's3', 'the first client\'s server, the newest')
    equal(names(4, '10.0.1.1'), ['s3'], 'it comes back')
    equal(names(4, '10.0.1.2'), ['s2'], 'another client')
    equal(names(4, '10.0.1.3'), ['s1'], 'a third client')
    equal(names(2, '10.0.1.1'), ['s3'], 'and the first again')
    equal(
        templates(),
        [
            ('TCP', '10.0.1.1', VIP, 80, RIP['s3'], 80),
            ('TCP', '10.0.1.2', VIP, 80, RIP['s2'], 80),
            ('TCP', '10.0.1.3', VIP, 80, RIP['s1'], 80),
        ],
        'templates',
    )


@case('P-1 P-3 one port of UDP, and of IPv6', fresh=True)
def one_port_others():
    persist(f'-u {VIP}:80', servers())
    persist(f'-t [{VIP6}]:80', servers6())
    persist(f'-u [{VIP6}]:80', servers6())
    equal(names(3, '10.0.1.1', kind='udp'), ['s3'], 'UDP')
    equal(names(3, '10.0.1.2', kind='udp'), ['s2'], 'another client by UDP')
    for kind in ('tcp', 'udp'):
        equal(names(3, 'fd00:1::1', VIP6, kind=kind), ['s3'], f'IPv6 {kind}')
        equal(names(3, 'fd00:1::2', VIP6, kind=kind), ['s2'], f'another client by IPv6 {kind}')
    equal(
        templates(vaddr=VIP6, proto='UDP'),
        [
            ('UDP', 'fd00:1::1', VIP6, 80, RIP6['s3'], 80),
            ('UDP', 'fd00:1::2', VIP6, 80, RIP6['s2'], 80),
        ],
        'templates',
    )


@case('P-3 P-10 the server\'s port: its own, and the client\'s where that is 0', fresh=True)
def server_ports():
    persist(f'-t {VIP}:80', servers(8080))
    persist(f'-t {VIP2}:8080', servers(0))
    answer = ask(g.client, VIP)
    equal((answer.name, answer.local_port), ('s3', 8080), 'with a port')
    answer = ask(g.client, VIP2, 8080)
    equal((answer.name, answer.local_port), ('s3', 8080), 'without a port')
    equal(
        templates(),
        [
            ('TCP', '10.0.1.1', VIP, 80, RIP['s3'], 8080),
            ('TCP', '10.0.1.1', VIP2, 8080, RIP['s3'], 0),
        ],
        'templates',
    )


@case('P-3 services of a VIP at different ports have templates of their own', fresh=True)
def ports_apart():
    persist(f'-t {VIP}:80', servers())
    persist(f'-t {VIP}:8080', servers(8080))
    equal(name(port=80), 's3', 'port 80')
    name('10.0.1.2', port=8080)
    equal(name(port=8080), 's2', 'port 8080, of which the newest server is taken')
    equal([names(2, port=80), names(2, port=8080)], [['s3'], ['s2']], 'both again')


@case('P-3 P-10 P-4 all ports of a VIP: one template for each protocol, ports are kept', fresh=True)
def all_ports():
    persist(f'-t {VIP}:0', servers(8080))
    persist(f'-u {VIP}:0', servers(0))
    answers = [ask(g.client, VIP, port) for port in (80, 8080, 80)]
    equal(
        [(a.name, a.local_port) for a in answers],
        [('s3', 80), ('s3', 8080), ('s3', 80)],
        'TCP, whatever the port',
    )
    name('10.0.1.2', kind='udp')
    answers = [ask(g.client, VIP, port, 'udp') for port in (8080, 80)]
    equal(
        [(a.name, a.local_port) for a in answers],
        [('s2', 8080), ('s2', 80)],
        'UDP, whatever the port',
    )
    equal(
        templates(caddr='10.0.1.1'),
        [('TCP', '10.0.1.1', VIP, 0, RIP['s3'], 0), ('UDP', '10.0.1.1', VIP, 0, RIP['s2'], 0)],
        'templates',
    )
    equal(names(4, '10.0.1.3'), ['s2'], 'another client')


@case('V-2 P-3 a port of its own goes before all ports', fresh=True)
def port_before_all():
    persist(f'-t {VIP}:0', servers(0, ['s1']))
    persist(f'-t {VIP}:80', servers(80, ['s2']))
    equal([names(2, port=80), names(2, port=8080)], [['s2'], ['s1']], 'port 80 and port 8080')


@case('V-2 S-10 S-14 all ports without persistence: no server, whatever the port', fresh=True)
def all_ports_not_persistent():
    from harness.abi import Genl, NEW_DEST, NEW_SERVICE, dest, service

    with g.director, Genl('IPVS') as genl:
        for command, payload in (
            (NEW_SERVICE, service(addr=VIP, port=0)),
            (NEW_DEST, service(addr=VIP, port=0) + dest(addr=RIP['s1'], port=0)),
        ):
            equal(genl.call(command, payload).error, 0, f'command {command}')
    equal(name(), 'refused', 'what a client hears')
    equal(ipvs.rows(), [], 'connections')
    ipvs.admin(f'-E -t {VIP}:0 -s rr -p 300')
    equal(name(), 's1', 'once it is persistent')


@case('P-3 P-10 V-5 Q-5 a mark gathers ports, protocols and VIPs', fresh=True)
def one_mark():
    persist('-f 7', servers(8080))
    marks(f'ip daddr {{ {VIP}, {VIP2} }}', 7)
    first = ask(g.client, VIP, 80)
    equal(
        (first.name, first.local_port), ('s3', 80), 'the first; the server\'s port does not count'
    )
    for vip, port, kind in (
        (VIP, 8080, 'tcp'),
        (VIP2, 80, 'tcp'),
        (VIP, 80, 'udp'),
        (VIP2, 8080, 'udp'),
    ):
        answer = ask(g.client, vip, port, kind)
        equal((answer.name, answer.local_port), ('s3', port), f'{kind} {vip}:{port}')
    equal(templates(), [('IP', '10.0.1.1', '0.0.0.7', 0, RIP['s3'], 0)], 'templates')
    equal(names(3, '10.0.1.2', VIP2, 8080), ['s2'], 'another client')
    no_marks()


@case('P-3 V-5 marks of IPv6, and that of IPv4 apart from it', fresh=True)
def one_mark6():
    persist('-f 16909060', servers(0))
    persist('-f 16909060 -6', servers6(0))
    marks(f'ip daddr {VIP}', 16909060)
    marks(f'ip6 daddr {VIP6}', 16909060, 'ip6')
    equal(name(), 's3', 'IPv4')
    name('fd00:1::2', VIP6)
    equal(
        [
            name('fd00:1::1', VIP6, port, kind)
            for port, kind in ((80, 'tcp'), (8080, 'tcp'), (80, 'udp'))
        ],
        ['s2'] * 3,
        'IPv6',
    )
    equal(
        templates(caddr='fd00:1::1'),
        [('IP', 'fd00:1::1', '102:304::', 0, RIP6['s2'], 0)],
        'template of IPv6',
    )
    equal(
        templates(caddr='10.0.1.1'),
        [('IP', '10.0.1.1', '1.2.3.4', 0, RIP['s3'], 0)],
        'template of IPv4',
    )
    no_marks()


@case('P-3 V-5 marks by iptables and ip6tables', fresh=True)
def marks_by_iptables():
    persist('-f 3', servers(0))
    persist('-f 4 -6', servers6(0))
    for tool, vip, mark in (('iptables', VIP, 3), ('ip6tables', VIP6, 4)):
        g.director.run(
            f'{tool} -t mangle -A PREROUTING -d {vip} -p tcp -m multiport --dports 80,8080 -j MARK --set-mark {mark}'
        )
    try:
        equal([name(port=port) for port in (80, 8080)], ['s3', 's3'], 'IPv4')
        equal([name('fd00:1::1', VIP6, port) for port in (80, 8080)], ['s3', 's3'], 'IPv6')
        equal(name(kind='udp'), 'refused', 'what is not marked')
    finally:
        for tool in ('iptables', 'ip6tables'):
            g.director.run(f'{tool} -t mangle -F PREROUTING')


@case('V-2 P-3 a marked service beside an unmarked one of the same VIP', fresh=True)
def marked_and_unmarked():
    persist('-f 5', servers(0, ['s1', 's2']))
    persist(f'-t {VIP}:80', servers(80, ['s3']))
    equal(names(2), ['s3'], 'without marks')
    marks(f'ip daddr {VIP} ip saddr 10.0.1.4 tcp dport {{ 80, 8080 }}', 5)
    equal(
        [name('10.0.1.4', port=port) for port in (80, 8080)],
        ['s2', 's2'],
        'a client that is marked',
    )
    equal(names(2), ['s3'], 'one that is not')
    equal(
        templates(),
        [
            ('IP', '10.0.1.4', '0.0.0.5', 0, RIP['s2'], 0),
            ('TCP', '10.0.1.1', VIP, 80, RIP['s3'], 80),
        ],
        'templates',
    )
    no_marks()


@case('P-3 P-10 V-2 F-11 FTP: data connections follow the control connection', fresh=True)
def ftp():
    persist(f'-t {VIP}:21', servers(21))
    with Ports(20, 21, 1023, 1024, 40000):
        control = ask(g.client, VIP, 21)
        equal((control.name, control.local_port), ('s3', 21), 'control connection')
        for port in (40000, 1024, 20):
            data = ask(g.client, VIP, port)
            equal((data.name, data.local_port), ('s3', port), f'data connection to port {port}')
        equal(ask(g.client, VIP, 1023).name, 'refused', 'a port below the unprivileged ones')
        equal(ask(g.client, VIP, 40000, 'udp').name, 'refused', 'UDP')
        equal(templates(), [('TCP', '10.0.1.1', VIP, 0, RIP['s3'], 0)], 'templates')
        equal(
            [name('10.0.1.2', port=port) for port in (40000, 21)],
            ['s2', 's2'],
            'another client, data first',
        )


@case(
    'P-10 FTP at another port of the server: only the control connection is translated', fresh=True
)
def ftp_port():
    persist(f'-t {VIP}:21', servers(80))
    with Ports(40000):
        equal(
            [ask(g.client, VIP, port).local_port for port in (21, 40000)],
            [80, 40000],
            'ports at the server',
        )


@case('P-4 Q-4 the templates of VIP:21 and VIP:0 look alike', fresh=True)
def ftp_and_all_ports_rows():
    persist(f'-t {VIP}:21', servers(0, ['s1']))
    persist(f'-t {VIP2}:0', servers(0, ['s2']))
    with Ports(21):
        name(port=21)
        name(vip=VIP2)
    equal(
        templates(),
        [('TCP', '10.0.1.1', VIP, 0, RIP['s1'], 0), ('TCP', '10.0.1.1', VIP2, 0, RIP['s2'], 0)],
        'templates',
    )


@case('P-4 Q-4 VIP:21 and VIP:0 of one VIP keep their clients apart', only='rust', fresh=True)
def ftp_beside_all_ports():
    persist(f'-t {VIP}:0', servers(0, ['s1']))
    persist(f'-t {VIP}:21', servers(0, ['s2']))
    # Then ports from 1024 on are all ports', as they should be where there is no FTP session.
    with Ports(21):
        equal(
            [name(port=port) for port in (80, 21, 80, 21)],
            ['s1', 's2', 's1', 's2'],
            'ports 80 and 21',
        )
    equal(len(templates()), 2, 'templates')


# ---- networks of clients ----


@case('P-2 a netmask makes a network one client', fresh=True)
def netmask():
    persist(f'-t {VIP}:80', servers(), options='-M 255.255.255.252')
    equal(
        [name(f'10.0.1.{n}') for n in (1, 2, 3, 4, 5, 7, 8)],
        ['s3', 's3', 's3', 's2', 's2', 's2', 's1'],
        'clients .1 to .3, .4 to .7, .8',
    )
    equal(
        [t[1] for t in templates()],
        ['10.0.1.0', '10.0.1.4', '10.0.1.8'],
        'clients of the templates',
    )


@case('P-2 netmask 0 makes all clients one', fresh=True)
def netmask_zero():
    persist(f'-t {VIP}:80', servers(), options='-M 0.0.0.0')
    equal({name(f'10.0.1.{n}') for n in (1, 2, 9)}, {'s3'}, 'who answers')
    equal([t[1] for t in templates()], ['0.0.0.0'], 'clients of the templates')


@case('P-2 a prefix length makes a network of IPv6 one client', fresh=True)
def prefix():
    persist(f'-t [{VIP6}]:80', servers6(), options='-M 64')
    persist(f'-u [{VIP6}]:80', servers6(), options='-M 126')
    equal({name(f'fd00:1::{n}', VIP6) for n in (1, 2, 9)}, {'s3'}, 'clients of a /64')
    equal(
        [name(f'fd00:1::{n}', VIP6, kind='udp') for n in (1, 3, 4, 7, 8)],
        ['s3', 's3', 's2', 's2', 's1'],
        'clients of /126',
    )
    equal([t[1] for t in templates(proto='TCP')], ['fd00:1::'], 'client of the template')


@case('P-2 11.2 G-6 netmasks that make no sense, and those that do')
def netmask_words():
    ipvs.refused(f'-A -t [{VIP6}]:80 -s rr -p -M 0')
    ipvs.refused(f'-A -t [{VIP6}]:80 -s rr -p -M 129')
    ipvs.refused(f'-A -t {VIP}:80 -s rr -p 0')
    ipvs.refused(f'-A -t {VIP}:0 -s rr')
    equal(ipvs.admin('-Ln', quiet=True).count('\n'), 3, 'lines of an empty table')
    # Whatever ipvsadm says of it, IPv6 is one client each without a mask.
    ipvs.admin(f'-A -t [{VIP6}]:80 -s rr -p')
    true('persistent 360' in ipvs.admin('-Ln'), 'the default timeout')


# ---- validity ----


@case(
    'P-8 P-20 A-14 Q-3 with weight 0 a server keeps its clients, and gets no new ones', fresh=True
)
def weight_zero():
    persist(f'-t {VIP}:80', servers())
    equal(name(), 's3', 'its server')
    ipvs.admin(f'-e -t {VIP}:80 -r {RIP["s3"]}:80 -m -w 0')
    equal(names(3), ['s3'], 'with weight 0')
    equal(names(4, '10.0.1.2') + names(4, '10.0.1.3'), ['s2', 's1'], 'other clients')


@case(
    'P-7 P-20 P-21 A-14 expire_quiescent_template: with weight 0 a client goes elsewhere',
    fresh=True,
)
def quiescent():
    persist(f'-t {VIP}:80', servers())
    equal(ipvs.setting('expire_quiescent_template'), '0', 'at first')
    equal(name(), 's3', 'its server')
    ipvs.setting('expire_quiescent_template', 1)
    equal(name(), 's3', 'with a weight')
    ipvs.admin(f'-e -t {VIP}:80 -r {RIP["s3"]}:80 -m -w 0')
    equal(names(3), ['s2'], 'with weight 0')
    equal(
        [t[4:] for t in templates()],
        [(RIP['s2'], 80), (RIP['s3'], NEVER)],
        'templates, the old one until it expires',
    )
    equal(
        (persistent(f'{RIP["s2"]}:80'), persistent(f'{RIP["s3"]}:80')),
        (1, 1),
        'as the servers count them',
    )
    ipvs.admin(f'-e -t {VIP}:80 -r {RIP["s3"]}:80 -m -w 1')
    equal(names(3), ['s2'], 'with a weight again, for good')


@case('P-8 Q-3 S-26 a client comes back to a server that is full', fresh=True)
def overloaded():
    ipvs.admin(f'-A -t {VIP}:80 -s rr -p 300')
    ipvs.admin(f'-a -t {VIP}:80 -r {RIP["s1"]}:80 -m')
    ipvs.admin(f'-a -t {VIP}:80 -r {RIP["s3"]}:80 -m -x 1')
    with Connection(g.client, VIP) as held:
        equal(held.answer.name, 's3', 'its server, now full')
        equal(names(3), ['s3'], 'the same client')
        equal(names(3, '10.0.1.2'), ['s1'], 'another one')


@case('P-9 S-14 without a server there is no template', fresh=True)
def no_server():
    persist(f'-t {VIP}:80', [])
    equal(name(), 'refused', 'what the client hears')
    equal(ipvs.rows(), [], 'templates and connections')


@case('P-19 P-7 P-21 a deleted server\'s clients go elsewhere', fresh=True)
def deleted():
    persist(f'-t {VIP}:80', servers())
    equal(name(), 's3', 'its server')
    ipvs.admin(f'-d -t {VIP}:80 -r {RIP["s3"]}:80')
    equal(len(templates()), 1, 'templates after that')
    equal(names(3), ['s2'], 'its server now')
    equal([t[4:] for t in templates()], [(RIP['s2'], 80), (RIP['s3'], NEVER)], 'templates')
    ipvs.admin(f'-a -t {VIP}:80 -r {RIP["s3"]}:80 -m')
    equal(
        names(3), ['s2'], 'when the old one is back: it was found missing once, which is for good'
    )
    equal(persistent(f'{RIP["s3"]}:80'), 1, 'templates that the old one counts')


@case('P-19 V-13 a server that was away unnoticed has its clients back', fresh=True)
def readded():
    persist(f'-t {VIP}:80', servers())
    equal(name(), 's3', 'its server')
    ipvs.admin(f'-d -t {VIP}:80 -r {RIP["s3"]}:80')
    ipvs.admin(f'-a -t {VIP}:80 -r {RIP["s3"]}:80 -m')
    equal(names(3), ['s3'], 'its server')
    equal(len(templates()), 1, 'templates')


@case('P-19 V-13 V-19 a service that was away has its clients back', fresh=True)
def service_again():
    persist(f'-t {VIP}:80', servers())
    equal([name(), name('10.0.1.2')], ['s3', 's2'], 'their servers')
    ipvs.admin(f'-D -t {VIP}:80')
    equal(len(templates()), 2, 'templates without a service')
    persist(f'-t {VIP}:80', servers())
    # Round robin would have said s3 and s2, and s1 and s3 then.
    equal([name('10.0.1.2'), name(), name('10.0.1.2')], ['s2', 's3', 's2'], 'their servers')
    equal(len(templates()), 2, 'templates')


@case('P-23 P-7 a server at another port is another server', fresh=True)
def other_port():
    persist(f'-t {VIP}:80', servers(80, ['s3']))
    equal(ask(g.client, VIP).local_port, 80, 'its port')
    ipvs.admin(f'-d -t {VIP}:80 -r {RIP["s3"]}:80')
    ipvs.admin(f'-a -t {VIP}:80 -r {RIP["s3"]}:8080 -m')
    equal(ask(g.client, VIP).local_port, 8080, 'its port now')
    equal([t[5] for t in templates()], [8080, NEVER], 'ports of the templates')


@case(
    'P-22 S-18 a port that is used again stays at its server while there is the connection',
    fresh=True,
)
def reuse():
    persist(f'-t {VIP}:80', servers())
    for setting in (0, 1, 3):
        ipvs.setting('conn_reuse_mode', setting)
        connection = Connection(g.client, VIP, source='10.0.1.5', sport=30000 + setting)
        before = connection.answer.name
        connection.reset()
        until(lambda: ipvs.rows(cport=30000 + setting, state='CLOSE'), 'the connection is over', 5)
        ipvs.setting('expire_quiescent_template', 1)
        ipvs.admin(f'-e -t {VIP}:80 -r {RIP[before]}:80 -m -w 0')
        again = ask(g.client, VIP, source='10.0.1.5', sport=30000 + setting).name
        equal(again, before, f'who answers the same port with conn_reuse_mode {setting}')
        ipvs.admin(f'-e -t {VIP}:80 -r {RIP[before]}:80 -m -w 1')


# ---- time ----


@case(
    'P-9 P-12 Q-2 a new connection refreshes a template; what an old one sends does not', fresh=True
)
def refresh():
    persist(f'-t {VIP}:80', servers(), timeout=100)
    with Connection(g.client, VIP) as held:
        equal(template().expires in (99, 100), True, f'time left at first: {template().expires}')
        time.sleep(3)
        true(held.echo(), 'the connection works')
        true(template().expires <= 97, f'time left after traffic: {template().expires}')
        name()
        true(template().expires >= 99, f'time left after a new connection: {template().expires}')
        name('10.0.1.2')
    equal(len(templates()), 2, 'templates')


@case('C-16 P-12 a template without connections goes when its time is up', fresh=True)
def expires():
    ipvs.admin('--set 0 0 1')
    persist(f'-u {VIP}:80', servers(), timeout=3)
    equal(name(kind='udp'), 's3', 'its server')
    start = time.monotonic()
    name('10.0.1.2', kind='udp')
    until(lambda: not ipvs.rows(), 'all is gone', 10)
    true(time.monotonic() - start > 2.5, f'not before its time: {time.monotonic() - start:.1f} s')
    equal(name(kind='udp'), 's1', 'its server now')


@case(
    'P-17 A-12 Q-1 a template that holds a connection outlives its time in steps of a minute',
    fresh=True,
)
def held_longer():
    persist(f'-t {VIP}:80', servers(), timeout=2)
    with Connection(g.client, VIP) as held:
        until(lambda: template().expires > 50, 'it is put off', 5)
        true(template().expires <= 60, f'by a minute: {template().expires}')
        true(held.echo(), 'the connection works')
        equal(len(templates()), 1, 'templates')


@case('P-17 A-12 Q-1 a new connection leaves such a template at a minute', only='c', fresh=True)
def held_then_new_c():
    persist(f'-t {VIP}:80', servers(), timeout=2)
    with Connection(g.client, VIP):
        until(lambda: template().expires > 50, 'it is put off', 5)
        equal(name(), 's3', 'its server')
        true(template().expires > 50, f'time left: {template().expires}')


@case(
    'P-17 C-19 a new connection gives such a template its own time back, and it goes with the last',
    only='rust',
    fresh=True,
)
def held_then_new():
    # By DR the director sees that the client closes, and no more: then a second is enough.
    ipvs.admin('--set 0 1 0')
    persist(f'-t {VIP}:80', servers(), '-g', timeout=2)
    held = Connection(g.client, VIP)
    until(lambda: template().expires > 50, 'it is put off', 5)
    equal(name(), 's3', 'its server')
    true(template().expires <= 2, f'time left after a new connection: {template().expires}')
    # Held again by the old one; after its end another one restores the time, and all ends.
    until(lambda: template().expires > 50, 'it is put off again', 5)
    held.close()
    equal(name(), 's3', 'its server')
    true(template().expires <= 2, f'time left after another connection: {template().expires}')
    until(lambda: not ipvs.rows(), 'the template is gone, and all it held', 15)
    ipvs.admin('--set 0 120 0')


@case(
    'P-17 a long connection and a timeout of 10 s: the template is there at 10, 70 and 130 s'
    + ('' if LONG else ' (LONG=1)'),
    fresh=True,
)
def long_connection():
    persist(f'-t {VIP}:80', servers(), timeout=10)
    start = time.monotonic()
    seen = []
    with Connection(g.client, VIP) as held:
        for moment in (5, 11, 71, 131) if LONG else (11,):
            # The server closes what is silent for longer; that is no matter of the director's.
            while (left := start + moment - time.monotonic()) > 0:
                time.sleep(min(left, 15))
                true(held.echo(), f'the connection works before {moment} s')
            seen.append((moment, template().expires))
        note(f'seconds since the start, seconds left: {seen}')
        if g.impl == 'rust':
            name()
            true(
                template().expires <= 10, f'time left after a new connection: {template().expires}'
            )


@case('P-18 Q-9 an edited timeout is that of new templates', fresh=True)
def edit_timeout():
    persist(f'-t {VIP}:80', servers(), timeout=100)
    name()
    ipvs.admin(f'-E -t {VIP}:80 -s rr -p 1000')
    name()
    equal(
        template().expires in (99, 100),
        True,
        f'time left of the old one after a new connection: {template().expires}',
    )
    name('10.0.1.2')
    true(template(caddr='10.0.1.2').expires > 990, 'time left of the new one')


@case('P-18 Q-9 an edited netmask leaves old templates unused', fresh=True)
def edit_netmask():
    persist(f'-t {VIP}:80', servers())
    equal(name('10.0.1.1'), 's3', 'before')
    ipvs.admin(f'-E -t {VIP}:80 -s rr -p 300 -M 255.255.255.0')
    equal([name('10.0.1.1'), name('10.0.1.2'), name('10.0.1.1')], ['s2', 's2', 's2'], 'after')
    equal([t[1] for t in templates()], ['10.0.1.0', '10.0.1.1'], 'clients of the templates')
    ipvs.admin(f'-E -t {VIP}:80 -s rr -p 300')
    equal(name('10.0.1.1'), 's3', 'with the old mask again')


@case('P-1 V-17 persistence is switched on and off', fresh=True)
def switched():
    ipvs.service(f'-t {VIP}:80', '-m', servers())
    equal([name() for _ in range(3)], ['s3', 's2', 's1'], 'without')
    ipvs.admin(f'-E -t {VIP}:80 -s rr -p 300')
    equal(names(3), ['s3'], 'with')
    ipvs.admin(f'-E -t {VIP}:80 -s rr')
    equal(len(set(name() for _ in range(3))), 3, 'servers without it')
    equal(len(templates()), 1, 'templates')


@case(
    'P-11 C-8 U-22 single packets: there is no connection, and each packet winds the template up',
    fresh=True,
)
def single_packets():
    persist(f'-u {VIP}:80', servers(), '-g', '-o', timeout=100)
    with Connection(g.client, VIP, kind='udp') as one:
        equal(one.answer.name, 's3', 'its server')
        equal(names(3, '10.0.1.2', kind='udp'), ['s2'], 'another client\'s')
        equal(len(ipvs.rows()), 2, 'entries, which are the templates')
        time.sleep(3)
        true(template(caddr='10.0.1.1').expires <= 97, 'time has passed')
        true(b's3' in one.exchange(b'again'), 'the same server')
        true(
            template(caddr='10.0.1.1').expires >= 99,
            f'time left after that: {template(caddr="10.0.1.1").expires}',
        )
    equal(len(ipvs.rows()), 2, 'entries')


# ---- counting ----


@case('P-14 P-21 C-22 connections are counted, templates apart from them', fresh=True)
def counting():
    persist(f'-t {VIP}:80', servers(), '-g')
    for _ in range(3):
        name()
    name('10.0.1.2')
    equal(
        (
            persistent(f'{RIP["s3"]}:80'),
            persistent(f'{RIP["s2"]}:80'),
            persistent(f'{RIP["s1"]}:80'),
        ),
        (1, 1, 0),
        'templates',
    )
    equal(
        {d.address: d.active + d.inactive for d in ipvs.dests()},
        {f'{RIP["s3"]}:80': 3, f'{RIP["s2"]}:80': 1, f'{RIP["s1"]}:80': 0},
        'connections',
    )
    until(lambda: ipvs.stats(f'{VIP}:80').conns == 4, 'the service has counted 4 connections', 5)
    equal(ipvs.stats(f'{RIP["s3"]}:80').conns, 3, 'connections counted by the server')


@case(
    'P-13 C-23 A-22 Q-30 a template takes its place under conn_max, and stays where its connection finds none',
    fresh=True,
)
def limit():
    persist(f'-u {VIP}:80', servers())
    ipvs.setting('conn_max', 1)
    equal(ask(g.client, VIP, kind='udp', timeout=0.4).name, 'timeout', 'what the client hears')
    equal([(r.cport, r.daddr) for r in ipvs.rows()], [(0, RIP['s3'])], 'what there is')
    equal(
        ask(g.client, VIP, kind='udp', source='10.0.1.2', timeout=0.4).name,
        'timeout',
        'what another client hears',
    )
    equal(len(ipvs.rows()), 1, 'entries')
    ipvs.setting('conn_max', 2)
    equal(name(kind='udp'), 's3', 'who answers the client, with room for it')
    equal(len(ipvs.rows()), 2, 'entries')


@case(
    'P-15 T-15 a template is ASSURED once a connection of its is, by TCP or a reply of UDP',
    fresh=True,
)
def assured():
    persist(f'-t {VIP}:80', servers(), '-g')
    persist(f'-u {VIP}:80', servers(), '-g')
    persist(f'-u {VIP2}:80', servers())
    wire = Wire(g.client, 'eth0', g.director, 'front')
    wire.send(ip('10.0.1.77', VIP, 6, tcp('10.0.1.77', VIP, 5555, 80, SYN)))
    wire.close()
    until(lambda: ipvs.rows(caddr='10.0.1.77', cport=0), 'a template', 3)
    equal(template(caddr='10.0.1.77').state, 'NONE', 'with half a connection')
    name()
    equal(
        template(proto='TCP', caddr='10.0.1.1').state, 'ASSURED', 'with an established one, by DR'
    )
    equal(names(2, kind='udp'), ['s3'], 'UDP by DR')
    equal(template(proto='UDP', vaddr=VIP).state, 'NONE', 'UDP by DR, of which no reply is seen')
    equal(len(names(2, vip=VIP2, kind='udp')), 1, 'UDP by NAT')
    equal(template(proto='UDP', vaddr=VIP2).state, 'ASSURED', 'UDP by NAT')


@case('C-9 P-6 packets from port 0 do not meet templates', fresh=True)
def port_zero_packets():
    persist(f'-u {VIP}:80', servers())
    name(kind='udp')
    before = [r for r in ipvs.rows() if r.cport == 0]
    wire = Wire(g.client, 'eth0', g.director, 'front')
    from harness.packet import udp

    wire.send(ip('10.0.1.1', VIP, UDP, udp('10.0.1.1', VIP, 0, 80, b'x')))
    until(lambda: len(ipvs.rows()) == 3, 'a connection of its own', 3)
    wire.close()
    equal(
        sorted(r.state for r in ipvs.rows(cport=0)),
        ['ASSURED', 'UDP'],
        'entries with client port 0',
    )
    equal(len(before), 1, 'templates before')


@case('P-1 C-8 NAT replies, and clients by every method', fresh=True)
def methods():
    for vip, method in ((VIP, '-m'), (VIP2, '-g'), ('10.0.9.3', '-i')):
        persist(f'-t {vip}:80', servers(), method)
        equal(names(3, vip=vip), ['s3'], method)
        equal(names(3, '10.0.1.2', vip), ['s2'], f'{method}, another client')
        with Connection(g.client, vip) as connection:
            true(connection.put(100000) and connection.get(100000), f'{method} carries data')


@case(
    'S-22 S-23 C-18 expire_nodest_conn: with a deleted server go its connections, and its templates',
    fresh=True,
)
def flush_with_server():
    persist(f'-t {VIP}:80', servers())
    ipvs.setting('expire_nodest_conn', 1)
    held = [Connection(g.client, VIP, source=f'10.0.1.{n}') for n in (1, 2, 3)]
    equal(len(templates()), 3, 'templates')
    ipvs.admin(f'-d -t {VIP}:80 -r {RIP["s3"]}:80')
    until(lambda: not ipvs.rows(daddr=RIP['s3'], cport=held[0].port), 'its connection is gone', 5)
    equal(
        len([r for r in ipvs.rows() if r.cport and r.daddr != RIP['s3']]),
        2,
        'connections of others',
    )
    equal(name(), 's2', 'the client\'s server now')
    for connection in held:
        connection.close()


@case(
    'C-5 H-2 a template may outlive the services, and connections end before their templates',
    fresh=True,
)
def leftovers():
    persist(f'-t {VIP}:80', servers())
    persist('-f 9', servers(0))
    marks('udp dport 80', 9)
    held = [Connection(g.client, VIP), Connection(g.client, VIP, kind='udp')]
    ipvs.admin('-C')
    no_marks()
    equal(len(templates()), 2, 'templates')
    g.unload()
    for connection in held:
        connection.close()
    g.load()
    equal(ipvs.rows(), [], 'entries after a reload')


@case('P-1 many clients, each with a template of its own', fresh=True)
def many():
    persist(f'-u {VIP}:80', servers(), '-g')
    wire = Wire(g.client, 'eth0', g.director, 'front')
    from harness.packet import udp

    clients = [f'10.0.{100 + n // 250}.{1 + n % 250}' for n in range(1000)]
    for round_ in (1, 2):
        for client in clients:
            wire.send(ip(client, VIP, UDP, udp(client, VIP, 4000 + round_, 80)))
    wire.close()
    until(lambda: len(ipvs.rows()) == 3000, 'templates and connections', 20)
    server = {r.caddr: r.daddr for r in ipvs.rows(cport=0)}
    equal(len(server), 1000, 'clients')
    equal(
        sorted(list(server.values()).count(RIP[s]) for s in RIP),
        [333, 333, 334],
        'templates of each server',
    )
    for row in ipvs.rows():
        equal(row.daddr, server[row.caddr], f'server of {row.caddr}:{row.cport}')


if __name__ == '__main__':
    run(g)
