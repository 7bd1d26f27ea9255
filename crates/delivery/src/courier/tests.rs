mod batches;
mod jobs;
mod results;
mod test_sends;

use std::{sync::Arc, time::Duration};

use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};
use integrations::BatchLimits;
use store::{Counts, Progress};

use super::{Courier, Died, Flow, HOLES_MAX, Load, Now, Pacing, Results, Sent, UNJOURNALED_MAX};
use crate::{
    decide::{Jitter, Schedule},
    outcome::{Outcome, Reason},
};

const SINGLE: BatchLimits = BatchLimits { items_max: 1, bytes_max: 1_000_000 };
const BATCH: BatchLimits = BatchLimits { items_max: 1_000, bytes_max: 1_000_000 };
const PACING: Pacing = Pacing { window_max: 16, ordered: false };
const ORDERED: Pacing = Pacing { window_max: 1, ordered: true };

/// A courier and the time that it lives in; what it stops for is journaled only when told.
struct Scene {
    courier: Courier,
    now: Duration,
}

impl Scene {
    fn new(pacing: Pacing, entries: u64) -> Self {
        let mut scene = Self { courier: Courier::new(Sequence(0), 1, pacing), now: Duration::ZERO };
        scene.bring(1, entries);
        scene
    }

    fn bring(&mut self, first: u64, last: u64) {
        (first..=last).for_each(|sequence| self.courier.accept(entry(sequence)));
    }

    fn take(&mut self, limits: BatchLimits) -> Load {
        self.courier.take(self.now, limits).expect("a request may start")
    }

    fn takes_nothing(&mut self) -> bool {
        self.courier.take(self.now, BATCH).is_none()
    }

    fn end(&mut self, load: &Load, outcome: &Outcome) -> Vec<Died> {
        self.end_with(load, Sent::Whole(outcome.clone()))
    }

    fn end_with(&mut self, load: &Load, sent: Sent) -> Vec<Died> {
        let results = Results { own: vec![None; load.entries.len()], sent };
        self.finish(load, results)
    }

    fn finish(&mut self, load: &Load, results: Results) -> Vec<Died> {
        self.courier.finish(load, results, now(self.now), &Schedule::default(), Jitter(0))
    }

    fn journal(&mut self) {
        let mark = self.courier.mark();
        self.courier.journaled(mark);
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// One request after the other until nothing may start; how many entries each took.
    fn drain(&mut self, limits: BatchLimits) -> Vec<usize> {
        let mut taken = Vec::new();
        while let Some(load) = self.courier.take(self.now, limits) {
            taken.push(load.entries.len());
            self.end(&load, &Outcome::Accepted);
        }
        taken
    }

    fn position(&self) -> u64 {
        self.courier.position().0
    }

    /// The courier after a crash that lost nothing of what was written.
    fn restart(&self, wall: Timestamp) -> Self {
        let progress = self.courier.progress(false);
        let now = Now { monotonic: Duration::ZERO, wall };
        let courier = Courier::restore(&progress, Sequence(0), 1, PACING, now).expect("the detail is whole");
        assert_eq!(courier.progress(false).frontier, progress.frontier);
        Self { courier, now: Duration::ZERO }
    }

    fn read_all(&mut self) {
        for sequence in self.courier.unread(usize::MAX) {
            self.courier.read(&entry(sequence.0), true);
        }
    }
}

fn now(monotonic: Duration) -> Now {
    Now { monotonic, wall: wall(monotonic) }
}

fn wall(monotonic: Duration) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).plus(monotonic)
}

fn entry(sequence: u64) -> Arc<Entry> {
    let id = EntryId::parse(&format!("entry-{sequence}")).expect("is an id");
    let bytes = Arc::from(&b"{\"a\":1}"[..]);
    Arc::new(Entry::new(AccountId::from_bytes([1; 12]), Sequence(sequence), id, Timestamp::default(), bytes))
}

fn reason() -> Reason {
    Reason::new("name", "text")
}

fn failed() -> Outcome {
    Outcome::Unavailable(reason())
}

fn refused() -> Outcome {
    Outcome::Refused(reason())
}

fn wrong() -> Outcome {
    Outcome::Misconfigured(reason())
}

fn asked(seconds: u64) -> Outcome {
    Outcome::Throttled { retry_after: Some(Duration::from_secs(seconds)), reason: reason() }
}

fn sequences(load: &Load) -> Vec<u64> {
    load.entries.iter().map(|entry| entry.sequence.0).collect()
}

/// A scene in which one entry was accepted and then `loads` requests are in flight.
fn in_flight(loads: usize) -> (Scene, Vec<Load>) {
    let mut scene = Scene::new(PACING, 200);
    for _ in 0..40 {
        let load = scene.take(SINGLE);
        scene.end(&load, &Outcome::Accepted);
    }
    let loads = (0..loads).map(|_| scene.take(SINGLE)).collect();
    (scene, loads)
}

#[test]
fn the_window_doubles_with_each_full_round_up_to_its_most() {
    let mut scene = Scene::new(PACING, 1_000);
    for expected in [1, 2, 4, 8, 16, 16, 16] {
        let mut loads = Vec::new();
        while let Some(load) = scene.courier.take(scene.now, SINGLE) {
            loads.push(load);
        }
        assert_eq!(loads.len(), expected);
        loads.iter().for_each(|load| assert!(scene.end(load, &Outcome::Accepted).is_empty()));
    }
}

#[test]
fn a_failure_or_a_slow_answer_starts_the_window_anew() {
    let (mut scene, loads) = in_flight(16);
    scene.end(&loads[0], &failed());
    assert!(scene.takes_nothing(), "fifteen are in flight");
    let (mut scene, loads) = in_flight(1);
    assert!(scene.courier.is_proven());
    scene.end(&loads[0], &Outcome::Accepted);
    scene.courier.was_slow();
    scene.take(SINGLE);
    assert!(scene.takes_nothing() && !scene.courier.is_proven());
}

#[test]
fn a_stop_is_written_down_before_the_next_request() {
    let mut scene = Scene::new(PACING, 3);
    let load = scene.take(SINGLE);
    let before = scene.courier.mark();
    scene.end(&load, &asked(5));
    scene.pass(60);
    assert!(scene.takes_nothing());
    scene.courier.journaled(before);
    assert!(scene.takes_nothing(), "an older write does not have the stop");
    scene.journal();
    assert!(scene.take(SINGLE).is_probe);
}

#[test]
fn retry_after_is_never_undercut_and_an_accepted_probe_ends_the_hold() {
    let mut scene = Scene::new(PACING, 3);
    let load = scene.take(SINGLE);
    scene.end(&load, &asked(90));
    scene.journal();
    scene.pass(89);
    assert!(scene.takes_nothing() && !scene.courier.may_start(scene.now));
    assert_eq!(scene.courier.next_due(), Some(Duration::from_secs(90)));
    scene.pass(1);
    let probe = scene.take(BATCH);
    assert!(probe.is_probe && probe.entries.len() == 1 && scene.takes_nothing());
    scene.end(&probe, &Outcome::Accepted);
    assert_eq!(*scene.courier.flow(), Flow::Flowing);
    assert_eq!(scene.drain(BATCH), [2]);
}

#[test]
fn an_edit_ends_every_wait_but_one_that_the_destination_asked_for() {
    for (outcome, stays) in [(asked(90), true), (wrong(), false)] {
        let mut scene = Scene::new(PACING, 3);
        let load = scene.take(SINGLE);
        scene.end(&load, &outcome);
        scene.journal();
        scene.courier.revise(2, PACING);
        scene.read_all();
        assert_eq!(scene.takes_nothing(), stays, "{outcome:?}");
    }
}

#[test]
fn a_suspension_lasts_until_a_probe_is_accepted_and_probes_take_turns() {
    let mut scene = Scene::new(PACING, 5);
    let load = scene.take(SINGLE);
    scene.end(&load, &wrong());
    let mut probed = Vec::new();
    for (minutes, outcome) in [(1, wrong()), (2, failed()), (4, refused()), (8, asked(1)), (16, wrong())] {
        scene.journal();
        scene.pass(minutes * 60 - 1);
        assert!(scene.takes_nothing(), "{minutes}");
        scene.pass(1);
        let probe = scene.take(BATCH);
        probed.extend(sequences(&probe));
        assert!(scene.end(&probe, &outcome).is_empty());
        assert!(matches!(scene.courier.flow(), Flow::Suspended(_)), "{outcome:?}");
    }
    probed.sort_unstable();
    assert_eq!(probed, [1, 2, 3, 4, 5]);
    scene.journal();
    scene.pass(3_600);
    let probe = scene.take(BATCH);
    scene.end(&probe, &Outcome::Accepted);
    assert_eq!(scene.drain(BATCH), [4]);
    assert_eq!(scene.position(), 5);
}

#[test]
fn an_entry_that_never_passes_does_not_hold_up_the_others_after_an_outage() {
    let mut scene = Scene::new(PACING, 3);
    let mut requests = 0;
    while scene.position() == 0 && scene.courier.unsettled() > 1 && requests < 100 {
        scene.journal();
        if let Some(load) = scene.courier.take(scene.now, SINGLE) {
            requests += 1;
            let poisoned = sequences(&load) == [1];
            scene.end(&load, &if poisoned || requests < 8 { failed() } else { Outcome::Accepted });
        }
        scene.pass(1);
    }
    assert_eq!(scene.courier.unsettled(), 1, "only the entry that never passes is left");
}

#[test]
fn a_failed_probe_is_followed_by_a_wait() {
    let mut scene = Scene::new(PACING, 3);
    let load = scene.take(SINGLE);
    scene.end(&load, &asked(5));
    for _ in 0..4 {
        scene.journal();
        scene.pass(5);
        let probe = scene.take(SINGLE);
        scene.end(&probe, &failed());
        scene.journal();
        assert!(scene.takes_nothing());
    }
}

#[test]
fn what_was_in_flight_at_a_stop_settles_and_neither_ends_nor_worsens_it() {
    let (mut scene, loads) = in_flight(8);
    scene.end(&loads[0], &asked(30));
    let stops = scene.courier.mark().stops;
    let settled = scene.position();
    for (load, outcome) in loads[1..].iter().zip([Outcome::Accepted, wrong(), failed(), refused(), asked(10)]) {
        assert!(scene.end(load, &outcome).is_empty(), "{outcome:?}");
    }
    assert_eq!(scene.courier.mark().stops, stops);
    assert_eq!(scene.courier.progress(false).counts.delivered, 41);
    assert_eq!(scene.position(), settled);
    scene.end(&loads[6], &asked(60));
    assert_ne!(scene.courier.mark().stops, stops, "a longer wait is obeyed");
    scene.journal();
    scene.pass(59);
    scene.end(&loads[7], &Outcome::Accepted);
    assert!(scene.takes_nothing());
    scene.pass(1);
    assert!(scene.take(SINGLE).is_probe);
}

#[test]
fn a_longer_wait_that_a_late_answer_asks_for_binds_a_suspension_too() {
    let (mut scene, loads) = in_flight(2);
    scene.end(&loads[0], &wrong());
    scene.end(&loads[1], &asked(3_600));
    scene.journal();
    scene.pass(3_599);
    assert!(scene.takes_nothing() && matches!(scene.courier.flow(), Flow::Suspended(_)));
}

#[test]
fn an_entry_keeps_its_own_wait_through_holds_and_restarts() {
    let mut scene = Scene::new(PACING, 3);
    let load = scene.take(SINGLE);
    scene.end(&load, &failed());
    scene.courier.unload();
    let mut again = scene.restart(wall(Duration::ZERO));
    for scene in [&mut scene, &mut again] {
        scene.read_all();
        assert_eq!(sequences(&scene.take(BATCH)), [2, 3]);
        assert_eq!(scene.courier.next_due(), Some(Duration::from_secs(1)));
    }
}

#[test]
fn ordered_destinations_get_one_entry_at_a_time_and_none_out_of_turn() {
    let mut scene = Scene::new(ORDERED, 4);
    let load = scene.take(SINGLE);
    assert!(scene.takes_nothing());
    scene.end(&load, &failed());
    assert!(scene.takes_nothing(), "the others do not pass the first");
    scene.pass(1);
    for expected in 1..=4 {
        let load = scene.take(SINGLE);
        assert_eq!(sequences(&load), [expected]);
        scene.end(&load, &if expected == 2 { wrong() } else { Outcome::Accepted });
        if expected == 2 {
            for minutes in [1, 2] {
                scene.journal();
                scene.pass(minutes * 60);
                let probe = scene.take(SINGLE);
                assert_eq!(sequences(&probe), [2], "a probe keeps the order, too");
                scene.end(&probe, &if minutes == 1 { wrong() } else { Outcome::Accepted });
            }
        }
    }
    assert_eq!(scene.position(), 4);
}

#[test]
fn a_full_courier_has_no_room_and_still_reads_what_it_holds() {
    let scene = Scene::new(PACING, HOLES_MAX as u64);
    assert!(!scene.courier.has_room() && !scene.courier.wants_more());
    let mut scene = scene.restart(wall(Duration::ZERO));
    assert!(!scene.courier.has_room() && scene.courier.wants_more() && scene.courier.has_unread());
    scene.read_all();
    assert!(!scene.courier.wants_more());
    scene.drain(BATCH);
    assert_eq!(scene.position(), HOLES_MAX as u64);
    assert!(scene.courier.has_room() && scene.courier.wants_more());
}

#[test]
fn too_many_unwritten_outcomes_stop_requests_until_they_are_written_down() {
    let mut scene = Scene::new(PACING, 0);
    let mut next = 1;
    while scene.courier.mark().outcomes < UNJOURNALED_MAX {
        // The bound itself is reached, and nothing beyond it.
        scene.bring(next, next + 511);
        next += 512;
        scene.drain(BATCH);
    }
    scene.bring(next, next);
    assert!(scene.takes_nothing());
    scene.journal();
    assert_eq!(scene.drain(BATCH), [1]);
}

#[test]
fn a_restart_brings_back_what_was_written_and_no_wait_grows() {
    let mut scene = Scene::new(PACING, 9);
    for outcome in [Outcome::Accepted, failed(), Outcome::Accepted, asked(100)] {
        let load = scene.take(SINGLE);
        scene.end(&load, &outcome);
    }
    assert_eq!((scene.position(), scene.courier.unsettled()), (1, 7));
    // The wall clock is ahead by 30 s, then behind by an hour, then a day ahead.
    for (jump, left) in [(30_000, 70), (-3_600_000, 100), (86_400_000, 0)] {
        let at = Timestamp::from_millis(wall(scene.now).as_millis() + jump);
        let mut restarted = scene.restart(at);
        assert_eq!(restarted.position(), 1);
        assert_eq!(restarted.courier.progress(false).counts, scene.courier.progress(false).counts);
        assert_eq!(restarted.courier.record(), scene.courier.record());
        restarted.read_all();
        assert_eq!(restarted.courier.next_due(), Some(Duration::from_secs(left)), "{jump}");
        restarted.now = Duration::from_secs(left);
        assert!(restarted.take(SINGLE).is_probe);
    }
}

#[test]
fn a_progress_of_an_older_revision_starts_anew() {
    let mut scene = Scene::new(PACING, 3);
    let load = scene.take(SINGLE);
    scene.end(&load, &wrong());
    let progress = scene.courier.progress(false);
    let at = now(Duration::ZERO);
    let same = Courier::restore(&progress, Sequence(0), 1, PACING, at).expect("is whole");
    assert!(matches!(same.flow(), Flow::Suspended(_)));
    let newer = Courier::restore(&progress, Sequence(0), 2, PACING, at).expect("is whole");
    assert_eq!((newer.flow(), newer.unsettled()), (&Flow::Flowing, 3));
}

#[test]
fn a_detail_that_cannot_be_is_an_error() {
    for detail in ["{", r#"{"h":[[1,18446744073709551615]]}"#, r#"{"h":[[5,4]]}"#, r#"{"h":[[20,21]]}"#] {
        let progress = Progress {
            frontier: Some(Sequence(10)),
            unsettled_from: None,
            counts: Counts::default(),
            detail: detail.to_owned(),
        };
        assert!(Courier::restore(&progress, Sequence(0), 1, PACING, now(Duration::ZERO)).is_err(), "{detail}");
    }
}

#[test]
fn unread_entries_are_judged_again_and_missing_ones_are_skipped() {
    let mut scene = Scene::new(PACING, 4);
    scene.courier.unload();
    assert_eq!(scene.courier.unread(2), [Sequence(1), Sequence(2)]);
    assert!(scene.takes_nothing());
    scene.courier.read(&entry(1), false);
    scene.courier.read(&entry(2), true);
    scene.courier.expire(Sequence(2), Timestamp::default());
    scene.courier.expire(Sequence(3), Timestamp::default());
    assert_eq!((scene.position(), scene.courier.progress(false).counts.skipped), (1, 1));
    assert_eq!(scene.drain(BATCH), [1]);
    assert_eq!((scene.position(), scene.courier.unsettled()), (3, 1));
}

#[test]
fn requests_of_an_older_revision_hold_up_no_new_one_but_for_the_sake_of_order() {
    for ordered in [false, true] {
        let pacing = Pacing { ordered, ..PACING };
        let mut scene = Scene::new(pacing, 1);
        let load = scene.take(BATCH);
        scene.courier.revise(2, pacing);
        scene.bring(2, 2);
        assert_eq!(scene.takes_nothing(), ordered, "ordered: {ordered}");
        assert_eq!(scene.courier.in_flight(), if ordered { 1 } else { 2 });
        assert!(scene.end(&load, &Outcome::Accepted).is_empty());
        assert_eq!(scene.courier.in_flight(), u32::from(!ordered));
    }
}

#[test]
fn what_was_in_flight_under_an_older_revision_is_judged_again() {
    for put_back in [true, false] {
        let (mut scene, loads) = in_flight(3);
        let stops = scene.courier.mark().stops;
        scene.courier.revise(2, PACING);
        if put_back {
            loads.iter().for_each(|load| scene.courier.put_back(load));
        } else {
            for (load, outcome) in loads.iter().zip([wrong(), failed(), refused()]) {
                assert!(scene.end(load, &outcome).is_empty());
            }
        }
        assert_eq!((scene.courier.mark().stops, scene.courier.in_flight()), (stops, 0));
        assert!(scene.takes_nothing(), "nothing of it is at hand");
        assert_eq!(scene.courier.unread(3), [Sequence(41), Sequence(42), Sequence(43)]);
    }
}

#[test]
fn the_position_stays_before_the_first_unsettled_entry() {
    let mut scene = Scene::new(PACING, 0);
    scene.courier.pass_to(Sequence(6));
    assert_eq!(scene.position(), 6);
    scene.bring(8, 9);
    scene.courier.pass_to(Sequence(20));
    assert_eq!((scene.position(), scene.courier.frontier().0), (7, 20));
    let first = scene.take(SINGLE);
    scene.end(&first, &failed());
    let second = scene.take(SINGLE);
    scene.end(&second, &Outcome::Accepted);
    assert_eq!(scene.position(), 7);
    scene.pass(1);
    scene.drain(SINGLE);
    assert_eq!((scene.position(), scene.courier.is_idle()), (20, true));
    scene.bring(20, 20);
    assert_eq!(scene.courier.unsettled(), 0, "an entry is judged once");
}

#[test]
fn entries_that_a_request_has_no_room_for_go_back() {
    let mut scene = Scene::new(PACING, 5);
    let mut load = scene.take(BATCH);
    scene.courier.put_back_rest(&mut load, 2);
    scene.end(&load, &Outcome::Accepted);
    assert_eq!(scene.position(), 2);
    assert_eq!(scene.drain(BATCH), [3]);
}
