//! What outcomes change beside the fate of their entries.

use super::{BATCH, PACING, SINGLE, Scene, asked, failed, refused, sequences, wrong};
use crate::{
    courier::{Flow, Sent},
    outcome::Outcome,
};

fn accepted_first(entries: u64) -> Scene {
    let mut scene = Scene::new(PACING, entries);
    let load = scene.take(SINGLE);
    scene.end(&load, &Outcome::Accepted);
    scene
}

#[test]
fn only_acceptances_widen_the_window_and_prove_the_destination() {
    let mut scene = Scene::new(PACING, 9);
    for _ in 0..3 {
        let load = scene.take(SINGLE);
        assert!(scene.takes_nothing(), "one at a time");
        scene.end_with(&load, Sent::Whole(Outcome::Undecided { alone: true }));
        assert!(!scene.courier.is_proven());
    }
    let load = scene.take(SINGLE);
    scene.end(&load, &Outcome::Accepted);
    assert!(scene.courier.is_proven());
    scene.take(SINGLE);
    scene.take(SINGLE);
    assert!(scene.takes_nothing(), "two at a time");
}

#[test]
fn an_undecided_entry_goes_again_at_once_alone_where_that_is_said() {
    for (alone, then) in [(true, vec![2]), (false, vec![2, 4])] {
        let mut scene = accepted_first(4);
        let load = scene.take(BATCH);
        let again = Outcome::Undecided { alone };
        scene.end_with(&load, Sent::Each(vec![again.clone(), Outcome::Accepted, again]));
        assert_eq!(sequences(&scene.take(BATCH)), then, "alone: {alone}");
    }
}

#[test]
fn a_failure_after_an_acceptance_in_the_same_answer_counts_anew() {
    let mut scene = accepted_first(4);
    let load = scene.take(BATCH);
    scene.end_with(&load, Sent::Each(vec![failed(), Outcome::Accepted, failed()]));
    assert_eq!(scene.courier.health.failures_in_row, 1);
    assert_eq!(scene.courier.record.success_count, 2);
}

#[test]
fn several_entries_of_one_request_make_one_step_of_the_delay_between_probes() {
    let length = |entries: u64| {
        let mut scene = Scene::new(PACING, entries);
        let load = scene.take(BATCH);
        scene.end_with(&load, Sent::Each(vec![wrong(); load.entries.len()]));
        let Flow::Suspended(wait) = scene.courier.flow() else { panic!("it is suspended") };
        (wait.length, scene.courier.health.probes)
    };
    assert_eq!(length(1), length(3));
}

#[test]
fn what_failed_under_an_older_revision_is_no_try_of_the_entry() {
    let mut scene = accepted_first(2);
    let load = scene.take(SINGLE);
    scene.courier.revise(2, PACING);
    scene.end(&load, &failed());
    let detail = scene.courier.progress(false).detail;
    assert!(!detail.contains("\"t\":"), "{detail}");
}

#[test]
fn a_batch_that_failed_goes_again_in_halves() {
    let mut scene = accepted_first(9);
    let load = scene.take(BATCH);
    assert_eq!(load.entries.len(), 8);
    scene.end(&load, &failed());
    scene.journal();
    scene.pass(60);
    while let Flow::Holding(_) = scene.courier.flow() {
        let probe = scene.take(BATCH);
        scene.end(&probe, &Outcome::Accepted);
    }
    scene.pass(60);
    assert_eq!(scene.take(BATCH).entries.len(), 4);
}

#[test]
fn dead_letters_go_again_only_after_a_suspension_that_refusals_made() {
    let mut scene = accepted_first(4);
    let load = scene.take(SINGLE);
    assert_eq!(scene.end(&load, &refused()).len(), 1);
    let load = scene.take(SINGLE);
    scene.end(&load, &wrong());
    scene.journal();
    scene.pass(86_400);
    let probe = scene.take(BATCH);
    scene.end(&probe, &Outcome::Accepted);
    assert_eq!(*scene.courier.flow(), Flow::Flowing);
    assert!(scene.courier.take_job_news().retry.is_empty());
}

#[test]
fn a_probe_that_fails_after_a_wait_that_was_asked_for_makes_one_that_was_not() {
    for late in [0, 1] {
        let mut scene = Scene::new(PACING, 3);
        let load = scene.take(SINGLE);
        scene.end(&load, &asked(90));
        scene.journal();
        scene.pass(90 + late);
        let probe = scene.take(SINGLE);
        scene.end(&probe, &failed());
        let Flow::Holding(wait) = scene.courier.flow() else { panic!("it holds") };
        assert!(!wait.asked, "{late} s after its end");
    }
}

#[test]
fn a_wait_that_a_late_answer_asks_for_is_written_down_before_the_next_request() {
    let mut scene = accepted_first(5);
    let loads = [scene.take(SINGLE), scene.take(SINGLE)];
    scene.end(&loads[0], &wrong());
    scene.journal();
    let stops = scene.courier.mark().stops;
    scene.end(&loads[1], &asked(1));
    assert_eq!(scene.courier.mark().stops, stops + 1);
    scene.pass(86_400);
    assert!(scene.takes_nothing(), "that it was asked for is not written down");
    scene.journal();
    assert!(scene.take(BATCH).is_probe);
}
