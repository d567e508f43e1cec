# SPDX-License-Identifier: GPL-2.0
"""The family RIPVS in messages, of which ipvs.py's fixtures know nothing."""

import socket
import struct
from collections import namedtuple

from .netlink import NLA_F_NESTED, SOL_NETLINK, Genl, address, attr, attributes, be16, u8, u16, u32
from .tap import equal

GET_INFO, GET_SERVICES, APPLY, EVENT_COMMAND = 1, 2, 3, 7
GENERATION, SERVICE, DEST, CHANGE, OPTIONS, CONTINUED, SERVICES, CONNECTIONS, CHANGED = range(1, 10)
EVENT, PID, TIMEOUTS, DAEMON = range(20, 24)
STATISTICS = 1
EVENTS = (
    None,
    'new-service',
    'set-service',
    'del-service',
    'new-dest',
    'set-dest',
    'del-dest',
    'flush',
    'timeouts',
    'start-daemon',
    'stop-daemon',
    'drain',
    'drained',
    'undrain',
    'overload',
    'overload-end',
)
NEW_SERVICE, SET_SERVICE, DEL_SERVICE, NEW_DEST, SET_DEST, DEL_DEST, FLUSH = range(1, 8)
DRAIN_DEST, UNDRAIN_DEST = 8, 9
OP, OF_SERVICE, OF_DEST = 1, 2, 3
NLM_F_DUMP_INTR = 0x10

# Attributes: number, and how they are read and written. "be16" is a port, a dictionary a nest.
SERVICE_ATTRS = dict(
    af=(1, u16),
    protocol=(2, u16),
    addr=(3, address),
    port=(4, be16),
    fwmark=(5, u32),
    sched=(6, str),
    flags=(7, u32),
    timeout=(8, u32),
    netmask=(9, u32),
    pe=(11, str),
    timeout_tcp=(20, u32),
    timeout_tcp_fin=(21, u32),
    timeout_udp=(22, u32),
    conntrack=(23, u8),
    expire_nodest=(24, u8),
    expire_quiescent=(25, u8),
    fast_path=(26, u8),
    defaults=(27, u32),
)
DRAIN_ATTRS = dict(
    flags=(1, u32),
    deadline=(2, u32),
    left=(3, u32),
    state=(4, u32),
    ended=(5, u32),
    reset=(6, u32),
)
NO_TEMPLATES, RESET = 1, 2
WAITING, ENDING, DONE, DONE_BY_DEADLINE = range(1, 5)
DEST_ATTRS = dict(
    addr=(1, address),
    port=(2, be16),
    fwd=(3, u32),
    weight=(4, u32),
    upper=(5, u32),
    lower=(6, u32),
    active=(7, u32),
    inactive=(8, u32),
    persistent=(9, u32),
    tun_type=(13, u8),
    tun_port=(14, be16),
    tun_flags=(15, u16),
    drain=(20, DRAIN_ATTRS),
)
STATS = 12

Answer = namedtuple('Answer', 'generation changed')


def encode(table, fields):
    """Attributes of FIELDS; None leaves one out, bytes are sent as they are."""
    payload = b''
    for name, value in fields.items():
        if value is None:
            continue
        number, form = table[name]
        if isinstance(form, dict):
            payload += nest(number, value if isinstance(value, bytes) else encode(form, value))
            continue
        if not isinstance(value, bytes):
            value = value.encode() + b'\0' if form is str else form(value)
        payload += attr(number, value)
    return payload


def decode(table, payload):
    """Attributes by their names; numbers in host order, addresses and names as bytes."""
    names = {number: (name, form) for name, (number, form) in table.items()}
    found = {}
    for number, value in attributes(payload):
        if number == STATS:
            found['stats'] = {n: struct.unpack('=Q', v)[0] for n, v in attributes(value)}
            continue
        name, form = names[number]
        if isinstance(form, dict):
            value = decode(form, value)
        elif form is be16:
            value = struct.unpack('!H', value)[0]
        elif form is str:
            value = value.rstrip(b'\0').decode()
        elif form is not address:
            value = int.from_bytes(value, 'little')
        found[name] = value
    return found


def nest(number, payload):
    return attr(number | NLA_F_NESTED, payload)


def web(**fields):
    """Names TCP 10.0.0.1:80, unless FIELDS say otherwise."""
    return {'af': 2, 'protocol': 6, 'addr': '10.0.0.1', 'port': 80, **fields}


def change(op, service=None, dest=None):
    """A change; SERVICE and DEST are fields, or bytes."""
    payload = b'' if op is None else attr(OP, op if isinstance(op, bytes) else u8(op))
    for number, table, fields in (
        (OF_SERVICE, SERVICE_ATTRS, service),
        (OF_DEST, DEST_ATTRS, dest),
    ):
        if fields is not None:
            body = fields if isinstance(fields, bytes) else encode(table, fields)
            payload += nest(number, body)
    return nest(CHANGE, payload)


class Ripvs:
    """A socket of the family in a namespace."""

    def __init__(self, space):
        with space:
            self.genl = Genl('RIPVS')

    def close(self):
        self.genl.close()

    def info(self):
        """Generation, number of services, number of connections."""
        answer = self.genl.call(GET_INFO)
        if answer.error:
            raise OSError(answer.error, answer.words)
        found = dict(attributes(answer.messages[0].payload))
        return (
            struct.unpack('=Q', found[GENERATION])[0],
            struct.unpack('=I', found[SERVICES])[0],
            struct.unpack('=I', found[CONNECTIONS])[0],
        )

    def apply(self, *changes, generation=None):
        """Sends changes; returns the netlink answer."""
        payload = b'' if generation is None else attr(GENERATION, struct.pack('=Q', generation))
        return self.genl.call(APPLY, payload + b''.join(changes))

    def services(self, statistics=False):
        """The dump: a list of (service, destinations), and whether it was interrupted."""
        payload = attr(OPTIONS, u32(STATISTICS)) if statistics else b''
        answer = self.genl.dump(GET_SERVICES, payload)
        if answer.error:
            raise OSError(answer.error, answer.words)
        found, interrupted = [], False
        for message in answer.messages:
            interrupted |= bool(message.flags & NLM_F_DUMP_INTR)
            parts = attributes(message.payload)
            dests = [decode(DEST_ATTRS, body) for number, body in parts if number == DEST]
            if any(number == CONTINUED for number, _ in parts):
                found[-1][1].extend(dests)
            else:
                service = next(body for number, body in parts if number == SERVICE)
                found.append((decode(SERVICE_ATTRS, service), dests))
        return found, interrupted


def applied(family, *changes, generation=None):
    """Changes that must be made; returns the generation after them."""
    answer = family.apply(*changes, generation=generation)
    equal((answer.error, answer.words), (0, None), 'the answer')
    found = dict(attributes(answer.messages[0].payload))
    equal(struct.unpack('=I', found[CHANGED])[0], len(changes), 'changes made')
    return struct.unpack('=Q', found[GENERATION])[0]


# What a listener is told: the kind by its name, what it is about, and who made the change.
Event = namedtuple('Event', 'kind generation pid service dest rest')
NETLINK_ADD_MEMBERSHIP = 1
CTRL_ATTR_MCAST_GROUPS = 7


class Listener:
    """A socket that listens to the changes of a namespace."""

    def __init__(self, space, buffer=None):
        with space:
            self.genl = Genl('RIPVS')
        family = dict(attributes(self.genl.description.messages[0].payload))
        groups = [dict(attributes(one)) for _, one in attributes(family[CTRL_ATTR_MCAST_GROUPS])]
        numbers = {one[1].rstrip(b'\0'): struct.unpack('=I', one[2])[0] for one in groups}
        self.socket = self.genl.socket
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, numbers[b'config'])
        self.waiting = []

    def close(self):
        self.genl.close()

    def next(self, seconds=10):
        """The next event; None if there is none."""
        if not self.waiting:
            self.socket.settimeout(seconds)
            try:
                data = self.socket.recv(1 << 17)
            except (TimeoutError, BlockingIOError):
                return None
            while data:
                length = struct.unpack_from('=I', data)[0]
                self.waiting.append(event(data[20:length]))
                data = data[(length + 3) & ~3 :]
        return self.waiting.pop(0)

    def all(self):
        """All events that have come."""
        found = []
        while one := self.next(0):
            found.append(one)
        return found


def event(payload):
    """The event in the attributes of a message."""
    parts = dict(attributes(payload))
    rest = {n: parts[n] for n in (TIMEOUTS, DAEMON) if n in parts}
    return Event(
        EVENTS[struct.unpack('=I', parts[EVENT])[0]],
        struct.unpack('=Q', parts[GENERATION])[0],
        struct.unpack('=I', parts[PID])[0],
        decode(SERVICE_ATTRS, parts[SERVICE]) if SERVICE in parts else None,
        decode(DEST_ATTRS, parts[DEST]) if DEST in parts else None,
        rest,
    )
