#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The older interface, by socket options: who may, each option, each refusal.

Each expectation holds of C IPVS too: IPVS_IMPL=c runs the same cases on the kernel's own ip_vs.
"""

import ctypes
import errno
import os
import socket
import struct

from harness.abi import (
    ALL,
    dest,
    everything,
    g,
    HASHED,
    mark,
    NEW_DEST,
    NEW_SERVICE,
    ok,
    PERSISTENT,
    ROUTE,
    SCTP,
    service,
    service_id,
    TCP,
    TUNNEL,
    UDP,
    v6,
)
from harness.fixture import lib
from harness.sockopt import (
    ADD,
    ADD_DEST,
    ask,
    DAEMONS,
    DEL,
    DEL_DEST,
    DESTS,
    EDIT,
    EDIT_DEST,
    FLUSH,
    INFO,
    libc,
    opened,
    say,
    SERVICE,
    SERVICES,
    START,
    STOP,
    svc,
    svc_dest,
    TIMEOUT,
    TIMEOUTS,
    VERSION,
    ZERO,
)
from harness.tap import case, equal, run

LENGTHS = {
    ADD: 44,
    EDIT: 44,
    DEL: 44,
    FLUSH: 0,
    ADD_DEST: 68,
    DEL_DEST: 68,
    EDIT_DEST: 68,
    TIMEOUT: 12,
    START: 24,
    STOP: 24,
    ZERO: 44,
}
LEAST = {VERSION: 64, INFO: 12, SERVICES: 8, SERVICE: 104, DESTS: 24, TIMEOUTS: 12, DAEMONS: 48}
# The flags of a connection that is not established, and of one without replies through the
# director.
INACTIVE, NO_OUTPUT = 0x100, 0x80


def done(option, payload=b''):
    equal(errno.errorcode.get(say(option, payload), 0), 0, f'option {option} with {payload.hex()}')


def refused(option, payload, want):
    before = everything()
    equal(
        errno.errorcode.get(say(option, payload), 0),
        errno.errorcode[want],
        f'option {option} with {payload.hex()}',
    )
    equal(everything(), before, 'configuration after what was refused')


def a_service(entry):
    """A service's entry as a dictionary; None where there is none."""
    protocol, addr, fwmark, sched, *words = struct.unpack('=H2x4s4xI16sIIII', entry[:48])
    return dict(
        protocol=protocol,
        addr=socket.inet_ntoa(addr),
        port=struct.unpack('!H', entry[8:10])[0],
        fwmark=fwmark,
        sched=sched.rstrip(b'\0').decode(),
        flags=words[0],
        timeout=words[1],
        netmask=words[2],
        dests=words[3],
    )


def the_services(room):
    error, answer = ask(SERVICES, struct.pack('=I4x', room) + bytes(104 * room))
    equal(error, 0, 'asking for services')
    entries = [answer[8 + 104 * n :][:104] for n in range(room)]
    return [a_service(entry) for entry in entries if any(entry)]


def the_dests(room, **fields):
    which = svc(**fields)[:16]
    error, answer = ask(DESTS, which + struct.pack('=I4x', room) + bytes(96 * room))
    equal(error, 0, 'asking for destinations')
    found = []
    for number in range(room):
        entry = answer[24 + 96 * number :][:96]
        if any(entry):
            words = struct.unpack('=IiIIIII', entry[8:36])
            found.append((socket.inet_ntoa(entry[:4]), struct.unpack('!H', entry[4:6])[0], *words))
    return found


@case('O-1 O-2 O-3 services are added, changed, shown and deleted')
def services():
    done(ADD, svc())
    done(ADD, svc(UDP, port=0, sched=b'wlc\0rest', flags=PERSISTENT, timeout=300))
    done(ADD, svc(SCTP, port=443, sched=b'none'))
    done(ADD, svc(fwmark=7, addr='0.0.0.0', port=0))
    ok(NEW_SERVICE, v6())
    equal(
        struct.unpack('=III', ask(INFO, bytes(12))[1])[::2],
        (0x010201, 4),
        'version, number of services of IPv4',
    )
    want = [
        dict(
            protocol=TCP,
            addr='10.0.0.1',
            port=80,
            fwmark=0,
            sched='rr',
            flags=HASHED,
            timeout=0,
            netmask=ALL,
            dests=0,
        ),
        dict(
            protocol=UDP,
            addr='10.0.0.1',
            port=0,
            fwmark=0,
            sched='wlc',
            flags=HASHED | PERSISTENT,
            timeout=300,
            netmask=ALL,
            dests=0,
        ),
        dict(
            protocol=SCTP,
            addr='10.0.0.1',
            port=443,
            fwmark=0,
            sched='none',
            flags=HASHED,
            timeout=0,
            netmask=ALL,
            dests=0,
        ),
        dict(
            protocol=TCP,
            addr='0.0.0.0',
            port=0,
            fwmark=7,
            sched='rr',
            flags=HASHED,
            timeout=0,
            netmask=ALL,
            dests=0,
        ),
    ]
    order = str
    equal(sorted(the_services(6), key=order), sorted(want, key=order), 'services')
    equal(len(the_services(2)), 2, 'services, with room for two')
    done(EDIT, svc(sched=b'sh', flags=8, timeout=5, netmask=1))
    error, entry = ask(SERVICE, svc()[:16] + bytes(88))
    equal(
        (error, a_service(entry)),
        (0, {**want[0], 'sched': 'sh', 'flags': HASHED | 8, 'timeout': 5, 'netmask': 1}),
        'the changed service',
    )
    done(DEL, svc(fwmark=7))
    done(DEL, svc(UDP, port=0))
    equal(sorted(s['protocol'] for s in the_services(6)), [TCP, SCTP], 'what is left')
    done(FLUSH)
    equal(the_services(3), [], 'nothing is left')


@case('O-3 O-4 destinations are added, changed, shown and deleted')
def destinations():
    done(ADD, svc())
    done(ADD_DEST, svc_dest())
    done(ADD_DEST, svc_dest('10.0.0.3', 8080, ROUTE, 5, 9, 3))
    ok(NEW_DEST, service_id() + dest(addr='fd00::2', af=10, fwd=TUNNEL))
    want = [
        ('10.0.0.3', 8080, ROUTE | INACTIVE | NO_OUTPUT, 5, 9, 3, 0, 0, 0),
        ('10.0.0.2', 80, INACTIVE, 1, 0, 0, 0, 0, 0),
    ]
    equal(the_dests(5), want, 'destinations')
    equal(the_dests(1), want[:1], 'destinations, with room for one')
    equal(
        a_service(ask(SERVICE, svc()[:16] + bytes(88))[1])['dests'],
        3,
        'number of destinations, of whatever family',
    )
    done(EDIT_DEST, svc_dest(flags=TUNNEL, weight=0, upper=4))
    equal(
        the_dests(5)[1],
        ('10.0.0.2', 80, TUNNEL | INACTIVE | NO_OUTPUT, 0, 4, 0, 0, 0, 0),
        'the changed destination',
    )
    done(DEL_DEST, svc_dest('10.0.0.3', 8080, weight=-1))
    equal([row[0] for row in the_dests(5)], ['10.0.0.2'], 'what is left')


@case('O-2 every other length is EINVAL')
def lengths():
    done(ADD, svc())
    before = everything()
    for option in range(1152, 1168):
        right = LENGTHS.get(option, -1)
        for length in {0, right - 1, right + 1, 12, 24, 44, 68, 200} - {right, -1, -2}:
            equal(
                say(option, svc_dest().ljust(length, b'\0')[:length]),
                errno.EINVAL,
                f'option {option} of {length} bytes',
            )
    equal(everything(), before, 'configuration after what was refused')
    for option in range(1152, 1160):
        least = LEAST.get(option, 100)
        equal(
            ask(option, bytes(least - 1))[0],
            errno.EINVAL,
            f'question {option} with less than {least} bytes',
        )
    for room, length in ((0, 9), (1, 8), (1, 111), (1, 113), (2, 112)):
        equal(
            ask(SERVICES, struct.pack('=I', room).ljust(length, b'\0'))[0],
            errno.EINVAL,
            f'{room} services in {length}',
        )
    for room, length in ((0, 25), (1, 24), (1, 119), (1, 121), (2, 120)):
        question = svc()[:16] + struct.pack('=I4x', room)
        equal(
            ask(DESTS, question.ljust(length, b'\0'))[0],
            errno.EINVAL,
            f'{room} destinations in {length}',
        )
    for option in (1151, 1168):
        equal(say(option, b''), errno.ENOPROTOOPT, f'option {option}')
        equal(ask(option, b'')[0], errno.ENOPROTOOPT, f'question {option}')
    equal(ask(1160, b'')[0], errno.ENOPROTOOPT, 'question 1160')


@case('U-3 O-2 a count whose entries have, in 32 bits, the size that is there is EINVAL')
def counts_made_up():
    done(ADD, svc())
    done(ADD_DEST, svc_dest())
    services_, dests_ = len(the_services(9)), len(the_dests(9))
    # 2^29 entries of 104 bytes, and 2^27 of 96 bytes, are a multiple of 2^32 bytes.
    for more in (0, 1, 2):
        for count in (1 << 29, 1 << 30, 1 << 31):
            question = struct.pack('=I4x', count + more).ljust(8 + 104 * more, b'\0')
            equal(ask(SERVICES, question)[0], errno.EINVAL, f'{count + more} services')
        for count in (1 << 27, 1 << 28, 1 << 31):
            question = (svc()[:16] + struct.pack('=I4x', count + more)).ljust(24 + 96 * more, b'\0')
            equal(ask(DESTS, question)[0], errno.EINVAL, f'{count + more} destinations')
    for count in (ALL, ALL - 1):
        for length in (24, 112, 120):
            question = struct.pack('=I4x', count).ljust(length, b'\0')
            equal(ask(SERVICES, question)[0], errno.EINVAL, f'{count} services in {length}')
            question = (svc()[:16] + struct.pack('=I4x', count)).ljust(length, b'\0')
            equal(ask(DESTS, question)[0], errno.EINVAL, f'{count} destinations in {length}')
    equal(
        (len(the_services(9)), len(the_dests(9))), (services_, dests_), 'what is there after that'
    )


@case('O-4 G-17 G-18 what is wrong with a service or a destination')
def refusals():
    done(ADD, svc())
    refused(ADD, svc(), errno.EEXIST)
    refused(ADD, svc(port=81, sched=b'nosuch'), errno.ENOENT)
    refused(ADD, svc(port=81, sched=b''), errno.ENOENT)
    refused(ADD, svc(1, sched=b'x' * 16), errno.EINVAL)
    for option in (ADD, EDIT, DEL, ZERO):
        refused(option, svc(1), errno.EFAULT)
        refused(option, svc(0, fwmark=5), errno.EFAULT)
    for option in (EDIT, DEL, ZERO):
        refused(option, svc(port=81), errno.ESRCH)
        refused(option, svc(fwmark=5), errno.ESRCH)
    refused(EDIT, svc(sched=b'nosuch'), errno.ENOENT)
    for option in (ADD_DEST, EDIT_DEST, DEL_DEST):
        refused(option, svc_dest(protocol=50), errno.EFAULT)
    for option in (ADD_DEST, EDIT_DEST):
        # The service comes first.
        refused(option, svc_dest(weight=-1, addr='10.0.0.2', protocol=UDP), errno.ESRCH)
        refused(option, svc_dest(weight=-1), errno.ERANGE)
        refused(option, svc_dest(upper=1, lower=2), errno.ERANGE)
        refused(option, svc_dest(upper=1 << 31), errno.EINVAL)
    refused(ADD_DEST, svc_dest('224.0.0.1'), errno.EINVAL)
    refused(EDIT_DEST, svc_dest(), errno.ENOENT)
    refused(DEL_DEST, svc_dest(), errno.ENOENT)
    done(ADD_DEST, svc_dest())
    refused(ADD_DEST, svc_dest(), errno.EEXIST)
    equal(
        ask(SERVICE, svc(port=81)[:16] + bytes(88))[0], errno.ESRCH, 'a service that is not there'
    )
    equal(ask(DESTS, svc(port=81)[:16] + bytes(8))[0], errno.ESRCH, 'destinations of one')


@case('O-5 G-13 G-14 version, timeouts, daemons, counters')
def whole():
    done(ADD, svc())
    error, text = ask(VERSION, bytes(70))
    equal(
        (error, text[:38], text[-2:]),
        (0, b'IP Virtual Server version 1.2.1 (size=', b')\0'),
        'the version',
    )
    size = struct.unpack('=III', ask(INFO, bytes(12))[1])[1]
    equal(int(text[38:-2]), size, 'the size of the table in the version')
    before = ask(TIMEOUTS, bytes(12))[1]
    done(TIMEOUT, struct.pack('=iii', 11, 0, 33))
    equal(
        struct.unpack('=iii', ask(TIMEOUTS, bytes(12))[1]),
        (11, struct.unpack('=iii', before)[1], 33),
        'timeouts',
    )
    for wrong in ((-1, 0, 0), (0, -1, 0), (1, 1, 1 << 30)):
        refused(TIMEOUT, struct.pack('=iii', *wrong), errno.EINVAL)
    equal(
        struct.unpack('=iii', ask(TIMEOUTS, bytes(12))[1])[0],
        11,
        'a timeout after one that was refused',
    )
    done(TIMEOUT, before)
    equal(ask(DAEMONS, bytes(48)), (0, bytes(48)), 'no daemon runs')
    refused(START, struct.pack('=i16si', 1, b'', 0), errno.EINVAL)
    refused(START, struct.pack('=i16si', 1, b'x' * 16, 0), errno.EINVAL)
    refused(START, struct.pack('=i16si', 1, b'nosuch', 0), errno.ENODEV)
    refused(START, struct.pack('=i16si', 3, b'lo', 0), errno.EINVAL)
    backup = struct.pack('=i16si', 2, b'lo', 7)
    done(START, backup)
    refused(START, backup, errno.EEXIST)
    equal(ask(DAEMONS, bytes(48)), (0, bytes(24) + backup), 'a backup runs')
    done(STOP, struct.pack('=i16si', 2, b'', 0))
    equal(ask(DAEMONS, bytes(48)), (0, bytes(48)), 'no daemon runs any more')
    for state, want in ((1, errno.ESRCH), (2, errno.ESRCH), (0, errno.EINVAL), (3, errno.EINVAL)):
        refused(STOP, struct.pack('=i16si', state, b'', 0), want)
    done(ZERO, svc())
    done(ZERO, bytes(44))
    done(ZERO, svc(99, '0.0.0.0', 0))


@case('O-4 Q-28 no tunnel can be asked for, and one that is there is shown', only='rust')
def tunnels():
    # C IPVS makes IPIP of what is changed by this interface, which cannot say otherwise.
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest(fwd=TUNNEL, tun_type=1, tun_port=6080))
    done(EDIT_DEST, svc_dest(flags=TUNNEL, weight=7))
    shown = '\n'.join(everything())
    done(EDIT_DEST, svc_dest(flags=TUNNEL, weight=7))
    equal('\n'.join(everything()), shown, 'changed to the same')
    equal(the_dests(1)[0][3], 7, 'weight')


@case('O-4 memory that is not there is EFAULT, and any socket of IPv4 will do')
def memory():
    done(ADD, svc())
    with opened() as sock:
        done_ = libc.setsockopt(sock.fileno(), socket.IPPROTO_IP, ADD, ctypes.c_void_p(8), 44)
        equal((done_, ctypes.get_errno()), (-1, errno.EFAULT), 'a service at address 8')
        length = ctypes.c_int(12)
        done_ = libc.getsockopt(
            sock.fileno(), socket.IPPROTO_IP, INFO, ctypes.c_void_p(8), ctypes.byref(length)
        )
        equal((done_, ctypes.get_errno()), (-1, errno.EFAULT), 'information to address 8')
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        equal(ask(INFO, bytes(12), opened(kind))[0], 0, 'information by another socket')


def errors_of_a_child(prepare):
    """What the options answer in a child that PREPARE was called in."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        found = 'the child did not get that far'
        try:
            prepare()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                found = repr(
                    [
                        say(ADD, svc(), sock.dup()),
                        say(FLUSH, b'', sock.dup()),
                        say(START, b'', sock.dup()),
                        ask(INFO, bytes(12), sock.dup())[0],
                        ask(VERSION, b'', sock.dup())[0],
                    ]
                )
        except OSError as error:
            found = repr(error)
        os.write(writer, found.encode())
        os._exit(0)
    os.close(writer)
    with open(reader, encoding='utf-8') as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    return found


def as_nobody():
    os.setuid(65534)


def as_root_of_a_namespace():
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    for file, text in (('setgroups', 'deny'), ('uid_map', '0 0 1'), ('gid_map', '0 0 1')):
        with open(f'/proc/self/{file}', 'w', encoding='utf-8') as f:
            f.write(text)


@case(
    'O-4 A-18 Q-21 CAP_NET_ADMIN in the user namespace of the network namespace is enough, and needed'
)
def privilege():
    ok(NEW_SERVICE, mark(1))
    eperm = errno.EPERM
    equal(errors_of_a_child(as_nobody), repr([eperm] * 5), 'errors without privilege')
    equal(
        errors_of_a_child(as_root_of_a_namespace),
        repr([0, 0, errno.EINVAL, 0, errno.EINVAL]),
        'errors in a namespace',
    )
    equal(len(the_services(2)), 1, 'services of the director')


@case('L-1 the options go with the module')
def unload():
    done(FLUSH)
    lib('impl_unload')
    try:
        equal(ask(INFO, bytes(12))[0], errno.ENOPROTOOPT, 'a question without the module')
    finally:
        lib('impl_load')
    equal(ask(INFO, bytes(12))[0], 0, 'a question with the module again')


if __name__ == '__main__':
    run(g)
