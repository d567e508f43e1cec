#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Destinations by netlink: what is accepted, what is refused and how, what is shown.

Each expectation holds of C IPVS too: IPVS_IMPL=c runs the same cases on the kernel's own ip_vs. There,
refusals come without words.
"""

import errno

from harness.abi import (
    ALL,
    DEL_DEST,
    DEST,
    dest,
    dest_id,
    g,
    GET_DEST,
    LOCAL,
    MASQ,
    nest,
    NEW_DEST,
    NEW_SERVICE,
    number,
    ok,
    refused,
    ROUTE,
    seen_dests,
    service,
    service_id,
    SET_DEST,
    TUNNEL,
    V4,
    V6,
    v6,
)
from harness.netlink import address, attr, attributes, be16, NLM_F_MULTI, u16, u32, u8
from harness.tap import case, equal, run, true


@case('G-10 G-11 a destination is shown with all attributes, in order')
def dest_order():
    ok(NEW_SERVICE, service())
    ok(
        NEW_DEST,
        service_id()
        + dest(fwd=TUNNEL, weight=3, upper=9, lower=2, tun_type=1, tun_port=6080, tun_flags=1),
    )
    answer = g.genl.dump(GET_DEST, service_id())
    equal(len(answer.messages), 1, 'messages')
    equal(answer.messages[0].command, NEW_DEST, 'command')
    true(answer.messages[0].flags & NLM_F_MULTI, 'the message is one of several')
    fields = attributes(nest(answer.messages[0].payload, DEST))
    equal(
        [n for n, _ in fields],
        [1, 2, 3, 4, 13, 14, 15, 5, 6, 7, 8, 9, 11, 10, 12],
        'order of the attributes',
    )
    shown = dict(fields)
    want = {
        1: address('10.0.0.2') + bytes(12),
        2: be16(80),
        3: u32(TUNNEL),
        4: u32(3),
        13: u8(1),
        14: be16(6080),
        15: u16(1),
        5: u32(9),
        6: u32(2),
        7: u32(0),
        8: u32(0),
        9: u32(0),
        11: u16(V4),
    }
    equal({n: shown[n] for n in want}, want, 'attributes')
    equal(
        [(n, len(p)) for n, p in attributes(shown[10])],
        [(1, 4), (2, 4), (3, 4), (4, 8), (5, 8), (6, 4), (7, 4), (8, 4), (9, 4), (10, 4)],
        'STATS',
    )
    equal(
        [(n, len(p)) for n, p in attributes(shown[12])], [(n, 8) for n in range(1, 11)], 'STATS64'
    )


@case('11.2 what a destination is told must be there and long enough: EINVAL')
def dest_attributes():
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest())
    for command in (NEW_DEST, SET_DEST):
        refused(command, service_id(), errno.EINVAL, f'command {command} without DEST')
        refused(
            command,
            service_id() + attr(DEST, b''),
            errno.EINVAL,
            f'command {command} with an empty DEST',
        )
        for name in ('addr', 'port', 'fwd', 'weight', 'upper', 'lower'):
            refused(
                command,
                service_id() + dest(**{name: None}),
                errno.EINVAL,
                f'command {command} without {name}',
            )
    refused(DEL_DEST, service_id(), errno.EINVAL, 'DEL_DEST without DEST')
    for name in ('addr', 'port'):
        refused(
            DEL_DEST,
            service_id() + dest_id(**{name: None}),
            errno.EINVAL,
            f'DEL_DEST without {name}',
        )
    for name, size in dict(
        port=2, fwd=4, weight=4, upper=4, lower=4, af=2, tun_type=1, tun_port=2, tun_flags=2
    ).items():
        for length in range(size):
            refused(
                NEW_DEST,
                service_id() + dest(addr='10.0.0.9', **{name: bytes(length)}),
                errno.EINVAL,
                f'{name} of {length} bytes',
            )
    refused(NEW_DEST, service_id() + dest(addr=bytes(17)), errno.EINVAL, 'an address of 17 bytes')
    ok(DEL_DEST, service_id() + dest_id())


@case('G-17 U-18 11.2 weights and thresholds: ERANGE and EINVAL, in order')
def thresholds():
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest())
    big = 1 << 31
    for command, addr in ((NEW_DEST, '10.0.0.9'), (SET_DEST, '10.0.0.2')):
        for fields, error in (
            (dict(weight=big), errno.ERANGE),
            (dict(weight=ALL), errno.ERANGE),
            (dict(upper=5, lower=6), errno.ERANGE),
            (dict(lower=1), errno.ERANGE),
            (dict(upper=big), errno.EINVAL),
            (dict(upper=ALL, lower=ALL), errno.EINVAL),
            (dict(weight=big, upper=big), errno.ERANGE),
            (dict(upper=big - 1, lower=big), errno.ERANGE),
            (dict(fwd=TUNNEL, tun_type=1), errno.EINVAL),
            (dict(fwd=TUNNEL, tun_type=1, weight=big), errno.ERANGE),
            (dict(tun_type=1, tun_port=0), errno.EINVAL),
        ):
            refused(
                command,
                service_id() + dest(addr=addr, **fields),
                error,
                f'command {command} with {fields}',
            )
    refused(
        NEW_DEST, service_id() + dest(weight=big), errno.ERANGE, 'a duplicate of a negative weight'
    )
    refused(
        NEW_DEST,
        service_id() + dest(upper=5, lower=6),
        errno.ERANGE,
        'a duplicate of wrong thresholds',
    )
    ok(SET_DEST, service_id() + dest(weight=big - 1, upper=big - 1, lower=big - 1))
    (shown,) = seen_dests()
    equal(
        (shown[4], shown[5], shown[6]),
        (u32(big - 1),) * 3,
        'weight and thresholds at their greatest',
    )


@case('11.2 duplicate destinations are EEXIST, unknown ones ENOENT')
def dest_duplicates():
    ok(NEW_SERVICE, service())
    refused(SET_DEST, service_id() + dest(), errno.ENOENT, 'SET_DEST of none')
    refused(DEL_DEST, service_id() + dest_id(), errno.ENOENT, 'DEL_DEST of none')
    ok(NEW_DEST, service_id() + dest())
    refused(NEW_DEST, service_id() + dest(), errno.EEXIST, 'NEW_DEST of one')
    refused(
        NEW_DEST,
        service_id() + dest(fwd=ROUTE, weight=9),
        errno.EEXIST,
        'NEW_DEST of one, told otherwise',
    )
    ok(NEW_DEST, service_id() + dest(port=81))
    ok(NEW_DEST, service_id() + dest(addr='10.0.0.3'))
    ok(DEL_DEST, service_id() + dest_id())
    refused(DEL_DEST, service_id() + dest_id(), errno.ENOENT, 'DEL_DEST a second time')
    equal(len(seen_dests()), 2, 'destinations')


@case('G-17 11.2 addresses that cannot be a server are EINVAL')
def dest_addresses():
    ok(NEW_SERVICE, service())
    ok(NEW_SERVICE, v6())
    for addr in ('0.0.0.0', '224.0.0.1', '239.1.2.3', '255.255.255.255', '10.0.0.255'):
        refused(NEW_DEST, service_id() + dest(addr=addr), errno.EINVAL, addr)
    six = service_id(af=V6, addr='fd00::1')
    for addr in ('::', 'fe80::1', 'ff02::1', 'ff05::2'):
        refused(NEW_DEST, six + dest(addr=addr), errno.EINVAL, addr)
    for addr in ('10.0.0.1', '127.0.0.1', '192.0.2.1', '8.8.8.8'):
        ok(NEW_DEST, service_id() + dest(addr=addr))
    for addr in ('::1', 'fd00::1', 'fd00::2', '2001:db8::1'):
        ok(NEW_DEST, six + dest(addr=addr))
    equal((len(seen_dests()), len(seen_dests(af=V6, addr='fd00::1'))), (4, 4), 'destinations')


@case('V-10 G-10 a destination of the other family only by tunnelling: EINVAL')
def mixed():
    ok(NEW_SERVICE, service())
    ok(NEW_SERVICE, v6())
    six = service_id(af=V6, addr='fd00::1')
    for method in (MASQ, LOCAL, ROUTE, 4, 5, 7):
        refused(
            NEW_DEST,
            service_id() + dest(addr='fd00::2', af=V6, fwd=method),
            errno.EINVAL,
            f'IPv6 by method {method}',
        )
        refused(NEW_DEST, six + dest(af=V4, fwd=method), errno.EINVAL, f'IPv4 by method {method}')
    ok(NEW_DEST, service_id() + dest(addr='fd00::2', af=V6, fwd=TUNNEL))
    ok(NEW_DEST, six + dest(af=V4, fwd=TUNNEL))
    equal([d[11] for d in seen_dests()], [u16(V6)], 'family')
    equal(
        [(d[11], d[1]) for d in seen_dests(af=V6, addr='fd00::1')],
        [(u16(V4), address('10.0.0.2') + bytes(12))],
        'family and address',
    )
    refused(SET_DEST, six + dest(af=V4, fwd=MASQ), errno.EINVAL, 'SET_DEST of IPv4 to NAT')
    refused(DEL_DEST, service_id() + dest_id(), errno.ENOENT, 'DEL_DEST by the wrong family')
    ok(DEL_DEST, service_id() + dest_id(addr='fd00::2', af=V6))
    ok(DEL_DEST, six + dest_id(af=V4))


@case('G-10 G-23 the family of a destination may be absent or 0: that of the service')
def default_family():
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest(af=0))
    ok(NEW_DEST, service_id() + dest(addr=address('10.0.0.3')))
    equal([d[11] for d in seen_dests()], [u16(V4)] * 2, 'families')
    ok(DEL_DEST, service_id() + dest_id(af=V4))
    ok(DEL_DEST, service_id() + dest_id(addr='10.0.0.3', af=0))


@case('G-10 Q-22 forward methods are masked with 7, and all are accepted')
def methods():
    ok(NEW_SERVICE, service())
    for method in range(8):
        ok(NEW_DEST, service_id() + dest(port=method + 1, fwd=method | 0xFFFFFFF8))
    equal([number(d[3]) for d in seen_dests()], list(reversed(range(8))), 'methods, newest first')


@case(
    'G-10 Q-22 Q-28 tunnels: any type is kept, and what SET_DEST leaves out stays (in C IPVS it becomes 0)'
)
def tunnels():
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest(fwd=TUNNEL, tun_type=200, tun_port=7, tun_flags=0xFFFF))

    def shown():
        return tuple(seen_dests()[0][n] for n in (13, 14, 15))

    equal(shown(), (u8(200), be16(7), u16(0xFFFF)), 'type, port and flags')
    kept = g.impl == 'rust'
    ok(SET_DEST, service_id() + dest(fwd=TUNNEL, tun_type=2, tun_flags=1))
    equal(shown(), (u8(2), be16(7 if kept else 0), u16(1)), 'type, port and flags')
    ok(SET_DEST, service_id() + dest(fwd=TUNNEL))
    equal(
        shown(),
        (u8(2), be16(7), u16(1)) if kept else (u8(0), be16(0), u16(0)),
        'type, port and flags',
    )
    ok(SET_DEST, service_id() + dest(fwd=TUNNEL, tun_type=1, tun_port=6080))
    if kept:
        ok(SET_DEST, service_id() + dest(fwd=TUNNEL, tun_type=1, tun_flags=0))
        equal(shown(), (u8(1), be16(6080), u16(0)), 'GUE, whose port stays')
        refused(
            SET_DEST,
            service_id() + dest(fwd=TUNNEL, tun_port=0),
            errno.EINVAL,
            'GUE loses its port',
        )


@case('V-14 SET_DEST changes method, weight and thresholds')
def edit_dest():
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest())
    ok(SET_DEST, service_id() + dest(fwd=ROUTE, weight=0, upper=100, lower=10))
    (shown,) = seen_dests()
    equal(
        (shown[3], shown[4], shown[5], shown[6]),
        (u32(ROUTE), u32(0), u32(100), u32(10)),
        'as it is shown',
    )


@case('V-9 destinations are listed newest first')
def newest_first():
    ok(NEW_SERVICE, service())
    for port in range(1, 6):
        ok(NEW_DEST, service_id() + dest(port=port))
    ok(DEL_DEST, service_id() + dest_id(port=3))
    ok(SET_DEST, service_id() + dest(port=1, weight=9))
    ok(NEW_DEST, service_id() + dest(port=3))
    equal([d[2] for d in seen_dests()], [be16(p) for p in (3, 5, 4, 2, 1)], 'ports')


if __name__ == '__main__':
    run(g)
