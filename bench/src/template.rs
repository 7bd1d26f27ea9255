//! The entries of a load: a text with places for what changes from one to the next.

use std::io::Write;

use crate::mark::Mark;

enum Part {
    Text(String),
    Id,
    Seq,
    SentUs,
    SentMs,
}

const PLACES: [&str; 4] = ["{id}", "{seq}", "{ts}", "{ms}"];

/// A parsed template: `{id}` stands for the mark, `{seq}` for its place in the run, `{ts}` and
/// `{ms}` for the send time in microseconds and milliseconds. Other braces are text.
pub struct Template {
    parts: Vec<Part>,
    /// About how long an entry gets, to size buffers.
    size: usize,
}

impl Template {
    /// Takes a template apart.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let next = PLACES.iter().filter_map(|place| rest.find(place).map(|at| (at, *place))).min();
            let Some((at, place)) = next else { break };
            parts.push(Part::Text(rest[..at].to_owned()));
            parts.push(match place {
                "{id}" => Part::Id,
                "{seq}" => Part::Seq,
                "{ts}" => Part::SentUs,
                _ => Part::SentMs,
            });
            rest = &rest[at + place.len()..];
        }
        parts.push(Part::Text(rest.to_owned()));
        Self { parts, size: text.len() + 4 * crate::mark::LEN }
    }

    /// About how long an entry gets, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Appends one entry.
    pub fn render(&self, mark: Mark, out: &mut Vec<u8>) {
        for part in &self.parts {
            // Writing to a `Vec` cannot fail.
            let _ = match part {
                Part::Text(text) => out.write_all(text.as_bytes()),
                Part::Id => {
                    mark.write(out);
                    Ok(())
                }
                Part::Seq => write!(out, "{}", mark.seq),
                Part::SentUs => write!(out, "{}", mark.sent_us),
                Part::SentMs => write!(out, "{}", mark.sent_us / 1_000),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::mark::Mark;

    fn rendered(template: &str) -> String {
        let mut out = Vec::new();
        Template::parse(template).render(Mark { run: 1, seq: 42, sent_us: 1_234_567 }, &mut out);
        String::from_utf8(out).expect("is text")
    }

    #[test]
    fn only_the_places_are_filled() {
        let mark = "bnch-00000001-0000000042-0000000001234567";
        assert_eq!(
            rendered(r#"{"_id":"{id}","n":{seq},"at":{ts},"date":{ms},"x":{"id":1}}"#),
            format!(r#"{{"_id":"{mark}","n":42,"at":1234567,"date":1234,"x":{{"id":1}}}}"#)
        );
        assert_eq!(rendered("{id}{id}"), format!("{mark}{mark}"));
        assert_eq!(rendered(""), "");
    }

    #[test]
    fn the_entry_of_the_benchmark_is_json_of_one_and_a_half_kilobytes() {
        let entry = rendered(include_str!("../templates/entry.json"));
        assert!((1_450..=1_550).contains(&entry.len()), "{}", entry.len());
        serde_json::from_str::<serde_json::Value>(&entry).expect("is JSON");
    }
}
