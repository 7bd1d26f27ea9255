//! The one writer: commits what has come in groups, syncs, then answers.
//!
//! Nothing waits for company: a group is what came while the previous one was committed.
//! Each request of a group runs in a savepoint, so that one that fails fails alone.

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use domain::{AccountId, Clock, Entry, Sequence, Timestamp};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use crate::{Error, OpenError, StoreOptions, connection};

/// Most entries of one group: bounds how long the first of them waits for the last.
const GROUP_ENTRIES_MAX: usize = 2_000;
/// Most requests of one group.
const GROUP_REQUESTS_MAX: usize = 4_000;
/// Bytes of committed entries kept for the matcher; what is beyond is read from the log.
const COMMITTED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Pages of WAL from which the checkpointer is woken: 32 MiB.
const CHECKPOINT_PAGES: u64 = 4_096;
/// Pages of WAL from which the writer itself waits for a checkpoint, so that the WAL can start
/// anew although writes never pause: 256 MiB.
const CHECKPOINT_PAGES_MAX: u64 = 32_768;

/// Whether the writer takes entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// It does.
    Writable,
    /// The last commit failed for want of space.
    Full,
    /// A commit could not be synced, or the writer has ended.
    Failed,
}

/// One request, run inside the group's transaction. It gives back what to do once the
/// commit's fate is known.
type Work = Box<dyn FnOnce(&mut Group<'_>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

enum Message {
    Work(Work),
    Close(oneshot::Sender<()>),
}

pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    committed: Arc<Committed>,
    state: Arc<AtomicU8>,
    queued_bytes: Arc<AtomicUsize>,
    account_bytes: Arc<Mutex<HashMap<AccountId, usize>>>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        path: &Path,
        options: &StoreOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let (queue, requests) = mpsc::channel();
        let committed = Arc::new(Committed::default());
        let state = Arc::new(AtomicU8::new(SyncState::Writable as u8));
        let checkpoints = start_checkpointer(connection::open_checkpointer(path)?)?;
        let wal = path.with_file_name(format!("{}-wal", path.file_name().unwrap_or_default().to_string_lossy()));
        let mut thread = WriterThread {
            connection,
            tails: HashMap::new(),
            committed: Arc::clone(&committed),
            state: Arc::clone(&state),
            clock,
            directory: path.parent().unwrap_or(Path::new(".")).to_owned(),
            disk_free_min_bytes: options.disk_free_min_bytes,
            disk_looked_at: None,
            disk_is_full: false,
            checkpoints,
            wal,
        };
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || thread.run(&requests))?;
        let queued_bytes = Arc::default();
        Ok(Self { queue, committed, state, queued_bytes, account_bytes: Arc::default() })
    }

    pub(crate) fn committed(&self) -> &Committed {
        &self.committed
    }

    pub(crate) fn state(&self) -> SyncState {
        match self.state.load(Ordering::Acquire) {
            0 => SyncState::Writable,
            1 => SyncState::Full,
            _ => SyncState::Failed,
        }
    }

    /// Runs `work` in the next group and answers once that is synced.
    pub(crate) async fn run<T, E>(
        &self,
        work: impl FnOnce(&mut Group<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + From<rusqlite::Error> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |group| {
            let result = group.in_savepoint(work);
            Box::new(move |commit| {
                // The caller may have gone; what it asked for is done all the same.
                let _ = answer.send(match commit {
                    Ok(()) => result,
                    Err(error) => result.and(Err(error.into())),
                });
            })
        });
        self.queue.send(Message::Work(work)).map_err(|_| Error::Closed)?;
        answered.await.map_err(|_| Error::Closed)?
    }

    /// Takes a place of `bytes` in the queue, or says whether the account alone is over its share.
    pub(crate) fn reserve(&self, account: AccountId, bytes: usize, most: usize) -> Result<QueuePlace, bool> {
        let mut accounts = self.account_bytes.lock();
        let held = accounts.get(&account).copied().unwrap_or(0);
        let queued = self.queued_bytes.load(Ordering::Relaxed);
        // One that comes to an empty queue always fits, however large its request.
        if held > 0 && held + bytes > most / 2 {
            return Err(true);
        }
        if queued > 0 && queued + bytes > most {
            return Err(false);
        }
        accounts.insert(account, held + bytes);
        self.queued_bytes.store(queued + bytes, Ordering::Relaxed);
        Ok(QueuePlace {
            account,
            bytes,
            queued: Arc::clone(&self.queued_bytes),
            accounts: Arc::clone(&self.account_bytes),
        })
    }

    pub(crate) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.queue.send(Message::Close(done)).is_ok() {
            let _ = ended.await;
        }
    }
}

/// Bytes held in the queue until dropped.
pub(crate) struct QueuePlace {
    account: AccountId,
    bytes: usize,
    queued: Arc<AtomicUsize>,
    accounts: Arc<Mutex<HashMap<AccountId, usize>>>,
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        let mut accounts = self.accounts.lock();
        self.queued.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Some(held) = accounts.get_mut(&self.account) {
            *held -= self.bytes;
            if *held == 0 {
                accounts.remove(&self.account);
            }
        }
    }
}

/// The end of an account's log as the group has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub(crate) last_sequence: Sequence,
    pub(crate) last_received: Timestamp,
}

/// One open transaction and what it has appended so far.
pub(crate) struct Group<'a> {
    pub(crate) connection: &'a Connection,
    tails: &'a mut HashMap<AccountId, Tail>,
    touched: HashMap<AccountId, i64>,
    appended: Vec<Arc<Entry>>,
    // The tails as they were before each append of the present request, newest last.
    undo: Vec<(AccountId, Tail)>,
    now: Timestamp,
    disk_is_full: bool,
    rolled_back: bool,
}

impl Group<'_> {
    /// The time of the group: when its first request was taken up.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn disk_is_full(&self) -> bool {
        self.disk_is_full
    }

    pub(crate) fn tail(&mut self, account: AccountId, no: i64) -> Result<Tail, rusqlite::Error> {
        if let Some(tail) = self.tails.get(&account) {
            return Ok(*tail);
        }
        let tail = self
            .connection
            .prepare_cached("SELECT last_sequence, last_received FROM account WHERE no = ?1")?
            .query_row([no], |row| {
                Ok(Tail {
                    last_sequence: Sequence(row.get::<_, i64>(0)?.cast_unsigned()),
                    last_received: Timestamp::from_millis(row.get(1)?),
                })
            })?;
        self.tails.insert(account, tail);
        Ok(tail)
    }

    pub(crate) fn push(&mut self, no: i64, entry: Entry) {
        let tail = Tail { last_sequence: entry.sequence, last_received: entry.received_at };
        if let Some(before) = self.tails.insert(entry.account, tail) {
            self.undo.push((entry.account, before));
        }
        self.touched.insert(entry.account, no);
        self.appended.push(Arc::new(entry));
    }

    fn in_savepoint<T, E: From<rusqlite::Error> + From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.rolled_back {
            return Err(Error::internal("an earlier request of the group ended its transaction").into());
        }
        let appended = self.appended.len();
        self.undo.clear();
        self.connection.prepare_cached("SAVEPOINT request")?.execute([])?;
        let result = work(self);
        if self.connection.is_autocommit() {
            // SQLite itself gave the transaction up, as it does when the disk is full.
            self.rolled_back = true;
        } else {
            if result.is_err() {
                self.connection.prepare_cached("ROLLBACK TO request")?.execute([])?;
            }
            self.connection.prepare_cached("RELEASE request")?.execute([])?;
        }
        if result.is_err() {
            self.appended.truncate(appended);
            self.tails.extend(self.undo.drain(..).rev());
        }
        result
    }

    fn write_tails(&mut self) -> Result<(), rusqlite::Error> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE account SET last_sequence = ?2, last_received = ?3 WHERE no = ?1")?;
        for (account, no) in &self.touched {
            if let Some(tail) = self.tails.get(account) {
                update.execute((no, tail.last_sequence.0.cast_signed(), tail.last_received.as_millis()))?;
            }
        }
        Ok(())
    }
}

struct WriterThread {
    connection: Connection,
    tails: HashMap<AccountId, Tail>,
    committed: Arc<Committed>,
    state: Arc<AtomicU8>,
    clock: Arc<dyn Clock>,
    directory: std::path::PathBuf,
    disk_free_min_bytes: u64,
    disk_looked_at: Option<std::time::Duration>,
    disk_is_full: bool,
    checkpoints: mpsc::SyncSender<()>,
    wal: std::path::PathBuf,
}

impl WriterThread {
    fn run(&mut self, requests: &mpsc::Receiver<Message>) {
        while let Ok(message) = requests.recv() {
            let mut works = VecDeque::new();
            match message {
                Message::Work(work) => works.push_back(work),
                Message::Close(done) => {
                    self.finish();
                    let _ = done.send(());
                    return;
                }
            }
            let closing = self.commit_group(works, requests);
            self.checkpoint_if_due();
            if let Some(done) = closing {
                self.finish();
                let _ = done.send(());
                return;
            }
        }
        self.finish();
    }

    /// Commits the first request and all that have come; gives back who asked to close.
    fn commit_group(
        &mut self,
        mut works: VecDeque<Work>,
        requests: &mpsc::Receiver<Message>,
    ) -> Option<oneshot::Sender<()>> {
        self.look_at_disk();
        let mut closing = None;
        let mut answers = Vec::new();
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE").map_err(Error::from);
        let (outcome, appended) = match begun {
            Err(error) => {
                drop(works);
                (Err(error), Vec::new())
            }
            Ok(()) => {
                let mut group = Group {
                    connection: &self.connection,
                    tails: &mut self.tails,
                    touched: HashMap::new(),
                    appended: Vec::new(),
                    undo: Vec::new(),
                    now: self.clock.now(),
                    disk_is_full: self.disk_is_full,
                    rolled_back: false,
                };
                while let Some(work) = works.pop_front() {
                    answers.push(work(&mut group));
                    let full = group.appended.len() >= GROUP_ENTRIES_MAX || answers.len() >= GROUP_REQUESTS_MAX;
                    if full || closing.is_some() || group.rolled_back {
                        break;
                    }
                    match requests.try_recv() {
                        Ok(Message::Work(work)) => works.push_back(work),
                        Ok(Message::Close(done)) => closing = Some(done),
                        Err(_) => {}
                    }
                }
                let written = if group.rolled_back {
                    Err(Error::Full)
                } else {
                    group.write_tails().map_err(Error::from)
                };
                let appended = std::mem::take(&mut group.appended);
                (written.and_then(|()| self.connection.execute_batch("COMMIT").map_err(Error::from)), appended)
            }
        };
        self.settle(outcome, appended, answers);
        closing
    }

    fn settle(&mut self, outcome: Result<(), Error>, appended: Vec<Arc<Entry>>, answers: Vec<Answer>) {
        match outcome {
            Ok(()) => {
                self.state.store(SyncState::Writable as u8, Ordering::Release);
                self.committed.publish(appended);
                for answer in answers {
                    answer(Ok(()));
                }
            }
            Err(error) => {
                // What the group had in memory is not in the database.
                self.tails.clear();
                let full = matches!(error, Error::Full);
                tracing::error!(error = &error as &dyn std::error::Error, "a group of writes failed");
                let state = if full { SyncState::Full } else { SyncState::Failed };
                self.state.store(state as u8, Ordering::Release);
                for answer in answers {
                    answer(Err(if full { Error::Full } else { Error::internal("the commit failed") }));
                }
                if !self.connection.is_autocommit() {
                    // A rollback that fails leaves the transaction open, and the next begin says so.
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                if is_failed_sync(&error) {
                    // What the kernel holds of the file is unknown now; only a new start reads it anew.
                    tracing::error!("a sync failed: the process ends");
                    std::process::abort();
                }
            }
        }
    }

    fn look_at_disk(&mut self) {
        const EVERY: std::time::Duration = std::time::Duration::from_millis(200);
        let now = self.clock.monotonic();
        if self.disk_looked_at.is_none_or(|at| now.saturating_sub(at) >= EVERY) {
            self.disk_looked_at = Some(now);
            self.disk_is_full = connection::free_bytes(&self.directory) < self.disk_free_min_bytes;
        }
    }

    fn checkpoint_if_due(&mut self) {
        let pages = std::fs::metadata(&self.wal).map_or(0, |file| file.len()) / 8192;
        if pages >= CHECKPOINT_PAGES {
            // A full channel means that one is due already.
            let _ = self.checkpoints.try_send(());
        }
        if pages >= CHECKPOINT_PAGES_MAX {
            run_checkpoint(&self.connection, "RESTART");
        }
    }

    fn finish(&mut self) {
        self.state.store(SyncState::Failed as u8, Ordering::Release);
        run_checkpoint(&self.connection, "TRUNCATE");
    }
}

fn is_failed_sync(error: &Error) -> bool {
    let Error::Internal(cause) = error else { return false };
    cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error).is_some_and(|error| {
        matches!(
            error.extended_code,
            rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC
        )
    })
}

fn start_checkpointer(connection: Connection) -> Result<mpsc::SyncSender<()>, OpenError> {
    let (wake, woken) = mpsc::sync_channel(1);
    thread::Builder::new().name("store-checkpoint".to_owned()).spawn(move || {
        while woken.recv().is_ok() {
            run_checkpoint(&connection, "PASSIVE");
        }
    })?;
    Ok(wake)
}

fn run_checkpoint(connection: &Connection, mode: &str) {
    let result = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
    if let Err(error) = result {
        tracing::warn!(error = &error as &dyn std::error::Error, mode, "a checkpoint failed; the WAL keeps growing");
    }
}

/// What was committed and not yet taken by the matcher.
#[derive(Default)]
pub struct Committed {
    waiting: Mutex<Waiting>,
    notify: Notify,
}

#[derive(Default)]
struct Waiting {
    accounts: HashMap<AccountId, CommittedEntries>,
    bytes: usize,
}

/// The news of one account.
#[derive(Clone, Debug)]
pub struct CommittedEntries {
    /// The account.
    pub account: AccountId,
    /// The last committed sequence.
    pub last: Sequence,
    /// The entries up to `last`, without gaps; fewer than were committed, or none, when the
    /// taker was slow: then the log has the rest.
    pub entries: Vec<Arc<Entry>>,
}

impl Committed {
    /// Waits for news and takes all of it.
    pub async fn take(&self) -> Vec<CommittedEntries> {
        loop {
            let notified = self.notify.notified();
            let taken = std::mem::take(&mut *self.waiting.lock());
            if !taken.accounts.is_empty() {
                return taken.accounts.into_values().collect();
            }
            notified.await;
        }
    }

    fn publish(&self, appended: Vec<Arc<Entry>>) {
        if appended.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock();
        for entry in appended {
            let bytes = entry.bytes.len();
            let fits = waiting.bytes + bytes <= COMMITTED_BYTES_MAX;
            let news = waiting.accounts.entry(entry.account).or_insert_with(|| CommittedEntries {
                account: entry.account,
                last: entry.sequence,
                entries: Vec::new(),
            });
            news.last = entry.sequence;
            if fits {
                news.entries.push(entry);
                waiting.bytes += bytes;
            } else {
                let freed: usize = news.entries.iter().map(|entry| entry.bytes.len()).sum();
                news.entries.clear();
                waiting.bytes -= freed;
            }
        }
        drop(waiting);
        self.notify.notify_one();
    }
}
