#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fixture of all rust_ipvs tests: network, implementation under test, TAP.
#
#        client  .1 (and .2 to .9)
#           │ eth0
#   ════════╪══ front ═╪══════════╪══════╪══════╪════  10.0.1.0/24  fd00:1::/64   bridges in
#                front │ .254     │ .11  │ .12  │ .13                             namespace "lan"
#                      director   s1     s2     s3     real servers
#                 back │ .254     │ .11  │ .12  │ .13
#   ═══════════════════╪══════════╪══════╪══════╪════  10.0.2.0/24  fd00:2::/64
#
# The VIPs are 10.0.9.1 to 10.0.9.4 and fd00:9::1 to fd00:9::4. They are on "lo" of the director
# and, for DR and TUN, on "lo" of the real servers, which do not answer ARP for them. The client has
# a route to them by the director. A real server routes packets from its "back" address by the
# director (replies of NAT), and packets from a VIP by "front" to the client itself (DR and TUN). So
# all three methods work side by side. Tunnels end in tunl0 (IPv4 in IPv4), sit0 (IPv6 in IPv4) and
# ip6tnl0 (either in IPv6) of each real server.
#
# Shell tests source this file. `lib.sh up` and `lib.sh down` create and remove the network by hand.
# IPVS_IMPL=c tests the kernel's own ip_vs instead of rust_ipvs. FAST_PATH=2 is the value of
# net.ipv4.vs.fast_path in each namespace at first; without it that is the module's, 1.

SELFTESTS=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
IPVS_IMPL=${IPVS_IMPL:-rust}
RUST_IPVS_KO=${RUST_IPVS_KO:-$SELFTESTS/../../../../build/rust_ipvs.ko}
# In a kernel tree there is no build/: the installed module.
[ -e "$RUST_IPVS_KO" ] ||
	RUST_IPVS_KO=$(PATH=$PATH:/usr/sbin:/sbin modinfo -n rust_ipvs 2>/dev/null || true)
KSFT_SKIP=4
SPACES='lan client director s1 s2 s3'

# ---- what is done is shown ----

# Output that a TAP reader shall take for a comment, whatever it is.
note() {
	local line
	while IFS= read -r line; do
		printf '# %s\n' "$line"
	done <<<"$*"
}

# on NAMESPACE CMD…: shows the command and runs it there.
on() {
	local space=$1
	shift
	note "[$space] $*"
	ip netns exec "rv-$space" "$@"
}

# ---- the network ----

# Lines for `ip -batch` in one namespace: a process for each would take most of the time.
declare -A BATCH

plan() {
	local space=$1
	shift
	BATCH[$space]+="$*"$'\n'
}

plan_run() {
	local space
	for space in $SPACES; do
		[ -n "${BATCH[$space]-}" ] || continue
		[ -z "${VERBOSE-}" ] ||
			note "$(sed "s/^/[$space] ip /" <<<"${BATCH[$space]%$'\n'}")"
		ip -n "rv-$space" -batch - <<<"${BATCH[$space]}" || return
	done
	BATCH=()
}

# A cable from a port of a bridge to a namespace, with that end's last byte of the address.
cable() {
	local bridge=$1 space=$2 device=$3 byte=$4 net=1 hex
	[ "$bridge" = front ] || net=2
	printf -v hex %x "$byte"
	plan lan link add "$space-$bridge" type veth peer name "$device" netns "rv-$space"
	plan lan link set "$space-$bridge" master "$bridge" up
	plan "$space" addr add "10.0.$net.$byte/24" dev "$device"
	plan "$space" addr add "fd00:$net::$hex/64" dev "$device" nodad
	plan "$space" link set "$device" up
}

# Settings that every namespace has: no duplicate detection to wait for, nothing dropped for its
# source.
settle() {
	local space=$1
	shift
	ip netns exec "rv-$space" sysctl -qw \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
		net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.default.router_solicitations=0 \
		net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 "$@"
}

topology_up() {
	local space n modules='veth bridge ipip ip6_tunnel sit'
	# shellcheck disable=SC2086 # a list
	modprobe -a $modules || skip_all "the kernel lacks one of: $modules"
	for space in $SPACES; do
		ip netns add "rv-$space" || return
	done
	for space in lan client; do
		settle "$space" || return
	done
	settle director net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 || return
	for space in s1 s2 s3; do
		settle "$space" net.ipv4.conf.all.arp_ignore=1 \
			net.ipv4.conf.all.arp_announce=2 || return
	done

	plan lan link add front type bridge
	plan lan link add back type bridge
	plan lan link set front up
	plan lan link set back up
	cable front client eth0 1
	cable front director front 254
	cable back director back 254
	for n in 1 2 3; do
		cable front "s$n" front $((10 + n))
		cable back "s$n" back $((10 + n))
	done
	for n in 1 2 3 4; do
		for space in director s1 s2 s3; do
			plan "$space" addr add "10.0.9.$n/32" dev lo
			plan "$space" addr add "fd00:9::$n/128" dev lo nodad
		done
	done
	for n in 2 3 4 5 6 7 8 9; do
		plan client addr add "10.0.1.$n/24" dev eth0
		plan client addr add "fd00:1::$n/64" dev eth0 nodad
	done
	plan client route add 10.0.0.0/16 via 10.0.1.254
	plan client route add fd00::/16 via fd00:1::fe
	for space in s1 s2 s3; do
		plan "$space" rule add from 10.0.2.0/24 to 10.0.1.0/24 lookup 100
		plan "$space" route add default via 10.0.2.254 table 100
		plan "$space" route add ::/0 via fd00:2::fe table 100
		plan "$space" link set tunl0 up
		plan "$space" link set sit0 up
		plan "$space" link set ip6tnl0 type ip6tnl mode any
		plan "$space" link set ip6tnl0 up
	done
	for space in client director s1 s2 s3; do
		plan "$space" link set lo up
	done
	plan_run || return
	for space in s1 s2 s3; do
		# In a batch, the family of a rule would be IPv4.
		ip -n "rv-$space" -6 rule add from fd00:2::/64 to fd00:1::/64 lookup 100 || return
	done
}

topology_down() {
	local space
	for space in $SPACES; do
		ip netns del "rv-$space" 2>/dev/null || true
	done
}

# ---- the implementation under test ----

impl_module() {
	if [ "$IPVS_IMPL" = c ]; then
		echo ip_vs
	else
		echo rust_ipvs
	fi
}

impl_loaded() {
	[ -d "/sys/module/$(impl_module)" ]
}

impl_load() {
	if [ "$IPVS_IMPL" = c ]; then
		modprobe ip_vs "$@"
	else
		# insmod, unlike modprobe, does not look for what the module needs.
		[ -n "$RUST_IPVS_KO" ] || {
			note 'no module rust_ipvs: install it, or name its file in RUST_IPVS_KO'
			return 1
		}
		modinfo -F depends "$RUST_IPVS_KO" | tr , '\n' | xargs -r modprobe -a &&
			insmod "$RUST_IPVS_KO" ${FAST_PATH:+"fast_path=$FAST_PATH"} "$@"
	fi
}

impl_unload() {
	if [ "$IPVS_IMPL" = c ]; then
		local module
		# Schedulers were loaded with the first service that asked for one, the match with
		# the first such rule.
		for module in /sys/module/xt_ipvs /sys/module/ip_vs_*; do
			[ ! -d "$module" ] || rmmod "${module##*/}"
		done
		rmmod ip_vs
	else
		rmmod rust_ipvs
	fi
}

# ---- the kernel's log ----

# What a healthy kernel never says.
LOG_BAD='WARNING: |BUG: |Oops|general protection|refcount_t|Objects remaining'
LOG_BAD+='|possible circular locking|suspicious RCU'
LOG_BAD+='|scheduling while atomic|INFO: task|rcu.*stall|list_(add|del) corruption|leak'

log_mark() {
	LOG_MARK="rust_ipvs selftest mark $$ ${1-}"
	echo "$LOG_MARK" >/dev/kmsg
}

log_since_mark() {
	dmesg | sed "1,/$LOG_MARK/d"
}

# Succeeds if nothing in the log since the mark is a complaint.
log_is_silent() {
	! log_since_mark | grep -E "$LOG_BAD"
}

# ---- TAP ----

TAP_COUNT=0
TAP_FAILED=0

tap_start() {
	echo 'TAP version 13'
}

# ok WORDS CMD…: one case, which the exit code of CMD decides.
ok() {
	local words=$1
	shift
	TAP_COUNT=$((TAP_COUNT + 1))
	if "$@"; then
		echo "ok $TAP_COUNT $words"
	else
		TAP_FAILED=$((TAP_FAILED + 1))
		note "failed: $*"
		echo "not ok $TAP_COUNT $words"
	fi
}

# One case that was not run, and why.
skip() {
	TAP_COUNT=$((TAP_COUNT + 1))
	echo "ok $TAP_COUNT $1 # SKIP $2"
}

# The whole test cannot run here.
skip_all() {
	echo "1..0 # SKIP $1"
	exit $KSFT_SKIP
}

tap_end() {
	echo "1..$TAP_COUNT"
	note "$((TAP_COUNT - TAP_FAILED)) of $TAP_COUNT passed"
	[ "$TAP_FAILED" = 0 ]
}

# By hand.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	set -e
	case ${1-} in
	up) topology_up ;;
	down) topology_down ;;
	load) impl_load ;;
	unload) impl_unload ;;
	*)
		echo "usage: ${0##*/} up|down|load|unload" >&2
		exit 2
		;;
	esac
fi
