//! What the contract cannot ask for: groups whose transaction fails in every way it can.

use std::sync::mpsc;

use domain::AccountId;
use tokio::sync::oneshot;

use super::SyncState;
use crate::{
    AppendError, Error, Store,
    contract::bench::{Bench, draft, entry_id, nameless, places, record},
};

/// Runs raw SQL as a request of its own.
async fn execute(store: &Store, sql: &'static str) -> Result<(), Error> {
    store.shared.writer.run(move |group| Ok(group.connection.execute_batch(sql)?)).await
}

/// A constraint that is looked at only by COMMIT, and broken then.
const FAILS_AT_COMMIT: &str = "PRAGMA defer_foreign_keys = ON; INSERT INTO data_key VALUES (999, 1, x'')";

/// Keeps the writer busy until the sender is used or dropped, so that what is asked for
/// meanwhile comes into one group.
async fn hold(store: &Store) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let held = store.clone();
    tokio::spawn(async move {
        held.shared
            .writer
            .run(move |_| {
                let _ = begun.send(());
                let _ = released.recv();
                Err::<(), Error>(Error::NotFound)
            })
            .await
    });
    has_begun.await.expect("the writer has taken it up");
    release
}

async fn known_account(bench: &Bench, name: &str) -> AccountId {
    let account = bench.account(name).await;
    assert_eq!(bench.last(account).await, 0);
    account
}

fn is_failure<T>(result: &Result<T, AppendError>) -> bool {
    matches!(result, Err(AppendError::Store(Error::Internal(_))))
}

#[tokio::test]
async fn in_one_group_a_request_fails_alone() {
    let bench = crate::contract::fresh_sqlite();
    let [account, other] = [known_account(&bench, "a").await, known_account(&bench, "b").await];
    let release = hold(&bench.store).await;
    let (first, refused, second, beside, again, ()) = tokio::join!(
        bench.append(account, vec![draft("x", "1")]),
        bench.append(account, vec![nameless("2"), nameless("3"), draft("x", "other")]),
        bench.append(account, vec![nameless("4")]),
        bench.append(other, vec![nameless("5")]),
        bench.append(account, vec![draft("x", "1")]),
        async { drop(release) },
    );
    assert_eq!(places(&first.expect("is stored")), [(1, false)]);
    assert!(matches!(refused, Err(AppendError::IdConflict { index: 2, .. })), "{refused:?}");
    assert_eq!(places(&second.expect("is stored")), [(2, false)]);
    assert_eq!(places(&beside.expect("is stored")), [(1, false)]);
    assert_eq!(places(&again.expect("is told")), [(1, true)]);
    assert_eq!(bench.texts(account).await, ["1", "4"]);
}

#[tokio::test]
async fn a_commit_that_fails_is_the_answer_to_all_of_its_group() {
    let bench = crate::contract::fresh_sqlite();
    let account = known_account(&bench, "a").await;
    let release = hold(&bench.store).await;
    let (first, conflict, failing, last, ()) = tokio::join!(
        bench.append(account, vec![draft("x", "1")]),
        bench.append(account, vec![draft("x", "other")]),
        execute(&bench.store, FAILS_AT_COMMIT),
        bench.append(account, vec![nameless("2")]),
        async { drop(release) },
    );
    // The conflict was with an entry that never came to be.
    assert!(is_failure(&first) && is_failure(&conflict) && is_failure(&last), "{first:?} {conflict:?} {last:?}");
    assert!(matches!(failing, Err(Error::Internal(_))), "{failing:?}");
    assert_eq!(bench.store.sync_state(), SyncState::Failed);
    assert_eq!(bench.last(account).await, 0);
    let next = bench.append(account, vec![draft("x", "other")]).await.expect("the writer goes on");
    assert_eq!(places(&next), [(1, false)]);
    assert_eq!(bench.store.sync_state(), SyncState::Writable);
    let news = bench.store.committed().take().await;
    assert_eq!(news.iter().map(|news| (news.last.0, news.entries.len())).collect::<Vec<_>>(), [(1, 1)]);
}

#[tokio::test]
async fn a_group_that_cannot_begin_says_so() {
    let bench = crate::contract::fresh_sqlite();
    let account = known_account(&bench, "a").await;
    execute(&bench.store, "PRAGMA busy_timeout = 0").await.expect("is set");
    let path = bench.store.shared.directory.join(Store::FILE);
    let other = rusqlite::Connection::open(path).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("begins");
    let refused = bench.append(account, vec![nameless("1")]).await;
    assert!(is_failure(&refused), "{refused:?}");
    assert_eq!(bench.store.sync_state(), SyncState::Failed);
    other.execute_batch("ROLLBACK").expect("ends");
    assert_eq!(places(&bench.append(account, vec![nameless("2")]).await.expect("is stored")), [(1, false)]);
}

#[tokio::test]
async fn no_room_refuses_and_leaves_no_gap() {
    let bench = crate::contract::fresh_sqlite();
    let account = known_account(&bench, "a").await;
    bench.append(account, vec![nameless("first")]).await.expect("is stored");
    execute(&bench.store, "PRAGMA max_page_count = 1").await.expect("is set, to what is used now");
    let large = "x".repeat(100_000);
    for _ in 0..3 {
        let release = hold(&bench.store).await;
        let (small, refused, after, ()) = tokio::join!(
            bench.append(account, vec![nameless("")]),
            bench.append(account, vec![nameless("small"), nameless(&large)]),
            bench.append(account, vec![nameless("")]),
            async { drop(release) },
        );
        assert!(matches!(refused, Err(AppendError::Full)), "{refused:?}");
        // Those beside it are stored, or share its fate when the whole transaction was given up.
        for beside in [small, after] {
            assert!(matches!(beside, Ok(_) | Err(AppendError::Full)), "{beside:?}");
        }
    }
    execute(&bench.store, "PRAGMA max_page_count = 1000000").await.expect("is set");
    bench.append(account, vec![nameless(&large)]).await.expect("is stored");
    assert_eq!(bench.store.sync_state(), SyncState::Writable);
    let log = bench.log(account).await;
    let sequences: Vec<u64> = log.iter().map(|entry| entry.sequence.0).collect();
    assert_eq!(sequences, (1..=log.len() as u64).collect::<Vec<_>>());
    assert!(!log.iter().any(|entry| *entry.bytes == *b"small"));
    assert_eq!(bench.last(account).await, log.len() as u64);
}

#[tokio::test]
async fn a_transaction_that_ended_under_a_request_fails_the_group() {
    let bench = crate::contract::fresh_sqlite();
    let account = known_account(&bench, "a").await;
    let release = hold(&bench.store).await;
    // As SQLite itself does for some errors of the disk.
    let (before, ended, after, ()) = tokio::join!(
        bench.append(account, vec![nameless("1")]),
        execute(&bench.store, "ROLLBACK; SELECT no_such_column"),
        bench.append(account, vec![nameless("2")]),
        async { drop(release) },
    );
    assert!(is_failure(&before), "{before:?}");
    assert!(matches!(ended, Err(Error::Internal(_))), "{ended:?}");
    // What came after it is in the next group.
    assert_eq!(places(&after.expect("is stored")), [(1, false)]);
    assert_eq!(bench.texts(account).await, ["2"]);
}

#[tokio::test]
async fn a_caller_that_went_away_gives_its_place_in_the_queue_back() {
    let bench = crate::contract::fresh_sqlite();
    let account = known_account(&bench, "a").await;
    let release = hold(&bench.store).await;
    {
        let mut append = std::pin::pin!(bench.append(account, vec![nameless("1")]));
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(append.as_mut().poll(context))).await;
        assert!(polled.is_pending());
    }
    assert!(bench.store.shared.writer.queued_bytes.load(std::sync::atomic::Ordering::Relaxed) > 0);
    drop(release);
    // What it asked for is done all the same.
    let next = bench.append(account, vec![nameless("2")]).await.expect("is stored");
    assert_eq!(places(&next), [(2, false)]);
    assert_eq!(bench.store.shared.writer.queued_bytes.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn looking_for_an_id_prepares_nothing_anew() {
    use crate::entries::PLACES_OF_KEY;

    let bench = crate::contract::fresh_sqlite();
    let account = bench.account("a").await;
    for index in 0..20 {
        let batch = vec![draft("the first", "1"), draft(&format!("{index}"), "2")];
        bench.append(account, batch).await.expect("is stored");
    }
    let prepared_anew = bench.store.shared.writer.run(|group| -> Result<i32, Error> {
        let statement = group.connection.prepare_cached(PLACES_OF_KEY)?;
        assert!(statement.get_status(rusqlite::StatementStatus::Run) >= 40);
        Ok(statement.get_status(rusqlite::StatementStatus::RePrepare))
    });
    assert_eq!(prepared_anew.await.expect("is read"), 0);
}

#[tokio::test]
async fn ids_of_one_key_are_told_apart() {
    let bench = crate::contract::fresh_sqlite();
    let [account, other] = [bench.account("a").await, bench.account("b").await];
    // Packed, the second is the first.
    let texts = ["abc", "616263"];
    let ids = texts.map(entry_id);
    assert_eq!(crate::entries::id_key(1, &ids[0]), crate::entries::id_key(1, &ids[1]));
    bench.append(account, vec![draft(texts[0], "1"), draft(texts[1], "2")]).await.expect("is stored");
    bench.append(other, vec![draft(texts[1], "3")]).await.expect("is stored");
    for (whose, id, body, sequence) in [(account, 0, "1", 1), (account, 1, "2", 2), (other, 1, "3", 1)] {
        let again = bench.append(whose, vec![draft(texts[id], body)]).await.expect("is told");
        assert_eq!(places(&again), [(sequence, true)]);
    }
    let new = bench.append(other, vec![draft(texts[0], "4")]).await.expect("is stored");
    assert_eq!(places(&new), [(2, false)]);
}

#[test]
fn keys_of_ids_that_grow_with_time_grow() {
    let key = |text: &str| crate::entries::id_key(1, &entry_id(text));
    for [earlier, later] in [
        ["66f0c0fe00000000ffffffff", "66f0c0ff0000000000000000"],
        ["018f3a7e-0000-7000-8000-ffffffffffff", "018f3a7f-0000-7000-8000-000000000000"],
        ["01J8ZQ4YV0AAAAAAAAAAAAAAAA", "01J8ZQ4YV1AAAAAAAAAAAAAAAA"],
        ["2026-11-23T08:00:00Z/some-long-source/1", "2026-11-23T09:00:00Z/some-long-source/1"],
        ["billing.eu-central-1.production/0000000000000009", "billing.eu-central-1.production/0000000000000010"],
    ] {
        let [earlier, later] = [key(earlier), key(later)];
        assert!(earlier.len() <= 68 && earlier < later, "{earlier:x?} {later:x?}");
    }
    let long = "x".repeat(100);
    let keys = ["1", "2"].map(|end| key(&format!("{long}{end}")));
    assert!(keys[0] != keys[1] && keys.iter().all(|key| key.len() == 68), "{keys:x?}");
    assert_eq!(key("018f3a7e-0000-7000-8000-ffffffffffff").len(), 20);
}

#[tokio::test]
async fn of_a_deleted_subscription_no_secret_stays() {
    let bench = crate::contract::fresh_sqlite();
    let account = bench.account("a").await;
    let id = bench.subscription(account, "x", true).await.id;
    let config = async || {
        let stored = bench.store.read(move |connection| {
            let sql = "SELECT config FROM subscription WHERE id = ?1";
            Ok(connection.query_row(sql, [id.as_bytes()], |row| row.get::<_, Vec<u8>>(0))?)
        });
        stored.await.expect("is read")
    };
    assert!(!config().await.is_empty());
    bench.store.subscription_delete(account, id, record("deleted")).await.expect("is deleted");
    assert!(config().await.is_empty());
}
