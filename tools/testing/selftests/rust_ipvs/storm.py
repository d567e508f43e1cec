#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A storm: packets of the same connections from all processors at once, while all else changes.

By each method (NAT, DR, TUN), of TCP, UDP and SCTP, IPv4 and IPv6, with FTP and persistence:
connections are opened, answered, closed, aborted and used again at once. In the end every count is
0, and nothing is left. PACKETS=n sends so many (k and m are a thousand and a million of them),
SEED=n others; LOADS=n and NAMESPACES=n are numbers of loads and namespaces.
"""

import contextlib
import os
import re
import threading
import time

from harness import faults, ipvs, storm
from harness.abi import DEL_SERVICE, FLUSH, GET_SERVICE, SCTP, SET_CONFIG, TCP, UDP
from harness.fixture import FIXTURE as g
from harness.module import KO
from harness.netlink import Genl, attr, u32
from harness.packet import ACK, PSH, SYN, Wire, chunk, ip, sctp, tcp, udp
from harness.storm import NETS, Field, Helper, configure, counts, last, services
from harness.spaces import private_namespace
from harness.tap import Failure, Skip, case, equal, note, run, skip_all, until
from harness.ways import Leaving, Ways, steps

UNITS = {'': 1, 'k': 1000, 'm': 1000000}
_count, _unit = re.fullmatch(
    r'(\d+)([km]?)', os.environ.get('PACKETS') or ('2m' if os.environ.get('LONG') else '100k')
).groups()
PACKETS = int(_count) * UNITS[_unit]
SEED = int(os.environ.get('SEED') or '20261130')
# Ports of each of the four clients: the first ones are used all the time, the others in turn.
PORTS = 256 if PACKETS < 1000000 else 2048
# Connections of each server in the end: a count that was below 0 before would show.
PROBES = 4
LONG = bool(os.environ.get('LONG'))
LOADS = int(os.environ.get('LOADS') or (1000 if LONG else 3))
NAMESPACES = int(os.environ.get('NAMESPACES') or (10000 if LONG else 8))
# Namespaces that are made at once.
AT_ONCE = 8
CACHES = ('rust_ipvs_conn', 'ip_vs_conn')


def connections(space=None):
    """All rows of ip_vs_conn."""
    return (space or g.director).read('/proc/net/ip_vs_conn').splitlines()[1:]


def progress():
    """What can be seen meanwhile."""
    size = re.search(r'size=(\d+)', g.director.read('/proc/net/ip_vs'))[1]
    return f'{len(connections())} connections, {size} buckets'


def came_to_rest(genl, field):
    """Ends every connection, and waits until there is none."""
    equal(
        genl.call(SET_CONFIG, attr(4, u32(1)) + attr(5, u32(1)) + attr(6, u32(1))).error,
        0,
        'SET_CONFIG',
    )
    start = time.monotonic()
    # A packet to a server that is gone ends nothing, nor does the end of a service that is gone.
    configure(genl)
    field.end(PORTS)
    # Connections that the FTP helper waits for end with their server, the others in ten seconds.
    ipvs.setting('expire_nodest_conn', 1)
    for of in services():
        if of.port == 21:
            genl.call(DEL_SERVICE, storm.key(of))
    late = []

    def ended():
        rows = connections()
        if rows and not late and time.monotonic() - start > 30:
            late.extend(rows)
        return not rows

    try:
        until(ended, 'all connections end', 90)
    finally:
        note('\n'.join(connections()[:10]))
    if late:
        note('\n'.join([f'{len(late)} of them took more than 30 s:', *late[:10]]))
    configure(genl)
    note(f'all connections ended in {time.monotonic() - start:.0f} s')
    left = [row for row in counts(genl) if row.active or row.inactive or row.persistent]
    equal(left, [], 'counts of servers without connections')


def counts_are_right(genl, field):
    """New connections of each server are as many as it counts: counts below 0 are shown as 0."""
    equal(
        genl.call(SET_CONFIG, attr(4, u32(900)) + attr(5, u32(120)) + attr(6, u32(300))).error,
        0,
        'SET_CONFIG',
    )
    with Wire(field.space, 'out', g.director, 'storm') as wire:
        for of in services():
            vip = NETS[of.af][1] + last(of.af, of.method)
            for n in range(2 * PROBES):
                client = NETS[of.af][0] + last(of.af, 100 + n)
                for packet in opening(of, client, vip):
                    wire.send(packet)
    wanted = 2 * PROBES * len(services())
    until(
        lambda: len([line for line in connections() if ' 0000 ' not in line]) >= wanted,
        f'{wanted} connections',
        20,
    )
    rows = ipvs.rows()
    wrong = []
    for row in counts(genl):
        if row.vport == 81:
            continue
        name = {TCP: 'TCP', SCTP: 'SCTP'}.get(row.protocol, 'UDP')
        own = [
            r
            for r in rows
            if (r.proto, r.vaddr, r.vport, r.daddr, r.dport)
            == (name, row.vip, row.vport, row.address, row.port)
        ]
        active = sum(r.state in ('ESTABLISHED', 'SYN_RECV') for r in own)
        if (row.active, row.inactive) != (active, len(own) - active) or not own:
            wrong.append(f'{row} has {active} active ones of {len(own)}')
    equal(wrong, [], 'counts of servers with connections')


def opening(of, client, vip):
    """The packets that begin a connection."""
    if of.protocol == TCP:
        return [
            ip(client, vip, TCP, tcp(client, vip, 3000, of.port, flags)) for flags in (SYN, ACK)
        ]
    if of.protocol == SCTP:
        return [ip(client, vip, SCTP, sctp(3000, of.port, chunk(1, bytes(16))))]
    return [ip(client, vip, of.protocol, udp(client, vip, 3000, of.port, b'probe'))]


def blow(helpers, packets, percent=0, field_of=Field, to_the_end=True):
    """A storm with HELPERS beside it, and what has to be so in the end.

    FIELD_OF makes its network, which has helpers of its own. TO_THE_END waits for the connections'
    end, which takes a minute, and looks at the counts then.
    """
    processors = storm.processors()
    note(f'{packets} packets from {processors} processors, seed {SEED}')
    with contextlib.ExitStack() as stack:
        field = stack.enter_context(field_of())
        with g.director:
            genl = stack.enter_context(Genl('IPVS'))
        configure(genl)
        beside = (*field.beside(), *helpers)
        with contextlib.ExitStack() as at_once:
            for n, (work, pause) in enumerate(beside):
                at_once.enter_context(Helper(work, SEED + n, pause))
            if percent:
                at_once.enter_context(faults.of(g.module))
                at_once.enter_context(faults.some(percent))
            start = time.monotonic()
            sent = field.blow(packets, processors, PORTS, SEED, progress)
            note(f'{sent / (time.monotonic() - start):.0f} packets a second')
        field.restore()
        field.stop_daemons()
        storm.defaults()
        note(f'{ipvs.total()}')
        try:
            if to_the_end:
                came_to_rest(genl, field)
                counts_are_right(genl, field)
        except Failure as reason:
            # Said before what is left is taken away, which may not work either.
            note(f'failed: {reason}')
            g.show_state()
            raise
        ipvs.setting('expire_nodest_conn', 1)
        equal(genl.call(FLUSH).error, 0, 'FLUSH')
        equal(genl.dump(GET_SERVICE).messages, [], 'services')
    no_slabs()


def no_slabs():
    """The module goes, and nothing is left in its slabs."""
    g.unload()
    g.after()
    with open('/proc/slabinfo', encoding='ascii') as file:
        equal([line for line in file if line.startswith(CACHES)], [], 'slabs that are left')
    g.load()


@case(
    'C-6 C-16 C-19 C-22 T-6 S-18 S-22 U-18 L-3 connections begin and end at once on all processors',
    fresh=True,
)
def whole_storm():
    beside = (storm.edits, 0.002), (storm.settings, 0.05), (storm.readers, 0.05)
    blow((*beside, (storm.spaces, 0.2)), PACKETS)


@case('C-6 C-16 V-13 the same, while each tenth allocation fails', only='rust', fresh=True)
def failing_storm():
    if not faults.possible():
        raise Skip('this kernel has no fault injection')
    beside = (storm.edits, 0.002), (storm.settings, 0.05), (storm.readers, 0.05)
    # A fifth of them: each one that fails costs a walk over the stack.
    blow(beside, PACKETS if PACKETS < 1000000 else PACKETS // 5, 10)


@case('X-1 L-8 the same, while devices, neighbours, routes and rules change', fresh=True)
def changing_ways():
    beside = (storm.edits, 0.01), (storm.settings, 0.05), (storm.readers, 0.1)
    # A fifth of them, as most packets and connections are the first one's matter.
    blow(beside, PACKETS // 5, field_of=Ways, to_the_end=PACKETS >= 1000000)


@case('X-1 L-8 the next packet of a connection goes by each change of its way', fresh=True)
def next_packet():
    goes_by_each_change()


@case('X-1 L-8 the same with fast_path 2', only='rust', fresh=True)
def next_packet_of_fast_path():
    storm.fast_path(2)
    goes_by_each_change()


def goes_by_each_change():
    """Changes the way of connections step by step, and looks which way each next packet goes."""
    each = [of for of in services() if of.port == 80 and of.protocol in (TCP, UDP)]
    with contextlib.ExitStack() as stack:
        field = stack.enter_context(Ways())
        with g.director:
            configure(stack.enter_context(Genl('IPVS')))
        wire = stack.enter_context(Wire(field.space, 'out', g.director, 'storm'))
        leaving = stack.enter_context(Leaving())
        ends = [(of, NETS[of.af][0] + '1', NETS[of.af][1] + last(of.af, of.method)) for of in each]
        for of, client, vip in ends:
            for packet in opening(of, client, vip):
                wire.send(packet)
        for n, (lines, *way) in enumerate(steps()):
            field.do(lines)
            # The first one of the connection that comes after the change, and one more.
            for again in range(2):
                for k, (of, client, vip) in enumerate(ends):
                    mark = b'mark %d %d %d.' % (n, again, k)
                    body = (
                        tcp(client, vip, 3000, 80, ACK | PSH, data=mark)
                        if of.protocol == TCP
                        else udp(client, vip, 3000, 80, mark)
                    )
                    wire.send(ip(client, vip, of.protocol, body))
                    equal(list(leaving.way(mark)), way, f'{of}: way after {lines}')


@case(
    f'L-3 L-5 {LOADS} loads and unloads, and {NAMESPACES} namespaces, in the storm',
    only='rust',
    fresh=True,
)
def reloads():
    processors = storm.processors()
    with Field() as field, field.blowing(processors, PORTS, SEED):
        start = time.monotonic()
        for n in range(LOADS):
            if not g.loaded():
                storm.load(KO)
            with g.director, Genl('IPVS') as genl:
                configure(genl)
            until(lambda: len(connections()) > 20, f'connections in round {n}', 30)
            # With services and connections in place.
            storm.unload('rust_ipvs')
            if n % 100 == 99:
                note(f'{n + 1} loads in {time.monotonic() - start:.0f} s')
        note(f'{LOADS} loads in {time.monotonic() - start:.0f} s')
        storm.load(KO)
        with g.director, Genl('IPVS') as genl:
            configure(genl)
        start = time.monotonic()
        done = 0
        while done < NAMESPACES:
            problems = []
            threads = [
                threading.Thread(target=private_namespace, args=(done + k, problems))
                for k in range(min(AT_ONCE, NAMESPACES - done))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            equal(problems, [], 'problems')
            done += len(threads)
            if done % 1000 < AT_ONCE:
                note(f'{done} namespaces in {time.monotonic() - start:.0f} s')
        note(f'{done} namespaces in {time.monotonic() - start:.0f} s')
    no_slabs()


if __name__ == '__main__':
    if not storm.has_binary():
        skip_all('build/storm is not built: "make storm" does it')
    run(g)
