# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Folders of the lab, and its messages.
# shellcheck disable=SC2034 # the variables are used by files that are sourced later

LAB_CACHE=${RUST_IPVS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rust_ipvs}
LAB_CACHE=$(readlink -m "$LAB_CACHE")
LAB_TREE=$LAB_CACHE/tree
LAB_KERNEL=$LAB_CACHE/kernel
LAB_KDIR=$LAB_KERNEL/build
LAB_GUEST=$LAB_CACHE/guest
LAB_LOGS=$LAB_CACHE/log
LAB_CHECKOUT=${RUST_IPVS_CHECKOUT:-$(readlink -f "$LAB_DIR/../..")}

# Debian's release the toolchain and the guest are made of, and where its newer kernels are.
LAB_SUITE=trixie
LAB_ARCH=amd64

# Words to the user go to standard error: standard output belongs to the command that is run.
say() {
	printf 'lab: %s\n' "$*" >&2
}

die() {
	say "$@"
	exit 1
}

# Bold only where somebody looks at it.
if [ -t 2 ] && [ -z "${NO_COLOR-}" ]; then
	BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
	BOLD='' RED='' GREEN='' PLAIN=''
fi
export BOLD RED GREEN PLAIN

is_root() {
	[ "$(id -u)" = 0 ]
}

# Milliseconds since the epoch, without starting a process.
now_ms() {
	local t=${EPOCHREALTIME/[.,]/}
	echo "${t%???}"
}

# "4m12s" or "0.8s" from milliseconds.
duration() {
	local ms=$1
	if [ "$ms" -ge 60000 ]; then
		printf '%dm%02ds' $((ms / 60000)) $((ms / 1000 % 60))
	else
		printf '%d.%ds' $((ms / 1000)) $((ms / 100 % 10))
	fi
}

# The release of the kernel in the cache, or nothing.
kernel_release() {
	[ ! -r "$LAB_KERNEL/version" ] || cat "$LAB_KERNEL/version"
}
