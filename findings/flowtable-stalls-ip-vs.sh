#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A flowtable of nftables takes connections of C IPVS that use conntrack, and they stall.
#
# Versions: Linux 7.3.4 (Debian 7.3.4-1~bpo13+1, stock), nftables 1.1.3, ipvsadm 1.31.
# Set-up: a director with NAT between a client and a server. The VIP is on the director only. The
# chain "forward" has "ct state established flow add", as a router has that uses a flowtable.
# Expected: connections by the VIP go on, whether or not the flowtable takes them.
# Seen: with net.ipv4.vs.conntrack=1 the flowtable takes the connection with the first reply that is
# forwarded. From then on it sends requests to the server with the VIP as destination, which no
# server has, and no further answer reaches the client. With conntrack=0 all is well. The conntrack
# entries of the two stalled connections in the guest, and what the last lines below sum up:
#   tcp 6 src=192.0.2.1 dst=203.0.113.77 sport=60802 dport=80
#         src=198.51.100.11 dst=192.0.2.1 sport=80 dport=60802 [OFFLOAD]
#   udp 17 src=192.0.2.1 dst=203.0.113.77 sport=54609 dport=80
#         src=198.51.100.11 dst=192.0.2.1 sport=80 dport=54609 [OFFLOAD]
# Reason: ip_vs_update_conntrack() changes the reply tuple and sets no IPS_DST_NAT. A flowtable
# translates addresses only if that bit is set.
#
# Exit code: 0 as stated, 1 the behaviour has changed, 2 it could not be tried. rust_ipvs is not
# involved. A run takes some minutes on a busy machine.
set -euo pipefail
# shellcheck source=lib/guest.sh
. "$(dirname "$(readlink -f "$0")")/lib/guest.sh"

expected='Linux 7.3.4+deb13-amd64
routed only, tcp: 7 of 7 answers; in the flowtable; none to the VIP
routed only, udp: 7 of 7 answers; in the flowtable; none to the VIP
vs.conntrack=0, tcp: 7 of 7 answers; not in the flowtable; none to the VIP
vs.conntrack=0, udp: 7 of 7 answers; not in the flowtable; none to the VIP
vs.conntrack=1, tcp: stalls after 0 or 1 answers; in the flowtable; sent on to the VIP
vs.conntrack=1, udp: stalls after 0 or 1 answers; in the flowtable; sent on to the VIP'
seen=$(
	guest_run <<'GUEST'
nft -f - <<'RULES'
table inet router {
	flowtable fast { hook ingress priority filter; devices = { front, back }; }
	chain through {
		type filter hook forward priority filter
		ct state established flow add @fast
	}
}
RULES
ip netns exec server nft -f - <<'RULES'
table ip server {
	counter to_vip { }
	chain in {
		type filter hook prerouting priority filter
		ip daddr 203.0.113.77 counter name to_vip
	}
}
RULES

cat >/server.py <<'PYTHON'
import socket, threading

def tcp():
    listener = socket.create_server(("198.51.100.11", 80))
    while True:
        threading.Thread(target=echo, args=listener.accept()[:1], daemon=True).start()

def echo(connection):
    try:
        while data := connection.recv(100):
            connection.sendall(data)
    except OSError as error:
        print("server:", error)

threading.Thread(target=tcp, daemon=True).start()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("198.51.100.11", 80))
open("/ready", "w").close()
while True:
    udp.sendto(*udp.recvfrom(100))
PYTHON
cat >/client.py <<'PYTHON'
import socket, sys

address, kind = sys.argv[1:]
sock = socket.socket(socket.AF_INET, {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[kind])
sock.settimeout(5)

def ask(number):
    sock.sendall(b"question %d" % number)
    try:
        return sock.recv(100) == b"question %d" % number
    except TimeoutError:
        return False

sock.connect((address, 80))
answers = 0
try:
    while answers < 7 and ask(answers):
        answers += 1
except OSError as error:
    print(error, file=sys.stderr)
print(sock.getsockname()[1], answers)
PYTHON

ip netns exec server python3.13 /server.py &
tries=0
until [ -e /ready ] || [ $((tries += 1)) -gt 60 ]; do sleep 1; done

# try ADDRESS PROTOCOL WORDS: one connection, with 7 questions until one is not answered.
try() {
	ip netns exec server nft reset counter ip server to_vip >/dev/null
	set -- "$1" "$2" "$3" $(ip netns exec client python3.13 /client.py "$1" "$2")
	answers="$5 of 7 answers"
	# By TCP, the acknowledgement of the first question may be taken before its answer.
	case $5 in
	0 | 1) answers='stalls after 0 or 1 answers' ;;
	esac
	offload='not in the flowtable'
	grep "sport=$4 " /proc/net/nf_conntrack
	grep "sport=$4 " /proc/net/nf_conntrack | grep -q OFFLOAD && offload='in the flowtable'
	to_vip='sent on to the VIP'
	ip netns exec server nft list counter ip server to_vip | grep -q 'packets 0 ' &&
		to_vip='none to the VIP'
	echo "seen: $3, $2: $answers; $offload; $to_vip"
}

for kind in tcp udp; do
	try 198.51.100.11 $kind 'routed only'
done
for conntrack in 0 1; do
	echo $conntrack >/proc/sys/net/ipv4/vs/conntrack
	for kind in tcp udp; do
		ipvsadm -A --$kind-service 203.0.113.77:80 -s rr
		ipvsadm -a --$kind-service 203.0.113.77:80 -r 198.51.100.11:80 -m
		try 203.0.113.77 $kind "vs.conntrack=$conntrack"
		ipvsadm -C
	done
done
GUEST
)
compare "$seen" "$expected"
