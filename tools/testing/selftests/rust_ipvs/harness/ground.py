# SPDX-License-Identifier: GPL-2.0
"""The ground of a test: the network of lib.sh, its servers, and the implementation under test, fresh."""

import os
import re
import subprocess

from . import ipvs, tap
from .netns import Netns
from .servers import Servers

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VIP, VIP6 = '10.0.9.1', 'fd00:9::1'

# What a healthy kernel never says (lib.sh has the same for shell tests).
BAD = re.compile(r'WARNING: |BUG: |Oops|general protection|refcount_t|Objects remaining|possible circular '
                 r'locking|suspicious RCU|scheduling while atomic|INFO: task|rcu.*stall|list_(add|del) '
                 r'corruption|leak')


def lib(function):
    """Runs one function of lib.sh."""
    done = subprocess.run(['bash', '-c', f'. {HERE}/lib.sh; {function}'], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.stdout.strip():
        tap.note(done.stdout.strip())
    if done.returncode:
        raise RuntimeError(f'{function} of lib.sh failed')


class Ground:
    """A context manager for tap.run(). Namespaces are attributes: client, director, s1, s2, s3, lan."""

    def __init__(self, servers=True, loaded=True):
        self.impl = os.environ.get('IPVS_IMPL', 'rust')
        self.module = 'ip_vs' if self.impl == 'c' else 'rust_ipvs'
        self.want_servers, self.want_loaded = servers, loaded
        self.servers = None
        self.spaces = {}

    def __enter__(self):
        if os.geteuid():
            tap.skip_all('needs root')
        if not os.path.exists('/run/netns/rv-client'):
            lib('topology_up')
        for name in 'lan client director s1 s2 s3'.split():
            self.spaces[name] = Netns(f'rv-{name}')
            setattr(self, name, self.spaces[name])
        if self.want_servers:
            self.servers = Servers()
            for name in 's1 s2 s3'.split():
                self.servers.add(self.spaces[name])
            self.servers.start()
        self.mark = f'rust_ipvs selftest {os.getpid()}'
        with open('/dev/kmsg', 'w', encoding='utf-8') as log:
            log.write(self.mark + '\n')
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

    def loaded(self):
        """Whether the implementation is in the kernel."""
        return os.path.isdir(f'/sys/module/{self.module}')

    def load(self):
        """Loads the implementation."""
        lib('impl_load')

    def unload(self):
        """Unloads it, and all its connections with it."""
        if self.loaded():
            ipvs.admin('-C', check=False, quiet=True)
        lib('impl_unload')

    def reload(self):
        """A fresh start: no service, no connection, settings as they come."""
        self.unload()
        self.load()

    def log(self):
        """The kernel's log since the test began."""
        text = subprocess.run(['dmesg'], stdout=subprocess.PIPE, text=True, check=True).stdout
        return text.rsplit(self.mark, 1)[-1].splitlines()[1:]

    def before(self):
        """Before each case: nothing configured."""
        if self.want_loaded:
            if not self.loaded():
                self.load()
            ipvs.admin('-C', quiet=True)

    def after(self):
        """After each case: nothing bad in the kernel's log."""
        bad = [line for line in self.log() if BAD.search(line)]
        tap.true(not bad, 'the kernel complained:\n' + '\n'.join(bad[:5]))

    def show_state(self):
        """What a person would look at after a failure."""
        try:
            tap.note(ipvs.admin('-Ln', quiet=True, check=False))
            for file in ('ip_vs_conn', 'ip_vs_stats'):
                tap.note(self.director.read(f'/proc/net/{file}'))
        except Exception as error:  # The module may not be there at all.
            tap.note(f'no state to show: {error}')
        tap.note('\n'.join(self.log()[-8:]))


GROUND = Ground()
