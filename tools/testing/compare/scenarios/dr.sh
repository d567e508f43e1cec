# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# DR: real servers answer the client themselves, for TCP and UDP; tables and counters after that.

for kind in t u; do
	director ipvsadm -A "-$kind" 10.0.9.1:80 -s rr
	for n in 11 12 13; do
		director ipvsadm -a "-$kind" 10.0.9.1:80 -r "10.0.2.$n:80" -g
	done
done
for _ in 1 2 3 4; do
	ask 10.0.9.1
	ask -u 10.0.9.1
done
ask 10.0.9.1 81
ask 10.0.9.2
sleep 0.5
table
connections
# The C module shows counters up to two seconds late. TCP may need a packet more or less.
sleep 2.5
director ipvsadm -Ln --stats --exact -u 10.0.9.1:80
director ipvsadm -Z
director ipvsadm -Ln --stats --exact
director ipvsadm -C
table
