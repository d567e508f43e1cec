#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Applies the patches of build/series to the kernel's files, builds the module after each, and runs
# checkpatch on each (TAP). `make series` writes them.
#
# Builds are in test-in-tree.sh's copy of the kernel source. There only what a patch has for the
# module's folder is applied, and the folder is built alone; the other files
# of the kernel that the patches change have their last state, so that nothing else is built anew.
#
# usage: test-series.sh [NAME…]    only patches whose names contain one of these are built
set -uo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source=kernel-copy.sh
. "$root/tools/build/kernel-copy.sh"
logs=$root/build/series-logs
folder=net/netfilter/rust_ipvs
# Objects of the kernel that read the headers that the patches change.
OBJECTS=(net/ipv4/ip_output.o net/netfilter/core.o net/netfilter/nf_queue.o
	net/netfilter/nf_conntrack_core.o net/netfilter/nft_ct.o)
number=0

# What checkpatch may say: building.rst has the reason.
ALLOWED='FILE_PATH_CHANGES'

result() {
	echo "$1 $((number += 1)) $2"
}

# Builds the folder as it is now, without a warning.
build() {
	kernel x86-m ARCH=x86 "$folder/" && [ -r "$place/x86-m/$folder/rust_ipvs.o" ]
}

configure() {
	local fragment=$root/tools/build/x86-m.config
	reconfigure x86-m "$fragment" like_stock x86-m "$fragment"
}

check() {
	PERL_UNICODE=SD perl "$kdir/scripts/checkpatch.pl" --no-tree --strict --show-types --no-summary "$1" 2>/dev/null |
		grep -E '^(ERROR|WARNING|CHECK):' | grep -vE "^[A-Z]+:($ALLOWED):" | sort | uniq -c
}

# Applies all patches as mail, in a repository of the files that they change, and compares the
# module with that of in-tree.sh.
mails() {
	local tree=$logs/tree patch
	rm -rf "$tree" && mkdir -p "$tree" && git -C "$tree" init -q || return
	sed -n 's|^--- a/||p' "${patches[@]}" | sort -u | while read -r name; do
		[ ! -e "$kdir/$name" ] || (cd "$kdir" && cp --parents "$name" "$tree")
	done
	(
		export GIT_{AUTHOR,COMMITTER}_NAME=test GIT_{AUTHOR,COMMITTER}_EMAIL=test@localhost
		cd "$tree" && git add -A && git commit -qm base && git am -q "${patches[@]}"
	) && diff -r "$tree/$folder" "$source/$folder"
}

# one PATCH: the tests of a patch.
one() {
	local patch=$1 name said
	name=${patch#"$root"/build/series/} name=${name%.patch}
	log=$logs/${name//\//-}.log
	progress "$name"
	if ! (cd "$source" && git apply --include="$folder/*" "$patch") >"$log" 2>&1; then
		result 'not ok' "$name applies"
	elif [ ! -d "$source/$folder" ]; then
		result ok "$name builds # SKIP the module's folder comes later"
	elif ! grep -q "^+++ b/$folder/" "$patch"; then
		result ok "$name builds # SKIP it has no file of the module's folder"
	elif [ -n "$wanted" ] && [[ ! $name =~ $wanted ]]; then
		result ok "$name builds # SKIP not asked for"
	elif build >>"$log" 2>&1 && ! grep -E '(^|rust_ipvs/.*)warning:' "$log"; then
		result ok "$name builds"
	else
		result 'not ok' "$name builds"
		grep -E -A6 '^error|warning:|: error' "$log" | head -n 60 | sed 's/^/# /'
	fi
	said=$(check "$patch")
	[ -z "$said" ] || sed 's/^/# /' <<<"$said"
	result "$([ -z "$said" ] && echo ok || echo 'not ok')" "$name: checkpatch --strict"
}

main() {
	local patches wanted words
	wanted=$(IFS='|' && echo "$*")
	patches=("$root"/build/series/*/*.patch)
	mapfile -t patches < <(printf '%s\n' "${patches[@]}" | grep -v '/0000-')
	echo 'TAP version 13'
	echo "1..$((2 + 2 * ${#patches[@]}))"
	mkdir -p "$logs"
	refresh_copy "$logs/copy.log" || exit
	"$root/tools/build/in-tree.sh" apply "$source" >"$logs/apply.log" 2>&1 || exit
	words="${#patches[@]} patches apply as mail, and make what make in-tree makes"
	if mails >"$logs/mails.log" 2>&1; then
		result ok "$words"
	else
		result 'not ok' "$words"
		tail -n 20 "$logs/mails.log" | sed 's/^/# /'
	fi
	progress "${OBJECTS[*]}"
	if configure >"$logs/objects.log" 2>&1 &&
		kernel x86-m ARCH=x86 "${OBJECTS[@]}" >>"$logs/objects.log" 2>&1; then
		result ok 'the changed files of the kernel build'
	else
		result 'not ok' 'the changed files of the kernel build'
		tail -n 20 "$logs/objects.log" | sed 's/^/# /'
	fi
	rm -rf "${source:?}/$folder"
	for patch in "${patches[@]}"; do
		one "$patch"
	done
	progress 'done'
}

if [ "${LAB_INSIDE-}" != "$LAB_TREE" ]; then
	exec "$lab" enter -- "${BASH_SOURCE[0]}" "$@"
fi
lock_copy
main "$@" | tee "$root/build/series.tap"
! grep -q '^not ok' "$root/build/series.tap"
