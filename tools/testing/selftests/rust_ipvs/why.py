#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ripvsadm why names the cause in set-ups that are broken as those of users, and in no good one."""

import contextlib
import json

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, SERVER, VIP, VIPS
from harness.ipvs import at
from harness.packet import Wire, ip, udp
from harness.tap import case, equal, note, run, true, until

CLIENT = '10.0.1.1'
RUST = g.impl == 'rust'


def look(*words):
    """What `ripvsadm why --json` says."""
    return json.loads(g.director.run(['ripvsadm', 'why', '--json', *words], quiet=True))


def names():
    """The names of reasons and of checks."""
    found = look()
    for one in found['reasons'] + found['checks']:
        note(f'{one["name"]}: {one["text"]}')
        true(one['advice'], f'{one["name"]}: what to do')
    equal(found['counted'], RUST, 'reasons are counted')
    reasons = {one['name'] for one in found['reasons']}
    return reasons, {one['name'] for one in found['checks']}


def blames(reason=None, check=None):
    """The cause is named; REASON by a counter of rust_ipvs."""

    def named():
        reasons, checks = names()
        return (not check or check in checks) and (not RUST or not reason or reason in reasons)

    until(named, f'the reason {reason}, the check {check}', 10)


def afresh():
    g.director.run('ripvsadm why --zero', quiet=True)


def fails(address=VIP, kind='tcp', times=1):
    """Clients get no answer."""
    for _ in range(times):
        answer = ask(g.client, address, kind=kind, timeout=0.6)
        true(answer.peer is None, f'an answer of {answer.name}')


@contextlib.contextmanager
def changed(path, value, space=None):
    """A variable of /proc/sys with another value."""
    space = space or g.director
    path = f'/proc/sys/{path}'
    before = space.read(path).strip()
    space.write(path, value)
    try:
        yield
    finally:
        space.write(path, before)


@contextlib.contextmanager
def undone(space, do, undo):
    """A command, and the one that undoes it."""
    space.run(do)
    try:
        yield
    finally:
        space.run(undo)


for METHOD, OPTION in {'NAT': '-m', 'DR': '-g', 'TUN': '-i'}.items():
    for VERSION in (4, 6):

        @case(f'nothing is said of a good set-up: {METHOD} IPv{VERSION}')
        def good(option=OPTION, version=VERSION):
            vip = VIPS[version]
            for kind in 'tu':
                ipvs.service(f'-{kind} {at(vip)}', option, [at(SERVER[version])])
            afresh()
            for kind in 'tcp', 'udp':
                equal(ask(g.client, vip, kind=kind).name, 's1', f'who answers by {kind}')
            with Connection(g.client, vip) as connection:
                true(connection.get(20000) and connection.put(20000), 'a transfer')
            reasons, checks = names()
            # Path MTU discovery: the client learns what fits into the tunnel.
            true(reasons <= ({'too-big'} if option == '-i' else set()), f'reasons {reasons}')
            equal(checks, set(), 'checks')
            text = g.director.run('ripvsadm why', quiet=True)
            true('Checks: nothing is found.' in text, text)


@case('no route to the server')
def no_route():
    ipvs.service(f'-t {VIP}:80', '-m', ['192.0.2.77:80'])
    fails()
    blames('no-route', 'no-route')


@case('NAT without ip_forward')
def no_forwarding():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    with changed('net/ipv4/ip_forward', 0):
        fails()
        blames(check='ip-forward')
    equal(ask(g.client, VIP).name, 's1', 'afterwards')


@case('a reverse-path filter before IPVS')
def reverse_path():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    with changed('net/ipv4/conf/front/rp_filter', 1):
        with Wire(g.client, 'eth0', g.director, 'front') as wire:
            stranger = '10.0.2.77'
            wire.send(ip(stranger, VIP, 17, udp(stranger, VIP, 4000, 80, b'x')))
        blames(check='rp-filter')


@case('an MTU that is too small', only='rust')
def mtu():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:80'])
    # Not below 1280, with which the device would lose its IPv6 addresses.
    with undone(g.director, 'ip link set back mtu 1300', 'ip link set back mtu 1500'):
        with Wire(g.client, 'eth0', g.director, 'front') as wire:
            data = udp(CLIENT, VIP, 4001, 80, bytes(1350))
            wire.send(ip(CLIENT, VIP, 17, data, df=True))
        blames('too-big')


# The counters of C lag behind.
@case('NAT, and the server has another way back to the client', only='rust', fresh=True)
def no_return():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    rule = 'from 10.0.2.0/24 to 10.0.1.0/24 lookup 100'
    with undone(g.s1, f'ip rule del {rule}', f'ip rule add {rule}'):
        fails(times=6)
        blames(check='no-reply')
    equal(ask(g.client, VIP).name, 's1', 'afterwards')
    equal(names()[1], set(), 'checks afterwards')


@case('a virtual address that is not local')
def foreign_address():
    ipvs.service('-t 10.0.9.9:80', '-g', ['10.0.2.11:80'])
    fails('10.0.9.9')
    blames(check='vip-not-local')
    with undone(
        g.director, 'ip addr add 10.0.9.9/32 dev lo', 'ip addr del 10.0.9.9/32 dev lo'
    ):
        equal(names()[1], set(), 'checks with the address')


@case('DR, and a firewall that drops invalid packets')
def firewall():
    ipvs.service(f'-t {VIP}:80', '-g', ['10.0.2.11:80'])
    rules = '''table ip fw {
        chain in {
            type filter hook input priority 0
            ct state invalid counter drop
        }
    }
    '''
    g.director.run(['nft', '-f', '-'], stdin=rules)
    try:
        until(lambda: ask(g.client, VIP, timeout=0.5) and True, 'a packet makes conntrack work')
        with changed('net/netfilter/nf_conntrack_tcp_loose', 0):
            fails()
            blames(check='conntrack-invalid')
    finally:
        g.director.run('nft delete table ip fw')


@case('upper thresholds that are reached', fresh=True)
def thresholds():
    ipvs.service(f'-t {VIP}:80')
    ipvs.admin(f'-a -t {VIP}:80 -r 10.0.2.11 -m -x 1')
    with Connection(g.client, VIP):
        fails()
        blames('overloaded', 'overloaded')


@case('weight 0, and no server at all')
def no_servers():
    ipvs.service(f'-t {VIP}:80')
    fails()
    blames('no-server', 'no-server')
    afresh()
    ipvs.admin(f'-a -t {VIP}:80 -r 10.0.2.11 -m -w 0')
    fails()
    blames('weight-zero', 'weight-zero')


@case('conn_max is reached', fresh=True)
def limit():
    if not ipvs.has_setting('conn_max'):
        return
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    with Connection(g.client, VIP), changed('net/ipv4/vs/conn_max', 1):
        fails()
        blames('conn-limit', 'conn-limit' if RUST else None)


@case('defenses are active')
def defenses():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    for name in 'drop_entry', 'drop_packet', 'secure_tcp':
        with changed(f'net/ipv4/vs/{name}', 3):
            (one,) = look()['checks']
            equal(one['name'], 'defense-active', 'the check')
            true(name in one['text'], one['text'])
    with changed('net/ipv4/vs/am_droprate', 1), changed('net/ipv4/vs/drop_packet', 3):
        fails(times=2)
        blames('drop-packet', 'defense-active')
    equal(names()[1], set(), 'checks afterwards')


@case('one service alone, live, and zeroed', only='rust')
def options():
    for number in (1, 2):
        ipvs.service(f'-u 10.0.9.{number}:80')
    afresh()
    fails(kind='udp')
    fails('10.0.9.2', kind='udp', times=2)
    until(lambda: look()['reasons'][0]['count'] == 3, 'all are counted')
    (both,) = look()['reasons']
    equal(
        [(one['service'], one['count']) for one in both['services']],
        [('UDP 10.0.9.2:80', 2), ('UDP 10.0.9.1:80', 1)],
        'services, the most frequent first',
    )
    (one,) = look('-u', '10.0.9.1:80')['reasons']
    equal(one['count'], 1, 'of one service')
    lines = g.director.run('ripvsadm why --watch --json -d 1 -c 2').splitlines()
    looks = [json.loads(line) for line in lines]
    equal([one['reasons'][0].get('new') for one in looks], [None, 0], 'what is new')
    g.director.run('ripvsadm why --zero -u 10.0.9.1:80')
    equal(look('-u', '10.0.9.1:80')['reasons'], [], 'after --zero of one')
    text = g.director.run('ripvsadm why --zero')
    true('3 refused: the service has no destinations (no-server)' in text, text)
    equal(look()['reasons'], [], 'after --zero')
    for words, code in (
        ('-d 1', 2),
        ('--watch -c 0', 2),
        ('-u 10.0.9.7:80', 1),
        ('--what', 255),
        ('word', 2),
    ):
        g.director.run(f'ripvsadm why {words}', check=False)
        equal(g.director.status, code, f'the exit code of why {words}')


@case('C IPVS counts no reasons: one line says so', only='c')
def of_c():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    text = g.director.run('ripvsadm why')
    true(text.startswith('Reasons: this IPVS counts none'), text)


run(g)
