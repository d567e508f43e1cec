# SPDX-License-Identifier: GPL-2.0
"""The cost of a scrape by Prometheus, in instructions of kernel, exporter and client.

By ripvsadm's listener, and by node_exporter, which reads /proc.
"""

import subprocess
import sys

from . import administration, guest, tables, targets

# So often, of which the least disturbed counts. Each exporter runs alone: node_exporter collects
# garbage after a scrape, too.
TIMES = 2
# A port, a command line and the line of a destination, by name.
EXPORTERS = {
    "ripvsadm metrics": (
        9783,
        "/tmp/ripvsadm metrics --listen 9783",
        "^ripvs_backend_weight",
    ),
    "node_exporter": (
        9100,
        "/tmp/prometheus-node-exporter --collector.disable-defaults --collector.ipvs "
        "--web.disable-exporter-metrics --web.listen-address=127.0.0.1:9100",
        "^node_ipvs_backend_weight",
    ),
}


def fetched():
    """The folder of node_exporter, which is Debian's; None if it cannot be had."""
    done = subprocess.run([guest.LAB, "prometheus"], text=True, stdout=subprocess.PIPE)
    return done.stdout.strip() if not done.returncode else None


def exporter_steps(name):
    """Starts an exporter, scrapes it, and ends it."""
    port, words, line = EXPORTERS[name]
    destinations = administration.SERVICES * administration.DESTINATIONS
    ask = f"curl -sf http://127.0.0.1:{port}/metrics"
    return [
        {"sh": f"{words} </dev/null >/dev/null 2>&1 & echo $! >/tmp/exporter"},
        # Once before: its pages have to come from the disk. All destinations have to be there.
        {"sh": f"until {ask} >/tmp/metrics; do sleep 1; done"},
        {"sh": f"test $(grep -c {line} /tmp/metrics) = {destinations}"},
        *({"time": f"{name}.{time}", "sh": f"{ask} >/dev/null"} for time in range(TIMES)),
        {"sh": "kill $(cat /tmp/exporter)"},
    ]


def plan(implementation, folder):
    steps = list(implementation.load())
    steps += [
        {"sh": f"cp {administration.TOOL} {folder}/bin/prometheus-node-exporter /tmp"},
        {"sh": "/tmp/ripvsadm -R", "stdin": administration.rules()},
    ]
    for time in range(TIMES):
        steps.append({"time": f"printed.{time}", "sh": "/tmp/ripvsadm metrics >/dev/null"})
    for name in EXPORTERS:
        steps += exporter_steps(name)
    return [{"name": "scrape", "steps": steps + implementation.unload()}]


def fill(implementation):
    """Millions of instructions of a scrape by each, and of printing the metrics."""
    folder = fetched()
    if folder is None:
        print("bench: there is no node_exporter: scrapes are not measured", file=sys.stderr)
        return {}
    name = f"scrape-{implementation.name}"
    try:
        measured = guest.run(name, plan(implementation, folder), options=["--share", folder])
    except guest.Failed as failure:
        print(f"bench: {implementation.name}: {failure}", file=sys.stderr)
        measured = failure.measured

    def took(step):
        times = [measured.get(("scrape", f"{step}.{time}")) for time in range(TIMES)]
        return min((time["nanoseconds"] / 1e6 for time in times if time), default=None)

    return {step: took(step) for step in [*EXPORTERS, "printed"]}


def of_scrape(section):
    """Ours by our tool beside C by node_exporter."""
    ours = section.get("rust", {}).get("ripvsadm metrics")
    theirs = section.get("c", {}).get("node_exporter")
    if not ours or not theirs:
        return None
    words = f"{targets.SCRAPE} x node_exporter on c"
    return targets.Target(ours, targets.SCRAPE * theirs, words)


def targets_of(section):
    yield "a scrape of 20,000 destinations, millions of instructions", of_scrape(section)


def show(found):
    """A scrape by each, on each."""
    rows = []
    names = {name: f"{name}, by HTTP" for name in EXPORTERS}
    for step, words in [*names.items(), ("printed", "printed")]:
        numbers = [tables.number(values.get(step)) for values in found.values()]
        verdict = tables.verdict(of_scrape(found)) if step == "ripvsadm metrics" else ""
        rows.append([words, *numbers, verdict])
    tables.show(
        f"A scrape of {administration.SERVICES:,} services of {administration.DESTINATIONS} "
        "destinations: millions of instructions",
        ["", *(f"on {name}" for name in found), "target"],
        rows,
    )
