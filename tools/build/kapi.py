#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks that each file of rust_ipvs/kapi/ is documented as a file of rust/kernel/ is.

- The module's documentation links the C header, or has a line "No C header: " with the reason.
- It or the file's doc comments name the context or the locks of calls.
- An `unsafe fn` and an `unsafe trait` have a section "# Safety"; methods of a trait have the
  trait's.
- A type with a section "# Invariants" has an INVARIANT comment where it is established: in one of
  its `impl` blocks, or before an expression that names it.
- A SAFETY comment argues by itself and does not begin with "As above" or "As in".

usage: kapi.py [--measure] [KERNEL]

With a KERNEL, its source or headers, a linked header has to be there. --measure prints the lines of
each file: comments, code, and comments per line of code. Code is what is neither blank nor a
comment nor a `use`; the last line has the ratio with `use`, too.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KAPI = ROOT / "rust_ipvs/kapi"
# Comments per line of code that the layer has at least.
DENSITY = 0.8

LINK = re.compile(r"\[`([^`\]]+)`\]\(srctree/([^)]+)\)")
REASON = re.compile(r"^//! No C header: \S", re.M)
CONTEXT = re.compile(r"\b(contexts?|locks?|locked|softirq|RCU)\b", re.I)
PUB = r"\s*(?:pub(?:\([^)]*\))? )?"
UNSAFE = re.compile(PUB + r"(?:const )?unsafe (?:extern \"C\" )?(?:fn|trait) (\w+)")
TYPE = re.compile(PUB + r"(?:struct|enum|union) (\w+)")
IMPL = re.compile(r"(?:unsafe )?impl\b(.*)")
BARE = re.compile(r"// SAFETY: As (above|before|in)\b")
USE = re.compile(PUB + "use ")
# Lines after an INVARIANT comment in which the type has to be named.
NEAR = 16


def documentation(rows, i):
    """The doc comment and the attributes above row i."""
    first = i
    while first and re.match(r"\s*(///|//|#\[|.*\)\]$)", rows[first - 1]):
        first -= 1
    return "\n".join(rows[first:i])


def implements(rows):
    """For each row the header of the `impl` block at the margin that it is in, or ""."""
    header = ""
    for row in rows:
        if match := IMPL.match(row):
            header = match[1]
        yield header
        if row.startswith("}"):
            header = ""


def is_established(name, rows, blocks):
    for i, row in enumerate(rows):
        if "// INVARIANT:" in row:
            near = "\n".join(rows[i : i + NEAR])
            own = re.search(rf"\b{name}\b", blocks[i].split(" for ")[-1])
            if own or re.search(rf"\b{name}\b", near):
                return True
    return False


def check(path, kernel):
    text = path.read_text()
    rows = text.splitlines()
    blocks = list(implements(rows))
    head = "\n".join(row for row in rows if row.startswith("//!"))
    links = LINK.findall(head)
    if not links and not REASON.search(head):
        yield 1, "links no C header, and has no line \"No C header: \" with the reason"
    for shown, target in links:
        if shown not in (target, Path(target).name):
            yield 1, f"the link {shown} leads to {target}"
        elif kernel and not (kernel / target).exists():
            yield 1, f"{target} is not in the kernel"
    if not CONTEXT.search("\n".join(row for row in rows if re.match(r"\s*//[/!]", row))):
        yield 1, "names neither context nor locks"
    for i, row in enumerate(rows):
        if BARE.search(row):
            yield i + 1, f"a SAFETY comment argues by itself: {row.strip()}"
        if match := UNSAFE.match(row):
            if " for " not in blocks[i] and "/// # Safety" not in documentation(rows, i):
                yield i + 1, f"{match[1]} is unsafe and has no section # Safety"
        if match := TYPE.match(row):
            if "/// # Invariants" in documentation(rows, i):
                if not is_established(match[1], rows, blocks):
                    yield i + 1, f"no INVARIANT comment establishes those of {match[1]}"


def lines(path):
    """The numbers of lines of comments, of code, and of `use`."""
    comments = code = uses = 0
    is_use = False
    for row in path.read_text().splitlines():
        row = row.strip()
        if row.startswith("//"):
            comments += 1
        elif row:
            is_use = is_use or bool(USE.match(row))
            uses += is_use
            code += not is_use
            is_use = is_use and not row.endswith(";")
    return comments, code, uses


def main():
    parser = argparse.ArgumentParser(prog="kapi.py")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("kernel", nargs="?", type=Path)
    options = parser.parse_args()
    files = sorted(KAPI.rglob("*.rs"))
    counts = {path.relative_to(KAPI): lines(path) for path in files}
    comments, code, uses = (sum(column) for column in zip(*counts.values()))
    if options.measure:
        print(f"{'file':24} comments  code  comments per line of code")
        for path, (some, other, _) in counts.items():
            print(f"{path!s:24} {some:8} {other:5}  {some / max(1, other):.2f}")
    objections = [
        f"{path.relative_to(ROOT)}:{number}: {words}"
        for path in files
        for number, words in check(path, options.kernel)
    ]
    if comments < DENSITY * code:
        objections.append(f"kapi has fewer than {DENSITY} comments per line of code")
    print(*objections, sep="\n", end="\n" if objections else "")
    print(
        f"kapi: {len(files)} files, {comments} lines of comments, {code} of code, {uses} of `use`: "
        f"{comments / code:.2f} comments per line of code, "
        f"{comments / (code + uses):.2f} with `use`"
    )
    sys.exit(1 if objections else 0)


main()
