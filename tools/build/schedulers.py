#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes and checks the lists of schedulers. The table of rust_ipvs/logic/sched.rs is the source.

usage: schedulers.py [--write]

A row of the table names the file and the type of a scheduler; the file has its name. From the table
come the `mod` lines above it, the module's aliases, the lines for modprobe and the list of
ripvsadm. Without --write each of these has to be as it would be written. schedulers.rst, which
people write, has to describe each scheduler.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = "rust_ipvs/logic/sched.rs"
DOCUMENT = "Documentation/schedulers.rst"
WIDTH = 100


def read(name):
    return (ROOT / name).read_text()


def schedulers():
    """Returns the names of the schedulers and their files, in the order of the table."""
    table = re.search(r"^schedulers! \{\n(.*?)^\}", read(TABLE), re.S | re.M)
    if not table:
        sys.exit(f"schedulers: {TABLE} has no table schedulers! {{ … }}")
    found = {}
    for file, kind in re.findall(r"^    \w+ => (\w+)::(\w+);", table[1], re.M):
        path = f"rust_ipvs/logic/sched/{file}.rs"
        if not (ROOT / path).exists():
            sys.exit(f"schedulers: {TABLE} names {file}::{kind}, but there is no {path}")
        pattern = rf"impl Algorithm for {kind} \{{.*?const NAME: &'static str = \"(\w+)\";"
        name = re.search(pattern, read(path), re.S)
        if not name:
            sys.exit(f"schedulers: {path} has no `impl Algorithm for {kind}` with a NAME")
        found[name[1]] = file
    return found


def merged(old, wanted):
    """Returns `wanted` in the order of `old`, with new names at the end."""
    return [name for name in old if name in wanted] + [name for name in wanted if name not in old]


def modules(text, found):
    """The `mod` lines, sorted, those of other files among them."""
    block = re.search(r"(?:^(?:pub\(crate\) )?mod \w+;\n)+", text, re.M)
    lines = block[0].splitlines()
    files = {re.search(r"mod (\w+)", line)[1] for line in lines}
    lines += [f"mod {file};" for file in found.values() if file not in files]
    lines.sort(key=lambda line: re.search(r"mod (\w+)", line)[1])
    return text[: block.start()] + "\n".join(lines) + "\n" + text[block.end() :]


OTHERS = {"ip_vs_pe_sip", "ip_vs_ftp"}


def aliases(text, found):
    """The aliases `ip_vs_NAME` of main.rs, at the end of the list."""
    block = re.search(r"alias: \[\n(.*?)^    \],\n", text, re.S | re.M)
    lines = block[1].splitlines()
    old = [m[1] for m in re.finditer(r'"ip_vs_(\w+)"', block[1]) if m[0].strip('"') not in OTHERS]
    rest = [line for line in lines if "ip_vs_" not in line or line.strip(' ",') in OTHERS]
    rest += [f'        "ip_vs_{name}",' for name in merged(old, found)]
    return text[: block.start(1)] + "\n".join(rest) + "\n" + text[block.end(1) :]


def modprobe(text, found):
    """The lines of modprobe.d for the aliases."""
    pattern = r"^install ip_vs_(\w+) if test -d .*\n"
    lines = list(re.finditer(pattern, text, re.M))
    old = [m[1] for m in lines if f"ip_vs_{m[1]}" not in OTHERS]
    block = "".join(
        f"install ip_vs_{name} if test -d /sys/module/ip_vs; then "
        f"/sbin/modprobe -i ip_vs_{name} $CMDLINE_OPTS; else /sbin/modprobe rust_ipvs; fi\n"
        for name in merged(old, found) + [name[6:] for name in ("ip_vs_pe_sip", "ip_vs_ftp")]
    )
    return text[: lines[0].start()] + block + text[lines[-1].end() :]


def tool(text, found):
    """SCHEDULERS of ripvsadm, of which its help, manual page and completions are made."""
    block = re.search(r"SCHEDULERS: &\[&str\] = &\[\n(.*?)^\];", text, re.S | re.M)
    lines, line = [], "   "
    for name in merged(re.findall(r'"(\w+)"', block[1]), found):
        if len(line) + len(name) + 4 > WIDTH:
            lines.append(line)
            line = "   "
        line += f' "{name}",'
    return text[: block.start(1)] + "\n".join([*lines, line]) + "\n" + text[block.end(1) :]


LISTS = {
    TABLE: modules,
    "rust_ipvs/main.rs": aliases,
    "tools/build/modprobe.d/rust_ipvs.conf": modprobe,
    "tools/ripvsadm/src/cli/options.rs": tool,
}


def main():
    found, objections = schedulers(), []
    for name, write in LISTS.items():
        old = read(name)
        new = write(old, found)
        if new == old:
            continue
        if "--write" in sys.argv:
            (ROOT / name).write_text(new)
            print(f"schedulers: {name} is written anew")
        else:
            lacks = "lacks a mod line for" if name == TABLE else "lists other schedulers than"
            objections.append(f"{name} {lacks} the table of {TABLE}: run make schedulers")
    described = set(re.findall(r"^(\w+) +\S", read(DOCUMENT).partition("\nname ")[2], re.M))
    for name in found:
        if name not in described:
            objections.append(f"{DOCUMENT} has no row for {name}")
    print("\n".join(objections) or f"schedulers: {len(found)}")
    # What --write cannot write does not keep the lists that follow from these from being written.
    sys.exit(bool(objections) and "--write" not in sys.argv)


main()
