# SPDX-License-Identifier: GPL-2.0
"""Streams by the clock: plain forwarding, a flowtable, C ip_vs and ours take turns.

In User-mode Linux with two processors, by NAT. TCP is that of iperf3, with segments as large as TSO
makes them, and GRO; small packets are those of pktgen, as fast as it sends them, by one processor,
and by two with a flow each; what it takes to send them, measured by dropping them on arrival, is
left out. Of several short streams in a turn the fastest counts, and a number is a rate over that of
plain forwarding in the same turn, because the machine's own clock depends on what else the machine
does.
"""

import statistics

from . import cells, clock, packets, tables, targets

UDP, TCP = packets.KINDS["udp"], packets.KINDS["tcp"]
ROUNDS = 7
SECONDS = 1
STREAMS = 2
COUNT = 10000
BURSTS = 20
LIMIT = 3600
OPTIONS = ("ncpus=2", "seccomp=on")
# By the name of the step: what is streamed.
TCP_FLOWS = {"tcp-1": 1, "tcp-64": 64}
SMALL = ("small-1", "small-2")
WORDS = {
    "tcp-1": "TCP, one flow",
    "tcp-64": "TCP, 64 flows",
    "small-1": "small packets, one processor",
    "small-2": "small packets, two processors",
}
SERVER = packets.SERVERS[4][0]

# The far ends as hosts, whose iperf3 waits; what the bench's neighbours are for is undone by far().
HOSTS = """
ip -n servers address add {server}/24 dev eth0
ip -n servers route add default via 10.2.0.1
ip -n client address add 10.1.0.9/24 dev eth0
ip -n client route add default via 10.1.0.1
ip -n servers link set lo up
ip -n client link set lo up
ip netns exec servers iperf3 --server --daemon --port {port}
modprobe nf_tables
"""

# This kernel does not find modules by itself.
NFT_MODULES = (
    "nft_ct nft_nat nft_chain_nat nft_numgen nft_flow_offload nf_flow_table_inet"
    " nf_conntrack_netlink"
)


# GRO, and TSO with it, on all four interfaces. Without GRO, a veth hands a packet over where it was
# sent; with it, packets of pktgen would overflow a queue.
OFFLOADS = """
for device in c0 d0; do ethtool -K $device gro {state} tso {state}; done
for space in client servers; do ip netns exec $space ethtool -K eth0 gro {state} tso {state}; done
"""


def far(is_host):
    """Makes the server's neighbour that of its host, or one whose packets the far end drops."""
    address = "02:00:00:00:02:fe" if is_host else "02:00:00:00:02:02"
    line = f"ip neigh replace {SERVER} lladdr {address} dev d0 nud permanent"
    return {"sh": line + OFFLOADS.format(state="on" if is_host else "off").rstrip()}


def flow(address, number, count):
    """Packets of the flow with that number."""
    burst = packets.one_flow(UDP, address, count)[0]
    # A packet of a network card has no other reference either.
    return burst + ["flag !SHARED"] + packets.ports("src", 1000 + number)


def dropped(step):
    """The name of the step with the same packets, dropped on arrival."""
    return f"{step}-dropped"


def small_steps(implementation, address):
    """Two flows, established; then packets of one from one processor, and of both from two."""
    both = [flow(address, number, COUNT) for number in (0, 1)]
    steps = [far(False)]
    for _ in range(2):
        steps.append(cells.send("", [flow(address, number, 2) for number in (0, 1)]))
        if implementation and implementation.needs_replies:
            back = packets.one_flow_back(UDP, SERVER, 2)[0]
            bursts = [back + packets.ports("dst", 1000 + number) for number in (0, 1)]
            steps.append(cells.send_back("", bursts))
    steps.append(cells.send("", [flow(address, 0, COUNT)]))
    often = {"times": BURSTS, "best": True}
    measured = [
        {**cells.send("small-1", both[:1]), **often},
        {**cells.send("small-2", both), "together": True, "shared": True, **often},
    ]
    if implementation is None:
        drop = "chain in { type filter hook ingress device c0 priority 0; policy drop; }"
        measured += [
            {"sh": "nft -f -", "stdin": f"table netdev early {{\n{drop}\n}}\n"},
            *({**step, "send": dropped(step["send"])} for step in measured),
            {"sh": "nft delete table netdev early"},
        ]
    return steps + measured


def turn(name, implementation):
    """One turn of a balancer, or of plain forwarding."""
    address = packets.VIP[4] if implementation else SERVER
    steps = [*implementation.load()] if implementation else []
    if implementation and implementation.is_nft:
        steps.append({"sh": f"modprobe -a {NFT_MODULES}"})
    for kind in TCP, UDP:
        if implementation:
            steps += implementation.service(kind, "nat", 1)
        if kind == UDP:
            steps += small_steps(implementation, address)
            continue
        steps.append(far(True))
        for step, flows in TCP_FLOWS.items():
            one = {"stream": step, "to": address, "flows": flows, "seconds": SECONDS}
            steps.append({**one, "times": STREAMS})
        if implementation and implementation.is_nft:
            steps.append({"sh": "nft flush ruleset"})
    return {"name": name, "steps": steps + (implementation.unload() if implementation else [])}


def plan(implementations, rounds):
    """Every turn has all of them, each time in the other order."""
    order = [None, *map(clock.in_user_mode, implementations)]
    hosts = HOSTS.format(server=SERVER, port=packets.SERVICE_PORT)
    runs = [{"name": "hosts", "steps": [{"sh": hosts.strip()}]}]
    for number in range(rounds):
        for one in order if number % 2 else reversed(order):
            runs.append(turn(f"{one.name if one else cells.FORWARD}-{number}", one))
    return runs


def rate(measured, name, step):
    """Bits or packets per second of a step; None if it was not measured, or packets were lost."""
    result = measured.get((name, step))
    if result is None:
        return None
    if step in TCP_FLOWS:
        return result["bits"]
    if step in SMALL and not cells.complete(result, cells.Cell(UDP, "nat", "one")):
        return None
    return result["packets"] / result["microseconds"] * 1e6


def fill(implementations, rounds=ROUNDS):
    """Rates by (implementation or "forward", step), one for each turn but the first."""
    measured = clock.run("um-stream", plan(implementations, rounds), LIMIT, OPTIONS)
    wanted = [(cells.FORWARD, dropped(step)) for step in SMALL]
    for name in [cells.FORWARD, *[one.name for one in implementations]]:
        wanted += [(name, step) for step in WORDS]
    return {
        (name, step): [rate(measured, f"{name}-{number}", step) for number in range(1, rounds)]
        for name, step in wanted
    }


def rates(found, name, step):
    """The rates of one by turns, None where missing; of small packets without sending them."""
    every = found.get((name, step), [])
    if step not in SMALL:
        return every
    sent = found.get((cells.FORWARD, dropped(step)), [])
    return [1 / (1 / a - 1 / b) if a and b and a < b else None for a, b in zip(every, sent)]


def ratios(found, name, other, step):
    """The rates of one over those of another in the same turns."""
    pairs = zip(rates(found, name, step), rates(found, other, step))
    return [a / b for a, b in pairs if a and b]


def targets_of(found):
    """Yields ours beside plain forwarding and the flowtable, as words and target."""
    for step, words in WORDS.items():
        for other, factor, name in targets.STREAM.get(step.split("-")[0], ()):
            every = ratios(found, "rust-fast2", other, step)
            if len(every) >= 3:
                # A target is not to be exceeded: so it is of the time that ours takes.
                yield f"{words}: time beside {name}", targets.Target(
                    1 / statistics.median(every), 1 / factor, f"1/{factor} of {name}"
                )


def show(implementations, found):
    rows = []
    for step, words in WORDS.items():
        plain = [value for value in rates(found, cells.FORWARD, step) if value]
        unit, scale = ("Gbit/s", 1e9) if step in TCP_FLOWS else ("thousand/s", 1e3)
        if plain:
            rows.append(
                [f"{words}, plain: {statistics.median(plain) / scale:,.1f} {unit}", "1.00", ""]
            )
        for one in implementations:
            every = ratios(found, one.name, cells.FORWARD, step)
            row = [f"{words}, {one.name}", "not measured", ""]
            if len(every) >= 3:
                middle, low, high = clock.spread(every)
                row[1:] = f"{middle:.2f}", f"{low:.2f} to {high:.2f} in {len(every)} turns"
            rows.append(row)
    tables.show(
        "Streams in User-mode Linux, two processors: times what plain forwarding does",
        ["", "times as many", "middle half"],
        rows,
    )
    rows = [
        [words, tables.decimal(target.value), tables.verdict(target)]
        for words, target in targets_of(found)
    ]
    if rows:
        tables.show("Targets of streams", ["", "ours", "target"], rows)
