//! The mark of an entry: an id that says by itself which load sent it, as which one, and when.
//!
//! The id of an entry goes through the template of every integration, while any other member may
//! be left out, renamed or put into a text. So the send time stands in the id, and a receiver finds
//! both by looking for bytes, whatever the form of the body.

use std::io::Write;

use memchr::memmem::Finder;

const PREFIX: &[u8] = b"bnch-";
const RUN_DIGITS: usize = 8;
const SEQ_DIGITS: usize = 10;
const TIME_DIGITS: usize = 16;
/// The length of every mark, in bytes.
pub const LEN: usize = PREFIX.len() + RUN_DIGITS + 1 + SEQ_DIGITS + 1 + TIME_DIGITS;

/// What an entry's id says. Text form: `bnch-RUN-SEQ-TIME`, the run in 8 hex digits, the other two
/// in 10 and 16 decimal digits; letters, digits and `-` only, so that no template escapes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Tells loads apart.
    pub run: u32,
    /// The place within the run, from 0 and without gaps.
    pub seq: u64,
    /// When the request was built, in microseconds since 1970.
    pub sent_us: u64,
}

impl Mark {
    /// Appends the text form.
    pub fn write(self, out: &mut Vec<u8>) {
        let Self { run, seq, sent_us } = self;
        // Writing to a `Vec` cannot fail.
        let _ = write!(out, "bnch-{run:08x}-{seq:010}-{sent_us:016}");
    }

    fn read(text: &[u8]) -> Option<Self> {
        let text = text.get(PREFIX.len()..LEN)?;
        let (run, text) = text.split_at(RUN_DIGITS);
        let (seq, text) = text.strip_prefix(b"-")?.split_at(SEQ_DIGITS);
        let sent = text.strip_prefix(b"-")?;
        Some(Self { run: u32::try_from(number(run, 16)?).ok()?, seq: number(seq, 10)?, sent_us: number(sent, 10)? })
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        sum.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    })
}

/// Finds marks in bodies.
pub struct Marks(Finder<'static>);

impl Default for Marks {
    fn default() -> Self {
        Self(Finder::new(PREFIX))
    }
}

impl Marks {
    /// Appends the marks of the entries in `body` to `found`, in their order.
    ///
    /// An entry may name its id several times, in links and handles; the entries of a batch stand one
    /// after the other. So marks that repeat the one before belong to the same entry.
    pub fn find(&self, body: &[u8], found: &mut Vec<Mark>) {
        for at in self.0.find_iter(body) {
            let mark = Mark::read(&body[at..]);
            if mark.is_some() && found.last() != mark.as_ref() {
                found.extend(mark);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LEN, Mark, Marks};

    fn text(seq: u64) -> String {
        let mut out = Vec::new();
        Mark { run: 0xbeef, seq, sent_us: 1_790_000_000_123_456 }.write(&mut out);
        String::from_utf8(out).expect("is ASCII")
    }

    fn found(body: &str) -> Vec<u64> {
        let mut found = Vec::new();
        Marks::default().find(body.as_bytes(), &mut found);
        found.iter().map(|mark| mark.seq).collect()
    }

    #[test]
    fn a_mark_reads_back_as_it_was_written() {
        let written = text(42);
        assert_eq!(written, "bnch-0000beef-0000000042-1790000000123456");
        assert_eq!(written.len(), LEN);
        let read = Mark::read(written.as_bytes());
        assert_eq!(read, Some(Mark { run: 0xbeef, seq: 42, sent_us: 1_790_000_000_123_456 }));
    }

    #[test]
    fn an_entry_that_names_its_id_twice_is_one_entry() {
        let line = |seq| {
            format!("{{\"create\":{{\"_id\":\"default:{0}:ab\"}}}}\n{{\"event\":{{\"id\":\"{0}\"}}}}\n", text(seq))
        };
        assert_eq!(found(&(line(7) + &line(8))), [7, 8]);
    }

    #[test]
    fn what_is_not_a_mark_is_passed_over() {
        let cut = &text(1)[..LEN - 1];
        assert_eq!(found(&format!("bnch-, bnch-x {cut}")), Vec::<u64>::new());
        assert_eq!(found(&format!("bnch-bnch-{}", text(3))), [3]);
    }
}
