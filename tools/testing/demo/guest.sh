#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demo's half in the guest: a client, a director and three servers of HTTP and FTP behind one
# VIP, by each method.

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" || exit
# shellcheck source=../selftests/rust_ipvs/lib.sh
. ../selftests/rust_ipvs/lib.sh
# shellcheck source=lib.sh
. ./lib.sh

REQUESTS=12

# A virtual service with the three real servers behind it, by one method.
balance() {
	local vip=$1 option=$2 n
	show director ripvsadm -A -t "$vip:80" -s rr || fail 'ripvsadm -A'
	for n in 11 12 13; do
		show director ripvsadm -a -t "$vip:80" -r "10.0.2.$n:80" "$option" || fail 'ripvsadm -a'
	done
}

# The client asks; each answer is the name of the server that gave it.
request() {
	local vip=$1 url answers answer count
	url="http://$vip/[1-$REQUESTS]"
	printf '%s%s#%s %s\n  ' "$PROMPT" client "$PLAIN" "curl $url"
	answers=$(ip netns exec rv-client curl -sS --max-time 20 "$url" 2>&1) || fail "no answer: $answers"
	for answer in $answers; do
		printf '%s%s%s ' "${SHADE[$answer]-}" "$answer" "$PLAIN"
	done
	echo
	for answer in s1 s2 s3; do
		count=$(grep -cx "$answer" <<<"$answers")
		[ "$count" = $((REQUESTS / 3)) ] || fail "$answer answered $count times of $REQUESTS"
	done
	say "  $REQUESTS requests, $((REQUESTS / 3)) answered by each real server"
}

say "Debian's stock kernel $(uname -r), nothing of it rebuilt."
title 'The network: one client, one director, three real servers'
sed -n 's/^#  //p' ../selftests/rust_ipvs/lib.sh | sed -n '/client  /,/fd00:2::/p'
topology_up || fail 'the network could not be made'
start_nginx || fail 'nginx does not start'

title 'The module'
load_module
lsmod | grep -E '^(Module|rust_ipvs)'

title 'NAT (-m): the director rewrites addresses both ways'
balance 10.0.9.1 -m
request 10.0.9.1

title 'DR (-g): the packet goes on unchanged, the server answers the client itself'
balance 10.0.9.2 -g
request 10.0.9.2

title 'TUN (-i): the packet travels in another packet, to a server anywhere'
balance 10.0.9.3 -i
request 10.0.9.3

title 'FTP by NAT: the director reads along, and data connections find their way'
start_vsftpd || fail 'vsftpd does not start'
show director ripvsadm -A -t 10.0.9.1:21 -s rr || fail 'ripvsadm -A'
for n in 11 12 13; do
	show director ripvsadm -a -t 10.0.9.1:21 -r "10.0.2.$n:21" -m || fail 'ripvsadm -a'
done
say '  Passive: the server names its own address, of which the director makes the VIP, where the client calls.'
visits_one 10.0.1.1 --disable-epsv ftp://10.0.9.1/name
first=$SERVER
say '  Active: the server calls from port 20, and the director makes that the VIP. It is the next server.'
visits_one 10.0.1.1 --ftp-port - ftp://10.0.9.1/name
[ "$SERVER" != "$first" ] || fail 'both sessions are with the same server'
entries ' 10.0.1.1:[0-9]+ +10.0.9.1:(2[01]|400[0-9]{2}) ' || fail 'there are no connections of FTP'

title 'Persistence (-p): a client comes back to its server'
show director ripvsadm -A -t 10.0.9.4:80 -s rr -p 8 || fail 'ripvsadm -A'
for n in 11 12 13; do
	show director ripvsadm -a -t 10.0.9.4:80 -r "10.0.2.$n:80" -g || fail 'ripvsadm -a'
done
# Connections are remembered for a while after their end, and their template at least as long.
show director ripvsadm --set 0 1 0
visits_one 10.0.1.1 -0 'http://10.0.9.4/[1-6]'
first=$SERVER
visits_one 10.0.1.2 -0 'http://10.0.9.4/[1-6]'
[ "$SERVER" != "$first" ] || fail 'both clients are with the same server'
say '  What keeps them there is a template for each: a line without a client'"'"'s port.'
show director ripvsadm -Lnc >/tmp/connections || fail 'ripvsadm -Lnc'
grep -E '^pro|:0 +10.0.9.4:80' /tmp/connections || fail 'there is no template'
say '  Each new connection winds its clock up again. Without one it runs out:'
for _ in $(seq 80); do
	ip netns exec rv-director ripvsadm -Lnc | grep -q '10.0.9.4:80' || break
	sleep 0.5
done
show director ripvsadm -Lnc >/tmp/connections || fail 'ripvsadm -Lnc'
! grep -E ':0 +10.0.9.4:80' /tmp/connections || fail 'the templates are still there'
say '  (no line of 10.0.9.4:80 is left), and the client is anybody again:'
visits_one 10.0.1.1 -0 'http://10.0.9.4/[1-6]'
[ "$SERVER" != "$first" ] || fail 'it was the turn of another server'

title 'What the director knows'
show director ripvsadm -Ln || fail 'ripvsadm -Ln'
echo
show director ripvsadm -Lnc >/tmp/connections || fail 'ripvsadm -Lnc'
head -n 12 /tmp/connections
say "  … and $(($(wc -l </tmp/connections) - 12)) more"

title "The same table as Debian's own ipvsadm reads it"
show director ipvsadm -Ln || fail 'ipvsadm -Ln'
if diff <(ip netns exec rv-director ripvsadm -Ln) <(ip netns exec rv-director ipvsadm -Ln) >/tmp/difference; then
	say '  line for line what ripvsadm printed'
else
	say '  which differs from what ripvsadm printed:'
	cat /tmp/difference
fi

title 'And away'
printf '%sdirector#%s rmmod rust_ipvs\n' "$PROMPT" "$PLAIN"
impl_unload || fail 'the module does not unload'
! lsmod | grep -q '^rust_ipvs' || fail 'the module is still there'
say "  unloaded with services and connections in place; nothing is left"
