# SPDX-License-Identifier: GPL-2.0
"""Runs a plan in a guest and reads what it measured."""

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LAB = ROOT / "tools/lab/lab"
OUT = ROOT / "build/bench"

# Mitigations cost more than a balancer does, and would hide it; the clock counts instructions.
# Slabs that are merged with others of their size are not in /proc/slabinfo by their names.
COUNTING = ["--icount", "--append", "mitigations=off nokaslr slab_nomerge"]


class Failed(Exception):
    """A guest did not come to its end; what it had measured until then is in `measured`."""

    def __init__(self, words, measured):
        super().__init__(words)
        self.measured = measured


def read_results(folder):
    measured = {}
    path = folder / "measured.jsonl"
    if path.exists():
        for line in path.read_text().splitlines():
            result = json.loads(line)
            measured[result["run"], result["name"]] = result
    return measured


def run(name, plan, options=(), memory=1536, timeout=1500, accel=COUNTING):
    """Boots a guest for a plan. Returns the results by (run, name)."""
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    for stale in "measured.jsonl", "dmesg.log", "console.log":
        (folder / stale).unlink(missing_ok=True)
    (folder / "plan.json").write_text(json.dumps(plan, indent=1))
    command = [
        str(LAB),
        "boot",
        "--quiet",
        "--mem",
        str(memory),
        "--timeout",
        str(timeout),
        "--results",
        str(folder),
    ]
    command += [*accel, *options, "--", "tools/bench/guest/measure.py /results"]
    with open(folder / "log", "w") as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
    measured = read_results(folder)
    if done.returncode:
        tail = (folder / "log").read_text().strip().splitlines()[-6:]
        raise Failed(
            f"the guest {name} ended with {done.returncode}: " + "\n    ".join(tail), measured
        )
    return measured
