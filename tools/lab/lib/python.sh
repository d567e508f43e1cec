# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Debian's Python modules for a few checks and tests, in a folder for PYTHONPATH. They are not part
# of the tree and the guest's disk, so that neither is rebuilt for them; all use the same Python.

LAB_PYTHON_FOLDER=$LAB_CACHE/python/debian

python_key() {
	stage_key "python_fetch()" "$LAB_SUITE" "$PYTHON_PACKAGES"
}

# Downloads and unpacks the packages, and compiles the modules, as that is slow under emulation.
python_fetch() {
	local debs=$LAB_CACHE/debs.python new=$LAB_PYTHON_FOLDER.new deb
	remove_folder "$debs"
	remove_folder "$new"
	mkdir -p "$new"
	# shellcheck disable=SC2086 # words
	archive_download "$debs" $PYTHON_PACKAGES
	for deb in "$debs"/*.deb; do
		dpkg-deb -x "$deb" "$new"
		# shellcheck disable=SC2016 # dpkg's own variables
		dpkg-deb -W --showformat='${Package} ${Version}\n' "$deb"
	done >"$LAB_CACHE/python.packages.new"
	remove_folder "$debs"
	"$LAB_DIR/lab" enter python3 -m compileall -q --invalidation-mode unchecked-hash "$new"
	mv "$LAB_CACHE/python.packages.new" "$LAB_CACHE/python.packages"
	remove_folder "$LAB_PYTHON_FOLDER"
	mv "$new" "$LAB_PYTHON_FOLDER"
}
