# SPDX-License-Identifier: GPL-2.0
# Completion of ripvsadm for fish.
# Written from the tables in src/cli: change those, then "make ripvsadm-pages".

# Whether the command, which is the first word, is one of those named; -Ln and the like are -L.
function __ripvsadm_is
    set -l words (commandline -opc)
    contains -- (string replace -r '^-[Ll].*' -- -L "$words[2]") $argv
end

function __ripvsadm_first
    test (count (commandline -opc)) -eq 1
end

function __ripvsadm_second
    test (count (commandline -opc)) -eq 2
end

# The services that there are, as -S names them; silent where they cannot be read.
function __ripvsadm_services
    ripvsadm -S -n 2>/dev/null | string replace -rf "^-A $argv[1] (\S+).*" '$1'
end

complete -c ripvsadm -f

set -l is_first __ripvsadm_first
complete -c ripvsadm -n $is_first -s A -l add-service -d 'add a service'
complete -c ripvsadm -n $is_first -s E -l edit-service -d 'change a service'
complete -c ripvsadm -n $is_first -s D -l delete-service -d 'delete a service'
complete -c ripvsadm -n $is_first -s C -l clear -d 'delete all services'
complete -c ripvsadm -n $is_first -s a -l add-server -d 'add a real server'
complete -c ripvsadm -n $is_first -s e -l edit-server -d 'change a real server'
complete -c ripvsadm -n $is_first -s d -l delete-server -d 'delete a real server'
complete -c ripvsadm -n $is_first -s L -s l -l list -d 'list the table'
complete -c ripvsadm -n $is_first -s Z -l zero -d 'zero the counters'
complete -c ripvsadm -n $is_first -s S -l save -d 'print the table as commands'
complete -c ripvsadm -n $is_first -s R -l restore -d 'run the commands on standard input'
complete -c ripvsadm -n $is_first -l set -d 'set timeouts, in seconds'
complete -c ripvsadm -n $is_first -l start-daemon -d 'synchronise connections'
complete -c ripvsadm -n $is_first -l stop-daemon -d 'end synchronising'
complete -c ripvsadm -n $is_first -s h -l help -d usage
complete -c ripvsadm -n $is_first -s v -l version -d 'the version'
complete -c ripvsadm -n $is_first -a apply -d 'make the table what a file says'
complete -c ripvsadm -n $is_first -a diff -d 'show how the table differs from a file'
complete -c ripvsadm -n $is_first -a export -d 'print the table for apply'
complete -c ripvsadm -n $is_first -a conns -d 'connections by a filter: list, count, delete'
complete -c ripvsadm -n $is_first -a drain -d 'let a real server take no new connections'
complete -c ripvsadm -n $is_first -a undrain -d 'let a drained real server take connections again'
complete -c ripvsadm -n $is_first -a wait -d 'wait until a drain is done'
complete -c ripvsadm -n $is_first -a top -d 'the table or connections, live'
complete -c ripvsadm -n $is_first -a metrics -d 'all counters as Prometheus metrics'
complete -c ripvsadm -n $is_first -a monitor -d 'changes of the configuration, as they are made'
complete -c ripvsadm -n $is_first -a why -d 'why packets are dropped, refused or let through'

# The commands that a service can be named with.
set -l has_service '__ripvsadm_is -A --add-service -E --edit-service -D --delete-service -a --add-server -e --edit-server -d --delete-server -L --list -Z --zero drain undrain wait why'
complete -c ripvsadm -n $has_service -x -s t -l tcp-service -a '(__ripvsadm_services -t)' -d 'a TCP service'
complete -c ripvsadm -n $has_service -x -s u -l udp-service -a '(__ripvsadm_services -u)' -d 'a UDP service'
complete -c ripvsadm -n $has_service -x -l sctp-service -a '(__ripvsadm_services --sctp-service)' -d 'an SCTP service'
complete -c ripvsadm -n $has_service -x -s f -l fwmark-service -a '(__ripvsadm_services -f)' -d 'what carries a firewall mark'
complete -c ripvsadm -n $has_service -s 6 -l ipv6 -d 'the mark is for IPv6'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -x -s s -l scheduler -a 'rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos' -d 'the scheduler'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -s p -l persistent -d 'keep clients with their server'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -x -s M -l netmask -d 'which clients count as one'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -x -l pe -a sip -d 'persistence engine'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -x -s b -l sched-flags -a 'sh-fallback sh-port mh-fallback mh-port flag-1 flag-2 flag-3' -d 'flags of the scheduler'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -s o -l ops -d 'schedule each packet anew'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -x -l timeout-tcp -a default -d 'timeout of idle TCP connections'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -x -l timeout-tcp-fin -a default -d 'timeout of TCP connections after a FIN'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -x -l timeout-udp -a default -d 'timeout of UDP connections'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -x -l conntrack -a '0 1 default' -d 'whether new connections use conntrack'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -x -l expire-nodest -a '0 1 default' -d 'whether connections end without their server'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -x -l expire-quiescent -a '0 1 default' -d 'whether clients leave a server of weight 0'
complete -c ripvsadm -n '__ripvsadm_is -A --add-service -E --edit-service' -x -l fast-path -a '0 1 2 default' -d 'whether the fast path takes packets'
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server -d --delete-server drain undrain wait' -x -s r -l real-server -d 'the real server'
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server' -s g -l gatewaying -d 'direct routing'
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server' -s i -l ipip -d tunnelling
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server' -s m -l masquerading -d 'network address translation'
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server' -x -l tun-type -a 'ipip gue gre' -d 'kind of tunnel'
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server' -x -l tun-port -d 'port of a gue tunnel'
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server' -l tun-nocsum -d 'no checksum'
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server' -l tun-csum -d 'a checksum'
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server' -l tun-remcsum -d 'a remote checksum'
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server' -x -s w -l weight -d 'share of new connections'
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server' -x -s x -l u-threshold -d 'most connections'
complete -c ripvsadm -n '__ripvsadm_is -a --add-server -e --edit-server' -x -s y -l l-threshold -d 'take new ones again below this'
complete -c ripvsadm -n '__ripvsadm_is -L --list -S --save' -s n -l numeric -d 'numbers instead of names'
complete -c ripvsadm -n '__ripvsadm_is -L --list' -s c -l connection -d connections
complete -c ripvsadm -n '__ripvsadm_is -L --list' -l timeout -d timeouts
complete -c ripvsadm -n '__ripvsadm_is -L --list' -l daemon -d daemons
complete -c ripvsadm -n '__ripvsadm_is -L --list' -l stats -d totals
complete -c ripvsadm -n '__ripvsadm_is -L --list' -l rate -d rates
complete -c ripvsadm -n '__ripvsadm_is -L --list' -l exact -d 'numbers in full'
complete -c ripvsadm -n '__ripvsadm_is -L --list' -l thresholds -d thresholds
complete -c ripvsadm -n '__ripvsadm_is -L --list' -l persistent-conn -d 'persistent connections'
complete -c ripvsadm -n '__ripvsadm_is -L --list' -l tun-info -d tunnels
complete -c ripvsadm -n '__ripvsadm_is -L --list' -l nosort -d 'in the kernel\'s order'
complete -c ripvsadm -n '__ripvsadm_is -L --list' -l sort -d sorted
complete -c ripvsadm -n '__ripvsadm_is -L --list' -l json -d 'all of it for programs'
complete -c ripvsadm -n '__ripvsadm_is --start-daemon' -x -l mcast-interface -a '(__fish_print_interfaces)' -d 'the interface'
complete -c ripvsadm -n '__ripvsadm_is --start-daemon' -x -l syncid -d identity
complete -c ripvsadm -n '__ripvsadm_is --start-daemon' -x -l sync-maxlen -d 'longest message'
complete -c ripvsadm -n '__ripvsadm_is --start-daemon' -x -l mcast-group -d group
complete -c ripvsadm -n '__ripvsadm_is --start-daemon' -x -l mcast-port -d port
complete -c ripvsadm -n '__ripvsadm_is --start-daemon' -x -l mcast-ttl -d 'how far'
complete -c ripvsadm -n '__ripvsadm_is apply' -F
complete -c ripvsadm -n '__ripvsadm_is apply' -l dry-run -d 'only show what would be changed'
complete -c ripvsadm -n '__ripvsadm_is apply' -s q -l quiet -d 'do not show what is changed'
complete -c ripvsadm -n '__ripvsadm_is apply' -l schema -d 'print the schema of the JSON document'
complete -c ripvsadm -n '__ripvsadm_is apply' -s h -l help -d usage
complete -c ripvsadm -n '__ripvsadm_is diff' -F
complete -c ripvsadm -n '__ripvsadm_is diff' -s h -l help -d usage
complete -c ripvsadm -n '__ripvsadm_is export' -s j -l json -d 'as a JSON document'
complete -c ripvsadm -n '__ripvsadm_is export' -s h -l help -d usage
complete -c ripvsadm -n '__ripvsadm_is conns' -a 'delete client vip server proto mark state templates connections idle flags without ipv4 ipv6'
complete -c ripvsadm -n '__ripvsadm_is conns' -s w -l wide -d 'more columns'
complete -c ripvsadm -n '__ripvsadm_is conns' -l json -d 'an object a line'
complete -c ripvsadm -n '__ripvsadm_is conns' -s c -l count -d 'only how many'
complete -c ripvsadm -n '__ripvsadm_is conns' -s y -l yes -d 'delete without a question'
complete -c ripvsadm -n '__ripvsadm_is conns' -l all -d 'delete all connections'
complete -c ripvsadm -n '__ripvsadm_is conns' -s h -l help -d usage
complete -c ripvsadm -n '__ripvsadm_is drain' -l no-templates -d 'clients of a persistent service go elsewhere at once'
complete -c ripvsadm -n '__ripvsadm_is drain' -x -l deadline -d 'time after which connections are ended'
complete -c ripvsadm -n '__ripvsadm_is drain' -l reset -d 'tell both ends of TCP connections at the deadline'
complete -c ripvsadm -n '__ripvsadm_is drain' -l wait -d 'wait until it is done'
complete -c ripvsadm -n '__ripvsadm_is drain' -s h -l help -d usage
complete -c ripvsadm -n '__ripvsadm_is undrain' -s h -l help -d usage
complete -c ripvsadm -n '__ripvsadm_is wait' -x -l timeout -d 'give up after that time'
complete -c ripvsadm -n '__ripvsadm_is wait' -s h -l help -d usage
complete -c ripvsadm -n '__ripvsadm_is top' -a conns
complete -c ripvsadm -n '__ripvsadm_is top' -x -s b -l by -a 'client server service state' -d 'connections by'
complete -c ripvsadm -n '__ripvsadm_is top' -s 1 -l once -d 'print it once, as text'
complete -c ripvsadm -n '__ripvsadm_is top' -x -s d -l delay -d 'time between two looks'
complete -c ripvsadm -n '__ripvsadm_is top' -x -s o -l sort -a 'cps inpps outpps inbps outbps active conns name' -d 'sorted by'
complete -c ripvsadm -n '__ripvsadm_is top' -x -s c -l count -d 'end after so many looks'
complete -c ripvsadm -n '__ripvsadm_is top' -s h -l help -d usage
complete -c ripvsadm -n '__ripvsadm_is metrics' -r -F -s f -l file -d 'write them to a file'
complete -c ripvsadm -n '__ripvsadm_is metrics' -x -s l -l listen -d 'answer HTTP requests'
complete -c ripvsadm -n '__ripvsadm_is metrics' -s o -l openmetrics -d 'in the format of OpenMetrics'
complete -c ripvsadm -n '__ripvsadm_is metrics' -l no-backends -d 'nothing of each real server'
complete -c ripvsadm -n '__ripvsadm_is metrics' -s h -l help -d usage
complete -c ripvsadm -n '__ripvsadm_is monitor' -l json -d 'an object a line'
complete -c ripvsadm -n '__ripvsadm_is monitor' -s i -l initial -d 'begin with all that is configured'
complete -c ripvsadm -n '__ripvsadm_is monitor' -x -s c -l count -d 'end after so many changes'
complete -c ripvsadm -n '__ripvsadm_is monitor' -s h -l help -d usage
complete -c ripvsadm -n '__ripvsadm_is why' -s w -l watch -d 'look again and again'
complete -c ripvsadm -n '__ripvsadm_is why' -x -s d -l delay -d 'time between two looks'
complete -c ripvsadm -n '__ripvsadm_is why' -x -s c -l count -d 'end after so many looks'
complete -c ripvsadm -n '__ripvsadm_is why' -l json -d 'an object, for programs'
complete -c ripvsadm -n '__ripvsadm_is why' -l zero -d 'zero the counters after they are shown'
complete -c ripvsadm -n '__ripvsadm_is why' -s h -l help -d usage

complete -c ripvsadm -n '__ripvsadm_is --start-daemon --stop-daemon; and __ripvsadm_second' -a 'master backup'
