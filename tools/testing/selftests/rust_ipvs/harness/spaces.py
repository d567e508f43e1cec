# SPDX-License-Identifier: GPL-2.0
"""Namespaces with a short life: services, connections, and the end."""

import fcntl
import os
import socket
import struct

from .abi import NEW_DEST, NEW_SERVICE, TCP, UDP, V6, dest, service
from .netlink import Genl
from .tap import Failure

SIOCSIFADDR, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x8914, 1


def private_namespace(n, problems):
    """A thread's life: a namespace of its own with services and live connections, and its end."""
    try:
        os.unshare(os.CLONE_NEWNET)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack('16sh14x', b'lo', IFF_UP))
            # On the loopback device the whole of 10.0.0.0/8 is local then.
            fcntl.ioctl(
                sock,
                SIOCSIFADDR,
                struct.pack('16sHH4s8x', b'lo:1', socket.AF_INET, 0, bytes((10, 0, 9, 1))),
            )
        with Genl('IPVS') as genl:
            for protocol in (TCP, UDP):
                four = dict(protocol=protocol, addr='10.0.9.1')
                six = dict(protocol=protocol, addr='::1', af=V6, netmask=128)
                for fields, server in (
                    (four, dest(addr='10.0.9.2', port=81)),
                    (six, dest(addr='::1', port=81)),
                ):
                    for command, payload in (
                        (NEW_SERVICE, service(**fields)),
                        (NEW_DEST, service(**fields) + server),
                    ):
                        error = genl.call(command, payload).error
                        if error:
                            raise OSError(error, f'command {command}: {os.strerror(error)}')
        for family, vip in ((socket.AF_INET, '10.0.9.1'), (socket.AF_INET6, '::1')):
            for port in range(5):
                with socket.socket(family, socket.SOCK_DGRAM) as sock:
                    sock.bind((vip, 6000 + port))
                    sock.sendto(b'live', (vip, 80))
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.settimeout(1)
                sock.connect_ex((vip, 80))
        with open('/proc/thread-self/net/ip_vs_conn', encoding='utf-8') as file:
            count = len(file.readlines()) - 1
        if count < 10:
            raise Failure(f'{count} connections')
    except Exception as error:
        problems.append(f'namespace {n}: {error}')
