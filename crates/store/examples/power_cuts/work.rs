//! Uses the store: entries from several callers at once, journal writes, edits and deletions of
//! subscriptions, all in shared commits, with the WAL moved and restarted under them.

use std::path::Path;

use domain::{AccountId, EntryDraft, EntryId, Sequence, SubscriptionId, Timestamp};
use store::{
    Append, Counts, DeadLetter, JobWrites, JournalWrite, LetterFate, NewSubscription, Progress, Store, Subscription,
    SubscriptionEdit,
};

use crate::{
    Failure, clock, options,
    promises::{bytes_of, say},
};

const ACCOUNTS: [&str; 2] = ["default", "other"];
/// Producers that append side by side.
const PRODUCERS: u64 = 6;
/// The longest text of an entry: several pages.
const TEXT_MAX: u64 = 30_000;

/// One account with its subscriptions.
struct Tenant {
    name: &'static str,
    account: AccountId,
    subscriptions: Vec<Subscription>,
}

/// A xorshift generator, so that a seed repeats a run as far as threads let it.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end.max(1)
    }
}

/// Works for `rounds` rounds and closes the store. What the store refuses is told on standard error, and
/// the work goes on.
///
/// # Errors
/// Whatever keeps the work from beginning.
pub async fn run(directory: &Path, seed: u64, rounds: u64, off: bool) -> Result<(), Failure> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let store = Store::open(directory, options(), clock())?;
    let mut tenants = Vec::new();
    for name in ACCOUNTS {
        let account = store.account_ensure(name, None).await?.id;
        say(&format!("account {name}"))?;
        let mut subscriptions = store.subscription_list_all(account).await?;
        subscriptions.retain(|subscription| subscription.edit.on);
        tenants.push(Tenant { name, account, subscriptions });
    }
    if off {
        store.close().await;
        return past_the_store(directory, &tenants[0], 10 * rounds);
    }
    for round in 0..rounds {
        for tenant in &mut tenants {
            turn(&store, tenant, &mut random, &format!("{seed}x{round}")).await?;
        }
    }
    store.close().await;
    Ok(())
}

async fn turn(store: &Store, tenant: &mut Tenant, random: &mut Random, label: &str) -> Result<(), Failure> {
    let mut tasks = tokio::task::JoinSet::new();
    for producer in 0..1 + random.below(PRODUCERS) {
        let ids = (0..1 + random.below(3)).map(|at| {
            // Most are short, so that commits of a few pages stay the common case.
            let length = if random.below(8) == 0 { random.below(TEXT_MAX) } else { random.below(700) };
            format!("{}-{label}-{producer}-{at}-{length}", tenant.name)
        });
        tasks.spawn(append(store.clone(), tenant.name, tenant.account, ids.collect()));
    }
    let last = store.entry_last_sequence(tenant.account).await?;
    for subscription in &tenant.subscriptions {
        let kind = random.below(8);
        if kind < 4 {
            tasks.spawn(journal(store.clone(), tenant.account, subscription.id, last, kind == 0));
        }
    }
    let mut outcomes = vec![edit(store, tenant, random).await];
    while let Some(task) = tasks.join_next().await {
        outcomes.push(task?);
    }
    for refused in outcomes.into_iter().filter_map(Result::err) {
        eprintln!("refused: {refused}");
    }
    Ok(())
}

async fn append(store: Store, name: &str, account: AccountId, ids: Vec<String>) -> Result<(), Failure> {
    let mut drafts = Vec::new();
    for id in &ids {
        let bytes = bytes_of(id).ok_or("an id without a length")?;
        drafts.push(EntryDraft { id: Some(EntryId::parse(id)?), bytes: bytes.into() });
    }
    let appended = store.entry_append(Append { account, drafts, idempotency: None }).await?;
    for item in &appended.items {
        say(&format!("entry {name} {} {}", item.sequence.0, item.id))?;
    }
    Ok(())
}

/// Says what was delivered, and then writes it down.
async fn journal(
    store: Store,
    account: AccountId,
    id: SubscriptionId,
    last: Sequence,
    dies: bool,
) -> Result<(), Failure> {
    say(&format!("delivered {id} {}", last.0))?;
    let progress = Progress {
        frontier: Some(last),
        unsettled_from: Some(last.next()),
        counts: Counts { delivered: last.0, ..Counts::default() },
        detail: format!("{{\"at\":{}}}", last.0),
    };
    let letter = DeadLetter {
        subscription: id,
        sequence: last,
        fate: LetterFate::Dead,
        entry_id: EntryId::parse("refused")?,
        reason: "refused".to_owned(),
        died_at: Timestamp::from_millis(0),
        bytes: vec![b'x'; 500],
    };
    let dead: Vec<_> = dies.then_some(letter).into_iter().collect();
    let (matched, jobs) = (Sequence(0), JobWrites::default());
    let write = JournalWrite { progress: vec![(id, progress)], dead, jobs, ..JournalWrite::of(account, matched) };
    store.journal_write(vec![write]).await?;
    say(&format!("journaled {id} {}", last.0))?;
    if dies {
        say(&format!("dead {id} {}", last.0))?;
    }
    Ok(())
}

/// Makes, changes or deletes a subscription; mostly changes.
async fn edit(store: &Store, tenant: &mut Tenant, random: &mut Random) -> Result<(), Failure> {
    let many = tenant.subscriptions.len();
    let at = usize::try_from(random.below(many as u64))?;
    match random.below(6) {
        0 if many > 2 => {
            let gone = tenant.subscriptions.swap_remove(at);
            say(&format!("deleting {}", gone.id))?;
            store.subscription_delete(tenant.account, gone.id, record("deleted")).await?;
            say(&format!("deleted {}", gone.id))?;
        }
        1..=3 if many > 0 => {
            let old = &tenant.subscriptions[at];
            // Asked for again where it was refused.
            say(&format!("revising {} {}", old.id, old.revision + 1))?;
            let edit = SubscriptionEdit { name: format!("revision {}", old.revision + 1), ..old.edit.clone() };
            let updated =
                store.subscription_update(tenant.account, old.id, old.revision, edit, record("revised")).await?;
            say(&format!("revised {} {}", updated.id, updated.revision))?;
            tenant.subscriptions[at] = updated;
        }
        _ if many < 6 => {
            let edit = SubscriptionEdit {
                name: "revision 1".to_owned(),
                on: true,
                tags: "[]".to_owned(),
                statements: "[]".to_owned(),
                config: vec![7; 300],
                extra: "{}".to_owned(),
            };
            let id = store.subscription_id();
            let new =
                NewSubscription { id, account: tenant.account, integration: "splunk".to_owned(), edit, start: None };
            let made = store.subscription_create(new, record("made")).await?;
            say(&format!("subscribed {} {id}", tenant.name))?;
            tenant.subscriptions.push(made);
        }
        _ => {}
    }
    Ok(())
}

fn record(what: &str) -> EntryDraft {
    let members = serde_json::json!({ "what": what });
    EntryDraft::system(members.as_object().expect("is an object by its form"))
}

/// Acknowledges entries that SQLite was told not to sync.
fn past_the_store(directory: &Path, tenant: &Tenant, count: u64) -> Result<(), Failure> {
    let connection = rusqlite::Connection::open(directory.join(Store::FILE))?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0")?;
    (0..count).try_for_each(|number| past_the_store_one(&connection, tenant, number))
}

fn past_the_store_one(connection: &rusqlite::Connection, tenant: &Tenant, number: u64) -> Result<(), Failure> {
    let id = format!("{}-off{number}-100", tenant.name);
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let of_account = "FROM account WHERE name = ?1";
    connection.execute(
        &format!("INSERT INTO entry SELECT (no << 40) | (last_sequence + 1), last_received, ?2, ?3 {of_account}"),
        (tenant.name, &id, bytes_of(&id)),
    )?;
    connection.execute("UPDATE account SET last_sequence = last_sequence + 1 WHERE name = ?1", [tenant.name])?;
    let sequence: u64 = connection
        .query_row(&format!("SELECT last_sequence {of_account}"), [tenant.name], |row| row.get::<_, i64>(0))?
        .try_into()?;
    connection.execute_batch("COMMIT")?;
    say(&format!("entry {} {sequence} {id}", tenant.name))?;
    Ok(())
}
