// SPDX-License-Identifier: GPL-2.0

//! `conns delete`: counts, asks, deletes, and says how many went.

use std::io::{self, BufRead, IsTerminal, Write};

use ipvs_netlink::ripvs::{Deleted, Filter};
use ipvs_netlink::{Client, Transport};

use crate::error::Error;
use crate::explain;
use crate::fetch;
use crate::output;

/// The exit code of a deletion that was not agreed to.
const DECLINED: u8 = 1;

/// The number from which on a deletion takes long enough to be told of before.
const MANY: u32 = 10_000;

/// Deletes the connections that a filter means, after a question unless `is_sure`.
///
/// # Errors
/// [`Error::Setup`] for an IPVS that cannot, [`Error::Argument`] if there is nobody to ask;
/// failures of the kernel.
pub fn delete<T: Transport>(
    client: &mut Client<T>,
    filter: &Filter,
    is_sure: bool,
) -> Result<u8, Error> {
    let Some(mut ripvs) = fetch::ripvs(client).map_err(explain::listing)? else {
        return Err(Error::Setup(
            "this IPVS cannot delete connections: conns delete needs the kernel module rust_ipvs"
                .to_owned(),
        ));
    };
    let count = ripvs.count_connections(filter).map_err(explain::listing)?;
    if count == 0 {
        return output::print("no such connections\n", true).map(|()| 0);
    }
    if !is_sure && !ask(count)? {
        return output::print("nothing was deleted\n", true).map(|()| DECLINED);
    }
    if count >= MANY && io::stderr().is_terminal() {
        eprintln!("deleting {count} connections");
    }
    let done = ripvs.delete_connections(filter).map_err(explain::listing)?;
    output::print(&said(done), true).map(|()| 0)
}

/// Asks at the terminal whether so many connections are to be deleted.
fn ask(count: u32) -> Result<bool, Error> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Error::Argument(format!(
            "conns delete: {} would be deleted; give --yes, as there is no terminal",
            number(count)
        )));
    }
    eprint!("delete {}, with what they control? [y/N] ", number(count));
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
}

fn number(count: u32) -> String {
    match count {
        1 => "1 connection".to_owned(),
        _ => format!("{count} connections"),
    }
}

fn said(done: Deleted) -> String {
    let deleted = number(done.deleted);
    match done.held {
        0 => format!("{deleted} deleted\n"),
        held => format!(
            "{deleted} deleted; no packet finds {held} more, which stay for what they control\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words() {
        let of = |deleted, held| said(Deleted { deleted, held });
        assert_eq!(of(1, 0), "1 connection deleted\n");
        assert_eq!(of(0, 0), "0 connections deleted\n");
        assert!(of(2, 1).starts_with("2 connections deleted; no packet finds 1 more"));
    }
}
