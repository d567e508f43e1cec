#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The inner half of `lab enter`: runs in its own mount namespace, sets up the tree, enters it.
set -euo pipefail
here=$PWD

# Binds a folder or file of the host at its own path in the tree.
bind() {
	local to=$LAB_TREE$1
	if [ -d "$1" ]; then
		[ -d "$to" ] || mkdir -p "$to"
	elif [ ! -e "$to" ]; then
		mkdir -p "${to%/*}"
		: >"$to"
	fi
	mount --rbind "$1" "$to"
}

# True when the path lies in a folder of the host that the tree does not show.
hidden() {
	case $1 in
	/usr/* | /etc/* | /var/* | /opt/* | /boot/* | /lib*/* | /bin/* | /sbin/*) return 0 ;;
	*) return 1 ;;
	esac
}

# Everything at the top that is not a part of the Debian system itself.
for top in /*; do
	case $top in
	/bin | /boot | /etc | /lib | /lib32 | /lib64 | /libx32 | /opt | /sbin | /usr | /var | /lost+found) ;;
	*) [ ! -d "$top" ] || bind "$top" ;;
	esac
done
for path in "$LAB_CHECKOUT" "$LAB_CACHE" "$HOME" "$here"; do
	if hidden "$path"; then
		bind "$path"
	fi
done

# The network's configuration, as files: resolv.conf is often a link to somewhere.
for path in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
	if [ -r "$path" ] && [ -e "$LAB_TREE$path" ]; then
		mount --bind "$(readlink -f "$path")" "$LAB_TREE$path"
	fi
done

# The mirror of crates that the host is told to use holds for the tree as well.
export CARGO_HOME=$LAB_CACHE/cargo
mkdir -p "$CARGO_HOME"
for path in "$HOME/.cargo/config.toml" "$HOME/.cargo/config"; do
	if [ -r "$path" ] && [ ! -e "$CARGO_HOME/config.toml" ]; then
		ln -sf "$path" "$CARGO_HOME/config.toml"
	fi
done

# Variables that point to files which are not in the tree would only mislead.
for name in SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE GIT_SSL_CAINFO; do
	if [ -n "${!name-}" ] && [ ! -e "$LAB_TREE${!name}" ]; then
		unset "$name"
	fi
done

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 LAB_INSIDE=$LAB_TREE
# The checkout may belong to another user than the one that root is here.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
# shellcheck disable=SC2093
exec chroot "$LAB_TREE" /usr/bin/env -C "$here" -- "$@"
