//! Finds the line of a manifest that a mistake is about.

use serde::de::{Deserialize, IgnoredAny};
use serde_json::Deserializer;

/// The line, from 1, of the value at a place such as `formVariables[2].key`, or of the innermost
/// value around it that is there. None when the place is no path, or the text no JSON.
pub(crate) fn line_of(json: &str, place: &str) -> Option<usize> {
    let mut at = skip_blanks(json, 0);
    let mut line_at = at;
    for step in steps(place)? {
        let Some((named_at, value_at)) = member(json, at, &step) else { break };
        (line_at, at) = (named_at, value_at);
    }
    (at > 0 || line_at > 0).then(|| json[..line_at].matches('\n').count() + 1)
}

enum Step {
    Name(String),
    Index(usize),
}

fn steps(place: &str) -> Option<Vec<Step>> {
    if place.is_empty() || place.contains(' ') {
        return None;
    }
    let mut steps = Vec::new();
    for part in place.split('.') {
        let (name, indices) = part.split_once('[').map_or((part, ""), |(name, rest)| (name, rest));
        steps.push(Step::Name(name.to_owned()));
        for index in indices.split('[').filter(|index| !index.is_empty()) {
            steps.push(Step::Index(index.trim_end_matches(']').parse().ok()?));
        }
    }
    Some(steps)
}

/// Where the member is named, and where its value begins.
fn member(json: &str, container: usize, step: &Step) -> Option<(usize, usize)> {
    let open = *json.as_bytes().get(container)?;
    let mut at = skip_blanks(json, container + 1);
    for index in 0.. {
        let named_at = at;
        let name = match open {
            b'{' => {
                let (name, end) = read::<String>(json, at)?;
                at = skip_blanks(json, skip_blanks(json, end) + 1);
                Some(name)
            }
            b'[' => None,
            _ => return None,
        };
        let found = match (step, &name) {
            (Step::Name(wanted), Some(name)) => wanted == name,
            (Step::Index(wanted), None) => *wanted == index,
            _ => false,
        };
        if found {
            return Some((named_at, at));
        }
        let (_, end) = read::<IgnoredAny>(json, at)?;
        at = skip_blanks(json, end);
        if json.as_bytes().get(at) != Some(&b',') {
            return None;
        }
        at = skip_blanks(json, at + 1);
    }
    None
}

fn read<'a, T: Deserialize<'a>>(json: &'a str, at: usize) -> Option<(T, usize)> {
    let mut stream = Deserializer::from_str(json.get(at..)?).into_iter::<T>();
    let value = stream.next()?.ok()?;
    Some((value, at + stream.byte_offset()))
}

fn skip_blanks(json: &str, at: usize) -> usize {
    let rest = json.get(at..).unwrap_or_default();
    at + rest.len() - rest.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn a_place_is_found_by_its_line_or_by_that_of_what_holds_it() {
        let json = "{\n \"a\": {\"x\": [1,\n {\"y\": \"}\\\"\"}]},\n\n \"b\"\n : [\n  {\"k\": true}, {}\n ]\n}\n";
        for (place, line) in [("a", 2), ("a.x[1].y", 3), ("b", 5), ("b[0].k", 7), ("b[1].missing", 7), ("c", 1)] {
            assert_eq!(line_of(json, place), Some(line).filter(|_| place != "c"), "{place}");
        }
        assert_eq!(line_of(json, "line 3 column 4"), None);
        assert_eq!(line_of("{", "a.b"), None);
    }
}
