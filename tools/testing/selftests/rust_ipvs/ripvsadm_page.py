#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The transcripts of ripvsadm's pages are what it prints; and what it does at a terminal.

WRITE=1 writes the pages as they would be right to the folder $WRITE_TO (/results).
"""

import difflib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import termios
import time

from harness.fixture import Fixture, lib
from harness.netns import make, remove
from harness.tap import case, equal, note, run, true, until

PAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../../../Documentation')
PROMPT = '    director# '
# Commands that list connections, which come in no order.
CONNECTIONS = re.compile(r' -c| conns')
SPACE = 'rv-page'

# A director by itself: virtual addresses, real servers that never answer, and a client's address.
SETUP = """
link set lo up
link add d0 type dummy
link set d0 up
address add 198.51.100.254/24 dev d0
address add 2001:db8:5::fe/64 dev d0 nodad
address add 192.0.2.1/32 dev lo
address add 203.0.113.5/32 dev lo
neighbour add 198.51.100.1 lladdr 02:00:00:00:00:01 dev d0
neighbour add 198.51.100.2 lladdr 02:00:00:00:00:02 dev d0
neighbour add 2001:db8:5::1 lladdr 02:00:00:00:00:03 dev d0
"""

# One packet of each connection: a socket that is closed asks no second time.
TRAFFIC = """
import socket
for port in 40001, 40002:
    with socket.socket() as client:
        client.setblocking(False)
        client.bind(('203.0.113.5', port))
        client.connect_ex(('192.0.2.1', 80))
with socket.socket(type=socket.SOCK_DGRAM) as client:
    client.bind(('203.0.113.5', 40003))
    client.sendto(b'x' * 72, ('192.0.2.1', 53))
"""


class Alone(Fixture):
    """The module, and the director's namespace."""

    def __enter__(self):
        if os.geteuid():
            return super().__enter__()
        self.mark_log()
        self.load()
        self.director = make(SPACE)
        # The checkout may be on a slow file system, from which no program should start this often.
        self.folder = tempfile.TemporaryDirectory()
        shutil.copy(shutil.which('ripvsadm'), self.folder.name)
        os.environ['PATH'] = f'{self.folder.name}:{os.environ["PATH"]}'
        return self

    def __exit__(self, *_):
        self.folder.cleanup()
        remove(self.director)
        lib('impl_unload')

    def before(self, fresh=False):
        self.mark_log()
        if fresh:
            # With the module go its connections and the counts of the namespace.
            lib('impl_unload')
            self.load()

    def show_state(self):
        note('\n'.join(self.log()[-8:]))


def shell(line):
    """What a shell line prints in the director's namespace, in lines."""
    done = subprocess.run(
        ['nsenter', f'--net=/run/netns/{SPACE}', 'bash', '-c', line],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()


def traffic():
    """The clients; and their rates."""
    subprocess.run(['nsenter', f'--net=/run/netns/{SPACE}', 'python3', '-c', TRAFFIC], check=True)
    time.sleep(2.2)


def played(page):
    """The page with what its commands print now in place of what stood below them."""
    inside = False
    for line in page:
        if line.startswith(PROMPT):
            inside = True
            yield line
            for printed in shell(line[len(PROMPT) :]):
                # Blanks at the ends of lines are the tool's, but not for a page.
                yield ('    ' + printed).rstrip()
        elif inside and line and line.startswith('    '):
            continue
        else:
            inside = False
            yield line
            if line == '.. traffic':
                traffic()


def masked(page):
    """The lines of a page without what no two runs have alike."""
    command = ''
    block = []
    for line in [*page, '']:
        if line.startswith(PROMPT) or not line.startswith('    '):
            yield from sorted(block) if CONNECTIONS.search(command) else block
            block = []
            command = line if line.startswith(PROMPT) else ''
            yield line
            continue
        line = re.sub(r'\(size=\d+\)|"connection_table_size": \d+', 'SIZE', line)
        line = re.sub(r'(_per_second|expires_seconds)": \d+', r'\1": N', line)
        line = re.sub(r'(_duration_seconds|_table_buckets) [\d.]+', r'\1 N', line)
        line = re.sub(r' \d\d:\d\d  ', ' MM:SS  ', line)
        line = re.sub(r'(expires|idle)_seconds":\d+', r'\1_seconds":N', line)
        if '--rate' in command or ' top' in command and ' conns' not in command:
            line = re.sub(r'(\s+\d+[kKMGT]?)+$', ' N', line)
        block.append(line)


def differences(name):
    """A page as it is and as it would be right, line by line, where they differ."""
    with open(os.path.join(PAGES, name), encoding='utf-8') as file:
        page = file.read().splitlines()
    shell('ripvsadm -C')
    right = list(played(page))
    if os.environ.get('WRITE'):
        target = os.path.join(os.environ.get('WRITE_TO', '/results'), name)
        with open(target, 'w', encoding='utf-8') as file:
            file.write('\n'.join(right) + '\n')
        note(f'written to {target}')
    return list(
        difflib.unified_diff(
            list(masked(page)), list(masked(right)), 'documented', 'seen', lineterm='', n=1
        )
    )


# C IPVS says less about what is wrong.
@case('ripvsadm prints what its documentation says', only='rust')
def _():
    subprocess.run(['ip', '-n', SPACE, '-batch', '-'], input=SETUP.strip(), text=True, check=True)
    compare('ripvsadm.rst')


@case('ripvsadm metrics prints what its page says', only='rust', fresh=True)
def _():
    compare('metrics.rst')


@case('ripvsadm why prints what its page says', only='rust', fresh=True)
def _():
    shell('sysctl -qw net.ipv4.ip_forward=0')
    compare('why.rst')


def compare(name):
    """The page of that NAME must be right."""
    found = differences(name)
    for line in found[:60]:
        note(line)
    true(not found, f'{len(found)} lines of differences; WRITE=1 makes the page anew')


class Top:
    """`ripvsadm top` at a terminal of its own."""

    def __init__(self, *words, **variables):
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b''
        self.program = subprocess.Popen(
            ['nsenter', f'--net=/run/netns/{SPACE}', 'ripvsadm', 'top', *words],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            env={**os.environ, 'NO_COLOR': '', **variables},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.kill()
        self.program.wait()
        os.close(self.master)
        os.close(self.slave)

    def shows(self, words):
        """Waits until it has written WORDS since the last time."""

        def there():
            try:
                self.seen += os.read(self.master, 65536)
            except BlockingIOError:
                pass
            return words in self.seen

        until(there, f'{words!r} on the screen')
        before, _, self.seen = self.seen.partition(words)
        return before

    def ends(self):
        """It ends well, and leaves the terminal as it was."""
        self.shows(b'\x1b[?25h\x1b[?1049l')
        equal(self.program.wait(10), 0, 'exit code')
        equal(termios.tcgetattr(self.slave), self.before, 'the terminal afterwards')


@case('ripvsadm top is live at a terminal, and leaves it as it was')
def _():
    shell('ripvsadm -C; ripvsadm -A -t 192.0.2.1:80 -s rr')
    with Top('-d', '1') as top:
        top.shows(b'1 services, 0 real servers, by CPS')
        true(not termios.tcgetattr(top.slave)[3] & termios.ICANON, 'keys are read one by one')
        true(b'\x1b[36m' in top.shows(b'TCP 192.0.2.1:80'), 'a service has a colour')
        shell('ripvsadm -A -t 192.0.2.1:81 -s rr')
        top.shows(b'2 services')
        top.shows(b'TCP 192.0.2.1:81')
        os.write(top.master, b'>')
        top.shows(b'by InPPS')
        os.write(top.master, b'q')
        top.ends()
    for end in signal.SIGTERM, signal.SIGHUP:
        with Top(NO_COLOR='1') as top:
            true(b'\x1b[36m' not in top.shows(b'TCP 192.0.2.1:80'), 'NO_COLOR')
            top.program.send_signal(end)
            top.ends()
    with Top('-c', '1') as top:
        top.ends()


if __name__ == '__main__':
    run(Alone())
