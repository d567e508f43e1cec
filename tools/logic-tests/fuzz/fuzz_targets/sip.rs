// SPDX-License-Identifier: GPL-2.0

//! Any bytes as the payload of a datagram to a SIP service.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logic_tests::exercise::sip_message(data);
});
