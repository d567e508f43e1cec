#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the selftests as a kernel tree does: make -C tools/testing/selftests TARGETS=… run_tests.
#
# usage: kselftest.sh
#                on the host: patches the needed parts of a tree, boots the guest (TAP)
#        kselftest.sh --guest
#                in the guest: installs the module, runs make there
#
# TESTS names the tests to run, by default three short ones; TESTS=all runs all of the Makefile.
set -uo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
work=$root/build/kselftest
target=net/netfilter/ipvs_rs
TESTS=${TESTS-hooks.py lookup.py sockopt.py}

# What `make run_tests` reads of a kernel tree, and what the patch changes.
PARTS=(scripts/subarch.include tools/testing/selftests/Makefile tools/testing/selftests/lib.mk
	tools/testing/selftests/kselftest tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h net/netfilter/Kconfig net/netfilter/Makefile
	include/linux/skbuff.h net/ipv4/ip_output.c include/net/netfilter/nf_queue.h
	net/netfilter/nf_internals.h net/netfilter/nf_conntrack_core.c net/netfilter/nft_ct.c
	include/uapi/linux/ip_vs.h)

host() {
	local LAB_KDIR LAB_TREE
	eval "$("$root/tools/lab/lab" env)"
	rm -rf "$work"
	mkdir -p "$work/tree" "$work/bin"
	(cd "$LAB_KDIR" && cp --parents -r "${PARTS[@]}" "$work/tree") || exit
	"$root/tools/lab/lab" enter -- "$root/tools/build/in-tree.sh" apply "$work/tree" >"$work/apply.log" || exit
	# The guest has no make; it is of the same Debian as the toolchain tree.
	cp "$LAB_TREE/usr/bin/make" "$work/bin/"
	exec "$root/tools/lab/lab" boot --timeout "${TIMEOUT:-900}" -- \
		"TESTS='$TESTS' tools/testing/kselftest.sh --guest"
}

guest() {
	local folder=/tmp/tree/tools/testing/selftests log=/tmp/run_tests.log words
	cp -r "$work/tree" /tmp/tree
	mkdir -p "/lib/modules/$(uname -r)/updates"
	cp "$root/build/rust_ipvs.ko" "/lib/modules/$(uname -r)/updates/"
	depmod
	words=()
	[ "$TESTS" = all ] || words=("TEST_PROGS=$TESTS")
	unset RUST_IPVS_KO
	PATH=$PATH:$work/bin make -s -C "$folder" "TARGETS=$target" "${words[@]}" run_tests 2>&1 |
		tee "$log" | sed 's/^/# /'
	# The TAP of make counts files, each with its own TAP as a comment.
	[ "$TESTS" != all ] || TESTS=$(awk '/^TEST_PROGS :=/,/^#/ { if (/^\t/) print $1 }' "$folder/$target/Makefile")
	echo 'TAP version 13'
	echo "1..$(wc -w <<<"$TESTS")"
	grep -E '^(ok |not ok )' "$log"
	grep -q '^ok ' "$log" && ! grep -q '^not ok ' "$log"
}

case ${1-} in
--guest) guest ;;
*) host ;;
esac
