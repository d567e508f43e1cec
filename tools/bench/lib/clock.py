# SPDX-License-Identifier: GPL-2.0
"""Time itself: rust_ipvs and C ip_vs taking turns in one User-mode Linux.

Instructions are exact, but cache misses and locks cost more than they count. Here the clock is the machine's own;
what it says depends on what else the machine does. So a turn sends the packets of established flows several times and
takes the least disturbed time, and each number is the median of many turns, with how far they spread.
"""

import dataclasses
import json
import statistics
import subprocess
import sys

from . import cells, guest, packets, tables

UM = guest.ROOT / "tools/bench/um/um"
MODULE = "build/bench/um/rust_ipvs.ko"
UDP = packets.KINDS["udp"]
ROUNDS = 7
FLOWS = 50000
COUNT = 40000
TIMES = 5
WARM = 2000
LOADS = {"one": "one flow", "50k": "50,000 flows", "new": "new connections"}


def established(load, bursts):
    """The same packets several times."""
    return [cells.send(f"{load}.{time}", bursts) for time in range(TIMES)]


def forwarding(turn, method):
    server = packets.SERVERS[4][0]
    return {
        "name": f"forward-{method}-{turn}",
        "steps": [
            cells.send("", packets.one_flow(UDP, server, WARM)),
            *established("one", packets.one_flow(UDP, server, COUNT)),
            cells.send("new", packets.each_flow(UDP, server, FLOWS)),
            *established("50k", packets.some_flows(UDP, server, FLOWS, COUNT)),
        ],
    }


def balancing(turn, implementation, method):
    vip = packets.VIP[4]
    return {
        "name": f"{implementation.name}-{method}-{turn}",
        "steps": [
            *implementation.load(),
            *implementation.service(UDP, method),
            cells.send("", packets.one_flow(UDP, vip, WARM)),
            *established("one", packets.one_flow(UDP, vip, COUNT)),
            cells.send("new", packets.each_flow(UDP, vip, FLOWS)),
            *established("50k", packets.some_flows(UDP, vip, FLOWS, COUNT)),
            *implementation.unload(),
        ],
    }


def in_user_mode(implementation):
    """The same balancer with the module that was built for User-mode Linux."""
    if implementation.module:
        return dataclasses.replace(implementation, module=MODULE)
    return implementation


def plan(implementations, rounds):
    """Every turn has all of them, each time in the other order."""
    runs = []
    for turn in range(rounds):
        order = [in_user_mode(one) for one in implementations]
        for method in cells.METHODS:
            runs.append(forwarding(turn, method))
            runs += [
                balancing(turn, one, method) for one in (order if turn % 2 else reversed(order))
            ]
    return runs


def run(name, runs, seconds, options=()):
    """Boots User-mode Linux for a plan. Returns the results by (run, name)."""
    folder = guest.OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    for stale in "measured.jsonl", "done":
        (folder / stale).unlink(missing_ok=True)
    (folder / "plan.json").write_text(json.dumps(runs, indent=1))
    try:
        subprocess.run([UM, "build"], check=True)
        subprocess.run([UM, "run", folder, str(seconds), *options], check=True)
    except subprocess.CalledProcessError as failure:
        print(f"bench: User-mode Linux: {failure}", file=sys.stderr)
    return guest.read_results(folder)


def fill(implementations, rounds=ROUNDS):
    """Nanoseconds over plain forwarding, a list of turns by (implementation, method, load)."""
    measured = run("um-run", plan(implementations, rounds), 1200)
    # The first turn fills caches of every kind, the host's among them.
    return evaluate(measured, implementations, range(1, rounds))


def least(measured, run, load, cell):
    """Nanoseconds per packet in the least disturbed of a turn's times; None where there was none."""
    times = [
        cells.per_packet(measured.get((run, name)), cell)
        for name in ([f"{load}.{time}" for time in range(TIMES)] if load != "new" else ["new"])
    ]
    return min((time for time in times if time is not None), default=None)


def evaluate(measured, implementations, turns):
    found = {}
    for one in implementations:
        for method in cells.METHODS:
            for load in LOADS:
                cell, times = cells.Cell(UDP, method, load), []
                for turn in turns:
                    plain = least(measured, f"forward-{method}-{turn}", load, cell)
                    balanced = least(measured, f"{one.name}-{method}-{turn}", load, cell)
                    times.append(balanced - plain if plain and balanced else None)
                found[one.name, method, load] = times
    return found


def spread(values):
    """Median, and the quarters below and above it."""
    low, middle, high = statistics.quantiles(values, n=4)
    return middle, low, high


def show(found):
    rows = []
    for method in cells.METHODS:
        for load in LOADS:
            ours, c = found.get(("rust", method, load), []), found.get(("c", method, load), [])
            pairs = [(a, b) for a, b in zip(ours, c) if a is not None and b is not None]
            row = [f"{method.upper()}, {LOADS[load]}"]
            if len(pairs) < 3:
                rows.append([*row, "not measured", "", "", ""])
                continue
            ratio, low, high = spread([a / b for a, b in pairs])
            row += [
                f"{statistics.median(b for _, b in pairs):,.0f}",
                f"{statistics.median(a for a, _ in pairs):,.0f}",
                f"{ratio:.2f}",
                f"{low:.2f} to {high:.2f} in {len(pairs)} turns",
            ]
            rows.append(row)
    tables.show(
        "User-mode Linux, the machine's own clock: nanoseconds per packet over plain forwarding",
        ["", "c", "rust", "ours/C", "middle half of the turns"],
        rows,
    )
