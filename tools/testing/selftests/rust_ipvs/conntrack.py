#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Beside connection tracking: rules that track, and clients that use a port again."""

import subprocess

from harness import ipvs
from harness.clients import Connection
from harness.ground import GROUND as g, VIP, VIP6
from harness.packet import ACK, SYN, Sniffer
from harness.tap import Skip, case, equal, note, run, true, until


class Tracking:
    """Rules by which the director tracks all that passes, until they are left."""

    def __enter__(self):
        if subprocess.run(['modprobe', 'nf_conntrack'], check=False).returncode:
            raise Skip('the kernel has no nf_conntrack')
        g.director.run('nft add table inet rv-ct')
        for hook in ('input', 'forward', 'output', 'postrouting'):
            g.director.run(['nft', 'add', 'chain', 'inet', 'rv-ct', hook,
                            f'{{ type filter hook {hook} priority 0; }}'])
            g.director.run(f'nft add rule inet rv-ct {hook} ct state new,established,related counter accept')
        return self

    def __exit__(self, *_):
        g.director.run('nft delete table inet rv-ct')


def use_again(vip, method, servers, sport):
    """A client that resets a connection and uses its port again; how many SYNs it needed, and who answered."""
    at = f'[{vip}]:80' if ':' in vip else f'{vip}:80'
    ipvs.service(f'-t {at}', method, servers)
    with Connection(g.client, vip, sport=sport) as first:
        true(first.echo(), 'the first connection')
        first.reset()
    until(lambda: [r for r in ipvs.rows(cport=sport) if r.state == 'CLOSE'], 'it is closed')
    with Sniffer(g.client, 'eth0', outgoing=True) as sniffer:
        with Connection(g.client, vip, sport=sport, timeout=8) as second:
            true(second.echo(), 'the second connection')
            name = second.answer.name
        syns = sniffer.all(lambda p: p.proto == 6 and p.sport == sport and p.flags & (SYN | ACK) == SYN)
    ipvs.admin('-C')
    return len(syns), first.answer.name, name


@case('S-18 S-19 Q-12 a port that is used again is served at its first SYN, with rules that track', fresh=True)
def reuse():
    sport = 40100
    # C drops the SYN where it leaves its connections to connection tracking (S-19).
    modes = ('0', '1') if g.impl == 'rust' and ipvs.has_setting('conntrack') else ('0',)
    with Tracking():
        for mode in modes:
            if ipvs.has_setting('conntrack'):
                ipvs.setting('conntrack', mode)
            for vip, servers in ((VIP, ['10.0.2.11:80', '10.0.2.12:80']),
                                 (VIP6, ['[fd00:2::b]:80', '[fd00:2::c]:80'])):
                for method in ('-m', '-g'):
                    sport += 1
                    syns, first, second = use_again(vip, method, servers, sport)
                    note(f'{vip} {method}: {first}, then {second}')
                    equal(syns, 1, f'SYNs of the second connection to {vip} by {method}')
                    true(first != second, 'it went to the other server')
        if ipvs.has_setting('conntrack'):
            ipvs.setting('conntrack', 0)


@case('S-22 X-11 with rules that track, connections and what leaves their servers go on', fresh=True)
def data():
    with Tracking():
        for n, method in enumerate(('-m', '-g', '-i')):
            ipvs.service(f'-t {VIP}:80', method, ['10.0.2.11:80'])
            with Connection(g.client, VIP, sport=40200 + n) as connection:
                true(connection.put(100000), f'{method}: data there')
                true(connection.get(100000), f'{method}: data back')
            ipvs.admin('-C')


if __name__ == '__main__':
    run(g)
