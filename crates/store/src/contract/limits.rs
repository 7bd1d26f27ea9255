use super::bench::{Bench, draft, edit, nameless, options, places, record};
use crate::{AppendError, StoreOptions};

const QUEUE_BYTES: usize = 10_000;

async fn with_small_queue(mut bench: Bench) -> Bench {
    bench.restart(StoreOptions { ingest_queue_bytes: QUEUE_BYTES, ..options() }).await;
    bench
}

fn is_busy<T>(result: &Result<T, AppendError>, over_share: bool) -> bool {
    matches!(result, Err(AppendError::Busy { account_over_share }) if *account_over_share == over_share)
}

pub(super) async fn an_account_over_its_share_is_refused_alone(bench: Bench) {
    let bench = with_small_queue(bench).await;
    let [account, other] = [bench.account("a").await, bench.account("b").await];
    // Known accounts ask without waiting; what they hold is given back only with the answer.
    for account in [account, other] {
        bench.append(account, vec![nameless("{}")]).await.expect("is stored");
    }
    let large = || vec![nameless(&"x".repeat(QUEUE_BYTES * 4 / 10))];
    let (first, second, beside) =
        tokio::join!(bench.append(account, large()), bench.append(account, large()), bench.append(other, large()),);
    assert!(first.is_ok() && beside.is_ok(), "{first:?} {beside:?}");
    assert!(is_busy(&second, true), "{second:?}");
    let later = bench.append(account, large()).await.expect("the place is free again");
    assert_eq!(places(&later), [(3, false)]);
}

pub(super) async fn a_full_queue_refuses_everybody_and_recovers(bench: Bench) {
    let bench = with_small_queue(bench).await;
    let accounts = [bench.account("a").await, bench.account("b").await, bench.account("c").await];
    for account in accounts {
        bench.append(account, vec![nameless("{}")]).await.expect("is stored");
    }
    let large = || vec![nameless(&"x".repeat(QUEUE_BYTES * 4 / 10))];
    let tiny_ones = || (0..10).map(|_| nameless("")).collect();
    let (first, second, third, tiny) = tokio::join!(
        bench.append(accounts[0], large()),
        bench.append(accounts[1], large()),
        bench.append(accounts[2], large()),
        bench.append(accounts[2], tiny_ones()),
    );
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert!(is_busy(&third, false), "{third:?}");
    assert!(is_busy(&tiny, false), "entries without bytes cost something too: {tiny:?}");
    bench.append(accounts[2], tiny_ones()).await.expect("the queue is empty again");
}

pub(super) async fn a_request_larger_than_the_queue_fits_into_an_empty_one(bench: Bench) {
    let bench = with_small_queue(bench).await;
    let account = bench.account("a").await;
    for sequence in [1, 2] {
        let huge = vec![nameless(&"x".repeat(QUEUE_BYTES * 2))];
        assert_eq!(places(&bench.append(account, huge).await.expect("is stored")), [(sequence, false)]);
    }
}

pub(super) async fn entries_are_refused_below_the_free_space_while_changes_go_on(mut bench: Bench) {
    let account = bench.account("a").await;
    let subscription = bench.subscription(account, "x", true).await;
    bench.restart(StoreOptions { disk_free_min_bytes: u64::MAX, ..options() }).await;
    let refused = bench.append(account, vec![draft("x", "1")]).await;
    assert!(matches!(refused, Err(AppendError::Full)), "{refused:?}");
    assert_eq!(bench.last(account).await, 1);
    bench.journal(account, 1, subscription.id, None).await;
    let changed = bench.store.subscription_update(account, subscription.id, 1, edit("second", true), record("changed"));
    changed.await.expect("is changed");
    bench.store.subscription_delete(account, subscription.id, record("deleted")).await.expect("is deleted");
    assert_eq!(bench.last(account).await, 3);
    bench.restart(options()).await;
    bench.append(account, vec![draft("x", "1")]).await.expect("there is room again");
}
