//! The binary as an operator meets it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

fn auditcast(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditcast"));
    command.env_clear().current_dir(directory).args(arguments);
    command
}

fn output(directory: &Path, arguments: &[&str]) -> Output {
    auditcast(directory, arguments).output().expect("the binary runs")
}

struct Server {
    process: Child,
    log: BufReader<std::process::ChildStderr>,
    address: String,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let mut process = auditcast(directory, &["serve", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut log = BufReader::new(process.stderr.take().expect("is piped"));
        let mut line = String::new();
        while !line.contains("serving on") {
            line.clear();
            assert_ne!(log.read_line(&mut line).expect("reads the log"), 0, "the server ended before it served");
        }
        let address = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an address");
        Self { process, log, address: address.to_owned() }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("connects");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("reads");
        answer
    }

    fn terminate(mut self) -> (Option<i32>, String) {
        let kill = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.process.id())]).status();
        assert!(kill.expect("sh runs").success());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("reads the log");
        (self.process.wait().expect("ends").code(), rest)
    }
}

#[test]
fn a_server_is_alive_keeps_others_off_its_data_and_stops_cleanly() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(directory.path());
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
    let second = output(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("./data is in use") && said.contains(&server.process.id().to_string()), "{said}");
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("SIGTERM") && log.contains("stopped"), "{log}");
}

#[test]
fn config_check_prints_every_mistake_and_exits_with_2() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("auditcast.toml"), "listen = 1\n").expect("writes");
    let checked = auditcast(directory.path(), &["config", "check", "--log-format", "xml"])
        .env("AUDITCAST_LOG_LEVLE", "info")
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(2), "{said}");
    for part in ["3 mistakes", "listen (in the file)", "AUDITCAST_LOG_LEVEL", "--log-format (on the command line)"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    std::fs::remove_file(directory.path().join("auditcast.toml")).expect("removes");
    assert_eq!(output(directory.path(), &["config", "check"]).status.code(), Some(0));
    assert_eq!(output(directory.path(), &["config", "check", "--config", "none.toml"]).status.code(), Some(2));
}
