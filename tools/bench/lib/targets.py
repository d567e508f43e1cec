# SPDX-License-Identifier: GPL-2.0
"""What the project wants of itself, cell by cell, and whether it has it."""

from dataclasses import dataclass

from . import packets


@dataclass(frozen=True)
class Target:
    """A value that ours must not exceed: `factor` times what stands under `reference` (words), or a number alone."""

    value: float
    limit: float
    words: str

    @property
    def met(self):
        return self.value <= self.limit


# Ours beside C as it comes.
FACTORS = {"one": 0.3, "100k": 0.3, "new": 0.4}
# New connections, and packets that concern no service, beside the same over IPv4 or by UDP.
IPV6_OF_IPV4 = 1.25
TCP_OF_UDP = 1.1
# Instructions over plain forwarding of UDP over IPv4: established flows by the fast path and
# without it, and first packets.
FAST = {"nat-one": -1650, "reply-one": -1650, "dr-one": -1750, "tun-one": -1350, "gue-one": -1100}
# The same beside a flowtable's NAT in the same run, which does not depend on what plain forwarding
# costs; over IPv6, DR is to be below it.
MARGINS = {"nat": -78, "reply": -78, "dr": -178, "tun": 222, "gue": 472}
MARGINS6 = {"nat": 0, "reply": 0, "dr": -1}
SLOW = {"nat-one": 300, "dr-one": 230, "tun-one": 330}
FIRST = {"nat-new": 1000, "dr-new": 850, "tun-new": 1000}
FIRST_WITH_TEMPLATE = 1500
# What of streams ours passes on, of what another does: small packets, and TCP.
STREAM = {
    "small": (("forward", 1.25, "plain forwarding"), ("flowtable", 1.0, "the flowtable")),
    "tcp": (("forward", 1.0, "plain forwarding"),),
}
# Instructions by which an established flow of TCP, one of 100,000, and a packet that concerns no
# service, may exceed UDP, one flow, and the same without fast path.
NEAR = 40
CONNECTION_BYTES = 128
LARGE_OF_SMALL = 1.15
ADMINISTRATION = 0.7
# A scrape by our tool, beside one by node_exporter on C.
SCRAPE = 0.3
# Millions of instructions for 4,000 services of 5 destinations: to apply them as a file, again with
# one weight changed, and to list them with statistics.
APPLY = 200
APPLY_AGAIN = 60
LIST_AT_ONCE = 80
# What each of many changes may cost of what each of a few does.
MANY_OF_FEW = 1.5
# Instructions for which a reader of 20,000 destinations may have a processor: a millisecond, at one
# a nanosecond.
STRETCH = 1e6
# A read of a file under /proc/net, of what one costs with C; a service added beside a reader, of
# one added alone.
READ = 2
ADD_BESIDE = 1.5
# What a deletion of a server may take if connections are to end with it, of what it takes if they
# are not.
NODEST = 3
# Instructions for which a work in the background, or a new connection, may wait for another: ten
# milliseconds.
WAIT = 1e7
# What two processors do by themselves, over what they do where all their clients share one
# template.
OWN_OF_SHARED = 1.1


def beside_c(cell, ours, c):
    """The target of a cell against C as it comes; None where one of the two is missing."""
    if ours is None or c is None:
        return None
    factor = FACTORS[cell.load]
    return Target(ours, factor * c, f"{factor} x C")


def beside_ours(ours, other, factor, words):
    if ours is None or other is None:
        return None
    return Target(ours, factor * other, f"{factor} x {words}")


def near(ours, other, words):
    """No more than NEAR instructions above another number; None where one of the two is missing."""
    if ours is None or other is None:
        return None
    return Target(ours, other + NEAR, f"{words} + {NEAR}")


def alone(limits, cell, ours, words):
    if ours is None or cell.name not in limits:
        return None
    return Target(ours, limits[cell.name], words)


def first(cell, ours):
    """The target of a connection's first packet by itself."""
    return alone(FIRST, cell, ours, "first packet")


def fast(cell, ours):
    """The target of a cell by itself, with the fast path, if plain forwarding copies packets."""
    return None if packets.UNSHARED else alone(FAST, cell, ours, "fast path")


def slow(cell, ours):
    """The target of a cell by itself, without it."""
    return alone(SLOW, cell, ours, "no fast path")


def beside_flowtable(cell, ours, flowtable):
    """The target of an established flow beside a flowtable's NAT of the same packet."""
    margin = (MARGINS6 if cell.kind.family == 6 else MARGINS).get(cell.way)
    is_meant = cell.load != "new" and (cell.kind.family == 6 or cell.kind.protocol == "udp")
    if ours is None or flowtable is None or margin is None or not is_meant:
        return None
    words = f"flowtable {'-' if margin < 0 else '+'} {abs(margin)}" if margin else "flowtable"
    return Target(ours, flowtable + margin, words)
