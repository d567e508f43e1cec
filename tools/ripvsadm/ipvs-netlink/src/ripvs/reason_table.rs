// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
// Written by tools/build/uapi.py from Documentation/netlink/specs/ripvs.yaml: change that.

//! The reasons with their names and texts.

use super::reason::{Reason, Verdict};

/// All reasons, in the order of their numbers.
pub(crate) static REASONS: &[Reason] = &[
    Reason {
        number: 1,
        name: "no-server",
        verdict: Verdict::Refused,
        text: "the service has no destinations.",
    },
    Reason {
        number: 2,
        name: "weight-zero",
        verdict: Verdict::Refused,
        text: "all destinations of the service have weight 0.",
    },
    Reason {
        number: 3,
        name: "overloaded",
        verdict: Verdict::Refused,
        text: "all destinations with a weight have as many connections as their upper threshold.",
    },
    Reason {
        number: 4,
        name: "not-chosen",
        verdict: Verdict::Refused,
        text: "the scheduler chose no destination, though one could take the connection.",
    },
    Reason {
        number: 5,
        name: "no-scheduler",
        verdict: Verdict::Refused,
        text: "the service has no scheduler.",
    },
    Reason {
        number: 6,
        name: "needs-persistence",
        verdict: Verdict::Refused,
        text: "the service is for all ports, and is not persistent.",
    },
    Reason {
        number: 7,
        name: "conn-limit",
        verdict: Verdict::Dropped,
        text: "there are conn_max connections already.",
    },
    Reason {
        number: 8,
        name: "no-memory",
        verdict: Verdict::Dropped,
        text: "an allocation failed.",
    },
    Reason {
        number: 9,
        name: "drop-packet",
        verdict: Verdict::Dropped,
        text: "the defense drop_packet is active, or am_droprate set.",
    },
    Reason {
        number: 10,
        name: "drop-entry",
        verdict: Verdict::Ended,
        text: "the defense drop_entry removed the connection.",
    },
    Reason {
        number: 11,
        name: "no-connection",
        verdict: Verdict::Untouched,
        text: "the packet begins no connection, and belongs to none.",
    },
    Reason {
        number: 12,
        name: "local-reply",
        verdict: Verdict::Untouched,
        text: "the packet is the reply of a destination on this host.",
    },
    Reason {
        number: 13,
        name: "ftp-data",
        verdict: Verdict::Untouched,
        text: "the packet is one of an FTP data connection that nothing announced.",
    },
    Reason {
        number: 14,
        name: "not-to-host",
        verdict: Verdict::Untouched,
        text: "the frame of the packet was not addressed to this host.",
    },
    Reason {
        number: 15,
        name: "backup-only",
        verdict: Verdict::Untouched,
        text: "the namespace is a backup with backup_only, which takes no requests.",
    },
    Reason {
        number: 16,
        name: "server-gone",
        verdict: Verdict::Dropped,
        text: "the destination of the connection was deleted.",
    },
    Reason {
        number: 17,
        name: "unexpected-reply",
        verdict: Verdict::Refused,
        text: "a packet of a destination belongs to no connection (nat_icmp_send).",
    },
    Reason {
        number: 18,
        name: "port-reuse",
        verdict: Verdict::Dropped,
        text: "the conntrack entry of an ended connection has the same ports, and is translated.",
    },
    Reason {
        number: 19,
        name: "lost-race",
        verdict: Verdict::Dropped,
        text: "another packet began the FTP data connection at the same time.",
    },
    Reason {
        number: 20,
        name: "no-route",
        verdict: Verdict::Refused,
        text: "there is no route to the destination.",
    },
    Reason {
        number: 21,
        name: "no-route-for-reply",
        verdict: Verdict::Dropped,
        text: "there is no route to the client from the virtual address.",
    },
    Reason {
        number: 22,
        name: "loopback-source",
        verdict: Verdict::Dropped,
        text: "a packet from a loopback address cannot leave this host.",
    },
    Reason {
        number: 23,
        name: "loopback-server",
        verdict: Verdict::Dropped,
        text: "the destination is a loopback address, and the client another host.",
    },
    Reason {
        number: 24,
        name: "local-server",
        verdict: Verdict::Dropped,
        text: "the destination is this host, and the packet is not addressed to it.",
    },
    Reason {
        number: 25,
        name: "ttl-exceeded",
        verdict: Verdict::Refused,
        text: "the TTL or hop limit is exhausted.",
    },
    Reason {
        number: 26,
        name: "too-big",
        verdict: Verdict::Refused,
        text: "the packet is longer than the MTU, and must not be fragmented.",
    },
    Reason {
        number: 27,
        name: "tunnel-mtu",
        verdict: Verdict::Dropped,
        text: "the MTU of the tunnel is below the minimum of the address family.",
    },
    Reason {
        number: 28,
        name: "conntrack",
        verdict: Verdict::Dropped,
        text: "the conntrack entry could not be confirmed.",
    },
    Reason {
        number: 29,
        name: "bad-header",
        verdict: Verdict::Dropped,
        text: "the transport header is truncated.",
    },
    Reason {
        number: 30,
        name: "bad-icmp",
        verdict: Verdict::Dropped,
        text: "an ICMP error is truncated or malformed.",
    },
    Reason {
        number: 31,
        name: "icmp-checksum",
        verdict: Verdict::Dropped,
        text: "the checksum of an ICMP error is wrong.",
    },
    Reason {
        number: 32,
        name: "icmp-undeliverable",
        verdict: Verdict::Dropped,
        text: "an ICMP error is for a destination on this host, and cannot be delivered.",
    },
    Reason {
        number: 33,
        name: "ftp-no-port",
        verdict: Verdict::Dropped,
        text: "there is no entry for the FTP data connection.",
    },
    Reason {
        number: 34,
        name: "ftp-rewrite",
        verdict: Verdict::Dropped,
        text: "the reply of an FTP server could not be rewritten.",
    },
    Reason {
        number: 35,
        name: "sync-malformed",
        verdict: Verdict::Ignored,
        text: "a sync message, or one of its entries, is invalid or has another sync ID.",
    },
    Reason {
        number: 36,
        name: "sync-no-server",
        verdict: Verdict::Ignored,
        text: "a received persistence template has a destination that is not configured.",
    },
];
