# SPDX-License-Identifier: GPL-2.0
"""Web servers that can be taken down, brought back or declared ill, and clients that keep asking.

An answer is the name of the server. /health is what a checker asks.
"""

import collections
import selectors
import socket
import subprocess
import threading
import time

from .servers import Serving


class Web(Serving):
    """Web servers in some namespaces, all in one thread."""

    def __init__(self):
        super().__init__()
        self.listening = {}
        self.ill = set()

    def up(self, space, port=80):
        """A server begins to listen, on IPv4 and IPv6."""
        with space:
            sock = socket.socket(socket.AF_INET6)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(('::', port))
        sock.listen(64)
        sock.setblocking(False)
        self.listening[space.short, port] = sock
        self.selector.register(sock, selectors.EVENT_READ, (space.short, port))

    def down(self, space, port=80):
        """A server is gone: connections are refused."""
        sock = self.listening.pop((space.short, port))
        self.selector.unregister(sock)
        sock.close()

    def health(self, space, well):
        """Whether /health of a server says that all is well (200) or not (503)."""
        (self.ill.discard if well else self.ill.add)(space.short)

    def answer(self, sock, name, port):
        peer, _ = sock.accept()
        with peer:
            peer.settimeout(1)
            request = peer.recv(4096).decode(errors='replace')
            if not request:
                return
            bad = ' /health' in request and name in self.ill
            body = f'{name}\n' if port == 80 else f'{name}:{port}\n'
            peer.sendall(
                f'HTTP/1.1 {"503 Ill" if bad else "200 OK"}\r\nConnection: close\r\n'
                f'Content-Length: {len(body)}\r\n\r\n{body}'.encode()
            )


class Load:
    """curl, asking an address over and over until the block ends. answers() tells who answers now."""

    def __init__(self, space, url):
        self.seen = collections.deque()
        self.asked = self.failed = 0
        with space:
            self.curl = subprocess.Popen(
                [
                    'curl',
                    '-s',
                    '--no-buffer',
                    '--connect-timeout',
                    '2',
                    '-m',
                    '4',
                    '-o',
                    '-',
                    '-w',
                    'code %{http_code}\n',
                    f'{url}?[1-1000000]',
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.curl.stdout:
            if line.startswith('code '):
                self.asked += 1
                if line != 'code 200\n':
                    self.failed += 1
                    self.seen.append('nobody')
            else:
                self.seen.append(line.strip())

    def answers(self, count=20, seconds=30):
        """Who answered the next COUNT requests."""
        self.seen.clear()
        end = time.monotonic() + seconds
        while len(self.seen) < count and time.monotonic() < end:
            time.sleep(0.05)
        return sorted(set(self.seen))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.curl.kill()
        self.curl.wait()
        self.thread.join()
