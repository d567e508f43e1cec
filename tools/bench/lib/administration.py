# SPDX-License-Identifier: GPL-2.0
"""What an administrator waits for: restoring and listing 4,000 services of 5 destinations, in instructions."""

import sys

from . import guest, tables, targets

SERVICES = 4000
DESTINATIONS = 5
TARGET = 0.7
TOOL = "/checkout/build/ripvsadm"
WORDS = {"restore": "-R", "list": "-Ln"}


def rules():
    """What ipvsadm -S would have written."""
    lines = []
    for service in range(SERVICES):
        vip = f"10.10.{service // 250}.{service % 250 + 1}:80"
        lines.append(f"-A -t {vip} -s rr")
        lines += [f"-a -t {vip} -r 10.2.{n}.{service % 250 + 1}:80 -m -w 1" for n in range(DESTINATIONS)]
    return "\n".join(lines) + "\n"


def plan(implementation, tools):
    steps = list(implementation.load())
    for tool in tools:
        name = tool.rsplit("/", 1)[-1]
        # Once before: the tool's own pages have to come from the disk.
        steps += [{"sh": f"{tool} -Ln >/dev/null"},
                  {"time": f"{name}-restore", "sh": f"{tool} -R", "stdin": rules()},
                  {"time": f"{name}-list", "sh": f"{tool} -Ln >/tmp/listed"},
                  {"sh": f"test $(grep -c Masq /tmp/listed) = {SERVICES * DESTINATIONS}"},
                  {"sh": f"{tool} -C"}]
    return [{"name": "administration", "steps": steps + implementation.unload()}]


def tools_of(implementation):
    return ["ipvsadm", TOOL] if implementation.module else ["ipvsadm"]


def fill(implementation):
    """Millions of instructions by "tool-what"."""
    try:
        measured = guest.run(f"administration-{implementation.name}", plan(implementation, tools_of(implementation)))
    except guest.Failed as failure:
        print(f"bench: {implementation.name}: {failure}", file=sys.stderr)
        measured = failure.measured
    names = [f"{tool.rsplit('/', 1)[-1]}-{what}" for tool in tools_of(implementation) for what in WORDS]
    times = {name: measured.get(("administration", name)) for name in names}
    return {name: time and time["nanoseconds"] / 1e6 for name, time in times.items()}


def show(found):
    """Ours, by either tool, beside C's by ipvsadm."""
    rows = []
    for what, option in WORDS.items():
        c = found.get("c", {}).get(f"ipvsadm-{what}")
        for tool in "ipvsadm", "ripvsadm":
            ours = found.get("rust", {}).get(f"{tool}-{what}")
            target = targets.Target(ours, TARGET * c, f"{TARGET} x C") if ours and c else None
            rows.append([f"{tool} {option}", tables.number(c), tables.number(ours),
                         f"{ours / c:.2f}" if ours and c else "", tables.verdict(target)])
    tables.show(f"{SERVICES:,} services of {DESTINATIONS} destinations: millions of instructions",
                ["", "ipvsadm on c", "on rust", "ours/C", "target"], rows)
