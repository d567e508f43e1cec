#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What is done in the background: connections of deleted servers end in steps, and nothing wakes where nothing is due."""

import itertools
import os
import subprocess
import threading
import time

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, TOOL, VIP, VIP6
from harness.received import one_chain, receive
from harness.tap import Skip, always, case, equal, note, run, true, until

MANY = 100000 if os.environ.get('LONG') else 8000
SERVERS = [f'10.0.2.{n}' for n in range(101, 105)]
TRACING = '/sys/kernel/tracing'


class Trace:
    """The kernel writes down which works of ours begin."""

    def __init__(self):
        if not os.path.exists(f'{TRACING}/events'):
            subprocess.run(['mount', '-t', 'tracefs', 'none', TRACING], check=False)
        if not os.path.exists(f'{TRACING}/events/workqueue/workqueue_execute_start'):
            raise Skip('the kernel has no tracepoints')

    def write(self, file, text):
        """Sets something of tracing."""
        with open(f'{TRACING}/{file}', 'w', encoding='ascii') as control:
            control.write(text)

    def __enter__(self):
        self.write('trace', '')
        self.write('events/workqueue/workqueue_execute_start/enable', '1')
        return self

    def __exit__(self, *_):
        self.write('events/workqueue/workqueue_execute_start/enable', '0')

    def works(self):
        """The work that began, for each run since the beginning."""
        with open(f'{TRACING}/trace', encoding='ascii', errors='replace') as file:
            lines = [line for line in file if '[rust_ipvs]' in line]
        return [line.split('work struct ')[1].split(':')[0] for line in lines]


def connect(count, seconds=300):
    """Makes so many connections, spread over the servers."""
    return receive(count, SERVERS, seconds)


def counts():
    """How many connections each server has that is in the service."""
    return {dest.address.split(':')[0]: dest.active + dest.inactive for dest in ipvs.dests()}


def of_clients():
    """How many connections there are, by their servers."""
    found = {}
    for row in ipvs.rows():
        found[row.daddr] = found.get(row.daddr, 0) + 1
    return found


class Resizer(threading.Thread):
    """Changes the size of the connection table again and again, until it is left."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopping = False

    def run(self):
        while not self.stopping:
            for factor in (-6, 2):
                ipvs.setting('conn_lfactor', factor)
                time.sleep(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.join()
        ipvs.setting('conn_lfactor', -2)


@case('S-23 with expire_nodest_conn a deletion that fails ends no connections', fresh=True)
def fails():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80', '10.0.2.12:80'])
    for _ in range(10):
        ask(g.client, VIP, kind='udp')
    ipvs.admin(f'-d -u {VIP}:80 -r 10.0.2.11:80')
    equal(len(ipvs.rows()), 10, 'connections of both servers')
    ipvs.setting('expire_nodest_conn', 1)
    # There is no such server any more, and no such service.
    ipvs.refused(f'-d -u {VIP}:80 -r 10.0.2.11:80')
    ipvs.refused(f'-D -u {VIP}:81')
    always(lambda: len(ipvs.rows()) == 10, 'all connections stay', 0.5)
    # One that succeeds takes those of the other, too.
    ipvs.admin(f'-d -u {VIP}:80 -r 10.0.2.12:80')
    until(lambda: not ipvs.rows(), 'all are gone', 5)
    ipvs.setting('expire_nodest_conn', 0)


@case(
    'S-23 C-28 the connections of deleted servers end, and no others, while the table is resized',
    fresh=True,
)
def resized():
    ipvs.service(f'-u {VIP}:80', '-g', [f'{server}:80' for server in SERVERS])
    made = connect(MANY)
    equal(sum(counts().values()), made, 'connections')
    each = made // len(SERVERS)
    ipvs.setting('expire_nodest_conn', 1)
    with Resizer():
        for number, server in enumerate(SERVERS[:-1]):
            ipvs.admin(f'-d -u {VIP}:80 -r {server}:80')
            left = made - each * (number + 1)
            until(
                lambda n=left: sum(counts().values()) == n,
                f'{left} are left of those with a server',
                30,
            )
            time.sleep(0.1)
    until(
        lambda: of_clients() == {SERVERS[-1]: each},
        f'only those of the last server are there ({of_clients()})',
        30,
    )
    ipvs.setting('expire_nodest_conn', 0)


@case(
    'S-23 V-13 a server that comes back finds the connections that it has left, in its counts',
    fresh=True,
)
def comes_back():
    ipvs.service(f'-u {VIP}:80', '-g', [f'{server}:80' for server in SERVERS])
    made = connect(MANY // 4)
    ipvs.setting('expire_nodest_conn', 1)
    for _ in range(5):
        ipvs.admin(f'-d -u {VIP}:80 -r {SERVERS[0]}:80')
        ipvs.admin(f'-a -u {VIP}:80 -r {SERVERS[0]}:80 -g')
    time.sleep(1)
    of = of_clients()
    note(f'{of} of {made}')
    equal(counts()[SERVERS[0]], of.get(SERVERS[0], 0), 'connections counted')
    equal(
        {of[server] for server in SERVERS[1:]}, {made // len(SERVERS)}, 'connections of the others'
    )
    ipvs.setting('expire_nodest_conn', 0)


@case(
    'S-23 the module goes while the connections of deleted servers are being ended',
    only='rust',
    fresh=True,
)
def unloaded():
    ipvs.service(f'-u {VIP}:80', '-g', [f'{server}:80' for server in SERVERS])
    connect(MANY)
    ipvs.setting('expire_nodest_conn', 1)
    with Resizer():
        for server in SERVERS:
            ipvs.admin(f'-d -u {VIP}:80 -r {server}:80')
    g.unload()
    g.load()


@case(
    'C-16 a namespace without connections has no work, before the first one and after the last one',
    only='rust',
    fresh=True,
)
def rests():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    ipvs.service(f'-u [{VIP6}]:80', '-m', ['[fd00:2::b]:80'])
    time.sleep(0.5)
    with Trace() as trace:
        time.sleep(2)
        equal(len(trace.works()), 0, 'runs with services and without connections')
    ipvs.admin('--set 0 0 1')
    ask(g.client, VIP, kind='udp')
    ask(g.client, VIP6, kind='udp')
    equal(len(ipvs.rows()), 2, 'connections')
    until(lambda: not ipvs.rows(), 'they end', 10)
    time.sleep(1)
    with Trace() as trace:
        time.sleep(2)
        equal(len(trace.works()), 0, 'runs after the last connection')
    ask(g.client, VIP, kind='udp')
    equal(len(ipvs.rows()), 1, 'connections')
    until(lambda: not ipvs.rows(), 'one that comes later ends too', 10)
    ipvs.admin('--set 0 0 300')


@case(
    'S-23 C-16 C-26 C-28 what ends connections, resizes their table and defends it are works apart',
    only='rust',
    fresh=True,
)
def apart():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    ipvs.service(f'-u [{VIP6}]:80', '-m', ['[fd00:2::b]:80'])
    ask(g.client, VIP, kind='udp')
    ask(g.client, VIP6, kind='udp')

    def works():
        with Trace() as trace:
            time.sleep(2.2)
            return set(trace.works())

    ending = works()
    true(len(ending) >= 2, f'each family has works that end its connections ({ending})')
    ipvs.setting('drop_entry', 1)
    defending = works() - ending
    equal(len(defending), 1, 'works that defend')
    ipvs.setting('drop_entry', 0)
    time.sleep(1.2)
    with Trace() as trace:
        ipvs.setting('conn_lfactor', -6)
        time.sleep(0.5)
        resizing = set(trace.works()) - ending - defending
    equal(len(resizing), 2, 'works that resize, one for each family')
    ipvs.setting('conn_lfactor', -2)
    ipvs.setting('expire_nodest_conn', 1)
    with Trace() as trace:
        ipvs.admin(f'-d -u {VIP}:80 -r 10.0.2.11:80')
        until(lambda: len(ipvs.rows()) == 1, 'the connection of the deleted server is gone', 5)
        walking = set(trace.works()) - ending - defending - resizing
    equal(
        len(walking),
        2,
        'works that end connections of deleted servers, and not who deletes: one for each family',
    )
    ipvs.setting('expire_nodest_conn', 0)


@case(
    'C-7 a chain that is too long makes the table take another hash key, while it is used',
    only='rust',
    fresh=True,
)
def another_key():
    # The table keeps its size, the smallest one, so only another key changes the order in it.
    ipvs.setting('conn_lfactor', 8)
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80', '10.0.2.12:80'])
    kept = [Connection(g.client, VIP, timeout=15) for _ in range(4)]
    connect(360)
    known = {row[1:6] for row in ipvs.rows() if row.caddr.startswith('10.90.')}
    equal(len(known), 360, 'connections')

    def order():
        return [row[1:6] for row in ipvs.rows() if row[1:6] in known]

    before = order()
    connect(360)
    equal(order(), before, 'the order of connections after they were heard of again')
    over = threading.Event()

    def others():
        one_chain(1440, SERVERS[0])
        # Each new connection has one chance in as many as there are buckets to come to that chain.
        for count in itertools.count(720, 720):
            if over.is_set():
                return
            connect(count)

    thread = threading.Thread(target=others, daemon=True)
    thread.start()

    def has_another_order():
        equal([connection.echo() for connection in kept], [True] * 4, 'what was sent comes back')
        return order() != before

    try:
        until(has_another_order, 'another order', 20)
    finally:
        over.set()
        thread.join()
    for connection in kept:
        true(connection.echo(), 'what is sent comes back afterwards')
        connection.close()
    equal(sorted(order()), sorted(before), 'connections afterwards')
    equal(len(ipvs.rows(caddr='10.93.0.1')), 1440, 'those of the long chain')
    ipvs.setting('conn_lfactor', -2)


@case(
    'V-9 V-19 what a service with many servers leaves behind is dropped by a work, and not where packets are handled',
    only='rust',
    fresh=True,
)
def dropped():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    servers = [f'-a -u {VIP}:80 -r 10.91.{n // 250}.{n % 250 + 1}:80 -g\n' for n in range(500)]
    g.director.run([TOOL, '-R'], stdin=''.join(servers))
    time.sleep(1)
    with Trace() as trace:
        time.sleep(1)
        equal(len(trace.works()), 0, 'runs before')
        ipvs.admin(f'-D -u {VIP}:80')
        until(trace.works, 'a work runs', 5)


if __name__ == '__main__':
    run(g)
