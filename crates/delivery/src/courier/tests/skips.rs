//! What is passed over, and how it is kept.

use domain::{Sequence, Timestamp};
use store::{EXPIRED, SkippedRange};

use super::{BATCH, ORDERED, PACING, SINGLE, Scene, refused};
use crate::outcome::{Outcome, Reason};

const AT: Timestamp = Timestamp::from_millis(7);

fn skip(scene: &mut Scene, last: u64) -> u64 {
    scene.courier.skip_to(Sequence(last), "asked", AT)
}

fn ranges(scene: &mut Scene) -> Vec<(u64, u64, String)> {
    let of = |range: SkippedRange| (range.first.0, range.last.0, range.reason);
    scene.courier.take_skipped().into_iter().map(of).collect()
}

fn asked(first: u64, last: u64) -> (u64, u64, String) {
    (first, last, "asked".to_owned())
}

#[test]
fn what_waits_is_skipped_judged_or_not_and_nothing_of_it_is_sent() {
    for pacing in [PACING, ORDERED] {
        let mut scene = Scene::new(pacing, 4);
        assert_eq!(skip(&mut scene, 9), 9);
        assert_eq!((scene.position(), scene.courier.unsettled()), (9, 0));
        assert_eq!(ranges(&mut scene), [asked(1, 9)]);
        assert!(scene.takes_nothing());
        scene.bring(8, 11);
        assert_eq!(scene.drain(BATCH).iter().sum::<usize>(), 2, "only what comes later is sent");
        assert_eq!((skip(&mut scene, 11), ranges(&mut scene)), (0, Vec::new()));
    }
}

#[test]
fn what_is_in_flight_ends_as_any_request_does() {
    let mut scene = Scene::new(PACING, 5);
    let first = scene.take(SINGLE);
    scene.end(&first, &Outcome::Accepted);
    let (accepted, fails) = (scene.take(SINGLE), scene.take(SINGLE));
    assert_eq!(skip(&mut scene, 7), 4);
    assert_eq!(ranges(&mut scene), [asked(4, 7)]);
    assert_eq!((scene.position(), scene.courier.unsettled()), (1, 2));
    scene.end(&accepted, &Outcome::Accepted);
    scene.end(&fails, &Outcome::Unavailable(Reason::new("down", "down")));
    // What did not pass is tried again.
    assert_eq!((scene.position(), scene.courier.unsettled()), (2, 1));
    scene.pass(60);
    assert_eq!(scene.drain(SINGLE), [1]);
    assert_eq!((scene.position(), scene.courier.is_idle()), (7, true));
}

#[test]
fn entries_that_wait_for_a_moment_of_their_own_and_unread_ones_are_skipped_too() {
    let mut scene = Scene::new(PACING, 3);
    let load = scene.take(SINGLE);
    scene.end(&load, &Outcome::Unavailable(Reason::new("down", "down")));
    assert_eq!(skip(&mut scene, 1), 1);
    assert_eq!(scene.courier.next_due(), None);
    scene.courier.unload();
    assert_eq!((skip(&mut scene, 2), scene.courier.unread(9)), (1, vec![Sequence(3)]));
    assert_eq!(ranges(&mut scene), [asked(1, 2)]);
}

#[test]
fn a_range_whose_write_failed_is_written_again() {
    let mut scene = Scene::new(PACING, 2);
    skip(&mut scene, 1);
    let taken = scene.courier.take_skipped();
    skip(&mut scene, 2);
    scene.courier.return_skipped(taken);
    assert_eq!(ranges(&mut scene), [asked(1, 1), asked(2, 2)]);
}

#[test]
fn what_the_log_has_no_more_is_skipped_as_expired() {
    let mut scene = Scene::new(PACING, 3);
    let load = scene.take(SINGLE);
    // Of this one a copy is kept, and so no range.
    assert_eq!(scene.end(&load, &Outcome::Skipped(Reason::new("too_old", "late"))).len(), 1);
    scene.courier.unload();
    scene.courier.expire(Sequence(2), AT);
    scene.courier.miss_to(Sequence(5), AT);
    let expired = |first, last| (first, last, EXPIRED.to_owned());
    assert_eq!(ranges(&mut scene), [expired(2, 2), expired(4, 5)]);
    let counts = scene.courier.counts();
    assert_eq!((counts.skipped, counts.filtered_after_match), (4, 0));
}

#[test]
fn entries_that_were_wanted_and_come_to_nothing_are_counted_as_such() {
    let mut scene = Scene::new(PACING, 3);
    let load = scene.take(SINGLE);
    scene.end(&load, &Outcome::Nothing);
    let load = scene.take(SINGLE);
    scene.end(&load, &refused());
    scene.courier.unload();
    scene.courier.read(&super::entry(3), false);
    scene.courier.pass_to(Sequence(9));
    assert_eq!(scene.courier.counts().filtered_after_match, 2, "those that were never wanted are not among them");
}
