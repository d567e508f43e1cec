// SPDX-License-Identifier: GPL-2.0

//! Selects table sizes that are small enough to be explored.

fn main() {
    println!("cargo::rustc-cfg=CONFIG_KAPI_MODEL");
    println!("cargo::rerun-if-changed=build.rs");
}
