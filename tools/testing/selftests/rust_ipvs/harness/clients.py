# SPDX-License-Identifier: GPL-2.0
"""Clients: one question to a VIP, or a connection that stays open."""

import errno
import hashlib
import itertools
import socket
import struct
import threading
from collections import namedtuple

from .servers import pattern
from .tap import patience

# Who answered, and what the server saw of the connection: its peer and its own side.
Answer = namedtuple('Answer', 'name peer peer_port local local_port')


def family(address):
    """The address family of an address in words."""
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def _answer(line):
    name, peer, peer_port, local, local_port = line.decode().split()
    return Answer(name, peer, int(peer_port), local, int(local_port))


def _failed(words):
    return Answer(words, None, None, None, None)


def _why(error):
    if isinstance(error, (TimeoutError, socket.timeout)):
        return 'timeout'
    if isinstance(error, ConnectionRefusedError):
        return 'refused'
    if isinstance(error, ConnectionResetError):
        return 'reset'
    return f'{error.strerror}'


class Ports:
    """Ports that no client had before in this guest, for all threads of a test.

    A port that the kernel draws may be one of an earlier case, whose connection is still known and whose server is gone:
    what comes from it is dropped (S-22).
    """

    FIRST, LAST, BLOCK = 33000, 60000, 500
    PATH = '/run/rust_ipvs-next-port'

    def __init__(self):
        self.lock = threading.Lock()
        self.block = iter(())

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            port = next(self.block, None)
            if port is None:
                self.block = self._next_block()
                port = next(self.block)
            return port

    def _next_block(self):
        try:
            with open(self.PATH, encoding='ascii') as file:
                start = int(file.read())
        except FileNotFoundError:
            start = self.FIRST
        following = start + self.BLOCK if start + 2 * self.BLOCK <= self.LAST else self.FIRST
        with open(self.PATH, 'w', encoding='ascii') as file:
            file.write(str(following))
        return iter(range(start, start + self.BLOCK))


PORTS = Ports()


class Connection:
    """An open TCP connection, or a connected UDP socket that has been answered once."""

    def __init__(
        self, space, address, port=80, kind='tcp', source=None, sport=0, timeout=5, mark=None
    ):
        stream = kind == 'tcp'
        with space:
            self.sock = socket.socket(
                family(address), socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
            )
        self.sock.settimeout(patience(timeout))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if mark is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        try:
            self._bind(source or ('::' if ':' in address else '0.0.0.0'), sport)
            self.sock.connect((address, port))
            self.port = self.sock.getsockname()[1]
            self.lines = self.sock.makefile('rb')
            if stream:
                self.answer = _answer(self.lines.readline())
            else:
                self.answer = _answer(self.exchange(b''))
        except OSError:
            self.sock.close()
            raise

    def _bind(self, source, sport):
        """Takes the port SPORT, or one that is new."""
        for port in [sport] if sport else itertools.islice(PORTS, 100):
            try:
                self.sock.bind((source, port))
                return
            except OSError as error:
                if sport or error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(errno.EADDRINUSE, 'no port is free')

    def exchange(self, data):
        """Sends a line or a datagram and returns the answer."""
        self.sock.sendall(data)
        if self.sock.type == socket.SOCK_STREAM:
            return self.lines.readline()
        return self.sock.recv(65535)

    def echo(self, text='hello\n'):
        """Sends a line and returns whether it came back."""
        try:
            return text.encode() in self.exchange(text.encode())
        except OSError as error:
            return _why(error) == 'no'

    def put(self, length):
        """Sends LENGTH bytes; returns whether the server received those very bytes."""
        data = pattern(length)
        self.sock.sendall(f'PUT {length}\n'.encode() + data)
        return self.lines.readline().strip().decode() == hashlib.sha256(data).hexdigest()

    def get(self, length):
        """Asks for LENGTH bytes; returns whether those very bytes came."""
        self.sock.sendall(f'GET {length}\n'.encode())
        return self.lines.read(length) == pattern(length)

    def close(self):
        """Closes in order."""
        self.lines.close()
        self.sock.close()

    def reset(self):
        """Closes with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask(space, address, port=80, kind='tcp', **rest):
    """Asks once; the answer's name is the server's, or in words why there is none."""
    try:
        with Connection(space, address, port, kind, **rest) as connection:
            return connection.answer
    except ValueError:
        return _failed('closed')
    except OSError as error:
        return _failed(_why(error))
