#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Many clients of one scheduler, and who got which server; run by scenarios, which print it.

usage: flows.py "SCHEDULER OPTIONS" NUMBER

Servers of weights 1 to 10 come, change, reach their thresholds and go, while clients connect and close. What is random is
the same each time. A server's letter stands for each new connection, "-" for none.

Machines may be slow: nothing here depends on a timeout that cannot be made long, which is why the method is DR.
"""

import os
import random
import sys

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../selftests/rust_ipvs')
)

from harness import ipvs  # noqa: E402
from harness.flows import Flows  # noqa: E402
from harness.netns import Netns  # noqa: E402

CLIENT, DIRECTOR = Netns('rv-client'), Netns('rv-director')


class Play:
    """One scheduler's turn."""

    def __init__(self, flows, options, number):
        self.flows, self.options, self.number = flows, options, number
        # twos draws lots: what it draws is nothing to compare.
        self.secret = options.startswith('twos')
        self.random = random.Random(1)
        self.port = 20000
        self.names = {}
        self.open = []
        self.do('--set 5000 5000 5000')
        self.do(f'-A -f 7 -s {options}')

    def do(self, line):
        """Runs ipvsadm; its words, if it has any, are part of the transcript."""
        print(f'ipvsadm {line}')
        words = ipvs.admin(line, check=False, quiet=True, space=DIRECTOR).strip()
        if words:
            print(words)

    def server(self, name):
        """A server's address and port."""
        address = f'10.6{self.number // 64}.{self.number % 64}.{ord(name) - 64}'
        self.names[address] = name
        return f'{address}:80'

    def add(self, name, rest):
        """A server comes."""
        self.do(f'-a -f 7 -r {self.server(name)} -g {rest}')

    def edit(self, name, rest):
        """A server changes."""
        self.do(f'-e -f 7 -r {self.server(name)} -g {rest}')

    def delete(self, name):
        """A server goes."""
        self.do(f'-d -f 7 -r {self.server(name)}')

    def clients(self, count):
        """So many new connections, while some of the old ones end."""
        new = []
        for _ in range(count):
            self.port += 1
            client = f'172.{16 + self.number % 16}.{self.random.randrange(256)}.{self.random.randrange(1, 255)}'
            key = (client, self.port, f'10.50.0.{self.random.randrange(1, 13)}')
            self.flows.syn(*key)
            self.flows.ack(*key)
            new.append(key)
            self.open.append(key)
            while self.open and self.random.randrange(2) == 0:
                self.flows.fin(*self.open.pop(self.random.randrange(len(self.open))))
        chosen = self.flows.servers(new)
        letters = ''.join(self.names.get(address, '?') if address else '-' for address in chosen)
        if self.secret:
            letters = f'{sum(letter in self.names.values() for letter in letters)} of {count} got a server'
        print(f'{count} clients: {letters}')

    def table(self):
        """What ipvsadm lists, but for twos, whose counts are random."""
        words = ipvs.admin('-Ln', quiet=True, space=DIRECTOR)
        if not self.secret:
            # Without the first line, which tells the size of the table.
            print(words.partition('\n')[2].strip())


def main():
    """Plays it."""
    options, number = sys.argv[1], int(sys.argv[2])
    with Flows(CLIENT, DIRECTOR) as flows:
        play = Play(flows, options, number)
        play.clients(3)
        for name, weight in zip('ABCDE', (1, 3, 10, 4, 7)):
            play.add(name, f'-w {weight}')
        play.clients(60)
        play.edit('C', '-w 2')
        play.edit('A', '-w 6 -x 20 -y 12')
        play.clients(40)
        play.add('F', '-w 9')
        play.add('G', '-w 5 -x 3')
        play.clients(40)
        play.delete('B')
        play.edit('E', '-w 0')
        play.clients(30)
        play.edit('D', '-w 8')
        play.delete('F')
        play.add('B', '-w 2')
        play.clients(30)
        play.table()
        play.do('-E -f 7 -s rr')
        play.clients(8)
        play.do(f'-E -f 7 -s {options}')
        play.clients(20)
        play.do('-D -f 7')


if __name__ == '__main__':
    main()
