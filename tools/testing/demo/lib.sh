# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Shared by the demo and the samples: output and web servers. guest.sh and sample.sh source it.

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

# An nginx in each real server's namespace, which answers at port 80 with its name and closes;
# FURTHER lines are part of its configuration.
start_nginx() {
	local server further=${1-}
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
					$further
					default_type text/plain;
					return 200 "$server\n";
				}
			}
		EOF
		ip netns exec "rv-$server" nginx -c "/tmp/$server/nginx.conf" || return
	done
}

# An FTP server in each real server's namespace, whose only file, "name", has the server's name in
# it.
start_vsftpd() {
	local server
	for server in s1 s2 s3; do
		mkdir -p "/tmp/$server/root" "/tmp/$server/empty"
		echo "$server" >"/tmp/$server/root/name"
		cat >"/tmp/$server/vsftpd.conf" <<-EOF
			listen=NO
			listen_ipv6=YES
			background=YES
			anonymous_enable=YES
			no_anon_password=YES
			local_enable=NO
			anon_root=/tmp/$server/root
			secure_chroot_dir=/tmp/$server/empty
			pasv_min_port=40000
			pasv_max_port=40009
			connect_from_port_20=YES
			seccomp_sandbox=NO
		EOF
		ip netns exec "rv-$server" vsftpd "/tmp/$server/vsftpd.conf" || return
	done
}

# The connection table's lines that match, with its head.
entries() {
	show director ripvsadm -Lnc >/tmp/entries || fail 'ripvsadm -Lnc'
	head -n 2 /tmp/entries
	grep -E "$1" /tmp/entries
}

# visits SOURCE URL…: sends requests from one of the client's addresses. Each answer is the name of
# a server.
visits() {
	local source=$1 answer insecure=''
	shift
	# Whose certificate nobody vouches for.
	[[ $* != *https* ]] || insecure='-k '
	printf '%s%s#%s %s\n  ' "$PROMPT" client "$PLAIN" "curl $insecure--interface $source $*"
	# shellcheck disable=SC2086 # an option, or none
	ANSWERS=$(ip netns exec rv-client curl -sS $insecure --max-time 20 --interface "$source" "$@" 2>&1) || fail "no answer: $ANSWERS"
	for answer in $ANSWERS; do
		printf '%s%s%s ' "${SHADE[$answer]-}" "$answer" "$PLAIN"
	done
	echo
	# shellcheck disable=SC2034 # for who sources this
	SERVER=${ANSWERS%%[!a-z0-9]*}
}

# As visits, where all answers must come from one server.
visits_one() {
	visits "$@"
	[ "$(sort -u <<<"$ANSWERS" | wc -l)" = 1 ] || fail 'it was not one server'
}

# Loads the module as a person would.
load_module() {
	printf '%sdirector#%s insmod build/rust_ipvs.ko\n' "$PROMPT" "$PLAIN"
	impl_load || fail 'the module does not load'
}
