//! Replays and redeliveries: stored, sent behind the log, over restarts, and stopped.

use delivery::{State, Status};
use domain::{EntryDraft, JobId, Sequence};
use serde_json::json;
use store::{Job, JobState, LetterFate, Letters, NewJob, Subscription, Work};
use tokio::{runtime::Runtime, time::Instant};

use crate::{
    server::{Answer, PATIENCE, Server},
    support::{Process, config_of, data},
};

fn record() -> EntryDraft {
    let members = json!({ "accesses": [{ "action": "redeliver", "resource": "integration/sink" }] });
    EntryDraft::system(members.as_object().unwrap())
}

impl Process {
    async fn make_job(&self, of: &Subscription, work: Work) -> Job {
        let id = self.store.job_id();
        let new = NewJob { id, account: self.account, subscription: of.id, work, made_by: "null".to_owned() };
        let made = self.store.job_create(new, record()).await.unwrap();
        self.engine.job_made(self.account, of.id).await.unwrap();
        made
    }

    /// Returns once the fates so far are written down.
    async fn written(&self, of: &Subscription) {
        self.engine.freeze(self.account, of.id).await.unwrap();
        self.engine.reload(self.account, of.id).await.unwrap();
    }

    async fn stop_job(&self, of: &Subscription, id: JobId) {
        self.store.job_stop(self.account, of.id, id, record()).await.unwrap();
        self.engine.job_stopped(self.account, of.id, id).await.unwrap();
    }

    /// Looks again and again until the job is as wanted.
    async fn wait_for_job(&self, of: &Subscription, id: JobId, is_so: impl Fn(&Job) -> bool) -> Job {
        let end = Instant::now() + PATIENCE;
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(5));
        loop {
            let job = self.store.job_get(of.id, id).await.unwrap();
            if is_so(&job) {
                return job;
            }
            assert!(Instant::now() < end, "the job stays {job:?}");
            looks.tick().await;
        }
    }

    async fn wait_until_done(&self, of: &Subscription, id: JobId) -> (u64, u64, u64, u64) {
        let counts = self.wait_for_job(of, id, |job| job.state == JobState::Done).await.progress.counts;
        (counts.accepted, counts.refused, counts.filtered, counts.skipped)
    }
}

fn replay(first: u64, last: u64) -> Work {
    Work::Replay(Sequence(first), Sequence(last))
}

const ALL: Work = Work::Redelivery(Letters::All(None));

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_delivered_once_the_destination_takes_them() {
    for integration in ["single", "batch"] {
        let (data, server) = (data(), Server::start().await);
        let process = Process::started(data.path()).await;
        let made = process.subscribe(integration, "proj/*", &server.url("/hook")).await;
        server.always(Answer::Refusing(422, "poison"));
        let first = process.append(["web"]).await;
        server.wait_for_taken(&first).await;
        let dead = process.append(["poison", "web", "poison"]).await;
        process.wait_until_caught_up(made.id).await;
        process.written(&made).await;
        let job = process.make_job(&made, ALL).await;
        assert_eq!((process.wait_until_done(&made, job.id).await, job.total), ((0, 2, 0, 0), 2), "{integration}");
        server.always(Answer::status(200));
        let one = Work::Redelivery(Letters::These(vec![Sequence(dead[0])]));
        let job = process.make_job(&made, one).await;
        assert_eq!(process.wait_until_done(&made, job.id).await, (1, 0, 0, 0), "{integration}");
        let letters = process.store.dead_letter_page(made.id, None, Some(LetterFate::Dead), 9, 9_999).await.unwrap();
        let left: Vec<_> = letters.letters.iter().map(|stored| stored.letter.sequence.0).collect();
        assert_eq!(left, [dead[2]], "{integration}");
        let counts = process.status(made.id).await.counts;
        assert_eq!((counts.delivered, counts.dead), (3, 1), "{integration}");
        process.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_passed_over_for_its_age_is_sent_when_it_is_redelivered() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("late", "proj/web", &server.url("/hook")).await;
    let sequences = process.append_dated(1_000).await;
    let status = process.wait_until_caught_up(made.id).await;
    assert_eq!((status.counts.skipped, server.received().len()), (1, 0));
    process.written(&made).await;
    let job = process.make_job(&made, ALL).await;
    assert_eq!(process.wait_until_done(&made, job.id).await, (1, 0, 0, 0));
    assert_eq!(server.taken(), sequences);
    let counts = process.status(made.id).await.counts;
    assert_eq!((counts.delivered, counts.skipped), (1, 0));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_sends_what_the_present_policy_wants_and_leaves_the_ledger_alone() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/*", &server.url("/hook")).await;
    let sent = process.append(["web", "app", "web"]).await;
    server.wait_for_taken(&sent).await;
    process.change(made.id, true, "proj/app", &config_of(&server, "second-token")).await;
    process.wait_until_caught_up(made.id).await;
    let before = process.status(made.id).await.counts;
    let job = process.make_job(&made, replay(sent[0], sent[2])).await;
    assert_eq!(process.wait_until_done(&made, job.id).await, (1, 0, 2, 0));
    let received = server.received();
    assert_eq!((received.len(), received[3].sequences()), (4, vec![sent[1]]));
    assert_eq!(received[3].authorization, "second-token");
    assert_eq!(process.status(made.id).await.counts, before);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_waits_while_the_subscription_is_off_and_for_its_turn() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let sent = process.append_many(3).await;
    server.wait_for_taken(&sent).await;
    process.wait_until_caught_up(made.id).await;
    process.change(made.id, false, "proj/web", &config_of(&server, "first-token")).await;
    let first = process.make_job(&made, replay(sent[0], sent[1])).await;
    let second = process.make_job(&made, replay(sent[2], sent[2])).await;
    process.stop().await;
    let process = Process::started(data.path()).await;
    assert_eq!(server.received().len(), 3, "nothing is sent while it is off");
    process.change(made.id, true, "proj/web", &config_of(&server, "first-token")).await;
    assert_eq!(process.wait_until_done(&made, second.id).await, (1, 0, 0, 0));
    assert_eq!(process.wait_until_done(&made, first.id).await, (2, 0, 0, 0));
    assert_eq!(server.received().len(), 6);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_holds_the_subscription_and_goes_on_by_itself() {
    for failure in [503, 401] {
        let (data, server) = (data(), Server::start().await);
        let process = Process::started(data.path()).await;
        let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
        let sent = process.append_many(3).await;
        server.wait_for_taken(&sent).await;
        process.wait_until_caught_up(made.id).await;
        server.always(Answer::status(failure));
        let job = process.make_job(&made, replay(sent[0], sent[2])).await;
        let is_stopped = |state: &State| matches!(state, State::Holding { .. } | State::Suspended { .. });
        process.wait_for_status(made.id, |status| is_stopped(&status.state)).await;
        // Nothing of the log could probe, and yet it recovers.
        server.wait_for(3 + 8).await;
        server.always(Answer::status(200));
        assert_eq!(process.wait_until_done(&made, job.id).await, (3, 0, 0, 0), "{failure}");
        process.wait_for_status(made.id, |status| status.state == State::Flowing).await;
        process.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_to_an_ordered_target_keeps_order_and_distance() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("paced", "proj/web", &server.url("/hook")).await;
    let sent = process.append_many(3).await;
    server.wait_for_taken(&sent).await;
    process.wait_until_caught_up(made.id).await;
    let job = process.make_job(&made, replay(sent[0], sent[2])).await;
    assert_eq!(process.wait_until_done(&made, job.id).await, (3, 0, 0, 0));
    let received = server.received();
    let replayed: Vec<_> = received[3..].iter().flat_map(crate::server::Received::sequences).collect();
    assert_eq!(replayed, sent);
    for pair in received.windows(2) {
        let apart = pair[1].at - pair[0].at;
        assert!(apart >= std::time::Duration::from_millis(45), "{apart:?}");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_replay_sends_nothing_more_and_lets_the_next_one_begin() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let sent = process.append_many(20).await;
    server.wait_for_taken(&sent).await;
    process.wait_until_caught_up(made.id).await;
    server.always(Answer::Held);
    let first = process.make_job(&made, replay(sent[0], sent[19])).await;
    // Twenty acceptances have opened the window wide; all that it takes is on its way.
    server.wait_for(36).await;
    process.stop_job(&made, first.id).await;
    let second = process.make_job(&made, replay(sent[0], sent[0])).await;
    server.always(Answer::status(200));
    server.release();
    assert_eq!(process.wait_until_done(&made, second.id).await, (1, 0, 0, 0));
    assert_eq!(server.received().len(), 37);
    let stopped = process.store.job_get(made.id, first.id).await.unwrap();
    assert_eq!(stopped.state, JobState::Stopped);
    assert_eq!(stopped.progress.counts.accepted, 16, "what was on its way is counted");
    process.stop().await;
}

#[test]
fn after_a_crash_a_replay_goes_on_until_all_of_it_has_arrived() {
    let data = data();
    let outside = Runtime::new().unwrap();
    let server = outside.block_on(Server::start());
    let mut made = None;
    for life in 0..3 {
        let process = Runtime::new().unwrap();
        process.block_on(async {
            let process = Process::started(data.path()).await;
            if life == 0 {
                let subscription = process.subscribe("single", "proj/web", &server.url("/hook")).await;
                let sent = process.append_many(300).await;
                server.wait_for_taken(&sent).await;
                process.wait_until_caught_up(subscription.id).await;
                let job = process.make_job(&subscription, replay(sent[0], sent[299])).await;
                made = Some((subscription, job, sent));
            }
            let before = server.received().len();
            server.wait_for(before + 20).await;
        });
        // The process dies in the middle of its work.
        process.shutdown_background();
    }
    let (subscription, job, sent) = made.unwrap();
    outside.block_on(async {
        let process = Process::started(data.path()).await;
        assert_eq!(process.wait_until_done(&subscription, job.id).await, (300, 0, 0, 0));
        let mut replayed: Vec<_> =
            server.received()[300..].iter().flat_map(crate::server::Received::sequences).collect();
        replayed.sort_unstable();
        replayed.dedup();
        assert_eq!(replayed, sent);
        process.stop().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ten_refusals_in_a_row_their_dead_letters_are_retried_once() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let mut wanted = process.append_many(1).await;
    server.wait_for_taken(&wanted).await;
    process.wait_until_caught_up(made.id).await;
    server.always(Answer::status(422));
    wanted.extend(process.append_many(12).await);
    let is_suspended = |status: &Status| matches!(status.state, State::Suspended { .. });
    process.wait_for_status(made.id, is_suspended).await;
    server.always(Answer::status(200));
    server.wait_for_taken(&wanted).await;
    let status = process.wait_for_status(made.id, |status| status.counts.dead == 0).await;
    assert_eq!(status.counts.delivered, 13);
    let jobs = process.store.job_page(made.id, None, 9).await.unwrap().jobs;
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].made_by, None);
    process.wait_until_done(&made, jobs[0].id).await;
    process.stop().await;
}
