# SPDX-License-Identifier: GPL-2.0
"""What persistence costs: of a new connection, of an established one, of a million templates, and of one for all clients.

Counted in instructions over plain forwarding, DR, UDP. Of two processors, ratios only, as in processors.py.
"""

import statistics
import sys

from . import cells, guest, packets, processors, tables, targets

UDP = packets.KINDS["udp"]
FLOWS = cells.FLOWS
# All clients of the bench, and how many of them come to their one template.
ALL = "255.192.0.0"
SHARERS = 200_000
SIZES = (10_000, 1_000_000)
# So many of them come once more.
SAMPLE = 10_000
TIMEOUT = 3600
MEMORY = 3072
ROUNDS = 7
COUNT = 40000

# What is counted, by the name of the step.
COUNTED = {
    "new-plain": "new connection, no persistence",
    "new-first": "new connection, the client's first: template and all",
    "new-next": "new connection of a client with a template",
    "new-shared": f"new connection, one template for {SHARERS:,} clients",
    "old-plain": "established connection, no persistence",
    "old-own": "established connection with a template",
    "old-shared": "established connection, one template for all",
}
# How many services take turns on two processors.
SHARING = {
    "plain": "no persistence",
    "own": "a template for each client",
    "shared": "one template for all clients",
}


def service(options=""):
    """A DR service of four servers."""
    vip = f"{packets.VIP[4]}:{packets.SERVICE_PORT}"
    lines = [f"-A -u {vip} -s rr {options}"]
    lines += [f"-a -u {vip} -r {server}:{packets.SERVICE_PORT} -g" for server in packets.SERVERS[4]]
    return [{"sh": "ipvsadm -R", "stdin": "\n".join(lines) + "\n"}]


OPTIONS = {"plain": "", "own": f"-p {TIMEOUT}", "shared": f"-p {TIMEOUT} -M {ALL}"}


def from_port(bursts, port):
    """The same packets from another port: other connections of the same clients."""
    return [burst + packets.ports("src", port) for burst in bursts]


def count_steps(implementation, options, new, old):
    vip = packets.VIP[4]
    flows = SHARERS if new == "new-shared" else FLOWS
    steps = (
        implementation.load()
        + service(options)
        + [cells.send(new, packets.each_flow(UDP, vip, flows))]
    )
    steps.append(cells.send(old, packets.some_flows(UDP, vip, FLOWS)))
    if new == "new-first":
        steps.append(cells.send("new-next", from_port(packets.each_flow(UDP, vip, FLOWS), 1001)))
    return steps + implementation.unload()


def scale_steps(implementation):
    """Templates alone: their connections end after a second of the guest's, which nobody has to wait for."""
    vip = packets.VIP[4]
    steps = (
        implementation.load()
        + service(f"-p {TIMEOUT}")
        + [{"sh": "ipvsadm --set 0 0 1"}, {"memory": "memory-0"}]
    )
    filled = 0
    for size in SIZES:
        # In parts, so that there are never many more entries than templates.
        while filled < size:
            part = min(100_000, size - filled)
            steps += [cells.send("", packets.each_flow(UDP, vip, part, filled)), {"sh": "sleep 5"}]
            filled += part
        steps += [
            {"sh": "sleep 5"},
            {"memory": f"memory-{size}"},
            {"slab": f"slab-{size}", "cache": implementation.slab},
            cells.send(
                f"next-{size}", from_port(packets.each_flow(UDP, vip, SAMPLE, size - SAMPLE), 1001)
            ),
        ]
    # The same time twice, with and without templates that run out in it: what the machine is busy
    # with more.
    steps += [
        {"sh": "cat /proc/stat >/results/stat-0; sleep 1000; cat /proc/stat >/results/stat-1"},
        {"sh": f"sleep {TIMEOUT - 1000 - 500}"},
        {"sh": "cat /proc/stat >/results/stat-2; sleep 1000; cat /proc/stat >/results/stat-3"},
        {"sh": "test $(wc -l </proc/net/ip_vs_conn) = 1"},
        {"slab": "slab-end", "cache": implementation.slab},
    ]
    return steps + implementation.unload()


def plan(implementation):
    server = packets.SERVERS[4][0]
    forward = [
        cells.send("new", packets.each_flow(UDP, server, FLOWS)),
        cells.send("old", packets.some_flows(UDP, server, FLOWS)),
    ]
    return [
        {"name": cells.FORWARD, "steps": forward},
        {
            "name": "plain",
            "steps": count_steps(implementation, OPTIONS["plain"], "new-plain", "old-plain"),
        },
        {
            "name": "own",
            "steps": count_steps(implementation, OPTIONS["own"], "new-first", "old-own"),
        },
        {
            "name": "shared",
            "steps": count_steps(implementation, OPTIONS["shared"], "new-shared", "old-shared"),
        },
        {"name": "scale", "steps": scale_steps(implementation)},
    ]


def busy(path):
    """Seconds that the guest's processor was not idle since it booted; None where it did not come so far."""
    if not path.exists():
        return None
    words = path.read_text().splitlines()[0].split()[1:]
    ticks = [int(word) for word in words]
    return (sum(ticks[:8]) - ticks[3] - ticks[4]) / 100


def evaluate(measured, implementation, folder):
    cell = cells.Cell(UDP, "dr", "new")

    def over(run, name, baseline):
        with_it = cells.per_packet(measured.get((run, name)), cell)
        without = cells.per_packet(measured.get((cells.FORWARD, baseline)), cell)
        return with_it - without if with_it and without else None

    found = {}
    for run, names in {
        "plain": ("new-plain", "old-plain"),
        "own": ("new-first", "new-next", "old-own"),
        "shared": ("new-shared", "old-shared"),
    }.items():
        for name in names:
            found[name] = over(run, name, name[:3])
    for size in SIZES:
        found[f"next-{size}"] = over("scale", f"next-{size}", "new")
        free, slab = measured.get(("scale", f"memory-{size}")), measured.get(
            ("scale", f"slab-{size}")
        )
        if free and slab:
            found[f"memory-{size}"] = (
                (measured["scale", "memory-0"]["kilobytes"] - free["kilobytes"]) * 1024 / size
            )
            found[f"slab-{size}"] = slab["bytes"] / size
    stats = [busy(folder / f"stat-{n}") for n in range(4)]
    # The templates of those who came once more at the end are among them: each runs out once.
    found["expiry"] = (
        None if None in stats else ((stats[3] - stats[2]) - (stats[1] - stats[0])) * 1e9 / SIZES[-1]
    )
    return found


def fill(implementation):
    """Instructions, bytes, by the names of COUNTED and others; None for what was not measured."""
    name = f"persistence-{implementation.name}"
    for stale in (guest.OUT / name).glob("stat-*"):
        stale.unlink()
    try:
        measured = guest.run(name, plan(implementation), memory=MEMORY, timeout=3000)
    except guest.Failed as failure:
        print(f"bench: {implementation.name}: {failure}", file=sys.stderr)
        measured = failure.measured
    return evaluate(measured, implementation, guest.OUT / name)


def turns(destination, first):
    """New connections by one processor, then by both."""

    def burst(number):
        return packets.each_flow(UDP, destination, COUNT, first + number * COUNT)

    return [
        cells.send("alone", burst(0)),
        {**cells.send("both", burst(1) + burst(2)), "together": True},
    ]


def plan_two(implementations):
    runs = []
    for turn in range(ROUNDS):
        runs.append({"name": f"forward-plain-{turn}", "steps": turns(packets.SERVERS[4][0], 0)})
        for one in implementations if turn % 2 else reversed(implementations):
            for name, options in OPTIONS.items():
                steps = (
                    one.load()
                    + service(options)
                    + [cells.send("", packets.one_flow(UDP, packets.VIP[4], 1))]
                )
                runs.append(
                    {
                        "name": f"{one.name}-{name}-{turn}",
                        "steps": steps + turns(packets.VIP[4], 0) + one.unload(),
                    }
                )
    return runs


def fill_two(implementations):
    """By (implementation or "forward", sharing): packets by two processors over packets by one in the same time."""
    try:
        measured = guest.run(
            "persistence-two", plan_two(implementations), accel=processors.OPTIONS, timeout=2400
        )
    except guest.Failed as failure:
        print(f"bench: two processors: {failure}", file=sys.stderr)
        measured = failure.measured
    found, cell = {}, cells.Cell(UDP, "dr", "new")
    for name in ["forward", *[one.name for one in implementations]]:
        for sharing in SHARING:
            for turn in range(ROUNDS):
                alone, both = (
                    measured.get((f"{name}-{sharing}-{turn}", what)) for what in ("alone", "both")
                )
                if alone and both and cells.complete(alone, cell) and cells.complete(both, cell):
                    gain = (both["packets"] / both["microseconds"]) / (
                        alone["packets"] / alone["microseconds"]
                    )
                    found.setdefault((name, sharing), []).append(gain)
    return found


def targets_of(section):
    """One template for all beside one for each client on two CPUs; a client's first packet."""
    two = section.get("two", {})
    own, shared = (two.get(f"rust {name}", []) for name in ("own", "shared"))
    target = None
    if min(len(own), len(shared)) >= 3:
        target = targets.Target(
            statistics.median(own) / statistics.median(shared),
            targets.OWN_OF_SHARED,
            "x as many as with one for each",
        )
    yield "two processors, one template for all clients", target
    first = section.get("rust", {}).get("new-first")
    if first is not None:
        yield "a client's first packet, with its template", targets.Target(
            first, targets.FIRST_WITH_TEMPLATE, "first packet"
        )


def show(implementations, found):
    head = ["", *[one.name for one in implementations]]

    def row(words, name):
        return [words, *[tables.number(found[one.name].get(name)) for one in implementations]]

    tables.show(
        "Persistence, DR: instructions per packet over plain forwarding",
        head,
        [row(words, name) for name, words in COUNTED.items()]
        + [
            row(f"new connection of a client with a template, one of {size:,}", f"next-{size}")
            for size in SIZES
        ]
        + [row(f"a template's end, of {SIZES[-1]:,}", "expiry")],
    )
    tables.show(
        "Bytes per template",
        head,
        [row(f"slab pages, {size:,}", f"slab-{size}") for size in SIZES]
        + [row(f"all memory, table included, {size:,}", f"memory-{size}") for size in SIZES],
    )


def show_two(implementations, found):
    rows = []
    for name in ["forward", *[one.name for one in implementations]]:
        for sharing, words in SHARING.items():
            gains = found.get((name, sharing), [])
            if name == "forward" and sharing != "plain":
                continue
            words = "plain forwarding" if name == "forward" else f"{name}, {words}"
            if len(gains) < 3:
                rows.append([words, "not measured", ""])
                continue
            low, middle, high = statistics.quantiles(gains, n=4)
            rows.append([words, f"{middle:.2f}", f"{low:.2f} to {high:.2f} in {len(gains)} turns"])
    tables.show(
        "Two processors, new connections: packets by two in the time of one's",
        ["", "times as many", "middle half of the turns"],
        rows,
    )
