#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds rust_ipvs.ko with Kbuild; each way of linking has its own folder under build/.
set -euo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source=lib.sh
. "$root/tools/build/lib.sh"

usage() {
	cat <<-'EOT'
	usage: module.sh [--only] auto|0|1
	Builds the module with its C helpers as an object (0), as LLVM bitcode that rustc's code inlines (1), or
	the second where clang's LLVM is rustc's (auto). The result is build/inlineN/rust_ipvs.ko, and unless
	--only is said build/rust_ipvs.ko as well. KDIR names a kernel tree other than the lab's.
	EOT
}

only=
[ "${1-}" != --only ] || {
	only=1
	shift
}
inline=${1-auto}
case $inline in
0 | 1 | auto) ;;
*)
	usage >&2
	exit 2
	;;
esac

choose_kernel
if [ "$inline" != 0 ] && ! choose_llvm; then
	[ "$inline" = auto ] || die "INLINE=1 needs clang and llvm-link $rustc_llvm, the LLVM of rustc"
	say "no clang and llvm-link $rustc_llvm, the LLVM of rustc: building with INLINE=0, helpers are called and not inlined"
	inline=0
fi
[ "$inline" != auto ] || inline=1

out=$root/build/inline$inline
# The lab's compilers are known, so that no warning of theirs is to be lived with; those of other
# trees may say what they like.
build=build_strictly
[ -z "${KDIR-}" ] || build=build_module
"$build" "$root/rust_ipvs" "$out" CONFIG_RUST_IPVS=m "INLINE=$inline"
if [ -z "$only" ] && ! cmp -s "$out/rust_ipvs.ko" "$root/build/rust_ipvs.ko"; then
	cp "$out/rust_ipvs.ko" "$root/build/rust_ipvs.ko.new"
	mv "$root/build/rust_ipvs.ko.new" "$root/build/rust_ipvs.ko"
	say "build/rust_ipvs.ko for $release (INLINE=$inline)"
fi
