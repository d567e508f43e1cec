// SPDX-License-Identifier: GPL-2.0

//! Timeouts as JSON.

use ipvs_netlink::Timeouts;
use serde::Serialize;

use super::document::document;

#[derive(Serialize)]
struct TimeoutsDocument {
    timeouts: TimeoutsObject,
}

#[derive(Serialize)]
struct TimeoutsObject {
    tcp_seconds: u32,
    tcp_fin_seconds: u32,
    udp_seconds: u32,
}

/// The protocol timeouts.
pub fn timeouts(timeouts: &Timeouts) -> String {
    document(&TimeoutsDocument {
        timeouts: TimeoutsObject {
            tcp_seconds: timeouts.tcp,
            tcp_fin_seconds: timeouts.tcp_fin,
            udp_seconds: timeouts.udp,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::json::document::tests::read;
    use serde_json::json;

    #[test]
    fn all_three() {
        let all = Timeouts {
            tcp: 900,
            tcp_fin: 120,
            udp: 300,
        };
        assert_eq!(
            read(&timeouts(&all)),
            json!({"timeouts":
                {"tcp_seconds": 900, "tcp_fin_seconds": 120, "udp_seconds": 300}})
        );
    }
}
