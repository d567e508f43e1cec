// SPDX-License-Identifier: GPL-2.0

//! The text formats of Prometheus (0.0.4) and OpenMetrics (1.0.0).

use std::fmt::Write;

/// A text format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, version 0.0.4.
    #[default]
    Prometheus,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The media type, as in `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Never decreases but by a restart from 0. Its samples end in `_total`.
    Counter,
    Gauge,
    /// Labels with the value 1. Its samples end in `_info`.
    Info,
}

impl Kind {
    /// The end of the names of its samples.
    fn suffix(self) -> &'static str {
        match self {
            Kind::Counter => "_total",
            Kind::Gauge => "",
            Kind::Info => "_info",
        }
    }
}

/// A family of metrics.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name without the suffix of the type.
    pub name: &'static str,
    pub kind: Kind,
    /// The unit, which the name ends with; empty for a count.
    pub unit: &'static str,
    pub help: &'static str,
}

impl Family {
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Family::new(name, Kind::Counter, "", help)
    }

    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Family::new(name, Kind::Gauge, "", help)
    }

    pub const fn info(name: &'static str, help: &'static str) -> Self {
        Family::new(name, Kind::Info, "", help)
    }

    /// The same family, measured in `unit`.
    pub const fn in_unit(self, unit: &'static str) -> Self {
        Family::new(self.name, self.kind, unit, self.help)
    }

    const fn new(name: &'static str, kind: Kind, unit: &'static str, help: &'static str) -> Self {
        Family {
            name,
            kind,
            unit,
            help,
        }
    }

    /// The name of its samples.
    pub fn sample(&self) -> String {
        format!("{}{}", self.name, self.kind.suffix())
    }
}

/// A text that grows by families, all samples of one together.
pub struct Exposition {
    format: Format,
    text: String,
}

impl Exposition {
    pub fn new(format: Format) -> Self {
        Exposition {
            format,
            text: String::new(),
        }
    }

    /// Adds a family with the samples that `fill` adds; nothing if it adds none.
    pub fn family(&mut self, family: &Family, fill: impl FnOnce(&mut Samples<'_>)) {
        let before = self.text.len();
        self.describe(family);
        let described = self.text.len();
        let name = family.sample();
        let braced = format!("{name}{{");
        fill(&mut Samples {
            name: &name,
            braced: &braced,
            text: &mut self.text,
        });
        if self.text.len() == described {
            self.text.truncate(before);
        }
    }

    /// Adds the lines before the samples.
    fn describe(&mut self, family: &Family) {
        let sample = family.sample();
        let (name, kind, quoted) = match self.format {
            Format::OpenMetrics => match family.kind {
                Kind::Counter => (family.name, "counter", true),
                Kind::Gauge => (family.name, "gauge", true),
                Kind::Info => (family.name, "info", true),
            },
            Format::Prometheus => match family.kind {
                Kind::Counter => (sample.as_str(), "counter", false),
                Kind::Gauge | Kind::Info => (sample.as_str(), "gauge", false),
            },
        };
        let mut line = String::new();
        push_escaped(&mut line, family.help, quoted);
        let text = &mut self.text;
        text.extend([
            "# HELP ",
            name,
            " ",
            &line,
            "\n# TYPE ",
            name,
            " ",
            kind,
            "\n",
        ]);
        if self.format == Format::OpenMetrics && !family.unit.is_empty() {
            text.extend(["# UNIT ", name, " ", family.unit, "\n"]);
        }
    }

    /// Ends the text.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// The samples of a family.
pub struct Samples<'a> {
    name: &'a str,
    /// The name and the brace before labels.
    braced: &'a str,
    text: &'a mut String,
}

impl Samples<'_> {
    /// Adds a sample; `labels` is empty or what [`Labels`] made.
    pub fn add(&mut self, labels: &str, value: u64) {
        self.name_and_labels(labels);
        let mut digits = itoa::Buffer::new();
        self.text.push_str(digits.format(value));
        self.text.push('\n');
    }

    /// Adds a sample in seconds.
    pub fn add_seconds(&mut self, labels: &str, value: std::time::Duration) {
        self.name_and_labels(labels);
        // A String takes whatever is written to it.
        let _ = writeln!(self.text, "{:.6}", value.as_secs_f64());
    }

    fn name_and_labels(&mut self, labels: &str) {
        if labels.is_empty() {
            self.text.push_str(self.name);
            self.text.push(' ');
        } else {
            self.text.push_str(self.braced);
            self.text.push_str(labels);
            self.text.push_str("} ");
        }
    }
}

/// Labels in the order in which they are added: `name="value",other="value"`.
#[derive(Clone, Debug, Default)]
pub struct Labels(String);

impl Labels {
    /// Adds a label.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.begin(name);
        push_escaped(&mut self.0, value, true);
        self.0.push('"');
        self
    }

    /// Adds a label whose value needs no escapes: a number or an address.
    pub fn with_plain(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.begin(name);
        // A String takes whatever is written to it.
        let _ = write!(self.0, "{value}\"");
        self
    }

    fn begin(&mut self, name: &str) {
        let comma = if self.0.is_empty() { "" } else { "," };
        self.0.extend([comma, name, "=\""]);
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Appends text with its backslashes and line feeds escaped, its double quotes too if `quoted`.
fn push_escaped(out: &mut String, text: &str, quoted: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quoted => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const BYTES: Family = Family::counter("x_bytes", "Say \"a\\b\"\nand c.").in_unit("bytes");

    fn sample(format: Format) -> String {
        let mut text = Exposition::new(format);
        text.family(&BYTES, |samples| {
            samples.add("", u64::MAX);
            let labels = Labels::default().with("a", "q\"b\\n\n").with_plain("b", 7);
            samples.add(labels.as_str(), 0);
        });
        text.family(&Family::gauge("x_none", "Nothing."), |_| {});
        text.family(&Family::info("x", "Words."), |samples| {
            samples.add("v=\"1\"", 1)
        });
        text.family(&Family::gauge("x_seconds", "Time."), |samples| {
            samples.add_seconds("", Duration::from_micros(1_500_001));
        });
        text.finish()
    }

    #[test]
    fn prometheus() {
        assert_eq!(
            sample(Format::Prometheus),
            r##"# HELP x_bytes_total Say "a\\b"\nand c.
# TYPE x_bytes_total counter
x_bytes_total 18446744073709551615
x_bytes_total{a="q\"b\\n\n",b="7"} 0
# HELP x_info Words.
# TYPE x_info gauge
x_info{v="1"} 1
# HELP x_seconds Time.
# TYPE x_seconds gauge
x_seconds 1.500001
"##
        );
    }

    #[test]
    fn openmetrics() {
        assert_eq!(
            sample(Format::OpenMetrics),
            r##"# HELP x_bytes Say \"a\\b\"\nand c.
# TYPE x_bytes counter
# UNIT x_bytes bytes
x_bytes_total 18446744073709551615
x_bytes_total{a="q\"b\\n\n",b="7"} 0
# HELP x Words.
# TYPE x info
x_info{v="1"} 1
# HELP x_seconds Time.
# TYPE x_seconds gauge
x_seconds 1.500001
# EOF
"##
        );
    }
}
