#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sync daemons of one director: their words in the log, and what they make of messages."""

import contextlib
import os
import re
import socket

from harness import ipvs, sync
from harness.clients import PORTS, ask
from harness.ftp import RIP, Client, Script, ftp_case, said, serve, told, tuple_of
from harness.fixture import FIXTURE as g, VIP
from harness.netns import make, remove
from harness.packet import ACK, TCP, Sniffer, Wire, ip, tcp
from harness.sync import Ear, Entry, MASQ, NOOUTPUT, ROUTE, TEMPLATE
from harness.protocol import CLIENT, fake_peer
from harness.tap import case, equal, note, run, true, until
from harness.tracked import TRACKED, TRACKED_HERE, entries, rules

UDP = 17
# Flags that only mean something here: an entry is hashed, has no client's port, is of one packet,
# is tracked, and more.
OWN_FLAGS = 0x40 | 0x4000 | 0x8000 | 0xFFFF0000
SEQUENCES = 0x600


def daemon(role, options='', check=True):
    """Starts a daemon of the director."""
    return ipvs.admin(f'--start-daemon {role} --mcast-interface front {options}', check=check)


def stop():
    """Stops whatever daemon runs."""
    for role in ('master', 'backup'):
        ipvs.admin(f'--stop-daemon {role}', check=False, quiet=True)


def daemon_case(words, only=None):
    """A case that leaves no daemon: each holds C's module."""

    def register(function):
        def whole():
            try:
                function()
            finally:
                if g.loaded():
                    stop()

        return case(words, only, fresh=True)(whole)

    return register


def tell(*told_of):
    """Tells the director, as another one would."""
    sync.send(g.client, 'eth0', sync.message(*told_of))


def threads():
    """The threads of all daemons: names by number."""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError), open(f'/proc/{pid}/comm', encoding='utf-8') as file:
            if re.match('ipvs-[mb]:', name := file.read().strip()):
                found[int(pid)] = name
    return found


def said_by_kernel(words):
    """What follows "IPVS: " in lines of the kernel's log, since the case began, with WORDS."""
    return [line.partition('IPVS: ')[2] for line in g.log() if words in line]


# ---- how they begin and end ----


@daemon_case('B-1 B-2 the log says which threads of daemons start and stop')
def log():
    ipvs.setting('sync_ports', 2)
    try:
        for role, number in (('master', 7), ('backup', 8)):
            daemon(role, f'--syncid {number}')
            until(
                lambda r=role: len(said_by_kernel(f'state = {r.upper()}')) == 2,
                'both threads are started',
            )
            equal(
                sorted(said_by_kernel(f'state = {role.upper()}')),
                [
                    f'sync thread started: state = {role.upper()}, mcast_ifn = front, '
                    f'syncid = {number}, id = {n}'
                    for n in (0, 1)
                ],
                f'what the log says of a {role}',
            )
        running = threads()
        equal(said_by_kernel('stopping'), [], 'what stops')
        for role in ('master', 'backup'):
            ipvs.admin(f'--stop-daemon {role}')
            # The last one first.
            pids = [
                pid
                for pid, name in sorted(running.items(), key=lambda t: t[1], reverse=True)
                if name[5] == role[0]
            ]
            equal(
                said_by_kernel(f'stopping {role}'),
                [f'stopping {role} sync thread {pid} ...' for pid in pids],
                f'what the log says as a {role} stops',
            )
        # Nothing is said where nothing happens.
        g.mark_log()
        ipvs.refused('--stop-daemon backup')
        equal(said_by_kernel('sync thread'), [], 'of none that stops')
    finally:
        stop()
        ipvs.setting('sync_ports', 1)


@daemon_case('L-3 B-1 the log says so, too, of those that end with their namespace')
def log_of_namespace():
    space = make('rv-short')
    space.run('ip link add dummy0 type dummy', quiet=True)
    space.run('ip addr add 10.0.7.1/24 dev dummy0', quiet=True)
    space.run('ip link set dummy0 up', quiet=True)
    for role in ('master', 'backup'):
        ipvs.admin(f'--start-daemon {role} --mcast-interface dummy0', space=space)
    remove(space)
    until(lambda: not threads(), 'the threads are gone', 30)
    equal(
        sorted(line.split(' sync')[0] for line in said_by_kernel('stopping')),
        ['stopping backup', 'stopping master'],
        'the log',
    )


@daemon_case(
    'B-1 H-8 a backup that could not have the hooks that it needs is refused, and does not run',
    only='rust',
)
def refused_backup():
    # C's daemon needs no hooks. Here the new ones are there before the old ones go: with as many
    # as there may be, of which connection tracking may have some too, that is refused.
    ipvs.service(f'-t {VIP}:80', '-m', [f'{RIP["s1"]}:80'])
    ipvs.setting('backup_only', 1)

    def chain(n):
        return f'chain ip many c{n} {{ type filter hook input priority {100 + n}; }}'

    chains = '\n'.join(f'add {chain(n)}' for n in range(1015))
    g.director.run(['nft', '-f', '-'], stdin=f'add table ip many\n{chains}\n')
    try:
        for n in range(1015, 1030):
            g.director.run(['nft', f'add {chain(n)}'], check=False, quiet=True)
            if g.director.status:
                break
        true(g.director.status, 'no more hooks are taken')
        daemon('backup', check=False)
        equal(
            (threads(), ipvs.admin('-L --daemon').strip()),
            ({}, ''),
            'threads, and daemons that are listed',
        )
        tell(Entry(TCP, ROUTE | NOOUTPUT, 1, '10.0.1.9', 4000, VIP, 80, RIP['s1'], 80, 0, 100))
        equal(
            [line for line in said_by_kernel('sync thread') if 'started' in line],
            [],
            'what the log says',
        )
    finally:
        g.director.run('nft delete table ip many')
    equal(ipvs.rows(), [], 'connections')
    daemon('backup')
    equal(len(threads()), 1, 'threads of one that is not refused')
    ipvs.setting('backup_only', 0)
    stop()


# ---- what others tell ----


@daemon_case(
    'U-14 B-21 B-25 an entry has no flags that only mean something here, and shifts no numbers'
)
def own_flags():
    # Nobody else answers in the name of either.
    me, rip = fake_peer(CLIENT[4], 'front'), fake_peer('10.0.2.96', 'back')
    for kind in 'tu':
        ipvs.service(f'-{kind} {VIP}:21', '-m', [f'{rip}:21', f'{RIP["s2"]}:21'])
    daemon('backup')
    port = next(PORTS)
    flags = MASQ | OWN_FLAGS | SEQUENCES
    for proto, state in ((TCP, 1), (UDP, 0)):
        tell(Entry(proto, flags, state, me, port, VIP, 21, rip, 21, 0, 100))
    until(lambda: len(ipvs.rows(cport=port)) == 2, 'they are there')
    before = ipvs.rows(cport=port)
    with Wire(g.client, 'eth0', g.director, 'front') as client, Wire(
        g.s1, 'back', g.director, 'back'
    ) as server, Sniffer(g.director, 'back', outgoing=True) as back, Sniffer(
        g.director, 'front', outgoing=True
    ) as front:
        # One of a single packet, or unhashed, would be gone after it; what was shifted would have
        # other numbers.
        for n in range(3):
            numbers = (1000 + n, 5000 + n)
            client.send(ip(me, VIP, TCP, tcp(me, VIP, port, 21, ACK, *numbers)))
            seen = back.wait(
                lambda p, n=n: p.proto == TCP and p.sport == port and p.seq == 1000 + n
            )
            equal(
                seen and (seen.dst, seen.dport, seen.ack),
                (rip, 21, 5000 + n),
                'what the server gets',
            )
            server.send(ip(rip, me, TCP, tcp(rip, me, 21, port, ACK, *reversed(numbers))))
            seen = front.wait(
                lambda p, n=n: p.proto == TCP and p.dport == port and p.seq == 5000 + n
            )
            equal(seen and (seen.src, seen.ack), (VIP, 1000 + n), 'what the client gets')
    equal([r[:7] for r in ipvs.rows(cport=port)], [r[:7] for r in before], 'the connections')
    stop()


@daemon_case('U-14 B-21 P-6 a template is nothing else, whatever more its entry says')
def template_flags():
    ipvs.service(
        f'-t {VIP}:80', '-m', [f'{RIP[name]}:80' for name in ('s1', 's2', 's3')], '-s rr -p 300'
    )
    daemon('backup')
    bad = [
        (TEMPLATE | sync.NO_CPORT, 0, 1),
        (TEMPLATE | sync.ONE_PACKET, 0, 2),
        (TEMPLATE, 2, 3),
        (TEMPLATE, 255, 4),
    ]
    for more, state, n in bad:
        tell(Entry(TCP, MASQ | more, state, f'10.0.1.{100 + n}', 0, VIP, 80, RIP['s2'], 80, 0, 100))
    more = TEMPLATE | OWN_FLAGS | SEQUENCES | NOOUTPUT
    tell(Entry(TCP, MASQ | more, 1, '10.0.1.1', 0, VIP, 80, RIP['s2'], 80, 0, 100))
    until(lambda: ipvs.rows(caddr='10.0.1.1'), 'the template is there')
    (row,) = ipvs.rows()
    equal((row.cport, row.state, row.daddr), (0, 'ASSURED', RIP['s2']), 'what is there')
    equal(ipvs.dests()[0][3:], (0, 0), 'connections that the servers count')
    stop()
    equal([ask(g.client, VIP).name for _ in range(3)], ['s2'] * 3, 'who answers its client')


@ftp_case('U-15 B-11 F-8 a session is told of without numbers, and its own stay as they are')
def told_of_a_session():
    serve(('s1',))
    # An answer that gets shorter: "10,0,9,1" in place of "10,0,2,11".
    with Ear(g.client, 'eth0') as ear, Script(
        g.s1, {'PASV': f'227 ({tuple_of(RIP["s1"], 40001)})\r\n'}
    ), Client(g.client, VIP) as ftp:
        ipvs.admin('--start-daemon master --mcast-interface front')
        for _ in range(3):
            equal(said(told(ftp, 'PASV')), (VIP, 40001), 'what the client hears')
        port = ftp.sock.getsockname()[1]
        entry = ear.wait(lambda e: e.cport == port)
        true(entry, 'the control connection is told of')
        equal(
            (entry.flags & SEQUENCES, entry.options, entry.vport, entry.dest),
            (0, b'', 21, RIP['s1']),
            'what is told',
        )
        for n in range(5):
            equal(told(ftp, f'SITE {n}'), f'200 SITE {n}', 'what the client hears afterwards')


# ---- connection tracking ----


@daemon_case('B-22 N-5 a connection that another director gives another server: its entry goes')
def tracked_elsewhere():
    with rules(TRACKED):
        ipvs.setting('conntrack', 1)
        ipvs.service(f'-u {VIP}:80', '-m', [f'{RIP["s1"]}:80', f'{RIP["s2"]}:80'])
        daemon('backup')
        port = next(PORTS)
        try:
            with g.client:
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sock:
                sock.bind(('10.0.1.1', port))
                sock.settimeout(5)
                sock.connect((VIP, 80))
                for name in ('s1', 's2'):
                    tell(Entry(UDP, MASQ, 0, '10.0.1.1', port, VIP, 80, RIP[name], 80, 0, 100))
                    until(lambda n=name: ipvs.rows(cport=port, daddr=RIP[n]), f'it goes to {name}')
                    equal(entries(proto=UDP, sport=port), [], 'entries before its next packet')
                    sock.send(b'hello')
                    true(sock.recv(100).startswith(name.encode()), f'{name} answers')
                    equal(
                        [e.reply_src for e in entries(proto=UDP, sport=port)],
                        [RIP[name]],
                        'whence replies are expected',
                    )
        finally:
            ipvs.setting('conntrack', 0)
            stop()


@daemon_case('X-12 a synchronised connection to a server on this very host, with rules that track')
def tracked_here():
    # C drops what comes of it.
    with rules(TRACKED_HERE), g.director, socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM
    ) as server:
        server.bind(('10.0.2.254', 4711))
        server.settimeout(2)
        ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.254:4711'])
        daemon('backup')
        port = next(PORTS)
        with g.client:
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with client:
            client.bind(('10.0.1.1', port))
            client.settimeout(2)
            client.connect((VIP, 80))
            tell(Entry(UDP, MASQ, 0, '10.0.1.1', port, VIP, 80, '10.0.2.254', 4711, 0, 100))
            until(lambda: ipvs.rows(cport=port), 'it is there')
            heard = []
            for mode in (0, 1):
                ipvs.setting('conntrack', mode)
                client.send(b'question')
                try:
                    data, peer = server.recvfrom(100)
                    server.sendto(b'answer', peer)
                    heard.append((data, client.recv(100)))
                except TimeoutError:
                    heard.append(None)
            ipvs.setting('conntrack', 0)
        equal(
            heard,
            [(b'question', b'answer')] * 2 if g.impl == 'rust' else [None] * 2,
            'what each end hears',
        )
        stop()


# ---- namespaces ----


@daemon_case(
    'U-4 L-3 C-16 a namespace ends with FTP sessions, templates and daemons: all of it goes, once'
)
def namespace_ends():
    if g.impl == 'c':
        os.system('modprobe ip_vs_ftp')
    space = make('rv-short')
    space.run('ip link add dummy0 type dummy', quiet=True)
    for n in (1, 2, 3):
        space.run(f'ip addr add 10.0.7.{n}/24 dev dummy0', quiet=True)
    space.run('ip link set dummy0 up', quiet=True)
    ipvs.service('-t 10.0.7.1:21', '-m', ['10.0.7.2:21'], '-s rr -p 300', space=space)
    for role in ('master', 'backup'):
        ipvs.admin(f'--start-daemon {role} --mcast-interface dummy0', space=space)
    sync.send(
        space,
        'dummy0',
        sync.message(
            Entry(TCP, ROUTE | NOOUTPUT, 1, '10.0.7.9', 4000, VIP, 80, RIP['s1'], 80, 0, 100)
        ),
    )
    with Script(space, {'PASV': f'227 ({tuple_of("10.0.7.2", 40001)})\r\n'}), Client(
        space, '10.0.7.1', source='10.0.7.3'
    ) as ftp:
        ftp.sendcmd('NOOP')
        note(ftp.sendcmd('PASV'))
        ftp.sendcmd(f'PORT {tuple_of("10.0.7.3", 1025)}')
        kinds = {(r.vport, r.state) for r in ipvs.rows(space=space)}
        note('\n'.join(map(str, ipvs.rows(space=space))))
        true(
            {(21, 'ESTABLISHED'), (40001, 'LISTEN'), (20, 'LISTEN')} <= kinds,
            f'a session, and what it has announced: {kinds}',
        )
        true(kinds & {(0, 'NONE'), (0, 'ASSURED'), (21, 'NONE'), (21, 'ASSURED')}, 'a template')
    remove(space)
    until(lambda: not threads(), 'the daemons end', 30)
    # The kernel would say which connections were left, and of a reference too many or too few.
    g.unload()
    with open('/proc/slabinfo', encoding='utf-8') as slabs:
        left = [line.split()[0] for line in slabs if re.match(r'(rust_)?ip_?vs_conn', line)]
    equal(left, [], 'memory for connections that is left')


if __name__ == '__main__':
    run(g)
