#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Compares ripvsadm with ipvsadm: the same command lines must have the same effect, output and exit
# codes.
#
#   namespace rva: ipvsadm changes it         namespace rvb: ripvsadm changes it
#        └── both list it, output compared         └── its table compared with rva's
#
# It does not test the kernel's IPVS, so it runs on any: IPVS_IMPL=c on the kernel's own,
# IPVS_IMPL=rust (the default) on $RUST_IPVS_KO. RIPVSADM is the path of the program.
#
# Each comparison starts both programs, which is slow in an emulated guest. LONG=1 is thorough:
# every rule by itself, more views, every rejected line of ripvsadm_refused.list (the host tests of
# ripvsadm compare those that need no kernel with ipvsadm's recorded answers), and a table of the
# maximum size.

# shellcheck source=lib.sh disable=SC1091
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib.sh"

RIPVSADM=${RIPVSADM:-ripvsadm}
SAMPLES=$SELFTESTS/../../../../samples
WORK=$(mktemp -d)

# The script runs in rva itself, with rva's files in /etc; those of rvb are the same.
B=(nsenter --net=/run/netns/rvb)

# What the table is listed with.
VIEWS=(
	''
	'-L'
	'-L -n'
	'-L --stats'
	'-L -n --stats'
	'-L -n --stats --exact'
	'-L -n --rate'
	'-L -n --thresholds'
	'-L -n --persistent-conn'
	'-L --tun-info'
	'-L -n --nosort'
	'-L -n --rate --stats --thresholds'
	'-L --timeout'
	'-L --daemon'
)
if [ -n "${LONG-}" ]; then
	VIEWS+=(
		'-l --numeric'
		'--list --numeric --sort'
		'-L --rate'
		'-L -n --rate --exact'
		'-L --thresholds'
		'-L --persistent-conn'
		'-L -n --tun-info'
	)
fi

CONNECTION_VIEWS=(
	'-L -n'
	'-L -n --stats'
	'-L -n --rate'
	'-L -n --persistent-conn'
	'-L -n -c'
	'-L -c --sort'
	'-L -n -c --persistent-conn'
)

cleanup() {
	ip netns del rva 2>/dev/null
	ip netns del rvb 2>/dev/null
	rm -rf "$WORK" /etc/netns/rva
	[ -z "${LOADED-}" ] || impl_unload
}

# What rva shall know by name; no name server is asked, for it may know other names, or none.
names_up() {
	mkdir -p /etc/netns/rva
	cat >/etc/netns/rva/hosts <<-EOF
		127.0.0.1 localhost
		192.0.2.1 web.example.org
		192.0.2.2 a-virtual-server-with-a-very-long-name-of-its-own.example.org
		198.51.100.1 s1.example.org s1
		198.51.100.2 a-real-server-with-a-name-that-is-too-long-for-its-column.example.org
		2001:db8::1 six.example.org
		2001:db8:5::1 a-real-server-with-an-ipv6-name-that-is-too-long-for-any-column.example.org
	EOF
	printf '%s: files\n' hosts services >/etc/netns/rva/nsswitch.conf
}

# A namespace with virtual addresses of its own and real servers that never answer.
space_up() {
	local space=$1
	ip netns add "$space" || return
	ip -n "$space" -batch - <<-EOF
		link set lo up
		link add d0 type dummy
		link set d0 up
		addr add 198.51.100.254/24 dev d0
		addr add 2001:db8:5::fe/64 dev d0 nodad
		addr add 192.0.2.1/32 dev lo
		addr add 192.0.2.2/32 dev lo
		addr add 2001:db8::1/128 dev lo nodad
		neigh add 198.51.100.1 lladdr 02:00:00:00:00:01 dev d0
		neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev d0
		neigh add 2001:db8:5::1 lladdr 02:00:00:00:00:03 dev d0
	EOF
}

# ask INTO CMD…: stores the output and exit code of a command as one text in the variable INTO, and
# its stderr in $WORK/INTO. It starts few processes, which are slow in an emulated guest.
ask() {
	local -n into=$1
	# shellcheck disable=SC2034 # a reference
	into=$("${@:2}" 2>"$WORK/$1"; echo "exit code $?")
}

differs() {
	note "$1"
	echo "$2" >"$WORK/left"
	echo "$3" >"$WORK/right"
	diff -u --label ipvsadm --label ripvsadm "$WORK/left" "$WORK/right" | head -30 | sed 's/^/#   /'
	return 1
}

# sizeless INTO TEXT: without "(size=4096)" in the first line. (The shell's patterns take minutes to
# search a long text, so that is what is not done with them here.)
sizeless() {
	# shellcheck disable=SC2178 # a reference
	local -n into=$1
	local first=${2%%$'\n'*}
	into=${first%%'(size='*}${2#"$first"}
}

# timeless INTO TEXT: the time that each connection has left to live is passing.
timeless() {
	# shellcheck disable=SC2178 # a reference
	local -n into=$1
	# shellcheck disable=SC2034 # a reference
	into=$(sed -E 's/ [0-9]+:[0-9][0-9]  / MM:SS  /' <<<"$2")
}

# The tables of both namespaces, as ipvsadm tells them.
same_tables() {
	local view a b
	for view in '-S -n' '-L -n --thresholds' '-L --timeout' '-L --daemon'; do
		# shellcheck disable=SC2086 # words
		ask a ipvsadm $view
		# shellcheck disable=SC2086 # words
		ask b "${B[@]}" ipvsadm $view
		# The size of the connection table depends on what happened before.
		sizeless a "$a"
		sizeless b "$b"
		[ "$a" = "$b" ] && continue
		# And the order, in part, on the kernel's own.
		a=$(LC_ALL=C sort <<<"$a")
		b=$(LC_ALL=C sort <<<"$b")
		[ "$a" = "$b" ] || differs "tables differ: $view" "$a" "$b" || return
	done
}

# One command line, by ipvsadm in rva and by ripvsadm in rvb: same exit code, which is the one
# expected where one is, same output.
same_line() {
	local line=$1 expected=${2-} a b
	# shellcheck disable=SC2086 # words
	ask a ipvsadm $line </dev/null
	# shellcheck disable=SC2086 # words
	ask b "${B[@]}" "$RIPVSADM" $line </dev/null
	if [ -n "$expected" ] && [ "${a##*exit code }" != "$expected" ]; then
		note "ipvsadm: exit code ${a##*exit code }, not $expected as recorded"
		return 1
	fi
	[ "$a" = "$b" ] && return
	note "ipvsadm says: $(<"$WORK/a")"
	note "ripvsadm says: $(<"$WORK/b")"
	differs "$line" "$a" "$b"
}

# One wrong command line, the exit code recorded first: besides, ripvsadm says what is wrong, in one
# line.
same_refusal() {
	local said
	same_line "$2" "$1" || return
	mapfile -t said <"$WORK/b"
	[ ${#said[@]} -le 1 ] && return
	note "ripvsadm does not say it in one line:" "${said[@]}"
	return 1
}

# Every line of standard input; a failure does not keep the next from being tried.
same_lines() {
	local line failed=0
	while read -r line; do
		same_line "$line" || failed=1
	done
	return $failed
}

# Those lines of ripvsadm_refused.list that are to be tried.
refused() {
	local who='kernel|words\*'
	[ -z "${LONG-}" ] || who+='|words'
	grep -E "^($who) " "$SELFTESTS/ripvsadm_refused.list"
}

# One listing of rva by both. Time passes between them: expiry is left out, and as rates change,
# ripvsadm is asked between two questions to ipvsadm and has to agree with either; a few tries are
# enough.
same_view() {
	local view=$1 try a b
	for try in 1 2 3 4 5; do
		# shellcheck disable=SC2086 # words
		ask a ipvsadm $view
		# shellcheck disable=SC2086 # words
		ask b "$RIPVSADM" $view
		[ "$a" = "$b" ] && return
		timeless a "$a"
		timeless b "$b"
		[ "$a" = "$b" ] && return
		# shellcheck disable=SC2086 # words
		ask a ipvsadm $view
		timeless a "$a"
		[ "$a" = "$b" ] && return
		sleep 0.3
	done
	note "ripvsadm says: $(<"$WORK/b")"
	differs "in $try tries, $view" "$a" "$b"
}

same_views() {
	local view failed=0
	for view in "$@"; do
		same_view "$view" || failed=1
	done
	# A few services by themselves, as the saved rules name them. (ipvsadm saves the upper half
	# of the marks as negative, and does not read them again.)
	ipvsadm -S -n | sed -n '/ -f -/d; s/^-A \(.*\) -s .*/\1/p' | sed -n '1p;2p;$p' >"$WORK/services"
	while read -r view; do
		same_view "-L -n $view" || failed=1
	done <"$WORK/services"
	return $failed
}

# What one saves the other restores, both ways. Of the host names only those are compared that
# ipvsadm does not cut.
same_rules() {
	local words a b
	for words in '-S -n' '-S'; do
		# shellcheck disable=SC2086 # words
		a=$(ipvsadm $words | grep -v -- '-name-')
		# shellcheck disable=SC2086 # words
		b=$("$RIPVSADM" $words | grep -v -- '-name-')
		[ "$a" = "$b" ] || differs "$words" "$a" "$b" || return
	done
	ipvsadm -S -n >"$WORK/a.rules"
	"${B[@]}" "$RIPVSADM" -C && "${B[@]}" "$RIPVSADM" -R <"$WORK/a.rules" && same_tables || return
	"${B[@]}" "$RIPVSADM" -S -n >"$WORK/b.rules"
	ipvsadm -C && ipvsadm -R <"$WORK/b.rules" && same_tables
}

# A file of rules, given to both.
same_rules_given() {
	local a b
	[ -z "${LONG-}" ] || { same_lines <"$WORK/rules"; return; }
	ask a ipvsadm -R <"$WORK/rules"
	ask b "${B[@]}" "$RIPVSADM" -R <"$WORK/rules"
	# What one refuses the other refuses.
	[ "$a $(wc -l <"$WORK/a")" = "$b $(wc -l <"$WORK/b")" ] && return
	note "ipvsadm says: $(<"$WORK/a")"
	note "ripvsadm says: $(<"$WORK/b")"
	differs 'rules' "$a" "$b"
}

# A set of rules on standard input: given to both, then looked at from all sides.
rules() {
	local name=$1
	cat >"$WORK/rules"
	ipvsadm -C
	"${B[@]}" "$RIPVSADM" -C
	ok "$name: given to both" same_rules_given
	ok "$name: same tables" same_tables
	shift
	ok "$name: same listings" same_views "$@"
}

# A few connections to whatever rva has on its addresses; nobody answers.
traffic() {
	local port
	for port in 80 443 8080; do
		timeout 2 bash -c "exec 3<>/dev/tcp/192.0.2.1/$port" &
		timeout 2 bash -c "exec 3<>/dev/tcp/2001:db8::1/$port" &
	done
	for port in 53 5060; do
		bash -c "printf 'OPTIONS sip:x SIP/2.0\r\nCall-ID: call-1@192.0.2.1\r\n\r\n' >/dev/udp/192.0.2.1/$port"
	done
	wait
} 2>/dev/null

has_connections() {
	ipvsadm -L -n -c | grep -q 192.0.2.1:80
}

# A wrong line in the middle of a file: what is before it is done, the rest as ipvsadm has it, the
# number of the line is told.
same_restore() {
	local file=$1 line=$2 a b
	ipvsadm -C
	"${B[@]}" "$RIPVSADM" -C
	ask a ipvsadm -R <"$file"
	ask b "${B[@]}" "$RIPVSADM" -R <"$file"
	[ "$a" = "$b" ] || differs 'restoring' "$a" "$b" || return
	if [ -n "$line" ] && ! grep -q "line $line:" "$WORK/b"; then
		note "line $line is not named: $(<"$WORK/b")"
		return 1
	fi
	ask a ipvsadm -S -n
	ask b "${B[@]}" ipvsadm -S -n
	[ "$a" = "$b" ] && return
	a=$(sort <<<"$a")
	b=$(sort <<<"$b")
	[ "$a" = "$b" ] || differs 'restored' "$a" "$b"
}

# Comments, blank lines and the program's name; ipvsadm-restore drops the comments for ipvsadm.
restores_comments() {
	"${B[@]}" "$RIPVSADM" -C
	"${B[@]}" "$RIPVSADM" -R <<-'EOF' || return
		# A comment

		   # and another
		ipvsadm -A -t 192.0.2.1:80 -s rr
		ripvsadm -a -t 192.0.2.1:80 -r 198.51.100.1 -m
	EOF
	[ "$("${B[@]}" ipvsadm -S -n | wc -l)" = 2 ]
}

# Thresholds and the upper half of the marks survive; ipvsadm loses the ones, and cannot read the
# others.
saves_everything() {
	"${B[@]}" "$RIPVSADM" -C
	"${B[@]}" "$RIPVSADM" -R <<-'EOF' || return
		-A -f 4294967295 -s rr
		-a -f 4294967295 -r 198.51.100.1 -m -w 3 -x 20 -y 10
	EOF
	"${B[@]}" "$RIPVSADM" -S -n >"$WORK/first" && "${B[@]}" "$RIPVSADM" -C || return
	"${B[@]}" "$RIPVSADM" -R <"$WORK/first" || return
	"${B[@]}" "$RIPVSADM" -S -n >"$WORK/second"
	grep -q -- '-f 4294967295 .* -x 20 -y 10$' "$WORK/first" && cmp "$WORK/first" "$WORK/second"
}

# A large table: what is restored is what was to be, and both tools list and save it alike. As large
# as a large one can be with LONG=1.
keeps_a_large_table() {
	local services=400 service n vip
	[ -z "${LONG-}" ] || services=4000
	for ((service = 0; service < services; service++)); do
		vip=10.10.$((service / 250)).$((service % 250 + 1)):80
		echo "-A -t $vip -s rr"
		for n in 1 2 3 4 5; do
			echo "-a -t $vip -r 198.51.100.$n:80 -m -w $n"
		done
	done >"$WORK/large"
	"${B[@]}" "$RIPVSADM" -C && "${B[@]}" "$RIPVSADM" -R <"$WORK/large" || return
	"${B[@]}" "$RIPVSADM" -S -n | cmp - "$WORK/large" || return
	"${B[@]}" ipvsadm -S -n | cmp - "$WORK/large" || return
	"${B[@]}" "$RIPVSADM" -L -n >"$WORK/a.list" && "${B[@]}" ipvsadm -L -n | cmp - "$WORK/a.list" || return
	# Each line is refused now, and named.
	! "${B[@]}" "$RIPVSADM" -R <"$WORK/large" 2>"$WORK/refused" || return
	[ "$(wc -l <"$WORK/refused")" = "$(wc -l <"$WORK/large")" ] || return
	tail -n 1 "$WORK/refused" | grep -q "line $((services * 6)): .*; change it with -e"
}

restores_sample() {
	"${B[@]}" "$RIPVSADM" -C
	"${B[@]}" "$RIPVSADM" -R <"$1" || return
	# As many rules as it has lines that are none of comments.
	[ "$(grep -c '^-' "$1")" = "$("${B[@]}" "$RIPVSADM" -S -n | wc -l)" ]
}

no_colour_in_a_pipe() {
	! "$RIPVSADM" -L | grep -q $'\e'
}

if [ "${1-}" != inside ]; then
	command -v ipvsadm >/dev/null || skip_all 'there is no ipvsadm to compare with'
	command -v "$RIPVSADM" >/dev/null || skip_all "there is no $RIPVSADM (make ripvsadm)"
	[ "$(id -u)" = 0 ] || skip_all 'this needs root'
	trap cleanup EXIT
	if ! impl_loaded; then
		impl_load || skip_all "cannot load $(impl_module)"
		LOADED=1
	fi
	names_up && space_up rva && space_up rvb || exit 1
	ip netns exec rva "$0" inside
	exit
fi

trap 'rm -rf "$WORK"' EXIT
# The checkout may be on a slow file system, from which no program should start this often.
cp "$(command -v "$RIPVSADM")" "$WORK/ripvsadm" || exit 1
RIPVSADM=$WORK/ripvsadm
tap_start

rules 'every kind of rule' "${VIEWS[@]}" <<'EOF'
-A -t 192.0.2.1:80 -s rr
-a -t 192.0.2.1:80 -r 198.51.100.1:8080 -m -w 3
-a -t 192.0.2.1:80 -r 198.51.100.2 -g -w 0
-a -t 192.0.2.1:80 -r 198.51.100.3:80 -i
-a -t 192.0.2.1:80 -r 198.51.100.4:99 -w 2147483647
-a -t 192.0.2.1:80 -r [2001:db8:5::1]:80 -i
-a -t 192.0.2.1:80 -r 198.51.25605 -m -w 007
-A -u 192.0.2.1:53 -s rr
-a -u 192.0.2.1:53 -r 198.51.100.1:domain -m
-a -u 192.0.2.1:53 -r s1:5353 -m
-A --tcp-service=192.0.2.2:http --scheduler=rr
--add-server --tcp-service 192.0.2.2:80 --real-server 198.51.100.2:80 --masquerading --weight=7
-At 192.0.2.2:443 -srr
-at 192.0.2.2:443 -r198.51.100.2:https -mw7
-A --sctp-service 192.0.2.1:36412 -s rr
-a --sctp-service 192.0.2.1:36412 -r 198.51.100.1 -g
-A -t web.example.org:http-alt -s rr
-A -t 1.2.3:80 -s rr
-A -t 0x1020304:80 -s rr
-A -t 16909061:+81 -s rr
-A -t [2001:db8::1]:80 -s rr
-a -t [2001:db8::1]:80 -r [2001:db8:5::1]:80 -m
-a -t [2001:db8::1]:80 -r 2001:db8:5::2 -g
-a -t [2001:db8::1]:http -r [2001:db8:5::3]:http -i -w 5
-a -t [2001:db8::1]:80 -r 198.51.100.2 -i
-A -u [2001:db8:1111:2222:3333:4444:5555:6666]:10080 -s rr
-a -u [2001:db8:1111:2222:3333:4444:5555:6666]:10080 -r [2001:db8:5:2222:3333:4444:5555:7777]:10080 -m
-A -t [::ffff:192.0.2.1]:80 -s rr
-A -t [2001:db8::1]:443 -s rr -p 50 -M 64
-A -t [2001:db8::1]:0 -s rr -p
-A -t 192.0.2.3:80 -s rr -p
-A -t 192.0.2.3:81 -s rr -p 1
-A -t 192.0.2.3:82 -s rr -p 2678400
-A -t 192.0.2.3:83 -s rr -p100 -M 255.255.255.0
-A -t 192.0.2.3:84 -s rr --persistent=100 --netmask 255.255.0.255
-A -t 192.0.2.3:85 -p -s rr -M 24
-A -t 192.0.2.3:86 -s rr -M 255.0.0.0
-A -t 192.0.2.3:0 -p 77 -s rr
-a -t 192.0.2.3:0 -r 198.51.100.1 -m
-a -t 192.0.2.3:0 -r 198.51.100.2:88 -m
-A -u 192.0.2.3 -s rr -p
-E -t 192.0.2.3:80 -s rr -p 9 -M 255.255.0.0
-E -t 192.0.2.3:81 -s rr
-A -f 1 -s rr
-a -f 1 -r 198.51.100.1 -m
-a -f 1 -r 198.51.100.1:80 -m
-a -f 1 -r 198.51.100.2:8080 -g
-A -f 1 -6 -s rr -p 60 -M 48
-a -f 1 -6 -r [2001:db8:5::1]:80 -m
-a -f 1 -6 -r 198.51.100.1 -i
-A -f 012 -s rr -o
-A -f 2147483647 -s rr
-A -t 192.0.2.4:80
-A -t 192.0.2.4:81 -s wrr
-A -t 192.0.2.4:82 -s sh -b sh-port
-A -t 192.0.2.4:83 -s sh -b sh-port,sh-fallback
-A -t 192.0.2.4:84 -b mh-fallback -s mh
-A -t 192.0.2.4:85 -s mh --sched-flags mh-port,flag-3
-A -t 192.0.2.4:86 -s rr -b flag-1
-A -t 192.0.2.4:87 -s rr -b flag-1,flag-2,flag-3
-A -t 192.0.2.4:88 -s none
-A -t 192.0.2.4:89 -s lblcr
-A -u 192.0.2.4:53 -s rr -o
-A -u 192.0.2.4:5060 -s rr -p 60 -M 255.0.0.0 --pe sip -o -b flag-2
-A -t 192.0.2.4:5060 -s rr --pe sip
-E -t 192.0.2.4:80 -s rr
-E -t 192.0.2.4:87 -s rr -b flag-2
-A -t 192.0.2.5:80 -s rr
-a -t 192.0.2.5:80 -r 198.51.100.1 -i --tun-type ipip
-a -t 192.0.2.5:80 -r 198.51.100.2 -i --tun-type gue --tun-port 6080
-a -t 192.0.2.5:80 -r 198.51.100.3 -i --tun-type gue --tun-port 65535 --tun-nocsum
-a -t 192.0.2.5:80 -r 198.51.100.4 -i --tun-type gue --tun-port 1 --tun-csum
-a -t 192.0.2.5:80 -r 198.51.100.5 -i --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 192.0.2.5:80 -r 198.51.100.6 -i --tun-type gre
-a -t 192.0.2.5:80 -r 198.51.100.7 -i --tun-type gre --tun-csum
-a -t 192.0.2.5:80 -r 198.51.100.8 -i --tun-type gre --tun-nocsum
-e -t 192.0.2.5:80 -r 198.51.100.8 -i
-A -t 192.0.2.6:80 -s rr
-a -t 192.0.2.6:80 -r 198.51.100.1:8080 -m
-a -t 192.0.2.6:80 -r 198.51.100.2:8080 -m
-d -t 192.0.2.6:80 -r 198.51.100.1:8080
-A -f 3 -s rr
-a -f 3 -r 198.51.100.1:88 -g
-d -f 3 -r 198.51.100.1:88
-A -t 192.0.2.6:81 -s rr
-D -t 192.0.2.6:81
-Z -t 192.0.2.6:80
-Z
--set 100 0 200
--set 0 50 0
EOF
ok 'every kind of rule: same saved rules, restored by the other' same_rules

# ipvsadm saves no thresholds, and cannot restore what it saves of the upper half of the marks.
rules 'thresholds and great marks' '-L -n' '-L -n --thresholds' <<'EOF'
-A -t 192.0.2.1:80 -s rr
-a -t 192.0.2.1:80 -r 198.51.100.1 -m -x 10
-a -t 192.0.2.1:80 -r 198.51.100.2 -m -x 2147483647 -y 2147483647
-a -t 192.0.2.1:80 -r 198.51.100.3 -m --u-threshold 10 --l-threshold=5
-e -t 192.0.2.1:80 -r 198.51.100.3 -m -x 7 -y 6
-e -t 192.0.2.1:80 -r 198.51.100.2 -m
-A -f 1 -s rr
-A -f 2147483647 -s rr
-A -f 2147483648 -s rr
-A -f 4000000000 -s rr
-A -f 4000000000 -6 -s rr
-A -f 4294967295 -s rr
EOF

# Addresses are sorted round a circle: where the order begins depends on the way of sorting.
rules 'the order of the table' '-L -n' '-L -n --nosort' <<'EOF'
-A -t 10.0.0.1:80 -s rr
-A -t 100.64.0.1:80 -s rr
-A -t 192.0.2.1:80 -s rr
-A -t 203.0.113.1:80 -s rr
-A -t 10.0.0.1:443 -s rr
-A -t 172.16.0.1:80 -s rr
-A -u 10.0.0.1:80 -s rr
-A -t 127.0.0.1:80 -s rr
-A -t 192.0.2.2:80 -s rr
-A -t 128.0.0.1:80 -s rr
-A -t 64.0.0.1:80 -s rr
-A -t 0.0.0.0:80 -s rr
-A -t 224.0.0.1:80 -s rr
-A -t 255.255.255.255:80 -s rr
-A -t [2001:db8::1]:80 -s rr
-A -t [fe80::1]:80 -s rr
-A -t [::1]:80 -s rr
-A -t [7fff::1]:80 -s rr
-A -t [8000::1]:80 -s rr
-A -t [2001:db8::ff:1]:80 -s rr
-A -t [2001:db8::8000:1]:80 -s rr
-A -t [2001:db8:0:1::1]:80 -s rr
-A -t [2001:db8:ffff:1::1]:80 -s rr
-A -t [2001:db8:8000:1::1]:80 -s rr
-A -t [2001:db8:0:0:ffff::1]:80 -s rr
-A -t [2001:db8:0:0:7fff::1]:80 -s rr
-A -t [2001:db8::ffff:ffff]:80 -s rr
-A -t [2001:db8::2]:80 -s rr
-a -t 10.0.0.1:80 -r 198.51.100.9 -m
-a -t 10.0.0.1:80 -r 10.0.0.9 -m
-a -t 10.0.0.1:80 -r 100.64.0.9 -m
-a -t 10.0.0.1:80 -r 172.16.0.9:8080 -m
-a -t 10.0.0.1:80 -r 172.16.0.9:80 -m
-a -t 10.0.0.1:80 -r 20.0.0.9 -m
EOF

# What the kernel has not (an engine, perhaps) is missing in both listings.
ipvsadm -C
ipvsadm -R 2>"$WORK/refused" <<'EOF'
-A -t 192.0.2.1:80 -s rr
-a -t 192.0.2.1:80 -r 198.51.100.1 -m
-a -t 192.0.2.1:80 -r 198.51.100.2 -g
-A -t 192.0.2.1:443 -s rr -p 100
-a -t 192.0.2.1:443 -r 198.51.100.1 -m
-A -t 192.0.2.1:8080 -s rr -p 100
-a -t 192.0.2.1:8080 -r [2001:db8:5::1]:8080 -i
-A -u 192.0.2.1:53 -s rr -p 5000
-a -u 192.0.2.1:53 -r 198.51.100.1 -m
-A -u 192.0.2.1:5060 -s rr -p 5000 --pe sip
-a -u 192.0.2.1:5060 -r 198.51.100.1 -m
-A -t [2001:db8::1]:80 -s rr
-a -t [2001:db8::1]:80 -r [2001:db8:5::1]:80 -m
-A -t [2001:db8::1]:443 -s rr -p
-a -t [2001:db8::1]:443 -r 198.51.100.2 -i
EOF
[ ! -s "$WORK/refused" ] || note "$(<"$WORK/refused")"
traffic
ok 'connections: there are some' has_connections
# Estimated once, counters and rates shall stay as they are, where the kernel can do that.
sleep 3
sysctl -qw net.ipv4.vs.run_estimation=0 2>/dev/null
ok 'connections: same listings' same_views "${CONNECTION_VIEWS[@]}"
sysctl -qw net.ipv4.vs.run_estimation=1 2>/dev/null

ipvsadm -C
"${B[@]}" "$RIPVSADM" -C
refused >"$WORK/refused" || exit 1
while read -r _ code line; do
	ok "refused alike: $line" same_refusal "$code" "$line"
done <"$WORK/refused"
ok 'refused alike: same tables afterwards' same_tables

rules 'daemons' '-L --daemon' '-L --daemon -n' <<'EOF'
--start-daemon master --mcast-interface lo --syncid 7
--start-daemon=backup --mcast-interface lo --mcast-group ff02::5 --mcast-port 9999 --mcast-ttl 3 --sync-maxlen 1000
--start-daemon master --mcast-interface lo
--stop-daemon master
--stop-daemon master
EOF
rules 'daemons, stopped' '-L --daemon' <<<'--stop-daemon backup'

cat >"$WORK/wrong" <<'EOF'
-A -t 192.0.2.1:80 -s rr
-A -t 192.0.2.1:80 -s rr
-A -t 192.0.2.1:81 -s rr
EOF
ok 'restore: a refused line does not keep the next' same_restore "$WORK/wrong" 2
cat >"$WORK/wrong" <<'EOF'
-A -t 192.0.2.1:80 -s rr

-A -t 192.0.2.1:81 -s nosuch
EOF
ok 'restore: the last line is refused' same_restore "$WORK/wrong" 3
cat >"$WORK/wrong" <<'EOF'
-A -t 192.0.2.1:80 -s rr
-A -t 192.0.2.1:81 -w x
-A -t 192.0.2.1:82 -s rr
EOF
ok 'restore: a wrong argument ends it' same_restore "$WORK/wrong" 2
cat >"$WORK/wrong" <<'EOF'
-A -t 192.0.2.1:80 -s rr
-A -t 192.0.2.1:81 -s sh -b
-a -t 192.0.2.1:81 -r 198.51.100.1 -m
-A -t 192.0.2.1:82 -s rr
EOF
ok 'restore: an option without its value loses that line only' same_restore "$WORK/wrong" 2
cat >"$WORK/wrong" <<'EOF'
-A -t 192.0.2.1:82 -s rr
-A -t 192.0.2.1:83 -s sh -b
EOF
ok 'restore: the last line has an option without its value' same_restore "$WORK/wrong" 2
cat >"$WORK/wrong" <<'EOF'
-A -t 192.0.2.1:80 -s rr
nonsense
-A -t 192.0.2.1:82 -s rr
EOF
ok 'restore: a line without a command ends it' same_restore "$WORK/wrong" 2
cat >"$WORK/wrong" <<'EOF'
-A -t 192.0.2.1:80 -s rr
-R
-A -t 192.0.2.1:82 -s rr
EOF
ok 'restore: restoring within ends it' same_restore "$WORK/wrong" 2
for n in $(seq 899); do echo "-A -f $n -s rr"; done >"$WORK/wrong"
echo '-A -f x' >>"$WORK/wrong"
ok 'restore: an error in line 900 names it' same_restore "$WORK/wrong" 900
ok 'restore: nothing at all' same_restore /dev/null ''
ok 'restore: comments, blank lines, the name of the program' restores_comments
ok 'save and restore: thresholds and great marks stay' saves_everything
ok 'save and restore: a large table' keeps_a_large_table
for sample in "$SAMPLES"/*.rules; do
	ok "samples: ${sample##*/} is restored" restores_sample "$sample"
done
ok 'no colour where the output is no terminal' no_colour_in_a_pipe

tap_end
