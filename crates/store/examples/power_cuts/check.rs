//! Looks at what power cuts left.

use std::{fs, io, path::Path};

use domain::{AccountId, EntryDraft, EntryId, Sequence, SubscriptionId};
use store::{Append, Error, Store};

use crate::{
    Failure, clock, options,
    promises::{OfSubscription, Promises, bytes_of},
};

/// Checks the images that standard input names, until it ends.
///
/// # Errors
/// A line without two names, a file that cannot be read.
pub async fn run() -> Result<(), Failure> {
    for line in io::stdin().lines() {
        let line = line?;
        let (image, promises) = line.split_once(' ').ok_or("IMAGE PROMISES is expected")?;
        let promises = Promises::parse(&fs::read_to_string(promises)?);
        let image = image.to_owned();
        // In a task of its own, so that a panic is an answer like others.
        let found = tokio::spawn(async move { image_check(Path::new(&image), &promises?).await });
        let answer = match found.await.unwrap_or_else(|panic| Err(panic.into())) {
            Ok(entries) => format!("ok {entries}"),
            Err(error) => format!("wrong {}", whole(error.as_ref()).replace('\n', " ")),
        };
        println!("{answer}");
    }
    Ok(())
}

fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// How many entries there are, if all is as it was promised.
async fn image_check(image: &Path, promises: &Promises) -> Result<usize, Failure> {
    let store = Store::open(image, options(), clock())?;
    let connection = rusqlite::Connection::open(image.join(Store::FILE))?;
    let integrity: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure(integrity == "ok", || format!("integrity check: {integrity}"))?;
    let orphans: i64 = connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    ensure(orphans == 0, || format!("{orphans} rows belong to nothing"))?;
    let mut entries = 0;
    for name in &promises.accounts {
        let account = store.account_by_name(name).await?.ok_or_else(|| format!("the account {name} is lost"))?.id;
        entries += log_check(&store, name, account, promises).await?;
    }
    for (id, promised) in &promises.subscriptions {
        let account = store.account_by_name(&promised.account).await?.ok_or("an account is lost")?.id;
        subscription_check(&store, account, *id, promised).await.map_err(|error| format!("{id}: {error}"))?;
    }
    store.close().await;
    Ok(entries)
}

async fn log_check(store: &Store, name: &str, account: AccountId, promises: &Promises) -> Result<usize, Failure> {
    let log = store.entry_page(account, Sequence(0), usize::MAX, usize::MAX).await?;
    let last = store.entry_last_sequence(account).await?.0;
    ensure(last == log.len() as u64, || format!("{name} has {} entries and says that {last} is the last", log.len()))?;
    for (entry, sequence) in log.iter().zip(1..) {
        ensure(entry.sequence.0 == sequence, || format!("{name}: {} stands at {sequence}", entry.sequence))?;
        let is_of_server = !entry.id.as_str().starts_with(name);
        ensure(is_of_server || bytes_of(entry.id.as_str()).as_deref() == Some(&*entry.bytes), || {
            format!("{name}: the bytes of {sequence} are not those that were sent")
        })?;
    }
    let promised = promises.entries.iter().filter(|((account, _), _)| account == name);
    let mut newest = None;
    for ((_, sequence), id) in promised {
        let at = usize::try_from(*sequence)?.checked_sub(1).and_then(|index| log.get(index));
        let found = at.is_some_and(|entry| entry.id.as_str() == id);
        ensure(found, || format!("{name}: {sequence} was acknowledged as {id} and is lost; the last is {last}"))?;
        newest = Some((*sequence, id));
    }
    if let Some((sequence, id)) = newest.filter(|(_, id)| !id.contains("-off")) {
        let found = append(store, account, id).await?;
        ensure(found == (sequence, true), || format!("{name}: {id} sent again is {found:?}, not a duplicate"))?;
    }
    let next = append(store, account, &format!("{name}-after-10")).await?;
    ensure(next == (last + 1, false), || format!("{name}: the next entry got {next:?} after {last}"))?;
    Ok(log.len())
}

async fn append(store: &Store, account: AccountId, id: &str) -> Result<(u64, bool), Failure> {
    let draft = EntryDraft { id: Some(EntryId::parse(id)?), bytes: bytes_of(id).ok_or("no length")?.into() };
    let appended = store.entry_append(Append { account, drafts: vec![draft], idempotency: None }).await?;
    let item = appended.items.first().ok_or("nothing was said of it")?;
    Ok((item.sequence.0, item.duplicate))
}

async fn subscription_check(
    store: &Store,
    account: AccountId,
    id: SubscriptionId,
    promised: &OfSubscription,
) -> Result<(), Failure> {
    match store.subscription_get(account, id).await {
        Err(Error::NotFound) => ensure(promised.deleted.1, || "is lost".to_owned())?,
        Err(error) => return Err(error.into()),
        Ok(found) => {
            ensure(!promised.deleted.0, || "was deleted and is there".to_owned())?;
            let (least, most) = promised.revision;
            let fits = (least..=most).contains(&found.revision);
            ensure(fits, || format!("has revision {}, not {least} to {most}", found.revision))?;
            let name = format!("revision {}", found.revision);
            ensure(found.edit.name == name, || format!("{name} is called {}", found.edit.name))?;
        }
    }
    let progress = store.progress_get(id).await?.ok_or("has no progress")?;
    let frontier = progress.frontier.ok_or("has no position")?.0;
    let (least, delivered) = promised.frontier;
    ensure(frontier >= least, || format!("stands at {frontier}, and {least} was journaled"))?;
    // Before the first journal write it stands where it starts.
    let is_past = progress.counts.delivered > delivered || (!progress.detail.is_empty() && frontier > delivered);
    ensure(!is_past, || format!("stands at {frontier}, past {delivered}, which was delivered"))?;
    let letters = store.dead_letter_page(id, None, None, usize::MAX, usize::MAX).await?.letters;
    for sequence in &promised.dead {
        let found = letters.iter().any(|stored| stored.letter.sequence.0 == *sequence);
        ensure(found, || format!("the dead letter {sequence} is lost"))?;
    }
    Ok(())
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}
