// SPDX-License-Identifier: GPL-2.0

//! The program as a whole, on whatever kernel this is: most have no IPVS loaded.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
