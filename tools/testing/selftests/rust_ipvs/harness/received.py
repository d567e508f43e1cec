# SPDX-License-Identifier: GPL-2.0
"""Connections in large numbers, made as a backup that a master tells of them."""

import time

from . import ipvs, sync
from .fixture import FIXTURE as g, VIP

# Connections that a master tells of in one message.
IN_A_MESSAGE = 36
SERVER = '10.0.2.11'


def entry(client, port, vip=VIP, server=SERVER, flags=sync.INACTIVE | sync.ROUTE, seconds=300):
    """A UDP connection of a message."""
    return sync.Entry(17, flags, 0, client, port, vip, 80, server, 80, 0, seconds)


def tell(contents):
    """Sends messages of these contents to a backup that runs meanwhile."""
    ipvs.admin('--start-daemon backup --mcast-interface front')
    messages = [sync.message(*entries) for entries in contents]
    for number in range(0, len(messages), 20):
        sync.send(g.director, 'front', *messages[number : number + 20])
        time.sleep(0.05)
    ipvs.admin('--stop-daemon backup')


def receive(number, servers=(SERVER,), seconds=300):
    """Makes so many connections, 36 of a client, spread over the servers; returns their number."""
    contents = []
    for at in range(number // IN_A_MESSAGE):
        client = f'10.90.{at // 250}.{at % 250 + 1}'
        contents.append(
            [
                entry(client, 1024 + n, server=servers[n % len(servers)], seconds=seconds)
                for n in range(IN_A_MESSAGE)
            ]
        )
    tell(contents)
    return len(contents) * IN_A_MESSAGE


def one_chain(count, server=SERVER):
    """Makes connections of one port to many VIPs by one server, whose replies have one hash."""
    entries = [
        entry(
            '10.93.0.1',
            1024,
            f'10.92.{n // 250}.{n % 250 + 1}',
            server,
            sync.INACTIVE | sync.MASQ,
        )
        for n in range(count)
    ]
    tell([entries[n : n + IN_A_MESSAGE] for n in range(0, count, IN_A_MESSAGE)])
