# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What runs the guest: KVM where it truly works, else QEMU's own emulator.

# KVM's device may exist and answer, and still not run a stock kernel. So the processor must have the
# feature, the device must be ours to open, and a first boot must come to its end; that is remembered
# for this machine and kernel. Prints kvm or tcg.
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
