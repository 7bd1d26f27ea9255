//! The tools against each other, on loopback.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
};

use bench::{
    http,
    load::Report,
    sink::{CONTROL, Stats},
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

struct Sink {
    child: Child,
    /// Open as long as the sink may write to it.
    _out: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Sink {
    fn start(options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bench-sink"));
        let mut child = command.args(options).stdout(Stdio::piped()).spawn().expect("the sink starts");
        let mut out = BufReader::new(child.stdout.take().expect("is piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("the sink says where it is");
        let address = line.trim().strip_prefix("http://").expect("is an address").parse().expect("is an address");
        Self { child, _out: out, address }
    }

    fn control(&self, route: &str) -> Vec<u8> {
        let answer = http::call(self.address, "GET", &format!("{CONTROL}{route}"), None, b"").expect("answers");
        assert_eq!(answer.status, 200);
        answer.body
    }

    fn stats(&self) -> Stats {
        serde_json::from_slice(&self.control("stats")).expect("is JSON")
    }

    fn post(&self, path: &str, body: &[u8]) -> (u16, Value) {
        let answer = http::call(self.address, "POST", path, None, body).expect("answers");
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    fn load(&self, path: &str, options: &[&str]) -> Report {
        let url = format!("http://{}{path}", self.address);
        let mut command = Command::new(env!("CARGO_BIN_EXE_bench-load"));
        let output = command.args(["--url", &url]).args(options).output().expect("the load runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("is JSON")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_a_load_sends_is_what_the_sink_counts() {
    let sink = Sink::start(&[]);
    let options = ["--batch", "10", "--conns", "4", "--count", "1005", "--run", "7"];
    let report = sink.load("/a", &options);
    assert_eq!((report.all.accepted, report.all.requests, report.errors.len()), (1_005, 101, 0));
    sink.load("/b", &options);
    sink.load("/b", &options);
    let stats = sink.stats();
    assert_eq!((stats.figures.unique, stats.figures.duplicates, stats.paths), (2_010, 1_005, 2));
    assert_eq!(stats.latency.count, 2_010);
}

#[test]
fn compressed_batches_are_counted_by_their_entries() {
    let sink = Sink::start(&[]);
    let entries = "{\"_id\":\"bnch-00000001-0000000000-0000000000000009\"}\n{\"_id\":\"bnch-00000001-0000000001-0000000000000009\"}";
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(entries.as_bytes()).expect("packs");
    let packed = packed.finish().expect("packs");
    let head = format!(
        "POST /services/collector/event HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        packed.len()
    );
    let mut stream = std::net::TcpStream::connect(sink.address).expect("connects");
    stream.write_all(&[head.as_bytes(), &packed].concat()).expect("sends");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).expect("answers");
    assert!(answer.ends_with(r#"{"text":"Success","code":0}"#), "{answer}");
    let figures = sink.stats().figures;
    assert_eq!((figures.requests, figures.gzipped, figures.unique), (1, 1, 2));
}

#[test]
fn an_id_that_elastic_has_conflicts() {
    let sink = Sink::start(&[]);
    let body = |seq| {
        let id = format!("bnch-00000001-{seq:010}-0000000000000009");
        format!("{{\"create\":{{\"_index\":\"i\",\"_id\":\"{id}\"}}}}\n{{\"event\":{{\"id\":\"{id}\"}}}}\n")
    };
    let statuses = |answer: &Value| -> Vec<Value> {
        let items = answer["items"].as_array().expect("has items");
        items.iter().map(|item| item["create"]["status"].clone()).collect()
    };
    let (_, first) = sink.post("/_bulk", body(0).as_bytes());
    assert_eq!(statuses(&first), [json!(201)]);
    let (_, second) = sink.post("/_bulk", (body(0) + &body(1)).as_bytes());
    assert_eq!(statuses(&second), [json!(409), json!(201)]);
}

#[test]
fn faults_show_on_both_sides() {
    let faults = ["--error-ratio", "0.1", "--throttle-ratio", "0.1", "--reset-ratio", "0.02", "--fault-path", "/bad"];
    let sink = Sink::start(&faults);
    assert_eq!(sink.load("/good", &["--count", "300"]).all.accepted, 300);
    let report = sink.load("/bad", &["--count", "500", "--conns", "8"]);
    let figures = sink.stats().figures;
    assert!(figures.sent_errors > 0 && figures.sent_throttles > 0 && figures.sent_resets > 0, "{figures:?}");
    assert_eq!(report.statuses[&500], figures.sent_errors);
    assert_eq!(report.statuses[&429], figures.sent_throttles);
    assert_eq!(report.errors.values().sum::<u64>(), figures.sent_resets);
    assert_eq!(figures.unique, 300 + report.all.accepted);
}

#[test]
fn what_is_missing_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).to_str().expect("is text").to_owned();
    let sink = Sink::start(&[]);
    let (accepted, delivered) = (file("accepted"), file("delivered"));
    sink.load("/a", &["--count", "50", "--ids-out", &accepted]);
    fs::write(&delivered, sink.control("ids")).expect("writes");
    let recon = |fanout: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bench-recon"));
        let output = command
            .args(["--accepted", &accepted, "--delivered", &delivered, "--fanout", fanout])
            .output()
            .expect("runs");
        let found: Value = serde_json::from_slice(&output.stdout).expect("is JSON");
        (output.status.code(), found["accepted"].clone(), found["lost_deliveries"].clone())
    };
    assert_eq!(recon("1"), (Some(0), json!(50), json!(0)));
    assert_eq!(recon("2"), (Some(1), json!(50), json!(50)));
}

#[test]
fn what_misbehaves_gives_no_whole_answer_and_the_rest_does() {
    let sink = Sink::start(&["--misbehave", "/reset=reset", "--misbehave", "/endless=endless"]);
    let answer_of = |path: &str| http::call(sink.address, "POST", path, None, b"x");
    assert!(answer_of("/reset/a").is_err());
    assert_eq!(answer_of("/else").expect("answers").status, 200);
    // Read piece by piece, for the whole of it never comes.
    let mut stream = std::net::TcpStream::connect(sink.address).expect("connects");
    stream.write_all(b"POST /endless HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").expect("is sent");
    let mut read = vec![0; 1 << 20];
    std::io::Read::read_exact(&mut stream, &mut read).expect("comes");
    assert!(read.starts_with(b"HTTP/1.1 200"));
}
