#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes the module as patches for a kernel tree: usage: series.py KERNEL OUTPUT

The patches are in several series, a folder of OUTPUT each, since netdev takes at most fifteen at
once (Documentation/process/maintainer-netdev.rst). SERIES of series_steps.py lists them with their
files. A patch adds files; the module declares a file, and so compiles it, from the patch on that
adds it. The last state is the one that in-tree.sh makes. Author and Signed-off-by are those of
git's configuration in this checkout.
"""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from series_steps import SERIES, STUBS

ROOT = Path(__file__).resolve().parents[2]
PLACE = "net/netfilter/rust_ipvs"
SELFTESTS = "tools/testing/selftests/net/netfilter/ipvs_rs"
SPECS = "Documentation/netlink/specs"
DOCUMENTS = "Documentation/networking/ipvs-rs"
# Documents of this repository, its build, tests and tool, that the kernel tree does not get.
NOT_IN_TREE = {"benchmarks", "building", "metrics", "ripvsadm", "testing"}
MOST = 15

# Main.rs until the last layer is there: a module that does nothing.
STUB = """// SPDX-License-Identifier: GPL-2.0

//! IP Virtual Server (IPVS), a layer-4 load balancer.

#![deny(unsafe_code)]
// The callers come with the next patches.
#![allow(dead_code, unused_imports, unused_macros)]

%s
use kernel::prelude::*;

module! {
    type: RustIpvs,
    name: "rust_ipvs",
    authors: ["The rust_ipvs developers"],
    description: "IP virtual server in Rust",
    license: "GPL",
}

struct RustIpvs;

impl kernel::Module for RustIpvs {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(RustIpvs)
    }
}
"""

UNSAFE = "#[allow(unsafe_code)]\n"
MODULES = {
    "bindings": UNSAFE + "#[doc(hidden)]\nmod bindings;\n",
    "director": "mod director;\n",
    "kapi": UNSAFE + "mod kapi;\n",
    "logic": "mod logic;\n",
}

MOD = re.compile(r"^ *(?:pub(?:\([a-z]+\))? )?mod (\w+);\n", re.M)
USE = re.compile(r"^((?:pub(?:\([a-z]+\))? )?use (?:self::)?)([^;]*);\n", re.M)


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def lay_out(kernel, work):
    """Makes work/a and work/b: what the tree has, and what it shall have."""
    patch = run(str(ROOT / "tools/build/in-tree.sh"), "patch", str(kernel))
    names = re.findall(r"^--- a/(\S+)$", patch, re.M)
    for side in "ab":
        for name in [*names, "MAINTAINERS", "Documentation/networking/index.rst"]:
            if (kernel / name).exists():
                (work / side / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(kernel / name, work / side / name)
    subprocess.run(["patch", "-p1", "-s", "-E"], cwd=work / "b", input=patch, text=True, check=True)
    for script in (work / "b" / SELFTESTS).glob("*.py"):
        script.chmod(0o755)
    maintainers(work / "b" / "MAINTAINERS")
    documents(work / "b")
    return sorted(
        str(path.relative_to(work / "b")) for path in (work / "b").rglob("*") if path.is_file()
    )


def maintainers(path):
    """Puts the entry of this repository into the kernel's list, in its order."""
    entry = (
        re.sub(r"^#.*\n|^\n", "", (ROOT / "MAINTAINERS").read_text(), flags=re.M).strip() + "\n\n"
    )
    text = path.read_text()
    where = text.index("\nIPVS\n") + 1
    path.write_text(
        text[: text.index("\n\n", where) + 2] + entry + text[text.index("\n\n", where) + 2 :]
    )


def documents(tree):
    """Puts specifications and documents of the module into the tree, the latter into its index."""
    shutil.copytree(ROOT / SPECS, tree / SPECS, dirs_exist_ok=True)
    place = tree / DOCUMENTS
    place.mkdir(parents=True)
    for path in sorted((ROOT / "Documentation").glob("*.rst")):
        if path.stem not in NOT_IN_TREE:
            (place / path.name).write_text(in_tree(path.read_text()))
    shutil.copy2(ROOT / "Documentation/layers.svg", place)
    shutil.copytree(ROOT / "Documentation/schedulers", place / "schedulers")
    index = tree / "Documentation/networking/index.rst"
    text = index.read_text()
    entry = "   ipvs-sysctl\n"
    if entry not in text:
        sys.exit(f"series: {index.name} of Documentation/networking has no ipvs-sysctl")
    index.write_text(text.replace(entry, "   ipvs-rs/index\n" + entry))


def in_tree(text):
    """A document without what refers to those that are left out."""
    for name in NOT_IN_TREE:
        text = re.sub(rf"^   {name}\n", "", text, flags=re.M)
        text = re.sub(rf":doc:`{name}`", f"``Documentation/{name}.rst`` of its repository", text)
    return text


class State:
    """The tree after a patch: what the files that list others say while not all are there."""

    def __init__(self, final):
        self.final = final
        self.present = set()

    def has(self, name):
        return name in self.present or any(other.startswith(name) for other in self.present)

    def text(self, name):
        """The text of a file, or None if it is the final one."""
        path = Path(name)
        if path.is_relative_to(PLACE):
            if name == f"{PLACE}/main.rs":
                return self.main()
            if path.suffix == ".rs":
                return self.module(name)
            if path.name in ("helpers.c", "helpers.h"):
                return getattr(self, f"helpers_{path.suffix[1:]}")()
        if name == f"{SELFTESTS}/Makefile":
            return self.without(
                name, r"^\t([\w.]+) \\\n", lambda match: self.has(f"{SELFTESTS}/{match[1]}")
            )
        if name == "MAINTAINERS":
            return self.without(
                name,
                r"^F:\t(\S*(?:rust_ipvs|ipvs_rs|ipvs-rs|ipvs\.yaml)\S*)\n",
                lambda match: self.has(match[1]),
            )
        return None

    def read(self, name):
        return (self.final / name).read_text()

    def without(self, name, pattern, keep):
        """A file's text less the matches that `keep` refuses."""
        text = re.sub(
            pattern, lambda match: match[0] if keep(match) else "", self.read(name), flags=re.M
        )
        return text.rstrip("\n") + "\n"

    def main(self):
        if self.has(f"{PLACE}/control.rs"):
            return None
        there = (mod for name, mod in MODULES.items() if self.has(f"{PLACE}/{name}.rs"))
        return (STUB % "".join(there)).replace("\n\n\nuse", "\n\nuse")

    def module(self, name):
        """A file of the crate that declares only modules that are there, and uses only those."""
        folder = name.removesuffix(".rs")
        absent = {
            mod
            for mod in MOD.findall(self.read(name))
            if (self.final / folder / f"{mod}.rs").exists()
            and not self.has(f"{folder}/{mod}.rs")
        }
        stubs = [
            text
            for file, until, text in STUBS
            if name == f"{PLACE}/{file}" and not self.has(f"{PLACE}/{until}")
        ]
        if not absent and not stubs:
            return None

        def used(match):
            items = split(match[2])
            kept = [item for item in items if re.match(r"\w+", item)[0] not in absent]
            if kept == items:
                return match[0]
            return "".join(tree(match[1], kept)) if kept else ""

        text = self.without(name, MOD.pattern, lambda match: match[1] not in absent)
        text = USE.sub(used, text)
        # The rows of the table of schedulers, with their documentation.
        for mod in absent:
            text = re.sub(rf"^ *///[^\n]*\n *\w+ => {mod}::\w+;\n", "", text, flags=re.M)
        text = re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"
        return "\n".join([text, *stubs])

    def helper(self, named):
        """The file of helpers/ whose first line of words names the same file of kapi/."""
        for path in (self.final / PLACE / "helpers").glob("*.c"):
            if re.search(r"kapi/[\w/]+\.rs", path.read_text())[0] == named:
                return f"{PLACE}/helpers/{path.name}"
        sys.exit(f"series: no file of helpers/ is that of {named}")

    def helpers_c(self):
        return self.without(
            f"{PLACE}/helpers.c",
            r'^#include "(helpers/\w+\.c)"\n',
            lambda match: self.has(f"{PLACE}/{match[1]}"),
        )

    def helpers_h(self):
        return self.without(
            f"{PLACE}/helpers.h",
            r"^/\* (kapi/[\w/]+\.rs).*\n(?:.+\n)+\n",
            lambda match: self.has(self.helper(match[1])),
        )


def split(items):
    """The items of a `use`: of `{a, b::{c, d}}` the two at its top level, without comments."""
    items = re.sub(r" *//[^\n]*", "", items).strip()
    if not items.startswith("{"):
        return [items]
    found, depth, start = [], 0, 1
    for at, letter in enumerate(items):
        depth += (letter == "{") - (letter == "}")
        if (letter == "," and depth == 1) or depth == 0:
            found.append(items[start:at].strip())
            start = at + 1
    return [item for item in found if item]


def tree(head, items):
    """The lines of a `use` in the kernel's style, an item on each."""
    if len(items) == 1:
        name, brace, rest = items[0].partition("{")
        yield from tree(head + name, split(brace + rest)) if brace else [f"{head}{name};\n"]
        return
    yield f"{head}{{\n"
    for item in items:
        name, brace, rest = item.partition("{")
        end = " //" if item is items[-1] else ""
        if not brace:
            yield f"    {item},{end}\n"
            continue
        inner = split(brace + rest)
        yield f"    {name}{{\n"
        yield from (f"        {one},{' //' if one is inner[-1] else ''}\n" for one in inner)
        yield f"    }},{end}\n"
    yield "};\n"


def commit(folder, step):
    body = "\n\n".join(
        part if part.startswith("  ") else textwrap.fill(part, 72)
        for part in textwrap.dedent(step.body).strip().split("\n\n")
    )
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    run("git", "commit", "-q", "-s", "-m", step.subject, "-m", body, cwd=folder)


def identity():
    names = {}
    for key, variable in (("user.name", "NAME"), ("user.email", "EMAIL")):
        value = subprocess.run(
            ["git", "config", key], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=False
        ).stdout.strip()
        if not value and f"GIT_AUTHOR_{variable}" not in os.environ:
            sys.exit(f"series: git has no {key} here: it is the author of the patches")
        if value:
            names |= {f"GIT_{who}_{variable}": value for who in ("AUTHOR", "COMMITTER")}
    os.environ.update({**names, "GIT_CONFIG_GLOBAL": "/dev/null"})


def named(step, names):
    """Those of the names that the patterns of a step match."""
    return [name for name in names if any(fnmatch.fnmatch(name, each) for each in step.files)]


def take(step, left):
    """The files of a step: those that its patterns name and no step before it has."""
    mine = named(step, left)
    if not mine:
        sys.exit(f"series: no file for “{step.subject}”: {step.files}")
    for name in mine:
        left.remove(name)
    return mine


def write(state, folder, mine):
    """Lays the files of a step into the tree, and what changes of those before it."""
    state.present.update(mine)
    for name in sorted(state.present):
        text = state.text(name)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(state.final / name, folder / name)
        if text is not None:
            (folder / name).write_text(text)


def check(work, left):
    """Stops if files are left, or if the last state is not the one of in-tree.sh."""
    if left:
        sys.exit("series: no step has " + " ".join(left))
    command = ["diff", "-r", "-x", ".git", "a", "b"]
    differ = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, text=True, check=False)
    if differ.stdout:
        sys.exit("series: the last state is not the one of in-tree.sh:\n" + differ.stdout)


def letter(path, series, number):
    """Fills in the cover letter that git has made."""
    part = f" (series {number} of {len(SERIES)})"
    path.write_text(
        path.read_text()
        .replace("*** SUBJECT HERE ***", series.subject + part)
        .replace("*** BLURB HERE ***\n", textwrap.dedent(series.cover).lstrip())
    )


def format_patches(folder, output):
    """Writes the patches of each series, with its cover letter, from the commits in the tree."""
    shutil.rmtree(output, ignore_errors=True)
    after = sum(len(series.steps) for series in SERIES)
    for number, series in enumerate(SERIES, 1):
        first, after = after, after - len(series.steps)
        place = output / f"{number}-{series.name}"
        options = ["-q", "--cover-letter", "--subject-prefix=PATCH net-next", "-o", str(place)]
        run("git", "format-patch", *options, f"HEAD~{first}..HEAD~{after}", cwd=folder)
        letter(next(place.glob("0000-*")), series, number)


def series(kernel, output):
    identity()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        names = lay_out(kernel, work)
        a, b = work / "a", work / "b"
        run("git", "init", "-q", "-b", "base", cwd=a)
        run("git", "add", "-A", cwd=a)
        run("git", "commit", "-q", "-m", "base", cwd=a)
        left = [
            name
            for name in names
            if not (a / name).exists() or (a / name).read_bytes() != (b / name).read_bytes()
        ]
        state = State(b)
        for one in SERIES:
            one.steps = [step for step in one.steps if not step.optional or named(step, left)]
            if len(one.steps) > MOST:
                sys.exit(f"series: {one.name} has {len(one.steps)} patches, and may have {MOST}")
            for step in one.steps:
                write(state, a, take(step, left))
                commit(a, step)
        check(work, left)
        format_patches(a, output)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    kernel, output = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    series(kernel, output)
    for patch in sorted(output.glob("*/*.patch")):
        text = patch.read_text()
        files = len(re.findall("^diff --git", text, re.M))
        lines = len(re.findall(r"^[+](?![+][+] )", text, re.M))
        print(f"{patch.relative_to(output)}: {files} files, {lines} lines")


main()
