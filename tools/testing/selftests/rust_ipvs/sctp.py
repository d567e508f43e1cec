#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""SCTP: real associations by each method, the states chunk by chunk, checksums, what begins and what does not."""

import hashlib
import os
import socket
import struct
import subprocess
import threading

from harness import ipvs
from harness.clients import family
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.ipvs import at
from harness.packet import SCTP, Sniffer, Wire, chunk, crc32c, fragment6, ip, sctp
from harness.servers import pattern
from harness.tap import Skip, always, case, equal, run, true, until
from harness.protocol import CLIENT, VIPS, Protocol as Both, fake_peer

(
    DATA,
    INIT,
    INIT_ACK,
    SACK,
    HEARTBEAT,
    ABORT,
    SHUTDOWN,
    SHUTDOWN_ACK,
    ERROR,
    ECHO,
    COOKIE_ACK,
    COMPLETE,
) = (0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 14)
KINDS = {
    'data': DATA,
    'init': INIT,
    'initack': INIT_ACK,
    'sack': SACK,
    'heartbeat': HEARTBEAT,
    'abort': ABORT,
    'shutdown': SHUTDOWN,
    'shutdownack': SHUTDOWN_ACK,
    'error': ERROR,
    'echo': ECHO,
    'cookieack': COOKIE_ACK,
    'complete': COMPLETE,
    'other': 192,
}
TIMEOUTS = {'NONE': 2, 'INIT1': 4, 'REJECTED': 4, 'ESTABLISHED': 900}


class Protocol(Both):
    """An association, packet by packet: the chunks of each, joined by "+"."""

    option, protocol, name, active = '--sctp-service', SCTP, 'SCTP', ('ESTABLISHED',)

    def packet(self, what, source, destination, ports):
        return sctp(*ports, b''.join(chunk(KINDS[kind], bytes(16)) for kind in what.split('+')))

    def lasts(self, state):
        return TIMEOUTS.get(state, 61)


# ---- states ----


@case('T-12 T-13 T-2 NAT: an association opens, and the client closes it', fresh=True)
def nat_client_closes():
    Protocol('-m').walk(
        'client init INIT1 server initack C-SENT client echo C-REPLIED server cookieack ESTABLISHED '
        'client data ESTABLISHED server sack ESTABLISHED client heartbeat ESTABLISHED '
        'client shutdown S-RECEIVED server shutdownack S-ACK-SENT client complete CLOSED'
    ).close()


@case('T-12 T-13 NAT: the server closes', fresh=True)
def nat_server_closes():
    Protocol('-m').walk(
        'client init INIT1 client init INIT server initack C-SENT client echo C-REPLIED '
        'server cookieack ESTABLISHED server shutdown S-SENT client shutdownack CLOSED'
    ).close()


@case('T-12 T-13 NAT, IPv6: an association opens and ends at once', fresh=True)
def nat6_aborts():
    Protocol('-m', 6).walk(
        'client init INIT1 server initack C-SENT client echo C-REPLIED server cookieack ESTABLISHED '
        'client abort CLOSED'
    ).close()


@case('T-12 T-13 NAT: the server refuses', fresh=True)
def nat_refused():
    Protocol('-m').walk('client init INIT1 server abort REJECTED client init INIT').close()


@case('T-2 T-13 DR: only one direction is seen', fresh=True)
def dr_walk():
    Protocol('-g').walk(
        'client init INIT1 client echo ESTABLISHED client data ESTABLISHED client other ESTABLISHED '
        'client shutdown S-RECEIVED client complete CLOSED client init INIT1'
    ).close()
    ipvs.admin('-C')
    Protocol('-g').walk(
        'client init INIT1 client echo ESTABLISHED client error ESTABLISHED client shutdownack CLOSED '
        'client init INIT1'
    ).close()


@case('T-2 T-13 TUN, IPv6: only one direction is seen', fresh=True)
def tun_walk():
    Protocol('-i', 6).walk(
        'client init INIT1 client cookieack INIT1 client echo ESTABLISHED client abort CLOSED'
    ).close()


@case('T-11 an ABORT behind a cookie counts, behind anything else it does not', fresh=True)
def bundled():
    for steps in (
        'client init INIT1 client echo+abort CLOSED',
        'client init INIT1 client cookieack+abort CLOSED',
        'client init INIT1 client data+abort INIT1',
        'client init INIT1 client echo+data+abort ESTABLISHED',
    ):
        protocol = Protocol('-g').walk(steps)
        protocol.close()
        ipvs.admin('-C')


# ---- what begins an association ----


@case('S-2 only an INIT begins an association, with sloppy_sctp all but an ABORT', fresh=True)
def what_begins():
    for sloppy in (0, 1):
        ipvs.setting('sloppy_sctp', sloppy)
        for what in (
            'data',
            'initack',
            'echo',
            'abort',
            'data+init',
            'abort+init',
            'init+abort',
            'init',
        ):
            protocol = Protocol('-g')
            protocol.say('client', what)
            first = what.split('+', maxsplit=1)[0]
            if first == 'init' or sloppy and first != 'abort':
                until(protocol.row, f'an association of {what} with sloppy_sctp {sloppy}', 3)
            else:
                always(
                    lambda t=protocol: not t.row(),
                    f'no association of {what} with sloppy_sctp {sloppy}',
                    0.3,
                )
            protocol.close()
            ipvs.admin('-C')
    ipvs.setting('sloppy_sctp', 0)


@case(
    'S-18 S-19 S-20 T-13 an INIT of a closed association moves, unless conn_reuse_mode is 0',
    fresh=True,
)
def reuse():
    steps = (
        'client init INIT1 server initack C-SENT client echo C-REPLIED server cookieack ESTABLISHED'
    )
    for mode, state, moves in (
        (0, 'CLOSED', False),
        (1, 'CLOSED', True),
        (1, 'ESTABLISHED', False),
    ):
        ipvs.setting('conn_reuse_mode', mode)
        protocol = Protocol('-m').walk(
            steps + (' client abort CLOSED' if state == 'CLOSED' else '')
        )
        other = fake_peer('10.0.2.99', 'back')
        ipvs.admin(f'-a --sctp-service {VIP}:80 -r {other}:80 -m')
        protocol.say('client', 'init')
        if moves:
            until(
                lambda t=protocol, o=other: [
                    r for r in ipvs.rows(cport=t.port) if r.daddr == o and r.state == 'INIT1'
                ],
                f'it moved in {state} with conn_reuse_mode {mode}',
                3,
            )
        else:
            always(
                lambda t=protocol, o=other: not [
                    r for r in ipvs.rows(cport=t.port) if r.daddr == o
                ],
                f'it stays in {state} with conn_reuse_mode {mode}',
                0.5,
            )
        protocol.close()
        ipvs.admin('-C')
    ipvs.setting('conn_reuse_mode', 1)


# ---- packets ----


def through(version, port, server_port, length):
    """Sends a packet of LENGTH bytes of data through NAT and back; what arrives on either side."""
    server = {4: '10.0.2.11', 6: 'fd00:2::b'}[version]
    client = CLIENT[version]
    fake_peer(client, 'front')
    body = chunk(INIT, pattern(length))
    wire = Wire(g.client, 'eth0', g.director, 'front')
    back = Wire(g.s1, 'back', g.director, 'back')
    with Sniffer(g.s1, 'back') as there, Sniffer(g.lan, 'client-front', outgoing=True) as here:
        wire.send(ip(client, VIPS[version], SCTP, sctp(port, 80, body)))
        request = there.wait(lambda p: p.proto == SCTP and p.dst == server)
        back.send(
            ip(server, client, SCTP, sctp(server_port, port, chunk(INIT_ACK, pattern(length))))
        )
        reply = g_front(here, port)
    wire.close()
    back.close()
    return request, reply, body


def g_front(sniffer, port):
    """What the director sends to the fake peer in "front" goes to the client's port of the bridge, as to all."""
    # A kernel that has SCTP refuses what it did not ask for; its checksum is then left to a device.
    return sniffer.wait(
        lambda p: p.proto == SCTP and p.dport == port and p.body[:1] != bytes((ABORT,))
    )


@case(
    'T-19 X-12 X-25 NAT changes address and port, and the checksum fits, of every length',
    fresh=True,
)
def checksums():
    port = 32000
    for version, server in ((4, '10.0.2.11'), (6, 'fd00:2::b')):
        for server_port in (80, 8080):
            ipvs.service(f'--sctp-service {at(VIPS[version])}', '-m', [at(server, server_port)])
            for length in (0, 1, 17, 255, 1400):
                port += 1
                request, reply, body = through(version, port, server_port, length)
                true(request, f'the request of {length} bytes arrives')
                equal(
                    (request.src, request.sport, request.dport),
                    (CLIENT[version], port, server_port),
                    'ends',
                )
                equal(request.body, body, 'chunks of the request')
                true(
                    request.transport_sum_is_right(),
                    f'the checksum of {length} bytes to port {server_port}',
                )
                true(reply, f'the reply of {length} bytes arrives')
                equal((reply.src, reply.sport), (VIPS[version], 80), 'where the reply comes from')
                true(
                    reply.transport_sum_is_right(),
                    f'the checksum of {length} bytes from port {server_port}',
                )
            ipvs.admin('-C')


@case('T-19 a damaged packet stays damaged where NAT changes its port', only='rust', fresh=True)
def damaged():
    # C makes the sum anew, so what was damaged on the way is taken for right afterwards.
    ipvs.service(f'--sctp-service {VIP}:80', '-m', ['10.0.2.11:8080'])
    fake_peer(CLIENT[4], 'front')
    wire = Wire(g.client, 'eth0', g.director, 'front')
    with Sniffer(g.s1, 'back') as there:
        packet = bytearray(sctp(32500, 80, chunk(INIT, pattern(100))))
        packet[50] ^= 4
        wire.send(ip(CLIENT[4], VIP, SCTP, bytes(packet)))
        seen = there.wait(lambda p: p.proto == SCTP and p.dport == 8080)
    wire.close()
    true(seen and not seen.transport_sum_is_right(), 'its checksum is wrong')


def reassembled(sniffer, version):
    """The bytes of a packet of SCTP that came in one piece or in fragments, as it was cut again; None without it."""
    parts = {}
    for packet in sniffer.all():
        if packet.proto == SCTP:
            parts[packet.offset * 8] = packet.payload
        elif version == 6 and packet.proto == 44 and packet.payload[0] == SCTP:
            parts[struct.unpack('!H', packet.payload[2:4])[0] & 0xFFF8] = packet.payload[8:]
    data = b''.join(part for _, part in sorted(parts.items()))
    return data if len(data) == 12 + 1204 else None


@case('H-19 fragments of SCTP are put together, IPv4 and IPv6', fresh=True)
def fragments():
    for version, server in ((4, '10.0.2.11'), (6, 'fd00:2::b')):
        ipvs.service(f'--sctp-service {at(VIPS[version])}', '-m', [at(server, 8080)])
        fake_peer(CLIENT[version], 'front')
        whole = sctp(32600 + version, 80, chunk(INIT, pattern(1200)))
        wire = Wire(g.client, 'eth0', g.director, 'front')
        with Sniffer(g.s1, 'back') as there:
            for start in (800, 0, 400):
                part, more = whole[start : start + 400] if start < 800 else whole[800:], start < 800
                if version == 4:
                    wire.send(
                        ip(CLIENT[4], VIP, SCTP, part, ident=77, offset=start // 8, more=more)
                    )
                else:
                    wire.send(ip(CLIENT[6], VIP6, 44, fragment6(SCTP, start // 8, more, 77, part)))
            whole = until(
                lambda s=there, v=version: reassembled(s, v), f'the whole arrives by IPv{version}'
            )
        wire.close()
        equal(whole[2:4], b'\x1f\x90', 'its port')
        equal(
            whole[8:12],
            struct.pack('<I', crc32c(whole[:8] + bytes(4) + whole[12:])),
            'its checksum',
        )


# ---- real associations ----


def sockets():
    """Whether this kernel has SCTP sockets; says so where not."""
    subprocess.run(['modprobe', 'sctp'], check=False, stderr=subprocess.DEVNULL)
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP).close()
    except OSError as error:
        raise Skip(f'no sockets of SCTP: {error}') from error


class Server(threading.Thread):
    """One real server: hashes what it gets, and sends as much back."""

    def __init__(self, space, address, port=80):
        super().__init__(daemon=True)
        with space:
            self.sock = socket.socket(family(address), socket.SOCK_STREAM, SCTP)
        # One address: others would be offered to the client as well, and these no director has to
        # do with.
        self.sock.bind((address, port))
        self.sock.listen(8)
        self.start()

    def run(self):
        while True:
            try:
                peer, _ = self.sock.accept()
            except OSError:
                return
            with peer:
                digest, left = hashlib.sha256(), int(peer.recv(16))
                peer.sendall(b'go')
                while left > 0:
                    part = peer.recv(65536)
                    if not part:
                        break
                    left -= len(part)
                    digest.update(part)
                peer.sendall(digest.digest())
                peer.recv(16)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def talk(address, source, length):
    """Sends LENGTH bytes; returns whether the server got those very bytes."""
    data = pattern(length)
    with g.client:
        sock = socket.socket(family(address), socket.SOCK_STREAM, SCTP)
    with sock:
        sock.settimeout(15)
        sock.bind((source, 0))
        sock.connect((address, 80))
        sock.sendall(str(length).encode())
        equal(sock.recv(16), b'go', 'what the server says first')
        for start in range(0, length, 8192):
            sock.sendall(data[start : start + 8192])
        return sock.recv(64) == hashlib.sha256(data).digest()


@case(
    'T-19 X-12 X-13 X-17 T-13 real associations by NAT, DR and TUN, IPv4 and IPv6, with offloads',
    fresh=True,
)
def real():
    sockets()
    length = 1000000 if os.environ.get('LONG') else 100000
    for version, source, rip in ((4, '10.0.1.1', '10.0.2.11'), (6, 'fd00:1::1', 'fd00:2::b')):
        vip = VIPS[version]
        for method, address, port in (
            ('-m', rip, 80),
            ('-m', rip, 8080),
            ('-g', vip, 80),
            ('-i', vip, 80),
        ):
            ipvs.service(f'--sctp-service {at(vip)}', method, [at(rip, port)])
            with Server(g.s1, address, port):
                true(
                    talk(vip, source, length),
                    f'{length} bytes by {method} to port {port} over IPv{version}',
                )
                stats = until(lambda v=vip: ipvs.stats(at(v)), 'statistics')
                until(
                    lambda v=vip: ipvs.stats(at(v)).inbytes > length, f'bytes counted ({stats})', 5
                )
                states = {row.state for row in ipvs.rows(proto='SCTP')}
                true(
                    states <= {'ESTABLISHED', 'S-RECEIVED', 'S-SENT', 'S-ACK-SENT', 'CLOSED'},
                    f'states: {states}',
                )
            ipvs.admin('-C')


if __name__ == '__main__':
    run(g)
