//! Old entries leave the log, and nobody loses one unseen.

use std::{sync::Arc, time::Duration};

use delivery::{ConditionKind, State, decide::Schedule};
use domain::{EntryDraft, Sequence};
use store::AccountRetention;

use crate::{
    server::{Answer, Server},
    support::{Process, RETENTION, config_of, data, quick},
};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const HELD_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

async fn beginning(process: &Process) -> u64 {
    process.engine.retain().await.unwrap();
    process.store.log_beginning(process.account).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_and_settled_leaves_the_log() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let mut wanted = process.append_many(1_200).await;
    process.wait_until_caught_up(made.id).await;
    process.clock.advance(RETENTION - DAY);
    assert_eq!(beginning(&process).await, 1);
    process.clock.advance(DAY);
    assert_eq!(beginning(&process).await, 1_202);
    wanted.extend(process.append_many(3).await);
    server.wait_for_taken(&wanted).await;
    let counts = process.wait_until_caught_up(made.id).await.counts;
    assert_eq!((counts.delivered, counts.skipped), (1_203, 0));
    assert_eq!(wanted.last(), Some(&1_204), "sequences go on");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_new_or_jumps_drops_nothing() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    process.append_many(3).await;
    process.wait_until_caught_up(made.id).await;
    process.clock.advance(DAY);
    process.clock.jump(RETENTION * 2);
    assert_eq!(beginning(&process).await, 1);
    process.clock.advance(Duration::from_secs(599));
    assert_eq!(beginning(&process).await, 1);
    process.clock.advance(Duration::from_secs(1));
    assert_eq!(beginning(&process).await, 5, "it has stood for ten minutes");
    let clock = Arc::clone(&process.clock);
    process.append_many(3).await;
    process.wait_until_caught_up(made.id).await;
    process.stop().await;
    clock.advance(RETENTION);
    let process = Process::open_at(data.path(), quick(), clock).await;
    process.engine.start().await.unwrap();
    assert_eq!(beginning(&process).await, 5, "the time of a new process is not settled");
    process.clock.advance(Duration::from_secs(600));
    assert_eq!(beginning(&process).await, 8);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_subscription_holds_entries_is_told_of_and_gives_them_up_in_the_end() {
    for restarts in [false, true] {
        let (data, server) = (data(), Server::start().await);
        let mut process = Process::started(data.path()).await;
        let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
        process.change(made.id, false, "proj/web", &config_of(&server, "first-token")).await;
        let other = process.subscribe("single", "proj/none", &server.url("/none")).await;
        let last = *process.append_many(5).await.last().unwrap();
        if restarts {
            // Then nobody has it in memory.
            let clock = Arc::clone(&process.clock);
            process.stop().await;
            process = Process::open_at(data.path(), quick(), clock).await;
            process.engine.start().await.unwrap();
        }
        process.wait_until_caught_up(other.id).await;
        let first = process.status(made.id).await.position.unwrap().0 + 1;
        process.clock.advance(RETENTION + DAY);
        assert_eq!(beginning(&process).await, first);
        let told = process.told("reportTrouble").await;
        assert_eq!((told.len(), &told[0]["condition"]["kind"]), (1, &"nearRetention".into()));
        assert_eq!(beginning(&process).await, first);
        assert_eq!(process.told("reportTrouble").await.len(), 1, "it is told once");
        let conditions = process.status(made.id).await.conditions;
        assert_eq!(
            conditions.iter().map(|condition| condition.kind).collect::<Vec<_>>(),
            [ConditionKind::NearRetention]
        );
        let position = process.status(made.id).await.position;

        process.clock.advance(HELD_MAX);
        assert_eq!(beginning(&process).await, last + 1);
        let status = process.status(made.id).await;
        assert_eq!(status.position, Some(Sequence(last)));
        assert_eq!(status.counts.skipped, last - position.unwrap().0);
        let expired = process.told("expireEntries").await;
        let range =
            serde_json::json!({ "first": position.unwrap().0 + 1, "last": last, "count": status.counts.skipped });
        assert_eq!((expired.len(), &expired[0]["expired"]), (1, &range));

        process.change(made.id, true, "proj/web", &config_of(&server, "first-token")).await;
        let wanted = process.append_many(2).await;
        server.wait_for_taken(&wanted).await;
        process.wait_until_caught_up(made.id).await;
        assert_eq!(server.taken(), wanted, "and it goes on with what is there");
        assert_eq!(process.told("reportRecovery").await.len(), 0);
        beginning(&process).await;
        assert_eq!(process.told("reportRecovery").await.len(), 1);
        process.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_at_hand_are_given_up_too_and_stay_so_after_a_restart() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::status(401));
    // A probe in flight would put it off until the next time.
    let slow = || Schedule { probe_first: DAY * 1_000, probe_max: DAY * 1_000, ..quick() };
    let process = Process::open_with(data.path(), slow()).await;
    process.engine.start().await.unwrap();
    let made = process.subscribe("single", "proj/*", &server.url("/hook")).await;
    process.append(["web", "app", "web"]).await;
    process.wait_for_status(made.id, |status| matches!(status.state, State::Suspended { .. })).await;
    let position = process.status(made.id).await.position.unwrap();
    process.clock.advance(RETENTION + HELD_MAX / 2);
    let wanted = process.append_many(2).await;
    process.clock.advance(HELD_MAX / 2 + DAY);
    assert_eq!(beginning(&process).await, position.0 + 4);
    assert_eq!(process.told("expireEntries").await.len(), 1);
    let clock = Arc::clone(&process.clock);
    process.stop().await;

    let process = Process::open_at(data.path(), slow(), clock).await;
    process.engine.start().await.unwrap();
    server.always(Answer::status(200));
    process.change(made.id, true, "proj/web", &config_of(&server, "second-token")).await;
    server.wait_for_taken(&wanted).await;
    let counts = process.wait_until_caught_up(made.id).await.counts;
    assert_eq!((counts.delivered, counts.skipped, counts.dead), (2, 3, 0));
    assert_eq!(server.taken(), wanted);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_may_keep_its_entries_for_another_time_or_all_of_them() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let paused = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    process.change(paused.id, false, "proj/web", &config_of(&server, "first-token")).await;
    process.append_many(5).await;
    process.clock.advance(Duration::from_secs(600));
    let change = async |before, after| {
        let record = EntryDraft::system(&serde_json::Map::new());
        process.store.account_retention_update(process.account, before, after, record).await.unwrap();
    };
    let usual = AccountRetention::default();
    let held = AccountRetention { days: Some(10), legal_hold: true };
    change(usual, held).await;
    process.clock.advance(DAY * 10 + HELD_MAX + DAY);
    assert_eq!(beginning(&process).await, 1, "a legal hold stands");
    let counts = process.store.progress_get(paused.id).await.unwrap().unwrap().counts;
    assert_eq!(counts.skipped, 0, "and nothing is given up under it");
    change(held, AccountRetention { legal_hold: false, ..held }).await;
    assert!(beginning(&process).await > 5, "its own age is over");
    process.stop().await;
}
