# SPDX-License-Identifier: GPL-2.0
# Completion of ripvsadm for bash.
# Written from the tables in src/cli: change those, then "make ripvsadm-pages".

_ripvsadm_services() {
	# The services that there are, as -S names them; silent where they cannot be read.
	ripvsadm -S -n 2>/dev/null | while read -r command option service _; do
		[ "$command" = -A ] && [ "$option" = "$1" ] && echo "$service"
	done
}

_ripvsadm() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local commands='-A --add-service -E --edit-service -D --delete-service -C --clear -a
		--add-server -e --edit-server -d --delete-server -L -l --list -Z --zero -S --save -R
		--restore --set --start-daemon --stop-daemon -h --help -v --version apply diff
		export conns drain undrain wait top metrics monitor why'
	local service='-t --tcp-service -u --udp-service --sctp-service -f --fwmark-service -6 --ipv6'
	local words

	COMPREPLY=()
	case ${COMP_WORDS[1]}:$previous in
	apply:*) ;;
	diff:*) ;;
	export:*) ;;
	conns:*) ;;
	drain:--deadline) return ;;
	drain:-t | drain:--tcp-service) words=$(_ripvsadm_services -t) ;;
	drain:-u | drain:--udp-service) words=$(_ripvsadm_services -u) ;;
	drain:--sctp-service) words=$(_ripvsadm_services --sctp-service) ;;
	drain:-f | drain:--fwmark-service) words=$(_ripvsadm_services -f) ;;
	drain:-r | drain:--real-server) return ;;
	drain:*) ;;
	undrain:-t | undrain:--tcp-service) words=$(_ripvsadm_services -t) ;;
	undrain:-u | undrain:--udp-service) words=$(_ripvsadm_services -u) ;;
	undrain:--sctp-service) words=$(_ripvsadm_services --sctp-service) ;;
	undrain:-f | undrain:--fwmark-service) words=$(_ripvsadm_services -f) ;;
	undrain:-r | undrain:--real-server) return ;;
	undrain:*) ;;
	wait:--timeout) return ;;
	wait:-t | wait:--tcp-service) words=$(_ripvsadm_services -t) ;;
	wait:-u | wait:--udp-service) words=$(_ripvsadm_services -u) ;;
	wait:--sctp-service) words=$(_ripvsadm_services --sctp-service) ;;
	wait:-f | wait:--fwmark-service) words=$(_ripvsadm_services -f) ;;
	wait:-r | wait:--real-server) return ;;
	wait:*) ;;
	top:-b | top:--by) words='client server service state' ;;
	top:-d | top:--delay) return ;;
	top:-o | top:--sort) words='cps inpps outpps inbps outbps active conns name' ;;
	top:-c | top:--count) return ;;
	top:*) ;;
	metrics:-f | metrics:--file) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
	metrics:-l | metrics:--listen) return ;;
	metrics:*) ;;
	monitor:-c | monitor:--count) return ;;
	monitor:*) ;;
	why:-d | why:--delay) return ;;
	why:-c | why:--count) return ;;
	why:-t | why:--tcp-service) words=$(_ripvsadm_services -t) ;;
	why:-u | why:--udp-service) words=$(_ripvsadm_services -u) ;;
	why:--sctp-service) words=$(_ripvsadm_services --sctp-service) ;;
	why:-f | why:--fwmark-service) words=$(_ripvsadm_services -f) ;;
	why:*) ;;
	*:-t | *:--tcp-service) words=$(_ripvsadm_services -t) ;;
	*:-u | *:--udp-service) words=$(_ripvsadm_services -u) ;;
	*:--sctp-service) words=$(_ripvsadm_services --sctp-service) ;;
	*:-f | *:--fwmark-service) words=$(_ripvsadm_services -f) ;;
	*:-s | *:--scheduler) words='rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos' ;;
	*:--pe) words=sip ;;
	*:-b | *:--sched-flags) words='sh-fallback sh-port mh-fallback mh-port flag-1 flag-2 flag-3' ;;
	*:--timeout-tcp | *:--timeout-tcp-fin | *:--timeout-udp) words=default ;;
	*:--conntrack | *:--expire-nodest | *:--expire-quiescent) words='0 1 default' ;;
	*:--fast-path) words='0 1 2 default' ;;
	*:--tun-type) words='ipip gue gre' ;;
	*:--mcast-interface) words=$(cd /sys/class/net 2>/dev/null && echo *) ;;
	*:--start-daemon | *:--stop-daemon) words='master backup' ;;
	esac
	if [ -z "$words" ]; then
		case $COMP_CWORD:${COMP_WORDS[1]} in
		1:*) words=$commands ;;
		*:-A | *:--add-service | *:-E | *:--edit-service)
			words="$service -s --scheduler -p --persistent -M --netmask --pe -b --sched-flags
				-o --ops --timeout-tcp --timeout-tcp-fin --timeout-udp --conntrack
				--expire-nodest --expire-quiescent --fast-path"
			;;
		*:-D | *:--delete-service | *:-Z | *:--zero)
			words="$service"
			;;
		*:-a | *:--add-server | *:-e | *:--edit-server)
			words="$service -r --real-server -g --gatewaying -i --ipip -m --masquerading
				--tun-type --tun-port --tun-nocsum --tun-csum --tun-remcsum -w
				--weight -x --u-threshold -y --l-threshold"
			;;
		*:-d | *:--delete-server)
			words="$service -r --real-server"
			;;
		*:-L* | *:-l* | *:--list)
			words="$service -n --numeric -c --connection --timeout --daemon --stats --rate
				--exact --thresholds --persistent-conn --tun-info --nosort --sort
				--json"
			;;
		*:-S | *:--save)
			words="-n --numeric"
			;;
		*:--start-daemon)
			words="--mcast-interface --syncid --sync-maxlen --mcast-group --mcast-port
				--mcast-ttl"
			;;
		*:apply)
			words="--dry-run -q --quiet --schema --help"
			[[ $current = -* ]] || { mapfile -t COMPREPLY < <(compgen -f -- "$current"); return; }
			;;
		*:diff)
			words="--help"
			[[ $current = -* ]] || { mapfile -t COMPREPLY < <(compgen -f -- "$current"); return; }
			;;
		*:export)
			words="-j --json --help"
			;;
		*:conns)
			words="-w --wide --json -c --count -y --yes --all --help delete client vip server
				proto mark state templates connections idle flags without ipv4 ipv6"
			;;
		*:drain)
			words="$service -r --real-server --no-templates --deadline --reset --wait --help"
			;;
		*:undrain)
			words="$service -r --real-server --help"
			;;
		*:wait)
			words="$service -r --real-server --timeout --help"
			;;
		*:top)
			words="-b --by -1 --once -d --delay -o --sort -c --count --help conns"
			;;
		*:metrics)
			words="-f --file -l --listen -o --openmetrics --no-backends --help"
			;;
		*:monitor)
			words="--json -i --initial -c --count --help"
			;;
		*:why)
			words="$service -w --watch -d --delay -c --count --json --zero --help"
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	# Addresses have colons, at which readline breaks words.
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$current"
	fi
}

complete -F _ripvsadm ripvsadm
