# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Python modules of Debian's for a few checks and tests, in a folder for PYTHONPATH. They are not
# part of the tree and of the guest's disk, so that neither is made anew for them; all have the same
# Python.

LAB_PYTHON_FOLDER=$LAB_CACHE/python/debian

python_key() {
	stage_key "python_fetch()" "$LAB_SUITE" "$PYTHON_PACKAGES"
}

# Downloads and unpacks the packages, and compiles the modules: an emulated processor is slow at
# that.
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
