#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Debian's keepalived: servers that fail and recover under load; and a director that is switched from C to rust_ipvs and back.

`make compare SCENARIO=keepalived` shows much more of keepalived, on both.
"""

import os
import re

from harness import ipvs
from harness.fixture import FIXTURE as g, lib
from harness.installed import Installed, loaded, sh
from harness.keepalived import HTTP_GET, Keepalived, service, table, TCP_CHECK, wait_for
from harness.tap import case, equal, Failure, note, run, true, until
from harness.web import Load, Web

DOCUMENT = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), '../../../../Documentation/coming-from-ip_vs.rst'
)
CONFIG = service(
    '10.0.9.1 80',
    'wrr',
    'NAT',
    [('10.0.2.11 80', 3, TCP_CHECK, ''), ('10.0.2.12 80', 1, HTTP_GET, 'inhibit_on_failure')],
    'quorum 2\n    sorry_server 10.0.2.13 80',
) + service(
    'fd00:9::1 80',
    'wlc',
    'NAT',
    [('fd00:2::c 80', 1, TCP_CHECK, '')],
    'persistence_timeout 60\n    persistence_granularity 64',
)
ALL_WELL = ('-> 10.0.2.11:80 Masq 3', '-> 10.0.2.12:80 Masq 1', '-> [fd00:2::c]:80 Masq 1')


class Scene:
    """Web servers, and keepalived, which the block starts itself."""

    def __enter__(self):
        self.web = Web().start()
        for space in (g.s1, g.s2, g.s3):
            self.web.up(space)
        self.keepalived = Keepalived(g.director)
        return self

    def __exit__(self, kind, *_):
        if kind:
            print('# ' + self.keepalived.log().replace('\n', '\n# '))
        self.keepalived.stop()
        self.web.stop()


def answered(load, want, what):
    """Waits until those and nobody else answer."""
    until(lambda: load.answers(8) == want, what, 30)


@case('V-9 V-11 V-14 keepalived: servers fail and recover under load, and another one says sorry')
def fail_and_recover():
    with Scene() as scene:
        scene.keepalived.start(CONFIG)
        wait_for(g.director, ALL_WELL, 'all are well')
        true('TCP  [fd00:9::1]:80 wlc persistent 60 mask 64' in table(g.director), 'persistence')
        with Load(g.client, 'http://10.0.9.1/') as load:
            answered(load, ['s1', 's2'], 'both answer')
            scene.web.health(g.s2, False)
            wait_for(g.director, ['-> 10.0.2.12:80 Masq 0'], 's2 is ill')
            answered(load, ['s1'], 's1 answers alone')
            scene.web.down(g.s1)
            wait_for(
                g.director,
                ['not -> 10.0.2.11:80 Masq 3', '-> 10.0.2.13:80 Masq 1'],
                's1 is down too',
            )
            answered(load, ['s3'], 's3 says sorry')
            scene.web.up(g.s1)
            scene.web.health(g.s2, True)
            wait_for(g.director, ALL_WELL + ('not -> 10.0.2.13:80 Masq 1',), 'all are well again')
            answered(load, ['s1', 's2'], 'both answer again')
        scene.keepalived.stop()
        equal(table(g.director), [], 'what is left when keepalived has ended')


def steps(heading):
    """The commands of a section of the document, a list for each block."""
    with open(DOCUMENT, encoding='utf-8') as file:
        text = file.read()
    section = re.search(rf'^{heading}\n=+\n(.*?)(?=^[^\n]+\n====|\Z)', text, re.M | re.S)[1]
    blocks = re.findall(r'(?:^    director# .*\n)+', section, re.M)
    return [re.findall(r'^    director# (.*)$', block, re.M) for block in blocks]


def follow(commands, keepalived):
    """Does what the document says; there is no systemd here."""
    for command in commands:
        if command == 'systemctl stop keepalived':
            keepalived.stop()
        elif command == 'systemctl start keepalived':
            keepalived.start(CONFIG)
            wait_for(g.director, ALL_WELL, 'keepalived has begun')
        elif command.startswith('ipvsadm'):
            # In a shell: it may read and write files.
            g.director.run(['sh', '-c', command])
        else:
            sh(command)


@case(
    'G-22 L-5 a director with keepalived is switched over to rust_ipvs, and back, as the document says',
    only='rust',
)
def switch():
    g.unload()
    over, rules = steps('Switching over')
    (back,) = steps('Switching back')
    with Installed() as system, Scene() as scene, Load(g.client, 'http://10.0.9.1/') as load:
        lib('IPVS_IMPL=c; impl_load')
        scene.keepalived.start(CONFIG)
        wait_for(g.director, ALL_WELL, 'keepalived on C')
        before = table(g.director)
        answered(load, ['s1', 's2'], 'C balances')
        system.install_module()

        follow(over, scene.keepalived)
        equal(loaded(), ['rust_ipvs'], 'what is loaded')
        equal(table(g.director), before, 'the table')
        answered(load, ['s1', 's2'], 'rust_ipvs balances')

        follow(back, scene.keepalived)
        true('ip_vs' in loaded() and 'rust_ipvs' not in loaded(), 'C is loaded again')
        equal(table(g.director), before, 'the table')
        answered(load, ['s1', 's2'], 'C balances again')

        scene.keepalived.stop()
        g.director.run(['ipvsadm', '-A', '-t', '10.0.9.1:80', '-s', 'rr', '-p', '60'])
        g.director.run(['ipvsadm', '-a', '-t', '10.0.9.1:80', '-r', '10.0.2.11', '-m', '-w', '7'])
        before = table(g.director)
        follow(rules, None)
        equal(loaded(), ['rust_ipvs'], 'what is loaded')
        equal(table(g.director), before, 'the table that was saved and restored')
        answered(load, ['s1'], 'rust_ipvs balances')


VRRP = '''global_defs {
    lvs_sync_daemon front VI_1 id 9 port 9100 ttl 2
}
vrrp_instance VI_1 {
    state BACKUP
    interface front
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        10.0.9.4/32 dev lo
    }
}
'''


@case(
    'B-1 G-31 keepalived starts a sync daemon by the part that it has in VRRP, and changes it with that'
)
def sync_daemon():
    def daemons():
        return ipvs.admin('-L --daemon', quiet=True)

    with Keepalived(g.director, 'vrrp') as keepalived:
        keepalived.start(VRRP)
        try:
            until(lambda: 'backup sync daemon' in daemons(), 'it is a backup', 20)
            until(
                lambda: 'master sync daemon' in daemons(),
                'nobody else is there: it is the master',
                20,
            )
        except Failure:
            note(keepalived.log())
            raise
        listed = daemons()
        true('backup' not in listed, f'it is a master only: {listed}')
        for words in ('front', 'syncid=9', 'port=9100', 'ttl=2'):
            true(words in listed, f'{words}: {listed}')
    until(lambda: not daemons().strip(), 'no daemon is left')


if __name__ == '__main__':
    g.want_servers = False
    run(g)
