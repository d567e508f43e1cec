#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""FTP by NAT: several sessions at a time, and sessions while a sync master runs."""

import contextlib
import re
import socket
import time

from harness import ipvs, tracked
from harness.ftp import (
    PASSIVE,
    RIP,
    RIP6,
    Client,
    Script,
    Vsftpd,
    data_rows,
    ftp_case,
    said,
    serve,
    spaces,
    told,
    tuple_of,
)
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.tap import equal, note, run, true, until

CLIENT, OTHER = '10.0.1.1', '10.0.1.2'
# What has all servers listen at one port.
ONE_PORT = f'pasv_min_port={PASSIVE[0]}\npasv_max_port={PASSIVE[0]}'


def server_of(ftp):
    """The server of a session."""
    (row,) = ipvs.rows(cport=ftp.sock.getsockname()[1], vport=21)
    return row.daddr


def listens(ftp):
    """Where the server listens, as the client is told."""
    with g.client:
        host, port = ftp.makepasv()[:2]
    return host, port


def fetch(ftp, at):
    """The server's file, from where it listens."""
    with g.client:
        data = socket.create_connection(at, 5, (ftp.sock.getsockname()[0], 0))
    return received(ftp, data)


def received(ftp, data):
    """What comes over a data connection once it is asked for."""
    with data:
        data.settimeout(5)
        ftp.sendcmd('RETR name')
        content = b''.join(iter(lambda: data.recv(1000), b''))
    ftp.voidresp()
    return content.decode().strip()


def called(ftp):
    """The server's file, to where the client listens, a second later."""
    with g.client, ftp.makeport() as listener:
        (row,) = data_rows(cport=listener.getsockname()[1])
        waits_for_two_minutes(row)
        ftp.sendcmd('RETR name')
        data, peer = listener.accept()
        equal(peer[:2], (VIP, 20), 'who calls')
        content = data.recv(1000)
        data.close()
    ftp.voidresp()
    return content.decode().strip()


def waits_for_two_minutes(row):
    """What was announced waits, a second later, too."""
    time.sleep(1)
    again = [r for r in ipvs.rows() if r[1:7] == row[1:7]]
    equal(
        [(r.state, 110 <= r.expires <= 120) for r in again],
        [('LISTEN', True)],
        f'what waits a second after {row}',
    )


# ---- while a sync master runs ----


@ftp_case('F-5 F-6 F-7 F-9 B-5 while a sync master runs, data connections begin a second later')
def with_master():
    serve(('s1',))
    ipvs.admin('--start-daemon master --mcast-interface front')
    with Vsftpd(spaces(('s1',))), Client(g.client, VIP) as ftp:
        ftp.login()
        for way in ('PASV', 'EPSV', 'PORT', 'EPRT'):
            ftp.way = way
            if ftp.passiveserver:
                at = listens(ftp)
                (row,) = data_rows(cport=0, vport=at[1])
                waits_for_two_minutes(row)
                equal(fetch(ftp, at), 's1', way)
            else:
                equal(called(ftp), 's1', way)
            ftp.there_and_back(f'master-{way}', 3000)


@ftp_case(
    'N-8 B-5 while a sync master runs, what a client begins passively is expected, for two minutes',
    only='rust',
)
def related_with_master():
    serve(('s1',))
    ipvs.admin('--start-daemon master --mcast-interface front')
    with Vsftpd(spaces(('s1',))), Client(g.client, VIP) as ftp:
        ftp.login()
        at = listens(ftp)
        lines = g.director.run('conntrack -L expect', quiet=True).splitlines()
        note('\n'.join(lines))
        found = [
            int(m[1])
            for line in lines
            if f'dport={at[1]}' in line and (m := re.match(r'(\d+) proto=6 ', line))
        ]
        equal(
            [110 <= seconds <= 120 for seconds in found],
            [True],
            f'seconds for which it is expected: {found}',
        )
        g.director.run(
            [
                'nft',
                'table ip seen { chain pre { type filter hook prerouting priority 0; '
                'tcp flags & (syn | ack) == syn ct state related counter; }; }',
            ]
        )
        try:
            equal(fetch(ftp, at), 's1', 'the file')
            true(
                'packets 1 ' in g.director.run('nft list table ip seen', quiet=True),
                'the SYN is related',
            )
        finally:
            g.director.run('nft delete table ip seen')


# ---- sessions that announce the same ----


@ftp_case(
    'F-7 F-8 F-9 two sessions of one address, and one port of two servers: each gets its files',
    only='rust',
)
def one_passive_port():
    # C says the same port to both: whoever comes first gets the server that spoke last.
    for version, vip, way in ((4, VIP, 'PASV'), (4, VIP, 'EPSV'), (6, VIP6, 'EPSV')):
        serve(('s1', 's2'), version=version)
        names = {address: name for name, address in (RIP6 if version == 6 else RIP).items()}
        with Vsftpd(spaces(('s1', 's2')), ONE_PORT):
            for order in ((0, 1), (1, 0)):
                with Client(g.client, vip, way) as one, Client(g.client, vip, way) as two:
                    sessions = (one, two)
                    for ftp in sessions:
                        ftp.login()
                    at = [listens(ftp) for ftp in sessions]
                    note(f'{way} of IPv{version}: {at}')
                    equal(
                        ([host for host, _ in at], at[0][1]),
                        ([vip, vip], PASSIVE[0]),
                        'whom the clients are told',
                    )
                    true(at[1][1] != PASSIVE[0], 'the second one gets another port')
                    got = {n: fetch(sessions[n], at[n]) for n in order}
                    equal(
                        [got[n] for n in (0, 1)],
                        [names[server_of(ftp)] for ftp in sessions],
                        'whose files they get',
                    )
                    # Later there is no need for another port.
                    equal(listens(two), (vip, PASSIVE[0]), 'where the second server listens then')
                    for ftp in sessions:
                        equal(ftp.sendcmd('NOOP')[:3], '200', 'the sessions are in order')
        ipvs.admin('-C')


@ftp_case(
    'F-8 the other port is said again, if the answer was lost and if it is asked for again',
    only='rust',
)
def other_port_again():
    serve(('s1', 's2'))
    scripts = [
        Script(g.spaces[name], {'PASV': f'227 ({tuple_of(RIP[name], 40001)})\r\n'})
        for name in ('s1', 's2')
    ]
    with contextlib.ExitStack() as stack:
        for script in scripts:
            stack.enter_context(script)
        one, two = (stack.enter_context(Client(g.client, VIP)) for _ in range(2))
        equal(said(told(one, 'PASV')), (VIP, 40001), 'what the first client hears')
        two.sendcmd('NOOP')
        g.director.run(
            [
                'nft',
                'table ip lose { chain out { type filter hook postrouting priority 0; '
                f'ip saddr {VIP} '
                'tcp sport 21 tcp flags & psh == psh counter drop; }; }',
            ]
        )
        try:
            two.putcmd('PASV')
            time.sleep(0.5)
        finally:
            g.director.run('nft delete table ip lose')
        host, port = said(two.getresp())
        true(
            host == VIP and port != 40001 and port & 255 == 40001 & 255,
            f'what the second client hears: {host}:{port}',
        )
        equal(said(told(two, 'PASV')), (VIP, port), 'what it hears again')
        rows = {(r.vport, r.daddr, r.dport, r.state) for r in data_rows()}
        equal(
            rows,
            {(40001, server_of(one), 40001, 'LISTEN'), (port, server_of(two), 40001, 'LISTEN')},
            'what waits',
        )


@ftp_case('F-8 V-2 the other port is none that a service has', only='rust')
def other_port_is_free():
    serve(('s1', 's2'))
    for high in range(100, 256):
        if high << 8 | 0x41 not in (40001, 0xC841):
            ipvs.admin(f'-A -t {VIP}:{high << 8 | 0x41}', quiet=True)
    with contextlib.ExitStack() as stack:
        for name in ('s1', 's2'):
            stack.enter_context(
                Script(g.spaces[name], {'PASV': f'227 ({tuple_of(RIP[name], 40001)})\r\n'})
            )
        one, two = (stack.enter_context(Client(g.client, VIP)) for _ in range(2))
        equal(
            [said(told(one, 'PASV')), said(told(two, 'PASV'))],
            [(VIP, 40001), (VIP, 0xC841)],
            'the only free one',
        )


class Call:
    """A server's data connection to where a client listens, from its port 20."""

    def __init__(self, name, listener):
        with g.spaces[name]:
            self.server = socket.socket()
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.bind((RIP[name], 20))
        self.server.settimeout(5)
        self.server.connect(listener.getsockname()[:2])
        self.client, self.peer = listener.accept()
        self.client.settimeout(5)

    def works(self, what):
        """Both ends hear each other."""
        for here, there in ((self.server, self.client), (self.client, self.server)):
            here.sendall(b'data')
            equal(there.recv(10), b'data', f'what goes over {what}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        self.client.close()


@contextlib.contextmanager
def scripted(*names):
    """Servers that only say 200, behind a service, and what makes clients of theirs."""
    serve(names)
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(Script(g.spaces[name], {}))

        def client(source=CLIENT):
            ftp = stack.enter_context(Client(g.client, VIP, source=source))
            ftp.sendcmd('NOOP')
            return ftp

        def listener(port=0):
            with g.client:
                return stack.enter_context(socket.create_server((CLIENT, port)))

        yield client, listener


def ways(address, port):
    """The commands that name an address and a port."""
    return f'PORT {tuple_of(address, port)}', f'EPRT |1|{address}|{port}|'


def names_of(*sessions):
    """The names of the servers of sessions."""
    return [next(name for name, rip in RIP.items() if rip == server_of(ftp)) for ftp in sessions]


@ftp_case('F-6 a client that names another client\'s port ends nothing, and is announced nowhere')
def other_clients():
    with scripted('s1', 's2') as (client, listener):
        one, two = client(), client(OTHER)
        name, _ = names_of(one, two)
        place = listener()
        port = place.getsockname()[1]
        one.sendcmd(ways(CLIENT, port)[0])
        rows = data_rows()
        if g.impl == 'rust':
            # In C it has the first one wait for two minutes more.
            for command in ways(CLIENT, port):
                equal(told(two, command), f'200 {command}', 'the command passes')
                equal([r[1:8] for r in data_rows()], [r[1:8] for r in rows], 'what waits')
            equal(told(two, ways(CLIENT, 4711)[0])[:3], '200', 'a port of which nobody speaks')
            equal(data_rows(cport=4711), [], 'what waits there')
        with Call(name, place) as call:
            call.works('the first one\'s data connection')
            for command in ways(CLIENT, port):
                two.sendcmd(command)
                call.works(f'it after the other one\'s {command}')
            if g.impl == 'rust':
                (row,) = data_rows()
                equal((row.state, row.daddr), ('ESTABLISHED', RIP[name]), 'the connection')


@ftp_case(
    'F-6 F-9 sessions of one address that name one port: the data connections of both work',
    only='rust',
)
def one_active_port():
    # C makes no entry of the second one, and the server's call leaves as it is.
    with scripted('s1', 's2') as (client, listener):
        one, two, three = client(), client(), client()
        first, second, third = names_of(one, two, three)
        equal((first != second, first), (True, third), 'servers')
        place = listener()
        port = place.getsockname()[1]
        for ftp, command in zip((one, two), ways(CLIENT, port)):
            ftp.sendcmd(command)
        # Another session at the same server: what that begins is one connection, whoever has
        # announced it.
        three.sendcmd(ways(CLIENT, port)[0])
        equal(
            sorted((r.daddr, r.state) for r in data_rows()),
            sorted((RIP[n], 'LISTEN') for n in (first, second)),
            'what waits',
        )
        with Call(first, place) as call:
            equal(call.peer, (VIP, 20), 'who calls the first one')
            two.sendcmd(ways(CLIENT, port)[0])
            three.sendcmd(ways(CLIENT, port)[1])
            call.works('the first one\'s data connection')
            with Call(second, place) as other:
                note(f'the second one is called by {other.peer}')
                true(
                    other.peer[0] == VIP and other.peer[1] != 20,
                    'the VIP calls the second one, from another port',
                )
                other.works('the second one\'s')
                call.works('the first one\'s, still')


@ftp_case(
    'F-6 N-5 the port of a connection that is over is another\'s, with its conntrack entry',
    only='rust',
)
def after_another():
    with scripted('s1', 's2') as (client, listener):
        one, two = client(), client()
        first, second = names_of(one, two)
        place = listener()
        port = place.getsockname()[1]
        one.sendcmd(ways(CLIENT, port)[0])
        with Call(first, place) as call:
            call.works('the first one\'s data connection')
            call.server.shutdown(socket.SHUT_WR)
        until(lambda: data_rows(cport=port, state='TIME_WAIT'), 'it is over')
        equal(
            len(tracked.entries(proto=6, src=RIP[first], dport=port)),
            1,
            'what tracking knows of it',
        )
        two.sendcmd(ways(CLIENT, port)[0])
        equal(
            tracked.entries(proto=6, src=RIP[first], dport=port),
            [],
            'what tracking knows of it then',
        )
        equal(
            [(r.vport, r.daddr, r.state) for r in data_rows()],
            [(20, RIP[second], 'LISTEN')],
            'what waits',
        )
        # What waits for a session that is closed does so no more, either.
        two.sock.shutdown(socket.SHUT_WR)
        until(
            lambda: not ipvs.rows(cport=two.sock.getsockname()[1], state='ESTABLISHED'),
            'the second session ends',
        )
        two.close()
        until(lambda: ipvs.rows(vport=21, state='TIME_WAIT'), 'it has ended')
        one.sendcmd(ways(CLIENT, port)[0])
        equal(
            [(r.vport, r.daddr, r.state) for r in data_rows()],
            [(20, RIP[first], 'LISTEN')],
            'what waits then',
        )


@ftp_case(
    'F-6 F-7 of a session the two newest data connections wait; those that have begun stay',
    only='rust',
)
def bounded():
    answers = {}
    serve(('s1',))
    with Script(g.s1, answers), Client(g.client, VIP) as ftp, g.client, socket.create_server(
        (CLIENT, 0)
    ) as place:
        begun = place.getsockname()[1]
        ftp.sendcmd(ways(CLIENT, begun)[0])
        with Call('s1', place) as call:
            for port in range(2000, 2020):
                ftp.sendcmd(ways(CLIENT, port)[port & 1])
            equal({r.cport for r in data_rows()}, {begun, 2018, 2019}, 'whom the server may call')
            for port in range(41000, 41020):
                answers['PASV'] = f'227 ({tuple_of(RIP["s1"], port)})\r\n'
                equal(said(told(ftp, 'PASV')), (VIP, port), 'what the client hears')
            equal(
                {(r.cport, r.vport) for r in data_rows()},
                {(begun, 20), (0, 41018), (0, 41019)},
                'what waits then',
            )
            call.works('what had begun before')
        equal(ipvs.dests()[0].active, 1, 'active connections')


@ftp_case('F-6 C-23 without room for one more connection, the client says PORT again')
def no_room():
    serve(('s1',))
    most = ipvs.setting('conn_max')
    with Script(g.s1, {}) as script, Client(g.client, VIP) as ftp:
        ftp.sendcmd('NOOP')
        command = ways(CLIENT, 2121)[0]
        ipvs.setting('conn_max', len(ipvs.rows()))
        try:
            ftp.putcmd(command)
            time.sleep(0.5)
            equal(
                (script.heard.count(command), data_rows()),
                (0, []),
                'what the server hears, and what waits',
            )
        finally:
            ipvs.setting('conn_max', most)
        equal(ftp.getresp(), f'200 {command}', 'what the client hears at last')
        equal([(r.cport, r.state) for r in data_rows()], [(2121, 'LISTEN')], 'what waits')


if __name__ == '__main__':
    run(g)
