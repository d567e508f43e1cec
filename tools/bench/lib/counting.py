# SPDX-License-Identifier: GPL-2.0
"""The tables of instructions per packet: which balancers, which cells, in guests side by side."""

import concurrent.futures
import os
import sys

from . import cells as cell_names
from . import guest, implementations, packets, tables, targets

LOAD_WORDS = {"one": "one flow", "100k": "100,000 flows", "new": "new connections"}
WAY_WORDS = {
    "nat": "NAT",
    "dr": "DR",
    "tun": "TUN",
    "gue": "TUN, GUE",
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
    return cell_names.evaluate(measured, wanted, implementation), measured


def jobs():
    """How many guests may run at once."""
    return int(os.environ.get("JOBS") or os.cpu_count() or 1)


def fill_all(implementations, cells):
    """The same for several balancers, side by side."""
    with concurrent.futures.ThreadPoolExecutor(jobs()) as pool:
        waiting = {one.name: pool.submit(fill, one, cells) for one in implementations}
        return {name: future.result() for name, future in waiting.items()}


def words(cell):
    return f"{WAY_WORDS[cell.way]}, {LOAD_WORDS[cell.load]}"


def kind_words(kind):
    return f"{kind.protocol.upper()} over IPv{kind.family}"


def columns(implementations, cells):
    """The balancers that have any of the cells."""
    return [one for one in implementations if any(cell_names.can(one, cell) for cell in cells)]


def routing_of(filled, cells):
    """Plain forwarding of the cells' packets, by its step, of the first guest that measured it."""
    for _, measured in filled.values():
        found = cell_names.routing(measured, cells)
        if found:
            return found
    return {}


def show(implementations, cells, values):
    """One table for each kind of packet, each row a way and a load, with the target beside C."""
    judged = {"rust", "c"} <= values.keys()
    for kind in dict.fromkeys(cell.kind for cell in cells):
        rows, of_kind = [], [cell for cell in cells if cell.kind == kind]
        shown = columns(implementations, of_kind)
        for cell in of_kind:
            row = [words(cell)]
            for one in shown:
                row.append(
                    tables.number(values[one.name].get(cell.name))
                    if cell_names.can(one, cell)
                    else "-"
                )
            if judged:
                ours, c = (values[name].get(cell.name) for name in ("rust", "c"))
                row.append(f"{ours / c:.2f}" if ours is not None and c else "")
                row.append(tables.verdict(targets.beside_c(cell, ours, c)))
            rows.append(row)
        tables.show(
            f"{kind_words(kind)}: instructions per packet over plain forwarding of the same packet",
            ["", *[one.name for one in shown], *(["ours/C", "target"] if judged else [])],
            rows,
        )


def show_routing(implementations, cells, values, routing):
    """Prints plain forwarding whole, and how many packets each balancer does in the time of one."""
    rows = []
    for cell in {cell.baseline: cell for cell in cells}.values():
        whole, sent = routing.get(cell.baseline, (None, None))
        direction = "replies" if cell.way == "reply" else "requests"
        row = [f"{kind_words(cell.kind)}, {direction}, {LOAD_WORDS[cell.load]}"]
        row += [tables.number(whole), tables.number(sent) if sent else ""]
        rows.append([*row, tables.number(whole - sent) if whole and sent else ""])
    tables.show(
        "Plain forwarding itself: instructions per packet",
        ["", "all", "sent, dropped on arrival", "difference"],
        rows,
    )
    shown, rows = columns(implementations, cells), []
    for cell in cells:
        whole, sent = routing.get(cell.baseline, (None, None))
        if not whole or not sent:
            continue
        row = [f"{kind_words(cell.kind)}, {words(cell)}"]
        for one in shown:
            value = values[one.name].get(cell.name)
            row.append("-" if value is None else f"{(whole - sent) / (whole - sent + value):.2f}")
        rows.append(row)
    if rows:
        tables.show(
            "Packets in the instructions that plain forwarding of one takes, without sending it",
            ["", *[one.name for one in shown]],
            rows,
        )


# Ours, as it ships, and with each value of its fast path.
OURS = ("rust", *implementations.FAST_PATHS)


def targets_alone(cell, name, values):
    """Yields the targets of a cell of one of ours beside other implementations, by words."""
    value = values[name].get(cell.name)
    if name == "rust-fast0":
        yield "", targets.slow(cell, value)
        return
    yield "", targets.first(cell, value)
    if name != "rust-fast2":
        yield ", beside C", targets.beside_c(cell, value, values.get("c", {}).get(cell.name))
        return
    nat = cell_names.Cell(cell.kind, "reply" if cell.way == "reply" else "nat", cell.load)
    flowtable = values.get("flowtable", {}).get(nat.name)
    yield "", targets.fast(cell, value)
    yield ", beside flowtable", targets.beside_flowtable(cell, value, flowtable)
    if cell.way == "foreign":
        slow = values.get("rust-fast0", {}).get(cell.name)
        yield "", targets.near(value, slow, "no fast path")


def targets_beside(cell, ours):
    """Yields the targets of a cell beside other cells of the same, by words."""
    value, udp = ours.get(cell.name), packets.Kind(cell.kind.family, "udp")
    if cell.load == "100k":
        one = cell_names.Cell(cell.kind, cell.way, "one")
        yield ", beside one", targets.near(value, ours.get(one.name), "one flow")
    if cell.kind.family == 6 and cell.load == "new":
        v4 = cell_names.Cell(packets.Kind(4, cell.kind.protocol), cell.way, cell.load)
        other = ours.get(v4.name)
        yield ", beside IPv4", targets.beside_ours(value, other, targets.IPV6_OF_IPV4, "IPv4")
    if cell.kind != udp:
        other = ours.get(cell_names.Cell(udp, cell.way, cell.load).name)
        if cell.load == "new":
            yield ", beside UDP", targets.beside_ours(value, other, targets.TCP_OF_UDP, "UDP")
        else:
            yield ", beside UDP", targets.near(value, other, "UDP")


def targets_of(values):
    """Yields all targets of the cells of ours with their words; None where something is missing."""
    for cell in cell_names.every_cell().values():
        for name in OURS:
            if name not in values:
                continue
            every = [*targets_alone(cell, name, values)]
            if name != "rust-fast0":
                every += targets_beside(cell, values[name])
            for beside, target in every:
                yield f"{kind_words(cell.kind)}, {words(cell)}, {name}{beside}", target


def show_targets(values):
    rows = [
        [what, tables.decimal(target.value), tables.verdict(target)]
        for what, target in targets_of(values)
        if target
    ]
    if rows:
        tables.show("Targets of rust_ipvs", ["", "ours", "target"], rows)
