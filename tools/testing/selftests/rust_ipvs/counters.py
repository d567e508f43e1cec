#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What is counted, where, and what zeroing does. C IPVS shows counters up to two seconds late (E-6)."""

import contextlib
import os
import re
import threading
import time

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, VIP, VIP6
from harness.ipvs import Stats
from harness.packet import Wire, ip, udp
from harness.tap import case, equal, note, run, true, until

A, B = '10.0.2.11:80', '10.0.2.12:80'


def settled(what, want, words):
    """Waits until the counters of WHAT are those wanted; None stands for the namespace."""
    read = ipvs.total if what is None else lambda: ipvs.stats(what)
    until(lambda: read() == want, f'{words} ({read()}, want {want})', 5)


@case('E-1 E-2 E-4 A-16 each packet is counted once, at server, service and namespace', fresh=True)
def exact():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    # The server's answer to n bytes: a line about the client, and those bytes.
    with Connection(g.client, VIP, 80, 'udp') as connection:
        answers = [connection.exchange(b'x' * 100) for _ in range(4)]
        head = len(answers[0]) - 100
    inbytes, outbytes = 5 * 28 + 400, 5 * (28 + head) + 400
    for what, words in (
        (A, 'of the server'),
        (f'{VIP}:80', 'of the service'),
        (None, 'of the namespace'),
    ):
        settled(what, Stats(1, 5, 5, inbytes, outbytes), f'counters {words}')
    # A second connection, over IPv6.
    ipvs.service(f'-u [{VIP6}]:80', '-m', ['[fd00:2::b]:80'])
    ask(g.client, VIP6, kind='udp')
    until(
        lambda: ipvs.total().conns == 2 and ipvs.total().inpkts == 6,
        'both families are in the total',
        5,
    )
    equal(ipvs.stats(f'{VIP}:80').conns, 1, 'connections of the first service')


@case('E-5 Q-48 X-13 with DR and TUN no answer is counted', fresh=True)
def one_way():
    for method, server in (('-g', A), ('-i', B)):
        ipvs.service(f'-u {VIP}:80', method, [server])
        ask(g.client, VIP, kind='udp')
        settled(server, Stats(1, 1, 0, 28, 0), f'counters with {method}')
        ipvs.admin('-C')


@case('E-2 a packet is counted even where it cannot be sent on', fresh=True)
def counted_before_sent():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    front = Wire(g.client, 'eth0', g.director, 'front')
    front.send(ip('10.0.1.1', VIP, 17, udp('10.0.1.1', VIP, 6500, 80), ttl=1))
    settled(A, Stats(1, 1, 0, 28, 0), 'counters with TTL 1')
    front.close()


@case('E-3 nothing is counted for a server that is gone', fresh=True)
def not_counted_when_gone():
    ipvs.service(f'-u {VIP}:80', '-m', [A, B])
    with Connection(g.client, VIP, 80, 'udp') as connection:
        connection.sock.settimeout(0.3)
        equal(connection.answer.name, 's2', 'its server')
        until(lambda: ipvs.total()[:3] == (1, 1, 1), 'its first packets are counted', 5)
        before = ipvs.total()
        ipvs.admin(f'-d -u {VIP}:80 -r {B}')
        for _ in range(3):
            try:
                connection.exchange(b'gone?')
            except TimeoutError:
                pass
    time.sleep(2.2 if g.impl == 'c' else 0.2)
    equal(ipvs.total(), before, 'counters of the namespace')


@case('M-27 E-1 the service keeps what a deleted server counted', fresh=True)
def retired():
    ipvs.service(f'-u {VIP}:80', '-m', [A, B])
    for _ in range(4):
        ask(g.client, VIP, kind='udp')
    until(lambda: ipvs.stats(f'{VIP}:80').conns == 4, '4 connections are counted', 5)
    before, total = ipvs.stats(f'{VIP}:80'), ipvs.total()
    ipvs.admin(f'-d -u {VIP}:80 -r {A}')
    equal(ipvs.stats(f'{VIP}:80'), before, 'counters of the service without the server')
    equal(ipvs.total(), total, 'counters of the namespace')
    ipvs.admin(f'-a -u {VIP}:80 -r {A} -m')
    equal(ipvs.stats(f'{VIP}:80'), before, 'counters of the service with the server again')
    equal(ipvs.stats(A).conns, 2, 'connections of the server that is back (V-13)')
    ipvs.admin('-C')
    equal(ipvs.total(), total, 'counters of the namespace without the service')


@case('E-10 A-17 zeroing one service leaves others and the total', fresh=True)
def zero_service():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    ipvs.service(f'-u {VIP}:8080', '-m', ['10.0.2.11:8080'])
    with Connection(g.client, VIP, kind='udp'), Connection(g.client, VIP, 8080, 'udp'):
        until(lambda: ipvs.total().conns == 2, 'two connections are counted', 5)
        until(
            lambda: ipvs.stats(f'{VIP}:80').conns == 1 and ipvs.stats(f'{VIP}:8080').conns == 1,
            'each at its service',
            5,
        )
        ipvs.admin(f'-Z -u {VIP}:80')
        zero = Stats(0, 0, 0, 0, 0)
        equal(ipvs.stats(f'{VIP}:80'), zero, 'counters of the zeroed service')
        equal(ipvs.stats(A), zero, 'counters of its server')
        equal(ipvs.stats(f'{VIP}:8080').conns, 1, 'connections of the other service')
        equal(ipvs.total().conns, 2, 'connections of the namespace')
        equal([d.inactive for d in ipvs.dests()], [1, 1], 'inactive connections are not counters')
        ipvs.refused(f'-Z -u {VIP}:81')


@case('E-10 zeroing everything zeroes the total as well, and counting goes on', fresh=True)
def zero_all():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    with Connection(g.client, VIP, kind='udp') as connection:
        until(
            lambda: ipvs.total().conns == 1 and ipvs.stats(A).conns == 1,
            'a connection is counted',
            5,
        )
        ipvs.admin('-Z')
        zero = Stats(0, 0, 0, 0, 0)
        equal(ipvs.total(), zero, 'counters of the namespace')
        equal(ipvs.stats(f'{VIP}:80'), zero, 'counters of the service')
        equal(ipvs.stats(A), zero, 'counters of the server')
        connection.exchange(b'')
        until(lambda: ipvs.stats(A)[:3] == (0, 1, 1), 'the next packet is counted from zero', 5)
        until(lambda: ipvs.total()[:3] == (0, 1, 1), 'in the namespace as well', 5)


@case('E-7 rates rise with traffic and fall without', fresh=True)
def rates():
    ipvs.service(f'-u {VIP}:80', '-m', [A])

    def packets_per_second():
        for line in ipvs.admin('-Ln --rate', quiet=True).splitlines():
            if A in line:
                return int(line.split()[3])
        return None

    equal(packets_per_second(), 0, 'packets a second at first')
    front = Wire(g.client, 'eth0', g.director, 'front')
    packet = ip('10.0.1.1', VIP, 17, udp('10.0.1.1', VIP, 6501, 80))

    def while_sending():
        for _ in range(20):
            front.send(packet)
        return packets_per_second() > 3

    until(while_sending, 'a rate of more than 3 packets a second', 10)
    high = packets_per_second()
    until(lambda: packets_per_second() < high / 2, f'less than half of {high} without traffic', 20)
    front.close()


@case('K-7 E-6 /proc/net/ip_vs_stats has its lines and columns', fresh=True)
def stats_file():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    ask(g.client, VIP, kind='udp')
    until(lambda: ipvs.total().conns == 1, 'a connection is counted', 5)
    lines = g.director.read('/proc/net/ip_vs_stats').split('\n')
    equal(lines[0], '   Total Incoming Outgoing         Incoming         Outgoing', 'line 1')
    equal(lines[1], '   Conns  Packets  Packets            Bytes            Bytes', 'line 2')
    true(
        re.fullmatch(r'       1        1        1               1C [ 0-9A-F]{16}', lines[2]),
        f'line 3: {lines[2]!r}',
    )
    equal(lines[3], '', 'line 4')
    equal(lines[4], ' Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s', 'line 5')
    true(
        re.fullmatch(
            r'[ 0-9A-F]{8} [ 0-9A-F]{8} [ 0-9A-F]{8} [ 0-9A-F]{16} [ 0-9A-F]{16}', lines[5]
        ),
        f'line 6: {lines[5]!r}',
    )
    equal(lines[6:], [''], 'lines after that')


@case('E-8 with run_estimation 0, or an empty est_cpulist, statistics stand still', fresh=True)
def stopped():
    ipvs.service(f'-u {VIP}:80', '-m', [A])
    cpus = ipvs.setting('est_cpulist')
    true(cpus, 'est_cpulist has CPUs at first')
    expected = 0
    for name, stop, go in (('run_estimation', 0, 1), ('est_cpulist', '\n', cpus + '\n')):
        ask(g.client, VIP, kind='udp')
        expected += 1
        until(lambda e=expected: ipvs.stats(f'{VIP}:80').conns == e, 'a connection is counted', 8)
        time.sleep(2.5 if g.impl == 'c' else 0.5)
        of_server = ipvs.stats(A)
        ipvs.setting(name, stop)
        equal(ipvs.setting(name), str(stop).strip(), name)
        for _ in range(3):
            ask(g.client, VIP, kind='udp')
        time.sleep(4.5 if g.impl == 'c' else 0.5)
        equal(
            ipvs.stats(f'{VIP}:80').conns,
            expected,
            'connections of the service while statistics stand still',
        )
        equal(ipvs.stats(A), of_server, 'counters of the server while statistics stand still')
        equal(ipvs.total().conns, expected, 'connections of the namespace')
        ipvs.admin(f'-a -u {VIP}:80 -r {B} -m')
        for _ in range(2):
            ask(g.client, VIP, kind='udp')
        time.sleep(2.5 if g.impl == 'c' else 0.5)
        equal(ipvs.stats(B).conns, 0, 'connections of a new server')
        ipvs.admin(f'-d -u {VIP}:80 -r {B}')
        ipvs.setting(name, go)
        expected += 5
        until(
            lambda e=expected: ipvs.stats(f'{VIP}:80').conns == e,
            f'it goes on ({ipvs.stats(f"{VIP}:80")})',
            10,
        )


def estimators():
    """The names of threads of estimation."""
    names = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError), open(f'/proc/{pid}/comm', encoding='utf-8') as file:
            name = file.read().strip()
            if name.startswith('ipvs-e'):
                names.append(name)
    return names


@case('U-19 E-8 E-9 estimation goes off and on, and its CPUs change, beside readers', fresh=True)
def estimation_switched():
    ipvs.service(f'-u {VIP}:80', '-m', [A, B])
    at, stopping = f'{VIP}:80', threading.Event()

    def read():
        while not stopping.is_set():
            ipvs.total()
            ipvs.stats(at)
            g.director.read('/proc/net/ip_vs_stats_percpu')

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        cpus = ipvs.setting('est_cpulist')
        with contextlib.closing(Wire(g.client, 'eth0', g.director, 'front')) as wire:
            for n in range(40):
                ipvs.setting('run_estimation', n % 2)
                ipvs.setting('est_cpulist', '\n' if n % 3 else cpus + '\n')
                wire.send(ip('10.0.1.1', VIP, 17, udp('10.0.1.1', VIP, 33000 + n, 80, b'x')))
    finally:
        stopping.set()
        thread.join()
    ipvs.setting('run_estimation', 1)
    ipvs.setting('est_cpulist', cpus + '\n')
    until(lambda: ipvs.total().conns == 40, f'40 connections are counted ({ipvs.total()})', 12)
    until(lambda: ipvs.stats(at).conns == 40, 'at the service too', 12)
    # Threads of estimation, which C has, end with it.
    ipvs.setting('run_estimation', 0)
    until(lambda: estimators() == [], 'no thread of estimation is left', 5)
    ipvs.setting('run_estimation', 1)


@case(
    'E-9 12.2 est_cpulist takes lists of CPUs, and of those the ones that the writer may use',
    fresh=True,
)
def cpulist():
    first = ipvs.setting('est_cpulist')
    with open('/sys/devices/system/cpu/kernel_max', encoding='ascii') as file:
        # A kernel for one processor does not even read the number of a second one.
        second = '0' if file.read() == '0\n' else '0-1'
    note(f'of {second}')
    for text, want in (
        ('0', '0'),
        (second, first if first in ('0', '0-1') else '0-1'),
        (' 0 \n', '0'),
        ('', ''),
    ):
        ipvs.setting('est_cpulist', text + '\n')
        equal(ipvs.setting('est_cpulist'), want, f'est_cpulist after {text!r}')
    for text in ('x', '1-0', '0-'):
        try:
            ipvs.setting('est_cpulist', text + '\n')
            true(False, f'it takes {text!r}')
        except OSError as error:
            note(f'{text!r}: {error.strerror}')
        equal(ipvs.setting('est_cpulist'), '', 'est_cpulist')
    ipvs.setting('est_cpulist', first + '\n')
    for value in (-20, 19, 0):
        ipvs.setting('est_nice', value)
        equal(ipvs.setting('est_nice'), str(value), 'est_nice')


@case(
    'E-2 E-6 a service of very many servers is listed, and what they counted is the service\'s',
    fresh=True,
)
def many_servers():
    many = 20000 if os.environ.get('LONG') else 1000
    lines = f'-A -u {VIP}:80 -s rr\n' + ''.join(
        f'-a -u {VIP}:80 -r 10.0.2.{100 + n % 100}:{1000 + n // 100} -m\n' for n in range(many)
    )
    g.director.run('ipvsadm -R', stdin=lines)
    front = Wire(g.client, 'eth0', g.director, 'front')
    for n in range(300):
        front.send(ip('10.0.1.1', VIP, 17, udp('10.0.1.1', VIP, 10000 + n, 80)))
    front.close()
    until(lambda: ipvs.total().conns == 300, 'connections counted', 8)
    equal(len(ipvs.dests()), many, 'servers listed')
    listed = ipvs.admin('-Ln --stats --exact', quiet=True)
    equal(
        sum(
            int(line.split()[2])
            for line in listed.splitlines()
            if '->' in line and '10.0.2.' in line
        ),
        300,
        'connections counted at the servers',
    )
    equal(ipvs.stats(f'{VIP}:80').conns, 300, 'connections counted at the service')


if __name__ == '__main__':
    run(g)
