# SPDX-License-Identifier: GPL-2.0
"""Connections by filter, by the family RIPVS."""

import socket
import struct

from .netlink import address, attr, attributes, be16, u8, u16, u32
from .ripvs import CONNECTIONS, NLM_F_DUMP_INTR, OPTIONS, encode, nest

GET_CONNECTIONS, DEL_CONNECTIONS, COUNT_CONNECTIONS = 4, 5, 6
FILTER, CONNECTION, DELETED, HELD = 11, 12, 13, 14
ALL = 2
TEMPLATE, SYNCED, INACTIVE, NO_OUTPUT, NO_CLIENT_PORT = 1, 2, 4, 8, 16
ONE_PACKET, TRACKED, UNHASHED, CONTROLLED, CONTROLS = 32, 64, 128, 256, 512

FILTER_ATTRS = dict(
    af=(1, u16),
    protocol=(2, u16),
    client=(3, address),
    client_prefix=(4, u8),
    client_port=(5, be16),
    vip=(6, address),
    vip_prefix=(7, u8),
    vip_port=(8, be16),
    server=(9, address),
    server_prefix=(10, u8),
    server_port=(11, be16),
    fwmark=(12, u32),
    state=(13, u8),
    state_name=(14, str),
    flags=(15, u32),
    flags_mask=(16, u32),
    idle_min=(17, u32),
    idle_max=(18, u32),
)
CONN_ATTRS = {
    1: ('af', int),
    2: ('protocol', int),
    3: ('client', address),
    4: ('client_port', be16),
    5: ('vip', address),
    6: ('vip_port', be16),
    7: ('server', address),
    8: ('server_port', be16),
    9: ('fwmark', int),
    10: ('fwd', int),
    11: ('state', int),
    12: ('state_name', str),
    13: ('expires', int),
    14: ('idle', int),
    15: ('flags', int),
    16: ('pe', str),
    17: ('pe_data', bytes),
}


def filter_of(fields):
    """The nest of a filter; nothing without fields."""
    return nest(FILTER, encode(FILTER_ATTRS, fields)) if fields else b''


def read(payload):
    """A connection by the names of its attributes, addresses in words."""
    found = {}
    for number, value in attributes(payload):
        name, form = CONN_ATTRS[number]
        if form is be16:
            value = struct.unpack('!H', value)[0]
        elif form is int:
            value = int.from_bytes(value, 'little')
        elif form is str:
            value = value.rstrip(b'\0').decode()
        elif form is address:
            family = socket.AF_INET if len(value) == 4 else socket.AF_INET6
            value = socket.inet_ntop(family, value)
        found[name] = value
    return found


def _checked(answer):
    if answer.error:
        raise OSError(answer.error, answer.words)
    return answer


def messages(family, **fields):
    """What the dump of a filter has, unread, and whether it was interrupted."""
    answer = _checked(family.genl.dump(GET_CONNECTIONS, filter_of(fields)))
    is_interrupted = any(m.flags & NLM_F_DUMP_INTR for m in answer.messages)
    return [m.payload for m in answer.messages], is_interrupted


def dump(family, **fields):
    """The connections that a filter means, and whether the dump was interrupted."""
    found, is_interrupted = messages(family, **fields)
    return [read(dict(attributes(payload))[CONNECTION]) for payload in found], is_interrupted


def count(family, **fields):
    """How many connections a filter means."""
    answer = _checked(family.genl.call(COUNT_CONNECTIONS, filter_of(fields)))
    return struct.unpack('=I', dict(attributes(answer.messages[0].payload))[CONNECTIONS])[0]


def delete(family, options=None, **fields):
    """Deletes what a filter means; returns how many went, and how many are held."""
    payload = filter_of(fields) + (b'' if options is None else attr(OPTIONS, u32(options)))
    answer = _checked(family.genl.call(DEL_CONNECTIONS, payload))
    found = dict(attributes(answer.messages[0].payload))
    return tuple(struct.unpack('=I', found[number])[0] for number in (DELETED, HELD))
