#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prints what the entries of a layer of rust_ipvs use of each other: levels, edges and cycles.

An entry is a file or a folder at the top level of the layer; a folder counts as one, with the file
of its name. An entry uses another if one of its files names something that a file of the other
defines, in a `use` or in the code; a re-export is none. The level of an entry is one more than the
highest level of those that it uses, and 1 if it uses none. Calls of methods are not seen.

usage: graph.py [--files] [--svg FILE | --write | --check] [LAYER]

Without an option the table of all entries is printed. --files takes each file for an entry. --svg
draws the entries. --write puts table and drawing into Documentation/layers.rst and layers.svg.
--check is silent unless a limit is exceeded or those two are not what --write would write.
"""

import argparse
import re
import sys
from pathlib import Path

from sources import Crate, knots

# What a layer may have at most: entries, levels, edges.
LIMITS = {"director": (12, 9, 42)}

WIDTH, HEIGHT, GAP, MARGIN = 104, 34, 28, 16
RISE = 78


class Graph:
    """The entries of a layer, with those that each of them uses."""

    def __init__(self, layer, depth=1):
        crate = Crate()
        files = [file for file in crate.files.values() if file.module[:1] == (layer,)]
        if not files:
            sys.exit(f"graph: no layer {layer}")
        self.layer = layer
        self.files = {}
        self.uses = {}

        def entry(file):
            return "/".join(file.module[1:][:depth])

        for file in files:
            name = entry(file)
            if name:
                self.files[name] = self.files.get(name, 0) + 1
                self.uses.setdefault(name, set())
        for file in files:
            for path, _, public in crate.looks(file):
                target = crate.definer(path)
                if public or target is None or target.module[:1] != (layer,):
                    continue
                user, used = entry(file), entry(target)
                if user and used and user != used:
                    self.uses[user].add(used)
        self.cycles = knots(self.uses)
        self.levels = {}
        if not self.cycles:
            for name in self.uses:
                self.level(name)

    def level(self, name):
        if name not in self.levels:
            self.levels[name] = 1 + max((self.level(used) for used in self.uses[name]), default=0)
        return self.levels[name]

    def counts(self):
        levels = max(self.levels.values(), default=0)
        edges = sum(len(used) for used in self.uses.values())
        return len(self.uses), levels, edges, len(self.cycles)

    def summary(self):
        entries, levels, edges, cycles = self.counts()
        levels = "no order" if cycles else f"{levels} levels"
        return f"{self.layer}: {entries} entries, {levels}, {edges} edges, {cycles} cycles"

    def table(self):
        order = sorted(self.uses, key=lambda name: (-self.levels.get(name, 0), name))
        width = max(map(len, order))
        yield f"{'level':5}  {'entry':{width}}  {'files':>5}  uses"
        for name in order:
            used = sorted(self.uses[name], key=lambda used: (-self.levels.get(used, 0), used))
            level = self.levels.get(name, "-")
            yield f"{level:5}  {name:{width}}  {self.files[name]:5}  {' '.join(used)}".rstrip()
        for cycle in self.cycles:
            yield f"cycle: {' '.join(sorted(cycle))}"

    def drawn(self):
        """The uses that no longer way implies; the others would only be lines across the picture."""
        reach = {}

        def below(name):
            if name not in reach:
                reach[name] = set(self.uses[name]).union(*(below(used) for used in self.uses[name]))
            return reach[name]

        for name, used in self.uses.items():
            for one in used:
                if not any(one in below(other) for other in used if other != one):
                    yield name, one

    def rows(self, edges):
        """The entries by the row that they are drawn on, each from left to right.

        An entry that others use stands right below the lowest of those, which keeps lines short
        and off the boxes. The order in a row is that of what is used below.
        """
        at = dict(self.levels)
        for name in sorted(at, key=at.get, reverse=True):
            users = [at[user] for user in at if name in self.uses[user]]
            at[name] = min(users) - 1 if users else at[name]
        rows, column = {}, {}
        for name in at:
            rows.setdefault(at[name], []).append(name)
        for level in sorted(rows):

            def below(name):
                found = [column[used] for user, used in edges if user == name and used in column]
                return sum(found) / max(1, len(found)), name

            rows[level].sort(key=below)
            for place, name in enumerate(rows[level]):
                column[name] = place - (len(rows[level]) - 1) / 2
        return rows

    def svg(self):
        edges = sorted(self.drawn())
        rows = self.rows(edges)
        widest = max(map(len, rows.values()))
        full = 2 * MARGIN + widest * (WIDTH + GAP) - GAP
        height = 2 * MARGIN + (len(rows) - 1) * RISE + HEIGHT
        place = {}
        for level, names in rows.items():
            left = (full - len(names) * (WIDTH + GAP) + GAP) / 2
            for at, name in enumerate(names):
                place[name] = (left + at * (WIDTH + GAP), MARGIN + (len(rows) - level) * RISE)
        yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full:g} {height:g}" width="{full:g}" height="{height:g}">'
        yield "<!-- SPDX-License-Identifier: GPL-2.0. Drawn by `make graph`. -->"
        yield '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        yield '<path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>'
        yield '<g font-family="sans-serif" font-size="14" text-anchor="middle">'
        for name, used in edges:
            (x, y), (to_x, to_y) = place[name], place[used]
            yield (
                f'<path d="M{x + WIDTH / 2:g} {y + HEIGHT:g} {to_x + WIDTH / 2:g} {to_y:g}" '
                'stroke="#555" fill="none" marker-end="url(#a)"/>'
            )
        for name, (x, y) in sorted(place.items()):
            yield f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="4" fill="#fff" stroke="#333"/>'
            yield f'<text x="{x + WIDTH / 2:g}" y="{y + HEIGHT / 2 + 5:g}">{name}</text>'
        yield "</g></svg>"


def exceeded(graph):
    for what, count, limit in zip(
        ("entries", "levels", "edges"), graph.counts(), LIMITS[graph.layer]
    ):
        if count > limit:
            yield f"{graph.layer} has {count} {what}, and may have {limit}"
    if graph.cycles:
        yield from (
            f"{graph.layer}: {' '.join(sorted(cycle))} use each other" for cycle in graph.cycles
        )


DOCUMENT = Path(__file__).resolve().parents[2] / "Documentation/layers.rst"


def documented(graph):
    """Yields layers.rst and its drawing as they should be: path and text."""
    lines = "".join(f"    {line}\n" for line in [graph.summary(), *graph.table()])
    text = DOCUMENT.read_text()
    text = re.sub(rf"^    {graph.layer}: .*\n(?:    .*\n)+", lambda _: lines, text, flags=re.M)
    edges = graph.counts()[2]
    text = re.sub(r"^(edges .* )\d+$", rf"\g<1>{edges}", text, flags=re.M)
    yield DOCUMENT, text
    yield DOCUMENT.with_suffix(".svg"), "\n".join(graph.svg()) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="graph.py")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--svg", metavar="FILE")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("layer", nargs="?", default="director")
    options = parser.parse_args()
    if options.check:
        wrong = [line for layer in LIMITS for line in exceeded(Graph(layer))]
        if not wrong:
            wrong = [
                f"Documentation/{path.name} is not what graph.py --write writes"
                for path, text in documented(Graph("director"))
                if path.read_text() != text
            ]
        print("\n".join(wrong))
        sys.exit(1 if wrong else 0)
    graph = Graph(options.layer, depth=sys.maxsize if options.files else 1)
    if options.write:
        for path, text in documented(graph):
            path.write_text(text)
    elif options.svg:
        if graph.cycles:
            sys.exit("graph: entries in a cycle have no levels to be drawn on")
        with open(options.svg, "w") as file:
            file.write("\n".join(graph.svg()) + "\n")
    else:
        print(graph.summary())
        print("\n".join(graph.table()))


main()
