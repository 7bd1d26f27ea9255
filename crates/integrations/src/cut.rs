//! Keeps bodies within the destination's limits: longer texts are cut and marked.

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::{
    extension::{BodyBudget, Cut, Extension, Measure},
    render::RenderError,
};

/// Stands at the end of a text that was cut.
const MARK: &str = "…";

// A control character of one byte takes six where bodies are measured as quoted.
const QUOTED_GROWTH_MAX: usize = 6;

/// Checks that a body is JSON and cuts it to what the destination takes.
///
/// The text stays as the template wrote it unless something has to be cut.
pub(crate) fn fit(body: String, extension: &Extension, file: &str) -> Result<String, RenderError> {
    let invalid =
        |error: serde_json::Error| RenderError::InvalidBody { template: file.to_owned(), reason: error.to_string() };
    // No text or list within a body is longer than the body.
    let limits = extension.cut.iter().filter_map(Cut::limit);
    let budget = extension.body_budget.as_ref();
    let smallest = limits.chain(budget.map(|budget| budget.bytes_max / QUOTED_GROWTH_MAX)).min();
    if smallest.is_none_or(|smallest| body.len() <= smallest) {
        serde_json::from_str::<IgnoredAny>(&body).map_err(invalid)?;
        return Ok(body);
    }
    let mut value: Value = serde_json::from_str(&body).map_err(invalid)?;
    let mut changed = false;
    for cut in &extension.cut {
        each_at(&mut value, &cut.at, &mut |value| changed |= apply(cut, value));
    }
    let body = if changed { value.to_string() } else { body };
    match budget {
        Some(budget) if measured(&body, budget.measure) > budget.bytes_max => shrink(value, budget),
        _ => Ok(body),
    }
}

fn apply(cut: &Cut, value: &mut Value) -> bool {
    if let (Value::Array(elements), Some(max)) = (&mut *value, cut.items_max) {
        let is_cut = elements.len() > max;
        elements.truncate(max);
        return is_cut;
    }
    let Value::String(text) = value else { return false };
    let shortened = match (cut.characters_max, cut.bytes_max) {
        (Some(max), _) => cut_characters(text, max, &cut.closing),
        (_, Some(max)) => cut_bytes(text, max, &cut.closing),
        (None, None) => None,
    };
    let is_cut = shortened.is_some();
    if let Some(shortened) = shortened {
        *text = shortened;
    }
    is_cut
}

/// The text in at most `max` characters, or none when it is short enough already.
fn cut_characters(text: &str, max: usize, closing: &str) -> Option<String> {
    if text.chars().count() <= max {
        return None;
    }
    let (content, closing) = split_closing(text, closing);
    let room = max.saturating_sub(MARK.chars().count() + closing.chars().count());
    let end = content.char_indices().nth(room).map_or(content.len(), |(at, _)| at);
    Some(format!("{}{MARK}{closing}", &content[..end]))
}

/// The text in at most `max` bytes of UTF-8, or none when it is short enough already.
fn cut_bytes(text: &str, max: usize, closing: &str) -> Option<String> {
    if text.len() <= max {
        return None;
    }
    let (content, closing) = split_closing(text, closing);
    let room = max.saturating_sub(MARK.len() + closing.len());
    Some(format!("{}{MARK}{closing}", &content[..boundary_before(content, room)]))
}

/// The last place at or before `bytes` where the text may be cut.
pub(crate) fn boundary_before(text: &str, bytes: usize) -> usize {
    (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn split_closing<'a>(text: &'a str, closing: &'a str) -> (&'a str, &'a str) {
    match text.strip_suffix(closing) {
        Some(content) => (content, closing),
        None => (text, ""),
    }
}

/// Shortens texts in the budget's order until the body fits.
fn shrink(mut value: Value, budget: &BodyBudget) -> Result<String, RenderError> {
    let mut bytes = measured(&value.to_string(), budget.measure);
    for pointer in &budget.shorten {
        each_at(&mut value, pointer, &mut |value| {
            let Value::String(text) = value else { return };
            if bytes > budget.bytes_max {
                let before = written(text, budget.measure);
                shorten_by(text, bytes - budget.bytes_max, budget.measure);
                bytes = bytes + written(text, budget.measure) - before;
            }
        });
    }
    if bytes > budget.bytes_max {
        return Err(RenderError::TooLarge { bytes, bytes_max: budget.bytes_max });
    }
    Ok(value.to_string())
}

/// Takes characters from the end until at least `excess` measured bytes are gone, or all.
fn shorten_by(text: &mut String, excess: usize, measure: Measure) {
    let frame = written("", measure);
    let wanted = excess + written(MARK, measure) - frame;
    let mut gone = 0;
    let mut end = text.len();
    for (at, character) in text.char_indices().rev() {
        if gone >= wanted {
            break;
        }
        gone += written(character.encode_utf8(&mut [0; 4]), measure) - frame;
        end = at;
    }
    text.truncate(end);
    text.push_str(MARK);
}

/// Measured bytes of the text as a JSON string.
fn written(text: &str, measure: Measure) -> usize {
    measured(&Value::from(text).to_string(), measure)
}

fn measured(json: &str, measure: Measure) -> usize {
    let quoted = |character: char| match character {
        '"' | '\\' => 2,
        character if character.is_ascii() && !character.is_ascii_control() => 1,
        character => 6 * character.len_utf16(),
    };
    match measure {
        Measure::Plain => json.len(),
        Measure::Quoted => json.chars().map(quoted).sum(),
    }
}

/// Calls `change` with every value that the pointer names; `*` names all members of a level.
fn each_at(value: &mut Value, pointer: &str, change: &mut dyn FnMut(&mut Value)) {
    let Some(rest) = pointer.strip_prefix('/') else {
        change(value);
        return;
    };
    let (step, after) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    match value {
        Value::Object(members) if step == "*" => {
            members.values_mut().for_each(|member| each_at(member, after, change));
        }
        Value::Array(elements) if step == "*" => {
            elements.iter_mut().for_each(|element| each_at(element, after, change));
        }
        other => {
            if let Some(inner) = other.pointer_mut(&format!("/{step}")) {
                each_at(inner, after, change);
            }
        }
    }
}
