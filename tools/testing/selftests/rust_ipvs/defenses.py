#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The defenses against running out of memory: their modes, and whom they hit."""

import os
import time

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, VIP
from harness.packet import ACK, FIN, RST, SYN, Wire, ip, tcp, udp
from harness.tap import always, case, equal, note, run, true, until
from harness.protocol import fake_peer

CLIENT = '10.0.1.99'
DEFENSES = ('drop_entry', 'drop_packet', 'secure_tcp')
# More free pages than this no machine has, and less none.
ALL, NONE = 2**31 - 1, 0


def fake_peers():
    """A client and a server behind whose addresses nobody is."""
    for address, device in ((CLIENT, 'front'), ('10.0.2.99', 'back')):
        fake_peer(address, device)


def reset():
    """All as it comes."""
    for name in DEFENSES:
        ipvs.setting(name, 0)
    ipvs.setting('amemthresh', 1024)
    ipvs.setting('am_droprate', 10)
    ipvs.admin('--set 900 120 300')


@case('12.2 Y-2 the settings of the defenses, their ranges and defaults', fresh=True)
def settings():
    equal(
        [ipvs.setting(name) for name in DEFENSES + ('amemthresh', 'am_droprate')],
        ['0', '0', '0', '1024', '10'],
        'defaults',
    )
    for name in DEFENSES:
        for value in (-1, 4, 'x'):
            try:
                ipvs.setting(name, value)
                true(False, f'{name} takes {value}')
            except OSError:
                pass
            equal(ipvs.setting(name), '0', f'{name} after {value}')
    for name in ('amemthresh', 'am_droprate'):
        for value in (-5, 0, 7):
            ipvs.setting(name, value)
            equal(ipvs.setting(name), str(value), name)
    reset()


@case('Y-2 a mode of 1 becomes 2 while memory is low, and 1 again; 0 and 3 stay', fresh=True)
def modes():
    # The first service is what starts the work of ours that looks at memory once a second.
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])

    def all_are(mode):
        return lambda: [ipvs.setting(name) for name in DEFENSES] == [mode] * len(DEFENSES)

    def set_all(mode):
        for name in DEFENSES:
            ipvs.setting(name, mode)

    ipvs.setting('amemthresh', NONE)
    set_all(1)
    always(all_are('1'), 'they stand by while there is memory', 1.3)
    ipvs.setting('amemthresh', ALL)
    until(all_are('2'), 'they act when there is none', 5)
    ipvs.setting('amemthresh', NONE)
    until(all_are('1'), 'they stand by again', 5)
    for value in (3, 0):
        set_all(value)
        for threshold in (ALL, NONE):
            ipvs.setting('amemthresh', threshold)
            always(all_are(str(value)), f'they stay {value}', 1.3)
    reset()


class Newcomers:
    """Datagrams to the service, each from a port that nobody had; those that are let in have a connection."""

    def __init__(self):
        fake_peers()
        self.wire = Wire(g.client, 'eth0', g.director, 'front')
        self.port = 24000
        # A connection from before the defenses act.
        self.old = Connection(g.client, VIP, kind='udp')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.old.close()
        self.wire.close()

    def come(self, count):
        """Sends so many, one after the other; returns for each whether it was let in."""
        ports = range(self.port, self.port + count)
        self.port += count
        for port in ports:
            self.wire.send(ip(CLIENT, VIP, 17, udp(CLIENT, VIP, port, 80, b'new')))
        # When that has been answered, those before it have been dealt with.
        true(self.old.echo(), 'the connection that was there before')
        known = {row.cport for row in ipvs.rows(caddr=CLIENT)}
        return [port in known for port in ports]


@case(
    'S-6 A-23 drop_packet drops every so many-eth packet that would begin a connection, and no other',
    fresh=True,
)
def drop_packet():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    with Newcomers() as newcomers:
        for rate, asked in ((2, 4), (4, 8), (1, 2)):
            ipvs.setting('am_droprate', rate)
            ipvs.setting('drop_packet', 3)
            # C looks at the rate once a second.
            time.sleep(1.3)
            let_in = newcomers.come(asked)
            equal(
                let_in.count(False),
                asked // rate,
                f'dropped of {asked} with a rate of {rate} ({let_in})',
            )
            if rate == 4:
                dropped = [n for n, was in enumerate(let_in) if not was]
                equal(dropped[1] - dropped[0], 4, 'from one that is dropped to the next')
            for _ in range(8):
                true(newcomers.old.echo(), 'the connection that was there before')
        ipvs.setting('drop_packet', 0)
        time.sleep(1.3)
        equal(newcomers.come(4), [True] * 4, 'without the defense')
    reset()


@case('S-6 packets of no service are not counted', fresh=True)
def drop_packet_of_others():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    with Newcomers() as newcomers:
        ipvs.setting('am_droprate', 2)
        ipvs.setting('drop_packet', 3)
        time.sleep(1.3)
        let_in = []
        for _ in range(6):
            equal(ask(g.client, VIP, 81, kind='udp').name, 'refused', 'a port without a service')
            let_in += newcomers.come(1)
        equal(let_in.count(False), 3, f'dropped of six ({let_in})')
    reset()


@case('S-6 Y-2 drop_packet drops the more the less memory there is', fresh=True)
def drop_packet_by_memory():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    with Newcomers() as newcomers:
        # Hardly anything of so much is available: the rate is 1.
        ipvs.setting('amemthresh', ALL)
        ipvs.setting('drop_packet', 1)
        until(lambda: ipvs.setting('drop_packet') == '2', 'it acts')
        equal(newcomers.come(4), [False] * 4, 'who is let in')
        ipvs.setting('amemthresh', NONE)
        until(lambda: ipvs.setting('drop_packet') == '1', 'it stands by', 5)
        equal(newcomers.come(4), [True] * 4, 'who is let in')
    reset()


def segments(port, flags, wire):
    """Segments of a client to the VIP."""
    for flag in flags:
        wire.send(ip(CLIENT, VIP, 6, tcp(CLIENT, VIP, port, 80, flag)))


def state(port):
    """The state of the connection from a port."""
    rows = ipvs.rows(cport=port)
    return rows[0].state if rows else None


@case('C-26 T-3 drop_entry drops half-open connections, and no others', fresh=True)
def drop_entry_half_open():
    fake_peers()
    ipvs.service(f'-t {VIP}:80', '-g', ['10.0.2.99:80'])
    wire = Wire(g.client, 'eth0', g.director, 'front')
    # Enough of them that a part of the table that is looked through has some; and one in each other
    # state.
    half = range(20000, 20100)
    for port in half:
        segments(port, [SYN], wire)
    others = {21000: [SYN, ACK], 21001: [SYN, ACK, FIN | ACK], 21002: [SYN, ACK, RST]}
    for port, flags in others.items():
        segments(port, flags, wire)
    before = until(
        lambda: len(ipvs.rows()) == 103 and {p: state(p) for p in others}, 'the connections'
    )
    equal(before, {21000: 'ESTABLISHED', 21001: 'FIN_WAIT', 21002: 'CLOSE'}, 'their states')
    always(lambda: len(ipvs.rows(state='SYN_RECV')) == 100, 'without the defense they stay', 1.5)
    ipvs.setting('drop_entry', 3)
    # A 32nd of the table goes a second.
    until(lambda: len(ipvs.rows(state='SYN_RECV')) < 98, 'half-open connections go', 30)
    ipvs.setting('drop_entry', 0)
    equal([state(p) for p in (21000, 21001)], ['ESTABLISHED', 'FIN_WAIT'], 'the others stay')
    time.sleep(1.2)
    left = len(ipvs.rows(state='SYN_RECV'))
    always(lambda: len(ipvs.rows(state='SYN_RECV')) == left, 'they stay again', 1.5)
    (dest,) = ipvs.dests()
    equal(dest.active, left + 1, 'active connections')
    wire.close()
    reset()


@case(
    'C-18 C-26 P-16 the template of connections that drop_entry drops goes with the last, but not one that is assured',
    fresh=True,
)
def drop_entry_templates():
    fake_peers()
    ipvs.service(f'-t {VIP}:80', '-g', ['10.0.2.99:80'], '-s rr -p 600')
    wire = Wire(g.client, 'eth0', g.director, 'front')
    # Templates that only the end of their connections brings to an end: none is looked at by itself
    # while it has one. Two half-open connections each, and for the clients from .200 on one that is
    # open.
    clients = [f'10.0.1.{n}' for n in range(120, 160)]
    real = [f'10.0.1.{n}' for n in range(200, 206)]
    for client in clients + real:
        for port in 20000, 20001:
            wire.send(ip(client, VIP, 6, tcp(client, VIP, port, 80, SYN)))
        if client in real:
            for flag in SYN, ACK:
                wire.send(ip(client, VIP, 6, tcp(client, VIP, 20002, 80, flag)))
    every = 3 * len(clients) + 4 * len(real)
    until(lambda: len(ipvs.rows()) == every, 'the connections and their templates')

    def left():
        """By client, the ports of what is left; a template's is 0."""
        found = {}
        for row in ipvs.rows():
            found.setdefault(row.caddr, set()).add(row.cport)
        return found

    ipvs.setting('drop_entry', 3)
    # A 32nd of the table goes a second.
    until(
        lambda: any(client not in left() for client in clients),
        'a client of whom nothing is left',
        60,
    )
    ipvs.setting('drop_entry', 0)
    time.sleep(1.2)
    ports = left()
    # C IPVS looks at templates of which no connection is left only in the next second.
    lonely = [client for client in clients if ports.get(client) == {0}]
    equal(lonely, [], 'clients of whom only the template is left')
    orphans = [client for client, those in ports.items() if 0 not in those]
    equal(orphans, [], 'clients whose template went before their connections')
    for client in real:
        true(
            {0, 20002} <= ports.get(client, set()),
            f'{client}, who has an open connection, has it and the template',
        )
    wire.close()
    reset()


@case(
    'C-27 drop_entry leaves connections alone that were not idle for a minute, or had more than eight packets',
    fresh=True,
)
def drop_entry_idle():
    if not os.environ.get('LONG'):
        note('only that fresh ones stay; LONG=1 waits for a minute')
    fake_peers()
    ipvs.service(f'-u {VIP}:80', '-g', ['10.0.2.99:80'])
    ipvs.admin('--set 0 0 900')
    wire = Wire(g.client, 'eth0', g.director, 'front')
    for n in range(200):
        # Half of them with one packet, half with nine.
        for _ in range(1 if n % 2 == 0 else 9):
            wire.send(ip(CLIENT, VIP, 17, udp(CLIENT, VIP, 22000 + n, 80, b'x')))
        if n % 20 == 0:
            time.sleep(0.01)
    until(lambda: len(ipvs.rows()) == 200, 'the connections')
    ipvs.setting('drop_entry', 3)
    always(lambda: len(ipvs.rows()) == 200, 'none goes that is fresh', 5)
    if os.environ.get('LONG'):
        time.sleep(60)
        # Each second a 32nd of the table: after three minutes hardly any was not looked at.
        until(
            lambda: len([r for r in ipvs.rows() if r.cport % 2 == 0]) < 50,
            'those with one packet go',
            240,
        )
        equal(
            len([r for r in ipvs.rows() if r.cport % 2 == 1]), 100, 'those with nine packets stay'
        )
    wire.close()
    reset()


@case(
    'T-4 T-5 secure_tcp: an acknowledgment alone does not open, and tables change while it acts',
    fresh=True,
)
def secure_tcp():
    fake_peers()
    wire = Wire(g.client, 'eth0', g.director, 'front')
    back = Wire(g.s1, 'back', g.director, 'back')

    def reply(port, flags):
        back.send(ip('10.0.2.99', CLIENT, 6, tcp('10.0.2.99', CLIENT, 80, port, flags)))

    def leads_to(port, expected):
        until(lambda: state(port) == expected, f'port {port}: {expected} (it is {state(port)})', 3)

    for secure in (0, 3):
        ipvs.setting('secure_tcp', secure)
        time.sleep(1.2)
        ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.99:80'])
        port = 23000 + secure
        segments(port, [SYN], wire)
        leads_to(port, 'SYN_RECV')
        reply(port, SYN | ACK)
        leads_to(port, 'SYNACK' if secure else 'SYN_RECV')
        segments(port, [ACK], wire)
        leads_to(port, 'SYNACK' if secure else 'ESTABLISHED')
        reply(port, ACK)
        leads_to(port, 'ESTABLISHED')
        # With one direction seen only.
        ipvs.admin('-C')
        ipvs.service(f'-t {VIP}:80', '-g', ['10.0.2.99:80'])
        port = 23010 + secure
        segments(port, [SYN], wire)
        leads_to(port, 'SYNACK' if secure else 'SYN_RECV')
        segments(port, [ACK], wire)
        leads_to(port, 'ESTABLISHED')
        segments(port, [ACK], wire)
        leads_to(port, 'ESTABLISHED')
        ipvs.admin('-C')
    wire.close()
    back.close()
    reset()


if __name__ == '__main__':
    run(g)
