//! States of a subscription that last: what they are, and when they are told. Pure.
//!
//! A condition is told when it begins, once a day while it lasts, and when it ends. Deliberately
//! absent: the fate of single entries, which is no condition.

pub(crate) mod telling;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::Timestamp;
use integrations::{AgeWindow, OnLate};

/// What is told once a day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// From this share of the destination's age window on, in percent, an entry is about to be late.
pub const WINDOW_PERCENT: u32 = 80;

/// What lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionKind {
    /// It has waited for the destination for long.
    Held,
    /// Its configuration is wrong.
    Suspended,
    /// It delivers, and more comes than goes.
    Behind,
    /// Entries will soon be older than the destination takes.
    NearWindow,
    /// Entries are older than the log keeps them, and wait for it.
    NearRetention,
}

impl ConditionKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Suspended, Self::Held, Self::Behind, Self::NearWindow, Self::NearRetention];
    /// Those that are told by looking at what a subscription does.
    pub(crate) const OF_DELIVERY: [Self; 4] = [Self::Suspended, Self::Held, Self::Behind, Self::NearWindow];

    /// Its name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Suspended => "suspended",
            Self::Behind => "behind",
            Self::NearWindow => "nearWindow",
            Self::NearRetention => "nearRetention",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A condition that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What.
    pub kind: ConditionKind,
    /// Since when.
    pub since: Timestamp,
    /// Why, for people.
    pub reason: String,
}

/// When conditions begin and end; each is a setting.
#[derive(Clone, Copy, Debug)]
pub struct ConditionLimits {
    /// How often subscriptions with work are looked at.
    pub look_every: Duration,
    /// A hold is told from this length on.
    pub held_after: Duration,
    /// A subscription is behind when its oldest unsettled entry is older than this, and over this
    /// time more has come than gone.
    pub behind_after: Duration,
    /// A condition ends when it has not shown for so long, or somebody has changed the subscription.
    pub quiet: Duration,
}

impl Default for ConditionLimits {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Self {
            look_every: Duration::from_secs(30),
            held_after: minutes(15),
            behind_after: minutes(5),
            quiet: minutes(10),
        }
    }
}

/// How a subscription stands at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Why and since when no request starts.
    pub(crate) stop: Option<Stop>,
    /// The age of the oldest entry without a fate.
    pub(crate) oldest: Option<Duration>,
    /// Whether lately more has come than gone.
    pub(crate) grew: bool,
    /// What the destination says of ages.
    pub(crate) window: Option<AgeWindow>,
}

/// A hold or a suspension.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) is_suspended: bool,
    pub(crate) since: Timestamp,
    pub(crate) reason: String,
}

impl Facts {
    /// The conditions that hold; `is_told` says which of them were told and have not ended.
    pub(crate) fn conditions(
        &self,
        is_told: impl Fn(ConditionKind) -> bool,
        limits: &ConditionLimits,
        now: Timestamp,
    ) -> Vec<Condition> {
        let kinds = ConditionKind::OF_DELIVERY.into_iter();
        let mut found: Vec<_> = kinds.filter_map(|kind| self.condition(kind, is_told(kind), limits, now)).collect();
        // A suspension says all that a hold does.
        if found.iter().any(|condition| condition.kind == ConditionKind::Suspended) {
            found.retain(|condition| condition.kind != ConditionKind::Held);
        }
        found
    }

    /// The condition, if it holds; one that was told stays for longer than it takes to begin.
    fn condition(
        &self,
        kind: ConditionKind,
        is_told: bool,
        limits: &ConditionLimits,
        now: Timestamp,
    ) -> Option<Condition> {
        let (since, reason) = match kind {
            ConditionKind::Suspended => {
                // A probe that meets a busy destination makes a hold of it for a while.
                let stop = self.stop.as_ref().filter(|stop| stop.is_suspended || is_told)?;
                (stop.since, stop.reason.clone())
            }
            ConditionKind::Held => {
                let stop = self.stop.as_ref().filter(|stop| !stop.is_suspended)?;
                let is_long = now.since(stop.since) >= limits.held_after;
                (is_long || is_told).then(|| (stop.since, stop.reason.clone()))?
            }
            ConditionKind::Behind => {
                let age = self.oldest.filter(|age| *age >= limits.behind_after && (self.grew || is_told))?;
                let flows = self.stop.is_none();
                flows.then(|| (now, format!("its oldest entry without a fate has waited for {}", spoken(age))))?
            }
            ConditionKind::NearWindow => {
                let window = self.window.as_ref()?;
                let (age, most) = (self.oldest?, window.past_max()?);
                let is_near = age >= most * WINDOW_PERCENT / 100;
                let then = match window.on_late() {
                    OnLate::Restamp => "is sent with the time of the request instead of its own",
                    OnLate::Skip => "is skipped",
                };
                let (age, most) = (spoken(age), spoken(most));
                let text = format!("its oldest entry has waited for {age}; what is older than {most} {then}");
                is_near.then_some((now, text))?
            }
            ConditionKind::NearRetention => return None,
        };
        Some(Condition { kind, since, reason })
    }
}

/// Whether more comes than goes, over a span of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Growth {
    before: Option<(Duration, u64)>,
    grew: bool,
}

impl Growth {
    /// Takes note of the entries without a fate, and says whether they have become more over the
    /// last whole span.
    pub(crate) fn look(&mut self, lag: u64, monotonic: Duration, span: Duration) -> bool {
        match self.before {
            Some((at, before)) if monotonic.saturating_sub(at) >= span => {
                (self.before, self.grew) = (Some((monotonic, lag)), lag > before);
            }
            Some(_) => {}
            None => self.before = Some((monotonic, lag)),
        }
        self.grew
    }
}

/// What was told of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) started_at: Timestamp,
    pub(crate) told_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
}

/// What is to be seen of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It is there.
    Holds,
    /// It has not shown for so long.
    Away(Duration),
    /// It is not there, and cannot come back by itself: somebody changed the subscription.
    Over,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    Start,
    Again,
    End,
}

/// Chooses what is told of a condition now. Pure.
///
/// `only_own`: since the last entry that told of a condition nothing came into the log. What
/// these entries themselves bring about must not make further ones, so that within a day a
/// condition begins again only if anything else has happened.
pub(crate) fn decide(
    told: Option<&Told>,
    sight: Sight,
    only_own: bool,
    limits: &ConditionLimits,
    now: Timestamp,
) -> Option<Tell> {
    match (told, sight) {
        (Some(told), Sight::Holds) if told.ended_at.is_none() => {
            (now.since(told.told_at) >= DAY).then_some(Tell::Again)
        }
        (Some(told), Sight::Holds) if only_own && now.since(told.started_at) < DAY => None,
        (_, Sight::Holds) => Some(Tell::Start),
        (Some(told), Sight::Away(length)) if told.ended_at.is_none() => (length >= limits.quiet).then_some(Tell::End),
        (Some(told), Sight::Over) if told.ended_at.is_none() => Some(Tell::End),
        (_, Sight::Away(_) | Sight::Over) => None,
    }
}

/// How long what has ended is remembered: as long as it can keep something from being told.
pub(crate) fn forget_before(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX)))
}

/// A length as people say it, in its largest whole unit.
pub(crate) fn spoken(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
