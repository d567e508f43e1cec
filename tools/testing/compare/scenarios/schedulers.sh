# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Each scheduler with hundreds of clients, while real servers are added, removed, reach their
# thresholds and change their weights.

number=0
for scheduler in rr wrr lc wlc fo ovf sed nq twos dh lblc lblcr 'sh' 'sh -b sh-port' 'sh -b sh-fallback' \
	'sh -b sh-port,sh-fallback' 'mh' 'mh -b mh-port' 'mh -b mh-fallback' 'mh -b mh-fallback,mh-port'; do
	number=$((number + 1))
	flows "$scheduler" "$number"
done
