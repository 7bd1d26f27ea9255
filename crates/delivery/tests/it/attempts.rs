//! What is recorded of attempts.

use std::{path::Path, time::Duration};

use delivery::{
    OutcomeKind,
    attempts::{Attempt, Follows, unpack},
    decide::Schedule,
};
use domain::{Sequence, SubscriptionId};

use crate::{
    server::{Answer, PATIENCE, Server},
    support::{Process, config_of, data, quick},
};

/// All attempts with their numbers, oldest first, once everything is written down.
async fn recorded(process: &Process, id: SubscriptionId) -> Vec<(u64, Attempt)> {
    process.engine.stop(PATIENCE).await;
    let rows = process.store.attempt_page(id, None, usize::MAX, usize::MAX).await.unwrap();
    let numbered = |row: store::AttemptsRow| (row.first..).zip(unpack(&row.packed).unwrap());
    rows.into_iter().rev().flat_map(numbered).collect()
}

/// Like [`quick`], but a suspension that begins lasts.
async fn started_with_long_probes(data: &Path) -> Process {
    let schedule = Schedule { probe_first: Duration::from_secs(60), probe_max: Duration::from_secs(60), ..quick() };
    let process = Process::open_with(data, schedule).await;
    process.engine.start().await.unwrap();
    process
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_one_attempt_with_a_number() {
    let (data, server) = (data(), Server::start().await);
    server.script([Answer::status(500), Answer::status(200), Answer::status(204), Answer::status(503)]);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let wanted = process.append_many(10).await;
    process.wait_until_caught_up(made.id).await;
    let recorded = recorded(&process, made.id).await;
    let received = server.received();
    assert_eq!(recorded.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    assert_eq!(received.len(), 12);
    let statuses = |status| recorded.iter().filter(|(_, attempt)| attempt.status_code == Some(status)).count();
    assert_eq!([200, 204, 500, 503].map(statuses), [9, 1, 1, 1]);
    for sequence in wanted {
        let accepted = |attempt: &Attempt| attempt.outcome() == OutcomeKind::Accepted;
        let carriers: Vec<_> = recorded.iter().filter(|(_, attempt)| attempt.carries(Sequence(sequence))).collect();
        assert_eq!(carriers.iter().filter(|(_, attempt)| accepted(attempt)).count(), 1, "{sequence}");
        let sent = received.iter().filter(|received| received.sequences() == [sequence]).count();
        assert_eq!(carriers.len(), sent, "{sequence}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_brings_its_evidence_and_what_follows() {
    let (data, server) = (data(), Server::start().await);
    server.script([Answer::Status(500, Vec::new(), "first-token is of no use here")]);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    process.append_many(1).await;
    process.wait_until_caught_up(made.id).await;
    let recorded = recorded(&process, made.id).await;
    let [(1, failed), (2, accepted)] = recorded.as_slice() else { panic!("{recorded:?}") };
    let evidence = failed.evidence.as_ref().expect("it failed");
    assert_eq!((evidence.outcome, evidence.reason.as_str()), (OutcomeKind::Unavailable, "server_error"));
    assert_eq!((evidence.is_sent, evidence.failed, evidence.dead), (true, 1, 0));
    let Follows::Retry(at) = evidence.follows else { panic!("{evidence:?}") };
    assert!(at > failed.ended_at && at <= accepted.ended_at, "{at} between {failed:?} and {accepted:?}");
    // The config names the host, so it might be one within the network.
    assert_eq!((&evidence.response_body, &evidence.address, &evidence.tls), (&None, &None, &None));
    assert!(!failed.is_probe && !accepted.is_probe);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_attempt_that_knows_its_entries() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::open(data.path()).await;
    let made = process.subscribe("batch", "proj/web", &server.url("/hook")).await;
    let sequences = process.append(["web", "web", "app", "web", "app", "app", "web"]).await;
    process.engine.start().await.unwrap();
    process.wait_until_caught_up(made.id).await;
    let recorded = recorded(&process, made.id).await;
    assert_eq!(recorded.len(), server.received().len());
    for (place, sequence) in sequences.into_iter().enumerate() {
        let carriers = recorded.iter().filter(|(_, attempt)| attempt.carries(Sequence(sequence))).count();
        assert_eq!(carriers, usize::from([0, 1, 3, 6].contains(&place)), "{place}");
    }
    assert_eq!(recorded.iter().map(|(_, attempt)| attempt.entries()).sum::<u64>(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_entry_tells_that_it_became_a_dead_letter() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::Refusing(422, "poison"));
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/*", &server.url("/hook")).await;
    process.append(["web"]).await;
    process.wait_until_caught_up(made.id).await;
    process.append(["poison"]).await;
    process.wait_until_caught_up(made.id).await;
    let recorded = recorded(&process, made.id).await;
    let evidence = recorded[1].1.evidence.as_ref().expect("it failed");
    assert_eq!((evidence.outcome, evidence.dead, evidence.follows), (OutcomeKind::Refused, 1, Follows::Nothing));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_is_told_and_its_probes_are_marked_but_tests_leave_no_trace() {
    let (data, server) = (data(), Server::start().await);
    server.script([Answer::status(401)]);
    let process = started_with_long_probes(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    process.append_many(2).await;
    let is_suspended = |status: &delivery::Status| matches!(status.state, delivery::State::Suspended { .. });
    process.wait_for_status(made.id, is_suspended).await;
    process.change(made.id, true, "proj/web", &config_of(&server, "second-token")).await;
    process.wait_until_caught_up(made.id).await;
    let stored = process.store.subscription_get(process.account, made.id).await.unwrap();
    process.engine.test(&stored).await.unwrap();
    assert_eq!(server.received().len(), 4);
    let recorded = recorded(&process, made.id).await;
    let evidence = recorded[0].1.evidence.as_ref().expect("it failed");
    assert!(matches!(evidence.follows, Follows::Suspend(at) if at > recorded[0].1.ended_at), "{evidence:?}");
    assert_eq!(recorded.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_marked() {
    let (data, server) = (data(), Server::start().await);
    server.script([Answer::status(401), Answer::status(401)]);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    process.append_many(1).await;
    process.wait_until_caught_up(made.id).await;
    let recorded = recorded(&process, made.id).await;
    let probes: Vec<_> = recorded.iter().map(|(_, attempt)| attempt.is_probe).collect();
    assert_eq!(probes, [false, true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_go_on_after_a_restart() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    process.append_many(3).await;
    process.wait_until_caught_up(made.id).await;
    process.stop().await;
    let process = Process::started(data.path()).await;
    process.append_many(2).await;
    process.wait_until_caught_up(made.id).await;
    let numbers: Vec<_> = recorded(&process, made.id).await.into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_attempts_are_dropped_beyond_the_number_that_is_kept() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    for _ in 0..3 {
        process.append_many(20).await;
        process.wait_until_caught_up(made.id).await;
        // Ends a row: a change is made after everything was written down.
        process.change(made.id, true, "proj/web", &config_of(&server, "first-token")).await;
    }
    // The first pass of the engine itself can have come before all was there.
    process.engine.drop_old_attempts().await.unwrap();
    let recorded = recorded(&process, made.id).await;
    let numbers: Vec<_> = recorded.into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (41..=60).collect::<Vec<_>>(), "the newest twenty, which begin a row");
}
