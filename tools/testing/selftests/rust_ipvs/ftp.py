#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""FTP with NAT and the application helper: active and passive data connections (behaviour.rst 9)."""

import re
import socket
import time

from harness import ipvs
from harness.ftp import (
    PASSIVE,
    RIP,
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
from harness.tap import equal, run, true, until


def session(vip, way):
    """A session as people have them: several files both ways, and a list, over one control connection."""
    with Client(g.client, vip, way) as ftp:
        ftp.login()
        name = ftp.get('name').decode().strip()
        ftp.there_and_back(f'small-{way}', 1)
        ftp.there_and_back(f'large-{way}', 150000)
        lines = []
        ftp.retrlines('LIST in', lines.append)
        true(
            {f'{size}-{way}' for size in ('large', 'small')}
            <= {line.split()[-1] for line in lines},
            'what LIST shows',
        )
        for _ in range(3):
            equal(ftp.get('name').decode().strip(), name, 'the server of each file')
        return name, ftp.data_peer


@ftp_case('F-5 F-7 F-8 F-9 passive, IPv4: PASV and EPSV, files both ways, one after the other')
def passive():
    serve()
    with Vsftpd(spaces()):
        equal([session(VIP, way)[0] for way in ('PASV', 'EPSV')], ['s3', 's2'], 'servers')
    rows = data_rows()
    equal(
        {(r.daddr, r.vaddr, r.vport == r.dport) for r in rows},
        {(RIP['s3'], VIP, True), (RIP['s2'], VIP, True)},
        'data connections: their ports are kept',
    )
    true(
        all(PASSIVE[0] <= r.vport <= PASSIVE[1] for r in rows),
        'ports are those that the servers gave',
    )
    # F-10
    equal(
        until(lambda: ipvs.stats(f'{VIP}:21'), 'counters').conns,
        2,
        'connections that are counted: the control ones',
    )


@ftp_case('F-5 F-6 F-9 S-7 active, IPv4: PORT and EPRT; the server comes from the VIP, port 20')
def active():
    serve()
    with Vsftpd(spaces()):
        equal(
            [session(VIP, way) for way in ('PORT', 'EPRT')],
            [('s3', (VIP, 20)), ('s2', (VIP, 20))],
            'servers, and who calls',
        )
    equal(
        {(r.daddr, r.vport, r.dport) for r in data_rows()},
        {(RIP['s3'], 20, 20), (RIP['s2'], 20, 20)},
        'data connections',
    )


@ftp_case('F-5 F-6 F-7 IPv6: EPSV and EPRT')
def ipv6():
    serve(version=6)
    with Vsftpd(spaces()):
        equal(session(VIP6, 'EPSV')[0], 's3', 'passive')
        equal(session(VIP6, 'EPRT'), ('s2', (VIP6, 20)), 'active')
    equal({r.vaddr for r in data_rows()}, {VIP6}, 'data connections')


@ftp_case('F-8 N-3 all ways in one session: what came before does not disturb what follows')
def mixed():
    serve(('s1',))
    with Vsftpd(spaces(('s1',))), Client(g.client, VIP) as ftp:
        ftp.login()
        for number, way in enumerate(
            ('PASV', 'PORT', 'PASV', 'PASV', 'EPSV', 'EPRT', 'PASV', 'PORT', 'EPSV', 'PASV')
        ):
            ftp.way = way
            ftp.there_and_back(f'{number}-{way}', 3000)
        # Both ends still agree on what they say.
        equal(ftp.sendcmd('NOOP')[:3], '200', 'the control connection is in order')


@ftp_case('F-8 P-3 persistent: the client\'s sessions, with their data, are at one server')
def persistent():
    serve(options='-s rr -p 300')
    with Vsftpd(spaces()):
        equal([session(VIP, way)[0] for way in ('PASV', 'PORT', 'EPSV')], ['s3'] * 3, 'servers')
    equal({r.daddr for r in ipvs.rows()}, {RIP['s3']}, 'all entries')


@ftp_case(
    'C-9 C-24 C-22 F-7 F-10 K-3 what was announced is listed, waits, and takes its first packet\'s port'
)
def listed():
    serve(('s1',))
    with Vsftpd(spaces(('s1',))), Client(g.client, VIP) as ftp:
        ftp.login()
        for way in ('PASV', 'EPSV'):
            ftp.way = way
            with g.client:
                host, port = ftp.makepasv()
            equal(host, VIP, 'the address that the client is told')
            # The server may draw a port again, that of a connection which is over.
            (row,) = data_rows(vport=port, cport=0)
            equal(
                (row.caddr, row.cport, row.vaddr, row.vport, row.daddr, row.dport, row.state),
                ('10.0.1.1', 0, VIP, port, RIP['s1'], port, 'LISTEN'),
                'what waits',
            )
            true(115 <= row.expires <= 120, f'it waits for two minutes: {row.expires}')
            ended = len(data_rows()) - 1
            equal(
                ipvs.dests()[0][3:], (1, 1 + ended), 'active and inactive connections of the server'
            )
            with g.client, socket.create_connection((VIP, port), 5, ('10.0.1.1', 0)) as data:
                (row,) = data_rows(vport=port, cport=data.getsockname()[1])
                equal((row.dport, row.state), (port, 'ESTABLISHED'), 'what has begun')
                equal(ipvs.dests()[0][3:], (2, ended), 'connections of the server')
            ftp.sendcmd('NOOP')
            until(lambda: ipvs.dests()[0][3:] == (1, 1 + ended), 'it ends')


@ftp_case('C-16 F-10 a control connection stays while one that it announced is there')
def control_stays():
    serve(('s1',))
    with Script(g.s1, {'PASV': f'227 ({tuple_of(RIP["s1"], 40001)})\r\n'}), Client(
        g.client, VIP
    ) as ftp:
        ipvs.admin('--set 2 2 2')
        ftp.sendcmd('NOOP')
        ftp.sendcmd('PASV')
        time.sleep(4.5)
        (control,) = ipvs.rows(vport=21)
        equal(control.state, 'ESTABLISHED', 'the control connection, two seconds after its time')
        true(50 <= control.expires <= 60, f'it got a minute: {control.expires}')
        # Without one it goes: another session, which announces nothing.
        with Client(g.client, VIP) as other:
            other.sendcmd('NOOP')
            port = other.sock.getsockname()[1]
            equal(len(ipvs.rows(cport=port)), 1, 'another session')
            until(lambda: not ipvs.rows(cport=port), 'it goes at its time', 5)


@ftp_case(
    'F-7 U-20 what is no answer passes as it is: port 0, numbers that are none, lines in pieces, other codes'
)
def no_answers():
    serve(('s1',))
    rip = RIP['s1']
    pieces = [
        f'227 Entering Passive Mode ({tuple_of(rip, 40001)[:9]}',
        0.2,
        f'{tuple_of(rip, 40001)[9:]}).\r\n',
    ]
    lines = [
        '227 Entering Passive Mode (300,0,2,11,156,65).',
        '227 (256,0,2,11,156,65).',
        '227 (10,0,2,256,156,65).',
        '227 (10,0,2,11,256,65).',
        '227 (10,0,2,11,156,256).',
        '227 (10,0,2,11,156).',
        '227 Passive',
        '229 Extended (|||0|)',
        '229 Extended (|||65536|)',
        '229 Extended (|||70000|)',
        '229 Extended (|||4294967297|)',
        '229 (|1|10.0.2.256|40001|)',
        '229 (|2|fd00::1|40001|)',
        f'200 ({tuple_of(rip, 40001)})',
    ]
    if g.impl == 'rust':
        # C announces a connection to port 0.
        lines.append(f'227 ({tuple_of(rip, 0)}).')
    answers = {'PASV': pieces}
    with Script(g.s1, answers), Client(g.client, VIP) as ftp:
        equal(said(told(ftp, 'PASV')), (rip, 40001), 'a line that came in two pieces')
        for line in lines:
            command = 'EPSV' if line.startswith('229') else 'PASV'
            answers[command] = f'{line}\r\n'
            equal(told(ftp, command), line, 'what the client hears')
        equal(data_rows(), [], 'nothing was announced')
        # Without a question there is no answer.
        answers['SITE'] = f'227 ({tuple_of(rip, 40001)}).\r\n'
        with Client(g.client, VIP) as other:
            equal(said(told(other, 'SITE')), (rip, 40001), 'an answer that nobody asked for')
        equal(data_rows(), [], 'nothing was announced')
        # And it still works.
        answers['PASV'] = f'227 ({tuple_of(rip, 40001)}).\r\n'
        equal(said(told(ftp, 'PASV')), (VIP, 40001), 'a right one')


@ftp_case('F-5 U-20 what is no command announces nothing')
def no_commands():
    serve(('s1',))
    lines = [
        'PORT 10,0,1,300,4,1',
        'PORT 256,0,1,1,4,1',
        'PORT 10,0,1,1,256,1',
        'PORT 10,0,1,1,4,256',
        'PORT 10,0,1,1,4',
        'EPRT |1|10.0.1.256|1025|',
        'EPRT |1|10.0.1.1|65536|',
        'EPRT |1|10.0.1.1|0|',
        'EPRT |2|fd00:1::1|1025|',
        'EPRT |1|10.0.1.1|99999|',
        'EPSV ALL',
        'EPSV 2',
        'XPORT 10,0,1,1,4,1',
        'PORT ',
    ]
    answers = {line: f'227 ({tuple_of(RIP["s1"], 40001)})\r\n' for line in ('EPSV ALL', 'EPSV 2')}
    with Script(g.s1, answers), Client(g.client, VIP) as ftp:
        for line in lines:
            ftp.sendcmd(line)
        equal(data_rows(), [], 'what was announced')
        for line in ('port 10,0,1,1,4,1', 'eprt |1|10.0.1.1|1026|', 'PORT 10,0,1,1,4,1'):
            ftp.sendcmd(line)
        rows = {(r.caddr, r.cport, r.vport, r.daddr, r.dport, r.state) for r in data_rows()}
        equal(
            rows,
            {('10.0.1.1', port, 20, RIP['s1'], 20, 'LISTEN') for port in (1025, 1026)},
            'capitals or not, once or twice',
        )


@ftp_case('F-7 a server that names another host, or the VIP, is its own server', only='rust')
def other_hosts():
    # C sends the client's data connection to whatever address the server says.
    serve(('s1',))
    answers = {}
    with Script(g.s1, answers):
        for number, address in enumerate(('10.0.2.12', VIP, '127.0.0.1', '8.8.8.8', '10.0.1.1')):
            port = 40010 + number
            answers['PASV'] = f'227 ({tuple_of(address, port)})\r\n'
            answers['EPSV'] = f'229 (|1|{address}|{port + 100}|)\r\n'
            with Client(g.client, VIP) as ftp:
                equal(
                    said(told(ftp, 'PASV')),
                    (VIP, port),
                    f'what the client hears where the server says {address}',
                )
            with Client(g.client, VIP) as ftp:
                equal(said(told(ftp, 'EPSV')), port + 100, f'the same of {address}, extended')
        equal({r.daddr for r in data_rows()}, {RIP['s1']}, 'where data connections go')
        equal(len(data_rows()), 10, 'how many wait')


@ftp_case('F-8 an answer that got lost is translated when it comes again', only='rust')
def again():
    # C lets the second one pass as the server has sent it, and the client calls an address that it
    # cannot reach.
    serve(('s1',))
    with Script(g.s1, {'PASV': f'227 ({tuple_of(RIP["s1"], 40001)})\r\n'}), Client(
        g.client, VIP
    ) as ftp:
        ftp.sendcmd('PASV')
        g.director.run(
            [
                'nft',
                'table ip lose { chain out { type filter hook postrouting priority 0; '
                f'ip saddr {VIP} tcp sport 21 tcp flags & psh == psh drop; }}; }}'.replace(
                    '}}', '}'
                ),
            ]
        )
        try:
            ftp.putcmd('PASV')
            time.sleep(0.5)
        finally:
            g.director.run('nft delete table ip lose')
        equal(said(ftp.getresp()), (VIP, 40001), 'what the client hears')
        equal(told(ftp, 'NOOP'), '200 NOOP', 'the session goes on')


@ftp_case(
    'F-6 F-9 ports that are used again: the client\'s for active, the server\'s for passive data connections'
)
def ports_again():
    serve(('s1',))
    with Vsftpd(spaces(('s1',)), f'pasv_min_port={PASSIVE[0]}\npasv_max_port={PASSIVE[0]}'), Client(
        g.client, VIP
    ) as ftp:
        ftp.login()
        for _ in range(4):
            equal(ftp.get('name'), b's1\n', 'passive')
        equal({r.vport for r in data_rows()}, {PASSIVE[0]}, 'the port of all')
        ftp.way = 'PORT'
        # The server closes first, so the client's port is free at once.
        ftp.listen_at = 33210
        for _ in range(3):
            equal(ftp.get('name'), b's1\n', 'active')


@ftp_case(
    'C-24 of several ports of the client the first one wins, and what is left of an earlier connection is none'
)
def first_wins():
    serve(('s1',))
    with Vsftpd(spaces(('s1',))), Client(g.client, VIP) as ftp:
        ftp.login()
        with g.client:
            _, port = ftp.makepasv()
            first = socket.create_connection((VIP, port), 5, ('10.0.1.1', 0))
            second = socket.socket()
            second.bind(('10.0.1.1', 0))
            second.settimeout(2)
            try:
                second.connect((VIP, port))
                second.close()
                reached = True
            except OSError:
                reached = False
        equal(reached, False, 'a second connection to the same port')
        equal({r.cport for r in data_rows()}, {first.getsockname()[1]}, 'whose port it is')
        # Another client is none of the session.
        with g.client:
            other = socket.socket()
            other.bind(('10.0.1.2', 0))
            other.settimeout(2)
            _, port = ftp.makepasv()
            try:
                other.connect((VIP, port))
                reached = True
            except OSError:
                reached = False
        equal(reached, False, 'another client')
        equal(len(data_rows(vport=port, cport=0)), 1, 'what waits is still there')
        first.close()


@ftp_case('K-10 F-1 ip_vs_app lists the helper, and how many connections it looks at')
def app():
    serve(('s1',))
    ipvs.service(f'-t {VIP}:8021', '-m', [f'{RIP["s1"]}:21'])

    def lines():
        return g.director.read('/proc/net/ip_vs_app').splitlines()

    equal(lines(), ['prot port    usecnt name', 'TCP  21      0      ftp              '], 'before')
    with Script(g.s1, {}), Client(g.client, VIP) as one, Client(g.client, VIP) as two, Client(
        g.client, VIP, port=8021
    ) as three:
        for ftp in (one, two, three):
            ftp.sendcmd('NOOP')
        equal(
            lines()[1:],
            ['TCP  21      2      ftp              '],
            'with two control connections by NAT, and another',
        )


@ftp_case('F-3 ftp_port: another port, or no helper', only='rust')
def parameter():
    # C's `ports`, a parameter of ip_vs_ftp, is a list.
    g.unload()
    g.load('ftp_port=2121')
    equal(
        g.director.read('/proc/net/ip_vs_app').splitlines()[1:],
        ['TCP  2121    0      ftp              '],
        'ip_vs_app',
    )
    serve(('s1',), port=2121)
    serve(('s1',))
    answer = f'227 ({tuple_of(RIP["s1"], 40001)})\r\n'
    with Script(g.s1, {'PASV': answer}), Script(g.s1, {'PASV': answer}, 2121):
        with Client(g.client, VIP, port=2121) as ftp:
            equal(said(told(ftp, 'PASV')), (VIP, 40001), 'at port 2121')
            ftp.sendcmd('PORT 10,0,1,1,4,1')
            equal(
                {(r.vport, r.dport) for r in data_rows(cport=1025)},
                {(2120, 2120)},
                'the port before it',
            )
        with Client(g.client, VIP) as ftp:
            equal(said(told(ftp, 'PASV')), (RIP['s1'], 40001), 'at port 21')
    g.unload()
    g.load('ftp_port=0')
    equal(g.director.read('/proc/net/ip_vs_app').splitlines()[1:], [], 'ip_vs_app without a helper')
    serve(('s1',))
    with Script(g.s1, {'PASV': answer}), Client(g.client, VIP) as ftp:
        equal(said(told(ftp, 'PASV')), (RIP['s1'], 40001), 'without a helper')
    g.unload()


@ftp_case(
    'N-8 F-8 to rules, what a client begins passively is related, and what it begins otherwise is new',
    only='rust',
)
def related():
    # In C it is so where a rule has given the control connection a helper of tracking's own.
    serve(('s1',))
    states = ('new', 'related')
    rules = ' '.join(
        f'ip daddr {VIP} tcp flags & (syn | ack) == syn ct state {state} counter comment "{state}";'
        for state in states
    )
    g.director.run(
        [
            'nft',
            'table ip seen { chain pre { type filter hook prerouting priority 0; '
            + rules
            + ' }; }',
        ]
    )

    def counted():
        lines = g.director.run('nft list table ip seen', quiet=True).splitlines()
        return {
            state: int(re.search(r'packets (\d+)', line)[1])
            for state in states
            for line in lines
            if f'"{state}"' in line
        }

    try:
        with Vsftpd(spaces(('s1',))), Client(g.client, VIP) as ftp:
            ftp.login()
            equal(counted(), {'new': 1, 'related': 0}, 'after the control connection')
            for number, way in enumerate(('PASV', 'EPSV', 'PASV'), 1):
                ftp.way = way
                equal(ftp.get('name'), b's1\n', way)
                equal(counted(), {'new': 1, 'related': number}, f'after {way}')
    finally:
        g.director.run('nft delete table ip seen')


@ftp_case('L-5 services, and the module, go while data connections wait', only='rust')
def all_goes():
    # C's helper cannot be removed while it has connections.
    serve(('s1',))
    with Script(g.s1, {'PASV': f'227 ({tuple_of(RIP["s1"], 40001)})\r\n'}), Client(
        g.client, VIP
    ) as ftp:
        ftp.sendcmd('PASV')
        ftp.sendcmd('PORT 10,0,1,1,4,1')
        equal(len(ipvs.rows()), 3, 'connections')
        ipvs.admin('-C')
        equal(len(ipvs.rows()), 3, 'connections without their service')
        g.unload()


if __name__ == '__main__':
    run(g)
