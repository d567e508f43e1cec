# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Access to Debian's archive that does not use the host's apt state: own sources, lists, downloads.

LAB_APT=$LAB_CACHE/apt
LAB_SOURCES=$LAB_APT/etc/sources.list

# Prints archives to try, one a line, best first. No host is named here: $RUST_IPVS_MIRROR alone if
# it is set; otherwise the archive of the host's own Debian, then mmdebstrap's default.
archive_candidates() {
	local host_suite
	if [ -n "${RUST_IPVS_MIRROR-}" ]; then
		echo "$RUST_IPVS_MIRROR"
		return
	fi
	# shellcheck source=/dev/null
	host_suite=$(. /etc/os-release && [ "$ID" = debian ] && echo "${VERSION_CODENAME-}") || host_suite=none
	# shellcheck disable=SC2016 # the variables are apt's
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 2>/dev/null |
		awk -v suite="$host_suite" '$1 == suite && $2 == "main" { print $3; exit }'
	# mmdebstrap writes its default sources before anything else; that is all we want of it
	# here.
	# shellcheck disable=SC2016 # $1 is the hook's
	{ mmdebstrap --quiet --variant=custom --setup-hook='cat "$1/etc/apt/sources.list" >&2; exit 1' \
		"$LAB_SUITE" - 2>&1 >/dev/null || true; } |
		sed -n "s/^deb \(\[.*\] \)\?\([^ ]*\) $LAB_SUITE main\$/\2/p"
}

# apt's settings for our private view: the host's own way to the network (proxies, authentication,
# certificates), but none of its sources, lists or hooks.
archive_config() {
	apt-config dump --format '%F "%v";%n' Acquire |
		grep -E '^Acquire::(http|https|ftp|tor|socks|Retries|Check-Date|Check-Valid-Until|ForceIPv[46]|Queue)' |
		grep -v '""' || true
	echo 'Acquire::Languages "none";'
	echo 'Dir::Etc::netrc "/etc/apt/auth.conf";'
	echo 'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";'
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

# Writes the configuration, finds an archive that answers, and fetches its lists.
archive_update() {
	local uri ring suite
	mkdir -p "$LAB_APT"/{etc/none,lists/partial,state,archives/partial}
	: >"$LAB_APT/state/status"
	ring=$(archive_keyring)
	# A proxy's password may be in there.
	install -m 600 /dev/null "$LAB_APT/host.conf"
	install -m 600 /dev/null "$LAB_APT/apt.conf"
	archive_config >"$LAB_APT/host.conf"
	cat "$LAB_APT/host.conf" - >"$LAB_APT/apt.conf" <<-EOF
		Dir::Etc "$LAB_APT/etc";
		Dir::Etc::parts "$LAB_APT/etc/none";
		Dir::Etc::sourcelist "$LAB_SOURCES";
		Dir::Etc::sourceparts "$LAB_APT/etc/none";
		Dir::Etc::preferencesparts "$LAB_APT/etc/none";
		Dir::State "$LAB_APT/state";
		Dir::State::lists "$LAB_APT/lists";
		Dir::State::status "$LAB_APT/state/status";
		Dir::Cache "$LAB_APT";
		Dir::Cache::archives "$LAB_APT/archives";
		APT::Architecture "$LAB_ARCH";
		APT::Architectures "$LAB_ARCH";
		APT::Sandbox::User "$(id -un)";
	EOF
	while read -r uri; do
		# The release, its updates, and the newer kernels, all from one archive.
		for suite in "$LAB_SUITE" "$LAB_SUITE-updates" "$LAB_SUITE-backports"; do
			echo "deb [signed-by=$ring] $uri $suite main"
		done >"$LAB_SOURCES"
		if archive_apt apt-get update -q -o APT::Update::Error-Mode=any; then
			return
		fi
		aloud "the archive $uri does not give us $LAB_SUITE and its backports"
	done < <(archive_candidates | awk '{ sub("/+$", "") } !seen[$0]++')
	die "no archive gives us Debian's $LAB_SUITE: see the messages above, or name one in RUST_IPVS_MIRROR"
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
