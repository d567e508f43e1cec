// SPDX-License-Identifier: GPL-2.0

//! Any bytes as the attributes of a netlink message.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logic_tests::exercise::message(data);
});
