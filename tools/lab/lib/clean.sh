# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# `lab clean`: removes the cache folder.

lab_clean() {
	# shellcheck source=tree.sh
	. "$LAB_DIR/lib/tree.sh"
	[ -d "$LAB_CACHE" ] || {
		say "there is no $LAB_CACHE"
		return
	}
	# Only a folder that a set-up made: a mistaken RUST_IPVS_CACHE must not cost anybody their
	# files.
	[ -e "$LAB_CACHE/.lock" ] || die "$LAB_CACHE does not look like a cache of the lab: not removing it"
	exec 9>"$LAB_CACHE/.lock"
	flock -n 9 || die "a set-up is at work in $LAB_CACHE"
	say "removing $LAB_CACHE ($(du -sh "$LAB_CACHE" 2>/dev/null | cut -f1))"
	# Stamps first: what is left by an interruption must not be taken for whole.
	rm -rf "$LAB_CACHE/stamp"
	remove_folder "$LAB_CACHE"
}
