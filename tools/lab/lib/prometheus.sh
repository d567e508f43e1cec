# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# `lab prometheus`: fetches Debian's promtool, node_exporter and Prometheus' parser for Python, with
# which tests check metrics, and prints their folder. They are not part of the guest's disk.
# shellcheck disable=SC2034,SC2153 # names of common.sh and of the files that are sourced below

for part in packages stage archive host tree; do
	# shellcheck source=/dev/null
	. "$LAB_DIR/lib/$part.sh"
done

LAB_PROMETHEUS=$LAB_CACHE/prometheus

prometheus_key() {
	stage_key "prometheus_fetch()" "$LAB_SUITE" "$PROMETHEUS_PACKAGES"
}

# Unpacks the packages and keeps what is used of them.
prometheus_fetch() {
	local debs=$LAB_CACHE/debs.prometheus new=$LAB_PROMETHEUS.new deb folder
	host_check
	archive_update
	remove_folder "$debs"
	remove_folder "$new"
	mkdir -p "$new"
	# shellcheck disable=SC2086 # words
	archive_download "$debs" $PROMETHEUS_PACKAGES
	for deb in "$debs"/*.deb; do
		dpkg-deb -x "$deb" "$new"
	done
	remove_folder "$debs"
	mv "$new/usr/lib/python3/dist-packages" "$new/python"
	mv "$new/usr/bin" "$new/bin"
	for folder in etc lib usr var; do
		remove_folder "$new/$folder"
	done
	ls "$new"/bin/{promtool,prometheus-node-exporter} \
		"$new"/python/{prometheus_client/parser,decorator}.py
	"$LAB_DIR/lab" enter python3 -m compileall -q --invalidation-mode unchecked-hash \
		"$new/python"
	remove_folder "$LAB_PROMETHEUS"
	mv "$new" "$LAB_PROMETHEUS"
	remove_folder "$LAB_APT/lists"
	rm -f "$LAB_APT"/*.bin
}

lab_prometheus() {
	if [ "${1-}" = --help ]; then
		echo 'usage: lab prometheus   fetches what checks metrics, prints its folder'
		return
	fi
	SETUP_START=$(now_ms)
	mkdir -p "$LAB_CACHE" "$LAB_STAMPS" "$LAB_LOGS"
	if ! stage_is_done prometheus "$(prometheus_key)"; then
		exec 7>&2 9>"$LAB_CACHE/.lock"
		flock 9
		stage prometheus "$(prometheus_key)" 'fetching what checks metrics' \
			prometheus_fetch >&2
		exec 9>&-
	fi
	echo "$LAB_PROMETHEUS"
}
