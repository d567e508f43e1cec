#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Random commands of ipvsadm, good ones and bad ones, and what it says to each; run by a scenario, which prints it.

usage: administration.py NUMBER

What is random is the same each time. There are few addresses and ports, so that services and servers meet again.
"""

import os
import random
import sys

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../selftests/rust_ipvs')
)

from harness import ipvs  # noqa: E402
from harness.netns import Netns  # noqa: E402

DIRECTOR = Netns('rv-director')
SCHEDULERS = 'rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos'.split()
# Seconds, masks and weights at and beyond what is allowed.
TIMEOUTS = ('', ' 1', ' 60', ' 2678400', ' 2678401')
METHODS = (
    '-m',
    '-g',
    '-i',
    '-i --tun-type gre',
    '-i --tun-type gre --tun-csum',
    '-i --tun-type gue --tun-port 6080',
    '-i --tun-type gue --tun-port 6080 --tun-remcsum',
    '',
)


class Commands:
    """Lines of ipvsadm."""

    def __init__(self):
        self.random = random.Random(7)

    def choose(self, *what):
        """One of them."""
        return self.random.choice(what)

    def service(self):
        """A service: its address and its family."""
        port = self.choose(80, 80, 443, 21, 0)
        return self.choose(
            (f'-t 10.0.9.1:{port}', 4),
            (f'-u 10.0.9.1:{port}', 4),
            (f'--sctp-service 10.0.9.2:{port}', 4),
            (f'-t [fd00:9::1]:{port}', 6),
            (f'-u [fd00:9::1]:{port}', 6),
            ('-f 7', 4),
            ('-f 7 -6', 6),
        )

    def terms(self, service, family):
        """What a service can be told."""
        words = f'-s {self.choose(*SCHEDULERS)}'
        if self.random.randrange(3) == 0 or ':0' in service:
            words += f' -p{self.choose(*TIMEOUTS)}'
            if self.random.randrange(2):
                words += f' -M {self.choose(*(("255.255.255.0", "255.0.0.0") if family == 4 else (64, 1, 128)))}'
        if self.random.randrange(8) == 0:
            words += ' -o'
        if self.random.randrange(8) == 0:
            words += ' --pe sip'
        if self.random.randrange(8) == 0:
            words += (
                f' -b {self.choose("sh-port", "mh-fallback,mh-port", "flag-1", "flag-2,flag-3")}'
            )
        return words

    def server(self, family):
        """A real server, now and then of the other family or no server at all."""
        host = self.choose(11, 12, 13)
        port = self.choose('', ':80', ':8080')
        if (family == 6) != (self.random.randrange(8) == 0):
            return f'-r [fd00:2::{host:x}]{port or ":80"}'
        return f'-r {self.choose("10.0.2", "10.0.2", "10.0.2", "10.0.2", "224.0.0")}.{host}{port}'

    def load(self):
        """What a server can be told."""
        words = self.choose(*METHODS)
        if self.random.randrange(2):
            words += f' -w {self.choose(0, 1, 2, 5, 65535, 2147483647)}'
        if self.random.randrange(4) == 0:
            words += f' -x {self.choose(0, 1, 10, 100)} -y {self.choose(0, 1, 10, 50)}'
        return words

    def line(self):
        """Any command."""
        service, family = self.service()
        kind = self.random.choices('A E D a e d Z set L'.split(), (20, 8, 2, 40, 15, 6, 2, 1, 4))[0]
        if kind in 'AE':
            return f'-{kind} {service} {self.terms(service, family)}'
        if kind in 'ae':
            return f'-{kind} {service} {self.server(family)} {self.load()}'
        if kind == 'd':
            return f'-d {service} {self.server(family)}'
        if kind == 'set':
            return f'--set {self.choose(0, 5, 900)} {self.choose(0, 7)} {self.choose(0, 9, 300)}'
        if kind == 'L':
            return f'-Ln {service} {self.choose("", "--thresholds", "--tun-info", "--persistent-conn", "--stats --exact")}'
        return f'-{kind} {service}'


def do(line, sort=False):
    """Runs ipvsadm and prints what it says; without the size of the table, which ours makes otherwise."""
    words = ipvs.admin(line, check=False, quiet=True, space=DIRECTOR).rstrip().splitlines()
    words = [word for word in words if not word.startswith('IP Virtual Server version')]
    print('\n'.join([f'ipvsadm {line}', *(sorted(words) if sort else words)]))
    if DIRECTOR.status:
        print(f'(exit code {DIRECTOR.status})')


def main():
    """So many commands; the table now and then."""
    commands = Commands()
    for number in range(1, int(sys.argv[1]) + 1):
        do(commands.line())
        if number % 100 == 0:
            do('-Ln')
            do('-Ln --thresholds')
            do('-Ln --tun-info')
            do('-L --timeout')
            do('-Sn', sort=True)


if __name__ == '__main__':
    main()
