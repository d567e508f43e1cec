# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Builds the guest's root disk without mounting anything.

# Kernel modules that tests of a load balancer do not need: nine tenths of all.
GUEST_WITHOUT='sound drivers/gpu drivers/media drivers/scsi drivers/usb drivers/iio drivers/infiniband
drivers/platform drivers/md drivers/hwmon drivers/hid drivers/input drivers/ata drivers/comedi drivers/mtd
drivers/video drivers/accel drivers/target drivers/staging drivers/misc drivers/nvme drivers/mmc
drivers/bluetooth drivers/i2c drivers/watchdog drivers/thunderbolt drivers/edac drivers/net/ethernet
drivers/net/wireless drivers/net/usb drivers/net/can drivers/net/wwan drivers/net/phy
fs/xfs fs/btrfs fs/smb fs/ocfs2 fs/nfs fs/nfsd fs/f2fs fs/nls fs/bcachefs net/bluetooth net/mac80211 net/wireless'

guest_key() {
	stage_key "guest_make()" "guest_modules()" "strip_modules()" "debstrap()" "debstrap_options()" \
		"$GUEST_WITHOUT" "$LAB_SUITE" "$GUEST_PACKAGES" "$(<"$LAB_CHOICE")"
}

# The modules a guest may want, uncompressed (emulated processors are slow at xz), into FOLDER.
guest_modules() {
	local folder=$1 release=$2 part excludes=()
	for part in $GUEST_WITHOUT; do
		excludes+=(--exclude="./kernel/$part")
	done
	mkdir -p "$folder/usr/lib/modules/$release"
	tar -c -C "$(fetched_kernel)/modules/lib/modules/$release" "${excludes[@]}" . |
		tar -x -C "$folder/usr/lib/modules/$release"
	ln -s usr/lib "$folder/lib"
	find "$folder" -name '*.ko.xz' -print0 | xargs -0 -r -n 100 -P "$(nproc)" xz -d
	strip_modules "$folder"
	"$LAB_DIR/lab" enter depmod -b "$folder" "$release"
}

# Takes signatures and type information off all modules in FOLDER: an emulated processor would spend
# most of a module's loading on checking them. The code stays as Debian compiled it.
strip_modules() {
	"$LAB_DIR/lab" enter find "$1" -name '*.ko' -exec strip --strip-debug -R .BTF -R .BTF.base {} +
}

guest_make() {
	local new=$LAB_GUEST.new release modules
	release=$(cut -d' ' -f1 "$LAB_CHOICE")
	remove_folder "$new"
	mkdir -p "$new"
	modules=$new/modules
	guest_modules "$modules" "$release"
	# shellcheck disable=SC2016 # $1 is the hook's
	debstrap - "$GUEST_PACKAGES" \
		--customize-hook="$LIST_PACKAGES" \
		--customize-hook='rm -f "$1"/etc/resolv.conf; rm -rf "$1"/var/cache/* "$1"/var/log/*.log' \
		--customize-hook='mkdir -p "$1"/checkout "$1"/results "$1"/var/log/nginx' \
		--customize-hook="copy-in $modules/usr/lib/modules /usr/lib" \
		--customize-hook='echo lab >"$1/etc/hostname"; echo "127.0.0.1 localhost lab" >"$1/etc/hosts"; echo "::1 localhost" >>"$1/etc/hosts"' \
		>"$new/root.tar"
	tar -xOf "$new/root.tar" "./$PACKAGE_LIST" >"$LAB_CACHE/guest.packages"
	# Room to work in; the file has holes, and what a run writes goes elsewhere.
	"$LAB_DIR/lab" enter mke2fs -q -t ext4 -O ^has_journal -m 0 -E lazy_itable_init=1 \
		-d "$new/root.tar" "$new/root.ext4" $(($(stat -c %s "$new/root.tar") / 1048576 + 1024))M
	rm -rf "$new/root.tar" "$modules"
	remove_folder "$LAB_CACHE/guest.old"
	[ ! -d "$LAB_GUEST" ] || mv "$LAB_GUEST" "$LAB_CACHE/guest.old"
	mv "$new" "$LAB_GUEST"
	remove_folder "$LAB_CACHE/guest.old"
}
