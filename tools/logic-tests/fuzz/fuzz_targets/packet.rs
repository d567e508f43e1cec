// SPDX-License-Identifier: GPL-2.0

//! Any bytes as a packet, from the IP header on.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logic_tests::exercise::packet(data);
});
