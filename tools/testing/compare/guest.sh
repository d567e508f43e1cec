#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The guest's half of `compare`: runs each scenario on each implementation, with a fresh network,
# and writes to /results.

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=../selftests/rust_ipvs/lib.sh
. "$here/../selftests/rust_ipvs/lib.sh"
export PYTHONPYCACHEPREFIX=/tmp/rust_ipvs-pycache

# Removes differences between runs: client ports, elapsed seconds, and the order of connections in
# the hash table, which is random.
normalise() {
	sed -E 's/\b(3[3-9][0-9]{3}|32[89][0-9]{2}|327[7-9][0-9]|3276[89]|[45][0-9]{4}|60[0-9]{3})\b/PORT/g' |
		awk '
			# Of a remaining time, the least timeout that it can be of.
			/^(TCP|UDP|IP) +[0-9]+:[0-9]+ / {
				split($2, t, ":")
				left = t[1] * 60 + t[2]
				count = split("10 30 60 120 300 900", timeouts, " ")
				for (k = 1; k <= count && timeouts[k] + 0 < left; k++)
					;
				sub(/[0-9]+:[0-9]+/, sprintf("<=%03d", timeouts[k]))
				rows[n++] = $0
				next
			}
			{ flush_rows(); print }
			END { flush_rows() }
			function flush_rows(  i, j, t) {
				for (i = 1; i < n; i++)
					for (j = i; j > 0 && rows[j - 1] > rows[j]; j--) {
						t = rows[j]; rows[j] = rows[j - 1]; rows[j - 1] = t
					}
				for (i = 0; i < n; i++)
					print rows[i]
				n = 0
			}'
}

for scenario; do
	for IPVS_IMPL in c rust; do
		export IPVS_IMPL
		echo "$scenario on $IPVS_IMPL" >&2
		if topology_up && impl_load; then
			bash "$here/scenario.sh" "$scenario" 2>&1 | normalise >"/results/$scenario.$IPVS_IMPL"
		fi
		ip netns exec rv-director ipvsadm -C
		impl_unload
		topology_down
	done
done
