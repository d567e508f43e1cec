#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Generates the patch that adds the module to net/netfilter/rust_ipvs of a kernel tree, and applies
# it.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(readlink -f "$here/../..")
module=$root/rust_ipvs
place=net/netfilter/rust_ipvs
selftests=$root/tools/testing/selftests/rust_ipvs
# Attributes that the kernel's header does not have yet (CONTRIBUTING.md), if there are any.
added=$root/Documentation/netlink/ip_vs.h.patch
selftests_place=tools/testing/selftests/net/netfilter/ipvs_rs

usage() {
	cat <<-'EOT'
	usage: in-tree.sh patch KERNEL > FILE   write the patch for the kernel source in KERNEL
	       in-tree.sh apply KERNEL          make it and apply it there

	A tree that has the module already gets what changed since, and nothing if nothing did.
	EOT
}

die() {
	printf 'in-tree: %s\n' "$*" >&2
	exit 1
}

queue=net/netfilter/nf_queue.h
# The files of the kernel that the patch changes, besides those it adds.
touched=(net/netfilter/Kconfig net/netfilter/Makefile include/linux/skbuff.h net/ipv4/ip_output.c
	"include/$queue" net/netfilter/nf_internals.h net/netfilter/nf_conntrack_core.c
	net/netfilter/nft_ct.c include/uapi/linux/ip_vs.h)

# Adds LINE after the line that matches PATTERN in FILE, where it is not yet.
add_after() {
	local file=$1 pattern=$2 line=$3
	! grep -qxF -- "$line" "$file" || return 0
	grep -q -- "$pattern" "$file" || die "${file##*/} has no line like $pattern: is this a kernel of 7.3 or later?"
	awk -v pattern="$pattern" -v line="$line" '{ print } $0 ~ pattern && !done { print line; done = 1 }' "$file" >"$file.new"
	mv "$file.new" "$file"
}

# Where FILE asks for CONFIG_IP_VS just above a line with ipvs_property, it shall ask for either of
# the two. The mark in the packet says "balanced already"; whichever balancer is built needs it to
# exist and to be copied.
widen_property() {
	local file=$1
	awk '
	held != "" {
		if (/ipvs_property/)
			held = "#if IS_ENABLED(CONFIG_IP_VS) || IS_ENABLED(CONFIG_RUST_IPVS)"
		print held
		held = ""
	}
	/^#if IS_ENABLED\(CONFIG_IP_VS\)$/ { held = $0; next }
	{ print }' "$file" >"$file.new"
	mv "$file.new" "$file"
	grep -q 'IS_ENABLED(CONFIG_RUST_IPVS)' "$file" || die "${file##*/} has no ipvs_property under CONFIG_IP_VS"
}

# publish_queue_drop TREE: moves the declaration of nf_queue_nf_hook_drop(), which is exported, from
# net/netfilter to the public header of nf_queue.c.
publish_queue_drop() {
	local nf=$1/net/netfilter line='void nf_queue_nf_hook_drop(struct net *net);'
	add_after "$1/include/$queue" '^void nf_unregister_queue_handler' "$line"
	sed -i -z "s|/\\* nf_queue.c \\*/\n${line//\*/\\*}\n\n||" "$nf/nf_internals.h"
	! grep -qF "$line" "$nf/nf_internals.h" ||
		die 'nf_internals.h declares nf_queue_nf_hook_drop() elsewhere than expected'
	line="#include <$queue>"
	add_after "$nf/nf_conntrack_core.c" '^#include <net/netfilter/nf_nat_helper.h>' "$line"
	add_after "$nf/nft_ct.c" '^#include <net/netfilter/nf_conntrack_seqadj.h>' "$line"
}

# Adds our attributes to the header of the netlink family in TREE, where they are not yet.
add_attributes() {
	[ -f "$added" ] || return 0
	patch -d "$1" -p1 -s -R -f --dry-run <"$added" >"$work/attributes" 2>&1 ||
		patch -d "$1" -p1 -s -f <"$added" ||
		die "${added##*/} does not apply to the header of this kernel"
}

# Removes each paragraph of FILE whose comment begins with "Out of tree:", and the blank line above.
without_out_of_tree() {
	awk '
	/^(\/\/|\/\*|#) Out of tree:/ { skip = 1 }
	skip { skip = $0 != ""; if (skip) next }
	$0 == "" { blank = 1; next }
	blank { print ""; blank = 0 }
	{ print }' "$1" >"$1.new"
	cat "$1.new" >"$1"
	rm "$1.new"
}

# The module's files in FOLDER, and not what was built beside them.
module_files() {
	(cd "$1" && find . -type f ! -name '.*' \
		\( -name '*.rs' -o -name '*.[ch]' -o -name Makefile -o -name Kconfig -o -name bindgen_parameters \) \
		! -name bindings_generated.rs ! -name '*.mod.c' -printf '%P\n' | sort)
}

# The selftests in FOLDER that a kernel tree gets: those of the lists in its Makefile.
selftest_files() {
	(cd "$1" && {
		printf '%s\n' Makefile config settings
		awk '/^\t[a-z0-9_.]+ \\$/ { print $1 }' Makefile
	} | while read -r name; do
		find "$name" -type f ! -name '*.pyc'
	done | sort)
}

# copy LIST FROM TO: copies the files that LIST names of FROM.
copy() {
	local list=$1 from=$2 to=$3 file mode
	while read -r file; do
		mode=644
		[ ! -x "$from/$file" ] || mode=755
		install -D -m "$mode" "$from/$file" "$to/$file"
	done < <("$list" "$from")
}

# Lays out what the tree has and what it shall have as folders a and b.
lay_out() {
	local kernel=$1 work=$2 file
	mkdir -p "$work"/{a,b}
	for file in "${touched[@]}"; do
		[ -r "$kernel/$file" ] || die "there is no kernel source in $kernel ($file is missing)"
		mkdir -p "$work"/{a,b}/"${file%/*}"
		cp "$kernel/$file" "$work/a/$file"
		cp "$kernel/$file" "$work/b/$file"
	done
	add_after "$work/b/net/netfilter/Kconfig" '^source "net/netfilter/ipvs/Kconfig"' \
		'source "net/netfilter/rust_ipvs/Kconfig"'
	# shellcheck disable=SC2016 # make's variable
	add_after "$work/b/net/netfilter/Makefile" 'CONFIG_IP_VS.*ipvs/' 'obj-$(CONFIG_RUST_IPVS) += rust_ipvs/'
	widen_property "$work/b/include/linux/skbuff.h"
	widen_property "$work/b/net/ipv4/ip_output.c"
	publish_queue_drop "$work/b"
	add_attributes "$work/b"
	[ ! -d "$kernel/$place" ] || copy module_files "$kernel/$place" "$work/a/$place"
	copy module_files "$module" "$work/b/$place"
	for file in $(cd "$module" && grep -rl --include='*.rs' --include='*.[ch]' 'Out of tree:'); do
		without_out_of_tree "$work/b/$place/$file"
	done
	install -m 644 "$root/Kconfig" "$work/b/$place/Kconfig"
	lay_out_selftests "$kernel" "$work"
}

# The same for the selftests, in a tree that has the kernel's own.
lay_out_selftests() {
	local kernel=$1 work=$2 list=tools/testing/selftests/Makefile side
	[ -r "$kernel/$list" ] || return 0
	for side in a b; do
		install -D -m 644 "$kernel/$list" "$work/$side/$list"
	done
	add_after "$work/b/$list" '^TARGETS .= net/netfilter$' 'TARGETS += net/netfilter/ipvs_rs'
	[ ! -r "$kernel/$selftests_place/Makefile" ] ||
		copy selftest_files "$kernel/$selftests_place" "$work/a/$selftests_place"
	copy selftest_files "$selftests" "$work/b/$selftests_place"
}

# The patch for the tree on standard output.
make_patch() {
	local work=$1 status=0
	(cd "$work" && diff -urN --no-dereference a b) >"$work/diff" || status=$?
	[ "$status" -le 1 ] || die 'diff failed'
	# Times in the headers would make each patch differ from the last.
	sed -E 's/^(---|\+\+\+) ([^\t]*)\t.*/\1 \2/' "$work/diff"
}

[ $# = 2 ] || {
	usage >&2
	exit 2
}
kernel=$(readlink -f "$2")
work=$(mktemp -d "${TMPDIR:-/tmp}/in-tree.XXXXXX")
trap 'rm -rf "$work"' EXIT
lay_out "$kernel" "$work"
case $1 in
patch)
	make_patch "$work"
	;;
apply)
	make_patch "$work" >"$work/patch"
	if [ -s "$work/patch" ]; then
		patch -d "$kernel" -p1 -s -E <"$work/patch"
		# A diff has no modes. (kselftest starts what is not executable by its first line.)
		[ ! -d "$kernel/$selftests_place" ] || chmod +x "$kernel/$selftests_place"/*.py
		printf 'in-tree: %s files changed in %s\n' "$(grep -c '^+++ ' "$work/patch")" "$kernel"
	else
		printf 'in-tree: %s has the module as it is here\n' "$kernel"
	fi
	;;
*)
	usage >&2
	exit 2
	;;
esac
