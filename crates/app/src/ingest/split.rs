//! Cuts a body into its entries, byte for byte.

use std::fmt;

use serde::{
    Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{CloudEventsMode, Format};
use crate::Error;

/// The entries as they stand in the body, and whether there may be several.
pub(super) fn split<'a>(body: &'a [u8], format: &Format, entries_max: usize) -> Result<(Vec<&'a [u8]>, bool), Error> {
    match format {
        Format::Lines => lines(body, entries_max).map(|slices| (slices, true)),
        Format::CloudEvents(CloudEventsMode::Batched) => array(body, entries_max).map(|slices| (slices, true)),
        Format::CloudEvents(_) => Ok((vec![body], false)),
        Format::Json => match body.iter().find(|byte| !is_space(**byte)) {
            None => Err(Error::invalid("the body is empty; send one entry, a JSON array of entries, or NDJSON")),
            Some(b'[') => array(body, entries_max).map(|slices| (slices, true)),
            Some(_) => Ok((vec![body], false)),
        },
    }
}

fn too_many(entries_max: usize) -> Error {
    Error::TooLarge(format!("the request has more than {entries_max} entries; send fewer at once"))
}

fn lines(body: &[u8], entries_max: usize) -> Result<Vec<&[u8]>, Error> {
    let filled = |line: &&[u8]| !line.iter().all(|byte| is_space(*byte));
    let slices: Vec<_> = body.split(|byte| *byte == b'\n').filter(filled).take(entries_max + 1).collect();
    if slices.len() > entries_max { Err(too_many(entries_max)) } else { Ok(slices) }
}

fn array(body: &[u8], entries_max: usize) -> Result<Vec<&[u8]>, Error> {
    let mut over = false;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = reader.deserialize_seq(Slices { entries_max, over: &mut over });
    let read = read.and_then(|slices| reader.end().map(|()| slices));
    match read {
        Ok(slices) => Ok(slices),
        Err(_) if over => Err(too_many(entries_max)),
        Err(error) => Err(Error::invalid(format!("the body is not valid JSON: {error}"))),
    }
}

fn is_space(byte: u8) -> bool {
    b" \t\r\n".contains(&byte)
}

// Counts while it reads, so that a body of ten million commas does not become a list of them.
struct Slices<'a> {
    entries_max: usize,
    over: &'a mut bool,
}

impl<'de> Visitor<'de> for Slices<'_> {
    type Value = Vec<&'de [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut slices = Vec::new();
        while let Some(item) = items.next_element::<&RawValue>()? {
            if slices.len() == self.entries_max {
                *self.over = true;
                return Err(serde::de::Error::custom("too many entries"));
            }
            slices.push(item.get().as_bytes());
        }
        Ok(slices)
    }
}

#[cfg(test)]
mod tests {
    use super::split;
    use crate::{Error, ingest::Format};

    fn texts(body: &str, format: &Format) -> Vec<String> {
        let (slices, _) = split(body.as_bytes(), format, 3).expect("splits");
        slices.into_iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect()
    }

    #[test]
    fn array_items_keep_their_bytes() {
        let body = " [ {\"a\" : 1.0e2,\n \"\\u0061\":[ ]} ,{}\t, [1 ,2] ] ";
        assert_eq!(texts(body, &Format::Json), ["{\"a\" : 1.0e2,\n \"\\u0061\":[ ]}", "{}", "[1 ,2]"]);
        assert_eq!(texts("[]", &Format::Json), Vec::<String>::new());
    }

    #[test]
    fn blank_lines_are_no_entries() {
        assert_eq!(texts("{}\r\n\n  \n{\"a\":1}", &Format::Lines), ["{}\r", "{\"a\":1}"]);
        assert_eq!(texts("", &Format::Lines), Vec::<String>::new());
    }

    #[test]
    fn more_entries_than_allowed_are_too_large_even_if_the_rest_is_broken() {
        for (body, format) in [("[1,2,3,4,,", &Format::Json), ("1\n2\n3\n4\n", &Format::Lines)] {
            assert!(matches!(split(body.as_bytes(), format, 3), Err(Error::TooLarge(_))), "{body}");
        }
    }

    #[test]
    fn broken_arrays_are_invalid_with_their_place_and_without_their_content() {
        for body in ["[{\"canary\":1}", "[{\"canary\":1}] x", "[\"canary\" 1]", "[{}\n,,]", "[\"canary\u{0}\"]"] {
            let Err(Error::Invalid { message, .. }) = split(body.as_bytes(), &Format::Json, 9).map(drop) else {
                panic!("{body} was accepted");
            };
            assert!(message.contains("line") && message.contains("column") && !message.contains("canary"), "{message}");
        }
        let deep = "[".repeat(300_000);
        assert!(split(deep.as_bytes(), &Format::Json, 9).is_err());
        assert!(matches!(split(b" \n", &Format::Json, 9), Err(Error::Invalid { .. })));
        assert!(split(b"[\"\xff\"]", &Format::Json, 9).is_err());
    }
}
