//! When a destination wants to be called again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;

use crate::{
    extension::{RateReset, RateUnit},
    reply::Reply,
};

/// The longest wait that a destination is granted.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait that a reply asks for: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3),
/// or with a 429 the vendor's own header; the longer of the two.
pub(crate) fn read(reply: &Reply<'_>, rate_reset: Option<&RateReset>, now: Timestamp) -> Option<Duration> {
    let standard = header(reply, "retry-after").and_then(|value| standard(value, reply, now));
    let of_vendor = rate_reset.filter(|_| reply.status == 429).and_then(|rate| vendor(rate, reply, now));
    standard.max(of_vendor).map(|wait| wait.min(RETRY_AFTER_MAX))
}

fn standard(value: &str, reply: &Reply<'_>, now: Timestamp) -> Option<Duration> {
    if let Some(wait) = whole_seconds(value) {
        return Some(wait);
    }
    let until = date(value)?;
    // The destination's clock set the date, so its own Date is what it counts from.
    let from = header(reply, "date").and_then(date).unwrap_or(now);
    Some(until.since(from))
}

fn vendor(rate: &RateReset, reply: &Reply<'_>, now: Timestamp) -> Option<Duration> {
    let value = header(reply, &rate.header)?;
    match rate.unit {
        RateUnit::Seconds => whole_seconds(value),
        RateUnit::UnixMicroseconds => {
            let micros = value.parse::<i64>().ok().filter(|micros| *micros >= 0)?;
            // Rounded up, so that a call is never early.
            let until = Timestamp::from_millis(micros.div_euclid(1000).saturating_add(1));
            let from = header(reply, "date").and_then(date).unwrap_or(now);
            Some(until.since(from))
        }
    }
}

/// Digits only; a number beyond all bounds is still a long wait.
fn whole_seconds(value: &str) -> Option<Duration> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs))
}

fn date(value: &str) -> Option<Timestamp> {
    let time: SystemTime = httpdate::parse_http_date(value).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp::from_millis)
}

fn header<'a>(reply: &Reply<'a>, name: &str) -> Option<&'a str> {
    let found = reply.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}
