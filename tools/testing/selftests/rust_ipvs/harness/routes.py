# SPDX-License-Identifier: GPL-2.0
"""Other ways through the network: a router between director and real server, and what traceroute tells of them."""

import re

from .fixture import FIXTURE as g, SERVER


def traceroute(vip, options):
    """The hops that traceroute tells of, by number."""
    words = g.client.run(f'traceroute -n -q 1 -w 3 -m 6 {options} {vip}', check=False)
    return [line.split()[1] for line in words.splitlines() if re.match(r' *\d+  ', line)], words


def by_router(version, on=True, mtu=None):
    """Lets the director reach s1 by way of s2, which forwards."""
    family = '' if version == 4 else '-6'
    server, router = SERVER[version], '10.0.2.12' if version == 4 else 'fd00:2::c'
    prefix = 32 if version == 4 else 128
    # The servers are neighbours of the client, too: what s2 says shall come by the director.
    client, director = ('10.0.1.1', '10.0.2.254') if version == 4 else ('fd00:1::1', 'fd00:2::fe')
    if on:
        g.s2.run(f'ip {family} route replace {client}/{prefix} via {director} dev back')
        g.s2.write('/proc/sys/net/ipv4/ip_forward', 1)
        g.s2.write('/proc/sys/net/ipv4/conf/all/send_redirects', 0)
        g.s2.write('/proc/sys/net/ipv4/conf/back/send_redirects', 0)
        g.s2.write('/proc/sys/net/ipv6/conf/all/forwarding', 1)
        g.director.run(f'ip {family} route replace {server}/{prefix} via {router} dev back')
        if mtu:
            g.s2.run(
                f'ip {family} route replace {server}/{prefix} dev back mtu {"lock " if version == 4 else ""}{mtu}'
            )
    else:
        g.director.run(f'ip {family} route del {server}/{prefix} via {router} dev back')
        g.s2.run(f'ip {family} route del {client}/{prefix} via {director} dev back')
        g.s2.run(f'ip {family} route del {server}/{prefix} dev back', check=False, quiet=True)
        g.s2.write('/proc/sys/net/ipv4/ip_forward', 0)
        g.s2.write('/proc/sys/net/ipv6/conf/all/forwarding', 0)
        g.client.run('ip route flush cache', quiet=True)
        g.client.run('ip -6 route flush cache', quiet=True)
