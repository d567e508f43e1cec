#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which service a packet finds, and what becomes of services and real servers that change or go."""

import time

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.netns import make, remove
from harness.servers import Servers
from harness.tap import case, equal, run, true, until

VIP2 = '10.0.9.2'


def names(count=3, vip=VIP, **rest):
    """Who answers COUNT requests in turn."""
    return [ask(g.client, vip, **rest).name for _ in range(count)]


def mark(family, match, value):
    """Marks matching packets before routing."""
    g.director.run(
        [
            'nft',
            f'table {family} marks {{ chain pre {{ type filter hook prerouting priority -150; '
            f'{match} meta mark set {value}; }}; }}',
        ]
    )


def no_marks():
    g.director.run('nft flush ruleset', quiet=True)


@case('V-1 V-2 a service is found by protocol, address and port together')
def exact():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.12:80'])
    ipvs.service(f'-t {VIP}:8080', '-m', ['10.0.2.13:8080'])
    ipvs.service(f'-t {VIP2}:80', '-m', ['10.0.2.12:80'])
    equal(ask(g.client, VIP).name, 's1', 'TCP VIP:80')
    equal(ask(g.client, VIP, kind='udp').name, 's2', 'UDP VIP:80')
    equal(ask(g.client, VIP, 8080).name, 's3', 'TCP VIP:8080')
    equal(ask(g.client, VIP2).name, 's2', 'TCP VIP2:80')
    equal(ask(g.client, VIP2, 8080).name, 'refused', 'TCP VIP2:8080 has no service')
    equal(ask(g.client, VIP2, kind='udp').name, 'refused', 'UDP VIP2:80 has no service')


@case('V-2 many services are told apart')
def many():
    # More than the table has at first, so that it has grown (V-7).
    lines = ''.join(
        f'-A -u {VIP}:{5000 + n} -s rr\n-a -u {VIP}:{5000 + n} -r 10.0.2.{11 + n % 3}:80 -m\n'
        for n in range(60)
    )
    g.director.run('ipvsadm -R', stdin=lines)
    for n in (0, 1, 2, 30, 31, 32, 57, 58, 59):
        equal(
            ask(g.client, VIP, 5000 + n, 'udp').name,
            f's{1 + n % 3}',
            f'who answers at port {5000 + n}',
        )


@case('V-2 V-5 a firewall mark finds its service, whatever the protocol and the address')
def fwmark():
    ipvs.service('-f 7', '-m', ['10.0.2.11:0'])
    mark('ip', f'ip daddr {{ {VIP}, {VIP2} }}', 7)
    for vip, port, kind in (
        (VIP, 80, 'tcp'),
        (VIP, 8080, 'tcp'),
        (VIP2, 80, 'udp'),
        (VIP2, 8080, 'udp'),
    ):
        answer = ask(g.client, vip, port, kind)
        # S-11: the real server's port 0 keeps the client's.
        equal((answer.name, answer.local_port), ('s1', port), f'{kind} {vip}:{port}')
    no_marks()
    equal(ask(g.client, VIP).name, 'refused', 'without the mark')


@case('V-2 V-5 a firewall mark of IPv6')
def fwmark6():
    ipvs.admin('-A -f 8 -6 -s rr')
    ipvs.admin('-a -f 8 -6 -r [fd00:2::c]:0 -m')
    mark('ip6', f'ip6 daddr {VIP6}', 8)
    equal(ask(g.client, VIP6, 8080).name, 's2', 'TCP')
    equal(ask(g.client, VIP6, 80, 'udp').name, 's2', 'UDP')
    no_marks()


@case('V-2 a mark goes before the address, and a mark without a service does not count')
def fwmark_first():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    ipvs.service('-f 9', '-m', ['10.0.2.12:80'])
    equal(ask(g.client, VIP).name, 's1', 'without a mark')
    mark('ip', 'tcp dport 80', 9)
    equal(ask(g.client, VIP).name, 's2', 'with the mark of a service')
    no_marks()
    mark('ip', 'tcp dport 80', 10)
    equal(ask(g.client, VIP).name, 's1', 'with the mark of none')
    no_marks()


@case('V-2 H-26 a mark and a local route balance addresses that nobody has')
def fwmark_route():
    ipvs.service('-f 11', '-m', ['10.0.2.13:80'])
    mark('ip', 'ip daddr 10.0.77.0/24', 11)
    g.director.run('ip rule add fwmark 11 lookup 111')
    g.director.run('ip route add local 0.0.0.0/0 dev lo table 111')
    for last in (1, 200):
        answer = ask(g.client, f'10.0.77.{last}')
        equal(answer.name, 's3', f'who answered for 10.0.77.{last}')
    g.director.run('ip rule del fwmark 11 lookup 111')
    g.director.run('ip route flush table 111')
    no_marks()


@case('V-2 S-10 S-16 with a service at port 21, other ports of its VIP pass')
def ftp_ports():
    ipvs.service(f'-t {VIP}:21', '-m', ['10.0.2.11:21'])
    servers = Servers()
    servers.add(g.director, [1023, 8080])
    servers.start()
    try:
        # Found by the port 21 service, but not at its port: the packet goes on to the director.
        equal(ask(g.client, VIP, 8080).name, 'director', 'a port from 1024 on')
        equal(ask(g.client, VIP, 1023).name, 'director', 'a lower port')
        equal(ask(g.client, VIP, 8080, 'udp').name, 'director', 'UDP')
        equal(
            [
                row
                for row in ipvs.rows()
                if row.vport in (1023, 8080)
                and row.caddr == '10.0.1.1'
                and row.daddr == '10.0.2.11'
                and row.dport == 21
            ],
            [],
            'connections to the server\'s port 21',
        )
    finally:
        servers.stop()


@case('V-6 a namespace has services, connections and counters of its own')
def namespaces():
    other = make('rv-other')
    try:
        ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
        ask(g.client, VIP)
        until(lambda: ipvs.total().conns > 0, 'a connection is counted', 5)
        equal(
            ipvs.admin('-Ln', space=other).count('\n'), 3, 'lines of the other namespace\'s table'
        )
        equal(ipvs.rows(other), [], 'connections of the other namespace')
        equal(ipvs.total(other).conns, 0, 'connections counted in the other namespace')
        ipvs.admin(f'-A -t {VIP}:80 -s rr', space=other)
        ipvs.admin(f'-A -u {VIP}:81 -s rr', space=other)
        equal('UDP' in ipvs.admin('-Ln'), False, 'the other\'s service is listed here')
        ipvs.setting('conn_reuse_mode', 0, space=other)
        equal(
            ipvs.setting('conn_reuse_mode'),
            '1',
            'a setting that was changed in the other namespace',
        )
        ipvs.admin('-C', space=other)
        equal(ask(g.client, VIP).name, 's1', 'who answered after the other was cleared')
    finally:
        remove(other)


@case('V-9 D-2 A-1 the newest real server comes first')
def newest_first():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.12:80', '10.0.2.11:80', '10.0.2.13:80'])
    lines = g.director.read('/proc/net/ip_vs').splitlines()
    equal(
        [
            ipvs.address(line.split()[1].split(':')[0])
            for line in lines
            if line.startswith('  -> 0A')
        ],
        ['10.0.2.13', '10.0.2.11', '10.0.2.12'],
        'order in /proc/net/ip_vs',
    )
    equal(names(3, kind='udp'), ['s3', 's1', 's2'], 'order of answers')


@case(
    'V-11 V-13 S-22 A-15 a connection waits while its real server is gone, and goes on when it is back',
    fresh=True,
)
def resurrection():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    connection = Connection(g.client, VIP, timeout=20)
    true(connection.echo(), 'the connection works')
    until(lambda: ipvs.stats('10.0.2.11:80').conns == 1, 'it is counted', 5)
    before = ipvs.stats('10.0.2.11:80')
    ipvs.admin(f'-d -t {VIP}:80 -r 10.0.2.11:80')
    connection.sock.sendall(b'while it is gone\n')
    connection.sock.settimeout(0.6)
    try:
        true(not connection.lines.readline(), 'no answer while the server is gone')
    except TimeoutError:
        pass
    equal(len(ipvs.rows(cport=connection.port)), 1, 'connections while the server is gone')
    ipvs.admin(f'-a -t {VIP}:80 -r 10.0.2.11:80 -m')
    # What was sent meanwhile is sent again by TCP.
    connection.sock.settimeout(20)
    connection.lines = connection.sock.makefile('rb')
    equal(connection.lines.readline(), b'while it is gone\n', 'the answer, late')
    true(connection.echo('again\n'), 'the connection works again')
    dest = ipvs.dests()[0]
    equal((dest.active, dest.inactive), (1, 0), 'its connections are those it had')
    until(
        lambda: ipvs.stats('10.0.2.11:80').inpkts > before.inpkts, 'its packets are counted on', 5
    )
    equal(ipvs.stats('10.0.2.11:80').conns, 1, 'its connections are counted on')
    connection.close()


@case(
    'V-13 a service that is made anew starts its counters, not its server\'s connections',
    fresh=True,
)
def service_again():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.12:80'])
    with Connection(g.client, VIP) as connection:
        until(lambda: ipvs.stats(f'{VIP}:80').conns == 1, 'a connection is counted', 5)
        ipvs.admin(f'-D -t {VIP}:80')
        ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.12:80'])
        true(connection.echo(), 'the connection works')
        equal(ipvs.dests()[0].active, 1, 'active connections')
        time.sleep(0.1)
        equal(ipvs.stats(f'{VIP}:80').conns, 0, 'connections counted by the new service')
        equal(ipvs.stats('10.0.2.12:80').conns, 0, 'connections counted by its server')


@case('V-14 an edit changes weight and method; connections keep their method', fresh=True)
def dest_edit():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    with Connection(g.client, VIP) as connection:
        equal(connection.answer.local, '10.0.2.11', 'the address that the server was asked at')
        ipvs.admin(f'-e -t {VIP}:80 -r 10.0.2.11:80 -g -w 5')
        dest = ipvs.dests()[0]
        equal((dest.method, dest.weight, dest.active), ('Route', 5, 1), 'the real server')
        # In this order: NAT's cached route would mislead C IPVS's DR.
        answer = ask(g.client, VIP)
        equal(answer.local, VIP, f'the address that a new connection asked for ({answer})')
        true(connection.echo(), 'the connection still works, by NAT')
        ipvs.admin(f'-e -t {VIP}:80 -r 10.0.2.11:80 -g -w 0')
        true(connection.echo(), 'with weight 0 the connection goes on')
        equal(ask(g.client, VIP, timeout=2).name, 'refused', 'with weight 0 there is no new one')
    for wrong in ('10.0.2.11:81', '10.0.2.12:80'):
        ipvs.refused(f'-e -t {VIP}:80 -r {wrong} -m')


@case(
    'V-14 X-2 DR finds its own way beside connections that still go by NAT', only='rust', fresh=True
)
def dr_beside_nat():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    with Connection(g.client, VIP) as connection:
        ipvs.admin(f'-e -t {VIP}:80 -r 10.0.2.11:80 -g')
        # In C IPVS, this packet's route is DR's as well then, which leads nowhere.
        true(connection.echo(), 'the connection still works, by NAT')
        equal(ask(g.client, VIP).local, VIP, 'the address that a new connection asked for')
        true(connection.echo(), 'the connection works on')


@case('V-17 a service can be edited; its real servers stay')
def service_edit():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    with Connection(g.client, VIP) as connection:
        ipvs.admin(f'-E -t {VIP}:80 -s rr -p 77')
        true('persistent 77' in ipvs.admin('-Ln'), 'persistence is shown')
        ipvs.admin(f'-E -t {VIP}:80 -s rr')
        true('persistent' not in ipvs.admin('-Ln'), 'persistence is gone')
        equal(len(ipvs.dests()), 1, 'real servers')
        true(connection.echo(), 'the connection works')
    ipvs.refused(f'-E -t {VIP}:81 -s rr')
    ipvs.refused(f'-E -t {VIP}:80 -s nosuch')
    equal(ask(g.client, VIP).name, 's1', 'who answers after a refused edit')


@case('V-18 S-14 S-17 a service with the scheduler "none" has no destination')
def no_scheduler():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'], options='-s none')
    true('none' in ipvs.admin('-Ln'), 'the scheduler is shown')
    equal(ask(g.client, VIP).name, 'refused', 'who answers')
    ipvs.admin(f'-E -t {VIP}:80 -s rr')
    equal(ask(g.client, VIP).name, 's1', 'who answers with a scheduler')


@case('V-19 L-11 the connections of a deleted service stay, and are silent')
def service_delete():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    # Without any other service of the family, hooks would not see the packets (H-2).
    ipvs.service(f'-t {VIP2}:80', '-m', ['10.0.2.11:80'])
    connection = Connection(g.client, VIP)
    connection.sock.settimeout(0.6)
    ipvs.admin(f'-D -t {VIP}:80')
    equal(len(ipvs.rows(cport=connection.port)), 1, 'connections')
    connection.sock.sendall(b'anyone?\n')
    try:
        true(not connection.lines.readline(), 'no answer')
    except TimeoutError:
        pass
    connection.close()


@case('V-19 a service in use is deleted and made again, many times')
def delete_and_make():
    for n in range(10):
        ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80', '10.0.2.12:80'])
        equal(ask(g.client, VIP, kind='udp').name, 's2', f'who answers at round {n}')
        ipvs.admin(f'-D -u {VIP}:80' if n % 2 else '-C')


if __name__ == '__main__':
    run(g)
