#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Very many connections: made, used while their table changes its size, and gone; none is lost, none is left.

LONG=1 makes a million of them.
"""

import os
import re
import subprocess
import threading
import time

from harness import ipvs
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.packet import hardware
from harness.tap import Skip, case, equal, note, run, true, until

MANY = 1000000 if os.environ.get('LONG') else 40000
ENDED = 900 if os.environ.get('LONG') else 120
# How long a connection lasts that is used again and again: longer than it takes to come to it once
# more.
LASTS = 300 if os.environ.get('LONG') else 20
# Counted up together, two numbers without a common divisor meet in each combination once.
PORTS, CLIENTS = 4099, 4096
CACHES = {'rust': ('rust_ipvs_conn', 'rust_ipvs_conn6'), 'c': ('ip_vs_conn', 'ip_vs_conn')}


class Generator:
    """The kernel's packet generator, in the client: the same datagrams each time, of as many flows.

    Of a range of ports it leaves out the last, of a range of addresses it does not.
    """

    PATH = '/proc/thread-self/net/pktgen'

    def __init__(self, count, version=4):
        if subprocess.run(['modprobe', 'pktgen'], check=False).returncode:
            raise Skip('the kernel has no pktgen')
        self.count = count
        self.write('kpktgend_0', 'rem_device_all')
        self.write('kpktgend_0', 'add_device eth0')
        mac = ':'.join(f'{byte:02x}' for byte in hardware(g.director, 'front'))
        for line in (
            f'count {count}',
            'clone_skb 0',
            'pkt_size 80',
            'delay 0',
            f'dst_mac {mac}',
            'udp_src_min 1024',
            f'udp_src_max {1024 + PORTS}',
            'udp_dst_min 80',
            'udp_dst_max 80',
        ):
            self.write('eth0', line)
        if version == 4:
            self.write('eth0', 'src_min 10.77.0.0')
            self.write('eth0', f'src_max 10.77.{CLIENTS // 256 - 1}.255')
            self.write('eth0', f'dst_min {VIP}')
            self.write('eth0', f'dst_max {VIP}')
        else:
            # Of IPv6 addresses it counts none.
            self.write('eth0', 'src6 fd00:1::77')
            self.write('eth0', f'dst6 {VIP6}')

    def write(self, file, line):
        """One command."""
        g.client.write(f'{self.PATH}/{file}', line + '\n')

    def play(self):
        """Sends all of them, and returns when they are sent."""
        # In a process of its own: whatever interrupts the one that waits would stop the generator.
        g.client.run(['sh', '-c', 'echo start >/proc/self/net/pktgen/pgctrl'], quiet=True)
        result = g.client.read(f'{self.PATH}/eth0')
        true('Result: OK' in result, result[-200:])
        sent = int(re.search(r'pkts-sofar: (\d+)', result)[1])
        equal(sent, self.count, 'packets sent')

    def close(self):
        """Takes it away."""
        self.write('kpktgend_0', 'rem_device_all')
        subprocess.run(['modprobe', '-r', 'pktgen'], check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def in_slab():
    """How many connections the slabs of the implementation hold, and in how many pages."""
    objects = pages = 0
    for name in set(CACHES[g.impl]):
        # A kernel with KASAN holds back what was freed, until it is asked.
        shrink = f'/sys/kernel/slab/{name}/shrink'
        if os.path.exists(shrink):
            with open(shrink, 'w', encoding='ascii') as file:
                file.write('1')
    with open('/proc/slabinfo', encoding='ascii') as file:
        for line in file:
            words = line.split()
            if words[0] in set(CACHES[g.impl]):
                objects += int(words[1])
                pages += int(words[14]) * int(words[5])
    return objects, pages


def connections():
    """Active and inactive connections of the first server."""
    dest = ipvs.dests()[0]
    return dest.active + dest.inactive


def buckets():
    """The size of the connection table."""
    return int(re.search(r'size=(\d+)', g.director.read('/proc/net/ip_vs'))[1])


class Resizer(threading.Thread):
    """Changes the size of the table again and again."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sizes = set()
        self.stopping = False
        self.start()

    def run(self):
        factors = [0, -2, 3, -3, 1, -1]
        while not self.stopping:
            factors.append(factors.pop(0))
            ipvs.setting('conn_lfactor', factors[0])
            time.sleep(0.6)
            self.sizes.add(buckets())

    def stop(self):
        """Ends it, and leaves the size as it was."""
        self.stopping = True
        self.join()
        ipvs.setting('conn_lfactor', -2)


def nowhere():
    """A device behind which packets end, and a server there, by DR."""
    g.director.run('ip link add rv-many type dummy', check=False, quiet=True)
    g.director.run('ip addr replace 10.88.0.1/24 dev rv-many', quiet=True)
    g.director.run('ip addr replace fd00:88::1/64 dev rv-many nodad', quiet=True)
    g.director.run('ip link set rv-many up', quiet=True)
    for address in ('10.88.0.2', 'fd00:88::2'):
        g.director.run(
            f'ip neigh replace {address} lladdr 02:00:00:00:00:88 dev rv-many nud permanent',
            quiet=True,
        )
    return '10.88.0.2', '[fd00:88::2]'


def many(count, version, method):
    """Makes, uses and ends COUNT connections."""
    # Objects of closed ones leave the slab's own caches late: what is asked is what comes on top.
    before, pages_before = in_slab()
    server = nowhere()[0 if version == 4 else 1]
    at = f'{VIP}:80' if version == 4 else f'[{VIP6}]:80'
    ipvs.admin('--set 0 0 3600')
    ipvs.service(f'-u {at}', method, [f'{server}:80'])
    with Generator(count, version) as generator:
        start = time.monotonic()
        generator.play()
        until(lambda: ipvs.stats(at).inpkts == count, f'{count} packets came in', 60)
        note(f'{count} connections made in {time.monotonic() - start:.0f} s, {buckets()} buckets')
        equal(connections(), count, 'connections')
        equal(ipvs.stats(at).conns, count, 'connections counted')
        until(lambda: buckets() >= min(count, 4096), 'the table has grown', 30)
        resizer = Resizer()
        try:
            start = time.monotonic()
            ipvs.admin(f'--set 0 0 {LASTS}')
            rounds = 0
            while rounds < 1 or len(resizer.sizes) < 3 and time.monotonic() < start + 10:
                rounds += 1
                generator.play()
                until(
                    lambda r=rounds: ipvs.stats(at).inpkts == (1 + r) * count,
                    f'{count} packets came in',
                    60,
                )
            note(f'{count} connections used {rounds} times in {time.monotonic() - start:.0f} s')
        finally:
            resizer.stop()
        # A last packet each, after which they need not be waited for.
        ipvs.admin('--set 0 0 3')
        generator.play()
        # None was lost: none of the packets of known connections began a new one.
        equal(ipvs.stats(at).conns, count, 'connections counted')
        note(f'sizes of the table meanwhile: {sorted(resizer.sizes)}')
        true(len(resizer.sizes) > 1 or g.impl == 'c', 'the table changed its size meanwhile')
        objects, pages = in_slab()
        note(f'{(objects - before)} connections in {pages - pages_before} pages')
    until(lambda: connections() == 0, 'all connections end', ENDED)
    equal(ipvs.rows(), [], 'rows of /proc')
    until(
        lambda: in_slab()[0] - before < 1000,
        f'their memory is given back ({in_slab()}, before {before})',
        60,
    )
    if g.impl == 'rust':
        # One of less than 16 times the least stays: it may have shrunk to that before the last
        # ended (C-29).
        until(lambda: buckets() <= 2048, f'the table shrinks ({buckets()})', 30)
    ipvs.admin('--set 0 0 300')
    ipvs.admin('-C')


@case(
    'C-13 C-16 C-22 C-28 C-30 very many connections by DR, the table resized while they are used',
    fresh=True,
)
def by_dr():
    many(MANY, 4, '-g')


@case(
    'C-6 C-16 C-28 C-30 many connections by NAT, which are in the table twice, resized while they are used',
    fresh=True,
)
def by_nat():
    many(MANY // 10, 4, '-m')


@case('C-16 C-28 C-30 many connections of IPv6, the table resized while they are used', fresh=True)
def by_dr6():
    many(PORTS, 6, '-g')


@case('K-3 C-28 connections of IPv6 are seen while the table of IPv4 is resized', fresh=True)
def seen_while_resized():
    ipvs.service(f'-u {VIP}:80', '-g', [f'{nowhere()[0]}:80'])
    ipvs.service(f'-u [{VIP6}]:80', '-g', [f'{nowhere()[1]}:80'])
    ipvs.admin('--set 0 0 3600')
    with Generator(8, 6) as generator:
        generator.play()
    with Generator(MANY // 4) as generator:
        generator.play()
    until(lambda: sum(dest.inactive for dest in ipvs.dests()) == MANY // 4 + 8, 'connections')
    for number in range(8):
        ipvs.setting('conn_lfactor', (2, -2)[number % 2])
        # While one resizing is under way or another.
        for _ in range(2):
            seen = {
                line.split()[2]
                for line in g.director.read('/proc/net/ip_vs_conn').splitlines()
                if '[' in line or 'fd00' in line
            }
            equal(len(seen), 8, f'connections of IPv6 that are seen, round {number}')
    ipvs.setting('conn_lfactor', -2)
    ipvs.admin('--set 0 0 300')


@case('C-16 a table full of connections goes with the module', fresh=True)
def unloaded():
    server = nowhere()[0]
    ipvs.service(f'-u {VIP}:80', '-g', [f'{server}:80'])
    with Generator(MANY // 10) as generator:
        generator.play()
        until(lambda: connections() == MANY // 10, 'connections')
    g.unload()
    with open('/proc/slabinfo', encoding='ascii') as file:
        true(not any(line.startswith(CACHES[g.impl]) for line in file), 'its slabs are gone')
    g.load()


if __name__ == '__main__':
    run(g)
