# SPDX-License-Identifier: GPL-2.0
"""Generic netlink by hand: every byte of a request is the test's own, every byte of an answer is seen."""

import errno
import os
import socket
import struct
from collections import namedtuple

NETLINK_GENERIC = 16
NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK = 0x1, 0x2, 0x4
NLM_F_DUMP = 0x300
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLA_F_NESTED = 0x8000
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 3
SOL_NETLINK, NETLINK_EXT_ACK = 270, 11

# One message of an answer: its command, its version, its attributes as bytes, its netlink flags.
Message = namedtuple('Message', 'command version payload flags')
# All that came back: messages, errno (0 for success), words of the extended acknowledgment,
# datagrams read, the offset in the request that the acknowledgment names.
Answer = namedtuple('Answer', 'messages error words datagrams offset')


def attr(number, payload):
    """An attribute, padded."""
    if isinstance(payload, str):
        payload = payload.encode() + b'\0'
    return struct.pack('=HH', 4 + len(payload), number) + payload + bytes(-len(payload) % 4)


def u8(value):
    return struct.pack('=B', value)


def u16(value):
    return struct.pack('=H', value)


def be16(value):
    return struct.pack('!H', value)


def u32(value):
    return struct.pack('=I', value & 0xFFFFFFFF)


def address(text):
    """An address as 4 or 16 bytes."""
    return socket.inet_pton(socket.AF_INET6 if ':' in text else socket.AF_INET, text)


def attributes(payload):
    """The attributes in PAYLOAD as a list of (number with flags, bytes), in their order."""
    found = []
    while len(payload) >= 4:
        length, number = struct.unpack_from('=HH', payload)
        if not 4 <= length <= len(payload):
            raise ValueError(f'attribute {number} has a length of {length} in {len(payload)} bytes')
        found.append((number, payload[4:length]))
        payload = payload[(length + 3) & ~3 :]
    if payload:
        raise ValueError(f'{len(payload)} bytes are left over')
    return found


class Genl:
    """A socket for one family, in the namespace that it was made in."""

    def __init__(self, family):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.socket.settimeout(30)
        self.socket.bind((0, 0))
        self.sequence = 0
        self.family = GENL_ID_CTRL
        self.description = self.call(CTRL_CMD_GETFAMILY, attr(2, family), version=2)
        if self.description.error:
            raise OSError(
                self.description.error, f'{family}: {os.strerror(self.description.error)}'
            )
        self.family = struct.unpack(
            '=H', dict(attributes(self.description.messages[0].payload))[1]
        )[0]

    def close(self):
        """Lets go of the socket."""
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, command, payload=b'', flags=NLM_F_REQUEST | NLM_F_ACK, version=1):
        """Sends a request and returns its Answer."""
        return self.raw(struct.pack('=BBH', command, version, 0) + payload, flags)

    def repeat(self, command, payload, times):
        """Sends a request so many times, hundreds in a message to the kernel. Each must succeed."""
        self.sequence += 1
        body = struct.pack('=BBH', command, 1, 0) + payload
        head = struct.pack('=IHHII', 16 + len(body), self.family, NLM_F_REQUEST, self.sequence, 0)
        one = head + body + bytes(-len(body) % 4)
        for done in range(0, times, 500):
            self.socket.send(one * min(500, times - done))
        # Only one that failed has been answered by now.
        self.socket.setblocking(False)
        try:
            error = -struct.unpack_from('=i', self.socket.recv(1 << 17), 16)[0]
            raise OSError(error, f'one of {times} requests: {os.strerror(error)}')
        except BlockingIOError:
            self.socket.settimeout(30)

    def dump(self, command, payload=b''):
        """Sends a request for a dump and returns its Answer."""
        return self.call(command, payload, NLM_F_REQUEST | NLM_F_DUMP)

    def raw(self, body, flags=NLM_F_REQUEST | NLM_F_ACK):
        """Sends a message of which only the netlink header is right."""
        self.sequence += 1
        self.socket.send(
            struct.pack('=IHHII', 16 + len(body), self.family, flags, self.sequence, 0) + body
        )
        messages, datagrams = [], 0
        while True:
            data = self.socket.recv(1 << 17)
            datagrams += 1
            while data:
                length, kind, flags, sequence, _ = struct.unpack_from('=IHHII', data)
                body, data = data[16:length], data[(length + 3) & ~3 :]
                if sequence != self.sequence:
                    raise OSError(errno.EPROTO, f'answer {sequence} to request {self.sequence}')
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    told = _told(kind, flags, body)
                    words, offset = told.get(1), told.get(2)
                    return Answer(
                        messages,
                        -struct.unpack_from('=i', body)[0],
                        words and words.rstrip(b'\0').decode(),
                        datagrams,
                        offset and struct.unpack('=I', offset)[0],
                    )
                command, version = struct.unpack_from('=BB', body)
                messages.append(Message(command, version, body[4:], flags))


def _told(kind, flags, body):
    """The attributes of an extended acknowledgment by their numbers."""
    if not flags & NLM_F_ACK_TLVS:
        return {}
    offset = 4
    if kind == NLMSG_ERROR:
        # The header of the request follows, and all of it where it is not capped.
        offset += 16 if flags & NLM_F_CAPPED else struct.unpack_from('=I', body, 4)[0] + 3 & ~3
    return dict(attributes(body[offset:]))
