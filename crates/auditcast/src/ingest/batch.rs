//! Lines of a file as batches, each of which fits into one request.

use std::io::{self, BufRead, Read};

/// The longest line that is read; far longer than an entry may be.
pub const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of one request, unless a single entry is larger.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// Some entries, a line each, and where they stand in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Each with its number, from 1, and without its end.
    lines: Vec<(u64, Vec<u8>)>,
}

impl Batch {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The body of the request.
    pub fn body(&self) -> Vec<u8> {
        let ended = self.lines.iter().flat_map(|(_, line)| line.iter().chain(b"\n"));
        ended.copied().collect()
    }

    /// The number in the file of the entry at this place, from 0.
    pub fn line(&self, place: usize) -> Option<u64> {
        self.lines.get(place).map(|(number, _)| *number)
    }

    /// The numbers of the first and the last line.
    pub fn range(&self) -> (u64, u64) {
        let number = |line: Option<&(u64, Vec<u8>)>| line.map_or(0, |(number, _)| *number);
        (number(self.lines.first()), number(self.lines.last()))
    }

    /// The two halves, the first of which may be empty.
    pub fn halves(mut self) -> (Self, Self) {
        let second = self.lines.split_off(self.lines.len() / 2);
        (self, Self { lines: second })
    }
}

/// Reads batches one after the other.
pub struct Batches<R> {
    input: R,
    entries_max: usize,
    /// Lines that were read.
    line: u64,
    /// Bytes that were read.
    read: u64,
    /// A line that found no room in the batch before.
    left: Option<(u64, Vec<u8>)>,
}

impl<R: BufRead> Batches<R> {
    /// Batches of at most `entries_max` entries, at least one.
    pub fn new(input: R, entries_max: usize) -> Self {
        Self { input, entries_max: entries_max.max(1), line: 0, read: 0, left: None }
    }

    /// Bytes that were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.read
    }

    /// The next batch; an empty one at the end. Blank lines are passed over.
    ///
    /// # Errors
    /// When the input cannot be read, or a line is longer than [`LINE_BYTES_MAX`].
    pub fn next(&mut self) -> io::Result<Batch> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        while batch.len() < self.entries_max {
            let next = match self.left.take() {
                Some(line) => Some(line),
                None => self.next_line()?,
            };
            let Some((number, line)) = next else { break };
            bytes += line.len() + 1;
            if bytes > BATCH_BYTES_MAX && !batch.is_empty() {
                self.left = Some((number, line));
                break;
            }
            batch.lines.push((number, line));
        }
        Ok(batch)
    }

    fn next_line(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            let mut line = Vec::new();
            let read = self.input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            self.read += read as u64;
            if read as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n") {
                let text = format!("line {} is longer than {LINE_BYTES_MAX} bytes", self.line);
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Ok(Some((self.line, line.to_vec())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BATCH_BYTES_MAX, Batch, Batches, LINE_BYTES_MAX};

    /// The numbers of the lines of each batch.
    fn batches(text: &[u8], entries_max: usize) -> Vec<Vec<u64>> {
        let mut batches = Batches::new(text, entries_max);
        let mut all = Vec::new();
        loop {
            let batch = batches.next().expect("is read");
            if batch.is_empty() {
                assert_eq!(batches.bytes_read(), text.len() as u64);
                return all;
            }
            all.push((0..batch.len()).filter_map(|place| batch.line(place)).collect());
        }
    }

    #[test]
    fn lines_keep_their_numbers_and_blank_ones_are_passed_over() {
        let text = b"{\"a\":1}\n\n  \r\n{\"a\":2}\r\n{\"a\":3}";
        assert_eq!(batches(text, 2), [vec![1, 4], vec![5]]);
        let first = Batches::new(&text[..], 2).next().expect("is read");
        assert_eq!((first.body(), first.range()), (b"{\"a\":1}\n{\"a\":2}\n".to_vec(), (1, 4)));
        assert_eq!(batches(b"", 2), Vec::<Vec<u64>>::new());
        assert_eq!(batches(b"\n\n", 0), Vec::<Vec<u64>>::new());
    }

    #[test]
    fn a_batch_ends_before_it_is_too_large_and_a_large_line_goes_alone() {
        let large = "x".repeat(BATCH_BYTES_MAX + 1);
        let text = format!("a\n{large}\nb\nc\n");
        assert_eq!(batches(text.as_bytes(), 100), [vec![1], vec![2], vec![3, 4]]);
    }

    #[test]
    fn a_line_without_end_is_refused_and_not_read_whole() {
        let endless = std::io::BufReader::new(std::io::repeat(b'x'));
        let error = Batches::new(endless, 10).next().expect_err("is too long");
        assert!(error.to_string().contains(&format!("line 1 is longer than {LINE_BYTES_MAX}")), "{error}");
    }

    #[test]
    fn halves_are_the_whole() {
        let whole = Batches::new(&b"a\nb\nc\n"[..], 9).next().expect("is read");
        let (first, second) = whole.halves();
        assert_eq!((first.range(), second.range(), second.len()), ((1, 1), (2, 3), 2));
        let (none, one) = first.halves();
        assert_eq!((none, one.body()), (Batch::default(), b"a\n".to_vec()));
    }
}
