# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Selects the accelerator of the guest: KVM if it works, otherwise QEMU's emulator.

# KVM's device may exist and respond, and still fail to run a stock kernel. So the CPU must have the
# feature, the device must be accessible, and a first boot must complete. The result is stored for
# this machine and kernel. Prints kvm or tcg.
accel_choose() {
	local remembered=$LAB_CACHE/accel this
	if ! grep -qwE 'vmx|svm' /proc/cpuinfo || [ ! -w /dev/kvm ]; then
		echo tcg
		return
	fi
	this="$(uname -r) $(grep -m1 'model name' /proc/cpuinfo) $(kernel_release)"
	if [ ! -r "$remembered" ] || [ "$(tail -n +2 "$remembered")" != "$this" ]; then
		say 'trying whether KVM truly boots this kernel'
		if "$LAB_DIR/lab" boot --quiet --accel kvm --timeout 30 -- true >/dev/null 2>&1; then
			printf 'kvm\n%s\n' "$this" >"$remembered"
		else
			say 'it does not: using the emulator from now on'
			printf 'tcg\n%s\n' "$this" >"$remembered"
		fi
	fi
	head -n1 "$remembered"
}

# The emulated guest counts time with this machine's time stamp counter, and works out its frequency
# while it boots. On a busy machine it is wrong by a factor, now and then, and with it every
# timeout. So it is told: measured once for each boot of this machine. Prints kHz, or nothing where
# that did not work.
tsc_khz() {
	local remembered=$LAB_CACHE/tsc-khz this program
	this=$(cat /proc/sys/kernel/random/boot_id)
	if [ ! -r "$remembered" ] || [ "$(tail -n1 "$remembered")" != "$this" ]; then
		program=$(mktemp "$LAB_CACHE/tsc.XXXXXX") || return 0
		"$LAB_DIR/lab" enter -- x86_64-linux-gnu-gcc-14 -O1 -o "$program" "$LAB_DIR/lib/tsc.c" &&
			printf '%s\n%s\n' "$("$program")" "$this" >"$program.khz" && mv "$program.khz" "$remembered"
		rm -f "$program" "$program.khz"
	fi
	[ ! -r "$remembered" ] || head -n1 "$remembered" | grep -xE '[0-9]{5,8}' || true
}
