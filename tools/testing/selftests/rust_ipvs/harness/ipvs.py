# SPDX-License-Identifier: GPL-2.0
"""IPVS as its administrator and a reader of /proc sees it."""

import os
import re
from collections import namedtuple

from .fixture import FAST_PATH, FIXTURE, TOOL
from .tap import equal, note

# A row of /proc/net/ip_vs_conn.
Row = namedtuple('Row', 'proto caddr cport vaddr vport daddr dport state expires')

admin = FIXTURE.admin


def refused(line, space=None):
    """Runs ipvsadm, which must fail; returns its words."""
    space = space or FIXTURE.director
    words = admin(line, check=False, space=space).strip()
    equal(space.status != 0, True, f'"{TOOL} {line}" must fail')
    return words


def at(address, port=80):
    """An address and a port as ipvsadm writes them."""
    return f'[{address}]:{port}' if ':' in address else f'{address}:{port}'


def service(spec, method='', servers=(), options='-s rr', space=None):
    """Adds a service and its real servers, each with the forwarding METHOD (-m, -g, -i)."""
    admin(f'-A {spec} {options}', space=space)
    for server in servers:
        admin(f'-a {spec} -r {server} {method}', space=space)


def setting(name, value=None, space=None):
    """Reads, or writes, a variable of net.ipv4.vs."""
    space = space or FIXTURE.director
    path = f'/proc/sys/net/ipv4/vs/{name}'
    if value is None:
        return space.read(path).strip()
    return space.write(path, value)


def pass_rules():
    """Has all packets of this case pass rules, which those of the fast path do not with 2."""
    if FAST_PATH == 2 and FIXTURE.impl == 'rust':
        note('packets shall pass rules, so fast_path is 1')
        setting('fast_path', 1)


def has_setting(name):
    """Whether there is such a variable."""
    with FIXTURE.director:
        return os.path.exists(f'/proc/sys/net/ipv4/vs/{name}')


def address(hexa):
    """An address of /proc in the usual words."""
    from .packet import words, raw

    return words(raw(hexa)) if ':' in hexa else words(bytes.fromhex(hexa))


def rows(space=None, **match):
    """The connections whose fields equal those of MATCH."""
    found = []
    for line in (space or FIXTURE.director).read('/proc/net/ip_vs_conn').splitlines()[1:]:
        proto, caddr, cport, vaddr, vport, daddr, dport, state, expires = line.split()[:9]
        row = Row(
            proto,
            address(caddr),
            int(cport, 16),
            address(vaddr),
            int(vport, 16),
            address(daddr),
            int(dport, 16),
            state,
            int(expires),
        )
        if all(getattr(row, name) == value for name, value in match.items()):
            found.append(row)
    return found


# A destination as ipvsadm -Ln lists it.
Dest = namedtuple('Dest', 'address method weight active inactive')


def dests(space=None):
    """All destinations in the order in which they are listed."""
    return [
        Dest(m[1], m[2], int(m[3]), int(m[4]), int(m[5]))
        for m in re.finditer(
            r'-> (\S+)\s+(Masq|Route|Tunnel|Local)\s+(\d+)\s+(\d+)\s+(\d+)',
            admin('-Ln', quiet=True, space=space),
        )
    ]


# Counters of a line of ipvsadm -Ln --stats --exact.
Stats = namedtuple('Stats', 'conns inpkts outpkts inbytes outbytes')


def stats(what, space=None):
    """The counters of a service (VIP:port) or destination, or None."""
    for line in admin('-Ln --stats --exact', quiet=True, space=space).splitlines():
        words = line.split()
        if what in words[:2] and len(words) >= 7:
            return Stats(*map(int, words[-5:]))
    return None


def total(space=None):
    """The counters of the namespace, from /proc/net/ip_vs_stats."""
    line = (space or FIXTURE.director).read('/proc/net/ip_vs_stats').splitlines()[2]
    return Stats(*(int(word, 16) for word in line.split()))
