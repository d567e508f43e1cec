# SPDX-License-Identifier: GPL-2.0
"""Real servers, which say who they are and what they saw, over TCP and UDP, IPv4 and IPv6.

All run in threads of the test itself: starting programs is the dearest thing in an emulated guest.
"""

import functools
import hashlib
import selectors
import socket
import struct
import threading

IP_PKTINFO = 8
PORTS = (80, 8080)


@functools.cache
def _block():
    return bytes((i * 131 + (i >> 8) * 17) & 255 for i in range(65521))


def pattern(length):
    """LENGTH bytes that differ from place to place, the same each time."""
    block = _block()
    return (block * (length // len(block) + 1))[:length]


class Serving:
    """Sockets that one thread waits for; answer() says what to do with one that something came to."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.stopping = False
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def answer(self, sock, *about):
        """Answers what came to a socket, ABOUT which the selector knows that."""
        raise NotImplementedError

    def start(self):
        """Begins to serve."""
        self.thread.start()
        return self

    def stop(self):
        """Ends serving and closes everything."""
        self.stopping = True
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()

    def _serve(self):
        while not self.stopping:
            for key, _ in self.selector.select(0.2):
                try:
                    self.answer(key.fileobj, *key.data)
                except OSError:
                    pass  # Who asks may leave at any moment.


class Servers(Serving):
    """The servers of some namespaces. Use start() and stop()."""

    def add(self, space, ports=PORTS):
        """Serves all PORTS in a namespace under its short name."""
        with space:
            for port in ports:
                for family in (socket.AF_INET, socket.AF_INET6):
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        self._listen(space.short, family, kind, port)

    def _listen(self, name, family, kind, port):
        sock = socket.socket(family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_DGRAM:
            # So that a reply leaves from the very address that was asked.
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.bind(('::' if family == socket.AF_INET6 else '0.0.0.0', port))
        if kind == socket.SOCK_STREAM:
            sock.listen(256)
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ, (name, kind))

    def answer(self, sock, name, kind):
        if kind == socket.SOCK_STREAM:
            self._accept(name, sock)
        else:
            self._datagram(name, sock)

    @staticmethod
    def _accept(name, sock):
        peer, address = sock.accept()
        local = peer.getsockname()
        peer.setblocking(True)
        peer.settimeout(30)
        peer.sendall(f'{name} {address[0]} {address[1]} {local[0]} {local[1]}\n'.encode())
        threading.Thread(target=_converse, args=(peer,), daemon=True).start()

    @staticmethod
    def _datagram(name, sock):
        data, ancillary, _, peer = sock.recvmsg(65535, 256)
        local, reply = '?', []
        for level, kind, value in ancillary:
            if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
                local = socket.inet_ntop(socket.AF_INET, value[8:12])
                reply = [(level, kind, struct.pack('=I4s4s', 0, value[8:12], b'\0' * 4))]
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                local = socket.inet_ntop(socket.AF_INET6, value[:16])
                reply = [(level, kind, value[:16] + struct.pack('=I', 0))]
        head = f'{name} {peer[0]} {peer[1]} {local} {sock.getsockname()[1]}\n'.encode()
        sock.sendmsg([head, data], reply, 0, peer)


def _converse(peer):
    """One TCP connection: "PUT n" and n bytes give their hash, "GET n" gives n bytes, else an echo."""
    try:
        with peer, peer.makefile('rb') as lines:
            for line in lines:
                words = line.split()
                if words[:1] == [b'PUT']:
                    peer.sendall(_digest(lines, int(words[1])).encode() + b'\n')
                elif words[:1] == [b'GET']:
                    peer.sendall(pattern(int(words[1])))
                else:
                    peer.sendall(line)
    except OSError:
        pass


def _digest(lines, length):
    digest = hashlib.sha256()
    while length:
        part = lines.read(min(length, 1 << 16))
        if not part:
            return 'cut short'
        digest.update(part)
        length -= len(part)
    return digest.hexdigest()
