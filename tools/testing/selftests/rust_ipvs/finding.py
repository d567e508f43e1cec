#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Who asks for IPVS gets rust_ipvs, where it is installed as `make install` does it; C's is there for who wants it.

Nothing here names rust_ipvs to load it.
"""

import os
import re
import subprocess

from harness.fixture import BAD
from harness.installed import CONF, INSTEAD, Installed, loaded, MODULES, sh, unload
from harness.tap import case, equal, note, run, skip_all, true

SCHEDULERS = 'rr wrr lc wlc fo ovf lblc lblcr dh sh mh sed nq twos'.split()


class System(Installed):
    """That system, for tap.run()."""

    impl = os.environ.get('IPVS_IMPL', 'rust')

    def __enter__(self):
        if os.geteuid():
            skip_all('needs root')
        if self.impl != 'rust':
            skip_all('only rust_ipvs has to be found in place of another')
        true(not loaded(), f'{loaded()} is loaded')
        return super().__enter__()

    @staticmethod
    def before(_fresh):
        """Nothing is loaded."""
        unload()
        subprocess.run(['dmesg', '--clear'], check=True)

    @staticmethod
    def after():
        """The kernel has no complaint."""
        log = subprocess.run(['dmesg'], stdout=subprocess.PIPE, text=True, check=True).stdout
        true(not BAD.search(log), f'the kernel complained: {log}')

    @staticmethod
    def show_state():
        """What a person would look at after a failure."""
        note(f'loaded: {loaded()}')
        note(sh('dmesg | tail -n 8', check=False))


SYSTEM = System()


@case('G-22 a kernel for which rust_ipvs is not installed still gets its ip_vs')
def not_installed():
    sh('modprobe ip_vs_wlc')
    equal(loaded(), ['ip_vs', 'ip_vs_wlc'], 'what is loaded')
    unload()
    sh('ipvsadm -Ln')
    equal(loaded(), ['ip_vs'], 'what ipvsadm has loaded')
    # All the other cases are about the whole installation.
    SYSTEM.install_module()


@case('G-1 G-22 ipvsadm -L loads rust_ipvs by itself')
def ipvsadm():
    words = sh('ipvsadm -L')
    equal(loaded(), ['rust_ipvs'], 'what is loaded')
    true(words.startswith('IP Virtual Server version 1.2.1 (size=0)\n'), words)


@case('G-1 who asks the kernel for the netlink family gets it')
def family():
    sh('modprobe -q -- net-pf-16-proto-16-family-IPVS')
    equal(loaded(), ['rust_ipvs'], 'what is loaded')


@case('G-22 G-24 so do those who load ip_vs, ipvs, a scheduler or the match of iptables')
def names():
    for name in ('ip_vs', 'ipvs', 'ip_vs_wlc', 'ip_vs_pe_sip', 'xt_ipvs', 'ipt_ipvs'):
        sh(f'modprobe {name}')
        equal(loaded(), ['rust_ipvs'], f'what {name} loads')
        unload()
    sh('modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_sh')
    equal(loaded(), ['rust_ipvs'], 'what is loaded by some after another')


@case(
    'G-24 the file has a line for all names of the module, and the module a name for all schedulers'
)
def all_names():
    aliases = sh('modinfo -F alias rust_ipvs').split()
    with open(CONF, encoding='utf-8') as file:
        lines = re.findall(r'^(?:install|alias) (\S+)', file.read(), re.M)
    equal(sorted(set(aliases) - set(lines)), [], 'names without a line')
    equal(
        sorted({f'ip_vs_{name}' for name in SCHEDULERS} - set(aliases)),
        [],
        'schedulers without a name',
    )


@case('L-7 parameters that are given for ip_vs are given to rust_ipvs')
def parameters():
    equal(
        'rust_ipvs.ko conn_tab_bits=12' in sh('modprobe -v ip_vs conn_tab_bits=12'),
        True,
        'the line for insmod',
    )
    equal(loaded(), ['rust_ipvs'], 'what is loaded')


@case('G-22 modprobe --ignore-install ip_vs loads C\'s, and its schedulers with it')
def theirs():
    sh('modprobe --ignore-install ip_vs')
    equal(loaded(), ['ip_vs'], 'what is loaded')
    sh('ipvsadm -A -t 192.0.2.1:80 -s wlc')
    sh('modprobe ip_vs_sh')
    equal(
        loaded(), ['ip_vs', 'ip_vs_sh', 'ip_vs_wlc'], 'what is loaded after a service and modprobe'
    )
    true(
        'resource busy' in sh('modprobe rust_ipvs', check=False),
        'rust_ipvs must not load beside it',
    )
    sh('ipvsadm -C')


@case('G-22 so does insmod')
def insmod():
    sh(
        f'modprobe nf_conntrack; modprobe nf_defrag_ipv6; insmod {MODULES}/kernel/net/netfilter/ipvs/ip_vs.ko'
    )
    sh('modprobe ip_vs_rr')
    equal(loaded(), ['ip_vs', 'ip_vs_rr'], 'what is loaded')


@case(
    'L-1 ip_vs is refused while rust_ipvs is there, before it touches anything, and comes when that has gone'
)
def beside():
    sh('modprobe rust_ipvs; ipvsadm -A -t 192.0.2.1:80 -s rr')
    for line in ('modprobe -i ip_vs', f'insmod {MODULES}/kernel/net/netfilter/ipvs/ip_vs.ko'):
        true('resource busy' in sh(line, check=False), f'{line} must fail')
        equal(loaded(), ['rust_ipvs'], f'what is loaded after {line}')
    true('ip_vs cannot be loaded beside this module' in sh('dmesg'), 'the log says why')
    true('192.0.2.1:80 rr' in sh('ipvsadm -Ln'), 'the service is still there')
    sh('rmmod rust_ipvs; modprobe -i ip_vs')
    equal(loaded(), ['ip_vs'], 'what is loaded when rust_ipvs has gone')


@case('L-6 L-9 the FTP helper is in rust_ipvs; beside C\'s own, that has its helper and match')
def others():
    sh('modprobe ip_vs_ftp')
    equal(loaded(), ['rust_ipvs'], 'what ip_vs_ftp loads')
    true(' ftp ' in sh('cat /proc/net/ip_vs_app'), 'the helper is there')
    true('Unknown symbol' not in sh('dmesg'), 'the kernel was not even asked')
    unload()
    sh('modprobe -i ip_vs; modprobe ip_vs_ftp; modprobe xt_ipvs')
    equal(loaded(), ['ip_vs', 'ip_vs_ftp', 'xt_ipvs'], 'what C\'s loads')


@case('G-22 an empty file in /etc/modprobe.d has everything as it was')
def undone():
    os.makedirs(os.path.dirname(INSTEAD), exist_ok=True)
    os.symlink('/dev/null', INSTEAD)
    sh('modprobe ip_vs_wlc')
    equal(loaded(), ['ip_vs', 'ip_vs_wlc'], 'what is loaded')
    os.remove(INSTEAD)


if __name__ == '__main__':
    run(SYSTEM)
