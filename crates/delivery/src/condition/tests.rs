//! Tables of what holds and what is told.

use std::time::Duration;

use domain::Timestamp;
use integrations::Catalogue;

use super::{ConditionKind, ConditionLimits, DAY, Facts, Growth, Sight, Stop, Tell, Told, decide, spoken};

const MINUTE: Duration = Duration::from_secs(60);

fn at(minutes: u32) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).plus(MINUTE * minutes)
}

/// The kinds that hold an hour and a half after the start, with `told` already told.
fn holding(facts: &Facts, told: &[ConditionKind]) -> Vec<&'static str> {
    let found = facts.conditions(|kind| told.contains(&kind), &ConditionLimits::default(), at(90));
    found.iter().map(|condition| condition.kind.as_str()).collect()
}

fn stopped(is_suspended: bool, minutes_ago: u32) -> Facts {
    let stop = Stop { is_suspended, since: at(90 - minutes_ago), reason: "why".to_owned() };
    Facts { stop: Some(stop), ..Facts::default() }
}

#[test]
fn a_stop_is_a_condition_when_it_is_long_or_a_suspension() {
    use ConditionKind::{Held, Suspended};
    let none: [&str; 0] = [];
    assert_eq!(holding(&Facts::default(), &[Held, Suspended]), none);
    assert_eq!(holding(&stopped(false, 14), &[]), none);
    assert_eq!(holding(&stopped(false, 15), &[]), ["held"]);
    assert_eq!(holding(&stopped(true, 0), &[]), ["suspended"]);
    // A suspension says all that a hold does, and stays one while a probe meets a busy destination.
    assert_eq!(holding(&stopped(true, 60), &[Held]), ["suspended"]);
    assert_eq!(holding(&stopped(false, 60), &[Suspended]), ["suspended"]);
    // A hold that was told and began anew since.
    assert_eq!(holding(&stopped(false, 1), &[Held]), ["held"]);
    let found = stopped(true, 60).conditions(|_| false, &ConditionLimits::default(), at(90));
    assert_eq!((found[0].since, &*found[0].reason), (at(30), "why"));
}

#[test]
fn behind_is_who_flows_while_old_entries_become_more() {
    let facts = |minutes, grew| Facts { oldest: Some(MINUTE * minutes), grew, ..Facts::default() };
    let none: [&str; 0] = [];
    assert_eq!(holding(&facts(5, true), &[]), ["behind"]);
    assert_eq!(holding(&facts(4, true), &[]), none);
    assert_eq!(holding(&facts(5, false), &[]), none, "it is catching up");
    assert_eq!(holding(&facts(5, false), &[ConditionKind::Behind]), ["behind"], "until it has caught up");
    assert_eq!(holding(&facts(4, true), &[ConditionKind::Behind]), none);
    let stopped = Facts { oldest: Some(MINUTE * 9), grew: true, ..stopped(false, 1) };
    assert_eq!(holding(&stopped, &[]), none);
}

#[test]
fn growth_is_judged_over_whole_spans() {
    let mut growth = Growth::default();
    // Minutes, entries without a fate, whether they grew over the last five minutes.
    for (minutes, lag, grew) in
        [(0, 10, false), (1, 99, false), (5, 11, true), (7, 0, true), (10, 11, false), (15, 12, true)]
    {
        assert_eq!(growth.look(lag, MINUTE * minutes, MINUTE * 5), grew, "after {minutes} minutes");
    }
}

#[test]
fn near_the_window_is_its_last_fifth_whatever_else_there_is() {
    let catalogue = Catalogue::builtin().expect("loads");
    let window = catalogue.get("datadog").and_then(|integration| integration.age_window().copied());
    let most = window.and_then(|window| window.past_max()).expect("Datadog has a window");
    let facts = |age, window| Facts { oldest: Some(age), window, ..stopped(true, 60) };
    assert_eq!(holding(&facts(most * 4 / 5, window), &[]), ["suspended", "nearWindow"]);
    let second = Duration::from_secs(1);
    assert_eq!(holding(&facts(most * 4 / 5 - second, window), &[]), ["suspended"]);
    assert_eq!(holding(&facts(most, None), &[]), ["suspended"]);
}

#[test]
fn a_condition_is_told_at_its_start_once_a_day_and_at_its_end() {
    let limits = ConditionLimits::default();
    let day = 24 * 60;
    let told = |started, told, ended: Option<u32>| {
        Some(Told { started_at: at(started), told_at: at(told), ended_at: ended.map(at) })
    };
    let away = |minutes| Sight::Away(MINUTE * minutes);
    // What was told, what is seen, whether only own entries came since, minutes, what is told now.
    for (told, sight, only_own, minutes, expected) in [
        (None, Sight::Holds, false, 0, Some(Tell::Start)),
        (None, Sight::Holds, true, 0, Some(Tell::Start)),
        (None, away(99), false, 0, None),
        (None, Sight::Over, false, 0, None),
        (told(0, 0, None), Sight::Holds, false, day - 1, None),
        (told(0, 0, None), Sight::Holds, true, day, Some(Tell::Again)),
        (told(0, day, None), Sight::Holds, false, day + 1, None),
        (told(0, day, None), Sight::Holds, false, 2 * day, Some(Tell::Again)),
        (told(0, 0, None), away(9), false, 60, None),
        (told(0, 0, None), away(10), false, 60, Some(Tell::End)),
        (told(0, 0, None), Sight::Over, false, 1, Some(Tell::End)),
        (told(0, 9, Some(9)), away(99), false, 99, None),
        (told(0, 9, Some(9)), Sight::Over, false, 99, None),
        (told(0, 9, Some(9)), Sight::Holds, false, 10, Some(Tell::Start)),
        // What the telling itself has brought about is not told again on the same day.
        (told(0, 9, Some(9)), Sight::Holds, true, 10, None),
        (told(0, 9, Some(9)), Sight::Holds, true, day - 1, None),
        (told(0, 9, Some(9)), Sight::Holds, true, day, Some(Tell::Start)),
        // A clock that was set back makes nothing due.
        (told(500, 500, None), Sight::Holds, false, 0, None),
    ] {
        let found = decide(told.as_ref(), sight, only_own, &limits, at(minutes));
        assert_eq!(found, expected, "{told:?} {sight:?} {only_own} after {minutes} minutes");
    }
}

#[test]
fn a_condition_that_feeds_on_its_own_entries_is_told_twice_a_day() {
    let limits = ConditionLimits::default();
    let mut told: Option<Told> = None;
    let mut entries = 0;
    // Each end brings it back, and nothing else ever happens.
    for minute in 0..3 * 24 * 60 {
        let now = at(minute);
        let lasts = told.is_some_and(|told| told.ended_at.is_none());
        let sight = if lasts { Sight::Away(limits.quiet) } else { Sight::Holds };
        let Some(tell) = decide(told.as_ref(), sight, told.is_some(), &limits, now) else { continue };
        entries += 1;
        let started_at = told.filter(|_| tell != Tell::Start).map_or(now, |told| told.started_at);
        told = Some(Told { started_at, told_at: now, ended_at: (tell == Tell::End).then_some(now) });
    }
    assert_eq!(entries, 2 * 3, "in three days");
    assert_eq!(DAY, MINUTE * 24 * 60);
}

#[test]
fn kinds_are_read_back_by_their_names() {
    for kind in ConditionKind::ALL {
        assert_eq!(ConditionKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(ConditionKind::parse("well"), None);
}

#[test]
fn lengths_are_said_in_their_largest_whole_unit() {
    let said = [1, 119, 120, 7_199, 7_200, 172_799, 172_800].map(|seconds| spoken(Duration::from_secs(seconds)));
    assert_eq!(said, ["1 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
}
