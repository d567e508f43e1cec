# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The Python library pyroute2, which supports IPVS by netlink. pip downloads it once into the lab's
# cache.

PYROUTE2_VERSION=0.9.7

# Sets PYROUTE2 to its folder, and downloads it if it is missing. It is not part of the guest's
# disk, but in a folder beside it.
pyroute2_fetch() {
	local LAB_CACHE
	eval "$(tools/lab/lab env | grep '^LAB_CACHE=')"
	PYROUTE2=$LAB_CACHE/python/pyroute2-$PYROUTE2_VERSION
	[ ! -d "$PYROUTE2/pyroute2" ] || return 0
	if ! python3 -m pip --version >/dev/null 2>&1; then
		echo 'pyroute2: there is no pip here to fetch it (the package python3-pip): its test will be skipped' >&2
		return 1
	fi
	rm -rf "$PYROUTE2.new"
	# Into a folder of its own, whichever Python's it is: pip need not care for what the system
	# manages.
	PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --target "$PYROUTE2.new" \
		"pyroute2==$PYROUTE2_VERSION" &&
		# By the Python that the guest has: an emulated processor is slow at it.
		tools/lab/lab enter python3 -m compileall -q --invalidation-mode unchecked-hash "$PYROUTE2.new" &&
		mv "$PYROUTE2.new" "$PYROUTE2"
}
