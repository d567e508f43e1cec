#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs one set-up of samples/ in the guest: applies the file, then tests it with real clients.
#
# usage: sample.sh NAME
# The addresses of a sample are replaced by those of the guest's network. Comment lines "director#
# CMD" are run on the director, and the rules are passed to ripvsadm.

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" || exit
# shellcheck source=../selftests/rust_ipvs/lib.sh
. ../selftests/rust_ipvs/lib.sh
# shellcheck source=lib.sh
. ./lib.sh

VIP=10.0.9.1

# A sample as it is in this network.
translated() {
	sed 's/192\.0\.2\.1\b/10.0.9.1/g; s/198\.51\.100\./10.0.2./g; s/203\.0\.113\.0/10.0.1.0/g' "../../../samples/$1.rules"
}

set_up() {
	local command
	title "samples/$1.rules"
	sed -n '2,$ { s/^#$//p; s/^# //p }' "../../../samples/$1.rules"
	title 'The same, in the guest'
	topology_up || fail 'the network could not be made'
	load_module
	while IFS= read -r command; do
		printf '%sdirector#%s %s\n' "$PROMPT" "$PLAIN" "$command"
		ip netns exec rv-director bash -c "$command" || fail "$command"
	done < <(translated "$1" | sed -n 's/^# *director# //p')
	translated "$1" | grep -E '^-' | while IFS= read -r command; do
		printf '%sdirector#%s ripvsadm %s\n' "$PROMPT" "$PLAIN" "$command"
	done
	translated "$1" | ip netns exec rv-director ripvsadm -R || fail 'ripvsadm -R'
}

# The templates: lines of the connection table without a client's port.
templates() {
	show director ripvsadm -Lnc >/tmp/entries || fail 'ripvsadm -Lnc'
	grep -E '^pro|^[A-Z]+ +[0-9:]+ +[A-Z]+ +[0-9.]+:0 ' /tmp/entries || fail 'there is no template'
}

# A certificate that nobody vouches for, and a TLS port beside the others.
tls() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=shop.example \
		-keyout /tmp/key.pem -out /tmp/cert.pem 2>/dev/null || return
	echo 'listen 443 ssl; ssl_certificate /tmp/cert.pem; ssl_certificate_key /tmp/key.pem;'
}

show_shop() {
	start_nginx "$(tls)" || fail 'nginx does not start'
	title 'Two customers, each at both ports'
	visits_one 10.0.1.1 "http://$VIP/" "https://$VIP/" "http://$VIP/" "https://$VIP/"
	first=$SERVER
	visits_one 10.0.1.2 "https://$VIP/" "http://$VIP/" "https://$VIP/" "http://$VIP/"
	[ "$SERVER" != "$first" ] || fail 'both customers are with the same server'
	say '  One template for each customer: its protocol is IP, its address the mark.'
	templates
	show director ripvsadm -Ln
}

show_pcc() {
	start_nginx 'listen 8080; listen 3128;' || fail 'nginx does not start'
	title 'Two clients at any port'
	visits_one 10.0.1.1 "http://$VIP/" "http://$VIP:8080/" "http://$VIP:3128/"
	first=$SERVER
	visits_one 10.0.1.2 "http://$VIP:3128/" "http://$VIP/" "http://$VIP:8080/"
	[ "$SERVER" != "$first" ] || fail 'both clients are with the same server'
	say '  One template for each client, with port 0 for all ports:'
	templates
	show director ripvsadm -Ln
}

show_ftp() {
	start_vsftpd || fail 'vsftpd does not start'
	title 'Two clients; each fetches the file "name" of its server'
	say '  Passive: the client opens the data connection, to a high port of the VIP.'
	visits_one 10.0.1.1 "ftp://$VIP/name" "ftp://$VIP/name"
	first=$SERVER
	say '  Active: the server opens it, from port 20 of the VIP.'
	visits_one 10.0.1.1 --ftp-port - "ftp://$VIP/name" "ftp://$VIP/name"
	[ "$SERVER" = "$first" ] || fail 'it is another server'
	visits_one 10.0.1.2 "ftp://$VIP/name" --ftp-port - "ftp://$VIP/name"
	[ "$SERVER" != "$first" ] || fail 'both clients are with the same server'
	say '  Control and data connections have one template for each client:'
	templates
	say '  and these are the connections of the first one:'
	grep -E "^TCP.* 10.0.1.1:[1-9]" /tmp/entries
}

show_ftp-nat() {
	start_vsftpd || fail 'vsftpd does not start'
	title 'A client; each session is with the next server, and fetches the file "name" of it'
	say '  Passive: the server names its own address, and the director makes it the VIP, where the client calls.'
	visits_one 10.0.1.1 --disable-epsv "ftp://$VIP/name" "ftp://$VIP/name"
	first=$SERVER
	say '  Active: the server calls from port 20, and the director makes it the VIP.'
	visits_one 10.0.1.1 --ftp-port - "ftp://$VIP/name" "ftp://$VIP/name"
	[ "$SERVER" != "$first" ] || fail 'both sessions are with the same server'
	say '  Data connections are those of their sessions'"'"' servers:'
	show director ripvsadm -Lnc >/tmp/entries || fail 'ripvsadm -Lnc'
	cat /tmp/entries
	grep -qE ' 10\.0\.9\.1:20 ' /tmp/entries || fail 'there is no active data connection'
	grep -qE ' 10\.0\.9\.1:400[0-9]{2} ' /tmp/entries || fail 'there is no passive data connection'
	say '  The helper:'
	show director cat /proc/net/ip_vs_app
}

show_sip() {
	local server address byte=11 scenario=/tmp/uas.xml
	# The agent that sipp has built in, but one that takes a Call-ID again at once.
	sipp -sd uas | sed '/<timewait/d' >"$scenario"
	for server in s1 s2 s3; do
		mkdir -p "/tmp/$server"
		(cd "/tmp/$server" && ip netns exec "rv-$server" sipp -sf "$scenario" -i "10.0.2.$byte" -p 5060 -nostdin \
			-deadcall_wait 0 >/dev/null 2>&1) &
		byte=$((byte + 1))
	done
	for _ in $(seq 100); do
		[ -z "$(ip netns exec rv-s3 ss -Hlun 'sport = 5060')" ] || break
		sleep 0.1
	done
	sleep 1
	title 'One call that moves from address to address, and another'
	for address in 10.0.1.1 10.0.1.2 10.0.1.3; do
		sip_call "$address" roaming@client.example
	done
	sip_call 10.0.1.4 other@client.example
	say '  One template for each call, whichever address it comes from. The director'"'"'s file shows the Call-ID too:'
	printf '%sdirector#%s %s\n' "$PROMPT" "$PLAIN" 'cat /proc/net/ip_vs_conn'
	ip netns exec rv-director cat /proc/net/ip_vs_conn | grep -E '^Pro| 0000 .* sip ' || fail 'there is no template'
	[ "$(ip netns exec rv-director ipvsadm -Lnc | awk '/roaming|10.0.1.[123]:[1-9]/ { print $6 }' | sort -u | wc -l)" -le 2 ] ||
		fail 'the call was with more than one server'
	# What still runs would keep the guest's shell waiting.
	jobs -p | xargs kill
}

sip_call() {
	printf '%sclient#%s sipp -sn uac %s:5060 -i %s -cid_str %s -m 1\n' "$PROMPT" "$PLAIN" "$VIP" "$1" "$2"
	(cd /tmp && ip netns exec rv-client sipp -sn uac "$VIP:5060" -i "$1" -cid_str "$2" -m 1 -d 50 -nostdin \
		-timeout 20 -timeout_error >/tmp/sipp.log 2>&1) || fail "the call: $(tail -n 20 /tmp/sipp.log)"
	say '  INVITE, 100, 180, 200, ACK, BYE, 200: the call went well'
}

declare -F "show_${1-}" >/dev/null || fail "there is nothing to show of \"${1-}\""
set_up "$1"
"show_$1"
impl_unload || fail 'the module does not unload'
