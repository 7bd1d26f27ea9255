//! Destinations that follow a script of moods.

use std::{collections::BTreeSet, time::Duration};

use super::Random;
use crate::{
    courier::{Load, Results, Sent, Source},
    outcome::{Outcome, Reason},
};

#[derive(Clone, Copy, Debug)]
enum Mood {
    Well,
    Refuses,
    Wrong,
    Throttles(Option<u64>),
    Fails,
    /// It takes the request, and the answer is lost.
    TakesAndBreaks,
    /// Each item has an answer of its own.
    ByItem,
}

/// One subscription's destination.
pub(super) struct Destination {
    mood: Mood,
    /// What it has really taken.
    pub(super) accepted: BTreeSet<u64>,
    /// Every request before this time, by the simulation's clock, is one too early.
    pub(super) not_before: Duration,
    /// Sequences that it refuses, and that it always fails on.
    refused: u64,
    poisoned: u64,
}

/// What a request will come to, and when.
pub(super) struct Reply {
    pub(super) after: Duration,
    pub(super) results: Results,
}

impl Destination {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            mood: Mood::Well,
            accepted: BTreeSet::new(),
            not_before: Duration::ZERO,
            refused: random.below(60) + 5,
            poisoned: random.below(60) + 5,
        }
    }

    pub(super) fn change_mood(&mut self, random: &mut Random) {
        let asked = if random.one_in(3) { None } else { Some(random.below(4_000)) };
        self.mood = [
            Mood::Well,
            Mood::Well,
            Mood::Well,
            Mood::Refuses,
            Mood::Wrong,
            Mood::Throttles(asked),
            Mood::Fails,
            Mood::TakesAndBreaks,
            Mood::ByItem,
        ][usize::try_from(random.below(9)).unwrap()];
    }

    /// From now on it takes everything.
    pub(super) fn recover(&mut self) {
        (self.mood, self.refused, self.poisoned) = (Mood::Well, 0, 0);
    }

    pub(super) fn answer(&mut self, load: &Load, random: &mut Random) -> Reply {
        let hangs = random.one_in(10);
        let after = Duration::from_millis(if hangs { 30_000 } else { random.below(200) + 1 });
        let own: Vec<_> = load.entries.iter().map(|_| own(load, random)).collect();
        let sent: Vec<u64> =
            load.entries.iter().zip(&own).filter(|(_, own)| own.is_none()).map(|(entry, _)| entry.sequence.0).collect();
        let sent = match self.mood {
            // Nothing is to be sent, so there is no request.
            _ if sent.is_empty() => Sent::Each(Vec::new()),
            Mood::Well if sent.contains(&self.poisoned) => Sent::Whole(Outcome::Unavailable(reason())),
            Mood::Well if sent.contains(&self.refused) => Sent::Whole(Outcome::Refused(reason())),
            Mood::Well => {
                self.accepted.extend(&sent);
                Sent::Whole(Outcome::Accepted)
            }
            Mood::TakesAndBreaks => {
                self.accepted.extend(&sent);
                Sent::Whole(Outcome::Unavailable(reason()))
            }
            Mood::Refuses => Sent::Whole(Outcome::Refused(reason())),
            Mood::Wrong => Sent::Whole(Outcome::Misconfigured(reason())),
            Mood::Throttles(asked) => Sent::Whole(throttled(asked)),
            Mood::Fails => Sent::Whole(Outcome::Unavailable(reason())),
            Mood::ByItem => Sent::Each(sent.iter().map(|sequence| self.answer_item(*sequence, random)).collect()),
        };
        Reply { after, results: Results { own, sent } }
    }

    fn answer_item(&mut self, sequence: u64, random: &mut Random) -> Outcome {
        match random.below(8) {
            0 => Outcome::Refused(reason()),
            1 => Outcome::Unavailable(reason()),
            2 => throttled(Some(random.below(100))),
            _ => {
                self.accepted.insert(sequence);
                Outcome::Accepted
            }
        }
    }
}

/// What comes of an entry that is no part of the request. A job skips none, so that its counts
/// show what it has lost.
fn own(load: &Load, random: &mut Random) -> Option<Outcome> {
    match random.below(80) {
        0 => Some(Outcome::Nothing),
        1..6 if load.source == Source::Log => Some(Outcome::Skipped(reason())),
        _ => None,
    }
}

/// The longest wait that an answer asks for.
pub(super) fn asked(results: &Results) -> Option<Duration> {
    let of = |outcome: &Outcome| match outcome {
        Outcome::Throttled { retry_after, .. } => *retry_after,
        _ => None,
    };
    match &results.sent {
        Sent::Whole(outcome) => of(outcome),
        Sent::Each(outcomes) => outcomes.iter().filter_map(of).max(),
    }
}

fn throttled(asked: Option<u64>) -> Outcome {
    Outcome::Throttled { retry_after: asked.map(Duration::from_secs), reason: reason() }
}

fn reason() -> Reason {
    Reason::new("scripted", "the script says so")
}
