//! Histograms of microseconds, and their summaries.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest time that is told apart: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// Counts times, with three significant digits.
pub struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are constants and in order"))
    }
}

impl Times {
    /// Counts one time, in microseconds.
    pub fn record(&mut self, us: u64) {
        self.0.saturating_record(us.max(1));
    }

    /// The counts as a few figures.
    pub fn summary(&self) -> Summary {
        if self.0.is_empty() {
            return Summary::default();
        }
        #[expect(clippy::cast_precision_loss, reason = "an hour in microseconds is far below 2^52")]
        let ms = |us: u64| us as f64 / 1_000.0;
        let at = |share: f64| ms(self.0.value_at_quantile(share));
        Summary { count: self.0.len(), p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), max_ms: ms(self.0.max()) }
    }
}

/// Percentiles in milliseconds; all 0 when nothing was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many times were counted.
    pub count: u64,
    /// Half of them were at most this.
    pub p50_ms: f64,
    /// Nine of ten were at most this.
    pub p90_ms: f64,
    /// All but one of a hundred were at most this.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::{Summary, Times};

    #[test]
    fn percentiles_are_ranks_of_the_sorted_times() {
        let mut times = Times::default();
        for ms in (1..=1_000_u64).rev() {
            times.record(ms * 1_000);
        }
        let Summary { count, p50_ms, p90_ms, p99_ms, max_ms } = times.summary();
        assert_eq!(count, 1_000);
        for (is, ought) in [(p50_ms, 500.0), (p90_ms, 900.0), (p99_ms, 990.0), (max_ms, 1_000.0)] {
            // Three significant digits are kept.
            assert!((is - ought).abs() <= ought / 1_000.0 + 0.001, "{is} instead of {ought}");
        }
    }

    #[test]
    fn no_times_have_an_empty_summary_and_long_ones_are_cut() {
        let mut times = Times::default();
        assert_eq!(times.summary(), Summary::default());
        times.record(u64::MAX);
        assert!(times.summary().max_ms >= 3_600_000.0);
    }
}
