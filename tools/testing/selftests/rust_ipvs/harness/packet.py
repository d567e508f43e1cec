# SPDX-License-Identifier: GPL-2.0
"""Packets by hand: building them, right or wrong, sending them as frames, sniffing and reading them."""

import select
import socket
import struct
import time

from .tap import patience

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SOL_PACKET, PACKET_VNET_HDR = 263, 15
ICMP, TCP, UDP, IPIP, IPV6, ICMPV6, FRAGMENT, SCTP = 1, 6, 17, 4, 41, 58, 44, 132
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    """The Internet checksum of bytes (RFC 1071)."""
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _crc32c_of(byte):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC32C = [_crc32c_of(byte) for byte in range(256)]


def crc32c(data):
    """SCTP's checksum (RFC 9260, appendix A)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def raw(address):
    """An address in words as bytes."""
    return socket.inet_pton(socket.AF_INET6 if ':' in address else socket.AF_INET, address)


def words(address):
    """Bytes of an address as words."""
    return socket.inet_ntop(
        socket.AF_INET6 if len(address) == 16 else socket.AF_INET, bytes(address)
    )


def pseudo(src, dst, proto, length):
    """The pseudo header that TCP, UDP and ICMPv6 sums cover."""
    src, dst = raw(src), raw(dst)
    if len(src) == 16:
        return src + dst + struct.pack('!IHBB', length, 0, 0, proto)
    return src + dst + struct.pack('!BBH', 0, proto, length)


def tcp(src, dst, sport, dport, flags, seq=1, ack=0, data=b'', offset=5):
    """A TCP segment."""
    head = struct.pack('!HHIIBBHHH', sport, dport, seq, ack, offset << 4, flags, 65535, 0, 0)
    total = checksum(pseudo(src, dst, TCP, len(head) + len(data)) + head + data)
    return head[:16] + struct.pack('!H', total) + head[18:] + data


def udp(src, dst, sport, dport, data=b'', sum_=None, length=None):
    """A UDP datagram. SUM_ 0 leaves it without a checksum."""
    length = 8 + len(data) if length is None else length
    head = struct.pack('!HHHH', sport, dport, length, 0)
    if sum_ is None:
        sum_ = checksum(pseudo(src, dst, UDP, 8 + len(data)) + head + data) or 0xFFFF
    return head[:6] + struct.pack('!H', sum_) + data


def chunk(kind, data=b'', length=None):
    """A chunk of SCTP, padded."""
    length = 4 + len(data) if length is None else length
    return struct.pack('!BBH', kind, 0, length) + data + bytes(-len(data) % 4)


def sctp(sport, dport, chunks, tag=1):
    """A packet of SCTP with the bytes CHUNKS behind its common header."""
    head = struct.pack('!HHI', sport, dport, tag)
    return head + struct.pack('<I', crc32c(head + bytes(4) + chunks)) + chunks


def ip(
    src,
    dst,
    proto,
    payload,
    ttl=64,
    df=False,
    ident=0,
    offset=0,
    more=False,
    ihl=None,
    version=None,
    length=None,
    tos=0,
    options=b'',
):
    """An IP packet of the addresses' family; the odd arguments make wrong IPv4 ones."""
    if ':' in src:
        first = (6 if version is None else version) << 28 | tos << 20
        size = len(payload) if length is None else length
        return struct.pack('!IHBB', first, size, proto, ttl) + raw(src) + raw(dst) + payload
    options += bytes(-len(options) % 4)
    ihl = 5 + len(options) // 4 if ihl is None else ihl
    size = 20 + len(options) + len(payload) if length is None else length
    fragment = (0x4000 if df else 0) | (0x2000 if more else 0) | offset
    head = (
        struct.pack(
            '!BBHHHBBH',
            (4 if version is None else version) << 4 | ihl,
            tos,
            size,
            ident,
            fragment,
            ttl,
            proto,
            0,
        )
        + raw(src)
        + raw(dst)
        + options
    )
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + payload


def icmp(src, dst, about, kind, rest=0, sum_=None, **options):
    """An ICMP or ICMPv6 message of type and code KIND that quotes a packet."""
    message = struct.pack('!BBHI', *kind, 0, rest) + about
    if sum_ is None:
        covered = pseudo(src, dst, ICMPV6, len(message)) if ':' in src else b''
        sum_ = checksum(covered + message)
    message = message[:2] + struct.pack('!H', sum_) + message[4:]
    return ip(src, dst, ICMPV6 if ':' in src else ICMP, message, **options)


def fragment6(nexthdr, offset, more, ident, payload):
    """An IPv6 fragment header (RFC 8200, 4.5) and what follows; OFFSET in units of 8 bytes."""
    return struct.pack('!BBHI', nexthdr, 0, offset << 3 | int(more), ident) + payload


class Packet:
    """A packet that was seen, with whatever of it could be read."""

    def __init__(self, data):
        self.data = data
        self.version = data[0] >> 4
        if self.version == 4:
            self.head = (data[0] & 15) * 4
            self.length, self.ident, fragment, self.ttl, self.proto = struct.unpack(
                '!HHHBB', data[2:10]
            )
            self.df, self.more, self.offset = (
                bool(fragment & 0x4000),
                bool(fragment & 0x2000),
                fragment & 0x1FFF,
            )
            self.tos = data[1]
            self.src, self.dst = words(data[12:16]), words(data[16:20])
            self.payload = data[self.head : self.length]
            self.sum_is_right = checksum(data[: self.head]) == 0
        else:
            self.head = 40
            self.tos = (struct.unpack('!H', data[:2])[0] >> 4) & 255
            size, self.proto, self.ttl = struct.unpack('!HBB', data[4:8])
            self.length = 40 + size
            self.df, self.more, self.offset = False, False, 0
            self.src, self.dst = words(data[8:24]), words(data[24:40])
            self.payload = data[40 : self.length]
            self.sum_is_right = True
        self.sport = self.dport = self.flags = self.type = self.code = None
        self._transport()

    def _transport(self):
        body = self.payload
        if self.proto in (TCP, UDP, SCTP) and len(body) >= 8 and not self.offset:
            self.sport, self.dport = struct.unpack('!HH', body[:4])
        if self.proto == TCP and len(body) >= 20 and not self.offset:
            self.flags = body[13] & 0x3F
            self.seq, self.ack = struct.unpack('!II', body[4:12])
            self.body = body[(body[12] >> 4) * 4 :]
        elif self.proto == UDP:
            self.body = body[8:]
        elif self.proto == SCTP:
            self.body = body[12:]
        elif self.proto in (ICMP, ICMPV6) and len(body) >= 8:
            self.type, self.code = body[0], body[1]
            (self.rest,) = struct.unpack('!I', body[4:8])
            self.body = body[8:]

    def inner(self):
        """The packet in a tunnel or in an ICMP error."""
        return Packet(self.body if self.proto in (ICMP, ICMPV6) else self.payload)

    def transport_sum_is_right(self):
        """Whether the TCP, UDP or ICMPv6 checksum (0 for UDP is not right), or the ICMP one, fits."""
        if self.proto == ICMP:
            return checksum(self.payload) == 0
        if self.proto == UDP and self.payload[6:8] == b'\0\0':
            return False
        if self.proto == SCTP:
            return (
                struct.pack('<I', crc32c(self.payload[:8] + bytes(4) + self.body))
                == self.payload[8:12]
            )
        return (
            checksum(pseudo(self.src, self.dst, self.proto, len(self.payload)) + self.payload) == 0
        )

    def __repr__(self):
        flags = (
            ''
            if self.flags is None
            else ' '
            + ''.join(letter for bit, letter in enumerate('FSRPAU') if self.flags >> bit & 1)
        )
        icmp = '' if self.type is None else f' type {self.type} code {self.code}'
        return f'<{self.src}:{self.sport} > {self.dst}:{self.dport} proto {self.proto}{flags}{icmp} ttl {self.ttl}>'


def hardware(space, device):
    """The Ethernet address of a device."""
    with space, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, 0))
        return sock.getsockname()[4]


class Wire:
    """Sends packets out of a device as frames, with a fixed Ethernet address for the next hop."""

    def __init__(self, space, device, to_space, to_device):
        self.destination = hardware(to_space, to_device)
        self.source = hardware(space, device)
        with space:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.sock.bind((device, 0))

    def send(self, packet, ethertype=None):
        """Sends one IP packet; returns whether the device took it."""
        if ethertype is None:
            ethertype = 0x86DD if packet[:1] and packet[0] >> 4 == 6 else 0x0800
        try:
            self.sock.send(self.destination + self.source + struct.pack('!H', ethertype) + packet)
        except OSError:
            return False  # Too long or too short for a device; wrong ones are sent on purpose.
        return True

    def send_frame(self, packet, to=None, tag=b'', tail=b''):
        """Sends one IP packet to a link address, with a tag before and padding after it."""
        ethertype = b'\x86\xdd' if packet[0] >> 4 == 6 else b'\x08\0'
        to = to or self.destination
        self.sock.send(to + self.source + tag + ethertype + packet + tail)

    def send_split(self, packet):
        """Sends one IPv4 packet of more than a page, of which the kernel has the Ethernet header in one piece
        and the rest in pages, as network cards deliver them."""
        frame = self.destination + self.source + b'\x08\0' + packet
        self.sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        try:
            # struct virtio_net_hdr: no offload, and how much is in one piece.
            self.sock.send(struct.pack('=BBHHHH', 0, 0, 14, 0, 0, 0) + frame)
        finally:
            self.sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 0)

    def close(self):
        """Closes it."""
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Sniffer:
    """Reads what comes to, or goes out of, a device from the moment it is made."""

    def __init__(self, space, device, outgoing=False):
        with space:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.bind((device, ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.sock.setblocking(False)
        self.outgoing = outgoing
        self.seen = []

    def _take(self):
        while True:
            try:
                data, address = self.sock.recvfrom(70000)
            except BlockingIOError:
                return
            if (address[2] == PACKET_OUTGOING) != self.outgoing:
                continue
            if address[1] in (0x0800, 0x86DD) and len(data) > 34:
                try:
                    self.seen.append(Packet(data[14:]))
                except (struct.error, ValueError, IndexError):
                    pass

    def wait(self, wanted, seconds=3):
        """The first packet that WANTED accepts, or None after SECONDS of patience()."""
        end = time.monotonic() + patience(seconds)
        while True:
            self._take()
            for packet in self.seen:
                if wanted(packet):
                    return packet
            left = end - time.monotonic()
            if left <= 0:
                return None
            select.select([self.sock], [], [], left)

    def all(self, wanted=lambda _: True, seconds=0.0):
        """All packets so far that WANTED accepts, after SECONDS more."""
        time.sleep(seconds)
        self._take()
        return [packet for packet in self.seen if wanted(packet)]

    def close(self):
        """Closes it."""
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
