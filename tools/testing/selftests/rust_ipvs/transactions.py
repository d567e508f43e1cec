#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Transactions of the family RIPVS beside packets: each finds the service before, or after.

LONG=1 makes ten times as many.
"""

import contextlib
import os
import re
import subprocess

from harness import ipvs
from harness.fixture import FIXTURE as g, SERVER, VIP
from harness.ripvs import (
    DEL_DEST,
    DEL_SERVICE,
    NEW_DEST,
    NEW_SERVICE,
    SET_DEST,
    SET_SERVICE,
    Ripvs,
    applied,
    change,
)
from harness.tap import case, note, run, true, until

PORT = 8097
SERVICE = {'af': 2, 'protocol': 17, 'addr': VIP, 'port': PORT}
ONE_PACKET, FALLBACK = 4, 8
ROUNDS = 3000 if os.environ.get('LONG') else 300
# Half of the destinations take packets, then the other half. They are one server with many ports.
HALVES = [
    [{'addr': SERVER[4], 'port': port} for port in range(first, first + 100)]
    for first in (10001, 10101)
]
# Sends datagrams, each of which is scheduled, until its input ends.
SENDER = """
import socket, sys, select
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(64):
        s.send(b'x')
"""


def rules(space, lines):
    space.run(['nft', '-f', '-'], stdin=lines, quiet=True)


@contextlib.contextmanager
def traffic():
    """Datagrams to the service, each of which must find a destination."""
    to_vip = f'ip daddr {VIP} udp dport {PORT} counter'
    for space, hook, rule in (
        (g.director, 'prerouting', to_vip),
        (g.s1, 'prerouting', 'udp dport 10001-10200 drop'),
    ):
        kind = f'type filter hook {hook} priority -500;'
        rules(space, f'table inet t {{\nchain c {{\n{kind}\n{rule}\n}}\n}}\n')
    before = ipvs.total()[0]
    try:
        with g.client:
            sender = subprocess.Popen(
                ['python3', '-c', SENDER, VIP, str(PORT)], stdin=subprocess.PIPE
            )
        try:
            until(lambda: ipvs.total()[0] > before, 'the first datagram')
            yield
        finally:
            sender.communicate(b'end')
        listed = g.director.run('nft list table inet t', quiet=True)
        sent = int(re.search(r'packets (\d+)', listed)[1])
        until(lambda: ipvs.total()[0] - before >= sent, 'all find a destination')
        note(f'{sent} datagrams, {ROUNDS} transactions')
        true(sent > ROUNDS, 'there are more datagrams than transactions')
    finally:
        for space in (g.director, g.s1):
            space.run('nft delete table inet t', check=False, quiet=True)


def start(family, scheduler):
    """The service, with one half of the destinations at weight 1, the other at 0."""
    dests = [
        change(NEW_DEST, SERVICE, {**one, 'weight': weight})
        for weight, half in zip((1, 0), HALVES)
        for one in half
    ]
    # Of mh, clients of a destination with weight 0 go elsewhere with the flag "mh-fallback" only.
    flags = ONE_PACKET | (FALLBACK if scheduler == 'mh' else 0)
    new = change(NEW_SERVICE, {**SERVICE, 'sched': scheduler, 'flags': flags})
    applied(family, new, *dests)


for SCHEDULER in ('rr', 'wrr', 'wlc', 'mh'):

    @case(f'{SCHEDULER}: weights move from one half to the other', only='rust')
    def weights(scheduler=SCHEDULER):
        family = Ripvs(g.director)
        start(family, scheduler)
        moves = [
            [
                change(SET_DEST, SERVICE, {**one, 'weight': weight})
                for weight, half in zip(order, HALVES)
                for one in half
            ]
            for order in ((0, 1), (1, 0))
        ]
        with traffic():
            for number in range(ROUNDS):
                applied(family, *moves[number % 2])


@case('destinations go, and others come', only='rust')
def lists():
    family = Ripvs(g.director)
    start(family, 'rr')
    applied(family, *(change(DEL_DEST, SERVICE, one) for one in HALVES[1]))
    with traffic():
        for number in range(ROUNDS):
            old, new = HALVES[number % 2], HALVES[1 - number % 2]
            applied(
                family,
                *(change(DEL_DEST, SERVICE, one) for one in old),
                *(change(NEW_DEST, SERVICE, one) for one in new),
            )


@case('the service goes and comes with another scheduler', only='rust')
def services():
    family = Ripvs(g.director)
    start(family, 'rr')
    schedulers = ('wlc', 'mh', 'rr', 'wrr', 'sh')
    with traffic():
        for number in range(ROUNDS):
            scheduler = schedulers[number % len(schedulers)]
            applied(
                family,
                change(DEL_SERVICE, SERVICE),
                change(NEW_SERVICE, {**SERVICE, 'sched': 'rr', 'flags': ONE_PACKET | FALLBACK}),
                change(SET_SERVICE, {**SERVICE, 'sched': scheduler}),
                *(change(NEW_DEST, SERVICE, one) for one in HALVES[number % 2]),
            )


run(g)
