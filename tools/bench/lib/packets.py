# SPDX-License-Identifier: GPL-2.0
"""The packets of the bench, as commands of pktgen: who sends them, to whom, how many, over how many flows.

pktgen sends UDP without a checksum. For TCP an nftables rule at the director's ingress makes TCP segments of the same
packets; it costs the same with and without a balancer, and so drops out of every difference.
"""

import os
from dataclasses import dataclass
from ipaddress import ip_address

VIP = {4: "10.0.0.1", 6: "fd00::1"}
SERVERS = {4: [f"10.2.0.{n}" for n in range(2, 6)], 6: [f"fd00:2::{n}" for n in range(2, 6)]}
# The one flow's client, and the first of those of many flows: 4 million of them are routed back.
ONE = {4: "10.64.0.1", 6: "fd00:64::1"}
FIRST = ip_address("10.64.1.0")
# pktgen cannot count through IPv6 sources: there, many flows are two clients with many ports.
FIRST6 = ["fd00:64::2", "fd00:64::3"]
PORTS6 = 10000
GATEWAY = {4: "10.1.0.2", 6: "fd00:1::2"}
# The director's addresses at its clients' and at its servers' side.
MAC = "02:00:00:00:01:01"
MAC_BACK = "02:00:00:00:02:01"
SERVICE_PORT = 80

# pktgen keeps a reference to each packet, unless it is told not to.
UNSHARED = bool(os.environ.get("UNSHARED"))

MEASURED_ONE = 10000
MEASURED_MANY = 15000
WARM = 200


@dataclass(frozen=True)
class Kind:
    """What kind of packet: family 4 or 6, protocol tcp or udp."""

    family: int
    protocol: str

    @property
    def name(self):
        return self.protocol + ("6" if self.family == 6 else "")


KINDS = {
    kind.name: kind for kind in (Kind(4, "udp"), Kind(4, "tcp"), Kind(6, "udp"), Kind(6, "tcp"))
}


def common(kind, count, mac=MAC):
    """Commands that every burst begins with; they also undo what another burst may have set."""
    size = 60 if kind.family == 4 else 80
    return [
        "clone_skb 0",
        "flag !SHARED" if UNSHARED else "flag SHARED",
        f"pkt_size {size}",
        "delay 0",
        f"dst_mac {mac}",
        f"count {count}",
        "flag !IPSRC_RND",
        "flag !IPDST_RND",
        "flag !UDPSRC_RND",
        "flag !UDPDST_RND",
    ]


def ports(name, low, high=None):
    return [f"udp_{name}_min {low}", f"udp_{name}_max {high or low}"]


def addresses(kind, source, destination):
    """Commands for addresses, each one or a range (low, high)."""
    if kind.family == 6:
        return [f"dst6 {destination}", f"src6 {source}"]
    commands = []
    for name, wanted in ("src", source), ("dst", destination):
        low, high = wanted if isinstance(wanted, tuple) else (wanted, wanted)
        commands += [f"{name}_min {low}", f"{name}_max {high}"]
    return commands


def one_flow(kind, destination, count=MEASURED_ONE):
    """Packets of one client."""
    return [
        common(kind, count)
        + addresses(kind, ONE[kind.family], destination)
        + ports("src", 1000)
        + ports("dst", SERVICE_PORT)
    ]


def one_flow_back(kind, server, count=MEASURED_ONE):
    """What a server answers to that client."""
    return [
        common(kind, count, MAC_BACK)
        + addresses(kind, server, ONE[kind.family])
        + ports("src", SERVICE_PORT)
        + ports("dst", 1000)
    ]


def each_flow(kind, destination, flows, first=0):
    """One packet of each of many flows, from the flow with the number `first` on."""
    if kind.family == 4:
        clients = (FIRST + first, FIRST + first + (flows - 1))
        return [
            common(kind, flows)
            + addresses(kind, clients, destination)
            + ports("src", 1000)
            + ports("dst", SERVICE_PORT)
        ]
    half = flows // 2
    return [
        common(kind, half)
        + addresses(kind, client, destination)
        + ports("src", PORTS6, PORTS6 + half - 1)
        + ports("dst", SERVICE_PORT)
        for client in FIRST6
    ]


def each_flow_back(kind, server, flows):
    """One answer to each client."""
    if kind.family == 4:
        return [
            common(kind, flows, MAC_BACK)
            + addresses(kind, server, (FIRST, FIRST + (flows - 1)))
            + ports("src", SERVICE_PORT)
            + ports("dst", 1000)
        ]
    half = flows // 2
    return [
        common(kind, half, MAC_BACK)
        + addresses(kind, server, client)
        + ports("src", SERVICE_PORT)
        + ports("dst", PORTS6, PORTS6 + half - 1)
        for client in FIRST6
    ]


def some_flows(kind, destination, flows, count=MEASURED_MANY):
    """Packets of flows that are picked at random among those of each_flow()."""
    if kind.family == 4:
        clients = (FIRST, FIRST + (flows - 1))
        return [
            common(kind, count)
            + addresses(kind, clients, destination)
            + ["flag IPSRC_RND"]
            + ports("src", 1000)
            + ports("dst", SERVICE_PORT)
        ]
    half = flows // 2
    return [
        common(kind, count // 2)
        + addresses(kind, client, destination)
        + ["flag UDPSRC_RND"]
        + ports("src", PORTS6, PORTS6 + half - 1)
        + ports("dst", SERVICE_PORT)
        for client in FIRST6
    ]


def some_flows_back(kind, server, flows, count=MEASURED_MANY):
    """What a server answers to clients that are picked at random."""
    if kind.family == 4:
        clients = (FIRST, FIRST + (flows - 1))
        return [
            common(kind, count, MAC_BACK)
            + addresses(kind, server, clients)
            + ["flag IPDST_RND"]
            + ports("src", SERVICE_PORT)
            + ports("dst", 1000)
        ]
    half = flows // 2
    return [
        common(kind, count // 2, MAC_BACK)
        + addresses(kind, server, client)
        + ["flag UDPDST_RND"]
        + ports("src", SERVICE_PORT)
        + ports("dst", PORTS6, PORTS6 + half - 1)
        for client in FIRST6
    ]


# TCP out of UDP: flags and header length where pktgen has a number, then the protocol, which mends
# the IP checksum.
TCP_FLAGS = {"syn": 0x5002, "ack": 0x5010}
AS_TCP = """
table netdev bench
delete table netdev bench
table netdev bench {{
    chain in {{
        type filter hook ingress devices = {{ c0, d0 }} priority -500;
        @th,96,16 set {flags:#x} {protocol}
    }}
}}
"""


def as_protocol(kind, flags):
    """Steps after which packets arrive as segments with those flags; none for UDP."""
    if kind.protocol == "udp":
        return []
    protocol = "ip protocol set 6" if kind.family == 4 else "ip6 nexthdr set 6"
    return [{"sh": "nft -f -", "stdin": AS_TCP.format(flags=TCP_FLAGS[flags], protocol=protocol)}]


def as_sent():
    """A step that undoes as_protocol()."""
    return {"sh": "nft -f -", "stdin": "table netdev bench\ndelete table netdev bench\n"}
