# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# A view of Debian's archive that leaves the host's own apt alone: sources, lists, downloads.

LAB_APT=$LAB_CACHE/apt
LAB_SOURCES=$LAB_APT/etc/sources.list

# The archive's lines for our release. No host is named here: $RUST_IPVS_MIRROR where it is set, else the
# archive the host itself uses for its Debian, else the one that mmdebstrap knows by itself.
archive_lines() {
	local uri=${RUST_IPVS_MIRROR-} host_suite
	if [ -z "$uri" ]; then
		host_suite=$(. /etc/os-release && [ "$ID" = debian ] && echo "${VERSION_CODENAME-}") || true
		uri=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 2>/dev/null |
			awk -v suite="${host_suite:-none}" '$1 == suite && $2 == "main" { print $3; exit }')
	fi
	if [ -n "$uri" ]; then
		echo "deb $uri $LAB_SUITE main"
	else
		# mmdebstrap writes its default sources before anything else; that is all we want of it here.
		# shellcheck disable=SC2016 # $1 is the hook's
		{ mmdebstrap --quiet --variant=custom --setup-hook='cat "$1/etc/apt/sources.list" >&2; exit 1' \
			"$LAB_SUITE" - 2>&1 >/dev/null || true; } | sed -n "s/^\(deb .* $LAB_SUITE main\)\$/\1/p"
	fi
}

# apt's settings for our private view: the host's own way to the network (proxies, authentication,
# certificates), but none of its sources, lists or hooks.
archive_config() {
	apt-config dump --format '%F "%v";%n' Acquire |
		grep -E '^Acquire::(http|https|ftp|tor|socks|Retries|Check-Date|Check-Valid-Until|ForceIPv[46]|Queue)' |
		grep -v '""' || true
	echo 'Acquire::Languages "none";'
}

# The keyring that vouches for our release.
archive_keyring() {
	local ring
	for ring in /usr/share/keyrings/debian-archive-keyring.pgp /usr/share/keyrings/debian-archive-keyring.gpg; do
		if [ -r "$ring" ]; then
			echo "$ring"
			return
		fi
	done
	die 'the package debian-archive-keyring is missing: nothing here can vouch for what the archive sends'
}

# Writes sources and configuration, and fetches the lists.
archive_update() {
	local lines ring
	mkdir -p "$LAB_APT"/{etc/none,lists/partial,state,archives/partial}
	: >"$LAB_APT/state/status"
	lines=$(archive_lines)
	ring=$(archive_keyring)
	[ -n "$lines" ] || die 'no Debian archive found: neither in the configuration of apt nor in mmdebstrap; set RUST_IPVS_MIRROR'
	# The release, its updates, and the newer kernels, all from one archive.
	printf '%s\n' "$lines" |
		sed "s|^deb \(\[.*\] \)\?\([^ ]*\) $LAB_SUITE main\$|deb [signed-by=$ring] \2 $LAB_SUITE main\ndeb [signed-by=$ring] \2 $LAB_SUITE-updates main\ndeb [signed-by=$ring] \2 $LAB_SUITE-backports main|" \
		>"$LAB_SOURCES"
	archive_config >"$LAB_APT/host.conf"
	cat "$LAB_APT/host.conf" - >"$LAB_APT/apt.conf" <<-EOF
		Dir::Etc "$LAB_APT/etc";
		Dir::Etc::parts "$LAB_APT/etc/none";
		Dir::Etc::sourcelist "$LAB_SOURCES";
		Dir::Etc::sourceparts "$LAB_APT/etc/none";
		Dir::Etc::preferencesparts "$LAB_APT/etc/none";
		Dir::Etc::netrc "/etc/apt/auth.conf";
		Dir::Etc::netrcparts "/etc/apt/auth.conf.d";
		Dir::State "$LAB_APT/state";
		Dir::State::lists "$LAB_APT/lists";
		Dir::State::status "$LAB_APT/state/status";
		Dir::Cache "$LAB_APT";
		Dir::Cache::archives "$LAB_APT/archives";
		APT::Architecture "$LAB_ARCH";
		APT::Architectures "$LAB_ARCH";
		APT::Sandbox::User "$(id -un)";
	EOF
	archive_apt apt-get update -q
}

# apt-get or apt-cache on our private view.
archive_apt() {
	APT_CONFIG=$LAB_APT/apt.conf "$@"
}

# "package version" of every package whose name matches the extended regular expression.
archive_versions() {
	archive_apt apt-cache dumpavail | awk -v re="^($1)\$" '
		/^Package: / { p = $2 }
		/^Version: / { if (p ~ re) print p, $2 }'
}

# Downloads "package=version" arguments into the directory named first, as they are.
archive_download() {
	local dir=$1
	shift
	mkdir -p "$dir"
	(cd "$dir" && archive_apt apt-get download -q "$@")
}
