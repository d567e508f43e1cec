# SPDX-License-Identifier: GPL-2.0
"""What the project wants of itself, cell by cell, and whether it has it."""

from dataclasses import dataclass


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
IPV6_OF_IPV4 = 1.25
TCP_OF_UDP = 1.1
CONNECTION_BYTES = 128
LARGE_OF_SMALL = 1.15
ADMINISTRATION = 0.7
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
