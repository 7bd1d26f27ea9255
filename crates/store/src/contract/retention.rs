use std::time::Duration;

use domain::{AccountId, Sequence, Timestamp};

use super::bench::{Bench, START, draft, entry_id, nameless, places, record};
use crate::{AccountRetention, EntriesDropped, EntryDrop, Error, JournalWrite, OldLog, Progress};

const HOUR: Duration = Duration::from_secs(3_600);

fn step(account: AccountId, before: Timestamp) -> EntryDrop {
    EntryDrop { account, before, entries_max: 1_000, bytes_max: 1_000_000 }
}

/// Entries `1`, `2`, … with ids of the same text, one an hour from the start on.
async fn hourly(bench: &Bench, account: AccountId, count: u32) {
    for hour in 0..count {
        bench.clock.set(START.plus(HOUR * hour));
        let text = (hour + 1).to_string();
        bench.append(account, vec![draft(&text, &text)]).await.expect("is stored");
    }
}

async fn drop_before(bench: &Bench, account: AccountId, before: Timestamp) -> usize {
    bench.store.entry_drop(step(account, before)).await.expect("is done").entries
}

pub(super) async fn only_what_is_old_is_dropped_and_sequences_go_on(mut bench: Bench) {
    let account = bench.account("a").await;
    assert_eq!(bench.store.log_beginning(account).await.expect("is read"), Sequence(1));
    hourly(&bench, account, 4).await;
    assert_eq!(drop_before(&bench, account, START).await, 0);
    assert_eq!(drop_before(&bench, account, START.plus(HOUR * 2)).await, 2);
    assert_eq!(bench.texts(account).await, ["3", "4"]);
    assert_eq!(bench.store.log_beginning(account).await.expect("is read"), Sequence(3));
    let page = bench.store.entry_page(account, Sequence(0), 1, 1_000).await.expect("is read");
    assert_eq!(page[0].sequence, Sequence(3), "a page from before the beginning begins there");
    assert_eq!(drop_before(&bench, account, START.plus(HOUR * 9)).await, 2);
    assert!(bench.log(account).await.is_empty());
    bench.restart(super::bench::options()).await;
    assert_eq!(bench.last(account).await, 4);
    assert_eq!(bench.store.log_beginning(account).await.expect("is read"), Sequence(5));
    let appended = bench.append(account, vec![nameless("5")]).await.expect("is stored");
    assert_eq!(places(&appended), [(5, false)]);
}

pub(super) async fn nothing_that_somebody_has_not_settled_is_dropped(bench: Bench) {
    let account = bench.account("a").await;
    let slow = bench.subscription(account, "x", true).await;
    let paused = bench.subscription(account, "x", true).await;
    hourly(&bench, account, 8).await;
    let far = START.plus(HOUR * 100);
    assert_eq!(drop_before(&bench, account, far).await, 0, "both stand before the first entry");
    // One has caught up with an account that was matched up to 6, the other waits for 4.
    bench.journal(account, 6, slow.id, None).await;
    bench.journal(account, 6, paused.id, Some(3)).await;
    assert_eq!(drop_before(&bench, account, far).await, 3);
    bench.journal(account, 6, paused.id, None).await;
    assert_eq!(drop_before(&bench, account, far).await, 3, "what is not matched is not settled");
    assert_eq!(bench.store.log_beginning(account).await.expect("is read"), Sequence(7));
}

pub(super) async fn a_deleted_subscription_holds_nothing_up(bench: Bench) {
    let account = bench.account("a").await;
    let subscription = bench.subscription(account, "x", true).await;
    hourly(&bench, account, 2).await;
    bench.store.subscription_delete(account, subscription.id, record("deleted")).await.expect("is deleted");
    assert_eq!(drop_before(&bench, account, START.plus(HOUR * 9)).await, 4);
}

pub(super) async fn steps_end_by_entries_and_by_bytes(bench: Bench) {
    let account = bench.account("a").await;
    let drafts = (0..10).map(|index| draft(&format!("{index}"), &"x".repeat(100))).collect();
    bench.append(account, drafts).await.expect("is stored");
    let far = START.plus(HOUR);
    for (entries_max, bytes_max, expected) in [(3, 10_000, (3, true)), (100, 150, (2, true)), (100, 10_000, (5, false))]
    {
        let step = EntryDrop { entries_max, bytes_max, ..step(account, far) };
        let EntriesDropped { entries, has_more } = bench.store.entry_drop(step).await.expect("is done");
        assert_eq!((entries, has_more), expected);
    }
}

pub(super) async fn one_account_loses_nothing_to_another(bench: Bench) {
    let [first, second, third] = [bench.account("a").await, bench.account("b").await, bench.account("c").await];
    hourly(&bench, first, 2).await;
    hourly(&bench, second, 3).await;
    bench.clock.set(START.plus(HOUR * 50));
    bench.append(third, vec![draft("1", "1")]).await.expect("is stored");
    let hour = START.plus(HOUR);
    let older = bench.store.account_list_older(START.plus(HOUR * 50), hour).await.expect("is read");
    assert_eq!(older, [first, second].map(|account| OldLog { account, before: hour }));
    assert_eq!(drop_before(&bench, first, START.plus(HOUR * 90)).await, 2);
    assert_eq!(bench.texts(second).await, ["1", "2", "3"]);
    bench.store.entry_get(second, entry_id("1")).await.expect("is still found");
}

pub(super) async fn a_dropped_id_is_free_again_and_a_repeated_request_still_answered(bench: Bench) {
    let account = bench.account("a").await;
    hourly(&bench, account, 2).await;
    let batch = || vec![draft("1", "1"), nameless("x")];
    let first = bench.append_once(account, batch(), "key", 1).await.expect("is stored");
    assert_eq!(drop_before(&bench, account, START.plus(HOUR)).await, 1);
    let missing = bench.store.entry_get(account, entry_id("1")).await;
    assert!(matches!(missing, Err(Error::NotFound)), "{missing:?}");
    let again = bench.append_once(account, batch(), "key", 1).await.expect("is answered");
    assert_eq!((&again.items, again.repeated), (&first.items, true));
    let other = bench.append(account, vec![draft("1", "other bytes")]).await.expect("is stored");
    assert_eq!(places(&other), [(4, false)]);
}

pub(super) async fn the_subscriptions_that_hold_the_log_up_are_told(bench: Bench) {
    let account = bench.account("a").await;
    let [late, later, well] = [
        bench.subscription(account, "x", true).await.id,
        bench.subscription(account, "x", true).await.id,
        bench.subscription(account, "x", true).await.id,
    ];
    let deleted = bench.subscription(account, "x", true).await.id;
    bench.store.subscription_delete(account, deleted, record("deleted")).await.expect("is deleted");
    hourly(&bench, account, 4).await;
    bench.journal(account, 9, well, None).await;
    bench.journal(account, 9, later, Some(6)).await;
    bench.journal(account, 9, late, Some(5)).await;
    let held = bench.store.subscription_list_held_up(account, START.plus(HOUR * 2)).await.expect("is read");
    let held: Vec<_> =
        held.into_iter().map(|held| (held.subscription, held.unsettled_from.0, held.received_at)).collect();
    assert_eq!(held, [(late, 6, START), (later, 7, START.plus(HOUR))]);
    let held = bench.store.subscription_list_held_up(account, START.plus(HOUR)).await.expect("is read");
    assert_eq!(held.len(), 1);
    // One that waits for what is yet to come holds nothing up.
    bench.journal(account, 9, late, Some(9)).await;
    bench.journal(account, 9, later, Some(9)).await;
    assert!(bench.store.subscription_list_held_up(account, START.plus(HOUR * 9)).await.expect("is read").is_empty());
}

pub(super) async fn progress_is_replaced_only_where_it_is_as_expected(bench: Bench) {
    let account = bench.account("a").await;
    let id = bench.subscription(account, "x", true).await.id;
    let stored = bench.progress(id).await.expect("has progress");
    let replaced = Progress { unsettled_from: Some(Sequence(9)), detail: "new".to_owned(), ..stored.clone() };
    let stale = Progress { detail: "old".to_owned(), ..stored.clone() };
    let before = bench.last(account).await;
    let write = || JournalWrite {
        progress: vec![(id, replaced.clone())],
        told: vec![record("told")],
        ..JournalWrite::of(account, Sequence(0))
    };
    let refused = bench.store.progress_replace(id, stale, write()).await;
    assert!(matches!(refused, Err(Error::Conflict)), "{refused:?}");
    assert_eq!((bench.progress(id).await.as_ref(), bench.last(account).await), (Some(&stored), before));
    bench.store.progress_replace(id, stored, write()).await.expect("is replaced");
    assert_eq!((bench.progress(id).await, bench.last(account).await), (Some(replaced), before + 1));
}

pub(super) async fn the_journal_tells_in_its_own_transaction(bench: Bench) {
    let account = bench.account("a").await;
    let taken = || {
        let mut taken = record("told");
        taken.id = Some(entry_id("same"));
        taken
    };
    let write = |matched, told| JournalWrite { told, ..JournalWrite::of(account, Sequence(matched)) };
    bench.store.journal_write(vec![write(1, vec![taken(), record("another")])]).await.expect("is written");
    assert_eq!(bench.last(account).await, 2);
    let refused = bench.store.journal_write(vec![write(2, vec![taken()])]).await;
    assert!(matches!(refused, Err(Error::Conflict)), "{refused:?}");
    assert_eq!(bench.store.account_matched(account).await.expect("is read"), Sequence(1));
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn change(
    bench: &Bench,
    account: AccountId,
    before: AccountRetention,
    after: AccountRetention,
) -> Result<(), Error> {
    bench.store.account_retention_update(account, before, after, record("changed")).await
}

pub(super) async fn an_account_has_its_own_age(mut bench: Bench) {
    let [own, other] = [bench.account("a").await, bench.account("b").await];
    for account in [own, other] {
        bench.append(account, vec![draft("1", "1")]).await.expect("is stored");
    }
    let (usual, ten) = (AccountRetention::default(), AccountRetention { days: Some(10), legal_hold: false });
    assert_eq!(bench.store.account_retention(own).await.expect("is read"), usual);
    change(&bench, own, usual, ten).await.expect("is changed");
    bench.restart(super::bench::options()).await;
    assert_eq!(bench.store.account_retention(own).await.expect("is read"), ten);
    assert_eq!(bench.texts(own).await.len(), 2, "the change is recorded");
    let older = async |now, before| bench.store.account_list_older(now, before).await.expect("is read");
    let later = START.plus(DAY * 11);
    assert_eq!(older(later, START).await, [OldLog { account: own, before: START.plus(DAY) }]);
    assert_eq!(older(START.plus(DAY * 9), START.plus(DAY)).await, [OldLog { account: other, before: START.plus(DAY) }]);
    bench.clock.set(START.plus(DAY * 9));
    assert_eq!(drop_before(&bench, own, START.plus(DAY)).await, 0, "its own age is more");
    bench.clock.set(later);
    assert_eq!(drop_before(&bench, own, START.plus(DAY)).await, 2);
}

pub(super) async fn nothing_leaves_under_a_legal_hold(bench: Bench) {
    let account = bench.account("a").await;
    hourly(&bench, account, 3).await;
    let (usual, held) = (AccountRetention::default(), AccountRetention { days: Some(1), legal_hold: true });
    change(&bench, account, usual, held).await.expect("is changed");
    let late = START.plus(DAY * 100);
    bench.clock.set(late);
    assert_eq!(bench.store.account_list_older(late, late).await.expect("is read"), []);
    assert_eq!(drop_before(&bench, account, late).await, 0);
    let stale = change(&bench, account, usual, usual).await;
    assert!(matches!(stale, Err(Error::Conflict)), "{stale:?}");
    assert_eq!(bench.last(account).await, 4, "what conflicts is not recorded");
    change(&bench, account, held, usual).await.expect("is changed");
    assert_eq!(drop_before(&bench, account, late).await, 4);
}
