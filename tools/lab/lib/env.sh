# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# `lab env`: prints the lab's folders as shell assignments.

lab_env() {
	local name
	if [ "${1-}" = --help ]; then
		# shellcheck disable=SC2016 # to be read, not run
		echo 'usage: eval "$(lab env)"   sets LAB_CACHE, LAB_TREE, LAB_KDIR, LAB_KVER, LAB_KMAKE (arguments for make), LAB_VMLINUZ, LAB_KMODS, LAB_GUEST_IMAGE, LAB_PYTHON (for PYTHONPATH), LAB_CHECKOUT'
		return
	fi
	# shellcheck disable=SC2034 # they are read by name below
	{
		LAB_KVER=$(kernel_release)
		LAB_KMAKE='ARCH=x86 CC=x86_64-linux-gnu-gcc-14'
		LAB_VMLINUZ=$LAB_KERNEL/vmlinuz
		LAB_KMODS=$LAB_KERNEL/modules/lib/modules/$LAB_KVER
		LAB_GUEST_IMAGE=$LAB_GUEST/root.ext4
		LAB_PYTHON=$LAB_CACHE/python/debian/usr/lib/python3/dist-packages
	}
	[ -n "$LAB_KVER" ] || die 'there is no kernel yet: run "tools/lab/lab setup"'
	for name in LAB_CACHE LAB_TREE LAB_KDIR LAB_KVER LAB_KMAKE LAB_VMLINUZ LAB_KMODS LAB_GUEST_IMAGE LAB_PYTHON LAB_CHECKOUT; do
		printf '%s=%q\n' "$name" "${!name}"
	done
}
