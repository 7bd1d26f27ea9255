use std::{path::Path, sync::Arc};

use domain::{AccountId, EntryDraft, Sequence, Term, Timestamp, Topic};

use super::{ActorFilter, SearchAsked, Spent, TopicFilter};
use crate::{
    Append, EntryDrop, Store, StoreOptions,
    contract::bench::{FakeClock, START},
};

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
    let mut search = store.search(account, asked).await.expect("is searched");
    let mut all = Vec::new();
    while search.spent() != Spent::All {
        let found;
        (search, found) = store.search_next(search, 10).await.expect("is searched");
        all.extend(found.into_iter().map(|found| found.sequence.0));
    }
    (all, search.looks())
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
    let before = Timestamp::from_millis(i64::MAX);
    let step = EntryDrop { account, before, entries_max: 3, bytes_max: usize::MAX };
    store.entry_drop(step).await.expect("is done");
    assert_eq!(search(&store, account, SearchAsked::default()).await.0, [4], "before it is taken out");
    build(&store).await;
    for count in ["COUNT(*) FROM entry", "COUNT(*) FROM topic", "SUM(entries) FROM hour"] {
        let asked = move |index: &rusqlite::Connection| {
            Ok(index.query_row(&format!("SELECT {count}"), [], |row| row.get::<_, i64>(0))?)
        };
        assert_eq!(store.read_index(asked).await.expect("is read"), 1, "{count}");
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
    let account = account(&store).await;
    let draft = |_| EntryDraft { id: None, bytes: br#"{"action":"a","resource":"acct"}"#.as_slice().into() };
    for _ in 0..5 {
        let drafts = (0..150).map(draft).collect();
        store.entry_append(Append { account, drafts, idempotency: None }).await.expect("is stored");
        store.index_build(130).await.expect("is built");
    }
    build(&store).await;
    let found = search(&store, account, SearchAsked::default()).await.0;
    assert_eq!(found, (1..=750).rev().collect::<Vec<u64>>());
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
