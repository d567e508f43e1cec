#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The kernel's YNL tools with Documentation/netlink/specs/ipvs.yaml: reading, setting, refusals.

The tools are in build/ynl, where tools/build/ynl.sh ("make ynl") puts them with the Python modules
that they need.
"""

import errno
import functools
import json
import sys
from pathlib import Path

from harness.abi import g
from harness.tap import case, equal, Failure, note, run, skip_all, true

YNL = Path(__file__).resolve().parents[4] / 'build/ynl'
SPEC = YNL / 'Documentation/netlink/specs/ipvs.yaml'
CLI = YNL / 'tools/net/ynl/pyynl/cli.py'

if not SPEC.exists():
    skip_all('there is no build/ynl: "make ynl" makes it')
sys.path[:0] = [str(YNL / 'tools/net/ynl'), str(YNL / 'python')]
# The modules were compiled where they are.
sys.pycache_prefix = None
from pyynl.lib import NlError, YnlFamily  # pylint: disable=import-error,wrong-import-position

ALL = 0xFFFFFFFF
COUNTERS = (
    'conns',
    'inpkts',
    'outpkts',
    'inbytes',
    'outbytes',
    'cps',
    'inpps',
    'outpps',
    'inbps',
    'outbps',
)
NOTHING = {name: 0 for name in COUNTERS}

# What a service and a destination look like, told once as requests are and once as replies are.
WEB = {'af': 2, 'protocol': 6, 'addr': '0a 00 00 01', 'port': 80}
WEB_SEEN = {
    **WEB,
    'addr': '0a 00 00 01' + 12 * ' 00',
    'sched-name': 'rr',
    'timeout': 360,
    'netmask': '0xffffffff',
    'flags': {'flags': {'persistent', 'hashed'}, 'mask': '0xffffffff'},
    'stats': NOTHING,
    'stats64': NOTHING,
}
MARK_SEEN = {
    'af': 10,
    'fwmark': 7,
    'sched-name': 'sh',
    'timeout': 0,
    'netmask': '0x80',
    'flags': {'flags': {'hashed', 'sched1', 'sched2'}, 'mask': '0xffffffff'},
    'stats': NOTHING,
    'stats64': NOTHING,
}
SERVER = {'addr': '0a 00 00 0b', 'port': 8080}
SERVER_SEEN = {
    **SERVER,
    'addr': '0a 00 00 0b' + 12 * ' 00',
    'fwd-method': 'tunnel',
    'weight': 5,
    'u-thresh': 9,
    'l-thresh': 3,
    'active-conns': 0,
    'inact-conns': 0,
    'persist-conns': 0,
    'addr-family': 2,
    'tun-type': 'gue',
    'tun-port': 6080,
    'tun-flags': {'csum'},
    'stats': NOTHING,
    'stats64': NOTHING,
}


@functools.cache
def client(director):
    """The family as YNL knows it, with a socket in the namespace. One for all cases: most of the
    time of making one goes into reading the specification, which has been checked by its schema."""
    with director:
        return YnlFamily(str(SPEC), schema='')


def ynl(function, *arguments):
    """Calls one of the library's functions in the director's namespace."""
    return getattr(client(g.director), function)(*arguments)


def services():
    """The dump of services, by family: within one family their order is that of a hash."""
    found = [entry['service'] for entry in ynl('dump', 'get-service', {})]
    return sorted(found, key=lambda service: service['af'])


def dests():
    """The dump of the destinations of the first service."""
    return [entry['dest'] for entry in ynl('dump', 'get-dest', {'service': WEB})]


def running():
    """The dump of daemons."""
    return [entry['daemon'] for entry in ynl('dump', 'get-daemon', {})]


def fails(number, *arguments):
    """The kernel must refuse the operation with that errno; returns its words."""
    try:
        ynl('do', *arguments)
    except NlError as error:
        equal(error.nl_msg.error, -number, f'the error of {arguments}')
        return error.nl_msg.extack
    raise Failure(f'{arguments} must fail')


def set_up():
    """A service of an address, a service of a mark, a destination of the first one, by YNL."""
    ynl(
        'do',
        'new-service',
        {
            'service': {
                **WEB,
                'sched-name': 'rr',
                'timeout': 360,
                'netmask': ALL,
                'flags': {'flags': 1, 'mask': ALL},
            }
        },
    )
    ynl(
        'do',
        'new-service',
        {
            'service': {
                'af': 10,
                'fwmark': 7,
                'sched-name': 'sh',
                'timeout': 0,
                'netmask': 128,
                'flags': {'flags': 0x18, 'mask': ALL},
            }
        },
    )
    ynl(
        'do',
        'new-dest',
        {
            'service': WEB,
            'dest': {
                **SERVER,
                'fwd-method': 'tunnel',
                'weight': 5,
                'u-thresh': 9,
                'l-thresh': 3,
                'tun-type': 'gue',
                'tun-port': 6080,
                'tun-flags': ['csum'],
            },
        },
    )


@case('G-3 G-6 G-8 G-10 YNL adds services and destinations, and dumps and gets them')
def dumps():
    set_up()
    equal(services(), [WEB_SEEN, MARK_SEEN], 'the dump of services')
    equal(
        ynl('do', 'get-service', {'service': {'af': 10, 'fwmark': 7}}),
        {'service': MARK_SEEN},
        'one service',
    )
    equal(dests(), [SERVER_SEEN], 'the dump of destinations')


@case('G-3 G-19 V-14 YNL changes, zeroes, deletes and flushes')
def changes():
    set_up()
    ynl(
        'do',
        'set-service',
        {
            'service': {
                **WEB,
                'sched-name': 'wlc',
                'timeout': 0,
                'netmask': ALL,
                'flags': {'flags': 0, 'mask': 1},
            }
        },
    )
    ynl(
        'do',
        'set-dest',
        {
            'service': WEB,
            'dest': {**SERVER, 'fwd-method': 'masq', 'weight': 1, 'u-thresh': 0, 'l-thresh': 0},
        },
    )
    ynl('do', 'zero', {'service': WEB})
    ynl('do', 'zero', {})
    seen = services()[0]
    equal((seen['sched-name'], seen['flags']['flags']), ('wlc', {'hashed'}), 'the service changed')
    (seen,) = dests()
    equal((seen['fwd-method'], seen['weight']), ('masq', 1), 'the destination changed')
    ynl('do', 'del-dest', {'service': WEB, 'dest': SERVER})
    equal(dests(), [], 'destinations')
    ynl('do', 'del-service', {'service': WEB})
    equal(services(), [MARK_SEEN], 'services')
    ynl('do', 'flush', {})
    equal(services(), [], 'services')


@case('G-12 G-31 YNL starts, dumps and stops daemons')
def daemons():
    try:
        ynl(
            'do',
            'new-daemon',
            {'daemon': {'state': 'master', 'mcast-ifn': 'lo', 'sync-id': 7, 'mcast-port': 8900}},
        )
        equal(
            running(),
            [
                {
                    'state': 'master',
                    'mcast-ifn': 'lo',
                    'sync-id': 7,
                    'sync-maxlen': 1472,
                    'mcast-port': 8900,
                    'mcast-ttl': 1,
                    'mcast-group': '224.0.0.81',
                }
            ],
            'the daemon',
        )
    finally:
        ynl('do', 'del-daemon', {'daemon': {'state': 'master'}})
    equal(running(), [], 'daemons')


@case('G-13 G-14 YNL reads and sets timeouts, and reads the version')
def config():
    before = ynl('do', 'get-config', {})
    equal(sorted(before), ['timeout-tcp', 'timeout-tcp-fin', 'timeout-udp'], 'timeouts')
    ynl('do', 'set-config', {'timeout-udp': 77})
    equal(ynl('do', 'get-config', {}), {**before, 'timeout-udp': 77}, 'timeouts')
    ynl('do', 'set-config', before)
    info = ynl('do', 'get-info', {})
    equal(info['version'], '0x10201', 'the version')
    true(isinstance(info['conn-tab-size'], int), 'the size of the table')


@case('11.2 YNL hears of refusals by their errno, and of words where there are some')
def refusals():
    words = fails(errno.ESRCH, 'del-service', {'service': WEB})
    if g.impl == 'rust':
        equal(words, {'msg': 'no such service'}, 'the words')
    set_up()
    fails(
        errno.EEXIST,
        'new-service',
        {
            'service': {
                **WEB,
                'sched-name': 'rr',
                'timeout': 0,
                'netmask': ALL,
                'flags': {'flags': 0, 'mask': ALL},
            }
        },
    )
    fails(errno.EINVAL, 'new-service', {'service': WEB})
    # SET_INFO is only ever a reply.
    fails(errno.EOPNOTSUPP, 'set-info', {})


@case('G-1 G-3 the program of the YNL tools validates the specification and dumps what there is')
def program():
    def cli(*words):
        return g.director.run(
            [
                'env',
                f'PYTHONPATH={YNL / "python"}',
                'python3',
                str(CLI),
                '--spec',
                str(SPEC),
                *words,
            ]
        )

    set_up()
    equal(cli('--validate'), '', 'objections to the specification')
    note(cli('--dump', 'get-service'))
    found = json.loads(
        cli('--output-json', '--dump', 'get-dest', '--json', json.dumps({'service': WEB}))
    )
    equal(
        [entry['dest'] for entry in found],
        [{**SERVER_SEEN, 'tun-flags': ['csum']}],
        'the destination',
    )


if __name__ == '__main__':
    run(g)
