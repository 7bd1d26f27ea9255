//! What the sink does wrong on purpose.

use std::time::Duration;

use clap::Args;

/// The share of requests that meet each fault, from 0 to 1; together at most 1.
#[derive(Clone, Debug, Args)]
pub struct Faults {
    /// Share of requests answered with --error-status.
    #[arg(long, default_value_t = 0.0)]
    pub error_ratio: f64,
    /// The status of those.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(200..=599))]
    pub error_status: u16,
    /// Share of requests answered 429 with Retry-After.
    #[arg(long, default_value_t = 0.0)]
    pub throttle_ratio: f64,
    /// Seconds that Retry-After asks for.
    #[arg(long, default_value_t = 1)]
    pub retry_after: u64,
    /// Share of requests whose connection is reset without an answer.
    #[arg(long, default_value_t = 0.0)]
    pub reset_ratio: f64,
    /// Up to so many milliseconds more before an answer, evenly spread.
    #[arg(long, default_value_t = 0)]
    pub jitter_ms: u64,
    /// Faults meet only paths that begin so.
    #[arg(long, default_value = "")]
    pub fault_path: String,
    /// The same seed gives the same faults.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    Failed,
    Throttled,
    Reset,
}

impl Faults {
    /// Draws the fate of a request for `path`, and what is added to its delay.
    pub(super) fn draw(&self, path: &str, random: &mut Random) -> (Fate, Duration) {
        if !path.starts_with(&self.fault_path) {
            return (Fate::Answered, Duration::ZERO);
        }
        let (share, jitter) = (random.unit(), random.unit());
        let throttled_below = self.reset_ratio + self.throttle_ratio;
        let fate = match share {
            share if share < self.reset_ratio => Fate::Reset,
            share if share < throttled_below => Fate::Throttled,
            share if share < throttled_below + self.error_ratio => Fate::Failed,
            _ => Fate::Answered,
        };
        (fate, Duration::from_millis(self.jitter_ms).mul_f64(jitter))
    }
}

/// A xorshift generator, so that faults can be repeated.
pub(super) struct Random(u64);

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from 0 to below 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let high = u32::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).unwrap_or(0);
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, Faults, Random};

    fn faults() -> Faults {
        Faults {
            error_ratio: 0.1,
            error_status: 500,
            throttle_ratio: 0.2,
            retry_after: 1,
            reset_ratio: 0.3,
            jitter_ms: 0,
            fault_path: "/bad".to_owned(),
            seed: 1,
        }
    }

    fn fates(path: &str) -> Vec<Fate> {
        let mut random = Random::seeded(7);
        (0..10_000).map(|_| faults().draw(path, &mut random).0).collect()
    }

    #[test]
    fn each_fault_meets_its_share_and_a_seed_repeats_it() {
        let drawn = fates("/bad/x");
        assert_eq!(drawn, fates("/bad/x"));
        let count = |fate| drawn.iter().filter(|drawn| **drawn == fate).count();
        for (fate, ought) in [(Fate::Reset, 3_000), (Fate::Throttled, 2_000), (Fate::Failed, 1_000)] {
            assert!(count(fate).abs_diff(ought) < 200, "{fate:?}: {}", count(fate));
        }
    }

    #[test]
    fn other_paths_meet_none() {
        assert!(fates("/good").iter().all(|fate| *fate == Fate::Answered));
    }
}
