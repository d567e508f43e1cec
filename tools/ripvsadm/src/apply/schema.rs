// SPDX-License-Identifier: GPL-2.0

//! The JSON Schema of the document, from tables of its fields. `ripvsadm.schema.json` is equal to
//! it.

use serde_json::{json, Map, Value};

use crate::cli::options::SCHEDULER_DEFAULT;
use crate::cli::value::TIMEOUT_MAX;
use crate::view::document;

/// A field: its name, its text, its schema.
type Field = (&'static str, &'static str, Value);

/// The schema as text.
pub fn schema() -> String {
    let mut schema = object(&root(), &["services"]);
    if let Value::Object(map) = &mut schema {
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        map.insert("$schema".to_owned(), json!(dialect));
        map.insert("title".to_owned(), json!("Services of ripvsadm apply"));
        let definitions = json!({
            "service": service(),
            "persistence": object(&persistence(), &[]),
            "destination": object(&destination(), &["address"]),
            "tunnel": object(&tunnel(), &["type"]),
            "drain": object(&drain(), &[]),
        });
        map.insert("$defs".to_owned(), definitions);
    }
    document(&schema)
}

/// The schema of an object.
fn object(fields: &[Field], required: &[&str]) -> Value {
    let mut properties = Map::new();
    for (name, text, schema) in fields {
        let mut schema = schema.clone();
        if let Value::Object(map) = &mut schema {
            map.insert("description".to_owned(), json!(text));
        }
        properties.insert((*name).to_owned(), schema);
    }
    let mut map = Map::new();
    map.insert("type".to_owned(), json!("object"));
    map.insert("additionalProperties".to_owned(), json!(false));
    map.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        map.insert("required".to_owned(), json!(required));
    }
    Value::Object(map)
}

/// A service is named by an address or by a mark.
fn service() -> Value {
    let mut schema = object(&service_fields(), &[]);
    if let Value::Object(map) = &mut schema {
        let either = json!([{"required": ["protocol", "address"]}, {"required": ["fwmark"]}]);
        map.insert("oneOf".to_owned(), either);
    }
    schema
}

fn number(min: u64, max: u64) -> Value {
    json!({"type": "integer", "minimum": min, "maximum": max})
}

fn with(mut schema: Value, name: &str, value: Value) -> Value {
    if let Value::Object(map) = &mut schema {
        map.insert(name.to_owned(), value);
    }
    schema
}

fn default(schema: Value, value: Value) -> Value {
    with(schema, "default", value)
}

fn address() -> Value {
    json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})
}

fn list(of: &str) -> Value {
    json!({"type": "array", "items": {"$ref": format!("#/$defs/{of}")}})
}

fn optional(of: &str) -> Value {
    json!({"oneOf": [{"$ref": format!("#/$defs/{of}")}, {"type": "null"}]})
}

fn root() -> Vec<Field> {
    vec![
        (
            "$schema",
            "The address of this schema.",
            json!({"type": "string"}),
        ),
        ("services", "All services.", list("service")),
    ]
}

fn service_fields() -> Vec<Field> {
    let text = || json!({"type": "string"});
    vec![
        (
            "protocol",
            "Transport protocol.",
            json!({"enum": ["tcp", "udp", "sctp"]}),
        ),
        ("address", "Virtual address.", address()),
        (
            "port",
            "Port; 0 is every port, and needs persistence.",
            number(0, 65535),
        ),
        (
            "fwmark",
            "Firewall mark of the packets that are meant.",
            number(1, u32::MAX.into()),
        ),
        (
            "family",
            "Address family of a firewall mark.",
            json!({"enum": ["ipv4", "ipv6"], "default": "ipv4"}),
        ),
        (
            "scheduler",
            "Scheduler.",
            default(text(), json!(SCHEDULER_DEFAULT)),
        ),
        (
            "scheduler_flags",
            "Flags of the scheduler, as -b has them.",
            json!({"type": "array", "items": {"type": "string"}}),
        ),
        (
            "one_packet",
            "Each packet is scheduled anew (UDP, firewall marks).",
            json!({"type": "boolean", "default": false}),
        ),
        (
            "persistence",
            "Clients stay with a server.",
            optional("persistence"),
        ),
        (
            "persistence_engine",
            "Persistence engine.",
            json!({"type": ["string", "null"]}),
        ),
        (
            "timeout_tcp_seconds",
            "Timeout of idle TCP connections, if not that of the namespace.",
            own_timeout(),
        ),
        (
            "timeout_tcp_fin_seconds",
            "Timeout of TCP connections after a FIN, if not that of the namespace.",
            own_timeout(),
        ),
        (
            "timeout_udp_seconds",
            "Timeout of UDP connections, if not that of the namespace.",
            own_timeout(),
        ),
        (
            "conntrack",
            "New connections use conntrack; in place of net.ipv4.vs.conntrack.",
            own_switch(),
        ),
        (
            "expire_nodest",
            "Connections end without their server; in place of expire_nodest_conn.",
            own_switch(),
        ),
        (
            "expire_quiescent",
            "Clients leave a server of weight 0; in place of expire_quiescent_template.",
            own_switch(),
        ),
        (
            "fast_path",
            "The fast path takes packets; in place of net.ipv4.vs.fast_path.",
            json!({"type": ["integer", "null"], "minimum": 0, "maximum": 2}),
        ),
        ("destinations", "Real servers.", list("destination")),
    ]
}

fn own_timeout() -> Value {
    json!({"type": ["integer", "null"], "minimum": 1, "maximum": TIMEOUT_MAX})
}

fn own_switch() -> Value {
    json!({"type": ["boolean", "null"]})
}

fn persistence() -> Vec<Field> {
    let mask = json!({"type": "string", "format": "ipv4"});
    let seconds = number(1, TIMEOUT_MAX.unsigned_abs());
    vec![
        (
            "timeout_seconds",
            "Time that a client stays.",
            default(seconds, json!(360)),
        ),
        (
            "netmask",
            "Which clients are taken for one: a mask for IPv4, a prefix length for IPv6.",
            json!({"anyOf": [mask, number(1, 128), {"type": "null"}]}),
        ),
    ]
}

fn destination() -> Vec<Field> {
    let int = || number(0, i32::MAX.unsigned_abs().into());
    vec![
        ("address", "Address of the server.", address()),
        (
            "port",
            "Port of the server, that of the service if absent. Only masquerade has another.",
            number(0, 65535),
        ),
        (
            "forward",
            "How packets reach the server.",
            json!({"enum": ["masquerade", "tunnel", "direct-route"], "default": "direct-route"}),
        ),
        (
            "tunnel",
            "Encapsulation of a tunnel; ipip if absent.",
            optional("tunnel"),
        ),
        (
            "weight",
            "Share of new connections; 0 is none.",
            default(int(), json!(1)),
        ),
        (
            "upper_threshold",
            "Connections from which on it gets no new ones; 0 is no limit.",
            default(int(), json!(0)),
        ),
        (
            "lower_threshold",
            "Connections below which it gets new ones again; 0 is three quarters of the upper.",
            default(int(), json!(0)),
        ),
        (
            "drain",
            "Whether and how the server is drained; absent, that stays as it is.",
            json!({"oneOf": [{"type": ["boolean", "null"]}, {"$ref": "#/$defs/drain"}]}),
        ),
    ]
}

fn drain() -> Vec<Field> {
    vec![
        (
            "templates",
            "Clients bound to the server come to it until no connection is active.",
            json!({"type": "boolean", "default": true}),
        ),
        (
            "deadline_seconds",
            "Time after which connections are ended; never if absent.",
            json!({"type": ["integer", "null"], "minimum": 1, "maximum": u32::MAX}),
        ),
        (
            "reset",
            "Both ends of TCP connections are told by RST at the deadline.",
            json!({"type": "boolean", "default": false}),
        ),
    ]
}

fn tunnel() -> Vec<Field> {
    let flag = || json!({"type": "boolean", "default": false});
    vec![
        (
            "type",
            "Kind of tunnel.",
            json!({"enum": ["ipip", "gue", "gre"]}),
        ),
        (
            "port",
            "UDP port of gue, which needs one.",
            number(1, 65535),
        ),
        ("checksum", "Outer checksums (gue, gre).", flag()),
        ("remote_checksum", "Remote checksum offload (gue).", flag()),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::fields;
    use super::*;

    #[test]
    fn the_schema_has_the_fields_that_are_read() {
        for (object, table) in [
            ("document", root()),
            ("service", service_fields()),
            ("persistence", persistence()),
            ("destination", destination()),
            ("tunnel", tunnel()),
            ("drain", drain()),
        ] {
            let mut names: Vec<&str> = table.iter().map(|(name, ..)| *name).collect();
            names.sort_unstable();
            assert_eq!(names, fields(object), "{object}");
        }
    }
}
