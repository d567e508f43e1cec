#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""AH and ESP follow the key exchange between the same hosts; without one they are not touched."""

import os
import time

from harness import ipvs
from harness.fixture import FIXTURE as g, VIP, VIPS
from harness.ipvs import at
from harness.packet import Sniffer, Wire, checksum, ip, udp
from harness.tap import always, case, equal, run, true, until
from harness.protocol import fake_peer

ESP, AH = 50, 51
# Nobody has these, or ICMP would come back and be counted too.
SERVER = {4: '10.0.2.99', 6: 'fd00:2::99'}
BODY = bytes(range(8)) * 9


class Tunnel:
    """A client's security association with the VIP, of which the test sends every packet."""

    # A client of its own for each: connections outlive their services, and the ports are always the
    # same.
    number = 100

    def __init__(self, method, version=4, exchange=True):
        self.v = version
        Tunnel.number += 1
        self.client = f'10.0.1.{Tunnel.number}' if version == 4 else f'fd00:1::{Tunnel.number}'
        # Nobody has the address: what the director sends there goes to all ports of the bridge,
        # once.
        for address, device in ((self.client, 'front'), (SERVER[version], 'back')):
            fake_peer(address, device)
        ipvs.service(f'-u {at(VIPS[version], 500)}', method, [at(SERVER[version], 500)])
        self.front = Wire(g.client, 'eth0', g.director, 'front')
        self.back = Wire(g.s1, 'back', g.director, 'back')
        if exchange:
            self.exchange()
            until(self.rows, 'the connection of the key exchange')

    def rows(self):
        """Its connections."""
        return ipvs.rows(caddr=self.client)

    def exchange(self):
        """A datagram of the key exchange."""
        vip = VIPS[self.v]
        self.front.send(ip(self.client, vip, 17, udp(self.client, vip, 500, 500, b'keys')))

    def send(self, proto, body=BODY, **rest):
        """A packet of the client."""
        self.front.send(ip(self.client, VIPS[self.v], proto, body, **rest))

    def answer(self, proto, body=BODY, **rest):
        """A packet of the server."""
        self.back.send(ip(SERVER[self.v], self.client, proto, body, **rest))

    def close(self):
        """Lets go of the wires."""
        self.front.close()
        self.back.close()


@case(
    'T-14 C-10 NAT: ESP and AH go where the key exchange went, and back, with other addresses only',
    fresh=True,
)
def nat():
    # C walks over AH in IPv6 to what is behind it, and so never sees it there.
    for version, protos in ((4, (ESP, AH)), (6, (ESP,))):
        tunnel = Tunnel('-m', version)
        with Sniffer(g.s1, 'back') as there, Sniffer(g.client, 'eth0') as here:
            for proto in protos:
                tunnel.send(proto)
                seen = there.wait(lambda p, n=proto, v=version: p.proto == n and p.dst == SERVER[v])
                true(seen, f'protocol {proto} arrives by IPv{version}')
                equal((seen.src, seen.payload, seen.ttl), (tunnel.client, BODY, 63), 'what arrives')
                true(seen.sum_is_right, 'the checksum of its header')
                tunnel.answer(proto)
                seen = here.wait(lambda p, n=proto, t=tunnel: p.proto == n and p.dst == t.client)
                true(seen, f'the answer of protocol {proto} arrives')
                equal((seen.src, seen.payload), (VIPS[version], BODY), 'the answer')
                true(seen.sum_is_right, 'the checksum of its header')
        equal(
            [(r.proto, r.cport, r.vport) for r in tunnel.rows()], [('UDP', 500, 500)], 'connections'
        )
        until(
            lambda v=version: ipvs.stats(at(VIPS[v], 500)).inpkts == 1 + len(protos),
            'packets counted',
            5,
        )
        equal(ipvs.stats(at(VIPS[version], 500)).outpkts, len(protos), 'answers counted')
        tunnel.close()
        ipvs.admin('-C')


@case('T-14 X-13 X-17 DR and tunnels: ESP and AH follow unchanged', fresh=True)
def direct():
    for method, inside in (('-g', lambda p: p), ('-i', lambda p: p.inner())):
        tunnel = Tunnel(method)
        with Sniffer(g.s1, 'back') as there:
            for proto in (ESP, AH):
                tunnel.send(proto)
                outer = there.wait(
                    lambda p, n=proto, f=inside: (p.proto in (4, n)) and f(p).proto == n
                )
                true(outer, f'protocol {proto} arrives by {method}')
                seen = inside(outer)
                equal(
                    (seen.src, seen.dst, seen.payload), (tunnel.client, VIP, BODY), 'what arrives'
                )
        tunnel.close()
        ipvs.admin('-C')


@case(
    'T-14 S-3 without a key exchange ESP and AH make no connection and go on their way', fresh=True
)
def alone():
    tunnel = Tunnel('-m', exchange=False)
    with Sniffer(g.s1, 'back') as there:
        for proto in (ESP, AH):
            tunnel.send(proto)
        always(
            lambda: not there.all(lambda p: p.proto in (ESP, AH)),
            'nothing arrives at the server',
            0.4,
        )
        equal(tunnel.rows(), [], 'connections')
        # What a server sends by way of the director to whoever it likes.
        with Sniffer(g.client, 'eth0') as here:
            tunnel.answer(ESP)
            seen = here.wait(lambda p: p.proto == ESP)
            true(seen and seen.src == SERVER[4], f'the server\'s own passes unchanged ({seen})')
    tunnel.close()


@case('T-14 C-15 ESP keeps the connection of its key exchange', fresh=True)
def kept():
    ipvs.admin('--set 0 0 2')
    tunnel = Tunnel('-m')
    for side in (tunnel.send, tunnel.answer):
        end = time.monotonic() + 4
        while time.monotonic() < end:
            side(ESP)
            time.sleep(0.3)
            equal(len(tunnel.rows()), 1, 'connections while packets come')
    until(lambda: not tunnel.rows(), 'it ends in silence', 8)
    tunnel.close()
    ipvs.admin('--set 0 0 300')


@case('I-1 I-2 I-3 T-14 NAT: errors about ESP come to whom they concern', fresh=True)
def errors():
    tunnel = Tunnel('-m')

    def error(about):
        head = bytes((3, 1, 0, 0, 0, 0, 0, 0)) + about[:60]
        return head[:2] + checksum(head).to_bytes(2, 'big') + head[4:]

    # A router behind the director cannot deliver what the client sent.
    about = ip(tunnel.client, SERVER[4], ESP, BODY)
    with Sniffer(g.client, 'eth0') as here:
        tunnel.back.send(ip(SERVER[4], tunnel.client, 1, error(about)))
        seen = here.wait(lambda p: p.proto == 1 and p.dst == tunnel.client)
        true(seen, 'the error arrives')
        equal(
            (seen.src, seen.inner().dst, seen.inner().proto),
            (VIP, VIP, ESP),
            'who sends it, and what it is about',
        )
        true(seen.transport_sum_is_right() and seen.inner().sum_is_right, 'its checksums')
    # One before it cannot deliver what the server sent.
    about = ip(VIP, tunnel.client, ESP, BODY)
    with Sniffer(g.s1, 'back') as there:
        tunnel.front.send(ip('10.0.1.98', VIP, 1, error(about)))
        seen = there.wait(lambda p: p.proto == 1 and p.dst == SERVER[4])
        true(seen, 'the error arrives at the server')
        equal((seen.inner().src, seen.inner().proto), (SERVER[4], ESP), 'what it is about')
        true(seen.transport_sum_is_right() and seen.inner().sum_is_right, 'its checksums')
    tunnel.close()


@case(
    'T-14 H-19 fragments of ESP that pass are not put together, and each is translated', fresh=True
)
def fragments():
    tunnel = Tunnel('-m')
    whole = os.urandom(1200)
    with Sniffer(g.client, 'eth0') as here:
        # The last comes first, and one never.
        tunnel.answer(ESP, whole[800:], ident=99, offset=100)
        tunnel.answer(ESP, whole[:400], ident=99, more=True)
        seen = until(
            lambda: {p.offset for p in here.all(lambda p: p.proto == ESP)} == {0, 100}
            and here.all(lambda p: p.proto == ESP),
            'both arrive',
            5,
        )
        equal({p.src for p in seen}, {VIP}, 'where they come from')
        equal(
            {p.offset: p.payload for p in seen}, {0: whole[:400], 100: whole[800:]}, 'what arrives'
        )
    tunnel.close()


if __name__ == '__main__':
    run(g)
