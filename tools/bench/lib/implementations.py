# SPDX-License-Identifier: GPL-2.0
"""The balancers that are compared: how each comes, gets its service, and goes."""

import os
from dataclasses import dataclass, field

from . import packets

METHODS = {"nat": "-m", "dr": "-g", "tun": "-i", "gue": "-i --tun-type gue --tun-port 6080"}
# Ways of packets that are not a method of forwarding requests.
OTHERS = ("reply", "foreign")
LOADS = ("one", "100k", "new")
PROTOCOLS = {"udp": "-u", "tcp": "-t"}
# The parameter of rust_ipvs for its fast path, if it is not to have its own default.
FAST_PATH = "fast_path=" + os.environ["FAST_PATH"] if os.environ.get("FAST_PATH") else ""


@dataclass(frozen=True)
class Implementation:
    """One balancer.

    `module` is ours, in /checkout. `slab` is the end of the name of the slab cache of its
    connections. `parameters` are those of the module. `rules` names the rules of nftables that
    balance, if they do: "dnat", "flowtable" or "fwd". `methods`, `others` and `loads` are the cells
    that it has.
    """

    name: str
    words: str
    slab: str
    module: str = ""
    parameters: str = ""
    rules: str = ""
    methods: tuple = field(default=tuple(METHODS))
    others: tuple = OTHERS
    loads: tuple = LOADS

    @property
    def is_nft(self):
        """True if connections are those of conntrack."""
        return self.rules in ("dnat", "flowtable")

    @property
    def is_early(self):
        """True if packets of established flows do not reach the stack."""
        return self.rules in ("flowtable", "fwd")

    @property
    def needs_replies(self):
        """True if a flow is established only after a packet of the server."""
        return self.rules == "flowtable"

    @property
    def opening(self):
        """What TCP's connections begin with here. Conntrack would want to see a SYN answered, but picks up others."""
        return "ack" if self.is_nft else "syn"

    def load(self):
        if self.module:
            file = f"/checkout/{self.module}"
            needs = f"modprobe -a $(modinfo -F depends {file} | tr , ' ')"
            return [{"sh": f"{needs}; insmod {file} {self.parameters}"}]
        if self.rules == "fwd":
            return [{"sh": "modprobe nft_fwd_netdev"}]
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
        if self.rules == "fwd":
            return [{"sh": "nft -f -", "stdin": fwd_rules(kind, method)}]
        if self.is_nft:
            text = nft_rules(kind, servers) + (OFFLOAD if self.rules == "flowtable" else "")
            return [{"sh": "nft -f -", "stdin": text}]
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
        if self.rules == "fwd":
            return [{"sh": "nft flush ruleset"}]
        if self.is_nft:
            return [
                {
                    "sh": "nft flush ruleset; conntrack -F; rmmod nft_nat nft_numgen nft_chain_nat nf_nat nf_conntrack_netlink"
                    "; for i in 1 2 3 4 5 6 7 8; do rmmod nft_flow_offload"
                    "; rmmod nf_flow_table_inet; rmmod nf_flow_table"
                    "; rmmod nft_ct nf_conntrack && break; sleep 1; done"
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


# Flows of which both sides have been seen are taken at ingress.
OFFLOAD = """
table inet fast {
    flowtable fast {
        hook ingress priority 0;
        devices = { c0, d0 };
    }
    chain through {
        type filter hook forward priority 0;
        ct state established flow add @fast
    }
}
"""


def fwd_rules(kind, method):
    """Forwards at ingress without connections: the least that DR, and NAT by an address, need."""
    ip = "ip6" if kind.family == 6 else "ip"
    vip, server = packets.VIP[kind.family], packets.SERVERS[kind.family][0]
    there = f"{ip} daddr set {server}" if method == "nat" else ""
    back = f"{ip} saddr set {vip}" if method == "nat" else ""
    return f"""
table netdev balance {{
    chain requests {{
        type filter hook ingress device c0 priority 0;
        {ip} daddr {vip} {kind.protocol} dport {packets.SERVICE_PORT} \\
            {there} fwd {ip} to {server} device d0
    }}
    chain replies {{
        type filter hook ingress device d0 priority 0;
        {ip} saddr {server} {kind.protocol} sport {packets.SERVICE_PORT} \\
            {back} fwd {ip} to {packets.GATEWAY[kind.family]} device c0
    }}
}}
"""


# Ours with a value of fast_path that it need not have by default: by name, that value and words.
FAST_PATHS = {
    "rust-fast0": (0, "rust_ipvs without its fast path"),
    "rust-fast2": (2, "rust_ipvs with its fast path"),
}


def rust(name, words, module, parameters):
    return Implementation(name, words, "rust_ipvs_conn", module=module, parameters=parameters)


def implementations(shipped, other):
    """All of them by name; `shipped` and `other` are the files of our two builds."""
    every = [
        Implementation("c", "C ip_vs as it comes", "ip_vs_conn"),
        Implementation(
            "c20", "C ip_vs, conn_tab_bits=20", "ip_vs_conn", parameters="conn_tab_bits=20"
        ),
        Implementation("nft", "nftables DNAT", "nf_conntrack", rules="dnat", methods=("nat",)),
        Implementation(
            "flowtable",
            "nftables DNAT with a flowtable",
            "nf_conntrack",
            rules="flowtable",
            methods=("nat",),
        ),
        Implementation(
            "floor",
            "forwarding at ingress without state",
            "none",
            rules="fwd",
            methods=("nat", "dr"),
            others=("reply",),
            loads=("one", "100k"),
        ),
        rust("rust", "rust_ipvs", shipped, FAST_PATH),
        *(
            rust(name, words, shipped, f"fast_path={value}")
            for name, (value, words) in FAST_PATHS.items()
        ),
        rust("rust-other", "rust_ipvs, linked the other way", other, FAST_PATH),
    ]
    return {implementation.name: implementation for implementation in every}
