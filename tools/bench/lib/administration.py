# SPDX-License-Identifier: GPL-2.0
"""What an administrator waits for, in instructions.

Restoring and listing 4,000 services of 5 destinations; applying them as a file;
adding, editing and deleting many destinations of one service;
and for how long at a stretch somebody who reads 20,000 destinations keeps a processor to himself.
"""

import json
import sys

from . import guest, tables, targets

SERVICES = 4000
DESTINATIONS = 5
TOOL = "/checkout/build/ripvsadm"
TOOLS = {"ipvsadm": "ipvsadm", "ripvsadm": TOOL}
WORDS = {"restore": "-R", "list": "-Ln"}
# What only rust_ipvs can do: steps, their commands, and targets in millions of instructions.
OWN = {
    "apply": ("apply -q", "of nothing", targets.APPLY),
    "again": ("apply -q", "again, one weight changed", targets.APPLY_AGAIN),
    "shown": ("apply", "of nothing, each change shown", None),
    "plain": ("-Ln", "without statistics", None),
    "stats": ("-Ln --stats", "with statistics", targets.LIST_AT_ONCE),
}

# Changes of one service, for a scheduler of each kind: one that looks at destinations as they are,
# one with a cycle of weights, and those with tables. Each change of a few is beside one of many.
SCHEDULERS = ("lc", "wrr", "sh", "mh", "lblcr")
CHANGES = ("add", "edit", "delete")
FEW, MANY = 128, 1024
# So often, of which the least disturbed counts: now and then the guest has something else to do, or
# waits for it.
TIMES = 2

READ = 20_000


def rules():
    """What ipvsadm -S would have written."""
    lines = []
    for service in range(SERVICES):
        vip = f"10.10.{service // 250}.{service % 250 + 1}:80"
        lines.append(f"-A -t {vip} -s rr")
        lines += [
            f"-a -t {vip} -r 10.2.{n}.{service % 250 + 1}:80 -m -w 1" for n in range(DESTINATIONS)
        ]
    return "\n".join(lines) + "\n"


def changes(what, count):
    """The same change of so many destinations of one service."""
    option, more = {"add": ("-a", " -m -w {}"), "edit": ("-e", " -m -w {}"), "delete": ("-d", "")}[
        what
    ]
    weight = {"add": 1, "edit": 2}.get(what, 0)
    lines = [
        f"{option} -t 10.0.0.1:80 -r 10.{2 + n // 62500}.{n // 250 % 250}.{n % 250 + 1}:80"
        + more.format(weight + n % 3)
        for n in range(count)
    ]
    return "\n".join(lines) + "\n"


def tool_steps(tool, command):
    # Once before: the tool's own pages have to come from the disk.
    return [
        {"sh": f"{command} -Ln >/dev/null"},
        {"time": f"{tool}-restore", "sh": f"{command} -R", "stdin": rules()},
        {"time": f"{tool}-list", "sh": f"{command} -Ln >/tmp/listed"},
        {"sh": f"test $(grep -c Masq /tmp/listed) = {SERVICES * DESTINATIONS}"},
        {"sh": f"{command} -C"},
    ]


def own_steps():
    """The table as a file, and the list of all."""

    def step(name, stdin=None):
        line = f"{TOOL} {OWN[name][0]}"
        line += " -" if stdin else ""
        time = {"time": f"own-{name}", "sh": f"{line} >/tmp/own-{name}"}
        return {**time, "stdin": stdin} if stdin else time

    once = rules()
    return [
        {"sh": f"{TOOL} -Ln --stats >/dev/null"},
        step("apply", once),
        step("again", once.replace("-w 1", "-w 2", 1)),
        step("plain"),
        step("stats"),
        {"sh": f"test $(grep -c -- '->' /tmp/own-stats) = {SERVICES * DESTINATIONS + 1}"},
        {"sh": f"{TOOL} -C"},
        step("shown", once),
        {"sh": f"test $(wc -l </tmp/own-shown) = {SERVICES * (DESTINATIONS + 1)}"},
        {"sh": f"{TOOL} -C"},
    ]


def change_steps(scheduler, few, many):
    """A few and many destinations come, change and go, several times."""
    steps = []
    for count, time in [(count, time) for count in (few, many) for time in range(TIMES)]:
        steps.append({"sh": f"ipvsadm -A -t 10.0.0.1:80 -s {scheduler}"})
        steps += [
            {
                "time": f"{what}-{scheduler}-{count}.{time}",
                "sh": "ipvsadm -R",
                "stdin": changes(what, count),
            }
            for what in CHANGES
        ]
        steps += [{"sh": "! ipvsadm -Ln | grep -q Masq"}, {"sh": "ipvsadm -C"}]
    return steps


def read_steps():
    return [
        {"sh": "ipvsadm -R", "stdin": "-A -t 10.0.0.1:80 -s rr\n" + changes("add", READ)},
        {"sh": f"/checkout/tools/bench/guest/stretch.py {READ} >/results/stretch.json"},
        {"sh": "ipvsadm -C"},
    ]


def plan(implementation):
    steps = list(implementation.load())
    if not implementation.module:
        steps.append({"sh": "modprobe -a " + " ".join(f"ip_vs_{name}" for name in SCHEDULERS)})
    for tool, command in TOOLS.items():
        steps += tool_steps(tool, command)
    if implementation.module:
        steps += own_steps()
    for scheduler in SCHEDULERS:
        steps += change_steps(scheduler, FEW, MANY)
    steps += read_steps()
    return [{"name": "administration", "steps": steps + implementation.unload()}]


def fill(implementation):
    """Millions of instructions by "tool-what"; thousands for each change; instructions of the longest stretch."""
    name = f"administration-{implementation.name}"
    stretch = guest.OUT / name / "stretch.json"
    stretch.unlink(missing_ok=True)
    try:
        measured = guest.run(name, plan(implementation))
    except guest.Failed as failure:
        print(f"bench: {implementation.name}: {failure}", file=sys.stderr)
        measured = failure.measured

    def took(step, unit):
        time = measured.get(("administration", step))
        return time and time["nanoseconds"] / unit

    found = {f"{tool}-{what}": took(f"{tool}-{what}", 1e6) for tool in TOOLS for what in WORDS}
    found |= {f"own-{name}": took(f"own-{name}", 1e6) for name in OWN}
    for scheduler in SCHEDULERS:
        for what in CHANGES:
            for count in FEW, MANY:
                step = f"{what}-{scheduler}-{count}"
                times = [took(f"{step}.{time}", 1e3 * count) for time in range(TIMES)]
                found[step] = min((time for time in times if time), default=None)
    text = stretch.read_text() if stretch.exists() else ""
    found["stretch"] = json.loads(text)["longest"] if text else None
    return found


def of_tool(section, tool, what):
    """Ours by a tool beside C by ipvsadm: both numbers, and the target."""
    c, ours = section.get("c", {}).get(f"ipvsadm-{what}"), section.get("rust", {}).get(
        f"{tool}-{what}"
    )
    target = (
        targets.Target(ours, targets.ADMINISTRATION * c, f"{targets.ADMINISTRATION} x C")
        if ours and c
        else None
    )
    return c, ours, target


def of_own(section, name):
    """A figure of what only rust_ipvs can do, and the target."""
    ours, most = section.get("rust", {}).get(f"own-{name}"), OWN[name][2]
    return ours, targets.Target(ours, most, "millions") if ours and most else None


def of_change(section, what, scheduler):
    """What one of many changes costs of what one of a few does."""
    ours = section.get("rust", {})
    few, many = (ours.get(f"{what}-{scheduler}-{count}") for count in (FEW, MANY))
    return targets.beside_ours(many, few, targets.MANY_OF_FEW, f"at {FEW}")


def of_stretch(section):
    longest = section.get("rust", {}).get("stretch")
    return longest and targets.Target(longest, targets.STRETCH, "a millisecond")


def targets_of(section):
    for what, option in WORDS.items():
        for tool in TOOLS:
            yield f"{tool} {option}, millions of instructions", of_tool(section, tool, what)[2]
    for name, (words, text, _) in OWN.items():
        yield f"ripvsadm {words}, {text}, millions of instructions", of_own(section, name)[1]
    for scheduler in SCHEDULERS:
        for what in CHANGES:
            yield f"{scheduler}: {what} {MANY:,} destinations, thousands each", of_change(
                section, what, scheduler
            )
    yield f"{READ:,} destinations read, longest stretch", of_stretch(section)


def show(found):
    """Ours, by either tool, beside C's by ipvsadm."""
    rows = []
    for what, option in WORDS.items():
        for tool in TOOLS:
            c, ours, target = of_tool(found, tool, what)
            own = found.get("c", {}).get(f"{tool}-{what}")
            rows.append(
                [
                    f"{tool} {option}",
                    tables.number(own),
                    tables.number(ours),
                    f"{ours / c:.2f}" if ours and c else "",
                    tables.verdict(target),
                ]
            )
    tables.show(
        f"{SERVICES:,} services of {DESTINATIONS} destinations: millions of instructions",
        ["", "on c", "on rust", "ours/ipvsadm on c", "target"],
        rows,
    )

    rows = []
    for name, (words, text, _) in OWN.items():
        ours, target = of_own(found, name)
        rows.append([f"ripvsadm {words}, {text}", tables.number(ours), tables.verdict(target)])
    tables.show(
        f"{SERVICES:,} services of {DESTINATIONS} destinations at once: millions of instructions",
        ["", "on rust", "target"],
        rows,
    )

    rows = []
    for scheduler in SCHEDULERS:
        for what in CHANGES:
            row = [f"{scheduler}, {what}"]
            row += [
                tables.number(found.get(name, {}).get(f"{what}-{scheduler}-{count}"))
                for count in (FEW, MANY)
                for name in found
            ]
            rows.append([*row, tables.verdict(of_change(found, what, scheduler))])
    tables.show(
        "Destinations of one service, by ipvsadm -R: thousands of instructions each",
        ["", *[f"{name}, {count:,}" for count in (FEW, MANY) for name in found], "target"],
        rows,
    )

    row = [tables.number(values.get("stretch")) for values in found.values()]
    tables.show(
        "The longest system call of who reads many destinations: instructions",
        ["", *found, "target"],
        [[f"{READ:,} destinations", *row, tables.verdict(of_stretch(found))]],
    )
