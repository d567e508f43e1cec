#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes the examples of the documents of kapi/ as Rust code, for the compiler to check.

usage: examples.py OUTPUT

An example is written as for rustdoc: lines that begin with "# " are compiled and not shown. rustdoc
cannot run in a module's build, so each example becomes a module of OUTPUT, which kapi.rs includes
if RUST_IPVS_EXAMPLES is set. The sample module, which uses the same abstractions, is another.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = "samples/rust_packet_counter/main.rs"
BLOCK = re.compile(r"^ *//[!/] ```([^\n]*)\n(.*?)^ *//[!/] ```$", re.S | re.M)


def code(block):
    """The lines of an example, those that are not shown among them, without the comment signs."""
    lines = [re.sub(r"^ *//[!/] ?", "", line) for line in block.splitlines()]
    return "\n".join(re.sub(r"^#( |$)", "", line) for line in lines)


def examples():
    """Yields a name and the code of each example."""
    for path in sorted((ROOT / "rust_ipvs/kapi").rglob("*.rs")):
        place = path.relative_to(ROOT / "rust_ipvs")
        stem = re.sub(r"\W", "_", str(place.with_suffix("")))
        for number, match in enumerate(BLOCK.finditer(path.read_text())):
            if match[1] and match[1] != "text":
                sys.exit(f"examples: {place}: an example marked {match[1]} is not compiled")
            if not match[1]:
                yield f"{stem}_{number}", code(match[2])


def sample():
    """The sample without what a module of its own needs."""
    text = (ROOT / SAMPLE).read_text()
    braces = r" \{\n(?:.*\n)*?\}\n"
    own = r"module!" + braces, r"(?:#.*\n)*mod abstractions" + braces
    for part in (r"//!.*\n", r"#!\[.*\n", *own):
        text = re.sub("^" + part, "", text, flags=re.M)
    return text.replace("use abstractions::{bindings, kapi};", "use crate::kapi;")


def main():
    parts = []
    for name, text in examples():
        if "fn example(" not in text:
            text = "fn example() -> Result {\n" + text.replace("# Ok::<", "Ok::<") + "\n}"
        parts.append(f"mod {name} {{\nuse kernel::prelude::*;\n{text}\n}}\n")
    parts.append(f"mod sample {{\n{sample()}}}\n")
    out = Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    if not out.exists() or out.read_text() != "".join(parts):
        out.write_text("".join(parts))
    print(f"examples: {len(parts)}")


main()
