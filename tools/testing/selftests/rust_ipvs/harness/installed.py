# SPDX-License-Identifier: GPL-2.0
"""A system on which `make install` was done: the module among the kernel's, and the file for modprobe.

The module's name loads it then, and so does, by that file, the name of C's.
"""

import os
import re
import shutil
import subprocess

from .module import KO
from .tap import equal, note

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONF = os.path.join(HERE, '../../../build/modprobe.d/rust_ipvs.conf')
INSTALLED_CONF = '/usr/lib/modprobe.d/rust_ipvs.conf'
# One file of this name in /etc takes the place of the installed one.
INSTEAD = '/etc/modprobe.d/rust_ipvs.conf'
MODULES = f'/lib/modules/{os.uname().release}'
# The modules among which it is installed, and no others: depmod would take long.
PARTS = (
    'net/netfilter/ipvs',
    'net/netfilter/nf_conntrack.ko',
    'net/netfilter/nf_nat.ko',
    'net/netfilter/x_tables.ko',
    'net/netfilter/xt_ipvs.ko',
    'net/ipv4/netfilter/nf_defrag_ipv4.ko',
    'net/ipv6/netfilter/nf_defrag_ipv6.ko',
)
TREE = '/tmp/rust_ipvs-modules'


def sh(line, check=True):
    """Runs a line of the shell; returns what it printed."""
    note(f'# {line}')
    done = subprocess.run(
        line, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if check:
        equal(done.returncode, 0, f'{line}: {done.stdout.strip()}')
    return done.stdout


def loaded():
    """What there is of IPVS in the kernel, of either kind."""
    return sorted(
        name
        for name in os.listdir('/sys/module')
        if re.match(r'(rust_ipvs|ip_vs.*|xt_ipvs)$', name) and
        # What is built in has no state.
        os.path.exists(f'/sys/module/{name}/initstate')
    )


def unload():
    """Takes it all out again."""
    for name in sorted(loaded(), key=lambda name: name in ('ip_vs', 'rust_ipvs')):
        subprocess.run(['rmmod', name], check=True)


class Installed:
    """While the block lasts, the file is installed; install_module() adds the module itself."""

    def __enter__(self):
        with open(f'{MODULES}/modules.builtin', encoding='ascii') as file:
            built_in = file.read().splitlines()
        for part in PARTS:
            if f'kernel/{part}' in built_in:
                continue
            to = f'{TREE}/kernel/{part}'
            os.makedirs(os.path.dirname(to), exist_ok=True)
            (shutil.copytree if os.path.isdir(f'{MODULES}/kernel/{part}') else shutil.copy)(
                f'{MODULES}/kernel/{part}', to
            )
        for name in ('modules.order', 'modules.builtin', 'modules.builtin.modinfo'):
            shutil.copy(f'{MODULES}/{name}', TREE)
        sh(f'mount --bind {TREE} {MODULES}; depmod')
        os.makedirs(os.path.dirname(INSTALLED_CONF), exist_ok=True)
        shutil.copy(CONF, INSTALLED_CONF)
        return self

    @staticmethod
    def install_module():
        """The other half of the installation."""
        os.makedirs(f'{MODULES}/updates', exist_ok=True)
        shutil.copy(KO, f'{MODULES}/updates')
        sh('depmod')

    def __exit__(self, *_):
        unload()
        for name in (INSTALLED_CONF, INSTEAD):
            if os.path.lexists(name):
                os.remove(name)
        sh(f'umount {MODULES}; rm -r {TREE}')
