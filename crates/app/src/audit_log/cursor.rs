//! Where a page of entries ended.

use std::fmt;

use domain::{Sequence, Timestamp};
use store::Found;

/// Where a page ended, as a text that clients give back as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last place that was looked at.
    pub(super) below: Found,
    /// The end of the log when the first page was made.
    pub(super) up_to: Sequence,
}

impl Cursor {
    /// The date at which the page ended.
    pub fn date(&self) -> Timestamp {
        self.below.date
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let is_digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            is_digits.then(|| part.parse::<u64>().ok()).flatten()
        });
        let (date, sequence, up_to) = (parts.next()??, parts.next()??, parts.next()??);
        let date = Timestamp::from_millis(i64::try_from(date).ok()?);
        let below = Found { date, sequence: Sequence(sequence) };
        parts.next().is_none().then_some(Self { below, up_to: Sequence(up_to) })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.below.date.as_millis(), self.below.sequence, self.up_to)
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let cursor = Cursor::parse("1790000000000.7.9").expect("is one");
        assert_eq!((cursor.below.sequence.0, cursor.up_to.0), (7, 9));
        assert_eq!(cursor.to_string(), "1790000000000.7.9");
        for text in ["", "1", "1.2", "1.2.3.4", "-1.2.3", "1.+2.3", "1..3", "99999999999999999999.1.1", "a.b.c"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
