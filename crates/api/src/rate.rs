//! How many requests a token or an address may make: counted in windows of ten seconds.
//!
//! Deliberately absent: memory that grows with what strangers send. Counts of one window are
//! dropped with it, and there is room for so many callers at a time; those beyond it are let in.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use app::Caller;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use domain::{Timestamp, TokenId};
use parking_lot::Mutex;

use crate::problem::Problem;

/// The length of a window.
pub const RATE_WINDOW: Duration = Duration::from_secs(10);
/// The most callers that are counted at a time, in each of the three ways.
const CALLERS_MAX: usize = 100_000;

const TOKEN_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-auth-token-limit");
const TOKEN_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-auth-token-remaining");
pub(crate) const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// How many requests are let in within ten seconds; without a number all are.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimits {
    /// Of one token, but for ingest.
    pub token: Option<NonZeroU32>,
    /// Of one token, to ingest.
    pub ingest: Option<NonZeroU32>,
    /// From one address, but for ingest with a token that works; of IPv6 from one /64 network.
    pub address: Option<NonZeroU32>,
}

/// The counts of all callers.
pub(crate) struct Rates {
    token: Option<Counter<TokenId>>,
    ingest: Option<Counter<TokenId>>,
    address: Option<Counter<IpAddr>>,
}

impl Rates {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self {
            token: limits.token.map(Counter::new),
            ingest: limits.ingest.map(Counter::new),
            address: limits.address.map(Counter::new),
        }
    }

    /// How many requests were refused, by the limit that they passed.
    pub(crate) fn refused(&self) -> [(&'static str, u64); 3] {
        [
            ("token", self.token.as_ref().map_or(0, Counter::refused)),
            ("ingest", self.ingest.as_ref().map_or(0, Counter::refused)),
            ("address", self.address.as_ref().map_or(0, Counter::refused)),
        ]
    }

    /// Counts a request from this address.
    ///
    /// # Errors
    /// 429 when it was one too many.
    pub(crate) fn take_address(&self, address: Option<IpAddr>, now: Now) -> Result<(), Problem> {
        let (Some(counter), Some(address)) = (&self.address, address) else { return Ok(()) };
        let taken = counter.take(network(address), now.monotonic);
        if taken.is_allowed {
            return Ok(());
        }
        let text = format!("this address made more than {} requests in 10 seconds", counter.limit);
        Err(Problem::rate_limited(text, taken.seconds(), taken.resets_at(now)))
    }

    /// Counts a request with this token; what to tell of it in the answer.
    ///
    /// # Errors
    /// 429 when it was one too many.
    pub(crate) fn take_token(&self, caller: &Caller, is_ingest: bool, now: Now) -> Result<Option<Told>, Problem> {
        let counter = if is_ingest { &self.ingest } else { &self.token };
        let Some(counter) = counter else { return Ok(None) };
        let taken = counter.take(caller.token, now.monotonic);
        let told = Told { limit: counter.limit.get(), remaining: taken.remaining, resets_at: taken.resets_at(now) };
        if taken.is_allowed {
            return Ok(Some(told));
        }
        let text = format!("this access token made more than {} requests in 10 seconds", counter.limit);
        Err(Problem::rate_limited(text, taken.seconds(), told.resets_at).telling(told))
    }
}

/// The two clocks.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) wall: Timestamp,
    pub(crate) monotonic: Duration,
}

/// What an answer tells of the limit of its token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    limit: u32,
    remaining: u32,
    resets_at: Timestamp,
}

impl Told {
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert(TOKEN_LIMIT, self.limit.into());
        headers.insert(TOKEN_REMAINING, self.remaining.into());
        headers.insert(RESET, HeaderValue::from(self.resets_at.as_millis()));
    }
}

/// An IPv6 network of the usual size belongs to one customer, who can use any address of it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Counts per caller in the present window.
struct Counter<K> {
    limit: NonZeroU32,
    window: Mutex<Window<K>>,
    /// Of all windows.
    refused: AtomicU64,
}

struct Window<K> {
    number: u128,
    counts: HashMap<K, u32>,
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    is_allowed: bool,
    remaining: u32,
    /// Until the window ends; never zero.
    left: Duration,
}

impl Taken {
    /// In the future by a second at least: one client fails when it has nothing to wait for.
    fn resets_at(self, now: Now) -> Timestamp {
        now.wall.plus(self.left.max(Duration::from_secs(1)))
    }

    /// Whole seconds until another request is let in.
    fn seconds(self) -> u32 {
        u32::try_from(self.left.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
    }
}

impl<K: Eq + Hash> Counter<K> {
    fn new(limit: NonZeroU32) -> Self {
        let window = Mutex::new(Window { number: 0, counts: HashMap::new() });
        Self { limit, window, refused: AtomicU64::new(0) }
    }

    fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn take(&self, caller: K, now: Duration) -> Taken {
        let length = RATE_WINDOW.as_millis();
        let (number, passed) = (now.as_millis() / length, now.as_millis() % length);
        let left = RATE_WINDOW - Duration::from_millis(u64::try_from(passed).unwrap_or(0));
        let mut window = self.window.lock();
        if window.number != number {
            window.number = number;
            window.counts.clear();
        }
        let limit = self.limit.get();
        if window.counts.len() >= CALLERS_MAX && !window.counts.contains_key(&caller) {
            return Taken { is_allowed: true, remaining: limit - 1, left };
        }
        let count = window.counts.entry(caller).or_insert(0);
        let is_allowed = *count < limit;
        *count = (*count + 1).min(limit);
        if !is_allowed {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Taken { is_allowed, remaining: limit - *count, left }
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use super::{CALLERS_MAX, Counter, network};

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_window_lets_so_many_in_and_the_next_one_begins_anew() {
        let counter = Counter::new(NonZeroU32::new(2).expect("is not zero"));
        let take = |caller: u8, millis| {
            let taken = counter.take(caller, at(millis));
            (taken.is_allowed, taken.remaining, taken.left.as_millis(), taken.seconds())
        };
        assert_eq!(take(1, 20_001), (true, 1, 9_999, 10));
        assert_eq!(take(1, 20_500), (true, 0, 9_500, 10));
        assert_eq!(take(1, 29_999), (false, 0, 1, 1));
        assert_eq!(take(2, 29_999), (true, 1, 1, 1));
        assert_eq!(take(1, 30_000), (true, 1, 10_000, 10));
    }

    #[test]
    fn callers_beyond_the_room_are_let_in_and_the_counted_ones_stay_counted() {
        let counter = Counter::new(NonZeroU32::new(1).expect("is not zero"));
        for caller in 0..CALLERS_MAX {
            assert!(counter.take(caller, at(0)).is_allowed);
        }
        assert!(counter.take(CALLERS_MAX, at(0)).is_allowed && counter.take(CALLERS_MAX, at(0)).is_allowed);
        assert!(!counter.take(0, at(0)).is_allowed);
        assert_eq!(counter.window.lock().counts.len(), CALLERS_MAX);
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let of = |text: &str| network(text.parse().expect("is an address")).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!((of("192.0.2.7"), of("::ffff:192.0.2.7")), ("192.0.2.7".to_owned(), "192.0.2.7".to_owned()));
    }
}
