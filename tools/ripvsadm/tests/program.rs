// SPDX-License-Identifier: GPL-2.0

//! The program as a whole, on whatever kernel this is: most have no IPVS loaded.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn ripvsadm(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ripvsadm"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever does not read its input closes it, which is no failure here.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_and_version_need_no_kernel() {
    for arguments in [["-h"], ["--help"], ["-v"], ["--version"]] {
        let output = ripvsadm(&arguments, "");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(
            text(&output.stdout).starts_with("ripvsadm "),
            "{arguments:?}"
        );
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
    assert!(text(&ripvsadm(&["-h"], "").stdout).contains("--tun-remcsum"));
}

#[test]
fn mistakes_are_told_in_one_line_on_standard_error() {
    for (arguments, code) in [
        (&["nonsense"][..], 255),
        (&["--nonsense"], 255),
        (&["-A", "-t"], 255),
        (&["-A"], 2),
        (&["-A", "-t", "192.0.2.1:80", "-w", "1"], 2),
        (&["-C", "extra"], 2),
    ] {
        let output = ripvsadm(arguments, "");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let message = text(&output.stderr);
        assert!(
            message.starts_with("ripvsadm: ") && message.ends_with('\n'),
            "{message}"
        );
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn a_kernel_without_ipvs_is_named_with_its_remedy() {
    let has_ipvs = Path::new("/proc/net/ip_vs").exists();
    for arguments in [
        &["-L"][..],
        &["-L", "-n", "-c"],
        &["-C"],
        &["-R"],
        &["-S"],
        &[],
    ] {
        if has_ipvs && !arguments.starts_with(&["-L"]) {
            // Leave the tables of this machine alone.
            continue;
        }
        let output = ripvsadm(arguments, "");
        let message = text(&output.stderr);
        if has_ipvs {
            assert!(!message.contains("insmod"), "{arguments:?}: {message}");
        } else {
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            assert!(output.stdout.is_empty(), "{arguments:?}");
            assert!(
                message.contains("modprobe rust_ipvs"),
                "{arguments:?}: {message}"
            );
            assert!(
                message.contains("insmod rust_ipvs.ko"),
                "{arguments:?}: {message}"
            );
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ripvsadm"))
        .arg("-h")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
}

/// `ripvsadm metrics --listen 0`, and the address that it says.
fn listener() -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ripvsadm"))
        .args(["metrics", "--listen", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let address = line.strip_prefix("metrics at http://").unwrap();
    let address = address.strip_suffix("/metrics\n").unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    (child, address)
}

#[test]
fn a_listener_answers_with_or_without_ipvs_and_ends_well() {
    let has_ipvs = Path::new("/proc/net/ip_vs").exists();
    let (mut child, address) = listener();
    for accept in ["", "Accept: application/openmetrics-text\r\n"] {
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\n{accept}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(has_ipvs || answer.contains("\nripvs_up 0\n"), "{answer}");
        assert_eq!(answer.ends_with("# EOF\n"), !accept.is_empty(), "{answer}");
    }
    // A client that does not finish its request does not keep it from ending.
    let mut slow = TcpStream::connect(&address).unwrap();
    slow.write_all(b"GET").unwrap();
    let killed = Command::new("kill").arg(child.id().to_string()).status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(&address).is_err());
}

#[test]
fn an_address_that_is_taken_is_told() {
    let (mut child, address) = listener();
    let output = ripvsadm(&["metrics", "--listen", &address], "");
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(message.contains(&address), "{message}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_file_of_metrics_says_that_there_is_no_ipvs() {
    if Path::new("/proc/net/ip_vs").exists() {
        return;
    }
    let file = std::env::temp_dir().join(format!("ripvsadm-{}.prom", std::process::id()));
    std::fs::write(&file, "ripvs_up 1\n").unwrap();
    let output = ripvsadm(&["metrics", "--file", file.to_str().unwrap()], "");
    let written = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no IPVS"));
    assert!(written.contains("\nripvs_up 0\n"), "{written}");
    // Elsewhere it prints nothing but the error.
    let output = ripvsadm(&["metrics"], "");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}
