// SPDX-License-Identifier: GPL-2.0

//! Output of `why`: text, or JSON.

use std::fmt::Write;

use ipvs_netlink::ripvs::{ReasonCount, Reasons};
use ipvs_netlink::ServiceId;
use serde::Serialize;

use super::advice;
use super::checks::Finding;

/// A look at reasons and checks.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Reasons of the namespace, if this IPVS counts them, and of each service that has some.
    pub reasons: Option<Vec<Reasons>>,
    /// Findings of the checks.
    pub findings: Vec<Finding>,
}

/// A reason with its numbers.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    verdict: &'static str,
    count: u64,
    /// Since the look before.
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<u64>,
    text: &'static str,
    advice: &'static str,
    services: Vec<OfService>,
}

#[derive(Debug, Serialize)]
struct OfService {
    service: String,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    /// True if this IPVS counts reasons.
    counted: bool,
    reasons: Vec<Row>,
    checks: Vec<Check<'a>>,
}

#[derive(Debug, Serialize)]
struct Check<'a> {
    name: &'a str,
    level: &'a str,
    service: Option<String>,
    text: &'a str,
    advice: &'a str,
}

/// Returns the number of a reason in a list.
fn count_in(counts: &[ReasonCount], number: u32) -> u64 {
    let found = counts.iter().find(|count| count.number == number);
    found.map_or(0, |count| count.count)
}

impl Look {
    /// The reasons of the namespace, or of the only service that was asked for.
    fn totals(&self) -> &[ReasonCount] {
        let first = self.reasons.iter().flatten().next();
        first.map_or(&[], |reasons| &reasons.counts)
    }

    /// The rows, the most frequent first: since the look before, if there was one, then in all.
    fn rows(&self, before: Option<&Look>) -> Vec<Row> {
        let row = |total: &ReasonCount| {
            let reason = total.reason();
            let of = |reasons: &Reasons| {
                let service = service_name(reasons.service.as_ref()?);
                let count = count_in(&reasons.counts, total.number);
                (count != 0).then_some(OfService { service, count })
            };
            let mut services: Vec<_> = self.reasons.iter().flatten().filter_map(of).collect();
            services.sort_by(|a, b| b.count.cmp(&a.count));
            Row {
                name: match reason {
                    Some(reason) => reason.name.to_owned(),
                    None => format!("reason-{}", total.number),
                },
                verdict: reason.map_or("counted", |reason| reason.verdict.name()),
                count: total.count,
                new: before.map(|before| {
                    // Zeroed meanwhile: all of them are new.
                    let old = count_in(before.totals(), total.number);
                    total.count.checked_sub(old).unwrap_or(total.count)
                }),
                text: reason.map_or("of a newer kernel module.", |reason| reason.text),
                advice: advice::of(reason.map_or("", |reason| reason.name)),
                services,
            }
        };
        let mut rows: Vec<_> = self.totals().iter().map(row).collect();
        rows.sort_by(|a, b| (b.new, b.count).cmp(&(a.new, a.count)));
        rows
    }

    /// Text; `before` is the look before, if this is not the first.
    pub fn text(&self, before: Option<&Look>) -> String {
        let mut out = String::new();
        let rows = self.rows(before);
        out.push_str(match &self.reasons {
            None => "Reasons: this IPVS counts none; rust_ipvs does.\n",
            Some(_) if rows.is_empty() => {
                "Reasons: no packet was dropped, refused or left untouched.\n"
            }
            Some(_) => "Reasons:\n",
        });
        for row in &rows {
            let _ = write!(out, "{} {}", row.count, row.verdict);
            if let Some(new) = row.new.filter(|new| *new != 0) {
                let _ = write!(out, " (+{new})");
            }
            let _ = writeln!(out, ": {} ({})", row.text.trim_end_matches('.'), row.name);
            for of in &row.services {
                let _ = writeln!(out, "    {}: {}", of.service, of.count);
            }
            wrap(&mut out, ARROW, row.advice);
        }
        out.push_str(match self.findings.is_empty() {
            true => "Checks: nothing is found.\n",
            false => "Checks:\n",
        });
        for finding in &self.findings {
            let _ = write!(out, "{} {}", finding.level.name(), finding.name);
            if let Some(service) = &finding.service {
                let _ = write!(out, ", {}", service_name(service));
            }
            out.push('\n');
            wrap(&mut out, "    ", &finding.text);
            wrap(&mut out, ARROW, finding.advice);
        }
        out
    }

    /// JSON: an object.
    pub fn json(&self, before: Option<&Look>, line: bool) -> String {
        let checks = self.findings.iter().map(|finding| Check {
            name: finding.name,
            level: finding.level.name(),
            service: finding.service.as_ref().map(service_name),
            text: &finding.text,
            advice: finding.advice,
        });
        let document = Document {
            counted: self.reasons.is_some(),
            reasons: self.rows(before),
            checks: checks.collect(),
        };
        let text = match line {
            true => serde_json::to_string(&document),
            false => serde_json::to_string_pretty(&document),
        };
        // Nothing here can fail: no map has keys that are no strings, nothing writes but to memory.
        let mut text = text.unwrap_or_default();
        text.push('\n');
        text
    }
}

fn service_name(id: &ServiceId) -> String {
    id.to_string()
}

/// The beginning of advice.
const ARROW: &str = "    -> ";

/// Adds a paragraph of at most 78 columns, unless a word is longer. It begins with `start`, and is
/// indented as that.
fn wrap(out: &mut String, start: &str, text: &str) {
    const WIDTH: usize = 78;
    let indent = " ".repeat(start.len());
    out.push_str(start);
    let mut at = start.len();
    for (number, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if number != 0 && at + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&indent);
            at = indent.len();
        } else if number != 0 {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += length;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::why::checks::Level;
    use ipvs_netlink::Protocol;

    fn counts(list: &[(u32, u64)]) -> Vec<ReasonCount> {
        let counts = list.iter();
        counts
            .map(|(number, count)| ReasonCount {
                number: *number,
                count: *count,
            })
            .collect()
    }

    fn web() -> ServiceId {
        ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80)
    }

    fn look() -> Look {
        Look {
            reasons: Some(vec![
                Reasons {
                    service: None,
                    counts: counts(&[(1, 2), (9, 30), (4000, 1)]),
                },
                Reasons {
                    service: Some(web()),
                    counts: counts(&[(9, 29)]),
                },
            ]),
            findings: vec![Finding {
                name: "ip-forward",
                level: Level::Problem,
                service: Some(web()),
                text: "It is off.".to_owned(),
                advice: "Set it to 1.",
            }],
        }
    }

    #[test]
    fn the_most_frequent_come_first() {
        let text = look().text(None);
        let begin = "Reasons:\n30 dropped: the defense drop_packet is active, or am_droprate set \
            (drop-packet)\n    TCP 192.0.2.1:80: 29\n    -> net.ipv4.vs.drop_packet is active: ";
        assert!(text.starts_with(begin), "{text}");
        assert!(text.contains("\n2 refused: the service has no destinations (no-server)\n"));
        assert!(text.contains("\n1 counted: of a newer kernel module (reason-4000)\n"));
        let end = "\nChecks:\nproblem ip-forward, TCP 192.0.2.1:80\n    It is off.\n\
            \x20   -> Set it to 1.\n";
        assert!(text.ends_with(end), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 85),
            "{text}"
        );
    }

    #[test]
    fn the_newest_come_first_when_watched() {
        let mut next = look();
        next.reasons.as_mut().unwrap()[0].counts = counts(&[(1, 7), (9, 31), (3, 1)]);
        let text = next.text(Some(&look()));
        let heads: Vec<_> = text.lines().filter(|line| line.contains("(+")).collect();
        let starts = ["7 refused (+5)", "31 dropped (+1)", "1 refused (+1)"];
        assert!(
            heads
                .iter()
                .zip(starts)
                .all(|(line, start)| line.starts_with(start)),
            "{text}"
        );
        // Zeroed meanwhile.
        let text = look().text(Some(&next));
        assert!(text.starts_with("Reasons:\n30 dropped (+30)"), "{text}");
    }

    #[test]
    fn nothing_to_say() {
        let none = Look {
            reasons: Some(vec![Reasons::default()]),
            findings: Vec::new(),
        };
        assert_eq!(
            none.text(None),
            "Reasons: no packet was dropped, refused or left untouched.\n\
             Checks: nothing is found.\n"
        );
        let text = Look::default().text(None);
        assert!(text.starts_with("Reasons: this IPVS counts none"), "{text}");
    }

    #[test]
    fn objects() {
        let document: serde_json::Value = serde_json::from_str(&look().json(None, false)).unwrap();
        assert_eq!(document["counted"], true);
        assert_eq!(document["reasons"][0]["name"], "drop-packet");
        assert_eq!(document["reasons"][0]["services"][0]["count"], 29);
        assert_eq!(document["checks"][0]["name"], "ip-forward");
        assert!(document["reasons"][0].get("new").is_none());
        let line = look().json(Some(&look()), true);
        assert_eq!(line.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["reasons"][0]["new"], 0);
    }
}
