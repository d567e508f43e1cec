#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs selftests in an SMP kernel with KASAN, kmemleak and lockdep, in User-mode Linux (TAP).
#
# usage: test-debug-kernel.sh [TEST…]
#
# The stock kernel has none of these checks. This one is built with clang, which KASAN requires in a
# kernel with Rust, and is kept in the lab's cache; the first build takes more than a quarter of an
# hour. It is a program, so the tests run at the host's speed. WATCH=no disables the checks. Without
# TEST, all selftests run. SMP, MEMORY and LIMIT are the kernel's CPUs, memory and seconds. PACKETS
# is the size of storm.py's storm, LOADS and NAMESPACES are how often it loads the module and
# creates a namespace. PATIENCE multiplies the time limits of tests and of what they wait for.
set -uo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source=kernel-copy.sh
. "$root/tools/build/kernel-copy.sh"
# shellcheck source=um-smp.sh
. "$root/tools/build/um-smp.sh"
kind=um-debug fragments=("$root/tools/build/um-tests.config" "$root/tools/build/um-debug.config")
# Only where programs run under seccomp, and not by ptrace, can there be more than one processor.
# A busy host may give one of them no time for half a minute, which is no fault of the module.
options=("ncpus=${SMP:-4}" seccomp=on kasan_multi_shot rcupdate.rcu_cpu_stall_timeout=300)
[ "${WATCH-}" != no ] || kind=um-plain fragments=("$root/tools/build/um-tests.config")
# Here is what was built, to be run when others may build again, and what the runs leave.
logs=$root/build/debug-kernel/$kind
built=$logs/built
results=$logs/tests
number=0
tests=("$@")
# Memory is taken when it is used; a million connections want it, with what watches remembering
# where each one was made.
limit=${LIMIT:-7000} memory=${MEMORY:-4G} packets=${PACKETS:-10m}
[ -z "${LONG-}" ] || limit=${LIMIT:-60000} memory=${MEMORY:-12G} packets=${PACKETS:-100m}

# What a kernel says that found something: KASAN, lockdep, RCU, an object's life, a list, an
# assertion of Rust code.
BAD='BUG|WARNING|KASAN|INFO: |possible|suspicious|ODEBUG|corruption|panicked|refcount_t|detected stall'
# (And that it looks for such things, or that it was given something to find out.)
FINE='kmemleak: Kernel memory leak detector|kasan: Kernel|possible_cpus|TCP: request_sock|rust_ipvs selftest mark'

# ok WORDS CMD…: one case, which the exit code of CMD decides.
ok() {
	local words=$1
	shift
	number=$((number + 1))
	if "$@" >"$logs/case" 2>&1; then
		echo "ok $number $words"
	else
		tail -n 60 "$logs/case" | sed 's/^/# /'
		echo "not ok $number $words"
	fi
}

configure() {
	kernel "$kind" ARCH=um CC="$clang" KCONFIG_ALLCONFIG="$place/$kind.fragment" allnoconfig
}

# With the code model of User-mode Linux clang has a section of its own for data that is zero. To
# the kernel it lies beyond its end where the linker's script does not name it, and then lockdep and
# kmemleak do not take it for the kernel's.
name_large_bss() {
	local script=$source/arch/um/kernel/dyn.lds.S
	grep -q '\.lbss' "$script" || sed -i 's/\*(\.bss \.bss\.\*/& .lbss .lbss.*/' "$script"
	grep '\.lbss' "$script"
}

# It looks at every word of a stack for what may be a return address, and what watches memory
# remembers a stack for each object: packets took most of their time there. With frame pointers it
# need not.
follow_frames() {
	local script=$source/arch/um/kernel/stacktrace.c
	grep -q 'IS_ENABLED(CONFIG_FRAME_POINTER)' "$script" || sed -i \
		's/if (\(__kernel_text_address(addr)\))/if ((!IS_ENABLED(CONFIG_FRAME_POINTER) || (long)sp == bp + sizeof(bp)) \&\& \1)/' "$script"
	grep 'IS_ENABLED(CONFIG_FRAME_POINTER)' "$script"
}

# What returns from a signal to a program must have nothing on the stack. With frame pointers it
# has, and under seccomp every program died of registers that were off by one.
keep_stub_bare() {
	local file=$source/arch/um/kernel/skas/Makefile
	grep -q 'omit-frame-pointer' "$file" || sed -i 's/^CFLAGS_stub\.o := .*/& -fomit-frame-pointer/' "$file"
	grep 'omit-frame-pointer' "$file"
}

# When areas of vmalloc() are purged, their shadow is released one by one, and then from the first
# to the last of them at once. User-mode Linux clears it both times. There may be terabytes in
# between: an unloading took seconds then, and gigabytes of the host, and live areas lost their red
# zones.
clear_areas_alone() {
	local file=$source/mm/kasan/shadow.c
	local line='\tif (IS_ENABLED(CONFIG_UML) \&\& flags == KASAN_VMALLOC_TLB_FLUSH)\n\t\treturn;'
	grep -q 'CONFIG_UML) && flags' "$file" || sed -i \
		"/^void __kasan_release_vmalloc/,/^}/s/^\tregion_start = ALIGN/$line\n&/" "$file"
	grep 'CONFIG_UML) && flags' "$file"
}

# (And User-mode Linux loads no module that has a table of addresses, which rustc makes unless told
# otherwise.)
make_um() {
	kernel "$kind" ARCH=um CC="$clang" "RUSTFLAGS_MODULE=-Crelocation-model=static -Ccode-model=large" "$@"
}

build() {
	name_large_bss && follow_frames && keep_stub_bare && clear_areas_alone || return
	fit_for_processors || return
	grep -hv '^CONFIG_RUST_IPVS=y' "$root/tools/build/um.config" "${fragments[@]}" >"$place/$kind.fragment"
	rm -rf "$built"
	mkdir -p "$built"
	reconfigure "$kind" "$place/$kind.fragment" configure && make_um linux modules &&
		make_um INSTALL_MOD_PATH="$built" modules_install &&
		cp "$place/$kind/linux" "$place/$kind/net/netfilter/rust_ipvs/rust_ipvs.ko" "$built" &&
		# It is to be found where a test names it, or installs it.
		find "$built/lib/modules" -name rust_ipvs.ko -delete
}

# A module that makes, on purpose, what has to be found.
build_fault_injection() {
	mkdir -p "$place/fault_injection" && cp "$root/tools/build/fault_injection.c" "$place/fault_injection" &&
		echo 'obj-m := fault_injection.o' >"$place/fault_injection/Makefile" && make_um M="$place/fault_injection" modules &&
		cp "$place/fault_injection/fault_injection.ko" "$built"
}

# boot NAME COMMANDS OPTION…: runs them in the kernel, with what was built in /built; what they
# write to /results is in $logs/NAME then.
boot() {
	results=$logs/$1
	rm -rf "$results"
	mkdir -p "$results"
	cat >"$results/commands" <<-EOF
		export LONG='${LONG-}' SEED='${SEED:-20261121}' RUST_IPVS_KO=/built/rust_ipvs.ko
		export PACKETS='$packets' LOADS='${LOADS-}' NAMESPACES='${NAMESPACES-}'
		export PATIENCE='${PATIENCE:-4}'
		$2
	EOF
	timeout --kill-after=5 "$limit" \
		"$built/linux" rootfstype=hostfs rootflags=/ root=/dev/root ro mem="$memory" log_buf_len=16M panic=1 "${options[@]}" "${@:3}" \
		con=null con0=fd:0,fd:1 "ubd0r=$LAB_CACHE/guest/root.ext4" init="$root/tools/build/um-tests-init" \
		"ipvs.results=$results" "ipvs.built=$built" </dev/null >"$results/boot.log" 2>&1
	if ! grep -q '^um: down' "$results/boot.log"; then
		tail -n 40 "$results/boot.log"
		return 1
	fi
}

# What the kernel found, one line each.
findings() {
	grep -hE "$BAD" "$results/dmesg.log" "$results/boot.log" | grep -vE "$FINE"
	cat "$results/kmemleak"
}

# Each of the faults has to be among the findings; and lockdep has to be off, as it is after one.
noticed() {
	local words missing=0
	findings >"$logs/findings"
	for words in 'suspicious RCU usage' 'sleeping function called from invalid context' 'using smp_processor_id() in preemptible' \
		'KASAN: slab-use-after-free in memory' \
		'KASAN: slab-use-after-free in read_beside' 'KASAN: vmalloc-out-of-bounds' 'KASAN: slab-out-of-bounds' 'ODEBUG: free active' 'list_del corruption' \
		'possible circular locking dependency' 'unreferenced object'; do
		grep -m 1 -F "$words" "$logs/findings" || { echo "not noticed: $words" && missing=1; }
	done
	! grep '^um: lockdep is still on' "$results/boot.log" && [ "$missing" = 0 ]
}

# Rust code that KASAN was not compiled into would be silent, whatever it did.
watched() {
	nm "$built/rust_ipvs.ko" | grep -c '__asan_report_\(load\|store\)'
}

passed() {
	cat "$results/summary"
	grep -q '^um: tests ok' "$results/boot.log" || { sed -n '/^um: up/,$p' "$results/boot.log"; return 1; }
}

silent() {
	findings
	[ -s "$results/dmesg.log" ] && [ -z "$(findings)" ]
}

still_on() {
	grep '^um: lockdep is still on' "$results/boot.log"
}

no_leak() {
	cat "$results/kmemleak"
	grep '^um: leaks looked for' "$results/boot.log" && [ ! -s "$results/kmemleak" ]
}

# run_tests NAME TESTS OPTION…
run_tests() {
	local command=tools/testing/selftests/rust_ipvs/run_tests.sh
	progress "running $2"
	ok "it boots, and comes to an end ($1)" boot "$1" "$command --results /results $2 && echo 'um: tests ok'" "${@:3}"
	sed 's/^/# /' "$results/summary"
	grep -h '^ok .*# SKIP' "$results"/*.tap | sed 's/^/# /'
	ok "the tests pass in it ($1)" passed
	ok "KASAN, lockdep and the like have nothing to say ($1)" silent
	[ "$kind" = um-plain ] || ok "lockdep was on to the end ($1)" still_on
}

# Splits what is to be run: the storm has a kernel of its own.
split_tests() {
	local test
	storm='' others=''
	[ ${#tests[@]} -gt 0 ] ||
		mapfile -t tests < <(awk '/^[^#]/ && NF { print $1 }' "$root/tools/testing/selftests/rust_ipvs/TESTS")
	for test in "${tests[@]}"; do
		if [ "$test" = storm.py ]; then storm=$test; else others+=" $test"; fi
	done
	others=${others# }
}

plan() {
	local watch=1 cases
	[ "$kind" != um-plain ] || watch=0
	cases=$((1 + 2 * watch))
	[ -z "$others" ] || cases=$((cases + 3 + 2 * watch))
	[ -z "$storm" ] || cases=$((cases + 3 + watch))
	echo "1..$cases"
}

main() {
	split_tests
	echo 'TAP version 13'
	plan
	if ! refresh_copy "$logs/copy.log" || ! "$root/tools/build/in-tree.sh" apply "$source" >"$logs/apply.log" 2>&1; then
		echo "Bail out! the kernel's source could not be made ready: ${logs#"$root"/}"
		exit 1
	fi
	progress 'building the kernel'
	if [ "$kind" = um-plain ]; then
		ok 'a kernel with the module builds' build
		unlock_copy
	else
		ok 'a kernel with KASAN, kmemleak and lockdep builds' build
		build_fault_injection >"$logs/fault_injection.log" 2>&1
		unlock_copy
		ok "KASAN watches the module's own code" watched
		progress 'injecting faults'
		boot fault_injection 'insmod /built/fault_injection.ko' slab_debug=F >>"$logs/fault_injection.log" 2>&1
		ok 'faults that are injected are found' noticed
	fi
	# Slabs with checks have no caches of objects before them, in which kmemleak would see
	# pointers to what nobody remembers.
	if [ -n "$others" ]; then
		run_tests tests "$others" slab_debug=F
		[ "$kind" = um-plain ] || ok 'kmemleak finds nothing' no_leak
	fi
	# Both kmemleak and checks of slabs have one lock for all, at which processors would wait
	# for each other with each packet.
	[ -z "$storm" ] || run_tests storm "$storm" kmemleak=off
	progress 'done'
}

if [ "${LAB_INSIDE-}" != "$LAB_TREE" ]; then
	exec "$lab" enter -- "${BASH_SOURCE[0]}" "$@"
fi
choose_llvm || die 'there is no clang of the LLVM of rustc'
lock_copy
mkdir -p "$logs"
main | tee "$logs/tap"
! grep -q '^not ok\|^Bail out' "$logs/tap"
