//! Values while rendering: how JavaScript reads their properties, tests and prints them.

use std::{borrow::Cow, fmt::Write as _, rc::Rc};

use serde_json::{Number, Value};

/// A value of the context, of a literal, or made while rendering. Nothing of the context is copied.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Undefined,
    Json(&'a Value),
    Bool(bool),
    Index(usize),
    Key(&'a str),
    Text(Rc<str>),
}

impl<'a> Val<'a> {
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Json(Value::String(text)) => Some(text),
            Self::Key(text) => Some(text),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_array(&self) -> Option<&'a [Value]> {
        match self {
            Self::Json(Value::Array(items)) => Some(items),
            _ => None,
        }
    }

    pub(super) fn is_nullish(&self) -> bool {
        matches!(self, Self::Undefined | Self::Json(Value::Null))
    }

    pub(super) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Json(Value::Number(number)) => number.as_f64(),
            // Nothing that fits in memory has more items than a double can count.
            Self::Index(index) => Some(*index as f64),
            _ => None,
        }
    }

    /// JavaScript's truth: everything but undefined, null, false, zero and the empty string.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Undefined | Self::Json(Value::Null) => false,
            Self::Bool(truth) | Self::Json(Value::Bool(truth)) => *truth,
            _ => match (self.as_f64(), self.as_str()) {
                (Some(number), _) => number != 0.0,
                (_, Some(text)) => !text.is_empty(),
                _ => true,
            },
        }
    }

    /// What `with` and `if includeZero=true` leave out: zero counts, an empty array does not.
    pub(super) fn is_empty(&self) -> bool {
        match self.as_array() {
            Some(items) => items.is_empty(),
            None => !self.is_truthy() && self.as_f64().is_none(),
        }
    }

    /// Steps that looking at every character of this value takes.
    pub(super) fn steps(&self) -> u64 {
        self.as_str().map_or(0, |text| (text.len() / 64) as u64)
    }

    /// The own property `name`; undefined when there is none.
    pub(super) fn property(&self, name: &str) -> Val<'a> {
        if let Self::Json(Value::Object(members)) = self {
            return members.get(name).map_or(Val::Undefined, Val::Json);
        }
        if let Some(items) = self.as_array() {
            return match index(name) {
                Some(at) => items.get(at).map_or(Val::Undefined, Val::Json),
                None if name == "length" => Val::Index(items.len()),
                None => Val::Undefined,
            };
        }
        let Some(text) = self.as_str() else { return Val::Undefined };
        match index(name) {
            Some(at) => text.encode_utf16().nth(at).map_or(Val::Undefined, |unit| {
                let character = char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
                Val::Text(character.to_string().into())
            }),
            None if name == "length" => Val::Index(text.encode_utf16().count()),
            None => Val::Undefined,
        }
    }

    /// `===`: objects and arrays are equal to themselves only.
    pub(super) fn is_identical(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Undefined, Self::Undefined) => true,
            (Self::Json(one @ (Value::Object(_) | Value::Array(_))), Self::Json(two)) => std::ptr::eq(*one, *two),
            (Self::Json(Value::Null), Self::Json(Value::Null)) => true,
            (Self::Json(Value::Number(one)), Self::Json(Value::Number(two))) if one == two => true,
            _ => match (self.as_str(), other.as_str()) {
                (Some(one), Some(two)) => one == two,
                _ => match (self.as_f64(), other.as_f64()) {
                    (Some(one), Some(two)) => one == two && !(self.is_big() && other.is_big()),
                    _ => self.as_bool().is_some() && self.as_bool() == other.as_bool(),
                },
            },
        }
    }

    fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) | Self::Json(Value::Bool(truth)) => Some(*truth),
            _ => None,
        }
    }

    // Whole numbers past 2^53 keep their digits here, so two of them may share a double and differ.
    fn is_big(&self) -> bool {
        let Self::Json(Value::Number(number)) = self else { return false };
        !number.is_f64() && number.as_f64().is_some_and(|number| number.abs() >= 9_007_199_254_740_992.0)
    }

    /// The text that JavaScript makes of this value, except that undefined and null are empty.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Undefined | Self::Json(Value::Null) => Cow::Borrowed(""),
            Self::Json(Value::Object(_)) => Cow::Borrowed(OBJECT),
            Self::Bool(true) | Self::Json(Value::Bool(true)) => Cow::Borrowed("true"),
            Self::Bool(false) | Self::Json(Value::Bool(false)) => Cow::Borrowed("false"),
            Self::Json(Value::Number(number)) => Cow::Owned(number_text(number)),
            Self::Index(index) => Cow::Owned(index.to_string()),
            Self::Json(Value::String(text)) => Cow::Borrowed(text),
            Self::Key(text) => Cow::Borrowed(text),
            Self::Text(text) => Cow::Borrowed(text),
            // Arrays need bounds, so the renderer joins them; this is for the empty one.
            Self::Json(Value::Array(_)) => Cow::Borrowed(""),
        }
    }
}

const OBJECT: &str = "[object Object]";

/// Joins an array as JavaScript does: with commas, arrays within it flattened, null as nothing.
/// `pay` is called once per item with the length of the text so far.
///
/// It keeps its own stack, so that no depth of nesting can exhaust that of the thread.
pub(super) fn join<E>(items: &[Value], mut pay: impl FnMut(usize) -> Result<(), E>) -> Result<String, E> {
    let mut text = String::new();
    let mut open = vec![items.iter()];
    let mut is_first = true;
    while let Some(items) = open.last_mut() {
        let Some(item) = items.next() else {
            open.pop();
            is_first = false;
            continue;
        };
        pay(text.len())?;
        if !is_first {
            text.push(',');
        }
        is_first = false;
        match item {
            Value::Array(inner) => {
                open.push(inner.iter());
                is_first = true;
            }
            other => text.push_str(&Val::Json(other).text()),
        }
    }
    Ok(text)
}

/// A number without exponent, whatever its size; `1.0` is `1`, and whole numbers keep their digits.
pub(super) fn number_text(number: &Number) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail. Adding zero turns -0.0 into 0.0.
    let _ = match number.as_f64() {
        Some(double) if number.is_f64() => write!(text, "{}", double + 0.0),
        _ => write!(text, "{number}"),
    };
    text
}

/// The array index that a property name stands for: digits without a leading zero.
fn index(name: &str) -> Option<usize> {
    let is_canonical = name == "0" || (!name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit()));
    is_canonical.then(|| name.parse().ok())?
}
