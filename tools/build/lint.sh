#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs all checks that need no guest: formatting, clippy, warnings, the project's own rules.
set -uo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
cd "$root" || exit
# shellcheck source=lib.sh
. tools/build/lib.sh

# The tables below are for the lab's compiler and kernel, whatever KDIR is.
unset KDIR
choose_kernel
choose_llvm || die "no clang and llvm-link $rustc_llvm in the lab: both ways of linking cannot be checked"

failed=0
only=" $* "

indent() {
	sed 's/^/      /'
}

# check NAME COMMAND…: one line where it is well, what it says where not.
check() {
	local name=$1 output
	shift
	[ "$only" = '  ' ] || [[ $only = *" $name "* ]] || return 0
	if output=$("$@" 2>&1); then
		printf 'ok    %s\n' "$name"
		[ -z "${told-}" ] || indent <<<"$output"
	else
		printf 'FAIL  %s\n' "$name"
		indent <<<"$output"
		failed=$((failed + 1))
	fi
}

# The Cargo workspaces in the repository.
workspaces() {
	git ls-files '*Cargo.lock' | sed 's/Cargo.lock$//'
}

format_module() {
	"${tools[@]}" rustfmt --check --edition 2021 --config-path "$kdir/.rustfmt.toml" rust_ipvs/main.rs
}

format_samples() {
	git ls-files 'samples/*.rs' | xargs -r "${tools[@]}" rustfmt --check --edition 2021 --config-path "$kdir/.rustfmt.toml"
}

format_cargo() {
	local folder status=0
	for folder in $(workspaces); do
		"${tools[@]}" cargo fmt --check --all --manifest-path "$folder/Cargo.toml" || status=1
	done
	return "$status"
}

clippy_cargo() {
	local folder status=0
	for folder in $(workspaces); do
		"${tools[@]}" cargo clippy --quiet --locked --workspace --all-targets --target-dir "build/lint/cargo" \
			--manifest-path "$folder/Cargo.toml" -- -D warnings || status=1
	done
	return "$status"
}

# module FOLDER ARGUMENT…: builds the module in that folder of build/, which is quick where it is
# built already.
module() {
	local out=build/$1
	shift
	build_strictly "$root/rust_ipvs" "$root/$out" CONFIG_RUST_IPVS=m "$@" | grep -vE '^  [A-Z]+ '
	return "${PIPESTATUS[0]}"
}

# Clippy on the module, with the examples of kapi's documents as a part of it.
clippy_module() {
	"${tools[@]}" tools/build/examples.py build/lint/examples.rs &&
		module lint/clippy CLIPPY=1 KRUSTFLAGS='--cfg RUST_IPVS_EXAMPLES'
}

panics() {
	local flavour status=0
	for flavour in inline0 inline1; do
		echo "$flavour:"
		"${tools[@]}" tools/build/panics.py "build/$flavour/main.o" || status=1
	done
	return "$status"
}

# Connections leave the table by one function, which takes their entries out of connection tracking
# too.
removals() {
	! git grep -nE '\b(table|connections)\s*\.(remove|retain)\(' -- rust_ipvs/director \
		':!rust_ipvs/director/conn/conntrack.rs' ':!rust_ipvs/director/conn/table.rs'
}

# The specification of the netlink family: what has its numbers, and the C library that the
# kernel's tools make of it.
uapi() {
	tools/build/ynl.sh && "${tools[@]}" python3 tools/build/uapi.py
}

ynl_library() {
	local ynl=build/ynl/tools/net/ynl spec=build/ynl/Documentation/netlink/specs/ipvs.yaml part
	for part in header source; do
		"${tools[@]}" env PYTHONPATH=build/ynl/python PYTHONDONTWRITEBYTECODE=1 \
			python3 "$ynl/pyynl/ynl_gen_c.py" --spec "$spec" --mode user --$part \
			--user-header linux/ip_vs.h -o "build/ynl/ipvs-user.${part:0:1}" || return
	done
	mv build/ynl/ipvs-user.s build/ynl/ipvs-user.c
	"${tools[@]}" x86_64-linux-gnu-gcc-14 -fsyntax-only -Wall -Werror \
		-Ibuild/ynl/include -I"$ynl/lib" build/ynl/ipvs-user.c
}

# The crate as it would be published: documents without warnings, and built from its package.
crate() {
	local manifest=tools/ripvsadm/ipvs-netlink/Cargo.toml target=build/lint/cargo
	"${tools[@]}" env RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --no-deps \
		--manifest-path "$manifest" --target-dir "$target" || return
	"${tools[@]}" cargo package --quiet --locked --offline --allow-dirty \
		--manifest-path "$manifest" --target-dir "$target"
}

# scripts ENDING INTERPRETER: the scripts of a language, by their names or their first lines.
scripts() {
	git ls-files "*.$1"
	git ls-files | grep -vE '\.(sh|rs|c|h|md|rst|py|toml|lock)$' | while read -r file; do
		[ ! -f "$file" ] || ! head -n1 "$file" | grep -qE "^#!.*\\b$2\\b" || echo "$file"
	done
}

shell_scripts() {
	scripts sh '(ba|da)?sh' | xargs -r "${tools[@]}" shellcheck -x -P SCRIPTDIR
}

python_scripts() {
	scripts py python3 | xargs -r "${tools[@]}" pyflakes3
}

check rustfmt format_module
check rustfmt-samples format_samples
check cargo-fmt format_cargo
check cargo-clippy clippy_cargo
check clippy clippy_module
check warnings-inline0 module inline0 INLINE=0
check warnings-inline1 module inline1 INLINE=1
check removals removals
check layers "${tools[@]}" python3 tools/build/layers.py
check graph "${tools[@]}" python3 tools/build/graph.py --check
check kapi "${tools[@]}" python3 tools/build/kapi.py "$kdir"
told=1 check panics panics
check texts "${tools[@]}" python3 tools/build/texts.py
check crate crate
check uapi uapi
check ynl-library ynl_library
check words "${tools[@]}" python3 tools/build/words.py
check names "${tools[@]}" python3 tools/build/names.py
check schedulers "${tools[@]}" python3 tools/build/schedulers.py
check samples tools/build/samples.sh
check shellcheck shell_scripts
check pyflakes python_scripts
if [ "$failed" != 0 ]; then
	echo "lint: $failed failed"
	exit 1
fi
echo 'lint: all is well'
