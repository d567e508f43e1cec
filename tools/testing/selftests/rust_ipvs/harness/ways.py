# SPDX-License-Identifier: GPL-2.0
"""The network of a storm whose ways to the servers change: devices, neighbours, routes, rules."""

import contextlib
import socket
import subprocess
import time

from .abi import V4, V6
from .fixture import FIXTURE as g
from .packet import ETH_P_ALL, PACKET_OUTGOING
from .storm import NETS, Field, last
from .tap import Failure, until

# Devices behind which the servers are: their packets end there.
DEVICES = ('storm-a', 'storm-b')
SERVER_NETS = {V4: '10.60.0.0/16', V6: 'fd00:60::/64'}
CLIENT_NETS = {V4: '10.55.0.0/16', V6: 'fd00:55::/64'}
SERVERS = [NETS[af][2] + last(af, n) for af in (V4, V6) for n in (11, 12)]
MACS = ('02:00:00:00:00:0a', '02:00:00:00:00:0b')
RULES = """
table inet storm {
	chain early { type filter hook prerouting priority -500; counter; }
	chain tracked { type filter hook input priority -10; ct state invalid counter; }
	chain middle { type filter hook forward priority 0; counter; }
	chain late { type filter hook postrouting priority 0; counter; }
}
"""


def added(device):
    """Lines that make DEVICE. A dummy resolves no addresses unless it is told to."""
    yield f'link add {device} type dummy'
    yield f'link set {device} arp on'
    yield from ready(device)


def ready(device):
    """Lines that set DEVICE up, and what it has lost while it was down."""
    yield f'link set {device} up mtu 1500'
    for address in SERVERS:
        yield neighbour(address, device, MACS[0])


def neighbour(address, device, mac):
    """A line that makes MAC the neighbour of an address."""
    return f'neigh replace {address} lladdr {mac} dev {device} nud permanent'


def routes(device, nets=SERVER_NETS):
    """Lines that route to the servers by DEVICE."""
    return [f'route replace {net} dev {device}' for net in nets.values()]


def deleted(dice, device, other):
    """A device goes with its routes, and comes again."""
    yield f'link del {device}'
    if dice.random() < 0.5:
        yield from routes(other)
    yield from added(device)
    yield from routes(dice.choice((device, other)))


def renamed(_, device, __):
    """A device has another name for a moment, as has the one that packets come by."""
    for name in (device, 'storm'):
        yield f'link set {name} name other'
        yield f'link set other name {name}'


def down(dice, device, other):
    """A device goes down, and comes up."""
    yield f'link set {device} down'
    yield from ready(device)
    yield from routes(dice.choice((device, other)))


def incoming_down(*_):
    """The device that packets come by goes down, and comes up."""
    yield 'link set storm down'
    yield 'link set storm up'


def resized(dice, device, _):
    """Packets of so many bytes and no more leave by a device."""
    yield f'link set {device} mtu {dice.choice((1280, 1400, 1500, 9000))}'


def enslaved(dice, device, other):
    """A device becomes a bridge's, and its own again."""
    yield 'link add storm-m type bridge'
    yield 'link set storm-m up'
    yield f'link set {device} master storm-m'
    yield from routes(dice.choice(('storm-m', other)))
    yield f'link set {device} nomaster'
    yield 'link del storm-m'
    yield from ready(device)
    yield from routes(device)


def moved(dice, device, other):
    """A device goes to another namespace, where it stays; another one takes its place."""
    yield f'link set {device} netns rv-storm name moved{dice.getrandbits(24):x}'
    yield from added(device)
    yield from routes(other)


def neighbours(dice, device, _):
    """A server has another address on the link, or none that is known."""
    address = dice.choice(SERVERS)
    for _ in range(4):
        yield dice.choice(
            (
                neighbour(address, device, MACS[0]),
                neighbour(address, device, MACS[1]),
                f'neigh change {address} dev {device} nud failed',
                f'neigh change {address} dev {device} nud stale',
                f'neigh del {address} dev {device}',
            )
        )
    yield neighbour(address, device, dice.choice(MACS))


def rerouted(dice, device, other):
    """Routes to the servers, or to one, change, are refused or are gone."""
    net = dice.choice([*SERVER_NETS.values(), *SERVERS])
    for _ in range(4):
        yield dice.choice(
            (
                f'route replace {net} dev {device}',
                f'route replace {net} dev {other} mtu 1300',
                f'route replace unreachable {net}',
                f'route del {net}',
            )
        )
    for address in SERVERS:
        yield f'route del {address}'
    yield from routes(dice.choice((device, other)))


CHANGES = (
    deleted,
    renamed,
    down,
    incoming_down,
    resized,
    enslaved,
    moved,
    *(neighbours, rerouted) * 4,
)


class Ways(Field):
    """A storm's network where servers are neighbours at one of two devices."""

    def __enter__(self):
        super().__enter__()
        self.restore()
        return self

    def __exit__(self, *_):
        g.admin('-C', check=False, quiet=True)
        self.do(f'link del {device}' for device in DEVICES)
        super().__exit__(*_)

    @staticmethod
    def do(lines):
        """Runs lines of ip(8) in the director, all of them if one fails."""
        text = '\n'.join(lines) + '\n'
        g.director.run('ip -force -batch -', check=False, quiet=True, stdin=text)

    def restore(self):
        """Makes the ways as they are in the beginning."""
        g.director.run('nft flush ruleset', quiet=True)
        lines = ['link set other name storm', 'link set storm up', 'link del storm-m']
        for device in DEVICES:
            lines += [f'link del {device}', *added(device)]
        lines += [f'route del {address}' for address in SERVERS]
        self.do([*lines, *routes(DEVICES[0]), *routes('storm-end', CLIENT_NETS)])

    def beside(self):
        """Those that change the ways, too."""
        return *super().beside(), (self.ways, 0.02), (self.rules, 0.05)

    def ways(self, dice, stack):
        """Changes the ways to the servers, one thing at a time."""
        stack.enter_context(g.director)
        ip = stack.enter_context(Ip())
        while True:
            device, other = dice.sample(DEVICES, 2)
            ip.do(dice.choice(CHANGES)(dice, device, other))
            yield

    def rules(self, dice, stack):
        """Rules come and go, at the hooks that packets pass."""
        stack.enter_context(g.director)
        while True:
            for rules in (RULES, 'flush ruleset'):
                nft(rules)
                time.sleep(dice.random() / 10)
                yield


class Leaving:
    """Frames that leave the director by any device."""

    def __init__(self):
        with g.director:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.setblocking(False)

    def _next(self, mark):
        while True:
            try:
                data, address = self.sock.recvfrom(2048)
            except BlockingIOError:
                return None
            if address[2] == PACKET_OUTGOING and data.endswith(mark):
                return address[0], ':'.join(f'{byte:02x}' for byte in data[:6])

    def way(self, mark):
        """The device and the destination address of the frame that ends with MARK."""
        return until(lambda: self._next(mark), f'a frame with {mark}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def steps():
    """Changes one after the other: lines, and where packets to servers go after them."""
    a, b = DEVICES
    one, two = MACS
    yield [], a, one
    yield [neighbour(address, a, two) for address in SERVERS], a, two
    yield routes(b), b, one
    yield [neighbour(address, b, two) for address in SERVERS], b, two
    yield [f'link set {b} name other'], 'other', two
    yield [f'link set other name {b}'], b, two
    yield [f'route replace {address} dev {a}' for address in SERVERS], a, two
    yield [f'route del {address}' for address in SERVERS], b, two
    yield [f'link set {b} down', *routes(a)], a, two
    yield [*ready(b), *routes(b)], b, one
    yield [f'link del {b}', *routes(a)], a, two
    yield [*added(b), *routes(b)], b, one
    yield [f'link set {b} netns rv-storm name gone', *routes(a)], a, two


def nft(rules):
    """Runs lines of nft(8) in the namespace of the calling thread."""
    done = subprocess.run(
        ['nft', '-f', '-'],
        input=rules,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failure(f'nft: {done.stdout}')


class Ip:
    """An ip(8) of the namespace of the calling thread that reads lines, each of which may fail."""

    def __init__(self):
        self.program = None

    def do(self, lines):
        """Has it read LINES."""
        # Some failures end it, such as a device without a master that there should be.
        if not self.program or self.program.poll() is not None:
            self.close()
            self.program = subprocess.Popen(
                'ip -force -batch -'.split(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        with contextlib.suppress(BrokenPipeError):
            self.program.stdin.write(''.join(f'{line}\n' for line in lines))
            self.program.stdin.flush()

    def close(self):
        """Ends it when it has run what it has read."""
        if self.program:
            with contextlib.suppress(BrokenPipeError):
                self.program.stdin.close()
            self.program.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
