//! What follows from what came of a request.

use std::{sync::Arc, time::Duration};

use domain::Entry;
use store::LetterFate;

use super::{Courier, Died, Due, Flow, Load, Now, Results, Sent, Source, Wait};
use crate::{
    decide::{Fate, Health, Jitter, Next, Schedule, Standing, decide},
    outcome::{Outcome, Reason},
};

/// What one request brings to each of its entries.
struct Attempt<'a> {
    load: &'a Load,
    /// Entries in the request.
    sent: usize,
    /// Whether it speaks of the subscription as it is now: of this revision, and not of the
    /// time before a stop.
    counts: bool,
    standing: Standing,
    /// Probes before this request.
    probes: u32,
    now: Now,
    schedule: &'a Schedule,
    jitter: Jitter,
}

impl Courier {
    /// Applies what came of a request; gives back the dead letters.
    pub fn finish(
        &mut self,
        load: &Load,
        results: Results,
        now: Now,
        schedule: &Schedule,
        jitter: Jitter,
    ) -> Vec<Died> {
        self.landed(load);
        self.mark.outcomes += u64::try_from(load.entries.len()).unwrap_or(u64::MAX);
        let before = self.health.acceptances;
        let was_flowing = self.flow == Flow::Flowing;
        let attempt = Attempt {
            load,
            sent: results.own.iter().filter(|own| own.is_none()).count(),
            counts: load.revision == self.revision && (was_flowing || load.is_probe),
            standing: self.standing(),
            probes: self.health.probes,
            now,
            schedule,
            jitter,
        };
        let died = self.apply(&attempt, results);
        let accepted = self.health.acceptances > before;
        if load.is_probe && accepted {
            self.flow = Flow::Flowing;
            self.retry_streak();
            self.restart_window();
        } else if accepted && was_flowing {
            self.widen();
        }
        self.is_proven |= accepted && self.flow == Flow::Flowing;
        died
    }

    /// A request that took long although it was accepted: the window starts anew.
    pub fn was_slow(&mut self) {
        self.restart_window();
    }

    fn apply(&mut self, attempt: &Attempt<'_>, results: Results) -> Vec<Died> {
        let Results { own, sent } = results;
        let (whole, mut each) = match sent {
            Sent::Whole(outcome) => (Some(outcome), Vec::new().into_iter()),
            Sent::Each(outcomes) => (None, outcomes.into_iter()),
        };
        let mut died = Vec::new();
        // A failure or a request to wait counts once for each request, however many entries
        // it speaks of, unless an acceptance lies between.
        let mut counted = (false, false);
        for (entry, own) in attempt.load.entries.iter().zip(own) {
            let (outcome, alone) = match (own, &whole) {
                (Some(outcome), _) => (outcome, true),
                (None, Some(Outcome::Refused(_))) if attempt.sent > 1 => {
                    self.halve(entry, attempt);
                    continue;
                }
                (None, Some(outcome)) => (outcome.clone(), attempt.sent == 1),
                (None, None) => (each.next().unwrap_or_else(unread_item), true),
            };
            if let Outcome::Undecided { alone } = outcome {
                self.send_again(entry, alone, attempt);
                continue;
            }
            if attempt.counts {
                let again = match &outcome {
                    Outcome::Unavailable(_) => std::mem::replace(&mut counted.0, true),
                    Outcome::Throttled { .. } => std::mem::replace(&mut counted.1, true),
                    Outcome::Accepted => {
                        counted = (false, false);
                        false
                    }
                    _ => false,
                };
                if !again {
                    self.health = self.health.after(&outcome);
                }
                if outcome == Outcome::Accepted && !self.streak.suspended {
                    self.streak.take();
                }
            }
            died.extend(self.follow(entry, &outcome, alone, attempt));
        }
        died
    }

    fn follow(&mut self, entry: &Arc<Entry>, outcome: &Outcome, alone: bool, attempt: &Attempt<'_>) -> Option<Died> {
        let &Attempt { load, counts, standing, now, schedule, jitter, .. } = attempt;
        // Several entries of one request make one step of the delay between probes.
        let health = Health { standing, probes: self.health.probes.min(attempt.probes), ..self.health };
        let hole = self.queue_of(load.source)?.hole_mut(entry.sequence)?;
        if counts && matches!(outcome, Outcome::Unavailable(_)) {
            hole.tries = hole.tries.after_failure(&health);
            if !alone {
                // Only a request with this one entry in it can be its last try.
                hole.tries.failures = hole.tries.failures.min(schedule.entry_tries_max.saturating_sub(1));
            }
        }
        let next = decide(outcome, &hole.tries, &health, schedule, jitter);
        let is_refusal = matches!(outcome, Outcome::Refused(_) | Outcome::Unrenderable(_));
        let asked = matches!(outcome, Outcome::Throttled { retry_after: Some(_), .. });
        match next {
            Next::Settle(Fate::Dead(_)) if !counts => self.give_back(entry.sequence, load),
            Next::Settle(fate) => {
                if is_refusal && load.source == Source::Log {
                    self.streak.letters.push(entry.sequence);
                }
                return match load.source {
                    Source::Log => self.settle(entry, fate, now),
                    Source::Job { .. } => self.settle_of_job(entry, fate, now),
                };
            }
            _ if !counts => {
                self.give_back(entry.sequence, load);
                if let Outcome::Throttled { retry_after: Some(wait), reason } = outcome {
                    self.extend((*wait).min(schedule.retry_after_max), reason, now);
                }
            }
            Next::Retry { after } => {
                self.restart_window();
                let batch_max = if alone { usize::MAX } else { (attempt.sent / 2).max(1) };
                let due = Due { at: now.monotonic + after, at_wall: now.wall.plus(after), length: after };
                if self.may_still_start(load) {
                    self.queue_of(load.source)?.wait(entry.sequence, due, batch_max);
                } else {
                    self.give_back(entry.sequence, load);
                }
            }
            Next::Hold { after } => {
                self.give_back(entry.sequence, load);
                self.stop(after, asked, reason_of(outcome), now, Flow::Holding);
            }
            Next::Suspend { after } => {
                self.give_back(entry.sequence, load);
                self.streak.suspended |= is_refusal && !self.streak.letters.is_empty();
                self.stop(after, asked, reason_of(outcome), now, Flow::Suspended);
                self.health.probes = health.probes.saturating_add(1);
            }
        }
        None
    }

    fn settle(&mut self, entry: &Arc<Entry>, fate: Fate, now: Now) -> Option<Died> {
        self.live.remove_settled(entry)?;
        match fate {
            Fate::Delivered => {
                self.counts.delivered += 1;
                self.record.success_count += 1;
                self.record.last_success = Some(now.wall);
                None
            }
            Fate::Filtered => {
                self.counts.filtered_after_match += 1;
                None
            }
            Fate::Skipped(reason) => {
                self.counts.skipped += 1;
                Some(Died { entry: Arc::clone(entry), reason, fate: LetterFate::Skipped })
            }
            Fate::Dead(reason) => {
                self.counts.dead += 1;
                Some(Died { entry: Arc::clone(entry), reason, fate: LetterFate::Dead })
            }
        }
    }

    fn halve(&mut self, entry: &Entry, attempt: &Attempt<'_>) {
        self.send_within(entry, (attempt.sent / 2).max(1), attempt);
    }

    /// Sends an entry again that the answer says nothing final of.
    fn send_again(&mut self, entry: &Entry, alone: bool, attempt: &Attempt<'_>) {
        self.send_within(entry, if alone { 1 } else { usize::MAX }, attempt);
    }

    /// Sends an entry again at once, in a request of at most `batch_max`.
    fn send_within(&mut self, entry: &Entry, batch_max: usize, attempt: &Attempt<'_>) {
        let hole = self.queue_of(attempt.load.source).and_then(|queue| queue.hole_mut(entry.sequence));
        if let Some(hole) = hole {
            hole.batch_max = hole.batch_max.min(batch_max);
        }
        self.give_back(entry.sequence, attempt.load);
    }

    /// Stops the subscription. A longer wait that is under way already stays.
    fn stop(&mut self, length: Duration, asked: bool, reason: Reason, now: Now, flow: fn(Box<Wait>) -> Flow) {
        let mut wait = Box::new(Wait {
            until: now.monotonic.saturating_add(length),
            until_wall: now.wall.plus(length),
            length,
            since: now.wall,
            asked,
            reason,
        });
        if let Flow::Holding(before) | Flow::Suspended(before) = &self.flow {
            if before.until > wait.until {
                (wait.until, wait.until_wall, wait.length) = (before.until, before.until_wall, before.length);
            }
            wait.asked |= before.asked && before.until > now.monotonic;
            wait.since = before.since;
        }
        self.flow = flow(wait);
        self.flow_is_journaled = false;
        self.mark.stops += 1;
        self.restart_window();
    }

    /// Obeys a wait that a late answer asks for. It neither ends a stop nor makes one worse.
    fn extend(&mut self, asked: Duration, reason: &Reason, now: Now) {
        match &mut self.flow {
            Flow::Holding(wait) | Flow::Suspended(wait) if wait.until >= now.monotonic.saturating_add(asked) => {
                // Else an edit would end the wait that was asked for together with this one.
                self.flow_is_journaled &= wait.asked;
                self.mark.stops += u64::from(!wait.asked);
                wait.asked = true;
            }
            Flow::Suspended(_) => self.stop(asked, true, reason.clone(), now, Flow::Suspended),
            Flow::Flowing | Flow::Holding(_) => self.stop(asked, true, reason.clone(), now, Flow::Holding),
        }
    }

    fn standing(&self) -> Standing {
        match self.flow {
            Flow::Flowing => Standing::Flowing,
            Flow::Holding(_) => Standing::Holding,
            Flow::Suspended(_) => Standing::Suspended,
        }
    }

    fn widen(&mut self) {
        self.round += 1;
        if self.round >= self.window {
            self.window = (self.window * 2).min(if self.pacing.ordered { 1 } else { self.pacing.window_max });
            self.round = 0;
        }
    }
}

fn reason_of(outcome: &Outcome) -> Reason {
    outcome.reason().cloned().unwrap_or_else(|| Reason::new("unknown", "unknown"))
}

fn unread_item() -> Outcome {
    Outcome::Unavailable(Reason::new("unread_item", "the reply says nothing of this item"))
}
