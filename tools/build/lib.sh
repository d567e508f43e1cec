# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Shared by the build scripts: the kernel tree, its toolchain, and the build of a module.

# The kernel's make gets its own arguments, not those of ours.
unset MAKEFLAGS MFLAGS MAKELEVEL

# shellcheck disable=SC2154 # set by the script that sources this
lab=$root/tools/lab/lab

say() {
	printf 'build: %s\n' "$*" >&2
}

die() {
	say "$@"
	exit 1
}

# Sets kdir (the kernel tree), release (what it calls itself), tools (the prefix that runs a command
# among its tools) and kbuild (the arguments its make wants).
choose_kernel() {
	if [ -n "${KDIR-}" ]; then
		kdir=$(readlink -f "$KDIR") tools=() kbuild=()
		[ -e "$kdir/rust/libkernel.rmeta" ] ||
			die "$KDIR has no rust/libkernel.rmeta: it is no prepared kernel tree, or has no CONFIG_RUST, or is a headers package, which leaves Rust out"
		{ [ -r "$kdir/include/config/kernel.release" ] && [ -r "$kdir/scripts/module.lds" ]; } ||
			die "$KDIR is not a prepared kernel tree: run \"make modules_prepare\" there"
	else
		local LAB_KDIR
		eval "$("$lab" env | grep '^LAB_KDIR=')"
		kdir=$LAB_KDIR tools=("$lab" enter --)
		# The names Debian built it with: others would make Kbuild rewrite files in the
		# shared tree.
		kbuild=(ARCH=x86 CC=x86_64-linux-gnu-gcc-14)
	fi
	release=$(<"$kdir/include/config/kernel.release")
}

# Sets clang and llvm_link to those of rustc's LLVM, or fails; rustc_llvm is that version.
choose_llvm() {
	local found
	# shellcheck disable=SC2016 # for the shell among the tools
	found=$("${tools[@]}" sh -c '
		llvm=$(rustc --version --verbose | sed -n "s/^LLVM version: //p")
		major=${llvm%%.*}
		echo "$llvm"
		for suffix in "-$major" ""; do
			command -v "clang$suffix" "llvm-link$suffix" >/dev/null || continue
			"clang$suffix" --version | grep -q "version $major\." || continue
			"llvm-link$suffix" --version | grep -q "version $major\." || continue
			echo "clang$suffix llvm-link$suffix"
			break
		done')
	rustc_llvm=${found%%$'\n'*}
	[ "$rustc_llvm" != "$found" ] || return 1
	read -r clang llvm_link <<<"${found#*$'\n'}"
	kbuild+=("IPVS_CLANG=$clang" "IPVS_LLVM_LINK=$llvm_link")
}

# What objects depend on without Kbuild noticing: another kernel in the same place, another
# compiler.
kernel_identity() {
	echo "$kdir $release"
	"${tools[@]}" rustc --version
	sha256sum <"$kdir/.config"
	stat -c '%Y %i' "$kdir/rust/libkernel.rmeta"
}

# build_module SOURCES OUT ARGUMENT…: Kbuild, with everything that is made in OUT.
build_module() {
	local source=$1 out=$2 identity
	shift 2
	identity=$(kernel_identity)
	if [ -d "$out" ] && [ "$identity" != "$(cat "$out/.kernel" 2>/dev/null)" ]; then
		say "another kernel or compiler than before: building ${out#"$root"/} anew"
		rm -rf "$out"
	fi
	mkdir -p "$out"
	printf '%s\n' "$identity" >"$out/.kernel"
	(
		exec 9>"$out/.lock"
		flock 9
		"${tools[@]}" make -C "$kdir" "${kbuild[@]}" ${V:+"V=$V"} -j"$(nproc)" --no-print-directory \
			"M=$source" "MO=$out" "$@" "${goals[@]-modules}" 2>&1 9>&- | quiet
	)
}

# build_strictly SOURCES OUT ARGUMENT…: as build_module, with every warning an error, objtool's
# included, which Kbuild ignores.
build_strictly() {
	local out=$2 log status=0
	log=$(build_module "$@" W=e) || status=$?
	[ -z "$log" ] || printf '%s\n' "$log"
	if grep -qE '(^|: )warning' <<<"$log"; then
		rm -f "$out"/main.o "$out"/*.ko
		status=1
	fi
	return "$status"
}

# Kbuild's progress, without its words on what it enters and what it skips.
quiet() {
	grep -vE '^(make\[|Skipping BTF generation|Warning: modules_install: missing .System.map)' || true
}
