# SPDX-License-Identifier: GPL-2.0
"""The cells of the tables: their names, the guest's plan that fills them, and how results become numbers.

A cell is [KIND-]WAY-LOAD. KIND is udp (left out), tcp, udp6 or tcp6. WAY is nat, dr, tun, gue (tun
with GUE), reply (what a server answers through NAT) or foreign (a packet that concerns no service,
while there is one). LOAD is one (one flow), 100k (packets of 100,000 established flows, picked at
random) or new (each packet is the first of its flow, 100,000 of them).
"""

from dataclasses import dataclass

from . import packets

FLOWS = 100000
METHODS = ("nat", "dr", "tun")
LOADS = ("one", "100k", "new")
# Another header of TUN: measured with one flow only.
GUE = "gue"
REQUESTS = (*METHODS, GUE)
FORWARD = "forward"
TIMES = 3


@dataclass(frozen=True, order=True)
class Cell:
    """One number: the instructions per packet over plain forwarding of the same packet."""

    kind: packets.Kind
    way: str
    load: str

    @property
    def name(self):
        return ("" if self.kind.name == "udp" else self.kind.name + "-") + f"{self.way}-{self.load}"

    @property
    def group(self):
        return f"{self.kind.name}-{self.way}"

    @property
    def baseline(self):
        """The step of the forwarding run that this cell is compared with."""
        way = "back-" if self.way == "reply" else ""
        return f"{self.kind.name}-{way}{self.load}"


def every_cell():
    cells = [
        Cell(kind, way, load)
        for kind in packets.KINDS.values()
        for way in METHODS
        for load in LOADS
    ]
    cells += [Cell(kind, GUE, "one") for kind in packets.KINDS.values()]
    cells += [
        Cell(kind, "reply", load) for kind in packets.KINDS.values() for load in ("one", "100k")
    ]
    cells += [
        Cell(kind, "foreign", "one") for kind in packets.KINDS.values() if kind.protocol == "udp"
    ]
    return {cell.name: cell for cell in cells}


def core_cells():
    """DESIGN's table: UDP over IPv4."""
    return [
        cell for cell in every_cell().values() if cell.kind.name == "udp" and cell.way in METHODS
    ]


def send(name, bursts):
    return {"send": name, "bursts": bursts}


def send_back(name, bursts):
    """Packets of servers."""
    return {**send(name, bursts), "from": "servers"}


def often(step):
    """A step that leaves everything as it is, several times."""
    return {**step, "times": TIMES}


def dropped(cell):
    """The name of the step with a cell's baseline's packets, dropped as they arrive."""
    return f"{cell.baseline}-dropped"


def drop_steps(cell, step):
    """The same packets once more, dropped as they arrive: what sending them costs."""
    device = "d0" if cell.way == "reply" else "c0"
    chain = f"chain in {{ type filter hook ingress device {device} priority 0; policy drop; }}"
    return [
        {"sh": "nft -f -", "stdin": f"table netdev early {{\n{chain}\n}}\n"},
        {**step, "send": dropped(cell)},
        {"sh": "nft delete table netdev early"},
    ]


def forwarding(cells):
    """The run without a balancer: each kind of packet that the cells want, sent straight to a real server."""
    steps = []
    for cell in {cell.baseline: cell for cell in cells}.values():
        kind, server = cell.kind, packets.SERVERS[cell.kind.family][0]
        steps += packets.as_protocol(kind, "syn" if cell.load == "new" else "ack")
        back = cell.way == "reply"
        sending = send_back if back else send
        if cell.load == "one":
            flow = packets.one_flow_back if back else packets.one_flow
            step = often(sending(cell.baseline, flow(kind, server)))
            steps += [sending("", flow(kind, server, packets.WARM)), step, *drop_steps(cell, step)]
        elif cell.load == "100k":
            flows = packets.some_flows_back if back else packets.some_flows
            steps.append(often(sending(cell.baseline, flows(kind, server, FLOWS))))
        else:
            steps.append(send(cell.baseline, packets.each_flow(kind, server, FLOWS)))
        if kind.protocol == "tcp":
            steps.append(packets.as_sent())
    return {"name": FORWARD, "steps": steps}


def established_one(implementation, kind, address):
    """Makes the one flow's connection: by packets of the client, and of the server if needed."""
    server = packets.SERVERS[kind.family][0]
    steps = packets.as_protocol(kind, implementation.opening)
    steps.append(send("", packets.one_flow(kind, address, 1)))
    steps += packets.as_protocol(kind, "ack")
    if implementation.needs_replies:
        steps.append(send_back("", packets.one_flow_back(kind, server, 2)))
    return steps + [send("", packets.one_flow(kind, address, packets.WARM))]


def many_steps(implementation, kind, vip, name, established):
    """New connections, measured as `name`; if `established`, two packets more of each.

    The second makes TCP's established; the third is the first that may go the way of all others.
    """
    server = packets.SERVERS[kind.family][0]
    steps = packets.as_protocol(kind, implementation.opening)
    steps.append(send(name, packets.each_flow(kind, vip, FLOWS)))
    steps += packets.as_protocol(kind, "ack")
    if established and implementation.needs_replies:
        steps.append(send_back("", packets.each_flow_back(kind, server, FLOWS)))
    if established:
        steps += [send("", packets.each_flow(kind, vip, FLOWS))] * 2
    return steps


def one_steps(implementation, kind, way, name):
    """One established flow, measured as `name`."""
    vip, server = packets.VIP[kind.family], packets.SERVERS[kind.family][0]
    if way == "reply":
        return established_one(implementation, kind, vip) + [
            send_back("", packets.one_flow_back(kind, server, packets.WARM)),
            often(send_back(name, packets.one_flow_back(kind, server))),
        ]
    if way == "foreign":
        # Where entries of conntrack tell flows apart, that of the service would be in the way.
        steps = [] if implementation.is_nft else established_one(implementation, kind, vip)
        return (
            steps
            + established_one(implementation, kind, server)
            + [often(send(name, packets.one_flow(kind, server)))]
        )
    return established_one(implementation, kind, vip) + [
        often(send(name, packets.one_flow(kind, vip)))
    ]


def group_steps(implementation, kind, way, loads):
    """One service, and all the loads that are wanted of it."""
    vip, server = packets.VIP[kind.family], packets.SERVERS[kind.family][0]
    method = way if way in REQUESTS else "nat"
    # If the answers of a server are sent, it is the only one, so that each client's connection is
    # with it.
    servers = 1 if way == "reply" or implementation.needs_replies else 4
    steps = implementation.load() + implementation.service(kind, method, servers)
    prefix = Cell(kind, way, "").name
    if "one" in loads:
        steps += one_steps(implementation, kind, way, prefix + "one")
    if "new" in loads or "100k" in loads:
        name = prefix + "new" if way in METHODS else ""
        steps += many_steps(implementation, kind, vip, name, "100k" in loads)
        steps.append({"slab": prefix + "slab", "cache": implementation.slab})
    if "100k" in loads:
        if way == "reply":
            # The first answer changes the state of a connection, and the second is the first that
            # finds it so: those are not the packets that are meant.
            steps += [
                *[send_back("", packets.each_flow_back(kind, server, FLOWS))] * 2,
                often(send_back(prefix + "100k", packets.some_flows_back(kind, server, FLOWS))),
            ]
        else:
            steps.append(often(send(prefix + "100k", packets.some_flows(kind, vip, FLOWS))))
    if kind.protocol == "tcp":
        steps.append(packets.as_sent())
    return steps + implementation.unload()


def can(implementation, cell):
    """Does this balancer have such a cell at all?"""
    if cell.load not in implementation.loads:
        return False
    return cell.way in (*implementation.methods, *implementation.others)


def plan(implementation, cells):
    """What a guest does to fill these cells for one balancer."""
    cells = [cell for cell in cells if can(implementation, cell)]
    runs = [forwarding(cells)]
    groups = {}
    for cell in cells:
        groups.setdefault((cell.kind, cell.way), set()).add(cell.load)
    for (kind, way), loads in groups.items():
        runs.append(
            {"name": f"{kind.name}-{way}", "steps": group_steps(implementation, kind, way, loads)}
        )
    return runs


def complete(result, cell):
    """Did all packets leave by the interface meant, and did IPVS see them as what they are?"""
    names = ["to_clients" if cell.way == "reply" else "to_servers"]
    if "requests" in result and cell.way != "foreign":
        names.append("replies" if cell.way == "reply" else "requests")
    return all(result[name] >= result["packets"] * 0.999 for name in names)


def went_early(result, cell):
    """Did nearly all leave without being received by the stack?"""
    return result[f"received{cell.kind.family}"] < result["packets"] * 0.01


def per_packet(result, cell):
    """Instructions per packet, a nanosecond of the guest's clock each; None where packets were lost on the way."""
    if result is None or not complete(result, cell):
        return None
    return result["microseconds"] * 1000 / result["packets"]


def evaluate(measured, cells, implementation=None):
    """Instructions over plain forwarding by cell name, None where the guest did not come to it.

    Also None for a balancer that takes established flows early, if they went the usual way.
    """
    values = {}
    for cell in cells:
        result = measured.get((cell.group, cell.name))
        with_it = per_packet(result, cell)
        without = per_packet(measured.get((FORWARD, cell.baseline)), cell)
        if with_it and implementation and implementation.is_early and cell.load != "new":
            with_it = with_it if went_early(result, cell) else None
        values[cell.name] = with_it - without if with_it and without else None
    return values


def routing(measured, cells):
    """Instructions per packet of plain forwarding by the name of its step: all, and to send it."""
    values = {}
    for cell in cells:
        whole = per_packet(measured.get((FORWARD, cell.baseline)), cell)
        sent = measured.get((FORWARD, dropped(cell)))
        if whole and sent and sent["packets"]:
            values[cell.baseline] = [whole, sent["microseconds"] * 1000 / sent["packets"]]
        elif whole:
            values[cell.baseline] = [whole, None]
    return values
