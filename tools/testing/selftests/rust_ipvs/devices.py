#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Devices that go while destinations have cached routes over them (U-5, U-6)."""

import os
import subprocess
import threading

from harness import abi, ipvs, netlink, sync
from harness.fixture import FIXTURE as g, VIP, VIP6, VIPS
from harness.packet import Sniffer, Wire, ip, udp
from harness.tap import Skip, case, equal, patience, run, true, until

METHODS = {'NAT': '-m', 'DR': '-g', 'TUN': '-i'}
AT = {4: f'{VIP}:80', 6: f'[{VIP6}]:80'}
CLIENT = {4: '10.0.1.1', 6: 'fd00:1::1'}
# Families and methods; IPv6 by DR has routes that refer to that of the device.
KINDS = [(version, method) for version in (4, 6) for method in METHODS]
FEW = KINDS if os.environ.get('LONG') else [(4, 'NAT'), (6, 'DR'), (6, 'TUN')]
# Behind a device that goes, and which s1 has at another one as well.
SERVER = {4: '10.98.0.11', 6: 'fd00:98::b'}
NAMED = {4: SERVER[4], 6: f'[{SERVER[6]}]'}
NEAR = {4: '10.98.0.254', 6: 'fd00:98::fe'}
OTHER_WAY = {4: '10.0.2.11', 6: 'fd00:2::b'}
# Seconds. The kernel waits for references to a device, and warns of them after ten seconds.
AWAY = 8


class Cable:
    """A veth pair from the director to s1, over which alone SERVER is reached."""

    def __enter__(self):
        self.away()
        g.director.run('ip link add gone type veth peer name gone0 netns rv-s1')
        for space, device, addresses in ((g.director, 'gone', NEAR), (g.s1, 'gone0', SERVER)):
            space.run(f'ip addr add {addresses[4]}/24 dev {device}', quiet=True)
            space.run(f'ip addr add {addresses[6]}/64 dev {device} nodad', quiet=True)
            space.run(f'ip link set {device} up', quiet=True)
        for version, prefix in ((4, 32), (6, 128)):
            g.s1.run(f'ip addr replace {SERVER[version]}/{prefix} dev lo', quiet=True)
        return self

    def __exit__(self, *_):
        self.away()

    @staticmethod
    def away():
        """Removes what is there of it."""
        for space in g.director, g.lan:
            space.run('ip link del gone', check=False, quiet=True)
        for version, prefix in ((4, 32), (6, 128)):
            g.s1.run(f'ip addr del {SERVER[version]}/{prefix} dev lo', check=False, quiet=True)
            route = f'{SERVER[version]} via {OTHER_WAY[version]}'
            g.director.run(f'ip route del {route}', check=False, quiet=True)

    def goes(self, command):
        """Runs the command that takes the device away, which must not wait for a reference."""
        with g.director:
            going = subprocess.Popen(command.split())
        try:
            going.wait(patience(AWAY))
        except subprocess.TimeoutExpired:
            # Drops the reference with all else, or the test would not end.
            g.reload()
            going.wait()
            true(False, f'{command}: the device is still referred to')
        equal(going.returncode, 0, f'exit code of {command}')


class Sender:
    """Datagrams from the client to the VIP."""

    port = 20000

    def __init__(self, version):
        self.version = version
        self.front = Wire(g.client, 'eth0', g.director, 'front')

    def send(self, port, data=b'x'):
        """Sends one."""
        source, vip = CLIENT[self.version], VIPS[self.version]
        self.front.send(ip(source, vip, 17, udp(source, vip, port, 80, data)))

    def arrives(self, device, words):
        """Fails unless a datagram of a new connection comes to s1 by a device."""
        Sender.port += 1
        mark = f'mark{Sender.port}'.encode()
        with Sniffer(g.s1, device) as sniffer:

            def came():
                self.send(Sender.port, mark)
                return sniffer.wait(lambda packet: packet.data.find(mark) > 0, 0.5)

            until(came, f'IPv{self.version}, {words}: a datagram comes by {device}')

    def close(self):
        """Closes it."""
        self.front.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def other_way(version):
    """Adds another route to the server."""
    route = f'{SERVER[version]} via {OTHER_WAY[version]} dev back'
    g.director.run(f'ip route replace {route}', quiet=True)


def device_goes(command, words, kinds):
    """Caches routes over a device, which goes at once; packets find the new way."""
    for version, method in kinds:
        with Cable() as cable, Sender(version) as sender:
            ipvs.service(f'-u {AT[version]}', METHODS[method], [f'{NAMED[version]}:80'])
            sender.arrives('gone0', f'{method}, at first')
            cable.goes(command)
            other_way(version)
            sender.arrives('back', f'{method}, {words}')
        ipvs.admin('-C')


@case('X-1 L-8 U-6 a device is deleted while idle destinations have routes over it', fresh=True)
def deleted_idle():
    device_goes('ip link del gone', 'after the device was deleted', KINDS)


@case(
    'X-1 L-8 U-6 a device moves to another namespace while destinations have routes over it',
    fresh=True,
)
def moved():
    device_goes('ip link set gone netns rv-lan', 'after the device was moved', FEW)


@case(
    'X-1 L-8 U-6 a device is deleted after its server was, while packets still go there', fresh=True
)
def deleted_busy():
    for version in 4, 6:
        with Cable() as cable, Sender(version) as sender:
            ipvs.service(f'-u {AT[version]}', '-m', [f'{NAMED[version]}:80'])
            sender.arrives('gone0', 'at first')
            stopping = threading.Event()

            def play(sender=sender, stopping=stopping):
                while not stopping.is_set():
                    sender.send(30000)

            thread = threading.Thread(target=play, daemon=True)
            thread.start()
            try:
                # Deleted, it stays in the trash with its connections, whose packets still come.
                ipvs.admin(f'-d -u {AT[version]} -r {NAMED[version]}:80')
                cable.goes('ip link del gone')
            finally:
                stopping.set()
                thread.join()
        ipvs.admin('-C')


def policy(version, action):
    """Adds, or flushes, what has packets to the server encrypted, in transport mode."""
    source, server = NEAR[version], SERVER[version]
    words = f'src {source} dst {server}'
    if action == 'add':
        keys = f'auth hmac(sha1) 0x{"11" * 20} enc cbc(aes) 0x{"22" * 16}'
        mode = f'{words} proto esp'
        g.director.run(f'ip xfrm state add {mode} spi 0x77 mode transport {keys}', quiet=True)
        mode = f'dst {server} dir out tmpl {mode} mode transport'
        g.director.run(f'ip xfrm policy add {mode}', quiet=True)
    else:
        g.director.run('ip xfrm policy flush', quiet=True)
        g.director.run('ip xfrm state flush', quiet=True)


@case('X-1 X-3 L-8 U-6 a device is deleted over which packets went by IPsec', fresh=True)
def deleted_with_policy():
    # Whatever is missing is built in, or the first policy is refused.
    subprocess.run(
        ['modprobe', '-a', 'xfrm_user', 'esp4', 'esp6', 'cbc', 'hmac', 'sha1', 'aes'],
        stderr=subprocess.DEVNULL,
        check=False,
    )
    for version, method in FEW:
        with Cable() as cable, Sender(version) as sender:
            try:
                policy(version, 'add')
            except Exception as error:
                raise Skip(f'the kernel has no IPsec: {error}') from error
            try:
                ipvs.service(f'-u {AT[version]}', METHODS[method], [f'{NAMED[version]}:80'])
                for n in range(5):
                    sender.send(31000 + n)
                words = f'{method} IPv{version}: five connections'
                until(lambda: sum(dest.inactive for dest in ipvs.dests()) == 5, words)
                cable.goes('ip link del gone')
            finally:
                policy(version, 'flush')
        ipvs.admin('-C')


@case(
    'U-6 L-8 B-24 a device is deleted over which synchronised connections go to an unknown server',
    fresh=True,
)
def deleted_unknown():
    # With a service of another port packets are taken (H-8).
    for stopped in False, True:
        with Cable() as cable, Sender(6) as sender, Sniffer(g.s1, 'gone0') as sniffer:
            ipvs.service(f'-u [{VIP6}]:81', '-g')
            ipvs.admin('--start-daemon backup --mcast-interface front')
            try:
                port = 36000 + stopped
                flags = sync.SYNC | sync.ROUTE | sync.NOOUTPUT
                ends = (CLIENT[6], port, VIP6, 80, SERVER[6], 80)
                told = sync.Entry(17, flags, 0, *ends, timeout=300)

                def heard(told=told, port=port):
                    sync.send(g.client, 'eth0', sync.message(told))
                    return ipvs.rows(cport=port)

                until(heard, 'the connection is synchronised')

                def came(sender=sender, sniffer=sniffer, port=port):
                    sender.send(port)
                    return sniffer.wait(lambda packet: packet.sport == port, 0.5)

                until(came, 'its datagram comes to the server')
                if stopped:
                    ipvs.admin('--stop-daemon backup')
                cable.goes('ip link del gone')
            finally:
                ipvs.admin('--stop-daemon backup', check=False, quiet=True)
        g.reload()


@case(
    'U-5 X-1 X-4 V-14 a destination is edited while packets pass: no client hears an error',
    fresh=True,
)
def edited_busy():
    edits = 1000000 if os.environ.get('LONG') else 20000
    g.director.write('/proc/sys/net/ipv4/icmp_ratelimit', 0)
    try:
        for version, method in ((4, 3), (6, 0)):
            edited_with(version, method, edits)
    finally:
        g.director.write('/proc/sys/net/ipv4/icmp_ratelimit', 1000)


def edited_with(version, method, edits):
    """Edits a destination EDITS times beside packets of 64 connections."""
    with Cable(), Sender(version) as sender, Sniffer(g.client, 'eth0') as sniffer:
        ipvs.service(f'-u {AT[version]}', '-g' if method else '-m', [f'{NAMED[version]}:80'])
        sender.arrives('gone0', 'at first')
        stopping = threading.Event()

        def play():
            while not stopping.is_set():
                for n in range(64):
                    sender.send(32000 + n)

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        family = dict(af=abi.V6) if version == 6 else {}
        edit = abi.service_id(protocol=17, addr=VIPS[version], **family)
        edit += abi.dest(addr=SERVER[version], port=80, fwd=method, weight=1)
        try:
            with g.director, netlink.Genl('IPVS') as genl:
                genl.repeat(abi.SET_DEST, edit, edits)
        finally:
            stopping.set()
            thread.join()
        kind = (1, 3) if version == 4 else (58, 1)
        errors = sniffer.all(lambda packet: (packet.proto, packet.type) == kind, 0.3)
        equal(errors, [], f'IPv{version}: what the client hears')
    ipvs.admin('-C')


if __name__ == '__main__':
    run(g)
