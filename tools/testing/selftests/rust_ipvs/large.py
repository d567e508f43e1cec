#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Large configurations: very many services with one real server, and a service with very many.

LONG=1 makes 65,000 services, and a service of a million real servers, which takes a guest of 4 GB.
"""

import os
import re

from harness import ipvs
from harness.fixture import FIXTURE as g, VIP
from harness.packet import Sniffer, Wire, ip, udp
from harness.tap import case, equal, run, true

SERVICES, DESTINATIONS = (65000, 1000000) if os.environ.get('LONG') else (2500, 5000)
SERVER = '10.0.2.11'
# A read of /proc returns what one of the kernel's buffers holds: a page, unless a record is longer
# than that.
READ = 1 << 22
MOST = 1 << 14


def vip(number):
    """The address and port of a service."""
    return f'10.{64 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}:80'


def server(number):
    """The address and port of a destination."""
    return f'10.{128 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}:80'


def restore(lines):
    """Carries out lines of ipvsadm."""
    g.director.run('ipvsadm -R', stdin='\n'.join(lines) + '\n')


def listed():
    """How many services and destinations /proc/net/ip_vs shows, and the most that a read of it returned."""
    services = destinations = longest = 0
    rest = b''
    with g.director:
        file = os.open('/proc/thread-self/net/ip_vs', os.O_RDONLY)
    while text := os.read(file, READ):
        longest = max(longest, len(text))
        lines = (rest + text).split(b'\n')
        rest = lines.pop()
        destinations += sum(line.startswith(b'  -> ') for line in lines)
        services += sum(line[:5] in (b'TCP  ', b'UDP  ') for line in lines)
    os.close(file)
    # One of the head's lines looks like a destination.
    return services, destinations - 1, longest


def by_netlink():
    """How many destinations ipvsadm lists."""
    return len(re.findall(r'^  -> \S+:80 ', ipvs.admin('-Ln', quiet=True), re.M))


@case(
    'K-2 V-8 L-11 very many services share one real server: added, listed, deleted one by one and all at once',
    fresh=True,
)
def one_server():
    restore(
        line
        for n in range(SERVICES)
        for line in (f'-A -u {vip(n)} -s rr', f'-a -u {vip(n)} -r {SERVER}:80 -m')
    )
    services, destinations, longest = listed()
    equal((services, destinations), (SERVICES, SERVICES), 'services and destinations in /proc')
    true(longest <= MOST, f'a read returns at most {MOST} bytes ({longest})')
    equal(by_netlink(), SERVICES, 'destinations listed by netlink')
    # The oldest go, but for the very first.
    restore(f'-D -u {vip(n)}' for n in range(1, SERVICES // 2))
    left = SERVICES - SERVICES // 2 + 1
    equal(listed()[:2], (left, left), 'services and destinations in /proc')
    has_server('with half of the services')
    restore(f'-D -u {vip(n)}' for n in range(SERVICES // 2 + 1, SERVICES))
    equal(listed()[:2], (2, 2), 'services and destinations in /proc')
    has_server('with two services')
    restore([f'-d -u {vip(0)} -r {SERVER}:80', f'-d -u {vip(SERVICES // 2)} -r {SERVER}:80'])
    restore([f'-a -u {vip(SERVICES // 2)} -r {SERVER}:80 -m'])
    has_server('that was deleted everywhere and came back')
    ipvs.admin('-C')
    equal(listed()[:2], (0, 0), 'services and destinations in /proc')


def has_server(words):
    """The table of servers has SERVER: what it sends that belongs to no connection is refused (H-22)."""
    ipvs.setting('nat_icmp_send', 1)
    with Wire(g.s1, 'back', g.director, 'back') as back, Sniffer(g.s1, 'back') as at_server:
        back.send(ip(SERVER, '10.0.1.1', 17, udp(SERVER, '10.0.1.1', 80, 5000)))
        true(
            at_server.wait(lambda packet: (packet.type, packet.code) == (3, 3)),
            f'the server {words} is told that nobody knows its packet',
        )
    ipvs.setting('nat_icmp_send', 0)


@case('V-9 V-19 K-2 a service of very many destinations: added, listed, deleted', fresh=True)
def one_service():
    at = f'-u {VIP}:80'
    restore([f'-A {at} -s rr', *(f'-a {at} -r {server(n)} -m' for n in range(DESTINATIONS))])
    services, destinations, longest = listed()
    equal((services, destinations), (1, DESTINATIONS), 'services and destinations in /proc')
    true(longest <= MOST, f'a read returns at most {MOST} bytes ({longest})')
    equal(by_netlink(), DESTINATIONS, 'destinations listed by netlink')
    restore(f'-d {at} -r {server(n)}' for n in range(0, DESTINATIONS, 10))
    equal(listed()[1], DESTINATIONS - DESTINATIONS // 10, 'destinations in /proc')
    ipvs.admin(f'-D {at}')
    equal(listed()[:2], (0, 0), 'services and destinations in /proc')
    ipvs.service(at, '-m', [server(0)])
    ipvs.admin('-C')


if __name__ == '__main__':
    run(g)
