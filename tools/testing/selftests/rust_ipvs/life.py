#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The module comes and goes, namespaces come and go, while packets flow; and nothing stays behind.

LONG=1 does each 200 times instead of 5.
"""

import os
import re
import signal
import struct
import subprocess
import threading
import time
import warnings

from harness import ipvs, storm
from harness.clients import ask
from harness.fixture import FIXTURE as g, VIP, lib
from harness.module import KO
from harness.packet import SYN, Wire, ip, tcp, udp
from harness.spaces import private_namespace
from harness.tap import case, equal, note, run, true, until

# The children that fork() makes here only send and read.
warnings.filterwarnings('ignore', category=DeprecationWarning)

ROUNDS = 200 if os.environ.get('LONG') else 5
RULES = ''.join(
    f'-A -{kind} {vip}:80 -s rr\n'
    + ''.join(f'-a -{kind} {vip}:80 -r {server}:80 {method}\n' for server in servers)
    for kind in 'tu'
    for vip, method, servers in (
        ('10.0.9.1', '-m', ('10.0.2.11', '10.0.2.12', '10.0.2.13')),
        ('10.0.9.2', '-g', ('10.0.2.11', '10.0.2.12')),
        ('10.0.9.3', '-i', ('10.0.2.11', '10.0.2.12')),
        ('[fd00:9::1]', '-m', ('[fd00:2::b]', '[fd00:2::c]')),
        ('[fd00:9::2]', '-g', ('[fd00:2::b]',)),
        ('[fd00:9::3]', '-i', ('[fd00:2::c]',)),
    )
)


class Flood:
    """New and old connections of all kinds, from a process of its own, while the block lasts."""

    def __enter__(self):
        self.child = os.fork()
        if not self.child:
            try:
                self._send()
            finally:
                os._exit(1)
        return self

    def __exit__(self, *_):
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)

    @staticmethod
    def _send():
        wire = Wire(g.client, 'eth0', g.director, 'front')
        back = Wire(g.s1, 'back', g.director, 'back')
        packets = []
        for n in range(64):
            for vip in ('10.0.9.1', '10.0.9.2', '10.0.9.3'):
                packets.append(
                    (wire, ip('10.0.1.1', vip, 17, udp('10.0.1.1', vip, 20000 + n, 80, b'flood')))
                )
                packets.append(
                    (wire, ip('10.0.1.9', vip, 6, tcp('10.0.1.9', vip, 20000 + n, 80, SYN)))
                )
            for vip in ('fd00:9::1', 'fd00:9::2', 'fd00:9::3'):
                packets.append(
                    (wire, ip('fd00:1::1', vip, 17, udp('fd00:1::1', vip, 20000 + n, 80, b'flood')))
                )
            packets.append(
                (
                    back,
                    ip(
                        '10.0.2.11',
                        '10.0.1.1',
                        17,
                        udp('10.0.2.11', '10.0.1.1', 80, 20000 + n, b'answer'),
                    ),
                )
            )
        while True:
            # In gusts, so that the emulated processors come to something else as well.
            for n, (where, packet) in enumerate(packets):
                where.send(packet)
                if n % 40 == 0:
                    time.sleep(0.005)


class Strangers(Flood):
    """Packets to ever new addresses, each to be learned, from a process of its own."""

    # An address of each 10.128.0.0 + N * 2^14 in turn: as many as one service remembers.
    SERVICES, EACH = 64, 1 << 14

    def __enter__(self):
        run = g.director.run
        run('ip link add life type dummy', quiet=True)
        run('ip link set life up', quiet=True)
        run('ip route add 10.60.0.0/24 dev life', quiet=True)
        run('ip route add local 10.128.0.0/12 dev lo', quiet=True)
        marks = ', '.join(
            f'10.{128 + n // 4}.{n % 4 * 64}.0/18 : {1 + n}' for n in range(self.SERVICES)
        )
        run(
            [
                'nft',
                'table ip marks { chain pre { type filter hook prerouting priority -150;'
                f' meta mark set ip daddr map {{ {marks} }}; }}; }}',
            ],
            quiet=True,
        )
        return super().__enter__()

    def __exit__(self, *exception):
        super().__exit__(*exception)
        for command in (
            'nft flush ruleset',
            'ip route del local 10.128.0.0/12 dev lo',
            'ip link del life',
        ):
            g.director.run(command, quiet=True)

    @classmethod
    def rules(cls):
        """A service for each mark: single packets, by lblc and lblcr in turn."""
        return ''.join(
            f'-A -f {1 + n} -s {("lblc", "lblcr")[n % 2]} -o\n'
            + ''.join(f'-a -f {1 + n} -r 10.60.0.{11 + k} -g\n' for k in range(2))
            for n in range(cls.SERVICES)
        )

    @classmethod
    def _send(cls):
        wire = Wire(g.client, 'eth0', g.director, 'front')
        packet = bytearray(
            ip('10.0.1.1', '10.128.0.0', 17, udp('10.0.1.1', '10.128.0.0', 4000, 80, b'new'))
        )
        # Without a checksum of UDP, and with that of the header as the address makes it.
        packet[26:28] = bytes(2)
        total = int.from_bytes(packet[10:12], 'big') + 0x0A80
        frame = bytearray(wire.destination + wire.source + b'\x08\x00') + packet
        send = wire.sock.send
        for host in range(cls.EACH):
            for n in range(cls.SERVICES):
                high, low = 0x0A80 + n // 4, n % 4 << 14 | host
                value = total + (0xFFFF - high) + (0xFFFF - low)
                value = (value & 0xFFFF) + (value >> 16)
                value = (value & 0xFFFF) + (value >> 16)
                struct.pack_into('!HIHH', frame, 24, value or 0xFFFF, 0x0A000101, high, low)
                try:
                    send(frame)
                except OSError:
                    pass
        signal.pause()


class Readers:
    """Reads all that the module shows, over and over, from a process of its own, while the block lasts."""

    __enter__, __exit__ = Flood.__enter__, Flood.__exit__

    @staticmethod
    def _send():
        files = [f'/proc/net/{name}' for name in ('ip_vs', 'ip_vs_conn', 'ip_vs_stats')]
        files += [f'/proc/sys/net/ipv4/vs/{name}' for name in ('conn_max', 'conn_reuse_mode')]
        while True:
            for file in files:
                try:
                    g.director.read(file)
                except OSError:
                    pass
                time.sleep(0.01)


def module_lines():
    """What the kernel's log has of ours since the case began."""
    return [line for line in g.log() if 'rust_ipvs' in line and 'taint' not in line]


def traces():
    """What is still to be seen of the module."""
    found = []
    if g.loaded():
        found.append(f'/sys/module/{g.module}')
    with open('/proc/slabinfo', encoding='utf-8') as slabs:
        found += [line.split()[0] for line in slabs if re.match(r'(rust_)?ip_?vs_conn', line)]
    for space in (g.director, g.client):
        with space:
            found += [
                f'{space.short}: /proc/net/{name}'
                for name in os.listdir('/proc/thread-self/net')
                if 'ip_vs' in name
            ]
            if os.path.exists('/proc/sys/net/ipv4/vs'):
                found.append(f'{space.short}: net.ipv4.vs')
        found += re.findall(rf'.*\[{g.module}\]', space.run('nft list hooks', quiet=True))
    return found


@case('L-1 loading beside the C ip_vs fails with one clear line, and changes nothing', only='rust')
def beside_c():
    g.unload()
    subprocess.run(['modprobe', 'ip_vs'], check=True)
    g.mark_log()
    loading = subprocess.run(
        ['insmod', KO], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    lines = [line for line in g.log() if 'rust_ipvs' in line]
    try:
        true(loading.returncode != 0, 'insmod must fail')
        equal(len(lines), 1, 'lines in the kernel log: ' + ' / '.join(lines))
        note(lines[0])
        true('ip_vs' in lines[0].replace('rust_ipvs', ''), 'the line names what is in the way')
        true(not os.path.isdir('/sys/module/rust_ipvs'), 'the module is not there')
        ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
        equal(ask(g.client, VIP).name, 's1', 'who answers through the C ip_vs')
        ipvs.admin('-C')
    finally:
        for module in ('ip_vs_rr', 'ip_vs'):
            subprocess.run(['rmmod', module], check=False)
    g.load()


@case('L-1 the C ip_vs does not load beside ours, and ours works on', only='rust')
def c_beside():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    loading = subprocess.run(
        ['modprobe', 'ip_vs'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    true(loading.returncode != 0, 'modprobe ip_vs must fail')
    true(not os.path.isdir('/sys/module/ip_vs'), 'ip_vs is not there')
    equal(ask(g.client, VIP).name, 's1', 'who answers')
    true(
        any('ip_vs cannot be loaded beside this module' in line for line in g.log()),
        'the log says why',
    )


@case('L-1 a module that is there cannot be loaded again')
def twice():
    if g.impl == 'rust':
        true(
            subprocess.run(['insmod', KO], stderr=subprocess.DEVNULL, check=False).returncode != 0,
            'insmod must fail',
        )
    true(g.loaded(), 'the module is still there')
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.12:80'])
    equal(ask(g.client, VIP).name, 's2', 'who answers')


@case('L-5 unloading takes everything away: services, connections, files, settings, hooks')
def nothing_left():
    g.director.run('ipvsadm -R', stdin=RULES)
    equal(ask(g.client, VIP).name, 's3', 'who answers')
    true(ipvs.rows(), 'there is a connection')
    g.unload()
    equal(until(lambda: not traces() or None, 'nothing is left', 5), True, 'nothing is left')


@case(f'L-5 {ROUNDS} loads and unloads under traffic')
def load_and_unload():
    with Flood(), Readers():
        for n in range(ROUNDS):
            if not g.loaded():
                g.load()
            g.director.run('ipvsadm -R', quiet=True, stdin=RULES)
            until(lambda: len(ipvs.rows()) > 20, f'connections in round {n}', 20)
            # With services and connections in place; C IPVS has to be emptied first (L-5).
            if g.impl == 'rust':
                lib('impl_unload')
            else:
                g.unload()
        g.load()
        g.director.run('ipvsadm -R', quiet=True, stdin=RULES)
    equal(ask(g.client, VIP).name in ('s1', 's2', 's3'), True, 'somebody answers after that')
    g.unload()
    equal(traces(), [], 'what is left')
    if g.impl == 'rust':
        equal(module_lines(), [], 'lines of the module in the kernel log')


@case('L-5 D-17 unloading returns while lblc and lblcr learn new addresses', only='rust')
def unload_while_learning():
    for n in range(max(2, ROUNDS // 10)):
        if not g.loaded():
            g.load()
        g.director.run('ipvsadm -R', quiet=True, stdin=Strangers.rules())
        ends = []
        thread = threading.Thread(target=lambda: ends.append(storm.unload('rust_ipvs')))
        with Strangers():
            until(lambda: ipvs.total().conns > 500, f'addresses are learned in round {n}', 20)
            thread.start()
            # Far more than it takes, and less than there are addresses for.
            thread.join(60)
            returned = not thread.is_alive()
        thread.join()
        true(returned, f'round {n}: it returns before the packets end')
        equal(traces(), [], 'what is left')


@case(f'V-6 L-3 H-3 {ROUNDS} namespaces are made and end with services and live connections')
def namespaces():
    problems = []
    with Flood(), Readers():
        ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
        for n in range(0, ROUNDS, 2):
            threads = [
                threading.Thread(target=private_namespace, args=(n + k, problems)) for k in range(2)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    equal(problems, [], 'problems')
    equal(ask(g.client, VIP).name, 's1', 'who answers here after that')
    # Their connections are gone with them: unloading would complain of each one that is left.
    g.unload()
    equal(traces(), [], 'what is left')


@case('L-3 L-5 unloading while namespaces end')
def unload_while_namespaces_end():
    for n in range(max(3, ROUNDS // 4)):
        problems = []
        if not g.loaded():
            g.load()
        threads = [threading.Thread(target=private_namespace, args=(k, problems)) for k in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(problems, [], f'problems in round {n}')
        if g.impl == 'rust':
            lib('impl_unload')
        else:
            # There each service holds the module, until its namespace has ended.
            until(
                lambda: not subprocess.run(
                    ['rmmod', 'ip_vs_rr'], stderr=subprocess.DEVNULL, check=False
                ).returncode,
                'ip_vs_rr can be removed',
                20,
            )
            g.unload()


@case('H-3 L-3 the director itself ends, with services, connections and packets')
def director_ends():
    g.director.run('ipvsadm -R', stdin=RULES)
    with Flood():
        until(lambda: len(ipvs.rows()) > 20, 'connections', 20)
        subprocess.run(['ip', 'netns', 'del', 'rv-director'], check=True)
        g.director.close()
        time.sleep(0.5)
    lib('impl_unload')
    lib('topology_down')


if __name__ == '__main__':
    run(g)
