# SPDX-License-Identifier: GPL-2.0
"""The balancers that are compared: how each comes, gets its service, and goes."""

import os
from dataclasses import dataclass, field

from . import packets

METHODS = {"nat": "-m", "dr": "-g", "tun": "-i"}
PROTOCOLS = {"udp": "-u", "tcp": "-t"}
# The value of fast_path that rust_ipvs is loaded with.
FAST_PATH = os.environ.get("FAST_PATH") or "0"


@dataclass(frozen=True)
class Implementation:
    """One balancer: its name in tables, its module (in /checkout) or none, the end of its slab cache's name."""

    name: str
    words: str
    slab: str
    module: str = ""
    parameters: str = ""
    methods: tuple = field(default=tuple(METHODS))

    @property
    def is_nft(self):
        return self.slab == "nf_conntrack"

    @property
    def opening(self):
        """What TCP's connections begin with here. Conntrack would want to see a SYN answered, but picks up others."""
        return "ack" if self.is_nft else "syn"

    def load(self):
        if self.module:
            file = f"/checkout/{self.module}"
            needs = f"modprobe -a $(modinfo -F depends {file} | tr , ' ')"
            return [{"sh": f"{needs}; insmod {file} fast_path={FAST_PATH}"}]
        if self.is_nft:
            # What nftables' conntrack would judge of packets that pktgen made is not the question
            # here.
            return [
                {
                    "sh": "modprobe nf_conntrack; sysctl -qw net.netfilter.nf_conntrack_checksum=0"
                    " net.netfilter.nf_conntrack_tcp_be_liberal=1 net.netfilter.nf_conntrack_max=5000000"
                }
            ]
        return [{"sh": f"modprobe ip_vs {self.parameters}; modprobe -a ip_vs_rr"}]

    def service(self, kind, method, servers=4, scheduler="rr"):
        if self.is_nft:
            return [{"sh": "nft -f -", "stdin": nft_rules(kind, servers)}]
        bracket = "[{}]:{}" if kind.family == 6 else "{}:{}"
        vip = bracket.format(packets.VIP[kind.family], packets.SERVICE_PORT)
        option = PROTOCOLS[kind.protocol]
        lines = [f"-A {option} {vip} -s {scheduler}"]
        for server in packets.SERVERS[kind.family][:servers]:
            real = bracket.format(server, packets.SERVICE_PORT)
            lines.append(f"-a {option} {vip} -r {real} {METHODS[method]}")
        return [{"sh": "ipvsadm -R", "stdin": "\n".join(lines) + "\n"}]

    def unload(self):
        """Everything is gone afterwards, so that the next run begins like the first."""
        if self.module:
            return [{"sh": "rmmod rust_ipvs"}]
        if self.is_nft:
            return [
                {
                    "sh": "nft flush ruleset; conntrack -F; rmmod nft_nat nft_numgen nft_chain_nat nf_nat nf_conntrack_netlink"
                    "; for i in 1 2 3 4 5; do rmmod nft_ct nf_conntrack && break; sleep 1; done"
                    "; ! lsmod | grep -w ^nf_conntrack"
                }
            ]
        return [
            {
                "sh": "ipvsadm -C; for m in /sys/module/ip_vs_*; do [ ! -d $m ] || rmmod ${m##*/}; done"
                "; rmmod ip_vs"
            }
        ]


def nft_rules(kind, servers):
    """DNAT to servers in turn."""
    ip = "ip6" if kind.family == 6 else "ip"
    turns = ", ".join(
        f"{n} : {server}" for n, server in enumerate(packets.SERVERS[kind.family][:servers])
    )
    return f"""
table {ip} balance {{
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        {ip} daddr {packets.VIP[kind.family]} {kind.protocol} dport {packets.SERVICE_PORT} \\
            dnat to numgen inc mod {servers} map {{ {turns} }}
    }}
}}
"""


def implementations(shipped, other):
    """All of them by name; `shipped` and `other` are the files of our two builds."""
    every = [
        Implementation("c", "C ip_vs as it comes", "ip_vs_conn"),
        Implementation(
            "c20", "C ip_vs, conn_tab_bits=20", "ip_vs_conn", parameters="conn_tab_bits=20"
        ),
        Implementation("nft", "nftables DNAT", "nf_conntrack", methods=("nat",)),
        Implementation("rust", "rust_ipvs", "rust_ipvs_conn", module=shipped),
        Implementation(
            "rust-other", "rust_ipvs, linked the other way", "rust_ipvs_conn", module=other
        ),
    ]
    return {implementation.name: implementation for implementation in every}
