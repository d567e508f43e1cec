#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The generic netlink family IPVS, byte by byte: who may ask what, dumps, and commands about the whole.

Each expectation holds of C IPVS too: IPVS_IMPL=c runs the same cases on the kernel's own ip_vs. There,
refusals come without words.
"""

import errno
import json
import os
import struct
import traceback

from harness.abi import (
    ALL,
    DAEMON,
    daemon,
    DEL_DAEMON,
    DEL_DEST,
    DEL_SERVICE,
    DEST,
    dest,
    DO,
    DUMP,
    everything,
    FLUSH,
    g,
    GET_CONFIG,
    GET_DAEMON,
    GET_DEST,
    GET_INFO,
    GET_SERVICE,
    listed,
    mark,
    nest,
    NEW_DAEMON,
    NEW_DEST,
    NEW_SERVICE,
    number,
    ok,
    PERSISTENT,
    refused,
    seen_dests,
    seen_service,
    SERVICE,
    service,
    service_id,
    SET_CONFIG,
    SET_INFO,
    TCP_FIN_TIMEOUT,
    TCP_TIMEOUT,
    UDP_TIMEOUT,
    v6,
    ZERO,
)
from harness.netlink import address, attr, attributes, Genl, NLM_F_MULTI, NLMSG_DONE, u16, u32, u8
from harness.tap import case, equal, note, run, true


@case('G-1 G-2 G-3 the family describes itself as C IPVS does')
def description():
    fields = dict(attributes(g.genl.description.messages[0].payload))
    equal(fields[2], b'IPVS\0', 'name')
    equal(
        [number(fields[n]) for n in (3, 4, 5)], [1, 0, 6], 'version, header size, highest attribute'
    )
    true(7 not in fields, 'there is no multicast group')
    commands = {}
    for _, entry in attributes(fields[6]):
        entry = dict(attributes(entry))
        commands[number(entry[1])] = number(entry[2])
    # 1: needs CAP_NET_ADMIN, 2: can be done, 4: can be dumped, 8: has a policy.
    want = {c: 1 | 8 | 2 * (c in DO) | 4 * (c in DUMP) for c in sorted(DO | DUMP)}
    # Whether a command has a policy is said of those that can be done.
    equal(
        {c: f & 7 for c, f in commands.items()},
        {c: f & 7 for c, f in want.items()},
        'commands and their flags',
    )


@case('G-4 unknown commands, dumps of what is not dumped, and the reverse, are EOPNOTSUPP')
def unknown_commands():
    for command in (0, SET_INFO, 18, 64, 255):
        refused(command, service(), errno.EOPNOTSUPP, words=False)
    for command in range(256):
        if command not in DUMP:
            equal(g.genl.dump(command, service()).error, errno.EOPNOTSUPP, f'dump of {command}')
    for command in DUMP - DO:
        refused(command, service(), errno.EOPNOTSUPP, words=False)


def without_privilege(prepare):
    """The errno of each command in a child that PREPARE has taken its privilege from."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            prepare()
            with Genl('IPVS') as genl:
                found = [genl.call(c, service() + dest()).error for c in range(1, 19)]
                found += [genl.dump(c, service()).error for c in sorted(DUMP)]
        except Exception:  # The parent tells what it was.
            found = traceback.format_exc()
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, encoding='utf-8') as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


def all_eperm():
    return [errno.EPERM if c in DO else errno.EOPNOTSUPP for c in range(1, 19)] + [
        errno.EPERM
    ] * len(DUMP)


@case('G-2 without privilege every command is EPERM and changes nothing')
def unprivileged():
    ok(NEW_SERVICE, service())
    before = everything()

    def prepare():
        g.director.__enter__()  # There is no way back without privilege.
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    equal(without_privilege(prepare), all_eperm(), 'errors, by command')
    equal(everything(), before, 'configuration')


@case('G-2 Q-21 A-18 root of a user namespace of its own has no privilege')
def user_namespace():
    def prepare():
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
        for file, text in (('setgroups', 'deny'), ('uid_map', '0 0 1'), ('gid_map', '0 0 1')):
            with open(f'/proc/self/{file}', 'w', encoding='utf-8') as f:
                f.write(text)

    equal(without_privilege(prepare), all_eperm(), 'errors, by command')


# ---- dumps ----


@case('G-15 a dump of many services takes several messages and shows each once')
def long_dump():
    for port in range(1, 501):
        ok(NEW_SERVICE, service(port=port))
    answer = g.genl.dump(GET_SERVICE)
    equal(answer.error, 0, 'end of the dump')
    true(answer.datagrams > 2, f'{answer.datagrams} datagrams')
    true(
        all(m.flags & NLM_F_MULTI and m.command == NEW_SERVICE for m in answer.messages),
        'flags and commands',
    )
    ports = [
        struct.unpack('!H', dict(attributes(nest(m.payload, SERVICE)))[4])[0]
        for m in answer.messages
    ]
    equal(sorted(ports), list(range(1, 501)), 'ports')


@case(
    'G-15 V-9 a dump of many destinations takes several messages and shows each once, newest first'
)
def long_dest_dump():
    ok(NEW_SERVICE, service())
    for port in range(1, 501):
        ok(NEW_DEST, service_id() + dest(port=port))
    answer = g.genl.dump(GET_DEST, service_id())
    true(answer.datagrams > 2, f'{answer.datagrams} datagrams')
    ports = [
        struct.unpack('!H', dict(attributes(nest(m.payload, DEST)))[2])[0] for m in answer.messages
    ]
    equal(ports, list(range(500, 0, -1)), 'ports')


def interrupted(command, payload, change):
    """The messages of a dump during which CHANGE is called after each datagram; how many datagrams there were."""
    g.genl.sequence += 1
    g.genl.socket.send(
        struct.pack(
            '=IHHIIBBH', 20 + len(payload), g.genl.family, 0x301, g.genl.sequence, 0, command, 1, 0
        )
        + payload
    )
    found, datagrams = [], 0
    while True:
        data = g.genl.socket.recv(1 << 16)
        datagrams += 1
        while data:
            length, kind = struct.unpack_from('=IH', data)
            if kind == NLMSG_DONE:
                return found, datagrams
            found.append(data[20:length])
            data = data[(length + 3) & ~3 :]
        change(datagrams)


# C IPVS counts what it has listed, and says that it may repeat or miss some.
@case(
    'G-15 what is there throughout a dump is listed once, whatever comes and goes meanwhile',
    only='rust',
)
def changing_dumps():
    with g.director:
        other = Genl('IPVS')
    with other:
        stay = range(1000, 1500)
        for port in stay:
            ok(NEW_SERVICE, service(port=port))
        extra = [iter(range(1, 900)), iter(range(1, 900))]

        def services(_):
            for port in (next(extra[0]) for _ in range(30)):
                equal(other.call(NEW_SERVICE, service(port=port)).error, 0, 'NEW_SERVICE')
                if port % 3:
                    equal(other.call(DEL_SERVICE, service_id(port=port)).error, 0, 'DEL_SERVICE')

        found, datagrams = interrupted(GET_SERVICE, b'', services)
        true(datagrams > 3, f'{datagrams} datagrams')
        ports = [struct.unpack('!H', dict(attributes(nest(m, SERVICE)))[4])[0] for m in found]
        equal(
            sorted(port for port in ports if port in stay),
            list(stay),
            'services that were there throughout',
        )
        equal(len(ports), len(set(ports)), 'services, each once')

        for port in stay:
            ok(NEW_DEST, service_id(port=1000) + dest(port=port))

        def dests(_):
            for port in (next(extra[1]) for _ in range(30)):
                which = service_id(port=1000)
                equal(other.call(NEW_DEST, which + dest(port=port)).error, 0, 'NEW_DEST')
                if port % 3:
                    equal(other.call(DEL_DEST, which + dest(port=port)).error, 0, 'DEL_DEST')

        found, datagrams = interrupted(GET_DEST, service_id(port=1000), dests)
        true(datagrams > 3, f'{datagrams} datagrams')
        ports = [struct.unpack('!H', dict(attributes(nest(m, DEST)))[2])[0] for m in found]
        equal(
            ports,
            sorted(stay, reverse=True),
            'destinations that were there throughout, newest first',
        )


@case('G-15 Q-27 a dump of the destinations of no service is empty, and no error')
def empty_dumps():
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest())
    for payload, what in (
        (service_id(port=81), 'an unknown service'),
        (b'', 'no service'),
        (attr(SERVICE, b''), 'an empty nest'),
        (service_id(af=7), 'family 7'),
        (attr(SERVICE, b'xy'), 'a nest of two bytes'),
        (service_id(port=None), 'no port'),
        (service_id(port=b'x'), 'a short port'),
        (attr(TCP_TIMEOUT, b'') + service_id(), 'a short timeout besides'),
    ):
        answer = g.genl.dump(GET_DEST, payload)
        equal((answer.error, answer.messages), (0, []), f'dump of {what}')
        if g.impl == 'rust':
            true(answer.words, f'dump of {what}: there are no words')
            note(f'{what}: "{answer.words}"')
    equal(len(g.genl.dump(GET_DEST, service()).messages), 1, 'destinations by a whole service')
    equal(
        len(g.genl.dump(GET_DEST, service(port=81) + service()).messages),
        1,
        'destinations of the last of two services',
    )


@case('G-15 G-23 what a dump of services is asked besides is ignored')
def dump_attributes():
    ok(NEW_SERVICE, service())
    ok(NEW_SERVICE, service(port=81))
    for payload in (
        b'',
        attr(SERVICE, b''),
        service_id(port=99),
        attr(SERVICE, b'xy'),
        attr(TCP_TIMEOUT, b''),
        b'\xff' * 7,
    ):
        answer = g.genl.dump(GET_SERVICE, payload)
        equal((answer.error, len(answer.messages)), (0, 2), f'dump with {payload!r}')


@case('G-15 empty dumps of services and daemons end well')
def nothing_to_dump():
    for command in (GET_SERVICE, GET_DAEMON):
        answer = g.genl.dump(command)
        equal((answer.error, answer.messages), (0, []), f'dump of {command}')


# ---- the whole ----


@case('L-11 FLUSH and DEL_SERVICE take destinations with them')
def flush():
    for port in (1, 2):
        ok(NEW_SERVICE, service(port=port))
        ok(NEW_DEST, service_id(port=port) + dest(weight=port))
    ok(NEW_SERVICE, v6())
    ok(NEW_SERVICE, mark(3))
    ok(DEL_SERVICE, service_id(port=1))
    equal(len(listed()), 3, 'services')
    ok(FLUSH)
    equal(listed(), [], 'services after FLUSH')
    ok(FLUSH)
    ok(NEW_SERVICE, service(port=2))
    equal(seen_dests(port=2), [], 'destinations of a service that came back')


@case('E-10 G-3 ZERO, of a service or of all')
def zero():
    ok(ZERO)
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest())
    ok(ZERO)
    ok(ZERO, service_id())
    refused(ZERO, service_id(port=81), errno.ESRCH, 'ZERO of an unknown service')
    refused(ZERO, attr(SERVICE, b''), errno.EINVAL, 'ZERO of an empty nest')


@case('G-13 INFO shows the version, and a table of connections once there is a service')
def info():
    with g.other:
        genl = Genl('IPVS')
    with genl:
        (message,) = genl.call(GET_INFO).messages
        equal(message.command, SET_INFO, 'command')
        equal(
            attributes(message.payload),
            [(1, u32(0x010201)), (2, u32(0))],
            'before there was a service',
        )
        equal(genl.call(NEW_SERVICE, service()).error, 0, 'NEW_SERVICE')
        equal(
            attributes(genl.call(GET_INFO).messages[0].payload)[1], (2, u32(256)), 'with a service'
        )
        equal(genl.call(FLUSH).error, 0, 'FLUSH')
        equal(
            attributes(genl.call(GET_INFO).messages[0].payload)[1], (2, u32(256)), 'after it went'
        )


def config():
    (message,) = ok(GET_CONFIG)
    equal(message.command, SET_CONFIG, 'command')
    return [(n, number(p)) for n, p in attributes(message.payload)]


@case(
    'G-14 CONFIG: each timeout is set by itself, 0 keeps it, and nothing is set where one is wrong'
)
def set_config():
    equal(config(), [(4, 900), (5, 120), (6, 300)], 'timeouts as they come')
    ok(SET_CONFIG, attr(TCP_TIMEOUT, u32(100)))
    equal(config(), [(4, 100), (5, 120), (6, 300)], 'timeouts')
    ok(
        SET_CONFIG,
        attr(UDP_TIMEOUT, u32(30)) + attr(TCP_FIN_TIMEOUT, u32(20)) + attr(TCP_TIMEOUT, u32(0)),
    )
    equal(config(), [(4, 100), (5, 20), (6, 30)], 'timeouts')
    ok(SET_CONFIG)
    ok(SET_CONFIG, service() + attr(TCP_TIMEOUT, u32(0)))
    most = 0x7FFFFFFF // os_hz()
    for wrong in (most + 1, 1 << 31, ALL):
        for position in (TCP_TIMEOUT, TCP_FIN_TIMEOUT, UDP_TIMEOUT):
            payload = b''.join(
                attr(n, u32(wrong if n == position else 7))
                for n in (TCP_TIMEOUT, TCP_FIN_TIMEOUT, UDP_TIMEOUT)
            )
            refused(SET_CONFIG, payload, errno.EINVAL, f'timeout {position} of {wrong}')
    ok(SET_CONFIG, attr(TCP_TIMEOUT, u32(most)))
    equal(config(), [(4, most), (5, 20), (6, 30)], 'timeouts')
    ok(
        SET_CONFIG,
        attr(TCP_TIMEOUT, u32(900)) + attr(TCP_FIN_TIMEOUT, u32(120)) + attr(UDP_TIMEOUT, u32(300)),
    )
    equal(config(), [(4, 900), (5, 120), (6, 300)], 'timeouts')


def os_hz():
    """Jiffies in a second, from the persistence timeout that /proc/net/ip_vs shows in jiffies (K-2)."""
    ok(NEW_SERVICE, service(port=9999, flags=(PERSISTENT, ALL), timeout=1))
    for line in g.director.read('/proc/net/ip_vs').splitlines():
        if ':270F ' in line:
            ok(DEL_SERVICE, service_id(port=9999))
            return int(line.split()[4])
    raise ValueError('/proc/net/ip_vs does not show the service')


@case('G-12 11.2 daemons: what is not said is EINVAL, what does not run is ESRCH')
def daemons():
    for command in (NEW_DAEMON, DEL_DAEMON):
        refused(command, b'', errno.EINVAL, f'command {command} without DAEMON')
        refused(command, attr(DAEMON, b''), errno.EINVAL, f'command {command} with an empty DAEMON')
        refused(command, daemon(state=None), errno.EINVAL, f'command {command} without a state')
        refused(
            command,
            attr(DAEMON, attr(1, b'x')),
            errno.EINVAL,
            f'command {command} with a short state',
        )
    refused(NEW_DAEMON, daemon(interface=None), errno.EINVAL, 'NEW_DAEMON without an interface')
    refused(NEW_DAEMON, daemon(syncid=None), errno.EINVAL, 'NEW_DAEMON without an id')
    refused(
        NEW_DAEMON,
        daemon(interface='x' * 16),
        errno.EINVAL,
        'NEW_DAEMON on an interface of 16 characters',
    )
    for state in (1, 2):
        refused(DEL_DAEMON, daemon(state), errno.ESRCH, f'DEL_DAEMON of state {state}')
    for state in (0, 3, ALL):
        refused(DEL_DAEMON, daemon(state), errno.EINVAL, f'DEL_DAEMON of state {state}')


def running():
    """The daemons of a dump: a dictionary of attributes for each."""
    answer = g.genl.dump(GET_DAEMON)
    equal(answer.error, 0, 'end of the dump')
    equal(
        [m.command for m in answer.messages if m.command != NEW_DAEMON],
        [],
        'other commands in the dump',
    )
    return [dict(attributes(nest(m.payload, DAEMON))) for m in answer.messages]


@case('B-2 G-12 G-31 11.2 daemons: what is wrong is refused, and those that run are listed')
def running_daemons():
    def more(rest, **fields):
        """A daemon with further attributes."""
        return attr(DAEMON, daemon(**fields)[4:] + rest)

    refused(
        NEW_DAEMON,
        daemon(interface='nosuch'),
        errno.ENODEV,
        'NEW_DAEMON on an interface that is not there',
    )
    refused(NEW_DAEMON, daemon(3, interface='nosuch'), errno.ENODEV, 'the same, of no role')
    refused(NEW_DAEMON, daemon(3), errno.EINVAL, 'NEW_DAEMON of no role')
    for which, group in (
        (5, address('10.0.0.1')[:4]),
        (5, b'abc'),
        (6, address('fe80::1')),
        (6, bytes(15)),
    ):
        refused(
            NEW_DAEMON,
            more(attr(which, group)),
            errno.EINVAL,
            f'NEW_DAEMON with the group {group!r}',
        )
    ok(NEW_DAEMON, daemon(syncid=7))
    refused(NEW_DAEMON, daemon(syncid=8), errno.EEXIST, 'NEW_DAEMON for the second time')
    refused(
        NEW_DAEMON,
        daemon(interface='nosuch'),
        errno.ENODEV,
        'NEW_DAEMON elsewhere for the second time',
    )
    group = address('ff02::5')
    ok(
        NEW_DAEMON,
        more(
            attr(4, u16(100)) + attr(6, group) + attr(7, u16(9000)) + attr(8, u8(3)),
            state=2,
            syncid=ALL,
        ),
    )
    master = {
        1: u32(1),
        2: b'lo\0',
        3: u32(7),
        4: u16(1472),
        5: bytes((224, 0, 0, 81)),
        7: u16(8848),
        8: u8(1),
    }
    backup = {1: u32(2), 2: b'lo\0', 3: u32(ALL), 4: u16(1024), 6: group, 7: u16(9000), 8: u8(3)}
    equal(running(), [master, backup], 'daemons')
    ok(DEL_DAEMON, daemon(1))
    equal(running(), [backup], 'daemons after the first has stopped')
    refused(DEL_DAEMON, daemon(1), errno.ESRCH, 'DEL_DAEMON for the second time')
    ok(DEL_DAEMON, daemon(2))
    equal(running(), [], 'daemons after both have stopped')
    # V-10
    ok(NEW_SERVICE, service())
    ok(NEW_DEST, service_id() + dest(addr='fd00::2', af=10, fwd=2))
    refused(NEW_DAEMON, daemon(), errno.EINVAL, 'NEW_DAEMON with a server of another family')
    ok(FLUSH)
    ok(NEW_SERVICE, service())
    ok(NEW_DAEMON, daemon())
    refused(
        NEW_DEST,
        service_id() + dest(addr='fd00::2', af=10, fwd=2),
        errno.EINVAL,
        'such a server with a daemon',
    )
    ok(DEL_DAEMON, daemon())


@case('V-6 L-2 namespaces do not see each other')
def namespaces():
    ok(NEW_SERVICE, service())
    with g.other:
        genl = Genl('IPVS')
    with genl:
        equal(genl.dump(GET_SERVICE).messages, [], 'services of the other namespace')
        equal(
            genl.call(NEW_SERVICE, service(sched='none')).error,
            0,
            'the same service in the other namespace',
        )
        equal(
            genl.call(SET_CONFIG, attr(TCP_TIMEOUT, u32(5))).error,
            0,
            'SET_CONFIG in the other namespace',
        )
        equal(dict(seen_service())[6], b'rr\0', 'scheduler here')
        equal(config(), [(4, 900), (5, 120), (6, 300)], 'timeouts here')
        ok(FLUSH)
        equal(len(genl.dump(GET_SERVICE).messages), 1, 'services there after FLUSH here')
        equal(genl.call(FLUSH).error, 0, 'FLUSH there')
        equal(genl.call(SET_CONFIG, attr(TCP_TIMEOUT, u32(900))).error, 0, 'SET_CONFIG there')


if __name__ == '__main__':
    run(g)
