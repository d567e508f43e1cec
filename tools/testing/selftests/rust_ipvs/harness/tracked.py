# SPDX-License-Identifier: GPL-2.0
"""What connection tracking knows, and rules that have a namespace tracked."""

import contextlib
import ipaddress
import re
import subprocess
from collections import namedtuple

from .fixture import FIXTURE as g
from .tap import Skip

# An entry of /proc/net/nf_conntrack: its first packet as it came, and what replies look like. Those
# without ports have None.
Entry = namedtuple(
    'Entry', 'proto state mark src sport dst dport reply_src reply_sport reply_dst reply_dport'
)


def _number(pair, key, n):
    return int(pair[key][n]) if len(pair.get(key, ())) > n else None


def entries(space=None, **match):
    """The entries whose fields equal those of MATCH."""
    found = []
    for line in (space or g.director).read('/proc/net/nf_conntrack').splitlines():
        words = line.split()
        pairs = {}
        for key, value in re.findall(r'(\w+)=(\S+)', line):
            pairs.setdefault(key, []).append(value)
        address = [
            str(ipaddress.ip_address(value))
            for end in zip(pairs['src'], pairs['dst'])
            for value in end
        ]
        entry = Entry(
            int(words[3]),
            words[5] if words[5].isupper() else '',
            _number(pairs, 'mark', 0),
            address[0],
            _number(pairs, 'sport', 0),
            address[1],
            _number(pairs, 'dport', 0),
            address[2],
            _number(pairs, 'sport', 1),
            address[3],
            _number(pairs, 'dport', 1),
        )
        if all(getattr(entry, name) == value for name, value in match.items()):
            found.append(entry)
    return found


@contextlib.contextmanager
def rules(text):
    """Rules, in the words of nft, that hold in the director while this lasts."""
    if subprocess.run(['modprobe', 'nf_conntrack'], check=False).returncode:
        raise Skip('the kernel has no nf_conntrack')
    g.director.run(['nft', f'table inet rv-ct {{ {text} }}'])
    try:
        yield
    finally:
        g.director.run('nft delete table inet rv-ct', quiet=True)


# What has all that passes tracked.
TRACKED = 'chain tracked { type filter hook prerouting priority -150; ct state new,established,related counter; };'
# The same, for a director that has clients of its own.
TRACKED_HERE = (
    TRACKED
    + ' chain sent { type filter hook output priority -150; ct state new,established,related counter; };'
)


def masquerade(addresses):
    """What kube-proxy has: packets to the ADDRESSES of services are marked, and marked ones leave in the director's name."""
    words = ' '.join(
        f'{"ip6" if ":" in a else "ip"} daddr {a} meta mark set meta mark | 0x4000;'
        for a in addresses
    )
    return (
        f'chain come {{ type nat hook prerouting priority dstnat; {words} }};'
        f'chain sent {{ type nat hook output priority dstnat; {words} }};'
        'chain leave { type nat hook postrouting priority srcnat; meta mark & 0x4000 == 0 return;'
        ' meta mark set meta mark ^ 0x4000; masquerade; };'
    )
