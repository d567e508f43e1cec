# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Parallel jobs, each with a log, a line of output at its end, and its own counts.

JOBS_AT_ONCE=${JOBS:-$(nproc)}
# Seconds after which a job is killed and counts as failed, so that a hang is reported and does not
# stop the run.
JOB_LIMIT=${JOB_LIMIT:-$([ -n "${LONG-}" ] && echo 21600 || echo 1200)}
JOB_NAMES=() # in the order in which they were given
declare -A JOB_WORDS=() JOB_COMMAND=() JOB_COUNT=() JOB_PID=() JOB_START=() JOB_SECONDS=() JOB_ALONE=()
declare -A JOB_PASSED=() JOB_FAILED=() JOB_SKIPPED=() JOB_WHICH=() JOB_DEATH=()
# Lines at the end of a run that show how guests died, all of them together.
DEATH_LINES=40

BOLD='' RED='' GREEN='' PLAIN=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
	BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
fi

since() {
	printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100))
}

now() {
	echo $((${EPOCHREALTIME/./} / 1000))
}

# One line of progress.
line() {
	printf '%s%7s s%s  %s\n' "$BOLD" "$(since $(($(now) - RUN_START)))" "$PLAIN" "$*"
}

# job NAME COUNT WORDS COMMAND…: a job for jobs_run. COUNT says how its log is counted: "tap",
# "cargo", "summary" (of run_tests.sh) or "exit", where the job is one test. A function as COMMAND
# has to be exported. A name that begins with "!" wants the machine for itself.
job() {
	local name=${1#!}
	JOB_NAMES+=("$name")
	[ "$name" = "$1" ] || JOB_ALONE[$name]=1
	JOB_COUNT[$name]=$2 JOB_WORDS[$name]=$3
	shift 3
	JOB_COMMAND[$name]=$(printf '%q ' "$@")
}

job_start() {
	local name=$1 log=$RESULTS/$1.log
	line "$name: ${JOB_WORDS[$name]}"
	JOB_START[$name]=$(now)
	timeout --kill-after=20 "$JOB_LIMIT" bash -c "${JOB_COMMAND[$name]}" >"$log" 2>&1 </dev/null &
	JOB_PID[$!]=$name
}

# Sets passed, failed and skipped from a log and an exit code.
job_count() {
	local log=$1 how=$2 status=$3
	passed=0 failed=0 skipped=0
	case $how in
	tap)
		passed=$(grep '^ok ' "$log" | grep -cv '# SKIP')
		failed=$(grep -c '^not ok ' "$log")
		skipped=$(grep -cE '^(ok |1\.\.0).*# SKIP' "$log")
		;;
	cargo)
		read -r passed failed skipped < <(awk '/^test result:/ { p += $4; f += $6; s += $8 } END { print p + 0, f + 0, s + 0 }' "$log")
		;;
	summary)
		read -r passed failed skipped < <(awk '/^[0-9]+ passed, [0-9]+ failed/ { p = $1; f = $3; s = $5 } END { print p + 0, f + 0, s + 0 }' "$log")
		;;
	exit)
		[ "$status" != 0 ] || passed=1
		;;
	esac
	# What fails without saying which test it was, or says nothing at all, has failed too.
	if [ "$failed" = 0 ] && { [ "$status" != 0 ] && [ "$status" != 4 ] || [ $((passed + skipped)) = 0 ]; }; then
		failed=1
	fi
}

# The failed tests that a log names, one a line, after what was seen of each: those of TAP (indented
# in the log of a guest), of cargo, of the checks.
job_which() {
	local log=$1
	{
		sed -nE 's/^ *\|? ?# failed: (.{0,300}).*/    \1:/p; s/^ *\|? ?not ok ([0-9]+ )?/  /p; s/^test (.*) \.\.\. FAILED$/  \1/p; s/^FAIL(ED:)? +/  /p' "$log"
		# What ended without naming one is named by the test's own line.
		grep -E '^[^ ]+ +[0-9]+ passed +([1-9]|[0-9]{2,}) failed ' "$log" | sed 's/^/  in /'
		grep -E ': no result$' "$log" | sed 's/^/  /'
	} | head -n 20
}

# The end of a guest that did not come to its own, as the lab reports it in a log: exit code and the
# lines of the guest's console.
job_death() {
	awk '
		/^lab: .*exit code|^test: the guest is booted / { death = 1; print; next }
		death && /^    \| / { print; next }
		{ death = 0 }' "$1"
}

job_end() {
	local pid=$1 status=$2 name=${JOB_PID[$1]} passed failed skipped words=''
	unset "JOB_PID[$pid]"
	JOB_SECONDS[$name]=$(($(now) - JOB_START[$name]))
	job_count "$RESULTS/$name.log" "${JOB_COUNT[$name]}" "$status"
	JOB_PASSED[$name]=$passed JOB_FAILED[$name]=$failed JOB_SKIPPED[$name]=$skipped
	[ "$status" != 124 ] || words=", ended after $JOB_LIMIT s"
	words="$name: $passed passed, $failed failed, $skipped skipped in $(since "${JOB_SECONDS[$name]}") s$words"
	# Of one that passed, too: it may have been booted once more.
	JOB_DEATH[$name]=$(job_death "$RESULTS/$name.log")
	if [ "$failed" = 0 ]; then
		line "$GREEN$words$PLAIN"
	else
		JOB_WHICH[$name]=$(job_which "$RESULTS/$name.log")
		line "$RED$words$PLAIN (exit code $status); the end of $RESULTS/$name.log:"
		tail -n "${LOG_LINES:-40}" "$RESULTS/$name.log" | sed 's/^/        | /'
	fi
}

# Waits for one job, whichever ends first.
jobs_wait_one() {
	local pid status=0
	wait -n -p pid || status=$?
	[ -z "${pid-}" ] || [ -z "${JOB_PID[$pid]-}" ] || job_end "$pid" "$status"
}

# Ends what is still running when this script is.
jobs_stop() {
	[ ${#JOB_PID[@]} = 0 ] || kill "${!JOB_PID[@]}" 2>/dev/null
}
trap jobs_stop EXIT

# Runs all jobs that were given since the last time.
jobs_run() {
	local name
	for name in "${JOB_NAMES[@]}"; do
		[ -z "${JOB_SECONDS[$name]-}" ] || continue
		while [ ${#JOB_PID[@]} -ge "$JOBS_AT_ONCE" ] || { [ -n "${JOB_ALONE[$name]-}" ] && [ ${#JOB_PID[@]} -gt 0 ]; }; do
			jobs_wait_one
		done
		job_start "$name"
		if [ -n "${JOB_ALONE[$name]-}" ]; then
			jobs_wait_one
		fi
	done
	while [ ${#JOB_PID[@]} -gt 0 ]; do
		jobs_wait_one
	done
}

# The table of all jobs. Sets TOTAL_PASSED, TOTAL_FAILED and TOTAL_SKIPPED.
jobs_table() {
	local name colour
	TOTAL_PASSED=0 TOTAL_FAILED=0 TOTAL_SKIPPED=0
	printf '\n%s%-16s %8s %8s %8s %8s  %s%s\n' "$BOLD" test passed failed skipped seconds 'what it is' "$PLAIN"
	for name in "${JOB_NAMES[@]}"; do
		[ -n "${JOB_SECONDS[$name]-}" ] || continue
		colour=''
		[ "${JOB_FAILED[$name]}" = 0 ] || colour=$RED
		printf '%s%-16s %8d %8d %8d %8s  %s%s\n' "$colour" "$name" "${JOB_PASSED[$name]}" "${JOB_FAILED[$name]}" \
			"${JOB_SKIPPED[$name]}" "$(since "${JOB_SECONDS[$name]}")" "${JOB_WORDS[$name]}" "$PLAIN"
		TOTAL_PASSED=$((TOTAL_PASSED + JOB_PASSED[$name]))
		TOTAL_FAILED=$((TOTAL_FAILED + JOB_FAILED[$name]))
		TOTAL_SKIPPED=$((TOTAL_SKIPPED + JOB_SKIPPED[$name]))
	done
	echo
	# Last, where even the end of a log that was cut has it.
	for name in "${!JOB_WHICH[@]}"; do
		printf '%sfailed in %s:%s\n%s\n\n' "$RED" "$name" "$PLAIN" "${JOB_WHICH[$name]:-  (its log names none)}"
	done
	jobs_deaths
}

# Prints how guests died, in DEATH_LINES lines at most.
jobs_deaths() {
	local name dead=0
	for name in "${!JOB_DEATH[@]}"; do
		[ -z "${JOB_DEATH[$name]}" ] || dead=$((dead + 1))
	done
	for name in "${!JOB_DEATH[@]}"; do
		[ -n "${JOB_DEATH[$name]}" ] || continue
		printf '%s%s:%s\n%s\n\n' "$RED" "$name" "$PLAIN" \
			"$(head -n $((DEATH_LINES / dead)) <<<"${JOB_DEATH[$name]}")"
	done
}
