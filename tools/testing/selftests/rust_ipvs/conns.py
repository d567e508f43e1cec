#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""ripvsadm conns: connections by filter, listed, counted, deleted; ripvsadm top conns."""

import contextlib
import json
import os
import shlex
import subprocess

from harness import ipvs
from harness.clients import Connection
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.received import receive
from harness.tap import case, equal, note, run, true, until

A, B = '10.0.2.11', '10.0.2.12'
SIX = 'fd00:2::b'
CLIENT, CLIENT6 = '10.0.1.1', 'fd00:1::1'
ONLY_RUST = 'needs the kernel module rust_ipvs'


def tool(words, status=0):
    """What `ripvsadm WORDS` prints in the director."""
    printed = g.director.run(['ripvsadm', *shlex.split(words)], check=False)
    equal(g.director.status, status, f'exit code of {words}: {printed}')
    return printed


def objects(words=''):
    """The connections that `conns --json` lists."""
    return [json.loads(line) for line in tool(f'conns --json {words}').splitlines()]


def ports(found):
    return sorted(one['client']['port'] for one in found)


@contextlib.contextmanager
def talking():
    """A persistent service with connections of both families and both protocols."""
    ipvs.service(f'-t {VIP}:80', '-m', [f'{A}:80', f'{B}:80'], '-s rr -p 300')
    ipvs.service(f'-u {VIP}:80', '-m', [f'{A}:80'])
    ipvs.service(f'-t [{VIP6}]:80', '-g', [f'[{SIX}]:80'])
    with contextlib.ExitStack() as stack:
        made = {}
        for name, vip, kind, source in (
            ('tcp', VIP, 'tcp', CLIENT),
            ('udp', VIP, 'udp', CLIENT),
            ('six', VIP6, 'tcp', CLIENT6),
        ):
            made[name] = stack.enter_context(Connection(g.client, vip, kind=kind, source=source))
        until(lambda: len(objects()) == 4, 'three connections and a template')
        yield made


@case('a filter means what it says, in lists and in counts', fresh=True)
def filters():
    with talking() as made:
        tcp, udp, six = (made[name].port for name in ('tcp', 'udp', 'six'))
        (template,) = objects('templates')
        equal((template['client']['port'], template['template']), (0, True), 'the template')
        server = template['destination']['address']
        (one,) = objects(f'client :{tcp}')
        (row,) = ipvs.rows(cport=tcp)
        equal(one['service'], {'address': VIP, 'port': 80}, 'the service')
        equal(one['destination']['address'], row.daddr, 'the destination')
        equal((one['protocol'], one['state']), ('tcp', 'ESTABLISHED'), 'protocol and state')
        for words, wanted in (
            # First what changes if the servers lose patience.
            ('state established connections', [tcp, six]),
            ('', [0, tcp, udp, six]),
            ('connections', [tcp, udp, six]),
            ('ipv4', [0, tcp, udp]),
            ('ipv6', [six]),
            ('proto tcp', [0, tcp, six]),
            ('proto 17', [udp]),
            ('client 10.0.1.0/24', [0, tcp, udp]),
            (f'client {CLIENT}:{udp}', [udp]),
            (f'client :{tcp}', [tcp]),
            ('client fd00:1::/64', [six]),
            (f'vip [{VIP6}]:80', [six]),
            (f'vip {VIP}:81', []),
            (f'server {server} proto tcp', [0, tcp]),
            (f'server [{SIX}]/64:80', [six]),
            ('state ASSURED templates', [0]),
            ('proto sctp', []),
        ):
            equal(ports(objects(words)), sorted(wanted), words)
        for words, wanted in ('', 4), ('proto tcp ipv4', 2), (f'vip {VIP}:81', 0):
            equal(tool(f'conns --count {words}'), f'{wanted}\n', f'count of {words}')


@case('the list is that of -L -c -n', fresh=True)
def table():
    with talking():
        cut = lambda text: sorted(' '.join(line.split()[:1] + line.split()[2:])
                                  for line in text.splitlines())
        equal(cut(tool('conns')), cut(tool('-L -c -n')), 'lines without times')
        wide = tool('conns --wide proto udp').splitlines()
        equal(len(wide), 3, 'lines')
        true(wide[1].endswith('method  idle   mark   engine flags'), wide[1])


@case('idle time, flags and mark', only='rust', fresh=True)
def more():
    with talking() as made:
        tcp, udp = made['tcp'].port, made['udp'].port
        for words, wanted in (
            ('idle "<60" connections ipv4', [tcp, udp]),
            ('idle ">1h"', []),
            ('idle 0-1h flags inactive', [0, udp]),
            ('without inactive connections ipv4', [tcp]),
            ('flags controlled', [tcp]),
            ('flags controls', [0]),
            ('mark 7', []),
        ):
            equal(ports(objects(words)), sorted(wanted), words)
        (one,) = objects('flags controls')
        equal(one['flags'], ['template', 'inactive', 'controls'], 'flags of the template')
        (one,) = objects('proto udp')
        equal((one['forward'], one['fwmark']), ('masquerade', None), 'method and mark')
        line = tool('conns -w proto udp').splitlines()[2].split()
        equal((line[6], line[8:]), ('Masq', ['-', '-', 'inactive']), 'columns')


@case('a deletion says how many, and needs --yes without a terminal', only='rust', fresh=True)
def delete():
    with talking() as made:
        words = tool('conns delete client 10.0.1.0/24', 2)
        true('3 connections would be deleted' in words and '--yes' in words, words)
        equal(len(objects()), 4, 'connections after it')
        equal(tool('conns delete -c client 10.0.1.0/24'), '3\n', 'how many it would be')
        equal(tool('conns delete proto sctp'), 'no such connections\n', 'none')
        true('--all' in tool('conns delete --yes', 2), 'an empty filter')
        equal(tool('conns delete --yes proto udp'), '1 connection deleted\n', 'one')
        equal(ports(objects('connections')), sorted(made[n].port for n in ('tcp', 'six')), 'left')
        # The template takes its connection with it.
        equal(tool('conns delete -y templates'), '2 connections deleted\n', 'a template')
        equal(tool('conns delete --all --yes'), '1 connection deleted\n', 'all')
        equal(objects(), [], 'nothing is left')


def at_terminal(words, answer=b''):
    """What `ripvsadm WORDS` says at a terminal where somebody answers; its exit code."""
    master, slave = os.openpty()
    with g.director:
        program = subprocess.Popen(
            ['ripvsadm', *shlex.split(words)], stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
        )
    os.close(slave)
    os.write(master, answer)
    said = b''
    with contextlib.suppress(OSError):
        while part := os.read(master, 65536):
            said += part
    os.close(master)
    said = said.decode().replace('\r', '')
    note(said)
    return said, program.wait(10)


@case('at a terminal a deletion asks', only='rust', fresh=True)
def asks():
    with talking():
        for answer in b'n\n', b'\n', b'\4':
            said, status = at_terminal('conns delete proto udp', answer)
            true('delete 1 connection, with what they control? [y/N]' in said, said)
            true('nothing was deleted' in said, said)
            equal((status, len(objects())), (1, 4), f'{answer}: exit code, connections')
        said, status = at_terminal('conns delete proto udp', b'y\n')
        true(said.endswith('1 connection deleted\n'), said)
        equal((status, len(objects())), (0, 3), 'exit code, connections')


@case('top conns has clients, servers, services and states by their connections', fresh=True)
def top():
    with talking() as made:
        (template,) = objects('templates')
        server = f'{template["destination"]["address"]}:80'

        def rows(words):
            """Names and numbers: connections, established ones, templates."""
            lines = tool(f'top conns --once {words}').splitlines()[2:]
            found = {}
            for line in lines:
                *name, conns, _, estab, _, templ = line.split()
                found[' '.join(name)] = (int(conns), int(estab), int(templ))
            return found

        equal(rows(''), {'all': (3, 2, 1), CLIENT: (2, 1, 1), CLIENT6: (1, 1, 0)}, 'clients')
        equal(rows('--by server proto tcp ipv4')[server], (1, 1, 1), 'a server')
        found = rows('--by service')
        equal(found[f'TCP {VIP}:80'], (1, 1, 1), 'a service')
        equal(found[f'TCP [{VIP6}]:80'], (1, 1, 0), 'another one')
        equal(rows('--by state')['TCP ESTABLISHED'], (2, 2, 0), 'a state')
        equal(rows('vip 10.0.9.77'), {'all': (0, 0, 0)}, 'a filter that means nothing')
        true(made, 'they are there')


@case('what is wrong is said in one line', fresh=True)
def mistakes():
    for words, text in (
        ('conns client', 'ADDRESS'),
        ('conns client 10.0.0.0/33', '0 to 32'),
        ('conns state OPEN', 'ESTABLISHED'),
        ('conns older 60', 'does not keep when'),
        ('conns --json --count', 'one of'),
        ('top conns --by colour', 'client, server'),
    ):
        said = tool(words, 2)
        equal(len(said.splitlines()), 1, f'lines of {words}')
        true(text in said, said)


@case('C IPVS: what /proc does not have is refused in one line', only='c', fresh=True)
def of_c():
    with talking():
        for words in (
            'conns delete --yes proto udp',
            'conns idle ">5"',
            'conns flags synced',
            'conns -c mark 7',
            'top conns --once without tracked',
        ):
            said = tool(words, 2)
            equal(len(said.splitlines()), 1, f'lines of {words}')
            true(ONLY_RUST in said, said)
        equal(len(objects()), 4, 'connections')


@case('7,200 connections are listed, counted and deleted', only='rust', fresh=True)
def many():
    ipvs.service(f'-u {VIP}:80', '-g', [f'{A}:80'])
    made = receive(7200)
    equal(tool('conns --count client 10.90.0.0/16'), f'{made}\n', 'counted')
    found = objects('client 10.90.0.0/16')
    ends = {(one['client']['address'], one['client']['port']) for one in found}
    equal((len(found), len(ends)), (made, made), 'listed, and different ones')
    equal(len(tool('conns client 10.90.0.7').splitlines()), 2 + 36, 'of one client')
    said = tool('conns delete --yes client 10.90.0.0/16')
    equal(said, f'{made} connections deleted\n', 'deleted')
    equal(tool('conns -c'), '0\n', 'left')


run(g)
