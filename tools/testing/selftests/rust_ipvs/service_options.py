#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Options of a service in place of variables of its namespace, each beside a service without it."""

import contextlib
import errno
import itertools
import socket

from harness import ipvs, sync
from harness.clients import Connection, ask
from harness.fast import METHODS, VIPS, Flow, path_of, received, serve
from harness.fixture import FIXTURE as g, VIP
from harness.ipvs import at
from harness.packet import TCP, UDP
from harness.ripvs import (
    DEL_SERVICE,
    NEW_DEST,
    NEW_SERVICE,
    SET_SERVICE,
    Listener,
    Ripvs,
    applied,
    change,
    web,
)
from harness.tap import case, equal, run, true, until
from harness.tracked import TRACKED, entries, rules

# The service with options, and the one without.
OWN, PLAIN = 80, 8080
SERVERS = ['10.0.2.11', '10.0.2.12']
NUMBER = {'tcp': TCP, 'udp': UDP}
LETTER = {'tcp': '-t', 'udp': '-u'}
# Flags of "defaults".
TIMEOUT_TCP, TIMEOUT_UDP, CONNTRACK, FAST = 1, 4, 8, 64
# All options, with values that differ from those of a namespace.
ALL = {
    'timeout_tcp': 1000,
    'timeout_tcp_fin': 50,
    'timeout_udp': 70,
    'conntrack': 1,
    'expire_nodest': 1,
    'expire_quiescent': 1,
    'fast_path': 2,
}


def of(port=OWN, kind='tcp', **fields):
    """A service at the VIP in the words of RIPVS."""
    return web(protocol=NUMBER[kind], addr=VIP, port=port, **fields)


def listed(family, port=OWN, kind='tcp'):
    """The options of a service that has its own, in the dump."""
    for service, _ in family.services()[0]:
        if (service['port'], service['protocol']) == (port, NUMBER[kind]):
            return {name: service[name] for name in ALL if name in service}
    return None


def pair(family, kind='tcp', method='-m', servers=1, sched='-s rr', **options):
    """Two services with the same servers, one of them with options of its own."""
    for port in OWN, PLAIN:
        spec = f'{LETTER[kind]} {VIP}:{port}'
        ipvs.service(spec, method, [at(one, port) for one in SERVERS[:servers]], sched)
    if options:
        applied(family, change(SET_SERVICE, of(kind=kind, **options)))


def both(kind='tcp', **rest):
    """A client's connection to each of the two services."""
    return [Connection(g.client, VIP, port, kind, **rest) for port in (OWN, PLAIN)]


def last(connections, *seconds):
    """Connections have a packet, and last for so long after it."""
    for connection, wanted in zip(connections, seconds):
        true(connection.echo(), 'an answer')
        found = [row.expires for row in ipvs.rows(cport=connection.port)]
        true(
            len(found) == 1 and wanted - 5 <= found[0] <= wanted,
            f'a connection lasts {wanted} seconds, but: {found}',
        )


@contextlib.contextmanager
def timeouts(tcp, fin, udp):
    """Timeouts of the namespace for this long."""
    ipvs.admin(f'--set {tcp} {fin} {udp}')
    try:
        yield
    finally:
        ipvs.admin('--set 900 120 300')


for KIND, FAST_PATH in itertools.product(('tcp', 'udp'), (0, 2)):

    @case(f'timeout-{KIND} with fast_path {FAST_PATH}: own, and the namespace’s', only='rust')
    def established(kind=KIND, fast_path=FAST_PATH):
        ipvs.setting('fast_path', fast_path)
        family = Ripvs(g.director)
        name, flag, at_first = {
            'tcp': ('timeout_tcp', TIMEOUT_TCP, 900),
            'udp': ('timeout_udp', TIMEOUT_UDP, 300),
        }[kind]

        def own(seconds):
            applied(family, change(SET_SERVICE, of(kind=kind, **{name: seconds})))

        def namespace(seconds):
            ipvs.admin(f'--set {seconds} 0 0' if kind == 'tcp' else f'--set 0 0 {seconds}')

        pair(family, kind, **{name: 1000})
        connections = both(kind)
        try:
            with timeouts(900, 120, 300):
                last(connections, 1000, at_first)
                namespace(700)
                last(connections, 1000, 700)
                own(400)
                last(connections, 400, 700)
                # As long as the namespace's is, and then it is not any more.
                own(700)
                last(connections, 700, 700)
                namespace(600)
                last(connections, 700, 600)
                applied(family, change(SET_SERVICE, of(kind=kind, defaults=flag)))
                last(connections, 600, 600)
                # A connection that has the namespace's takes the service's with its next packet.
                own(500)
                last(connections, 500, 600)
                # The options of a service that is gone stay with its connections.
                ipvs.admin(f'-D {LETTER[kind]} {VIP}:{OWN}')
                namespace(800)
                (row,) = ipvs.rows(cport=connections[0].port)
                true(490 < row.expires <= 500, f'it has the timeout that it had: {row.expires}')
        finally:
            for connection in connections:
                connection.close()


@case('timeout-tcp-fin counts after a FIN', only='rust')
def finished():
    family = Ripvs(g.director)
    pair(family, timeout_tcp=1000, timeout_tcp_fin=50)
    connections = both()
    try:
        last(connections, 1000, 900)
        for connection, wanted in zip(connections, (50, 120)):
            connection.sock.shutdown(socket.SHUT_WR)
            until(
                lambda port=connection.port, wanted=wanted: [
                    row.state in ('FIN_WAIT', 'CLOSE_WAIT', 'TIME_WAIT', 'LAST_ACK')
                    and row.expires <= 120
                    for row in ipvs.rows(cport=port)
                ]
                == [True],
                'the FIN has passed',
            )
    finally:
        for connection in connections:
            connection.close()


@case('timeout-tcp-fin is that of FIN_WAIT', only='rust')
def fin_wait():
    family = Ripvs(g.director)
    pair(family, method='-g', timeout_tcp_fin=50)
    for port, wanted in (OWN, 50), (PLAIN, 120):
        connection = Connection(g.client, VIP, port)
        mine = connection.port
        connection.close()
        until(
            lambda: [row.state for row in ipvs.rows(cport=mine)] == ['FIN_WAIT'],
            'the director, which sees one direction, has the connection in FIN_WAIT',
        )
        (row,) = ipvs.rows(cport=mine)
        true(wanted - 5 <= row.expires <= wanted, f'it lasts {wanted}, but: {row.expires}')


@case('conntrack: entries of new connections, tracked or not', only='rust')
def conntrack():
    family = Ripvs(g.director)
    with rules(TRACKED):
        for kind, method in itertools.product(('tcp', 'udp'), ('-m', '-g')):
            ipvs.admin('-C')
            pair(family, kind, method)
            for own, variable in ((1, 0), (0, 1), (None, 1), (None, 0)):
                option = {'defaults': CONNTRACK} if own is None else {'conntrack': own}
                applied(family, change(SET_SERVICE, of(kind=kind, **option)))
                ipvs.setting('conntrack', variable)
                connections = both(kind)
                try:
                    # What is there keeps what it has.
                    other = {'conntrack': 0 if own else 1}
                    applied(family, change(SET_SERVICE, of(kind=kind, **other)))
                    ipvs.setting('conntrack', 1 - variable)
                    found = []
                    for connection in connections:
                        true(connection.echo(), 'an answer')
                        kept = entries(proto=NUMBER[kind], sport=connection.port, dst=VIP)
                        found.append(len(kept))
                    wanted = variable if own is None else own
                    equal(found, [wanted, variable], f'entries, {kind} {method}')
                finally:
                    ipvs.setting('conntrack', 0)
                    for connection in connections:
                        connection.close()


@case('expire-nodest: connections of a deleted server go, or stay', only='rust')
def nodest():
    family = Ripvs(g.director)
    for own, variable in ((1, 0), (0, 1)):
        ipvs.admin('-C')
        pair(family, 'udp', servers=2, expire_nodest=own)
        try:
            mine = {OWN: [], PLAIN: []}
            for port, _ in itertools.product((OWN, PLAIN), range(4)):
                with Connection(g.client, VIP, port, 'udp') as connection:
                    mine[port].append(connection.port)
            ipvs.setting('expire_nodest_conn', variable)
            for port in OWN, PLAIN:
                ipvs.admin(f'-d -u {VIP}:{port} -r {at(SERVERS[0], port)}')

            def left(port):
                # Connections of earlier cases may be there.
                rows = ipvs.rows(vport=port, daddr=SERVERS[0])
                return len([row for row in rows if row.cport in mine[port]])

            goes, stays = (OWN, PLAIN) if own else (PLAIN, OWN)
            until(lambda: left(goes) == 0, 'connections of the deleted server are gone')
            equal(left(stays), 2, 'connections of the other service')
        finally:
            ipvs.setting('expire_nodest_conn', 0)


@case('expire-nodest: a packet to a deleted server goes elsewhere, or nowhere', only='rust')
def gone():
    family = Ripvs(g.director)
    for own, variable in ((0, 1), (None, 0), (1, 0)):
        ipvs.admin('-C')
        pair(family, 'udp')
        if own is not None:
            applied(family, change(SET_SERVICE, of(kind='udp', expire_nodest=own)))
        with Connection(g.client, VIP, OWN, 'udp') as connection:
            connection.sock.settimeout(0.5)
            ipvs.admin(f'-d -u {VIP}:{OWN} -r {SERVERS[0]}')
            ipvs.admin(f'-a -u {VIP}:{OWN} -r {SERVERS[1]} -m')
            try:
                ipvs.setting('expire_nodest_conn', variable)
                answer = b''
                if own:
                    connection.sock.settimeout(5)
                with contextlib.suppress(TimeoutError):
                    answer = connection.exchange(b'?')
                equal(answer[:2], b's2' if own else b'', f'the answer, {own} and {variable}')
            finally:
                ipvs.setting('expire_nodest_conn', 0)


@case('expire-nodest: a SYN leaves a server of weight 0, or does not (S-18)', only='rust')
def reused():
    family = Ripvs(g.director)
    for own, variable in ((1, 0), (0, 1)):
        ipvs.admin('-C')
        pair(family, servers=2, expire_nodest=own)
        try:
            ipvs.setting('expire_nodest_conn', variable)
            for port in OWN, PLAIN:
                with Connection(g.client, VIP, port) as first:
                    name, source = first.answer.name, first.port
                    first.reset()
                server = SERVERS[0] if name == 's1' else SERVERS[1]
                ipvs.admin(f'-e -t {VIP}:{port} -r {at(server, port)} -m -w 0')
                ipvs.setting('conn_reuse_mode', 0)
                again = ask(g.client, VIP, port, sport=source).name
                leaves = bool(own if port == OWN else variable)
                equal(again != name, leaves, f'another server, {own} and {variable}')
        finally:
            ipvs.setting('expire_nodest_conn', 0)
            ipvs.setting('conn_reuse_mode', 1)


@case('expire-quiescent: a client leaves a server of weight 0, or stays', only='rust')
def quiescent():
    family = Ripvs(g.director)
    for own, variable in ((1, 0), (0, 1)):
        ipvs.admin('-C')
        pair(family, servers=2, sched='-s rr -p 300', expire_quiescent=own)
        try:
            ipvs.setting('expire_quiescent_template', variable)
            for port in OWN, PLAIN:
                # A client of its own: templates outlive a flush.
                source = f'10.0.1.{2 if own else 3}'
                name = ask(g.client, VIP, port, source=source).name
                server = SERVERS[0] if name == 's1' else SERVERS[1]
                ipvs.admin(f'-e -t {VIP}:{port} -r {at(server, port)} -m -w 0')
                again = ask(g.client, VIP, port, source=source).name
                leaves = bool(own if port == OWN else variable)
                equal(again != name, leaves, f'another server, {own} and {variable}')
        finally:
            ipvs.setting('expire_quiescent_template', 0)


def taken(flow, packets=5):
    """Number of packets of the flow that IP does not see."""
    before = received(flow.version)
    for _ in range(packets):
        flow.ask(b'taken')
        true(flow.at_s1(), 'the request arrives')
    return packets - (received(flow.version) - before)


def until_taken(flow, words):
    """Waits until packets of the flow are taken. IP may see another packet meanwhile."""
    until(lambda: taken(flow) >= 4, words)


for METHOD, VERSION in itertools.product(METHODS, (4, 6)):

    @case(f'fast-path, {METHOD} IPv{VERSION}: in place of the variable', only='rust')
    def fast(method=METHOD, version=VERSION):
        family = Ripvs(g.director)
        vport = 8099
        name = {
            'af': 2 if version == 4 else 10,
            'protocol': UDP,
            'addr': VIPS[version],
            'port': vport,
        }

        def own(**option):
            applied(family, change(SET_SERVICE, {**name, **option}))

        ipvs.setting('fast_path', 0)
        serve(method, version)
        with path_of(method) as link, Flow(version, 'u', link=link) as flow:
            flow.open()
            true(taken(flow) <= 0, 'none is taken with 0')
            for value in 1, 2:
                own(fast_path=value)
                until_taken(flow, f'requests of the service are taken with {value}')
            own(fast_path=0)
            ipvs.setting('fast_path', 2)
            until(lambda: taken(flow) <= 0, 'none of the service is taken with 0')
            own(defaults=FAST)
            until_taken(flow, 'requests are taken as the variable has it')
            # A timeout does not keep a flow from the fast path.
            own(timeout_udp=500)
            until_taken(flow, 'requests are taken with a timeout of the service')
            (row,) = ipvs.rows(cport=flow.port)
            true(495 <= row.expires <= 500, f'the timeout is the own one: {row.expires}')


@case('fast-path: another service keeps the variable', only='rust')
def beside():
    family = Ripvs(g.director)
    ipvs.setting('fast_path', 0)
    serve('NAT', 4)
    serve('NAT', 4, vport=8098)
    applied(family, change(SET_SERVICE, of(8098, 'udp', fast_path=2)))
    with Flow(4, 'u') as plain, Flow(4, 'u', vport=8098) as own:
        plain.open()
        own.open()
        until_taken(own, 'requests of the one are taken')
        true(taken(plain) <= 0, 'requests of the other are not')
        # With the service go the hooks.
        applied(family, change(DEL_SERVICE, of(8098, 'udp')))
        true(taken(plain) <= 0, 'requests of the other still are not')


@case('edits by the family IPVS leave the options, a new service has none', only='rust')
def edits():
    family = Ripvs(g.director)
    pair(family, **ALL)
    equal(listed(family), ALL, 'options')
    equal(listed(family, PLAIN), {}, 'options of the other')
    for options in '-s wlc -p 77', '-s rr':
        ipvs.admin(f'-E -t {VIP}:{OWN} {options}')
    ipvs.admin(f'-e -t {VIP}:{OWN} -r {SERVERS[0]}:{OWN} -m -w 3')
    ipvs.admin(f'-a -t {VIP}:{OWN} -r {SERVERS[1]}:{OWN} -m -w 3')
    equal(listed(family), ALL, 'options after edits')
    applied(family, change(SET_SERVICE, of(timeout_tcp=2000, defaults=CONNTRACK | FAST)))
    rest = {**ALL, 'timeout_tcp': 2000}
    for name in 'conntrack', 'fast_path':
        del rest[name]
    equal(listed(family), rest, 'what is left stays')
    # The destination that is added has them too.
    with Connection(g.client, VIP) as first, Connection(g.client, VIP) as second:
        equal({first.answer.name, second.answer.name}, {'s1', 's2'}, 'servers')
        last((first, second), 2000, 2000)
    ipvs.admin(f'-D -t {VIP}:{OWN}')
    ipvs.service(f'-t {VIP}:{OWN}', '-m', [at(SERVERS[0])])
    equal(listed(family), {}, 'options of a new service')
    # Its destination comes from the trash.
    with Connection(g.client, VIP) as connection:
        last((connection,), 900)
    # A service that is deleted and added in one transaction has what the addition says.
    applied(family, change(SET_SERVICE, of(**ALL)))
    applied(
        family,
        change(DEL_SERVICE, of()),
        change(NEW_SERVICE, of(sched='rr', timeout_udp=9)),
        change(NEW_DEST, of(), {'addr': SERVERS[0], 'port': OWN}),
    )
    equal(listed(family), {'timeout_udp': 9}, 'options that came with the service')
    with Connection(g.client, VIP) as connection:
        last((connection,), 900)


@case('listeners are told of the options', only='rust')
def told():
    family = Ripvs(g.director)
    listener = Listener(g.director)
    try:
        applied(family, change(NEW_SERVICE, of(sched='rr', timeout_tcp=5, fast_path=0)))
        applied(family, change(SET_SERVICE, of(expire_nodest=1, defaults=TIMEOUT_TCP)))
        # What it has already is no change.
        applied(family, change(SET_SERVICE, of(expire_nodest=1, defaults=TIMEOUT_TCP)))
        ipvs.admin(f'-E -t {VIP}:{OWN} -s wlc')
        seen = [
            (one.kind, {name: one.service[name] for name in ALL if name in one.service})
            for one in listener.all()
        ]
        after = {'expire_nodest': 1, 'fast_path': 0}
        equal(
            seen,
            [
                ('new-service', {'timeout_tcp': 5, 'fast_path': 0}),
                ('set-service', after),
                ('set-service', after),
            ],
            'events',
        )
    finally:
        listener.close()


def tool(line, stdin=None, status=0):
    """What ripvsadm prints at the director."""
    printed = g.director.run(f'ripvsadm {line}', stdin=stdin, check=False, quiet=True)
    equal(g.director.status, status, f'exit code of ripvsadm {line}: {printed}')
    return printed


@case('ripvsadm sets, shows, saves, restores and applies them; not with C')
def by_tool():
    service = f'-t {VIP}:{OWN}'
    words = '--timeout-tcp 1000 --timeout-tcp-fin 50 --timeout-udp 70 --conntrack 1'
    words += ' --expire-nodest 1 --expire-quiescent 1 --fast-path 2'
    if g.impl == 'c':
        for line in f'-A {service} {words}', f'-E {service} --timeout-tcp 9':
            printed = tool(line, status=2)
            true('need rust_ipvs' in printed and printed.count('\n') <= 1, f'one line: {printed}')
        equal(tool('-S -n'), '', 'services')
        return
    family = Ripvs(g.director)
    tool(f'-A {service} -s rr {words}')
    tool(f'-a {service} -r {SERVERS[0]}:{OWN} -m')
    tool(f'-A -t {VIP}:{PLAIN} -s rr')
    equal(listed(family), ALL, 'options of the service')
    rules = tool('-S -n')
    equal(rules.splitlines()[0], f'-A {service} -s rr {words}', 'the line of -S')
    true('--timeout' not in ipvs.admin('-S -n', quiet=True), 'ipvsadm saves no options')
    shown = words.replace('--', '')
    for line in '-L -n', f'-L -n {service}':
        true(f'rr {shown}\n' in tool(line), f'options in {line}')
    generation = family.info()[0]
    tool(f'-E {service} -s wlc --fast-path 0 --conntrack default')
    equal(family.info()[0], generation + 1, 'one change')
    rest = {**ALL, 'fast_path': 0}
    del rest['conntrack']
    equal(listed(family), rest, 'options after an edit')
    tool(f'-E {service} -s rr')
    equal(listed(family), rest, 'options after an edit without any')
    json = tool('export --json')
    true('"timeout_tcp_seconds": 1000' in json and '"fast_path": 0' in json, 'options in JSON')
    with open('/tmp/wanted', 'w', encoding='utf-8') as file:
        file.write(rules)
    printed = tool('diff /tmp/wanted', status=3)
    true('--conntrack 1' in printed, f'the difference: {printed}')
    tool('apply -q /tmp/wanted')
    equal(listed(family), ALL, 'options after apply')
    tool('apply -q -', stdin=json)
    equal(listed(family), rest, 'options after apply of JSON')
    tool('-C')
    tool('-R', stdin=rules)
    equal(listed(family), ALL, 'options after -R')
    equal(tool('diff /tmp/wanted'), '', 'the difference')
    # What a file does not have is the namespace's.
    tool('apply -q -', stdin=f'-A {service} -s rr\n')
    equal(listed(family), {}, 'options after apply without any')
    for option in '--timeout-tcp 0', '--conntrack 2', '--fast-path x':
        tool(f'-E {service} {option}', status=2)
    tool(f'-E -t {VIP}:81 --timeout-tcp 9', status=255)


# What is wrong, and a part of its words.
WRONG = [
    ({'timeout_tcp': 0}, 'not 0'),
    ({'timeout_tcp_fin': 0}, 'not 0'),
    ({'timeout_udp': 0}, 'not 0'),
    ({'timeout_tcp': 2**32 - 1}, 'too long'),
    ({'timeout_tcp_fin': 2**31}, 'too long'),
    ({'timeout_udp': 2**31 - 1}, 'too long'),
    ({'timeout_tcp': b'\1\0'}, 'length'),
    ({'conntrack': b'\1\0\0\0'}, 'length'),
    ({'defaults': b'\1'}, 'length'),
    ({'conntrack': 2}, '0 or 1'),
    ({'expire_nodest': 255}, '0 or 1'),
    ({'expire_quiescent': 2}, '0 or 1'),
    ({'fast_path': 3}, '0, 1 or 2'),
    ({'defaults': 128}, 'flag of no option'),
    ({'fast_path': 1, 'defaults': FAST}, 'both sets'),
]


@case('what is wrong is refused with words, wherever it is, and nothing changes', only='rust')
def refused():
    family = Ripvs(g.director)
    pair(family, **ALL)
    right = [change(SET_SERVICE, of(port, timeout_tcp=port)) for port in (OWN, PLAIN)]
    for fields, words in WRONG:
        wrong = change(SET_SERVICE, of(**fields))
        for place in range(3):
            before = family.info()[0]
            answer = family.apply(*right[:place], wrong, *right[place:])
            equal(answer.error, errno.EINVAL, f'{fields} at place {place}')
            true(words in answer.words, f'"{words}" in "{answer.words}"')
            equal(family.info()[0], before, 'the generation')
    equal(listed(family), ALL, 'options')
    equal(listed(family, PLAIN), {}, 'options of the other')
    for service in of(sched='rr', defaults=1), of(8888, sched='rr', defaults=1):
        answer = family.apply(change(NEW_SERVICE, service))
        equal(answer.error, errno.EINVAL, 'a new service with defaults')
    answer = family.apply(change(DEL_SERVICE, of(conntrack=1)))
    equal(answer.error, errno.EINVAL, 'a deletion with options')
    # The longest that is right: INT_MAX jiffies of any kernel.
    applied(family, change(SET_SERVICE, of(timeout_tcp=(2**31 - 1) // 1000)))


@case('a backup has the master’s timeout, or its own service’s with the old format', only='rust')
def synced():
    family = Ripvs(g.director)
    pair(family, timeout_tcp=1000)
    ear = sync.Ear(g.client, 'eth0')
    try:
        ipvs.admin('--start-daemon master --mcast-interface front')
        ipvs.setting('sync_threshold', '0\t1')
        with Connection(g.client, VIP) as connection:
            for _ in range(3):
                true(connection.echo(), 'an answer')
            mine = connection.port
            found = ear.wait(lambda entry: entry.cport == mine and entry.state == 1)
            equal(found and found.timeout, 1000, 'the timeout that a backup is told')
    finally:
        ear.close()
        ipvs.admin('--stop-daemon master', check=False)
        ipvs.setting('sync_threshold', '3\t50')
    ipvs.admin('--start-daemon backup --mcast-interface front')
    try:
        for number, (port, entry_timeout, make, wanted) in enumerate(
            (
                (OWN, 333, sync.message, 333),
                (OWN, 0, sync.message, 1000),
                (PLAIN, 0, sync.message, 900),
                (OWN, 0, sync.old_message, 1000),
                (PLAIN, 0, sync.old_message, 900),
            )
        ):
            cport = 5100 + number
            entry = sync.Entry(
                TCP, sync.MASQ, 1, '10.0.1.9', cport, VIP, port, SERVERS[0], port, 0, entry_timeout
            )
            for _ in range(20):
                sync.send(g.client, 'eth0', make(entry))
                rows = ipvs.rows(cport=cport)
                if rows:
                    break
            until(lambda cport=cport: ipvs.rows(cport=cport), 'the connection arrives')
            (row,) = ipvs.rows(cport=cport)
            true(wanted - 5 <= row.expires <= wanted, f'{wanted} seconds, but: {row.expires}')
    finally:
        ipvs.admin('--stop-daemon backup')


run(g)
