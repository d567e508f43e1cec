# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# `lab guest`: an interactive root shell in the guest.

lab_guest() {
	# shellcheck source=boot.sh
	. "$LAB_DIR/lib/boot.sh"
	[ "${1-}" != --help ] || {
		echo 'usage: lab guest [OPTIONS of lab boot]   a root shell in the guest; "exit" ends it'
		return
	}
	[ -t 0 ] || die 'guest needs a terminal: use "lab boot -- CMD" otherwise'
	lab_boot --interactive "$@"
}
