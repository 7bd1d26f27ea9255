//! States that last: told once, once a day, and once at their end.

use std::{sync::Arc, time::Duration};

use delivery::{ConditionKind, State, Status, decide::Schedule};

use crate::{
    server::{Answer, Server},
    support::{Process, config_of, data, quick},
};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const QUIET: Duration = Duration::from_secs(600);

/// Nothing but an edit ends a stop within the time of a test.
fn slow() -> Schedule {
    let hour = Duration::from_secs(3_600);
    Schedule { probe_first: hour, probe_max: hour, backoff_first: hour, backoff_max: hour, ..quick() }
}

fn is_suspended(status: &Status) -> bool {
    matches!(status.state, State::Suspended { .. })
}

/// How many beginnings (and days) and how many ends the log tells of.
async fn told(process: &Process) -> (usize, usize) {
    process.engine.look().await.unwrap();
    (process.told("reportTrouble").await.len(), process.told("reportRecovery").await.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_is_told_at_its_start_daily_and_at_its_end_over_restarts() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::Status(401, Vec::new(), r#"{"bad token": "first-token"}"#));
    let process = Process::open_with(data.path(), slow()).await;
    process.engine.start().await.unwrap();
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let wanted = process.append_many(2).await;
    process.wait_for_status(made.id, is_suspended).await;
    assert_eq!(told(&process).await, (1, 0));
    let entry = &process.told("reportTrouble").await[0];
    assert_eq!(entry["accesses"][0]["resource"], format!("integration/{}", made.id).as_str());
    assert_eq!((&entry["condition"]["kind"], &entry["condition"]["phase"]), (&"suspended".into(), &"start".into()));
    assert_eq!(
        (&entry["_origin"], &entry["kind"], &entry["name"]),
        (&"system".into(), &"integration".into(), &"test".into())
    );
    assert!(!entry.to_string().contains("first-token"), "{entry}");
    let conditions = process.status(made.id).await.conditions;
    assert_eq!(conditions.iter().map(|condition| condition.kind).collect::<Vec<_>>(), [ConditionKind::Suspended]);
    assert_eq!(told(&process).await, (1, 0), "it is told once");
    process.clock.advance(DAY);
    assert_eq!(told(&process).await, (2, 0), "and once a day");
    let clock = Arc::clone(&process.clock);
    process.stop().await;

    let process = Process::open_at(data.path(), slow(), clock).await;
    process.engine.start().await.unwrap();
    assert_eq!(told(&process).await, (2, 0), "a restart repeats nothing");
    assert_eq!(process.status(made.id).await.conditions, conditions);
    server.always(Answer::status(200));
    process.change(made.id, true, "proj/web", &config_of(&server, "second-token")).await;
    server.wait_for_taken(&wanted).await;
    process.wait_until_caught_up(made.id).await;
    assert_eq!(told(&process).await, (2, 1), "an edit ends it at once");
    assert_eq!(process.status(made.id).await.conditions, []);
    assert_eq!(told(&process).await, (2, 1));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_is_told_when_it_has_lasted() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::status(401));
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    process.append_many(1).await;
    process.wait_for_status(made.id, is_suspended).await;
    assert_eq!(told(&process).await, (1, 0));
    server.always(Answer::status(200));
    process.wait_for_status(made.id, |status| status.state == State::Flowing).await;
    assert_eq!(told(&process).await, (1, 0), "it may come back");
    assert_eq!(told(&process).await, (1, 0));
    process.clock.advance(QUIET);
    assert_eq!(told(&process).await, (1, 1));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_own_entries_bring_about_makes_no_further_ones() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::status(401));
    let process = Process::started(data.path()).await;
    // It wants the entries about subscriptions, so those about itself, too.
    let made = process.subscribe("single", "integration/*", &server.url("/hook")).await;
    process.wait_for_status(made.id, is_suspended).await;
    assert_eq!(told(&process).await, (1, 0));
    // The third entry will be the one that tells of the end.
    server.always(Answer::Refusing(401, r#""sequence": 3,"#));
    process.wait_until_caught_up(made.id).await;
    assert_eq!(told(&process).await, (1, 0));
    process.clock.advance(QUIET);
    assert_eq!(told(&process).await, (1, 1));
    process.wait_for_status(made.id, is_suspended).await;
    for _ in 0..3 {
        process.clock.advance(QUIET);
        assert_eq!(told(&process).await, (1, 1), "nothing but that entry suspended it");
    }
    process.clock.advance(DAY);
    assert_eq!(told(&process).await, (2, 1), "once a day it is told all the same");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_what_was_told_also_while_nobody_looks() {
    for looks_before in [true, false] {
        let (data, server) = (data(), Server::start().await);
        server.always(Answer::status(401));
        let process = Process::open_with(data.path(), slow()).await;
        process.engine.start().await.unwrap();
        let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
        process.append_many(1).await;
        process.wait_for_status(made.id, is_suspended).await;
        assert_eq!(told(&process).await, (1, 0));
        process.change(made.id, false, "proj/web", &config_of(&server, "first-token")).await;
        if looks_before {
            assert_eq!(told(&process).await, (1, 1));
        }
        let clock = Arc::clone(&process.clock);
        process.stop().await;
        let process = Process::open_at(data.path(), slow(), clock).await;
        process.engine.start().await.unwrap();
        assert_eq!(told(&process).await, (1, 1), "{looks_before}");
        assert_eq!(told(&process).await, (1, 1), "{looks_before}");
        process.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_told_when_it_has_lasted_for_a_quarter_of_an_hour() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::Status(429, vec![("retry-after", "3600".to_owned())], ""));
    let process = Process::open_with(data.path(), slow()).await;
    process.engine.start().await.unwrap();
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    process.append_many(1).await;
    process.wait_for_status(made.id, |status| matches!(status.state, State::Holding { .. })).await;
    assert_eq!(told(&process).await, (0, 0));
    process.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(told(&process).await, (1, 0));
    assert_eq!(process.told("reportTrouble").await[0]["condition"]["kind"], "held");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_are_about_to_be_late_are_told() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::status(401));
    let process = Process::open_with(data.path(), slow()).await;
    process.engine.start().await.unwrap();
    let made = process.subscribe("aging", "proj/web", &server.url("/hook")).await;
    process.append_many(1).await;
    process.wait_for_status(made.id, is_suspended).await;
    assert_eq!(told(&process).await, (1, 0));
    process.clock.advance(Duration::from_secs(48 * 60));
    assert_eq!(told(&process).await, (2, 0));
    let entry = &process.told("reportTrouble").await[1];
    assert_eq!(entry["condition"]["kind"], "nearWindow");
    assert!(entry["description"].as_str().unwrap().contains("is skipped"), "{entry}");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_makes_nothing_late() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::status(503));
    let process = Process::started(data.path()).await;
    let made = process.subscribe("aging", "proj/web", &server.url("/hook")).await;
    let wanted = process.append_many(1).await;
    server.wait_for(1).await;
    assert_eq!(process.engine.health().warnings, Vec::<String>::new());
    process.clock.jump(DAY);
    assert_eq!(process.engine.health().warnings.len(), 1);
    server.always(Answer::status(200));
    server.wait_for_taken(&wanted).await;
    let status = process.wait_until_caught_up(made.id).await;
    assert_eq!((status.counts.delivered, status.counts.skipped), (1, 0));
    process.clock.advance(QUIET);
    assert_eq!(process.engine.health().warnings, Vec::<String>::new(), "it has stood for ten minutes");
    process.stop().await;
}
