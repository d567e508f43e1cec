#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Persistence by Call-ID: the engine "sip" (P-24 to P-30)."""

import os
import socket
import subprocess
import time

from harness import ipvs
from harness.clients import ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.packet import Sniffer, Wire, ip, udp
from harness.servers import Servers
from harness.tap import Skip, always, case, equal, note, run, true, until

PORT = 5060
RIP = {'s1': '10.0.2.11', 's2': '10.0.2.12', 's3': '10.0.2.13'}
# C IPVS cannot be unloaded while there are such templates: there, they are made to go soon.
OPTIONS = f'-s rr -p {8 if g.impl == "c" else 300} --pe sip'


def call_case(words, only=None):
    """A case with a fresh start, which leaves no template behind that would stand in the way of the next one's."""

    def register(function):
        def whole():
            if g.impl == 'c':
                ipvs.admin('--set 0 0 2', quiet=True)
            try:
                function()
            finally:
                if g.impl == 'c':
                    ipvs.admin('-C', quiet=True)
                    until(lambda: not ipvs.rows(), 'templates are gone', 30)

        return case(words, only, fresh=True)(whole)

    return register


def service(vip=VIP, method='-m', port=PORT, options='', servers=('s1', 's2', 's3')):
    """A SIP service."""
    ipvs.service(
        f'-u {vip}:{port}',
        method,
        [f'{RIP[name]}:{port}' for name in servers],
        f'{OPTIONS} {options}',
    )


def message(call, header='Call-ID', method='INVITE'):
    """A SIP request; CALL None leaves the Call-ID out."""
    lines = [
        f'{method} sip:bob@example.net SIP/2.0',
        'Via: SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bK776asdhds',
        'From: Alice <sip:alice@example.net>;tag=1',
        'To: Bob <sip:bob@example.net>',
        'CSeq: 1 INVITE',
    ]
    if call is not None:
        lines.insert(3, f'{header}: {call}')
    return ('\r\n'.join(lines + ['Content-Length: 0', '', ''])).encode()


def call(data, source='10.0.1.1', vip=VIP, port=PORT, timeout=3):
    """Sends one datagram from a new port; returns who answered."""
    with g.client:
        sock = socket.socket(socket.AF_INET6 if ':' in vip else socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(timeout)
        sock.bind((source, 0))
        sock.connect((vip, port))
        sock.send(data)
        try:
            answer = sock.recv(65535)
        except TimeoutError:
            return 'timeout'
        except ConnectionRefusedError:
            return 'refused'
        true(answer.endswith(data), 'the server received the very message')
        return answer.split()[0].decode()


def templates():
    """Lines of /proc/net/ip_vs_conn that are templates: client, server, engine, data."""
    found = []
    for line in g.director.read('/proc/net/ip_vs_conn').splitlines()[1:]:
        words = line.split(maxsplit=9)
        if words[2] == '0000':
            tail = words[9].split(' ', 1) if len(words) > 9 else ['', '']
            found.append((ipvs.address(words[1]), ipvs.address(words[5]), *tail))
    return sorted(found)


@call_case('P-24 G-6 the engine is there, is shown, and is bound to services by name')
def engine():
    service()
    true('pe sip' in ipvs.admin('-Ln'), 'ipvsadm shows it')
    true('--pe sip' in ipvs.admin('-Sn'), 'ipvsadm saves it')
    ipvs.refused(f'-A -u {VIP}:81 -s rr -p --pe nosuch')
    ipvs.refused(f'-E -u {VIP}:{PORT} -s rr -p --pe nosuch')
    true('pe sip' in ipvs.admin('-Ln'), 'it stays where a change is refused')
    ipvs.admin(f'-E -u {VIP}:{PORT} -s rr -p')
    true('pe sip' not in ipvs.admin('-Ln'), 'it can be taken away')
    ipvs.admin(f'-E -u {VIP}:{PORT} {OPTIONS}')
    true('pe sip' in ipvs.admin('-Ln'), 'and given back')


@call_case('P-25 P-26 P-28 K-5 messages of a call go to one server, those of another elsewhere')
def calls():
    service()
    with Agents(PORT):
        equal([call(message('one@host')) for _ in range(3)], ['s3'] * 3, 'the first call')
        equal([call(message('two@host')) for _ in range(3)], ['s2'] * 3, 'the second')
        equal([call(message('three')) for _ in range(2)], ['s1'] * 2, 'the third')
        equal(
            [call(message(c)) for c in ('one@host', 'two@host', 'three')],
            ['s3', 's2', 's1'],
            'all of them again',
        )
        equal(call(message('one@host', 'i')), 's3', 'with the short name of the header')
        equal(call(message('one@host', 'CALL-ID', 'BYE')), 's3', 'in capitals')
    equal(
        templates(),
        sorted(
            [
                ('10.0.1.1', RIP['s3'], 'sip', 'one@host'),
                ('10.0.1.1', RIP['s2'], 'sip', 'two@host'),
                ('10.0.1.1', RIP['s1'], 'sip', 'three'),
            ]
        ),
        'templates',
    )


def calls_of_one_port(method):
    """Messages of two calls from one port, in turn, to a service of single packets."""
    service(method=method, options='-o')
    with g.client:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with Agents(PORT), sock:
        sock.settimeout(3)
        sock.bind(('10.0.1.1', 5060))
        # It hears the VIP only.
        sock.connect((VIP, PORT))
        seen = []
        for name in ('a@b', 'c@d', 'a@b', 'c@d', 'a@b'):
            sock.send(message(name))
            seen.append(sock.recv(65535).split()[0].decode())
    equal(seen, ['s3', 's2', 's3', 's2', 's3'], 'who answers')
    equal([t[3] for t in templates()], ['c@d', 'a@b'], 'templates')
    equal([r for r in ipvs.rows() if r.cport], [], 'connections')


@call_case('P-11 P-26 single packets: calls from one address and port are told apart')
def one_port():
    calls_of_one_port('-g')


@call_case(
    'P-30 S-12 single packets with NAT: each answer begins a connection, from the VIP, and ends it'
)
def one_port_with_answers():
    calls_of_one_port('-m')
    dests = {d.address: (d.active, d.inactive) for d in ipvs.dests()}
    equal(set(dests.values()), {(0, 0)}, f'connections of servers ({dests})')


@call_case('H-8 H-21 P-30 a backup that takes no requests lets a server call its client')
def backup_calls():
    ipvs.service(f'-u {VIP}:{PORT}', '-m', [f'{RIP["s1"]}:{PORT}'], OPTIONS)
    ipvs.admin('--start-daemon backup --mcast-interface front')
    ipvs.setting('backup_only', 1)
    try:
        with Wire(g.s1, 'back', g.director, 'back') as wire, Sniffer(g.client, 'eth0') as sniffer:
            data = message('backup@host')
            wire.send(ip(RIP['s1'], '10.0.1.1', 17, udp(RIP['s1'], '10.0.1.1', PORT, 5099, data)))
            packet = sniffer.wait(lambda p: p.proto == 17 and p.dport == 5099)
            true(packet, 'the call')
            equal((packet.src, packet.sport), (VIP, PORT), 'whose it is')
            # What this host sends to the service begins nothing.
            with g.director:
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sock:
                sock.bind(('10.0.2.254', 5098))
                sock.sendto(data, (VIP, PORT))
                always(lambda: not ipvs.rows(cport=5098), 'no request of this host is taken', 0.2)
    finally:
        ipvs.setting('backup_only', 0)
        ipvs.admin('--stop-daemon backup')


@call_case('P-26 with one netmask for all, a call may come from any address')
def any_address_by_mask():
    service(options='-M 0.0.0.0')
    with Agents(PORT):
        equal(
            [call(message('roam@host'), f'10.0.1.{n}') for n in (1, 2, 9)], ['s3'] * 3, 'one call'
        )
        equal([call(message('other@host'), f'10.0.1.{n}') for n in (9, 1)], ['s2'] * 2, 'another')


@call_case('P-26 a call may come from any address, whatever the netmask', only='rust')
def any_address():
    service()
    with Agents(PORT):
        equal(
            [call(message('roam@host'), f'10.0.1.{n}') for n in (1, 2, 9)], ['s3'] * 3, 'one call'
        )
        equal([call(message('other@host'), f'10.0.1.{n}') for n in (9, 1)], ['s2'] * 2, 'another')
    equal([t[0] for t in templates()], ['10.0.1.1', '10.0.1.9'], 'who began the calls')


@call_case('P-25 Q-8 a message without a Call-ID is dropped', only='c')
def without_c():
    service()
    with Agents(PORT):
        equal(call(message(None), timeout=0.5), 'timeout', 'what the client hears')
    equal(templates(), [], 'templates')


@call_case('P-25 Q-8 a message without a Call-ID is its client\'s', only='rust')
def without():
    service()
    with Agents(PORT):
        equal([call(message(None)) for _ in range(3)], ['s3'] * 3, 'a client')
        equal([call(message(None), '10.0.1.2') for _ in range(3)], ['s2'] * 3, 'another client')
        equal(call(message('one@host')), 's1', 'a call of the first one')
        for data in (
            b'',
            b'\0' * 30,
            b'x',
            message('bad id'),
            message('@'),
            message('x' * 256),
            message('cut')[: message('cut').index(b'cut') + 3],
        ):
            equal(call(data), 's3', f'{data[:20]!r} of {len(data)} bytes')
    equal(
        templates(),
        sorted(
            [
                ('10.0.1.1', RIP['s3'], '', ''),
                ('10.0.1.2', RIP['s2'], '', ''),
                ('10.0.1.1', RIP['s1'], 'sip', 'one@host'),
            ]
        ),
        'templates',
    )


@call_case('P-25 the longest Call-ID, and strange ones')
def strange():
    service()
    strange_ones = ['x' * 255, '!%*_+`\'~()<>:"/[]?{}', '0']
    with Agents(PORT):
        first = [call(message(c)) for c in strange_ones]
        equal(
            [call(message(c)) for c in reversed(strange_ones)],
            first[::-1],
            'who answers the second time',
        )
    equal(sorted(t[3] for t in templates()), sorted(strange_ones), 'data of the templates')


@call_case('P-7 P-26 a call whose server was deleted goes on elsewhere')
def deleted():
    service()
    with Agents(PORT):
        equal(call(message('a@b')), 's3', 'at first')
        ipvs.admin(f'-d -u {VIP}:{PORT} -r {RIP["s3"]}:{PORT}')
        # In C IPVS the old template goes on being found, and each message is scheduled anew (P-26).
        equal(
            {call(message('a@b')) for _ in range(1 if g.impl == 'c' else 4)}, {'s2'}, 'after that'
        )


@call_case(
    'P-25 the engine reads UDP only: TCP of the same client goes by its address', only='rust'
)
def tcp():
    ipvs.service(f'-t {VIP}:80', '-m', [f'{rip}:80' for rip in RIP.values()], OPTIONS)
    equal([ask(g.client, VIP).name for _ in range(3)], ['s3'] * 3, 'who answers')
    equal(templates(), [('10.0.1.1', RIP['s3'], '', '')], 'templates')


@call_case('P-25 the engine reads UDP only: TCP is dropped', only='c')
def tcp_c():
    ipvs.service(f'-t {VIP}:80', '-m', [f'{rip}:80' for rip in RIP.values()], OPTIONS)
    equal(ask(g.client, VIP, timeout=0.5).name, 'timeout', 'what the client hears')


@call_case('P-25 P-24 without persistence the engine does nothing')
def not_persistent():
    from harness.abi import Genl, NEW_DEST, NEW_SERVICE, dest
    from harness.abi import service as nest

    key = dict(protocol=17, addr=VIP, port=PORT)
    with g.director, Genl('IPVS') as genl:
        equal(genl.call(NEW_SERVICE, nest(**key, pe='sip')).error, 0, 'the service')
        for rip in RIP.values():
            equal(genl.call(NEW_DEST, nest(**key) + dest(addr=rip, port=PORT)).error, 0, 'a server')
    with Agents(PORT):
        equal([call(message('one@host')) for _ in range(3)], ['s3', 's2', 's1'], 'who answers')
    equal(templates(), [], 'templates')


@call_case('P-25 P-26 calls over IPv6')
def ipv6():
    ipvs.service(
        f'-u [{VIP6}]:{PORT}', '-m', [f'[fd00:2::{n}]:{PORT}' for n in 'bcd'], f'{OPTIONS} -M 1'
    )
    with Agents(PORT):
        equal(
            [call(message('six@host'), f'fd00:1::{n}', VIP6) for n in (1, 2, 9)],
            ['s3'] * 3,
            'one call',
        )
        equal(
            [call(message('seven@host'), f'fd00:1::{n}', VIP6) for n in (2, 1)],
            ['s2'] * 2,
            'another',
        )


@call_case(
    'P-12 P-25 a call\'s template is refreshed by its messages from new ports, and goes with its time'
)
def time_of_a_call():
    ipvs.admin('--set 0 0 1')
    ipvs.service(
        f'-u {VIP}:{PORT}', '-m', [f'{rip}:{PORT}' for rip in RIP.values()], '-s rr -p 3 --pe sip'
    )
    with Agents(PORT):
        for _ in range(4):
            equal(call(message('long@call')), 's3', 'the call\'s server')
            time.sleep(1.1)
        until(lambda: not ipvs.rows(), 'the template and its connections are gone', 10)
        equal(call(message('long@call')), 's2', 'its server after that')
    ipvs.admin('--set 0 0 300')


def from_server(data, port=PORT, to=('10.0.1.5', 5062)):
    """A message that server s1 sends of its own accord; returns from where the client got it, and a socket to answer by."""
    with g.client:
        heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with g.s1:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard.bind(to)
    heard.settimeout(3)
    server.bind((RIP['s1'], port))
    server.settimeout(3)
    server.sendto(data, to)
    return heard.recvfrom(65535), heard, server


@call_case('P-30 H-21 a call that a server begins comes from the VIP, and has a template')
def server_calls():
    service()
    (data, source), heard, server = from_server(message('out@server'))
    with heard, server:
        equal(
            (data, source),
            (message('out@server'), (VIP, PORT)),
            'what the client hears, and from whom',
        )
        heard.sendto(b'answer', source)
        equal(
            server.recvfrom(100),
            (b'answer', ('10.0.1.5', 5062)),
            'what the server hears, and from whom',
        )
    equal(templates(), [('10.0.1.5', RIP['s1'], 'sip', 'out@server')], 'templates')
    equal(
        [(r.caddr, r.cport, r.daddr) for r in ipvs.rows() if r.cport],
        [('10.0.1.5', 5062, RIP['s1'])],
        'connections',
    )
    with Agents(PORT):
        equal(
            call(message('out@server'), '10.0.1.5'),
            's1',
            'who gets what the client says of that call, from another port',
        )


@call_case('P-30 H-21 what servers of other services send, and from other ports, is theirs')
def server_calls_not():
    service()
    ipvs.service(f'-u {VIP}:5070', '-m', [f'{RIP["s1"]}:5070'])
    for port, why in ((5061, 'another port'), (5070, 'a service without an engine')):
        (_, source), heard, server = from_server(message('out@server'), port)
        heard.close()
        server.close()
        equal(source, (RIP['s1'], port), f'sender of a message from {why}')
    ipvs.admin(f'-E -u {VIP}:{PORT} -s rr -p 300')
    (_, source), heard, server = from_server(message('out@server'))
    heard.close()
    server.close()
    equal(source, (RIP['s1'], PORT), 'sender of a message when the engine was taken away')
    equal(ipvs.rows(), [], 'entries')


@call_case(
    'P-30 H-21 V-8 a server of several services: the one with an engine is whose call it is, first or last',
    only='rust',
)
def server_of_several():
    # C asks the service that was given the server last, whatever that is.
    def other():
        ipvs.service(f'-u {VIP}:5070', '-m', [f'{RIP["s1"]}:{PORT}'])

    for n, order in enumerate(((service, other), (other, service), (other,))):
        for step in order:
            step()
        (_, source), heard, server = from_server(
            message(f'out{n}@server'), to=('10.0.1.5', 5063 + n)
        )
        heard.close()
        server.close()
        want = (VIP, PORT) if service in order else (RIP['s1'], PORT)
        equal(source, want, f'who calls, with {[step.__name__ for step in order]}')
        ipvs.admin('-C')


def sipp(space, words, wait=True):
    """Runs sipp in a namespace, in a folder of its own."""
    folder = f'/tmp/sipp-{space.short}'
    os.makedirs(folder, exist_ok=True)
    with space:
        process = subprocess.Popen(
            ['sipp', *words.split()],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    if not wait:
        return process
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


@call_case('P-26 P-30 sipp: the dialogues of real user agents, one Call-ID from several addresses')
def user_agents():
    with g.client:
        if subprocess.run(
            ['sh', '-c', 'command -v sipp'], stdout=subprocess.DEVNULL, check=False
        ).returncode:
            raise Skip('there is no sipp')
    service(options='-M 0.0.0.0')
    # The agent that sipp has built in, but one that takes a Call-ID again at once.
    scenario = '/tmp/sipp-uas.xml'
    with open(scenario, 'w', encoding='utf-8') as file:
        lines = subprocess.run(
            ['sipp', '-sd', 'uas'], stdout=subprocess.PIPE, text=True, check=False
        ).stdout.splitlines(True)
        file.writelines(line for line in lines if '<timewait' not in line)
    agents = [
        sipp(
            space,
            f'-sf {scenario} -i {RIP[space.short]} -p {PORT} -nostdin -deadcall_wait 0',
            wait=False,
        )
        for space in (g.s1, g.s2, g.s3)
    ]
    try:
        for space in (g.s1, g.s2, g.s3):
            until(lambda: f':{PORT}' in space.run('ss -Hlun', quiet=True), 'the agent listens', 20)
        seen = []
        for address in ('10.0.1.1', '10.0.1.2', '10.0.1.3'):
            status, output = sipp(
                g.client,
                f'-sn uac {VIP}:{PORT} -i {address} -m 1 -d 50 -nostdin -cid_str roaming@client '
                '-timeout 20 -timeout_error',
            )
            if status:
                note(output[-1500:])
            equal(status, 0, f'exit code of the call from {address}: INVITE, 200, ACK, BYE, 200')
            seen += [r.daddr for r in ipvs.rows(caddr=address) if r.cport]
        equal(set(seen), {RIP['s3']}, 'servers of the call')
        # A port for each call: those of one port are one connection, and with one server, as long
        # as it is remembered.
        for port in range(6000, 6005):
            status, _ = sipp(
                g.client,
                f'-sn uac {VIP}:{PORT} -i 10.0.1.4 -p {port} -m 1 -d 50 -nostdin -cid_str '
                f'{port}@client -timeout 20 -timeout_error',
            )
            equal(status, 0, f'exit code of a call from port {port}')
        data = [t for t in templates() if t[2] == 'sip']
        equal(len(data), 6, 'templates: each call has one')
        true(len({t[1] for t in data}) == 3, 'all servers have calls')
        note('\n'.join(' '.join(t) for t in data))
    finally:
        for agent in agents:
            agent.kill()
            agent.communicate()


class Agents(Servers):
    """Servers at a further port, for a while."""

    def __init__(self, *ports):
        super().__init__()
        for space in (g.s1, g.s2, g.s3):
            self.add(space, ports)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


if __name__ == '__main__':
    run(g)
