// SPDX-License-Identifier: GPL-2.0

//! [`Filter`]: which connections a request means.

use super::{
    super::{
        config::{
            AddressFamily,
            ConfigError,
            Errno,
            ForwardMethod,
            Ip, //
        },
        nlattr,
        sctp,
        tcp,
        udp, //
    },
    fields::{
        be16,
        each,
        invalid,
        ip,
        set,
        u16,
        u32,
        u8, //
    },
    uapi::{
        conn_flags,
        filter_attr,
        msg_attr,
        options, //
    },
};

/// Names of the states of a template (P-15), by number.
pub(crate) const TEMPLATE_STATES: [&str; 2] = ["NONE", "ASSURED"];

/// All flags of a connection.
const FLAGS: u32 = conn_flags::TEMPLATE
    | conn_flags::SYNCED
    | conn_flags::INACTIVE
    | conn_flags::NO_OUTPUT
    | conn_flags::NO_CLIENT_PORT
    | conn_flags::ONE_PACKET
    | conn_flags::TRACKED
    | conn_flags::UNHASHED
    | conn_flags::CONTROLLED
    | conn_flags::CONTROLS;

/// Facts of a connection or template that a filter may ask for.
pub(crate) trait Facts {
    /// Returns the protocol; 0 for a template of a service by mark.
    fn protocol(&self) -> u8;
    /// Returns the client's address and port.
    fn client(&self) -> (Ip, u16);
    /// Returns the VIP and port; `None` for a template of a service by mark.
    fn vip(&self) -> Option<(Ip, u16)>;
    /// Returns the destination's address and port.
    fn server(&self) -> (Ip, u16);
    /// Returns the mark of the service, if it is one by mark.
    fn mark(&self) -> Option<u32>;
    /// Returns the number of the state.
    fn state(&self) -> u8;
    /// Returns the name of the state.
    fn state_name(&self) -> &'static str;
    /// Returns the flags (`conn_flags`).
    fn flags(&self) -> u32;
    /// Returns the seconds since the last packet.
    fn idle(&self) -> u32;
}

/// Connection or template as it is shown.
pub(crate) struct SelectedConnection<'a> {
    /// Protocol; 0 for a template of a service by mark.
    pub(crate) protocol: u8,
    /// Client; its address of a template is that of a network.
    pub(crate) client: (Ip, u16),
    /// VIP; `None` for a template of a service by mark.
    pub(crate) vip: Option<(Ip, u16)>,
    /// Destination.
    pub(crate) server: (Ip, u16),
    /// Mark of the service, if it is one by mark.
    pub(crate) mark: Option<u32>,
    /// Forwarding method.
    pub(crate) method: ForwardMethod,
    /// Number of the state.
    pub(crate) state: u8,
    /// Name of the state.
    pub(crate) state_name: &'static str,
    /// Seconds until it expires; 0 if that has passed.
    pub(crate) expires: u32,
    /// Seconds since the last packet.
    pub(crate) idle: u32,
    /// Flags (`conn_flags`).
    pub(crate) flags: u32,
    /// Name of a template's persistence engine, and its key.
    pub(crate) engine: Option<(&'static str, &'a [u8])>,
}

/// Addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    V4 { first: u32, mask: u32 },
    V6 { first: u128, mask: u128 },
}

impl Prefix {
    /// Makes the prefix of `length` bits of an address; `None` if the address has fewer.
    fn new(of: Ip, length: Option<u8>) -> Option<Self> {
        match of {
            Ip::V4(bytes) => {
                let rest = 32u32.checked_sub(length.unwrap_or(32).into())?;
                let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
                let first = u32::from_be_bytes(bytes) & mask;
                Some(Self::V4 { first, mask })
            }
            Ip::V6(bytes) => {
                let rest = 128u32.checked_sub(length.unwrap_or(128).into())?;
                let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
                let first = u128::from_be_bytes(bytes) & mask;
                Some(Self::V6 { first, mask })
            }
        }
    }

    fn contains(self, addr: Ip) -> bool {
        match (self, addr) {
            (Self::V4 { first, mask }, Ip::V4(bytes)) => u32::from_be_bytes(bytes) & mask == first,
            (Self::V6 { first, mask }, Ip::V6(bytes)) => u128::from_be_bytes(bytes) & mask == first,
            _ => false,
        }
    }
}

/// Addresses and ports at one end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct End {
    prefix: Option<Prefix>,
    port: Option<u16>,
}

impl End {
    fn matches(&self, (addr, port): (Ip, u16)) -> bool {
        self.prefix.is_none_or(|prefix| prefix.contains(addr))
            && self.port.is_none_or(|wanted| wanted == port)
    }
}

/// Connections and templates that have all that is given. Without anything it is all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    family: Option<AddressFamily>,
    protocol: Option<u8>,
    client: End,
    vip: End,
    server: End,
    mark: Option<u32>,
    state: Option<u8>,
    state_name: Option<&'static str>,
    /// Flags and those of them that are compared.
    flags: (u32, u32),
    idle_min: Option<u32>,
    idle_max: Option<u32>,
}

impl Filter {
    /// Returns whether it is about connections of a family.
    pub(crate) fn has_family(&self, family: AddressFamily) -> bool {
        self.family.is_none_or(|wanted| wanted == family)
    }

    /// Returns whether a connection is meant, whose family is one for which
    /// [`has_family`](Self::has_family) returned `true`.
    #[inline]
    pub(crate) fn matches(&self, of: &impl Facts) -> bool {
        let is_any_vip = self.vip == End::default();
        self.client.matches(of.client())
            && self.protocol.is_none_or(|wanted| wanted == of.protocol())
            && (is_any_vip || of.vip().is_some_and(|vip| self.vip.matches(vip)))
            && self.server.matches(of.server())
            && (self.mark.is_none() || self.mark == of.mark())
            && (self.flags.1 == 0 || of.flags() & self.flags.1 == self.flags.0)
            && self.matches_state(of)
            && (self.idle_min.is_none_or(|least| least <= of.idle()))
            && (self.idle_max.is_none_or(|most| most >= of.idle()))
    }

    /// Numbers are those of templates if the filter is about templates only.
    fn matches_state(&self, of: &impl Facts) -> bool {
        let is_template = || of.flags() & conn_flags::TEMPLATE;
        let wanted = self.flags.0 & conn_flags::TEMPLATE;
        self.state
            .is_none_or(|state| state == of.state() && is_template() == wanted)
            && self.state_name.is_none_or(|name| name == of.state_name())
    }
}

/// Attributes of a filter, as far as they are present.
#[derive(Default)]
struct Fields<'a> {
    family: Option<u16>,
    protocol: Option<u16>,
    addrs: [Option<Ip>; 3],
    prefixes: [Option<u8>; 3],
    ports: [Option<u16>; 3],
    mark: Option<u32>,
    state: Option<u8>,
    state_name: Option<&'a [u8]>,
    flags: Option<u32>,
    flags_mask: Option<u32>,
    idle_min: Option<u32>,
    idle_max: Option<u32>,
}

impl<'a> Fields<'a> {
    fn add(&mut self, number: u16, payload: &'a [u8]) -> Result<(), ConfigError> {
        let [client_addr, vip_addr, server_addr] = &mut self.addrs;
        let [client_prefix, vip_prefix, server_prefix] = &mut self.prefixes;
        let [client_port, vip_port, server_port] = &mut self.ports;
        let addr = |field| {
            let words = c"an address of the filter has neither 4 nor 16 bytes";
            set(field, ip(payload), words)
        };
        let prefix = |field| {
            let words = c"a prefix length of the filter does not have 1 byte";
            set(field, u8(payload), words)
        };
        let port = |field| {
            let words = c"a port of the filter does not have 2 bytes";
            set(field, be16(payload), words)
        };
        let number_of_4 = |field| {
            let words = c"a number of the filter does not have 4 bytes";
            set(field, u32(payload), words)
        };
        match number {
            filter_attr::AF => set(
                &mut self.family,
                u16(payload),
                c"the filter's address family does not have 2 bytes",
            ),
            filter_attr::PROTOCOL => set(
                &mut self.protocol,
                u16(payload),
                c"the filter's protocol does not have 2 bytes",
            ),
            filter_attr::CLIENT_ADDR => addr(client_addr),
            filter_attr::CLIENT_PREFIX => prefix(client_prefix),
            filter_attr::CLIENT_PORT => port(client_port),
            filter_attr::VIP_ADDR => addr(vip_addr),
            filter_attr::VIP_PREFIX => prefix(vip_prefix),
            filter_attr::VIP_PORT => port(vip_port),
            filter_attr::SERVER_ADDR => addr(server_addr),
            filter_attr::SERVER_PREFIX => prefix(server_prefix),
            filter_attr::SERVER_PORT => port(server_port),
            filter_attr::FWMARK => number_of_4(&mut self.mark),
            filter_attr::STATE => set(
                &mut self.state,
                u8(payload),
                c"the filter's state does not have 1 byte",
            ),
            filter_attr::STATE_NAME => set(
                &mut self.state_name,
                nlattr::string(payload, NAME_MAX),
                c"the name of the state is not 0 to 15 bytes and a terminator",
            ),
            filter_attr::FLAGS => number_of_4(&mut self.flags),
            filter_attr::FLAGS_MASK => number_of_4(&mut self.flags_mask),
            filter_attr::IDLE_MIN => number_of_4(&mut self.idle_min),
            filter_attr::IDLE_MAX => number_of_4(&mut self.idle_max),
            _ => Err(invalid(c"a filter has no such attribute")),
        }
    }

    /// Returns the family: the one that is given, or that of client or VIP.
    fn family(&self) -> Result<Option<AddressFamily>, ConfigError> {
        let given = match self.family {
            None => None,
            Some(2) => Some(AddressFamily::V4),
            Some(10) => Some(AddressFamily::V6),
            Some(_) => {
                return Err(ConfigError::new(
                    Errno::Family,
                    c"the filter's address family is neither AF_INET nor AF_INET6",
                ))
            }
        };
        let [client, vip, _] = self.addrs.map(|addr| addr.map(Ip::family));
        let mut families = [given, client, vip].into_iter().flatten();
        let first = families.next();
        match families.all(|other| Some(other) == first) {
            true => Ok(first),
            false => Err(invalid(c"client, VIP and family of the filter differ")),
        }
    }

    fn ends(&self) -> Result<[End; 3], ConfigError> {
        let mut ends = [End::default(); 3];
        let given = self.addrs.iter().zip(self.prefixes).zip(self.ports);
        for (end, ((addr, length), port)) in ends.iter_mut().zip(given) {
            end.port = port;
            end.prefix = match (*addr, length) {
                (None, None) => None,
                (None, Some(_)) => {
                    return Err(invalid(c"a prefix length of the filter has no address"))
                }
                (Some(addr), _) => Some(Prefix::new(addr, length).ok_or(invalid(
                    c"a prefix of the filter is longer than its address",
                ))?),
            };
        }
        Ok(ends)
    }

    fn flags(&self) -> Result<(u32, u32), ConfigError> {
        let flags = self.flags.unwrap_or(0);
        let mask = self.flags_mask.unwrap_or(flags);
        match (flags | mask) & !FLAGS {
            _ if flags & !mask != 0 => Err(invalid(c"the filter's mask leaves out its flags")),
            0 => Ok((flags, mask)),
            _ => Err(invalid(c"the filter has an unknown flag")),
        }
    }

    fn filter(&self) -> Result<Filter, ConfigError> {
        let protocol = self.protocol.map(|number| {
            u8::try_from(number).map_err(|_| invalid(c"the filter's protocol is not 0 to 255"))
        });
        if self.mark == Some(0) {
            return Err(invalid(c"0 is no firewall mark of a service"));
        }
        if self.state.is_some() && self.state_name.is_some() {
            return Err(invalid(c"the filter has a state by number and by name"));
        }
        if self.state.is_some() && self.protocol.is_none() {
            return Err(invalid(c"the number of a state needs a protocol"));
        }
        if matches!((self.idle_min, self.idle_max), (Some(least), Some(most)) if least > most) {
            return Err(invalid(c"the filter's idle times leave nothing"));
        }
        let [client, vip, server] = self.ends()?;
        Ok(Filter {
            family: self.family()?,
            protocol: protocol.transpose()?,
            client,
            vip,
            server,
            mark: self.mark,
            state: self.state,
            state_name: self.state_name.map(state_name).transpose()?,
            flags: self.flags()?,
            idle_min: self.idle_min,
            idle_max: self.idle_max,
        })
    }
}

/// Most bytes of a state's name.
const NAME_MAX: usize = 15;

/// Returns the state's name that is equal to `name`.
fn state_name(name: &[u8]) -> Result<&'static str, ConfigError> {
    let numbers = || 0..=u8::MAX;
    numbers()
        .take(tcp::STATES)
        .map(tcp::name)
        .chain(numbers().take(sctp::STATES).map(sctp::name))
        .chain(numbers().take(udp::STATES).map(udp::name))
        .chain(TEMPLATE_STATES)
        .find(|known| known.as_bytes() == name)
        .ok_or(invalid(c"there is no such state"))
}

/// Parses the nest of a filter.
///
/// # Errors
///
/// `EINVAL` if an attribute is unknown, given twice or invalid, or if two contradict each other;
/// `EAFNOSUPPORT` for an unknown address family.
fn filter(nest: &[u8]) -> Result<Filter, ConfigError> {
    let mut fields = Fields::default();
    each(nest, |number, payload| fields.add(number, payload))?;
    fields.filter()
}

/// Parses the attributes of a request that has nothing but a filter.
///
/// # Errors
///
/// Those of a filter; `EINVAL` if there is another attribute.
pub(crate) fn selection(message: &[u8]) -> Result<Filter, ConfigError> {
    let mut nest = None;
    each(message, |number, payload| match number {
        msg_attr::FILTER => set(&mut nest, Some(payload), c""),
        _ => Err(invalid(c"the command has no such attribute")),
    })?;
    filter(nest.unwrap_or(&[]))
}

/// Parses the attributes of a request to delete connections.
///
/// # Errors
///
/// Those of [`selection`]; `EINVAL` if there is neither a filter nor the option to delete all, or
/// both.
pub(crate) fn deletion(message: &[u8]) -> Result<Filter, ConfigError> {
    let (mut nest, mut given) = (None, None);
    each(message, |number, payload| match number {
        msg_attr::FILTER => set(&mut nest, Some(payload), c""),
        msg_attr::OPTIONS => set(&mut given, u32(payload), c"options do not have 4 bytes"),
        _ => Err(invalid(c"the command has no such attribute")),
    })?;
    let filter = filter(nest.unwrap_or(&[]))?;
    let is_all = match given.unwrap_or(0) {
        0 => false,
        options::ALL => true,
        _ => return Err(invalid(c"there is no such option of a deletion")),
    };
    match (filter == Filter::default(), is_all) {
        (true, false) => Err(invalid(
            c"an empty filter is all connections, which needs the option for that",
        )),
        (false, true) => Err(invalid(c"there is a filter, and the option to delete all")),
        _ => Ok(filter),
    }
}

#[cfg(test)]
mod tests;
