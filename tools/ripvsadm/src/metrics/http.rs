// SPDX-License-Identifier: GPL-2.0

//! Requests and answers of HTTP, as far as a scrape needs them.

use httparse::{Request as Parsed, Status, EMPTY_HEADER};

use super::exposition::Format;

/// The greatest length of a request's head.
pub const HEAD_MAX: usize = 8192;
/// The greatest number of header fields.
const FIELDS_MAX: usize = 64;

/// A request for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub format: Format,
    /// HEAD: the answer's head only.
    pub head_only: bool,
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    BadRequest,
    NotFound,
    MethodNotAllowed,
    Timeout,
    TooLarge,
}

impl Refusal {
    fn status(self) -> &'static str {
        match self {
            Refusal::BadRequest => "400 Bad Request",
            Refusal::NotFound => "404 Not Found",
            Refusal::MethodNotAllowed => "405 Method Not Allowed",
            Refusal::Timeout => "408 Request Timeout",
            Refusal::TooLarge => "431 Request Header Fields Too Large",
        }
    }
}

/// Reads a request out of the bytes that have come so far; `None` if its head is not whole.
///
/// # Errors
/// The refusal that it is to be answered with.
pub fn read(bytes: &[u8]) -> Result<Option<Request>, Refusal> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = Parsed::new(&mut fields);
    match parsed.parse(bytes) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) if bytes.len() < HEAD_MAX => return Ok(None),
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal::TooLarge)
        }
        Err(_) => return Err(Refusal::BadRequest),
    }
    let path = parsed.path.unwrap_or_default();
    // A query is nobody's, but some clients add one.
    if path.split('?').next() != Some("/metrics") {
        return Err(Refusal::NotFound);
    }
    let head_only = match parsed.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err(Refusal::MethodNotAllowed),
    };
    let accepts = parsed
        .headers
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("accept"))
        .filter_map(|field| std::str::from_utf8(field.value).ok());
    Ok(Some(Request {
        format: choose(accepts),
        head_only,
    }))
}

/// Chooses the format that fields `Accept` prefer; Prometheus' own if they have no preference.
fn choose<'a>(accepts: impl Iterator<Item = &'a str>) -> Format {
    let (mut best, mut weight) = (Format::Prometheus, 0);
    for range in accepts.flat_map(|value| value.split(',')) {
        let mut parameters = range.split(';').map(str::trim);
        let format = match parameters.next().map(str::to_ascii_lowercase).as_deref() {
            Some("application/openmetrics-text") => Format::OpenMetrics,
            Some("text/plain" | "text/*" | "*/*") => Format::Prometheus,
            _ => continue,
        };
        let mut quality = 1000;
        for parameter in parameters {
            match parameter.split_once('=') {
                Some(("q", value)) => quality = thousandths(value),
                // A version of OpenMetrics that this is not.
                Some(("version", version))
                    if format == Format::OpenMetrics
                        && !matches!(version.trim_matches('"'), "1.0.0" | "0.0.1") =>
                {
                    quality = 0;
                }
                _ => {}
            }
        }
        if quality > weight {
            (best, weight) = (format, quality);
        }
    }
    best
}

/// Reads a weight of 0 to 1 with up to three decimals; 0 for what is none.
fn thousandths(text: &str) -> u32 {
    let value: f32 = text.trim().parse().unwrap_or(0.0);
    // Saturates, and takes no number for 0.
    (value.clamp(0.0, 1.0) * 1000.0).round() as u32
}

/// The head of an answer with metrics.
pub fn head(format: Format, length: usize) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {length}\r\nVary: Accept\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        format.media_type()
    )
}

/// The answer that refuses a request.
pub fn refuse(refusal: Refusal) -> String {
    let status = refusal.status();
    let allow = match refusal {
        Refusal::MethodNotAllowed => "Allow: GET, HEAD\r\n",
        _ => "",
    };
    let body = match refusal {
        Refusal::NotFound => "404 Not Found: metrics are at /metrics\n".to_owned(),
        _ => format!("{status}\n"),
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         {allow}Connection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(accept: &str) -> Format {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{accept}\r\n");
        read(request.as_bytes()).unwrap().unwrap().format
    }

    #[test]
    fn whole_and_partial_requests() {
        let request = b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n";
        for length in 0..request.len() {
            assert_eq!(read(&request[..length]), Ok(None), "{length}");
        }
        let whole = Request {
            format: Format::Prometheus,
            head_only: false,
        };
        assert_eq!(read(request), Ok(Some(whole)));
        let head = read(b"HEAD /metrics HTTP/1.0\r\n\r\n").unwrap().unwrap();
        assert!(head.head_only);
    }

    #[test]
    fn formats() {
        use Format::{OpenMetrics, Prometheus};
        for (accept, format) in [
            ("", Prometheus),
            ("Accept: */*\r\n", Prometheus),
            ("Accept: application/json\r\n", Prometheus),
            ("Accept: application/openmetrics-text\r\n", OpenMetrics),
            (
                "accept: Application/OpenMetrics-Text; version=1.0.0\r\n",
                OpenMetrics,
            ),
            (
                "Accept: application/openmetrics-text;version=2.0.0\r\n",
                Prometheus,
            ),
            ("Accept: application/openmetrics-text;q=0\r\n", Prometheus),
            (
                "Accept: application/openmetrics-text;q=0.5,text/plain\r\n",
                Prometheus,
            ),
            (
                "Accept: text/plain;q=0.3\r\nAccept: application/openmetrics-text;q=0.4\r\n",
                OpenMetrics,
            ),
            (
                "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                 application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,\
                 */*;q=0.1\r\n",
                OpenMetrics,
            ),
            (
                "Accept: application/openmetrics-text;q=nan,text/plain;q=-1\r\n",
                Prometheus,
            ),
            ("Accept: ;,;q=,=;\r\n", Prometheus),
            ("Accept: \u{fc}\r\n", Prometheus),
        ] {
            assert_eq!(get(accept), format, "{accept}");
        }
    }

    #[test]
    fn refusals() {
        let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
        let long = format!("GET /metrics HTTP/1.1\r\na: {}", "b".repeat(HEAD_MAX));
        for (request, refusal) in [
            ("GET / HTTP/1.1\r\n\r\n", Refusal::NotFound),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", Refusal::NotFound),
            (
                "GET http://localhost/metrics HTTP/1.1\r\n\r\n",
                Refusal::NotFound,
            ),
            ("POST /metrics HTTP/1.1\r\n\r\n", Refusal::MethodNotAllowed),
            ("get /metrics HTTP/1.1\r\n\r\n", Refusal::MethodNotAllowed),
            ("GET /metrics HTTP/2.0\r\n\r\n", Refusal::BadRequest),
            ("\x16\x03\x01\x02\0\x01", Refusal::BadRequest),
            (
                "GET /metrics HTTP/1.1\r\na\0: b\r\n\r\n",
                Refusal::BadRequest,
            ),
            (&many, Refusal::TooLarge),
            (&long, Refusal::TooLarge),
        ] {
            assert_eq!(read(request.as_bytes()), Err(refusal), "{request}");
            let answer = refuse(refusal);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 4"), "{head}");
            let length = format!("Content-Length: {}\r\n", body.len());
            assert!(head.contains(&length), "{head}");
        }
        assert!(refuse(Refusal::MethodNotAllowed).contains("\r\nAllow: GET, HEAD\r\n"));
    }
}
