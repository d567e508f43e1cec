#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The life of a connection: what matches it, how long it stays, when its port or its server is used again."""

import re
import subprocess
import time

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.packet import ACK, FIN, RST, SYN, Sniffer, Wire, ip, tcp, udp
from harness.tap import always, case, equal, run, true, until
from harness.protocol import fake_peer

A, B, C = '10.0.2.11:80', '10.0.2.12:80', '10.0.2.13:80'


def udp_timeout(seconds):
    ipvs.admin(f'--set 0 0 {seconds}')


@case('C-9 C-11 a connection is client and VIP, with their ports', fresh=True)
def keys():
    ipvs.service(f'-u {VIP}:80', '-m', [A, B, C])
    first = ask(g.client, VIP, kind='udp', sport=5001)
    for _ in range(3):
        equal(
            ask(g.client, VIP, kind='udp', sport=5001).name,
            first.name,
            'the same port, the same server',
        )
    other = ask(g.client, VIP, kind='udp', sport=5002)
    third = ask(g.client, VIP, kind='udp', sport=5001, source='10.0.1.2')
    equal(len({first.name, other.name, third.name}), 3, 'servers of three clients')
    equal(
        sorted((r.caddr, r.cport) for r in ipvs.rows()),
        [('10.0.1.1', 5001), ('10.0.1.1', 5002), ('10.0.1.2', 5001)],
        'connections',
    )


@case('C-11 X-25 only the server\'s own answer becomes the VIP\'s', fresh=True)
def reply_keys():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    ask(g.client, VIP, kind='udp', sport=5003)
    wire = Wire(g.s1, 'back', g.director, 'back')
    with Sniffer(g.client, 'eth0') as sniffer:
        for source, port, words in (
            ('10.0.2.11', 80, b'mine'),
            ('10.0.2.11', 81, b'other port'),
            ('10.0.2.12', 80, b'other server'),
        ):
            wire.send(ip(source, '10.0.1.1', 17, udp(source, '10.0.1.1', port, 5003, words)))
        got = {p.body: (p.src, p.sport) for p in sniffer.all(lambda p: p.proto == 17, 0.3)}
    wire.close()
    equal(
        got,
        {b'mine': (VIP, 80), b'other port': ('10.0.2.11', 81), b'other server': ('10.0.2.12', 80)},
        'what the client saw come from where',
    )


@case(
    'C-11 X-24 E-5 an answer in the VIP\'s name that crosses the director is counted, not changed',
    fresh=True,
)
def direct_reply_crossing():
    ipvs.service(f'-u {VIP}:80', '-g', [A])
    ask(g.client, VIP, kind='udp', sport=5004)
    # Sent by way of the director, which does not have this VIP then: it would be from itself.
    g.director.run('ip addr del 10.0.9.1/32 dev lo')
    g.director.run('ip route add 10.0.9.1/32 dev back')
    wire = Wire(g.s1, 'back', g.director, 'back')
    try:
        with Sniffer(g.client, 'eth0') as sniffer:
            wire.send(ip(VIP, '10.0.1.1', 17, udp(VIP, '10.0.1.1', 80, 5004, b'crossing')))
            seen = sniffer.wait(lambda p: p.proto == 17 and p.body == b'crossing')
        true(seen and seen.src == VIP, f'it arrives as it was ({seen})')
        until(lambda: ipvs.stats(f'{VIP}:80').outpkts == 1, 'it is counted', 5)
    finally:
        wire.close()
        g.director.run('ip route del 10.0.9.1/32 dev back')
        g.director.run('ip addr add 10.0.9.1/32 dev lo')


@case(
    'C-15 C-16 T-10 a UDP connection ends when nothing comes for its time, not before', fresh=True
)
def expiry():
    udp_timeout(2)
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    with Connection(g.client, VIP, kind='udp') as connection:
        start = time.monotonic()
        always(lambda: len(ipvs.rows()) == 1, 'it is there for its two seconds', 1.5)
        until(lambda: not ipvs.rows(), 'it has ended', 6)
        true(time.monotonic() - start >= 1.9, 'it did not end before its time')
        # A packet of the client begins it anew; one of the server keeps it as well.
        connection.exchange(b'again')
        equal(len(ipvs.rows()), 1, 'connections')
    udp_timeout(300)


@case('C-14 C-15 every packet of either side keeps a connection', fresh=True)
def kept_alive():
    udp_timeout(2)
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    ask(g.client, VIP, kind='udp', sport=5005)
    back = Wire(g.s1, 'back', g.director, 'back')
    front = Wire(g.client, 'eth0', g.director, 'front')
    for side in 'client', 'server':
        end = time.monotonic() + 4
        while time.monotonic() < end:
            if side == 'server':
                back.send(
                    ip(
                        '10.0.2.11',
                        '10.0.1.1',
                        17,
                        udp('10.0.2.11', '10.0.1.1', 80, 5005, b'still here'),
                    )
                )
            else:
                front.send(ip('10.0.1.1', VIP, 17, udp('10.0.1.1', VIP, 5005, 80, b'still here')))
            time.sleep(0.3)
            equal(len(ipvs.rows(cport=5005)), 1, f'connections while the {side} speaks')
    back.close()
    front.close()
    until(lambda: not ipvs.rows(), 'it ends in silence', 6)
    udp_timeout(300)


@case(
    'T-10 C-22 a UDP connection has one state, counts as inactive, and its timeout is set by --set',
    fresh=True,
)
def udp_state():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    ask(g.client, VIP, kind='udp', sport=5006)
    (row,) = ipvs.rows()
    equal((row.proto, row.state), ('UDP', 'UDP'), 'protocol and state')
    true(295 <= row.expires <= 300, f'it lasts 300 s (left: {row.expires})')
    (dest,) = ipvs.dests()
    equal((dest.active, dest.inactive), (0, 1), 'active and inactive connections')
    udp_timeout(50)
    ask(g.client, VIP, kind='udp', sport=5006)
    true(45 <= ipvs.rows()[0].expires <= 50, f'it lasts 50 s (left: {ipvs.rows()[0].expires})')
    udp_timeout(300)


@case('C-16 C-22 many connections end, and the counts with them', fresh=True)
def many_end():
    udp_timeout(2)
    ipvs.service(f'-u {VIP}:80', '-m', [A, B])
    wire = Wire(g.client, 'eth0', g.director, 'front')
    for n in range(1000):
        wire.send(ip('10.0.1.9', VIP, 17, udp('10.0.1.9', VIP, 10000 + n, 80, b'x')))
        if n % 50 == 0:
            time.sleep(0.005)
    until(lambda: ipvs.stats(f'{VIP}:80').conns > 900, 'they are there', 5)
    until(lambda: not ipvs.rows(), 'they have ended', 15)
    equal(
        [(d.active, d.inactive) for d in ipvs.dests()],
        [(0, 0)] * 2,
        'active and inactive connections',
    )
    wire.close()
    udp_timeout(300)


def buckets():
    """The size of the connection table as ipvsadm shows it."""
    return int(re.search(r'size=(\d+)', ipvs.admin('-Ln', quiet=True))[1])


@case(
    'A-19 G-13 C-28 C-29 the table has no buckets, then 256, and grows with its connections',
    fresh=True,
)
def growth():
    equal(buckets(), 0, 'buckets before the first service')
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    equal(buckets(), 256, 'buckets with the first service')
    wire = Wire(g.client, 'eth0', g.director, 'front')

    def connect(first, last):
        for n in range(first, last):
            wire.send(ip('10.0.1.9', VIP, 17, udp('10.0.1.9', VIP, 10000 + n, 80, b'x')))
            if n % 50 == 0:
                time.sleep(0.005)
        until(lambda: len(ipvs.rows()) == last, f'{last} connections ({len(ipvs.rows())})', 10)

    # In a namespace that is not the first, the load factor is -2: 64 connections for 256 buckets of
    # C.
    fits = 256 if g.impl == 'rust' else 64
    connect(0, fits)
    time.sleep(0.5)
    equal(buckets(), 256, f'buckets with {fits} connections')
    connect(fits, fits + 1)
    until(lambda: buckets() >= 512, f'buckets with {fits + 1} connections', 5)
    connect(fits + 1, 1500)
    until(
        lambda: buckets() >= (2048 if g.impl == 'rust' else 4096),
        'buckets with 1500 connections',
        10,
    )
    # Each one is still found: a packet of each makes no new one.
    for n in range(1500):
        wire.send(ip('10.0.1.9', VIP, 17, udp('10.0.1.9', VIP, 10000 + n, 80, b'x')))
        if n % 50 == 0:
            time.sleep(0.005)
    until(lambda: ipvs.stats(f'{VIP}:80').inpkts >= 2900, 'packets counted', 5)
    equal(len(ipvs.rows()), 1500, 'connections')
    equal(ipvs.stats(f'{VIP}:80').conns, 1500, 'connections counted')
    wire.close()


@case('C-29 C-32 conn_tab_bits bounds the table', fresh=True)
def bounded():
    g.unload()
    g.load('conn_tab_bits=9')
    try:
        ipvs.service(f'-u {VIP}:80', '-m', [A])
        wire = Wire(g.client, 'eth0', g.director, 'front')
        for n in range(700):
            wire.send(ip('10.0.1.9', VIP, 17, udp('10.0.1.9', VIP, 10000 + n, 80, b'x')))
            if n % 50 == 0:
                time.sleep(0.005)
        until(lambda: len(ipvs.rows()) == 700, 'connections')
        until(lambda: buckets() == 512, f'buckets ({buckets()})', 10)
        time.sleep(3)
        equal(buckets(), 512, 'buckets later')
        ipvs.setting('conn_lfactor', -8)
        time.sleep(3)
        equal(buckets(), 512, 'buckets with another load factor')
        wire.close()
    finally:
        g.reload()


@case('C-29 C-31 conn_lfactor says how many buckets there are for each connection', fresh=True)
def load_factor():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    wire = Wire(g.client, 'eth0', g.director, 'front')
    for n in range(1000):
        wire.send(ip('10.0.1.9', VIP, 17, udp('10.0.1.9', VIP, 10000 + n, 80, b'x')))
        if n % 50 == 0:
            time.sleep(0.005)
    until(lambda: len(ipvs.rows()) == 1000, 'connections')
    # 1000 connections are as good as 1024. Ours takes fewer buckets than it is told to.
    sizes = {
        'c': ((0, 1024), (1, 512), (-1, 2048), (2, 256), (8, 256)),
        'rust': ((0, 512), (-2, 1024), (2, 256), (-4, 2048), (8, 256)),
    }
    for factor, size in sizes[g.impl]:
        ipvs.setting('conn_lfactor', factor)
        until(
            lambda s=size: buckets() == s,
            f'{size} buckets with a factor of {factor} ({buckets()})',
            8,
        )
        equal(len(ipvs.rows()), 1000, f'connections with a factor of {factor}')
    wire.close()


def fake_client():
    """An address that nobody has, whose segments only the test sends."""
    fake_peer('10.0.1.99', 'front')
    for address in ('10.0.2.99', '10.0.2.98'):
        fake_peer(address, 'back')


def over_and_again(method, mode, segments, state):
    """A connection comes to STATE by SEGMENTS; then its client uses the port again. Its server, and the one after."""
    fake_client()
    ipvs.setting('conn_reuse_mode', mode)
    ipvs.service(f'-t {VIP}:80', method, ['10.0.2.99:80'])
    over_and_again.port += 1
    port = over_and_again.port
    wire = Wire(g.client, 'eth0', g.director, 'front')
    back = Wire(g.s1, 'back', g.director, 'back')
    for who, flags in segments:
        if who == 'client':
            wire.send(ip('10.0.1.99', VIP, 6, tcp('10.0.1.99', VIP, port, 80, flags)))
        else:
            back.send(
                ip('10.0.2.99', '10.0.1.99', 6, tcp('10.0.2.99', '10.0.1.99', 80, port, flags))
            )
        time.sleep(0.02)
    until(lambda: ipvs.rows(cport=port, state=state), state, 3)
    ipvs.admin(f'-a -t {VIP}:80 -r 10.0.2.98:80 {method}')
    wire.send(ip('10.0.1.99', VIP, 6, tcp('10.0.1.99', VIP, port, 80, SYN, seq=99)))
    rows = until(lambda: ipvs.rows(cport=port, state='SYN_RECV'), 'SYN_RECV again', 3)
    wire.close()
    back.close()
    ipvs.admin('-C')
    ipvs.setting('conn_reuse_mode', 1)
    return 'moves' if rows[0].daddr == '10.0.2.98' else 'stays'


over_and_again.port = 9000
OPEN = [('client', SYN), ('server', SYN | ACK), ('client', ACK)]
CLOSED = OPEN + [('client', FIN | ACK), ('server', FIN | ACK), ('client', ACK)]


@case(
    'S-18 S-19 S-20 a port used again in TIME_WAIT or CLOSE moves, unless conn_reuse_mode is 0',
    fresh=True,
)
def reuse():
    for segments, state in ((CLOSED, 'TIME_WAIT'), (OPEN + [('server', RST)], 'CLOSE')):
        equal(over_and_again('-m', 0, segments, state), 'stays', f'{state}, mode 0')
        equal(over_and_again('-m', 1, segments, state), 'moves', f'{state}, mode 1')
        equal(over_and_again('-m', 2, segments, state), 'moves', f'{state}, mode 2')


@case('S-18 H-12 a SYN in other states of NAT does not move', fresh=True)
def no_reuse():
    for mode in (1, 3):
        equal(
            over_and_again('-m', mode, OPEN + [('server', FIN | ACK)], 'FIN_WAIT'),
            'stays',
            f'FIN_WAIT, mode {mode}',
        )
        equal(
            over_and_again('-m', mode, OPEN + [('client', FIN | ACK)], 'CLOSE_WAIT'),
            'stays',
            f'CLOSE_WAIT, mode {mode}',
        )
        equal(
            over_and_again('-m', mode, [('client', SYN)], 'SYN_RECV'),
            'stays',
            f'SYN_RECV, mode {mode}',
        )


@case('S-18 with expire_nodest_conn a SYN leaves a server of weight 0, in any state', fresh=True)
def quiesced():
    fake_client()
    for expire, where in ((0, '10.0.2.99'), (1, '10.0.2.98')):
        ipvs.setting('expire_nodest_conn', expire)
        ipvs.service(f'-t {VIP}:80', '-g', ['10.0.2.99:80'])
        wire = Wire(g.client, 'eth0', g.director, 'front')
        wire.send(ip('10.0.1.99', VIP, 6, tcp('10.0.1.99', VIP, 9100 + expire, 80, SYN)))
        until(lambda e=expire: ipvs.rows(cport=9100 + e), 'a connection')
        ipvs.admin(f'-a -t {VIP}:80 -r 10.0.2.98:80 -g')
        ipvs.admin(f'-e -t {VIP}:80 -r 10.0.2.99:80 -g -w 0')
        before = ipvs.rows(cport=9100 + expire)[0].expires
        time.sleep(1.1)
        wire.send(ip('10.0.1.99', VIP, 6, tcp('10.0.1.99', VIP, 9100 + expire, 80, SYN)))
        until(
            lambda e=expire, w=where: [
                r for r in ipvs.rows(cport=9100 + e, daddr=w) if r.expires >= before - 1
            ],
            f'it is at {where} with expire_nodest_conn {expire}',
            4,
        )
        wire.close()
        ipvs.admin('-C')
    ipvs.setting('expire_nodest_conn', 0)


class Untracked:
    """The director's connection tracking looks at no packet."""

    def __enter__(self):
        g.director.run('nft add table ip rv-raw')
        g.director.run(
            [
                'nft',
                'add',
                'chain',
                'ip',
                'rv-raw',
                'pre',
                '{ type filter hook prerouting priority raw; }',
            ]
        )
        g.director.run('nft add rule ip rv-raw pre notrack')

    def __exit__(self, *_):
        g.director.run('nft delete table ip rv-raw')


def leaves_held_control(port):
    """A control connection of FTP holds on to a server of weight 0, by a data connection: a SYN goes elsewhere all the same."""
    old, new = '10.0.2.99', '10.0.2.98'
    fake_client()
    if g.impl == 'c':
        subprocess.run(['modprobe', 'ip_vs_ftp'], check=True)
    ipvs.service(f'-t {VIP}:21', '-m', [f'{old}:21'])
    front = Wire(g.client, 'eth0', g.director, 'front')
    back = Wire(g.s1, 'back', g.director, 'back')

    def client(flags, data=b''):
        front.send(ip('10.0.1.99', VIP, 6, tcp('10.0.1.99', VIP, port, 21, flags, data=data)))

    def opens(server):
        client(SYN)
        until(
            lambda: ipvs.rows(cport=port, daddr=server, state='SYN_RECV'),
            f'a connection at {server}',
            5,
        )
        back.send(ip(server, '10.0.1.99', 6, tcp(server, '10.0.1.99', 21, port, SYN | ACK)))
        client(ACK)
        until(
            lambda: ipvs.rows(cport=port, daddr=server, state='ESTABLISHED'),
            f'it is established at {server}',
            5,
        )

    try:
        opens(old)
        client(ACK, b'PORT 10,0,1,99,100,1\r\n')
        until(lambda: ipvs.rows(vport=20, daddr=old), 'a data connection', 5)
        ipvs.setting('expire_nodest_conn', 1)
        ipvs.admin(f'-a -t {VIP}:21 -r {new}:21 -m')
        ipvs.admin(f'-e -t {VIP}:21 -r {old}:21 -m -w 0')
        opens(new)
        equal(
            sorted((r.daddr, r.vport) for r in ipvs.rows()),
            [(new, 21), (old, 20), (old, 21)],
            'connections',
        )
        # With its server goes what waits, and what held on for that.
        ipvs.admin(f'-d -t {VIP}:21 -r {old}:21')
        until(lambda: not ipvs.rows(daddr=old), 'the old ones end', 10)
        client(ACK)
        equal(
            [(r.daddr, r.state) for r in ipvs.rows()],
            [(new, 'ESTABLISHED')],
            'connections in the end',
        )
    finally:
        front.close()
        back.close()
        ipvs.setting('expire_nodest_conn', 1)
        ipvs.admin('-C', quiet=True)
        until(lambda: not ipvs.rows(), 'the end of all connections', 10)
        ipvs.setting('expire_nodest_conn', 0)


@case(
    'S-18 S-19 C-16 a SYN leaves a control connection of FTP that its data connections hold',
    fresh=True,
)
def held():
    with Untracked():
        leaves_held_control(9200)


# C drops what carries the entry of the old connection, for as long as that is held.
@case(
    'S-18 S-19 C-16 N-5 the same with connection tracking: the old entry goes, and the new one stays',
    only='rust',
    fresh=True,
)
def held_tracked():
    leaves_held_control(9201)


@case(
    'S-22 a connection whose server is gone is silent, with expire_nodest_conn it goes elsewhere',
    fresh=True,
)
def gone():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    with Connection(g.client, VIP, kind='udp') as connection:
        connection.sock.settimeout(0.4)
        ipvs.admin(f'-d -u {VIP}:80 -r {A}')
        ipvs.admin(f'-a -u {VIP}:80 -r {B} -m')
        try:
            connection.exchange(b'gone?')
            true(False, 'no answer while the server is gone')
        except TimeoutError:
            pass
        equal([r.daddr for r in ipvs.rows()], ['10.0.2.11'], 'servers of connections')
        ipvs.setting('expire_nodest_conn', 1)
        connection.sock.settimeout(3)
        true(connection.exchange(b'elsewhere').startswith(b's2'), 'the other server answers')
    ipvs.setting('expire_nodest_conn', 0)


@case(
    'S-22 S-5 a TCP connection whose server is gone is reset by the director with expire_nodest_conn',
    fresh=True,
)
def gone_tcp():
    ipvs.service(f'-t {VIP}:80', '-m', [A, B])
    with Connection(g.client, VIP) as connection:
        equal(connection.answer.name, 's2', 'its server')
        ipvs.setting('expire_nodest_conn', 1)
        ipvs.admin(f'-d -t {VIP}:80 -r {B}')
        try:
            true(not connection.exchange(b'gone?\n'), 'no answer')
        except ConnectionResetError:
            pass
    ipvs.setting('expire_nodest_conn', 0)


@case(
    'S-23 V-11 with expire_nodest_conn the connections of a deleted server are deleted', fresh=True
)
def flushed():
    ipvs.service(f'-u {VIP}:80', '-m', [A, B])
    for _ in range(10):
        ask(g.client, VIP, kind='udp')
    equal(len(ipvs.rows()), 10, 'connections')
    ipvs.setting('expire_nodest_conn', 1)
    ipvs.admin(f'-d -u {VIP}:80 -r {A}')
    until(lambda: len(ipvs.rows()) == 5, 'those of the deleted server are gone', 5)
    equal({r.daddr for r in ipvs.rows()}, {'10.0.2.12'}, 'servers of the rest')
    ipvs.setting('expire_nodest_conn', 0)


@case('C-9 IPv4 and IPv6 connections do not meet', fresh=True)
def families():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    ipvs.service(f'-u [{VIP6}]:80', '-m', ['[fd00:2::c]:80'])
    equal(ask(g.client, VIP, kind='udp', sport=5010).name, 's1', 'over IPv4')
    equal(ask(g.client, VIP6, kind='udp', sport=5010).name, 's2', 'over IPv6')
    equal(len(ipvs.rows(cport=5010)), 2, 'connections')
    ipvs.admin(f'-D -u {VIP}:80')
    equal(
        ask(g.client, VIP6, kind='udp', sport=5010).name,
        's2',
        'over IPv6, without the IPv4 service',
    )


if __name__ == '__main__':
    run(g)
