// SPDX-License-Identifier: GPL-2.0

//! Hooks at the ingress of network devices, before routing.
//!
//! C headers: [`include/linux/netfilter_netdev.h`](srctree/include/linux/netfilter_netdev.h),
//! [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! [`Ports`] has a hook at each device of a namespace but loopback, with state `P` of its own. A
//! packet is in the hook after packet sockets and tc have seen it. At `PRE_ROUTING` the kernel has
//! already done most of the work that a hook at ingress avoids.
//!
//! # Devices
//!
//! A hook belongs to its device and has to be unregistered before the device leaves the namespace
//! or is freed. Nothing here holds a reference to a device. [`Ports::remove`], which a
//! [`DeviceListener`](super::devices::DeviceListener) calls, unregisters the hook of a device that
//! goes; it holds the mutex that protects the list of ports. So whoever finds a device in the list
//! with the mutex held has a device whose unregistration has not passed the listener yet, and
//! which therefore is neither freed nor in another namespace.
//!
//! # Locks
//!
//! RTNL, then the mutex of the ports, then those of netfilter. [`Ports::open`] takes RTNL,
//! [`Ports::close`] does not need it.

mod others;
mod output;
mod reroute;

pub(crate) use others::{
    HookName,
    IdleHooks, //
};
pub(crate) use output::{
    Neighbour,
    Passage, //
};
pub(crate) use reroute::NewSource;

use super::{
    devices::DeviceRef,
    net::{
        Lease,
        Net, //
    },
    netfilter::{
        Protocol,
        Verdict, //
    },
    rcu::{
        Rcu,
        RcuBox,
        RcuCell, //
    },
    route::Route,
    skbuff::Packet,
};
use crate::bindings;
use core::{
    cell::UnsafeCell,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::to_result,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// A hook function at the ingress of devices.
pub(crate) trait IngressHook: 'static {
    /// Object that the function works on.
    type Owner: Send + Sync + 'static;
    /// State of a port.
    type Port: Send + Sync + Default + 'static;

    /// Processes a packet that `port` has received, and returns its verdict.
    ///
    /// # Context
    ///
    /// Softirq context, in the read-side critical section of `rcu`. Must not sleep. May run on all
    /// CPUs at once.
    fn run<'g>(
        owner: &'g Self::Owner,
        rcu: Rcu<'g>,
        net: &'g Net,
        port: &'g Self::Port,
        packet: Packet,
    ) -> Verdict;
}

/// A device with its hook.
///
/// # Invariants
///
/// While the hook is registered, the port is in an [`RcuBox`] that does not move, and the private
/// pointer of `operation` is the port's address.
struct PortBox<O: Send + Sync + 'static, P: Send + Sync + 'static> {
    operation: UnsafeCell<bindings::nf_hook_ops>,
    owner: Arc<O>,
    state: P,
}

// SAFETY: `operation` is written before the port is shared, and read by netfilter. The rest is
// `Send` by its bounds.
unsafe impl<O: Send + Sync, P: Send + Sync> Send for PortBox<O, P> {}
// SAFETY: `operation` is not accessed through a shared port: the only access to it is the one
// before the port is shared, and netfilter's own. The rest is `Sync` by its bounds.
unsafe impl<O: Send + Sync, P: Send + Sync> Sync for PortBox<O, P> {}

/// A registered port.
///
/// # Invariants
///
/// The cell has a port whose hook is registered at the device `dev` in the namespace of the lease
/// of [`Inner`]. An element leaves the list with the mutex held and after the hook was
/// unregistered.
struct Registered<O: Send + Sync + 'static, P: Send + Sync + 'static> {
    dev: NonNull<bindings::net_device>,
    operation: NonNull<bindings::nf_hook_ops>,
    port: RcuCell<PortBox<O, P>>,
}

/// The state under the mutex of [`Ports`].
struct Inner<O: Send + Sync + 'static, P: Send + Sync + 'static> {
    /// Lease and owner; `None` while there are no hooks.
    open: Option<(Lease, Arc<O>)>,
    /// C function of the hooks; set by [`Ports::open`].
    hook: bindings::nf_hookfn,
    ports: KVec<Registered<O, P>>,
}

// SAFETY: The pointers are to a device, which any thread may use with the mutex held by the
// invariant of `Registered`, and into the port, which is `Send`.
unsafe impl<O: Send + Sync, P: Send + Sync> Send for Inner<O, P> {}

/// Hooks at the devices of a namespace. All of them have the owner `O`, and each has a `P`.
#[pin_data]
pub(crate) struct Ports<O: Send + Sync + 'static, P: Send + Sync + Default + 'static> {
    #[pin]
    inner: Mutex<Inner<O, P>>,
}

impl<O: Send + Sync, P: Send + Sync + Default> Ports<O, P> {
    /// Creates the ports without hooks.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- new_mutex!(Inner {
                open: None,
                hook: None,
                ports: KVec::new(),
            }),
        })
    }

    /// Registers the hook `H` at all devices of the namespace of `lease`, and from now on at those
    /// that [`add`](Self::add) is called for. Does nothing if that was done before. Process
    /// context; takes RTNL.
    ///
    /// The ports keep `owner` and the lease until [`close`](Self::close). A device whose hook could
    /// not be registered has none.
    ///
    /// # Errors
    ///
    /// The first error of a registration.
    pub(crate) fn open<H>(&self, lease: Lease, owner: &Arc<O>) -> Result
    where
        H: IngressHook<Owner = O, Port = P>,
    {
        // SAFETY: Process context by the contract of this function. Unlocked below.
        unsafe { bindings::rust_ipvs_helper_rtnl_lock() };
        let mut inner = self.inner.lock();
        let mut result = Ok(());
        if inner.open.is_none() {
            inner.hook = Some(call::<H>);
            let net = lease.as_ptr();
            inner.open = Some((lease, owner.clone()));
            let mut dev = ptr::null_mut();
            loop {
                // SAFETY: RTNL is held, so the list of devices does not change. `net` is live,
                // because `inner.open` has the lease.
                dev = unsafe { bindings::rust_ipvs_helper_next_device(net, dev) };
                // SAFETY: A device of the list, and RTNL is held.
                let Some(device) = (unsafe { DeviceRef::from_raw(dev) }) else {
                    break;
                };
                result = result.and(inner.add(device));
            }
        }
        drop(inner);
        // SAFETY: Locked above.
        unsafe { bindings::rust_ipvs_helper_rtnl_unlock() };
        result
    }

    /// Registers a hook at a device that came to the namespace, if the ports are open. Called under
    /// RTNL.
    ///
    /// # Errors
    ///
    /// Those of `nf_register_net_hook()`.
    pub(crate) fn add(&self, device: DeviceRef<'_>) -> Result {
        self.inner.lock().add(device)
    }

    /// Unregisters the hook of a device, if it has one. The device may be freed after that.
    pub(crate) fn remove(&self, device: DeviceRef<'_>) {
        self.inner
            .lock()
            .remove_at(|port| port.dev.as_ptr() == device.as_ptr());
    }

    /// Calls `visit` for the state of each port. Process context.
    pub(crate) fn each(&self, visit: impl Fn(&P)) {
        let inner = self.inner.lock();
        crate::kapi::rcu::read(|rcu| {
            let ports = inner.ports.iter().filter_map(|port| port.port.get(rcu));
            ports.for_each(|port| visit(&port.state));
        });
    }

    /// Unregisters all hooks. Packets may be in them until a grace period has passed; they have the
    /// owner until then. Process context.
    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock();
        while inner.remove_at(|_| true) {}
        // With its memory: what is dropped with a port in it is leaked.
        let (open, ports) = (inner.open.take(), core::mem::take(&mut inner.ports));
        drop(inner);
        drop((open, ports));
    }
}

impl<O: Send + Sync, P: Send + Sync + Default> Inner<O, P> {
    /// Registers a hook at a device that has none.
    fn add(&mut self, device: DeviceRef<'_>) -> Result {
        let Some((lease, owner)) = &self.open else {
            return Ok(());
        };
        let dev = NonNull::new(device.as_ptr()).ok_or(EINVAL)?;
        // SAFETY: The device is valid by the type invariant of `DeviceRef`.
        let is_loopback = unsafe { bindings::rust_ipvs_helper_device_is_loopback(dev.as_ptr()) };
        if is_loopback || self.ports.iter().any(|port| port.dev == dev) {
            return Ok(());
        }
        self.ports.reserve(1, GFP_KERNEL)?;
        let mut port = RcuBox::new(
            PortBox {
                operation: UnsafeCell::new(bindings::nf_hook_ops {
                    hook: self.hook,
                    ..pin_init::zeroed()
                }),
                owner: owner.clone(),
                state: P::default(),
            },
            GFP_KERNEL,
        )?;
        let value = ptr::from_mut(port.value_mut());
        // SAFETY: `value` is the port in its box, which is not shared yet, so this is the only
        // access to `operation`.
        let operation = unsafe { &mut *(*value).operation.get() };
        operation.priv_ = value.cast();
        // SAFETY: `operation` is valid, and so is the device by the type invariant of `DeviceRef`.
        unsafe { bindings::rust_ipvs_helper_ingress_hook(operation, dev.as_ptr()) };
        let operation = NonNull::from(operation);
        // The cell takes the box before packets can find the port, so that nothing fails later.
        let port = RcuCell::new(port);
        // SAFETY: The lease makes the namespace live. The device is in it and does not leave it, as
        // the caller holds RTNL. The operation does not move: it is in a box.
        to_result(unsafe { bindings::nf_register_net_hook(lease.as_ptr(), operation.as_ptr()) })?;
        // INVARIANT: Registered just above. Room was reserved. The `PortBox` is in a box, whose
        // value was stored in `priv_` above.
        self.ports.push(
            Registered {
                dev,
                operation,
                port,
            },
            GFP_KERNEL,
        )?;
        Ok(())
    }

    /// Unregisters the hook of the first port for which `which` returns true. Returns false if
    /// there is none.
    fn remove_at(&mut self, which: impl Fn(&Registered<O, P>) -> bool) -> bool {
        let Some((lease, _)) = &self.open else {
            return false;
        };
        let Some(port) = self.ports.iter().position(which) else {
            return false;
        };
        let Ok(port) = self.ports.remove(port) else {
            return false;
        };
        // SAFETY: By the type invariant of `Registered` the hook is registered in this namespace,
        // and as the mutex is held the device is valid and in the namespace: its notification
        // would have to remove the port first.
        unsafe { bindings::nf_unregister_net_hook(lease.as_ptr(), port.operation.as_ptr()) };
        // Packets may still be in the hook. The port is dropped after a grace period, in process
        // context, as it may have the last reference to its owner.
        port.port.replace_large(None);
        true
    }
}

impl<O: Send + Sync + 'static, P: Send + Sync + 'static> Drop for Inner<O, P> {
    fn drop(&mut self) {
        // A port has a reference to its owner, which has the ports, so there are none here, unless
        // the owner is another object. Without `close` that is a leak and not a use after free.
        core::mem::forget(core::mem::take(&mut self.ports));
    }
}

/// The C hook function of `H`.
///
/// # Safety
///
/// Must be called by netfilter as a hook, with the private pointer that [`Inner::add`] set for a
/// hook of `H::Owner` and `H::Port`, a packet, and the state of the call.
unsafe extern "C" fn call<H: IngressHook>(
    port: *mut c_void,
    skb: *mut bindings::sk_buff,
    state: *const bindings::nf_hook_state,
) -> c_uint {
    // SAFETY: By the contract of this function `port` is the address of a port, which is dropped a
    // grace period after its hook was unregistered, and netfilter calls hooks in a read-side
    // critical section.
    let port = unsafe { &*port.cast::<PortBox<H::Owner, H::Port>>() };
    // SAFETY: Netfilter calls hooks in a read-side critical section, and neither `rcu` nor what is
    // derived from it outlives the call.
    let rcu = unsafe { Rcu::assume() };
    // SAFETY: Netfilter passes a state that is valid for the call, with a live namespace.
    let net = unsafe { Net::from_raw((*state).net) };
    // SAFETY: Netfilter passes a valid packet whose network header was set to the begin of its
    // data; the hook owns it until it returns a verdict.
    let packet = unsafe { Packet::from_raw(skb) };
    H::run(&port.owner, rcu, net, &port.state, packet).into_raw()
}

/// Kind of reverse-path filtering that a packet's source passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Any: the route to it leaves by the device that the packet came by, or nothing is filtered,
    /// as for IPv6.
    Strict,
    /// All but [`strict`](Packet::has_strict_source): there is a route to it.
    Loose,
}

impl Source {
    /// Converts the number that a helper returned.
    fn of(number: u8) -> Option<Self> {
        match number {
            0 => None,
            1 => Some(Self::Strict),
            _ => Some(Self::Loose),
        }
    }
}

impl Net {
    /// Returns whether IPsec lets all packets be forwarded, as they are: there are no policies for
    /// forwarded and for sent packets, and by default both are allowed (C: `xfrm_policy_check()`,
    /// `xfrm_route_forward()` in `ip_forward()`). Each change of that begins another
    /// [generation](Self::route_generation) of routes.
    pub(crate) fn policies_forward(&self) -> bool {
        // SAFETY: By the type invariant the namespace is live. The words are read atomically.
        unsafe { bindings::rust_ipvs_helper_policies_forward(self.as_ptr()) }
    }

    /// Returns whether packets of a family are forwarded by routing alone. For IPv4 routing has
    /// answered that; for IPv6 it depends on settings that are no part of it.
    #[inline(always)]
    pub(crate) fn is_forwarding(&self, protocol: Protocol) -> bool {
        protocol == Protocol::Ipv4
            // SAFETY: By the type invariant the namespace is live.
            || unsafe { bindings::rust_ipvs_helper_is_forwarding_v6(self.as_ptr()) }
    }

    /// Returns the generation of the routes of a family (C: `rt_genid_ipv4()`, `rt_genid_ipv6()`):
    /// a result of routing is valid only as long as it does not change.
    #[inline(always)]
    pub(crate) fn route_generation(&self, protocol: Protocol) -> u32 {
        // SAFETY: By the type invariant the namespace is live. The word is read atomically.
        unsafe { bindings::rust_ipvs_helper_genid(self.as_ptr(), protocol.number()) }
    }
}

/// Methods for packets at ingress.
impl Packet {
    /// Returns the protocol by the type in the link-layer header; `None` if it is not IP.
    #[inline(always)]
    pub(crate) fn link_protocol(&self) -> Option<Protocol> {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        match unsafe { bindings::rust_ipvs_helper_skb_family(self.as_ptr()) } {
            family if family == bindings::NFPROTO_IPV4 as u8 => Some(Protocol::Ipv4),
            family if family == bindings::NFPROTO_IPV6 as u8 => Some(Protocol::Ipv6),
            _ => None,
        }
    }

    /// Returns whether the packet has nothing but its bytes that IP or what is in between would
    /// treat in a special way: it was sent to this host, has neither VLAN tag, mark, socket chosen
    /// by BPF, conntrack entry, route nor extension, and its device hands packets neither to a
    /// bridge, bond or another upper device nor to a VRF. Its bytes can be made private.
    #[inline(always)]
    pub(crate) fn is_unmarked(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`. At ingress it has a device.
        unsafe { bindings::rust_ipvs_helper_skb_is_unmarked(self.as_ptr()) }
    }

    /// Routes the packet as IP would do next, and its sender's address. Does not change the packet
    /// but for `skb->cb`, which IP initialises.
    ///
    /// Returns the route by which the packet is forwarded, if nothing but that happens to it: it is
    /// not delivered, and causes no redirect. The packet must have a header of `protocol` in its
    /// linear part.
    pub(crate) fn forwarded(&mut self, net: &Net, protocol: Protocol) -> Option<(Route, Source)> {
        let mut source = 0;
        // SAFETY: By the type invariant this value owns the `sk_buff`; at ingress it has a device,
        // whose namespace `net` is. By the contract of this method the header is linear. The helper
        // returns null or a reference to an entry of the protocol's kind.
        let route = unsafe {
            let (net, skb) = (net.as_ptr(), self.as_ptr());
            let dst = match protocol {
                Protocol::Ipv4 => bindings::rust_ipvs_helper_forwards_v4(net, skb, &mut source),
                Protocol::Ipv6 => bindings::rust_ipvs_helper_forwards_v6(net, skb, &mut source),
            };
            Route::of_forwarded(dst, protocol)
        }?;
        Some((route, Source::of(source)?))
    }

    /// Sets the priority of a forwarded packet by its type of service, which IP does for IPv4. The
    /// header must be linear.
    #[inline(always)]
    pub(crate) fn set_priority(&mut self, net: &Net, protocol: Protocol) {
        if protocol == Protocol::Ipv4 {
            // SAFETY: By the type invariant this value owns the `sk_buff`, and by the contract of
            // this method its header is linear.
            unsafe { bindings::rust_ipvs_helper_skb_set_priority(net.as_ptr(), self.as_ptr()) }
        }
    }

    /// Makes private room before the packet for `len` bytes of headers and those of `route`'s link
    /// layer, in another buffer if need be. Returns `false`, and changes nothing, without memory,
    /// or if a sender keeps a reference to the packet.
    #[inline(always)]
    pub(crate) fn ensure_room(&mut self, len: u32, route: &Route) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`; no reference to bytes can be
        // held across `&mut self`. The route has a reference to its entry.
        unsafe { bindings::rust_ipvs_helper_skb_ensure_room(self.as_ptr(), len, route.as_ptr()) }
    }

    /// Sets the offset of the transport header, in bytes from the network header, as IP will do. At
    /// ingress most packets have none, and whatever cuts or encapsulates a packet reads it.
    #[inline(always)]
    pub(crate) fn set_l4(&mut self, l4: u16) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_set_l4(self.as_ptr(), l4.into()) }
    }

    /// Returns whether the packet was put together by LRO, and cannot be sent in parts again.
    #[inline(always)]
    pub(crate) fn is_lro(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_is_lro(self.as_ptr()) }
    }

    /// Returns whether the packet is at least `len` bytes long, and [`trim`](Self::trim) can cut it
    /// to them.
    #[inline(always)]
    pub(crate) fn may_trim(&self, len: u32) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        let is_linear = || unsafe { bindings::rust_ipvs_helper_skb_is_linear(self.as_ptr()) };
        len == self.len() || (len < self.len() && is_linear())
    }

    /// Cuts the packet to `len` bytes, as IP does with the padding of the link layer (C:
    /// `pskb_trim_rcsum()`). Does not fail if [`may_trim`](Self::may_trim) has returned true, since
    /// a linear packet is cut without memory.
    #[inline(always)]
    pub(crate) fn trim(&mut self, len: u32) {
        if len != self.len() {
            // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid;
            // no reference to bytes can be held across `&mut self`.
            unsafe { bindings::rust_ipvs_helper_skb_trim(self.as_ptr(), len) }
        }
    }

    /// Returns whether the device that the packet came by filters sources strictly: it accepts
    /// IPv4 packets from those only to which the route leaves by it (`rp_filter` 1).
    #[inline(always)]
    pub(crate) fn has_strict_source(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`. At ingress it has a device,
        // and hooks run in a read-side critical section.
        unsafe { bindings::rust_ipvs_helper_has_strict_source(self.as_ptr()) }
    }

    /// Routes the packet as IP would do next, and its sender's address. Does not change the packet.
    ///
    /// Returns `None` if it is not delivered to this host, or has an IPv4 source without a route.
    /// The packet must have a header of `protocol` in its linear part.
    pub(crate) fn delivered(&mut self, net: &Net, protocol: Protocol) -> Option<Source> {
        // SAFETY: By the type invariant this value owns the `sk_buff`; at ingress it has a device,
        // whose namespace `net` is. By the contract of this method the header is linear.
        let source = unsafe {
            match protocol {
                Protocol::Ipv4 => {
                    bindings::rust_ipvs_helper_delivers_v4(net.as_ptr(), self.as_ptr())
                }
                Protocol::Ipv6 => {
                    bindings::rust_ipvs_helper_delivers_v6(net.as_ptr(), self.as_ptr())
                }
            }
        };
        Source::of(source)
    }
}
