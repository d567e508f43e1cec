# SPDX-License-Identifier: GPL-2.0
"""Connections by the hundred, of packets alone: from any client, to any address, to servers that need not exist.

The director sends what comes for 10.50.0.0/16 to itself, with mark 7, and what goes to 10.60.0.0/14 or 10.0.0.0/24 to a
device that drops it. So a service of mark 7 sees any client ask for any of many addresses, and any number of real
servers can be behind it.
"""

import os
import time

from . import ipvs
from .packet import ACK, FIN, RST, SYN, Wire, ip, tcp, udp
from .tap import until

MARK = 7
VIPS = '10.50.0.0/16'
SERVERS = ('10.60.0.0/14', '10.0.0.0/24')


def prepare(director):
    """Makes the routes, the device and the mark in the director's namespace, where they are not there yet."""
    if 'rv-sink' in director.run('ip -o link', quiet=True):
        return
    director.run('ip link add rv-sink type dummy', quiet=True)
    director.run('ip link set rv-sink up', quiet=True)
    for net in SERVERS:
        director.run(f'ip route add {net} dev rv-sink', quiet=True)
    director.run(f'ip route add local {VIPS} dev lo', quiet=True)
    director.run(
        [
            'nft',
            f'add table ip rv_flows; add chain ip rv_flows pre {{ type filter hook prerouting priority -150; }}; '
            f'add rule ip rv_flows pre ip daddr {VIPS} meta mark set {MARK}',
        ],
        quiet=True,
    )


class Flows:
    """Sends packets as clients would."""

    def __init__(self, client, director):
        prepare(director)
        self.director = director
        self.wire = Wire(client, 'eth0', director, 'front')
        self.packets = int(self._count())
        # One processor: the packets keep their order.
        os.sched_setaffinity(0, {0})

    def _count(self):
        return self.director.read('/proc/net/dev').split('front:')[1].split()[1]

    def close(self):
        """Closes it."""
        self.wire.close()
        os.sched_setaffinity(0, range(os.cpu_count()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def syn(self, client, port=40000, to='10.50.0.1', flags=SYN, dport=80):
        """A client's TCP segment."""
        self.wire.send(ip(client, to, 6, tcp(client, to, port, dport, flags)))
        self.packets += 1

    def ack(self, client, port=40000, to='10.50.0.1'):
        """The client says that it is there; its connection is established."""
        self.syn(client, port, to, ACK)

    def fin(self, client, port=40000, to='10.50.0.1'):
        """The client closes; its server counts the connection as inactive from then on."""
        self.syn(client, port, to, FIN)

    def rst(self, client, port=40000, to='10.50.0.1'):
        """The client aborts."""
        self.syn(client, port, to, RST)

    def datagram(self, client, port=40000, to='10.50.0.1', dport=80):
        """A client's UDP datagram."""
        self.wire.send(ip(client, to, 17, udp(client, to, port, dport, b'x')))
        self.packets += 1

    def settled(self):
        """Waits until the director has received all that was sent."""
        until(
            lambda: int(self._count()) >= self.packets, 'the director has received everything', 10
        )

    def servers(self, connections):
        """The server's address of each of the CONNECTIONS, which are (client, port, address that is asked for)."""
        self.settled()
        wanted, found = list(connections), {}
        # A table that is just growing may not show all of them.
        for _ in range(2):
            found.update(
                {
                    (row.caddr, row.cport, row.vaddr): row.daddr
                    for row in ipvs.rows(space=self.director, proto='TCP')
                }
            )
            if all(connection in found for connection in wanted):
                break
            time.sleep(0.3)
        return [found.get(connection) for connection in wanted]

    def chosen(self, clients, port=40000, to='10.50.0.1'):
        """The servers' addresses that a new connection of each client goes to, or None."""
        for client in clients:
            self.syn(client, port, to)
        return self.servers((client, port, to) for client in clients)
