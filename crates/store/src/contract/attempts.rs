use std::time::Duration;

use domain::{AccountId, Sequence, SubscriptionId, Timestamp};

use super::bench::{Bench, START, record};
use crate::{AttemptLimits, AttemptsWrite, JournalWrite};

/// Keeps everything.
const ALL: AttemptLimits = AttemptLimits { ended_before: Timestamp::from_millis(i64::MIN), kept_max: u64::MAX };

fn attempts(subscription: SubscriptionId, count: u64, dropped: u64, text: &str) -> AttemptsWrite {
    AttemptsWrite { subscription, count, dropped, ended_at: START, packed: text.as_bytes().to_vec() }
}

async fn write(bench: &Bench, account: AccountId, attempts: Vec<AttemptsWrite>) {
    let write = JournalWrite { attempts, ..JournalWrite::of(account, Sequence(0)) };
    bench.store.journal_write(vec![write]).await.expect("is written");
}

/// Rows as number of the first and text, newest first.
async fn page(bench: &Bench, id: SubscriptionId, below: Option<u64>, rows: usize, bytes: usize) -> Vec<(u64, String)> {
    let page = bench.store.attempt_page(id, below, rows, bytes).await.expect("is read");
    page.into_iter().map(|row| (row.first, String::from_utf8_lossy(&row.packed).into_owned())).collect()
}

async fn numbers(bench: &Bench, id: SubscriptionId) -> Vec<u64> {
    page(bench, id, None, usize::MAX, usize::MAX).await.into_iter().map(|(first, _)| first).collect()
}

/// Drops until there is nothing more to drop; the rows of each step that dropped some.
async fn drop_all(bench: &Bench, limits: AttemptLimits) -> Vec<usize> {
    let mut from = SubscriptionId::from_bytes([0; 12]);
    let mut dropped = Vec::new();
    loop {
        let step = bench.store.attempt_drop_step(from, limits).await.expect("is done");
        dropped.extend(Some(step.rows).filter(|rows| *rows > 0));
        match step.next {
            Some(next) => from = next,
            None => return dropped,
        }
    }
}

pub(super) async fn attempts_are_numbered_and_read_newest_first(bench: Bench) {
    let account = bench.account("a").await;
    let [one, other] =
        [bench.subscription(account, "x", true).await.id, bench.subscription(account, "x", true).await.id];
    write(&bench, account, vec![attempts(one, 3, 0, "abc"), attempts(other, 1, 0, "z")]).await;
    write(&bench, account, vec![attempts(one, 1, 0, "d")]).await;
    write(&bench, account, vec![attempts(one, 2, 0, "ef")]).await;
    let row = |first, text: &str| (first, text.to_owned());
    let all = [row(5, "ef"), row(4, "d"), row(1, "abc")];
    assert_eq!(page(&bench, one, None, 9, usize::MAX).await, all);
    assert_eq!(page(&bench, one, Some(6), 9, usize::MAX).await, all, "a row may reach beyond the number");
    assert_eq!(page(&bench, one, Some(5), 9, usize::MAX).await, all[1..]);
    assert!(page(&bench, one, Some(1), 9, usize::MAX).await.is_empty());
    assert_eq!(page(&bench, one, None, 2, usize::MAX).await, all[..2]);
    assert_eq!(page(&bench, one, None, 9, 3).await, all[..2]);
    assert_eq!(page(&bench, one, None, 9, 0).await, all[..1]);
    assert_eq!(page(&bench, other, None, 9, usize::MAX).await, [row(1, "z")]);
}

pub(super) async fn attempts_that_were_not_kept_leave_their_numbers_empty(bench: Bench) {
    let account = bench.account("a").await;
    let id = bench.subscription(account, "x", true).await.id;
    write(&bench, account, vec![attempts(id, 2, 5, "ab")]).await;
    write(&bench, account, vec![attempts(id, 0, 3, "")]).await;
    write(&bench, account, vec![attempts(id, 1, 0, "c")]).await;
    assert_eq!(numbers(&bench, id).await, [11, 1]);
}

pub(super) async fn attempts_of_another_account_are_not_written(bench: Bench) {
    let [account, other] = [bench.account("a").await, bench.account("b").await];
    let id = bench.subscription(account, "x", true).await.id;
    write(&bench, other, vec![attempts(id, 1, 0, "a")]).await;
    assert!(numbers(&bench, id).await.is_empty());
}

pub(super) async fn old_attempts_are_dropped_those_of_deleted_subscriptions_too(bench: Bench) {
    let account = bench.account("a").await;
    let [kept, deleted] = [bench.subscription(account, "x", true).await, bench.subscription(account, "x", true).await];
    let at = |seconds| START.plus(Duration::from_secs(seconds));
    for seconds in [1, 2, 3] {
        let aged = |id| AttemptsWrite { ended_at: at(seconds), ..attempts(id, 10, 0, "x") };
        write(&bench, account, vec![aged(kept.id), aged(deleted.id)]).await;
    }
    bench.store.subscription_delete(account, deleted.id, record("deleted")).await.expect("is deleted");
    assert!(drop_all(&bench, ALL).await.is_empty());
    assert_eq!(drop_all(&bench, AttemptLimits { ended_before: at(2), ..ALL }).await, [1, 1]);
    for id in [kept.id, deleted.id] {
        assert_eq!(numbers(&bench, id).await, [21, 11]);
    }
    assert_eq!(drop_all(&bench, AttemptLimits { ended_before: at(9), ..ALL }).await, [2, 2]);
    // Numbers are never given twice.
    write(&bench, account, vec![attempts(kept.id, 1, 0, "x")]).await;
    assert_eq!((numbers(&bench, kept.id).await, numbers(&bench, deleted.id).await), (vec![31], vec![]));
}

pub(super) async fn attempts_beyond_the_number_are_dropped_in_steps(bench: Bench) {
    let account = bench.account("a").await;
    let id = bench.subscription(account, "x", true).await.id;
    write(&bench, account, (0..250).map(|_| attempts(id, 4, 0, "abcd")).collect()).await;
    // The row that holds the oldest of the ten stays whole.
    assert_eq!(drop_all(&bench, AttemptLimits { kept_max: 10, ..ALL }).await, [200, 47]);
    assert_eq!(numbers(&bench, id).await, [997, 993, 989]);
    assert_eq!(drop_all(&bench, AttemptLimits { kept_max: 8, ..ALL }).await, [1]);
    assert_eq!(numbers(&bench, id).await, [997, 993]);
}
