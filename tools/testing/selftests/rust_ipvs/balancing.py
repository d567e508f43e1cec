#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which real server a new connection goes to, and what a client hears when there is none."""

import contextlib
import errno
import itertools

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.packet import RST, Sniffer, Wire, ip, udp
from harness.tap import case, equal, run, true, until

A, B, C = '10.0.2.11:80', '10.0.2.12:80', '10.0.2.13:80'


def order(count, kind='udp', vip=VIP):
    """Who answers COUNT new clients: "s3 s2 …" as "CBA"."""
    return ''.join(
        '?ABC'[int(name[1])] if name in ('s1', 's2', 's3') else f'({name})'
        for name in (ask(g.client, vip, kind=kind, timeout=3).name for _ in range(count))
    )


@case('A-1 D-6 D-2 V-9 rr goes round, the newest server first', fresh=True)
def round_robin():
    ipvs.service(f'-u {VIP}:80', '-m', [A, B, C])
    equal(order(6), 'CBACBA', 'servers A, B, C answered')
    ipvs.service(f'-t {VIP}:80', '-m', [A, B, C])
    equal(order(6, 'tcp'), 'CBACBA', 'servers A, B, C answered by TCP')
    ipvs.service(f'-u [{VIP6}]:80', '-m', ['[fd00:2::b]:80', '[fd00:2::c]:80', '[fd00:2::d]:80'])
    equal(order(6, vip=VIP6), 'CBACBA', 'servers A, B, C answered over IPv6')


@case('A-1 D-6 Q-47 rr goes on at its place when the server it used last is removed', fresh=True)
def delete_last_used():
    ipvs.service(f'-u {VIP}:80', '-m', [A, B, C])
    equal(order(2), 'CB', 'before B is removed')
    ipvs.admin(f'-d -u {VIP}:80 -r {B}')
    equal(order(4), 'ACAC', 'after B was removed')


@case('D-6 rr when a server is removed that is not the last used', fresh=True)
def delete_other():
    ipvs.service(f'-u {VIP}:80', '-m', [A, B, C])
    equal(order(1), 'C', 'before B is removed')
    ipvs.admin(f'-d -u {VIP}:80 -r {B}')
    equal(order(3), 'ACA', 'after B was removed')
    ipvs.admin(f'-d -u {VIP}:80 -r {A}')
    equal(order(2), 'CC', 'after A was removed')


@case('A-1 D-6 a server added does not come before the present place', fresh=True)
def add_in_between():
    ipvs.service(f'-u {VIP}:80', '-m', [A, B])
    equal(order(1), 'B', 'before C is added')
    ipvs.admin(f'-a -u {VIP}:80 -r {C} -m')
    equal(order(6), 'ACBACB', 'after C was added')


@case('D-6 rr leaves out servers with weight 0, and takes no heed of other weights', fresh=True)
def weights():
    ipvs.admin(f'-A -u {VIP}:80 -s rr')
    ipvs.admin(f'-a -u {VIP}:80 -r {A} -m -w 10')
    ipvs.admin(f'-a -u {VIP}:80 -r {B} -m -w 0')
    ipvs.admin(f'-a -u {VIP}:80 -r {C} -m -w 1')
    equal(order(4), 'CACA', 'with weights 10, 0, 1')
    ipvs.admin(f'-e -u {VIP}:80 -r {B} -m -w 3')
    equal(order(3), 'CBA', 'with weights 10, 3, 1')
    for server in (A, B, C):
        ipvs.admin(f'-e -u {VIP}:80 -r {server} -m -w 0')
    equal(order(1), '(refused)', 'with all weights 0')


@case('D-6 a connection stays where it is, whatever comes and goes', fresh=True)
def stays():
    ipvs.service(f'-t {VIP}:80', '-m', [A, B, C])
    with Connection(g.client, VIP) as connection:
        equal(connection.answer.name, 's3', 'its server')
        for _ in range(4):
            ask(g.client, VIP)
            true(connection.echo(), 'it works')
        ipvs.admin(f'-d -t {VIP}:80 -r {B}')
        ipvs.admin(f'-e -t {VIP}:80 -r {C} -m -w 0')
        true(connection.echo(), 'it works with weight 0')


@case('A-5 S-24 S-25 S-26 a server that is full by its upper threshold is left out', fresh=True)
def thresholds():
    ipvs.admin(f'-A -t {VIP}:80 -s rr')
    ipvs.admin(f'-a -t {VIP}:80 -r {A} -m -x 4')
    held = [Connection(g.client, VIP) for _ in range(4)]
    equal(ask(g.client, VIP).name, 'refused', 'the fifth')
    ipvs.admin(f'-a -t {VIP}:80 -r {B} -m')
    equal(order(2, 'tcp'), 'BB', 'with another server')
    # Without a lower threshold it is u - u/4 = 3: the server is back when it has 2.
    ipvs.admin('--set 0 1 0')
    ipvs.admin(f'-d -t {VIP}:80 -r {B}')
    for connection in held:
        connection.close()


@case('A-5 S-24 S-25 an overloaded server comes back below its lower threshold', fresh=True)
def threshold_back():
    # UDP connections end one second after their last packet; those that are refreshed stay.
    ipvs.admin('--set 0 0 1')
    ipvs.admin(f'-A -u {VIP}:80 -s rr')
    ipvs.admin(f'-a -u {VIP}:80 -r {A} -m -x 4 -y 2')
    held = [Connection(g.client, VIP, kind='udp') for _ in range(4)]
    equal(order(1), '(refused)', 'with 4 connections')

    def refresh(count):
        for connection in held[:count]:
            connection.exchange(b'')
        return len(ipvs.rows())

    until(lambda: refresh(3) == 3, '3 connections', 10)
    equal(order(1), '(refused)', 'with 3 connections')
    until(lambda: refresh(2) == 2, '2 connections', 10)
    equal(order(1), '(refused)', 'with 2 connections')
    until(lambda: refresh(1) == 1, '1 connection', 10)
    equal(order(1), 'A', 'with 1 connection')
    for connection in held:
        connection.close()
    ipvs.admin('--set 0 0 300')


@case('S-25 S-27 thresholds can be edited; a lower one above the upper one is refused', fresh=True)
def threshold_edit():
    ipvs.admin(f'-A -u {VIP}:80 -s rr')
    ipvs.admin(f'-a -u {VIP}:80 -r {A} -m -x 2')
    held = [Connection(g.client, VIP, kind='udp') for _ in range(2)]
    equal(order(1), '(refused)', 'with 2 of 2')
    ipvs.admin(f'-e -u {VIP}:80 -r {A} -m -x 5')
    equal(order(1), 'A', 'with 2 of 5, which is below 4')
    ipvs.admin(f'-e -u {VIP}:80 -r {A} -m -x 3')
    equal(order(1), '(refused)', 'with 3 of 3')
    ipvs.admin(f'-e -u {VIP}:80 -r {A} -m -x 0')
    equal(order(1), 'A', 'without a threshold')
    ipvs.refused(f'-e -u {VIP}:80 -r {A} -m -x 3 -y 4')
    for connection in held:
        connection.close()


@case('U-18 S-24 S-25 C-22 thresholds are judged anew at each edit', fresh=True)
def counts():
    at = f'-u {VIP}:80'
    ipvs.service(at, '-m', [A])
    wire = Wire(g.client, 'eth0', g.director, 'front')
    ports = itertools.count(34000)

    def send(port):
        wire.send(ip('10.0.1.1', VIP, 17, udp('10.0.1.1', VIP, port, 80, b'x')))

    with contextlib.closing(wire):
        for _ in range(8):
            send(next(ports))
        until(lambda: ipvs.dests()[0].inactive == 8, 'eight connections')

        def takes(more, words):
            before = ipvs.dests()[0].inactive
            with Sniffer(g.client, 'eth0') as sniffer:
                send(next(ports))
                if more:
                    until(lambda: ipvs.dests()[0].inactive == before + 1, words)
                else:
                    true(
                        sniffer.wait(lambda packet: packet.type == 3),
                        f'no {words}: the client hears of it',
                    )
                    equal(ipvs.dests()[0].inactive, before, words)

        # The lower one is 8 of 10 and 9 of 12 where none is given.
        for upper, lower, more in (
            (8, 0, 0),
            (10, 0, 0),
            (12, 0, 1),
            (9, 0, 0),
            (0, 0, 1),
            (10, 10, 0),
            (20, 11, 1),
        ):
            ipvs.admin(f'-e {at} -r {A} -m -x {upper} -y {lower}')
            takes(more, f'new connections with thresholds {upper} and {lower}')
        ipvs.refused(f'-e {at} -r {A} -m -x 2147483648')
        # A last packet each, after which they need not be waited for.
        ipvs.admin('--set 0 0 1')
        for row in ipvs.rows():
            send(row.cport)
    until(lambda: ipvs.rows() == [], 'connections end', 15)
    equal(
        [(dest.active, dest.inactive) for dest in ipvs.dests()],
        [(0, 0)],
        'active and inactive connections',
    )
    ipvs.admin('--set 0 0 300')


def unreachable(vip, kind):
    """Asks in vain; returns the ICMP error that came, and checks that no RST did."""
    with Sniffer(g.client, 'eth0') as sniffer:
        equal(
            ask(g.client, vip, kind=kind, timeout=3).name,
            'refused',
            f'what a client of {vip} by {kind} hears',
        )
        error = sniffer.wait(lambda p: p.type in (1, 3) and p.proto in (1, 58))
        true(error, 'an ICMP error')
        equal(
            [p for p in sniffer.all() if p.flags is not None and p.flags & RST], [], 'RST segments'
        )
        return error


@case(
    'S-14 S-17 Q-16 without a real server the client hears "port unreachable", by TCP as well',
    fresh=True,
)
def no_destination():
    for vip, expected in ((VIP, (1, 3, 3)), (VIP6, (58, 1, 4))):
        at = f'[{vip}]' if ':' in vip else vip
        for kind in ('tcp', 'udp'):
            ipvs.admin(f'-A -{kind[0]} {at}:80 -s rr')
            error = unreachable(vip, kind)
            equal(
                (error.proto, error.type, error.code),
                expected,
                f'{vip} {kind}: protocol, type and code',
            )
            equal(error.dst, '10.0.1.1' if vip == VIP else error.dst, 'its addressee')
            equal(error.inner().dst, vip, 'the packet that it is about')
            true(error.transport_sum_is_right(), 'its checksum')
    equal(ipvs.rows(), [], 'connections')


@case('S-17 C-23 a refused client leaves nothing behind and is not counted', fresh=True)
def refused_is_nothing():
    ipvs.admin(f'-A -u {VIP}:80 -s rr')
    for _ in range(5):
        ask(g.client, VIP, kind='udp')
    ipvs.admin(f'-a -u {VIP}:80 -r {A} -m')
    equal(ask(g.client, VIP, kind='udp').name, 's1', 'who answers with a server')
    until(lambda: ipvs.stats(f'{VIP}:80').conns == 1, 'one connection is counted', 5)
    equal(ipvs.stats(f'{VIP}:80').inpkts, 1, 'packets counted')


@case('A-22 C-23 S-13 beyond conn_max packets are dropped, without a word', fresh=True)
def conn_max():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    ipvs.setting('conn_max', 2)
    held = [Connection(g.client, VIP, kind='udp') for _ in range(2)]
    equal(ask(g.client, VIP, kind='udp', timeout=0.5).name, 'timeout', 'what the third hears')
    equal(len(ipvs.rows()), 2, 'connections')
    held[0].exchange(b'old ones go on')
    ipvs.setting('conn_max', 3)
    equal(ask(g.client, VIP, kind='udp').name, 's1', 'what it hears with room for it')
    ipvs.setting('conn_max', 0)
    equal(
        ask(g.client, VIP, kind='udp', timeout=0.5).name,
        'timeout',
        'what a client hears with no room at all',
    )
    for connection in held:
        connection.close()


@case('C-23 Y-1 conn_max has bounds')
def conn_max_bounds():
    before = ipvs.setting('conn_max')
    for wrong in (-1, 2**30 + 1, 'many'):
        try:
            ipvs.setting('conn_max', wrong)
            true(False, f'conn_max = {wrong} is refused')
        except OSError as error:
            equal(error.errno, errno.EINVAL, f'conn_max = {wrong}')
    equal(ipvs.setting('conn_max'), before, 'conn_max')


@case('C-23 a connection that is over makes room', fresh=True)
def room_again():
    ipvs.admin('--set 0 0 1')
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    ipvs.setting('conn_max', 1)
    equal(ask(g.client, VIP, kind='udp').name, 's1', 'the first')
    equal(ask(g.client, VIP, kind='udp', timeout=0.3).name, 'timeout', 'the second')
    until(lambda: not ipvs.rows(), 'it is over', 5)
    equal(ask(g.client, VIP, kind='udp').name, 's1', 'the third')


if __name__ == '__main__':
    run(g)
