# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Boots Debian's stock kernel with stock programs in QEMU and runs a shell script in it.
#
# A finding sources this file and calls guest_run. It needs Debian's apt and dpkg-deb and the
# package debian-archive-keyring, no root and no KVM. The archive is that of the machine's own apt
# configuration, or $FINDINGS_ARCHIVE. All is kept in a temporary folder, which needs 700 MB.

# The stock kernel, and what it is run with. A finding is about these versions.
readonly KERNEL=7.3.4+deb13-amd64
readonly KERNEL_VERSION=7.3.4-1~bpo13+1
readonly PROGRAMS=(
	busybox-static=1:1.37.0-6+b9
	iproute2=6.15.0-1
	ipvsadm=1:1.31-5
	kmod=34.2-2
	nftables=1.1.3-1
	python3.13-minimal=3.13.5-2+deb13u5
	qemu-system-x86=1:10.0.13+ds-0+deb13u1
)
readonly SUITE=trixie
readonly MODULES=(veth ip_vs ip_vs_rr nf_conntrack nf_flow_table nf_flow_table_inet
	nft_flow_offload nft_ct)

# Exit code of a finding that could not be tried.
readonly CANNOT=2

cannot() {
	printf 'cannot be tried: %s\n' "$*" >&2
	exit "$CANNOT"
}

# Runs apt with settings, lists and downloads of its own in the temporary folder.
guest_apt() {
	APT_CONFIG=$work/apt/apt.conf "$@" >>"$work/log" 2>&1 || {
		tail -n 5 "$work/log" >&2
		cannot "$*"
	}
}

# Prints the archive of the release that this machine runs.
guest_archive() {
	local own
	# shellcheck source=/dev/null
	own=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	# shellcheck disable=SC2016 # the variables are apt's
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' |
		awk -v own="$own" '$1 == own && $2 == "main" && !found++ { print $3 }'
}

# Downloads and unpacks the packages and those that they depend on into $work/tree.
guest_packages() {
	local archive ring=/usr/share/keyrings/debian-archive-keyring suite deb
	archive=${FINDINGS_ARCHIVE:-$(guest_archive)}
	[ -n "$archive" ] || cannot 'apt names no archive of this release: set FINDINGS_ARCHIVE'
	[ -r "$ring.pgp" ] && ring=$ring.pgp || ring=$ring.gpg
	mkdir -p "$work"/apt/{lists/partial,archives/partial,none}
	mkdir -p "$work/tree/usr"/{bin,sbin,lib,lib64}
	for suite in "$SUITE" "$SUITE-updates" "$SUITE-backports"; do
		echo "deb [signed-by=$ring] $archive $suite main"
	done >"$work/apt/sources.list"
	: >"$work/apt/status"
	cat >"$work/apt/apt.conf" <<-END
		Dir::Etc::sourcelist "$work/apt/sources.list";
		Dir::Etc::sourceparts "$work/apt/none";
		Dir::Etc::preferencesparts "$work/apt/none";
		Dir::State "$work/apt";
		Dir::State::lists "$work/apt/lists";
		Dir::State::status "$work/apt/status";
		Dir::Cache "$work/apt";
		Dir::Cache::archives "$work/apt/archives";
		APT::Architecture "amd64";
		APT::Architectures "amd64";
		APT::Sandbox::User "$(id -un)";
		Acquire::Languages "none";
	END
	guest_apt apt-get update -q -o APT::Update::Error-Mode=any
	guest_apt apt-get install -q -y --no-install-recommends --download-only "${PROGRAMS[@]}"
	cd "$work/apt/archives" || exit "$CANNOT"
	guest_apt apt-get download -q "linux-binary-$KERNEL=$KERNEL_VERSION" \
		"linux-modules-$KERNEL=$KERNEL_VERSION"
	for deb in *.deb; do
		dpkg-deb -x "$deb" "$work/tree" || cannot "unpacking $deb"
		rm "$deb"
	done
	cd "$work" || exit "$CANNOT"
	for suite in bin sbin lib lib64; do
		[ -e "tree/$suite" ] || ln -s "usr/$suite" "tree/$suite"
	done
}

# Runs a program of the tree on this machine, with the tree's C library.
guest_program() {
	local program=$1
	shift
	"$work/tree/usr/lib64/ld-linux-x86-64.so.2" --library-path \
		"$work/tree/usr/lib/x86_64-linux-gnu" --argv0 "${program##*/}" \
		"$work/tree$program" "$@"
}

# Prints the commands that make the network of a finding: this host is the director, with the VIP
# 203.0.113.77, and forwards between the namespaces of a client and of a real server.
guest_network() {
	cat <<-'END'
		ip netns add client
		ip netns add server
		ip link add front type veth peer name eth0 netns client
		ip link add back type veth peer name eth0 netns server
		ip address add 192.0.2.254/24 dev front
		ip address add 198.51.100.254/24 dev back
		ip address add 203.0.113.77/32 dev lo
		ip link set front up
		ip link set back up
		ip -n client address add 192.0.2.1/24 dev eth0
		ip -n server address add 198.51.100.11/24 dev eth0
		for host in client server; do
			ip -n $host link set lo up
			ip -n $host link set eth0 up
		done
		ip -n client route add default via 192.0.2.254
		ip -n server route add default via 198.51.100.254
		echo 1 >/proc/sys/net/ipv4/ip_forward
	END
}

# Writes $work/initrd: the programs, their libraries, the modules, the script.
guest_initrd() {
	local tree=$work/tree root=$work/root busybox file name
	busybox=$tree/usr/bin/busybox
	mkdir -p "$root"/{dev,proc,sys,run,tmp,etc,usr/{bin,sbin,lib,lib64,lib/x86_64-linux-gnu}}
	for file in bin sbin lib lib64; do
		ln -s "usr/$file" "$root/$file"
	done
	cp "$busybox" "$root/usr/bin/"
	cp "$tree"/usr/bin/{ip,python3.13} "$tree"/usr/sbin/{ipvsadm,nft} "$root/usr/sbin/"
	cp -a "$tree/usr/lib/python3.13" "$root/usr/lib/"
	cp -a "$tree"/usr/lib64/. "$root/usr/lib64/"
	cp -a "$tree"/usr/lib/x86_64-linux-gnu/*.so* "$root/usr/lib/x86_64-linux-gnu/"

	# The packages leave these to the full installation; depmod wants them.
	touch "$tree/usr/lib/modules/$KERNEL"/modules.{builtin,builtin.modinfo,order}
	guest_program /usr/bin/kmod --version >/dev/null || cannot 'kmod does not run'
	ln -sf kmod "$tree/usr/bin/depmod"
	ln -sf kmod "$tree/usr/bin/modprobe"
	guest_program /usr/bin/depmod -b "$tree" "$KERNEL" || cannot depmod
	guest_program /usr/bin/modprobe -d "$tree" -S "$KERNEL" --show-depends -a "${MODULES[@]}" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/modules"
	mkdir "$root/modules"
	while read -r file; do
		name=$(basename "$file" .xz)
		"$busybox" xzcat "$file" >"$root/modules/$name" || cannot "unpacking $name"
		echo "insmod /modules/$name"
	done <"$work/modules" >"$root/load"

	cat >"$root/init" <<-'END'
		#!/usr/bin/busybox sh
		/usr/bin/busybox --install -s /usr/bin
		export PATH=/usr/sbin:/usr/bin PYTHONDONTWRITEBYTECODE=1
		mount -t proc proc /proc
		mount -t sysfs sys /sys
		mount -t devtmpfs dev /dev
		mount -t tmpfs run /run
		. /load
		ip link set lo up
		echo "seen: Linux $(uname -r)"
		# The shell would run its own "ip" otherwise.
		ip() { /usr/sbin/ip "$@"; }
		. /script
		echo 'seen: the end'
		poweroff -f
	END
	{ guest_network && cat; } >"$root/script"
	chmod +x "$root/init"
	(cd "$root" && find . | "$busybox" cpio -o -H newc >"$work/initrd" 2>>"$work/log") ||
		cannot 'writing the initramfs'
}

guest_boot() {
	local share=$work/tree/usr/share
	QEMU_MODULE_DIR=$work/tree/usr/lib/x86_64-linux-gnu/qemu timeout --foreground -k 5 600 \
		"$work/tree/usr/lib64/ld-linux-x86-64.so.2" --library-path \
		"$work/tree/usr/lib/x86_64-linux-gnu" "$work/tree/usr/bin/qemu-system-x86_64" \
		-L "$share/seabios" -L "$share/qemu" -nodefaults -no-user-config -display none \
		-M q35 -cpu max -accel tcg,thread=single -smp 1 -m 1024 -no-reboot -serial stdio \
		-kernel "$work/tree/usr/lib/modules/$KERNEL/vmlinuz" -initrd "$work/initrd" \
		-append 'console=ttyS0 quiet panic=-1 mitigations=off' \
		</dev/null 2>>"$work/log" | tr -d '\r' >"$work/console"
}

# Runs the shell script on standard input in the guest and prints its lines that begin with
# "seen: ", without that. The whole console is shown if the guest does not reach the end.
guest_run() {
	local work
	work=$(mktemp -d "${TMPDIR:-/tmp}/finding.XXXXXX") || exit "$CANNOT"
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" EXIT
	guest_packages </dev/null
	guest_initrd
	guest_boot
	if ! grep -q '^seen: the end$' "$work/console"; then
		cat "$work/log" "$work/console" >&2
		cannot 'the guest ended early'
	fi
	[ -z "${FINDINGS_CONSOLE-}" ] || cp "$work/console" "$FINDINGS_CONSOLE"
	sed -n '/^seen: the end$/d; s/^seen: //p' "$work/console"
}

# Compares the output of a guest with that expected; exits with 1 if they differ.
compare() {
	local seen=$1 expected=$2
	printf '%s\n' "$seen"
	if [ "$seen" != "$expected" ]; then
		echo 'CHANGED: this is not what was seen before (-):'
		diff -u <(printf '%s\n' "$expected") <(printf '%s\n' "$seen") | tail -n +4
		exit 1
	fi
	echo 'as stated'
}
