//! Jobs: behind the log, under its holds, and with a count for each entry.

use domain::JobId;
use store::{Job as StoredJob, JobCounts, JobKind, JobProgress, JobState, LetterFate};

use super::*;
use crate::courier::{JobEntry, JobRead, Source};

const JOB: JobId = JobId::from_bytes([9; 12]);

fn stored(kind: JobKind, first: u64, last: u64) -> StoredJob {
    let progress = JobProgress { frontier: Sequence(first - 1), counts: JobCounts::default(), detail: String::new() };
    StoredJob {
        id: JOB,
        subscription: domain::SubscriptionId::from_bytes([2; 12]),
        kind,
        first: Sequence(first),
        last: Sequence(last),
        total: last - first + 1,
        state: JobState::Running,
        progress,
        made_at: Timestamp::default(),
        made_by: None,
        ended_at: None,
    }
}

fn letter(kind: JobKind, sequence: u64) -> JobEntry {
    JobEntry { entry: entry(sequence), letter: (kind == JobKind::Redelivery).then_some(LetterFate::Dead) }
}

impl Scene {
    /// A scene that has accepted 40 entries of the log and begins a job of the first `count`.
    fn with_job(kind: JobKind, count: u64, pacing: Pacing) -> Self {
        let mut scene = Self::new(pacing, 40);
        scene.drain(SINGLE);
        scene.courier.counts.dead = 9;
        scene.courier.begin_job(&stored(kind, 1, count), now(scene.now)).expect("is whole");
        scene.read_job(kind);
        scene
    }

    /// Brings everything that the job wants to have read.
    fn read_job(&mut self, kind: JobKind) {
        while let Some(read) = self.courier.job_read(self.now, 100) {
            let sequences: Vec<u64> = match &read {
                JobRead::Holes(holes) => holes.iter().map(|hole| hole.0).collect(),
                JobRead::Page(after) => (after.0 + 1..=after.0 + 100).collect(),
            };
            let page: Vec<_> = sequences.iter().map(|sequence| letter(kind, *sequence)).collect();
            let wanted = vec![true; page.len()];
            match &read {
                JobRead::Holes(holes) => self.courier.job_holes(JOB, holes, &page, &wanted),
                JobRead::Page(after) => self.courier.job_page(JOB, *after, &page, &wanted),
            }
        }
    }

    fn take_job(&mut self) -> Option<Load> {
        self.courier.take_job(self.now, SINGLE)
    }

    fn job_counts(&self) -> (u64, u64, u64, u64) {
        let JobCounts { accepted, refused, filtered, skipped } = self.courier.job().expect("is in work").counts();
        (accepted, refused, filtered, skipped)
    }
}

#[test]
fn a_job_goes_behind_the_log_and_shares_its_window() {
    let mut scene = Scene::with_job(JobKind::Replay, 30, PACING);
    scene.bring(41, 42);
    assert!(scene.take_job().is_none(), "an entry of the log is ready");
    let live: Vec<_> = (0..2).map(|_| scene.take(SINGLE)).collect();
    let mut of_job = Vec::new();
    while let Some(load) = scene.take_job() {
        assert!(matches!(load.source, Source::Job { id: JOB, .. }));
        of_job.push(load);
    }
    assert_eq!(live.len() + of_job.len(), 16, "one window for both");
    scene.bring(43, 43);
    assert!(scene.takes_nothing());
    scene.end(&of_job[0], &Outcome::Accepted);
    assert_eq!(sequences(&scene.take(SINGLE)), [43]);
}

#[test]
fn a_replay_has_counts_of_its_own_and_changes_no_other() {
    let mut scene = Scene::with_job(JobKind::Replay, 4, PACING);
    let before = (scene.courier.counts(), scene.courier.record().success_count);
    let skipped = Outcome::Skipped(reason());
    for outcome in [Outcome::Accepted, Outcome::Nothing, skipped, refused()] {
        let load = scene.take_job().expect("it flows");
        assert!(!scene.courier.job_has_ended());
        let results = match outcome {
            Outcome::Accepted | Outcome::Refused(_) => Results { own: vec![None], sent: Sent::Whole(outcome) },
            own => Results { own: vec![Some(own)], sent: Sent::Each(Vec::new()) },
        };
        assert!(scene.finish(&load, results).is_empty(), "a replay makes no dead letters");
    }
    assert_eq!(scene.job_counts(), (1, 1, 1, 1));
    assert_eq!((scene.courier.counts(), scene.courier.record().success_count), before);
    assert!(scene.courier.job_has_ended() && !scene.courier.is_free_for_job(), "its end is not written down");
    let (id, _, is_done) = scene.courier.job_progress().expect("is in work");
    assert!(is_done);
    scene.courier.job_end_is_journaled(id);
    assert!(scene.courier.is_free_for_job());
}

#[test]
fn a_redelivered_letter_becomes_delivered_and_a_refused_one_stays_dead() {
    let mut scene = Scene::with_job(JobKind::Redelivery, 2, PACING);
    let load = scene.take_job().expect("it flows");
    assert!(load.redelivers());
    assert!(scene.end(&load, &Outcome::Accepted).is_empty());
    let load = scene.take_job().expect("it flows");
    let died = scene.end(&load, &refused());
    assert_eq!((died.len(), died[0].entry.sequence, died[0].fate), (1, Sequence(2), LetterFate::Dead));
    assert_eq!(scene.courier.counts(), Counts { delivered: 41, dead: 8, ..Counts::default() });
    let news = scene.courier.take_job_news();
    assert_eq!((news.delivered.clone(), news.retry.len()), (vec![Sequence(1)], 0));
    scene.courier.give_back_job_news(news);
    assert_eq!(scene.courier.take_job_news().delivered, [Sequence(1)]);
    assert_eq!(scene.job_counts(), (1, 1, 0, 0));
}

#[test]
fn a_failing_job_holds_the_subscription_and_waits_with_it() {
    let mut scene = Scene::with_job(JobKind::Replay, 5, PACING);
    let load = scene.take_job().expect("it flows");
    scene.end(&load, &asked(60));
    scene.courier.unload();
    scene.journal();
    scene.bring(41, 41);
    assert!(scene.takes_nothing() && scene.take_job().is_none());
    scene.pass(60);
    assert!(scene.take_job().is_none() && scene.courier.job_read(scene.now, 9).is_none(), "the log probes first");
    let probe = scene.take(SINGLE);
    assert_eq!((probe.is_probe, sequences(&probe)), (true, vec![41]));
    scene.end(&probe, &wrong());
    scene.courier.expire(Sequence(41), super::Timestamp::default());
    scene.courier.unload();
    scene.courier.expire(Sequence(41), super::Timestamp::default());
    scene.journal();
    scene.pass(3_600);
    scene.read_job(JobKind::Replay);
    let probe = scene.take_job().expect("nothing of the log could probe");
    assert!(probe.is_probe && scene.take_job().is_none());
    scene.end(&probe, &Outcome::Accepted);
    assert_eq!(*scene.courier.flow(), Flow::Flowing);
}

#[test]
fn a_stopped_job_starts_nothing_and_ends_with_what_is_in_flight() {
    let mut scene = Scene::with_job(JobKind::Replay, 5, PACING);
    let mut loads = [scene.take_job().expect("it flows"), scene.take_job().expect("it flows")];
    assert!(scene.courier.may_still_start(&loads[1]));
    assert!(scene.courier.stop_job(JOB) && !scene.courier.stop_job(JobId::from_bytes([1; 12])));
    assert!(scene.take_job().is_none() && scene.courier.job_read(scene.now, 9).is_none());
    assert!(!scene.courier.may_still_start(&loads[1]), "not even one that was taken");
    scene.courier.put_back(&loads[1]);
    scene.courier.put_back_rest(&mut loads[0], 1);
    assert!(!scene.courier.job_has_ended());
    scene.end(&loads[0], &failed());
    assert!(scene.courier.job_has_ended());
    assert_eq!((scene.job_counts(), scene.courier.in_flight()), ((0, 0, 0, 0), 0));
    assert!(matches!(scene.courier.job_progress(), Some((JOB, _, false))), "it is not done");
}

#[test]
fn a_job_goes_on_after_a_restart_and_under_a_new_policy() {
    let mut scene = Scene::with_job(JobKind::Replay, 150, PACING);
    let load = scene.take_job().expect("it flows");
    scene.end(&load, &Outcome::Accepted);
    let load = scene.take_job().expect("it flows");
    scene.end(&load, &failed());
    let (_, progress, is_done) = scene.courier.job_progress().expect("is in work");
    assert!(!is_done);
    let mut again = scene.restart(wall(Duration::ZERO));
    let restored = StoredJob { progress, ..stored(JobKind::Replay, 1, 150) };
    again.courier.begin_job(&restored, now(again.now)).expect("is whole");
    let read = again.courier.job_read(again.now, 3);
    assert_eq!(read, Some(JobRead::Holes(vec![Sequence(2), Sequence(3), Sequence(4)])));
    // Under the present policy the second is not wanted, and the fourth is not kept any more.
    let page = [letter(JobKind::Replay, 2), letter(JobKind::Replay, 3), letter(JobKind::Replay, 5)];
    let holes = [2, 3, 4].map(Sequence);
    again.courier.job_holes(JOB, &holes, &page, &[false, true, true]);
    assert_eq!(again.job_counts(), (1, 0, 1, 1));
    again.courier.revise(2, PACING);
    again.read_job(JobKind::Replay);
    while let Some(load) = again.take_job() {
        again.end(&load, &Outcome::Accepted);
    }
    assert_eq!(again.job_counts(), (148, 0, 1, 1));
    assert!(again.courier.job_has_ended());
}

#[test]
fn a_detail_of_a_job_that_cannot_be_is_an_error() {
    let mut scene = Scene::new(PACING, 1);
    for detail in ["{", r#"{"h":[[5,4]]}"#, r#"{"h":[[20,21]]}"#] {
        let mut job = stored(JobKind::Replay, 1, 9);
        job.progress.detail = detail.to_owned();
        assert!(scene.courier.begin_job(&job, now(scene.now)).is_err(), "{detail}");
        assert!(scene.courier.job().is_none());
    }
}

#[test]
fn in_order_no_job_passes_an_entry_of_the_log_that_waits() {
    let mut scene = Scene::with_job(JobKind::Replay, 5, ORDERED);
    scene.bring(41, 41);
    let load = scene.take(SINGLE);
    scene.end(&load, &failed());
    assert!(scene.take_job().is_none());
    scene.pass(1);
    let load = scene.take(SINGLE);
    scene.end(&load, &Outcome::Accepted);
    let load = scene.take_job().expect("the log is done");
    assert_eq!(sequences(&load), [1]);
    scene.end(&load, &failed());
    assert!(scene.take_job().is_none(), "the others of the job do not pass its first");
}

#[test]
fn in_order_no_entry_of_the_log_passes_a_request_of_a_job_under_an_older_revision() {
    let mut scene = Scene::with_job(JobKind::Replay, 5, ORDERED);
    let load = scene.take_job().expect("the log is done");
    scene.courier.revise(2, ORDERED);
    scene.bring(41, 41);
    assert!(scene.takes_nothing(), "one request at a time");
    scene.end(&load, &Outcome::Accepted);
    assert_eq!(sequences(&scene.take(SINGLE)), [41]);
}

/// Ten refusals after an acceptance: nine dead letters, then a suspension.
fn suspended_by_refusals() -> Scene {
    let mut scene = Scene::new(PACING, 12);
    let load = scene.take(SINGLE);
    scene.end(&load, &Outcome::Accepted);
    for died in 1..=10 {
        let load = scene.take(SINGLE);
        assert_eq!(scene.end(&load, &refused()).len(), usize::from(died < 10));
    }
    assert!(matches!(scene.courier.flow(), Flow::Suspended(_)));
    scene
}

#[test]
fn the_dead_letters_of_a_streak_are_sent_once_more_after_the_suspension() {
    let streak: Vec<_> = (2..=10).map(Sequence).collect();
    let mut edited = suspended_by_refusals();
    assert!(edited.courier.take_job_news().retry.is_empty(), "not before it has ended");
    edited.courier.revise(2, PACING);
    assert_eq!(edited.courier.take_job_news().retry, streak);
    let mut tested = suspended_by_refusals();
    tested.courier.test_accepted(tested.now);
    assert_eq!(tested.courier.take_job_news().retry, streak);
    // Over a restart, and once only.
    let mut probed = suspended_by_refusals().restart(wall(Duration::ZERO));
    probed.read_all();
    probed.pass(3_600);
    let probe = probed.take(SINGLE);
    probed.end(&probe, &Outcome::Accepted);
    assert_eq!(probed.courier.take_job_news().retry, streak);
    probed.courier.revise(2, PACING);
    assert!(probed.courier.take_job_news().retry.is_empty());
}

#[test]
fn refusals_with_acceptances_between_are_no_streak() {
    let mut scene = Scene::new(PACING, 20);
    for outcome in [Outcome::Accepted, refused(), Outcome::Accepted, wrong()] {
        let load = scene.take(SINGLE);
        scene.end(&load, &outcome);
    }
    scene.courier.revise(2, PACING);
    assert!(scene.courier.take_job_news().retry.is_empty());
}
