#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The states of a TCP connection, segment by segment, as both directions or only one are seen."""

from harness import ipvs
from harness.clients import Connection
from harness.ground import GROUND as g, VIP, VIP6
from harness.packet import ACK, FIN, RST, SYN, Wire, ip, tcp
from harness.tap import case, equal, note, run, true, until

# Addresses behind which nobody is, so that only the test speaks for them.
CLIENT = {4: '10.0.1.99', 6: 'fd00:1::99'}
VIPS = {4: VIP, 6: VIP6}
TIMEOUTS = {'ESTABLISHED': 900, 'SYN_SENT': 120, 'SYN_RECV': 60, 'FIN_WAIT': 120, 'TIME_WAIT': 120,
            'CLOSE': 10, 'CLOSE_WAIT': 60, 'LAST_ACK': 30}
FLAGS = {'syn': SYN, 'synack': SYN | ACK, 'ack': ACK, 'fin': FIN | ACK, 'rst': RST, 'rstack': RST | ACK, 'null': 0}


def ghost(address, device):
    """Gives an address of nobody a place on the wire: frames to it go to a bridge and end there."""
    g.director.run(f'ip neigh replace {address} lladdr 02:00:00:00:00:99 dev {device} nud permanent', quiet=True)
    return address


class Talk:
    """A connection whose every segment, of either side, the test sends itself."""

    port = 30000

    def __init__(self, method, version=4):
        Talk.port += 1
        self.port, self.version = Talk.port, version
        # A real server of its own, because one that comes back brings its counts with it (V-13).
        number = Talk.port - 30000 + 100
        self.server_address = ghost(f'10.0.2.{number}' if version == 4 else f'fd00:2::{number}', 'back')
        ghost(CLIENT[version], 'front')
        at = '{}:80' if version == 4 else '[{}]:80'
        ipvs.service(f'-t {at.format(VIPS[version])}', method, [at.format(self.server_address)])
        self.client = Wire(g.client, 'eth0', g.director, 'front')
        self.server = Wire(g.s1, 'back', g.director, 'back')

    def say(self, side, what):
        """One segment from "client" or "server"."""
        v, flags = self.version, FLAGS[what]
        if side == 'client':
            self.client.send(ip(CLIENT[v], VIPS[v], 6, tcp(CLIENT[v], VIPS[v], self.port, 80, flags)))
        else:
            source = self.server_address
            self.server.send(ip(source, CLIENT[v], 6, tcp(source, CLIENT[v], 80, self.port, flags)))

    def row(self):
        """The connection as /proc shows it."""
        found = ipvs.rows(cport=self.port)
        return found[0] if found else None

    def walk(self, steps):
        """Says each segment of "side segment STATE …" and checks the state, its timeout and the counts."""
        words = steps.split()
        for side, what, state in zip(words[0::3], words[1::3], words[2::3]):
            self.say(side, what)
            until(lambda s=state: self.row() and self.row().state == s,
                  f'{what} from the {side} leads to {state} (it is {self.row() and self.row().state})', 3)
            note(f'{side:6} {what:6} -> {state}')
            left, timeout = self.row().expires, TIMEOUTS[state]
            true(timeout - 5 <= left <= timeout, f'{state} lasts {timeout} s (left: {left})')
            active = int(state in ('ESTABLISHED', 'SYN_SENT', 'SYN_RECV'))
            dest = next(d for d in ipvs.dests() if self.server_address in d.address)
            equal((dest.active, dest.inactive), (active, 1 - active), f'active and inactive connections in {state}')

    def close(self):
        """Lets go of the wires."""
        self.client.close()
        self.server.close()


@case('A-10 T-3 T-4 T-6 NAT: the client closes first')
def nat_client_closes():
    Talk('-m').walk('client syn SYN_RECV server synack SYN_RECV client ack ESTABLISHED server ack ESTABLISHED '
                    'client fin CLOSE_WAIT server ack CLOSE_WAIT server fin TIME_WAIT client ack TIME_WAIT')


@case('A-10 T-4 NAT: the server closes first')
def nat_server_closes():
    Talk('-m').walk('client syn SYN_RECV server synack SYN_RECV client ack ESTABLISHED '
                    'server fin FIN_WAIT client ack FIN_WAIT client fin TIME_WAIT server ack TIME_WAIT')


@case('A-10 T-4 NAT, IPv6: the client closes first')
def nat6_client_closes():
    Talk('-m', 6).walk('client syn SYN_RECV server synack SYN_RECV client ack ESTABLISHED '
                       'client fin CLOSE_WAIT server fin TIME_WAIT client ack TIME_WAIT')


@case('T-4 NAT: the server resets')
def nat_server_resets():
    Talk('-m').walk('client syn SYN_RECV server rstack CLOSE')


@case('T-4 T-9 NAT: a reset of the client, at first and later')
def nat_client_resets():
    Talk('-m').walk('client syn SYN_RECV client rst SYN_RECV client ack ESTABLISHED client rst CLOSE')


@case('T-1 a segment without SYN, FIN, ACK and RST closes')
def null_segment():
    Talk('-m').walk('client syn SYN_RECV client ack ESTABLISHED client null CLOSE')


@case('A-11 T-2 DR: only one direction is seen')
def dr_walk():
    Talk('-g').walk('client syn SYN_RECV client ack ESTABLISHED client fin FIN_WAIT client ack FIN_WAIT '
                    'client rst CLOSE')


@case('A-11 T-2 DR, IPv6: only one direction is seen')
def dr6_walk():
    Talk('-g', 6).walk('client syn SYN_RECV client ack ESTABLISHED client fin FIN_WAIT client ack FIN_WAIT')


@case('A-11 T-2 TUN: only one direction is seen')
def tun_walk():
    Talk('-i').walk('client syn SYN_RECV client ack ESTABLISHED client ack ESTABLISHED client fin FIN_WAIT '
                    'client ack FIN_WAIT client rst CLOSE')


@case('A-11 S-18 S-20 DR: what a SYN in FIN_WAIT does by conn_reuse_mode')
def dr_syn_in_fin_wait():
    for mode, moves in ((0, False), (1, False), (2, True), (3, True)):
        ipvs.setting('conn_reuse_mode', mode)
        talk = Talk('-g')
        talk.walk('client syn SYN_RECV client ack ESTABLISHED client fin FIN_WAIT')
        # A newer server stands at the head of the list: it is next.
        other = ghost('10.0.2.99', 'back')
        ipvs.admin(f'-a -t {VIP}:80 -r {other}:80 -g')
        talk.say('client', 'syn')
        rows = until(lambda t=talk: ipvs.rows(cport=t.port, state='SYN_RECV'), 'SYN_RECV again')
        equal(rows[0].daddr, other if moves else talk.server_address, f'its server with conn_reuse_mode {mode}')
        talk.close()
        ipvs.admin('-C')
    ipvs.setting('conn_reuse_mode', 1)


@case('T-3 G-14 --set changes how long ESTABLISHED and FIN_WAIT last')
def set_timeouts():
    ipvs.admin('--set 200 33 44')
    talk = Talk('-g')
    for what, state, timeout in (('syn', 'SYN_RECV', 60), ('ack', 'ESTABLISHED', 200), ('fin', 'FIN_WAIT', 33)):
        talk.say('client', what)
        row = until(lambda s=state: next((r for r in ipvs.rows(cport=talk.port, state=s)), None), state)
        true(timeout - 5 <= row.expires <= timeout, f'{state} lasts {timeout} s (left: {row.expires})')
    ipvs.admin('--set 900 120 300')


@case('T-6 real connections: a closing client, seen on both sides and on one')
def real_connections():
    for method, states in (('-m', {'TIME_WAIT'}), ('-g', {'FIN_WAIT'}), ('-i', {'FIN_WAIT'})):
        ipvs.service(f'-t {VIP}:80', method, ['10.0.2.11:80'])
        with Connection(g.client, VIP) as connection:
            port = connection.port
            until(lambda p=port: ipvs.rows(cport=p)[0].state == 'ESTABLISHED', 'ESTABLISHED')
            equal(ipvs.dests()[0].active, 1, 'active connections')
            true(connection.echo(), 'the echo')
        until(lambda p=port, s=states: ipvs.rows(cport=p)[0].state in s, f'{method}: {states}')
        equal(ipvs.dests()[0].active, 0, 'active connections after closing')
        ipvs.admin('-C')


if __name__ == '__main__':
    run(g)
