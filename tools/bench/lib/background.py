# SPDX-License-Identifier: GPL-2.0
"""What others notice of what is done in the background, in instructions.

How long deletions of servers take whose connections are to end (expire_nodest_conn), and for how long works and new
connections wait while very many connections end in one second.
"""

import json
import sys

from . import guest, profile, tables, targets

CONNECTIONS, DELETIONS = 200_000, 50
ENDING = 1_000_000
SCRIPT = "/checkout/tools/bench/guest/background.py"
COMMANDS = {"nodest": f"nodest {CONNECTIONS} {DELETIONS}", "ending": f"ending {ENDING}"}


def plan(implementation):
    steps = []
    for name, command in COMMANDS.items():
        steps += implementation.load()
        # Everything that a master tells of is to be received.
        steps.append({"sh": "sysctl -qw net.ipv4.vs.sync_sock_size=8388608"})
        steps.append({"sh": f"{SCRIPT} {command} >/results/{name}.json"})
        steps.append({"sh": "ipvsadm --stop-daemon backup"})
        steps += implementation.unload()
    return [{"name": "background", "steps": steps}]


def fill(implementation):
    """What the script says, by command."""
    name = f"background-{implementation.name}"
    files = {what: guest.OUT / name / f"{what}.json" for what in COMMANDS}
    for file in files.values():
        file.unlink(missing_ok=True)
    try:
        guest.run(name, plan(implementation))
    except guest.Failed as failure:
        print(f"bench: {implementation.name}: {failure}", file=sys.stderr)
    texts = {what: file.read_text() if file.exists() else "" for what, file in files.items()}
    return {what: json.loads(text) if text else None for what, text in texts.items()}


def of_nodest(section):
    """The longest answer with expire_nodest_conn beside that without."""
    found = (section.get("rust") or {}).get("nodest")
    if not found:
        return None
    limit = targets.NODEST * found["0"]["longest"]
    return targets.Target(
        found["1"]["longest"], limit, f"{targets.NODEST} x without expire_nodest_conn"
    )


def of_ending(section, what):
    found = (section.get("rust") or {}).get("ending")
    return found and targets.Target(found[what], targets.WAIT, "ten milliseconds")


def targets_of(section):
    yield f"deletion of a server with {CONNECTIONS:,} connections, longest answer", of_nodest(
        section
    )
    for what, words in (("wait", "work"), ("new", "new connection")):
        yield f"{ENDING:,} connections end in a second, longest wait of a {words}", of_ending(
            section, what
        )


def show(found):
    """Both numbers of a deletion, and the waits, of each implementation."""
    rows = []
    for setting in "0", "1":
        for what in "median", "longest", "own":
            values = [one["nodest"] and one["nodest"][setting][what] for one in found.values()]
            rows.append(
                [
                    f"expire_nodest_conn={setting}, {what}",
                    *[tables.number(value) for value in values],
                    "",
                ]
            )
    rows[-2][-1] = tables.verdict(of_nodest(found))
    tables.show(
        f"{DELETIONS} deletions of servers, {CONNECTIONS:,} connections: instructions until the answer",
        ["", *found, "target"],
        rows,
    )

    rows = []
    for what, words in (
        ("wait", "longest wait of a work"),
        ("run", "longest run of a work"),
        ("runs", "runs of works"),
        ("new", "longest wait of a new connection"),
        ("new_median", "usual wait of a new connection"),
    ):
        values = [one["ending"] and one["ending"][what] for one in found.values()]
        target = tables.verdict(of_ending(found, what)) if what in ("wait", "new") else ""
        rows.append([words, *[tables.number(value) for value in values], target])
    tables.show(
        f"{ENDING:,} connections end in one second: instructions", ["", *found, "target"], rows
    )
    for name, one in found.items():
        if one["ending"]:
            waiting, running = profile.demangled(
                [one["ending"]["waiting"], one["ending"]["running"]]
            )
            print(f"{name}: {waiting} waited longest, {running} ran longest")
