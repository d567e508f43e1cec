# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Connection tracking: conntrack entries of connections by each method, rules that match them, and
# their timeouts.

# All entries, without variable fields: seconds, counts, client ports, order.
tracked() {
	printf '%s\n' 'entries in the director:'
	ip netns exec rv-director cat /proc/net/nf_conntrack |
		sed -E 's/^(\S+ +[0-9]+ \S+ +[0-9]+) +[0-9]+/\1/; s/ (packets|bytes|use|secctx|zone)=\S+//g; s/port=[0-9]{4,}/port=P/g' |
		grep -v 'icmpv6' | sort
}

# Connections by each of the methods, of both protocols and both families.
by() {
	local method
	for method; do
		director ipvsadm -A -t 10.0.9.1:80 -s rr
		director ipvsadm -a -t 10.0.9.1:80 -r 10.0.2.11:80 "$method"
		director ipvsadm -A -u '[fd00:9::1]:80' -s rr
		director ipvsadm -a -u '[fd00:9::1]:80' -r '[fd00:2::b]:80' "$method"
		ask 10.0.9.1
		ask -u -s fd00:1::1 fd00:9::1
		tracked
		director ipvsadm -C
		director conntrack -F 2>/dev/null
	done
}

director nft 'table inet t { chain pre { type filter hook prerouting priority -150; ct state new,established,related accept; }; }'
director sysctl -qw net.ipv4.vs.conntrack=0
by -m -i
director sysctl -qw net.ipv4.vs.conntrack=1
by -m -g -i

# As kube-proxy masquerades.
director nft 'table inet t { chain nat { type nat hook prerouting priority dstnat; ip daddr 10.0.9.1 meta mark set 0x4000; }; chain leave { type nat hook postrouting priority srcnat; meta mark 0x4000 masquerade; }; }'
director ipvsadm -A -t 10.0.9.1:80 -s rr
director ipvsadm -a -t 10.0.9.1:80 -r 10.0.2.11:80 -m
director ipvsadm -A -u 10.0.9.1:80 -s rr
director ipvsadm -a -u 10.0.9.1:80 -r 10.0.2.12:80 -m
ask 10.0.9.1
ask -u 10.0.9.1
sleep 0.5
tracked

# Entries of UDP go with their connections, long before their time.
director conntrack -F 2>/dev/null
director ipvsadm --set 0 0 1
ask -u 10.0.9.1
tracked
sleep 4
tracked
director ipvsadm --set 0 0 300

# Rules that let pass what is established, and no other replies.
director nft 'table inet t { chain through { type filter hook forward priority 0; policy drop; ct state established accept; }; }'
ask 10.0.9.1
director sysctl -qw net.ipv4.vs.conntrack=0
ask 10.0.9.1
director nft delete table inet t
director ipvsadm -C
