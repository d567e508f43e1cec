#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Drains by the family RIPVS: new connections, templates, deadlines, RST, events; overload."""

import contextlib
import errno
import os
import socket
import threading
import time

from harness import ipvs, netns
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, SERVER, VIP, VIP6, VIPS
from harness.ripvs import (
    CHANGE,
    DEL_DEST,
    DEL_SERVICE,
    DONE,
    DONE_BY_DEADLINE,
    DRAIN_DEST,
    NEW_DEST,
    NEW_SERVICE,
    NO_TEMPLATES,
    OF_DEST,
    OP,
    RESET,
    SET_DEST,
    UNDRAIN_DEST,
    WAITING,
    Listener,
    Ripvs,
    applied,
    change,
    nest,
    web,
)
from harness.netlink import attr, u8, u32
from harness.tap import case, equal, note, run, true, until
from harness.tracked import TRACKED as RULES, entries, rules

RIPS = {'s1': '10.0.2.11', 's2': '10.0.2.12'}
RIPS6 = {'s1': 'fd00:2::b', 's2': 'fd00:2::c'}
SERVICE = web(addr=VIP)
SERVICE6 = web(af=10, addr=VIP6)
# Schedulers by which a client has one server, and is refused if that has weight 0.
ALONE = ('dh', 'sh', 'mh')
SCHEDULERS = 'rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos'.split()


def server(name, **fields):
    """A real server of the service, as the destination of a change."""
    return {'addr': RIPS[name], 'port': 80, **fields}


def drain(family, name, service=SERVICE, **options):
    """Begins a drain; returns the generation."""
    rip = (RIPS6 if service is SERVICE6 else RIPS)[name]
    dest = {'addr': rip, 'port': service['port'], 'drain': options}
    return applied(family, change(DRAIN_DEST, service, dest))


def undrain(family, name):
    applied(family, change(UNDRAIN_DEST, SERVICE, server(name)))


def shown(family, rip=RIPS['s1']):
    """The drain of a server, as it is listed; None if there is none."""
    for _, dests in family.services()[0]:
        for dest in dests:
            if dest['addr'] == socket.inet_pton(socket.AF_INET6 if ':' in rip else 2, rip):
                return dest.get('drain')
    return None


def state(family, rip=RIPS['s1']):
    found = shown(family, rip)
    return found and found['state']


def serve(options='-s rr', method='-m', kind='-t'):
    ipvs.service(f'{kind} {VIP}:80', method, [f'{rip}:80' for rip in RIPS.values()], options)


def answers(count=4):
    """The servers that answer."""
    return {ask(g.client, VIP).name for _ in range(count)}


@case('all schedulers: a drained server is chosen no more, and its weight stays', only='rust')
def schedulers():
    family = Ripvs(g.director)
    for scheduler in SCHEDULERS:
        ipvs.admin('-C')
        serve(f'-s {scheduler}')
        first = ask(g.client, VIP).name
        others = {'refused'} if scheduler in ALONE else set(RIPS) - {first}
        drain(family, first)
        equal(answers(), others, f'{scheduler}: who answers while {first} is drained')
        equal({dest.weight for dest in ipvs.dests()}, {1}, 'weights')
        undrain(family, first)
        if scheduler in ('lblc', 'lblcr', 'nq', 'twos'):
            # They may stay with the other one.
            continue
        true(first in answers(8), f'{scheduler}: {first} answers again')


@case('a drain survives edits, by ipvsadm -e and by changes of RIPVS', only='rust')
def edits():
    family = Ripvs(g.director)
    for scheduler in ('wrr', 'wlc', 'mh'):
        ipvs.admin('-C')
        serve(f'-s {scheduler}' + (' -b flag-1' if scheduler == 'mh' else ''))
        drain(family, 's1')
        for weight in (5, 0, 3):
            ipvs.admin(f'-e -t {VIP}:80 -r {RIPS["s1"]}:80 -m -w {weight}')
            equal({dest.weight for dest in ipvs.dests()}, {weight, 1}, 'weights')
            equal(answers(), {'s2'}, f'who answers with weight {weight}')
        applied(family, change(SET_DEST, SERVICE, server('s1', weight=7)))
        # A change of another server renews all of the service.
        applied(family, change(SET_DEST, SERVICE, server('s2', weight=2)))
        ipvs.admin(f'-E -t {VIP}:80 -s rr')
        equal(answers(), {'s2'}, 'who answers')
        undrain(family, 's1')
        equal(answers(), set(RIPS), 'who answers at the end')
        equal(sorted(dest.weight for dest in ipvs.dests()), [2, 7], 'weights at the end')


@case('templates: kept until no connection is active, or not at all', only='rust')
def templates():
    family = Ripvs(g.director)
    serve('-s rr -p 300')
    with Connection(g.client, VIP) as held:
        name = held.answer.name
        other = (set(RIPS) - {name}).pop()
        drain(family, name)
        equal(answers(), {name}, 'who answers while templates are kept')
        equal(state(family, RIPS[name]), WAITING, 'the state')
    until(lambda: state(family, RIPS[name]) == DONE, 'the drain is done')
    equal(answers(), {other}, 'who answers after it')
    # The client has a template at the other one now.
    undrain(family, name)
    equal(answers(), {other}, 'who answers by the new template')
    with Connection(g.client, VIP) as held:
        drain(family, other, flags=NO_TEMPLATES)
        equal(answers(), {name}, 'who answers as no template is kept')
        true(held.echo(), 'the connection goes on')
        equal(state(family, RIPS[other]), WAITING, 'the state')


@case('done: at once if nothing is active; UDP waits for its connections', only='rust')
def done():
    family, ears = Ripvs(g.director), Listener(g.director)
    serve()
    ears.all()
    generation = drain(family, 's1')
    begun, ended = ears.next(), ears.next()
    equal((begun.kind, begun.generation, begun.pid), ('drain', generation, os.getpid()), 'begun')
    equal(begun.dest['drain']['state'], WAITING, 'its state')
    equal((ended.kind, ended.generation, ended.pid), ('drained', generation, 0), 'done')
    wanted = {'flags': 0, 'deadline': 0, 'state': DONE, 'ended': 0, 'reset': 0}
    equal(ended.dest['drain'], wanted, 'the drain')
    equal((ended.service['port'], ended.dest['weight']), (80, 1), 'the object')
    equal(answers(), {'s2'}, 'who answers after it')
    undrain(family, 's1')
    equal([one.kind for one in ears.all()], ['undrain'], 'events')
    ipvs.admin('-C')
    serve(kind='-u')
    of_udp = web(addr=VIP, protocol=17)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(Connection(g.client, VIP, kind='udp'))
        ears.all()
        drain(family, 's1', of_udp, deadline=60)
        time.sleep(1)
        equal([one.kind for one in ears.all()], ['drain'], 'events while there is a connection')
        true(58 <= shown(family)['left'] <= 60, f'{shown(family)}')
        drain(family, 's1', of_udp, deadline=1)
        until(lambda: state(family) == DONE_BY_DEADLINE, 'the deadline has ended it')
        equal([one.kind for one in ears.all()], ['drain', 'drained'], 'events')
        equal(shown(family)['ended'], 1, 'ended')
        left = [row.daddr for row in ipvs.rows(proto='UDP', vport=80)]
        equal(left, [RIPS['s2']], 'connections that are left')


def pairs(service, vip, method, count, stack):
    """Connections that are open, and their ends at the server: [(client, server)]."""
    port = service['port']
    rip = SERVER[6 if ':' in vip else 4]
    kind = socket.AF_INET6 if ':' in vip else socket.AF_INET
    with g.s1:
        listener = stack.enter_context(socket.create_server(('', port), family=kind, backlog=64))
    at = ipvs.at(vip, port)
    ipvs.service(f'-t {at}', method, [ipvs.at(rip, port)])
    made = []
    for _ in range(count):
        with g.client:
            client = stack.enter_context(socket.create_connection((vip, port), timeout=5))
        peer, _ = listener.accept()
        peer.settimeout(5)
        made.append((client, stack.enter_context(peer)))
    return made


def end_of(sock):
    """The way in which a connection ends for one of its ends."""
    try:
        return 'closed' if sock.recv(1) == b'' else 'data'
    except ConnectionResetError:
        return 'reset'
    except TimeoutError:
        return 'nothing'


def deadline(method, vip, flags):
    """A deadline that ends idle connections, one that talks, and one that both ends have closed."""
    family = Ripvs(g.director)
    of_vip = {'af': 10} if ':' in vip else {}
    service = web(addr=vip, port=8082, **of_vip)
    with contextlib.ExitStack() as stack:
        made = pairs(service, vip, method, 4, stack)
        (talking, _), (ended, its_end) = made.pop(), made.pop()
        ended.close()
        its_end.close()
        open_ = {'state': 'ESTABLISHED', 'vport': 8082}
        until(lambda: len(ipvs.rows(**open_)) == 3, 'one is closed')
        over = threading.Event()
        left = []

        def talk():
            try:
                while not over.wait(0.02):
                    talking.sendall(b'x')
            except OSError as error:
                left.append(error.errno)

        talker = threading.Thread(target=talk)
        talker.start()
        rip = SERVER[6 if ':' in vip else 4]
        dest = {'addr': rip, 'port': 8082, 'drain': {'deadline': 1, 'flags': flags}}
        applied(family, change(DRAIN_DEST, service, dest))
        until(lambda: state(family, rip) == DONE_BY_DEADLINE, 'the deadline')
        found = shown(family, rip)
        # Without the replies the closed one is in FIN_WAIT, and may have an end to tell.
        resets = (3 if method == '-m' else 4) if flags else 0
        equal((found['ended'], found['reset']), (4, resets), 'ended')
        ends = [[end_of(end) for end in pair] for pair in made] if flags else None
        time.sleep(0.2)
        over.set()
        talker.join()
        return ends, left, ipvs.rows(vport=8082)


for METHOD, FAMILY in (('-m', 4), ('-m', 6), ('-g', 4), ('-i', 4)):

    @case(f'a deadline with RST: both ends learn of it ({METHOD}, IPv{FAMILY})', only='rust')
    def resets(method=METHOD, family=FAMILY):
        ends, left, rows = deadline(method, VIPS[family], RESET)
        equal(ends, [['reset', 'reset']] * 2, 'how idle connections end: client, server')
        true(left and left[0] in (errno.ECONNRESET, errno.EPIPE), f'the one that talks: {left}')
        # They answer what is on its way.
        equal({row.state for row in rows}, {'CLOSE'}, 'states')
        if method == '-g':
            # It is the same by all methods, and takes its time.
            until(lambda: not ipvs.rows(vport=8082), 'they go by themselves', 20)


@case('a deadline without RST deletes connections, with the entries of conntrack', only='rust')
def deletes():
    ipvs.pass_rules()
    ipvs.setting('conntrack', 1)
    try:
        with rules(RULES):
            _, left, rows = deadline('-m', VIP, 0)
            note(f'{left} {rows}')
            # What the talking one sends afterwards is for no connection.
            equal([row for row in rows if row.state == 'ESTABLISHED'], [], 'connections')
            equal(entries(dst=VIP, state='ESTABLISHED'), [], 'entries')
    finally:
        ipvs.setting('conntrack', 0)


@case('called off before the deadline: nothing is ended', only='rust')
def called_off():
    family, ears = Ripvs(g.director), Listener(g.director)
    serve()
    with Connection(g.client, VIP) as held:
        name = held.answer.name
        drain(family, name, deadline=1, flags=RESET)
        undrain(family, name)
        time.sleep(1.5)
        true(held.echo(), 'the connection goes on')
        kinds = [one.kind for one in ears.all()]
        equal(kinds[-2:], ['drain', 'undrain'], 'events')
        equal(answers(), set(RIPS), 'who answers')


@case('the end of the server or the service is the end of the drain', only='rust')
def deletion():
    family, ears = Ripvs(g.director), Listener(g.director)
    serve()
    with Connection(g.client, VIP) as held:
        name = held.answer.name
        rip = RIPS[name]
        drain(family, name, deadline=1, flags=RESET)
        ears.all()
        ipvs.admin(f'-d -t {VIP}:80 -r {rip}:80')
        equal([one.kind for one in ears.all()], ['del-dest'], 'events')
        # From the trash, with its connection.
        ipvs.admin(f'-a -t {VIP}:80 -r {rip}:80 -m')
        equal(shown(family, rip), None, 'the drain of the new one')
        time.sleep(1.5)
        true(held.echo(), 'the connection goes on')
        equal(answers(), set(RIPS), 'who answers')
        ears.all()
        drain(family, name, deadline=60)
        again = change(DEL_DEST, SERVICE, server(name)), change(NEW_DEST, SERVICE, server(name))
        applied(family, *again)
        equal([one.kind for one in ears.all()], ['drain', 'undrain'], 'events')
        drain(family, name, deadline=1, flags=RESET)
        applied(
            family,
            change(DEL_SERVICE, SERVICE),
            change(NEW_SERVICE, {**SERVICE, 'sched': 'rr'}),
            *(change(NEW_DEST, SERVICE, server(one)) for one in RIPS),
        )
        equal(shown(family, rip), None, 'the drain after the service')
        drain(family, name, deadline=1, flags=RESET)
        ipvs.admin('-C')
        time.sleep(1.5)
        equal([row.state for row in ipvs.rows(cport=held.port)], ['ESTABLISHED'], 'it stays')


@case('new servers that are drained from the beginning', only='rust')
def new():
    family = Ripvs(g.director)
    applied(
        family,
        change(NEW_SERVICE, {**SERVICE, 'sched': 'wrr'}),
        *(change(NEW_DEST, SERVICE, server(name, fwd=0)) for name in RIPS),
        change(DRAIN_DEST, SERVICE, server('s1')),
    )
    equal(answers(), {'s2'}, 'who answers')
    applied(family, change(UNDRAIN_DEST, SERVICE, server('s1')))
    equal(answers(), set(RIPS), 'who answers at the end')


def refused(family, error, *changes):
    """Changes that are refused with words, and change nothing."""
    before = family.info(), family.services()
    answer = family.apply(*changes)
    equal((answer.error, bool(answer.words)), (error, True), f'the answer: {answer.words}')
    note(answer.words)
    equal((family.info(), family.services()), before, 'nothing changed')


@case('bad input changes nothing', only='rust')
def bad():
    family = Ripvs(g.director)
    serve()
    with_drain = {
        'an unknown flag': {'flags': 4},
        'a reset without a deadline': {'flags': RESET},
        'what is left': {'left': 1},
        'a state': {'state': 1},
        'a number': {'ended': 1},
        'a deadline of 8 bytes': {'deadline': bytes(8)},
        'flags of 1 byte': {'flags': b'\1'},
        'an unknown attribute': attr(9, u32(1)),
        'bytes that are no attribute': b'\1\2',
        'an attribute twice': attr(2, u32(1)) * 2,
    }
    good = change(SET_DEST, SERVICE, server('s2', weight=9))
    for name, options in with_drain.items():
        note(name)
        one = change(DRAIN_DEST, SERVICE, server('s1', drain=options))
        for changes in ((one, good), (good, one)):
            refused(family, errno.EINVAL, *changes)
    for error, one in (
        (errno.ENOENT, change(UNDRAIN_DEST, SERVICE, server('s1'))),
        (errno.ENOENT, change(DRAIN_DEST, SERVICE, {'addr': '10.0.2.99', 'port': 80})),
        (errno.ESRCH, change(DRAIN_DEST, web(addr=VIP, port=99), server('s1'))),
        (errno.EINVAL, change(DRAIN_DEST, SERVICE, server('s1', weight=1))),
        (errno.EINVAL, change(UNDRAIN_DEST, SERVICE, server('s1', drain={}))),
        (errno.EINVAL, change(SET_DEST, SERVICE, server('s1', drain={}))),
        (errno.EINVAL, change(DEL_DEST, SERVICE, server('s1', drain={}))),
        (errno.EINVAL, change(DRAIN_DEST, SERVICE)),
        (errno.EINVAL, nest(CHANGE, attr(OP, u8(DRAIN_DEST)) + nest(OF_DEST, b''))),
    ):
        refused(family, error, good, one)


@case('a port that is used again does not lead to a drained server', only='rust')
def reuse():
    family = Ripvs(g.director)
    ipvs.setting('conn_reuse_mode', 0)
    try:
        serve()
        with Connection(g.client, VIP) as held:
            name, port = held.answer.name, held.port
            held.reset()
        until(lambda: ipvs.rows(cport=port)[0].state == 'CLOSE', 'it is closed')
        drain(family, name)
        true(ask(g.client, VIP, sport=port).name in set(RIPS) - {name}, 'who answers')
    finally:
        ipvs.setting('conn_reuse_mode', 1)


@case('a namespace goes while servers are drained, and deadlines pass', only='rust')
def namespaces():
    for _ in range(5):
        space = netns.make('rv-gone')
        try:
            family = Ripvs(space)
            names = [{'addr': f'10.9.0.{n}', 'port': 80} for n in range(1, 200)]
            applied(
                family,
                change(NEW_SERVICE, {**SERVICE, 'sched': 'rr'}),
                *(change(NEW_DEST, SERVICE, one) for one in names),
                *(
                    change(DRAIN_DEST, SERVICE, {**one, 'drain': {'deadline': n % 2}})
                    for n, one in enumerate(names)
                ),
            )
            family.close()
        finally:
            netns.remove(space)


@case('overload and its end, however often it changes', only='rust', fresh=True)
def overload():
    ears = Listener(g.director)
    serve()
    for rip in RIPS.values():
        ipvs.admin(f'-e -t {VIP}:80 -r {rip}:80 -m -x 2 -y 1')
    until(lambda: ears.all() or True, 'the changes')
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(Connection(g.client, VIP))
        one = ears.next()
        equal((one.kind, one.pid, one.dest['upper']), ('overload', 0, 2), 'the event')
        equal(one.dest['active'], 2, 'the object')
        # Without thresholds nothing is overloaded.
        for rip in RIPS.values():
            ipvs.admin(f'-e -t {VIP}:80 -r {rip}:80 -m')
        kinds = [ears.next().kind for _ in range(3)]
        equal(kinds, ['set-dest', 'set-dest', 'overload-end'], 'events')
        time.sleep(0.5)
        family = Ripvs(g.director)
        for name in RIPS:
            for upper in (1, 0) * 20:
                applied(family, change(SET_DEST, SERVICE, server(name, upper=upper)))
        time.sleep(0.6)
        kinds = [one.kind for one in ears.all()]
        told = [kind for kind in kinds if kind.startswith('overload')]
        equal(len(kinds) - len(told), 80, 'edits')
        true(len(told) <= 40, f'{len(told)} events of 80 changes')
        equal(len(told) % 2, 0, 'each has its end')


run(g)
