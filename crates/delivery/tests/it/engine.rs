//! What arrives, what does not, and what a restart or a change makes of it.

use delivery::State;
use tokio::runtime::Runtime;

use crate::{
    server::{Answer, Server},
    support::{Process, config_of, data},
};

#[tokio::test(flavor = "multi_thread")]
async fn entries_from_before_and_after_the_start_arrive_once() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::open(data.path()).await;
    process.append(["web"]).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let mut wanted = process.append(["web", "app", "web"]).await;
    wanted.remove(1);
    assert_eq!(server.received().len(), 0, "nothing is sent before the start");
    process.engine.start().await.unwrap();
    wanted.extend(process.append_many(50).await);
    server.wait_for_taken(&wanted).await;
    let status = process.wait_until_caught_up(made.id).await;
    assert_eq!(server.taken(), wanted, "neither the one before its start nor the one of another project");
    assert_eq!((status.success_count, status.error_count, status.state), (52, 0, State::Flowing));
    assert_eq!(server.received()[0].authorization, "first-token");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_subscription_takes_nothing_away_from_the_others() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let mut wanted = Vec::new();
    let mut made = vec![process.subscribe("single", "proj/web", &server.url("/first")).await];
    for round in 0..20 {
        wanted.extend(process.append_many(10).await);
        made.push(process.subscribe("single", "proj/none", &server.url(&format!("/{round}"))).await);
    }
    server.wait_for_taken(&wanted).await;
    for made in made {
        process.wait_until_caught_up(made.id).await;
    }
    assert_eq!(server.taken(), wanted);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_stopped() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let mut wanted = process.append_many(30).await;
    server.wait_for(5).await;
    process.stop().await;
    let process = Process::started(data.path()).await;
    wanted.extend(process.append_many(30).await);
    server.wait_for_taken(&wanted).await;
    process.wait_until_caught_up(made.id).await;
    assert_eq!(server.taken(), wanted, "none is lost, and after an orderly end none comes twice");
    process.stop().await;
}

#[test]
fn after_a_crash_every_entry_still_arrives() {
    let data = data();
    let outside = Runtime::new().unwrap();
    let server = outside.block_on(Server::start());
    let mut wanted = Vec::new();
    for life in 0..4 {
        let process = Runtime::new().unwrap();
        process.block_on(async {
            let process = Process::started(data.path()).await;
            if life == 0 {
                process.subscribe("single", "proj/web", &server.url("/hook")).await;
                process.subscribe("batch", "proj/web", &server.url("/batch")).await;
            }
            let before = server.received().len();
            wanted.extend(process.append_many(100).await);
            server.wait_for(before + 10).await;
        });
        // The process dies in the middle of its work.
        process.shutdown_background();
    }
    outside.block_on(async {
        let process = Process::started(data.path()).await;
        server
            .wait_until("both have everything", |server| {
                ["/hook", "/batch"].into_iter().all(|path| {
                    let received = server.received();
                    let of_path = received.iter().filter(|received| received.path == path);
                    let mut taken: Vec<_> = of_path.flat_map(crate::server::Received::sequences).collect();
                    taken.sort_unstable();
                    taken.dedup();
                    taken == wanted
                })
            })
            .await;
        process.stop().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn unsettled_entries_are_sent_after_a_restart_although_nothing_new_comes() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::status(503));
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let wanted = process.append_many(3).await;
    server.wait_for(8).await;
    process.stop().await;
    server.always(Answer::status(200));
    let process = Process::started(data.path()).await;
    server.wait_for_taken(&wanted).await;
    process.wait_until_caught_up(made.id).await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_keeps_the_position_over_a_restart_too() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let mut wanted = process.append_many(5).await;
    server.wait_for_taken(&wanted).await;
    let position = process.wait_until_caught_up(made.id).await.position;
    process.change(made.id, false, "proj/web", &config_of(&server, "first-token")).await;
    wanted.extend(process.append_many(5).await);
    let status = process.status(made.id).await;
    assert_eq!((status.state, status.position), (State::Paused, position));
    process.stop().await;
    let process = Process::started(data.path()).await;
    assert_eq!(process.status(made.id).await.position, position);
    assert_eq!(server.received().len(), 5);
    process.change(made.id, true, "proj/web", &config_of(&server, "first-token")).await;
    server.wait_for_taken(&wanted).await;
    process.wait_until_caught_up(made.id).await;
    assert_eq!(server.taken(), wanted);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_rules_over_everything_that_is_unsettled() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::status(503));
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/*", &server.url("/hook")).await;
    let appended = process.append(["web", "app", "web", "app"]).await;
    server.wait_for(6).await;
    process.change(made.id, true, "proj/app", &config_of(&server, "second-token")).await;
    let before = server.received().len();
    server.always(Answer::status(200));
    process.wait_until_caught_up(made.id).await;
    assert_eq!(server.taken(), [appended[1], appended[3]]);
    // One may have been on its way when the edit was answered.
    let old = server.received()[before..].iter().filter(|received| received.authorization == "first-token").count();
    assert!(old <= 1, "{old} requests of the old revision");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_flight_at_a_delete_ends_and_nothing_follows() {
    let (data, server) = (data(), Server::start().await);
    server.always(Answer::Held);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("single", "proj/web", &server.url("/hook")).await;
    let other = process.subscribe("single", "proj/web", &server.url("/other")).await;
    process.append_many(10).await;
    server.wait_for(2).await;
    process.delete(made.id).await;
    server.release();
    process.wait_until_caught_up(other.id).await;
    let of_deleted = server.received().iter().filter(|received| received.path == "/hook").count();
    assert_eq!(of_deleted, 1);
    process.engine.stop(std::time::Duration::from_secs(5)).await;
    let ledger = process.store.progress_get(made.id).await.unwrap().unwrap();
    assert_eq!(ledger.counts.delivered, 1, "its ledger has what was on its way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_what_has_come() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    let made = process.subscribe("batch", "proj/web", &server.url("/hook")).await;
    let wanted = process.append_many(300).await;
    process.wait_until_caught_up(made.id).await;
    assert_eq!(server.taken(), wanted);
    let sizes: Vec<_> = server.received().iter().map(|received| received.sequences().len()).collect();
    assert!(sizes.iter().all(|size| *size <= 10) && sizes.len() <= 60, "{sizes:?}");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paced_target_gets_its_requests_apart_and_in_order() {
    let (data, server) = (data(), Server::start().await);
    let process = Process::started(data.path()).await;
    for _ in 0..2 {
        process.subscribe("paced", "proj/web", &server.url("/hook")).await;
    }
    process.append_many(4).await;
    server.wait_for(8).await;
    let received = server.received();
    for pair in received.windows(2) {
        let apart = pair[1].at - pair[0].at;
        assert!(apart >= std::time::Duration::from_millis(45), "{apart:?}");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_delivered_is_a_problem_until_it_is_deleted() {
    let data = data();
    let process = Process::started(data.path()).await;
    let made = process.subscribe("no-such-integration", "proj/web", "http://127.0.0.1:9").await;
    let problems = process.engine.health().problems;
    assert_eq!(problems, ["subscriptions that cannot be delivered as they are stored: 1"]);
    process.delete(made.id).await;
    assert_eq!(process.engine.health().problems, [""; 0]);
    process.stop().await;
}
