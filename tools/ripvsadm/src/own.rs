// SPDX-License-Identifier: GPL-2.0

//! Options of a service in place of the namespace's: in words, and how they get to the kernel.

use ipvs_netlink::ripvs::Change;
use ipvs_netlink::{Change as IpvsChange, Client, OwnOptions, Transport};

use crate::error::Error;
use crate::explain;
use crate::fetch;

/// Makes a change that the family `IPVS` has no attributes for.
///
/// # Errors
/// [`Error::Setup`] if this IPVS has no such options; [`Error::Refused`]. Nothing was changed then.
pub fn perform<T: Transport>(change: Change, client: &mut Client<T>) -> Result<(), Error> {
    let Some(mut ripvs) = fetch::ripvs(client).map_err(explain::setup)? else {
        return Err(Error::Setup(
            "options of one service, as --timeout-tcp, need rust_ipvs: the IPVS of this kernel has \
             them for all services only (--set, net.ipv4.vs.*)"
                .to_owned(),
        ));
    };
    let changes = [change];
    let done = ripvs.apply(None, &changes);
    let [change] = changes;
    match (done, change) {
        (Ok(_), _) => Ok(()),
        (Err(refused), Change::AddService(service)) => {
            let asked = IpvsChange::AddService(service);
            Err(explain::refusal(refused.error, &asked))
        }
        (Err(refused), Change::EditService(service, _)) => {
            let asked = IpvsChange::EditService(service);
            Err(explain::refusal(refused.error, &asked))
        }
        (Err(refused), _) => Err(Error::Refused(refused.error.to_string())),
    }
}

/// Returns options with their values, in the order of the manual page.
pub fn values(own: &OwnOptions) -> Vec<(&'static str, u32)> {
    let all = [
        ("timeout-tcp", own.timeout_tcp),
        ("timeout-tcp-fin", own.timeout_tcp_fin),
        ("timeout-udp", own.timeout_udp),
        ("conntrack", own.conntrack.map(u32::from)),
        ("expire-nodest", own.expire_nodest.map(u32::from)),
        ("expire-quiescent", own.expire_quiescent.map(u32::from)),
        ("fast-path", own.fast_path.map(u32::from)),
    ];
    let there = all.into_iter();
    there
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_has_words() {
        let own = OwnOptions {
            timeout_udp: Some(9),
            conntrack: Some(false),
            fast_path: Some(2),
            ..OwnOptions::default()
        };
        assert_eq!(
            values(&own),
            [("timeout-udp", 9), ("conntrack", 0), ("fast-path", 2)]
        );
        assert_eq!(values(&OwnOptions::default()), []);
    }
}
