//! What an accepted test message ends.

use super::{Flow, PACING, SINGLE, Scene, asked, in_flight, refused, wrong};
use crate::outcome::Outcome;

#[test]
fn an_accepted_test_message_ends_a_suspension_and_starts_its_waits_anew() {
    let mut scene = Scene::new(PACING, 5);
    let load = scene.take(SINGLE);
    scene.end(&load, &wrong());
    scene.journal();
    scene.pass(60);
    let probe = scene.take(SINGLE);
    scene.end(&probe, &wrong());
    scene.journal();
    scene.courier.test_accepted(scene.now);
    assert_eq!(scene.courier.flow(), &Flow::Flowing);
    let load = scene.take(SINGLE);
    assert!(!load.is_probe);
    scene.end(&load, &wrong());
    scene.journal();
    scene.pass(59);
    assert!(scene.takes_nothing());
    scene.pass(1);
    assert!(scene.take(SINGLE).is_probe);
}

#[test]
fn a_wait_that_the_destination_asked_for_outlasts_an_accepted_test_message() {
    let (mut scene, loads) = in_flight(2);
    scene.end(&loads[0], &wrong());
    scene.end(&loads[1], &asked(3_600));
    scene.journal();
    scene.courier.test_accepted(scene.now);
    assert!(matches!(scene.courier.flow(), Flow::Holding(_)));
    scene.pass(3_599);
    assert!(scene.takes_nothing());
    scene.pass(1);
    let probe = scene.take(SINGLE);
    scene.end(&probe, &Outcome::Accepted);
    assert_eq!(scene.courier.flow(), &Flow::Flowing);
}

#[test]
fn an_accepted_test_message_does_not_tell_that_entries_are_taken() {
    let mut scene = Scene::new(PACING, 2);
    let load = scene.take(SINGLE);
    scene.end(&load, &refused());
    scene.journal();
    scene.courier.test_accepted(scene.now);
    let load = scene.take(SINGLE);
    // A refusal settles an entry only where another one was accepted.
    assert!(scene.end(&load, &refused()).is_empty());
    assert!(matches!(scene.courier.flow(), Flow::Suspended(_)));
}
