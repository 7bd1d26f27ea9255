//! How a row of the store packs attempts.
//!
//! All numbers are unsigned LEB128: seven bits a byte, the lowest first, the highest bit set on
//! all bytes but the last. A difference may be negative: it is taken modulo 2^64 and written as
//! 2n, or as −2n−1 when it is below zero. A row is the byte 1, then its attempts, each of them
//!
//! | part | form |
//! | --- | --- |
//! | tag | one byte of the bits below |
//! | time of its end | difference to that of the attempt before, at first to 0, in milliseconds |
//! | duration | milliseconds |
//! | first sequence | difference to that of the attempt before, at first to 0 |
//! | runs, with `RUNS` | entries of the first run − 1; number of further runs; of each the sequences left out before it − 1, and its entries − 1 |
//! | status, with `STATUS` | 0 for none; without `STATUS` it is 200 |
//! | evidence, with `EVIDENCE` | its length in bytes, and so many bytes of JSON |
//!
//! Without `RUNS` the attempt has one entry, without `EVIDENCE` it was accepted.

use std::time::Duration;

use domain::{Sequence, Timestamp};

use super::{Attempt, Run};

const FORM: u8 = 1;

const RUNS: u8 = 1;
const STATUS: u8 = 2;
const PROBE: u8 = 4;
const EVIDENCE: u8 = 8;
const JOB: u8 = 16;

const STATUS_USUAL: u16 = 200;

/// The bytes are not those of packed attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored attempts cannot be read from byte {0} of their row on")]
pub struct PackedError(usize);

/// The attempts of one row as bytes.
pub fn pack(attempts: &[Attempt]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + attempts.len() * 6);
    bytes.push(FORM);
    let (mut last_end, mut last_first) = (0_i64, 0_u64);
    for attempt in attempts {
        let first = attempt.runs.first().map_or(0, |run| run.first.0);
        let is_single = matches!(attempt.runs.as_slice(), [Run { count: 1, .. }]);
        let tag = bit(RUNS, !is_single)
            | bit(STATUS, attempt.status_code != Some(STATUS_USUAL))
            | bit(PROBE, attempt.is_probe)
            | bit(JOB, attempt.is_of_job)
            | bit(EVIDENCE, attempt.evidence.is_some());
        bytes.push(tag);
        put(&mut bytes, zigzag(attempt.ended_at.as_millis().wrapping_sub(last_end)));
        put(&mut bytes, u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX));
        put(&mut bytes, zigzag(first.wrapping_sub(last_first).cast_signed()));
        if !is_single {
            put_runs(&mut bytes, &attempt.runs);
        }
        if tag & STATUS != 0 {
            put(&mut bytes, attempt.status_code.map_or(0, u64::from));
        }
        if let Some(evidence) = &attempt.evidence {
            // Texts and numbers always have a JSON form.
            let json = serde_json::to_vec(evidence).unwrap_or_default();
            put(&mut bytes, u64::try_from(json.len()).unwrap_or(u64::MAX));
            bytes.extend_from_slice(&json);
        }
        (last_end, last_first) = (attempt.ended_at.as_millis(), first);
    }
    bytes
}

/// The attempts of one row, in the order in which they ended.
///
/// # Errors
/// [`PackedError`] when the bytes were not written by [`pack`].
pub fn unpack(bytes: &[u8]) -> Result<Vec<Attempt>, PackedError> {
    let mut reader = Reader { bytes, at: 0 };
    reader.attempts().ok_or(PackedError(reader.at))
}

fn bit(bit: u8, is_set: bool) -> u8 {
    if is_set { bit } else { 0 }
}

fn zigzag(difference: i64) -> u64 {
    ((difference << 1) ^ (difference >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn put_runs(bytes: &mut Vec<u8>, runs: &[Run]) {
    let less_one = |number: u64| number.saturating_sub(1);
    put(bytes, runs.first().map_or(0, |run| less_one(run.count)));
    put(bytes, u64::try_from(runs.len()).map_or(0, less_one));
    for pair in runs.windows(2) {
        let end = pair[0].first.0.wrapping_add(pair[0].count);
        put(bytes, less_one(pair[1].first.0.wrapping_sub(end)));
        put(bytes, less_one(pair[1].count));
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn attempts(&mut self) -> Option<Vec<Attempt>> {
        if self.byte()? != FORM {
            return None;
        }
        let mut attempts = Vec::new();
        let (mut end, mut first) = (0_i64, 0_u64);
        while self.at < self.bytes.len() {
            let attempt = self.attempt(&mut end, &mut first)?;
            attempts.push(attempt);
        }
        Some(attempts)
    }

    fn attempt(&mut self, end: &mut i64, first: &mut u64) -> Option<Attempt> {
        let tag = self.byte()?;
        if tag & !(RUNS | STATUS | PROBE | EVIDENCE | JOB) != 0 {
            return None;
        }
        *end = end.wrapping_add(unzigzag(self.number()?));
        let took = Duration::from_millis(self.number()?);
        *first = first.wrapping_add(unzigzag(self.number()?).cast_unsigned());
        let runs = match tag & RUNS {
            0 => vec![Run { first: Sequence(*first), count: 1 }],
            _ => self.runs(*first)?,
        };
        let status_code = match tag & STATUS {
            0 => Some(STATUS_USUAL),
            _ => Some(u16::try_from(self.number()?).ok()?).filter(|status| *status > 0),
        };
        let evidence = if tag & EVIDENCE == 0 { None } else { Some(self.evidence()?) };
        let ended_at = Timestamp::from_millis(*end);
        let (is_probe, is_of_job) = (tag & PROBE != 0, tag & JOB != 0);
        Some(Attempt { ended_at, took, runs, status_code, is_probe, is_of_job, evidence })
    }

    fn runs(&mut self, first: u64) -> Option<Vec<Run>> {
        let count = self.number()?.checked_add(1)?;
        let further = self.number()?;
        let mut end = first.checked_add(count)?;
        let mut runs = vec![Run { first: Sequence(first), count }];
        // A number that is too large ends with the bytes.
        for _ in 0..further {
            let first = end.checked_add(self.number()?)?.checked_add(1)?;
            let count = self.number()?.checked_add(1)?;
            end = first.checked_add(count)?;
            runs.push(Run { first: Sequence(first), count });
        }
        Some(runs)
    }

    fn evidence<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        let length = usize::try_from(self.number()?).ok()?;
        let json = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        let evidence = serde_json::from_slice(json).ok()?;
        self.at += length;
        Some(evidence)
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            // The last byte has room for one bit only.
            if shift == 63 && part > 1 {
                return None;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Sequence, Timestamp};
    use proptest::prelude::*;

    use super::{pack, unpack};
    use crate::{
        attempts::{Attempt, Evidence, Follows, Run},
        outcome::OutcomeKind,
    };

    fn single(ended_at: i64, sequence: u64) -> Attempt {
        Attempt {
            ended_at: Timestamp::from_millis(ended_at),
            took: Duration::from_millis(40),
            runs: vec![Run { first: Sequence(sequence), count: 1 }],
            status_code: Some(200),
            is_probe: false,
            is_of_job: false,
            evidence: None,
        }
    }

    fn runs() -> impl Strategy<Value = Vec<Run>> {
        let lengths = prop::collection::vec((1..1_000_u64, 1..1_000_u64), 0..5);
        (0..u64::MAX / 2, 1..1_000_u64, lengths).prop_map(|(first, count, further)| {
            let mut runs = vec![Run { first: Sequence(first), count }];
            let mut end = first + count;
            for (gap, count) in further {
                runs.push(Run { first: Sequence(end + gap), count });
                end += gap + count;
            }
            runs
        })
    }

    fn evidence() -> impl Strategy<Value = Box<Evidence>> {
        let outcome = prop::sample::select(OutcomeKind::ALL.as_slice());
        let follows = (0..5, any::<i64>()).prop_map(|(kind, at)| match (kind, Timestamp::from_millis(at)) {
            (0, _) => Follows::Nothing,
            (1, _) => Follows::Again,
            (2, at) => Follows::Retry(at),
            (3, at) => Follows::Hold(at),
            (_, at) => Follows::Suspend(at),
        });
        let numbers = (any::<u64>(), any::<u64>(), any::<bool>());
        let texts = (".*", ".*", prop::option::of(".*"), prop::option::of(".*"), prop::option::of((".*", ".*")));
        (outcome, follows, numbers, texts).prop_map(|(outcome, follows, (failed, dead, is_sent), texts)| {
            let (reason, text, response_body, address, tls) = texts;
            Box::new(Evidence { outcome, reason, text, is_sent, failed, dead, follows, response_body, address, tls })
        })
    }

    fn attempt() -> impl Strategy<Value = Attempt> {
        let times = (any::<i64>(), any::<u64>());
        let rest = (prop::option::of(1..u16::MAX), any::<(bool, bool)>(), prop::option::of(evidence()));
        (times, runs(), rest).prop_map(|((ended_at, took), runs, (status_code, (is_probe, is_of_job), evidence))| {
            Attempt {
                ended_at: Timestamp::from_millis(ended_at),
                took: Duration::from_millis(took),
                runs,
                status_code,
                is_probe,
                is_of_job,
                evidence,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read_back(attempts in prop::collection::vec(attempt(), 0..8)) {
            prop_assert_eq!(unpack(&pack(&attempts)), Ok(attempts));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut formed = vec![1];
            formed.extend(&bytes);
            let _ = (unpack(&bytes), unpack(&formed));
        }

        #[test]
        fn a_row_that_was_cut_or_changed_does_not_end_the_reader(
            attempts in prop::collection::vec(attempt(), 1..4), at in any::<prop::sample::Index>(), byte in any::<u8>()
        ) {
            let mut bytes = pack(&attempts);
            let at = at.index(bytes.len());
            let _ = unpack(&bytes[..at]);
            bytes[at] = byte;
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn an_accepted_attempt_takes_four_bytes_and_one_of_a_batch_seven() {
        let start = 1_790_000_000_000;
        let one_by_one: Vec<_> = (0..1_000).map(|at| single(start + at * 3, 5_000 + at.cast_unsigned())).collect();
        assert_eq!(pack(&one_by_one).len(), 4_000 + 1 + 5 + 1);
        let batch = |at: u64| vec![Run { first: Sequence(5_000 + at * 1_000), count: 1_000 }];
        let batches: Vec<_> =
            (0..100).map(|at| Attempt { runs: batch(at), ..single(start + at.cast_signed() * 60, 0) }).collect();
        assert!(pack(&batches).len() <= 100 * 8 + 10, "{}", pack(&batches).len());
    }

    #[test]
    fn a_row_of_another_form_is_refused() {
        assert_eq!(unpack(&[1]), Ok(Vec::new()));
        for bytes in [&[][..], &[0], &[2], &[1, 0x20, 0, 0, 0], &[1, 0, 0, 0]] {
            assert!(unpack(bytes).is_err(), "{bytes:?}");
        }
    }
}
