#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the kernel's own selftest of IPVS, net/netfilter/ipvs.sh, unchanged on rust_ipvs. Runs in the
# guest.
#
# usage: kernel-ipvs.sh SELFTESTS   the folder tools/testing/selftests of a kernel source
#
# The test loads ip_vs if /proc/sys/net/ipv4/vs does not exist. Here rust_ipvs is loaded before and
# loading ip_vs is disabled, so the test runs on rust_ipvs.

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=selftests/rust_ipvs/lib.sh
. "$here/selftests/rust_ipvs/lib.sh"
selftests=${1:?usage: kernel-ipvs.sh SELFTESTS}

only_ours() {
	lsmod | grep '^rust_ipvs ' && ! lsmod | grep '^ip_vs '
}

ours_gone() {
	impl_unload && ! impl_loaded
}

run_it() {
	local status=0
	# In a copy: it takes the library from its own folder by a path that goes up.
	cp -r "$selftests/net" /tmp/net && cd /tmp/net/netfilter && cmp ipvs.sh "$selftests/net/netfilter/ipvs.sh" || return
	bash ./ipvs.sh 2>&1 | tee /tmp/ipvs.out | sed 's/^/# /'
	status=${PIPESTATUS[0]}
	[ "$status" = 0 ] && grep -q 'ipvs.sh.*PASS' /tmp/ipvs.out
}

[ -r "$selftests/net/netfilter/ipvs.sh" ] || skip_all "there is no $selftests/net/netfilter/ipvs.sh"
tap_start
log_mark
mkdir -p /etc/modprobe.d
echo 'install ip_vs /bin/false' >/etc/modprobe.d/rust_ipvs.conf
modprobe -a veth bridge ipip
impl_load || exit
ok 'rust_ipvs is loaded, ip_vs is not' only_ours
ok 'selftests: net/netfilter: ipvs.sh passes DR, NAT and Tunnel' run_it
ok 'rust_ipvs is still loaded, ip_vs is not' only_ours
ok 'L-5 rust_ipvs is unloaded' ours_gone
ok 'the kernel log is silent' log_is_silent
tap_end
