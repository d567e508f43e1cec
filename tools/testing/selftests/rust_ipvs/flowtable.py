#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Flowtables of nftables beside IPVS: which connections they take, and that none stalls."""

import contextlib
import itertools
import re
import subprocess

from harness import ipvs
from harness.clients import Connection
from harness.fixture import FIXTURE as g, SERVER
from harness.ipvs import at
from harness.tap import Skip, case, equal, note, run, true, until
from harness.tracked import masquerade, rules

KINDS = {'tcp': '-t', 'udp': '-u'}
# VIPs that the servers do not have: with those of the network a server would answer as if by DR.
VIPS = {4: '10.0.9.77', 6: 'fd00:9::4d'}
EACH = list(itertools.product((4, 6), KINDS))
# Questions that a client asks on one connection, after the one that opens it.
QUESTIONS = 6

# What a router with a flowtable has.
OFFLOADING = (
    'flowtable fast { hook ingress priority filter; devices = { "front", "back" }; };'
    'chain through { type filter hook forward priority filter;'
    ' ct state established flow add @fast; };'
)


@contextlib.contextmanager
def offloading(conntrack, more=''):
    """Rules that hand all established connections to a flowtable, and vs.conntrack."""
    modules = ['nf_flow_table', 'nf_flow_table_inet', 'nft_flow_offload']
    if subprocess.run(['modprobe', '-a', *modules], check=False).returncode:
        raise Skip('the kernel has no flowtables')
    with rules(OFFLOADING + more):
        ipvs.setting('conntrack', conntrack)
        for vip in VIPS.values():
            g.director.run(f'ip address add {vip} dev lo')
        try:
            yield
        finally:
            ipvs.setting('conntrack', 0)
            for vip in VIPS.values():
                g.director.run(f'ip address del {vip} dev lo')


def taken(connection):
    """Whether a flowtable has taken the connection of a client's port."""
    lines = g.director.read('/proc/net/nf_conntrack').splitlines()
    found = [line for line in lines if f'sport={connection.port} ' in line]
    for line in found:
        note(line)
    return any('OFFLOAD' in line for line in found)


def answers(connection):
    """How many of the QUESTIONS on a connection are answered, until one is not."""
    connection.sock.settimeout(1)
    for number in range(QUESTIONS):
        if not connection.echo():
            return number
    return QUESTIONS


def converse(version, kind, what):
    """Asks the VIP on one connection; returns how many answers came, and whether it was taken."""
    with Connection(g.client, VIPS[version], kind=kind) as connection:
        number, by_flowtable = answers(connection), taken(connection)
        note(f'{what}, {kind} IPv{version}: {number} answers, in a flowtable: {by_flowtable}')
        return number, by_flowtable


def counted(version, both=True):
    """Whether IPVS has counted more packets than there were questions, in each direction."""
    stats = ipvs.stats(at(VIPS[version]))
    return stats.inpkts > QUESTIONS and (not both or stats.outpkts > QUESTIONS)


def left_alone(version, kind, what):
    """Fails unless every question is answered, and IPVS has seen every packet."""
    equal(
        converse(version, kind, what),
        (QUESTIONS, False),
        f'{what}, {kind} IPv{version}: answers, and whether it was taken',
    )
    until(lambda: counted(version), f'{what}, {kind} IPv{version}: all packets are counted')


@case('a flowtable takes connections that are only routed')
def routed():
    with offloading(1):
        for version, kind in EACH:
            with Connection(g.client, SERVER[version], kind=kind) as connection:
                equal(answers(connection), QUESTIONS, f'answers, {kind} IPv{version}')
                true(taken(connection), f'it was taken, {kind} IPv{version}')


@case('N-1 without conntrack no connection by NAT is taken')
def untracked():
    with offloading(0):
        for version, kind in EACH:
            ipvs.service(f'{KINDS[kind]} {at(VIPS[version])}', '-m', [at(SERVER[version])])
            left_alone(version, kind, 'conntrack=0')
            ipvs.admin('-C')


@case('N-3 N-4 with conntrack ours are not taken, masqueraded or not; those of C are, and stall')
def tracked():
    for more in ('', masquerade(VIPS.values())):
        what = 'masqueraded' if more else 'conntrack=1'
        with offloading(1, more):
            for version, kind in EACH:
                ipvs.service(f'{KINDS[kind]} {at(VIPS[version])}', '-m', [at(SERVER[version])])
                if g.impl == 'rust':
                    left_alone(version, kind, what)
                else:
                    number, by_flowtable = converse(version, kind, what)
                    true(by_flowtable, f'it was taken, {kind} IPv{version}')
                    true(number < QUESTIONS, f'it stalls, {kind} IPv{version}')
                ipvs.admin('-C')


@contextlib.contextmanager
def gateway():
    """The director routes what the first server sends from the VIP, with a neighbour there."""
    mac = re.search(r'ether (\S+)', g.s1.run('ip link show back', quiet=True))[1]
    g.director.run('sysctl -qw net.ipv4.conf.all.accept_local=1')
    for version, vip in VIPS.items():
        g.s1.run(f'ip address add {vip} dev lo')
        g.s1.run(f'ip -{version} rule add from {vip} lookup 100 prio 50')
        # Without it a flowtable has no way to send requests, and takes nothing.
        g.director.run(f'ip neigh replace {vip} lladdr {mac} dev back nud permanent')
    try:
        yield
    finally:
        for version, vip in VIPS.items():
            g.director.run(f'ip neigh del {vip} dev back')
            g.s1.run(f'ip -{version} rule del from {vip} lookup 100 prio 50')
            g.s1.run(f'ip address del {vip} dev lo')
        g.director.run('sysctl -qw net.ipv4.conf.all.accept_local=0')


@case('N-2 nor by DR and TUN, where the director routes the replies')
def not_nat():
    with offloading(1), gateway():
        for (version, kind), method in itertools.product(EACH, ('-g', '-i')):
            ipvs.service(f'{KINDS[kind]} {at(VIPS[version])}', method, [at(SERVER[version])])
            number, by_flowtable = converse(version, kind, method)
            what = f'{method}, {kind} IPv{version}'
            equal(number, QUESTIONS, f'{what}: answers')
            # (By IPv6 there is no route to the VIP by an interface but "lo".)
            expected = g.impl == 'c' and version == 4
            equal(by_flowtable, expected, f'{what}: whether it was taken')
            if g.impl == 'rust':
                true(counted(version, both=False), f'{what}: all packets are counted')
            ipvs.admin('-C')


run(g)
