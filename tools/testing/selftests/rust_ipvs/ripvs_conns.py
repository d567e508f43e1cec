#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Connections by filter, by the family RIPVS: shown, counted, and deleted under traffic."""

import contextlib
import errno
import socket
import struct
import subprocess
import threading
import time

from harness import ipvs
from harness.clients import Connection
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.ftp import Client, Vsftpd, data_rows, serve as serve_ftp, spaces
from harness.netlink import attr, attributes, u8, u32
from harness.netns import make
from harness.received import IN_A_MESSAGE, one_chain, receive
from harness.ripvs import NLM_F_DUMP_INTR, OPTIONS, Ripvs, nest
from harness.ripvs_conns import (
    ALL,
    CONTROLLED,
    CONTROLS,
    CONNECTION,
    COUNT_CONNECTIONS,
    DEL_CONNECTIONS,
    FILTER,
    GET_CONNECTIONS,
    SYNCED,
    TEMPLATE,
    TRACKED,
    UNHASHED,
    count,
    delete,
    dump,
    filter_of,
    messages,
    read,
)
from harness.tap import case, equal, note, run, true, until
from harness.tracked import TRACKED as RULES, entries, rules

CLIENT, CLIENT6 = '10.0.1.1', 'fd00:1::1'
RIPS = {'s1': '10.0.2.11', 's2': '10.0.2.12'}
RIPS6 = {'s1': 'fd00:2::b', 's2': 'fd00:2::c'}
TCP, UDP = 6, 17
MANY = 20000


def sock():
    """A socket of the family; what a case before has left is gone."""
    family = Ripvs(g.director)
    delete(family, options=ALL)
    return family


def serve():
    """TCP and UDP of both families, by NAT and by DR, two servers each."""
    for kind in ('-t', '-u'):
        ipvs.service(f'{kind} {VIP}:80', '-m', [f'{rip}:80' for rip in RIPS.values()])
        ipvs.service(f'{kind} [{VIP6}]:80', '-g', [f'[{rip}]:80' for rip in RIPS6.values()])


def ports(found):
    return sorted(one['client_port'] for one in found)


def all_say(family, wanted, what, **fields):
    """What the dump shows, what is counted, and what is expected."""
    found, is_interrupted = dump(family, **fields)
    equal(ports(found), sorted(wanted), f'{what}: ports of the clients')
    equal(count(family, **fields), len(wanted), f'{what}: the count')
    equal(is_interrupted, False, f'{what}: interrupted')


@case('filters that mean nothing, one, some and all connections of both families', only='rust')
def filters():
    serve()
    family = sock()
    all_say(family, [], 'no connections')
    with contextlib.ExitStack() as stack:
        made = {
            (vip, kind): [
                stack.enter_context(Connection(g.client, vip, kind=kind, source=source)).port
                for _ in range(2)
            ]
            for vip, source in ((VIP, CLIENT), (VIP6, CLIENT6))
            for kind in ('tcp', 'udp')
        }
        tcp4, udp4, tcp6, udp6 = made.values()
        every = tcp4 + udp4 + tcp6 + udp6
        of_server = [row.cport for row in ipvs.rows(daddr=RIPS['s1'])]
        equal(len(of_server), 2, 'connections of one server')
        for wanted, fields in (
            (every, {}),
            (tcp4 + udp4, {'af': 2}),
            (tcp6 + udp6, {'af': 10}),
            (tcp4 + tcp6, {'protocol': TCP}),
            (udp4 + udp6, {'protocol': UDP}),
            ([], {'protocol': 132}),
            (tcp4 + udp4, {'client': CLIENT}),
            ([], {'client': '10.0.1.3'}),
            (tcp4 + udp4, {'client': '10.0.1.3', 'client_prefix': 24}),
            (tcp6 + udp6, {'client': 'fd00:1::7', 'client_prefix': 64}),
            (tcp4 + udp4, {'client': '0.0.0.0', 'client_prefix': 0}),
            (tcp4[:1], {'client': CLIENT, 'client_port': tcp4[0], 'protocol': TCP}),
            (tcp6 + udp6, {'vip': VIP6, 'vip_port': 80}),
            ([], {'vip': VIP6, 'vip_port': 81}),
            (of_server, {'server': RIPS['s1']}),
            (tcp4 + udp4, {'server': RIPS['s1'], 'server_prefix': 24, 'server_port': 80}),
            (tcp4 + tcp6, {'state_name': 'ESTABLISHED'}),
            (tcp4 + tcp6, {'state': 1, 'protocol': TCP}),
            ([], {'state_name': 'FIN_WAIT'}),
            ([], {'fwmark': 1}),
            ([], {'flags': TEMPLATE}),
            (every, {'flags_mask': TEMPLATE}),
            (every, {'idle_max': 60}),
            ([], {'idle_min': 60}),
        ):
            all_say(family, wanted, f'{fields}', **fields)
        (one,) = dump(family, client=CLIENT, client_port=tcp4[0])[0]
        (row,) = ipvs.rows(cport=tcp4[0])
        equal(
            (one['client'], one['vip'], one['vip_port'], one['server'], one['server_port']),
            (row.caddr, row.vaddr, row.vport, row.daddr, row.dport),
            'what /proc shows',
        )
        equal((one['state'], one['state_name']), (1, 'ESTABLISHED'), 'the state')
        true(abs(one['expires'] - row.expires) <= 2, f'expiry: {one["expires"]} {row.expires}')
        time.sleep(2.1)
        all_say(family, every, 'all are idle', idle_min=2)


@case('a deletion takes what is meant, and the next packet makes a new connection', only='rust')
def deletion():
    serve()
    family = sock()
    with contextlib.ExitStack() as stack:
        of = {
            (vip, kind): stack.enter_context(Connection(g.client, vip, kind=kind))
            for vip in (VIP, VIP6)
            for kind in ('tcp', 'udp')
        }
        equal(count(family), 4, 'connections')
        equal(delete(family, protocol=132), (0, 0), 'nothing is meant')
        equal(count(family), 4, 'connections after it')
        for vip in (VIP, VIP6):
            udp = of[vip, 'udp']
            equal(delete(family, vip=vip, protocol=UDP), (1, 0), 'one is meant')
            equal(ipvs.rows(cport=udp.port, vaddr=vip), [], 'in /proc')
            udp.exchange(b'x')
            equal(len(ipvs.rows(cport=udp.port, vaddr=vip)), 1, 'the next packet makes another')
        true(of[VIP, 'tcp'].echo(), 'one that was not meant goes on')
        equal(delete(family, options=ALL), (4, 0), 'all')
        equal((count(family), ipvs.rows()), (0, []), 'nothing is left')
        equal(sum(dest.active + dest.inactive for dest in ipvs.dests()), 0, 'counts of servers')


@case('deletions while clients send without a pause: counts are right after it', only='rust')
def under_traffic():
    serve()
    family = sock()
    over = threading.Event()
    wrong = []

    def talk(vip):
        try:
            with Connection(g.client, vip, kind='udp') as connection:
                # The answer to a request whose connection has gone is lost.
                connection.sock.settimeout(0.1)
                while not over.is_set():
                    with contextlib.suppress(TimeoutError):
                        connection.exchange(b'x')
                for last in range(5, -1, -1):
                    connection.sock.settimeout(2)
                    try:
                        connection.exchange(b'x')
                        break
                    except TimeoutError:
                        if not last:
                            raise
        except OSError as error:
            wrong.append(f'{vip}: {error!r}')

    talkers = [threading.Thread(target=talk, args=(vip,)) for vip in (VIP, VIP, VIP6)]
    for talker in talkers:
        talker.start()
    until(lambda: count(family) == 3, 'three connections')
    deleted = 0
    end = time.monotonic() + 3
    while time.monotonic() < end:
        deleted += delete(family, protocol=UDP)[0]
    over.set()
    for talker in talkers:
        talker.join(20)
    note(f'{deleted} deleted')
    true(deleted > 6, 'connections were deleted and made anew')
    equal(wrong, [], 'what clients saw')
    left = count(family)
    equal(sum(dest.active + dest.inactive for dest in ipvs.dests()), left, 'counts of servers')
    equal(delete(family, options=ALL), (left, 0), 'the rest')
    equal(sum(dest.active + dest.inactive for dest in ipvs.dests()), 0, 'counts of servers')


@case('a template goes with the connections that it holds, which alone go without it', only='rust')
def templates():
    ipvs.service(f'-t {VIP}:80', '-m', [f'{rip}:80' for rip in RIPS.values()], '-s rr -p 300')
    ipvs.admin('-A -f 7 -s rr -p 300')
    ipvs.admin(f'-a -f 7 -r {RIPS["s1"]}:80 -m')
    family = sock()
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(Connection(g.client, VIP, source=CLIENT)) for _ in range(3)]
        (one,) = dump(family, flags=TEMPLATE)[0]
        equal((one['client'], one['client_port'], one['vip']), (CLIENT, 0, VIP), 'the template')
        equal((one['flags'] & CONTROLS, one['state_name']), (CONTROLS, 'ASSURED'), 'it holds some')
        equal(count(family, flags=CONTROLLED), 3, 'those that it holds')
        equal(delete(family, client_port=held[0].port), (1, 0), 'one that is held')
        equal(count(family), 3, 'the others and the template stay')
        equal(delete(family, flags=TEMPLATE), (3, 0), 'the template, with what it holds')
        equal((count(family), ipvs.rows()), (0, []), 'nothing is left')
    with Connection(g.client, VIP, source=CLIENT):
        equal(count(family, flags=TEMPLATE), 1, 'a new template')
        equal(delete(family, flags_mask=TEMPLATE), (1, 0), 'without templates')
        equal(count(family), 1, 'the template')
        equal(delete(family, flags=TEMPLATE), (1, 0), 'the template')


@case('connections of a service by mark are found by the mark', only='rust')
def marks():
    ipvs.admin('-A -f 7 -s rr -p 300')
    ipvs.admin(f'-a -f 7 -r {RIPS["s1"]}:80 -m')
    ipvs.service(f'-u {VIP}:81', '-m', [f'{RIPS["s1"]}:80'])
    family = sock()
    with rules(
        f'chain c {{ type filter hook prerouting priority mangle; '
        f'ip daddr {VIP} tcp dport 80 meta mark set 7; }};'
    ), Connection(g.client, VIP, source=CLIENT) as one, Connection(
        g.client, VIP, port=81, kind='udp', source=CLIENT
    ):
        equal(count(family), 3, 'connections')
        found = dump(family, fwmark=7)[0]
        equal(ports(found), [0, one.port], 'of the mark')
        template = next(one for one in found if one['flags'] & TEMPLATE)
        equal((template['protocol'], template['fwmark'], 'vip' in template), (0, 7, False), 'it')
        equal(delete(family, fwmark=7), (2, 0), 'of the mark')
        equal(count(family), 1, 'the other')


@case('entries of conntrack go with the connections', only='rust')
def conntrack():
    serve()
    family = sock()
    with rules(RULES):
        ipvs.setting('conntrack', 1)
        try:
            with Connection(g.client, VIP, kind='udp', source=CLIENT) as connection:
                match = {'proto': UDP, 'sport': connection.port, 'dst': VIP}
                equal(len(entries(**match)), 1, 'entries before')
                equal(count(family, flags=TRACKED), 1, 'connections that use conntrack')
                equal(delete(family, client=CLIENT), (1, 0), 'the connection')
                equal(entries(**match), [], 'entries after it')
        finally:
            ipvs.setting('conntrack', 0)


class Resizer(threading.Thread):
    """Changes the size of the connection table again and again, until it is left."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopping, self.times = threading.Event(), 0

    def run(self):
        while not self.stopping.is_set():
            for factor in (-6, 2):
                ipvs.setting('conn_lfactor', factor)
                self.times += 1
                time.sleep(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()
        ipvs.setting('conn_lfactor', -2)


@case('dumps while the table is resized show each of 20,000 connections once', only='rust')
def resized():
    ipvs.service(f'-u {VIP}:80', '-g', [f'{RIPS["s1"]}:80'])
    family = sock()
    made = receive(MANY)
    equal(count(family, flags=SYNCED), made, 'connections')
    with Resizer() as resizer:
        net = {'client': '10.90.1.0', 'client_prefix': 24}
        for _ in range(3):
            found, is_interrupted = messages(family)
            # Behind family and protocol come the attributes of the client's address and port; to
            # read all takes Python long.
            once = {payload[20:36] for payload in found}
            equal((len(found), len(once)), (made, made), 'shown, and different ones')
            equal(is_interrupted, False, 'interrupted')
            equal(count(family), made, 'counted')
            equal(len(messages(family, **net)[0]), 250 * IN_A_MESSAGE, 'of a network')
        equal(delete(family, **net), (250 * IN_A_MESSAGE, 0), 'deleted while it is resized')
        equal(count(family), made - 250 * IN_A_MESSAGE, 'left')
        times = resizer.times
        equal(delete(family, options=ALL), (made - 250 * IN_A_MESSAGE, 0), 'all')
    note(f'{times} changes of the load factor')
    true(times > 3, 'the table was resized meanwhile')
    equal(count(family), 0, 'left')


@case('FTP: a control connection goes with its data connections, which go without it', only='rust')
def ftp():
    family = sock()
    for version, vip in (4, VIP), (6, VIP6):
        serve_ftp(['s1'], version=version)
        with Vsftpd(spaces(['s1'])), Client(g.client, vip, 'EPSV') as session:
            session.login()
            port = session.sock.getsockname()[1]

            def transfer():
                """The client's port of a data connection that is left open."""
                data = session.transfercmd('STOR in/open')
                (row,) = data_rows(vaddr=vip)
                return data, row.cport

            data, data_port = transfer()
            with data:
                (control,) = dump(family, flags=CONTROLS)[0]
                (child,) = dump(family, flags=CONTROLLED)[0]
                equal((control['client_port'], control['vip_port']), (port, 21), 'it controls')
                equal(child['client_port'], data_port, 'what it controls')
                equal(delete(family, client_port=data_port), (1, 0), 'the data connection')
                equal(count(family, flags_mask=CONTROLS, client_port=port), 1, 'control stays')
            # The server has an end of its own for what has no connection any more.
            session.sock.close()
        equal(delete(family, client_port=port), (1, 0), 'the control connection')
        equal(count(family), 0, 'connections')
        with Vsftpd(spaces(['s1'])), Client(g.client, vip, 'EPSV') as session:
            session.login()
            port = session.sock.getsockname()[1]
            data, data_port = transfer()
            with data:
                equal(count(family), 2, 'control and data')
                equal(delete(family, client_port=port), (2, 0), 'both')
                equal((count(family), ipvs.rows()), (0, []), 'nothing is left')
            session.sock.close()
        ipvs.admin('-C')


@case('a template gets connections while it is deleted: what is held goes with these', only='rust')
def held():
    ipvs.service(f'-u {VIP}:80', '-g', [f'{rip}:80' for rip in RIPS.values()], '-s rr -p 300')
    family = sock()
    over = threading.Event()

    def begin():
        """New connections of one client without a pause: each is the template's."""
        while not over.is_set():
            with g.client, socket.socket(type=socket.SOCK_DGRAM) as client:
                client.bind((CLIENT, 0))
                client.sendto(b'x', (VIP, 80))

    talkers = [threading.Thread(target=begin) for _ in range(3)]
    for talker in talkers:
        talker.start()
    until(lambda: count(family, flags=TEMPLATE) == 1, 'the template')
    deleted = stayed = 0
    end = time.monotonic() + 4
    while time.monotonic() < end:
        gone, left = delete(family, flags=TEMPLATE)
        deleted, stayed = deleted + gone, stayed + left
        # What is held is found by no packet, and controls others.
        for one in dump(family, flags=UNHASHED)[0] if left else ():
            true(one['flags'] & CONTROLS, f'it is held for others: {one}')
    over.set()
    for talker in talkers:
        talker.join(20)
    note(f'{deleted} deleted, {stayed} held')
    true(deleted > 10, 'templates were deleted with their connections')
    left = count(family)
    equal(delete(family, options=ALL), (left, 0), 'the rest, held ones, too')
    equal((count(family), ipvs.rows()), (0, []), 'nothing is left')
    equal(sum(dest.active + dest.inactive for dest in ipvs.dests()), 0, 'counts of servers')


class Dump:
    """A dump that is read datagram by datagram."""

    def __init__(self, genl):
        self.genl, self.found, self.flags, self.is_over = genl, [], 0, False
        self.genl.sequence += 1
        head = struct.pack('=IHHIIBBH', 20, self.genl.family, 0x301, self.genl.sequence, 0, 4, 1, 0)
        self.genl.socket.send(head)

    def read(self):
        """Reads the next datagram."""
        data = self.genl.socket.recv(1 << 17)
        while data:
            length, kind, flags = struct.unpack_from('=IHH', data)
            self.flags |= flags
            if kind == 3:
                self.is_over = True
            else:
                nested = dict(attributes(data[20:length]))[CONNECTION]
                one = read(nested)
                self.found.append((one['client'], one['client_port'], one.get('vip')))
            data = data[(length + 3) & ~3 :]

    def rest(self):
        """Reads all that is left."""
        while not self.is_over:
            self.read()


@case('C-7 a dump during which the table gets another hash key says so', only='rust', fresh=True)
def another_key():
    # The table keeps its size, so only another key changes the order in it.
    ipvs.setting('conn_lfactor', 8)
    ipvs.service(f'-u {VIP}:80', '-g', [f'{RIPS["s1"]}:80'])
    family = sock()
    made = receive(1800)
    before = Dump(family.genl)
    before.rest()
    equal((len(set(before.found)), before.flags & NLM_F_DUMP_INTR), (made, 0), 'one before')
    try:
        order = lambda: [row[1:6] for row in ipvs.rows() if row.caddr == '10.90.0.1']
        first = order()
        with Ripvs(g.director).genl as genl:
            half = Dump(genl)
            half.read()
            true(not half.is_over, 'it is not at its end')
            one_chain(1440)
            # A new connection has one chance in as many as there are buckets to come to that chain.
            for number in range(1, 20):
                if order() != first:
                    break
                receive(1800 + 720 * number)
            true(order() != first, 'the table has another key')
            half.rest()
        true(half.flags & NLM_F_DUMP_INTR, 'the dump says that it was interrupted')
        shown = set(half.found)
        true(shown >= set(before.found), 'what was there throughout is shown, once or more')
    finally:
        ipvs.setting('conn_lfactor', -2)
    after, is_interrupted = messages(family)
    equal((len(after), is_interrupted), (count(family), False), 'the next dump')
    delete(family, options=ALL)


# One datagram of each of 2,000 ports of a director by itself.
ALONE = """
import socket
for port in range(20000, 22000):
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.bind(('203.0.113.5', port))
        client.sendto(b'x', ('192.0.2.1', 53))
"""


@case('a namespace loses its name during a dump, and goes with the socket', only='rust')
def of_a_namespace_that_goes():
    for is_read in True, False:
        space = make('rv-going')
        lines = (
            'link add d0 type dummy',
            'link set d0 up',
            'address add 198.51.100.254/24 dev d0',
            'address add 192.0.2.1/32 dev lo',
            'address add 203.0.113.5/32 dev lo',
            'neighbour add 198.51.100.1 lladdr 02:00:00:00:00:01 dev d0',
        )
        batch = ['ip', '-n', 'rv-going', '-batch', '-']
        subprocess.run(batch, input='\n'.join(lines), text=True, check=True)
        ipvs.service('-u 192.0.2.1:53', '-g', ['198.51.100.1:53'], space=space)
        space.run(['python3', '-c', ALONE], quiet=True)
        family = Ripvs(space)
        equal(count(family), 2000, 'connections')
        half = Dump(family.genl)
        half.read()
        true(not half.is_over, 'it is not at its end')
        subprocess.run(['ip', 'netns', 'del', 'rv-going'], check=True)
        space.close()
        if is_read:
            half.rest()
            equal((len(half.found), len(set(half.found))), (2000, 2000), 'shown')
            equal(half.flags & NLM_F_DUMP_INTR, 0, 'interrupted')
            equal(delete(family, options=ALL), (2000, 0), 'deleted in what has no name')
        # The last reference to the namespace, in the middle of the dump if it was not read.
        family.close()
    # It ends before the module can go.
    g.reload()


@case('requests that are none: each is refused with words, and nothing is deleted', only='rust')
def refused():
    serve()
    family = sock()
    with Connection(g.client, VIP):
        for payload in (
            attr(99, b''),
            attr(FILTER, b''),
            attr(12 | 0x8000, b''),
            filter_of({'protocol': TCP}) * 2,
            filter_of({'protocol': 300}),
            filter_of({'protocol': bytes(4)}),
            filter_of({'client': bytes(5)}),
            filter_of({'client_prefix': 8}),
            filter_of({'client': '10.0.0.0', 'client_prefix': 33}),
            filter_of({'client': '10.0.0.0', 'vip': 'fd00::1'}),
            filter_of({'state': 1}),
            filter_of({'state_name': 'OPEN'}),
            filter_of({'flags': 1 << 20}),
            filter_of({'idle_min': 2, 'idle_max': 1}),
            filter_of({'fwmark': 0}),
            nest(FILTER, attr(19, u8(1))),
            nest(FILTER, b'\1\0\0\0'),
            attr(OPTIONS, u32(1)),
        ):
            for call in (
                lambda payload: family.genl.dump(GET_CONNECTIONS, payload),
                lambda payload: family.genl.call(COUNT_CONNECTIONS, payload),
                lambda payload: family.genl.call(DEL_CONNECTIONS, payload),
            ):
                answer = call(payload)
                equal(answer.error, errno.EINVAL, f'{payload}: {answer.words}')
                true(answer.words, f'{payload}: there are words')
        for payload in (
            b'',
            nest(FILTER, b''),
            attr(OPTIONS, u32(0)),
            filter_of({'protocol': TCP}) + attr(OPTIONS, u32(ALL)),
        ):
            answer = family.genl.call(DEL_CONNECTIONS, payload)
            equal(answer.error, errno.EINVAL, f'{payload}: {answer.words}')
            true(answer.words, f'{payload}: there are words')
        answer = family.genl.call(COUNT_CONNECTIONS, filter_of({'af': 1}))
        equal(answer.error, errno.EAFNOSUPPORT, f'AF_UNIX: {answer.words}')
        equal(count(family), 1, 'the connection')


if __name__ == '__main__':
    run(g)
