#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Adds the module to a kernel tree, builds it as a module and built in, and boots it (TAP).
#
# The tree is a copy of the lab's kernel source, kept in the lab's cache with its build, so that the
# next run builds only the module. x86-m and x86-y are configured like the stock kernel, um is a
# small User-mode Linux kernel.
set -uo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")

# The KUnit suites of the module: one for each inline module of tests that says so.
mapfile -t suites < <(grep -rhoE 'kunit_tests\(\w+\)' "$root/rust_ipvs" |
	sed 's/.*(//; s/)//' | sort)
cases=$((6 + ${#suites[@]}))
# shellcheck source=kernel-copy.sh
. "$root/tools/build/kernel-copy.sh"
logs=$root/build/in-tree
number=0

# result ok|"not ok" WORDS [LOG]: a test's line, and the end of its log where it failed.
result() {
	number=$((number + 1))
	printf '%s %d %s\n' "$1" "$number" "$2"
	if [ "$1" != ok ] && [ -n "${3-}" ]; then
		grep -vE '^ +[A-Z][A-Za-z0-9]+( \[M\]| [LP])? +[^ ]+$' "$3" | tail -n 25 | sed 's/^/# /'
		echo "# the whole log: ${3#"$root"/}"
	fi
}

x86() {
	local folder=$1 fragment=$2
	reconfigure "$folder" "$fragment" like_stock "$folder" "$fragment" &&
		kernel "$folder" ARCH=x86 net/netfilter/rust_ipvs/ && is_there "$place/$folder/net/netfilter/rust_ipvs" "$folder"
}

# Did the build leave what the kernel would take from that folder: a module's object, or a part of
# vmlinux?
is_there() {
	case $2 in
	x86-m) nm "$1/rust_ipvs.o" | grep -w init_module ;;
	x86-y) ar t "$1/built-in.a" | grep -c . | grep -qx 2 && nm "$1/main.o" | grep initcall ;;
	esac
}

um() {
	local fragment=$place/um.fragment
	cat "$root/tools/build/um.config" "$root/tools/build/um-kunit.config" >"$fragment"
	reconfigure um "$fragment" small um "$fragment" && kernel um ARCH=um linux
}

# boot_um LOG: the kernel as a program, with this userland as its root, running um-init.
boot_um() {
	timeout --kill-after=5 120 "$place/um/linux" rootfstype=hostfs rootflags=/ root=/dev/root ro mem=128M \
		init="$root/tools/build/um-init" con=null con0=fd:0,fd:1 panic=1 </dev/null >"$1" 2>&1
}

# Did a compiler, the linker or objtool have something to say of the module? (Kconfig has, of the
# stock configuration.)
warned() {
	grep -E '(^|rust_ipvs/.*)warning:' "$1"
}

build_cases() {
	local case words
	for case in 'x86-m CONFIG_RUST_IPVS=m, beside IP_VS=m' 'x86-y CONFIG_RUST_IPVS=y, without IP_VS'; do
		words=${case#* } case=${case%% *}
		progress "x86-64, $words"
		if x86 "$case" "$root/tools/build/$case.config" >"$logs/$case.log" 2>&1 && ! warned "$logs/$case.log"; then
			result ok "x86-64, $words: the directory builds"
		else
			result 'not ok' "x86-64, $words: the directory builds" "$logs/$case.log"
		fi
	done
	progress 'User-mode Linux, CONFIG_RUST_IPVS=y'
	if um >"$logs/um.log" 2>&1 && ! warned "$logs/um.log"; then
		result ok 'User-mode Linux with the module built in: the kernel builds'
	else
		result 'not ok' 'User-mode Linux with the module built in: the kernel builds' "$logs/um.log"
		return 1
	fi
}

# A line for each KUnit suite of the log: "# rust_ipvs_tcp: pass:5 fail:0 skip:2 total:7".
kunit_cases() {
	local suite line
	for suite in "${suites[@]}"; do
		line=$(grep -oE "# $suite: pass:[0-9]+ fail:[0-9]+ skip:[0-9]+" "$1" | tail -n 1)
		# A suite of one test has no line of sums.
		[ -n "$line" ] || line=$suite
		if [[ $line != *' fail:'[1-9]* && $line != *'pass:0 '* ]] &&
			grep -qE "^(\[[^]]*\] *)?ok [0-9]+ $suite\$" "$1"; then
			result ok "KUnit: $suite, ${line#*: }"
		else
			result 'not ok' "KUnit: $suite" "$1"
		fi
	done
}

boot_cases() {
	local log=$logs/boot.log
	progress 'booting User-mode Linux'
	boot_um "$log"
	kunit_cases "$log"
	if ! grep -q '^um: up' "$log" && grep -qiE 'ptrace.*(fail|not permitted|denied)|seccomp.*fail' "$log"; then
		result ok "User-mode Linux answers on its netlink family # SKIP this host does not let a program trace its children"
		result ok "User-mode Linux balances a connection # SKIP this host does not let a program trace its children"
		return
	fi
	if grep -q '^um: netlink ok' "$log"; then
		result ok 'User-mode Linux answers on its netlink family'
	else
		result 'not ok' 'User-mode Linux answers on its netlink family' "$log"
	fi
	if grep -q '^um: traffic ok' "$log" && ! grep -qE 'Kernel panic|BUG:|WARNING:' "$log"; then
		result ok 'User-mode Linux balances a connection'
	else
		result 'not ok' 'User-mode Linux balances a connection' "$log"
	fi
}

main() {
	echo 'TAP version 13'
	echo "1..$cases"
	mkdir -p "$logs"
	refresh_copy "$logs/copy.log" || {
		echo "Bail out! the kernel's source could not be copied: ${logs#"$root"/}/copy.log"
		exit 1
	}
	if "$root/tools/build/in-tree.sh" apply "$source" >"$logs/apply.log" 2>&1 &&
		"$root/tools/build/in-tree.sh" apply "$source" 2>&1 | tee -a "$logs/apply.log" | grep -q 'as it is here'; then
		result ok 'the patch applies, and a second time changes nothing'
	else
		result 'not ok' 'the patch applies, and a second time changes nothing' "$logs/apply.log"
	fi
	if build_cases; then
		boot_cases
	else
		kunit_cases /dev/null
		result 'not ok' 'User-mode Linux answers on its netlink family'
		result 'not ok' 'User-mode Linux balances a connection'
	fi
	progress 'done'
}

if [ "${LAB_INSIDE-}" != "$LAB_TREE" ]; then
	exec "$lab" enter -- "${BASH_SOURCE[0]}"
fi
lock_copy
main | tee "$root/build/in-tree.tap"
! grep -q '^not ok\|^Bail out' "$root/build/in-tree.tap"
