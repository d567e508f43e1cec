# SPDX-License-Identifier: GPL-2.0
"""The fixture of a test: the network of lib.sh, its servers, and the implementation under test, fresh."""

import os
import re
import subprocess

from . import tap
from .netns import Netns
from .servers import Servers

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.environ.get('IPVSADM', 'ipvsadm')
VIP, VIP6 = '10.0.9.1', 'fd00:9::1'
# By family: the VIP, and the first real server, s1.
VIPS = {4: VIP, 6: VIP6}
SERVER = {4: '10.0.2.11', 6: 'fd00:2::b'}
# The value of fast_path in each namespace at first, as in lib.sh.
FAST_PATH = int(os.environ.get('FAST_PATH') or 1)

# What a healthy kernel never says (lib.sh has the same for shell tests).
BAD = re.compile(
    r'WARNING: |BUG: |Oops|general protection|refcount_t|Objects remaining|possible circular '
    r'locking|suspicious RCU|scheduling while atomic|INFO: task|rcu.*stall|list_(add|del) '
    r'corruption|leak'
)


def jiffies():
    """How many jiffies a second of this kernel has."""
    # Another subsystem's variable, which is a second.
    with open('/proc/sys/net/ipv4/route/error_cost', encoding='ascii') as file:
        return int(file.read())


HZ = jiffies()


def lib(function):
    """Runs one function of lib.sh."""
    done = subprocess.run(
        ['bash', '-c', f'. {HERE}/lib.sh; {function}'],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.stdout.strip():
        tap.note(done.stdout.strip())
    if done.returncode:
        raise RuntimeError(f'{function} of lib.sh failed')


class Fixture:
    """A context manager for tap.run(). Namespaces are attributes: client, director, s1, s2, s3, lan."""

    marks = 0

    def __init__(self, servers=True, loaded=True):
        self.impl = os.environ.get('IPVS_IMPL', 'rust')
        self.module = 'ip_vs' if self.impl == 'c' else 'rust_ipvs'
        self.want_servers, self.want_loaded = servers, loaded
        self.servers = None
        self.spaces = {}

    def __enter__(self):
        if os.geteuid():
            tap.skip_all('needs root')
        used = os.path.exists('/run/netns/rv-client')
        if not used:
            lib('topology_up')
        for name in 'lan client director s1 s2 s3'.split():
            self.spaces[name] = Netns(f'rv-{name}')
            setattr(self, name, self.spaces[name])
            # What earlier tests taught these hosts about the MTU of paths is not so any more.
            for version in '46' if used else '':
                self.spaces[name].run(f'ip -{version} route flush cache', quiet=True)
        if self.want_servers:
            self.servers = Servers()
            for name in 's1 s2 s3'.split():
                self.servers.add(self.spaces[name])
            self.servers.start()
        self.mark_log()
        if self.want_loaded:
            self.load()
        return self

    def __exit__(self, *_):
        if self.loaded():
            self.unload()
        if self.servers:
            self.servers.stop()
        for space in self.spaces.values():
            space.close()
        if not os.environ.get('TOPOLOGY_KEEP'):
            lib('topology_down')

    def admin(self, line, check=True, quiet=False, space=None):
        """Runs ipvsadm in the director, or another namespace; returns its output."""
        return (space or self.director).run(f'{TOOL} {line}', check=check, quiet=quiet)

    def loaded(self):
        """Whether the implementation is in the kernel."""
        return os.path.isdir(f'/sys/module/{self.module}')

    def load(self, parameters=''):
        """Loads the implementation."""
        lib(f'impl_load {parameters}')

    def unload(self):
        """Unloads it, and all its connections with it."""
        if self.loaded():
            self.admin('-C', check=False, quiet=True)
        lib('impl_unload')

    def reload(self):
        """A fresh start: no service, no connection, settings as they come."""
        self.unload()
        self.load()

    def mark_log(self):
        """Begins a new part of the kernel's log, which is what log() reads."""
        Fixture.marks += 1
        self.mark = f'selftest mark {os.getpid()}.{Fixture.marks}'
        with open('/dev/kmsg', 'w', encoding='utf-8') as log:
            log.write(self.mark + '\n')

    def log(self):
        """The kernel's log since the case began."""
        text = subprocess.run(['dmesg'], stdout=subprocess.PIPE, text=True, check=True).stdout
        return text.rsplit(self.mark, 1)[-1].splitlines()[1:]

    def before(self, fresh=False):
        """Before each case: nothing configured, and no other implementation in the kernel."""
        self.mark_log()
        if self.want_loaded:
            if fresh and self.loaded():
                self.unload()
            if not self.loaded():
                self.load()
            self.admin('-C', quiet=True)
            if self.impl == 'rust':
                self.director.write('/proc/sys/net/ipv4/vs/fast_path', FAST_PATH)
        other = 'rust_ipvs' if self.impl == 'c' else 'ip_vs'
        tap.true(not os.path.isdir(f'/sys/module/{other}'), f'{other} is loaded too')

    def after(self):
        """After each case: nothing bad in the kernel's log."""
        bad = [line for line in self.log() if BAD.search(line)]
        tap.true(not bad, 'the kernel complained:\n' + '\n'.join(bad[:5]))

    def show_state(self):
        """What a person would look at after a failure."""
        if not self.loaded():
            # To ask ipvsadm would load the kernel's own.
            tap.note('the module is not loaded')
            return
        try:
            tap.note(self.admin('-Ln', quiet=True, check=False))
            tap.note('\n'.join(self.director.read('/proc/net/ip_vs_conn').splitlines()[:10]))
            tap.note(self.director.read('/proc/net/ip_vs_stats'))
        except Exception as error:  # This only explains a failure that is told already.
            tap.note(f'no state to show: {error}')
        tap.note('\n'.join(self.log()[-8:]))


FIXTURE = Fixture()
