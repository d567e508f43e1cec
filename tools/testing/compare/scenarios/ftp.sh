# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# FTP by NAT with the helper: active and passive, IPv4 and IPv6, and the listings during and after
# the sessions.

# C IPVS has it in a module of its own.
[ "$IPVS_IMPL" != c ] || modprobe ip_vs_ftp
director cat /proc/net/ip_vs_app
director ipvsadm -A -t 10.0.9.1:21 -s rr
director ipvsadm -A -t '[fd00:9::1]:21' -s rr
for n in b c d; do
	director ipvsadm -a -t 10.0.9.1:21 -r "10.0.2.$((0x$n))" -m
	director ipvsadm -a -t '[fd00:9::1]:21' -r "[fd00:2::$n]:21" -m
done
ftp_sessions
sleep 0.5
connections
director sh -c 'ipvsadm -Ln | tail -n +2'
director cat /proc/net/ip_vs_app
sleep 2.5
director ipvsadm -Ln --stats --exact -t 10.0.9.1:21 | awk '{ print $1, $2, $3 }'
# A connection that the helper looks at holds C's module.
director sysctl -qw net.ipv4.vs.expire_nodest_conn=1
director ipvsadm -C
sleep 1
connections
director cat /proc/net/ip_vs_app
