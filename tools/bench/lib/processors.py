# SPDX-License-Identifier: GPL-2.0
"""Two processors that share one service, in a guest with two: how much more gets done than by one.

The guest is emulated with a thread for each processor, so the clock is the machine's own and the numbers are no more
than ratios: packets in the same time by two processors and by one. Plain forwarding, taken in turns, shows what the
machine itself allows.
"""

import statistics
import sys

from . import cells, guest, packets, tables

UDP = packets.KINDS["udp"]
ROUNDS = 9
COUNT = 40000
FLOWS = 1000
OPTIONS = ["--smp", "2", "--append", "mitigations=off"]


def turns(destination):
    """One processor sends, then both."""
    burst = packets.some_flows(UDP, destination, FLOWS, COUNT)
    return [
        cells.send("", burst),
        cells.send("alone", burst),
        {**cells.send("both", burst * 2), "together": True},
    ]


def plan(implementations, rounds):
    runs = []
    for turn in range(rounds):
        for method in "nat", "dr":
            runs.append({"name": f"forward-{method}-{turn}", "steps": turns(packets.SERVERS[4][0])})
            for one in implementations if turn % 2 else reversed(implementations):
                steps = one.load() + one.service(UDP, method)
                steps.append(cells.send("", packets.each_flow(UDP, packets.VIP[4], FLOWS)))
                runs.append(
                    {
                        "name": f"{one.name}-{method}-{turn}",
                        "steps": steps + turns(packets.VIP[4]) + one.unload(),
                    }
                )
    return runs


def fill(implementations, rounds=ROUNDS):
    """By (implementation or "forward", method): a list of (packets by two / packets by one in the same time)."""
    try:
        measured = guest.run("processors", plan(implementations, rounds), accel=OPTIONS)
    except guest.Failed as failure:
        print(f"bench: two processors: {failure}", file=sys.stderr)
        measured = failure.measured
    found = {}
    for name in ["forward", *[one.name for one in implementations]]:
        for method in "nat", "dr":
            for turn in range(rounds):
                alone, both = (
                    measured.get((f"{name}-{method}-{turn}", what)) for what in ("alone", "both")
                )
                cell = cells.Cell(UDP, method, "one")
                if alone and both and cells.complete(alone, cell) and cells.complete(both, cell):
                    gain = (both["packets"] / both["microseconds"]) / (
                        alone["packets"] / alone["microseconds"]
                    )
                    found.setdefault((name, method), []).append(gain)
    return found


def show(found, implementations):
    rows = []
    for method in "nat", "dr":
        for name in ["forward", *[one.name for one in implementations]]:
            gains = found.get((name, method), [])
            words = (
                f"{method.upper()}, {name}"
                if name != "forward"
                else f"plain forwarding, in turns with {method.upper()}"
            )
            if len(gains) < 3:
                rows.append([words, "not measured", ""])
                continue
            low, middle, high = statistics.quantiles(gains, n=4)
            rows.append([words, f"{middle:.2f}", f"{low:.2f} to {high:.2f} in {len(gains)} turns"])
    tables.show(
        "Two processors, one service: packets by two in the time of one's",
        ["", "times as many", "middle half of the turns"],
        rows,
    )
