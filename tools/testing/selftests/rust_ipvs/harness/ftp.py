# SPDX-License-Identifier: GPL-2.0
"""FTP: vsftpd in namespaces, a server that says what it is told to, and a client that speaks of data connections in any way."""

import contextlib
import ftplib
import io
import os
import re
import signal
import socket
import subprocess
import threading

from . import ipvs
from .fixture import FIXTURE as g, VIP, VIP6
from .servers import pattern
from .tap import case, equal, patience, until

# Where vsftpd listens for passive data connections.
PASSIVE = (40000, 40009)

CONFIG = '''listen=NO
listen_ipv6=YES
background=NO
anonymous_enable=YES
no_anon_password=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_umask=022
anon_root={folder}/root
secure_chroot_dir={folder}/empty
pasv_min_port={low}
pasv_max_port={high}
connect_from_port_20=YES
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
{rest}
'''


RIP = {'s1': '10.0.2.11', 's2': '10.0.2.12', 's3': '10.0.2.13'}
RIP6 = {'s1': 'fd00:2::b', 's2': 'fd00:2::c', 's3': 'fd00:2::d'}


def serve(servers=('s1', 's2', 's3'), options='-s rr', version=4, port=21):
    """The service, by NAT; with C's, the helper too."""
    if g.impl == 'c':
        subprocess.run(['modprobe', 'ip_vs_ftp'], check=True)
    vip, rips = (
        (f'[{VIP6}]', [f'[{RIP6[s]}]' for s in servers])
        if version == 6
        else (VIP, [RIP[s] for s in servers])
    )
    ipvs.service(f'-t {vip}:{port}', '-m', [f'{rip}:{port}' for rip in rips], options)


def ftp_case(words, only=None):
    """A case that leaves no connection and no daemon: each one of the helper holds C's module."""

    def register(function):
        def whole():
            try:
                function()
            finally:
                if g.loaded():
                    ipvs.admin('--stop-daemon master', check=False, quiet=True)
                    ipvs.setting('expire_nodest_conn', 1)
                    # It takes a server that goes to have connections to those that are gone looked
                    # for.
                    ipvs.service(f'-t {VIP}:9', '-m', ['10.0.2.99:9'])
                    ipvs.admin('-C', quiet=True)
                    # C leaves templates, which hold nothing.
                    until(
                        lambda: not [r for r in ipvs.rows() if r.state not in ('NONE', 'ASSURED')],
                        'the end of all connections',
                    )

        return case(words, only, fresh=True)(whole)

    return register


def spaces(names=('s1', 's2', 's3')):
    """The namespaces of servers."""
    return [g.spaces[name] for name in names]


def data_rows(**match):
    """The data connections, and those that wait."""
    return [r for r in ipvs.rows(**match) if r.vport != 21]


class Vsftpd:
    """An FTP server in each namespace, which has one file, its name, and a folder for others."""

    def __init__(self, spaces, rest=''):
        self.spaces = spaces
        self.processes = []
        for space in spaces:
            folder = f'/tmp/ftp-{space.short}'
            for part in ('root/in', 'empty'):
                os.makedirs(f'{folder}/{part}', exist_ok=True)
            os.chmod(f'{folder}/root/in', 0o777)
            for old in os.listdir(f'{folder}/root/in'):
                os.unlink(f'{folder}/root/in/{old}')
            with open(f'{folder}/root/name', 'w', encoding='utf-8') as file:
                file.write(f'{space.short}\n')
            with open(f'{folder}/vsftpd.conf', 'w', encoding='utf-8') as file:
                file.write(CONFIG.format(folder=folder, low=PASSIVE[0], high=PASSIVE[1], rest=rest))
            with space:
                self.processes.append(
                    subprocess.Popen(
                        ['vsftpd', f'{folder}/vsftpd.conf'],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )

    def __enter__(self):
        for space in self.spaces:
            until(
                lambda: ':21 ' in space.run('ss -Hltn', quiet=True),
                f'vsftpd of {space.short} listens',
                20,
            )
        return self

    def __exit__(self, *_):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


class Client(ftplib.FTP):
    """A session of a namespace's client with a VIP. Data connections are spoken of by `way`: PASV, EPSV, PORT or EPRT."""

    # What the server says is believed: that is what is tested.
    trust_server_pasv_ipv4_address = True

    def __init__(self, space, vip, way='PASV', source=None, port=21):
        self.space, self.way, self.data_peer, self.listen_at = space, way, None, 0
        source = source or ('fd00:1::1' if ':' in vip else '10.0.1.1')
        with space:
            super().__init__(timeout=patience(15), source_address=(source, 0))
            self.connect(vip, port)

    def login(self, *_):
        return super().login('anonymous', 'x')

    @property
    def passiveserver(self):
        """Whether the server is the one that listens."""
        return self.way in ('PASV', 'EPSV')

    @passiveserver.setter
    def passiveserver(self, _):
        pass

    def makepasv(self):
        if self.way == 'EPSV':
            return ftplib.parse229(self.sendcmd('EPSV'), self.sock.getpeername())
        return ftplib.parse227(self.sendcmd('PASV'))

    def makeport(self):
        listener = socket.create_server(
            (self.sock.getsockname()[0], self.listen_at), family=self.af, backlog=1
        )
        listener.settimeout(patience(15))
        host, port = listener.getsockname()[:2]
        try:
            (self.sendport if self.way == 'PORT' else self.sendeprt)(host, port)
        except Exception:
            listener.close()
            raise
        return listener

    def ntransfercmd(self, cmd, rest=None):
        with self.space:
            conn, size = super().ntransfercmd(cmd, rest)
        self.data_peer = conn.getpeername()[:2]
        return conn, size

    def get(self, path):
        """The bytes of a file."""
        parts = []
        self.retrbinary(f'RETR {path}', parts.append)
        return b''.join(parts)

    def put(self, path, data):
        """Sends a file."""
        self.storbinary(f'STOR {path}', io.BytesIO(data))

    def there_and_back(self, name, length):
        """Sends a file and fetches it: it must be the same."""
        data = pattern(length)
        self.put(f'in/{name}', data)
        got = self.get(f'in/{name}')
        equal(
            (len(got), got == data),
            (length, True),
            f'{name}: length and whether it is what was sent',
        )

    def __exit__(self, *rest):
        with contextlib.suppress(OSError, EOFError):
            super().__exit__(*rest)


class Script:
    """A server that says what it is told to: a word for each command, and pieces with pauses in between."""

    def __init__(self, space, answers, port=21):
        self.answers, self.heard = answers, []
        with space:
            self.listener = socket.create_server(('0.0.0.0', port), backlog=8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                threading.Thread(target=self._converse, args=(peer,), daemon=True).start()

    def _converse(self, peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError), peer, peer.makefile('rb') as lines:
            peer.sendall(b'220 ready\r\n')
            for line in lines:
                line = line.decode().rstrip('\r\n')
                self.heard.append(line)
                answer = self.answers.get(line, f'200 {line}\r\n')
                for piece in [answer] if isinstance(answer, str) else answer:
                    if isinstance(piece, str):
                        peer.sendall(piece.encode())
                    else:
                        threading.Event().wait(piece)

    def close(self):
        """Accepts no more."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def tuple_of(address, port):
    """An address and a port as PORT and 227 have them."""
    return ','.join([*address.split('.'), str(port >> 8), str(port & 255)])


def said(line):
    """The address and port of a 227, or the port of a 229."""
    if line.startswith('229'):
        return int(re.search(r'\|\|\|(\d+)\|', line)[1])
    return ftplib.parse227(line)


def told(ftp, command):
    """What the client hears; the session has to be in order afterwards."""
    answer = ftp.sendcmd(command)
    equal(ftp.sendcmd('NOOP'), '200 NOOP', f'the session after {command}')
    return answer
