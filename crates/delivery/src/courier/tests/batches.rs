//! Requests of several entries.

use store::Counts;

use super::{BATCH, PACING, SINGLE, Scene, failed, reason, refused, sequences};
use crate::{
    courier::{Flow, Results, Sent},
    outcome::Outcome,
};

#[test]
fn a_batch_refused_whole_is_halved_down_to_the_culprit() {
    let mut scene = Scene::new(PACING, 1_001);
    let first = scene.take(SINGLE);
    scene.end(&first, &Outcome::Accepted);
    let mut dead = Vec::new();
    let mut requests = 0;
    while let Some(load) = scene.courier.take(scene.now, BATCH) {
        requests += 1;
        let guilty = sequences(&load).contains(&700);
        dead.extend(scene.end(&load, &if guilty { refused() } else { Outcome::Accepted }));
    }
    assert_eq!(dead.iter().map(|died| died.entry.sequence.0).collect::<Vec<_>>(), [700]);
    assert_eq!(scene.courier.progress(false).counts, Counts { delivered: 1_000, dead: 1, ..Counts::default() });
    assert!(requests < 40, "{requests} requests");
}

#[test]
fn a_batch_refused_whole_is_halved_although_some_of_its_entries_had_nothing_to_send() {
    let mut scene = Scene::new(PACING, 5);
    let first = scene.take(SINGLE);
    scene.end(&first, &Outcome::Accepted);
    let load = scene.take(BATCH);
    let own = vec![Some(Outcome::Nothing), None, None, None];
    assert!(scene.finish(&load, Results { own, sent: Sent::Whole(refused()) }).is_empty());
    assert_eq!((scene.position(), scene.courier.unsettled()), (2, 3));
}

#[test]
fn ten_refused_entries_in_a_row_suspend_and_the_rest_stays_unsettled() {
    let mut scene = Scene::new(PACING, 30);
    let load = scene.take(BATCH);
    let outcomes = (0..30).map(|at| if at == 0 { Outcome::Accepted } else { refused() }).collect();
    assert_eq!(scene.end_with(&load, Sent::Each(outcomes)).len(), 9);
    assert!(matches!(scene.courier.flow(), Flow::Suspended(_)));
    assert_eq!((scene.position(), scene.courier.unsettled()), (10, 20));
}

#[test]
fn a_request_counts_one_failure_however_many_entries_it_speaks_of() {
    for outcome in [failed(), Outcome::Throttled { retry_after: None, reason: reason() }] {
        let mut scene = Scene::new(PACING, 500);
        let load = scene.take(BATCH);
        scene.end_with(&load, Sent::Each(vec![outcome.clone(); 500]));
        scene.journal();
        scene.pass(1);
        assert!(!scene.take(BATCH).entries.is_empty(), "{outcome:?} waits one second, not the longest time");
    }
}

#[test]
fn a_batch_that_keeps_failing_among_others_loses_only_its_culprit() {
    let mut scene = Scene::new(PACING, 64);
    let mut dead = Vec::new();
    for next in 65..465 {
        scene.journal();
        while let Some(load) = scene.courier.take(scene.now, BATCH) {
            let guilty = sequences(&load).contains(&40);
            dead.extend(scene.end(&load, &if guilty { failed() } else { Outcome::Accepted }));
            scene.journal();
        }
        // Others pass all the time.
        scene.bring(next, next);
        scene.pass(1_000);
    }
    assert_eq!(dead.iter().map(|died| died.entry.sequence.0).collect::<Vec<_>>(), [40]);
}
