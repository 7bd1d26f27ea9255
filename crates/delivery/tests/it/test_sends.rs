//! Test messages: what they tell, what they leave alone, and what they end.

use std::time::Duration;

use delivery::{Outcome, State, decide::Schedule};
use tokio::time::Instant;

use crate::{
    server::{Answer, PATIENCE, Server},
    support::{Process, config, config_of, data, quick},
};

/// Nothing but a test message or an edit ends a stop within the time of a test.
fn slow() -> Schedule {
    let hour = Duration::from_secs(3_600);
    Schedule { probe_first: hour, probe_max: hour, backoff_first: hour, backoff_max: hour, ..quick() }
}

async fn slowly(data: &std::path::Path) -> Process {
    let process = Process::open_with(data, slow()).await;
    process.engine.start().await.unwrap();
    process
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_tells_what_came_back_and_counts_nowhere() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let off = process.change(made.id, false, "proj/web", &config(&server.url("/first-token/in"), "first-token")).await;
    let before = process.status(made.id).await;
    server.script([Answer::status(200), Answer::Status(403, Vec::new(), "no first-token here")]);
    server.always(Answer::Reset);

    let result = process.engine.test(&off).await.unwrap();
    assert_eq!((&result.outcome, result.status_code), (&Outcome::Accepted, Some(200)));
    let request = result.request.unwrap();
    assert_eq!((request.method, request.url), ("POST", server.url("/…")));
    assert_eq!(request.bytes, server.received()[0].body.len());
    assert_eq!(server.received()[0].authorization, "first-token");
    assert_eq!(server.received()[0].sequences(), [0], "the sample is in no log");

    let result = process.engine.test(&off).await.unwrap();
    assert!(matches!(result.outcome, Outcome::Misconfigured(_)), "{result:?}");
    // Here the config names the host, so it might be one within the network.
    assert_eq!((result.status_code, result.response_body), (Some(403), None));

    let result = process.engine.test(&off).await.unwrap();
    assert!(matches!(result.outcome, Outcome::Unavailable(_)), "{result:?}");
    assert_eq!((result.status_code, result.response_body), (None, None));

    assert_eq!(process.status(made.id).await, before);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_test_message_ends_a_suspension_and_a_failed_one_does_not() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::status(401));
    let process = slowly(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let wanted = process.append_many(3).await;
    let is_suspended = |status: &delivery::Status| matches!(status.state, State::Suspended { .. });
    process.wait_for_status(made.id, is_suspended).await;
    process.engine.test(&made).await.unwrap();
    assert!(is_suspended(&process.status(made.id).await));
    server.always(Answer::status(200));
    process.engine.test(&made).await.unwrap();
    let status = process.wait_until_caught_up(made.id).await;
    assert_eq!((status.state, status.success_count, status.error_count), (State::Flowing, 3, 1));
    assert_eq!(server.taken(), [&[0][..], &wanted].concat());
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_under_an_older_revision_ends_nothing() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::status(401));
    let process = slowly(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    process.append_many(1).await;
    let is_suspended = |status: &delivery::Status| matches!(status.state, State::Suspended { .. });
    process.wait_for_status(made.id, is_suspended).await;
    process.change(made.id, true, "proj/web", &config_of(&server, "second-token")).await;
    process.wait_for_status(made.id, is_suspended).await;
    server.script([Answer::status(200)]);
    assert_eq!(process.engine.test(&made).await.unwrap().outcome, Outcome::Accepted);
    assert!(is_suspended(&process.status(made.id).await));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlasts_an_accepted_test_message() {
    let (data, server) = (data(), Server::start().await);
    server.script([Answer::Status(429, vec![("retry-after", "600".to_owned())], "")]);
    let process = slowly(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    process.append_many(1).await;
    let is_held = |status: &delivery::Status| matches!(status.state, State::Holding { .. });
    process.wait_for_status(made.id, is_held).await;
    assert_eq!(process.engine.test(&made).await.unwrap().outcome, Outcome::Accepted);
    assert!(is_held(&process.status(made.id).await));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn test_messages_keep_their_distance_at_a_paced_target() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("paced", "proj/none", &server.url("/hook")).await;
    let started = Instant::now();
    for _ in 0..3 {
        let result = tokio::time::timeout(PATIENCE, process.engine.test(&made)).await.unwrap().unwrap();
        assert_eq!(result.outcome, Outcome::Accepted);
    }
    assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
    process.stop().await;
}
