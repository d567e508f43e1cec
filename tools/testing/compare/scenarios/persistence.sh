# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Persistence: templates of each kind, deletion and quiescing of their servers, and their listings.
# shellcheck disable=SC2154 # set by the script that sources this

servers() {
	local n
	for n in 11 12 13; do
		director ipvsadm -a "$1" "$2" -r "10.0.2.$n:$3" "$4"
	done
}

# One port.
director ipvsadm -A -t 10.0.9.1:80 -s rr -p 300
servers -t 10.0.9.1:80 80 -m
for source in 1 1 2 1 3 2 3 4; do
	ask -s "10.0.1.$source" 10.0.9.1
done
# All ports; the servers' port does not count.
director ipvsadm -A -t 10.0.9.2:0 -s rr -p 300 -M 255.255.255.252
servers -t 10.0.9.2:0 8080 -g
for source in 1 3 4 7 1; do
	ask -s "10.0.1.$source" 10.0.9.2 80
	ask -s "10.0.1.$source" 10.0.9.2 8080
done
# A mark.
director ipvsadm -A -f 5 -s rr -p 300
servers -f 5 0 -m
director nft 'table ip m { chain p { type filter hook prerouting priority -150; ip daddr { 10.0.9.3, 10.0.9.4 } meta mark set 5; }; }'
for source in 1 2; do
	ask -s "10.0.1.$source" 10.0.9.3 80
	ask -s "10.0.1.$source" 10.0.9.4 8080
	ask -u -s "10.0.1.$source" 10.0.9.3 80
done
# FTP's control port, and a port that may be a data connection's.
director ipvsadm -A -t 10.0.9.1:21 -s rr -p 300
servers -t 10.0.9.1:21 80 -m
ask -s 10.0.1.2 10.0.9.1 21
ask -s 10.0.1.2 10.0.9.1 8080
ask -s 10.0.1.3 10.0.9.1 8080
ask -s 10.0.1.3 10.0.9.1 21
# Weight 0, and deleted.
director ipvsadm -e -t 10.0.9.1:80 -r 10.0.2.13:80 -m -w 0
ask -s 10.0.1.1 10.0.9.1
director sysctl -w net.ipv4.vs.expire_quiescent_template=1
ask -s 10.0.1.1 10.0.9.1
director ipvsadm -d -t 10.0.9.1:80 -r 10.0.2.12:80
ask -s 10.0.1.2 10.0.9.1
director ipvsadm -a -t 10.0.9.1:80 -r 10.0.2.12:80 -m
ask -s 10.0.1.2 10.0.9.1
sleep 0.5
table
director ipvsadm -Ln --persistent-conn
director ipvsadm -Sn
# IPv6.
director ipvsadm -A -t '[fd00:9::1]:80' -s rr -p 300 -M 126
for n in b c d; do
	director ipvsadm -a -t '[fd00:9::1]:80' -r "[fd00:2::$n]:80" -m
done
for source in 1 3 4 1; do
	ask -s "fd00:1::$source" fd00:9::1
done
sleep 0.5
connections
# A template that is held is put off for a minute.
director ipvsadm -A -t 10.0.9.4:8080 -s rr -p 1
director ipvsadm -a -t 10.0.9.4:8080 -r 10.0.2.11:8080 -m
director nft flush ruleset
keep 10.0.9.4 8080
sleep 3
director sh -c 'ipvsadm -Lnc | grep -E ":0 +10.0.9.4:8080"'
