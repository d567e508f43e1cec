#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks every committed file: its license line, that it names no machine and no mirror, and
the columns of documents.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Files whose format has no place for a license line, or which are written by a tool.
NO_LICENSE = re.compile(
    r"(^|/)(COPYING|LICENSE-[A-Z]+|motd|Cargo\.lock|\.gitkeep)$|^LICENSES/|\.(json|pcap|bin|png|svg)$"
)

# Each file may be used under the GPL, version 2; some under other licenses as well.
LICENSE = re.compile(r"SPDX-License-Identifier: \(*GPL-2\.0\b")

# The hosts that files may name: those of documents, of names made for examples, and of a crate's
# origin.
HOST = re.compile(r"\b(?:https?|ftp|git|rsync)://([A-Za-z0-9.-]+)")
HOSTS = re.compile(
    r"(^|\.)(kernel\.org|rfc-editor\.org|ietf\.org|rust-lang\.org|rust-for-linux\.com|linuxvirtualserver\.org|debian\.org|w3\.org|json-schema\.org"
    r"|docs\.rs|example(\.(com|org|net))?|localhost)$|^(127\.|10\.|192\.0\.2\.|192\.168\.|198\.51\.100\.|203\.0\.113\.)"
)
# Where packages come from is the business of apt, cargo and mmdebstrap.
MIRROR = re.compile(
    r"\b(deb|ftp|snapshot|security|http)(\.[a-z]{2})?\.debian\.org|\bindex\.crates\.io|\bstatic\.(crates\.io|rust-lang\.org)"
    r"|\bcdn[a-z0-9-]*\.kernel\.org|\bpypi\.org|\bproxy\.golang\.org|artifactory|\bnexus\d?\."
)
CRATES = "registry+https://github.com/rust-lang/crates.io-index"
# Documents, whose lines have at most so many columns; indented output of commands may have more.
DOCUMENT = re.compile(r"^(Documentation/)?[^/]+\.(rst|md)$")
COLUMNS = 100
# A path that exists on one machine only.
MACHINE = re.compile(
    r"(?<![\w.$}~-])/(?:home/(?!\$|user\b)[a-z][\w-]*|Users/\w+|root/(?!\.{3})\S|work/\S|tmp/brief)"
)


def check(name, text):
    lines = text.splitlines()
    if not NO_LICENSE.search(name) and not any(LICENSE.search(line) for line in lines[:3]):
        yield 1, "has no SPDX line with GPL-2.0 among its first three"
    for number, line in enumerate(lines, 1):
        if NO_LICENSE.search(name) and "LICENSE-" in name:
            return
        if name == Path(__file__).resolve().relative_to(ROOT).as_posix():
            return
        if name.endswith("Cargo.lock"):
            if line.startswith("source = ") and CRATES not in line:
                yield number, f"comes from elsewhere than crates.io: {line}"
            continue
        for host in HOST.findall(line):
            if not HOSTS.search(host):
                yield number, f"names the host {host}"
        if found := MIRROR.search(line):
            yield number, f"names a mirror: {found[0]}"
        if found := MACHINE.search(line):
            yield number, f"names a path of one machine: {found[0]}"
        if DOCUMENT.match(name) and len(line) > COLUMNS and not line.startswith("    "):
            yield number, f"has {len(line)} columns"
        if line != line.rstrip() and not name.endswith(".md"):
            yield number, "ends in blanks"


def main():
    names = (
        subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
        .stdout.decode()
        .split("\0")
    )
    count = bad = 0
    for name in filter(None, names):
        path = ROOT / name
        if path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()
        if b"\0" in data or not data:
            continue
        count += 1
        for number, words in check(name, data.decode(errors="replace")):
            print(f"{name}:{number}: {words}")
            bad += 1
    print(f"texts: {count} files, {bad} objections")
    sys.exit(1 if bad else 0)


main()
