# SPDX-License-Identifier: GPL-2.0
"""What a table of many connections costs: instructions of a packet, and memory, at ten thousand to four million."""

import sys

from . import cells, guest, packets, tables, targets

UDP = packets.KINDS["udp"]
SIZES = (10_000, 100_000, 1_000_000, 4_000_000)
WORDS = {10_000: "10 k", 100_000: "100 k", 1_000_000: "1 M", 4_000_000: "4 M"}
# C with its 4096 buckets has chains of a thousand then: hours to fill.
MOST = {"c": 1_000_000}
MEMORY = 4096
# More than a connection that is not there yet could be waiting for: the table grows in the
# background.
SETTLE = {"sh": "sleep 0.5"}


def sizes(implementation):
    return [size for size in SIZES if size <= MOST.get(implementation.name, SIZES[-1])]


def plan(implementation):
    vip, server = packets.VIP[4], packets.SERVERS[4][0]
    forward = [cells.send(f"look-{size}", packets.some_flows(UDP, server, size)) for size in SIZES]
    method = "nat" if implementation.is_nft else "dr"
    steps = implementation.load() + implementation.service(UDP, method) + [{"memory": "memory-0"}]
    filled = 0
    for size in sizes(implementation):
        steps += [
            cells.send(f"new-{size}", packets.each_flow(UDP, vip, size - filled, filled)),
            SETTLE,
            {"memory": f"memory-{size}"},
            {"slab": f"slab-{size}", "cache": implementation.slab},
            cells.send(f"look-{size}", packets.some_flows(UDP, vip, size)),
        ]
        filled = size
    return [
        {"name": cells.FORWARD, "steps": forward},
        {"name": "scale", "steps": steps + implementation.unload()},
    ]


def evaluate(measured, implementation):
    """By number of connections: instructions over forwarding, bytes of all memory and of the slab's object."""
    cell = cells.Cell(UDP, "dr", "100k")
    found = {}
    for size in sizes(implementation):
        balanced = cells.per_packet(measured.get(("scale", f"look-{size}")), cell)
        plain = cells.per_packet(measured.get((cells.FORWARD, f"look-{size}")), cell)
        slab, free = measured.get(("scale", f"slab-{size}")), measured.get(
            ("scale", f"memory-{size}")
        )
        if not balanced or not plain or not slab or not free or slab["objects"] < size:
            continue
        empty = measured["scale", "memory-0"]["kilobytes"]
        found[size] = {
            "instructions": balanced - plain,
            "object": slab["size"],
            "slab": slab["bytes"] / size,
            "memory": (empty - free["kilobytes"]) * 1024 / size,
        }
    return found


def fill(implementation):
    try:
        measured = guest.run(
            f"scale-{implementation.name}", plan(implementation), memory=MEMORY, timeout=3000
        )
    except guest.Failed as failure:
        print(f"bench: {implementation.name}: {failure}", file=sys.stderr)
        measured = failure.measured
    return evaluate(measured, implementation)


def target_of_look_up(ours):
    """Of the largest table beside the smallest; None where one of them was not measured."""
    if SIZES[0] not in ours or SIZES[-1] not in ours:
        return None
    return targets.beside_ours(
        ours[SIZES[-1]]["instructions"],
        ours[SIZES[0]]["instructions"],
        targets.LARGE_OF_SMALL,
        "at 10 k",
    )


def target_of_size(ours):
    if SIZES[1] not in ours:
        return None
    return targets.Target(ours[SIZES[1]]["object"], targets.CONNECTION_BYTES, "IPv4")


def show(implementations, found):
    head = ["", *[one.name for one in implementations], "target"]
    rows, ours = [], found.get("rust", {})
    for size in SIZES:
        row = [f"look-up among {WORDS[size]}"]
        row += [field(found[one.name], size, "instructions", one) for one in implementations]
        target = target_of_look_up(ours) if size == SIZES[-1] else None
        rows.append([*row, tables.verdict(target)])
    tables.show(
        "DR, established flows picked at random: instructions per packet over plain forwarding",
        head,
        rows,
    )

    rows = []
    for what, words in (
        ("object", "slab object"),
        ("slab", "slab pages"),
        ("memory", "all memory, table included"),
    ):
        for size in SIZES[-1:] if what == "object" else SIZES[1:]:
            shown = size if what != "object" else SIZES[1]
            row = [words if what == "object" else f"{words}, {WORDS[size]}"]
            row += [field(found[one.name], shown, what, one) for one in implementations]
            target = target_of_size(ours) if what == "object" else None
            rows.append([*row, tables.verdict(target)])
    tables.show("Bytes per connection", head, rows)


def field(found, size, what, implementation):
    if size not in sizes(implementation):
        return "-"
    return tables.number(found.get(size, {}).get(what))
