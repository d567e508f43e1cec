# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# `lab setup`: all stages in order, two at a time where they do not need each other.

for part in packages stage archive host tree kernel-fetch kernel guest-image initrd; do
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
	if setup_is_done; then
		return
	fi
	host_check
	setup_archive
	both \
		"stage tree $(tree_key) 'making the toolchain tree' tree_make" \
		"stage kernel-fetch $(kernel_fetch_key) 'fetching and unpacking the kernel' kernel_fetch"
	both \
		"stage kernel $(kernel_key) 'preparing the kernel'\''s source for modules' kernel_prepare" \
		"stage guest $(guest_key) 'making the guest' guest_make"
	kernel_place
	stage initrd "$(initrd_key)" 'packing the initrd' initrd_make
	remove_folder "$LAB_APT/lists"
	rm -f "$LAB_APT"/*.bin
}

# True when every stage is done with what there is now.
setup_is_done() {
	[ -z "$LAB_UPDATE" ] && [ -r "$LAB_CHOICE" ] && [ -r "$LAB_CACHE/tree.packages" ] &&
		stage_is_done tree "$(tree_key)" && stage_is_done kernel-fetch "$(kernel_fetch_key)" &&
		stage_is_done kernel "$(kernel_key)" && stage_is_done guest "$(guest_key)" && stage_is_done initrd "$(initrd_key)"
}

# Fresh lists whenever anything is to be fetched: old ones name packages that have gone.
setup_archive() {
	rm -f "$LAB_STAMPS/archive"
	stage archive fresh "reading the archive's lists" archive_update
	rm -f "$LAB_STAMPS/choose"
	stage choose fresh 'choosing the kernel' kernel_choose
}

# Runs two command lines at once, and fails if one of them fails. Both in the background: "set -e" has
# no effect in a command whose outcome is tested.
both() {
	local first second status=0
	(eval "$1") 9>&- &
	first=$!
	(eval "$2") 9>&- &
	second=$!
	wait "$first" || status=$?
	wait "$second" || status=$?
	return "$status"
}
