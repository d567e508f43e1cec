# SPDX-License-Identifier: GPL-2.0
"""The family IPVS in messages: what tests of the netlink interface say, hear, and stand on."""

import errno
import os
import sys

from .fixture import Fixture, lib
from .netlink import Genl, address, attr, attributes, be16, u16, u32, u8
from .netns import make, remove
from .tap import equal, note, true

(
    NEW_SERVICE,
    SET_SERVICE,
    DEL_SERVICE,
    GET_SERVICE,
    NEW_DEST,
    SET_DEST,
    DEL_DEST,
    GET_DEST,
    NEW_DAEMON,
    DEL_DAEMON,
    GET_DAEMON,
    SET_CONFIG,
    GET_CONFIG,
    SET_INFO,
    GET_INFO,
    ZERO,
    FLUSH,
) = range(1, 18)
SERVICE, DEST, DAEMON, TCP_TIMEOUT, TCP_FIN_TIMEOUT, UDP_TIMEOUT = range(1, 7)
TCP, UDP, ESP, SCTP = 6, 17, 50, 132
V4, V6 = 2, 10
MASQ, LOCAL, TUNNEL, ROUTE = range(4)
PERSISTENT, HASHED, ONEPACKET = 1, 2, 4
ALL = 0xFFFFFFFF
DO = {
    NEW_SERVICE,
    SET_SERVICE,
    DEL_SERVICE,
    GET_SERVICE,
    NEW_DEST,
    SET_DEST,
    DEL_DEST,
    NEW_DAEMON,
    DEL_DAEMON,
    SET_CONFIG,
    GET_CONFIG,
    GET_INFO,
    ZERO,
    FLUSH,
}
DUMP = {GET_SERVICE, GET_DEST, GET_DAEMON}

# Attributes of a service and of a destination as they are sent, by name, in no particular order.
SERVICE_NUMBERS = dict(
    af=1, protocol=2, addr=3, port=4, fwmark=5, sched=6, flags=7, timeout=8, netmask=9, pe=11
)
DEST_NUMBERS = dict(
    addr=1, port=2, fwd=3, weight=4, upper=5, lower=6, af=11, tun_type=13, tun_port=14, tun_flags=15
)


class Bare(Fixture):
    """Two namespaces and nothing else, "director" and "other", and a socket of the family in the first."""

    def __enter__(self):
        if os.geteuid():
            return super().__enter__()
        self.mark_log()
        self.load()
        self.director, self.other = make('rv-abi'), make('rv-abi2')
        for space in (self.director, self.other):
            space.run('ip addr add 10.0.0.1/24 dev lo', quiet=True)
            space.run('ip addr add fd00::1/64 dev lo nodad', quiet=True)
        with self.director:
            self.genl = Genl('IPVS')
        return self

    def __exit__(self, *_):
        self.genl.close()
        remove(self.director)
        remove(self.other)
        lib('impl_unload')

    def before(self, fresh=False):
        self.mark_log()
        ok(FLUSH)

    def show_state(self):
        note('\n'.join(self.log()[-8:]))


g = Bare()


# ---- saying ----


def encode(numbers, fields):
    """The attributes FIELDS, names as in NUMBERS; None leaves one out, bytes are sent as they are."""
    payload = b''
    for name, value in fields.items():
        if value is None:
            continue
        if not isinstance(value, bytes):
            if name == 'addr':
                value = address(value)
            elif name in ('port', 'tun_port'):
                value = be16(value)
            elif name in ('sched', 'pe'):
                value = value.encode() + b'\0'
            elif name == 'flags' and numbers is SERVICE_NUMBERS:
                value = u32(value[0]) + u32(value[1])
            elif name == 'tun_type':
                value = u8(value)
            elif name in ('af', 'protocol', 'tun_flags'):
                value = u16(value)
            else:
                value = u32(value)
        payload += attr(numbers[name], value)
    return payload


def service(**fields):
    """A whole SERVICE nest: TCP 10.0.0.1:80, rr, unless FIELDS say otherwise."""
    whole = dict(
        af=V4,
        protocol=TCP,
        addr='10.0.0.1',
        port=80,
        sched='rr',
        flags=(0, ALL),
        timeout=0,
        netmask=ALL,
    )
    return attr(SERVICE, encode(SERVICE_NUMBERS, {**whole, **fields}))


def mark(number, **fields):
    """A whole SERVICE nest of a firewall mark."""
    return service(protocol=None, addr=None, port=None, fwmark=number, **fields)


def v6(**fields):
    """A whole SERVICE nest: TCP [fd00::1]:80."""
    return service(**{'af': V6, 'addr': 'fd00::1', 'netmask': 128, **fields})


def service_id(**fields):
    """A SERVICE nest that names TCP 10.0.0.1:80 and no more."""
    return service(**{'sched': None, 'flags': None, 'timeout': None, 'netmask': None, **fields})


def dest(**fields):
    """A whole DEST nest: NAT to 10.0.0.2:80."""
    whole = dict(addr='10.0.0.2', port=80, fwd=MASQ, weight=1, upper=0, lower=0)
    return attr(DEST, encode(DEST_NUMBERS, {**whole, **fields}))


def dest_id(**fields):
    """A DEST nest that names 10.0.0.2:80 and no more."""
    return dest(**{'fwd': None, 'weight': None, 'upper': None, 'lower': None, **fields})


def daemon(state=1, interface='lo', syncid=1):
    """A DAEMON nest; None leaves an attribute out."""
    payload = b'' if state is None else attr(1, u32(state))
    payload += b'' if interface is None else attr(2, interface)
    payload += b'' if syncid is None else attr(3, u32(syncid))
    return attr(DAEMON, payload)


def ok(command, payload=b''):
    """A request that must be carried out; returns the messages of the answer."""
    answer = g.genl.call(command, payload)
    true(not answer.error, f'command {command}: {os.strerror(answer.error)}, {answer.words}')
    return answer.messages


def everything():
    """All that can be seen of the configuration."""
    seen = [ok(GET_CONFIG)[0].payload]
    for one in g.genl.dump(GET_SERVICE).messages:
        # Without the statistics, which may be on their way.
        fields = [a for a in attributes(nest(one.payload, SERVICE)) if a[0] not in (10, 12)]
        key = attr(SERVICE, b''.join(attr(n, p) for n, p in fields if n in (1, 2, 3, 4, 5)))
        dests = [
            [a for a in attributes(nest(m.payload, DEST)) if a[0] not in (10, 12)]
            for m in g.genl.dump(GET_DEST, key).messages
        ]
        seen.append((fields, dests))
    return sorted(map(repr, seen))


def refused(command, payload, error, what='', words=True):
    """A request that must be refused with ERROR, with WORDS where ours decides, and change nothing."""
    before = everything()
    answer = g.genl.call(command, payload)
    got = errno.errorcode.get(answer.error, answer.error)
    equal(got, errno.errorcode[error], f'command {command} {what}')
    equal(answer.messages, [], f'messages besides the refusal of {command} {what}')
    if g.impl == 'rust' and words:
        true(answer.words, f'command {command} {what}: the refusal has no words')
        note(f'{what or "command " + str(command)}: {got}, "{answer.words}"')
    equal(everything(), before, f'configuration after the refused command {command} {what}')


# ---- hearing ----


def nest(payload, number):
    """The payload of the only attribute of a message, which must be NUMBER without any flag (G-1)."""
    found = attributes(payload)
    equal([n for n, _ in found], [number], 'attributes of the message')
    return found[0][1]


def seen_service(**fields):
    """How GET_SERVICE shows a service, as a list of attributes."""
    messages = ok(GET_SERVICE, service_id(**fields))
    equal(len(messages), 1, 'messages in the answer')
    equal(messages[0].command, NEW_SERVICE, 'command of the answer')
    return attributes(nest(messages[0].payload, SERVICE))


def seen_dests(**fields):
    """How GET_DEST shows the destinations of a service: a dictionary of attributes for each."""
    answer = g.genl.dump(GET_DEST, service_id(**fields))
    equal(answer.error, 0, 'end of the dump')
    return [dict(attributes(nest(m.payload, DEST))) for m in answer.messages]


def listed():
    """All services of a dump: a dictionary of attributes for each."""
    answer = g.genl.dump(GET_SERVICE)
    equal(answer.error, 0, 'end of the dump')
    return [dict(attributes(nest(m.payload, SERVICE))) for m in answer.messages]


def number(payload):
    """A number of any size in native order."""
    return int.from_bytes(payload, sys.byteorder)
