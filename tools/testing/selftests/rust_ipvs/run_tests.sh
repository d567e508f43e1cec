#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests of the list TESTS in the running kernel, one after the other, and adds up the
# results.
#
# usage: run_tests.sh [--guest LETTER] [--all-flavours] [--results DIR] [TEST…]
#
# Each test's TAP goes to DIR/<test>.tap, and a line "test passed failed skipped seconds" to
# DIR/summary. PATIENCE=n multiplies the time limits of the list, and of what tests wait for, by n,
# for a slow kernel. If a test crashes or ends before its plan is complete, each missing case counts
# as failed.

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=lib.sh
. "$here/lib.sh"

guest='' flavours='' results=/tmp/rust_ipvs-results
while [ $# -gt 0 ]; do
	case $1 in
	--guest) guest=$2 && shift ;;
	--all-flavours) flavours=all ;;
	--results) results=$2 && shift ;;
	-*)
		sed -n 's/^# usage: /usage: /p' "${BASH_SOURCE[0]}" >&2
		exit 2
		;;
	*) break ;;
	esac
	shift
done
mkdir -p "$results"
: >"$results/summary"

# Counts a TAP file: "passed failed skipped", given how the test ended.
count_tap() {
	awk -v status="$2" '
		/^1\.\.[0-9]+/ { split($1, plan, "[.][.]"); planned = plan[2]; seen_plan = 1 }
		/^1\.\.0 # [Ss][Kk][Ii][Pp]/ { all = 1 }
		/^ok / { if ($0 ~ / # [Ss][Kk][Ii][Pp]/) skipped++; else passed++ }
		/^not ok / { failed++ }
		END {
			if (all) skipped++
			done = passed + failed + skipped
			# What was planned and did not come, or a death that nothing else tells of,
			# is a failure.
			if (!all && planned > done) failed += planned - done
			if (!failed && status != 0 && status != 4) failed++
			if (!failed && (!seen_plan || passed + skipped == 0)) failed++
			print passed + 0, failed + 0, skipped + 0
		}' "$1"
}

run_test() {
	local test=$1 limit=$(($2 * ${PATIENCE:-1})) tap=$results/$1.tap start status=0 counts
	start=${EPOCHREALTIME/./}
	(
		cd "$here" || exit
		# A kernel that hangs is the host's to find; a test that hangs is ended here.
		timeout --kill-after=10 "$limit" "./$test"
	) >"$tap" 2>&1 || status=$?
	# A test that was ended has left what the next one cannot begin with.
	if [ "$status" -ge 124 ]; then
		topology_down
		! impl_loaded || impl_unload
	fi
	counts=$(count_tap "$tap" "$status")
	printf '%s %s %s\n' "$test" "$counts" "$(((${EPOCHREALTIME/./} - start) / 1000000))" >>"$results/summary"
	read -r passed failed skipped <<<"$counts"
	printf '%-26s %4d passed %3d failed %3d skipped  %3d s\n' "$test" "$passed" "$failed" "$skipped" \
		$(((${EPOCHREALTIME/./} - start) / 1000000))
	if [ "$failed" != 0 ]; then
		[ "$status" != 124 ] || echo "  it was ended after $limit s"
		# What failed, with what was seen just before.
		grep -B 12 '^not ok' "$tap" | sed 's/^/  | /' | tail -n 60
		grep -q '^not ok' "$tap" || tail -n 20 "$tap" | sed 's/^/  | /'
	fi
}

chosen() {
	local test=$1 wanted
	shift
	[ $# -gt 0 ] || return 0
	for wanted; do
		[ "$test" != "$wanted" ] || return 0
	done
	return 1
}

for test; do
	grep -q "^$test " "$here/TESTS" || {
		echo "run_tests.sh: TESTS has no line for $test" >&2
		exit 2
	}
done

export TOPOLOGY_KEEP=1 PYTHONPYCACHEPREFIX=/tmp/rust_ipvs-pycache IPVS_IMPL RUST_IPVS_KO
while read -r test letter limit flavour; do
	case $test in '' | '#'*) continue ;; esac
	[ -z "$guest" ] || [ "$guest" = "$letter" ] || continue
	[ -z "$flavours" ] || [ "$flavours" = "$flavour" ] || continue
	chosen "$test" "$@" || continue
	run_test "$test" "$limit"
done <"$here/TESTS"
topology_down

awk '{ p += $2; f += $3; s += $4 }
	END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit !(f == 0 && p > 0) }' "$results/summary"
