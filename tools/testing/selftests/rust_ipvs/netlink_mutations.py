#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Requests put together at random: none does harm, one that is refused changes nothing, and many are as a model says.

LONG=1 sends a million of them. The same SEED gives the same requests, so the outcomes of two implementations can be compared:
TRANSCRIPT=FILE writes one line for each request, with its number, its bytes and its errno, and at the end all that can be seen.
"""

import errno
import os
import random
import socket
import struct
import time

from harness.abi import (
    ALL,
    DAEMON,
    DEL_DEST,
    DEL_SERVICE,
    DEST,
    DEST_NUMBERS,
    DUMP,
    everything,
    FLUSH,
    g,
    GET_CONFIG,
    GET_DEST,
    GET_SERVICE,
    NEW_DAEMON,
    NEW_DEST,
    NEW_SERVICE,
    ok,
    SERVICE,
    SERVICE_NUMBERS,
    SET_CONFIG,
    SET_DEST,
    SET_SERVICE,
    ZERO,
)
from harness.fixture import lib
from harness.model import Model
from harness.netlink import address, attr, be16, Genl, NLA_F_NESTED, NLMSG_ERROR, u16, u32, u8
from harness.tap import case, equal, note, run, true

SEED = os.environ.get('SEED', 'ipvs')
COUNT = int(os.environ.get('COUNT', '1500'))
MANY = int(os.environ.get('MANY', '1000000' if os.environ.get('LONG') else '3000'))
SO_RCVBUFFORCE = 33
# So many go in one datagram, and so many different ones there are.
BATCH, KINDS = 50, 3000

# What each attribute is mostly, so that requests often make sense and meet the same things again.
SENSE = {
    SERVICE: dict(
        af=[u16(2)] * 16 + [u16(10)] * 8 + [u16(7)],
        protocol=[u16(6)] * 9 + [u16(17)],
        addr=[address('fd00::1')] * 8 + [address('0.0.0.0')],
        port=[be16(80)] * 8 + [be16(0)],
        fwmark=[None] * 20 + [u32(1), u32(0)],
        sched=[b'rr\0'] * 30 + [b'none\0', b'nosuch\0', b'rr'],
        flags=[u32(0) + u32(ALL), u32(5) + u32(ALL), u32(1) + u32(1), u32(0) + u32(1)],
        timeout=[u32(300), u32(0)],
        netmask=[u32(128)] * 4 + [u32(ALL), u32(0)],
        pe=[None] * 40 + [b'nosuch\0', b''],
    ),
    DEST: dict(
        addr=[address(a) for a in ('10.0.0.2', '10.0.0.3', 'fd00::2', '224.0.0.1', 'fe80::1')],
        port=[be16(80)] * 3 + [be16(0)],
        fwd=[u32(m) for m in (0, 2, 2, 3, 15)],
        weight=[u32(1)] * 8 + [u32(0), u32(1 << 31)],
        upper=[u32(0)] * 4 + [u32(9), u32(1 << 31)],
        lower=[u32(0)] * 5 + [u32(7)],
        af=[None] * 3 + [u16(0), u16(2), u16(10), u16(10), u16(9)],
        tun_type=[None] * 4 + [u8(1), u8(2)],
        tun_port=[None] * 4 + [be16(0), be16(6080)],
        tun_flags=[None] * 4 + [u16(1)],
    ),
}
NUMBERS = {SERVICE: SERVICE_NUMBERS, DEST: DEST_NUMBERS}
COMMANDS = (
    [NEW_SERVICE, SET_SERVICE, DEL_DEST] * 8
    + [NEW_DEST, SET_DEST] * 12
    + [DEL_SERVICE, ZERO, GET_SERVICE, SET_CONFIG, GET_CONFIG, NEW_DAEMON] * 2
    + [FLUSH]
)


def nonsense(dice):
    """Bytes that no attribute is meant to have."""
    return bytes(
        dice.randrange(256) for _ in range(dice.choice((0, 1, 2, 3, 4, 5, 8, 15, 16, 17, 40)))
    )


def a_nest(dice, kind):
    """The payload of a nest: mostly sense, with something left out, doubled, moved, spoilt or cut."""
    fields = [(NUMBERS[kind][name], dice.choice(values)) for name, values in SENSE[kind].items()]
    fields = [(number, value) for number, value in fields if value is not None]
    if dice.random() < 0.2:
        fields.pop(dice.randrange(len(fields)))
    if dice.random() < 0.1:
        fields.insert(dice.randrange(len(fields)), (dice.choice(fields)[0], nonsense(dice)))
    if dice.random() < 0.1:
        fields.insert(
            dice.randrange(len(fields)), (dice.choice((0, 10, 12, 16, 99, 0x3FFF)), nonsense(dice))
        )
    if dice.random() < 0.2:
        dice.shuffle(fields)
    payload = b''.join(
        attr(number | (NLA_F_NESTED * (dice.random() < 0.02)), value) for number, value in fields
    )
    if dice.random() < 0.05:
        payload = payload[: dice.randrange(len(payload))]
    if dice.random() < 0.05:
        spoilt = bytearray(payload)
        for _ in range(dice.randrange(1, 4)):
            if spoilt:
                spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        payload = bytes(spoilt)
    return payload


def a_request(dice):
    """A command and its attributes."""
    command = dice.choice(COMMANDS)
    if command == SET_CONFIG:
        return command, b''.join(
            attr(dice.randrange(4, 7), u32(dice.choice((0, 1, 60, 900, 1 << 30))))
            for _ in range(dice.randrange(4))
        )
    payload = b''
    if dice.random() < 0.97:
        payload += attr(SERVICE | (NLA_F_NESTED * (dice.random() < 0.3)), a_nest(dice, SERVICE))
    if command in (NEW_DEST, SET_DEST, DEL_DEST) and dice.random() < 0.97:
        payload += attr(DEST, a_nest(dice, DEST))
    if command == NEW_DAEMON:
        # Never a whole one: C IPVS would start it.
        payload += attr(DAEMON, attr(1, u32(1)))
    if dice.random() < 0.02:
        payload += attr(dice.randrange(1, 9), nonsense(dice))
    return command, payload


@case('11.2 G-1 requests at random: the refused change nothing, and all are answered')
def at_random():
    dice = random.Random(SEED)
    outcomes, lines = {}, []
    before = everything()
    for number in range(COUNT):
        command, payload = a_request(dice)
        answer = g.genl.call(command, payload)
        dumped = ''
        if command in DUMP or dice.random() < 0.1:
            dump = g.genl.dump(dice.choice((GET_DEST, GET_SERVICE)), payload)
            dumped = f' {dump.error} {len(dump.messages)}'
            equal(dump.error, 0, f'end of dump {number} with {payload.hex()}')
        after = everything()
        if answer.error:
            equal(
                after,
                before,
                f'configuration after the refused request {number}, {command} {payload.hex()}',
            )
        before = after
        name = errno.errorcode.get(answer.error, 'OK')
        outcomes[name] = outcomes.get(name, 0) + 1
        lines.append(f'{number} {command} {payload.hex()} {name}{dumped}')
        if g.impl == 'rust' and answer.error:
            true(answer.words, f'request {number}, {command} {payload.hex()}: {name} has no words')
    note(
        f'seed {SEED}: ' + ', '.join(f'{count} {name}' for name, count in sorted(outcomes.items()))
    )
    for name in ('OK', 'EINVAL', 'EEXIST', 'ESRCH', 'ENOENT', 'ERANGE', 'EAFNOSUPPORT'):
        true(outcomes.get(name, 0) >= COUNT // 500, f'{name} is among the outcomes')
    if 'TRANSCRIPT' in os.environ:
        with open(os.environ['TRANSCRIPT'], 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines + before) + '\n')
    ok(FLUSH)
    ok(SET_CONFIG, attr(4, u32(900)) + attr(5, u32(120)) + attr(6, u32(300)))


def send_batch(genl, requests):
    """Sends requests in one datagram; returns the errno of each. What else is answered is left aside."""
    first = genl.sequence + 1
    data = b''.join(
        struct.pack('=IHHII', 20 + len(payload), genl.family, 5, first + n, 0)
        + struct.pack('=BBH', command, 1, 0)
        + payload
        + bytes(-len(payload) % 4)
        for n, (command, payload) in enumerate(requests)
    )
    genl.sequence += len(requests)
    genl.socket.send(data)
    errors = {}
    while len(errors) < len(requests):
        data = genl.socket.recv(1 << 16)
        while data:
            length, kind, _, sequence, _ = struct.unpack_from('=IHHII', data)
            if kind == NLMSG_ERROR:
                errors[sequence - first] = -struct.unpack_from('=i', data, 16)[0]
            data = data[(length + 3) & ~3 :]
    return [errors[n] for n in range(len(requests))]


def objects():
    """How many objects are in the kernel's caches of memory of any kind, without what CPUs hold back."""
    os.sync()
    time.sleep(1)
    total = 0
    with open('/proc/slabinfo', encoding='utf-8') as file:
        names = [line.split()[0] for line in file if line.startswith('kmalloc-')]
    for name in names:
        with open(f'/sys/kernel/slab/{name}/shrink', 'w', encoding='utf-8') as file:
            file.write('1')
        with open(f'/sys/kernel/slab/{name}/objects', encoding='utf-8') as file:
            total += int(file.read().split()[0])
    return total


def a_round(count, dice):
    """Sends COUNT requests to a module that was loaded anew, and unloads it again; returns the outcomes."""
    lib('impl_load')
    outcomes, model = {}, Model(g.impl)
    try:
        with g.director:
            genl = Genl('IPVS')
        with genl:
            # Acknowledgements wait there, each with the request that it is about.
            genl.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
            kinds = [
                request
                for request in (a_request(dice) for _ in range(KINDS))
                if request[0] != FLUSH
            ]
            for number in range(0, count, BATCH):
                requests = dice.choices(kinds, k=BATCH)
                if dice.random() < 0.02:
                    requests[-1] = (FLUSH, b'')
                for request, error in zip(requests, send_batch(genl, requests)):
                    if error:
                        name = errno.errorcode.get(error, error)
                        outcomes[name] = outcomes.get(name, 0) + 1
                    else:
                        model.follow(*request)
                if number % (count // 10 // BATCH * BATCH or BATCH) == 0:
                    equal(
                        model.seen(genl), model.expected(), f'configuration after {number} requests'
                    )
            equal(model.seen(genl), model.expected(), f'configuration after {count} requests')
            outcomes['OK'] = model.followed
            # C IPVS cannot be unloaded while there are services.
            equal(genl.call(FLUSH).error, 0, 'FLUSH')
    finally:
        lib('impl_unload')
    return outcomes


@case(
    '11.2 Q-28 many requests at random: what is there is what a model says, and no memory is lost'
)
def many():
    dice = random.Random(SEED)
    lib('impl_unload')
    try:
        # What loading costs once, and caches of other things fill once.
        a_round(BATCH * 5, dice)
        before = objects()
        outcomes = a_round(MANY, dice)
        after = objects()
    finally:
        lib('impl_load')
    note(
        f'seed {SEED}: ' + ', '.join(f'{count} {name}' for name, count in sorted(outcomes.items()))
    )
    note(f'objects: {before} before, {after} after')
    for name in ('OK', 'EINVAL', 'EEXIST', 'ESRCH', 'ENOENT'):
        true(outcomes.get(name, 0) >= MANY // 500, f'{name} is among the outcomes')
    true(after - before < max(400, MANY // 200), f'{after - before} objects more than before')


if __name__ == '__main__':
    run(g)
