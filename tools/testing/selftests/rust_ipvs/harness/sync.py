# SPDX-License-Identifier: GPL-2.0
"""What directors tell each other: messages as bytes and in words (14.2), and who sends and hears them."""

import contextlib
import socket
import struct
import time
from collections import namedtuple

from .packet import raw, words
from .tap import patience

GROUP, GROUP6, PORT = '224.0.0.81', 'ff02::81', 8848
SYNC, NOOUTPUT, INACTIVE, TEMPLATE, NO_CPORT, ONE_PACKET = 0x20, 0x80, 0x100, 0x1000, 0x800, 0x2000
MASQ, TUNNEL, ROUTE = 0, 2, 3

Entry = namedtuple(
    'Entry',
    'proto flags state client cport virt vport dest dport mark timeout options',
    defaults=(0, 0, b''),
)
Message = namedtuple('Message', 'version syncid entries')


def body(entry):
    """An entry of version 1, without what fills it up."""
    v6 = ':' in entry.client
    addresses = raw(entry.client) + raw(entry.virt) + raw(entry.dest)
    length = 24 + len(addresses) + len(entry.options)
    return (
        struct.pack(
            '!BBHIHHHHII',
            int(v6),
            entry.proto,
            length,
            entry.flags,
            entry.state,
            entry.cport,
            entry.vport,
            entry.dport,
            entry.mark,
            entry.timeout,
        )
        + addresses
        + entry.options
    )


def message(*entries, syncid=0):
    """A message of version 1."""
    data = b''
    for entry in entries:
        data += bytes(-len(data) % 4) + body(entry)
    return struct.pack('!BBHBBH', 0, syncid, 8 + len(data), len(entries), 1, 0) + data


def old_message(*entries, syncid=0):
    """A message of version 0."""
    data = b''.join(
        struct.pack('!BBHHH', 0, e.proto, e.cport, e.vport, e.dport)
        + raw(e.client)
        + raw(e.virt)
        + raw(e.dest)
        + struct.pack('!HH', e.flags, e.state)
        for e in entries
    )
    return struct.pack('!BBH', len(entries), syncid, 4 + len(data)) + data


def decode(data):
    """A message in words; it must be right in each respect."""
    first, syncid, length = struct.unpack_from('!BBH', data)
    if length != len(data):
        raise ValueError(f'a message of {len(data)} bytes says {length}')
    entries = []
    if first:
        at = 4
        for _ in range(first):
            _, proto, cport, vport, dport, client, virt, dest, flags, state = struct.unpack_from(
                '!BBHHH4s4s4sHH', data, at
            )
            at += 24
            entries.append(
                Entry(
                    proto,
                    flags,
                    state,
                    words(client),
                    cport,
                    words(virt),
                    vport,
                    words(dest),
                    dport,
                )
            )
        return Message(0, syncid, entries)
    count, version, spare = struct.unpack_from('!BBH', data, 4)
    if spare:
        raise ValueError('spare is not 0')
    at = 8
    for _ in range(count):
        at += -at % 4
        kind, proto, size, flags, state, cport, vport, dport, mark, timeout = struct.unpack_from(
            '!BBHIHHHHII', data, at
        )
        width = 16 if kind & 1 else 4
        client, virt, dest = (words(data[at + 24 + n * width :][:width]) for n in range(3))
        options = data[at + 24 + 3 * width : at + size]
        entries.append(
            Entry(
                proto, flags, state, client, cport, virt, vport, dest, dport, mark, timeout, options
            )
        )
        at += size
    if at != len(data):
        raise ValueError(f'{len(data) - at} bytes are left over')
    return Message(version, syncid, entries)


def send(space, device, *messages, group=GROUP, port=PORT):
    """Sends messages to a group as a master would."""
    v6 = ':' in group
    with space:
        sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
        index = socket.if_nametoindex(device)
    with sock:
        if v6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            sock.setsockopt(
                socket.IPPROTO_IP,
                socket.IP_MULTICAST_IF,
                struct.pack('=4s4si', bytes(4), bytes(4), index),
            )
        for data in messages:
            sock.sendto(data, (group, port) if not v6 else (group, port, 0, index))


class Ear:
    """Hears what masters send to a group."""

    def __init__(self, space, device, group=GROUP, port=PORT):
        v6 = ':' in group
        with space:
            self.sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
            index = socket.if_nametoindex(device)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if v6:
            self.sock.bind((group, port, 0, index))
            request = raw(group) + struct.pack('=i', index)
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        else:
            self.sock.bind((group, port))
            request = struct.pack('=4s4si', raw(group), bytes(4), index)
            self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        self.sock.setblocking(False)
        self.messages = []

    def hear(self, seconds=0.0):
        """All messages so far, after SECONDS more."""
        time.sleep(seconds)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.messages.append(decode(self.sock.recv(65536)))
        return self.messages

    def entries(self, seconds=0.0):
        """All that was told so far."""
        return [entry for message in self.hear(seconds) for entry in message.entries]

    def wait(self, wanted, seconds=6):
        """The first entry that WANTED accepts, or None after SECONDS of patience()."""
        end = time.monotonic() + patience(seconds)
        while time.monotonic() < end:
            for entry in self.entries(0.05):
                if wanted(entry):
                    return entry
        return None

    def close(self):
        """Closes it."""
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
