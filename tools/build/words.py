#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks names and comments: words that are gone, types of one name, openings, SAFETY, lengths.

Documentation/glossary.rst has the words that are used. The numbers below may only fall.
"""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Doc comments that open with a question.
OPENINGS = 0
# Lines over 100 columns, by the ending of the file; of those that are not named there is none.
WIDTH = 100
LONG = {
    ".c": 13,
    ".h": 2,
    ".md": 1,
    ".mk": 16,
    ".py": 281,
    ".rs": 20,
    ".rst": 6,
    ".sh": 212,
    "Makefile": 1,
}

# Identifiers that are gone from the module, and what to say.
GONE = {
    "Director": "NetnsIpvs",
    "Plane": "AfState",
    "in_plane": "for_af",
    "Stack": "InetFamily",
    "Books": "ConfigState, StatsBase, SyncDaemons",
    "books": "config, base, running",
    "Desk": "Inner",
    "desk": "inner",
    "Stage": "SvcSnapshot",
    "Sight": "SnapshotRef",
    "sight": "view",
    "Terms": "SvcOptions",
    "Draft": "Prealloc, SyncMsgBuilder",
    "Claim": "Scratch",
    "Roster": "RcuSlots",
    "roster": "slots, dests",
    "Place": "RcuSlot, RsKey, ServicePos",
    "Memo": "LblcEntry",
    "memo": "entry",
    "Seen": "RcuRef",
    "Prepared": "RcuBox",
    "Hold": "ControlRef",
    "seal": "freeze",
    "Aging": "WheelLinks",
    "refile": "rearm",
    "Fate": "ExpireVerdict, DropVerdict",
    "Bell": "WakeFlag",
    "Home": "WeakNet",
    "Lane": "SyncQueue",
    "Row": "MsgList",
    "Told": "SyncState, WithExtack",
    "Heard": "SyncUpdate",
    "Tale": "RxEntry",
    "Strangers": "Placeholders",
    "stranger": "placeholder",
    "NOBODYS": "NO_SERVICE",
    "nowhere": "bypass_dest",
    "HELPED": "HAS_APP",
    "Senders": "AddrFilter",
    "may_reply": "may_contain",
    "is_of_single_packets": "is_ops",
    "is_single": "is_ops",
    "is_backwards": "is_inverse",
    "way_out": "template_for_out",
    "fits_surely": "mtu_ok",
    "may_hide": "confirm_inner",
    "disown": "orphan",
    "carry_whole": "set_transport",
    "forget_notes": "clear_cb",
    "twin": "duplicate",
    "Refusal": "ConfigError",
    "Room": "TrashNode",
    "rooms": "nodes, capacity",
    "welcome": "insert_dest",
    "Wish": "DestRequest, DaemonRequest",
    "wish": "request",
    "Judging": "DefenseLock",
    "Defences": "Defenses",
}
# Names that several types of the module have: handlers of commands, one module for each object, and
# names that rust/kernel uses in the same way.
SHARED = {"Del", "Get", "Inner", "List", "New", "Registration", "Set"}
# Where these are files of the module, or compiled with it.
MODULE = re.compile(r"(rust_ipvs|tools/model|tools/logic-tests|samples)/.*\.rs$")
# Phrases that are gone from comments, documents and tests.
PHRASES = {
    r"\bSPEC (?:sections? )?\d": "behaviour.rst",
    r"\bthe reference's\b|\bthe reference (?:has|does|keeps|counts|looks)\b": "C IPVS",
    r"\bdefence(?!::|;)": "defense",
    r"\bof old\b|\bwhosoever\b|\bmake a fuss\b|\bin a blink\b": "plain words",
}
PROSE = re.compile(r"\.(rs|c|h|rst|py|sh)$")

TYPE = re.compile(r"^ *(?:pub(?:\([^)]*\))? )?(?:struct|enum|union|(?:unsafe )?trait) (\w+)", re.M)
QUESTION = re.compile(r"(What|Where|How|Who|Whether|Which|When|Whose|Whoever|Whatever|Whom|Why)\b")
BARE = re.compile(
    r"// SAFETY: (Owned|As above|As before|It computes|Plain allocation|By the type invariant)\.?$"
)
TEXT = re.compile(r"\.(rs|c|h|py|sh|rst|md|mk)$|(^|/)Makefile$")
CODE = re.compile(r"//[^\n]*|/\*.*?\*/|b?r(#*)\".*?\"\1|b?c?\"(?:\\.|[^\"\\])*\"", re.S)


def files():
    git = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in git.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and TEXT.search(name):
            yield name, path.read_text(errors="replace")


def opens_with_a_question(rows, i):
    match = re.match(r"\s*(//[/!]) (?=\w)(.*)", rows[i])
    if not match or not QUESTION.match(match[2]):
        return False
    return not (i and re.match(r"\s*" + re.escape(match[1]) + r"(\s|$)", rows[i - 1]))


def homonyms(places):
    """Yields each name that two types of the module have, and each exception that is not needed."""
    several = {name for name, files in places.items() if len(files) > 1}
    for name in sorted(several - SHARED):
        yield f"{name} is the name of {len(places[name])} types: {', '.join(sorted(places[name]))}"
    for name in sorted(SHARED - several):
        yield f"{name} is the name of one type: remove it from SHARED"


def main():
    objections, openings, long = [], [], Counter()
    types = defaultdict(set)
    here = Path(__file__).resolve().relative_to(ROOT).as_posix()
    for name, text in files():
        rows = text.splitlines()
        for number, row in enumerate(rows, 1):
            if len(row.expandtabs(8)) > WIDTH:
                long[Path(name).suffix or Path(name).name] += 1
            if name.endswith(".rs"):
                if name.startswith(("rust_ipvs/", "samples/")) and BARE.search(row):
                    objections.append(f"{name}:{number}: a SAFETY comment says why: {row.strip()}")
                if opens_with_a_question(rows, number - 1):
                    openings.append(f"{name}:{number}: {row.strip()}")
        if name == here:
            continue
        if PROSE.search(name) and not name.startswith("Documentation/behaviour"):
            for pattern, say in PHRASES.items():
                for match in re.finditer(pattern, text):
                    number = text.count("\n", 0, match.start()) + 1
                    objections.append(f"{name}:{number}: \"{match[0]}\" is gone: {say}")
        if MODULE.match(name):
            if name.startswith("rust_ipvs/"):
                for kind in TYPE.findall(text):
                    types[kind].add(name)
            bare = CODE.sub(lambda m: "\n" * m[0].count("\n"), text)
            for number, row in enumerate(bare.splitlines(), 1):
                for word in re.findall(r"[A-Za-z_]\w*", row):
                    if word in GONE:
                        objections.append(f"{name}:{number}: {word} is gone: {GONE[word]}")
    objections += homonyms(types)
    if len(openings) > OPENINGS:
        objections += openings
        objections.append(f"{len(openings)} doc comments open with a question, {OPENINGS} may")
    elif len(openings) < OPENINGS:
        print(f"words: {len(openings)} doc comments open with a question: lower OPENINGS")
    for ending, count in sorted(long.items()):
        if count > LONG.get(ending, 0):
            objections.append(f"{ending}: {count} long lines, {LONG.get(ending, 0)} may be")
        elif count < LONG.get(ending, 0):
            print(f"words: {ending} has {count} long lines: lower LONG")
    numbers = f"words: {len(openings)} questions, {sum(long.values())} long lines"
    print("\n".join(objections) or numbers)
    sys.exit(bool(objections))


main()
