#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes the module as a series of patches for a kernel tree: usage: series.py KERNEL OUTPUT

Each step adds one layer or one part of it. Files of a layer are compiled from the step on that
completes the layer; before it they are only there. So each step builds. The last state is the one
that in-tree.sh makes. Author and Signed-off-by are those of git's configuration in this checkout.
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

ROOT = Path(__file__).resolve().parents[2]
PLACE = "net/netfilter/rust_ipvs"
SELFTESTS = "tools/testing/selftests/net/netfilter/ipvs_rs"
SPEC = "Documentation/netlink/specs/ipvs.yaml"
DOCUMENTS = "Documentation/networking/ipvs-rs"
# Documents of this repository, its build, tests and tool, that the kernel tree does not get.
NOT_IN_TREE = {"benchmarks", "building", "ripvsadm", "testing"}

COVER = """This series adds IPVS written in Rust, as a module that replaces ip_vs: the
same netlink family, socket options, /proc files and sysctls, so that
ipvsadm, keepalived and kube-proxy configure it unchanged.

The layers depend on each other one way only. logic/ needs no kernel: it is
tested on the host. kapi/ is the only layer with unsafe code:
abstractions that the kernel crate lacks, of which each could move to
rust/kernel. director/ is IPVS itself, control/ its user interfaces.

A layer is compiled from the patch on that completes it, so each patch
builds.
"""

# Main.rs until the last layer is there: a module that does nothing.
STUB = """// SPDX-License-Identifier: GPL-2.0

//! A layer-4 load balancer.

#![deny(unsafe_code)]
// Users come with the next layers.
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

MODULES = {
    "logic": "mod logic;\n",
    "kapi": "#[allow(unsafe_code)]\n#[doc(hidden)]\nmod bindings;\n#[allow(unsafe_code)]\nmod kapi;\n",
    "director": "mod director;\n",
}


class Step:
    """A patch: its message, the files that it adds, and the layers that are compiled from it on."""

    def __init__(self, subject, body, files, layers=()):
        self.subject, self.body, self.files, self.layers = subject, body, files, layers


def module(*patterns):
    return [f"{PLACE}/{pattern}" for pattern in patterns]


STEPS = [
    Step(
        "net: keep ipvs_property with either IPVS",
        """The bit in struct sk_buff marks packets that a load balancer has handled. It
exists only with CONFIG_IP_VS. IPVS in Rust needs it, too, also in kernels
without the C implementation.""",
        ["include/linux/skbuff.h", "net/ipv4/ip_output.c"],
    ),
    Step(
        "netfilter: rust_ipvs: add the skeleton of a module",
        """Add Kconfig, Makefile, and a module that does nothing yet, with the headers
that bindgen reads and the inline functions of C that the next patches call.

The bindings are the module's own, because rust/bindings has none of
netfilter. They are meant to move there with the abstractions that use them.""",
        module("Kconfig", "Makefile", "main.rs", "bindings*", "helpers*")
        + ["net/netfilter/Kconfig", "net/netfilter/Makefile"],
    ),
    Step(
        "netfilter: rust_ipvs: read and rewrite packets",
        """Parse IPv4, IPv6 and transport headers, and update addresses, ports and
checksums. Hash flows so that both directions have the same hash. This layer
uses the core crate only, and never panics on the content of a packet.""",
        module(
            *(
                f"logic/{n}.rs"
                for n in "packet v4 v6 udp checksum crc32c hash ip address nlattr".split()
            )
        ),
    ),
    Step(
        "netfilter: rust_ipvs: follow TCP, SCTP, ICMP and tunnels",
        """Add the state tables of TCP and SCTP, which are those of C IPVS, the
translation of ICMP errors, and the headers of IPIP, GUE and GRE.""",
        module(
            *(
                f"logic/{n}"
                for n in "tcp* sctp* icmp* ipip* gue* gre* tunnel* tracking* status*".split()
            )
        ),
    ),
    Step(
        "netfilter: rust_ipvs: add the schedulers",
        """Each scheduler is one file. They choose the same destinations as those of C
IPVS, bit by bit for dh, sh and mh, so that directors of both kinds may serve
the same address.""",
        module("logic/sched/*"),
    ),
    Step(
        "netfilter: rust_ipvs: add timers, persistence, requests and messages",
        """Add the timer wheel, table sizes, rates, the keys of templates, the parsers of
SIP and FTP, netlink requests and socket options, and sync messages. With
them the layer is complete and compiled.""",
        module("logic/*"),
        ["logic"],
    ),
    Step(
        "netfilter: rust_ipvs: add RCU references and the hash table",
        """Add abstractions of RCU, slabs and per-CPU counters, and a resizable hash
table with a timer wheel. Readers take no lock and write nothing. The
comments argue why no reader can miss an entry during a resize.""",
        module(
            *(
                f"kapi/{n}"
                for n in "rcu* shared* once* roster* slots* slab* percpu* table* memory* bh* reclaim* serial* "
                "random* siphash* time*".split()
            )
        ),
    ),
    Step(
        "netfilter: rust_ipvs: add abstractions of packets, hooks and routes",
        """Add network namespaces, socket buffers, netfilter hooks, conntrack, routes and
devices. A hook owns its packet: forgetting it frees it, and using it after
it was sent does not compile.""",
        module(
            *(
                f"kapi/{n}"
                for n in "net* skbuff* netfilter* conntrack* route* inet* devices* xtables*".split()
            )
        ),
    ),
    Step(
        "netfilter: rust_ipvs: add abstractions of user interfaces and work",
        """Add generic netlink, socket options, /proc files, sysctls, works, threads and
UDP sockets of the kernel. With them the layer is complete and compiled.""",
        module("kapi/*", "kapi.rs"),
        ["logic", "kapi"],
    ),
    Step(
        "netfilter: rust_ipvs: add namespaces, connections and services",
        """Add the state of a network namespace with its connection tables, services and
destinations, and the works that expire and resize. An edit of a service
publishes a new snapshot, so that a packet sees it before or after the edit.""",
        module(*(f"director/{n}*" for n in "netns conn dest service".split())),
    ),
    Step(
        "netfilter: rust_ipvs: add the way of a packet",
        """Add the hooks, scheduling of new connections, replies, state transitions,
persistence and ICMP errors, and the transmitters for NAT, direct routing
and tunnels. An established packet takes no lock and no reference count.""",
        module(*(f"director/{n}*" for n in "packet datapath icmp xmit".split())),
    ),
    Step(
        "netfilter: rust_ipvs: add FTP, sync daemons and administration",
        """Add the FTP helper, the master and backup of connection synchronisation, and
the operations that administrators request. With them the layer is complete
and compiled.""",
        module("director/*", "director.rs"),
        ["logic", "kapi", "director"],
    ),
    Step(
        "netfilter: rust_ipvs: add the user interfaces",
        """Add the netlink family, socket options, /proc files, sysctls and the match of
iptables, with the numbers, formats and errors of C IPVS. The module is
complete: it registers its interfaces and hooks when it is loaded.

Only one of ip_vs and rust_ipvs can be loaded, because both have the same
netlink family and files. If both are built in, Kconfig refuses this one.""",
        module("*"),
        None,
    ),
    Step(
        "selftests: netfilter: add tests of rust_ipvs",
        """The tests make their own network of namespaces, report TAP, and run on C IPVS,
too, with IPVS_IMPL=c. They need Python, iproute2, ipvsadm and nft.""",
        [f"{SELFTESTS}/*", "tools/testing/selftests/Makefile"],
    ),
    Step(
        "netlink: specs: add a specification of the IPVS family",
        """It describes the generic netlink family of both implementations for the YNL
tools. Its numbers are those of linux/ip_vs.h.""",
        [SPEC],
    ),
    Step(
        "Documentation: networking: describe IPVS in Rust",
        """Document the behaviour, which is that of C IPVS, with a number for each rule
that the tests cite, the differences from C IPVS, the interfaces, and how the
module is organised.""",
        [f"{DOCUMENTS}/*", "Documentation/networking/index.rst"],
    ),
    Step(
        "MAINTAINERS: add IPVS in Rust",
        "Patches of the module and of its tests go to netdev, lvs-devel and\nrust-for-linux.",
        ["MAINTAINERS"],
    ),
]


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
    """Puts the specification and the documents of the module into the tree, and into its index."""
    (tree / SPEC).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / SPEC, tree / SPEC)
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


def main_rs(tree, step):
    if step.layers is not None:
        mods = "".join(MODULES[layer] for layer in MODULES if layer in step.layers)
        (tree / PLACE / "main.rs").write_text((STUB % mods).replace("\n\n\nuse", "\n\nuse"))


def commit(tree, subject, body):
    body = "\n\n".join(textwrap.fill(part, 72) for part in body.split("\n\n"))
    subprocess.run(["git", "add", "-A"], cwd=tree, check=True)
    run("git", "commit", "-q", "-s", "-m", subject, "-m", body, cwd=tree)


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


def series(kernel, output):
    identity()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        left = lay_out(kernel, work)
        tree = work / "a"
        run("git", "init", "-q", "-b", "base", cwd=tree)
        run("git", "add", "-A", cwd=tree)
        run("git", "commit", "-q", "-m", "base", cwd=tree)
        last = [
            name
            for name in left
            if not (tree / name).exists()
            or (tree / name).read_bytes() != (work / "b" / name).read_bytes()
        ]
        built = False
        for step in STEPS:
            mine = [
                name
                for name in last
                if any(fnmatch.fnmatch(name, pattern) for pattern in step.files)
            ]
            if not mine and f"{PLACE}/main.rs" not in step.files:
                sys.exit(f"series: no file for “{step.subject}”: {step.files}")
            for name in mine:
                if name == f"{PLACE}/main.rs" and step.layers is not None:
                    continue
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(work / "b" / name, tree / name)
                last.remove(name)
            if f"{PLACE}/main.rs" in step.files or (step.layers and built):
                main_rs(tree, step)
                built = True
            commit(tree, step.subject, step.body)
        if last:
            sys.exit("series: no step has " + " ".join(last))
        differ = subprocess.run(
            ["diff", "-r", "-x", ".git", "a", "b"],
            cwd=work,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if differ.stdout:
            sys.exit("series: the last state is not the one of in-tree.sh:\n" + differ.stdout)
        shutil.rmtree(output, ignore_errors=True)
        run(
            "git",
            "format-patch",
            "-q",
            "--cover-letter",
            "-o",
            str(output),
            f"HEAD~{len(STEPS)}",
            cwd=tree,
        )
    letter = next(output.glob("0000-*"))
    text = (
        letter.read_text()
        .replace("*** SUBJECT HERE ***", "netfilter: IPVS in Rust")
        .replace("*** BLURB HERE ***\n", COVER)
    )
    letter.write_text(text)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    kernel, output = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    series(kernel, output)
    for patch in sorted(output.glob("*.patch")):
        text = patch.read_text()
        print(
            f"{patch.name}: {len(re.findall('^diff --git', text, re.M))} files, {len(re.findall(r'^[+](?![+][+] )', text, re.M))} lines"
        )


main()
