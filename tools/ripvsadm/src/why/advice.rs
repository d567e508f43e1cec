// SPDX-License-Identifier: GPL-2.0

//! Remedies, by the name of a reason.

/// Returns the remedy of a reason.
pub fn of(name: &str) -> &'static str {
    match name {
        "no-server" => "Add a real server: -a SERVICE -r SERVER.",
        "weight-zero" => {
            "Give a real server a weight again (-e … -w 1), or add one. Weight 0 takes no new \
             connections."
        }
        "overloaded" => {
            "Raise the upper thresholds (-e … -x N, 0 is no limit), or add real servers."
        }
        "not-chosen" => {
            "The schedulers dh, sh and mh choose by a hash: with the flag sh-fallback or \
             mh-fallback they go on to another real server. For others it is a race with a change."
        }
        "no-scheduler" => "Give the service a scheduler: -E SERVICE -s wlc.",
        "needs-persistence" => {
            "A service of port 0 takes all ports only if it is persistent: -E SERVICE -p."
        }
        "conn-limit" => {
            "Raise net.ipv4.vs.conn_max (0 is no limit); connections that do not end, as in a \
             flood of SYNs, are what fills the table."
        }
        "no-memory" => "The host lacks memory: see /proc/meminfo, and slabs rust_ipvs_conn*.",
        "drop-packet" => {
            "net.ipv4.vs.drop_packet is active: memory is below amemthresh, or its value is 3. Add \
             memory, raise am_droprate, or set it to 0."
        }
        "drop-entry" => {
            "net.ipv4.vs.drop_entry is active: memory is below amemthresh, or its value is 3. Add \
             memory, or set it to 0."
        }
        "no-connection" => {
            "The connection was forgotten (raise its timeout: --set), or another director had it \
             (run sync daemons), or the module was loaded anew. sloppy_tcp=1 takes such packets."
        }
        "local-reply" => "Nothing: a real server on this host answers a client by itself.",
        "ftp-data" => {
            "Nothing, if the FTP session uses TLS or is no session of this director. Else see the \
             module parameter ports of the FTP helper."
        }
        "not-to-host" => {
            "A switch floods frames of other hosts to this one, or an interface is promiscuous."
        }
        "backup-only" => {
            "This backup has net.ipv4.vs.backup_only=1, and the packets come here and not to the \
             master: see who has the virtual address."
        }
        "server-gone" => {
            "Set net.ipv4.vs.expire_nodest_conn=1, so that such connections end, or give real \
             servers weight 0 before they are deleted."
        }
        "unexpected-reply" => {
            "The real server answers connections that have been forgotten, or begins its own from \
             the port of its service. net.ipv4.vs.nat_icmp_send=0 lets them pass."
        }
        "port-reuse" => {
            "Nothing: the client sends the packet again. DNAT of virtual addresses before IPVS is \
             what makes it necessary."
        }
        "lost-race" => "Nothing: the client sends the packet again.",
        "no-route" => "Add a route to the real server: ip route get SERVER tells what is missing.",
        "no-route-for-reply" => {
            "Routing by source has no route from the virtual address to the client: see ip rule, \
             or set net.ipv4.vs.snat_reroute=0."
        }
        "loopback-source" => "A local client uses a loopback address: let it bind another one.",
        "loopback-server" => {
            "A real server on this host needs an address that is not 127.0.0.0/8 or ::1."
        }
        "local-server" => {
            "The real server is this host, but the packet's address is not: add the virtual \
             address to it, or forward by NAT (-m)."
        }
        "ttl-exceeded" => {
            "A traceroute does this. Else there is a loop of routes between directors."
        }
        "too-big" => {
            "A few are path MTU discovery. If transfers hang, ICMP errors do not reach the \
             clients, or the MTU towards the real server is too small: ip route get SERVER. With \
             tunnels raise it by their headers, or lower the MSS."
        }
        "tunnel-mtu" => {
            "Raise the MTU towards the real server: below 68 (IPv6: 1280) nothing fits."
        }
        "conntrack" => "A limit or a module of conntrack refused the connection: see dmesg.",
        "bad-header" => "Nothing, if they are few: packets that are broken, or an attack.",
        "bad-icmp" => "Nothing, if they are few: ICMP errors that are broken, or an attack.",
        "icmp-checksum" => "Nothing, if they are few: a device breaks ICMP errors.",
        "icmp-undeliverable" => "Nothing: the error is about a connection of a local real server.",
        "ftp-no-port" => "Raise net.ipv4.vs.conn_max, or add virtual addresses for FTP.",
        "ftp-rewrite" => "Conntrack must be there for FTP by NAT: load nf_conntrack.",
        "sync-malformed" => {
            "Another master with another sync ID uses the group, or another software does: see \
             --syncid and --mcast-group."
        }
        "sync-no-server" => "Configure the same services and real servers here as on the master.",
        _ => "This program is older than the kernel module: see its documentation.",
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use ipvs_netlink::ripvs::Reason;

    #[test]
    fn each_reason_has_a_remedy() {
        for reason in Reason::all() {
            assert!(!of(reason.name).contains("older"), "{}", reason.name);
        }
        assert!(of("no-such-reason").contains("older"));
    }
}
