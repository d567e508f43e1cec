# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Checks the host's requirements: programs, and root in a user namespace.

# Prints the packages of missing programs, one a line.
host_missing() {
	local program package
	while read -r program package; do
		PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || echo "$package"
	done <<<"$HOST_NEEDS"
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ||
		[ -e /usr/share/keyrings/debian-archive-keyring.pgp ] || echo debian-archive-keyring
	is_root || command -v newuidmap >/dev/null || echo uidmap
}

host_check() {
	local missing
	[ "$(uname -m)" = x86_64 ] || die "this machine is $(uname -m); the lab is made for x86-64"
	missing=$(host_missing | sort -u | tr '\n' ' ')
	if [ -n "$missing" ] && is_root && command -v apt-get >/dev/null; then
		progress host "installing on this host: $missing"
		# shellcheck disable=SC2086 # a list of words
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive \
			apt-get install -q -y --no-install-recommends $missing; } >"$LAB_LOGS/host.log" 2>&1 ||
			die "apt could not install $missing: see $LAB_LOGS/host.log"
	elif [ -n "$missing" ]; then
		die "this host lacks: $missing(as root: apt-get install $missing)"
	fi
	if is_root; then
		unshare --mount true 2>/dev/null ||
			die 'root may not mount anything here (a container without CAP_SYS_ADMIN?): the toolchain tree cannot be entered'
	else
		host_check_namespaces
	fi
}

# A user needs namespaces of their own, with a range of user ids for Debian's packages.
host_check_namespaces() {
	local why
	why=$(unshare --user --map-root-user --mount true 2>&1) ||
		die "this user may not make user namespaces ($why): run as root, or allow them (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, user.max_user_namespaces)"
	grep -q "^\($(id -un)\|$(id -u)\):" /etc/subuid 2>/dev/null ||
		die "this user has no range of subordinate ids: as root, usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)"
}
