# SPDX-License-Identifier: GPL-2.0
"""Large configurations: what reading a file under /proc/net costs, whether it delays an administrator, and what each
change costs where many services share one server, in instructions.
"""

import json
import sys

from . import guest, tables, targets

# What is there while files are read.
SERVICES, DESTINATIONS = 20_000, 10
FILES = ("ip_vs_stats", "ip_vs_stats_percpu", "ip_vs_app", "ip_vs")
# Services with one server in common.
FEW, MANY = 4_096, 65_000
CHANGES = ("add", "delete", "flush")
MEMORY = 3072


def vip(number):
    return f"10.{64 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}:80"


def services():
    """What is there while files are read."""
    lines = []
    for number in range(SERVICES):
        lines.append(f"-A -u {vip(number)} -s rr")
        lines += [
            f"-a -u {vip(number)} -r 10.2.{n}.{number % 250 + 1}:80 -m" for n in range(DESTINATIONS)
        ]
    return "\n".join(lines) + "\n"


def shared(count):
    """So many services of one server."""
    return "".join(
        f"-A -u {vip(n)} -s rr\n-a -u {vip(n)} -r 10.2.0.2:80 -m\n" for n in range(count)
    )


def deletions(count):
    """The older half of them goes."""
    return "".join(f"-d -u {vip(n)} -r 10.2.0.2:80\n" for n in range(count // 2))


def plan(implementation):
    steps = [
        *implementation.load(),
        {"sh": "ipvsadm -R", "stdin": services()},
        # C shows what it last estimated.
        {"sh": "sleep 3; /checkout/tools/bench/guest/reading.py >/results/reading.json"},
        {"time": "flush-of-many", "sh": "ipvsadm -C"},
    ]
    # With C each addition takes as long as there are destinations in its trash, which all those
    # that were flushed are in: many would take an hour.
    for count in (FEW, MANY) if implementation.module else (FEW,):
        steps += [
            {"time": f"add-{count}", "sh": "ipvsadm -R", "stdin": shared(count)},
            {"time": f"delete-{count}", "sh": "ipvsadm -R", "stdin": deletions(count)},
            {"time": f"flush-{count}", "sh": "ipvsadm -C"},
        ]
    return [{"name": "large", "steps": steps + implementation.unload()}]


def fill(implementation):
    """Instructions: of a read by the file's name, "add" and "add-beside"; of each service by "change-count"."""
    name = f"large-{implementation.name}"
    reading = guest.OUT / name / "reading.json"
    reading.unlink(missing_ok=True)
    try:
        measured = guest.run(name, plan(implementation), memory=MEMORY, timeout=3000)
    except guest.Failed as failure:
        print(f"bench: {implementation.name}: {failure}", file=sys.stderr)
        measured = failure.measured
    text = reading.read_text() if reading.exists() else ""
    values = json.loads(text) if text else {}
    found = {key: values.get(key) for key in (*FILES, "add", "add-beside")}
    for count in FEW, MANY:
        for change in CHANGES:
            time = measured.get(("large", f"{change}-{count}"))
            found[f"{change}-{count}"] = time and time["nanoseconds"] / (
                count // 2 if change == "delete" else count
            )
    return found


def of_read(section, name):
    """Ours beside C's."""
    c, ours = (section.get(one, {}).get(name) for one in ("c", "rust"))
    return targets.Target(ours, targets.READ * c, f"{targets.READ} x C") if ours and c else None


def of_addition(section):
    ours = section.get("rust", {})
    return targets.beside_ours(ours.get("add-beside"), ours.get("add"), targets.ADD_BESIDE, "alone")


def of_change(section, change):
    ours = section.get("rust", {})
    return targets.beside_ours(
        ours.get(f"{change}-{MANY}"),
        ours.get(f"{change}-{FEW}"),
        targets.MANY_OF_FEW,
        f"at {FEW:,}",
    )


def targets_of(section):
    for name in FILES:
        yield f"a read of {name}, {SERVICES:,} services of {DESTINATIONS}", of_read(section, name)
    yield "a service added beside a reader of ip_vs_stats", of_addition(section)
    for change in CHANGES:
        yield f"one server: {change} {MANY:,} services, each", of_change(section, change)


def show(found):
    """Ours and C's."""

    def row(words, key, target):
        return [
            words,
            *[tables.number(values.get(key)) for values in found.values()],
            tables.verdict(target),
        ]

    rows = [row(f"/proc/net/{name}", name, of_read(found, name)) for name in FILES]
    rows += [
        row("a service is added", "add", None),
        row("beside a reader of ip_vs_stats", "add-beside", of_addition(found)),
    ]
    tables.show(
        f"{SERVICES:,} services of {DESTINATIONS} destinations: instructions of a read",
        ["", *found, "target"],
        rows,
    )
    rows = [
        row(
            f"{change}, {count:,} services",
            f"{change}-{count}",
            of_change(found, change) if count == MANY else None,
        )
        for change in CHANGES
        for count in (FEW, MANY)
    ]
    tables.show(
        "Services that share one server, by ipvsadm -R and -C: instructions for each",
        ["", *found, "target"],
        rows,
    )
