#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Each allocation of a transaction fails once, as failing.py has it of other requests.

A transaction that is refused has changed nothing.
"""

import errno

from harness import faults
from harness.abi import FLUSH, everything, g, ok
from harness.failing import REASONS, Failing, each
from harness.ripvs import (
    DEL_DEST,
    DEL_SERVICE,
    DRAIN_DEST,
    NEW_DEST,
    NEW_SERVICE,
    SET_DEST,
    SET_SERVICE,
    FLUSH as FLUSH_ALL,
    Listener,
    Ripvs,
    applied,
    change,
    web,
)
from harness.tap import case, equal, run, skip_all, true


def server(last, **fields):
    return {'addr': f'10.60.0.{last}', 'port': 80, **fields}


def transaction(family, *changes):
    """A transaction as an operation: None, or the words of its refusal."""

    def operation():
        answer = family.apply(*changes)
        if not answer.error:
            return None
        true(answer.words, f'{errno.errorcode[answer.error]} has no words')
        true(errno.errorcode[answer.error] in REASONS, answer.words)
        return answer.words

    return operation


SIX = {'af': 10, 'fwmark': 9}
MANY = [change(NEW_DEST, web(), server(n)) for n in range(2, 20)]


def undo(family, *changes):
    """Takes back what a transaction did."""

    return lambda: applied(family, *changes)


@case('each allocation of new services with destinations fails', only='rust')
def new():
    family = Ripvs(g.director)
    total = 0
    for scheduler in ('rr', 'wrr', 'mh', 'lblcr'):
        total += each(
            scheduler,
            transaction(
                family,
                change(NEW_SERVICE, web(sched=scheduler)),
                *MANY,
                change(NEW_SERVICE, {**SIX, 'sched': 'rr'}),
                change(NEW_DEST, SIX, {'addr': 'fd00:60::2', 'port': 80}),
            ),
            undo(family, change(FLUSH_ALL)),
        )
    true(total > 100, f'{total} allocations')


@case('each allocation of a transaction of all kinds fails', only='rust')
def changed():
    family = Ripvs(g.director)
    total = 0
    for scheduler in ('rr', 'wrr', 'mh', 'lblcr'):
        start = [
            change(NEW_SERVICE, web(sched=scheduler)),
            *MANY,
            change(NEW_SERVICE, {**SIX, 'sched': 'rr'}),
            change(NEW_DEST, SIX, {'addr': 'fd00:60::2', 'port': 80}),
        ]

        def again(start=start):
            # Not in one transaction, which would keep the order of what stays.
            undo(family, change(FLUSH_ALL))()
            undo(family, *start)()

        again()
        total += each(
            scheduler,
            transaction(
                family,
                change(SET_SERVICE, web(sched='wlc', flags=1, timeout=60)),
                change(DEL_DEST, web(), server(2)),
                change(SET_DEST, web(), server(3, weight=7)),
                change(SET_DEST, web(), server(4, fwd=2, tun_type=1, tun_port=6080)),
                change(NEW_DEST, web(), server(30, fwd=2, tun_type=2)),
                change(DEL_SERVICE, SIX),
                change(NEW_SERVICE, web(port=81, sched='sh')),
                change(NEW_DEST, web(port=81), server(31)),
                change(DRAIN_DEST, web(), server(5, drain={'deadline': 600})),
                change(DRAIN_DEST, web(port=81), server(31)),
            ),
            again,
        )
        ok(FLUSH)
    true(total > 100, f'{total} allocations')


@case('each allocation of taking destinations from the trash, and of a flush, fails', only='rust')
def revived():
    family = Ripvs(g.director)
    start = [change(NEW_SERVICE, web(sched='wrr')), *MANY]
    undo(family, *start)()
    gone = [change(DEL_DEST, web(), server(n)) for n in range(2, 20)]
    total = each('deletions', transaction(family, *gone), undo(family, *MANY))
    undo(family, *gone)()
    total += each('additions', transaction(family, *MANY), undo(family, *gone))
    undo(family, *MANY)()
    total += each('flush', transaction(family, change(FLUSH_ALL)), undo(family, *start))
    true(total > 60, f'{total} allocations')


@case('each allocation of the dump, and of an event, fails', only='rust')
def asked():
    family = Ripvs(g.director)
    undo(family, change(NEW_SERVICE, web(sched='rr')), *MANY)()

    def dump():
        try:
            family.services(statistics=True)
        except OSError as error:
            true(errno.errorcode[error.errno] in REASONS, str(error))
            return str(error)
        return None

    each('get-services', dump)
    ears = Listener(g.director)
    before = everything()
    each(
        'an event',
        transaction(family, change(SET_DEST, web(), server(2, weight=5))),
        undo(family, change(SET_DEST, web(), server(2, weight=1))),
    )
    equal(everything(), before, 'what is configured')
    true(ears.all(), 'events')


if not faults.possible():
    skip_all('this kernel has no fault injection')
run(Failing())
