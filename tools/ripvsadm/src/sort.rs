// SPDX-License-Identifier: GPL-2.0

//! The order of listings, which is ipvsadm's.
//!
//! ipvsadm compares marks and addresses by the sign of their difference in 32 bits, so that
//! 192.0.2.1 comes before 10.1.1.1, and three addresses can each come before the next. Scripts
//! that compare listings see that order; where it is a circle it depends on the way of sorting,
//! so this has its own merge sort, the one of the C library's `qsort()`, and a comparison that
//! need not be an order (the standard library's sort may panic on one that is none).

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv6Addr};

use ipvs_netlink::{AddressFamily, DestinationEntry, ServiceEntry, ServiceId};

/// Sorts services.
pub fn services(services: Vec<ServiceEntry>) -> Vec<ServiceEntry> {
    by_service(services, |service| service)
}

/// Sorts what has a service by that.
pub fn by_service<T>(all: Vec<T>, service: impl Fn(&T) -> &ServiceEntry) -> Vec<T> {
    merge_sort(all, &|a, b| {
        compare_services(&service(a).service.id, &service(b).service.id)
    })
}

/// Sorts the real servers of a service.
pub fn servers(servers: Vec<DestinationEntry>) -> Vec<DestinationEntry> {
    merge_sort(servers, &|a, b| {
        let (a, b) = (&a.destination.id, &b.destination.id);
        compare_addresses(&a.address, &b.address).then_with(|| a.port.cmp(&b.port))
    })
}

/// By mark, family, protocol, address and port.
fn compare_services(a: &ServiceId, b: &ServiceId) -> Ordering {
    let key = |id: &ServiceId| match id {
        ServiceId::Address {
            protocol,
            address,
            port,
        } => (0, u16::from(*protocol), *address, *port),
        ServiceId::Fwmark { family, mark } => (*mark, 0, family.unspecified(), 0),
    };
    let ((mark_a, protocol_a, address_a, port_a), (mark_b, protocol_b, address_b, port_b)) =
        (key(a), key(b));
    circular(mark_a, mark_b)
        .then_with(|| a.family().cmp(&b.family()))
        .then_with(|| protocol_a.cmp(&protocol_b))
        .then_with(|| compare_addresses(&address_a, &address_b))
        .then_with(|| port_a.cmp(&port_b))
}

fn compare_addresses(a: &IpAddr, b: &IpAddr) -> Ordering {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => circular((*a).into(), (*b).into()),
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let words = quarters(a).into_iter().zip(quarters(b));
            words
                .map(|(a, b)| circular(a, b))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        }
        _ => AddressFamily::of(a).cmp(&AddressFamily::of(b)),
    }
}

/// An IPv6 address in four words.
fn quarters(address: &Ipv6Addr) -> [u32; 4] {
    let bits = address.to_bits();
    // Each word is what is left of the bits when they are cut to 32.
    [96, 64, 32, 0].map(|shift| ((bits >> shift) & u128::from(u32::MAX)) as u32)
}

/// The sign of the difference, in 32 bits.
fn circular(a: u32, b: u32) -> Ordering {
    i32::from_ne_bytes(a.wrapping_sub(b).to_ne_bytes()).cmp(&0)
}

/// Sorts two halves, the first the smaller, and merges them; equals stay as they are. It is their
/// places that are sorted: what is listed is large.
fn merge_sort<T>(items: Vec<T>, compare: &dyn Fn(&T, &T) -> Ordering) -> Vec<T> {
    let mut places: Vec<usize> = (0..items.len()).collect();
    let mut merged = Vec::with_capacity(items.len());
    let compare_places = |a: usize, b: usize| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    };
    merge_halves(&mut places, &mut merged, &compare_places);
    if places.windows(2).all(|pair| pair.first() < pair.last()) {
        return items;
    }
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    let take = |place: usize| items.get_mut(place).and_then(Option::take);
    places.into_iter().filter_map(take).collect()
}

/// Sorts places; `merged` is for the merging.
fn merge_halves(
    places: &mut [usize],
    merged: &mut Vec<usize>,
    compare: &dyn Fn(usize, usize) -> Ordering,
) {
    if places.len() < 2 {
        return;
    }
    let (lower, upper) = places.split_at_mut(places.len() / 2);
    merge_halves(lower, merged, compare);
    merge_halves(upper, merged, compare);
    merged.clear();
    let (mut first, mut second) = (lower.iter().peekable(), upper.iter().peekable());
    while let (Some(a), Some(b)) = (first.peek(), second.peek()) {
        let next = match compare(**a, **b).is_le() {
            true => first.next(),
            false => second.next(),
        };
        merged.extend(next);
    }
    merged.extend(first);
    merged.extend(second);
    places.copy_from_slice(merged);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs_netlink::Protocol;

    fn address(protocol: Protocol, text: &str, port: u16) -> ServiceId {
        ServiceId::address(protocol, text.parse().unwrap(), port)
    }

    fn sorted(ids: Vec<ServiceId>) -> Vec<String> {
        merge_sort(ids, &compare_services)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn marks_families_protocols_addresses_ports() {
        use Protocol::{Sctp, Tcp, Udp};
        let ids = vec![
            ServiceId::fwmark(AddressFamily::Inet6, 7),
            ServiceId::fwmark(AddressFamily::Inet, 8),
            ServiceId::fwmark(AddressFamily::Inet, 7),
            address(Tcp, "2001:db8::1", 80),
            address(Sctp, "192.0.2.1", 80),
            address(Udp, "192.0.2.1", 53),
            address(Tcp, "192.0.2.2", 80),
            address(Tcp, "192.0.2.1", 443),
            address(Tcp, "192.0.2.1", 80),
            ServiceId::fwmark(AddressFamily::Inet, 0xffff_ffff),
        ];
        assert_eq!(
            sorted(ids),
            [
                "FWM 4294967295",
                "TCP 192.0.2.1:80",
                "TCP 192.0.2.1:443",
                "TCP 192.0.2.2:80",
                "UDP 192.0.2.1:53",
                "SCTP 192.0.2.1:80",
                "TCP [2001:db8::1]:80",
                "FWM 7",
                "FWM 7 IPv6",
                "FWM 8",
            ]
        );
    }

    #[test]
    fn addresses_are_a_circle() {
        let ids = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| address(Protocol::Tcp, text, 80))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            sorted(ids(&["10.1.1.1", "192.0.2.1"])),
            ["TCP 192.0.2.1:80", "TCP 10.1.1.1:80"]
        );
        // 10 before 100, 100 before 192, 192 before 10: it depends on where one begins.
        let circle = sorted(ids(&["10.0.0.1", "100.0.0.1", "192.0.0.1"]));
        assert_eq!(
            circle,
            ["TCP 10.0.0.1:80", "TCP 100.0.0.1:80", "TCP 192.0.0.1:80"]
        );
        let circle = sorted(ids(&["192.0.0.1", "10.0.0.1", "100.0.0.1"]));
        assert_eq!(
            circle,
            ["TCP 192.0.0.1:80", "TCP 10.0.0.1:80", "TCP 100.0.0.1:80"]
        );
    }

    #[test]
    fn equals_stay_in_order() {
        let items: Vec<(u32, u32)> = (0..40).map(|n| (n % 3, n)).collect();
        let sorted = merge_sort(items, &|a, b| a.0.cmp(&b.0));
        assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
