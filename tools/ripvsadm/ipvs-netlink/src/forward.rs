// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Forwarding methods, and tunnels.

use crate::uapi::{fwd_method, tun_flags, tun_type};

/// The bits of a connection's flags that hold the forwarding method.
const METHOD_MASK: u32 = 7;

/// Forwarding method (the low bits of `IP_VS_CONN_F_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardMethod {
    /// Network address translation; replies must pass the director, too.
    Masquerade,
    /// Delivered on the director itself; the kernel chooses it for its own addresses.
    Local,
    /// In a tunnel; replies go straight to the client.
    Tunnel,
    /// Sent to the destination's link-layer address unchanged; replies go straight to the client.
    DirectRoute,
    /// Forwarded to where it was going.
    Bypass,
    /// 5, 6 or 7, which forward nothing.
    Other(u32),
}

impl From<u32> for ForwardMethod {
    /// The kernel looks at three bits only, and so does this.
    fn from(number: u32) -> Self {
        match number & METHOD_MASK {
            fwd_method::MASQ => ForwardMethod::Masquerade,
            fwd_method::LOCALNODE => ForwardMethod::Local,
            fwd_method::TUNNEL => ForwardMethod::Tunnel,
            fwd_method::DROUTE => ForwardMethod::DirectRoute,
            fwd_method::BYPASS => ForwardMethod::Bypass,
            other => ForwardMethod::Other(other),
        }
    }
}

impl From<ForwardMethod> for u32 {
    fn from(method: ForwardMethod) -> u32 {
        match method {
            ForwardMethod::Masquerade => fwd_method::MASQ,
            ForwardMethod::Local => fwd_method::LOCALNODE,
            ForwardMethod::Tunnel => fwd_method::TUNNEL,
            ForwardMethod::DirectRoute => fwd_method::DROUTE,
            ForwardMethod::Bypass => fwd_method::BYPASS,
            ForwardMethod::Other(number) => number & METHOD_MASK,
        }
    }
}

/// The encapsulation of [`ForwardMethod::Tunnel`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TunnelType {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// Generic routing encapsulation.
    Gre,
    /// A number unknown here; never one of the above when it came from [`TunnelType::from`].
    Other(u8),
}

impl From<u8> for TunnelType {
    fn from(number: u8) -> Self {
        match number {
            tun_type::IPIP => TunnelType::Ipip,
            tun_type::GUE => TunnelType::Gue,
            tun_type::GRE => TunnelType::Gre,
            other => TunnelType::Other(other),
        }
    }
}

impl From<TunnelType> for u8 {
    fn from(kind: TunnelType) -> u8 {
        match kind {
            TunnelType::Ipip => tun_type::IPIP,
            TunnelType::Gue => tun_type::GUE,
            TunnelType::Gre => tun_type::GRE,
            TunnelType::Other(number) => number,
        }
    }
}

/// Checksum flags of a tunnel (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TunnelFlags(pub u16);

impl TunnelFlags {
    /// The encapsulation carries a checksum.
    pub const CHECKSUM: TunnelFlags = TunnelFlags(tun_flags::CSUM);
    /// Remote checksum offload (GUE only).
    pub const REMOTE_CHECKSUM: TunnelFlags = TunnelFlags(tun_flags::REMCSUM);

    /// Returns whether all of `other` is set here.
    pub fn contains(self, other: TunnelFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Encapsulation of a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// The encapsulation.
    pub kind: TunnelType,
    /// The destination port, in host order; GUE needs one.
    pub port: u16,
    /// Checksum flags.
    pub flags: TunnelFlags,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_three_bits() {
        for number in 0..8 {
            assert_eq!(u32::from(ForwardMethod::from(number)), number);
            assert_eq!(
                ForwardMethod::from(number | 0x100),
                ForwardMethod::from(number)
            );
        }
        assert_eq!(u32::from(ForwardMethod::Other(13)), 5);
    }

    #[test]
    fn tunnel_types() {
        for number in 0..=255 {
            assert_eq!(u8::from(TunnelType::from(number)), number);
        }
    }
}
