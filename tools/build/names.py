#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks that documents and code speak of the same things: variables, names for modprobe.

Every variable of the code is described in sysctl.rst, and every one that is described is in the
code. For every name by which the module can be asked for there is a line in the file for modprobe.
Every packet that is dropped has a reason that is counted. Every selftest is in the Makefile for
kernel trees, but for those named here. Every source file that a document or a comment names is
there, and every type is in the code.
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
    "metrics.py",
    "monitor.py",
    "why.py",
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


COMMENT = re.compile(r"(?<![:\"])//[^\n]*|/\*.*?\*/", re.S)
STRING = re.compile(r"//[^\n]*|/\*.*?\*/|b?c?\"(?:\\.|[^\"\\])*\"", re.S)
# Headers, and trees of the kernel that this repository has no part of.
ELSEWHERE = ("include/", "net/", "drivers/", "kernel/", "lib/", "rust/", "scripts/", "linux/")
ENDING = r"\.(?:rs|c|h|py|sh|mk|rst|md|yaml)"
FILE = re.compile(rf"`(?:rust_ipvs/)?([a-z_0-9][\w.-]*(?:/[\w.-]+)+{ENDING})`")
TYPE = re.compile(r"`(?:\w+::)*([A-Z][a-z]\w*[A-Z]\w*)`")
# Types of the kernel crate that comments name and the code does not use.
NOT_OURS = {"SeqFile", "SpinLock"}


def is_there(name, base):
    places = ("", "rust_ipvs", "rust_ipvs/director", "Documentation", "tools")
    folders = [ROOT / place for place in places] + [base, base.parent, base / "src"]
    return any((folder / name).exists() for folder in folders)


def documents():
    """Yields each document, and the comments of each source file, as (path, text)."""
    tool = ROOT / "tools/ripvsadm"
    for path in (*(ROOT / "Documentation").glob("*.rst"), *ROOT.glob("*.md"), *tool.rglob("*.md")):
        if "target" not in path.parts:
            yield path, path.read_text()
    for folder in ("rust_ipvs", "samples"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".rs", ".c", ".h") and path.is_file():
                yield path, "\n".join(COMMENT.findall(path.read_text()))


def sources():
    """Yields each file and each type that a document or a comment names and that is not there."""
    words = set()
    for folder in ("rust_ipvs", "samples", "tools/logic-tests", "tools/model", "tools/ripvsadm"):
        for path in sorted((ROOT / folder).rglob("*.rs")):
            if "target" not in path.parts:
                words |= set(re.findall(r"\w+", STRING.sub(" ", path.read_text())))
    for path, text in documents():
        document = path.relative_to(ROOT)
        for name in sorted(set(FILE.findall(text))):
            if not name.startswith(ELSEWHERE) and not is_there(name, path.parent):
                yield f"{document} names {name}, which is not there"
        if path.suffix in (".rs", ".md") or path.name in ("architecture.rst", "glossary.rst"):
            for name in sorted(set(TYPE.findall(text)) - words - NOT_OURS):
                yield f"{document} names the type {name}, which is not in the code"


# Files of the director that turn a reason, which they count, into one of the kernel's.
COUNTING = {"dest/reasons.rs", "packet/ends.rs"}


def reasons():
    """Yields each file that could drop a packet without counting why: a hook's verdict needs a
    `Taken`, which for a dropped packet takes a `DropReason`. And each reason that none counts."""
    director = ROOT / "rust_ipvs/director"
    code = {
        str(path.relative_to(director)): COMMENT.sub("", path.read_text())
        for path in sorted(director.rglob("*.rs"))
    }
    for name, text in code.items():
        if name not in COUNTING and "DropReason" in text:
            yield f"director/{name} names DropReason: drop packets by Context::drop or discard"
    counted = "".join(text for name, text in code.items() if name != "dest/reasons.rs")
    counted += read("rust_ipvs/logic/sched/no_choice.rs")
    every = re.findall(r"^    (\w+) = \d+,$", read("rust_ipvs/logic/reason.rs"), re.M)
    for name in every:
        if not re.search(rf"Reason::{name}\b", counted):
            yield f"nothing counts Reason::{name}"


def main():
    objections = [*sysctl(), *modprobe(), *selftests(), *sources(), *reasons()]
    print("\n".join(objections) or "names: all are told")
    sys.exit(bool(objections))


main()
