#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""/proc/net/ip_vs, /proc/net/ip_vs_conn and net.ipv4.vs: what they look like to whoever reads them."""

import errno
import os
import re
import stat
import subprocess

from harness import ipvs
from harness.clients import Connection, ask
from harness.fixture import FIXTURE as g, HZ, VIP, VIP6
from harness.tap import case, equal, run, true, until

HEAD = [
    'IP Virtual Server version 1.2.1 (size=256)',
    'Prot LocalAddress:Port Scheduler Flags',
    '  -> RemoteAddress:Port Forward Weight ActiveConn InActConn',
]


def table():
    return g.director.read('/proc/net/ip_vs').splitlines()


@case('K-1 the files can be read by all and written by nobody')
def modes():
    for space in (g.director, g.client):
        with space:
            for name in ('ip_vs', 'ip_vs_conn', 'ip_vs_stats'):
                mode = stat.S_IMODE(os.stat(f'/proc/thread-self/net/{name}').st_mode)
                equal(oct(mode), oct(0o444), f'mode of {name} in {space.short}')


@case('K-2 /proc/net/ip_vs without services has its three lines', fresh=True)
def empty_table():
    equal(table(), [HEAD[0].replace('256', '0')] + HEAD[1:], '/proc/net/ip_vs')


@case('K-2 services and servers of IPv4, IPv6 and a mark, to the letter', fresh=True)
def service_lines():
    ipvs.admin(f'-A -t {VIP}:80 -s rr')
    ipvs.admin(f'-a -t {VIP}:80 -r 10.0.2.11:8080 -m')
    ipvs.admin(f'-a -t {VIP}:80 -r 10.0.2.12:80 -g -w 12345')
    ipvs.admin(f'-a -t {VIP}:80 -r 10.0.2.13:80 -i -w 0')
    equal(
        table(),
        HEAD
        + [
            'TCP  0A000901:0050 rr  ',
            '  -> 0A00020D:0050      Tunnel  0      0          0         ',
            '  -> 0A00020C:0050      Route   12345  0          0         ',
            '  -> 0A00020B:1F90      Masq    1      0          0         ',
        ],
        'an IPv4 service',
    )
    ipvs.admin('-C')
    ipvs.admin(f'-A -u [{VIP6}]:53 -s rr')
    ipvs.admin(f'-a -u [{VIP6}]:53 -r [fd00:2::b]:53 -m')
    lines = table()
    true(re.fullmatch(r'IP Virtual Server version 1\.2\.1 \(size=\d+\)', lines[0]), lines[0])
    equal(
        lines[1:],
        HEAD[1:]
        + [
            'UDP  [fd00:0009:0000:0000:0000:0000:0000:0001]:0035 rr ',
            '  -> [fd00:0002:0000:0000:0000:0000:0000:000b]:0035      Masq    1      0          0         ',
        ],
        'an IPv6 service',
    )
    ipvs.admin('-C')
    ipvs.admin('-A -f 255 -s rr')
    ipvs.admin('-a -f 255 -r 10.0.2.11:0 -m')
    equal(
        table()[3:],
        ['FWM  000000FF rr ', '  -> 0A00020B:0000      Masq    1      0          0         '],
        'a mark',
    )


@case('K-2 Q-23 persistence is shown with its timeout in jiffies and its netmask', fresh=True)
def persistent_lines():
    ipvs.admin(f'-A -t {VIP}:80 -s rr -p 360 -M 255.255.255.0')
    ipvs.admin('-A -f 1 -s rr -p 10')
    lines = set(table()[3:])
    equal(
        lines,
        {
            f'TCP  0A000901:0050 rr  persistent {360 * HZ} FFFFFF00',
            f'FWM  00000001 rr persistent {10 * HZ} FFFFFFFF',
        },
        'services',
    )
    ipvs.admin('-C')
    ipvs.admin(f'-A -t [{VIP6}]:80 -s rr -p 10')
    equal(
        table()[3:],
        [f'TCP  [fd00:0009:0000:0000:0000:0000:0000:0001]:0050 rr persistent {10 * HZ} 80000000'],
        'an IPv6 service',
    )


@case('K-2 V-18 a service without scheduler shows "none"', fresh=True)
def no_scheduler():
    ipvs.admin(f'-A -t {VIP}:80 -s none')
    equal(table()[3:], ['TCP  0A000901:0050 none  '], 'the service')


@case('K-2 C-22 the counts of connections stand in their columns', fresh=True)
def counts():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    with Connection(g.client, VIP), Connection(g.client, VIP):
        ask(g.client, VIP)
        until(lambda: ipvs.dests()[0].inactive == 1, 'one is closed')
        equal(
            table()[4], '  -> 0A00020B:0050      Masq    1      2          1         ', 'the server'
        )


@case('K-3 K-4 connections of IPv4 and IPv6, to the letter', fresh=True)
def connection_lines():
    ipvs.service(f'-u {VIP}:80', '-m', ['10.0.2.11:8080'])
    ask(g.client, VIP, kind='udp', sport=4660)
    lines = g.director.read('/proc/net/ip_vs_conn').split('\n')
    equal(
        lines[0],
        'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData',
        'line 1',
    )
    true(
        re.fullmatch(
            r'UDP 0A000101 1234 0A000901 0050 0A00020B 1F90 UDP             (29\d|300)', lines[1]
        ),
        repr(lines[1]),
    )
    equal(lines[2:], [''], 'lines after that')
    ipvs.service(f'-t [{VIP6}]:80', '-m', ['[fd00:2::b]:80'])
    with Connection(g.client, VIP6, sport=4661, source='fd00:1::1'):
        until(lambda: ipvs.rows(cport=4661, state='ESTABLISHED'), 'an open connection')
        (line,) = [x for x in g.director.read('/proc/net/ip_vs_conn').split('\n') if ' 1235 ' in x]
        true(
            re.fullmatch(
                r'TCP fd00:0001:0000:0000:0000:0000:0000:0001 1235 fd00:0009:0000:0000:0000:0000:0000:0001 0050 '
                r'fd00:0002:0000:0000:0000:0000:0000:000b 0050 ESTABLISHED     (89\d|900)',
                line,
            ),
            repr(line),
        )


@case('K-4 X-16 a server of the other family is shown as what it is', fresh=True)
def mixed_families():
    ipvs.service(f'-u {VIP}:80', '-i', ['[fd00:2::c]:80'])
    ask(g.client, VIP, kind='udp', sport=4662)
    (line,) = [x for x in g.director.read('/proc/net/ip_vs_conn').split('\n') if ' 1236 ' in x]
    true(
        re.fullmatch(
            r'UDP 0A000101 1236 0A000901 0050 fd00:0002:0000:0000:0000:0000:0000:000c 0050 UDP             (29\d|300)',
            line,
        ),
        repr(line),
    )
    equal(
        table()[4],
        '  -> [fd00:0002:0000:0000:0000:0000:0000:000c]:0050      Tunnel  1      0          1         ',
        'the server',
    )


@case('K-3 a long table is read whole, while it changes', fresh=True)
def long_table():
    lines = f'-A -u {VIP}:80 -s rr\n' + ''.join(
        f'-a -u {VIP}:80 -r 10.0.2.{n}:80 -m\n' for n in range(20, 220)
    )
    g.director.run('ipvsadm -R', stdin=lines)
    equal(len(table()), 4 + 200, 'lines of /proc/net/ip_vs')
    equal(len(ipvs.dests()), 200, 'servers that ipvsadm lists')
    for _ in range(300):
        ask(g.client, VIP, kind='udp', timeout=0.001)
    stay = {
        row.cport
        for row in until(lambda: len(ipvs.rows()) == 300 and ipvs.rows(), '300 connections')
    }
    # Others come, and go after a second.
    ipvs.admin('--set 0 0 1')
    seen = set()
    for _ in range(8):
        for _ in range(20):
            ask(g.client, VIP, kind='udp', timeout=0.001)
        now = {row.cport for row in ipvs.rows()} & stay
        # What moves because the table grows just then may be left out.
        true(len(now) > 250, f'{len(now)} of 300 connections that stay are seen')
        seen |= now
    equal(seen, stay, 'connections that stay, and are seen')
    ipvs.admin('--set 0 0 300')


DEFAULTS = {
    'conn_max': str(2**30),
    'conn_reuse_mode': '1',
    'expire_nodest_conn': '0',
    'expire_quiescent_template': '0',
    'ignore_tunneled': '0',
    'nat_icmp_send': '0',
    'pmtu_disc': '1',
    'schedule_icmp': '0',
    'sloppy_tcp': '0',
    'snat_reroute': '1',
    'conn_lfactor': '-2',
    'svc_lfactor': '-2',
}


@case(
    'Y-1 C-31 settings have their defaults, their mode, and are each namespace\'s own', fresh=True
)
def settings():
    for name, value in DEFAULTS.items():
        equal(ipvs.setting(name), value, name)
        with g.director:
            equal(
                oct(stat.S_IMODE(os.stat(f'/proc/sys/net/ipv4/vs/{name}').st_mode)),
                oct(0o644),
                f'mode of {name}',
            )
    ipvs.setting('pmtu_disc', 0)
    equal(ipvs.setting('pmtu_disc', space=g.client), '1', 'pmtu_disc elsewhere')
    ipvs.setting('pmtu_disc', 1)


@case('Y-1 C-31 what is out of range is refused and changes nothing')
def out_of_range():
    for name, wrong in (
        ('conn_max', -1),
        ('conn_max', 2**30 + 1),
        ('conn_lfactor', -9),
        ('conn_lfactor', 9),
        ('svc_lfactor', -9),
        ('svc_lfactor', 9),
        ('conn_reuse_mode', 'x'),
        ('pmtu_disc', '1 2 x'),
    ):
        before = ipvs.setting(name)
        try:
            ipvs.setting(name, wrong)
            true(name == 'pmtu_disc', f'{name} = {wrong} is refused')
        except OSError as error:
            equal(error.errno, errno.EINVAL, f'errno of {name} = {wrong}')
        if name != 'pmtu_disc':
            equal(ipvs.setting(name), before, name)
    ipvs.setting('pmtu_disc', 1)


@case(
    'A-18 G-2 Q-21 without privilege in the first user namespace ipvsadm changes and lists nothing'
)
def unprivileged():
    ipvs.service(f'-t {VIP}:80', '-m', ['10.0.2.11:80'])
    before = table()
    for line in ('-Ln', f'-A -t {VIP}:81 -s rr', '-C', '-Z', f'-D -t {VIP}:80'):
        # A user namespace of its own over this very network namespace.
        done = subprocess.run(
            [
                'ip',
                'netns',
                'exec',
                'rv-director',
                'setpriv',
                '--reuid=65534',
                '--clear-groups',
                'ipvsadm',
                *line.split(),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        true(done.returncode != 0, f'ipvsadm {line} as nobody fails')
        done = subprocess.run(
            ['unshare', '-Urn', 'ipvsadm', *line.split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        true(done.returncode != 0, f'ipvsadm {line} in a user namespace fails')
    equal(table(), before, 'the table')


if __name__ == '__main__':
    run(g)
