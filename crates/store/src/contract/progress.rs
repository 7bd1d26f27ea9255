use domain::{AccountId, Sequence, SubscriptionId, Timestamp};

use super::bench::{Bench, edit, entry_id, nameless, record};
use crate::{Counts, DeadLetter, JournalWrite, LetterFate, Progress, Subscription};

async fn append(bench: &Bench, account: AccountId, count: usize) {
    let drafts = (0..count).map(|_| nameless("{}")).collect();
    bench.append(account, drafts).await.expect("is stored");
}

async fn switch(bench: &Bench, before: &Subscription, on: bool) -> Subscription {
    let edit = edit("changed", on);
    let Subscription { account, id, revision, .. } = *before;
    bench.store.subscription_update(account, id, revision, edit, record("changed")).await.expect("is changed")
}

async fn frontier(bench: &Bench, id: SubscriptionId) -> Option<u64> {
    bench.progress(id).await.expect("has progress").frontier.map(|frontier| frontier.0)
}

pub(super) async fn a_subscription_starts_before_the_entry_that_records_it(bench: Bench) {
    let account = bench.account("a").await;
    append(&bench, account, 3).await;
    let subscription = bench.subscription(account, "x", true).await;
    assert_eq!(subscription.start, Some(Sequence(3)));
    let progress = bench.progress(subscription.id).await;
    let expected = Progress {
        frontier: Some(Sequence(3)),
        unsettled_from: Some(Sequence(4)),
        counts: Counts::default(),
        detail: String::new(),
    };
    assert_eq!(progress, Some(expected));
}

pub(super) async fn a_subscription_that_is_off_has_no_start_until_it_is_first_on(bench: Bench) {
    let account = bench.account("a").await;
    append(&bench, account, 3).await;
    let made = bench.subscription(account, "x", false).await;
    assert_eq!((made.start, bench.progress(made.id).await), (None, None));
    let renamed = switch(&bench, &made, false).await;
    assert_eq!((renamed.start, bench.progress(made.id).await), (None, None));
    append(&bench, account, 2).await;
    let on = switch(&bench, &renamed, true).await;
    assert_eq!(on.start, Some(Sequence(7)));
    assert_eq!(frontier(&bench, made.id).await, Some(7));
    // From then on off is a pause: neither start nor position moves.
    append(&bench, account, 2).await;
    let off = switch(&bench, &on, false).await;
    let again = switch(&bench, &off, true).await;
    assert_eq!((off.start, again.start), (Some(Sequence(7)), Some(Sequence(7))));
    assert_eq!(bench.store.subscription_get(account, made.id).await.expect("is there").start, Some(Sequence(7)));
    assert_eq!(frontier(&bench, made.id).await, Some(7));
}

pub(super) async fn an_edit_gives_a_caught_up_subscription_a_position_of_its_own(bench: Bench) {
    let account = bench.account("a").await;
    let subscription = bench.subscription(account, "x", true).await;
    let beside = bench.subscription(account, "x", true).await;
    bench.journal(account, 2, subscription.id, None).await;
    bench.journal(account, 2, beside.id, None).await;
    assert_eq!(frontier(&bench, subscription.id).await, None);
    append(&bench, account, 5).await;
    bench.journal(account, 6, beside.id, None).await;
    let changed = switch(&bench, &subscription, true).await;
    // Where the account's stood, not the end of the log; the other one stays caught up.
    assert_eq!(frontier(&bench, subscription.id).await, Some(6));
    assert_eq!(frontier(&bench, beside.id).await, None);
    assert_eq!(changed.start, subscription.start);
    // One that has a position of its own keeps it.
    bench.journal(account, 8, subscription.id, Some(7)).await;
    switch(&bench, &changed, false).await;
    let progress = bench.progress(subscription.id).await.expect("has progress");
    assert_eq!((progress.frontier, progress.counts.delivered), (Some(Sequence(7)), 8));
}

pub(super) async fn the_journal_is_read_back(bench: Bench) {
    let account = bench.account("a").await;
    let subscription = bench.subscription(account, "x", true).await;
    assert_eq!(bench.store.account_matched(account).await.expect("is read"), Sequence(0));
    let progress = Progress {
        frontier: Some(Sequence(1)),
        unsettled_from: Some(Sequence(2)),
        counts: Counts { delivered: 1, skipped: 2, dead: 3, filtered_after_match: 4 },
        detail: "{\"hold\":null}".to_owned(),
    };
    let write =
        JournalWrite { progress: vec![(subscription.id, progress.clone())], ..JournalWrite::of(account, Sequence(1)) };
    bench.store.journal_write(vec![write]).await.expect("is written");
    assert_eq!(bench.progress(subscription.id).await, Some(progress));
    assert_eq!(bench.store.account_matched(account).await.expect("is read"), Sequence(1));
    assert_eq!(bench.progress(bench.store.subscription_id()).await, None);
    bench.store.journal_write(Vec::new()).await.expect("nothing is written");
}

pub(super) async fn the_matched_position_never_moves_back(bench: Bench) {
    let account = bench.account("a").await;
    for (write, stands) in [(5, 5), (3, 5), (6, 6)] {
        let write = JournalWrite::of(account, Sequence(write));
        bench.store.journal_write(vec![write]).await.expect("is written");
        assert_eq!(bench.store.account_matched(account).await.expect("is read"), Sequence(stands));
    }
}

pub(super) async fn the_journal_of_one_account_does_not_touch_another(bench: Bench) {
    let [account, other] = [bench.account("a").await, bench.account("b").await];
    let subscription = bench.subscription(account, "x", true).await;
    let before = bench.progress(subscription.id).await;
    bench.journal(other, 9, subscription.id, None).await;
    assert_eq!(bench.progress(subscription.id).await, before);
    assert_eq!(bench.store.account_matched(account).await.expect("is read"), Sequence(0));
    assert_eq!(bench.store.account_matched(other).await.expect("is read"), Sequence(9));
}

pub(super) async fn dead_letters_are_listed_newest_first(bench: Bench) {
    let account = bench.account("a").await;
    let subscription = bench.subscription(account, "x", true).await;
    let beside = bench.subscription(account, "x", true).await;
    let letter = |subscription, sequence, reason: &str| DeadLetter {
        subscription,
        sequence: Sequence(sequence),
        fate: LetterFate::Dead,
        entry_id: entry_id(&format!("of {sequence}")),
        reason: reason.to_owned(),
        died_at: Timestamp::from_millis(7),
        bytes: vec![0, 255],
    };
    let write = |dead| JournalWrite { dead, ..JournalWrite::of(account, Sequence(3)) };
    let first = vec![letter(subscription.id, 2, "a"), letter(subscription.id, 1, "b"), letter(beside.id, 2, "c")];
    let second = vec![letter(subscription.id, 3, "d"), letter(subscription.id, 1, "told again")];
    bench.store.journal_write(vec![write(first), write(second)]).await.expect("is written");
    let page = async |id, before: Option<u64>, count, bytes| {
        let page = bench.store.dead_letter_page(id, before.map(Sequence), None, count, bytes).await.expect("is read");
        (page.letters.into_iter().map(|stored| stored.letter).collect::<Vec<_>>(), page.has_more)
    };
    let [oldest, middle, newest] =
        [(1, "told again"), (2, "a"), (3, "d")].map(|(sequence, reason)| letter(subscription.id, sequence, reason));
    let all = vec![newest.clone(), middle.clone(), oldest.clone()];
    assert_eq!(page(subscription.id, None, 3, usize::MAX).await, (all.clone(), false));
    assert_eq!(page(subscription.id, Some(u64::MAX), usize::MAX, usize::MAX).await, (all, false));
    assert_eq!(page(subscription.id, None, 2, usize::MAX).await, (vec![newest.clone(), middle.clone()], true));
    assert_eq!(page(subscription.id, Some(2), 2, usize::MAX).await, (vec![oldest], false));
    assert_eq!(page(subscription.id, Some(1), 2, usize::MAX).await, (vec![], false));
    // Each has two bytes.
    assert_eq!(page(subscription.id, None, 9, 3).await, (vec![newest.clone(), middle], true));
    assert_eq!(page(subscription.id, None, 9, 0).await, (vec![newest], true));
    assert_eq!(page(beside.id, None, 9, usize::MAX).await, (vec![letter(beside.id, 2, "c")], false));
}

pub(super) async fn a_dead_letter_tells_when_its_entry_came(bench: Bench) {
    let account = bench.account("a").await;
    let subscription = bench.subscription(account, "x", true).await;
    append(&bench, account, 1).await;
    let last = bench.store.entry_last_sequence(account).await.expect("is read");
    let entries = bench.store.entry_page(account, last.previous(), 1, usize::MAX).await.expect("is read");
    let letter = |sequence| DeadLetter {
        subscription: subscription.id,
        sequence,
        fate: LetterFate::Dead,
        entry_id: entry_id("any"),
        reason: String::new(),
        died_at: Timestamp::from_millis(7),
        bytes: Vec::new(),
    };
    let dead = vec![letter(last), letter(last.next())];
    let write = JournalWrite { dead, ..JournalWrite::of(account, last) };
    bench.store.journal_write(vec![write]).await.expect("is written");
    let page = bench.store.dead_letter_page(subscription.id, None, None, 9, usize::MAX).await.expect("is read");
    let times: Vec<_> = page.letters.iter().map(|stored| stored.received_at).collect();
    assert_eq!(times, [Timestamp::from_millis(7), entries[0].received_at]);
}
