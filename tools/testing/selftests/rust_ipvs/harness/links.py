# SPDX-License-Identifier: GPL-2.0
"""Devices of each kind between a client and the director, with addresses of their own."""

import fcntl
import os
import struct
import subprocess

from .fixture import FIXTURE as g, VIP, VIP6
from .packet import Packet, Sniffer, Wire, hardware

CLIENT = {4: '10.0.5.1', 6: 'fd00:5::1'}
DIRECTOR = {4: '10.0.5.254/24', 6: 'fd00:5::fe/64'}
NETS = {4: '10.0.5.0/24', 6: 'fd00:5::/64'}
VIPS = {4: f'{VIP}/32', 6: f'{VIP6}/128'}
# The client's Ethernet address where nobody answers for it.
MAC = '02:00:00:00:00:05'
TUNSETIFF, IFF_TUN, IFF_TAP, IFF_NO_PI = 0x400454CA, 1, 2, 0x1000

# For each kind, lines that make the device "top" of "base", which is one end of a veth pair.
KINDS = {
    'bond': ['link add top type bond mode active-backup', 'link set base master top'],
    'bridge': ['link add top type bridge', 'link set base master top'],
    'ipvlan': ['link add link base name top type ipvlan mode l2'],
    'macvlan': ['link add link base name top type macvlan mode bridge'],
    'vlan': ['link add link base name top type vlan id 5'],
    'vrf': ['link add top type vrf table 55', 'link set base master top'],
}
# In the namespace of the bridges: a port that needs room for a tag, whatever comes to it. Then the
# kernel has packets of the other ports come with as much.
ROOM = [
    'link add room type dummy',
    'link add link room name room.5 type vlan id 5',
    'link set room.5 master back',
]
# Kinds by another name: the device "base" of these has the addresses.
BELOW = {'below macvlan': 'macvlan', 'below ipvlan': 'ipvlan', 'vrf': 'vrf'}
MODULES = 'bonding bridge ipvlan macvlan 8021q vrf tun'


class Tun(Sniffer):
    """A tun or tap device of the director, and the client behind it."""

    def __init__(self, kind):
        flags = (IFF_TUN if kind == 'tun' else IFF_TAP) | IFF_NO_PI
        with g.director:
            self.file = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.file, TUNSETIFF, struct.pack('16sH22x', b'top', flags))
        self.sock, self.seen, self.has_frames = self.file, [], kind == 'tap'

    def _take(self):
        while True:
            try:
                data = os.read(self.file, 70000)
            except BlockingIOError:
                return
            data = data[14:] if self.has_frames else data
            if len(data) > 20:
                self.seen.append(Packet(data))

    def send(self, packet):
        """Has the device receive one IP packet."""
        if self.has_frames:
            self.send_frame(packet)
        else:
            os.write(self.file, packet)

    def send_frame(self, packet, to=None, tag=b'', tail=b''):
        """The same as a frame, as Wire.send_frame()."""
        ethertype = b'\x86\xdd' if packet[0] >> 4 == 6 else b'\x08\0'
        source = bytes.fromhex(MAC.replace(':', ''))
        to = to or hardware(g.director, 'top')
        os.write(self.file, to + source + tag + ethertype + packet + tail)

    def remove(self):
        """Removes the device."""
        os.close(self.file)

    def close(self):
        """Leaves the device to Link."""


class Link:
    """While the block lasts, there is a device of a kind with CLIENT behind it."""

    def __init__(self, kind):
        self.kind, self.tun = kind, None
        self.lines = KINDS.get(BELOW.get(kind, kind), [])
        self.device = 'base' if kind == 'veth' or kind in BELOW else 'top'
        self.far = 'far.5' if kind == 'vlan' else 'far'

    def __enter__(self):
        # Whatever is missing is built in, or the device cannot be made.
        subprocess.run(['modprobe', '-a', *MODULES.split()], stderr=subprocess.DEVNULL, check=False)
        self._remove()
        if self.kind in ('tun', 'tap'):
            self.tun = Tun(self.kind)
        else:
            self._make()
        self._address()
        return self

    def __exit__(self, *_):
        self._remove()

    def _make(self):
        """Makes the devices, and the client's."""
        lines = ['link add base type veth peer name far netns rv-client', *self.lines]
        batch(g.director, [*lines, 'link set base up'])
        lines = []
        if self.kind == 'vlan':
            batch(g.lan, ROOM)
            lines = ['link add link far name far.5 type vlan id 5']
        lines += ['link set far up', f'link set {self.far} up']
        lines += [f'addr add {CLIENT[4]}/24 dev {self.far}']
        batch(g.client, [*lines, f'addr add {CLIENT[6]}/64 dev {self.far} nodad'])

    def _address(self):
        """Sets the director's device up, with addresses and routes."""
        lines = [] if self.kind == 'veth' else ['link set top up']
        for version, net in NETS.items():
            nodad = 'nodad' if version == 6 else ''
            lines += [f'addr add {DIRECTOR[version]} dev {self.device} {nodad}']
            if self.kind in ('vrf', 'ipvlan'):
                # Such a device gets only packets for its own addresses.
                lines += [f'addr add {VIPS[version]} dev top {nodad}']
            if self.kind == 'vrf':
                lines += [f'route add {net} dev base']
            if self.kind == 'tap':
                lines += [f'neigh add {CLIENT[version]} lladdr {MAC} dev top nud permanent']
        batch(g.director, lines)

    def _remove(self):
        """Removes what is there of it."""
        if self.tun:
            self.tun.remove()
        for device in 'top', 'base':
            g.director.run(f'ip link del {device}', check=False, quiet=True)
        g.lan.run('ip link del room', check=False, quiet=True)

    def wire(self):
        """Returns what sends packets of the client."""
        return self.tun or Wire(g.client, self.far, g.director, self.device)

    def sniffer(self):
        """Returns what sees packets that come to the client."""
        return self.tun or Sniffer(g.client, self.far)


def batch(space, lines):
    """Runs lines of ip."""
    space.run(['ip', '-batch', '-'], stdin='\n'.join(lines) + '\n', quiet=True)
