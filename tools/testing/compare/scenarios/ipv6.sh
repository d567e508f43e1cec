# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# IPv6, by each method, and tunnels from one family to the other.

for n in '1 -m fd00:2::b' '2 -g fd00:2::c' '3 -i fd00:2::d' '4 -i 10.0.2.11'; do
	read -r vip option server <<<"$n"
	case $server in *:*) server="[$server]" ;; esac
	director ipvsadm -A -t "[fd00:9::$vip]:80" -s rr
	director ipvsadm -a -t "[fd00:9::$vip]:80" -r "$server:80" "$option"
	ask "fd00:9::$vip"
	ask "fd00:9::$vip"
done
director ipvsadm -Ln
director ipvsadm -D -t '[fd00:9::4]:80'
ask fd00:9::4
director ipvsadm -Ln -t '[fd00:9::1]:80'
director ipvsadm -Sn
