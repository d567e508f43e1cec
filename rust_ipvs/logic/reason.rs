// SPDX-License-Identifier: GPL-2.0
// Written by tools/build/uapi.py from Documentation/netlink/specs/ripvs.yaml: change that.

//! [`Reason`]: why a packet was dropped, refused or left untouched.

/// Reason for which a packet of a service was dropped, refused or left untouched, a connection
/// ended or a sync message ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    /// Refused: the service has no destinations.
    NoServer = 1,
    /// Refused: all destinations of the service have weight 0.
    WeightZero = 2,
    /// Refused: all destinations with a weight have as many connections as their upper threshold.
    Overloaded = 3,
    /// Refused: the scheduler chose no destination, though one could take the connection.
    NotChosen = 4,
    /// Refused: the service has no scheduler.
    NoScheduler = 5,
    /// Refused: the service is for all ports, and is not persistent.
    NeedsPersistence = 6,
    /// Dropped: there are conn_max connections already.
    ConnLimit = 7,
    /// Dropped: an allocation failed.
    NoMemory = 8,
    /// Dropped: the defense drop_packet is active, or am_droprate set.
    DropPacket = 9,
    /// Ended: the defense drop_entry removed the connection.
    DropEntry = 10,
    /// Untouched: the packet begins no connection, and belongs to none.
    NoConnection = 11,
    /// Untouched: the packet is the reply of a destination on this host.
    LocalReply = 12,
    /// Untouched: the packet is one of an FTP data connection that nothing announced.
    FtpData = 13,
    /// Untouched: the frame of the packet was not addressed to this host.
    NotToHost = 14,
    /// Untouched: the namespace is a backup with backup_only, which takes no requests.
    BackupOnly = 15,
    /// Dropped: the destination of the connection was deleted.
    ServerGone = 16,
    /// Refused: a packet of a destination belongs to no connection (nat_icmp_send).
    UnexpectedReply = 17,
    /// Dropped: the conntrack entry of an ended connection has the same ports, and is translated.
    PortReuse = 18,
    /// Dropped: another packet began the FTP data connection at the same time.
    LostRace = 19,
    /// Refused: there is no route to the destination.
    NoRoute = 20,
    /// Dropped: there is no route to the client from the virtual address.
    NoRouteForReply = 21,
    /// Dropped: a packet from a loopback address cannot leave this host.
    LoopbackSource = 22,
    /// Dropped: the destination is a loopback address, and the client another host.
    LoopbackServer = 23,
    /// Dropped: the destination is this host, and the packet is not addressed to it.
    LocalServer = 24,
    /// Refused: the TTL or hop limit is exhausted.
    TtlExceeded = 25,
    /// Refused: the packet is longer than the MTU, and must not be fragmented.
    TooBig = 26,
    /// Dropped: the MTU of the tunnel is below the minimum of the address family.
    TunnelMtu = 27,
    /// Dropped: the conntrack entry could not be confirmed.
    Conntrack = 28,
    /// Dropped: the transport header is truncated.
    BadHeader = 29,
    /// Dropped: an ICMP error is truncated or malformed.
    BadIcmp = 30,
    /// Dropped: the checksum of an ICMP error is wrong.
    IcmpChecksum = 31,
    /// Dropped: an ICMP error is for a destination on this host, and cannot be delivered.
    IcmpUndeliverable = 32,
    /// Dropped: there is no entry for the FTP data connection.
    FtpNoPort = 33,
    /// Dropped: the reply of an FTP server could not be rewritten.
    FtpRewrite = 34,
    /// Ignored: a sync message, or one of its entries, is invalid or has another sync ID.
    SyncMalformed = 35,
    /// Ignored: a received persistence template has a destination that is not configured.
    SyncNoServer = 36,
}

impl Reason {
    /// Number of reasons.
    pub(crate) const COUNT: usize = 36;

    /// All reasons, in the order of their numbers.
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::NoServer,
        Self::WeightZero,
        Self::Overloaded,
        Self::NotChosen,
        Self::NoScheduler,
        Self::NeedsPersistence,
        Self::ConnLimit,
        Self::NoMemory,
        Self::DropPacket,
        Self::DropEntry,
        Self::NoConnection,
        Self::LocalReply,
        Self::FtpData,
        Self::NotToHost,
        Self::BackupOnly,
        Self::ServerGone,
        Self::UnexpectedReply,
        Self::PortReuse,
        Self::LostRace,
        Self::NoRoute,
        Self::NoRouteForReply,
        Self::LoopbackSource,
        Self::LoopbackServer,
        Self::LocalServer,
        Self::TtlExceeded,
        Self::TooBig,
        Self::TunnelMtu,
        Self::Conntrack,
        Self::BadHeader,
        Self::BadIcmp,
        Self::IcmpChecksum,
        Self::IcmpUndeliverable,
        Self::FtpNoPort,
        Self::FtpRewrite,
        Self::SyncMalformed,
        Self::SyncNoServer,
    ];

    /// Returns the index of its counter.
    #[inline(always)]
    pub(crate) fn index(self) -> usize {
        (self as usize).saturating_sub(1)
    }
}
