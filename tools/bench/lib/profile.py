# SPDX-License-Identifier: GPL-2.0
"""Where the instructions of a cell are spent: exactly, function by function, beside plain forwarding of the same."""

import bisect
import collections
import re
import subprocess
import sys

from . import cells, guest, tables

SOURCE = guest.ROOT / "tools/bench/profile/counter.c"
# A function whose cost differs by less than this per packet is not shown.
LEAST = 1.0
# Nor is a block that fewer than one packet in so many executes.
RAREST = 100


def plugin():
    """Builds QEMU's plugin where it is older than its source."""
    built = guest.OUT / "counter.so"
    sources = [SOURCE, SOURCE.with_name("qemu-plugin-api.h")]
    if not built.exists() or built.stat().st_mtime < max(
        source.stat().st_mtime for source in sources
    ):
        guest.OUT.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [
                guest.LAB,
                "enter",
                "--",
                "gcc-14",
                "-O2",
                "-Wall",
                "-shared",
                "-fPIC",
                "-o",
                built,
                SOURCE,
            ],
            check=True,
        )
    return built


def marked(steps, name):
    """The steps with marks around the one that measures `name`; later ones are left out."""
    result = []
    for step in steps:
        if step.get("send") == name:
            return result + [{"mark": 1}, {**step, "times": 1}, {"mark": 0}]
        result.append(step)
    raise KeyError(name)


def plan(implementation, cell):
    runs = cells.plan(implementation, [cell])
    forward, balanced = runs[0], runs[1]
    forward["steps"] = marked(forward["steps"], cell.baseline)
    if cell.kind.protocol == "tcp":
        forward["steps"].append(cells.packets.as_sent())
    balanced["steps"] = marked(balanced["steps"], cell.name)
    balanced["steps"].append({"copy": "/proc/kallsyms", "file": "kallsyms"})
    return runs


def demangled(names):
    """Rust's names as people write them, without the hashes of crates."""
    done = subprocess.run(
        [guest.LAB, "enter", "--", "c++filt", "-s", "rust"],
        input="\n".join(names),
        text=True,
        capture_output=True,
        check=True,
    )
    return [re.sub(r"\[[0-9a-f]{16}\]", "", name) for name in done.stdout.splitlines()]


class Symbols:
    """The guest kernel's functions by address."""

    def __init__(self, path):
        found = []
        for line in path.read_text().splitlines():
            words = line.split()
            if words[1] in "tTwW":
                found.append((int(words[0], 16), words[2], words[3] if len(words) > 3 else ""))
        found.sort()
        self.addresses = [address for address, _, _ in found]
        mangled = [name for _, name, _ in found]
        names = demangled(mangled)
        self.names = [f"{name} {module}".rstrip() for name, (_, _, module) in zip(names, found)]

    def find(self, address):
        """The function and where it begins."""
        at = bisect.bisect_right(self.addresses, address) - 1
        return (self.names[at], self.addresses[at]) if at >= 0 else ("?", 0)


class Region:
    """What was executed between two marks: instructions and calls by function, and blocks by address."""

    def __init__(self):
        self.instructions = collections.Counter()
        self.calls = collections.Counter()
        self.blocks = collections.defaultdict(list)


def read(folder, symbols):
    regions = collections.defaultdict(Region)
    for line in (folder / "profile.out").read_text().splitlines():
        number, address, length, times = line.split()
        address, length, times = int(address, 16), int(length), int(times)
        region = regions[int(number)]
        name, begin = symbols.find(address)
        region.instructions[name] += length * times
        if address == begin:
            region.calls[name] += times
        region.blocks[name].append((address - begin, length, times))
    return regions


def show(cell, regions, packets):
    """Every function that costs something, those first that the balancer makes dearer."""
    forward, balanced = regions[0], regions[1]
    forward_packets, balanced_packets = packets
    rows, total = [], 0
    functions = set(forward.instructions) | set(balanced.instructions)
    costs = {}
    for name in functions:
        plain = forward.instructions[name] / forward_packets
        ours = balanced.instructions[name] / balanced_packets
        costs[name] = (ours - plain, ours, plain)
        total += ours - plain
    for name, (difference, ours, plain) in sorted(costs.items(), key=lambda item: -item[1][0]):
        if abs(difference) >= LEAST:
            calls = balanced.calls[name] / balanced_packets
            rows.append(
                [f"{difference:.1f}", f"{ours:.1f}", f"{plain:.1f}", f"{calls:.2f}", (name, "")]
            )
    rows.append([f"{total:.1f}", "", "", "", "all"])
    tables.show(
        f"{cell.name}: instructions per packet over plain forwarding, by function",
        ["over", "balanced", "forwarded", "calls", "function"],
        rows,
    )


def annotate(region, packets, wanted):
    """The blocks of the functions whose names contain `wanted`, by their offset in the function."""
    for name in sorted(name for name in region.blocks if wanted in name):
        rows = [
            [
                f"+{offset:#x}",
                str(length),
                f"{times / packets:.3f}",
                f"{length * times / packets:.1f}",
            ]
            for offset, length, times in sorted(region.blocks[name])
            if times * RAREST >= packets
        ]
        if rows:
            tables.show(name, ["offset", "instructions", "times", "per packet"], rows)


def run(implementation, cell, function=""):
    """Profiles one cell of one balancer and prints it."""
    folder = guest.OUT / f"profile-{implementation.name}"
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / "profile.out"
    out.unlink(missing_ok=True)
    measured = guest.run(
        folder.name, plan(implementation, cell), ["--plugin", f"{plugin()},out={out}"]
    )
    forward, balanced = measured[cells.FORWARD, cell.baseline], measured[cell.group, cell.name]
    if not cells.complete(forward, cell) or not cells.complete(balanced, cell):
        sys.exit(f"bench: packets were lost: {forward}, {balanced}")
    symbols = Symbols(folder / "kallsyms")
    regions = read(folder, symbols)
    show(cell, regions, (forward["packets"], balanced["packets"]))
    if function:
        annotate(regions[1], balanced["packets"], function)
