// SPDX-License-Identifier: GPL-2.0

//! Incremental update of a CRC32c (RFC 9260, appendix A).
//!
//! A CRC is linear: if bytes change, it changes by the CRC of the difference. So the update does
//! not read the bytes that stay.
//!
//! A word is a polynomial over GF(2) of a degree below 32 with the coefficient of x^0 in its
//! highest bit, as usual for CRCs. All arithmetic is modulo CRC32c's polynomial.

/// CRC32c's polynomial without x^32.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Multiplies a polynomial by x.
const fn times_x(a: u32) -> u32 {
    (a >> 1) ^ (if a & 1 != 0 { POLYNOMIAL } else { 0 })
}

/// Multiplies two polynomials.
const fn times(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    let mut product = 0;
    while b != 0 {
        if b & (1 << 31) != 0 {
            product ^= a;
        }
        b <<= 1;
        a = times_x(a);
    }
    product
}

/// x^8, by which a following zero byte multiplies a CRC.
const ZERO: u32 = 1 << 23;

/// Returns the change of a CRC if four of its bytes change by `change` (old XOR new) and `behind`
/// bytes follow them.
pub(crate) fn change(change: [u8; 4], behind: usize) -> u32 {
    let mut crc = u32::from_le_bytes(change);
    for _ in 0..32 {
        crc = times_x(crc);
    }
    let mut power = ZERO;
    let mut left = behind;
    while left != 0 {
        if left & 1 != 0 {
            crc = times(crc, power);
        }
        power = times(power, power);
        left >>= 1;
    }
    crc
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns the CRC32c by its definition.
    pub(crate) fn of(bytes: &[u8]) -> u32 {
        let mut crc = !0u32;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (if crc & 1 != 0 { POLYNOMIAL } else { 0 });
            }
        }
        !crc
    }

    #[test]
    fn known() {
        assert_eq!(of(b"123456789"), 0xe306_9283);
    }

    // T-19
    #[test]
    fn changes_are_as_recomputed() {
        let behind = [0, 1, 2, 3, 8, 255, 256, 1476, 65_511];
        for behind in behind.into_iter().take(if cfg!(miri) { 5 } else { 9 }) {
            let mut bytes: Vec<u8> = (0..behind + 9).map(|n| (n * 31 + n / 77) as u8).collect();
            let before = of(&bytes);
            let by = [0x80, 0x01, 0, 0xff];
            for (byte, by) in bytes[5..].iter_mut().zip(by) {
                *byte ^= by;
            }
            assert_eq!(before ^ change(by, behind), of(&bytes), "{behind} behind");
            assert_eq!(change([0; 4], behind), 0);
        }
    }
}
