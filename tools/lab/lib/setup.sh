# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# `lab setup`: all stages in order, two at a time where they do not need each other.

for part in packages stage archive host tree kernel; do
	# shellcheck source=/dev/null
	. "$LAB_DIR/lib/$part.sh"
done

lab_setup() {
	LAB_UPDATE=''
	while [ $# -gt 0 ]; do
		case $1 in
		--update) LAB_UPDATE=1 ;;
		*) die "setup does not know \"$1\"" ;;
		esac
		shift
	done
	SETUP_START=$(now_ms)
	mkdir -p "$LAB_CACHE" "$LAB_STAMPS" "$LAB_LOGS"
	exec 7>&2 9>"$LAB_CACHE/.lock"
	flock -n 9 || {
		say 'another set-up is at work on this cache: waiting for it'
		flock 9
	}
	rm -f "$LAB_CACHE/worked"
	setup_stages
	if [ -e "$LAB_CACHE/worked" ]; then
		progress setup "cold $(duration $(($(now_ms) - SETUP_START)))"
	else
		progress setup "warm $(duration $(($(now_ms) - SETUP_START)))"
	fi
}

setup_stages() {
	host_check
	stage archive "$(stage_key lib/archive.sh -- "${RUST_IPVS_MIRROR-}")" 'reading the archive'\''s lists' archive_update
	[ -r "$LAB_CHOICE" ] || stage choose x 'choosing the kernel' kernel_choose
	both \
		"stage kernel-fetch $(kernel_key) 'fetching and unpacking the kernel' kernel_fetch" \
		"stage tree $(tree_key) 'making the toolchain tree' tree_make"
	stage kernel "$(kernel_key)" 'preparing the kernel'\''s source for modules' kernel_prepare
}

# Runs two command lines at once, and fails if one of them fails.
both() {
	local pid status=0
	(eval "$1") 9>&- &
	pid=$!
	(eval "$2") 9>&- || status=$?
	wait "$pid" || status=$?
	return "$status"
}
