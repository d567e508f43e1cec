# SPDX-License-Identifier: GPL-2.0
"""What each scheduler's decision costs, at few and at many destinations: new connections, less those of rr at four."""

import sys

from . import cells, guest, packets, tables

UDP = packets.KINDS["udp"]
NAMES = (
    "rr",
    "wrr",
    "lc",
    "wlc",
    "fo",
    "ovf",
    "lblc",
    "lblcr",
    "dh",
    "sh",
    "mh",
    "sed",
    "nq",
    "twos",
)
DESTINATIONS = (4, 64, 1024)
CONNECTIONS = 10000
FIRST = ("rr", 4)
# Destinations are behind the first real server, so that all of them are reached alike.
BEHIND = {"sh": f"ip route replace 10.4.0.0/16 via {packets.SERVERS[4][0]}"}


def rules(scheduler, destinations):
    vip = f"{packets.VIP[4]}:{packets.SERVICE_PORT}"
    lines = [f"-A -u {vip} -s {scheduler}"]
    lines += [
        f"-a -u {vip} -r 10.4.{n // 250}.{n % 250 + 1}:{packets.SERVICE_PORT} -g -w {n % 4 + 1}"
        for n in range(destinations)
    ]
    return "\n".join(lines) + "\n"


def plan(implementation, names):
    """A fresh module for each scheduler, so that every table is filled from nothing."""
    runs = []
    # The first of all runs finds the slabs empty: it is done again.
    for name, destinations in [FIRST, *[(name, count) for name in names for count in DESTINATIONS]]:
        load = implementation.load()
        if not implementation.module:
            load.append({"sh": f"modprobe ip_vs_{name}"})
        steps = [
            BEHIND,
            *load,
            {"sh": "ipvsadm -R", "stdin": rules(name, destinations)},
            cells.send("", packets.one_flow(UDP, packets.VIP[4], 1)),
            cells.send(
                f"{name}-{destinations}", packets.each_flow(UDP, packets.VIP[4], CONNECTIONS)
            ),
        ]
        # A scheduler that is not there is a hole in the table, and not the end of it.
        runs.append({"name": "schedulers", "steps": steps, "finally": implementation.unload()})
    return runs


def fill(implementation, names):
    """Instructions per new connection beyond rr's, by "scheduler-destinations"."""
    try:
        measured = guest.run(f"schedulers-{implementation.name}", plan(implementation, names))
    except guest.Failed as failure:
        print(f"bench: {implementation.name}: {failure}", file=sys.stderr)
        measured = failure.measured
    cell = cells.Cell(UDP, "dr", "new")
    expected = [f"{name}-{destinations}" for name in names for destinations in DESTINATIONS]
    costs = {name: cells.per_packet(measured.get(("schedulers", name)), cell) for name in expected}
    base = costs["-".join(map(str, FIRST))]
    return {name: cost - base if cost and base else None for name, cost in costs.items()}


def show(implementations, found, names):
    rows = []
    for name in names:
        row = [name]
        for destinations in DESTINATIONS:
            row += [
                tables.number(found[one.name].get(f"{name}-{destinations}"))
                for one in implementations
            ]
        rows.append(row)
    head = [""] + [
        f"{one.name}, {destinations}" for destinations in DESTINATIONS for one in implementations
    ]
    tables.show(
        "A new connection by each scheduler: instructions beyond rr with 4 destinations", head, rows
    )
