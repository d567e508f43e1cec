#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demo's half in the guest: a client, a director and three nginx behind one address, by each method.

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" || exit
# shellcheck source=../selftests/rust_ipvs/lib.sh
. ../selftests/rust_ipvs/lib.sh

REQUESTS=12
BOLD='' DIM='' PLAIN='' PROMPT=''
declare -A SHADE=([s1]='' [s2]='' [s3]='')
if [ -n "${COLOUR-}" ]; then
	BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m' PROMPT=$'\e[1;34m'
	SHADE=([s1]=$'\e[1;32m' [s2]=$'\e[1;33m' [s3]=$'\e[1;35m')
fi

fail() {
	printf '\n%s\n' "The demo failed: $*"
	dmesg | tail -n 15
	exit 1
}

title() {
	printf '\n%s── %s %s%s\n' "$BOLD" "$1" "$(printf '─%.0s' $(seq $((74 - ${#1}))))" "$PLAIN"
}

say() {
	printf '%s%s%s\n' "$DIM" "$*" "$PLAIN"
}

# Shows a command as typed in a namespace, and runs it there.
show() {
	local space=$1
	shift
	printf '%s%s#%s %s\n' "$PROMPT" "$space" "$PLAIN" "$*"
	ip netns exec "rv-$space" "$@"
}

# An nginx in each real server's namespace, which answers with its name and closes.
start_nginx() {
	local server
	for server in s1 s2 s3; do
		mkdir -p "/tmp/$server"
		cat >"/tmp/$server/nginx.conf" <<-EOF
			error_log /tmp/$server/error.log;
			pid /tmp/$server/pid;
			worker_processes 1;
			events { worker_connections 64; }
			http {
				access_log off;
				keepalive_timeout 0;
				server {
					listen 80;
					listen [::]:80;
					default_type text/plain;
					return 200 "$server\n";
				}
			}
		EOF
		ip netns exec "rv-$server" nginx -c "/tmp/$server/nginx.conf" || return
	done
}

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

teach() {
	local line
	echo
	for line in "$@"; do
		say "$line"
	done
}

say "Debian's stock kernel $(uname -r), nothing of it rebuilt."
title 'The network: one client, one director, three real servers'
sed -n 's/^#  //p' ../selftests/rust_ipvs/lib.sh | sed -n '/client  /,/fd00:2::/p'
topology_up || fail 'the network could not be made'
start_nginx || fail 'nginx does not start'

title 'The module'
printf '%sdirector#%s insmod build/rust_ipvs.ko\n' "$PROMPT" "$PLAIN"
impl_load || fail 'the module does not load'
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
