# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# `lab docs`: runs a command in a tree of its own with Sphinx, which the first call creates.
# shellcheck disable=SC2034,SC2153 # names of common.sh and of the files that are sourced below

for part in packages stage archive host tree enter; do
	# shellcheck source=/dev/null
	. "$LAB_DIR/lib/$part.sh"
done

LAB_DOCS=$LAB_CACHE/docs

docs_key() {
	stage_key "docs_make()" "debstrap()" "debstrap_options()" "$LAB_SUITE" "$DOCS_PACKAGES"
}

docs_make() {
	host_check
	archive_update
	remove_folder "$LAB_DOCS"
	mkdir -p "$LAB_DOCS"
	if is_root; then
		debstrap "$LAB_DOCS" "$DOCS_PACKAGES"
	else
		# "lab enter" maps one user id, as for the toolchain tree.
		debstrap - "$DOCS_PACKAGES" | tar -x -C "$LAB_DOCS" --exclude='./dev/*' --no-same-owner
	fi
	: >"$LAB_DOCS/etc/resolv.conf"
	remove_folder "$LAB_APT/lists"
	rm -f "$LAB_APT"/*.bin
}

lab_docs() {
	if [ "${1-}" = --help ]; then
		echo 'usage: lab docs [--] CMD…   runs CMD in a tree that has Sphinx; paths are as in "lab enter"'
		return
	fi
	SETUP_START=$(now_ms)
	mkdir -p "$LAB_CACHE" "$LAB_STAMPS" "$LAB_LOGS"
	if ! stage_is_done docs "$(docs_key)"; then
		exec 7>&2 9>"$LAB_CACHE/.lock"
		flock 9
		stage docs "$(docs_key)" 'making the tree that has Sphinx' docs_make
		exec 9>&-
	fi
	LAB_TREE=$LAB_DOCS
	lab_enter "$@"
}
