# SPDX-License-Identifier: GPL-2.0
"""The tables of instructions per packet: which balancers, which cells, in guests side by side."""

import concurrent.futures
import os
import sys

from . import cells as cell_names
from . import guest, tables, targets

LOAD_WORDS = {"one": "one flow", "100k": "100,000 flows", "new": "new connections"}
WAY_WORDS = {
    "nat": "NAT",
    "dr": "DR",
    "tun": "TUN",
    "reply": "NAT reply",
    "foreign": "concerns no service",
}


def fill(implementation, cells, label="count"):
    """Measures cells for one balancer. Returns their values, and all that the guest measured."""
    wanted = [cell for cell in cells if cell_names.can(implementation, cell)]
    try:
        measured = guest.run(
            f"{label}-{implementation.name}", cell_names.plan(implementation, wanted)
        )
    except guest.Failed as failure:
        print(f"bench: {implementation.name}: {failure}", file=sys.stderr)
        measured = failure.measured
    return cell_names.evaluate(measured, wanted), measured


def jobs():
    """How many guests may run at once."""
    return int(os.environ.get("JOBS") or os.cpu_count() or 1)


def fill_all(implementations, cells):
    """The same for several balancers, side by side."""
    with concurrent.futures.ThreadPoolExecutor(jobs()) as pool:
        waiting = {one.name: pool.submit(fill, one, cells) for one in implementations}
        return {name: future.result() for name, future in waiting.items()}


def show(implementations, cells, values):
    """One table for each kind of packet, each row a way and a load, with the target beside it."""
    for kind in dict.fromkeys(cell.kind for cell in cells):
        rows = []
        for cell in (cell for cell in cells if cell.kind == kind):
            row = [f"{WAY_WORDS[cell.way]}, {LOAD_WORDS[cell.load]}"]
            for one in implementations:
                row.append(
                    tables.number(values[one.name].get(cell.name))
                    if cell_names.can(one, cell)
                    else "-"
                )
            ours, c = (values.get(name, {}).get(cell.name) for name in ("rust", "c"))
            row.append(f"{ours / c:.2f}" if ours is not None and c else "")
            row.append(tables.verdict(targets.beside_c(cell, ours, c)))
            rows.append(row)
        protocol, family = kind.protocol.upper(), kind.family
        tables.show(
            f"{protocol} over IPv{family}: instructions per packet over plain forwarding of the same packet",
            ["", *[one.name for one in implementations], "ours/C", "target"],
            rows,
        )


def beside(cell):
    """How many times another cell of ours this one may be, that one's name, and what it is; None for UDP over IPv4."""
    if cell.kind.family == 6:
        return (
            targets.IPV6_OF_IPV4,
            cell.name.replace(cell.kind.name, cell.kind.protocol).removeprefix("udp-"),
            "IPv4",
        )
    if cell.kind.protocol == "tcp":
        return targets.TCP_OF_UDP, f"{cell.way}-{cell.load}", "UDP"
    return None


def show_own(ours):
    """Ours beside ours: IPv6 beside IPv4, TCP beside UDP."""
    rows = []
    for name, cell in cell_names.every_cell().items():
        if not beside(cell):
            continue
        factor, other, words = beside(cell)
        value, reference = ours.get(name), ours.get(other)
        if value is None or reference is None:
            continue
        rows.append(
            [
                name,
                tables.number(value),
                tables.number(reference),
                f"{value / reference:.2f}",
                tables.verdict(targets.beside_ours(value, reference, factor, words)),
            ]
        )
    if rows:
        tables.show("rust_ipvs beside itself", ["", "this", "beside", "ratio", "target"], rows)
