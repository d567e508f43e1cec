# SPDX-License-Identifier: GPL-2.0
"""The table at the end: every target, and whether ours meets it, of all that has been measured."""

from . import (
    administration,
    background,
    counting,
    large,
    persistence,
    scale,
    scrape,
    stream,
    tables,
)


def of_scale(values):
    ours = {int(size): found for size, found in values.get("rust", {}).items() if found}
    yield "bytes of an IPv4 connection", scale.target_of_size(ours)
    yield f"look-up among {scale.WORDS[scale.SIZES[-1]]} connections", scale.target_of_look_up(ours)


def verdicts(results):
    """Every target with its words; those that nothing was measured for are left out."""
    found = results.found
    every = [
        *counting.targets_of(found.get("instructions", {})),
        *of_scale(found.get("scale", {})),
        *administration.targets_of(found.get("administration", {})),
        *large.targets_of(found.get("large", {})),
        *scrape.targets_of(found.get("scrape", {})),
        *background.targets_of(found.get("background", {})),
        *persistence.targets_of(found.get("persistence", {})),
        *stream.targets_of(
            {tuple(key.split()): rates for key, rates in found.get("stream", {}).items()}
        ),
    ]
    return [(words, target) for words, target in every if target]


def show(results):
    rows, every = [], verdicts(results)
    for words, target in every:
        rows.append([words, tables.decimal(target.value), tables.verdict(target)])
    if rows:
        tables.show("Targets", ["", "ours", "target"], rows)
        met = sum(target.met for _, target in every)
        print(f"{met} of {len(rows)} targets are met")
    seconds = results.seconds()
    tables.show(
        "Parts",
        ["", "seconds"],
        [[part, tables.number(took)] for part, took in seconds.items()]
        + [["all", tables.number(sum(seconds.values()))]],
    )
    if len(results.builds()) > 1:
        print(
            "Not all of this is of one build: "
            + ", ".join(" ".join(build) for build in sorted(results.builds()))
        )
