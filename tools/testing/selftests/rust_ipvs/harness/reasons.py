# SPDX-License-Identifier: GPL-2.0
"""Reasons of the family RIPVS: why packets were dropped, refused or left untouched."""

import struct

from .netlink import attributes
from .ripvs import SERVICE, SERVICE_ATTRS, Ripvs, decode, encode, nest
from .tap import note, until

GET_REASONS, ZERO_REASONS = 10, 11
REASON = 30
ID, COUNT = 1, 2

# By their numbers, which begin at 1.
NAMES = (
    'no-server weight-zero overloaded not-chosen no-scheduler needs-persistence conn-limit '
    'no-memory drop-packet drop-entry no-connection local-reply ftp-data not-to-host backup-only '
    'server-gone unexpected-reply port-reuse lost-race no-route no-route-for-reply '
    'loopback-source loopback-server local-server ttl-exceeded too-big tunnel-mtu conntrack '
    'bad-header bad-icmp icmp-checksum icmp-undeliverable ftp-no-port ftp-rewrite '
    'sync-malformed sync-no-server'
).split()


def named(service):
    """The attribute that names a service; nothing for None."""
    return b'' if service is None else nest(SERVICE, encode(SERVICE_ATTRS, service))


class Reasons(Ripvs):
    """A socket of the family that reads reasons."""

    def dump(self, service=None):
        """A list of (service or None, reasons by their names)."""
        answer = self.genl.dump(GET_REASONS, named(service))
        if answer.error:
            raise OSError(answer.error, answer.words)
        found = []
        for message in answer.messages:
            parts = attributes(message.payload)
            whose = [decode(SERVICE_ATTRS, body) for number, body in parts if number == SERVICE]
            counts = {}
            for number, body in parts:
                if number == REASON:
                    one = dict(attributes(body))
                    name = NAMES[struct.unpack('=I', one[ID])[0] - 1]
                    counts[name] = struct.unpack('=Q', one[COUNT])[0]
            found.append((whose[0] if whose else None, counts))
        return found

    def totals(self):
        """The reasons of the namespace."""
        return self.dump()[0][1]

    def of(self, service):
        """The reasons of a service."""
        ((_, counts),) = self.dump(service)
        return counts

    def zero(self, service=None):
        answer = self.genl.call(ZERO_REASONS, named(service))
        if answer.error:
            raise OSError(answer.error, answer.words)

    def come(self, service, **wanted):
        """Waits until these are the reasons of the service, and among those of the namespace."""
        want = {name.replace('_', '-'): count for name, count in wanted.items()}
        until(
            lambda: self.of(service) == want or note(f'so far: {self.of(service)}'),
            f'reasons {want}',
            3,
        )
        totals = self.totals()
        missing = {name: count for name, count in want.items() if totals.get(name, 0) < count}
        return not missing
