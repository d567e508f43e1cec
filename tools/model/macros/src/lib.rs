// SPDX-License-Identifier: GPL-2.0

//! `#[pin_data]` without effect: it removes `#[pin]` from the fields.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Returns true for the group `[pin]` of an attribute.
fn is_pin(tree: Option<&TokenTree>) -> bool {
    matches!(tree, Some(TokenTree::Group(group)) if group.stream().to_string() == "pin")
}

fn strip(tokens: TokenStream) -> TokenStream {
    let mut result = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(tree) = tokens.next() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == '#' && is_pin(tokens.peek()) => {
                tokens.next();
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inner = Group::new(Delimiter::Brace, strip(group.stream()));
                result.push(TokenTree::Group(inner));
            }
            tree => result.push(tree),
        }
    }
    result.into_iter().collect()
}

#[proc_macro_attribute]
pub fn pin_data(_attribute: TokenStream, item: TokenStream) -> TokenStream {
    strip(item)
}
