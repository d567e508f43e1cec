// SPDX-License-Identifier: GPL-2.0

//! Files in both forms, and what is shown of a difference.

use ipvs_netlink::ripvs::{Listed, Wanted};
use ipvs_netlink::{Error as NetlinkError, KernelError};

use super::*;
use crate::model::Group;
use crate::names::tests::Fixed;
use crate::view::groups;

const RULES: &str = "\
# A comment
ipvsadm -A -t 192.0.2.1:80 -s wrr -p 300 -M 255.255.255.0
-a -t 192.0.2.1:80 -r 198.51.100.1:8080 -m -w 2 -x 10 -y 5
-a -t 192.0.2.1:80 -r 198.51.100.2 -i --tun-type gue --tun-port 6080 --tun-remcsum

-A -f 7 -6 -s sh -b sh-port,sh-fallback
-a -f 7 -6 -r [2001:db8::5]:443 -g
-A -u [2001:db8::1]:53 -p -M 64 --pe sip -o --timeout-udp 30 --conntrack 0 --fast-path 2 \
--expire-nodest 1 --expire-quiescent 0 --timeout-tcp 7 --timeout-tcp-fin 8
";

const DOCUMENT: &str = r#"{
  "$schema": "ripvsadm.schema.json",
  "services": [
    {
      "protocol": "tcp", "address": "192.0.2.1", "port": 80, "scheduler": "wrr",
      "persistence": {"timeout_seconds": 300, "netmask": "255.255.255.0"},
      "destinations": [
        {
          "address": "198.51.100.1", "port": 8080, "forward": "masquerade", "weight": 2,
          "upper_threshold": 10, "lower_threshold": 5
        },
        {
          "address": "198.51.100.2", "forward": "tunnel",
          "tunnel": {"type": "gue", "port": 6080, "remote_checksum": true}
        }
      ]
    },
    {
      "fwmark": 7, "family": "ipv6", "scheduler": "sh",
      "scheduler_flags": ["sh-port", "sh-fallback"],
      "destinations": [{"address": "2001:db8::5", "port": 443}]
    },
    {
      "protocol": "udp", "address": "2001:db8::1", "port": 53, "persistence": {"netmask": 64},
      "persistence_engine": "sip", "one_packet": true, "timeout_udp_seconds": 30,
      "conntrack": false, "fast_path": 2, "expire_nodest": true, "expire_quiescent": false,
      "timeout_tcp_seconds": 7, "timeout_tcp_fin_seconds": 8
    }
  ]
}"#;

fn parsed(text: &str) -> Configuration {
    file::parse("web.rules", text.as_bytes(), &Fixed).unwrap()
}

fn wrong(text: &str) -> String {
    let error = file::parse("web.rules", text.as_bytes(), &Fixed).unwrap_err();
    assert!(matches!(error, Error::Argument(_)), "{error:?}");
    error.to_string()
}

/// The table that a kernel has that was given these.
fn table(wanted: &Wanted) -> Snapshot {
    let groups = wanted.services.iter().map(|one| Listed {
        service: ipvs_netlink::ServiceEntry {
            service: one.service.clone(),
            stats: ipvs_netlink::Stats::default(),
        },
        destinations: one
            .destinations
            .iter()
            .map(|server| ipvs_netlink::DestinationEntry {
                destination: server.clone(),
                active_connections: 0,
                inactive_connections: 0,
                persistent_connections: 0,
                drain: None,
                stats: ipvs_netlink::Stats::default(),
            })
            .collect(),
    });
    Snapshot {
        generation: 1,
        services: groups.collect(),
    }
}

fn as_groups(snapshot: &Snapshot) -> Vec<Group> {
    let services = snapshot.services.iter().cloned();
    services
        .map(|one| Group {
            service: one.service,
            servers: one.destinations,
        })
        .collect()
}

#[test]
fn both_forms_say_the_same() {
    let (rules, document) = (parsed(RULES), parsed(DOCUMENT));
    assert_eq!(rules.wanted, document.wanted);
    assert_eq!(rules.wanted.services.len(), 3);
    let rules = parsed("-A -t 192.0.2.1:80");
    let document = parsed(r#" {"services":[{"protocol":"tcp","address":"192.0.2.1","port":80}]}"#);
    assert_eq!(rules.wanted, document.wanted);
    assert_eq!(parsed("").wanted, parsed(r#"{"services":[]}"#).wanted);
}

#[test]
fn what_is_exported_makes_no_difference() {
    let tables = [
        table(&parsed(RULES).wanted),
        Snapshot {
            generation: 1,
            services: groups()
                .into_iter()
                .map(|group| Listed {
                    service: group.service,
                    destinations: group.servers,
                })
                .collect(),
        },
    ];
    for now in tables {
        let groups = as_groups(&now);
        let texts = [save::save(&groups, &Numeric), json::export(&groups)];
        for text in texts {
            assert_eq!(diff(&now, &parsed(&text).wanted), [], "{text}");
        }
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, error) in [
        (
            "-A -t 192.0.2.1:80\n-L\n",
            "web.rules: line 2: only -A, -a, drain and undrain say what is to be",
        ),
        (
            "-E -t 192.0.2.1:80\n",
            "web.rules: line 1: only -A, -a, drain and undrain say what is to be",
        ),
        (
            "\n\n-A -t 192.0.2.1:80 -q",
            "web.rules: line 3: unknown option -q; see ripvsadm -h",
        ),
        (
            "-a -t 192.0.2.1:80 -r 10.0.0.1",
            "web.rules: line 1: no -A of the service TCP 192.0.2.1:80 is above",
        ),
        (
            "-A -t 192.0.2.1:80\n#\n-A -t 192.0.2.1:80",
            "web.rules: line 3: the service TCP 192.0.2.1:80 is in line 1 already",
        ),
        (
            "-A -t 192.0.2.1:80\n-a -t 192.0.2.1:80 -r 10.0.0.1\n\
             -a -t 192.0.2.1:80 -r 10.0.0.1:80",
            "web.rules: line 3: the real server 10.0.0.1:80 is in line 2 already",
        ),
        (
            r#"{"services":[{"protocol":"tcp","address":"192.0.2.1"}]}"#,
            "web.rules: services[0]: a service without a port stands for all ports and must be \
             persistent: give it a port, or -p",
        ),
        (
            r#"{"services":[{"fwmark":1,"destinations":[{"address":"10.0.0.1","weight":-1}]}]}"#,
            "web.rules: invalid value: integer `-1`, expected u32 at line 1 column 74",
        ),
        (
            r#"{"services":[{"fwmark":1,"destinations":[{"address":"2001:db8::1"}]}]}"#,
            "web.rules: services[0].destinations[0]: service and real server 2001:db8::1 are not \
             of the same address family: only a tunnel (-i) can do that",
        ),
    ] {
        assert_eq!(wrong(text), error);
    }
    for text in [
        "{",
        r#"{"services":[{}]}"#,
        r#"{"services":[{"fwmark":0}]}"#,
        r#"{"services":[{"protocol":"tcp","address":"192.0.2.1","port":80,"fwmark":1}]}"#,
        r#"{"services":[{"protocol":"tcp","address":"192.0.2.1","port":80,"family":"ipv6"}]}"#,
        r#"{"services":[],"more":1}"#,
        r#"{"services":[{"fwmark":1,"scheduler_flags":["x"]}]}"#,
    ] {
        wrong(text);
    }
}

#[test]
fn a_difference_is_shown_in_lines() {
    let now = table(&parsed(RULES).wanted);
    let wanted = parsed(
        "-A -t 192.0.2.1:80 -s wrr\n\
         -a -t 192.0.2.1:80 -r 198.51.100.1:8080 -m -w 3 -x 10 -y 5\n\
         -a -t 192.0.2.1:80 -r 198.51.100.9:8080 -m\n\
         -A -f 7 -6 -s sh -b sh-port,sh-fallback\n\
         -a -f 7 -6 -r [2001:db8::5]:443 -g\n\
         -A -f 9\n",
    );
    let changes = diff(&now, &wanted.wanted);
    assert_eq!(
        show::changes(&now, &changes),
        "\
+ -t 192.0.2.1:80 -r 198.51.100.9:8080 -m -w 1
+ -f 9 -s wlc
~ -t 192.0.2.1:80 -s wrr (was -s wrr -p 300 -M 255.255.255.0)
~ -t 192.0.2.1:80 -r 198.51.100.1:8080 -m -w 3 -x 10 -y 5 (was -m -w 2 -x 10 -y 5)
- -t 192.0.2.1:80 -r 198.51.100.2:80
- -u [2001:db8::1]:53
"
    );
    assert_eq!(show::changes(&now, &[]), "");
}

#[test]
fn a_refusal_names_the_line() {
    let kernel = |errno, words: &str| {
        NetlinkError::Kernel(KernelError {
            command: None,
            errno,
            message: Some(words.to_owned()).filter(|words| !words.is_empty()),
            offset: None,
        })
    };
    let wanted = parsed(RULES);
    let changes = diff(&Snapshot::default(), &wanted.wanted);
    let refused = |place, error| refusal(&Refused { place, error }, &changes, &wanted).to_string();
    assert_eq!(
        refused(Some(2), kernel(libc::EINVAL, "no such thing")),
        "web.rules: line 4: cannot add the real server 198.51.100.2:80 of TCP 192.0.2.1:80: \
         no such thing; nothing was changed"
    );
    assert_eq!(
        refused(Some(5), kernel(libc::ENOENT, "")),
        "web.rules: line 8: cannot add the service UDP [2001:db8::1]:53: No such file or \
         directory; nothing was changed"
    );
    assert_eq!(
        refused(None, kernel(libc::ENOMEM, "out of memory")),
        "web.rules: out of memory; nothing was changed"
    );
    // What is deleted has no line.
    let now = table(&wanted.wanted);
    let wanted = parsed(r#"{"services":[{"fwmark":1,"destinations":[{"address":"10.0.0.1"}]}]}"#);
    let changes = diff(&now, &wanted.wanted);
    let places: Vec<String> = changes.iter().map(|change| wanted.place(change)).collect();
    assert_eq!(
        places,
        [
            "web.rules: services[0]",
            "web.rules: services[0].destinations[0]",
            "web.rules",
            "web.rules",
            "web.rules"
        ]
    );
}

/// A kernel with an empty table, which others change before each of the first changes arrives.
struct Busy {
    stale: usize,
    generation: u64,
    /// The generations that were expected.
    expected: Vec<u64>,
    answers: std::collections::VecDeque<Vec<u8>>,
}

impl Busy {
    fn answer(&mut self, kind: u16, request: &[u8], payload: &[u8]) {
        let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0, 0]);
        bytes.extend(&request[8..12]);
        bytes.extend([0; 4]);
        bytes.extend(payload);
        self.answers.push_back(bytes);
    }
}

impl Transport for &mut Busy {
    fn send(&mut self, request: &[u8]) -> std::io::Result<()> {
        let done = |errno: i32| [&(-errno).to_ne_bytes()[..], &[0; 16]].concat();
        let generation = [
            &[1, 1, 0, 0, 12, 0, 1, 0],
            &self.generation.to_ne_bytes()[..],
        ]
        .concat();
        match (request[4], request[16]) {
            (16, _) => {
                self.answer(16, request, &[1, 2, 0, 0, 6, 0, 1, 0, 0x1d, 0, 0, 0]);
                self.answer(2, request, &done(0));
            }
            (_, 2) => self.answer(3, request, &[0; 4]),
            (_, 3) if self.expected.len() < self.stale => {
                let expected = request[24..32].try_into().unwrap();
                self.expected.push(u64::from_ne_bytes(expected));
                self.generation += 1;
                self.answer(2, request, &done(libc::ESTALE));
            }
            _ => {
                self.answer(0x1d, request, &generation);
                self.answer(2, request, &done(0));
            }
        }
        Ok(())
    }

    fn receive(&mut self, datagram: &mut Vec<u8>) -> std::io::Result<()> {
        *datagram = self.answers.pop_front().unwrap();
        Ok(())
    }
}

#[test]
fn the_difference_is_computed_anew_if_others_change_the_table() {
    let wanted = parsed(RULES);
    for (stale, is_done) in [(0, true), (3, true), (20, false)] {
        let mut kernel = Busy {
            stale,
            generation: 7,
            expected: Vec::new(),
            answers: Default::default(),
        };
        let mut client = Client::with_transport(&mut kernel).unwrap();
        let done = apply(&mut client, &wanted);
        assert_eq!(done.is_ok(), is_done);
        if let Err(error) = done {
            let text = "somebody else kept changing the table; nothing was changed";
            assert_eq!(error.to_string(), text);
        }
        let generations: Vec<u64> = (7..).take(stale).collect();
        assert_eq!(kernel.expected, generations);
    }
}

#[test]
fn drains_of_both_forms() {
    let lines = parsed(
        "-A -t 192.0.2.1:80 -s rr\n\
         -a -t 192.0.2.1:80 -r 198.51.100.1:80 -m\n\
         drain -t 192.0.2.1:80 -r 198.51.100.1:80 --no-templates --deadline 9 --reset\n\
         -a -t 192.0.2.1:80 -r 198.51.100.2:80 -m\n\
         drain -t 192.0.2.1:80 -r 198.51.100.2\n\
         -a -t 192.0.2.1:80 -r 198.51.100.3:80 -m\n\
         undrain -t 192.0.2.1:80 -r 198.51.100.3\n\
         -a -t 192.0.2.1:80 -r 198.51.100.4:80 -m\n",
    );
    let document = parsed(
        r#"{"services": [{"protocol": "tcp", "address": "192.0.2.1", "port": 80,
        "scheduler": "rr", "destinations": [
        {"address": "198.51.100.1", "port": 80, "forward": "masquerade",
         "drain": {"templates": false, "deadline_seconds": 9, "reset": true}},
        {"address": "198.51.100.2", "port": 80, "forward": "masquerade", "drain": true},
        {"address": "198.51.100.3", "port": 80, "forward": "masquerade", "drain": false},
        {"address": "198.51.100.4", "port": 80, "forward": "masquerade"}]}]}"#,
    );
    assert_eq!(lines.wanted, document.wanted);
    assert_eq!(lines.wanted.drains.len(), 3);
    let changes = diff(&Snapshot::default(), &lines.wanted);
    let text = show::changes(&Snapshot::default(), &changes);
    assert!(text.ends_with(
        "~ -t 192.0.2.1:80 -r 198.51.100.1:80 drain --no-templates --deadline 9 --reset\n\
         ~ -t 192.0.2.1:80 -r 198.51.100.2:80 drain\n"
    ));
    for (text, words) in [
        (
            "drain -t 192.0.2.1:80 -r 198.51.100.1",
            "no -a of the real server",
        ),
        (
            "-A -t 192.0.2.1:80\n-a -t 192.0.2.1:80 -r 198.51.100.1\n\
             drain -t 192.0.2.1:80 -r 198.51.100.1\nundrain -t 192.0.2.1:80 -r 198.51.100.1",
            "line 4: a drain of the real server",
        ),
        (
            "-A -t 192.0.2.1:80\n-a -t 192.0.2.1:80 -r 198.51.100.1\n\
             drain -t 192.0.2.1:80 -r 198.51.100.1 --reset",
            "line 3: drain: --reset needs --deadline",
        ),
    ] {
        let error = wrong(text);
        assert!(error.contains(words), "{error}");
    }
}
