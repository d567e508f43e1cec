# SPDX-License-Identifier: GPL-2.0
"""The older interface, by socket options: numbers, structures, and how they are said."""

import ctypes
import socket
import struct

from .abi import ALL, MASQ, TCP, g

ADD, EDIT, DEL, FLUSH, ADD_DEST, DEL_DEST, EDIT_DEST, TIMEOUT, START, STOP, ZERO = (
    1154,
    1155,
    1156,
    1157,
    1159,
    1160,
    1161,
    1162,
    1163,
    1164,
    1167,
)
VERSION, INFO, SERVICES, SERVICE, DESTS, TIMEOUTS, DAEMONS = (
    1152,
    1153,
    1154,
    1155,
    1156,
    1158,
    1159,
)

libc = ctypes.CDLL(None, use_errno=True)


def opened(kind=socket.SOCK_RAW):
    """A socket of the director's namespace."""
    with g.director:
        return socket.socket(socket.AF_INET, kind, 255 if kind == socket.SOCK_RAW else 0)


def say(option, payload, sock=None):
    """The errno of an option that is set; 0 where that succeeds."""
    with sock or opened() as sock:
        done = libc.setsockopt(sock.fileno(), socket.IPPROTO_IP, option, payload, len(payload))
        return ctypes.get_errno() if done else 0


def ask(option, payload, sock=None):
    """The errno of a question, and the answer."""
    buffer, length = ctypes.create_string_buffer(payload, max(len(payload), 1)), ctypes.c_int(
        len(payload)
    )
    with sock or opened() as sock:
        done = libc.getsockopt(
            sock.fileno(), socket.IPPROTO_IP, option, buffer, ctypes.byref(length)
        )
        return (ctypes.get_errno(), b'') if done else (0, buffer.raw[: length.value])


def svc(
    protocol=TCP, addr='10.0.0.1', port=80, fwmark=0, sched=b'rr', flags=0, timeout=0, netmask=ALL
):
    return (
        struct.pack('=H2x4s', protocol, socket.inet_aton(addr))
        + struct.pack('!H2x', port)
        + struct.pack('=I16sIII', fwmark, sched, flags, timeout, netmask)
    )


def svc_dest(addr='10.0.0.2', port=80, flags=MASQ, weight=1, upper=0, lower=0, **fields):
    return (
        svc(**fields)
        + socket.inet_aton(addr)
        + struct.pack('!H2x', port)
        + struct.pack('=IiII', flags, weight, upper, lower)
    )
