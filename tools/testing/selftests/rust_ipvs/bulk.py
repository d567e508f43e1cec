#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Bulk TCP through NAT, DR and TUN, over networks that lose, delay, reorder and repeat packets: all data arrives.

LONG=1 keeps at it for a minute.
"""

import os
import subprocess
import threading
import time

from harness import ipvs
from harness.clients import Connection
from harness.fixture import FIXTURE as g
from harness.tap import Skip, case, equal, note, run, true

SECONDS = 60 if os.environ.get('LONG') else 12
VIPS = {4: ('10.0.9.1', '10.0.9.2', '10.0.9.3'), 6: ('fd00:9::1', 'fd00:9::2', 'fd00:9::3')}
SERVERS = {4: '10.0.2.{}', 6: '[fd00:2::{:x}]'}
METHODS = ('-m', '-g', '-i')
# Both ways, so that data, acknowledgments and the segments that open and close are hit alike.
PLACES = (('client', 'eth0'), ('s1', 'back'), ('s1', 'front'), ('director', 'back'))


class Bad:
    """A bad network, until it is left."""

    def __init__(self, words):
        self.words = words

    def __enter__(self):
        if subprocess.run(['modprobe', 'sch_netem'], check=False).returncode:
            raise Skip('the kernel has no sch_netem')
        for space, device in PLACES:
            g.spaces[space].run(f'tc qdisc add dev {device} root netem {self.words}')

    def __exit__(self, *_):
        for space, device in PLACES:
            g.spaces[space].run(f'tc qdisc del dev {device} root', quiet=True)


class Talker(threading.Thread):
    """Sends and fetches over one connection after the other until the time is over."""

    def __init__(self, vip, end):
        super().__init__(daemon=True)
        self.vip, self.end = vip, end
        self.sent = self.fetched = self.connections = 0
        self.wrong = None
        self.start()

    def run(self):
        sizes = (1, 1447, 1448, 1449, 40000, 300000)
        while time.monotonic() < self.end and not self.wrong:
            try:
                with Connection(g.client, self.vip, timeout=40) as connection:
                    self.connections += 1
                    for size in sizes:
                        if not connection.put(size):
                            self.wrong = f'{size} bytes did not arrive as they were sent'
                        self.sent += size
                        if not connection.get(size):
                            self.wrong = f'{size} bytes did not come back as they were sent'
                        self.fetched += size
                        if time.monotonic() > self.end or self.wrong:
                            break
            except (OSError, ValueError) as error:
                self.wrong = f'the connection broke: {error!r}'


def talk(words, seconds):
    """Talks by all methods at once."""
    for version, vips in VIPS.items():
        for vip, method in zip(vips, METHODS):
            at = f'[{vip}]:80' if version == 6 else f'{vip}:80'
            ipvs.service(f'-t {at}', method, [SERVERS[version].format(11) + ':80'])
    with Bad(words):
        end = time.monotonic() + seconds
        talkers = [Talker(vip, end) for vips in VIPS.values() for vip in vips]
        for talker in talkers:
            talker.join(seconds + 120)
            true(not talker.is_alive(), f'{talker.vip}: it hangs')
        for talker in talkers:
            note(
                f'{talker.vip}: {talker.sent} bytes there, {talker.fetched} back, {talker.connections} connections'
            )
    for talker in talkers:
        equal(talker.wrong, None, talker.vip)
        true(talker.connections, f'{talker.vip}: at least one connection')
    true(sum(t.sent for t in talkers) > 50000, 'a good deal was sent')
    equal(
        {row.daddr for row in ipvs.rows()}, {'10.0.2.11', 'fd00:2::b'}, 'servers of the connections'
    )


@case('X-12 X-13 X-17 X-25 T-16 bulk data over a network that loses and repeats', fresh=True)
def loses():
    talk('delay 1ms loss 1% duplicate 1%', SECONDS / 2)


@case(
    'X-12 X-13 X-17 X-25 T-16 bulk data over a network that reorders, loses and repeats', fresh=True
)
def reorders():
    talk('delay 8ms 4ms reorder 30% 50% gap 3 loss 0.5% duplicate 1%', SECONDS / 2)


if __name__ == '__main__':
    run(g)
