#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The family RIPVS: the dump of all, and changes that are made together or not at all."""

import errno
import os
import struct

from harness import abi, ripvs
from harness.abi import g
from harness.netlink import attr, attributes, u8, u32
from harness.ripvs import (
    DEL_DEST,
    DEL_SERVICE,
    FLUSH,
    GENERATION,
    NEW_DEST,
    NEW_SERVICE,
    SET_DEST,
    SET_SERVICE,
    Listener,
    Ripvs,
    applied,
    change,
    nest,
    web,
)
from harness.tap import case, equal, run, true


def dests(family, number=0):
    """Destinations of a service in the dump: last byte of the address and weight, oldest first."""
    return [(one['addr'][-1], one['weight']) for one in reversed(family.services()[0][number][1])]


def server(last, **fields):
    return {'addr': f'10.0.0.{last}', 'port': 80, **fields}


@case('a service with its destinations comes, changes and goes together', only='rust')
def together():
    family = Ripvs(g.director)
    before = family.info()[0]
    after = applied(
        family,
        change(NEW_SERVICE, web(sched='wrr', flags=1, timeout=300)),
        change(NEW_DEST, web(), server(11, weight=3)),
        change(NEW_DEST, web(), server(12, fwd=2, tun_type=1, tun_port=6080)),
        change(NEW_SERVICE, {'af': 10, 'fwmark': 7, 'sched': 'rr'}),
        generation=before,
    )
    equal(after, before + 1, 'the generation')
    (first, its), (second, none) = family.services()[0]
    equal((first['sched'], first['flags'], first['timeout']), ('wrr', 3, 300), 'the service')
    equal((first['addr'], first['port']), (bytes([10, 0, 0, 1]), 80), 'the address')
    equal(first['netmask'], 2**32 - 1, 'the netmask')
    equal([one['weight'] for one in its], [1, 3], 'weights, the newest first')
    equal((its[0]['fwd'], its[0]['tun_type'], its[0]['tun_port']), (2, 1, 6080), 'the tunnel')
    equal((second['fwmark'], second['netmask'], none), (7, 128, []), 'the other service')
    # The family IPVS shows the same.
    equal(len(abi.listed()), 2, 'services of IPVS')
    equal(len(abi.seen_dests()), 2, 'destinations of IPVS')
    applied(
        family,
        change(SET_SERVICE, web(sched='wlc', flags=0)),
        change(SET_DEST, web(), server(11, weight=0)),
        change(DEL_DEST, web(), server(12)),
        change(NEW_DEST, web(), server(13)),
        change(DEL_SERVICE, {'af': 10, 'fwmark': 7}),
    )
    ((first, its),) = family.services()[0]
    equal((first['sched'], first['flags'], first['timeout']), ('wlc', 2, 300), 'what is left stays')
    equal(dests(family), [(11, 0), (13, 1)], 'destinations')
    applied(family, change(FLUSH))
    equal(family.services()[0], [], 'after a flush')
    equal(family.info()[1:], (0, 0), 'numbers')


@case('what is deleted and added in one transaction is changed, and keeps its place', only='rust')
def replaced():
    family = Ripvs(g.director)
    applied(
        family,
        change(NEW_SERVICE, web(sched='rr')),
        *(change(NEW_DEST, web(), server(n)) for n in (11, 12, 13)),
    )
    applied(
        family,
        change(FLUSH),
        change(NEW_SERVICE, web(sched='rr')),
        change(NEW_DEST, web(), server(13, weight=5)),
        change(NEW_DEST, web(), server(14)),
        change(NEW_DEST, web(), server(11)),
    )
    equal(dests(family), [(11, 1), (13, 5), (14, 1)], 'destinations')
    applied(
        family,
        change(NEW_DEST, web(), server(20)),
        change(DEL_DEST, web(), server(20)),
        change(NEW_DEST, web(), server(20, weight=2)),
        change(DEL_SERVICE, web()),
        change(NEW_SERVICE, web(sched='mh')),
        change(NEW_DEST, web(), server(20, weight=4)),
    )
    equal(dests(family), [(20, 4)], 'destinations')


@case('a destination with each scheduler, by IPVS and by RIPVS in turn', only='rust')
def schedulers():
    family = Ripvs(g.director)
    for sched in 'rr wrr lc wlc fo ovf lblc lblcr dh sh mh sed nq twos'.split():
        abi.ok(abi.NEW_SERVICE, abi.service(sched=sched))
        abi.ok(abi.NEW_DEST, abi.service_id() + abi.dest(addr='10.0.0.11'))
        applied(family, *(change(NEW_DEST, web(), server(n, weight=n)) for n in range(12, 40)))
        abi.ok(abi.NEW_DEST, abi.service_id() + abi.dest(addr='10.0.0.41'))
        applied(family, *(change(DEL_DEST, web(), server(n)) for n in range(13, 40)))
        abi.ok(abi.DEL_DEST, abi.service_id() + abi.dest_id(addr='10.0.0.12'))
        equal(dests(family), [(11, 1), (41, 1)], f'{sched}: destinations')
        heavy = change(SET_DEST, web(), server(41, weight=9))
        applied(family, change(SET_SERVICE, web(sched='wrr')), heavy)
        equal(dests(family), [(11, 1), (41, 9)], f'{sched}: destinations')
        abi.ok(abi.FLUSH)


def everything(family):
    return family.info()[:2], repr(family.services())


def refused(family, error, fault, *changes, generation=None):
    """Changes that must be refused, with the number of the one at fault, and change nothing."""
    before = everything(family)
    answer = family.apply(*changes, generation=generation)
    got = errno.errorcode.get(answer.error, answer.error)
    equal(got, errno.errorcode[error], f'the error, with "{answer.words}"')
    true(answer.words, 'the refusal has words')
    if fault is not None:
        header = 20 + (0 if generation is None else 12)
        offset = header + sum(map(len, changes[:fault]))
        equal(answer.offset, offset, f'{answer.words}: where the fault is')
    equal(everything(family), before, 'what is configured')


NEW = change(NEW_SERVICE, web(port=81, sched='rr'))
FAULTS = {
    'a service that exists': (errno.EEXIST, change(NEW_SERVICE, web(sched='rr'))),
    'a destination that exists': (errno.EEXIST, change(NEW_DEST, web(), server(11))),
    'no such service': (errno.ESRCH, change(SET_SERVICE, web(port=9))),
    'no such service to delete': (errno.ESRCH, change(DEL_SERVICE, web(port=9))),
    'no such service of a destination': (errno.ESRCH, change(NEW_DEST, web(port=9), server(1))),
    'no such destination': (errno.ENOENT, change(SET_DEST, web(), server(9, weight=1))),
    'no such destination to delete': (errno.ENOENT, change(DEL_DEST, web(), server(9))),
    'no such scheduler': (errno.ENOENT, change(NEW_SERVICE, web(port=82, sched='none such'))),
    'no such engine': (errno.ENOENT, change(SET_SERVICE, web(pe='nope'))),
    'a weight of 2^31': (errno.ERANGE, change(SET_DEST, web(), server(11, weight=2**31))),
    'thresholds the wrong way': (
        errno.ERANGE,
        change(SET_DEST, web(), server(11, upper=1, lower=2)),
    ),
    'GUE without a port': (errno.EINVAL, change(SET_DEST, web(), server(11, fwd=2, tun_type=1))),
    'a multicast server': (errno.EINVAL, change(NEW_DEST, web(), {'addr': '224.0.0.1', 'port': 1})),
    'the other family by NAT': (
        errno.EINVAL,
        change(NEW_DEST, web(), {'addr': 'fd00::2', 'port': 1}),
    ),
    'a netmask of IPv6': (
        errno.EINVAL,
        change(NEW_SERVICE, {'af': 10, 'fwmark': 1, 'sched': 'rr', 'netmask': 129}),
    ),
}
BAD = {
    'no kind': change(None, web()),
    'kind 0': change(0, web(), server(1)),
    'kind 99': change(99, web(), server(1)),
    'a kind of two bytes': change(b'\1\0', web(sched='rr')),
    'no service': change(DEL_SERVICE),
    'a service without a family': change(DEL_SERVICE, web(af=None)),
    'a service without a port': change(DEL_SERVICE, web(port=None)),
    'a mark and an address': change(DEL_SERVICE, web(fwmark=3)),
    'mark 0': change(DEL_SERVICE, {'af': 2, 'fwmark': 0}),
    'an address of 5 bytes': change(DEL_SERVICE, web(addr=bytes(5))),
    'an address of the other family': change(DEL_SERVICE, web(addr='fd00::1')),
    'a port of 4 bytes': change(DEL_SERVICE, web(port=bytes(4))),
    'a scheduler of 16 bytes': change(NEW_SERVICE, web(sched='x' * 16)),
    'a scheduler without an end': change(NEW_SERVICE, web(sched=b'rr')),
    'no scheduler': change(NEW_SERVICE, web()),
    'an unknown attribute of a service': change(
        DEL_SERVICE, ripvs.encode(ripvs.SERVICE_ATTRS, web()) + attr(99, u32(1))
    ),
    'an attribute twice': change(
        DEL_SERVICE, ripvs.encode(ripvs.SERVICE_ATTRS, web()) + attr(1, b'\2\0')
    ),
    'bytes that are no attribute': change(
        DEL_SERVICE, ripvs.encode(ripvs.SERVICE_ATTRS, web()) + b'\1\0\0\0'
    ),
    'statistics that are set': change(
        SET_SERVICE, ripvs.encode(ripvs.SERVICE_ATTRS, web()) + attr(12, b'')
    ),
    'options of a deletion': change(DEL_SERVICE, web(timeout=3)),
    'options of a deletion of a destination': change(DEL_DEST, web(), server(11, weight=2)),
    'options of the service of a destination': change(NEW_DEST, web(timeout=3), server(9)),
    'a destination of a service': change(DEL_SERVICE, web(), server(11)),
    'no destination': change(NEW_DEST, web()),
    'a destination without a port': change(NEW_DEST, web(), {'addr': '10.0.0.3'}),
    'forward method 4': change(NEW_DEST, web(), server(9, fwd=4)),
    'tunnel type 3': change(NEW_DEST, web(), server(9, fwd=2, tun_type=3)),
    'an unknown attribute of a destination': change(
        NEW_DEST, web(), ripvs.encode(ripvs.DEST_ATTRS, server(9)) + attr(11, b'\2\0')
    ),
    'connections that are set': change(SET_DEST, web(), server(11, active=3)),
    'an unknown attribute of a change': nest(ripvs.CHANGE, attr(1, u8(7)) + attr(9, b'')),
    'a flush of one service': change(FLUSH, web()),
    'an empty change': nest(ripvs.CHANGE, b''),
}


@case('a fault at the first, a middle and the last change: nothing is changed', only='rust')
def faults():
    family = Ripvs(g.director)
    applied(family, change(NEW_SERVICE, web(sched='rr')), change(NEW_DEST, web(), server(11)))
    for name, (error, bad) in FAULTS.items():
        print(f'# {name}')
        good = [
            change(SET_DEST, web(), server(11, weight=7)),
            NEW,
            change(NEW_DEST, web(port=81), server(12)),
            change(DEL_DEST, web(port=81), server(12)),
            change(SET_SERVICE, web(sched='wlc')),
        ]
        for at in (0, 2, len(good)):
            refused(family, error, at, *good[:at], bad, *good[at:])


@case('changes that are no changes: each is refused with words', only='rust')
def malformed():
    family = Ripvs(g.director)
    applied(family, change(NEW_SERVICE, web(sched='rr')), change(NEW_DEST, web(), server(11)))
    for name, bad in BAD.items():
        print(f'# {name}')
        refused(family, errno.EINVAL, 1, NEW, bad)


@case('messages that are none: attributes unknown, too long, not nested, of answers', only='rust')
def messages():
    family = Ripvs(g.director)
    for payload in (
        attr(99, b''),
        attr(GENERATION, bytes(4)),
        attr(GENERATION, bytes(12)),
        attr(ripvs.SERVICES, u32(1)),
        attr(ripvs.CHANGE, b''),
        attr(GENERATION, bytes(8)) * 2,
        b'\1',
    ):
        answer = family.genl.call(ripvs.APPLY, payload)
        equal(answer.error, errno.EINVAL, f'{payload}: {answer.words}')
    for number in (0, 200, 255):
        equal(family.genl.call(number).error, errno.EOPNOTSUPP, f'command {number}')
    equal(family.genl.call(ripvs.GET_SERVICES).error, errno.EOPNOTSUPP, 'a dump that is none')
    equal(family.genl.dump(ripvs.APPLY).error, errno.EOPNOTSUPP, 'a dump of APPLY')
    answer = family.genl.dump(ripvs.GET_SERVICES, attr(ripvs.OPTIONS, u32(2)))
    equal(answer.error, errno.EINVAL, 'an unknown option of the dump')


@case('the generation: each change of either family counts, and an old one is refused', only='rust')
def generations():
    family = Ripvs(g.director)

    def grows(command, payload):
        before = family.info()[0]
        abi.ok(command, payload)
        equal(family.info()[0], before + 1, f'the generation after command {command}')

    grows(abi.NEW_SERVICE, abi.service())
    grows(abi.SET_SERVICE, abi.service(sched='wlc'))
    grows(abi.NEW_DEST, abi.service_id() + abi.dest())
    grows(abi.SET_DEST, abi.service_id() + abi.dest(weight=3))
    grows(abi.DEL_DEST, abi.service_id() + abi.dest_id())
    # From the trash.
    grows(abi.NEW_DEST, abi.service_id() + abi.dest())
    grows(abi.SET_CONFIG, attr(abi.TCP_TIMEOUT, u32(800)))
    before = family.info()[0]
    abi.refused(abi.NEW_SERVICE, abi.service(), errno.EEXIST)
    equal(family.info()[0], before, 'the generation after a refusal')
    equal(applied(family, generation=before), before, 'no change')
    refused(family, errno.ESTALE, None, change(DEL_SERVICE, web()), generation=before - 1)
    equal(applied(family, change(DEL_SERVICE, web()), generation=before), before + 1, 'the new one')
    # The tables of the other namespace are its own.
    other = Ripvs(g.other)
    equal(other.info()[1], 0, 'services in the other namespace')


@case('a thousand services, three with 300 destinations: one dump shows all', only='rust')
def many():
    family = Ripvs(g.director)
    new = [change(NEW_SERVICE, web(port=port, sched='wlc')) for port in range(1, 1001)]
    applied(family, *new)
    first = [{'addr': f'10.1.{n // 250}.{n % 250 + 1}', 'port': 80} for n in range(300)]
    for port in (1, 500, 1000):
        applied(family, *(change(NEW_DEST, web(port=port), one) for one in first))
    found, interrupted = family.services(statistics=True)
    true(not interrupted, 'the dump is consistent')
    equal(len(found), 1000, 'services')
    equal(sorted(one['port'] for one, _ in found), list(range(1, 1001)), 'ports')
    for service, its in found:
        wanted = 300 if service['port'] in (1, 500, 1000) else 0
        equal(len({one['addr'] for one in its}), wanted, f'destinations of {service["port"]}')
        equal(sorted(service['stats']), list(range(1, 11)), 'statistics')
    applied(family, change(FLUSH), change(NEW_SERVICE, web(port=500, sched='rr')))
    equal([one['port'] for one, _ in family.services()[0]], [500], 'what is left')
    applied(family, change(FLUSH))


def heard(ears, *kinds):
    """The events that have come, whose kinds must be these; all by this process."""
    events = ears.all()
    equal([one.kind for one in events], list(kinds), 'events')
    equal({one.pid for one in events} - {os.getpid()}, set(), 'who made the changes')
    return events


@case('each change of the family IPVS is an event, with the whole object', only='rust')
def events():
    family, ears = Ripvs(g.director), Listener(g.director)
    generation = family.info()[0]
    abi.ok(abi.NEW_SERVICE, abi.service(timeout=60, flags=(1, abi.ALL)))
    abi.ok(abi.SET_SERVICE, abi.service(sched='wlc'))
    abi.ok(abi.NEW_DEST, abi.service_id() + abi.dest(addr='10.0.0.11'))
    abi.ok(abi.SET_DEST, abi.service_id() + abi.dest(addr='10.0.0.11', weight=5, upper=9))
    abi.ok(abi.DEL_DEST, abi.service_id() + abi.dest_id(addr='10.0.0.11'))
    # From the trash.
    abi.ok(abi.NEW_DEST, abi.service_id() + abi.dest(addr='10.0.0.11', weight=6))
    abi.ok(abi.SET_CONFIG, attr(abi.TCP_TIMEOUT, u32(901)))
    abi.ok(abi.DEL_SERVICE, abi.service_id())
    abi.ok(abi.NEW_DAEMON, abi.daemon())
    abi.ok(abi.DEL_DAEMON, abi.daemon(interface=None, syncid=None))
    abi.ok(abi.FLUSH)
    found = heard(
        ears,
        'new-service',
        'set-service',
        'new-dest',
        'set-dest',
        'del-dest',
        'new-dest',
        'timeouts',
        'del-service',
        'start-daemon',
        'stop-daemon',
        'flush',
    )
    numbers = list(range(generation + 1, generation + 12))
    equal([one.generation for one in found], numbers, 'generations')
    new, edited, added, changed, gone, again, timeouts, deleted, *_ = found
    equal((new.service['sched'], new.service['timeout']), ('rr', 60), 'the service')
    equal((edited.service['sched'], edited.service['port']), ('wlc', 80), 'the edited one')
    equal((added.service['port'], added.dest['addr'][-1]), (80, 11), 'the destination')
    equal((changed.dest['weight'], changed.dest['upper']), (5, 9), 'the edited one')
    equal((gone.dest['weight'], again.dest['weight']), (5, 6), 'weights')
    equal(deleted.service['addr'], bytes([10, 0, 0, 1]), 'the deleted service')
    seconds = dict(attributes(timeouts.rest[ripvs.TIMEOUTS]))
    equal(struct.unpack('=I', seconds[1])[0], 901, 'the timeout')


@case('a transaction is as many events of one generation; a refusal is none', only='rust')
def events_together():
    family, ears = Ripvs(g.director), Listener(g.director)
    generation = applied(
        family,
        change(NEW_SERVICE, web(sched='rr')),
        change(NEW_DEST, web(), server(11)),
        change(NEW_DEST, web(), server(12)),
    )
    found = heard(ears, 'new-service', 'new-dest', 'new-dest')
    equal({one.generation for one in found}, {generation}, 'generations')
    wrong = FAULTS['no such scheduler'][1]
    refused(family, errno.ENOENT, 1, change(SET_SERVICE, web(timeout=9)), wrong)
    abi.refused(abi.NEW_SERVICE, abi.service(), errno.EEXIST)
    equal(ears.next(0), None, 'an event of a refusal')
    applied(
        family,
        change(SET_DEST, web(), server(11, weight=3)),
        # It is as before.
        change(SET_DEST, web(), server(12, weight=1)),
        change(NEW_DEST, web(), server(13)),
    )
    heard(ears, 'new-dest', 'set-dest')
    applied(family, change(SET_SERVICE, web(sched='lc')), change(DEL_DEST, web(), server(12)))
    heard(ears, 'set-service', 'del-dest')
    applied(family, change(DEL_SERVICE, web()))
    heard(ears, 'del-service')
    # The other namespace has listeners of its own.
    others = Listener(g.other)
    abi.ok(abi.NEW_SERVICE, abi.service())
    heard(ears, 'new-service')
    equal(others.next(0), None, 'an event of another namespace')


@case('a listener that does not read learns that it has lost events', only='rust')
def lost():
    family, deaf, ears = Ripvs(g.director), Listener(g.director, buffer=4096), Listener(g.director)
    applied(family, *(change(NEW_SERVICE, web(port=port, sched='rr')) for port in range(1, 200)))
    equal(len(heard(ears, *['new-service'] * 199)), 199, 'events')
    try:
        while deaf.next(0):
            pass
    except OSError as error:
        equal(error.errno, errno.ENOBUFS, 'the loss is told')
    else:
        true(False, 'the loss is told')
    # And goes on with what comes after it.
    deaf.all()
    applied(family, change(DEL_SERVICE, web(port=1)))
    heard(deaf, 'del-service')


run(g)
