# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# One-packet scheduling: each datagram is scheduled by itself and leaves only counters. TCP is
# unaffected.

for kind in t u; do
	director ipvsadm -A "-$kind" 10.0.9.1:80 -s rr -o
	for n in 11 12 13; do
		director ipvsadm -a "-$kind" 10.0.9.1:80 -r "10.0.2.$n:80" -g
	done
done
for _ in 1 2 3 4; do
	ask -u 10.0.9.1
	ask 10.0.9.1
done
table
connections
sleep 2.5
director ipvsadm -Ln --stats --exact -u 10.0.9.1:80
director cat /proc/net/ip_vs
director sysctl -qw net.ipv4.vs.conn_max=0
ask -u 10.0.9.1
director sysctl -qw net.ipv4.vs.conn_max=1073741824
director ipvsadm -E -u 10.0.9.1:80 -s rr
ask -u 10.0.9.1
table
