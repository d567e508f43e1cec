#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs `make install` into a folder with the kernel's modules, and checks the result (TAP).
set -uo pipefail

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
cd "$root" || exit
eval "$(tools/lab/lab env)"
folder=$root/build/install-test
modules=lib/modules/$LAB_KVER
number=0

# ok WORDS CMD…: a test case, which passes if CMD does.
ok() {
	local words=$1 output
	shift
	number=$((number + 1))
	if output=$("$@" 2>&1); then
		echo "ok $number $words"
	else
		sed 's/^/# /' <<<"$output"
		echo "not ok $number $words"
	fi
}

# What modprobe would do for a name, with nothing but what is in the folder.
asked_for() {
	tools/lab/lab enter modprobe -d "$folder" -S "$LAB_KVER" -C "$folder/usr/lib/modprobe.d" --show-depends "$1"
}

# finds NAME WORDS: modprobe would do something with those words for that name.
finds() {
	asked_for "$1" | tee /dev/stderr | grep -qF "$2"
}

# units: systemd finds nothing wrong in the units, which name the program that is installed.
units() {
	local units=("$folder"/usr/lib/systemd/system/ripvsadm*.{service,timer})
	[ ${#units[@]} = 4 ] && grep -h '^Exec' "${units[@]}" | cut -d= -f2 | cut -d' ' -f1 |
		while read -r program; do [ -x "$folder$program" ] || exit; done || return
	if ! command -v systemd-analyze >/dev/null; then
		echo '# there is no systemd-analyze here'
		return
	fi
	local words
	words=$(systemd-analyze verify --root="$folder" --man=no --recursive-errors=no \
		"${units[@]}" 2>&1)
	[ -z "$words" ] || { echo "$words" && return 1; }
}

# prefix: the same below another PREFIX.
prefix() {
	local unit=$folder/opt/x/lib/systemd/system/ripvsadm.service
	make -s ripvsadm-install DESTDIR="$folder" PREFIX=/opt/x >/dev/null &&
		grep -q '^ExecStart=/opt/x/sbin/ripvsadm -R' "$unit"
}

# A part of the kernel's modules, for depmod to have some.
rm -rf "$folder"
mkdir -p "$folder/$modules/kernel/net"
cp "$LAB_KMODS"/modules.{order,builtin,builtin.modinfo} "$folder/$modules"
for part in net/netfilter net/ipv4/netfilter net/ipv6/netfilter; do
	mkdir -p "$folder/$modules/kernel/$part"
	cp -r "$LAB_KMODS/kernel/$part/." "$folder/$modules/kernel/$part"
done

echo 'TAP version 13'
echo '1..10'
ok 'make install DESTDIR=…' make -s install DESTDIR="$folder"
ok 'the module is there, and depmod has seen it' grep -q '^updates/rust_ipvs\.ko.*nf_defrag_ipv6' "$folder/$modules/modules.dep"
ok 'the file for modprobe is there' cmp tools/build/modprobe.d/rust_ipvs.conf "$folder/usr/lib/modprobe.d/rust_ipvs.conf"
ok 'ripvsadm is there and runs' tools/lab/lab enter "$folder/usr/sbin/ripvsadm" --help
ok 'completions are where bash, fish and zsh look for them' ls "$folder"/usr/share/{bash-completion/completions/ripvsadm,fish/vendor_completions.d/ripvsadm.fish,zsh/vendor-completions/_ripvsadm}
ok "systemd's units are there, and it finds nothing wrong in them" units
ok 'they name the program where PREFIX puts it' prefix
ok 'modprobe rust_ipvs finds the module' finds rust_ipvs /updates/rust_ipvs.ko
ok 'modprobe ip_vs_wlc has rust_ipvs loaded' finds ip_vs_wlc '/sbin/modprobe rust_ipvs'
ok 'so has the question for the netlink family' finds net-pf-16-proto-16-family-IPVS '/sbin/modprobe rust_ipvs'
