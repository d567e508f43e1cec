#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# C IPVS drops valid ICMP errors into whose record-route or timestamp option the kernel has written.
#
# Versions: Linux 7.3.4 (Debian 7.3.4-1~bpo13+1, stock), ipvsadm 1.31.
# Set-up: a director with NAT, the VIP 203.0.113.77, a client and the server 198.51.100.11. The
# client sends valid ICMP errors about an answer, to the VIP and, past IPVS, to the server.
# Expected: each error comes to the server; those to the VIP are translated.
# Seen: those to the VIP are lost if they have a record-route or timestamp option with a place left,
# as the lines below say. They arrive without an option, and with one that has no place left.
# Reason: ip_rcv_options() writes into such an option as the packet comes in, and leaves the header
# checksum as it was until the packet leaves. nf_ip_checksum() sums ICMP from the IP header on. That
# sum is not 0 then, so ip_vs_in_icmp() takes the ICMP checksum for wrong and drops the error.
#
# Exit code: 0 as stated, 1 the behaviour has changed, 2 it could not be tried. rust_ipvs is not
# involved. A run takes some minutes on a busy machine.
set -euo pipefail
# shellcheck source=lib/guest.sh
. "$(dirname "$(readlink -f "$0")")/lib/guest.sh"

expected='Linux 7.3.4+deb13-amd64
no option, to 198.51.100.11: arrives
no option, to 203.0.113.77: arrives
record route, nothing left to write, to 198.51.100.11: arrives
record route, nothing left to write, to 203.0.113.77: arrives
record route, one address to write, to 198.51.100.11: arrives
record route, one address to write, to 203.0.113.77: is lost
timestamp, one to write, to 198.51.100.11: arrives
timestamp, one to write, to 203.0.113.77: is lost'
seen=$(
	guest_run <<'GUEST'
# Counts the errors that come to the server, before it has looked at them.
ip netns exec server nft -f - <<'RULES'
table ip server {
	counter errors { }
	chain in {
		type filter hook prerouting priority filter
		icmp type destination-unreachable counter name errors
	}
}
RULES
ipvsadm -A -u 203.0.113.77:80 -s rr
ipvsadm -a -u 203.0.113.77:80 -r 198.51.100.11:80 -m

cat >/server.py <<'PYTHON'
import socket

udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("198.51.100.11", 80))
open("/ready", "w").close()
while True:
    try:
        udp.sendto(*udp.recvfrom(100))
    except OSError as error:
        print("server:", error)
PYTHON
# Asks the destination once, then sends an ICMP error about the answer, with an option.
cat >/client.py <<'PYTHON'
import socket, struct, sys

address, option = sys.argv[1], bytes.fromhex(sys.argv[2]) if len(sys.argv) > 2 else b""
client = "192.0.2.1"

def sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

def ip(src, dst, protocol, data, options=b""):
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, words * 4 + len(data), 7, 0, 64, protocol,
                       0, socket.inet_aton(src), socket.inet_aton(dst)) + options
    return head[:10] + struct.pack("!H", sum16(head)) + head[12:] + data

udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(5)
udp.sendto(b"question", (address, 80))
udp.recv(100)
about = ip(address, client, 17, struct.pack("!HHHH", 80, udp.getsockname()[1], 16, 0) + b"question")
icmp = struct.pack("!BBHI", 3, 1, 0, 0) + about
icmp = icmp[:2] + struct.pack("!H", sum16(icmp)) + icmp[4:]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.sendto(ip(client, address, 1, icmp, option), (address, 0))
PYTHON

ip netns exec server python3.13 /server.py &
tries=0
until [ -e /ready ] || [ $((tries += 1)) -gt 60 ]; do sleep 1; done

# try WORDS [OPTION]: an error to the server by plain routing, then one to the VIP.
try() {
	for address in 198.51.100.11 203.0.113.77; do
		ip netns exec server nft reset counter ip server errors >/dev/null
		ip netns exec client python3.13 /client.py $address $2 || echo 'seen: no answer'
		sleep 2
		arrives='is lost'
		ip netns exec server nft list counter ip server errors | grep -q 'packets 1 ' &&
			arrives=arrives
		echo "seen: $1, to $address: $arrives"
	done
}

try 'no option'
try 'record route, nothing left to write' 07030400
try 'record route, one address to write' 0707040000000000
try 'timestamp, one to write' 4408050000000000
GUEST
)
compare "$seen" "$expected"
