//! What follows an attempt. Pure.

use std::time::Duration;

use crate::outcome::{Outcome, Reason};

/// The delays and limits of retrying. All delays are lower bounds: jitter only adds.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// First delay of a hold; doubles up to `backoff_max`.
    pub backoff_first: Duration,
    /// Longest delay of a hold that the destination did not ask for.
    pub backoff_max: Duration,
    /// First delay between the probes of a suspended subscription; doubles up to `probe_max`.
    pub probe_first: Duration,
    /// Longest delay between probes.
    pub probe_max: Duration,
    /// First delay of an entry that fails while others pass; each next is four times as long,
    /// so that ten tries take a day.
    pub entry_first: Duration,
    /// Tries after which an entry that fails while others pass is given up.
    pub entry_tries_max: u32,
    /// Refusals in a row from which they speak of the subscription, not of the entries.
    pub refusals_in_row_max: u32,
    /// Failures in a row from which they hold the subscription.
    pub failures_in_row_max: u32,
    /// Longest wait that a destination may ask for.
    pub retry_after_max: Duration,
    /// Most jitter, in percent of the delay.
    pub jitter_percent_max: u32,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(15 * 60),
            probe_first: Duration::from_secs(60),
            probe_max: Duration::from_secs(60 * 60),
            entry_first: Duration::from_secs(1),
            entry_tries_max: 10,
            refusals_in_row_max: 10,
            failures_in_row_max: 5,
            retry_after_max: Duration::from_secs(24 * 60 * 60),
            jitter_percent_max: 20,
        }
    }
}

impl Schedule {
    fn backoff(&self, failures_before: u32) -> Duration {
        grown(self.backoff_first, 1, failures_before, self.backoff_max)
    }

    fn probe(&self, probes_before: u32) -> Duration {
        grown(self.probe_first, 1, probes_before, self.probe_max)
    }

    fn entry(&self, tries: u32) -> Duration {
        grown(self.entry_first, 2, tries.saturating_sub(1), Duration::from_secs(24 * 60 * 60))
    }
}

/// `first` shifted left by `bits` for each step, at most `most`.
fn grown(first: Duration, bits: u32, steps: u32, most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(bits.saturating_mul(steps)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(most)
}

/// How an entry has fared so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryTries {
    /// Failures that had an acceptance of another entry between them.
    pub failures: u32,
    /// The subscription's acceptances at the last of them.
    pub acceptances_then: u64,
}

impl EntryTries {
    /// These tries after one more failure. An outage, in which nothing is accepted, adds none
    /// after the first.
    #[must_use]
    pub fn after_failure(self, health: &Health) -> Self {
        if self.failures > 0 && health.acceptances == self.acceptances_then {
            return self;
        }
        Self { failures: self.failures + 1, acceptances_then: health.acceptances }
    }
}

/// How a subscription stood when a request of it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Requests flow.
    #[default]
    Flowing,
    /// It waited for a time; the request was a probe.
    Holding,
    /// It was suspended; the request was a probe.
    Suspended,
}

/// How a subscription fares under its present revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Entries that the destination accepted under this revision.
    pub acceptances: u64,
    /// Refusals, and entries of which no request could be made, since the last acceptance.
    pub refusals_in_row: u32,
    /// Failures to reach the destination since the last acceptance.
    pub failures_in_row: u32,
    /// Requests to be left alone since the last acceptance.
    pub throttles_in_row: u32,
    /// Probes since it was suspended.
    pub probes: u32,
    /// How it stood when the request started.
    pub standing: Standing,
}

impl Health {
    /// This health after one more outcome.
    #[must_use]
    pub fn after(self, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self { acceptances: self.acceptances + 1, ..Self::default() },
            Outcome::Nothing | Outcome::Skipped(_) | Outcome::Undecided { .. } => self,
            Outcome::Refused(_) | Outcome::Unrenderable(_) => {
                Self { refusals_in_row: self.refusals_in_row.saturating_add(1), ..self }
            }
            Outcome::Misconfigured(_) => self,
            Outcome::Throttled { .. } => Self { throttles_in_row: self.throttles_in_row.saturating_add(1), ..self },
            Outcome::Unavailable(_) => Self { failures_in_row: self.failures_in_row.saturating_add(1), ..self },
        }
    }

    /// Whether what is wrong may lie in the entry: not while a suspension lasts, and not after
    /// many in a row.
    fn may_be_the_entrys_own(&self, schedule: &Schedule) -> bool {
        self.standing != Standing::Suspended && self.refusals_in_row < schedule.refusals_in_row_max
    }
}

/// A share of a delay that is added to it: 0 to 1,000 thousandths of the most.
#[derive(Clone, Copy, Debug)]
pub struct Jitter(pub u32);

impl Jitter {
    fn lengthen(self, delay: Duration, schedule: &Schedule) -> Duration {
        let thousandths = self.0.min(1_000) * schedule.jitter_percent_max;
        delay.saturating_add(delay.saturating_mul(thousandths) / 100_000)
    }
}

/// The final fate of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The destination accepted it.
    Delivered,
    /// Nothing was to be sent.
    Filtered,
    /// Passed over on purpose.
    Skipped(Reason),
    /// Refused for good.
    Dead(Reason),
}

/// What follows. Every delay counts from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The entry has its fate.
    Settle(Fate),
    /// The entry waits on its own; others go on.
    Retry {
        /// How long.
        after: Duration,
    },
    /// The subscription waits; the entry stays unsettled.
    Hold {
        /// How long.
        after: Duration,
    },
    /// The subscription is suspended; the entry stays unsettled.
    Suspend {
        /// How long until it is probed.
        after: Duration,
    },
}

/// Chooses what follows one attempt of one entry. Pure: the caller brings the jitter, and
/// `tries` and `health` as they are after this outcome.
///
/// `Next::Hold::after` is never shorter than the destination's `Retry-After`, up to
/// `schedule.retry_after_max`. Source: docs/adr/0003-outcomes.md; RFC 9110, 10.2.3.
pub fn decide(outcome: &Outcome, tries: &EntryTries, health: &Health, schedule: &Schedule, jitter: Jitter) -> Next {
    let suspend = || Next::Suspend { after: jitter.lengthen(schedule.probe(health.probes), schedule) };
    match outcome {
        Outcome::Accepted => Next::Settle(Fate::Delivered),
        Outcome::Nothing => Next::Settle(Fate::Filtered),
        Outcome::Skipped(reason) => Next::Settle(Fate::Skipped(reason.clone())),
        Outcome::Undecided { .. } => Next::Retry { after: Duration::ZERO },
        // A refusal speaks of the entry only where others are accepted.
        Outcome::Refused(reason) if health.acceptances > 0 && health.may_be_the_entrys_own(schedule) => {
            Next::Settle(Fate::Dead(reason.clone()))
        }
        Outcome::Unrenderable(reason) if health.may_be_the_entrys_own(schedule) => {
            Next::Settle(Fate::Dead(reason.clone()))
        }
        Outcome::Refused(_) | Outcome::Unrenderable(_) | Outcome::Misconfigured(_) => suspend(),
        Outcome::Throttled { retry_after, .. } => {
            let asked = retry_after.unwrap_or_default().min(schedule.retry_after_max);
            let own = schedule.backoff(health.throttles_in_row.saturating_sub(1));
            let after = jitter.lengthen(asked.max(own), schedule);
            match health.standing {
                Standing::Flowing | Standing::Holding => Next::Hold { after },
                // Only an acceptance or an edit ends a suspension.
                Standing::Suspended => {
                    let probe = jitter.lengthen(schedule.probe(health.probes), schedule);
                    Next::Suspend { after: after.max(probe) }
                }
            }
        }
        Outcome::Unavailable(_) if health.standing == Standing::Suspended => suspend(),
        Outcome::Unavailable(reason) => after_failure(reason, tries, health, schedule, jitter),
    }
}

fn after_failure(reason: &Reason, tries: &EntryTries, health: &Health, schedule: &Schedule, jitter: Jitter) -> Next {
    // A probe that failed is followed by another wait, however few the failures are.
    if health.failures_in_row >= schedule.failures_in_row_max || health.standing == Standing::Holding {
        let holds_before = health.failures_in_row.saturating_sub(schedule.failures_in_row_max);
        return Next::Hold { after: jitter.lengthen(schedule.backoff(holds_before), schedule) };
    }
    if tries.failures >= schedule.entry_tries_max {
        let text = format!("{} (given up after {} tries while others passed)", reason.text, tries.failures);
        return Next::Settle(Fate::Dead(Reason::new(reason.name.clone(), text)));
    }
    Next::Retry { after: jitter.lengthen(schedule.entry(tries.failures), schedule) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{EntryTries, Fate, Health, Jitter, Next, Schedule, Standing, decide};
    use crate::outcome::{Outcome, Reason};

    const NONE: Jitter = Jitter(0);
    const MOST: Jitter = Jitter(1_000);

    fn reason() -> Reason {
        Reason::new("status_503", "the destination answered 503")
    }

    fn next(outcome: &Outcome, health: Health, jitter: Jitter) -> Next {
        let tries = EntryTries::default().after_failure(&health);
        decide(outcome, &tries, &health.after(outcome), &Schedule::default(), jitter)
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_accepted_entry_is_delivered_and_an_empty_one_filtered() {
        assert_eq!(next(&Outcome::Accepted, Health::default(), NONE), Next::Settle(Fate::Delivered));
        assert_eq!(next(&Outcome::Nothing, Health::default(), NONE), Next::Settle(Fate::Filtered));
    }

    #[test]
    fn a_refusal_kills_the_entry_only_where_others_are_accepted() {
        let refused = Outcome::Refused(reason());
        let dead = Next::Settle(Fate::Dead(reason()));
        let suspended = Next::Suspend { after: secs(60) };
        assert_eq!(next(&refused, Health::default(), NONE), suspended);
        assert_eq!(next(&refused, Health { acceptances: 1, ..Health::default() }, NONE), dead);
        for (before, expected) in [(8, &dead), (9, &suspended), (10, &suspended)] {
            let health = Health { acceptances: 1, refusals_in_row: before, ..Health::default() };
            assert_eq!(&next(&refused, health, NONE), expected, "after {before} refusals");
        }
    }

    #[test]
    fn a_wrong_configuration_suspends_and_probes_from_a_minute_to_an_hour() {
        let wrong = Outcome::Misconfigured(reason());
        for (probes, after) in [(0, 60), (1, 120), (5, 1_920), (6, 3_600), (60, 3_600), (u32::MAX, 3_600)] {
            let health = Health { acceptances: 7, probes, ..Health::default() };
            assert_eq!(next(&wrong, health, NONE), Next::Suspend { after: secs(after) }, "probe {probes}");
        }
    }

    #[test]
    fn retry_after_beats_the_schedule_and_is_never_undercut() {
        for (asked, throttles, after) in
            [(None, 0, 1), (None, 3, 8), (Some(90), 0, 90), (Some(2), 5, 32), (Some(999_999), 0, 86_400)]
        {
            let outcome = Outcome::Throttled { retry_after: asked.map(secs), reason: reason() };
            let health = Health { throttles_in_row: throttles, ..Health::default() };
            assert_eq!(next(&outcome, health, NONE), Next::Hold { after: secs(after) }, "{asked:?} {throttles}");
            let Next::Hold { after: jittered } = next(&outcome, health, MOST) else { panic!("does not hold") };
            assert_eq!(jittered, secs(after).mul_f64(1.2), "{asked:?} {throttles}");
        }
    }

    #[test]
    fn five_failures_in_a_row_hold_the_subscription() {
        let failed = Outcome::Unavailable(reason());
        for (before, expected) in [
            (3, Next::Retry { after: secs(1) }),
            (4, Next::Hold { after: secs(1) }),
            (5, Next::Hold { after: secs(2) }),
            (13, Next::Hold { after: secs(512) }),
            (14, Next::Hold { after: secs(900) }),
            (u32::MAX, Next::Hold { after: secs(900) }),
        ] {
            let health = Health { failures_in_row: before, ..Health::default() };
            assert_eq!(next(&failed, health, NONE), expected, "after {before} failures");
        }
    }

    #[test]
    fn an_outage_uses_up_no_tries_of_an_entry() {
        let mut tries = EntryTries::default();
        let mut health = Health { acceptances: 3, ..Health::default() };
        for _ in 0..100 {
            health = health.after(&Outcome::Unavailable(reason()));
            tries = tries.after_failure(&health);
        }
        assert_eq!(tries.failures, 1);
        health = health.after(&Outcome::Accepted);
        assert_eq!(tries.after_failure(&health).failures, 2);
    }

    #[test]
    fn an_entry_that_fails_while_others_pass_is_given_up_after_ten_tries_over_a_day() {
        let failed = Outcome::Unavailable(reason());
        let schedule = Schedule::default();
        let mut waited = Duration::ZERO;
        let mut health = Health::default();
        let mut tries = EntryTries::default();
        for attempt in 1..=10 {
            health = health.after(&Outcome::Accepted).after(&failed);
            tries = tries.after_failure(&health);
            match decide(&failed, &tries, &health, &schedule, NONE) {
                Next::Retry { after } if attempt < 10 => waited += after,
                Next::Settle(Fate::Dead(_)) if attempt == 10 => {}
                other => panic!("attempt {attempt}: {other:?}"),
            }
        }
        assert!((secs(24 * 3_600)..secs(25 * 3_600)).contains(&waited), "{waited:?}");
    }

    #[test]
    fn only_an_acceptance_ends_a_suspension() {
        let health = Health { acceptances: 7, probes: 1, standing: Standing::Suspended, ..Health::default() };
        let suspended = Next::Suspend { after: secs(120) };
        for outcome in [
            Outcome::Refused(reason()),
            Outcome::Unrenderable(reason()),
            Outcome::Unavailable(reason()),
            Outcome::Throttled { retry_after: Some(secs(90)), reason: reason() },
        ] {
            assert_eq!(next(&outcome, health, NONE), suspended, "{outcome:?}");
        }
        let asked = Outcome::Throttled { retry_after: Some(secs(300)), reason: reason() };
        assert_eq!(next(&asked, health, NONE), Next::Suspend { after: secs(300) });
        assert_eq!(next(&Outcome::Accepted, health, NONE), Next::Settle(Fate::Delivered));
    }

    #[test]
    fn a_probe_that_fails_is_followed_by_another_wait() {
        let health = Health { standing: Standing::Holding, ..Health::default() };
        assert_eq!(next(&Outcome::Unavailable(reason()), health, NONE), Next::Hold { after: secs(1) });
    }

    #[test]
    fn entries_that_cannot_be_rendered_die_alone_and_ten_in_a_row_suspend() {
        let outcome = Outcome::Unrenderable(reason());
        for (before, expected) in [(0, Next::Settle(Fate::Dead(reason()))), (9, Next::Suspend { after: secs(60) })] {
            let health = Health { refusals_in_row: before, ..Health::default() };
            assert_eq!(next(&outcome, health, NONE), expected, "after {before}");
        }
    }
}
