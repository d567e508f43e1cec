// SPDX-License-Identifier: GPL-2.0

//! Hooks of others between ingress and output, which a packet passes by that is sent from ingress.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)

use super::{
    Net,
    Protocol,
    Rcu, //
};
use crate::{
    bindings,
    kapi::once::Word, //
};
use core::ptr;

/// Room for the name of a function and that of its module.
const SYMBOL: usize = 128;
/// Number of functions that [`IdleHooks`] can have.
const FUNCTIONS: usize = 8;

/// Name of a hook function, and of the module that has it unless it is part of the kernel itself.
#[derive(Clone, Copy)]
pub(crate) struct HookName {
    /// Name of the function.
    pub(crate) function: &'static [u8],
    /// Name of the module. It must be one that cannot be unloaded before this one is, such as one
    /// whose functions this module calls. Empty: the kernel itself.
    pub(crate) module: &'static [u8],
}

impl HookName {
    /// Returns whether a symbol, as `%ps` prints it, is this function: `function` or `function
    /// [module]`.
    fn is(&self, symbol: &[u8]) -> bool {
        let Some(rest) = symbol.strip_prefix(self.function) else {
            return false;
        };
        let module = rest
            .strip_prefix(b" [")
            .and_then(|rest| rest.strip_suffix(b"]"));
        rest.is_empty() || (!self.module.is_empty() && module == Some(self.module))
    }
}

/// Addresses of hook functions that may be passed by, as they do nothing to certain packets.
///
/// The functions are static ones of other modules, so they are found among the registered hooks,
/// by name. An address stays that of the function as long as this module is loaded.
pub(crate) struct IdleHooks([Word<usize>; FUNCTIONS]);

impl IdleHooks {
    /// Creates the set without functions.
    pub(crate) const fn new() -> Self {
        Self([const { Word::new(0) }; FUNCTIONS])
    }

    /// Adds the functions with one of `names` that are registered in a namespace now. Process
    /// context; one thread at a time. The first eight are kept.
    pub(crate) fn learn(&self, net: &Net, names: &[HookName]) {
        for protocol in [Protocol::Ipv4, Protocol::Ipv6] {
            for place in 0..bindings::nf_inet_hooks_NF_INET_NUMHOOKS {
                let mut at = 0;
                while let Some(function) = self.learn_one(net, (protocol, place, at), names) {
                    self.add(function);
                    at = at.wrapping_add(1);
                }
            }
        }
    }

    /// Returns the function of a hook if it has one of `names` and is not known, 0 if not; `None`
    /// beyond the last hook of the place.
    fn learn_one(
        &self,
        net: &Net,
        (protocol, place, at): (Protocol, u32, u32),
        names: &[HookName],
    ) -> Option<usize> {
        let mut symbol = [0u8; SYMBOL];
        // SAFETY: By the type invariant of `Net` the namespace is live. The helper writes at most
        // `SYMBOL` bytes.
        let function = unsafe {
            bindings::rust_ipvs_helper_hook_at(
                net.as_ptr(),
                protocol.number(),
                place,
                at,
                symbol.as_mut_ptr().cast(),
                SYMBOL,
            )
        } as usize;
        let name = symbol.split(|byte| *byte == 0).next().unwrap_or_default();
        match function {
            0 => None,
            _ if names.iter().any(|known| known.is(name)) => Some(function),
            _ => Some(0),
        }
    }

    /// Adds a function, unless it is there or is 0.
    fn add(&self, function: usize) {
        let free = self
            .0
            .iter()
            .find(|word| matches!(word.load(), known if known == 0 || known == function));
        if let (Some(word), true) = (free, function != 0) {
            word.store(function);
        }
    }
}

impl Net {
    /// Returns whether a packet that is delivered, or forwarded, would pass a hook of others: one
    /// between ingress and output that is neither of `owner`, the owner of hooks of this module,
    /// nor among `idle`.
    ///
    /// Reads the entries themselves and remembers nothing, so that a hook counts from the moment
    /// when packets pass it.
    #[inline(always)]
    pub(crate) fn has_others_on_way<O>(
        &self,
        _rcu: Rcu<'_>,
        protocol: Protocol,
        is_delivered: bool,
        owner: &O,
        idle: &IdleHooks,
    ) -> bool {
        // SAFETY: By the type invariant the namespace is live. The entries are read under RCU. The
        // pointers are compared only. The words of `idle` are read whole, and there are as many.
        unsafe {
            bindings::rust_ipvs_helper_has_others_on_way(
                self.as_ptr(),
                protocol.number(),
                is_delivered,
                ptr::from_ref(owner).cast(),
                idle.0.as_ptr().cast(),
                FUNCTIONS as u32,
            )
        }
    }
}
