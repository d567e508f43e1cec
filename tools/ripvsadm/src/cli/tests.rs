// SPDX-License-Identifier: GPL-2.0

//! The grammar as a whole: lines and what they mean, lines and what is wrong with them.

use ipvs_netlink::{
    ripvs, AddressFamily, Change, DaemonState, Destination, DestinationId, ForwardMethod, Netmask,
    OwnDefaults, OwnEdit, OwnOptions, Protocol, Service, ServiceFlags, ServiceId, Timeouts,
    TunnelFlags, TunnelType,
};

use crate::cli::parse;
use crate::error::Error;
use crate::model::{Action, Columns, Listing, Subject};
use crate::names::tests::Fixed;

fn read(line: &str) -> Result<Action, Error> {
    let words: Vec<_> = line.split_whitespace().map(Into::into).collect();
    parse(&words, &Fixed)
}

fn action(line: &str) -> Action {
    read(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn change(line: &str) -> Change {
    match action(line) {
        Action::Change(change) => change,
        other => panic!("{line}: {other:?}"),
    }
}

fn web() -> ServiceId {
    ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80)
}

fn service(line: &str) -> Service {
    match action(line) {
        Action::Change(Change::AddService(service)) => service,
        other => panic!("{line}: {other:?}"),
    }
}

fn server(line: &str) -> Destination {
    match action(line) {
        Action::Change(Change::AddDestination(_, server)) => server,
        other => panic!("{line}: {other:?}"),
    }
}

fn listing(line: &str) -> Listing {
    match action(line) {
        Action::List(listing) => listing,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_service_is_a_service_however_it_is_spelt() {
    for line in [
        "-A -t 192.0.2.1:80 -s rr",
        "-At 192.0.2.1:80 -s rr",
        "-A -t192.0.2.1:80 -srr",
        "-A -t=192.0.2.1:80 -s=rr",
        "-A -s rr -t web.example.org:http",
        "--add-service --tcp-service 192.0.2.1:80 --scheduler rr",
        "--add-service --tcp-service=192.0.2.1:80 --scheduler=rr",
        "-A -t 192.0.2.1:80 -s rr --sort --sort --",
    ] {
        assert_eq!(service(line), Service::new(web(), "rr"), "{line}");
    }
    assert_eq!(service("-A -t 192.0.2.1:80").scheduler, "wlc");
}

#[test]
fn persistence() {
    for (line, seconds) in [
        ("-A -t 192.0.2.1:80 -p", 360),
        ("-A -p -t 192.0.2.1:80", 360),
        ("-A -t 192.0.2.1:80 -p 100", 100),
        ("-A -t 192.0.2.1:80 -p100", 100),
        ("-A -t 192.0.2.1:80 -p=100", 100),
        ("-A -t 192.0.2.1:80 --persistent=100 -s rr", 100),
        ("-A -t 192.0.2.1:80 --persistent 100 -s rr", 100),
        ("-A -t 192.0.2.1:0 -p 2678400", 2_678_400),
        ("-A -t 192.0.2.1 -p", 360),
    ] {
        let service = service(line);
        assert_eq!(service.flags, ServiceFlags::PERSISTENT, "{line}");
        assert_eq!(service.timeout, seconds, "{line}");
    }
}

#[test]
fn options_of_a_service() {
    let sip = service("-A -u [2001:db8::1]:5060 -s sh -p 60 -M 64 --pe sip -o -b sh-port");
    assert_eq!(sip.flags, ServiceFlags(0x1 | 0x4 | 0x10));
    assert_eq!(sip.netmask, Netmask::V6(64));
    assert_eq!(sip.persistence_engine.as_deref(), Some("sip"));
    // The order does not matter, though ipvsadm forgets a mask before the service.
    let early = service("-A -M 64 -b sh-port -o --pe sip -p 60 -s sh -u [2001:db8::1]:5060");
    assert_eq!(early, sip);
    let mark = service("-A -f 4294967295 -6 -M 17 -p");
    assert_eq!(mark.id, ServiceId::fwmark(AddressFamily::Inet6, u32::MAX));
    assert_eq!(mark.netmask, Netmask::V6(17));
    assert_eq!(
        service("-A -f 7").id,
        ServiceId::fwmark(AddressFamily::Inet, 7)
    );
    assert_eq!(
        service("-A -t 192.0.2.1:80 -p -M 255.255.0.0").netmask,
        Netmask::V4([255, 255, 0, 0].into())
    );
}

#[test]
fn options_in_place_of_the_namespaces() {
    let own = |line: &str| match action(line) {
        Action::Own(change) => change,
        other => panic!("{line}: {other:?}"),
    };
    let all = "--timeout-tcp 900 --timeout-tcp-fin 1 --timeout-udp 2678400 --conntrack 1 \
               --expire-nodest 0 --expire-quiescent 1 --fast-path 2";
    let set = OwnOptions {
        timeout_tcp: Some(900),
        timeout_tcp_fin: Some(1),
        timeout_udp: Some(2_678_400),
        conntrack: Some(true),
        expire_nodest: Some(false),
        expire_quiescent: Some(true),
        fast_path: Some(2),
    };
    let ripvs::Change::AddService(service) = own(&format!("-A -t 192.0.2.1:80 -s rr {all}")) else {
        panic!();
    };
    assert_eq!((service.own, service.scheduler.as_str()), (set, "rr"));
    let edit = own("-E -t 192.0.2.1:80 --timeout-tcp 5 --fast-path default");
    let ripvs::Change::EditService(service, edit) = edit else {
        panic!("{edit:?}");
    };
    assert_eq!(service.scheduler, "wlc");
    assert_eq!((edit.set.timeout_tcp, edit.set.fast_path), (Some(5), None));
    assert_eq!(edit.reset, OwnDefaults::FAST_PATH);
    // A new service has none that it could lose, and an edit without any is one of IPVS.
    assert_eq!(
        change("-A -t 192.0.2.1:80 --conntrack default"),
        change("-A -t 192.0.2.1:80")
    );
    assert!(matches!(
        change("-E -t 192.0.2.1:80"),
        Change::EditService(_)
    ));
    let reset = own(&format!(
        "-E -f 7 {}",
        all.replace(char::is_numeric, "").replace("  ", " default ") + " default"
    ));
    let ripvs::Change::EditService(_, reset) = reset else {
        panic!();
    };
    assert_eq!(reset, OwnEdit::all(OwnOptions::default()));
    for (option, value) in [
        ("--timeout-tcp", "0"),
        ("--timeout-tcp-fin", "2678401"),
        ("--timeout-udp", "x"),
        ("--conntrack", "2"),
        ("--expire-nodest", "on"),
        ("--expire-quiescent", "-1"),
        ("--fast-path", "3"),
    ] {
        let error = read(&format!("-E -t 192.0.2.1:80 {option} {value}")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(option) && text.contains("or \"default\""),
            "{text}"
        );
    }
    let text = read("-a -t 192.0.2.1:80 -r 198.51.100.1 --conntrack 1").unwrap_err();
    assert_eq!(text.to_string(), "-a does not take --conntrack");
}

#[test]
fn real_servers() {
    let plain = server("-a -t 192.0.2.1:80 -r 198.51.100.1");
    assert_eq!(plain, Destination::new("198.51.100.1".parse().unwrap(), 80));
    assert_eq!(server("-a -r 198.51.100.1 -t 192.0.2.1:80"), plain);
    // Only translation can change the port.
    assert_eq!(server("-a -t 192.0.2.1:80 -r 198.51.100.1:8080"), plain);
    let nat = server("-a -t 192.0.2.1:80 -r 198.51.100.1:8080 -m -w 0 -x 10 -y 5");
    assert_eq!(nat.id.port, 8080);
    assert_eq!(
        (nat.weight, nat.upper_threshold, nat.lower_threshold),
        (0, 10, 5)
    );
    assert_eq!(nat.forward, ForwardMethod::Masquerade);
    assert_eq!(
        server("-a -t 192.0.2.1:80 -r web.example.org:http -m")
            .id
            .port,
        80
    );
    assert_eq!(server("-a -f 7 -r 198.51.100.1:8080").id.port, 8080);
    assert_eq!(server("-a -f 7 -r 198.51.100.1").id.port, 0);
    assert_eq!(
        server("-a -f 7 -6 -r 2001:db8::5").id.address.to_string(),
        "2001:db8::5"
    );
    assert!(matches!(
        action("-e -t 192.0.2.1:80 -r 198.51.100.1"),
        Action::Change(Change::EditDestination(..))
    ));
    assert_eq!(
        change("-d -t 192.0.2.1:80 -r 198.51.100.1:8080"),
        Change::DeleteDestination(
            web(),
            DestinationId {
                address: "198.51.100.1".parse().unwrap(),
                port: 8080
            }
        )
    );
}

#[test]
fn tunnels() {
    let gue = server("-a -t 192.0.2.1:80 -r 198.51.100.1 -i --tun-type gue --tun-port 6080");
    assert_eq!(gue.forward, ForwardMethod::Tunnel);
    assert_eq!((gue.tunnel.kind, gue.tunnel.port), (TunnelType::Gue, 6080));
    let gre = server("-a -t 192.0.2.1:80 -r 198.51.100.1 -i --tun-type gre --tun-csum");
    assert_eq!(
        (gre.tunnel.kind, gre.tunnel.flags),
        (TunnelType::Gre, TunnelFlags::CHECKSUM)
    );
    let mixed = server("-a -t 192.0.2.1:80 -r [2001:db8::5]:80 -i");
    assert_eq!(mixed.tunnel.kind, TunnelType::Ipip);
}

#[test]
fn lists() {
    assert_eq!(read("").unwrap(), Action::List(Listing::default()));
    assert_eq!(listing("-L"), Listing::default());
    assert!(listing("-Ln").format.numeric);
    assert_eq!(listing("-Lnc").subject, Subject::Connections);
    assert_eq!(listing("-l --timeout").subject, Subject::Timeouts);
    assert_eq!(listing("--list --daemon").subject, Subject::Daemons);
    assert_eq!(
        listing("-L -t 192.0.2.1:80").subject,
        Subject::Table(Some(web()))
    );
    let engine = listing("-Lc --persistent-conn");
    assert!(engine.format.engine_data && engine.subject == Subject::Connections);
    for (line, columns) in [
        ("-L --stats", Columns::Stats),
        ("-L --rate --stats", Columns::Stats),
        ("-L --rate --exact", Columns::Rate),
        (
            "-L --tun-info --thresholds --persistent-conn",
            Columns::Thresholds,
        ),
        ("-L --tun-info --persistent-conn", Columns::Persistent),
        ("-L --tun-info", Columns::Tunnels),
    ] {
        assert_eq!(listing(line).format.columns, columns, "{line}");
    }
    assert!(listing("-L --exact").format.exact);
    assert!(listing("-L --sort").format.sorted);
    assert!(!listing("-L --nosort").format.sorted);
    assert!(!listing("-L").format.json);
    for line in ["-L --json", "-Lnc --json", "-L --json --timeout --json"] {
        match line.matches("--json").count() {
            1 => assert!(listing(line).format.json, "{line}"),
            _ => assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}"),
        }
    }
}

#[test]
fn the_other_commands() {
    assert!(matches!(
        action("-E -t 192.0.2.1:80"),
        Action::Change(Change::EditService(_))
    ));
    assert_eq!(change("-D -t 192.0.2.1:80"), Change::DeleteService(web()));
    assert_eq!(change("-C"), Change::Flush);
    assert_eq!(action("-R"), Action::Restore);
    assert_eq!(action("-S -n"), Action::Save { numeric: true });
    assert_eq!(change("-Z"), Change::Zero(None));
    assert_eq!(change("-Z -t 192.0.2.1:80"), Change::Zero(Some(web())));
    assert_eq!(
        change("--set 900 0 300"),
        Change::SetTimeouts(Timeouts {
            tcp: 900,
            tcp_fin: 0,
            udp: 300
        })
    );
    assert_eq!(action("-h --nonsense"), Action::Help);
    assert_eq!(action("--version"), Action::Version);
    assert_eq!(
        change("--stop-daemon backup"),
        Change::StopDaemon(DaemonState::Backup)
    );
    let Change::StartDaemon(daemon) = change(
        "--start-daemon=master --mcast-interface lo --syncid 7 --sync-maxlen 1000 \
         --mcast-group ff02::5 --mcast-port 9999 --mcast-ttl 3",
    ) else {
        panic!("no daemon");
    };
    assert_eq!(daemon.state, DaemonState::Master);
    assert_eq!(daemon.interface, "lo");
    assert_eq!((daemon.sync_id, daemon.max_length), (7, Some(1000)));
    assert_eq!(daemon.group, Some("ff02::5".parse().unwrap()));
    assert_eq!((daemon.port, daemon.ttl), (Some(9999), Some(3)));
}

/// Wrong lines with ipvsadm's exit code, and a word that the message must have in it.
#[test]
fn what_is_wrong_and_where() {
    for (line, code, word) in [
        ("help", 255, "help"),
        ("-n -L", 255, "-n"),
        ("-t 192.0.2.1:80", 255, "-t"),
        ("-q", 255, "-q"),
        ("--list=x", 255, "--list"),
        ("-A -t", 255, "-t"),
        ("-A --tcp 192.0.2.1:80", 255, "--tcp"),
        ("-A -t 192.0.2.1:80 -p -5", 255, "-5"),
        ("--start-daemon", 255, "--start-daemon"),
        ("-A", 2, "-t"),
        ("-a -t 192.0.2.1:80", 2, "-r"),
        ("-A -t 192.0.2.1", 2, "-p"),
        ("-A -t 192.0.2.1:80 -w 1", 2, "-w"),
        ("-A -t 192.0.2.1:80 -A", 2, "-A"),
        ("-A -t 192.0.2.1:80 -u 192.0.2.1:80", 2, "twice"),
        ("-A -t 192.0.2.1:80 extra", 2, "extra"),
        ("-A -t 192.0.2.1:80 -- -s", 2, "-s"),
        ("-A -t 192.0.2.1:x", 2, "\"x\""),
        ("-A -t 192.0.2.1:65536", 2, "65536"),
        ("-A -t [2001:db8::1]", 2, "bracket"),
        ("-A -t nosuch.example.org:80", 2, "nosuch"),
        ("-A -u 192.0.2.1:http", 2, "UDP"),
        ("-A -t 192.0.2.1:80 -p 0", 2, "\"0\""),
        ("-A -t 192.0.2.1:80 -p 2678401", 2, "2678400"),
        ("-A -t 192.0.2.1:80 -p x", 2, "timeout"),
        ("-A -t 192.0.2.1:80 -M x", 2, "netmask"),
        ("-A -M x --nonsense", 2, "netmask"),
        ("-A -t [2001:db8::1]:80 -M 129", 2, "128"),
        ("-A -t 192.0.2.1:80 -o", 2, "UDP"),
        ("-A -t 192.0.2.1:80 -s rr -b sh-port", 2, "sh-port"),
        ("-A -t 192.0.2.1:80 -b nonsense", 2, "nonsense"),
        ("-A -f 0", 2, "mark"),
        ("-A -f 4294967296", 2, "4294967295"),
        ("-A -f 0x10", 2, "0x10"),
        ("-A -6 -f 2", 2, "-6"),
        ("-L -6", 2, "-6"),
        ("-a -t 192.0.2.1:80 -r 198.51.100.1 -m -i", 2, "forwarding"),
        ("-a -t 192.0.2.1:80 -r 198.51.100.1 -w -1", 2, "weight"),
        (
            "-a -t 192.0.2.1:80 -r 198.51.100.1 -w 2147483648",
            2,
            "2147483647",
        ),
        ("-a -t 192.0.2.1:80 -r 198.51.100.1 -x 1x", 2, "upper"),
        ("-a -t 192.0.2.1:80 -r 198.51.100.1 -y 1x", 2, "lower"),
        ("-a -t 192.0.2.1:80 -r 198.51.100.1:x", 2, "real server"),
        ("-a -f 7 -r 198.51.100.1:http", 2, "http"),
        ("-a -t 192.0.2.1:80 -r [2001:db8::5]:80", 2, "-i"),
        ("-a -t 192.0.2.1:80 -r 198.51.100.1 --tun-type gre", 2, "-i"),
        (
            "-a -t 192.0.2.1:80 -r 198.51.100.1 -i --tun-type x",
            2,
            "gre",
        ),
        (
            "-a -t 192.0.2.1:80 -r 198.51.100.1 -i --tun-type gue",
            2,
            "--tun-port",
        ),
        (
            "-a -t 192.0.2.1:80 -r 198.51.100.1 -i --tun-csum",
            2,
            "ipip",
        ),
        (
            "-a -t 192.0.2.1:80 -r 198.51.100.1 -i --tun-type gre --tun-remcsum",
            2,
            "gre",
        ),
        (
            "-a -t 192.0.2.1:80 -r 198.51.100.1 -i --tun-type gre --tun-csum --tun-nocsum",
            2,
            "exclude",
        ),
        ("-L -c --stats", 2, "--stats"),
        ("-L -c --timeout", 2, "--timeout"),
        ("-L --daemon -t 192.0.2.1:80", 2, "--daemon"),
        ("-L --stats --stats", 2, "twice"),
        ("-C -n", 2, "-n"),
        ("--set 1 2", 2, "three"),
        ("--set 1 2 3 4", 2, "\"4\""),
        ("--set x 2 3", 2, "tcp"),
        ("--set 1 2 2678401", 2, "udp"),
        ("--start-daemon x", 2, "master"),
        ("--start-daemon backup --syncid 256", 2, "--syncid"),
        (
            "--start-daemon backup --mcast-group 192.0.2.1",
            2,
            "multicast",
        ),
        ("--start-daemon backup --mcast-ttl 0", 2, "--mcast-ttl"),
        ("--start-daemon backup --mcast-port 0", 2, "--mcast-port"),
        ("--start-daemon backup --sync-maxlen 65508", 2, "65507"),
    ] {
        match read(line) {
            Ok(action) => panic!("{line}: {action:?}"),
            Err(error) => {
                assert_eq!(error.exit_code(), code, "{line}: {error}");
                let text = error.to_string();
                assert!(text.contains(word), "{line}: {text}");
                assert!(!text.contains('\n'), "{line}: {text}");
            }
        }
    }
}

/// ipvsadm's answers, recorded: what needs no kernel to be refused is refused here with the same
/// exit code and in one line, and nothing else is.
#[test]
fn the_list_of_refused_lines() {
    const LIST: &str = include_str!("../../../testing/selftests/rust_ipvs/ripvsadm_refused.list");
    let entries = LIST
        .lines()
        .filter(|entry| !entry.is_empty() && !entry.starts_with('#'));
    let mut refused = 0;
    for entry in entries {
        let (who, rest) = entry.split_once(' ').unwrap();
        let (code, line) = rest.trim_start().split_once(' ').unwrap();
        match (who, read(line)) {
            ("kernel", Ok(_)) => {}
            ("words" | "words*", Err(error)) => {
                let text = error.to_string();
                assert_eq!(error.exit_code().to_string(), code, "{line}: {text}");
                assert!(!text.is_empty() && !text.contains('\n'), "{line}: {text}");
                refused += 1;
            }
            (_, result) => panic!("{entry}: {result:?}"),
        }
    }
    assert!(refused > 150, "{refused}");
}
