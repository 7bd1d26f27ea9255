use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use domain::{Clock, EntryId, Sequence, Timestamp};
use store::{Store, StoreOptions};

const CALLS: &str = "trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg";
const EVERY_SYNC: &str = "fdatasync,fsync";

struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn append_loop() -> PathBuf {
    let mut path = std::env::current_exe().expect("the test has a path");
    path.pop();
    path.pop();
    path.push("examples/append_loop");
    assert!(path.exists(), "{} is missing: cargo build -p store --examples", path.display());
    path
}

/// The entries that were acknowledged, by sequence.
fn acknowledged(stdout: &[u8]) -> BTreeMap<u64, String> {
    // What was killed while it wrote has not acknowledged its last line.
    let whole = stdout.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    String::from_utf8_lossy(&stdout[..whole]).lines().filter_map(parse).collect()
}

fn parse(line: &str) -> Option<(u64, String)> {
    let (sequence, id) = line.strip_prefix("ack ")?.split_once(' ')?;
    Some((sequence.parse().expect("is a sequence"), id.to_owned()))
}

/// A run of the example under strace, in a directory of its own.
struct Traced {
    directory: tempfile::TempDir,
    output: Output,
}

impl Traced {
    /// `inject` is the fault that strace brings about; `plant` the one of the example itself.
    fn run(inject: Option<&str>, plant: Option<&str>) -> Self {
        Self::run_with(8, inject, plant)
    }

    fn run_with(requests: u64, inject: Option<&str>, plant: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-s", "16384", "-o"]).arg(directory.path().join("log")).args(["-e", CALLS]);
        if let Some(inject) = inject {
            command.arg("-e").arg(format!("inject={inject}"));
        }
        command.arg(append_loop()).arg(directory.path()).arg("25").arg(requests.to_string()).args(plant);
        let output = command.output().expect("strace is needed and does not start; `make test` installs it");
        Self { directory, output }
    }

    /// Status and words of the checker.
    fn check(&self, with_ids: bool) -> (Option<i32>, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/durability/check_trace.py");
        let wal = self.directory.path().join(format!("{}-wal", Store::FILE));
        let mut command = Command::new("python3");
        command.arg(script).arg(self.directory.path().join("log")).arg("--wal").arg(wal).args(["--ack", "^ack "]);
        if with_ids {
            command.args(["--id", r"^ack \d+ (\S+)"]);
        }
        let output = command.output().expect("python3 is needed and does not start");
        let words = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&words).into_owned())
    }

    async fn assert_all_acknowledged_is_stored(&self) -> usize {
        let acknowledged = acknowledged(&self.output.stdout);
        assert_stored(self.directory.path(), &acknowledged).await;
        acknowledged.len()
    }
}

/// Every acknowledged entry is in its place, and the log has no gap.
async fn assert_stored(directory: &Path, acknowledged: &BTreeMap<u64, String>) {
    let options = StoreOptions { disk_free_min_bytes: 0, ..StoreOptions::default() };
    let store = Store::open(directory, options, Arc::new(StillClock)).expect("opens again");
    let account = store.account_by_name("default").await.expect("is read").expect("is there").id;
    let log = store.entry_page(account, Sequence(0), usize::MAX, usize::MAX).await.expect("is read");
    let sequences: Vec<u64> = log.iter().map(|entry| entry.sequence.0).collect();
    assert_eq!(sequences, (1..=log.len() as u64).collect::<Vec<_>>());
    assert_eq!(store.entry_last_sequence(account).await.expect("is read").0, log.len() as u64);
    for (sequence, id) in acknowledged {
        let entry = &log[usize::try_from(*sequence).expect("is small") - 1];
        assert_eq!(entry.id.as_str(), id);
        assert!(String::from_utf8_lossy(&entry.bytes).contains(id.as_str()));
        let found = store.entry_get(account, EntryId::parse(id).expect("is an id")).await.expect("is found");
        assert_eq!(found.sequence.0, *sequence);
    }
    store.close().await;
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_synced() {
    let traced = Traced::run(None, None);
    assert!(traced.output.status.success(), "{:?}", traced.output);
    assert_eq!(traced.check(true).0, Some(0), "{}", traced.check(true).1);
    assert_eq!(traced.assert_all_acknowledged_is_stored().await, 200);
}

#[test]
fn acknowledging_too_early_is_noticed() {
    let plants = [
        (None, Some("early"), "before it was written"),
        (None, Some("unsynced"), "before the WAL was synced"),
        // As a setting does that only seems to sync.
        (Some(format!("{EVERY_SYNC}:retval=0:when=9+")), None, "before the WAL was synced"),
        (Some(format!("{EVERY_SYNC}:retval=0:when=20")), None, "before the WAL was synced"),
    ];
    for (inject, plant, expected) in plants {
        let traced = Traced::run(inject.as_deref(), plant);
        let (status, words) = traced.check(true);
        assert_eq!(status, Some(1), "{inject:?} {plant:?}: {words}");
        assert!(words.contains(expected), "{inject:?} {plant:?}: {words}");
    }
}

#[test]
fn requests_that_follow_one_another_can_be_judged_without_ids() {
    let honest = Traced::run_with(1, None, None).check(false);
    assert_eq!(honest.0, Some(0), "{}", honest.1);
    let one_sync_left_out = format!("{EVERY_SYNC}:retval=0:when=20");
    for (inject, plant) in [(None, Some("unsynced")), (Some(one_sync_left_out.as_str()), None)] {
        let (status, words) = Traced::run_with(1, inject, plant).check(false);
        assert_eq!(status, Some(1), "{inject:?} {plant:?}: {words}");
    }
}

#[test]
fn a_trace_without_acknowledgements_proves_nothing() {
    let traced = Traced::run(Some("write:error=EPIPE:when=1+"), None);
    let (status, words) = traced.check(true);
    assert_ne!(status, Some(0), "{words}");
}

#[tokio::test]
async fn a_failed_sync_ends_the_process_and_is_not_acknowledged() {
    use std::os::unix::process::ExitStatusExt;

    for when in [10, 14, 18] {
        let traced = Traced::run(Some(&format!("{EVERY_SYNC}:error=EIO:when={when}")), None);
        let status = traced.output.status;
        const SIGABRT: i32 = 6;
        assert!(status.signal() == Some(SIGABRT) || status.code() == Some(128 + SIGABRT), "sync {when}: {status:?}");
        assert_eq!(traced.check(true).0, Some(0), "{}", traced.check(true).1);
        assert!(traced.assert_all_acknowledged_is_stored().await < 200);
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    for when in ["126..127", "146..196", "157..158"] {
        let traced = Traced::run(Some(&format!("pwrite64:error=ENOSPC:when={when}")), None);
        let refused = String::from_utf8_lossy(&traced.output.stderr);
        assert!(refused.contains("refused: the disk is full, or nearly so"), "{when}: {refused}");
        assert!(traced.output.status.success(), "{when}: {:?}", traced.output.status);
        assert_eq!(traced.check(true).0, Some(0), "{}", traced.check(true).1);
        let stored = traced.assert_all_acknowledged_is_stored().await;
        assert!((8..200).contains(&stored), "{when}: {stored}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut acknowledged = BTreeMap::new();
    for round in 0..12 {
        let mut child = Command::new(append_loop())
            .arg(directory.path())
            .args(["1000000", "8"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let take = |acknowledged: &mut BTreeMap<u64, String>, line: std::io::Result<String>| {
            let (sequence, id) = parse(&line.expect("is read")).expect("is an acknowledgement");
            let before = acknowledged.insert(sequence, id);
            assert_eq!(before, None, "sequence {sequence} was given twice");
        };
        for line in lines.by_ref().take(1 + round * 37) {
            take(&mut acknowledged, line);
        }
        child.kill().expect("is killed");
        // What it had acknowledged and we had not read.
        for line in lines {
            take(&mut acknowledged, line);
        }
        child.wait().expect("has ended");
        assert_stored(directory.path(), &acknowledged).await;
    }
    assert!(acknowledged.len() > 2_000, "{}", acknowledged.len());
}
