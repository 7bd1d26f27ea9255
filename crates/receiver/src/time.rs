//! Text forms of instants. Numbers are UTC milliseconds since 1970 unless a name says otherwise.

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Milliseconds of an RFC 3339 date-time; `None` where `text` is none or has no offset.
pub(crate) fn rfc3339(text: &str) -> Option<i64> {
    let shape = text.as_bytes();
    (shape.len() >= 20 && matches!(shape.get(10), Some(b'T' | b't')))
        .then(|| text.parse::<jiff::Timestamp>().ok())
        .flatten()
        .map(jiff::Timestamp::as_millisecond)
}

/// An instant as `2020-02-04T00:48:39Z`.
pub(crate) fn seconds_text(millis: i64) -> String {
    format(millis, "%Y-%m-%dT%H:%M:%SZ")
}

/// An instant as an HTTP date, for example `Tue, 04 Feb 2020 00:48:39 GMT` (RFC 9110, 5.6.7).
pub(crate) fn http_date(millis: i64) -> String {
    format(millis, "%a, %d %b %Y %H:%M:%S GMT")
}

fn format(millis: i64, format: &str) -> String {
    jiff::Timestamp::from_millisecond(millis).map(|instant| instant.strftime(format).to_string()).unwrap_or_default()
}
