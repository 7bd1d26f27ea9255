//! The real clock.

use std::time::{Duration, Instant, SystemTime};

use domain::{Clock, Timestamp};

/// The clocks of the operating system.
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[expect(clippy::disallowed_methods, reason = "this is the one real clock that all others are handed")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one real clock that all others are handed")]
    fn now(&self) -> Timestamp {
        let now = SystemTime::now();
        // A wall clock before 1970 is a broken one; the log still needs some time to write down.
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use domain::{Clock, Timestamp};

    use super::SystemClock;

    #[test]
    fn the_wall_clock_tells_milliseconds_since_1970() {
        let year_2025 = Timestamp::from_millis(1_735_689_600_000);
        let year_2200 = Timestamp::from_millis(7_258_118_400_000);
        let now = SystemClock::start().now();
        assert!(year_2025 < now && now < year_2200, "{now}");
    }

    #[test]
    fn the_monotonic_clock_begins_with_the_process_and_never_runs_backwards() {
        let clock = SystemClock::start();
        let (first, second) = (clock.monotonic(), clock.monotonic());
        assert!(first <= second && second.as_secs() < 3600, "{first:?} {second:?}");
    }
}
