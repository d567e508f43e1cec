# SPDX-License-Identifier: GPL-2.0
"""What stands around a storm of packets: its network, and who changes and reads things meanwhile.

Addresses and services are those of tools/testing/storm/storm.c.
"""

import contextlib
import ctypes
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import namedtuple

from . import ipvs
from .abi import (
    ALL,
    DEL_DAEMON,
    DEL_DEST,
    DEL_SERVICE,
    GET_DEST,
    GET_INFO,
    GET_SERVICE,
    MASQ,
    NEW_DAEMON,
    NEW_DEST,
    NEW_SERVICE,
    PERSISTENT,
    ROUTE,
    SCTP,
    SERVICE,
    SET_CONFIG,
    SET_DEST,
    SET_SERVICE,
    TCP,
    TUNNEL,
    UDP,
    V4,
    V6,
    ZERO,
    daemon,
    dest,
    dest_id,
    nest,
    number,
    service,
    service_id,
)
from .fixture import FIXTURE as g
from .netlink import Genl, attr, attributes, u32
from .netns import make, remove
from .packet import hardware, words
from .spaces import private_namespace
from .tap import Failure, equal, note

BINARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../../../../build/storm')
# System calls of x86-64.
FINIT_MODULE, DELETE_MODULE = 313, 176
_libc = ctypes.CDLL(None, use_errno=True)
SCHEDULERS = 'rr wrr lc wlc sed nq sh dh mh fo ovf lblc lblcr twos'.split()
METHODS = {1: MASQ, 2: ROUTE, 3: TUNNEL}
KINDS = [(protocol, method, 80) for protocol in (TCP, UDP, SCTP) for method in (1, 2, 3)]
KINDS += [(TCP, 1, 81), (UDP, 2, 81), (TCP, 1, 21)]
NETS = {V4: ('10.55.0.', '10.0.9.', '10.60.0.'), V6: ('fd00:55::', 'fd00:9::', 'fd00:60::')}

Service = namedtuple('Service', 'af protocol method port')
# A destination with its counts, as the netlink interface shows it.
Counts = namedtuple('Counts', 'protocol vip vport address port active inactive persistent')


def services():
    """Every service of the storm."""
    return [Service(af, *kind) for af in (V4, V6) for kind in KINDS]


def last(af, value):
    """The last part of an address."""
    return f'{value:x}' if af == V6 else str(value)


def fields(of, **more):
    """A service's attributes for requests."""
    persistent = of.port == 81
    return dict(
        af=of.af,
        protocol=of.protocol,
        addr=NETS[of.af][1] + last(of.af, of.method),
        port=of.port,
        netmask=128 if of.af == V6 else ALL,
        flags=(PERSISTENT if persistent else 0, ALL),
        timeout=2 if persistent else 0,
        **more,
    )


def key(of):
    """A SERVICE nest that names it."""
    return service_id(
        af=of.af, protocol=of.protocol, addr=NETS[of.af][1] + last(of.af, of.method), port=of.port
    )


def server(of, n, make_of=dest, **more):
    """The DEST nest of its server N, 0 or 1."""
    forward = dict(fwd=METHODS[of.method]) if make_of is dest else {}
    return make_of(addr=NETS[of.af][2] + last(of.af, 11 + n), port=of.port, **forward, **more)


def configure(genl):
    """Makes the services and destinations that are missing, and sets the others right."""
    for of in services():
        for command, payload in (
            (NEW_SERVICE, service(**fields(of))),
            (SET_SERVICE, service(**fields(of))),
        ):
            genl.call(command, payload)
        for n in (0, 1):
            whole = key(of) + server(of, n)
            if genl.call(NEW_DEST, whole).error:
                equal(genl.call(SET_DEST, whole).error, 0, 'SET_DEST')


def counts(genl):
    """The counts of every destination."""
    found = []
    for one in genl.dump(GET_SERVICE).messages:
        of = dict(attributes(nest(one.payload, SERVICE)))
        wide = number(of[1]) == V6
        short = b''.join(attr(n, of[n]) for n in (1, 2, 3, 4))
        for message in genl.dump(GET_DEST, attr(SERVICE, short)).messages:
            to = dict(attributes(nest(message.payload, 2)))
            size = 16 if wide else 4
            found.append(
                Counts(
                    number(of[2]),
                    words(of[3][:size]),
                    int.from_bytes(of[4], 'big'),
                    words(to[1][:size]),
                    int.from_bytes(to[2], 'big'),
                    number(to[7]),
                    number(to[8]),
                    number(to[9]),
                )
            )
    return found


# An empty chain at each hook, in a namespace beside the director's. The kernel patches its code
# when the first hook of the machine comes and the last one goes, which the storm does all the time
# and which QEMU's multi-threaded emulation sometimes gets wrong (testing.rst). With these it does
# not.
KEYS = 'table inet rv-keys {\n%s\n}' % '\n'.join(
    f'chain {hook} {{ type filter hook {hook} priority 0; }}'
    for hook in ('prerouting', 'input', 'forward', 'output', 'postrouting')
)


class Field:
    """The network: packets come by a cable from rv-storm, what goes out ends in a device."""

    def __enter__(self):
        self.space = make('rv-storm')
        run = g.director.run
        run('ip link add storm type veth peer name out netns rv-storm', quiet=True)
        run('ip link add storm-end type dummy', quiet=True)
        for device in ('storm', 'storm-end'):
            run(f'ip link set {device} up', quiet=True)
        self.space.run('ip link set out up', quiet=True)
        self.space.run(['nft', KEYS], quiet=True)
        run('ip addr add 10.57.0.1/24 dev storm', quiet=True)
        self.space.run('ip addr add 10.57.0.2/24 dev out', quiet=True)
        for net in ('10.55.0.0/16', '10.60.0.0/16', 'fd00:55::/64', 'fd00:60::/64'):
            run(f'ip route add {net} dev storm-end', quiet=True)
        self.mac = ':'.join(f'{byte:02x}' for byte in hardware(g.director, 'storm'))
        return self

    def __exit__(self, *_):
        # Servers first: a device that a cached route of theirs holds would not go.
        g.admin('-C', check=False, quiet=True)
        for device in ('storm', 'storm-end'):
            g.director.run(f'ip link del {device}', check=False, quiet=True)
        remove(self.space)

    def beside(self):
        """Helpers of the network itself, each with the seconds between its steps."""
        return ((self.daemons, 0.3),)

    def restore(self):
        """Takes back what such helpers have left."""

    def command(self, packets, processors, ports, seed):
        """The words that start the storm."""
        return [BINARY, 'out', self.mac, str(packets), str(processors), str(ports), str(seed)]

    def blow(self, packets, processors, ports, seed, show):
        """Sends PACKETS; SHOW returns words for each line of progress. Returns their number."""
        total = 0
        with self.space:
            sender = subprocess.Popen(
                self.command(packets, processors, ports, seed), stdout=subprocess.PIPE, text=True
            )
        with sender:
            for line in sender.stdout:
                note(f'{line.rstrip()}; {show()}')
                total = int(line.split()[2])
        equal(sender.returncode, 0, 'exit code of the sender')
        return total

    @contextlib.contextmanager
    def blowing(self, processors, ports, seed):
        """Sends packets while the block lasts, in the time that others leave."""
        words = ['nice', '-n', '19', *self.command(10**12, processors, ports, seed)]
        with self.space:
            sender = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            yield
            equal(sender.poll(), None, 'the sender is still there')
        finally:
            sender.kill()
            sender.wait()

    def end(self, ports):
        """Aborts every connection of TCP and SCTP."""
        self.space.run(self.command('end', 1, ports, 1), quiet=True)

    def daemons(self, dice, stack):
        """Starts and stops sync daemons: a master here, a backup behind the cable."""
        ends = []
        for space, device in ((g.director, 'storm'), (self.space, 'out')):
            with space:
                ends.append((stack.enter_context(Genl('IPVS')), device))
        while True:
            genl, device = dice.choice(ends)
            state = 1 if device == 'storm' and dice.random() < 0.8 else 2
            genl.call(
                dice.choice((NEW_DAEMON, NEW_DAEMON, DEL_DAEMON)),
                daemon(state=state, interface=device, syncid=1),
            )
            yield

    def stop_daemons(self):
        """Stops what daemons() has left."""
        for space in (g.director, self.space):
            with space, Genl('IPVS') as genl:
                for state in (1, 2):
                    genl.call(DEL_DAEMON, daemon(state=state, interface=None, syncid=1))


class Helper:
    """A process that takes steps of WORK(dice, stack) while the block lasts, and may not fail."""

    def __init__(self, work, seed, pause=0.0):
        self.work, self.seed, self.pause = work, seed, pause

    def __enter__(self):
        sys.stdout.flush()
        self.parent = os.getpid()
        self.child = os.fork()
        if self.child:
            return self
        code = 1
        try:
            self._run()
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
        finally:
            os._exit(code)

    def _run(self):
        ends = []
        signal.signal(signal.SIGTERM, lambda *_: ends.append(1))
        dice = random.Random(self.seed)
        rounds = 0
        with contextlib.ExitStack() as stack:
            work = self.work(dice, stack)
            while not ends and os.getppid() == self.parent:
                next(work)
                rounds += 1
                time.sleep(self.pause)
        print(f'# {self.work.__name__}: {rounds} rounds', flush=True)

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGTERM)
        _, status = os.waitpid(self.child, 0)
        equal(status, 0, f'status of "{self.work.__name__}"')


def edits(dice, stack):
    """An administrator who never stops: servers, services, schedulers, timeouts."""
    stack.enter_context(g.director)
    genl = stack.enter_context(Genl('IPVS'))
    everything = services()
    while True:
        of, n = dice.choice(everything), dice.randrange(2)
        what = dice.randrange(20)
        if what < 6:
            genl.call(DEL_DEST, key(of) + server(of, n, dest_id))
        elif what < 14:
            more = dict(weight=dice.choice((0, 1, 1, 5)), upper=dice.choice((0, 0, 50)))
            whole = key(of) + server(of, n, **more)
            if genl.call(NEW_DEST, whole).error:
                genl.call(SET_DEST, whole)
        elif what < 17:
            genl.call(SET_SERVICE, service(**fields(of, sched=dice.choice(SCHEDULERS))))
        elif what == 17:
            genl.call(DEL_SERVICE, key(of))
            genl.call(NEW_SERVICE, service(**fields(of, sched=dice.choice(SCHEDULERS))))
            for n in (0, 1):
                genl.call(NEW_DEST, key(of) + server(of, n))
        elif what == 18:
            genl.call(ZERO)
        else:
            genl.call(
                SET_CONFIG,
                attr(4, u32(dice.choice((1, 3))))
                + attr(5, u32(1))
                + attr(6, u32(dice.choice((1, 2)))),
            )
        yield


def settings(dice, _):
    """The table grows and shrinks, defenses change, and what else can be set."""
    choices = dict(
        conn_lfactor=(-8, -2, 0, 3, 8),
        svc_lfactor=(-8, -2, 4),
        drop_entry=(3, 3, 0),
        drop_packet=(0, 0, 3),
        secure_tcp=(0, 3),
        expire_nodest_conn=(1, 1, 0),
        expire_quiescent_template=(0, 1),
        conn_reuse_mode=(0, 1, 1),
        conntrack=(0, 1),
        nat_icmp_send=(0, 1),
        sloppy_tcp=(0, 1),
        sloppy_sctp=(0, 1),
        cache_bypass=(0, 1),
        sync_threshold=('3 50', '0 1'),
        sync_refresh_period=(0, 1),
        am_droprate=(2, 10),
        fast_path=(0, 1, 2, 2),
    )
    while True:
        name = dice.choice([*choices, 'conn_lfactor', 'conn_lfactor', 'expire_nodest_conn'])
        with contextlib.suppress(OSError):
            ipvs.setting(name, dice.choice(choices[name]))
        yield


def defaults():
    """All settings as they come, but that connections end with their server."""
    for name, value in dict(
        conn_lfactor=-2,
        svc_lfactor=-2,
        drop_entry=0,
        drop_packet=0,
        secure_tcp=0,
        expire_nodest_conn=0,
        expire_quiescent_template=0,
        conn_reuse_mode=1,
        conntrack=0,
        nat_icmp_send=0,
        sloppy_tcp=0,
        sloppy_sctp=0,
        cache_bypass=0,
        sync_threshold='3 50',
        sync_refresh_period=0,
        am_droprate=10,
    ).items():
        ipvs.setting(name, value)
    fast_path(0)


def fast_path(value):
    """Sets the fast path, which C ip_vs does not have."""
    with contextlib.suppress(FileNotFoundError):
        ipvs.setting('fast_path', value)


def readers(dice, stack):
    """Reads all that there is to read."""
    stack.enter_context(g.director)
    genl = stack.enter_context(Genl('IPVS'))
    files = [
        f'/proc/thread-self/net/{name}'
        for name in (
            'ip_vs',
            'ip_vs_conn',
            'ip_vs_conn_sync',
            'ip_vs_stats',
            'ip_vs_stats_percpu',
            'ip_vs_app',
        )
    ]
    for name in itertools.cycle(files):
        with contextlib.suppress(FileNotFoundError):
            with open(name, encoding='utf-8', errors='replace') as file:
                file.read()
        if dice.random() < 0.3:
            genl.dump(GET_SERVICE)
            genl.dump(GET_DEST, key(dice.choice(services())))
            genl.call(GET_INFO)
        yield


def spaces(dice, _):
    """Namespaces come and go, each with services and connections."""
    for n in itertools.count():
        problems = []
        thread = threading.Thread(target=private_namespace, args=(n, problems))
        thread.start()
        thread.join()
        # Not enough memory for a moment is none of a namespace's own.
        if problems:
            raise Failure(problems[0])
        time.sleep(dice.random() / 10)
        yield


def load(path):
    """Loads the module as insmod does, without a program."""
    with open(path, 'rb') as file:
        if _libc.syscall(FINIT_MODULE, file.fileno(), b'', 0):
            raise OSError(ctypes.get_errno(), f'finit_module: {os.strerror(ctypes.get_errno())}')


def unload(name):
    """Unloads it."""
    if _libc.syscall(DELETE_MODULE, name.encode(), os.O_NONBLOCK):
        raise OSError(ctypes.get_errno(), f'delete_module: {os.strerror(ctypes.get_errno())}')


def has_binary():
    """Whether the program that sends is built, and for whom."""
    return os.access(BINARY, os.X_OK)


def processors():
    """How many processors the kernel has."""
    return len(os.sched_getaffinity(0))
