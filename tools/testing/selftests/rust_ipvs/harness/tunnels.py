# SPDX-License-Identifier: GPL-2.0
"""Tunnels of each kind from the director to s1, which opens them."""

from . import ipvs
from .fixture import FIXTURE as g, SERVER, VIPS
from .ipvs import at
from .tap import Skip

PORT = 5555
# The kinds: what ipvsadm calls them, and the bytes of their headers without a remote checksum.
KINDS = {
    'IPIP': ('--tun-type ipip', 0),
    'GUE': (f'--tun-type gue --tun-port {PORT} --tun-nocsum', 12),
    'GUE with checksum': (f'--tun-type gue --tun-port {PORT} --tun-csum', 12),
    'GUE with remote checksum': (f'--tun-type gue --tun-port {PORT} --tun-remcsum', 12),
    'GRE': ('--tun-type gre --tun-nocsum', 4),
    'GRE with checksum': ('--tun-type gre --tun-csum', 8),
}


def serve(kind, inner, outer, protocols='tu'):
    """A service by tunnels of a kind with s1 behind it; s1 opens such tunnels."""
    listen(kind, outer)
    for protocol in protocols:
        ipvs.service(f'-{protocol} {at(VIPS[inner])}', f'-i {KINDS[kind][0]}', [at(SERVER[outer])])


def listen(kind, outer):
    """Makes s1 open tunnels of a kind."""
    for module in ('fou', 'ip_gre', 'ip6_gre'):
        g.s1.run(f'modprobe {module}', check=False, quiet=True)
        if g.s1.status:
            raise Skip(f'the kernel has no {module}')
    close()
    if kind.startswith('GUE'):
        g.s1.run(f'ip fou add port {PORT} gue' + (' -6' if outer == 6 else ''))
    elif kind.startswith('GRE'):
        options = 'icsum' if 'checksum' in kind else ''
        if outer == 4:
            g.s1.run(f'ip link add opener type gre local {SERVER[4]} remote any {options}')
        else:
            g.s1.run(f'ip link add opener type ip6gre local {SERVER[6]} remote any {options}')
        g.s1.run('ip link set opener up')


def close():
    """Makes s1 open none but IPIP again."""
    g.s1.run('ip link del opener', check=False, quiet=True)
    g.s1.run(f'ip fou del port {PORT}', check=False, quiet=True)
    g.s1.run(f'ip fou del port {PORT} -6', check=False, quiet=True)
