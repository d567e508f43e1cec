#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""FTP sessions by NAT, and what is seen of their connections: files both ways, whoever begins the data connection."""

import os
import re
import sys

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '../selftests/rust_ipvs')
)

from harness import ipvs  # pylint: disable=wrong-import-position
from harness.ftp import Client, Vsftpd  # pylint: disable=wrong-import-position
from harness.fixture import FIXTURE as g, VIP, VIP6  # pylint: disable=wrong-import-position
from harness.netns import Netns  # pylint: disable=wrong-import-position
from harness.servers import pattern  # pylint: disable=wrong-import-position


def port(number):
    """A port that has a meaning, or the word for any other."""
    return number if number < 1024 else 'PORT' if number else 0


def connections():
    """The connections, but for what differs from run to run."""
    rows = [
        f'{r.proto} {r.caddr}:{port(r.cport)} {r.vaddr}:{port(r.vport)} {r.daddr}:{port(r.dport)} {r.state}'
        for r in ipvs.rows()
    ]
    print('\n'.join(f'    {row}' for row in sorted(rows)))


def tracked():
    """What connection tracking knows of control connections."""
    lines = [
        line
        for line in g.director.read('/proc/net/nf_conntrack').splitlines()
        if 'dport=21 ' in line
    ]
    fields = [' '.join(re.findall(r'(?:src|dst|sport|dport)=\S+', line)) for line in lines]
    print(
        '\n'.join(
            sorted('    tracked: ' + re.sub(r'port=\d{3,}', 'port=PORT', line) for line in fields)
        )
    )


def session(vip, way):
    """One session."""
    print(f'client begins a session with {vip}, {way}')
    with Client(g.client, vip, way) as ftp:
        print('   ', ftp.login())
        if ftp.passiveserver:
            with g.client:
                host, _ = ftp.makepasv()
            print('    the server is at', host)
        connections()
        tracked()
        data = pattern(40000)
        ftp.put(f'in/{way}', data)
        same = ftp.get(f'in/{way}') == data
        print('    a file, there and back:', 'the same' if same else 'another')
        print(
            '    the server\'s name:',
            ftp.get('name').decode().strip(),
            'and who the data came from:',
            ftp.data_peer[0],
            port(ftp.data_peer[1]),
        )
        print('   ', ftp.sendcmd('NOOP'))
        if not ftp.passiveserver:
            # No server comes to it. After two more rust_ipvs would remove it, unlike C (F-6).
            with g.client:
                ftp.makeport().close()
            connections()


for name in 'client director s1 s2 s3'.split():
    g.spaces[name] = Netns(f'rv-{name}')
    setattr(g, name, g.spaces[name])
# One port, or what is left depends on which one is drawn.
with Vsftpd((g.s1, g.s2, g.s3), 'pasv_min_port=40000\npasv_max_port=40000'):
    for one in ('PASV', 'EPSV', 'PORT', 'EPRT'):
        session(VIP, one)
    for one in ('EPSV', 'EPRT'):
        session(VIP6, one)
