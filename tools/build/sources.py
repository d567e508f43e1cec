#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads the module's sources: its files, the paths that each names, and the files that those lead to.

Comments, strings and test code are taken out; macros' bodies count like code. A path in a `use` or in the code
leads to the file that defines what it names, through re-exports. What a method call leads to is not seen.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "rust_ipvs"

TOKEN = re.compile(
    r"""(?P<skip>//[^\n]*|/\*.*?\*/)|(?P<string>b?r(?P<hash>\#*)".*?"(?P=hash)|b?c?"(?:\\.|[^"\\])*")
    |(?P<char>b?'(?:\\[^']+|[^'\\\n])')|(?P<word>[A-Za-z_]\w*)|(?P<other>::|.)""",
    re.S | re.X,
)


def tokens(text):
    """The (line, token) pairs of a source without comments, strings and characters."""
    line = 1
    for match in TOKEN.finditer(text):
        if match["word"] or (match["other"] and not match["other"].isspace()):
            yield line, match[0]
        line += match[0].count("\n")


def without_tests(stream):
    """The tokens less every item under `#[cfg(test)]`, `#[cfg(all(test, ...))]`, `#[cfg(any(test, ...))]`."""
    stream = list(stream)
    words = [token for _, token in stream]
    out, i = [], 0
    while i < len(stream):
        if words[i : i + 4] == ["#", "[", "cfg", "("] and words[i + 4 : i + 7] in (
            ["test", ")", "]"],
            ["all", "(", "test"],
            ["any", "(", "test"],
        ):
            depth, i = 0, words.index("]", i) + 1
            while i < len(stream):
                depth += (words[i] in "{[(") - (words[i] in "}])")
                i += 1
                if depth == 0 and words[i - 1] in (";", "}"):
                    break
        else:
            out.append(stream[i])
            i += 1
    return out


class File:
    def __init__(self, path):
        self.path = path
        relative = path.relative_to(ROOT)
        parts = list(relative.with_suffix("").parts)
        if parts[-1] in ("mod", "main"):
            parts.pop()
        self.module = tuple(parts)
        self.layer = parts[0] if parts else "main"
        self.text = path.read_text()
        self.tokens = without_tests(tokens(self.text))
        self.submodules = set()
        self.macros = set()
        # What a `use` brings in: name -> (path, line, re-exported).
        self.imports = {}
        # Paths that the code names: (path, line).
        self.paths = []
        self.read()

    def read(self):
        words = [token for _, token in self.tokens]
        i, public = 0, False
        while i < len(words):
            line, word = self.tokens[i]
            if word == "mod" and i + 2 < len(words) and words[i + 2] == ";":
                self.submodules.add(words[i + 1])
                i += 3
            elif word == "macro_rules" and i + 2 < len(words):
                self.macros.add(words[i + 2])
                i += 3
            elif (
                word == "use"
                and (i == 0 or words[i - 1] not in ("::", "."))
                and words[i + 1] != "<"
            ):
                public = i > 0 and (
                    words[i - 1] == "pub"
                    or (words[i - 1] == ")" and "pub" in words[max(0, i - 6) : i])
                )
                i = self.read_use(words, i + 1, (), line, public)
            elif re.match(r"[A-Za-z_]", word) and (i == 0 or words[i - 1] not in ("::", ".")):
                path, j = [word], i + 1
                while (
                    j + 1 < len(words) and words[j] == "::" and re.match(r"[A-Za-z_]", words[j + 1])
                ):
                    path.append(words[j + 1])
                    j += 2
                if len(path) > 1:
                    self.paths.append((tuple(path), line))
                i = j
            else:
                i += 1

    def read_use(self, words, i, prefix, line, public):
        """Reads one tree of a `use` from token i; the index behind it."""
        path = list(prefix)
        while i < len(words):
            word = words[i]
            if word == "{":
                i += 1
                while words[i] != "}":
                    i = self.read_use(words, i, path, line, public)
                    if words[i] == ",":
                        i += 1
                return i + 1
            if word == "::":
                i += 1
                continue
            if word == "as":
                self.imports[words[i + 1]] = (tuple(path), line, public)
                return i + 2
            if word in (",", ";", "}"):
                if path:
                    name = path[-1]
                    if name == "self":
                        path.pop()
                        name = path[-1]
                    self.imports[name] = (tuple(path), line, public)
                return i
            path.append(word)
            i += 1
        return i


class Crate:
    def __init__(self):
        self.files = {}
        self.errors = []
        todo = [File(ROOT / "main.rs")]
        while todo:
            file = todo.pop()
            self.files[file.module] = file
            for name in sorted(file.submodules):
                base = ROOT.joinpath(*file.module, name)
                found = [p for p in (base.with_suffix(".rs"), base / "mod.rs") if p.exists()]
                if found:
                    todo.append(File(found[0]))
                else:
                    self.error(file, 1, f"declares mod {name}, which has no file")

    def error(self, file, line, words):
        self.errors.append(f"{file.path.relative_to(ROOT.parent)}:{line}: {words}")

    def absolute(self, file, path):
        """The path from the crate's root, or None where it leads out of the crate."""
        head = path[0]
        if head == "crate":
            return path[1:]
        base = file.module
        if head in ("self", "super"):
            path = list(path)
            while path and path[0] in ("self", "super"):
                if path.pop(0) == "super":
                    base = base[:-1]
            return base + tuple(path)
        if head in file.submodules:
            return base + path
        return None

    def definer(self, path, depth=0):
        """The file that defines what an absolute path names."""
        module, rest = (), list(path)
        # An exported macro is at the root, whichever file defines it; `module!` puts LocalModule
        # there.
        if len(rest) == 1 and (rest[0],) not in self.files:
            return next((file for file in self.files.values() if rest[0] in file.macros), None)
        while rest and module + (rest[0],) in self.files:
            module += (rest.pop(0),)
        file = self.files[module]
        if rest and depth < 8:
            target = file.imports.get(rest[0])
            if target:
                onward = self.absolute(file, target[0])
                # A name that comes from another crate belongs to nobody here.
                return (
                    self.definer(onward + tuple(rest[1:]), depth + 1)
                    if onward is not None
                    else None
                )
        return file

    def looks(self, file):
        """All (absolute path, line, is a re-export) that a file names."""
        for path, line, public in file.imports.values():
            absolute = self.absolute(file, path)
            if absolute is not None:
                yield absolute, line, public
        for path, line in file.paths:
            imported = file.imports.get(path[0])
            if imported:
                absolute = self.absolute(file, imported[0])
                if absolute is not None:
                    yield absolute + path[1:], line, False
            else:
                absolute = self.absolute(file, path)
                if absolute is not None:
                    yield absolute, line, False


def knots(graph):
    """The strongly connected components with more than one node."""
    index, low, stack, on, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for target in graph.get(node, ()):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in on:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            knot = set()
            while True:
                member = stack.pop()
                on.discard(member)
                knot.add(member)
                if member == node:
                    break
            if len(knot) > 1:
                found.append(knot)

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found
