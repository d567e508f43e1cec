# SPDX-License-Identifier: GPL-2.0
"""A model of the configuration: what requests that succeed make of it, and how that would be shown."""

import struct

from .abi import (
    DEL_DEST,
    DEL_SERVICE,
    DEST,
    FLUSH,
    GET_CONFIG,
    GET_DEST,
    GET_SERVICE,
    NEW_DEST,
    NEW_SERVICE,
    SERVICE,
    SET_CONFIG,
    SET_DEST,
    SET_SERVICE,
)
from .fixture import HZ
from .netlink import attr, NLM_F_DUMP

TYPE = 0x3FFF


def fields(payload):
    """The attributes in PAYLOAD by their numbers; the last one of a number counts, and what is cut off does not."""
    found = {}
    while len(payload) >= 4:
        length, number = struct.unpack_from('=HH', payload)
        if not 4 <= length <= len(payload):
            break
        found[number & TYPE] = payload[4:length]
        payload = payload[(length + 3) & ~3 :]
    return found


def native(payload, size):
    """A number of SIZE bytes in native order; what is too long counts as far as it should go."""
    return int.from_bytes(payload[:size], 'little')


def an_address(family, payload):
    """The bytes of an address that count, of those that were given."""
    return payload.ljust(16, b'\0')[: 4 if family == 2 else 16]


def a_name(payload):
    return payload.split(b'\0')[0]


def service_key(of):
    """What identifies a service."""
    family = native(of[1], 2)
    if 5 in of:
        mark = native(of[5], 4)
        return (family, mark) if mark else (family, 6, an_address(family, b''), b'\0\0')
    return family, native(of[2], 2), an_address(family, of[3]), of[4][:2]


def dest_key(of, family):
    """What identifies a destination of a service of FAMILY."""
    family = native(of.get(11, b''), 2) or family
    return family, an_address(family, of[1]), of[2][:2]


class Model:
    """The services, each with its destinations, and the timeouts."""

    def __init__(self, impl):
        self.impl = impl
        self.services = {}
        self.timeouts = {4: 900, 5: 120, 6: 300}
        self.followed = 0

    def follow(self, command, payload):
        """Does what a request that succeeded asked for."""
        self.followed += 1
        top = fields(payload)
        if command == SET_CONFIG:
            self.timeouts.update(
                {n: native(v, 4) for n, v in top.items() if n in self.timeouts and native(v, 4)}
            )
        elif command == FLUSH:
            self.services.clear()
        elif command in (NEW_SERVICE, SET_SERVICE):
            self.set_service(fields(top[SERVICE]))
        elif command == DEL_SERVICE:
            del self.services[service_key(fields(top[SERVICE]))]
        elif command in (NEW_DEST, SET_DEST, DEL_DEST):
            key = service_key(fields(top[SERVICE]))
            dests, of = self.services[key][1], fields(top[DEST])
            which = dest_key(of, key[0])
            if command == DEL_DEST:
                del dests[which]
            else:
                dests[which] = self.dest(of, dests.get(which))

    def set_service(self, of):
        key = service_key(of)
        terms, dests = self.services.get(key, ((b'', None, 0, 0, 0), {}))
        flags, mask = struct.unpack('=II', of[7].ljust(8, b'\0'))
        flags = (terms[2] & ~mask) | (flags & mask) | 2
        engine = a_name(of[11]) if 11 in of else b''
        timeout = native(of[8], 4)
        if self.impl == 'c':
            # C IPVS keeps timeouts as 32 bits of jiffies.
            timeout = (timeout * HZ & 0xFFFFFFFF) // HZ
        self.services[key] = (
            (a_name(of[6]), engine or None, flags, timeout, native(of[9], 4)),
            dests,
        )

    def dest(self, of, before):
        """What a destination looks like after a request, given what it looked like BEFORE, or None."""
        tunnel = before[4:] if before and self.impl == 'rust' else (0, b'\0\0', 0)
        given = (
            native(of[13], 1) if 13 in of else None,
            of[14][:2] if 14 in of else None,
            native(of[15], 2) if 15 in of else None,
        )
        tunnel = tuple(old if new is None else new for old, new in zip(tunnel, given))
        return (native(of[3], 4) & 7, *(native(of[n], 4) for n in (4, 5, 6)), *tunnel)

    def expected(self):
        """All that should be seen, in the form of `seen`."""
        return self.timeouts, {
            key: (terms, dict(dests)) for key, (terms, dests) in self.services.items()
        }

    @staticmethod
    def seen(genl):
        """All that is seen."""

        def dump(command, payload=b''):
            return genl.call(command, payload, 1 | NLM_F_DUMP).messages

        timeouts = fields(genl.call(GET_CONFIG).messages[0].payload)
        services = {}
        for message in dump(GET_SERVICE):
            of = fields(fields(message.payload)[SERVICE])
            key = service_key(of)
            engine = a_name(of[11]) if 11 in of else None
            terms = a_name(of[6]), engine, native(of[7], 4), native(of[8], 4), native(of[9], 4)
            asked = attr(SERVICE, b''.join(attr(n, of[n]) for n in (1, 2, 3, 4, 5) if n in of))
            dests = {}
            for one in dump(GET_DEST, asked):
                d = fields(fields(one.payload)[DEST])
                dests[dest_key(d, key[0])] = (
                    *(native(d[n], 4) for n in (3, 4, 5, 6)),
                    native(d[13], 1),
                    d[14],
                    native(d[15], 2),
                )
            services[key] = terms, dests
        return {n: native(timeouts[n], 4) for n in (4, 5, 6)}, services
