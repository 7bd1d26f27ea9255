use std::time::Duration;

use domain::{MasterKey, Sequence, Timestamp};

use super::bench::{Bench, START, draft, edit, nameless, options, places, record};
use crate::{AppendError, DeadLetter, Error, JournalWrite, LetterFate, SyncState};

pub(super) async fn everything_is_there_after_a_restart(mut bench: Bench) {
    let key = MasterKey::from_bytes([1; 32]);
    let account = bench.store.account_ensure("a", Some(&key)).await.expect("is made").id;
    let later = START.plus(Duration::from_secs(60));
    bench.clock.set(later);
    let first = bench.append_once(account, vec![draft("x", "1"), nameless("2")], "key", 1).await.expect("is stored");
    let subscription = bench.subscription(account, "x", true).await;
    bench.journal(account, 3, subscription.id, None).await;
    let letter = DeadLetter {
        subscription: subscription.id,
        sequence: Sequence(1),
        fate: LetterFate::Dead,
        entry_id: first.items[0].id.clone(),
        reason: "refused".to_owned(),
        died_at: START,
        bytes: vec![1],
    };
    let write = JournalWrite { dead: vec![letter.clone()], ..JournalWrite::of(account, Sequence(3)) };
    bench.store.journal_write(vec![write]).await.expect("is written");
    let token = super::tokens::new_token(&bench, account, 5);
    bench.store.token_create(token, record("token")).await.expect("is made");
    let instance = bench.store.instance_id().await.expect("is made");
    let log = bench.texts(account).await;
    let progress = bench.progress(subscription.id).await;

    // The clock has gone back meanwhile.
    bench.clock.set(Timestamp::from_millis(START.as_millis() - 1_000));
    bench.restart(options()).await;
    assert_eq!(bench.store.sync_state(), SyncState::Writable);
    assert_eq!(bench.store.instance_id().await.expect("is there"), instance);
    assert_eq!(bench.account("a").await, account);
    assert_eq!(bench.texts(account).await, log);
    assert_eq!(bench.progress(subscription.id).await, progress);
    assert_eq!(bench.store.subscription_get(account, subscription.id).await.expect("is there"), subscription);
    assert_eq!(bench.store.account_matched(account).await.expect("is read"), Sequence(3));
    let page = bench.store.dead_letter_page(subscription.id, None, None, 9, usize::MAX).await.expect("is read");
    assert_eq!(page.letters.into_iter().map(|stored| stored.letter).collect::<Vec<_>>(), [letter]);
    assert!(bench.store.token_by_hash([5; 32]).await.expect("is read").is_some());
    assert_eq!(bench.store.keyring(Some(key)).check(account), Ok(()));
    let again = bench.append_once(account, vec![draft("x", "1"), nameless("2")], "key", 1).await.expect("is answered");
    assert_eq!((again.items, again.repeated), (first.items, true));
    let next = bench.append(account, vec![draft("x", "1"), nameless("3")]).await.expect("is stored");
    assert_eq!(places(&next), [(1, true), (5, false)]);
    assert_eq!(bench.log(account).await[4].received_at, later);
    let changed = bench.store.subscription_update(account, subscription.id, 1, edit("second", true), record("changed"));
    assert_eq!(changed.await.expect("is changed").revision, 2);
}

pub(super) async fn a_closed_store_reads_but_writes_nothing(bench: Bench) {
    let account = bench.account("a").await;
    bench.append(account, vec![nameless("0")]).await.expect("is stored");
    // What was asked before the close is done, what is asked after it is not.
    let (before, (), after) = tokio::join!(bench.append(account, vec![nameless("1")]), bench.store.close(), async {
        bench.append(account, vec![nameless("2")]).await
    },);
    before.expect("is stored");
    assert!(matches!(after, Err(AppendError::Store(Error::Closed))), "{after:?}");
    assert_eq!(bench.store.sync_state(), SyncState::Failed);
    assert_eq!(bench.texts(account).await, ["0", "1"]);
    bench.store.close().await;
    let late = bench.append(account, vec![nameless("3")]).await;
    assert!(matches!(late, Err(AppendError::Store(Error::Closed))), "{late:?}");
}
