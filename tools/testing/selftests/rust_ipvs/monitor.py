#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ripvsadm monitor: changes by ipvsadm, keepalived's way and transactions, as lines and objects."""

import json
import os
import signal
import subprocess

from harness import ipvs
from harness.fixture import FIXTURE as g
from harness.tap import case, equal, note, run, true, until


class Monitor:
    """`ripvsadm monitor` in the director's namespace, whose lines are read as they come."""

    def __init__(self, *words):
        self.lines = []
        with g.director:
            self.process = subprocess.Popen(
                ['ripvsadm', 'monitor', *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.rest = b''
        # It listens as soon as it has a second socket of generic netlink.
        until(lambda: self.sockets() == 2 or self.process.poll() is not None, 'it listens')

    def sockets(self):
        """The number of its sockets."""
        folder = f'/proc/{self.process.pid}/fd'
        links = [os.readlink(f'{folder}/{fd}') for fd in os.listdir(folder)]
        return sum(link.startswith('socket:') for link in links)

    def read(self, count):
        """The next COUNT lines."""

        def come():
            self.rest += self.process.stdout.read() or b''
            *lines, self.rest = self.rest.split(b'\n')
            self.lines += [line.decode() for line in lines]
            return len(self.lines) >= count

        until(come, f'{count} lines')
        taken, self.lines = self.lines[:count], self.lines[count:]
        return taken

    def end(self):
        self.process.kill()
        self.process.communicate()


def rules(lines):
    """The rules of lines of text."""
    for line in lines:
        note(line)
    return [line.split('  ')[-1] for line in lines]


@case('each change is the command that makes it again', only='rust')
def text():
    monitor = Monitor()
    try:
        commands = [
            '-A -t 10.0.9.1:80 -s wlc -p 300',
            '-a -t 10.0.9.1:80 -r 10.0.2.11:80 -m -w 3',
            '-e -t 10.0.9.1:80 -r 10.0.2.11:80 -m -w 0 -x 9 -y 4',
            '-d -t 10.0.9.1:80 -r 10.0.2.11:80',
            '-E -t 10.0.9.1:80 -s rr',
            '-A -f 7 -6 -s sh -b sh-port',
            '-a -f 7 -6 -r [fd00:2::b]:0 -i -w 1 --tun-type gre --tun-csum',
            '-D -f 7 -6',
            '--set 901 121 301',
            '--start-daemon master',
            '--stop-daemon master',
            '-C',
        ]
        for command in commands:
            ipvs.admin(command + (' --mcast-interface lo' if 'start' in command else ''))
        equal(rules(monitor.read(len(commands))), commands, 'the rules')
    finally:
        monitor.end()


@case('objects: a line each, with the process', only='rust')
def objects():
    monitor = Monitor('--json', '--count', '2')
    try:
        ipvs.admin('-A -u 10.0.9.1:53 -s rr')
        ipvs.admin('-a -u 10.0.9.1:53 -r 10.0.2.11:53 -g')
        new, server = map(json.loads, monitor.read(2))
        note(f'{new} {server}')
        equal((new['event'], new['service']), ('new-service', '-u 10.0.9.1:53'), 'the service')
        equal((server['event'], server['server']), ('new-server', '10.0.2.11:53'), 'the server')
        equal(server['generation'], new['generation'] + 1, 'generations')
        true(new['pid'] > 0, 'the process')
        equal(monitor.process.wait(10), 0, 'it ends after two')
    finally:
        monitor.end()


@case('what is there comes first if that is wanted, and again after changes were lost', only='rust')
def lost():
    ipvs.admin('-A -t 10.0.9.1:80 -s rr')
    ipvs.admin('-a -t 10.0.9.1:80 -r 10.0.2.11:80 -m')
    all_ = ['-A -t 10.0.9.1:80 -s rr', '-a -t 10.0.9.1:80 -r 10.0.2.11:80 -m -w 1', '# that is all']
    monitor = Monitor('--initial')
    try:
        equal(rules(monitor.read(3)), all_, 'all')
        monitor.process.send_signal(signal.SIGSTOP)
        # More than its receive buffer takes.
        lines = '-A -u 10.0.9.1:{0} -s rr\n-D -u 10.0.9.1:{0}\n'
        changes = ''.join(lines.format(port) for port in range(1, 6000))
        g.director.run(['ripvsadm', '-R'], stdin=changes, quiet=True)
        monitor.process.send_signal(signal.SIGCONT)
        found = []
        while not found or 'lost' not in found[-1]:
            found += monitor.read(1)
        true(len(found) < 12000, f'{len(found)} lines before the loss')
        equal(rules(monitor.read(3)), all_, 'all')
        ipvs.admin('-C')
        equal(rules(monitor.read(1)), ['-C'], 'it goes on')
    finally:
        monitor.end()


@case('C IPVS tells nobody: one line says so', only='c')
def of_c():
    words = g.director.run('ripvsadm monitor', check=False)
    equal(g.director.status, 2, 'the exit code')
    equal(len(words.strip().splitlines()), 1, 'lines')
    true('needs the kernel module rust_ipvs' in words, words)


run(g)
