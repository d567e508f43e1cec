#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks who looks at whom in rust_ipvs: the layers' arrows, circles between files, unsafe, and kapi's words."""

import re
import sys

from sources import ROOT, Crate, knots

# Each layer and those it may look at. The crate root stands above all: it declares and registers
# them.
ARROWS = {
    "control": {"director", "logic", "kapi"},
    "director": {"logic", "kapi"},
    "logic": set(),
    "kapi": {"bindings"},
    "bindings": set(),
}
UNSAFE_LAYERS = {"kapi", "bindings"}
# Crates that a layer may name; the rest may name them all.
CRATES = {"logic": {"core"}}
# What kapi's code may not speak of; the names of the module's helpers and of sk_buff's fields are
# not its choice.
FOREIGN = re.compile(
    r"ip_?vs|virtual_?server|real_?server|balancer|scheduler|director|persistent", re.I
)
NOT_FOREIGN = re.compile(r"rust_ipvs_\w+|\w*ipvs_property", re.I)


class Checks(Crate):
    """The crate, with what is checked of it."""

    def check_arrows(self):
        for file in self.files.values():
            for path, line, _ in self.looks(file):
                target = self.definer(path[:1])
                if target is None:
                    continue
                layer = target.layer
                if file.layer != "main" and layer != file.layer and layer not in ARROWS[file.layer]:
                    self.error(
                        file,
                        line,
                        f"{file.layer} may not look at {layer} (crate::{'::'.join(path)})",
                    )

    def check_circles(self):
        graph = {}
        for file in self.files.values():
            graph[file.module] = {}
            for path, line, public in self.looks(file):
                target = self.definer(path)
                if target and target is not file and not public:
                    graph[file.module].setdefault(target.module, line)
        for knot in knots(graph):
            names = sorted(str(self.files[module].path.relative_to(ROOT)) for module in knot)
            first = self.files[sorted(knot)[0]]
            self.error(first, 1, f"{len(knot)} files in a circle: {', '.join(names)}")
            for module in sorted(knot):
                for target, line in sorted(graph[module].items()):
                    if target in knot:
                        file, other = self.files[module], self.files[target]
                        self.errors.append(
                            f"    {file.path.relative_to(ROOT)}:{line} looks at {other.path.relative_to(ROOT)}"
                        )

    def check_words(self):
        for file in self.files.values():
            previous = ""
            for line, token in file.tokens:
                if token == "unsafe" and file.layer not in UNSAFE_LAYERS:
                    self.error(file, line, "unsafe belongs into kapi")
                if file.layer not in UNSAFE_LAYERS | {"main"} and (
                    token == "bindings" or token.startswith("rust_ipvs_helper")
                ):
                    self.error(file, line, f"only kapi may name {token}")
                if file.layer == "main" and token == "bindings" and previous != "mod":
                    self.error(file, line, "only kapi may name bindings")
                if (
                    file.layer == "kapi"
                    and FOREIGN.search(token)
                    and not NOT_FOREIGN.fullmatch(token)
                ):
                    self.error(file, line, f"kapi knows no load balancer, and this says {token}")
                previous = token
            allowed = CRATES.get(file.layer)
            for path, line in file.paths + [
                (path, line) for path, line, _ in file.imports.values()
            ]:
                if (
                    allowed
                    and path[0] in ("kernel", "alloc", "std", "core")
                    and path[0] not in allowed
                ):
                    self.error(file, line, f"{file.layer} may not name the crate {path[0]}")
                if allowed and path[0] == "crate":
                    self.error(
                        file,
                        line,
                        f"{file.layer} is compiled into another crate as well: a path from super, not from crate",
                    )

    def check_orphans(self):
        known = {file.path for file in self.files.values()}
        for path in sorted(ROOT.rglob("*.rs")):
            if (
                path not in known
                and path.name not in ("tests.rs", "bindings_generated.rs")
                and "tests" not in path.parts
            ):
                self.errors.append(
                    f"{path.relative_to(ROOT.parent)}:1: no file declares this module"
                )


def main():
    crate = Checks()
    crate.check_arrows()
    crate.check_circles()
    crate.check_words()
    crate.check_orphans()
    for error in dict.fromkeys(crate.errors):
        print(error)
    print(
        f"layers: {len(crate.files)} files, {len([e for e in crate.errors if not e.startswith(' ')])} objections"
    )
    sys.exit(1 if crate.errors else 0)


main()
