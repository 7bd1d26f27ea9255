use domain::{Access, AccountId, Resource, Sequence, SubscriptionId, Timestamp};
use store::{Counts, Ledger, LedgerTotals, Progress, Revision, SkippedRange};

use super::{Check, Report, Sum};

const ORDERS: &str = r#"[{"effect":"allow","resources":["order/*"],"actions":["*"]}]"#;
const INVOICES: &str = r#"[{"effect":"allow","resources":["invoice/*"],"actions":["*"]}]"#;
/// Kinds of the entries from 1 on.
const LOG: [&str; 10] =
    ["order", "order", "order", "invoice", "order", "order", "invoice", "order", "invoice", "invoice"];

fn revision(revision: u64, on: bool, statements: &str, after: u64, until: Option<u64>, detail: &str) -> Revision {
    Revision {
        revision,
        statements: statements.to_owned(),
        on,
        after: Sequence(after),
        until: until.map(Sequence),
        detail: detail.to_owned(),
        made_at: Timestamp::default(),
    }
}

fn range(first: u64, last: u64) -> SkippedRange {
    let (first, last) = (Sequence(first), Sequence(last));
    SkippedRange { first, last, reason: String::new(), skipped_at: Timestamp::default() }
}

/// Orders were wanted up to 6, then invoices. 3 was delivered, 4 and 8 were never wanted, 5 was
/// wanted before the edit and not after it, 6 is dead, 7 waits, 9 was skipped.
fn ledger() -> Ledger {
    let counts = Counts { delivered: 1, skipped: 1, dead: 1, filtered_after_match: 1 };
    let detail = r#"{"h":[[7,7]]}"#.to_owned();
    Ledger {
        subscription: SubscriptionId::from_bytes([1; 12]),
        account: AccountId::from_bytes([2; 12]),
        integration: "splunk".to_owned(),
        name: "SIEM".to_owned(),
        statements: INVOICES.to_owned(),
        revision: 3,
        start: Some(Sequence(2)),
        asked_start: None,
        deleted_at: None,
        progress: Some(Progress { frontier: Some(Sequence(9)), unsettled_from: Some(Sequence(7)), counts, detail }),
        last: Sequence(10),
        revisions: vec![
            revision(1, false, INVOICES, 0, Some(2), ""),
            revision(2, true, ORDERS, 2, Some(6), ""),
            revision(3, true, INVOICES, 6, None, r#"{"h":[[5,6]]}"#),
        ],
        skipped: vec![range(9, 9)],
        dead: vec![Sequence(6)],
        late: Vec::new(),
        totals: LedgerTotals { skipped_ranges: 1, skipped: 1, dead: 1, late: 0 },
    }
}

/// Feeds the whole log but the entries that `lacks` names.
fn feed(mut check: Check, lacks: &[u64]) -> Report {
    for (sequence, kind) in (1..).zip(LOG).filter(|(sequence, _)| !lacks.contains(sequence)) {
        let resource = Resource::parse(&format!("{kind}/1")).expect("is a resource");
        check.take(Sequence(sequence), &[Access { action: "pay".to_owned(), resource }]);
    }
    check.end(&[]).1
}

fn differences(ledger: Ledger) -> Vec<String> {
    feed(Check::new(ledger), &[]).differences.iter().map(ToString::to_string).collect()
}

fn progress(ledger: &mut Ledger) -> &mut Progress {
    ledger.progress.as_mut().expect("was on")
}

#[test]
fn a_right_ledger_shows_no_difference() {
    assert_eq!(feed(Check::new(ledger()), &[]), Report { differences: Vec::new(), gone_until: None });
    assert_eq!(Check::new(ledger()).wants_after(), Some(Sequence(2)));
}

#[test]
fn a_ledger_of_one_that_was_never_on_is_right() {
    let mut never_on = Ledger { start: None, progress: None, revision: 1, ..ledger() };
    (never_on.skipped, never_on.dead, never_on.totals) = (Vec::new(), Vec::new(), LedgerTotals::default());
    never_on.revisions.truncate(1);
    assert_eq!((Sum::of(&never_on), differences(never_on)), (Ok(None), Vec::new()));
}

#[track_caller]
fn tells(spoil: impl Fn(&mut Ledger), expected: &[&str]) {
    let mut spoilt = ledger();
    spoil(&mut spoilt);
    assert_eq!(differences(spoilt), expected);
}

#[test]
fn a_counter_that_is_wrong_is_named() {
    tells(|ledger| progress(ledger).counts.delivered = 2, &["delivered: expected 1, found 2, among 3 to 9"]);
    tells(|ledger| progress(ledger).counts.delivered = 0, &["delivered: expected 1, found 0, among 3 to 9"]);
    tells(|ledger| progress(ledger).counts.skipped = 2, &["skipped: expected 1, found 2, among 3 to 9"]);
    tells(|ledger| progress(ledger).counts.dead = 0, &["dead: expected 1, found 0, among 3 to 9"]);
    let two = |ledger: &mut Ledger| progress(ledger).counts.filtered_after_match = 2;
    tells(two, &["delivered: expected 0, found 1, among 3 to 9"]);
    let further = |ledger: &mut Ledger| progress(ledger).frontier = Some(Sequence(10));
    tells(further, &["delivered: expected 2, found 1, among 3 to 10"]);
}

#[test]
fn a_revision_that_was_changed_is_noticed() {
    tells(
        |ledger| ledger.revisions[1].statements = INVOICES.to_owned(),
        &[
            "dead letters that no policy wanted: expected 0, found 1, among 6 to 6",
            "delivered: expected -1, found 1, among 3 to 9",
        ],
    );
    tells(
        |ledger| ledger.statements = ORDERS.to_owned(),
        &["statements of the present revision that are not the subscription's: expected 0, found 1, among 3 to 9"],
    );
    tells(
        |ledger| ledger.revisions[1].on = false,
        &["entries judged while it was off: expected 0, found 4, among 3 to 6"],
    );
    tells(|ledger| drop(ledger.revisions.remove(0)), &["revisions: expected 3, found 2, among 3 to 9"]);
    tells(
        |ledger| ledger.revisions[2].after = Sequence(5),
        &[
            "dead letters that no policy wanted: expected 0, found 1, among 6 to 6",
            "delivered: expected 0, found 1, among 3 to 9",
        ],
    );
    let mut backwards = ledger();
    backwards.revisions[1].after = Sequence(7);
    let told = differences(backwards);
    let place = "places where revision 3 cannot have begun: expected 0, found 1, among 7 to 9";
    assert!(told.iter().any(|one| one == place), "{told:?}");
}

#[test]
fn a_dead_letter_that_is_gone_or_elsewhere_is_noticed() {
    tells(
        |ledger| ledger.dead.clear(),
        &["dead: expected 0, found 1, among 3 to 9", "delivered: expected 2, found 1, among 3 to 9"],
    );
    tells(
        |ledger| ledger.dead = vec![Sequence(8)],
        &["dead letters that no policy wanted: expected 0, found 1, among 8 to 8"],
    );
    for elsewhere in [2, 7, 9, 10] {
        let odd = "dead letters outside of what was judged, or with another fate: expected 0, found 1, among";
        tells(|ledger| ledger.dead = vec![Sequence(elsewhere)], &[&format!("{odd} {elsewhere} to {elsewhere}")]);
    }
    let report = Check::new(ledger()).end(&[Sequence(6)]).1;
    let text = "dead letters with another content than the log: expected 0, found 1, among 6 to 6";
    assert!(report.differences.iter().any(|one| one.to_string() == text), "{report:?}");
}

#[test]
fn a_late_entry_of_which_a_copy_is_kept_counts_as_skipped() {
    let late = |sequence| {
        move |ledger: &mut Ledger| {
            ledger.late = vec![Sequence(sequence)];
            progress(ledger).counts.skipped = 2;
            progress(ledger).counts.delivered = 0;
        }
    };
    tells(late(3), &[]);
    tells(late(4), &["dead letters that no policy wanted: expected 0, found 1, among 4 to 4"]);
    tells(
        |ledger| ledger.late = vec![Sequence(3)],
        &["skipped: expected 2, found 1, among 3 to 9", "delivered: expected 0, found 1, among 3 to 9"],
    );
}

#[test]
fn skipped_ranges_are_as_many_as_counted_and_have_no_other_fate() {
    tells(|ledger| ledger.skipped = vec![range(8, 9)], &["skipped: expected 2, found 1, among 3 to 9"]);
    let odd = "skipped entries outside of what was judged, or with another fate: expected 0, found 1, among";
    tells(
        |ledger| ledger.skipped = vec![range(10, 10)],
        &[&format!("{odd} 10 to 10"), "delivered: expected 2, found 1, among 3 to 9"],
    );
}

#[test]
fn unsettled_entries_must_have_been_wanted_and_never_settled_before() {
    let holes = |text: &'static str| move |ledger: &mut Ledger| text.clone_into(&mut progress(ledger).detail);
    tells(holes(""), &["delivered: expected 2, found 1, among 3 to 9"]);
    tells(holes(r#"{"h":[[8,8]]}"#), &["unsettled entries that no policy wanted: expected 0, found 1, among 8 to 8"]);
    tells(
        holes(r#"{"h":[[3,3]]}"#),
        &["unsettled entries that were settled before revision 3: expected 0, found 1, among 3 to 3"],
    );
    tells(
        holes("{"),
        &[
            "progress that cannot be read: expected 0, found 1, among 3 to 9",
            "delivered: expected 2, found 1, among 3 to 9",
        ],
    );
}

#[test]
fn an_entry_that_the_log_lacks_is_named() {
    let report = feed(Check::new(ledger()), &[5, 10]);
    let texts: Vec<_> = report.differences.iter().map(ToString::to_string).collect();
    let missing = "entries that the log lacks: expected 0, found 1, among 5 to 5";
    assert_eq!(texts, [missing, "delivered: expected 0, found 1, among 3 to 9"]);
    let cut = Check::new(ledger()).end(&[]).1;
    let missing = "entries that the log lacks: expected 0, found 7, among 3 to 9";
    assert_eq!(cut.differences[0].to_string(), missing);
}

#[test]
fn of_what_retention_took_only_the_bounds_can_be_checked() {
    let checked = |delivered| {
        let mut ledger = ledger();
        progress(&mut ledger).counts.delivered = delivered;
        let mut check = Check::new(ledger);
        check.gone(Sequence(5));
        let report = feed(check, &[]);
        assert_eq!(report.gone_until, Some(Sequence(5)));
        report.differences.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(checked(1), Vec::<String>::new());
    assert_eq!(checked(9), ["delivered: expected 2, found 9, among 3 to 9"]);
}

#[test]
fn a_ledger_adds_up_to_what_it_has_rows_for() {
    let expected = Sum {
        position: Sequence(6),
        frontier: Sequence(9),
        unsettled: 1,
        settled_above: 2,
        filtered: 3,
        adds_up: true,
    };
    assert_eq!(Sum::of(&ledger()), Ok(Some(expected)));
    for spoil in [
        |ledger: &mut Ledger| progress(ledger).counts.delivered = 7,
        |ledger: &mut Ledger| progress(ledger).counts.filtered_after_match = 4,
        |ledger: &mut Ledger| ledger.totals.dead = 2,
        |ledger: &mut Ledger| ledger.totals.skipped = 0,
    ] {
        let mut spoilt = ledger();
        spoil(&mut spoilt);
        assert_eq!(Sum::of(&spoilt).map(|sum| sum.map(|sum| sum.adds_up)), Ok(Some(false)));
    }
}
