#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The states of a TCP connection, segment by segment, as both directions or only one are seen."""

from harness import ipvs
from harness.clients import Connection
from harness.fixture import FIXTURE as g, VIP
from harness.packet import ACK, FIN, RST, SYN, tcp
from harness.tap import case, equal, run, true, until
from harness.protocol import Protocol as Both, fake_peer

TIMEOUTS = {
    'ESTABLISHED': 900,
    'SYN_SENT': 120,
    'SYN_RECV': 60,
    'FIN_WAIT': 120,
    'TIME_WAIT': 120,
    'CLOSE': 10,
    'CLOSE_WAIT': 60,
    'LAST_ACK': 30,
}
FLAGS = {
    'syn': SYN,
    'synack': SYN | ACK,
    'ack': ACK,
    'fin': FIN | ACK,
    'rst': RST,
    'rstack': RST | ACK,
    'null': 0,
}


class Protocol(Both):
    """A TCP connection, segment by segment."""

    option, protocol, name, active = '-t', 6, 'TCP', ('ESTABLISHED', 'SYN_SENT', 'SYN_RECV')

    def packet(self, what, source, destination, ports):
        return tcp(source, destination, *ports, FLAGS[what])

    def lasts(self, state):
        return TIMEOUTS[state]


@case('A-10 T-3 T-4 T-6 NAT: the client closes first')
def nat_client_closes():
    Protocol('-m').walk(
        'client syn SYN_RECV server synack SYN_RECV client ack ESTABLISHED server ack ESTABLISHED '
        'client fin CLOSE_WAIT server ack CLOSE_WAIT server fin TIME_WAIT client ack TIME_WAIT'
    )


@case('A-10 T-4 NAT: the server closes first')
def nat_server_closes():
    Protocol('-m').walk(
        'client syn SYN_RECV server synack SYN_RECV client ack ESTABLISHED '
        'server fin FIN_WAIT client ack FIN_WAIT client fin TIME_WAIT server ack TIME_WAIT'
    )


@case('A-10 T-4 NAT, IPv6: the client closes first')
def nat6_client_closes():
    Protocol('-m', 6).walk(
        'client syn SYN_RECV server synack SYN_RECV client ack ESTABLISHED '
        'client fin CLOSE_WAIT server fin TIME_WAIT client ack TIME_WAIT'
    )


@case('T-4 NAT: the server resets')
def nat_server_resets():
    Protocol('-m').walk('client syn SYN_RECV server rstack CLOSE')


@case('T-4 T-9 NAT: a reset of the client, at first and later')
def nat_client_resets():
    Protocol('-m').walk(
        'client syn SYN_RECV client rst SYN_RECV client ack ESTABLISHED client rst CLOSE'
    )


@case('T-1 a segment without SYN, FIN, ACK and RST closes')
def null_segment():
    Protocol('-m').walk('client syn SYN_RECV client ack ESTABLISHED client null CLOSE')


@case('A-11 T-2 DR: only one direction is seen')
def dr_walk():
    Protocol('-g').walk(
        'client syn SYN_RECV client ack ESTABLISHED client fin FIN_WAIT client ack FIN_WAIT '
        'client rst CLOSE'
    )


@case('A-11 T-2 DR, IPv6: only one direction is seen')
def dr6_walk():
    Protocol('-g', 6).walk(
        'client syn SYN_RECV client ack ESTABLISHED client fin FIN_WAIT client ack FIN_WAIT'
    )


@case('A-11 T-2 TUN: only one direction is seen')
def tun_walk():
    Protocol('-i').walk(
        'client syn SYN_RECV client ack ESTABLISHED client ack ESTABLISHED client fin FIN_WAIT '
        'client ack FIN_WAIT client rst CLOSE'
    )


@case('A-11 S-18 S-20 DR: what a SYN in FIN_WAIT does by conn_reuse_mode')
def dr_syn_in_fin_wait():
    for mode, moves in ((0, False), (1, False), (2, True), (3, True)):
        ipvs.setting('conn_reuse_mode', mode)
        protocol = Protocol('-g')
        protocol.walk('client syn SYN_RECV client ack ESTABLISHED client fin FIN_WAIT')
        # A newer server stands at the head of the list: it is next.
        other = fake_peer('10.0.2.99', 'back')
        ipvs.admin(f'-a -t {VIP}:80 -r {other}:80 -g')
        protocol.say('client', 'syn')
        rows = until(lambda t=protocol: ipvs.rows(cport=t.port, state='SYN_RECV'), 'SYN_RECV again')
        equal(
            rows[0].daddr,
            other if moves else protocol.server_address,
            f'its server with conn_reuse_mode {mode}',
        )
        protocol.close()
        ipvs.admin('-C')
    ipvs.setting('conn_reuse_mode', 1)


@case('T-3 G-14 --set changes how long ESTABLISHED and FIN_WAIT last')
def set_timeouts():
    ipvs.admin('--set 200 33 44')
    protocol = Protocol('-g')
    for what, state, timeout in (
        ('syn', 'SYN_RECV', 60),
        ('ack', 'ESTABLISHED', 200),
        ('fin', 'FIN_WAIT', 33),
    ):
        protocol.say('client', what)
        row = until(
            lambda s=state: next((r for r in ipvs.rows(cport=protocol.port, state=s)), None), state
        )
        true(
            timeout - 5 <= row.expires <= timeout,
            f'{state} lasts {timeout} s (left: {row.expires})',
        )
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
