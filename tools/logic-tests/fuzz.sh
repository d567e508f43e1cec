#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fuzzes the parsers of untrusted input with coverage feedback (libFuzzer), and keeps the inputs
# with the greatest coverage.
set -euo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
cd "$root"

FUZZ=tools/logic-tests/fuzz
CORPUS=tools/logic-tests/corpus
OUT=build/logic-tests/fuzz-run

usage() {
	cat <<-'EOF'
	usage: fuzz.sh [--seconds N] [--keep] [TARGET…]
	Runs each fuzz target (packet, message, sockopt, sync, ftp, sip; all of them without TARGET) for N
	seconds, 60 if not told, side by side. Each begins with the inputs of tools/logic-tests/corpus.
	--keep writes back the fewest inputs that reach all that was reached. An input that makes a target
	fail is left in build/logic-tests/fuzz-run/TARGET.
	EOF
}

seconds=60 keep=
targets=()
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--seconds)
		seconds=$2
		shift
		;;
	--keep) keep=1 ;;
	-*)
		usage >&2
		exit 2
		;;
	*) targets+=("$1") ;;
	esac
	shift
done
if [ ${#targets[@]} = 0 ]; then
	for file in "$FUZZ"/fuzz_targets/*.rs; do
		targets+=("$(basename "$file" .rs)")
	done
fi

# The coverage that libFuzzer wants, which a stable compiler gives as well; and the kernel's checks.
RUSTFLAGS='-Cpasses=sancov-module -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks --cfg fuzzing
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares'
RUSTFLAGS=${RUSTFLAGS//$'\n'/ }

tools/lab/lab setup
echo 'fuzz: building'
# "cc" in the tree has no C++ beside it.
# With a target that is named, what runs while building is left as it is.
triple=$(tools/lab/lab enter -- rustc -vV | sed -n 's/^host: //p')
tools/lab/lab enter -- env CXX=clang++ "RUSTFLAGS=$RUSTFLAGS" cargo build --quiet --release --locked --bins --target "$triple" \
	--manifest-path "$FUZZ/Cargo.toml" --target-dir build/logic-tests/fuzz-build

# unpack TARGET: the kept inputs, a line of hexadecimal digits each, as files.
unpack() {
	mkdir -p "$OUT/$1/corpus"
	[ ! -f "$CORPUS/$1.hex" ] || python3 - "$CORPUS/$1.hex" "$OUT/$1/corpus" <<-'EOF'
	import hashlib, pathlib, sys
	for line in pathlib.Path(sys.argv[1]).read_text().splitlines()[1:]:
	    data = bytes.fromhex(line)
	    (pathlib.Path(sys.argv[2]) / hashlib.sha1(data).hexdigest()).write_bytes(data)
	EOF
}

# pack TARGET: the fewest inputs that reach all of it, as lines.
pack() {
	local out=$OUT/$1
	rm -rf "$out/least"
	mkdir -p "$out/least" "$CORPUS"
	tools/lab/lab enter -- "build/logic-tests/fuzz-build/$triple/release/$1" -merge=1 "$out/least" "$out/corpus" \
		>"$out/merge.log" 2>&1
	python3 - "$out/least" >"$CORPUS/$1.hex" <<-'EOF'
	import pathlib, sys
	print('# SPDX-License-Identifier: GPL-2.0')
	inputs = {file.read_bytes() for file in pathlib.Path(sys.argv[1]).iterdir()}
	for data in sorted(inputs, key=lambda data: (len(data), data)):
	    print(data.hex())
	EOF
}

run() {
	local out=$OUT/$1
	unpack "$1"
	tools/lab/lab enter -- "build/logic-tests/fuzz-build/$triple/release/$1" -max_total_time="$seconds" -max_len=600 \
		-artifact_prefix="$out/failed-" -print_final_stats=1 "$out/corpus" >"$out/log" 2>&1
}

echo "fuzz: ${targets[*]}, $seconds s each"
declare -A pid=()
for target in "${targets[@]}"; do
	mkdir -p "$OUT/$target"
	run "$target" &
	pid[$target]=$!
done
# Progress, as long as any of them runs.
while sleep 10 && jobs -r | grep -q .; do
	[ -t 1 ] || continue
	for target in "${targets[@]}"; do
		printf '  %-8s %s\n' "$target" "$(grep -a '^#' "$OUT/$target/log" | tail -n 1 | cut -c 1-80)"
	done
done

failed=0
printf '%-8s %12s %8s %8s %8s\n' target inputs edges of kept
for target in "${targets[@]}"; do
	status=0
	wait "${pid[$target]}" || status=$?
	log=$OUT/$target/log
	[ -z "$keep" ] || [ "$status" != 0 ] || pack "$target"
	printf '%-8s %12s %8s %8s %8s' "$target" \
		"$(awk '/number_of_executed_units/ { print $2 }' "$log")" \
		"$(grep -ao 'cov: [0-9]*' "$log" | tail -n 1 | cut -d ' ' -f 2 || true)" \
		"$(sed -n 's/.*Loaded 1 PC tables (\([0-9]*\) PCs).*/\1/p' "$log")" \
		"$([ ! -f "$CORPUS/$target.hex" ] || tail -n +2 "$CORPUS/$target.hex" | wc -l)"
	if [ "$status" = 0 ]; then
		echo
	else
		echo "  FAILED: $log"
		failed=1
	fi
done
exit "$failed"
