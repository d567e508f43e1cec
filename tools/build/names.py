#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks that documents and code speak of the same things: variables, names for modprobe.

Every variable of the code is described in sysctl.rst, and every one that is described is in the
code. For every name by which the module can be asked for there is a line in the file for modprobe.
Every selftest is in the Makefile for kernel trees, but for those named here. Every source file and,
in the glossary and the architecture, every type that a document names is in the code.
ripvsadm knows the schedulers that the module has.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Selftests of what a kernel tree does not have: the tool, documents, the installation, the sender
# of storms.
NOT_IN_TREE = {
    "finding.py",
    "keepalived.py",
    "pyroute.py",
    "ripvsadm_compat.sh",
    "ripvsadm_page.py",
    "storm.py",
    "ynl.py",
}


def read(name):
    return (ROOT / name).read_text()


def sysctl():
    text = read("Documentation/sysctl.rst")
    described = set(re.findall(r"^``(\w+)``", text, re.M))
    code = set(re.findall(r'c"(\w+)"', read("rust_ipvs/control/sysctl.rs")))
    for name in sorted(code - described):
        yield f"sysctl.rst does not describe {name}"
    for name in sorted(described - code):
        yield f"sysctl.rst describes {name}, which is not in the code"


def modprobe():
    body = re.search(r"alias: \[(.*?)\]", read("rust_ipvs/main.rs"), re.S)[1]
    aliases = set(re.findall(r'"([\w-]+)"', body))
    lines = set(
        re.findall(r"^(?:install|alias) (\S+)", read("tools/build/modprobe.d/rust_ipvs.conf"), re.M)
    )
    for name in sorted(aliases - lines):
        yield f"modprobe.d/rust_ipvs.conf has no line for {name}"
    files = sorted((ROOT / "rust_ipvs/logic/sched").glob("*.rs"))
    schedulers = {
        name
        for file in files
        for name in re.findall(r'const NAME: &\'static str = "(\w+)"', file.read_text())
    }
    if not schedulers:
        yield "rust_ipvs/logic/sched: no scheduler's NAME is found there any more"
    for name in sorted({f"ip_vs_{name}" for name in schedulers} - aliases):
        yield f"main.rs has no alias {name}"
    table = read("tools/ripvsadm/src/cli/options.rs")
    told = re.search(r"SCHEDULERS: &\[&str\] = &\[(.*?)\]", table, re.S)[1]
    for name in sorted(schedulers ^ set(re.findall(r'"(\w+)"', told))):
        yield f"scheduler {name}: not in both rust_ipvs/logic/sched and ripvsadm's cli/options.rs"


def selftests():
    folder = "tools/testing/selftests/rust_ipvs"
    listed = set(re.findall(r"^(\w+\.(?:py|sh)) ", read(f"{folder}/TESTS"), re.M))
    in_tree = set(re.findall(r"^\t(\w+\.(?:py|sh)) \\$", read(f"{folder}/Makefile"), re.M)) - {
        "lib.sh"
    }
    for name in sorted(listed - in_tree - NOT_IN_TREE):
        yield f"{folder}/Makefile lacks {name}, which TESTS has"
    for name in sorted(in_tree - listed):
        yield f"{folder}/Makefile has {name}, which TESTS lacks"


def sources():
    """Yields each source file and each type that a document names and that is not there."""
    code = "\n".join(path.read_text() for path in sorted((ROOT / "rust_ipvs").rglob("*.rs")))
    words = set(re.findall(r"\w+", code))
    for document in sorted((ROOT / "Documentation").glob("*.rst")):
        text = document.read_text()
        for name in sorted(set(re.findall(r"``(?:rust_ipvs/)?([a-z_0-9]+/[\w/]+\.rs)``", text))):
            places = (ROOT / "rust_ipvs" / name, ROOT / "rust_ipvs/director" / name, ROOT / name)
            if not any(place.exists() for place in places):
                yield f"{document.name} names {name}, which is not there"
        if document.name in ("architecture.rst", "glossary.rst"):
            for name in sorted(set(re.findall(r"``([A-Z][a-z]\w*[A-Z]\w*)``", text)) - words):
                yield f"{document.name} names the type {name}, which is not in the code"


def main():
    objections = [*sysctl(), *modprobe(), *selftests(), *sources()]
    print("\n".join(objections) or "names: all are told")
    sys.exit(bool(objections))


main()
