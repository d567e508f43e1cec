# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The toolchain tree: a Debian system in a folder, with all that builds and boots.

# What mmdebstrap is told in every case: our archive, the host's way to it, nothing to read or translate.
debstrap_options() {
	printf '%s\n' --variant=minbase --architectures="$LAB_ARCH" --format=tar \
		--aptopt="$LAB_APT/host.conf" \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='force-unsafe-io' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--dpkgopt='path-exclude=/usr/share/info/*'
}

# debstrap PACKAGES OPTION…: a tar of a Debian system with these packages on standard output.
debstrap() {
	local packages options mode=root
	packages=$(tr -s ' \n' ',,' <<<"$1")
	shift
	is_root || mode=unshare
	mapfile -t options < <(debstrap_options)
	mmdebstrap --mode=$mode "${options[@]}" --include="${packages%,}" "$@" "$LAB_SUITE" - "$LAB_SOURCES"
}

# dpkg's list of what a tree holds, as "name version".
# shellcheck disable=SC2016 # dpkg's own variables
DPKG_SHOW='chroot "$1" dpkg-query -W -f "\${Package} \${Version}\n"'

tree_key() {
	stage_key lib/tree.sh -- "$LAB_SUITE" "$TREE_PACKAGES"
}

# The new tree is made beside the old one and takes its place at the end, so that whoever works in
# the old one is not left without a compiler half-way.
tree_make() {
	local new=$LAB_CACHE/tree.new
	remove_folder "$new"
	mkdir -p "$new"
	# A user owns every file of the tree, whoever it belonged to in Debian: one id is mapped in "lab enter".
	debstrap "$TREE_PACKAGES" \
		--customize-hook="$DPKG_SHOW > $LAB_CACHE/tree.packages" |
		tar -x -C "$new" --exclude='./dev/*' "$(is_root && echo --same-owner || echo --no-same-owner)"
	: >"$new/etc/resolv.conf"
	mkdir -p "$new/lab"
	remove_folder "$LAB_CACHE/tree.old"
	[ ! -d "$LAB_TREE" ] || mv "$LAB_TREE" "$LAB_CACHE/tree.old"
	mv "$new" "$LAB_TREE"
	remove_folder "$LAB_CACHE/tree.old"
}

# Removes a folder of ours, even where a package left directories that nobody may write to.
remove_folder() {
	[ -e "$1" ] || return 0
	is_root || chmod -R u+rwX "$1" 2>/dev/null || true
	rm -rf --one-file-system "$1"
}
