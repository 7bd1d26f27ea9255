//! Whether the wall clock can be trusted: it is watched beside the monotonic one.

use std::time::Duration;

use crate::Timestamp;

/// Tells the time by the wall clock as long as that goes with the monotonic clock. After a jump
/// it tells the time as if there had been none, until the jump has stood for long enough.
#[derive(Clone, Copy, Debug)]
pub struct ClockWatch {
    // What the wall clock is ahead of the monotonic one, in milliseconds, and since when that is trusted.
    offset: i64,
    since: Duration,
    parted: Option<Parted>,
}

#[derive(Clone, Copy, Debug)]
struct Parted {
    offset: i64,
    since: Duration,
}

impl ClockWatch {
    /// How far the two clocks may part between two looks.
    pub const APART_MAX: Duration = Duration::from_secs(60);
    /// How long a jump has to stand before it is believed.
    pub const STANDS_AFTER: Duration = Duration::from_secs(10 * 60);

    /// Begins with what the two clocks say now.
    pub fn new(wall: Timestamp, monotonic: Duration) -> Self {
        Self { offset: offset(wall, monotonic), since: monotonic, parted: None }
    }

    /// The time to go by, as the two clocks say it now.
    pub fn look(&mut self, wall: Timestamp, monotonic: Duration) -> Timestamp {
        let seen = offset(wall, monotonic);
        if is_near(seen, self.offset) {
            // Clocks drift and are slewed, and that is no jump.
            (self.offset, self.parted) = (seen, None);
        } else {
            let since = match self.parted {
                Some(parted) if is_near(seen, parted.offset) => parted.since,
                _ => monotonic,
            };
            self.parted = Some(Parted { offset: seen, since });
            if monotonic.saturating_sub(since) >= Self::STANDS_AFTER {
                *self = Self { offset: seen, since, parted: None };
            }
        }
        Timestamp::from_millis(self.offset.saturating_add(millis(monotonic)))
    }

    /// By how many milliseconds the wall clock is ahead of the time to go by, or behind it when
    /// negative; none while they agree.
    pub fn jump(&self) -> Option<i64> {
        self.parted.map(|parted| parted.offset.saturating_sub(self.offset))
    }

    /// Whether the time to go by has stood for long enough that what is lost for good, such as
    /// old entries, may go by it.
    pub fn is_settled(&self, monotonic: Duration) -> bool {
        monotonic.saturating_sub(self.since) >= Self::STANDS_AFTER
    }
}

fn offset(wall: Timestamp, monotonic: Duration) -> i64 {
    wall.as_millis().saturating_sub(millis(monotonic))
}

fn is_near(one: i64, other: i64) -> bool {
    Duration::from_millis(one.abs_diff(other)) <= ClockWatch::APART_MAX
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ClockWatch;
    use crate::Timestamp;

    const START: i64 = 1_790_000_000_000;

    /// Looks at seconds after the start, with the wall clock ahead by seconds; what is told is
    /// how far ahead the told time is, and whether there is a jump.
    fn check(looks: &[(u64, i64, i64, bool)]) {
        let mut watch = ClockWatch::new(Timestamp::from_millis(START), Duration::ZERO);
        for (after, ahead, told, is_jump) in looks {
            let without = START + i64::try_from(*after).expect("is small") * 1_000;
            let wall = Timestamp::from_millis(without + ahead * 1_000);
            let time = watch.look(wall, Duration::from_secs(*after));
            let context = format!("after {after} s and {ahead} s ahead");
            assert_eq!((time.as_millis() - without) / 1_000, *told, "{context}");
            assert_eq!(watch.jump(), is_jump.then_some((ahead - told) * 1_000), "{context}");
        }
    }

    #[test]
    fn small_steps_and_drift_are_followed() {
        check(&[(10, 0, 0, false), (20, 60, 60, false), (30, 90, 90, false), (40, 31, 31, false)]);
    }

    #[test]
    fn a_jump_counts_for_nothing_until_it_has_stood_for_ten_minutes() {
        check(&[(10, 3_600, 0, true), (400, 3_610, 0, true), (609, 3_600, 0, true), (610, 3_600, 3_600, false)]);
        check(&[
            (10, -3_600, 0, true),
            (609, -3_600, 0, true),
            (610, -3_600, -3_600, false),
            (620, -3_600, -3_600, false),
        ]);
    }

    #[test]
    fn a_jump_that_is_taken_back_or_goes_on_starts_anew() {
        check(&[(10, 3_600, 0, true), (300, 5, 5, false), (620, 3_600, 5, true), (700, 3_600, 5, true)]);
        check(&[(10, 3_600, 0, true), (300, 7_200, 0, true), (620, 7_200, 0, true), (900, 7_200, 7_200, false)]);
    }

    #[test]
    fn nothing_is_settled_before_the_clocks_have_agreed_for_ten_minutes() {
        let seconds = Duration::from_secs;
        let mut watch = ClockWatch::new(Timestamp::from_millis(START), seconds(5));
        assert!(!watch.is_settled(seconds(604)));
        assert!(watch.is_settled(seconds(605)));
        let wall = |ahead: i64, after: i64| Timestamp::from_millis(START + (ahead + after) * 1_000);
        watch.look(wall(9_000, 1_000), seconds(1_000));
        assert!(watch.is_settled(seconds(1_000)), "the time before the jump is");
        watch.look(wall(9_000, 1_700), seconds(1_700));
        assert!(watch.jump().is_none() && watch.is_settled(seconds(1_700)));
    }
}
