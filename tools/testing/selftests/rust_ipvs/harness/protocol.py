# SPDX-License-Identifier: GPL-2.0
"""Connections both of whose sides are the test: addresses of nobody, and walks from state to state."""

from . import ipvs
from .fixture import FIXTURE as g, VIPS
from .packet import Wire, ip
from .tap import equal, note, true, until

# Addresses behind which nobody is, so that only the test speaks for them.
CLIENT = {4: '10.0.1.99', 6: 'fd00:1::99'}


def fake_peer(address, device):
    """Gives an address of nobody a place on the wire: frames to it go to a bridge and end there."""
    g.director.run(
        f'ip neigh replace {address} lladdr 02:00:00:00:00:99 dev {device} nud permanent',
        quiet=True,
    )
    return address


class Protocol:
    """A connection whose every packet, of either side, the test sends itself. What the protocol is, its kinds say."""

    port = 30000
    # Of each kind: the option of ipvsadm, the protocol's number, its name in /proc, and which
    # states count as active.
    option, protocol, name, active = '', 0, '', ()

    def __init__(self, method, version=4):
        Protocol.port += 1
        self.port, self.version = Protocol.port, version
        # A real server of its own, because one that comes back brings its counts with it (V-13).
        number = Protocol.port - 30000 + 100
        self.server_address = fake_peer(
            f'10.0.2.{number}' if version == 4 else f'fd00:2::{number}', 'back'
        )
        fake_peer(CLIENT[version], 'front')
        self.service = ipvs.at(VIPS[version])
        ipvs.service(f'{self.option} {self.service}', method, [ipvs.at(self.server_address)])
        self.client = Wire(g.client, 'eth0', g.director, 'front')
        self.server = Wire(g.s1, 'back', g.director, 'back')

    def packet(self, what, source, destination, ports):
        """What is behind the IP header of a packet: WHAT, in words, from one address and port to the other."""
        raise NotImplementedError

    def lasts(self, state):
        """Seconds that a state lasts."""
        raise NotImplementedError

    def say(self, side, what):
        """One packet from "client" or "server"."""
        source, destination, ports, wire = (
            CLIENT[self.version],
            VIPS[self.version],
            (self.port, 80),
            self.client,
        )
        if side == 'server':
            source, destination, ports, wire = (
                self.server_address,
                source,
                (80, self.port),
                self.server,
            )
        wire.send(
            ip(source, destination, self.protocol, self.packet(what, source, destination, ports))
        )

    def row(self):
        """The connection as /proc shows it."""
        found = ipvs.rows(cport=self.port)
        return found[0] if found else None

    def walk(self, steps):
        """Says each packet of "side what STATE …" and checks the state, its timeout and the counts."""
        words = steps.split()
        for side, what, state in zip(words[0::3], words[1::3], words[2::3]):
            self.say(side, what)
            until(
                lambda s=state: self.row() and self.row().state == s,
                f'{what} from the {side} leads to {state} (it is {self.row() and self.row().state})',
                3,
            )
            note(f'{side:6} {what:12} -> {state}')
            row, timeout = self.row(), self.lasts(state)
            equal(row.proto, self.name, 'protocol')
            true(
                timeout - 5 <= row.expires <= timeout,
                f'{state} lasts {timeout} s (left: {row.expires})',
            )
            active = int(state in self.active)
            dest = next(d for d in ipvs.dests() if self.server_address in d.address)
            equal(
                (dest.active, dest.inactive),
                (active, 1 - active),
                f'active and inactive connections in {state}',
            )
        return self

    def close(self):
        """Lets go of the wires."""
        self.client.close()
        self.server.close()
