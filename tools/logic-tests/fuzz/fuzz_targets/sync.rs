// SPDX-License-Identifier: GPL-2.0

//! Any bytes as a sync message.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logic_tests::exercise::sync_message(data);
});
