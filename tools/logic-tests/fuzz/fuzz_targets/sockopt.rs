// SPDX-License-Identifier: GPL-2.0

//! Any bytes as the structure of each socket option.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logic_tests::exercise::sockopt(data);
});
