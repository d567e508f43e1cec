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
                let hooks = (0..u32::MAX).map_while(|at| hook_at(net, protocol, place, at));
                for (function, symbol) in hooks {
                    let name = symbol.split(|byte| *byte == 0).next().unwrap_or_default();
                    if names.iter().any(|known| known.is(name)) {
                        self.add(function);
                    }
                }
            }
        }
    }

    /// Adds a function, unless it is there.
    fn add(&self, function: usize) {
        let mut words = self.0.iter();
        let free =
            words.find(|word| matches!(word.load(), known if known == 0 || known == function));
        if let Some(word) = free {
            word.store(function);
        }
    }
}

/// Returns the function of hook number `at` of a place, and its symbol, which ends with a zero;
/// `None` beyond the last hook.
fn hook_at(net: &Net, protocol: Protocol, place: u32, at: u32) -> Option<(usize, [u8; SYMBOL])> {
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
    (function != 0).then_some((function, symbol))
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
