#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which real server each scheduler chooses, on packets alone: vectors, orders, changes, and what is refused."""

import errno
import os
import socket
import threading
import time

from harness import abi, ipvs, netlink
from harness.flows import MARK, Flows
from harness.fixture import FIXTURE as g, VIP
from harness.tap import case, equal, note, run, true

LONG = os.environ.get('LONG')
NAMES = 'rr wrr lc wlc fo ovf lblc lblcr dh sh mh sed nq twos'.split()
# The clients of.
CLIENTS = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '10.1.2.3', '203.0.113.77']


def server(number):
    """The numberth server's address and port; the numbers of A-7 and A-9."""
    return f'10.0.0.{number}:80'


def service(options, weights, rest=''):
    """A service of mark 7 with servers 1, 2, 3 … of WEIGHTS, which are added in this order."""
    ipvs.admin(f'-A -f {MARK} -s {options}')
    for number, weight in enumerate(weights, 1):
        ipvs.admin(f'-a -f {MARK} -r {server(number)} -g -w {weight} {rest}')


def edit(number, rest):
    """Changes a server."""
    ipvs.admin(f'-e -f {MARK} -r {server(number)} -g {rest}')


class Clients:
    """New clients, each with one connection."""

    def __init__(self, flows):
        self.flows, self.next = flows, 0

    def __call__(self, count, active=True, to='10.50.0.1'):
        """The numbers of the servers of COUNT new connections, as text; "-" where there is none."""
        keys = []
        for _ in range(count):
            self.next += 1
            key = (f'172.16.{self.next >> 8}.{self.next & 255}', 40000, to)
            self.flows.syn(*key)
            if active:
                self.flows.ack(*key)
            keys.append(key)
        servers = self.flows.servers(keys)
        return ''.join(address.rsplit('.')[-1] if address else '-' for address in servers)


def numbers(addresses):
    """Servers' addresses as the last digits, "-" for none."""
    return ''.join(address.rsplit('.')[-1] if address else '-' for address in addresses)


def flows():
    """Packets from the client's side."""
    return Flows(g.client, g.director)


@case('D-5 every scheduler is known by its name, and shown by it', fresh=True)
def names():
    for name in NAMES:
        ipvs.admin(f'-A -t {VIP}:80 -s {name}')
        true(f'TCP  {VIP}:80 {name}' in ipvs.admin('-Ln', quiet=True), f'{name} in the list')
        true(
            f' {name} ' in g.director.read('/proc/net/ip_vs').splitlines()[3] + ' ',
            f'{name} in /proc/net/ip_vs',
        )
        true(f'-s {name}' in ipvs.admin('-Sn', quiet=True), f'{name} in what is saved')
        ipvs.admin(f'-D -t {VIP}:80')
    ipvs.refused(f'-A -t {VIP}:80 -s nosuch')


@case('G-9 D-14 D-16 flags of sh and mh are kept and shown by their names', fresh=True)
def flag_names():
    for name in ('sh', 'mh'):
        for flags in (f'{name}-fallback', f'{name}-port', f'{name}-fallback,{name}-port'):
            ipvs.admin(f'-A -f {MARK} -s {name} -b {flags}')
            true(f'{name} ({flags})' in ipvs.admin('-Ln', quiet=True), f'({flags}) in the list')
            true(f'-b {flags}' in ipvs.admin('-Sn', quiet=True), f'-b {flags} in what is saved')
            ipvs.admin(f'-D -f {MARK}')
    # Those of another scheduler are just flags.
    ipvs.admin(f'-A -f {MARK} -s rr -b flag-1,flag-2')
    true('flag-1' in ipvs.admin('-Ln', quiet=True), 'flag-1 in the list')


@case('D-7 A-2 wrr goes round as often as the weights say', fresh=True)
def weighted_round_robin():
    with flows() as wire:
        clients = Clients(wire)
        service('wrr', (1, 2, 3))
        # The level is that of the first addition, 1, until its round is over.
        equal(clients(9), '321' + '332321', 'servers')
        # A change begins at the head again, with the level where it was.
        edit(1, '-w 0')
        equal(clients(5), '32332'[:5], 'servers after server 1 was emptied')
        for number in (2, 3):
            edit(number, '-w 0')
        equal(clients(2), '--', 'servers when all are empty')


@case('D-8 D-9 A-3 lc and wlc take the least loaded, and of equals the newest', fresh=True)
def least_connection():
    for name in ('lc', 'wlc'):
        with flows() as wire:
            g.reload()
            clients = Clients(wire)
            service(name, (1, 1, 1))
            equal(clients(4), '3213', name)
            # Three times the weight, three times the connections: only with wlc.
            edit(1, '-w 3')
            equal(clients(2), {'lc': '21', 'wlc': '11'}[name], f'{name} with weights 3, 1, 1')


@case('D-10 A-4 sed takes the fastest of idle ones, nq the newest', fresh=True)
def expected_delay():
    with flows() as wire:
        clients = Clients(wire)
        service('sed', (100, 1))
        equal(clients(3), '111', 'sed')
    g.reload()
    with flows() as wire:
        clients = Clients(wire)
        service('nq', (100, 1))
        equal(clients(4), '2111', 'nq')


@case('D-11 fo takes the greatest weight, ovf the greatest that is not full', fresh=True)
def failover():
    with flows() as wire:
        clients = Clients(wire)
        service('fo', (1, 9, 9, 3))
        equal(clients(4), '3333', 'fo')
        edit(3, '-w 0')
        equal(clients(2), '22', 'fo without server 3')
        ipvs.admin(f'-d -f {MARK} -r {server(2)}')
        equal(clients(2), '44', 'fo without servers 2 and 3')
    g.reload()
    with flows() as wire:
        clients = Clients(wire)
        service('ovf', (1, 3))
        # One more than the weight fits.
        equal(clients(7), '2222' + '11' + '-', 'ovf')


@case('D-14 A-7 sh goes by the client, and by nothing else', fresh=True)
def source_hashing():
    with flows() as wire:
        service('sh', (3, 2, 1))
        equal(numbers(wire.chosen(CLIENTS)), '21321', 'sh')
        # The port makes no difference, nor does the address that is asked for.
        equal(numbers(wire.chosen(CLIENTS, port=40001, to='10.50.0.9')), '21321', 'sh again')


@case('A-6 D-14 sh-port, sh-fallback, and what weight 0 does', fresh=True)
def source_hashing_flags():
    with flows() as wire:
        service('sh -b sh-port', (3, 2, 1))
        # Entries 214, 56, 154, 166, 221 of a table of laps 3 2 2 1 1 1.
        equal(numbers(wire.chosen(CLIENTS, port=40000)), '12111', 'sh-port')
        edit(1, '-w 0')
        ipvs.admin(f'-E -f {MARK} -s sh')
        # Entries 50, 148, 246, 2, 57 of laps 3 2 2 1, of which server 1 may not be chosen.
        equal(numbers(wire.chosen(CLIENTS, port=40002)), '23222', 'sh with weight 0')
        edit(2, '-w 0')
        equal(numbers(wire.chosen(CLIENTS, port=40003)), '--3-3', 'sh with two of weight 0')
        ipvs.admin(f'-E -f {MARK} -s sh -b sh-fallback')
        equal(numbers(wire.chosen(CLIENTS, port=40004)), '33333', 'sh-fallback')
        edit(3, '-w 0')
        equal(numbers(wire.chosen(CLIENTS, port=40005)), '-----', 'sh-fallback with nobody left')


@case(
    'A-8 A-9 D-16 V-15 mh goes by the client, and keeps its table when a weight becomes 0',
    fresh=True,
)
def maglev():
    with flows() as wire:
        service('mh', (1, 1, 1))
        equal(numbers(wire.chosen(CLIENTS)), '32212', 'mh with equal weights')
        ipvs.admin(f'-E -f {MARK} -s mh -b mh-port')
        equal(
            numbers(wire.chosen(CLIENTS, port=40000, to='10.50.0.2')),
            '33222',
            'mh-port with equal weights',
        )
        ipvs.admin(f'-E -f {MARK} -s mh')
        edit(1, '-w 3')
        edit(2, '-w 2')
        equal(numbers(wire.chosen(CLIENTS, port=40001)), '32112', 'mh with weights 3, 2, 1')
        edit(2, '-w 0')
        equal(numbers(wire.chosen(CLIENTS, port=40002)), '3-11-', 'mh with server 2 emptied')
        ipvs.admin(f'-E -f {MARK} -s mh -b mh-fallback')
        others = numbers(wire.chosen(CLIENTS, port=40003))
        equal(
            others[0] + others[2:4], '311', 'mh-fallback leaves those alone whose server is there'
        )
        true(set(others) <= {'1', '3'}, f'mh-fallback takes servers 1 and 3, not {others}')


@case('D-13 dh goes by the address that is asked for, whatever the weights', fresh=True)
def destination_hashing():
    with flows() as wire:
        clients = Clients(wire)
        service('dh', (1, 9, 1))
        chosen = {}
        for last in range(1, 21):
            chosen[last] = clients(1, to=f'10.50.0.{last}')
        equal(set(chosen.values()), {'1', '2', '3'}, 'servers of 20 addresses')
        for last in range(1, 21):
            equal(
                clients(1, to=f'10.50.0.{last}'),
                chosen[last],
                f'the server of 10.50.0.{last} again',
            )
        edit(2, '-w 0')
        for last in range(1, 21):
            expected = chosen[last].replace('2', '-')
            equal(
                clients(1, to=f'10.50.0.{last}'), expected, f'10.50.0.{last} with server 2 emptied'
            )


@case('D-17 D-18 D-20 lblc and lblcr keep an address with its server', fresh=True)
def locality():
    for name in ('lblc', 'lblcr'):
        g.reload()
        with flows() as wire:
            clients = Clients(wire)
            service(name, (6, 6))
            equal(ipvs.setting(f'{name}_expiration'), '86400', f'{name}_expiration')
            equal(clients(3), '222', f'{name}: one address')
            equal(clients(3, to='10.50.0.2'), '111', f'{name}: another address')
            equal(clients(3), '222', f'{name}: the first address again')
            # Server 2 has 6 now, and one more fits; server 1 has 3, which is not less than half of
            # its weight.
            equal(clients(2), '22', f'{name}: beyond its weight, as the other one is half full')
            edit(1, '-w 20')
            equal(clients(1), '1', f'{name}: the other one has become idle')
            edit(2, '-w 0')
            equal(clients(1), '1', f'{name}: the old one is emptied')


@case(
    'D-18 D-20 lblcr gives up the most loaded server of an address that has had it for long enough',
    fresh=True,
)
def settled():
    for expiration, expected in ((86400, '3'), (1, '1')):
        g.reload()
        with flows() as wire:
            clients = Clients(wire)
            service('lblcr', (5, 5, 1))
            ipvs.setting('lblcr_expiration', expiration)
            equal(clients(3), '332', 'server 3 has more than its weight: server 2 joins it')
            time.sleep(1.5)
            equal(clients(1), '2', 'the less loaded one')
            edit(2, '-w 0')
            edit(3, '-w 9')
            # Server 3 is as good as idle now, which only matters to an address that it still
            # belongs to.
            equal(clients(1), expected, f'with {expiration} s')


# Maximum number of entries in a table of lblc or lblcr (logic/sched/evict.rs).
MOST = 24576


class Addresses:
    """Datagrams of the director itself to addresses by number, each scheduled on its own."""

    def __enter__(self):
        with g.director:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
        self.sock.bind(('10.0.2.254', 0))
        return self

    def __exit__(self, *_):
        self.sock.close()

    def ask(self, numbers_, **want):
        """Asks for each, and fails unless the servers get as many as WANT says (s2=100, …)."""
        before = {name: ipvs.stats(server(int(name[1:]))).conns for name in want}
        for number in numbers_:
            self.sock.sendto(b'x', (f'10.50.{number >> 8}.{number & 255}', 80))
        got = {name: ipvs.stats(server(int(name[1:]))).conns - before[name] for name in want}
        equal(got, want, f'datagrams of each server, addresses {numbers_[0]} to {numbers_[-1]}')


@case(
    'U-23 D-17 a client cannot make lblc and lblcr remember more addresses', only='rust', fresh=True
)
def most_addresses():
    for name in ('lblc', 'lblcr') if LONG else ('lblc',):
        g.reload()
        with flows(), Addresses() as addresses:
            # Of servers without connections the newest is chosen, unless an address is remembered.
            service(f'{name} -o', (1, 1))
            addresses.ask(range(MOST + 200), s1=0, s2=MOST + 200)
            ipvs.admin(f'-a -f {MARK} -r {server(3)} -g')
            addresses.ask(range(100), s1=0, s2=100, s3=0)
            addresses.ask(range(MOST - 100, MOST + 200), s1=0, s2=100, s3=200)
            # What is remembered of an address is replaced, and makes no room for others.
            ipvs.admin(f'-d -f {MARK} -r {server(2)}')
            addresses.ask(range(100), s1=0, s3=100)
            addresses.ask(range(MOST, MOST + 200), s1=0, s3=200)
            ipvs.admin(f'-a -f {MARK} -r {server(4)} -g')
            addresses.ask(range(100), s1=0, s3=100, s4=0)
            addresses.ask(range(MOST, MOST + 200), s1=0, s3=0, s4=200)


@case('D-12 twos sends to all, and to nobody who may not be chosen', fresh=True)
def two_choices():
    with flows() as wire:
        clients = Clients(wire)
        service('twos', (1, 5, 5, 5))
        edit(2, '-w 0')
        edit(3, '-w 5 -x 10')
        chosen = clients(120)
        equal(set(chosen), {'1', '3', '4'}, 'servers')
        equal(chosen.count('3'), 10, 'connections of server 3')


@case('A-5 S-26 no scheduler exceeds an upper threshold', fresh=True)
def thresholds():
    # What lblc remembers is not asked whether it is overloaded.
    for name in [name for name in NAMES if name != 'lblc'] if LONG else ['wrr', 'twos', 'mh']:
        g.reload()
        with flows() as wire:
            clients = Clients(wire)
            service(name, (4, 4), '-x 4')
            chosen = ''.join(clients(1, to=f'10.50.0.{last}') for last in range(1, 13))
            true(chosen.count('1') <= 4 and chosen.count('2') <= 4, f'{name}: {chosen}')
            if name not in ('dh', 'sh', 'mh'):
                equal(chosen.count('-'), 4, f'{name}: {chosen}, of 12 clients refused')


@case('V-17 another scheduler takes over at once', fresh=True)
def change():
    with flows() as wire:
        clients = Clients(wire)
        service('rr', (100, 100, 100))
        before = clients(2)
        for name in NAMES + ['rr']:
            ipvs.admin(f'-E -f {MARK} -s {name}', quiet=True)
            true('-' not in clients(1), f'a client with {name}')
        equal(before, '32', 'rr before')
        equal(clients(2), '21', 'rr begins at its head anew, of which one was used')


@case(
    'U-9 V-17 while its scheduler is edited all the time, a service refuses nobody',
    only='rust',
    fresh=True,
)
def change_under_load():
    # In C the service has no scheduler for a moment (V-17).
    edits = [abi.mark(MARK, sched=name) for name in ('rr', 'wlc', 'mh', 'lblc', 'wrr')]
    service('rr', (100, 100, 100))
    ends, refusals = threading.Event(), []

    def edit_on():
        try:
            with g.director, netlink.Genl('IPVS') as genl:
                for n in range(100000):
                    if ends.is_set() and n >= 200:
                        break
                    error = genl.call(abi.SET_SERVICE, edits[n % len(edits)]).error
                    if error:
                        refusals.append(error)
                note(f'{n} edits')
        except Exception as error:
            refusals.append(error)

    with flows() as wire:
        # On whatever processor.
        os.sched_setaffinity(0, range(os.cpu_count()))
        editor = threading.Thread(target=edit_on)
        editor.start()
        try:
            chosen = Clients(wire)(300)
        finally:
            ends.set()
            editor.join()
    equal(refusals, [], 'errors of edits')
    equal(chosen.count('-'), 0, 'clients of 300 that were refused')


@case('V-18 a service without a scheduler finds nobody', fresh=True)
def none():
    with flows() as wire:
        clients = Clients(wire)
        service('rr', (1,))
        ipvs.admin(f'-E -f {MARK} -s none')
        equal(clients(2), '--', 'servers')
        ipvs.admin(f'-E -f {MARK} -s wlc')
        equal(clients(1), '1', 'servers')


def restore(lines):
    """Feeds ipvsadm a list of commands."""
    g.director.run('ipvsadm -R', stdin='\n'.join(lines) + '\n', quiet=True)


@case('D-6 Q-31 1024 servers come, change and go', fresh=True)
def many():
    servers = [f'10.61.{n >> 8}.{n & 255}:80' for n in range(1024)]
    for name in ('wrr', 'mh'):
        with flows() as wire:
            clients = Clients(wire)
            ipvs.admin(f'-A -f {MARK} -s {name}')
            restore(f'-a -f {MARK} -r {at} -g -w 1' for at in servers)
            equal(len(ipvs.dests()), 1024, 'servers')
            restore(f'-e -f {MARK} -r {at} -g -w {n % 3}' for n, at in enumerate(servers))
            weights = {d.address: d.weight for d in ipvs.dests()}
            equal([weights.get(at) for at in servers], [n % 3 for n in range(1024)], 'weights')
            restore(f'-d -f {MARK} -r {at}' for at in servers[1::2])
            equal({d.address for d in ipvs.dests()}, set(servers[::2]), 'servers that are left')
            true('-' not in clients(4) or name == 'mh', 'there is a server for everybody')
            restore(f'-d -f {MARK} -r {at}' for at in servers[::2])
            equal(ipvs.dests(), [], 'servers that are left')
            equal(clients(2), '--', 'servers of clients')
            ipvs.admin(f'-D -f {MARK}')


@case('D-16 Q-43 U-9 mh has a table of 4093 and begins with no more servers than that', fresh=True)
def too_many_for_maglev():
    ipvs.admin(f'-A -f {MARK} -s rr')
    restore(f'-a -f {MARK} -r 10.62.{n >> 8}.{n & 255}:80 -g' for n in range(4094))
    ipvs.refused(f'-E -f {MARK} -s mh')
    true(f'FWM  {MARK} rr' in ipvs.admin('-Ln', quiet=True)[:400], 'the scheduler is as it was')
    with flows() as wire:
        true('-' not in Clients(wire)(2), 'clients are served by the old one')
    ipvs.admin(f'-d -f {MARK} -r 10.62.0.0:80')
    ipvs.admin(f'-E -f {MARK} -s mh')
    # One more than the table has entries is listed, and gets nothing.
    ipvs.admin(f'-a -f {MARK} -r 10.62.0.0:80 -g')
    with flows() as wire:
        clients = Clients(wire)
        clients.next = 10
        true('-' not in clients(3), 'clients are served')


@case('G-17 weights have bounds', fresh=True)
def bounds():
    ipvs.admin(f'-A -f {MARK} -s wrr')
    for weight in (-1, 2**31, 'x'):
        ipvs.refused(f'-a -f {MARK} -r {server(1)} -g -w {weight}')
    ipvs.admin(f'-a -f {MARK} -r {server(1)} -g -w 65535')
    ipvs.refused(f'-a -f {MARK} -r {server(2)} -g -x 3 -y 4')
    with flows() as wire:
        equal(Clients(wire)(2), '11', 'servers')


@case('D-20 lblc_expiration and lblcr_expiration take seconds')
def expirations():
    for name in ('lblc', 'lblcr'):
        ipvs.admin(f'-A -f {MARK} -s {name}')
        ipvs.setting(f'{name}_expiration', 60)
        equal(ipvs.setting(f'{name}_expiration'), '60', f'{name}_expiration')
        ipvs.setting(f'{name}_expiration', 86400)
        try:
            ipvs.setting(f'{name}_expiration', 'soon')
            true(False, f'{name}_expiration = soon is refused')
        except OSError as error:
            equal(error.errno, errno.EINVAL, f'{name}_expiration = soon')
        ipvs.admin('-C')


if __name__ == '__main__':
    run(g)
