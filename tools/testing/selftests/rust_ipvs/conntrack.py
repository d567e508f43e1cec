#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Connection tracking: rules that track, entries that follow connections, and clients that use a port again."""

import contextlib
import itertools
import struct

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.ipvs import at
from harness.packet import ACK, RST, SCTP, SYN, TCP, UDP, Sniffer, Wire, chunk, ip, sctp, tcp
from harness.protocol import CLIENT, VIPS, fake_peer
from harness.tap import case, equal, note, run, true, until
from harness.tracked import TRACKED, TRACKED_HERE, entries, masquerade, rules

KINDS = {'tcp': ('-t', TCP), 'udp': ('-u', UDP)}
HOST = {4: '10.0.1.1', 6: 'fd00:1::1'}
SERVERS = {4: ['10.0.2.11', '10.0.2.12'], 6: ['fd00:2::b', 'fd00:2::c']}
BACK = {4: '10.0.2.254', 6: 'fd00:2::fe'}
EACH = list(itertools.product((4, 6), KINDS))


@contextlib.contextmanager
def conntrack(value):
    """The setting has a VALUE for this long. Without nf_conntrack in its kernel, C has no such setting."""
    ipvs.setting('conntrack', value)
    try:
        yield
    finally:
        ipvs.setting('conntrack', 0)


def serve(version, kind, method, servers=1):
    """A service with some of the servers."""
    ipvs.service(
        f'{KINDS[kind][0]} {at(VIPS[version])}', method, [at(s) for s in SERVERS[version][:servers]]
    )


def of(connection, version, kind):
    """The entries of a client's connection to the VIP."""
    return entries(proto=KINDS[kind][1], sport=connection.port, dst=VIPS[version], dport=80)


# ---- what entries say ----


@case(
    'N-1 N-3 N-4 by NAT the entry expects replies from the server; a connection begun without conntrack has none'
)
def nat():
    with rules(TRACKED):
        for version, kind in EACH:
            serve(version, kind, '-m')
            for mode in (1, 0):
                source = HOST[version]
                with conntrack(mode), Connection(
                    g.client, VIPS[version], kind=kind, source=source
                ) as connection:
                    found = of(connection, version, kind)
                    equal(
                        len(found),
                        mode,
                        f'entries of a connection, {kind} IPv{version}, conntrack={mode}',
                    )
                    for entry in found:
                        note(entry)
                        equal(
                            (
                                entry.reply_src,
                                entry.reply_sport,
                                entry.reply_dst,
                                entry.reply_dport,
                            ),
                            (SERVERS[version][0], 80, HOST[version], connection.port),
                            'replies',
                        )
                        until(
                            lambda: of(connection, version, kind)[0].state in ('', 'ESTABLISHED'),
                            'it is established',
                        )
                    # The setting is of new connections only (N-1).
                    ipvs.setting('conntrack', 1 - mode)
                    true(connection.echo(), 'the connection goes on')
                    equal(
                        len(of(connection, version, kind)),
                        mode,
                        'entries when the setting has changed',
                    )
            ipvs.admin('-C')


@case('N-3 so does the entry of an association of SCTP')
def sctp_nat():
    init = chunk(1, struct.pack('!IIHHI', 1, 65536, 1, 1, 1))
    with rules(TRACKED), conntrack(1), Wire(g.client, 'eth0', g.director, 'front') as wire:
        for version in (4, 6):
            server = fake_peer('10.0.2.95' if version == 4 else 'fd00:2::95', 'back')
            ipvs.service(f'--sctp-service {at(VIPS[version])}', '-m', [at(server, 81)])
            wire.send(ip(CLIENT[version], VIPS[version], SCTP, sctp(30950, 80, init, 0)))
            entry = until(
                lambda v=version: entries(proto=SCTP, src=CLIENT[v], dst=VIPS[v]),
                f'an entry, IPv{version}',
            )[0]
            note(entry)
            equal(
                (entry.reply_src, entry.reply_sport, entry.reply_dport),
                (server, 81, 30950),
                'replies',
            )
            ipvs.admin('-C')


@case(
    'N-2 by DR and TUN the entry stays as it is, and is confirmed before the packet enters the tunnel'
)
def not_nat():
    with rules(TRACKED_HERE):
        for (version, kind), method in itertools.product(EACH, ('-g', '-i')):
            serve(version, kind, method)
            for mode in (1, 0):
                with conntrack(mode), Connection(g.client, VIPS[version], kind=kind) as connection:
                    found = of(connection, version, kind)
                    equal(
                        [(e.reply_src, e.reply_sport) for e in found],
                        [(VIPS[version], 80)] * mode,
                        f'{method} {kind} IPv{version}, conntrack={mode}: whence replies are expected',
                    )
                    true(connection.echo(), 'the connection goes on')
            if method == '-i':
                # What goes to the server is something else.
                outer = entries(proto=4 if version == 4 else 41, dst=SERVERS[version][0])
                equal(len(outer), 1, 'entries of the tunnel')
            ipvs.admin('-C')


# ---- what rules make of it ----


@case('N-3 replies are of an established connection to rules, which may drop all others')
def stateful():
    ipvs.pass_rules()
    text = (
        'chain in { type filter hook input priority 0; tcp dport 80 ct state new,established accept;'
        ' udp dport 80 ct state new,established accept; tcp dport 80 drop; udp dport 80 drop; };'
        'chain through { type filter hook forward priority 0; policy drop; ct state established,related accept; };'
    )
    with rules(text):
        for version, kind in EACH:
            serve(version, kind, '-m')
            for mode in (1, 0):
                with conntrack(mode):
                    name = ask(g.client, VIPS[version], kind=kind, timeout=2).name
                    equal(
                        name,
                        's1' if mode else 'timeout',
                        f'who answers, {kind} IPv{version}, conntrack={mode}',
                    )
            ipvs.admin('-C')


@case(
    'N-3 N-4 I-4 with the rules of kube-proxy servers see the director, and errors come back to the client'
)
def kube_proxy():
    with rules(masquerade(VIPS.values())):
        for version, kind in EACH:
            serve(version, kind, '-m')
            with conntrack(1):
                for space in (g.client, g.director):
                    answer = ask(space, VIPS[version], kind=kind)
                    note(f'from {space.short}: {answer}')
                    equal(
                        (answer.name, answer.peer),
                        ('s1', BACK[version]),
                        f'who answered whom, {kind} IPv{version}',
                    )
                ipvs.service(
                    f'{KINDS[kind][0]} {at(VIPS[version], 9)}', '-m', [at(SERVERS[version][0], 9)]
                )
                equal(
                    ask(g.client, VIPS[version], 9, kind).name,
                    'refused',
                    'a port where nobody listens',
                )
            source = HOST[version]
            equal(
                ask(g.client, VIPS[version], kind=kind, source=source).peer,
                source,
                'who asks without conntrack',
            )
            ipvs.admin('-C')


# ---- how long entries stay ----


@case('N-5 entries go with their connections', fresh=True)
def expiry():
    with rules(masquerade([VIP]) + TRACKED), conntrack(1):
        ipvs.admin('--set 0 0 1')
        for version in (4, 6):
            serve(version, 'udp', '-m')
            with Connection(g.client, VIPS[version], kind='udp') as connection:
                equal(
                    len(of(connection, version, 'udp')), 1, f'entries of a connection, IPv{version}'
                )
                until(lambda c=connection: not ipvs.rows(cport=c.port), 'the connection goes')
                until(lambda v=version, c=connection: not of(c, v, 'udp'), 'its entry goes', 1)
                # To both, what comes now is the first of another.
                true(connection.echo(), 'the client is served again')
                equal(
                    len(of(connection, version, 'udp')),
                    1,
                    f'entries of another connection, IPv{version}',
                )
        ipvs.admin('--set 0 0 300')


@case('N-5 but not with the whole module')
def unload():
    with rules(TRACKED), conntrack(1):
        serve(4, 'udp', '-m')
        with Connection(g.client, VIP, kind='udp') as connection:
            equal(len(of(connection, 4, 'udp')), 1, 'entries')
            g.unload()
            equal(len(of(connection, 4, 'udp')), 1, 'entries, without the module')
        g.load()


# ---- clients that begin anew ----


class Half:
    """A client's side by hand, from an address of nobody, to a service of two servers of which nobody is there."""

    ports = itertools.count(31000)

    def __init__(self, version):
        self.version, self.port = version, next(self.ports)
        self.servers = [
            fake_peer(f'10.0.2.{n}' if version == 4 else f'fd00:2::{n}', 'back') for n in (96, 97)
        ]
        fake_peer(CLIENT[version], 'front')
        ipvs.service(f'-t {at(VIPS[version])}', '-m', [at(server) for server in self.servers])
        self.client, self.server = Wire(g.client, 'eth0', g.director, 'front'), Wire(
            g.s1, 'back', g.director, 'back'
        )
        self.sniffer = Sniffer(g.director, 'back', outgoing=True)
        self.seen = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in (self.client, self.server, self.sniffer):
            each.close()
        ipvs.admin('-C')

    def syn(self, tries=3):
        """Sends the SYN until it arrives; returns how many times, and the packet."""
        for number in range(1, tries + 1):
            self.say(SYN, 1000)
            self.sniffer.wait(lambda _: len(self.arrived()) > self.seen, 1)
            arrived = self.arrived()
            if len(arrived) > self.seen:
                self.seen = len(arrived)
                return number, arrived[-1]
        return None, None

    def arrived(self):
        """The SYNs that went on to servers."""
        return [
            p
            for p in self.sniffer.seen
            if p.proto == TCP and p.dst in self.servers and p.flags & (SYN | ACK) == SYN
        ]

    def say(self, flags, seq, ack=0):
        """A segment of the client."""
        client, vip = CLIENT[self.version], VIPS[self.version]
        self.client.send(ip(client, vip, TCP, tcp(client, vip, self.port, 80, flags, seq, ack)))

    def answer(self, syn, flags, seq=5000):
        """A segment of the server to which a SYN went."""
        self.server.send(
            ip(syn.dst, syn.src, TCP, tcp(syn.dst, syn.src, 80, syn.sport, flags, seq, syn.seq + 1))
        )

    def entry(self):
        """Its entry, of which there is one."""
        found = entries(proto=TCP, src=CLIENT[self.version], sport=self.port)
        equal(len(found), 1, 'entries of the client')
        return found[0]


# How many SYNs it takes where the first finds the entry of the connection before: C drops that
# (S-19).
TRIES = 1 if g.impl == 'rust' else 2


@case(
    'S-18 S-19 N-6 a port whose connection the server has reset: another server gets it, and the entry says so',
    fresh=True,
)
def after_reset():
    with rules(TRACKED):
        for version, mode in itertools.product((4, 6), (1, 0)):
            with conntrack(mode), Half(version) as half:
                _, first = half.syn()
                half.answer(first, SYN | ACK)
                half.say(ACK, first.seq + 1, 5001)
                half.answer(first, RST | ACK, 5001)
                until(
                    lambda h=half: [r for r in ipvs.rows(cport=h.port) if r.state == 'CLOSE'],
                    'it is closed',
                )
                tries, second = half.syn()
                equal(
                    tries,
                    TRIES if mode else 1,
                    f'SYNs of the second connection, IPv{version}, conntrack={mode}',
                )
                true(second.dst != first.dst, 'it goes to the other server')
                if mode:
                    equal(half.entry().reply_src, second.dst, 'whence replies are expected')


@case(
    'S-18 S-19 N-3 a server that gets no more: the client goes elsewhere, still in the name that rules give it',
    fresh=True,
)
def quiescent():
    ipvs.setting('expire_nodest_conn', 1)
    with rules(masquerade(VIPS.values())):
        for version in (4, 6):
            with conntrack(1), Half(version) as half:
                _, first = half.syn()
                equal(first.src, BACK[version], 'who asks the first server')
                half.answer(first, SYN | ACK)
                ipvs.admin(f'-e -t {at(VIPS[version])} -r {at(first.dst)} -m -w 0')
                tries, second = half.syn()
                equal(tries, TRIES, f'SYNs of the second connection, IPv{version}')
                equal(
                    (second.dst != first.dst, second.src),
                    (True, BACK[version]),
                    'another server is asked in the same name',
                )
                equal(half.entry().reply_src, second.dst, 'whence replies are expected')
    ipvs.setting('expire_nodest_conn', 0)


def datagrams(connection, name):
    """After how many datagrams the server of that name answers."""
    connection.sock.settimeout(1)
    for number in (1, 2, 3):
        try:
            connection.sock.send(b'again')
            if name.encode() in connection.sock.recv(100):
                return number
        except OSError as error:
            note(f'datagram {number}: {error}')
    return None


def change_server(version):
    """The first server of a service goes, and another comes."""
    ipvs.admin(f'-a -u {at(VIPS[version])} -r {at(SERVERS[version][1])} -m')
    ipvs.admin(f'-d -u {at(VIPS[version])} -r {at(SERVERS[version][0])}')


@case(
    'S-22 N-6 a datagram whose server is gone goes to another, from clients here and elsewhere',
    fresh=True,
)
def no_server():
    with rules(TRACKED_HERE), conntrack(1):
        for version, (space, source) in itertools.product(
            (4, 6), ((g.client, 1), (g.director, 254))
        ):
            serve(version, 'udp', '-m')
            source = f'10.0.1.{source}' if version == 4 else f'fd00:1::{source:x}'
            with Connection(space, VIPS[version], kind='udp', source=source) as connection:
                equal(connection.answer.name, 's1', 'who answers first')
                change_server(version)
                ipvs.setting('expire_nodest_conn', 1)
                equal(
                    datagrams(connection, 's2'),
                    TRIES,
                    f'datagrams until s2 answers {space.short}, IPv{version}',
                )
                ipvs.setting('expire_nodest_conn', 0)
                equal(
                    [e.reply_src for e in of(connection, version, 'udp')],
                    [SERVERS[version][1]],
                    'whence replies are expected',
                )
            ipvs.admin('-C')


def use_again(vip, method, servers, sport):
    """A client that resets a connection and uses its port again; how many SYNs it needed, and who answered."""
    ipvs.service(f'-t {at(vip)}', method, servers)
    with Connection(g.client, vip, sport=sport) as first:
        true(first.echo(), 'the first connection')
        first.reset()
    until(lambda: [r for r in ipvs.rows(cport=sport) if r.state == 'CLOSE'], 'it is closed')
    with Sniffer(g.client, 'eth0', outgoing=True) as sniffer:
        with Connection(g.client, vip, sport=sport, timeout=8) as second:
            true(second.echo(), 'the second connection')
            name = second.answer.name
        syns = sniffer.all(
            lambda p: p.proto == 6 and p.sport == sport and p.flags & (SYN | ACK) == SYN
        )
    ipvs.admin('-C')
    return len(syns), first.answer.name, name


@case('S-18 S-19 Q-12 a port that is used again, with rules that track', fresh=True)
def reuse():
    sport = 40100
    with rules(TRACKED_HERE):
        for mode in (0, 1):
            with conntrack(mode):
                for vip, servers in (
                    (VIP, ['10.0.2.11:80', '10.0.2.12:80']),
                    (VIP6, ['[fd00:2::b]:80', '[fd00:2::c]:80']),
                ):
                    for method in ('-m', '-g'):
                        sport += 1
                        syns, first, second = use_again(vip, method, servers, sport)
                        note(f'{vip} {method}: {first}, then {second}')
                        # Of DR's connections tracking does not see the end, so the entry is one of
                        # an open connection.
                        wanted = TRIES if mode and method == '-g' else 1
                        equal(
                            syns,
                            wanted,
                            f'SYNs of the second connection to {vip} by {method}, conntrack={mode}',
                        )
                        true(first != second, 'it went to the other server')


@case('S-22 X-11 with rules that track, connections and what leaves their servers go on')
def data():
    with rules(TRACKED_HERE):
        for (n, method), mode in itertools.product(enumerate(('-m', '-g', '-i')), (0, 1)):
            ipvs.service(f'-t {VIP}:80', method, ['10.0.2.11:80'])
            with conntrack(mode), Connection(
                g.client, VIP, sport=40200 + 2 * n + mode
            ) as connection:
                true(connection.put(100000), f'{method}: data there')
                true(connection.get(100000), f'{method}: data back')
            ipvs.admin('-C')


if __name__ == '__main__':
    run(g)
