#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The ipvs module of the Python library pyroute2: adds, lists, changes, deletes, and its errors.

The library is in the folder $PYROUTE2 (tools/testing/lib/pyroute2.sh), or among Python's own modules.
"""

import os
import socket
import sys

from harness import ipvs
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.tap import case, equal, Failure, run, skip_all, true

sys.path.insert(0, os.environ.get('PYROUTE2') or '/nonexistent')
# It was compiled where it is.
sys.pycache_prefix = None
try:
    from pyroute2 import IPVS, IPVSDest, IPVSService
    from pyroute2.netlink.exceptions import NetlinkError
except ImportError:
    skip_all('the Python library pyroute2 is not here')

TCP = socket.IPPROTO_TCP


def web(**more):
    """A service of TCP."""
    return IPVSService(addr=VIP, port=80, protocol=TCP, **more)


def fails(errno, function, *arguments, **named):
    """Calls FUNCTION, which must raise that error of the kernel's."""
    try:
        function(*arguments, **named)
    except NetlinkError as error:
        equal(error.code, errno, f'the error of {arguments}')
        return
    raise Failure(f'{arguments} must fail')


def services(client):
    """All services, by address or mark."""
    found = [IPVSService.from_message(message) for message in client.service('dump')]
    return {service.get('addr') or service['fwmark']: service for service in found}


def dests(client, service):
    """The destinations of a service, by address."""
    found = [IPVSDest.from_message(message) for message in client.dest('dump', service=service)]
    return {dest['addr']: dest for dest in found}


@case('G-3 G-6 G-8 G-10 pyroute2 adds services and destinations, and lists them')
def add():
    with g.director, IPVS() as client:
        client.service('add', service=web())
        client.dest('add', service=web(), dest=IPVSDest(addr='10.0.2.11', port=80))
        client.dest(
            'add', service=web(), dest=IPVSDest(addr='10.0.2.12', port=8080, fwd_method=0, weight=5)
        )
        client.service(
            'add',
            service=IPVSService(
                addr=VIP6, port=80, protocol=TCP, sched_name='rr', netmask='128.0.0.0'
            ),
        )
        mark = IPVSService(af=socket.AF_INET, fwmark=5, sched_name='sh', netmask='255.255.255.255')
        client.service('add', service=mark)
        found = services(client)
        equal(sorted(map(str, found)), sorted([VIP, VIP6, '5']), 'services')
        equal(found[VIP]['protocol'], TCP, 'the protocol')
        equal(found[VIP]['port'], 80, 'the port')
        there = dests(client, found[VIP])
        equal(
            sorted((address, dest['port']) for address, dest in there.items()),
            [('10.0.2.11', 80), ('10.0.2.12', 8080)],
            'destinations',
        )
        equal(dests(client, found[5]), {}, 'destinations of the mark')
    listed = ipvs.admin('-Ln')
    for words in (f'TCP  {VIP}:80 wlc', f'TCP  [{VIP6}]:80 rr', 'FWM  5 sh'):
        true(words in listed, f'{words} in {listed}')
    equal(
        sorted(dest[:3] for dest in ipvs.dests()),
        [('10.0.2.11:80', 'Route', 1), ('10.0.2.12:8080', 'Masq', 5)],
        'what ipvsadm lists',
    )


@case('G-3 G-19 V-14 pyroute2 changes and deletes them')
def change():
    with g.director, IPVS() as client:
        client.service('add', service=web())
        client.dest('add', service=web(), dest=IPVSDest(addr='10.0.2.11', port=80))
        client.service(
            'set', service=web(sched_name='rr', timeout=60, flags={'flags': 1, 'mask': 0xFFFFFFFF})
        )
        client.dest(
            'set',
            service=web(),
            dest=IPVSDest(addr='10.0.2.11', port=80, fwd_method=2, weight=7, u_thresh=9),
        )
        true(f'TCP  {VIP}:80 rr persistent 60' in ipvs.admin('-Ln'), 'the service has changed')
        equal(
            [dest[:3] for dest in ipvs.dests()],
            [('10.0.2.11:80', 'Tunnel', 7)],
            'the destination has changed',
        )
        client.dest('del', service=web(), dest=IPVSDest(addr='10.0.2.11', port=80))
        equal(dests(client, web()), {}, 'destinations')
        client.service('del', service=web())
        equal(services(client), {}, 'services')


@case('11.2 pyroute2 hears of errors by their numbers')
def errors():
    with g.director, IPVS() as client:
        server = IPVSDest(addr='10.0.2.11', port=80)
        fails(3, client.dest, 'add', service=web(), dest=server)
        fails(3, client.service, 'del', service=web())
        fails(2, client.service, 'add', service=web(sched_name='nosuch'))
        client.service('add', service=web())
        fails(17, client.service, 'add', service=web())
        fails(2, client.dest, 'set', service=web(), dest=server)
        client.dest('add', service=web(), dest=server)
        fails(17, client.dest, 'add', service=web(), dest=server)


if __name__ == '__main__':
    g.want_servers = False
    run(g)
