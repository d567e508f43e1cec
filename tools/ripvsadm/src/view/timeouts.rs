// SPDX-License-Identifier: GPL-2.0

//! The list of `--timeout`.

use ipvs_netlink::Timeouts;

/// The protocol timeouts, in seconds.
pub fn timeouts(timeouts: &Timeouts) -> String {
    let Timeouts { tcp, tcp_fin, udp } = timeouts;
    format!("Timeout (tcp tcpfin udp): {tcp} {tcp_fin} {udp}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown() {
        let shown = timeouts(&Timeouts {
            tcp: 900,
            tcp_fin: 120,
            udp: 300,
        });
        assert_eq!(shown, "Timeout (tcp tcpfin udp): 900 120 300\n");
    }
}
