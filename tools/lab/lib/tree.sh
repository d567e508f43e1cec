# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Toolchain tree: a Debian system in a folder, with all programs to build and boot.

# Common arguments of mmdebstrap: the archive, the host's access to it, no documentation or
# translations.
# shellcheck disable=SC2016 # $1 is the hook's
debstrap_options() {
	printf '%s\n' --variant=minbase --architectures="$LAB_ARCH" \
		--aptopt="$LAB_APT/host.conf" \
		--customize-hook='rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/apt/auth.conf' \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='force-unsafe-io' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--dpkgopt='path-exclude=/usr/share/info/*'
}

# debstrap TARGET PACKAGES OPTION…: a Debian system with these packages, as a folder or (TARGET -)
# as a tar on standard output.
debstrap() {
	local target=$1 packages options mode=root format=tar
	packages=$(tr -s ' \n' ',,' <<<"$2")
	shift 2
	is_root || mode=unshare
	[ "$target" = - ] || format=directory
	mapfile -t options < <(debstrap_options)
	mmdebstrap --mode=$mode --format=$format "${options[@]}" --include="${packages%,}" "$@" \
		"$LAB_SUITE" "$target" "$LAB_SOURCES"
}

# A hook that leaves dpkg's list of what a tree holds, as "name version", inside it: without root, a
# hook may not write anywhere else.
PACKAGE_LIST=var/lib/lab.packages
# shellcheck disable=SC2016 # dpkg's own variables
LIST_PACKAGES='chroot "$1" dpkg-query -W -f "\${Package} \${Version}\n" >"$1/'$PACKAGE_LIST'"'

tree_key() {
	stage_key "tree_make()" "debstrap()" "debstrap_options()" "$LAB_SUITE" "$TREE_PACKAGES"
}

# The new tree is made beside the old one and takes its place at the end, so that whoever works in
# the old one is not left without a compiler half-way.
tree_make() {
	local new=$LAB_CACHE/tree.new
	remove_folder "$new"
	mkdir -p "$new"
	if is_root; then
		debstrap "$new" "$TREE_PACKAGES" --customize-hook="$LIST_PACKAGES"
	else
		# The user will own every file of the tree, whoever it belongs to in Debian: "lab
		# enter" maps one id.
		debstrap - "$TREE_PACKAGES" --customize-hook="$LIST_PACKAGES" |
			tar -x -C "$new" --exclude='./dev/*' --no-same-owner
	fi
	: >"$new/etc/resolv.conf"
	cp "$new/$PACKAGE_LIST" "$LAB_CACHE/tree.packages"
	tree_retire
	mv "$new" "$LAB_TREE"
	tree_bury
}

# Moves the tree out of the way.
tree_retire() {
	[ ! -d "$LAB_TREE" ] || mv "$LAB_TREE" "$(mktemp -d "$LAB_CACHE/tree.old.XXXXXX")/tree"
}

# Removes retired trees, but for those that somebody still works in: "lab enter" holds a lock on its
# tree.
tree_bury() {
	local old
	for old in "$LAB_CACHE"/tree.old.*; do
		if [ ! -d "$old/tree" ] || flock -n -x "$old/tree" true; then
			remove_folder "$old"
		fi
	done
}

# Removes a folder of ours, even where a package left directories that nobody may write to.
remove_folder() {
	[ -e "$1" ] || return 0
	is_root || chmod -R u+rwX "$1" 2>/dev/null || true
	rm -rf --one-file-system "$1"
}
