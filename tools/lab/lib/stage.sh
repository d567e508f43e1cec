# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Stages of the set-up: each is done once, and again if its inputs change.

LAB_STAMPS=$LAB_CACHE/stamp

# Prints the hash of a stage's inputs: words, files of the lab as "@file", and functions as
# "name()", whose comments do not count.
stage_key() {
	local part
	for part; do
		case $part in
		@*) cat "$LAB_DIR/${part#@}" ;;
		*'()') declare -f "${part%??}" ;;
		*) printf '%s\n' "$part" ;;
		esac
	done | sha256sum | cut -c1-16
}

stage_is_done() {
	local name=$1 key=$2
	[ -r "$LAB_STAMPS/$name" ] && [ "$(<"$LAB_STAMPS/$name")" = "$key" ]
}

# One line of progress: time since the start, the stage, what it does.
progress() {
	local name=$1
	shift
	printf '%s%8s%s  %-8s %s\n' "$BOLD" "$(duration $(($(now_ms) - SETUP_START)))" "$PLAIN" "$name" "$*" >&2
}

# stage NAME KEY WORDS FUNCTION…: runs FUNCTION with its output in a log, unless the stamp has the
# same key. The stamp is removed first, so that an interrupted stage starts again.
stage() {
	local name=$1 key=$2 words=$3 log=$LAB_LOGS/$1.log start status=0 pulse
	shift 3
	if stage_is_done "$name" "$key"; then
		return 0
	fi
	rm -f "$LAB_STAMPS/$name"
	: >"$LAB_CACHE/worked"
	start=$(now_ms)
	progress "$name" "$words"
	# A child shell of its own, because "set -e" sleeps inside anything that is tested.
	set +e
	stage_pulse "$name" "$log" &
	pulse=$!
	(
		set -e
		"$@"
	) >"$log" 2>&1
	status=$?
	kill "$pulse" 2>/dev/null
	wait "$pulse" 2>/dev/null
	set -e
	if [ "$status" != 0 ]; then
		progress "$name" "${RED}failed${PLAIN}; the end of $log:"
		tail -n 25 "$log" | sed 's/^/    | /' >&2
		return "$status"
	fi
	printf '%s\n' "$key" >"$LAB_STAMPS/$name"
	progress "$name" "${GREEN}done${PLAIN} in $(duration $(($(now_ms) - start)))"
}

# Every ten seconds, the last line of a stage's log: a sign of life with a meaning. It waits by
# reading from a pipe that stays empty: a "sleep" would outlive us.
stage_pulse() {
	local never
	exec {never}<> <(:)
	while ! read -r -t 10 -u "$never"; do
		progress "$1" "… $(tail -n 1 "$2" | tr -d '\r' | cut -c 1-90)"
	done
}

# Tells the user something from inside a stage, whose own output goes to the log. File descriptor 7
# is the user's standard error (set in lab_setup).
aloud() {
	printf '%s\n' "$*"
	progress "" "$*" 2>&7
}
