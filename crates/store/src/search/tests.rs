use std::{path::Path, sync::Arc, time::Duration};

use domain::{AccountId, EntryDraft, Sequence, Term, Timestamp, Topic};

use super::{ActorFilter, Found, SearchAsked, Spent, TopicFilter, file};
use crate::{
    Append, EntryDrop, Error, Store, StoreOptions,
    contract::bench::{FakeClock, START},
};

/// Later than every date of these tests.
const END: Timestamp = Timestamp::from_millis(2_000_000_000_000);

fn open(directory: &Path) -> Store {
    let options = StoreOptions { disk_free_min_bytes: 0, indexes: false, ..StoreOptions::default() };
    Store::open(directory, options, FakeClock::new()).expect("opens")
}

async fn account(store: &Store) -> AccountId {
    store.account_ensure("a", None).await.expect("is made").id
}

/// Flags of these keys, one a second, all changed by the member `m`.
async fn append(store: &Store, account: AccountId, keys: &[String]) {
    let draft = |(at, key): (usize, &String)| {
        let date = START.as_millis() + 1_000 * i64::try_from(at).expect("fits");
        let entry = format!(
            r#"{{"action":"a","resource":"flag/{key}","name":"Flag {key}","date":{date},"member":{{"_id":"m"}}}}"#
        );
        EntryDraft { id: None, bytes: entry.into_bytes().into() }
    };
    let drafts = keys.iter().enumerate().map(draft).collect();
    store.entry_append(Append { account, drafts, idempotency: None }).await.expect("is stored");
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("k{at}")).collect()
}

async fn build(store: &Store) -> usize {
    store.index_build(usize::MAX).await.expect("is built")
}

/// All that a search finds, and how much it had to look at.
async fn search(store: &Store, account: AccountId, asked: SearchAsked) -> (Vec<u64>, usize) {
    try_search(store, account, asked).await.expect("is searched")
}

async fn try_search(store: &Store, account: AccountId, asked: SearchAsked) -> Result<(Vec<u64>, usize), Error> {
    let mut search = store.search(account, asked).await?;
    let mut all = Vec::new();
    while search.spent() != Spent::All {
        let found;
        (search, found) = store.search_next(search, 10).await?;
        all.extend(found.into_iter().map(|found| found.sequence.0));
    }
    Ok((all, search.looks()))
}

async fn count(store: &Store, account: AccountId, parts: &[(Timestamp, Timestamp)]) -> Vec<u64> {
    let mut counting = store.count(account, parts.to_vec()).await.expect("is counted");
    loop {
        if let Some(counts) = counting.done() {
            return counts.to_vec();
        }
        counting = store.count_next(counting).await.expect("is counted");
    }
}

fn named(part: &'static str) -> SearchAsked {
    let terms = vec![Term::of_name_part(part).into_iter().collect(), vec![Term::long_name()]];
    let fits = Arc::new(move |topic: &Topic| topic.name_holds(part));
    SearchAsked { topics: Some(TopicFilter { fits, terms: vec![terms] }), ..SearchAsked::default() }
}

#[tokio::test]
async fn a_rare_topic_is_found_behind_many_others_without_looking_at_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let account = account(&store).await;
    let mut all = vec!["needle".to_owned(), "x".repeat(300)];
    all.extend(keys(12_000));
    append(&store, account, &all).await;
    assert_eq!(build(&store).await, 12_002);
    let (found, looks) = search(&store, account, named("needle")).await;
    assert_eq!(found, [1]);
    assert!(looks < 7_000, "{looks}");
    let (found, looks) = search(&store, account, named("flag xxxx")).await;
    assert_eq!((found.as_slice(), looks < 7_000), ([2].as_slice(), true), "a long name may hold anything");
    assert_eq!(search(&store, account, named("needles")).await.0, Vec::<u64>::new());
    assert_eq!(search(&store, account, named("k1")).await.0.len(), 3_111);
    let by = |member: &str| SearchAsked {
        actors: ActorFilter { members: vec![member.to_owned()], tokens: Vec::new() },
        ..named("needle")
    };
    assert_eq!(search(&store, account, by("m")).await.0, [1]);
    assert_eq!(search(&store, account, by("n")).await, (Vec::new(), 0));
}

#[tokio::test]
async fn the_position_is_kept_over_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let account = account(&store).await;
    append(&store, account, &keys(50)).await;
    assert_eq!(store.index_build(20).await.expect("is built"), 20);
    store.close().await;
    drop(store);
    let store = open(directory.path());
    let begun = store.search(account, SearchAsked::default()).await.expect("is searched");
    assert_eq!(begun.indexed(), Sequence(20));
    assert_eq!(build(&store).await, 30);
    assert_eq!(search(&store, account, SearchAsked::default()).await.0.len(), 50);
}

#[tokio::test]
async fn an_index_that_was_not_closed_is_trusted_until_the_machine_starts_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let marker = file::marker_of(&directory.path().join(Store::INDEX_FILE));
    let store = open(directory.path());
    let account = account(&store).await;
    append(&store, account, &keys(20)).await;
    build(&store).await;
    drop(store);
    let state = std::fs::read_to_string(&marker).expect("is there");
    let reopen = async |state: Option<&str>| {
        match state {
            Some(state) => std::fs::write(&marker, state).expect("is written"),
            None => std::fs::remove_file(&marker).expect("is removed"),
        }
        let store = open(directory.path());
        let found = store.search(account, SearchAsked::default()).await.expect("is searched").indexed().0;
        build(&store).await;
        assert_eq!(search(&store, account, SearchAsked::default()).await.0.len(), 20);
        store.close().await;
        assert_eq!(std::fs::read_to_string(&marker).expect("is there"), "closed");
        found
    };
    assert_eq!(reopen(Some(&state)).await, 20, "the process ended in this boot");
    assert_eq!(reopen(Some("closed")).await, 20);
    let (index, copy) = (directory.path().join(Store::INDEX_FILE), directory.path().join("copy"));
    std::fs::copy(&index, &copy).expect("is copied");
    std::fs::rename(copy, index).expect("is put in its place");
    assert_eq!(reopen(Some(&state)).await, 0, "a copy may have been taken while it was written");
    assert_eq!(reopen(Some("6a52f3b0-0000-4000-8000-000000000000")).await, 0, "another boot");
    assert_eq!(reopen(None).await, 0);
    // As with a full disk, no new note can be written.
    std::fs::create_dir(directory.path().join("index.db-state.new")).expect("is made");
    let store = open(directory.path());
    assert!(!marker.exists(), "nothing says that it is whole");
    drop(store);
}

#[tokio::test]
async fn an_index_that_is_gone_damaged_or_of_another_log_is_built_anew() {
    let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let index = |directory: &Path| directory.join(Store::INDEX_FILE);
    let store = open(one.path());
    let first = account(&store).await;
    append(&store, first, &keys(30)).await;
    build(&store).await;
    store.close().await;
    drop(store);
    let copy = std::fs::read(index(one.path())).expect("is read");
    for damage in [None, Some("no database at all, but long enough to be taken for one")] {
        match damage {
            None => std::fs::remove_file(index(one.path())).expect("is removed"),
            Some(text) => std::fs::write(index(one.path()), text).expect("is written"),
        }
        let store = open(one.path());
        assert_eq!(build(&store).await, 30);
        assert_eq!(search(&store, first, SearchAsked::default()).await.0.len(), 30);
        store.close().await;
    }
    // A log with other entries under the same sequences.
    let store = open(other.path());
    let second = account(&store).await;
    append(&store, second, &keys(40)).await;
    store.close().await;
    drop(store);
    std::fs::write(index(other.path()), copy).expect("is written");
    let store = open(other.path());
    assert_eq!(build(&store).await, 40);
}

#[tokio::test]
async fn what_leaves_the_log_leaves_the_index_with_its_topics() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let account = account(&store).await;
    let keys: Vec<String> = ["gone", "gone", "stays", "stays"].map(str::to_owned).into();
    append(&store, account, &keys).await;
    build(&store).await;
    let year = [(START, START.plus(Duration::from_secs(3))), (START.plus(Duration::from_secs(3)), END)];
    assert_eq!(count(&store, account, &year).await, [3, 1]);
    let before = Timestamp::from_millis(i64::MAX);
    let step = EntryDrop { account, before, entries_max: 3, bytes_max: usize::MAX };
    store.entry_drop(step).await.expect("is done");
    assert_eq!(search(&store, account, SearchAsked::default()).await.0, [4], "before it is taken out");
    assert_eq!(count(&store, account, &year).await, [0, 1], "before it is taken out");
    assert_eq!(count(&store, account, &[(Timestamp::from_millis(0), END)]).await, [1]);
    build(&store).await;
    assert_eq!(count(&store, account, &year).await, [0, 1]);
    for count in ["COUNT(*) FROM entry", "COUNT(*) FROM topic", "COUNT(*) FROM actor", "SUM(entries) / 2 FROM span"] {
        let asked = move |index: &rusqlite::Connection| {
            Ok(index.query_row(&format!("SELECT {count}"), [], |row| row.get::<_, i64>(0))?)
        };
        assert_eq!(store.read_index(&store.index_readers(), asked).await.expect("is read"), 1, "{count}");
    }
    assert_eq!(search(&store, account, named("gone")).await.0, Vec::<u64>::new());
    assert_eq!(search(&store, account, named("stay")).await.0, [4]);
    append(&store, account, &["gone".to_owned()]).await;
    build(&store).await;
    assert_eq!(search(&store, account, named("gone")).await.0, [5]);
}

#[tokio::test]
async fn entries_of_one_date_keep_their_order_however_many_they_are() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let [account, other] = ["a", "b"].map(|key| store.account_ensure(key, None));
    let (account, other) = (account.await.expect("is made").id, other.await.expect("is made").id);
    let draft = |_| EntryDraft { id: None, bytes: br#"{"action":"a","resource":"acct"}"#.as_slice().into() };
    for at in 0..5 {
        for account in [account, other] {
            let drafts = (0..150).map(draft).collect();
            store.entry_append(Append { account, drafts, idempotency: None }).await.expect("is stored");
        }
        // Parts of all sizes are brought in, and two accounts share ranks.
        store.index_build(if at == 2 { 1 } else { 230 }).await.expect("is built");
    }
    build(&store).await;
    for account in [account, other] {
        let found = search(&store, account, SearchAsked::default()).await.0;
        assert_eq!(found, (1..=750).rev().collect::<Vec<u64>>());
        assert_eq!(count(&store, account, &[(START, START.plus(Duration::from_millis(1)))]).await, [750]);
    }
    let ranks = |index: &rusqlite::Connection| {
        Ok(index.query_row("SELECT COUNT(DISTINCT rank) FROM entry", [], |row| row.get::<_, u32>(0))?)
    };
    let used = store.read_index(&store.index_readers(), ranks).await.expect("is read");
    assert!((9..60).contains(&used), "ranks hold more where there are many entries: {used}");
    let forged = SearchAsked {
        below: Some(Found { date: START, sequence: Sequence(u64::MAX) }),
        up_to: Some(Sequence(u64::MAX)),
        ..SearchAsked::default()
    };
    assert_eq!(search(&store, account, forged).await.0.len(), 750, "no place reaches into the other account");
}

#[tokio::test]
async fn every_entry_is_counted_in_the_part_of_its_date() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let account = account(&store).await;
    append(&store, account, &keys(9_000)).await;
    build(&store).await;
    // A part ends within a second, within a minute, with an hour, and past them all.
    let mut from = START;
    let mut parts = Vec::new();
    for seconds in [0.5, 59.7, 100.0, 3_600.0, 1.0, 7_000.0] {
        let to = from.plus(Duration::from_secs_f64(seconds));
        parts.push((from, to));
        from = to;
    }
    let counted = count(&store, account, &parts).await;
    let within = |(from, to): &(Timestamp, Timestamp)| {
        (0..9_000).filter(|at| (*from..*to).contains(&START.plus(Duration::from_secs(*at)))).count() as u64
    };
    assert_eq!(counted, parts.iter().map(within).collect::<Vec<_>>());
    assert_eq!(counted.iter().sum::<u64>(), 9_000);
}

#[tokio::test]
async fn an_index_that_is_damaged_while_it_is_used_is_built_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let account = account(&store).await;
    append(&store, account, &keys(5_000)).await;
    build(&store).await;
    let damage = || {
        for file in ["index.db", "index.db-wal"] {
            let path = directory.path().join(file);
            let length = std::fs::metadata(&path).expect("is there").len();
            let file = std::fs::File::options().write(true).open(path).expect("opens");
            let noise = vec![0x5a; usize::try_from(length).expect("fits")];
            std::os::unix::fs::FileExt::write_all_at(&file, &noise, 0).expect("is written");
        }
    };
    damage();
    let error = try_search(&store, account, named("k4999")).await.expect_err("is damaged");
    assert!(error.is_damage(), "{error:?}");
    build(&store).await;
    assert_eq!(search(&store, account, named("k4999")).await.0, [5_000]);
    damage();
    append(&store, account, &["later".to_owned()]).await;
    build(&store).await;
    // What the builder had in memory was enough for one entry, so the next reader notes it.
    if let Err(error) = try_search(&store, account, named("k4999")).await {
        assert!(error.is_damage(), "{error:?}");
        build(&store).await;
    }
    assert_eq!(search(&store, account, named("k4999")).await.0, [5_000]);
    assert_eq!(search(&store, account, named("later")).await.0, [5_001]);
}

#[tokio::test]
async fn a_search_goes_on_in_the_index_in_which_it_began() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let account = account(&store).await;
    append(&store, account, &keys(50)).await;
    build(&store).await;
    let begun = store.search(account, SearchAsked::default()).await.expect("is searched");
    let parts = vec![(START, END)];
    let mut counting = store.count(account, parts.clone()).await.expect("is counted");
    let inner = &store.shared.index.inner;
    inner.make_anew(&mut inner.builder.lock()).expect("is made anew");
    let (begun, first) = store.search_next(begun, 20).await.expect("goes on");
    let (_, others) = store.search_next(begun, 50).await.expect("goes on");
    assert_eq!((first.len(), others.len()), (20, 30));
    while counting.done().is_none() {
        counting = store.count_next(counting).await.expect("goes on");
    }
    assert_eq!(counting.done(), Some(&[50][..]));
    assert_eq!(search(&store, account, SearchAsked::default()).await.0.len(), 0, "the new one has nothing yet");
    build(&store).await;
    assert_eq!(search(&store, account, SearchAsked::default()).await.0.len(), 50);
    assert_eq!(count(&store, account, &parts).await, [50]);
}

#[tokio::test]
async fn an_account_with_much_to_index_keeps_none_waiting() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let [large, small] = ["a", "b"].map(|key| store.account_ensure(key, None));
    let (large, small) = (large.await.expect("is made").id, small.await.expect("is made").id);
    append(&store, large, &keys(6_000)).await;
    append(&store, small, &keys(1)).await;
    assert_eq!(store.index_build(4_000).await.expect("is built"), 4_000);
    append(&store, large, &keys(1)).await;
    assert_eq!(store.index_build(100).await.expect("is built"), 100);
    assert_eq!(search(&store, small, SearchAsked::default()).await.0, [1]);
}

#[tokio::test]
async fn no_index_is_built_where_the_disk_is_nearly_full() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let account = account(&store).await;
    append(&store, account, &keys(1)).await;
    store.close().await;
    drop(store);
    let options = StoreOptions { disk_free_min_bytes: u64::MAX, indexes: false, ..StoreOptions::default() };
    let store = Store::open(directory.path(), options, FakeClock::new()).expect("opens");
    assert!(matches!(store.index_build(1).await, Err(Error::Full)));
}

#[tokio::test]
async fn the_index_is_built_by_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = StoreOptions { disk_free_min_bytes: 0, ..StoreOptions::default() };
    let store = Store::open(directory.path(), options, FakeClock::new()).expect("opens");
    let account = account(&store).await;
    append(&store, account, &keys(5_000)).await;
    let indexed = async || store.search(account, SearchAsked::default()).await.expect("is searched").indexed();
    while indexed().await < Sequence(5_000) {
        tokio::task::yield_now().await;
    }
    assert_eq!(search(&store, account, SearchAsked::default()).await.0.len(), 5_000);
    store.close().await;
}
