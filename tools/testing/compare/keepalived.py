#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""keepalived at work while servers fail and recover under load, and what ipvsadm shows of it; run by a scenario.

Each step waits for what keepalived shall come to, and is shown after that: so a busy machine makes no difference.
"""

import os
import sys

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../selftests/rust_ipvs')
)

from harness import ipvs, tap  # noqa: E402
from harness.keepalived import (
    HTTP_GET,
    Keepalived,
    service,
    table,
    TCP_CHECK,
    wait_for,
)  # noqa: E402
from harness.netns import Netns  # noqa: E402
from harness.web import Load, Web  # noqa: E402

CLIENT, DIRECTOR = Netns('rv-client'), Netns('rv-director')
S1, S2, S3 = (Netns(f'rv-s{n}') for n in '123')

# By NAT, with a quorum and a server that says sorry: it comes when less than 4 of weight are left,
# and goes with 6.
SHOP = service(
    '10.0.9.1 80',
    'wrr',
    'NAT',
    [
        ('10.0.2.11 80', 3, TCP_CHECK, ''),
        ('10.0.2.12 80', 2, HTTP_GET, ''),
        ('10.0.2.13 80', 1, HTTP_GET, 'inhibit_on_failure'),
    ],
    '''quorum 5
    hysteresis 1
    quorum_up "/tmp/quorum.sh up"
    quorum_down "/tmp/quorum.sh down"
    sorry_server 10.0.2.13 8080''',
)
# A mark, by direct routing, persistent for networks.
MARK = service(
    'fwmark 5',
    'wlc',
    'DR',
    [
        ('10.0.2.11 80', 1, TCP_CHECK, 'uthreshold 100\n        lthreshold 50'),
        ('10.0.2.12 80', 1, TCP_CHECK, ''),
    ],
    'persistence_timeout 300\n    persistence_granularity 255.255.255.0',
)
# IPv6, persistent for prefixes, through a tunnel; one server there whatever happens.
SIX = service(
    'fd00:9::1 80',
    'sh',
    'TUN',
    [('fd00:2::b 80', 1, TCP_CHECK, ''), ('fd00:2::c 80', 1, TCP_CHECK, 'inhibit_on_failure')],
    'persistence_timeout 60\n    persistence_granularity 64\n    alpha',
)
# With what ipvsadm calls scheduler flags and single packets.
ODD = '''virtual_server 10.0.9.2 53 {
    delay_loop 1
    lb_algo mh
    lb_kind NAT
    protocol UDP
    mh-port
    mh-fallback
    ops
    real_server 10.0.2.11 53 {
        weight 1
    }
}
'''


def show(words, load=None, who=None):
    """The table, and who answers the clients: WHO, where they are known."""
    print(f'--- {words}')
    print('\n'.join(table(DIRECTOR)))
    if load:
        # Connections of before a change are still being answered.
        tap.until(lambda: load.answers(6) == who, f'{words}: {who} answer')
        print('answers come from', ' '.join(load.answers()))
    with open('/tmp/quorum', encoding='utf-8') as file:
        print('keepalived told of the quorum:', ' '.join(file.read().split()), flush=True)


def one_client(words, want):
    """How many servers a client has that asks by the mark, and one that asks by IPv6: both services are persistent."""
    for name, url in ('the mark', 'http://10.0.9.3/'), ('IPv6', 'http://[fd00:9::1]/'):

        def servers():
            answers = CLIENT.run(
                ['curl', '-s', '--globoff', '--connect-timeout', '2', '-m', '4'] + [url] * 4,
                check=False,
                quiet=True,
            )
            # An answer that fails is none.
            return len(set(answers.split())) if len(answers.split()) in (0, 4) else -1

        tap.until(lambda: servers() == want, f'{words}: a client of {name} has {want}', 30)
        print(f'a client of {name} has {want} server')


def wait(words, *lines):
    """Waits for lines of the table."""
    wait_for(DIRECTOR, lines, words, 60)


def play(web, keepalived, load):
    """The whole of it."""
    wait(
        'the start',
        '-> 10.0.2.11:80 Masq 3',
        '-> 10.0.2.12:80 Masq 2',
        '-> 10.0.2.13:80 Masq 1',
        '-> [fd00:2::b]:80 Tunnel 1',
        '-> [fd00:2::c]:80 Tunnel 1',
        '-> 10.0.2.12:0 Route 1',
    )
    show('all are well', load, ['s1', 's2', 's3'])
    one_client('all are well', 1)
    print(ipvs.admin('-Ln --thresholds -f 5', quiet=True, space=DIRECTOR).strip())

    web.health(S3, False)
    wait('s3 is ill', '-> 10.0.2.13:80 Masq 0')
    show('s3 is ill: inhibited', load, ['s1', 's2'])

    web.health(S2, False)
    wait('s2 is ill', 'not -> 10.0.2.12:80 Masq 2', '-> 10.0.2.13:8080 Masq 1')
    show('s2 is ill: no quorum', load, ['s3:8080'])

    web.health(S2, True)
    web.health(S3, True)
    wait(
        'both are well',
        '-> 10.0.2.12:80 Masq 2',
        '-> 10.0.2.13:80 Masq 1',
        'not -> 10.0.2.13:8080 Masq 1',
    )
    show('both are well again', load, ['s1', 's2', 's3'])

    web.down(S1)
    wait(
        's1 is down',
        'not -> 10.0.2.11:80 Masq 3',
        'not -> 10.0.2.11:0 Route 1',
        'not -> [fd00:2::b]:80 Tunnel 1',
        '-> 10.0.2.13:8080 Masq 1',
    )
    show('s1 is down', load, ['s3:8080'])
    one_client('s1 is down', 1)

    web.down(S2)
    wait('s2 is down', 'not -> 10.0.2.12:0 Route 1', '-> [fd00:2::c]:80 Tunnel 0')
    show('s2 is down too')
    one_client('s2 is down too', 0)

    web.up(S1)
    web.up(S2)
    wait(
        'both are up',
        '-> 10.0.2.11:80 Masq 3',
        '-> 10.0.2.12:80 Masq 2',
        '-> 10.0.2.12:0 Route 1',
        '-> 10.0.2.11:0 Route 1',
        '-> [fd00:2::b]:80 Tunnel 1',
        '-> [fd00:2::c]:80 Tunnel 1',
        'not -> 10.0.2.13:8080 Masq 1',
    )
    show('both are up again', load, ['s1', 's2', 's3'])
    one_client('both are up again', 1)

    keepalived.reload(
        SHOP.replace('weight 3', 'weight 7').replace('lb_algo wrr', 'lb_algo rr')
        + MARK.replace('persistence_timeout 300', 'persistence_timeout 600')
        + SIX.replace('persistence_granularity 64', 'persistence_granularity 48')
    )
    wait(
        'another configuration',
        '-> 10.0.2.11:80 Masq 7',
        '-> [fd00:2::c]:80 Tunnel 1',
        'not -> 10.0.2.11:53 Masq 1',
    )
    tap.until(
        lambda: 'FWM  5 wlc persistent 600 mask 255.255.255.0' in table(DIRECTOR),
        'the mark has changed',
        60,
    )
    show('after another configuration was loaded', load, ['s1', 's2', 's3'])

    tap.until(lambda: load.asked > 300, 'clients ask on', 120)
    keepalived.stop()
    show('keepalived has ended')


def main():
    """Sets the scene."""
    DIRECTOR.run(
        [
            'nft',
            'add table ip mangle; add chain ip mangle pre { type filter hook prerouting priority mangle; }; '
            'add rule ip mangle pre ip daddr 10.0.9.3 tcp dport 80 meta mark set 5',
        ],
        quiet=True,
    )
    with open('/tmp/quorum.sh', 'w', encoding='utf-8') as file:
        file.write('#!/bin/sh\necho "$1" >>/tmp/quorum\n')
    os.chmod('/tmp/quorum.sh', 0o700)
    with open('/tmp/quorum', 'w', encoding='utf-8'):
        pass
    web = Web().start()
    for space in (S1, S2, S3):
        web.up(space)
    web.up(S3, 8080)
    keepalived = Keepalived(DIRECTOR)
    try:
        keepalived.start(SHOP + MARK + SIX + ODD)
        tap.until(lambda: '-> 10.0.2.11:80 Masq 3' in table(DIRECTOR), 'keepalived has begun', 60)
        with Load(CLIENT, 'http://10.0.9.1/') as load:
            play(web, keepalived, load)
    except Exception as error:
        print(f'{error}\nkeepalived said:\n{keepalived.log()}')
        raise
    finally:
        keepalived.stop()
        web.stop()


if __name__ == '__main__':
    main()
