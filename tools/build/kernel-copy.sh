# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# A copy of the lab's kernel source in the lab's cache, with its build, shared by the scripts that
# build kernels. It is of the lab's kernel, whatever KDIR is.
# shellcheck disable=SC2154 # root is set by the script that sources this, kdir by lib.sh
# shellcheck disable=SC2034 # that script reads LAB_TREE to know if it runs inside the lab

# shellcheck source=lib.sh
. "$root/tools/build/lib.sh"
unset KDIR
choose_kernel
LAB_CACHE='' LAB_TREE=''
eval "$("$lab" env | grep -E '^LAB_(CACHE|TREE)=')"
place=$LAB_CACHE/in-tree
source=$place/source

# The parts of the source that these builds read. Drivers are left out, but for what Kconfig reads
# of them.
copy_source() {
	local arch folder skip=()
	for arch in "$kdir"/arch/*/; do
		arch=$(basename "$arch")
		[ "$arch" = x86 ] || [ "$arch" = um ] || skip+=("--exclude=/arch/$arch/**")
	done
	for folder in gpu media scsi infiniband iio staging accel clk pinctrl usb video; do
		skip+=("--exclude=/drivers/$folder/**")
	done
	mkdir -p "$source"
	for folder in bonding ipvlan; do
		skip+=("--include=/drivers/net/$folder/**")
	done
	rsync -a --include='*/' --include='Kconfig*' --include='Makefile*' --include='Kbuild*' \
		--exclude='*.o' --exclude='*.rmeta' --exclude='.*.cmd' \
		--exclude='/Documentation/**' --exclude='/sound/**' --exclude='/samples/**' \
		--exclude='/tools/testing/**' --exclude='/tools/perf/**' "${skip[@]}" \
		--exclude='/drivers/net/*/**' "$kdir/" "$source/" &&
		make -s -C "$source" ARCH=um mrproper &&
		make -s -C "$source" ARCH=x86 mrproper
}

# kernel FOLDER ARGUMENT…: the kernel's make, with its output in that folder of the cache.
kernel() {
	local folder=$1
	shift
	nice make -C "$source" O="$place/$folder" CC=x86_64-linux-gnu-gcc-14 -j"$(nproc)" --no-print-directory "$@"
}

# The stock kernel's configuration with the lines of a fragment, as that of FOLDER.
like_stock() {
	cp "$kdir/.config" "$place/$1/.config" && cat "$2" >>"$place/$1/.config" &&
		kernel "$1" ARCH=x86 olddefconfig
}

# Is every line of the fragment FILE in the configuration of FOLDER? A symbol whose dependencies are
# not met is dropped without a word.
configured() {
	local missing
	missing=$(grep -E '^(CONFIG_|# CONFIG_.* is not set)' "$2" | grep -vxFf "$place/$1/.config")
	[ -z "$missing" ] || {
		echo "the configuration lacks: $missing"
		return 1
	}
}

# reconfigure FOLDER FILE…: runs the rest of the arguments only where what they configure from has
# changed, because a new .config makes Kbuild look at everything.
reconfigure() {
	local folder=$1 fragment=$2 key
	shift 2
	key=$(cat "$fragment" "$root/Kconfig" "${BASH_SOURCE[0]}" | sha256sum)
	[ "$key" != "$(cat "$place/$folder/.configured" 2>/dev/null)" ] || return 0
	mkdir -p "$place/$folder"
	"$@" && configured "$folder" "$fragment" && printf '%s\n' "$key" >"$place/$folder/.configured"
}

# small FOLDER FILE: configures User-mode Linux with what the fragment names and little more.
small() {
	kernel "$1" ARCH=um KCONFIG_ALLCONFIG="$2" allnoconfig
}

# Removes what came from another kernel, and copies the source where it is not there, or where other
# parts of it are wanted by now. The copy's words go to LOG.
refresh_copy() {
	local identity parts
	identity=$(kernel_identity)
	parts=$(declare -f copy_source | sha256sum)
	[ "$identity" = "$(cat "$place/kernel" 2>/dev/null)" ] || rm -rf "$place"
	[ "$parts" != "$(cat "$place/parts" 2>/dev/null)" ] || return 0
	progress "copying the kernel's source" && mkdir -p "$place" && copy_source >"$1" 2>&1 &&
		printf '%s\n' "$identity" >"$place/kernel" && printf '%s\n' "$parts" >"$place/parts"
}

# One run at a time has the cache.
lock_copy() {
	mkdir -p "$place.lock" && exec 9<"$place.lock"
	flock -n 9 || {
		progress 'another run has the cache: waiting for it'
		flock 9
	}
}

# What was built there is not needed any more.
unlock_copy() {
	flock -u 9
}

progress() {
	printf '# %4ds  %s\n' "$SECONDS" "$*"
}
