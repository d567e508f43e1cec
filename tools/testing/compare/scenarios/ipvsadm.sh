# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Every option of ipvsadm's manual page, and its effect on each listing; save and restore.

# a ARGS…: runs ipvsadm, with the command in the transcript. The table size in rust_ipvs is the sum
# of both families' tables (G-13).
a() {
	director ipvsadm "$@" 2>&1 | sed 's/(size=[0-9]*)/(size=N)/'
}

# The rules as they are saved. Services are in the order of a hash table.
saved() {
	echo "director# ipvsadm -S $*"
	ip netns exec rv-director ipvsadm -S "$@" | sort
}

# All views without numbers that pass.
views() {
	local view
	for view in '' --thresholds --persistent-conn --tun-info --stats --rate; do
		# shellcheck disable=SC2086 # one word or none
		a -L -n $view
	done
}

a --help
a --version
a

# Services of each kind, by short and long options.
a -A -t 10.0.9.1:80
a --add-service --tcp-service 10.0.9.1:81 --scheduler rr
a -A -u 10.0.9.1:53 -s wrr -o
a --add-service --udp-service 10.0.9.1:54 --ops
a -A --sctp-service 10.0.9.1:9 -s lc
a -A -f 7 -s sh -b sh-port
a --add-service --fwmark-service 8 --ipv6 --scheduler dh
a -A -f 9 -6 -s wrr -p
a -A -t '[fd00:9::1]:80' -s mh -b mh-fallback,mh-port
a -A -u '[fd00:9::1]:53' -s nq -o
a -A --sctp-service '[fd00:9::1]:9' -s sed
a -A -t 10.0.9.2:80 -s rr -p
a -A -t 10.0.9.2:443 -s rr -p 60
a -A -t 10.0.9.2:8443 -s rr --persistent 60 --netmask 255.255.0.0
a -A -t '[fd00:9::2]:80' -s rr -p 60 -M 64
a -A -u 10.0.9.3:5060 -s rr -p 60 --pe sip -o
a -A -t 10.0.9.3:0 -s fo -p 1
a -A -t 10.0.9.3:21 -s ovf -b flag-1,flag-2,flag-3
for scheduler in lblc lblcr twos; do
	a -A -t "10.0.9.3:$((port = ${port:-100} + 1))" -s "$scheduler"
done
a -L -n

# Servers, by each method, with each option.
a -a -t 10.0.9.1:80 -r 10.0.2.11
a -a -t 10.0.9.1:80 -r 10.0.2.11:8080 -m
a --add-server --tcp-service 10.0.9.1:80 --real-server 10.0.2.12 --gatewaying --weight 5
a -a -t 10.0.9.1:80 -r 10.0.2.13 -i -w 0
a -a -t 10.0.9.1:80 -r 10.0.9.1:80 -m
a -a -t 10.0.9.1:81 -r 10.0.2.11:81 -m -x 100 -y 50
a -a -t 10.0.9.1:81 -r 10.0.2.12:81 --masquerading --u-threshold 7 --l-threshold 3 -w 65535
a -a -u 10.0.9.1:53 -r 10.0.2.11:53 --ipip
a -a -u 10.0.9.1:53 -r 10.0.2.12:53 -i --tun-type ipip
a -a -u 10.0.9.1:53 -r 10.0.2.13:53 -i --tun-type gue --tun-port 6080
a -a -u 10.0.9.1:54 -r 10.0.2.11:54 -i --tun-type gue --tun-port 6080 --tun-csum
a -a -u 10.0.9.1:54 -r 10.0.2.12:54 -i --tun-type gue --tun-port 6081 --tun-remcsum
a -a -u 10.0.9.1:54 -r 10.0.2.13:54 -i --tun-type gue --tun-port 6082 --tun-nocsum
a -a --sctp-service 10.0.9.1:9 -r 10.0.2.11:9 -i --tun-type gre
a -a --sctp-service 10.0.9.1:9 -r 10.0.2.12:9 -i --tun-type gre --tun-csum
a -a -f 7 -r 10.0.2.11 -g
a -a -f 7 -r 10.0.2.12:0 -m -w 2
a -a -f 8 -6 -r '[fd00:2::b]' -g
a -a -f 9 -6 -r '[fd00:2::b]:80' -m
a -a -t '[fd00:9::1]:80' -r '[fd00:2::b]:80' -m
a -a -t '[fd00:9::1]:80' -r '[fd00:2::c]:80' -i
a -a -t '[fd00:9::1]:80' -r 10.0.2.12:80 -i
a -a -t 10.0.9.2:80 -r '[fd00:2::c]:80' -i --tun-type gre
a -a -t 10.0.9.2:443 -r 10.0.2.11:443 -m
a -a -t 10.0.9.3:0 -r 10.0.2.11:0 -g
views

# What exporters read. The first line tells the size of the table; the order of services is that of
# a hash table.
director sh -c 'sed 1d /proc/net/ip_vs | sort'
director cat /proc/net/ip_vs_conn /proc/net/ip_vs_stats

# One service of many, and the other ways to show them.
a -L -n -t 10.0.9.1:80
a -l -n -u 10.0.9.1:54 --tun-info
a -L -n -f 7
a -L -n -f 8 -6
a -L -n -t '[fd00:9::1]:80' --thresholds
a -L -n --sctp-service 10.0.9.1:9 --stats --exact
a -L -n --rate --exact -t 10.0.9.1:80
a -L -n --sort
echo 'director# ipvsadm -L -n --nosort'
ip netns exec rv-director ipvsadm -L -n --nosort | sed 1d | sort
a -L --numeric --stats -t 10.0.9.1:80
a -L -c -n
a --list --connection --numeric --persistent-conn
a -L --timeout
a -L --daemon
a -L -n -t 10.0.9.1:82
a -L -n -f 99

# Changes.
a -E -t 10.0.9.1:80 -s wrr
a --edit-service --tcp-service 10.0.9.2:443 -s sh -b sh-fallback
a -E -t 10.0.9.2:80 -s rr -p 90 -M 255.255.255.0
a -E -t '[fd00:9::2]:80' -s lc
a -E -u 10.0.9.1:53 -s rr
a -E -f 7 -s rr -p 5
a -e -t 10.0.9.1:80 -r 10.0.2.11 -m
a --edit-server -t 10.0.9.1:80 -r 10.0.2.12 -g -w 9 -x 8 -y 2
a -e -u 10.0.9.1:53 -r 10.0.2.13:53 -i --tun-type gre
a -e -t '[fd00:9::1]:80' -r '[fd00:2::c]:80' -i -w 3
a -Z -t 10.0.9.1:80
a --zero
a --set 10 20 30
a -L --timeout
a --set 0 0 31
a -L --timeout
a --set 900 120 300
views

# Saved and restored: the same again.
saved
saved -n
saved -n -t 10.0.9.1:80
ip netns exec rv-director ipvsadm -Sn >/tmp/rules
a -C
a -L -n
echo 'director# ipvsadm -R < rules'
ip netns exec rv-director ipvsadm -R </tmp/rules
a -L -n
ip netns exec rv-director ipvsadm -Sn | sort | diff - <(sort /tmp/rules) && echo 'what is saved now is what was saved before'
a --clear
echo 'director# ipvsadm --restore < rules, with an error in them'
printf '%s\n' '-A -t 10.0.9.1:80 -s rr' '-a -t 10.0.9.1:81 -r 10.0.2.11 -m' '-A -t 10.0.9.1:82 -s rr' |
	ip netns exec rv-director ipvsadm --restore
a -L -n
a -C

# What goes, one by one.
a -A -t 10.0.9.1:80 -s rr
a -a -t 10.0.9.1:80 -r 10.0.2.11 -m
a --delete-server -t 10.0.9.1:80 -r 10.0.2.11
a -a -t 10.0.9.1:80 -r 10.0.2.12 -m
a -d -t 10.0.9.1:80 -r 10.0.2.12:80
a --delete-service --tcp-service 10.0.9.1:80
a -D -t 10.0.9.1:80
a -L -n

# What ipvsadm or the kernel refuses.
a -A -t 10.0.9.1:80 -u 10.0.9.1:80
a -A -t 10.0.9.1
a -A -t 10.0.9.256:80
a -A -t 10.0.9.1:70000
a -A -f 0x7
a -A -f -1
a -A -t 10.0.9.1:80 -p 0
a -A -t 10.0.9.1:80 -p 2678401
a -A -t 10.0.9.1:80 -s rr -M 255.255.255.0
a -A -t 10.0.9.1:80 -s rr -p -M 255.0.255.0
a -A -t '[fd00:9::1]:80' -s rr -p -M 200
a -A -t 10.0.9.1:80 -s rr -o
a -A -t 10.0.9.1:80 -s rr -b nosuch
a -A -t 10.0.9.1:80 -s rr --pe nosuch
a -A -t 10.0.9.1:80 -s rr --pe sip
a -A -t 10.0.9.1:0 -s rr
a -A -t 10.0.9.1:80 -r 10.0.2.11
a -A
a -a -t 10.0.9.1:83 -r 10.0.2.11 -m
a -A -t 10.0.9.1:83 -s rr
a -a -t 10.0.9.1:83
a -a -t 10.0.9.1:83 -r 10.0.2.11 -m -g
a -a -t 10.0.9.1:83 -r 10.0.2.11 -m -w 65536
a -a -t 10.0.9.1:83 -r 10.0.2.11 -m -w -1
a -a -t 10.0.9.1:83 -r 10.0.2.11 -m -x 5 -y 9
a -a -t 10.0.9.1:83 -r 10.0.2.11 -i --tun-type nosuch
a -a -t 10.0.9.1:83 -r 10.0.2.11 -i --tun-type gue
a -a -t 10.0.9.1:83 -r 10.0.2.11 -m --tun-type gre
a -a -t 10.0.9.1:83 -r '[fd00:2::b]:80' -m
a -a -t 10.0.9.1:83 -r 0.0.0.0 -m
a -d -t 10.0.9.1:83 -r 10.0.2.99
a -e -t 10.0.9.1:83 -r 10.0.2.99 -m
a --set 1 2
a --set 1 2 x
a --set -1 2 3
a --stop-daemon master
a --stop-daemon backup
a --start-daemon nosuch
a --start-daemon master --mcast-interface nosuch
a --start-daemon master --mcast-interface front
a --start-daemon master --mcast-interface front
a --start-daemon backup --mcast-interface front --syncid 3 --mcast-group ff02::5 --mcast-port 9000 --mcast-ttl 3 --sync-maxlen 2000
a -L --daemon
a --stop-daemon master
a -L --daemon -n
a --stop-daemon backup
a -L --daemon
a -C -t 10.0.9.1:83
a -L --nosuch
a -L -n
