//! The binary: what it prints and writes.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_auditcast-receiver"))
}

#[test]
fn each_listener_is_announced_once_it_is_ready() {
    let ca = Path::new(env!("CARGO_TARGET_TMPDIR")).join("receiver-ca.pem");
    let mut child = command()
        .args(["--tls-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0"])
        .args(["--key", "datadog=other", "--extra-name", "hec.internal", "--ca-out"])
        .arg(&ca)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<String> = lines.take(3).map(Result::unwrap).collect();
    for (line, start) in lines.iter().zip(["vendors: https://", "vendors: http://", "control: http://"]) {
        TcpStream::connect(line.strip_prefix(start).unwrap()).unwrap();
    }
    assert!(fs::read_to_string(&ca).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_key_for_nobody_is_refused() {
    let output = command().args(["--key", "fax=x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("fax is no vendor with a key"));
}
