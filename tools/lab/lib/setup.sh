# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# `lab setup`: runs all stages in order, two at a time if they are independent.

for part in packages lock stage archive host tree kernel-fetch kernel guest-image python initrd; do
	# shellcheck source=/dev/null
	. "$LAB_DIR/lib/$part.sh"
done

setup_usage() {
	cat <<-EOF
	usage: lab setup [--update]
	Fetches and prepares toolchain, kernel and guest in $LAB_CACHE.
	What is there already stays; an interrupted set-up goes on where it was. --update makes everything
	anew with the newest versions in the archive, also where the recorded kernel is still there.
	EOF
}

lab_setup() {
	LAB_UPDATE=''
	if [ "${1-}" = --help ]; then
		setup_usage
		return
	fi
	while [ $# -gt 0 ]; do
		case $1 in
		--update) LAB_UPDATE=1 ;;
		*) die "setup does not know \"$1\" (lab setup --help)" ;;
		esac
		shift
	done
	SETUP_START=$(now_ms)
	mkdir -p "$LAB_CACHE" "$LAB_STAMPS" "$LAB_LOGS"
	exec 7>&2 9>"$LAB_CACHE/.lock"
	flock -n 9 || {
		say 'another set-up is at work on this cache: waiting for it'
		flock 9
		SETUP_START=$(now_ms)
	}
	JOBS=()
	trap setup_interrupted INT TERM HUP
	rm -f "$LAB_CACHE/worked"
	# Trees that were still in use when a new one took their place.
	tree_bury
	[ -z "$LAB_UPDATE" ] || rm -f "$LAB_STAMPS"/{tree,guest,python}
	setup_stages
	local how=warm
	[ ! -e "$LAB_CACHE/worked" ] || how=cold
	progress setup "$how $(duration $(($(now_ms) - SETUP_START)))"
}

setup_stages() {
	if setup_is_done; then
		return
	fi
	host_check
	if ! setup_is_fetched; then
		setup_archive
	fi
	both \
		"stage tree $(tree_key) 'making the toolchain tree' tree_make" \
		"stage kernel-fetch $(kernel_fetch_key) 'fetching and unpacking the kernel' kernel_fetch"
	both \
		"stage kernel $(kernel_key) 'preparing the kernel'\''s source for modules' kernel_prepare" \
		"stage guest $(guest_key) 'making the guest' guest_make"
	stage python "$(python_key)" 'fetching Python modules' python_fetch
	kernel_place
	lock_write
	stage initrd "$(initrd_key)" 'packing the initrd' initrd_make
	# The lists are large, and stale tomorrow.
	remove_folder "$LAB_APT/lists"
	rm -f "$LAB_APT"/*.bin
}

# True when nothing needs the archive.
setup_is_fetched() {
	[ -z "$LAB_UPDATE" ] && [ -r "$LAB_CHOICE" ] && stage_is_done tree "$(tree_key)" &&
		stage_is_done kernel-fetch "$(kernel_fetch_key)" && stage_is_done guest "$(guest_key)" &&
		stage_is_done python "$(python_key)"
}

# True when every stage is done with what there is now.
setup_is_done() {
	setup_is_fetched && [ -r "$LAB_CACHE/tree.packages" ] && [ -r "$LAB_CACHE/python.packages" ] &&
		[ -r "$LAB_LOCK" ] && [ -d "$LAB_KERNEL" ] && [ ! -d "$LAB_CACHE/kernel.new" ] &&
		stage_is_done kernel "$(kernel_key)" && stage_is_done initrd "$(initrd_key)"
}

# Fresh lists whenever anything is to be fetched: old ones name packages that have gone.
setup_archive() {
	rm -f "$LAB_STAMPS/archive" "$LAB_STAMPS/choose"
	stage archive fresh "reading the archive's lists" archive_update
	stage choose fresh 'choosing the kernel' kernel_choose
}

# Runs two command lines at once, and fails if one of them fails. Both in the background, because
# "set -e" has no effect in a command whose outcome is tested; and each in a process group of its
# own, so that an interruption ends all of it. They keep the lock's file open: should anything
# outlive us, the next set-up waits for it.
both() {
	local status=0
	set -m
	(eval "$1") &
	JOBS=($!)
	(eval "$2") &
	JOBS+=($!)
	set +m
	wait "${JOBS[0]}" || status=$?
	wait "${JOBS[1]}" || status=$?
	JOBS=()
	return "$status"
}

# What an interruption does: ends the jobs, and says that nothing is lost.
setup_interrupted() {
	local job
	trap '' INT TERM HUP
	for job in "${JOBS[@]}"; do
		kill -TERM -- "-$job" 2>/dev/null || true
	done
	wait
	say "interrupted; \"lab setup\" goes on from here"
	exit 130
}
