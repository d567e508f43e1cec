#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Rules of iptables and ip6tables that ask for what was balanced: -m ipvs."""

import os
import subprocess

from harness import ipvs
from harness.clients import ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.tap import Skip, case, equal, run, true

CHAIN = 'rv-match'
RIP = {'s1': '10.0.2.11', 's2': '10.0.2.12', 's3': '10.0.2.13'}
RIP6 = {'s1': 'fd00:2::b', 's2': 'fd00:2::c', 's3': 'fd00:2::d'}


class Rules:
    """Rules that count what leaves the director, by their words; until they are left."""

    def __init__(self, tool, *words):
        self.tool, self.words = tool, words

    def __enter__(self):
        self._do(f'-N {CHAIN}')
        try:
            self._do(f'-A POSTROUTING -o back -j {CHAIN}')
            for words in self.words:
                self._do(f'-A {CHAIN} -m ipvs {words}')
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._do(f'-D POSTROUTING -o back -j {CHAIN}', check=False)
        self._do(f'-F {CHAIN}')
        self._do(f'-X {CHAIN}')

    def _do(self, line, check=True):
        return g.director.run(f'{self.tool} -t mangle {line}', quiet=True, check=check)

    def counted(self):
        """Which of the rules matched something, and zeroes them."""
        lines = self._do(f'-nvxL {CHAIN}').splitlines()[2:]
        self._do(f'-Z {CHAIN}')
        return {words for words, line in zip(self.words, lines) if int(line.split()[0])}


def by_methods(vip, table):
    """Asks a service of each forward method; yields the method's option and name."""
    at = ipvs.at(vip)
    for option, name in (('-m', 'MASQ'), ('-g', 'GATE'), ('-i', 'IPIP')):
        ipvs.service(f'-t {at}', option, [ipvs.at(address) for address in table.values()])
        true(ask(g.client, vip).name in table, f'{name} is served')
        yield option, name
        ipvs.admin('-C')


@case('N-7 what was balanced is told from what was not, by each method', fresh=True)
def balanced():
    for tool, vip, table in (('iptables', VIP, RIP), ('ip6tables', VIP6, RIP6)):
        with Rules(tool, '--ipvs', '! --ipvs') as rules:
            for _, name in by_methods(vip, table):
                # What asks for neighbours is not balanced, and leaves as well.
                equal(
                    rules.counted() - {'! --ipvs'},
                    {'--ipvs'},
                    f'{tool}, a client of a service by {name}',
                )
            g.client.run(f'ping -c 1 -W 5 {table["s1"]}', quiet=True)
            equal(rules.counted(), {'! --ipvs'}, f'{tool}, an echo request that is forwarded')


@case('N-7 a rule asks for VIP, port, protocol and method', fresh=True)
def questions():
    for tool, vip, other, table in (
        ('iptables', VIP, '10.0.8.0/24', RIP),
        ('ip6tables', VIP6, 'fd00:8::/64', RIP6),
    ):
        true_ones = {
            f'--vaddr {vip}',
            '--vport 80',
            '--vproto 6',
            '! --vaddr ' + other,
            '! --vport 81',
            '! --vproto 17',
        }
        false_ones = {
            f'! --vaddr {vip}',
            '! --vport 80',
            '! --vproto 6',
            '--vaddr ' + other,
            '--vport 81',
            '--vproto 17',
        }
        methods = {f'{no}--vmethod {name}' for name in ('MASQ', 'GATE') for no in ('', '! ')}
        with Rules(tool, *sorted(true_ones | false_ones | methods)) as rules:
            for _, name in by_methods(vip, table):
                if name == 'IPIP':
                    # What is wrapped is of no protocol that is balanced.
                    equal(rules.counted(), set(), f'{tool}, a tunnel')
                    continue
                which = {f'--vmethod {name}'} | {
                    f'! --vmethod {one}' for one in ('MASQ', 'GATE') if one != name
                }
                equal(rules.counted(), true_ones | which, f'{tool}, {name}')


@case('N-7 several questions of one rule must all be answered with yes', fresh=True)
def together():
    yes, no = f'--vaddr {VIP} --vport 80 --vmethod MASQ', f'--vaddr {VIP} --vport 80 --vmethod GATE'
    with Rules('iptables', yes, no) as rules:
        ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
        equal(ask(g.client, VIP).name, 's1', 'who answers')
        equal(rules.counted(), {yes}, 'rules')


@case('N-7 P-3 the port of what controls a connection', fresh=True)
def controlled():
    with Rules('iptables', '--vportctl 80', '--vportctl 81', '! --vportctl 81') as rules:
        ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
        equal(ask(g.client, VIP).name, 's1', 'who answers')
        equal(rules.counted(), {'! --vportctl 81'}, 'without a template')
        ipvs.admin('-C')
        ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'], options='-s rr -p 10')
        equal(ask(g.client, VIP).name, 's1', 'who answers')
        equal(rules.counted(), {'--vportctl 80', '! --vportctl 81'}, 'with a template')


class Tracked:
    """While the block lasts, connections are left to connection tracking (N-1)."""

    def __enter__(self):
        if not ipvs.has_setting('conntrack'):
            raise Skip('this kernel has no net.ipv4.vs.conntrack')
        ipvs.setting('conntrack', 1)
        return self

    def __exit__(self, *_):
        ipvs.setting('conntrack', 0)


@case('N-7 N-2 of what is tracked, a rule asks for the direction', fresh=True)
def direction():
    ways = ('--vdir ORIGINAL', '--vdir REPLY', '--vport 80')
    with Tracked(), Rules('iptables', *ways) as rules:
        # Something has to want to know for anything to be tracked.
        g.director.run('iptables -t mangle -A POSTROUTING -m conntrack --ctstate NEW')
        ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
        equal(ask(g.client, VIP).name, 's1', 'who answers')
        equal(rules.counted(), {'--vdir ORIGINAL', '--vport 80'}, 'what goes to the server')
        ipvs.setting('conntrack', 0)
        ipvs.admin('-C')
        ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.12:80'])
        equal(ask(g.client, VIP).name, 's2', 'who answers')
        equal(rules.counted(), {'--vport 80'}, 'what is not tracked')
        g.director.run('iptables -t mangle -D POSTROUTING -m conntrack --ctstate NEW')


@case(
    'N-7 N-3 what was balanced gets the director\'s address, as a swarm\'s rules have it',
    fresh=True,
)
def masqueraded():
    for tool, vip, server, address in (
        ('iptables', VIP, '10.0.2.11', '10.0.2.254'),
        ('ip6tables', VIP6, 'fd00:2::b', 'fd00:2::fe'),
    ):
        rule = f'POSTROUTING -m ipvs --ipvs -d {server} -j SNAT --to-source {address}'
        with Tracked():
            g.director.run(f'{tool} -t nat -A {rule}')
            try:
                ipvs.service(f'-t {ipvs.at(vip)}', '-m', [ipvs.at(server)])
                answer = ask(g.client, vip)
                equal(
                    (answer.name, answer.peer),
                    ('s1', address),
                    f'{tool}: who answers, and whom it saw',
                )
            finally:
                g.director.run(f'{tool} -t nat -D {rule}')
                ipvs.admin('-C')


@case('N-7 the module stays while a rule asks it, and goes afterwards', only='rust', fresh=True)
def in_use():
    # C has the match in a module of its own, which stays as long.
    with Rules('iptables', '--ipvs'):
        done = subprocess.run(['rmmod', 'rust_ipvs'], capture_output=True, text=True, check=False)
        true(done.returncode and 'in use' in done.stderr, f'rmmod must fail: {done.stderr}')
        true(os.path.isdir('/sys/module/rust_ipvs'), 'it is still there')
    g.reload()


if __name__ == '__main__':
    run(g)
