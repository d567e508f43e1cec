// SPDX-License-Identifier: GPL-2.0

//! The iptables match `ipvs` (N-7).

use crate::{
    director::NetnsIpvs,
    kapi::{
        net::Net,
        netfilter::Protocol,
        rcu::Rcu,
        skbuff::Packet,
        xtables::{
            Match,
            Registration, //
        },
    },
    logic::xt_match::{
        Rule,
        RULE, //
    },
};
use kernel::{
    prelude::*,
    ModuleMetadata, //
};

/// Registers the match, which stays registered until the result is dropped.
pub(super) fn register() -> Result<Registration> {
    Registration::new::<IpvsMatch>(&<crate::LocalModule as ModuleMetadata>::THIS_MODULE)
}

/// Match `ipvs` for both families.
struct IpvsMatch;

impl Match for IpvsMatch {
    const NAME: &'static CStr = c"ipvs";
    const SIZE: usize = RULE;

    fn matches(rcu: Rcu<'_>, net: &Net, protocol: Protocol, packet: &Packet, rule: &[u8]) -> bool {
        let Some(rule) = Rule::parse(rule) else {
            return false;
        };
        if let Some(answer) = rule.says_of(packet.is_handled()) {
            return answer;
        }
        let known = NetnsIpvs::of(net).and_then(|ipvs| ipvs.known(rcu, protocol, packet));
        known.is_some_and(|known| rule.says_of_known(&known))
    }
}
