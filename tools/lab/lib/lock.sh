# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Lock file: versions and date of the packages used. A later set-up compares its own with it.

LAB_LOCK=$LAB_CACHE/lock

# Prints the present lock: "type name version", one a line.
lock_now() {
	local release version source image
	read -r release version source image <"$LAB_CHOICE"
	echo "kernel $release $version"
	echo "kernel-source $source $version"
	echo "kernel-image $image $version"
	sed 's/^/tree /' "$LAB_CACHE/tree.packages"
	sed 's/^/guest /' "$LAB_CACHE/guest.packages"
	sed 's/^/python /' "$LAB_CACHE/python.packages"
}

# Writes the lock, and says aloud what is another version than the lock that was there recorded.
lock_write() {
	local new=$LAB_LOCK.new changed
	{
		echo "# What the lab took from Debian's archive (\"lab setup\" writes this file)."
		echo "# date $(date -u +%Y-%m-%dT%H:%M:%SZ)"
		lock_now
	} >"$new"
	if [ -r "$LAB_LOCK" ]; then
		changed=$(awk '/^#/ { next }
			NR == FNR { was[$1 " " $2] = $3; next }
			($1 " " $2) in was && was[$1 " " $2] != $3 { print $1, $2, was[$1 " " $2], "->", $3 }' "$LAB_LOCK" "$new")
		if [ -n "$changed" ]; then
			progress lock "$(wc -l <<<"$changed") versions of the lock file have left the archive; the newest were taken:"
			head -n 20 <<<"$changed" | sed 's/^/    /' >&2
		fi
	fi
	mv "$new" "$LAB_LOCK"
}
