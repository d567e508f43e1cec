// SPDX-License-Identifier: GPL-2.0

//! Lines of `conns`: a table as that of `-L -c`, or objects.

use ipvs_netlink::ripvs::conn_flags;
use ipvs_netlink::ForwardMethod;
use serde::Serialize;

use super::filter::FLAGS;
use super::options::Format;
use super::source::Shown;
use crate::names::Numeric;
use crate::view;
use crate::view::connections::{headings as common_headings, line as common_line};
use crate::view::json::ConnectionObject;

/// A connection as an object: that of `-L -c --json`, and what only rust_ipvs shows.
#[derive(Serialize)]
struct Object<'a> {
    #[serde(flatten)]
    connection: ConnectionObject<'a>,
    template: bool,
    fwmark: Option<u32>,
    forward: Option<&'static str>,
    idle_seconds: Option<u32>,
    flags: Option<Vec<&'static str>>,
}

/// Returns the lines before the first connection.
pub fn headings(format: Format) -> String {
    match format {
        Format::Table => common_headings(false),
        Format::Json => String::new(),
        Format::Wide => {
            let common = common_headings(false);
            let common = common.strip_suffix("destination\n").unwrap_or(&common);
            format!(
                "{common}{:<18} {:<7} {:<6} {:<6} {:<6} flags\n",
                "destination", "method", "idle", "mark", "engine"
            )
        }
    }
}

/// Returns the line of a connection.
pub fn line(shown: &Shown, format: Format) -> String {
    let mut text = match format {
        Format::Table => common_line(&shown.connection, false, &Numeric),
        Format::Json => json(shown),
        Format::Wide => wide(shown),
    };
    text.push('\n');
    text
}

fn json(shown: &Shown) -> String {
    let more = shown.more.as_ref();
    let object = Object {
        connection: view::json::object(&shown.connection),
        template: shown.is_template(),
        fwmark: shown.mark(),
        forward: more.map(|more| view::forward_name(more.forward)),
        idle_seconds: more.map(|more| more.idle),
        flags: more.map(|more| flag_names(more.flags)),
    };
    // There is nothing in it that cannot be an object.
    serde_json::to_string(&object).unwrap_or_default()
}

fn wide(shown: &Shown) -> String {
    let common = common_line(&shown.connection, false, &Numeric);
    // The last column has no width of its own there.
    let server = common.rsplit(' ').next().unwrap_or_default().len();
    let fill = 18usize.saturating_sub(server);
    let none = || "-".to_owned();
    let (method, idle, flags) = match &shown.more {
        None => (none(), none(), none()),
        Some(more) => (
            short_method(more.forward).to_owned(),
            format!("{:02}:{:02}", more.idle / 60, more.idle % 60),
            Some(flag_names(more.flags).join(","))
                .filter(|names| !names.is_empty())
                .unwrap_or_else(none),
        ),
    };
    let mark = shown.mark().map_or_else(none, |mark| mark.to_string());
    let engine = match &shown.connection.engine {
        None => none(),
        Some((name, key)) => format!("{name}:{}", printable(key)),
    };
    format!(
        "{common}{:fill$} {method:<7} {idle:<6} {mark:<6} {engine:<6} {flags}",
        ""
    )
}

/// Returns the name of a forwarding method in a list of destinations.
fn short_method(method: ForwardMethod) -> &'static str {
    match method {
        ForwardMethod::Masquerade => "Masq",
        ForwardMethod::Local => "Local",
        ForwardMethod::Tunnel => "Tunnel",
        ForwardMethod::DirectRoute => "Route",
        ForwardMethod::Bypass => "Bypass",
        ForwardMethod::Other(_) => "?",
    }
}

/// Replaces what a terminal could take for a command: clients choose these bytes.
fn printable(key: &str) -> String {
    let replace = |letter: char| match letter.is_control() || letter.is_whitespace() {
        true => '?',
        false => letter,
    };
    key.chars().map(replace).collect()
}

/// Returns the names of flags. Templates have theirs first.
fn flag_names(flags: u32) -> Vec<&'static str> {
    let template = [("template", conn_flags::TEMPLATE)];
    let all = template.into_iter().chain(FLAGS);
    all.filter(|(_, flag)| flags & flag != 0)
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::source::More;
    use super::*;
    use crate::connection::parse;
    use crate::connection::tests::LINES;

    fn all(has_more: bool) -> Vec<Shown> {
        let connections = parse(LINES).unwrap().into_iter();
        connections
            .map(|connection| Shown {
                connection,
                more: has_more.then_some(More {
                    mark: Some(7),
                    forward: ForwardMethod::DirectRoute,
                    idle: 65,
                    flags: conn_flags::INACTIVE | conn_flags::NO_OUTPUT,
                }),
            })
            .collect()
    }

    fn text(connections: &[Shown], format: Format) -> String {
        let lines = connections.iter().map(|shown| line(shown, format));
        headings(format) + &lines.collect::<String>()
    }

    #[test]
    fn as_the_list_of_c() {
        let connections = parse(LINES).unwrap();
        let expected = view::connections::connections(&connections, false, &Numeric);
        assert_eq!(text(&all(true), Format::Table), expected);
    }

    #[test]
    fn more_columns() {
        let one = &all(true)[..2];
        assert_eq!(
            text(one, Format::Wide),
            "\
IPVS connection entries
pro expire state       source             virtual            destination        method  idle   \
mark   engine flags
TCP 00:57  SYN_RECV    203.0.113.5:55452  192.0.2.1:80       198.51.100.1:80    Route   01:05  \
7      -      inactive,no-output
UDP 83:19  NONE        203.0.113.5:0      192.0.2.1:5060     198.51.100.1:5060  Route   01:05  \
7      sip:abcdef@203.0.113.5 inactive,no-output
"
        );
        let of_c = text(&all(false)[..1], Format::Wide);
        assert!(
            of_c.ends_with("80    -       -      -      -      -\n"),
            "{of_c}"
        );
    }

    #[test]
    fn an_object_a_line() {
        let lines = text(&all(true), Format::Json);
        assert_eq!(lines.lines().count(), 5);
        let first = lines.lines().next().unwrap();
        let value: serde_json::Value = serde_json::from_str(first).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "protocol": "tcp",
                "client": {"address": "203.0.113.5", "port": 55452},
                "service": {"address": "192.0.2.1", "port": 80},
                "destination": {"address": "198.51.100.1", "port": 80},
                "state": "SYN_RECV", "expires_seconds": 57, "engine": null,
                "template": false, "fwmark": 7, "forward": "direct-route", "idle_seconds": 65,
                "flags": ["inactive", "no-output"],
            })
        );
        let of_c = line(&all(false)[4], Format::Json);
        let value: serde_json::Value = serde_json::from_str(&of_c).unwrap();
        assert_eq!(value["template"], true);
        assert_eq!(value["fwmark"], 0x63);
        assert!(value["flags"].is_null() && value["idle_seconds"].is_null());
    }

    #[test]
    fn keys_are_no_commands() {
        assert_eq!(printable("a\x1b[2Jb c"), "a?[2Jb?c");
    }
}
