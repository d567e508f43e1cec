// SPDX-License-Identifier: GPL-2.0

//! Any bytes as the payload of an FTP control connection, and as a packet of which a part is
//! replaced.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logic_tests::exercise::ftp_segment(data);
    logic_tests::exercise::replacement(data);
});
