# SPDX-License-Identifier: GPL-2.0
"""The wires of client and s1 to the director, and who looks at what comes back."""

from .fixture import FIXTURE as g
from .packet import Sniffer, Wire
from .protocol import fake_peer


class Wires:
    """A context manager; each packet is to have a port of its own, which next() gives."""

    # The last port that was used; each subclass begins at another one.
    port = 0
    # Addresses of nobody, each with its side of the director.
    fake_peers = ()

    def __enter__(self):
        self.front = Wire(g.client, 'eth0', g.director, 'front')
        self.back = Wire(g.s1, 'back', g.director, 'back')
        self.at_server = Sniffer(g.s1, 'back')
        self.at_client = Sniffer(g.client, 'eth0')
        for address, side in self.fake_peers:
            fake_peer(address, side)
        return self

    def __exit__(self, *_):
        for thing in (self.front, self.back, self.at_server, self.at_client):
            thing.close()

    def forget(self):
        """Forgets what came so far."""
        for sniffer in (self.at_server, self.at_client):
            sniffer.all()
            sniffer.seen.clear()

    def next(self):
        """Returns a new port, and forgets what came so far."""
        type(self).port += 1
        self.forget()
        return self.port
