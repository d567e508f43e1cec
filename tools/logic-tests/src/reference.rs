// SPDX-License-Identifier: GPL-2.0

//! Slow and simple implementations to compare the logic with, and generators of packets.

/// Pseudo-random numbers with a fixed seed (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns a number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        ((self.word() >> 32) as usize * limit) >> 32
    }

    pub fn byte(&mut self) -> u8 {
        (self.word() >> 56) as u8
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.byte()).collect()
    }

    pub fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

/// Returns the Internet checksum of RFC 1071 by definition: a sum modulo 65535, which is 0 only if
/// all bytes are.
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) * 256 + u64::from(*pair.get(1).unwrap_or(&0));
    }
    if sum == 0 {
        return 0xffff;
    }
    0xffff - ((sum - 1) % 0xffff + 1) as u16
}

/// Returns the CRC32c of RFC 9260 by definition: long division, bit by bit.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let mut rest = !0u32;
    for byte in bytes {
        for bit in 0..8 {
            let into = ((u32::from(*byte) >> bit) ^ rest) & 1;
            rest = (rest >> 1) ^ (into * 0x82f6_3b78);
        }
    }
    !rest
}

/// Returns the pseudo header of a packet: addresses, length, protocol.
fn pseudo_header(addresses: &[u8], length: usize, protocol: u8) -> Vec<u8> {
    let mut bytes = addresses.to_vec();
    bytes.extend((length as u32).to_be_bytes());
    bytes.extend([0, 0, 0, protocol]);
    bytes
}

/// Packet and the offsets of its parts.
#[derive(Clone, Debug)]
pub struct Packet {
    pub bytes: Vec<u8>,
    pub protocol: u8,
    pub l4: usize,
}

impl Packet {
    fn is_v4(&self) -> bool {
        self.bytes[0] >> 4 == 4
    }

    fn addresses(&self) -> &[u8] {
        if self.is_v4() {
            &self.bytes[12..20]
        } else {
            &self.bytes[8..40]
        }
    }

    /// Returns the offset of the transport checksum, if there is one.
    fn field(&self) -> Option<usize> {
        match self.protocol {
            6 => Some(self.l4 + 16),
            17 => Some(self.l4 + 6),
            _ => None,
        }
    }

    /// Computes all checksums.
    pub fn sum_up(&mut self) {
        if self.is_v4() {
            let ihl = usize::from(self.bytes[0] & 15) * 4;
            self.bytes[10..12].fill(0);
            let sum = internet_checksum(&self.bytes[..ihl]);
            self.bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        if let Some(field) = self.field() {
            self.bytes[field..field + 2].fill(0);
            let length = self.bytes.len() - self.l4;
            let mut all = pseudo_header(self.addresses(), length, self.protocol);
            all.extend(&self.bytes[self.l4..]);
            let sum = match (self.protocol, internet_checksum(&all)) {
                (17, 0) => 0xffff,
                (_, sum) => sum,
            };
            self.bytes[field..field + 2].copy_from_slice(&sum.to_be_bytes());
        }
        if self.protocol == 132 {
            let field = self.l4 + 8;
            self.bytes[field..field + 4].fill(0);
            let sum = crc32c(&self.bytes[self.l4..]);
            self.bytes[field..field + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }

    /// Writes the sum of the pseudo header into the transport checksum, as for offloading.
    pub fn sum_partially(&mut self) {
        self.sum_up();
        if let Some(field) = self.field() {
            let length = self.bytes.len() - self.l4;
            let pseudo = pseudo_header(self.addresses(), length, self.protocol);
            let sum = !internet_checksum(&pseudo);
            self.bytes[field..field + 2].copy_from_slice(&sum.to_be_bytes());
        }
    }

    /// Makes a correct packet; `v4` chooses the family.
    pub fn random(random: &mut Random, v4: bool, protocol: u8) -> Self {
        let minimum = match protocol {
            6 => 20,
            17 => 8,
            132 => 16,
            _ => 0,
        };
        let length = minimum + random.below(64);
        let payload = random.bytes(length);
        let mut bytes = Vec::new();
        if v4 {
            let options = 4 * random.below(11);
            let total = (20 + options + payload.len()) as u16;
            bytes.extend([0x45 + (options / 4) as u8, random.byte()]);
            bytes.extend(total.to_be_bytes());
            bytes.extend(random.bytes(2));
            bytes.extend([if random.chance(2) { 0x40 } else { 0 }, 0]);
            bytes.extend([random.byte(), protocol, 0, 0]);
            bytes.extend(random.bytes(8 + options));
        } else {
            let kinds = [0u8, 43, 60];
            let chain: Vec<u8> = (0..random.below(4))
                .map(|_| kinds[random.below(3)])
                .collect();
            let mut extensions = Vec::new();
            for i in 0..chain.len() {
                let units = random.below(3);
                extensions.push(*chain.get(i + 1).unwrap_or(&protocol));
                extensions.push(units as u8);
                extensions.extend(random.bytes(6 + 8 * units));
            }
            bytes.push(0x60 | random.byte() & 15);
            bytes.extend(random.bytes(3));
            bytes.extend(((extensions.len() + payload.len()) as u16).to_be_bytes());
            bytes.extend([*chain.first().unwrap_or(&protocol), random.byte()]);
            bytes.extend(random.bytes(32));
            bytes.extend(extensions);
        }
        let l4 = bytes.len();
        bytes.extend(payload);
        let mut packet = Self {
            bytes,
            protocol,
            l4,
        };
        packet.sum_up();
        packet
    }
}

/// Result of the slow parser: addresses, protocol, offset of the transport header, and fragment.
#[derive(Debug, PartialEq, Eq)]
pub struct SlowParsed {
    pub src: Vec<u8>,
    pub dst: Vec<u8>,
    pub protocol: u8,
    pub l4: usize,
    pub more_fragments: bool,
    pub fragment_offset: u16,
}

/// Parses a whole packet by reading bits, as the figures of RFC 791 and RFC 8200 have them. Returns
/// `None` if anything is invalid or missing.
pub fn slow_parse(packet: &[u8]) -> Option<SlowParsed> {
    match bits(packet, 0, 4)? {
        4 => slow_parse_v4(packet),
        6 => slow_parse_v6(packet),
        _ => None,
    }
}

/// Returns `count` bits from bit `at` on.
fn bits(packet: &[u8], at: usize, count: usize) -> Option<u64> {
    let mut value = 0;
    for bit in at..at + count {
        let byte = packet.get(bit / 8)?;
        value = value * 2 + u64::from((byte >> (7 - bit % 8)) & 1);
    }
    Some(value)
}

fn slow_parse_v4(packet: &[u8]) -> Option<SlowParsed> {
    let ihl = bits(packet, 4, 4)? as usize;
    let total = bits(packet, 16, 16)? as usize;
    let found = SlowParsed {
        more_fragments: bits(packet, 50, 1)? == 1,
        fragment_offset: bits(packet, 51, 13)? as u16,
        protocol: bits(packet, 72, 8)? as u8,
        src: packet.get(12..16)?.to_vec(),
        dst: packet.get(16..20)?.to_vec(),
        l4: ihl * 4,
    };
    (ihl >= 5 && (total == 0 || total >= ihl * 4)).then_some(found)
}

fn slow_parse_v6(packet: &[u8]) -> Option<SlowParsed> {
    let payload = bits(packet, 32, 16)? as usize;
    let mut found = SlowParsed {
        more_fragments: false,
        fragment_offset: 0,
        protocol: bits(packet, 48, 8)? as u8,
        src: packet.get(8..24)?.to_vec(),
        dst: packet.get(24..40)?.to_vec(),
        l4: 40,
    };
    let mut extensions = 0;
    while [0, 43, 44, 60].contains(&found.protocol) && found.fragment_offset == 0 {
        extensions += 1;
        if extensions > 12 {
            return None;
        }
        packet.get(found.l4..found.l4 + 8)?;
        let at = found.l4 * 8;
        let next = bits(packet, at, 8)? as u8;
        if found.protocol == 44 {
            found.fragment_offset = bits(packet, at + 16, 13)? as u16;
            found.more_fragments |= bits(packet, at + 31, 1)? == 1;
            found.l4 += 8;
        } else {
            found.l4 += 8 + 8 * bits(packet, at + 8, 8)? as usize;
        }
        found.protocol = next;
    }
    (payload == 0 || found.l4 <= 40 + payload).then_some(found)
}

/// Parses netlink attributes by repeatedly cutting one off the front.
pub fn slow_attributes(mut bytes: Vec<u8>) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    while bytes.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
        if length < 4 || length > bytes.len() {
            break;
        }
        let number = u16::from_ne_bytes([bytes[2], bytes[3]]) % 0x4000;
        found.push((number, bytes[4..length].to_vec()));
        let mut cut = length;
        while cut % 4 != 0 {
            cut += 1;
        }
        bytes.drain(..cut.min(bytes.len()));
    }
    found
}

/// Round robin as in C IPVS (D-6): a ring of nodes, one of which is the list's head, and a pointer
/// to the node used last.
#[derive(Debug)]
pub struct Ring {
    /// Successor of each node by number; node 0 is the head.
    next: Vec<Option<usize>>,
    pointer: usize,
}

impl Ring {
    pub fn new() -> Self {
        Self {
            next: vec![Some(0)],
            pointer: 0,
        }
    }

    /// Inserts a node after the head, and returns its number.
    pub fn insert(&mut self) -> usize {
        let node = self.next.len();
        self.next.push(self.next[0]);
        self.next[0] = Some(node);
        node
    }

    fn before(&self, node: usize) -> usize {
        self.next
            .iter()
            .position(|next| *next == Some(node))
            .unwrap()
    }

    pub fn remove(&mut self, node: usize) {
        let before = self.before(node);
        if self.pointer == node {
            self.pointer = before;
        }
        self.next[before] = self.next[node].take();
    }

    /// Returns the nodes in order.
    pub fn order(&self) -> Vec<usize> {
        let mut order = Vec::new();
        let mut node = self.next[0].unwrap();
        while node != 0 {
            order.push(node);
            node = self.next[node].unwrap();
        }
        order
    }

    /// Walks from the pointer until it reaches the pointer's node again.
    pub fn pick(&mut self, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let mut node = self.pointer;
        loop {
            node = self.next[node].unwrap();
            if node != 0 && usable(node) {
                self.pointer = node;
                return Some(node);
            }
            if node == self.pointer {
                return None;
            }
        }
    }
}
