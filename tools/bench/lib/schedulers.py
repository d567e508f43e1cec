# SPDX-License-Identifier: GPL-2.0
"""What a decision of each scheduler costs, at few and at many destinations: new connections, less those of rr at four."""

import sys

from . import cells, guest, packets, tables

UDP = packets.KINDS["udp"]
NAMES = ("rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "twos")
DESTINATIONS = (4, 64, 1024)
CONNECTIONS = 5000
# Destinations are behind the first real server, so that all of them are reached alike.
BEHIND = {"sh": f"ip route replace 10.4.0.0/16 via {packets.SERVERS[4][0]}"}


def rules(scheduler, destinations):
    vip = f"{packets.VIP[4]}:{packets.SERVICE_PORT}"
    lines = [f"-A -u {vip} -s {scheduler}"]
    lines += [f"-a -u {vip} -r 10.4.{n // 250}.{n % 250 + 1}:{packets.SERVICE_PORT} -g -w {n % 4 + 1}"
              for n in range(destinations)]
    return "\n".join(lines) + "\n"


def plan(implementation, names):
    """A fresh module for each scheduler, so that every table is filled from nothing."""
    runs = []
    for name in names:
        for destinations in DESTINATIONS:
            load = implementation.load()
            if not implementation.module:
                load.append({"sh": f"modprobe ip_vs_{name}"})
            steps = [BEHIND, *load, {"sh": "ipvsadm -R", "stdin": rules(name, destinations)},
                     cells.send("", packets.one_flow(UDP, packets.VIP[4], 1)),
                     cells.send(f"{name}-{destinations}", packets.each_flow(UDP, packets.VIP[4], CONNECTIONS))]
            # A scheduler that is not there is a hole in the table, and not the end of it.
            runs.append({"name": "schedulers", "steps": steps, "finally": implementation.unload()})
    return runs


def fill(implementation, names=NAMES):
    """Instructions per decision by (scheduler, destinations)."""
    try:
        measured = guest.run(f"schedulers-{implementation.name}", plan(implementation, names))
    except guest.Failed as failure:
        print(f"bench: {implementation.name}: {failure}", file=sys.stderr)
        measured = failure.measured
    cell = cells.Cell(UDP, "dr", "new")
    costs = {name: cells.per_packet(result, cell) for (_, name), result in measured.items()}
    base = costs.get("rr-4")
    return {name: cost - base for name, cost in costs.items() if cost is not None and base is not None}


def show(implementations, found):
    rows = []
    for name in NAMES:
        row = [name]
        for destinations in DESTINATIONS:
            row += [tables.number(found[one.name].get(f"{name}-{destinations}")) for one in implementations]
        rows.append(row)
    head = [""] + [f"{one.name}, {destinations}" for destinations in DESTINATIONS for one in implementations]
    tables.show("A new connection by each scheduler: instructions beyond rr with 4 destinations", head, rows)
