//! Destinations that refuse, fail, hang or lie.

use std::time::Duration;

use delivery::State;

use crate::{
    server::{Answer, Server},
    support::{Process, config_of, data, quick},
};

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_obeyed() {
    let (data, server) = (data(), Server::start().await);
    server.script([Answer::Status(429, vec![("retry-after", "1".to_owned())], "")]);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let wanted = process.append_many(3).await;
    let status = process.wait_for_status(made.id, |status| matches!(status.state, State::Holding { .. })).await;
    assert_eq!(status.errors[0].status_code, Some(429));
    server.wait_for_taken(&wanted).await;
    let received = server.received();
    let apart = received[1].at - received[0].at;
    assert!(apart >= Duration::from_secs(1), "{apart:?}");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_resets_and_endless_answers_lose_nothing() {
    let (data, server) = (data(), Server::start().await);
    let failures = [Answer::status(500), Answer::Reset, Answer::status(502), Answer::Reset, Answer::status(408)];
    server.script(failures.into_iter().cycle().take(12).chain([Answer::Endless]));
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let wanted = process.append_many(10).await;
    let status = process.wait_until_caught_up(made.id).await;
    assert_eq!(server.taken(), wanted);
    assert_eq!(status.success_count, 10);
    // A reset of a connection that was used before is tried again at once, and counts nowhere.
    assert!((7..=12).contains(&status.error_count), "{status:?}");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_refused_among_others_is_a_dead_letter() {
    for integration in ["single", "batch"] {
        let (data, server) = (data(), Server::start().await);
        server.always(Answer::Refusing(422, "poison"));
        let process = Process::started(data.path()).await;
        let made = process.subscribe(integration, "proj/*", &server.url("/hook")).await;
        let first = process.append(["web"]).await;
        server.wait_for_taken(&first).await;
        let appended = process.append(["web", "web", "poison", "web", "web"]).await;
        process.wait_until_caught_up(made.id).await;
        process.engine.stop(Duration::from_secs(5)).await;
        let letters = process.store.dead_letter_page(made.id, None, None, 10, usize::MAX).await.unwrap().letters;
        let letters: Vec<_> = letters.into_iter().map(|stored| stored.letter).collect();
        assert_eq!(letters.iter().map(|letter| letter.sequence.0).collect::<Vec<_>>(), [appended[2]], "{integration}");
        assert!(letters[0].reason.contains("unprocessable"), "{}", letters[0].reason);
        assert!(String::from_utf8_lossy(&letters[0].bytes).contains("poison"));
        let counts = process.store.progress_get(made.id).await.unwrap().unwrap().counts;
        assert_eq!((counts.delivered, counts.dead, counts.skipped), (5, 1, 0), "{integration}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_suspends_until_an_edit_and_loses_nothing() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::Status(401, Vec::new(), r#"{"bad token": "first-token"}"#));
    let process =
        Process::open_with(data.path(), delivery::decide::Schedule { probe_first: Duration::from_secs(60), ..quick() })
            .await;
    process.engine.start().await.unwrap();
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let wanted = process.append_many(3).await;
    let status = process.wait_for_status(made.id, |status| matches!(status.state, State::Suspended { .. })).await;
    assert_eq!(server.received().len(), 1);
    assert!(!format!("{status:?}").contains("first-token"), "{status:?}");
    // Here the config names the host, so it might be one within the network.
    assert_eq!(status.errors[0].response_body, None);
    server.always(Answer::status(200));
    process.change(made.id, true, "proj/web", &config_of(&server, "second-token")).await;
    server.wait_for_taken(&wanted).await;
    assert!(server.received()[1..].iter().all(|received| received.authorization == "second-token"));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_not_followed() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::Status(307, vec![("location", server.url("/elsewhere"))], ""));
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    process.append_many(1).await;
    server.wait_for(3).await;
    let status = process.wait_for_status(made.id, |status| matches!(status.state, State::Suspended { .. })).await;
    assert_eq!(status.errors[0].status_code, Some(307));
    assert!(server.received().iter().all(|received| received.path == "/hook"));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_holds_up_nobody_else() {
    let (data, hanging, healthy) = (data(), Server::start().await, Server::start().await);
    hanging.always(Answer::Held);
    let process = Process::started(data.path()).await;
    for _ in 0..20 {
        process.subscribe("single", "proj/web", &hanging.url("/hook")).await;
    }
    let made = process.subscribe("single", "proj/web", &healthy.url("/hook")).await;
    let wanted = process.append_many(100).await;
    healthy.wait_for_taken(&wanted).await;
    process.wait_until_caught_up(made.id).await;
    assert!(hanging.received().len() <= 16, "a host has a quarter of the 64 permits");
    hanging.release();
    process.stop().await;
}
