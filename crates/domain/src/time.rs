//! Instants and the clock that tells them.

use std::{fmt, time::Duration};

/// A UTC instant in whole milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `millis` milliseconds after 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This instant moved later; it stops at the end of the representable range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Reads decimal digits as milliseconds since 1970, and anything else as a date and time with
    /// an offset after RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self);
        }
        text.parse().ok().map(|instant: jiff::Timestamp| Self(instant.as_millisecond()))
    }

    /// Date and time in whole seconds, as `2020-02-04T00:48:39Z`.
    pub fn rfc3339(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%SZ")
    }

    /// Date and time in whole seconds, as `2020-02-04 00:48:39`.
    pub fn simple(self) -> String {
        self.format("%Y-%m-%d %H:%M:%S")
    }

    fn format(self, format: &str) -> String {
        let clamped = self.0.clamp(Self::MIN_MILLIS, Self::MAX_MILLIS);
        jiff::Timestamp::from_millisecond(clamped)
            .map(|instant| instant.strftime(format).to_string())
            .unwrap_or_default()
    }

    // The years 0000 to 9999: beyond them a date has no four-digit text form.
    const MIN_MILLIS: i64 = -62_167_219_200_000;
    const MAX_MILLIS: i64 = 253_402_207_200_000;
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Where the time comes from. The binary brings the real one, tests bring their own.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment of this process; never runs backwards.
    fn monotonic(&self) -> Duration;
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn text_forms_are_utc_and_in_whole_seconds() {
        let instant = Timestamp::from_millis(1_790_000_000_999);
        assert_eq!(instant.rfc3339(), "2026-09-21T14:13:20Z");
        assert_eq!(instant.simple(), "2026-09-21 14:13:20");
        assert_eq!(Timestamp::from_millis(-1).as_seconds(), -1);
    }

    #[test]
    fn times_are_read_from_digits_and_from_dates() {
        for (text, millis) in [
            ("1790000000000", Some(1_790_000_000_000)),
            ("0", Some(0)),
            ("2026-09-21T14:13:20.999Z", Some(1_790_000_000_999)),
            ("2026-09-21T16:13:20+02:00", Some(1_790_000_000_000)),
            ("", None),
            ("-1", None),
            ("9223372036854775808", None),
            ("2026-09-21", None),
            ("2026-09-21T14:13:20", None),
        ] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::as_millis), millis, "{text}");
        }
    }

    #[test]
    fn text_forms_exist_for_every_instant() {
        for millis in [i64::MIN, i64::MAX, Timestamp::MIN_MILLIS, Timestamp::MAX_MILLIS] {
            assert_ne!(Timestamp::from_millis(millis).rfc3339(), "");
        }
    }
}
