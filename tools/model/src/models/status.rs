// SPDX-License-Identifier: GPL-2.0

//! Models of a connection's status and the counts of its destination.

use crate::{
    director::conn::counted::{
        Connection,
        DestCounts, //
    },
    logic::{
        direction::Direction,
        tcp::{
            self,
            TcpFlags, //
        },
    },
    shared::{
        give_back,
        shared, //
    },
};
use engine::Scenario;

const SYN: TcpFlags = TcpFlags::SYN_ONLY;
const ACK: TcpFlags = TcpFlags::PLAIN;
const RST: TcpFlags = TcpFlags::RST_ONLY;

/// Makes a counted connection after the client's SYN. An established one is after the server's SYN
/// and the client's ACK too.
fn counted(is_established: bool) -> (&'static DestCounts, &'static Connection) {
    let counts = shared(DestCounts::new());
    let connection = shared(Connection::new(counts));
    connection.segment(Direction::Input, SYN);
    connection.count();
    if is_established {
        connection.segment(Direction::Output, TcpFlags::new(0x12));
        connection.segment(Direction::Input, ACK);
        assert_eq!(connection.state(), tcp::ESTABLISHED);
        assert_eq!(counts.get(), (1, 1, 1));
    }
    (counts, connection)
}

/// Checks that all counts are 0 when all connections have ended.
fn leaves_nothing(
    s: &mut Scenario,
    counts: &'static DestCounts,
    connections: &[&'static Connection],
) {
    let connections = connections.to_vec();
    s.end(move || {
        let (active, total, assured) = counts.get();
        assert_eq!(
            (active, total),
            (0, 0),
            "counts (active, all) of a destination without connections"
        );
        assert!(
            assured <= 1,
            "a connection assures its template {assured} times"
        );
        connections.into_iter().for_each(give_back);
        give_back(counts);
    });
}

/// An established connection ends while a segment closes it.
pub(crate) fn close_end(s: &mut Scenario) {
    let (counts, connection) = counted(true);
    s.thread("segment", move || {
        connection.segment(Direction::Output, RST);
    });
    s.thread("end", move || connection.end());
    leaves_nothing(s, counts, &[connection]);
}

/// A half-open connection ends while segments establish it.
pub(crate) fn open_end(s: &mut Scenario) {
    let (counts, connection) = counted(false);
    s.thread("segment", move || {
        connection.segment(Direction::Output, TcpFlags::new(0x12));
        connection.segment(Direction::Input, ACK);
    });
    s.thread("end", move || connection.end());
    leaves_nothing(s, counts, &[connection]);
}

/// A reply finds a connection before it is counted, or it ends as the duplicate of another.
pub(crate) fn count_segment(s: &mut Scenario) {
    let counts = shared(DestCounts::new());
    let connection = shared(Connection::new(counts));
    s.thread("begin", move || {
        connection.segment(Direction::Input, SYN);
        connection.count();
        connection.end();
    });
    s.thread("segment", move || {
        connection.segment(Direction::Output, TcpFlags::new(0x12));
        connection.segment(Direction::Input, ACK);
        connection.segment(Direction::Output, RST);
    });
    leaves_nothing(s, counts, &[connection]);
}

/// Segments of both directions and a sync message close a connection while it ends.
pub(crate) fn apply_end(s: &mut Scenario) {
    let (counts, connection) = counted(true);
    s.thread("segment", move || {
        connection.segment(Direction::Input, RST);
        connection.segment(Direction::Input, SYN);
    });
    s.thread("sync", move || {
        connection.apply(tcp::CLOSE);
        connection.apply(tcp::ESTABLISHED);
    });
    s.thread("end", move || connection.end());
    leaves_nothing(s, counts, &[connection]);
}

/// A connection without a client port is replaced while it ends.
pub(crate) fn release_count(s: &mut Scenario) {
    let counts = shared(DestCounts::new());
    let no_cport = shared(Connection::expected(counts));
    let filled = shared(Connection::fill_cport(counts));
    no_cport.count();
    s.thread("successor", move || {
        if no_cport.release_count() {
            filled.segment(Direction::Input, SYN);
            filled.segment(Direction::Output, TcpFlags::new(0x12));
            filled.segment(Direction::Input, ACK);
            filled.end();
        }
        no_cport.end();
    });
    s.thread("segment", move || {
        no_cport.segment(Direction::Output, SYN);
        no_cport.segment(Direction::Input, ACK);
    });
    s.thread("end", move || no_cport.end());
    leaves_nothing(s, counts, &[no_cport, filled]);
}

/// Segments of both directions are processed at the same time: each has its effect, and the counts
/// agree with the state.
pub(crate) fn segments(s: &mut Scenario) {
    let (counts, connection) = counted(false);
    s.thread("server", move || {
        connection.segment(Direction::Output, TcpFlags::new(0x12));
    });
    s.thread("client", move || {
        connection.segment(Direction::Input, ACK);
        connection.segment(Direction::Input, ACK);
    });
    s.end(move || {
        let (active, total, assured) = counts.get();
        let is_active = tcp::active(connection.state());
        assert_eq!(
            (active, total),
            (i32::from(is_active), 1),
            "the state and the counts differ"
        );
        assert_eq!(assured, i32::from(connection.state() == tcp::ESTABLISHED));
        assert_eq!(
            connection.requests(),
            3,
            "a packet of the client is not counted"
        );
        give_back(connection);
        give_back(counts);
    });
}
