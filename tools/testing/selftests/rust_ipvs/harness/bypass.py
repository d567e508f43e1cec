# SPDX-License-Identifier: GPL-2.0
"""Packets that pass a service without a server by, to where they are addressed (S-15)."""

from . import ipvs
from .fixture import FIXTURE as g
from .packet import Wire, ip, tcp, udp
from .protocol import fake_peer

CLIENT, CLIENT6 = '10.0.1.99', 'fd00:1::99'


def fake_peers():
    """Makes clients behind whose addresses nobody is."""
    for address in (CLIENT, CLIENT6):
        fake_peer(address, 'front')


class Elsewhere:
    """Marked packets to a host beyond the director, which come to a service without a server."""

    def __init__(self, version):
        self.version = version
        self.family = 'ip' if version == 4 else 'ip6'
        self.client = CLIENT if version == 4 else CLIENT6
        self.there = '10.0.2.11' if version == 4 else 'fd00:2::b'

    def __enter__(self):
        fake_peers()
        run_ip = f'ip -{self.version}'
        g.director.run(f'nft add table {self.family} rv-by')
        g.director.run(
            [
                'nft',
                'add',
                'chain',
                self.family,
                'rv-by',
                'pre',
                '{ type filter hook prerouting priority mangle; }',
            ]
        )
        g.director.run(f'nft add rule {self.family} rv-by pre iifname front meta mark set 9')
        g.director.run(f'{run_ip} rule add fwmark 9 lookup 109')
        g.director.run(f'{run_ip} route add local default dev lo table 109')
        self.wire = Wire(g.client, 'eth0', g.director, 'front')
        return self

    def __exit__(self, *_):
        self.wire.close()
        run_ip = f'ip -{self.version}'
        g.director.run(f'{run_ip} route del local default dev lo table 109')
        g.director.run(f'{run_ip} rule del fwmark 9 lookup 109')
        g.director.run(f'nft delete table {self.family} rv-by')
        ipvs.setting('cache_bypass', 0)

    def service(self, options='-s rr'):
        """A service of the mark that has no server."""
        ipvs.admin(f'-A -f 9 {"-6" if self.version == 6 else ""} {options}')

    def send(self, port, flags=None, **options):
        """One packet of the client: a segment of TCP with FLAGS, else a datagram."""
        proto, body = (
            (17, udp(self.client, self.there, port, 80, b'bypass'))
            if flags is None
            else (6, tcp(self.client, self.there, port, 80, flags))
        )
        self.wire.send(ip(self.client, self.there, proto, body, **options))
