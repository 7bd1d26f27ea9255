use domain::{Sequence, SubscriptionId, Timestamp};

use super::bench::{Bench, edit, entry_id, nameless, record};
use crate::{
    Counts, DeadLetter, Error, JournalWrite, Ledger, LedgerPart, LedgerReader, LedgerTotals, LetterFate,
    NewSubscription, Progress, SkippedRange, Subscription,
};

fn range(first: u64, last: u64, reason: &str, at: i64) -> SkippedRange {
    let (first, last) = (Sequence(first), Sequence(last));
    SkippedRange { first, last, reason: reason.to_owned(), skipped_at: Timestamp::from_millis(at) }
}

async fn skip(bench: &Bench, subscription: &Subscription, ranges: Vec<SkippedRange>) {
    let skipped = ranges.into_iter().map(|range| (subscription.id, range)).collect();
    let write = JournalWrite { skipped, ..JournalWrite::of(subscription.account, Sequence(0)) };
    bench.store.journal_write(vec![write]).await.expect("is written");
}

async fn ledger(bench: &Bench, subscription: &Subscription, after: u64, count: usize) -> Ledger {
    let Subscription { account, id, .. } = *subscription;
    let part = LedgerPart { after: Sequence(after), count, ..LedgerPart::WHOLE };
    bench.store.ledger_get(account, id, part).await.expect("is read")
}

pub(super) async fn skipped_entries_that_touch_are_one_range_if_their_reason_is_the_same(bench: Bench) {
    let account = bench.account("a").await;
    let subscription = bench.subscription(account, "x", true).await;
    let beside = bench.subscription(account, "x", true).await;
    skip(&bench, &subscription, vec![range(5, 5, "late", 1), range(7, 9, "late", 2)]).await;
    skip(&bench, &beside, vec![range(6, 6, "late", 2)]).await;
    skip(&bench, &subscription, vec![range(6, 6, "late", 3), range(4, 4, "other", 4), range(11, 12, "late", 5)]).await;
    skip(&bench, &subscription, vec![range(3, 3, "other", 6), range(10, 10, "other", 7)]).await;
    let all = [range(3, 4, "other", 6), range(5, 9, "late", 3), range(10, 10, "other", 7), range(11, 12, "late", 5)];
    let whole = ledger(&bench, &subscription, 0, 100).await;
    assert_eq!(whole.skipped, all);
    assert_eq!(whole.totals, LedgerTotals { skipped_ranges: 4, skipped: 10, dead: 0, late: 0 });
    // A range that goes on after the asked place is among the answer.
    let part = ledger(&bench, &subscription, 5, 2).await;
    assert_eq!((&part.skipped[..], part.totals), (&all[1..3], whole.totals));
}

pub(super) async fn the_ledger_tells_which_revision_judged_what(bench: Bench) {
    let account = bench.account("a").await;
    let made = bench.subscription(account, "x", false).await;
    let never_on = ledger(&bench, &made, 0, 10).await;
    assert_eq!((never_on.start, &never_on.progress, never_on.revisions.len()), (None, &None, 1));
    bench.append(account, (0..4).map(|_| nameless("{}")).collect()).await.expect("is stored");
    let change = async |before: &Subscription, on| {
        let Subscription { account, id, revision, .. } = *before;
        bench.store.subscription_update(account, id, revision, edit("n", on), record("changed")).await.expect("changes")
    };
    let on = change(&made, true).await;
    bench.journal(account, 6, on.id, None).await;
    let off = change(&on, false).await;
    let ledger = async |after, count| ledger(&bench, &off, after, count).await;
    let whole = ledger(0, 10).await;
    let judged: Vec<_> = whole.revisions.iter().map(|one| (one.revision, one.on, one.after, one.until)).collect();
    let (start, end) = (Sequence(5), Sequence(6));
    let all = [(1, false, Sequence(0), Some(start)), (2, true, start, Some(end)), (3, false, end, None)];
    assert_eq!(judged, all);
    assert_eq!(whole.progress.expect("is there").frontier, Some(end));
    assert_eq!((whole.revision, whole.start, whole.last), (3, Some(start), Sequence(7)));
    let of = |ledger: Ledger| ledger.revisions.iter().map(|one| one.revision).collect::<Vec<_>>();
    assert_eq!(
        (of(ledger(0, 2).await), of(ledger(6, 9).await), of(ledger(7, 9).await)),
        (vec![1, 2], vec![2, 3], vec![3])
    );
}

pub(super) async fn revisions_that_judged_nothing_are_paged_by_their_numbers(bench: Bench) {
    let account = bench.account("a").await;
    let made = bench.subscription(account, "x", false).await;
    for revision in 1..5 {
        let edit = edit("n", false);
        bench.store.subscription_update(account, made.id, revision, edit, record("changed")).await.expect("changes");
    }
    let mut numbers = Vec::new();
    loop {
        let after_revision = numbers.last().copied().unwrap_or(0);
        let part = LedgerPart { after: Sequence(0), after_revision, count: 2 };
        let page = bench.store.ledger_get(account, made.id, part).await.expect("is read").revisions;
        if page.is_empty() {
            break;
        }
        numbers.extend(page.iter().map(|one| one.revision));
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

pub(super) async fn the_ledger_stays_when_the_subscription_goes(bench: Bench) {
    let account = bench.account("a").await;
    let subscription = bench.subscription(account, "x", true).await;
    let Subscription { id, .. } = subscription;
    let died = |sequence, fate| DeadLetter {
        subscription: id,
        sequence: Sequence(sequence),
        fate,
        entry_id: entry_id("e"),
        reason: String::new(),
        died_at: Timestamp::from_millis(7),
        bytes: vec![1],
    };
    let counts = Counts { delivered: 3, skipped: 1, dead: 2, filtered_after_match: 1 };
    let progress = Progress { frontier: None, unsettled_from: None, counts, detail: "d".to_owned() };
    let write = JournalWrite {
        progress: vec![(id, progress)],
        dead: vec![died(4, LetterFate::Dead), died(2, LetterFate::Dead), died(5, LetterFate::Skipped)],
        skipped: vec![(id, range(3, 3, "late", 1))],
        told: vec![record("told")],
        ..JournalWrite::of(account, Sequence(9))
    };
    bench.store.journal_write(vec![write]).await.expect("is written");
    bench.store.subscription_delete(account, id, record("gone")).await.expect("is deleted");
    let ledger = ledger(&bench, &subscription, 0, 10).await;
    assert!(ledger.deleted_at.is_some());
    let progress = ledger.progress.expect("is there");
    // The journal's own record is the second entry, the one of the deletion the third.
    assert_eq!((progress.frontier, progress.counts, ledger.last), (Some(Sequence(9)), counts, Sequence(3)));
    assert_eq!((ledger.dead, ledger.late), (vec![Sequence(2), Sequence(4)], vec![Sequence(5)]));
    assert_eq!(ledger.totals, LedgerTotals { skipped_ranges: 1, skipped: 1, dead: 2, late: 1 });
    let other = bench.account("b").await;
    let strange = bench.store.ledger_get(other, id, LedgerPart::WHOLE).await;
    assert!(matches!(strange, Err(Error::NotFound)), "{strange:?}");
    let unknown = SubscriptionId::from_bytes([9; 12]);
    let beyond = LedgerPart { after: Sequence(u64::MAX), after_revision: u64::MAX, count: 1 };
    let unknown = bench.store.ledger_get(account, unknown, beyond).await;
    assert!(matches!(unknown, Err(Error::NotFound)), "{unknown:?}");
}

pub(super) async fn a_reader_beside_the_server_sees_what_the_server_does(bench: Bench) {
    let account = bench.account("a").await;
    let subscription = bench.subscription(account, "x", true).await;
    let gone = bench.subscription(account, "x", false).await;
    bench.append(account, vec![nameless("{}"), nameless("[]")]).await.expect("is stored");
    let log = bench.log(account).await;
    let letter = |at: usize, bytes: &[u8]| DeadLetter {
        subscription: subscription.id,
        sequence: log[at].sequence,
        fate: LetterFate::Dead,
        entry_id: log[at].id.clone(),
        reason: String::new(),
        died_at: Timestamp::from_millis(7),
        bytes: bytes.to_vec(),
    };
    let dead = vec![letter(2, &log[2].bytes), letter(3, b"other")];
    let write = JournalWrite { dead, ..JournalWrite::of(account, Sequence(4)) };
    bench.store.journal_write(vec![write]).await.expect("is written");
    bench.store.subscription_delete(account, gone.id, record("gone")).await.expect("is deleted");

    let reader = LedgerReader::open(&bench.store.shared.directory).expect("opens");
    assert_eq!(reader.accounts().expect("is read").into_iter().map(|one| one.id).collect::<Vec<_>>(), [account]);
    assert_eq!(reader.subscriptions(account).expect("is read").len(), 2);
    let (seen, changed) = reader.ledger(account, subscription.id).expect("is read");
    assert_eq!((seen, changed), (ledger(&bench, &subscription, 0, 100).await, vec![Sequence(4)]));
    let page = reader.page(account, Sequence(2), 1, usize::MAX).expect("is read");
    assert_eq!((page.beginning, page.entries.len(), page.entries[0].sequence), (Sequence(1), 1, Sequence(3)));
}

pub(super) async fn an_asked_start_is_kept_for_the_first_time_that_it_is_on(bench: Bench) {
    let account = bench.account("a").await;
    bench.append(account, (0..4).map(|_| nameless("{}")).collect()).await.expect("is stored");
    let create = async |on, start| {
        let new = NewSubscription { start, ..bench.new_subscription(account, "x", on) };
        bench.store.subscription_create(new, record("made")).await.expect("is made")
    };
    assert_eq!(create(true, Some(Sequence(2))).await.start, Some(Sequence(2)));
    assert_eq!(create(true, None).await.start, Some(Sequence(5)));
    let off = create(false, Some(Sequence(3))).await;
    let kept = ledger(&bench, &off, 0, 1).await;
    assert_eq!((off.start, kept.start, kept.asked_start), (None, None, Some(Sequence(3))));
    let update = |revision| bench.store.subscription_update(account, off.id, revision, edit("n", true), record("on"));
    assert_eq!(update(1).await.expect("is on").start, Some(Sequence(3)));
    assert_eq!(bench.progress(off.id).await.expect("has progress").frontier, Some(Sequence(3)));
    assert_eq!(update(2).await.expect("is changed").start, Some(Sequence(3)));
}
