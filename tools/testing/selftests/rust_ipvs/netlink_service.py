#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Services by netlink: what is accepted, what is refused and how, what is shown.

Each expectation holds of C IPVS too: IPVS_IMPL=c runs the same cases on the kernel's own ip_vs. There,
refusals come without words.
"""

import errno
import struct

from harness.abi import (
    ALL,
    DAEMON,
    DEL_DEST,
    DEL_SERVICE,
    DEST,
    dest,
    ESP,
    everything,
    g,
    GET_SERVICE,
    HASHED,
    listed,
    mark,
    NEW_DEST,
    NEW_SERVICE,
    number,
    ok,
    ONEPACKET,
    PERSISTENT,
    refused,
    SCTP,
    seen_dests,
    seen_service,
    SERVICE,
    service,
    service_id,
    SET_CONFIG,
    SET_DEST,
    SET_SERVICE,
    TCP,
    TCP_FIN_TIMEOUT,
    TCP_TIMEOUT,
    UDP,
    UDP_TIMEOUT,
    V4,
    V6,
    v6,
    ZERO,
)
from harness.netlink import (
    address,
    attr,
    attributes,
    be16,
    NLA_F_NESTED,
    NLM_F_ACK,
    NLM_F_MULTI,
    NLM_F_REQUEST,
    u16,
    u32,
)
from harness.tap import case, equal, run, true


@case('G-8 G-11 a service is shown with all attributes, in order')
def service_order():
    ok(NEW_SERVICE, service(flags=(PERSISTENT, ALL), timeout=300, netmask=0x00FFFFFF))
    fields = seen_service()
    equal([n for n, _ in fields], [1, 2, 3, 4, 6, 7, 8, 9, 10, 12], 'order of the attributes')
    shown = dict(fields)
    equal(shown[1], u16(V4), 'family')
    equal(shown[2], u16(TCP), 'protocol')
    equal(shown[3], address('10.0.0.1') + bytes(12), 'address')
    equal(shown[4], be16(80), 'port')
    equal(shown[6], b'rr\0', 'scheduler')
    equal(shown[7], u32(PERSISTENT | HASHED) + u32(ALL), 'flags and mask')
    equal(shown[8], u32(300), 'timeout')
    equal(shown[9], u32(0x00FFFFFF), 'netmask')
    stats = attributes(shown[10])
    equal(
        [(n, len(p)) for n, p in stats],
        [(1, 4), (2, 4), (3, 4), (4, 8), (5, 8), (6, 4), (7, 4), (8, 4), (9, 4), (10, 4)],
        'STATS',
    )
    equal(
        [(n, len(p)) for n, p in attributes(shown[12])], [(n, 8) for n in range(1, 11)], 'STATS64'
    )
    true(not any(p.strip(b'\0') for _, p in stats), 'a fresh service has counted nothing')


@case('G-7 G-8 services of a mark and of IPv6 are shown with what names them')
def other_keys():
    ok(NEW_SERVICE, mark(7))
    ok(NEW_SERVICE, v6(protocol=UDP, port=53, flags=(ONEPACKET, ALL), netmask=64))
    fields = seen_service(protocol=None, addr=None, port=None, fwmark=7)
    equal([n for n, _ in fields], [1, 5, 6, 7, 8, 9, 10, 12], 'order of the attributes of a mark')
    equal(dict(fields)[5], u32(7), 'mark')
    shown = dict(seen_service(af=V6, protocol=UDP, addr='fd00::1', port=53))
    equal(
        (shown[1], shown[2], shown[3], shown[9]),
        (u16(V6), u16(UDP), address('fd00::1'), u32(64)),
        'of IPv6',
    )
    equal(shown[7], u32(ONEPACKET | HASHED) + u32(ALL), 'flags')


@case('G-16 one service is answered with one message that is no part of several')
def single_answer():
    ok(NEW_SERVICE, service())
    (message,) = ok(GET_SERVICE, service_id())
    equal((message.flags & NLM_F_MULTI, message.version), (0, 1), 'multi flag and version')
    refused(GET_SERVICE, service_id(port=81), errno.ESRCH, 'of an unknown service')
    refused(GET_SERVICE, b'', errno.EINVAL, 'of no service')
    refused(GET_SERVICE, service_id(af=1), errno.EAFNOSUPPORT, 'of family 1')


@case('G-7 a mark wins over an address, mark 0 is TCP 0.0.0.0:0')
def marks():
    ok(NEW_SERVICE, service(fwmark=9))
    equal([5 in s for s in listed()], [True], 'the service is that of the mark')
    refused(GET_SERVICE, service_id(), errno.ESRCH, 'by the address')
    ok(NEW_SERVICE, mark(0))
    shown = dict(seen_service(addr='0.0.0.0', port=0))
    equal(
        (shown[2], shown[3], shown[4]),
        (u16(TCP), bytes(16), be16(0)),
        'protocol, address and port of mark 0',
    )
    refused(
        NEW_SERVICE, service(addr='0.0.0.0', port=0), errno.EEXIST, 'TCP 0.0.0.0:0 beside mark 0'
    )
    ok(NEW_SERVICE, mark(9, af=V6, netmask=128))
    equal(len(listed()), 3, 'marks of both families are different services')


@case('G-7 the same address in another protocol, port or family is another service')
def identities():
    for nests in (
        service(),
        service(protocol=UDP),
        service(port=81),
        service(addr='10.0.0.9'),
        service(protocol=SCTP),
        v6(),
        v6(protocol=UDP),
        mark(1),
        mark(2),
    ):
        ok(NEW_SERVICE, nests)
    equal(len(listed()), 9, 'services')
    ok(DEL_SERVICE, service_id(protocol=UDP))
    equal(len(listed()), 8, 'services after one was deleted')


@case('G-21 Q-22 any protocol number is accepted')
def protocols():
    for protocol in (0, 1, ESP, 255, 256, 65535):
        ok(NEW_SERVICE, service(protocol=protocol))
        equal(dict(seen_service(protocol=protocol))[2], u16(protocol), 'protocol as it is shown')


@case('11.2 G-7 address families other than 2 and 10 are EAFNOSUPPORT')
def families():
    for family in (0, 1, 3, 9, 11, 266, 65535):
        refused(
            NEW_SERVICE, service(af=family), errno.EAFNOSUPPORT, f'NEW_SERVICE of family {family}'
        )
        refused(
            NEW_SERVICE,
            mark(1, af=family),
            errno.EAFNOSUPPORT,
            f'NEW_SERVICE of a mark of family {family}',
        )
    ok(NEW_SERVICE, service())
    for command in (SET_SERVICE, DEL_SERVICE, ZERO):
        refused(command, service(af=7), errno.EAFNOSUPPORT, f'command {command} of family 7')
    for command in (NEW_DEST, SET_DEST, DEL_DEST):
        refused(
            command, service(af=7) + dest(), errno.EAFNOSUPPORT, f'command {command} for family 7'
        )
        refused(
            command, service() + dest(af=7), errno.EAFNOSUPPORT, f'command {command} of family 7'
        )


@case('11.2 what names a service must be there: EINVAL')
def missing_id():
    ok(NEW_SERVICE, service())
    for command in (NEW_SERVICE, SET_SERVICE, DEL_SERVICE, NEW_DEST, SET_DEST, DEL_DEST):
        refused(command, dest(), errno.EINVAL, f'command {command} without SERVICE')
    for command in (NEW_SERVICE, SET_SERVICE, DEL_SERVICE, ZERO, NEW_DEST, SET_DEST, DEL_DEST):
        refused(
            command,
            attr(SERVICE, b'') + dest(),
            errno.EINVAL,
            f'command {command} with an empty SERVICE',
        )
        for name in ('af', 'protocol', 'addr', 'port'):
            refused(
                command,
                service(**{name: None}) + dest(),
                errno.EINVAL,
                f'command {command} without {name}',
            )


@case('11.2 G-6 what a new service is told to do must be there: EINVAL')
def missing_terms():
    for name in ('sched', 'flags', 'timeout', 'netmask'):
        refused(NEW_SERVICE, service(**{name: None}), errno.EINVAL, f'NEW_SERVICE without {name}')
    ok(NEW_SERVICE, service())
    for name in ('sched', 'flags', 'timeout', 'netmask'):
        refused(SET_SERVICE, service(**{name: None}), errno.EINVAL, f'SET_SERVICE without {name}')
        refused(
            SET_SERVICE,
            service(port=99, **{name: None}),
            errno.EINVAL,
            f'SET_SERVICE of an unknown one without {name}',
        )


@case('G-6 G-23 addresses may be short, not long')
def addresses():
    ok(NEW_SERVICE, service(addr=address('10.0.0.1')))
    equal(
        dict(seen_service(addr=address('10.0.0.1') + bytes(12)))[3],
        address('10.0.0.1') + bytes(12),
        'four bytes',
    )
    ok(NEW_SERVICE, service(addr=b'\x0a\x01'))
    equal(dict(seen_service(addr='10.1.0.0'))[3], address('10.1.0.0') + bytes(12), 'two bytes')
    ok(NEW_SERVICE, service(addr=b''))
    equal(dict(seen_service(addr='0.0.0.0'))[3], bytes(16), 'no byte')
    ok(NEW_SERVICE, v6(addr=b'\xfd'))
    equal(dict(seen_service(af=V6, addr='fd00::'))[3], address('fd00::'), 'one byte of IPv6')
    refused(NEW_SERVICE, service(addr=bytes(17)), errno.EINVAL, 'an address of 17 bytes')
    refused(
        NEW_SERVICE,
        service(addr=address('10.0.0.1') + b'\x01' * 12),
        errno.EEXIST,
        'what follows an IPv4 address',
    )


@case('11.2 G-6 attributes of a service that are too short are EINVAL')
def short_attributes():
    for name, size in dict(af=2, protocol=2, port=2, fwmark=4, timeout=4, netmask=4).items():
        for length in range(size):
            refused(
                NEW_SERVICE,
                service(**{name: bytes(length)}),
                errno.EINVAL,
                f'{name} of {length} bytes',
            )
    for text in (b'', b'rr', b'x' * 16 + b'\0', b'x' * 15, b'rr\0' + b'x' * 14, b'x' * 20):
        refused(NEW_SERVICE, service(sched=text), errno.EINVAL, f'scheduler {text!r}')
    for text in (b'', b'sip', b'x' * 17 + b'\0', b'x' * 16):
        refused(NEW_SERVICE, service(pe=text), errno.EINVAL, f'persistence engine {text!r}')
    refused(NEW_SERVICE, service(flags=bytes(9)), errno.EINVAL, 'flags of 9 bytes')


@case('G-5 G-6 what is too long is cut, what is unknown or unclean is passed over')
def liberal():
    ok(
        NEW_SERVICE,
        service(
            af=u16(V4) + b'xy',
            protocol=u16(TCP) + b'z',
            port=be16(80) + b'abc',
            timeout=u32(5) + b'm',
        ),
    )
    shown = dict(seen_service())
    equal(shown[8], u32(5), 'timeout')
    ok(NEW_SERVICE, service(port=81, sched=b'rr\0garbage'))
    equal(dict(seen_service(port=81))[6], b'rr\0', 'scheduler')
    ok(NEW_SERVICE, attr(77, b'x') + service(port=82) + attr(0, b'') + attr(7, b'later'))
    ok(
        NEW_SERVICE,
        attr(
            SERVICE,
            attr(99, b'?')
            + service(port=83)[4:]
            + attr(0, b'')
            + attr(10, attr(1, b''))
            + attr(12, b''),
        ),
    )
    ok(NEW_SERVICE, attr(SERVICE | NLA_F_NESTED, service(port=84)[4:]))
    ok(NEW_SERVICE, service(port=85) + b'\x01\x02\x03')
    ok(NEW_SERVICE, attr(SERVICE, service(port=86)[4:] + b'\xff'))
    ok(NEW_SERVICE, attr(SERVICE, service(port=87)[4:] + struct.pack('=HH', 99, 6) + b'x'))
    ok(NEW_SERVICE, attr(SERVICE, service(port=88)[4:] + struct.pack('=HH', 3, 6)))
    equal(len(listed()), 9, 'services')


@case('G-5 of an attribute that comes twice the last counts')
def twice():
    ok(NEW_SERVICE, service(port=1) + service(port=2))
    equal([s[4] for s in listed()], [be16(2)], 'ports')
    ok(NEW_SERVICE, attr(SERVICE, service(port=3)[4:] + attr(4, be16(4))))
    equal(sorted(s[4] for s in listed()), [be16(2), be16(4)], 'ports')
    refused(
        NEW_SERVICE,
        attr(SERVICE, attr(4, b'x') + service(port=5)[4:]),
        errno.EINVAL,
        'the first of two is too short',
    )
    refused(
        NEW_SERVICE, service(port=5) + attr(SERVICE, b''), errno.EINVAL, 'the last of two is empty'
    )


@case('G-5 a nest shorter than an attribute, and a short timeout, are ERANGE')
def core_refuses():
    for length in (1, 2, 3):
        for kind, payload in ((SERVICE, b''), (DEST, service()), (DAEMON, service())):
            refused(
                NEW_SERVICE,
                payload + attr(kind, bytes(length)),
                errno.ERANGE,
                f'nest {kind} of {length} bytes',
            )
    for kind in (TCP_TIMEOUT, TCP_FIN_TIMEOUT, UDP_TIMEOUT):
        for length in range(4):
            refused(
                SET_CONFIG,
                attr(kind, bytes(length)),
                errno.ERANGE,
                f'timeout {kind} of {length} bytes',
            )


@case('11.2 nests within which lengths lie are EINVAL')
def lying_lengths():
    whole = service()[4:]
    for length in (0, 1, 3):
        refused(
            NEW_SERVICE,
            attr(SERVICE, struct.pack('=HH', length, 1) + whole),
            errno.EINVAL,
            f'the first attribute claims {length} bytes',
        )
    refused(
        NEW_SERVICE,
        attr(SERVICE, struct.pack('=HH', 0xFFFF, 1) + whole),
        errno.EINVAL,
        'it claims 65535 bytes',
    )
    refused(NEW_SERVICE, attr(SERVICE, attr(SERVICE, whole)), errno.EINVAL, 'a nest in a nest')
    refused(
        NEW_SERVICE,
        struct.pack('=HH', 4000, SERVICE) + whole,
        errno.EINVAL,
        'the nest claims more than there is',
    )
    refused(NEW_SERVICE, attr(DEST, whole), errno.EINVAL, 'the service is in the wrong nest')
    refused(NEW_SERVICE, attr(77, whole), errno.EINVAL, 'the nest has an unknown number')


@case('11.2 a message cut anywhere is refused and changes nothing')
def truncated():
    ok(NEW_SERVICE, service())
    body = struct.pack('=BBH', NEW_DEST, 1, 0) + service() + dest()
    before = everything()
    for length in range(len(body) - 4):
        answer = g.genl.raw(body[:length])
        true(
            answer.error in (errno.EINVAL, errno.ERANGE),
            f'NEW_DEST cut to {length} bytes: {answer.error}',
        )
    equal(everything(), before, 'configuration')
    body = struct.pack('=BBH', NEW_SERVICE, 1, 0) + service(port=81)
    for length in range(len(body) - 4):
        answer = g.genl.raw(body[:length])
        true(
            answer.error in (errno.EINVAL, errno.ERANGE),
            f'NEW_SERVICE cut to {length} bytes: {answer.error}',
        )
    equal(everything(), before, 'configuration')


@case('G-1 G-3 the version and the reserved bytes of the header do not matter')
def header():
    equal(g.genl.raw(struct.pack('=BBH', NEW_SERVICE, 0, 0xFFFF) + service()).error, 0, 'version 0')
    equal(
        g.genl.raw(
            struct.pack('=BBH', DEL_SERVICE, 200, 1) + service_id(),
            NLM_F_REQUEST | NLM_F_ACK | 0xC00,
        ).error,
        0,
        'version 200 and flags of requests to add',
    )


@case('11.2 G-18 duplicate and missing services: EEXIST and ESRCH, whatever else is wrong')
def duplicates():
    refused(SET_SERVICE, service(), errno.ESRCH, 'SET_SERVICE of none')
    refused(DEL_SERVICE, service_id(), errno.ESRCH, 'DEL_SERVICE of none')
    refused(ZERO, service_id(), errno.ESRCH, 'ZERO of none')
    for command in (NEW_DEST, SET_DEST, DEL_DEST):
        refused(command, service_id() + dest(), errno.ESRCH, f'command {command} of none')
        refused(
            command, service_id(), errno.ESRCH, f'command {command} of none, without a destination'
        )
    ok(NEW_SERVICE, service())
    refused(NEW_SERVICE, service(), errno.EEXIST, 'NEW_SERVICE of one')
    refused(
        NEW_SERVICE, service(sched='nosuch'), errno.EEXIST, 'NEW_SERVICE of one, with no scheduler'
    )
    refused(
        NEW_SERVICE,
        service(pe='nosuch', timeout=7),
        errno.EEXIST,
        'NEW_SERVICE of one, with no engine',
    )
    ok(DEL_SERVICE, service_id())
    refused(DEL_SERVICE, service_id(), errno.ESRCH, 'DEL_SERVICE a second time')


@case('11.2 G-18 unknown schedulers and engines are ENOENT, before the netmask is looked at')
def unknown_names():
    for text in ('nosuch', 'r', 'rrr', 'RR', 'x' * 15, 'rr '):
        refused(NEW_SERVICE, service(sched=text), errno.ENOENT, f'scheduler "{text}"')
    refused(NEW_SERVICE, service(pe='nosuch'), errno.ENOENT, 'persistence engine')
    refused(NEW_SERVICE, v6(netmask=0, sched='nosuch'), errno.ENOENT, 'scheduler, and netmask 0')
    refused(NEW_SERVICE, v6(netmask=0, pe='nosuch'), errno.ENOENT, 'engine, and netmask 0')
    ok(NEW_SERVICE, service())
    refused(
        SET_SERVICE,
        service(sched='nosuch', timeout=9),
        errno.ENOENT,
        'SET_SERVICE of an unknown scheduler',
    )
    refused(
        SET_SERVICE,
        service(pe='nosuch', timeout=9),
        errno.ENOENT,
        'SET_SERVICE of an unknown engine',
    )


@case('V-18 a service may have no scheduler, by the name "none"')
def no_scheduler():
    ok(NEW_SERVICE, service(sched='none'))
    equal(dict(seen_service())[6], b'none\0', 'scheduler')
    ok(SET_SERVICE, service(sched='rr'))
    equal(dict(seen_service())[6], b'rr\0', 'scheduler')
    ok(SET_SERVICE, service(sched='none'))
    equal(dict(seen_service())[6], b'none\0', 'scheduler')


@case('11.2 G-20 netmasks: a prefix length of 1 to 128 for IPv6, anything for IPv4')
def netmasks():
    for mask in (0, 129, 1 << 31, ALL):
        refused(NEW_SERVICE, v6(netmask=mask), errno.EINVAL, f'netmask {mask}')
    for mask in (1, 128):
        ok(NEW_SERVICE, v6(netmask=mask, port=mask))
        equal(dict(seen_service(af=V6, addr='fd00::1', port=mask))[9], u32(mask), 'netmask')
    refused(SET_SERVICE, v6(port=1, netmask=0), errno.EINVAL, 'SET_SERVICE of netmask 0')
    for port, mask in enumerate((0, 1, 0xFF00FF00, ALL)):
        ok(NEW_SERVICE, service(netmask=mask, port=port))
        equal(dict(seen_service(port=port))[9], u32(mask), 'netmask')


@case('G-20 timeouts of persistence are not checked, and kept without persistence')
def persistence_timeouts():
    for port, seconds in enumerate((0, 1, 10800, 2147483)):
        ok(NEW_SERVICE, service(timeout=seconds, port=port))
        equal(dict(seen_service(port=port))[8], u32(seconds), 'timeout')


@case('G-9 G-19 flags change where the mask selects them; HASHED is always there')
def flags():
    def shown():
        return number(dict(seen_service())[7][:4])

    ok(NEW_SERVICE, service(flags=(PERSISTENT | 0x18, ALL)))
    equal(shown(), PERSISTENT | 0x18 | HASHED, 'flags of a new service')
    ok(SET_SERVICE, service(flags=(0, 0)))
    equal(shown(), PERSISTENT | 0x18 | HASHED, 'flags after a change of none')
    ok(SET_SERVICE, service(flags=(ONEPACKET, ONEPACKET)))
    equal(shown(), PERSISTENT | 0x18 | ONEPACKET | HASHED, 'flags after one more')
    ok(SET_SERVICE, service(flags=(0, PERSISTENT | HASHED)))
    equal(shown(), 0x18 | ONEPACKET | HASHED, 'flags after one less')
    ok(SET_SERVICE, service(flags=(0x20, ALL)))
    equal(shown(), 0x20 | HASHED, 'flags after all were set')
    ok(SET_SERVICE, service(flags=u32(PERSISTENT)))
    equal(shown(), 0x20 | HASHED, 'flags after flags without a mask')
    ok(NEW_SERVICE, service(port=81, flags=b''))
    equal(number(dict(seen_service(port=81))[7][:4]), HASHED, 'flags of a new service without any')


@case('V-17 SET_SERVICE changes what a service is told to do')
def edit_service():
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest())
    ok(SET_SERVICE, service(flags=(PERSISTENT, ALL), timeout=77, netmask=0xFF))
    shown = dict(seen_service())
    equal(
        (shown[7][:4], shown[8], shown[9]),
        (u32(PERSISTENT | HASHED), u32(77), u32(0xFF)),
        'flags, timeout, netmask',
    )
    equal(len(seen_dests()), 1, 'destinations, which stay')


if __name__ == '__main__':
    run(g)
