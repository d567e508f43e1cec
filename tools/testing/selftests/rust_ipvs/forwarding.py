#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""NAT, DR and TUN: TCP and UDP over IPv4 and IPv6 and across families, byte by byte."""

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.ipvs import at
from harness.tap import case, equal, run, true

METHODS = {'NAT': '-m', 'DR': '-g', 'TUN': '-i'}
BACK = {4: ['10.0.2.11', '10.0.2.12', '10.0.2.13'], 6: ['fd00:2::b', 'fd00:2::c', 'fd00:2::d']}


def spec(kind, vip, port=80):
    return f'-{kind[0]} {at(vip, port)}'


def balanced(method, kind, vip, servers, port=80):
    """Six requests go round the three servers, which see the client and the right address."""
    ipvs.service(spec(kind, vip), METHODS[method], [at(s, port) for s in servers])
    answers = [ask(g.client, vip, 80, kind) for _ in range(6)]
    equal([a.name for a in answers], ['s3', 's2', 's1'] * 2, 'who answered')
    client = '10.0.1.1' if vip == VIP else 'fd00:1::1'
    for n, answer in enumerate(answers):
        true(
            answer.peer.startswith('fd00:1::') if vip == VIP6 else answer.peer == client,
            f'the server saw {answer}',
        )
        equal(
            answer.local,
            servers[2 - n % 3] if method == 'NAT' else vip,
            'address the server was asked at',
        )
        equal(answer.local_port, port, 'port the server was asked at')


for METHOD, NUMBER in (('NAT', 'X-12'), ('DR', 'X-13'), ('TUN', 'X-17')):
    for KIND in ('tcp', 'udp'):
        for ADDRESS, VERSION in ((VIP, 4), (VIP6, 6)):
            case(f'{NUMBER} {METHOD} {KIND} IPv{VERSION} reaches each server in turn')(
                lambda m=METHOD, k=KIND, a=ADDRESS, v=VERSION: balanced(m, k, a, BACK[v])
            )

for KIND in ('tcp', 'udp'):
    case(f'X-16 X-17 TUN {KIND} IPv4 goes to servers by IPv6')(
        lambda k=KIND: balanced('TUN', k, VIP, BACK[6])
    )
    case(f'X-16 X-17 TUN {KIND} IPv6 goes to servers by IPv4')(
        lambda k=KIND: balanced('TUN', k, VIP6, BACK[4])
    )
    case(f'X-12 NAT {KIND} IPv4 changes the port')(
        lambda k=KIND: balanced('NAT', k, VIP, BACK[4], 8080)
    )
    case(f'X-12 NAT {KIND} IPv6 changes the port')(
        lambda k=KIND: balanced('NAT', k, VIP6, BACK[6], 8080)
    )


def bytes_intact(method, vip, servers, length):
    ipvs.service(spec('tcp', vip), METHODS[method], [at(servers[0], 80)])
    with Connection(g.client, vip, timeout=30) as connection:
        true(connection.put(length), f'{length} bytes to the server arrive as they were')
        true(connection.get(length), f'{length} bytes from the server arrive as they were')


for METHOD in METHODS:
    for ADDRESS, VERSION in ((VIP, 4), (VIP6, 6)):
        case(f'X-11 X-25 T-16 {METHOD} IPv{VERSION} keeps 5 MB intact each way, segments merged')(
            lambda m=METHOD, a=ADDRESS, v=VERSION: bytes_intact(m, a, BACK[v], 5 << 20)
        )


if __name__ == '__main__':
    run(g)
