# SPDX-License-Identifier: GPL-2.0
"""The cells of the tables: their names, the guest's plan that fills them, and how results become numbers.

A cell is [KIND-]WAY-LOAD. KIND is udp (left out), tcp, udp6 or tcp6. WAY is nat, dr, tun, reply (what a server
answers through NAT) or foreign (a packet that concerns no service, while there is one). LOAD is one (one flow), 100k
(packets of 100,000 established flows, picked at random) or new (each packet is the first of its flow, 100,000 of them).
"""

from dataclasses import dataclass

from . import packets

FLOWS = 100000
METHODS = ("nat", "dr", "tun")
LOADS = ("one", "100k", "new")
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


def send_often(name, bursts):
    """What leaves everything as it is, several times."""
    return {**send(name, bursts), "times": TIMES}


def forwarding(cells):
    """The run without a balancer: each kind of packet that the cells want, sent straight to a real server."""
    steps = []
    for cell in {cell.baseline: cell for cell in cells}.values():
        kind, server = cell.kind, packets.SERVERS[cell.kind.family][0]
        steps += packets.as_protocol(kind, "syn" if cell.load == "new" else "ack")
        back = cell.way == "reply"
        if cell.load == "one":
            flow = packets.one_flow_back if back else packets.one_flow
            steps += [
                send("", flow(kind, server, packets.WARM)),
                send_often(cell.baseline, flow(kind, server)),
            ]
        elif cell.load == "100k":
            flows = packets.some_flows_back if back else packets.some_flows
            steps.append(send_often(cell.baseline, flows(kind, server, FLOWS)))
        else:
            steps.append(send(cell.baseline, packets.each_flow(kind, server, FLOWS)))
        if kind.protocol == "tcp":
            steps.append(packets.as_sent())
    return {"name": FORWARD, "steps": steps}


def established_one(kind, vip, opening):
    """Makes the one flow's connection, as far as packets of one side make it."""
    steps = packets.as_protocol(kind, opening) + [send("", packets.one_flow(kind, vip, 1))]
    return (
        steps
        + packets.as_protocol(kind, "ack")
        + [send("", packets.one_flow(kind, vip, packets.WARM))]
    )


def many_steps(kind, vip, name, established, opening):
    """New connections, measured as `name`; and a second packet of each if they are to be established."""
    steps = packets.as_protocol(kind, opening) + [send(name, packets.each_flow(kind, vip, FLOWS))]
    steps += packets.as_protocol(kind, "ack")
    if established and kind.protocol == "tcp":
        steps.append(send("", packets.each_flow(kind, vip, FLOWS)))
    return steps


def group_steps(implementation, kind, way, loads):
    """One service, and all the loads that are wanted of it."""
    vip, server = packets.VIP[kind.family], packets.SERVERS[kind.family][0]
    method = way if way in METHODS else "nat"
    # The server whose answers are measured is the only one, so that each client's connection is
    # with it.
    steps = implementation.load() + implementation.service(kind, method, 1 if way == "reply" else 4)
    prefix = Cell(kind, way, "").name
    if "one" in loads:
        steps += established_one(kind, vip, implementation.opening)
        if way == "reply":
            steps += [
                send("", packets.one_flow_back(kind, server, packets.WARM)),
                send_often(prefix + "one", packets.one_flow_back(kind, server)),
            ]
        elif way == "foreign":
            steps += [
                send("", packets.one_flow(kind, server, packets.WARM)),
                send_often(prefix + "one", packets.one_flow(kind, server)),
            ]
        else:
            steps.append(send_often(prefix + "one", packets.one_flow(kind, vip)))
    if "new" in loads or "100k" in loads:
        steps += many_steps(
            kind,
            vip,
            prefix + "new" if way in METHODS else "",
            "100k" in loads,
            implementation.opening,
        )
        steps.append({"slab": prefix + "slab", "cache": implementation.slab})
    if "100k" in loads:
        if way == "reply":
            # The first answer changes the state of a connection: that is not the packet that is
            # meant.
            steps += [
                send("", packets.each_flow_back(kind, server, FLOWS)),
                send_often(prefix + "100k", packets.some_flows_back(kind, server, FLOWS)),
            ]
        else:
            steps.append(send_often(prefix + "100k", packets.some_flows(kind, vip, FLOWS)))
    if kind.protocol == "tcp":
        steps.append(packets.as_sent())
    return steps + implementation.unload()


def can(implementation, cell):
    """Does this balancer have such a cell at all?"""
    return cell.way not in METHODS or cell.way in implementation.methods


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
    """Were it the packets that were meant, did they all come through, and did IPVS see them as what they are?"""
    names = [f"received{cell.kind.family}", "passed"]
    if "requests" in result and cell.way != "foreign":
        names.append("replies" if cell.way == "reply" else "requests")
    return all(result[name] >= result["packets"] * 0.999 for name in names)


def per_packet(result, cell):
    """Instructions per packet, a nanosecond of the guest's clock each; None where packets were lost on the way."""
    if result is None or not complete(result, cell):
        return None
    return result["microseconds"] * 1000 / result["packets"]


def evaluate(measured, cells):
    """Instructions over plain forwarding by cell name, None where the guest did not come to it."""
    values = {}
    for cell in cells:
        with_it = per_packet(measured.get((cell.group, cell.name)), cell)
        without = per_packet(measured.get((FORWARD, cell.baseline)), cell)
        values[cell.name] = with_it - without if with_it and without else None
    return values
