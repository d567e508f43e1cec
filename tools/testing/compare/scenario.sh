#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Plays one scenario on the loaded implementation, and writes a transcript: each command, its
# output, its exit code.
#
# A scenario is a list of these:
#   director CMD…        a command on the director
#   ask [-u] [-s SOURCE] VIP [PORT]
#                        a request of the client, from one of its addresses; the transcript has the
#                        server that answered and the client address that it saw
#   keep VIP [PORT]      a connection of the client that stays open to the end of the scenario
#   flows SCHEDULER N    many clients of a scheduler, and their real servers
#   fail_and_recover     keepalived, while servers fail and recover under load
#   random_commands N    N commands of ipvsadm, valid and invalid
#   ftp_sessions         FTP clients, and the listings of their connections
#   synchronise          sync messages of a master, and their effect on a backup
#   table                services and real servers
#   connections          all connections
#   by_method OPTION     three servers by one method (-m, -g, -i), for TCP and UDP; tables and
#                        counters after that

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=../selftests/rust_ipvs/lib.sh
. "$here/../selftests/rust_ipvs/lib.sh"


director() {
	local status=0
	printf '%s\n' "director# $*"
	ip netns exec rv-director "$@" || status=$?
	[ "$status" = 0 ] || printf '%s\n' "(exit code $status)"
}

ask() {
	local kind=tcp
	[ "$1" != -u ] || { kind=udp && shift; }
	if [ "$1" = -s ]; then
		ask_from "$kind" "$2" "$3" "${4:-80}"
		return
	fi
	printf '%s' "client asks $1 port ${2:-80} by $kind: "
	# bash's own sockets: to start a program for each would take longer. A datagram has to be
	# read at once.
	# shellcheck disable=SC2016 # the inner shell is to expand it
	ip netns exec rv-client timeout 5 bash -c '
		exec 3<>"/dev/$1/$2/$3" || exit
		[ "$1" = tcp ] || echo >&3
		timeout 3 dd bs=2048 count=1 status=none <&3' bash "$kind" "$1" "${2:-80}" 2>&1 |
		sed 's/^bash: .*: //' | grep -m1 . || echo 'no answer'
}

ask_from() {
	local kind=$1 source=$2 vip=$3 port=$4 bracket=$3
	case $vip in *:*) bracket="[$vip]" source="[$source]" ;; esac
	printf '%s' "client $2 asks $vip port $port by $kind: "
	echo | ip netns exec rv-client socat -T 3 -t 0.5 - "${kind^^}:$bracket:$port,bind=$source" 2>&1 |
		sed 's/.* E //' | grep -m1 . || echo 'no answer'
}

keep() {
	printf '%s\n' "client keeps a connection to $1 port ${2:-80}"
	ip netns exec rv-client socat -u "TCP:$1:${2:-80}" OPEN:/dev/null </dev/null >/dev/null 2>&1 &
	KEPT+=("$!")
	sleep 0.3
}

# See flows.py.
flows() {
	"$here/flows.py" "$@" 2>&1
}

# See keepalived.py, whose servers are its own.
fail_and_recover() {
	kill "$SERVERS"
	wait "$SERVERS" 2>/dev/null
	"$here/keepalived.py" 2>&1
}

# See administration.py.
random_commands() {
	"$here/administration.py" "$@" 2>&1
}

# See sessions.py, whose servers are its own.
ftp_sessions() {
	"$here/sessions.py" 2>&1 | grep -v '^#'
}

# See sync.py.
synchronise() {
	"$here/sync.py" 2>&1
}

table() {
	director ipvsadm -Ln
}

connections() {
	director ipvsadm -Lnc
}

# One method, from its first connection to its counters.
by_method() {
	local kind n
	for kind in t u; do
		director ipvsadm -A "-$kind" 10.0.9.1:80 -s rr
		for n in 11 12 13; do
			director ipvsadm -a "-$kind" 10.0.9.1:80 -r "10.0.2.$n:80" "$1"
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
}

# Servers that say who they are, in the three namespaces.
cd "$SELFTESTS" || exit
# Their output is nobody's: a pipe that they hold would keep its reader waiting.
python3 - >/dev/null 2>&1 <<-'EOF' &
	import time
	from harness.netns import Netns
	from harness.servers import Servers
	servers = Servers()
	for name in 's1 s2 s3'.split():
	    servers.add(Netns(f'rv-{name}'))
	servers.start()
	time.sleep(3600)
EOF
SERVERS=$!
KEPT=()
trap 'kill $SERVERS "${KEPT[@]}" 2>/dev/null' EXIT
for _ in $(seq 200); do
	[ "$(ip netns exec rv-s3 ss -Hlun 'sport = 8080' | wc -l)" -lt 2 ] || break
	sleep 0.05
done

# shellcheck source=/dev/null
. "$here/scenarios/$1.sh"
