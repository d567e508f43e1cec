# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Builds the guest's initrd: busybox, modules for the root disk, and the guest's init programs.

# Modules for the root disk and the shared folders; their dependencies are added.
INITRD_DISK='virtio_blk ext4'
INITRD_9P='9pnet_virtio 9p'

initrd_key() {
	stage_key "initrd_make()" "initrd_pack()" "initrd_modules()" "$INITRD_DISK" "$INITRD_9P" \
		@guest/initrd-init @guest/init @guest/bashrc @guest/motd "$(cat "$LAB_CHOICE")"
}

initrd_make() {
	local release modules
	release=$(cut -d' ' -f1 "$LAB_CHOICE")
	modules=$(fetched_kernel)/modules
	initrd_pack "$release" "$modules" "$LAB_CACHE/initrd.new"
	mv "$LAB_CACHE/initrd.new" "$LAB_CACHE/initrd"
}

# Packs modules into ROOT/modules, and their order into ROOT/modules.NAME.
initrd_modules() {
	local root=$1 name=$2 modules=$3 release=$4 module
	shift 4
	"$LAB_DIR/lab" enter modprobe -d "$modules" -S "$release" --show-depends -a "$@" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
		while read -r module; do
			xz -dc "$module" >"$root/modules/$(basename "$module" .xz)"
			basename "$module" .xz
		done >"$root/modules.$name"
}

initrd_pack() {
	local release=$1 modules=$2 out=$3 root=$3.files applet
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,root,modules,lab}
	cp "$LAB_TREE/bin/busybox" "$root/bin/"
	for applet in sh mount insmod cp ln mkdir ifconfig reboot switch_root; do
		ln -s busybox "$root/bin/$applet"
	done
	# shellcheck disable=SC2086 # lists of words
	{
		initrd_modules "$root" disk "$modules" "$release" $INITRD_DISK
		initrd_modules "$root" 9p "$modules" "$release" $INITRD_9P
	}
	strip_modules "$root/modules"
	cp "$LAB_DIR/guest/initrd-init" "$root/init"
	cp "$LAB_DIR/guest"/{init,bashrc,motd} "$root/lab/"
	# shellcheck disable=SC2016 # $0 and $1 are the inner shell's
	"$LAB_DIR/lab" enter sh -c 'cd "$0" && find . | cpio -o -H newc -R 0:0 --quiet >"$1"' "$root" "$out"
	rm -rf "$root"
}
