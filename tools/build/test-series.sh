#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the module after each patch of build/series, and runs checkpatch on each (TAP). `make
# series` writes them.
#
# It uses test-in-tree.sh's copy of the kernel source. Only the patches of the module's folder are
# applied: the others do not change the code compiled there.
set -uo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source=kernel-copy.sh
. "$root/tools/build/kernel-copy.sh"
logs=$root/build/series-logs
folder=net/netfilter/rust_ipvs

# What checkpatch may say, and why: building.rst has the reasons.
ALLOWED='AVOID_EXTERNS|FILE_PATH_CHANGES|LONG_LINE|LONG_LINE_COMMENT|LONG_LINE_STRING'

# Builds the folder as it is now.
build() {
	reconfigure x86-m "$root/tools/build/x86-m.config" like_stock x86-m "$root/tools/build/x86-m.config" &&
		kernel x86-m ARCH=x86 "$folder/" && [ -r "$place/x86-m/$folder/rust_ipvs.o" ]
}

check() {
	perl "$kdir/scripts/checkpatch.pl" --no-tree --strict --show-types --no-summary "$1" 2>/dev/null |
		grep -E '^(ERROR|WARNING|CHECK):' | grep -vE "^[A-Z]+:($ALLOWED):" | sort | uniq -c
}

main() {
	local patches number=0 name said
	patches=("$root"/build/series/0*.patch)
	patches=("${patches[@]:1}")
	echo 'TAP version 13'
	echo "1..$((2 * ${#patches[@]}))"
	mkdir -p "$logs"
	refresh_copy "$logs/copy.log" || exit
	"$root/tools/build/in-tree.sh" apply "$source" >"$logs/apply.log" 2>&1 || exit
	rm -rf "${source:?}/$folder"
	for patch in "${patches[@]}"; do
		name=$(basename "$patch" .patch)
		progress "$name"
		if ! (cd "$source" && git apply --include="$folder/*" "$patch") >"$logs/$name.log" 2>&1; then
			echo "not ok $((number += 1)) $name applies"
		elif [ ! -d "$source/$folder" ] || build >>"$logs/$name.log" 2>&1; then
			echo "ok $((number += 1)) $name builds"
		else
			echo "not ok $((number += 1)) $name builds"
			tail -n 20 "$logs/$name.log" | sed 's/^/# /'
		fi
		said=$(check "$patch")
		if [ -z "$said" ]; then
			echo "ok $((number += 1)) $name: checkpatch --strict has nothing but what is argued"
		else
			sed 's/^/# /' <<<"$said"
			echo "not ok $((number += 1)) $name: checkpatch --strict has nothing but what is argued"
		fi
	done
}

if [ "${LAB_INSIDE-}" != "$LAB_TREE" ]; then
	exec "$lab" enter -- "${BASH_SOURCE[0]}"
fi
lock_copy
main | tee "$root/build/series.tap"
! grep -q '^not ok' "$root/build/series.tap"
