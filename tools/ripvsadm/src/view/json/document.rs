// SPDX-License-Identifier: GPL-2.0

//! A JSON document as text.

use serde::Serialize;

/// A document on lines of its own.
pub fn document(value: &impl Serialize) -> String {
    // Nothing here can fail: no map has keys that are no strings, nothing writes but to memory.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
pub mod tests {
    use serde_json::Value;

    pub fn read(text: &str) -> Value {
        assert!(text.ends_with("}\n"), "{text}");
        serde_json::from_str(text).unwrap()
    }
}
