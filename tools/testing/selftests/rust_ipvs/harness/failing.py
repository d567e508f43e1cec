# SPDX-License-Identifier: GPL-2.0
"""Operations whose allocations fail, what has to be as before then, and the fixture for it."""

import contextlib
import errno

from . import faults
from .abi import GET_DAEMON, V6, everything, g, ok
from .sockopt import opened, say
from .tap import note, true, until

# Behind a device at which packets end, and behind a cable, from whose end they come.
FAR, FAR6, NEAR = '10.60.0.2', 'fd00:60::2', '10.58.0.2'
# What a kernel says that has no memory; sockets say that there is no room for more files.
REASONS = ('ENOMEM', 'ENOBUFS', 'ENFILE')
V6_ID = dict(af=V6, addr='fd00::1', netmask=128)


class Failing:
    """The usual bare fixture, with a device that takes all, and a cable to the other namespace."""

    def __getattr__(self, name):
        return getattr(g, name)

    def __enter__(self):
        g.__enter__()
        run_ = g.director.run
        run_('ip link add fail-end type dummy', quiet=True)
        run_('ip link add cable type veth peer name cable netns rv-abi2', quiet=True)
        for device in ('fail-end', 'cable'):
            run_(f'ip link set {device} up', quiet=True)
        g.other.run('ip link set cable up', quiet=True)
        run_('ip addr add 10.58.0.1/24 dev cable', quiet=True)
        g.other.run('ip addr add 10.58.0.2/24 dev cable', quiet=True)
        run_('ip addr add 10.61.0.1/24 dev fail-end', quiet=True)
        run_('ip addr add fd00:61::1/64 dev fail-end nodad', quiet=True)
        for net in ('10.60.0.0/16', '10.62.0.0/16', 'fd00:60::/64'):
            run_(f'ip route add {net} dev fail-end', quiet=True)
        g.director.write('/proc/sys/net/ipv4/ip_forward', 1)
        self.armed = contextlib.ExitStack()
        self.armed.enter_context(faults.of('rust_ipvs'))
        return self

    def __exit__(self, *rest):
        self.armed.close()
        g.__exit__(*rest)

    def before(self, fresh=False):
        g.director.write('/proc/sys/net/ipv4/vs/expire_nodest_conn', 1)
        g.before(fresh)
        until(lambda: not rows(), 'no connection', 20)


def rows(space=None):
    """The connections of the director."""
    return (space or g.director).read('/proc/net/ip_vs_conn').splitlines()[1:]


def state():
    """All that requests change."""
    daemons_ = [m.payload for m in g.genl.dump(GET_DAEMON).messages]
    return everything(), daemons_, len(rows())


def connected():
    """All connections but templates, which outlive a connection that fails, as C's do."""
    return len([row for row in rows() if row.split()[2] != '0000'])


def request(command, payload=b'', dumped=False):
    """A request as an operation: None, or the words of its refusal."""

    def operation():
        answer = g.genl.dump(command, payload) if dumped else g.genl.call(command, payload)
        if not answer.error:
            return None
        true(answer.words, f'command {command}: {errno.errorcode[answer.error]} has no words')
        true(errno.errorcode[answer.error] in REASONS, f'command {command}: {answer.words}')
        return answer.words

    return operation


def option(number, payload):
    """A socket option as an operation."""
    sock = opened()

    def operation():
        error = say(number, payload, contextlib.nullcontext(sock))
        return errno.errorcode[error] if error else None

    return operation


def nothing():
    """There is nothing to take back."""


def undo(command, payload=b''):
    """Takes back what a request did."""
    return lambda: ok(command, payload)


def each(what, operation, back=nothing, seen=state):
    """Lets each allocation of it fail, and says how many there are."""
    refused, withstood, _ = faults.each(operation, seen, back, what)
    note(f'{what}: {refused} refused, {withstood} done without')
    return refused + withstood
