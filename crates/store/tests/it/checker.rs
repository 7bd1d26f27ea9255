//! The checker of traces on small logs, as a server makes them.

use std::{path::Path, process::Command};

const READ: &str = r#"7 recvfrom(5<socket:[1]>, "POST /ingest/entries HTTP/1.1\r\n", 8192, 0, NULL, NULL) = 31"#;
const HEADER: &str = r#"8 pwrite64(4</d/a.db-wal>, "\0\0\0\2\0\0\0\10saltsaltsumssums", 24, 32) = 24"#;
const PAGE: &str = r#"8 pwrite64(4</d/a.db-wal>, "page with entry-1 in it", 8192, 56) = 8192"#;
const SYNC: &str = "8 fdatasync(4</d/a.db-wal>) = 0";
const ACK: &str =
    r#"7 writev(5<socket:[1]>, [{iov_base="HTTP/1.1 202 Accepted\r\n\r\n{\"id\":\"entry-1\"}", iov_len=44}], 1) = 44"#;

fn status(log: &[&str], with_ids: bool) -> Option<i32> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    std::fs::write(&path, log.join("\n")).expect("is written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/durability/check_trace.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(path).args(["--wal", "/d/a.db-wal", "--ack", r"^HTTP/1\.1 202"]);
    if with_ids {
        command.args(["--id", r#""id":"([^"]+)""#]);
    }
    command.output().expect("python3 is needed and does not start").status.code()
}

#[test]
fn the_checker_judges_the_order_of_request_write_sync_and_answer() {
    // Calls that another thread interrupts in the log.
    const SYNC_BEGINS: &str = "8 fdatasync(4</d/a.db-wal> <unfinished ...>";
    const SYNC_ENDS: &str = "8 <... fdatasync resumed>) = 0";
    const NOT_LAST: &str = r#"8 pwrite64(4</d/a.db-wal>, "\0\0\0\2\0\0\0\0saltsaltsumssums", 24, 32) = 24"#;
    let cases: &[(&str, i32, i32, &[&str])] = &[
        // What it is, the status with ids, the status without.
        ("as it should be", 0, 0, &[READ, HEADER, PAGE, SYNC, ACK]),
        ("interleaved", 0, 0, &[READ, HEADER, PAGE, SYNC_BEGINS, SYNC_ENDS, ACK]),
        ("no sync", 1, 1, &[READ, HEADER, PAGE, ACK]),
        ("a sync of another file", 1, 1, &[READ, HEADER, PAGE, "8 fdatasync(9</d/a.db>) = 0", ACK]),
        ("a failed sync", 1, 1, &[READ, HEADER, PAGE, "8 fdatasync(4</d/a.db-wal>) = -1 EIO (Input)", ACK]),
        ("a sync left out", 1, 1, &[READ, HEADER, PAGE, "8 fdatasync(4</d/a.db-wal>) = 0 (INJECTED)", ACK]),
        ("a sync that began too early", 1, 1, &[READ, HEADER, SYNC_BEGINS, PAGE, SYNC_ENDS, ACK]),
        ("a sync that ended too late", 1, 1, &[READ, HEADER, PAGE, SYNC_BEGINS, ACK, SYNC_ENDS]),
        ("an early answer", 1, 1, &[READ, ACK, HEADER, PAGE, SYNC]),
        (
            "an early answer after another write",
            1,
            1,
            &[HEADER, "8 pwrite64(4</d/a.db-wal>, \"x\", 9, 0) = 9", SYNC, READ, ACK],
        ),
        ("a transaction without its end", 1, 1, &[READ, NOT_LAST, PAGE, SYNC, ACK]),
        (
            "the sync of a part",
            1,
            1,
            &[READ, NOT_LAST, PAGE, SYNC, HEADER, "8 pwrite64(4</d/a.db-wal>, \"x\", 9, 0) = 9", ACK],
        ),
        ("nothing at all", 2, 2, &[]),
        ("no answer", 2, 2, &[READ, HEADER, PAGE, SYNC]),
    ];
    for (name, with_ids, without, log) in cases {
        assert_eq!(status(log, true), Some(*with_ids), "{name}, with ids");
        assert_eq!(status(log, false), Some(*without), "{name}, without ids");
    }
}
