#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Finds what can panic in an object, and whether a packet can get there.

Reads the disassembly of rust_ipvs's object as a graph: a function leads to those it calls, jumps to or takes the
address of. Fails when a function of core::panicking can be reached from a callback that the kernel calls for a
packet, or when an RCU grace period has passed: there a panic takes the machine down. Panics
elsewhere, where a work or a person's request is under way, are listed.

What a function only reaches through a table of function pointers in data is not seen; the packet's way has none.
"""

import argparse
import re
import subprocess
import sys
from collections import defaultdict

# The kernel's ways into the module in which nothing may panic: hooks, rules and RCU callbacks, all
# in softirq context.
PACKETS = re.compile(r"^main::kapi::(netfilter::call|xtables::matches)\b")
CALLBACKS = re.compile(r"^main::kapi::(rcu::drop_\w+|shared::drop_\w+|table::free\w*)\b")
PANIC = re.compile(
    r"core::panicking|core::option::(unwrap|expect)_failed|core::result::unwrap_failed"
    r"|core::slice::index::slice_|core::str::slice_error_fail|core::cell::panic|rust_begin_unwind"
    r"|handle_alloc_error|core::slice::copy_from_slice_impl"
)

HEAD = re.compile(r"^([0-9a-f]+) <(.+)>:$")
TARGET = re.compile(r"\t(?:call|jmp|j[a-z]+|loop\w*)\s.*?[0-9a-f]+ <([^>+]+)(?:\+0x[0-9a-f]+)?>")
RELOC = re.compile(r"R_X86_64_(\w+)\t(\S+?)([-+]0x[0-9a-f]+)?$")
SECTION = re.compile(r"^Disassembly of section (.+):$")


def run(*command, data=None):
    return subprocess.run(command, input=data, check=True, capture_output=True, text=True).stdout


def functions_by_address(path):
    """For each section, the (start, name) of its functions, ascending."""
    table = defaultdict(list)
    for line in run("objdump", "-t", path).splitlines():
        match = re.match(r"^([0-9a-f]{16}) (.{7}) (\S+)\t[0-9a-f]+ (?:\.hidden )?(\S+)$", line)
        if match and "F" in match[2]:
            table[match[3]].append((int(match[1], 16), match[4]))
    for functions in table.values():
        functions.sort()
    return table


def function_at(table, section, offset):
    found = None
    for start, name in table.get(section, ()):
        if start > offset:
            break
        found = name
    return found


def edges(path):
    """Which symbols each function of the object leads to."""
    table = functions_by_address(path)
    graph = defaultdict(set)
    function = target = None
    for line in run("objdump", "-dr", "--no-show-raw-insn", path).splitlines():
        relocated = RELOC.search(line)
        # Where an instruction is relocated, what it leads to before that is nothing: whatever lies
        # behind it, or behind the section.
        if target and not relocated:
            graph[function].add(target)
        target = None
        if match := HEAD.match(line):
            # The padding before a function is no function.
            if not match[2].startswith(("__pfx_", "__cfi_")):
                function = match[2]
                graph[function]
        elif match := relocated:
            kind, symbol, addend = match[1], match[2], int(match[3] or "0", 16)
            if symbol.startswith("."):
                # Relative to the next instruction, the linker's view of "here" is four bytes on.
                symbol = function_at(
                    table, symbol, addend + (4 if kind in ("PC32", "PLT32") else 0)
                )
            if function and symbol and not symbol.startswith("__pfx_"):
                graph[function].add(symbol)
        elif (match := TARGET.search(line)) and function:
            target = match[1]
    # Of functions with the same code, which were made one, the disassembly shows one name.
    for functions in table.values():
        shown = {start: name for start, name in functions if name in graph}
        for start, name in functions:
            if name not in graph and start in shown:
                graph[name] = {shown[start]}
    defined = {
        name
        for functions in table.values()
        for _, name in functions
        if not name.startswith(("__pfx_", "__cfi_"))
    }
    if unread := defined - set(graph):
        sys.exit(
            f"panics: {len(unread)} functions of {path} were not found in its disassembly, the first is {min(unread)}"
        )
    return graph


def demangle(names):
    names = sorted(names)
    pretty = run("c++filt", "-s", "rust", data="\n".join(names) + "\n")
    # The hash of a crate says nothing to a reader.
    return dict(zip(names, re.sub(r"\[[0-9a-f]{12,16}\]", "", pretty).splitlines()))


def reach(graph, roots):
    """Every symbol that the roots lead to, each with the one it was first reached from."""
    came_from = {root: None for root in roots}
    todo = list(roots)
    while todo:
        here = todo.pop()
        for there in sorted(graph.get(here, ())):
            if there not in came_from:
                came_from[there] = here
                todo.append(there)
    return came_from


def way(came_from, symbol, pretty):
    steps = []
    while symbol is not None:
        steps.append(pretty[symbol])
        symbol = came_from[symbol]
    return " -> ".join(reversed(steps))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("object")
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="do not list the panics that only ticks and requests reach",
    )
    parser.add_argument(
        "--roots",
        action="store_true",
        help="list the roots, how much they reach, and what they call elsewhere",
    )
    options = parser.parse_args()

    graph = edges(options.object)
    pretty = demangle(set(graph) | {target for targets in graph.values() for target in targets})
    packets = [symbol for symbol in graph if PACKETS.search(pretty[symbol])]
    callbacks = [symbol for symbol in graph if CALLBACKS.search(pretty[symbol])]
    roots = packets + callbacks
    # Should the callbacks be called otherwise one day, this must not pass for want of anything to
    # check.
    if not packets or not callbacks:
        sys.exit(
            f"panics: {options.object} has no callback of netfilter or none of RCU: their names in this file are old"
        )
    reached = reach(graph, roots)
    if options.roots:
        for root in roots:
            print(f"root {pretty[root]}: {len(reach(graph, [root]))} functions")

        outside = sorted(
            pretty[s]
            for s in reached
            if s not in graph and pretty[s] != s and not PANIC.search(pretty[s])
        )
        print(f"functions of other crates that they call: {', '.join(outside) or 'none'}")

    callers = {f: sorted(t for t in graph[f] if PANIC.search(pretty[t])) for f in graph}
    callers = {
        f: targets for f, targets in callers.items() if targets and not PANIC.search(pretty[f])
    }
    bad = [f for f in callers if f in reached]
    for function in bad:
        for target in callers[function]:
            print(
                f"panics: a packet can reach {pretty[target]}\n    {way(reached, function, pretty)}"
            )
    outside = sorted(pretty[f] for f in callers if f not in reached)
    if outside and not options.quiet:
        print(f"panics: {len(outside)} functions that only ticks and requests reach can panic:")
        for name in outside:
            print(f"    {name}")
    own = sum(1 for f in graph if f in reached)
    print(
        f"panics: {len(packets)} ways in for packets, {len(callbacks)} for RCU; "
        f"of the {own} functions behind them {len(bad)} can panic"
    )
    sys.exit(1 if bad else 0)


main()
