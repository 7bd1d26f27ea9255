//! Reads the bytes of an entry, and members out of it.

use std::{borrow::Cow, fmt};

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::SeqAccessDeserializer,
};
use serde_json::map::Entry;
use serde_json::{Map, Value, value::RawValue};

use crate::FieldError;

/// A JSON object in the order in which it was sent.
pub(super) type Object = Map<String, Value>;

/// How many objects and lists may stand inside each other, the entry itself included.
pub(super) const DEPTH_MAX: usize = 64;

/// The text of one entry, before it is read as JSON.
///
/// # Errors
/// What keeps the bytes from being the text of an object that is safe to read.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, Vec<FieldError>> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return refused(format!("is not UTF-8 text after {} bytes", error.valid_up_to())),
    };
    if !text.starts_with('{') {
        return refused("must be one JSON object".to_owned());
    }
    // The parser recurses, so depth is judged before it runs. Nearly every entry has fewer
    // brackets than that, and counting them costs far less than following them.
    let brackets = bytes.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if brackets > DEPTH_MAX && depth(bytes) > DEPTH_MAX {
        return refused(format!("is nested deeper than {DEPTH_MAX} levels"));
    }
    Ok(text)
}

/// Reads one entry.
///
/// # Errors
/// Every mistake that keeps the text from being one JSON object with unique names.
pub(super) fn object(text: &str) -> Result<Object, Vec<FieldError>> {
    match serde_json::from_str::<Root>(text) {
        Ok(Root { object, repeated }) if repeated.is_empty() => Ok(object),
        Ok(Root { repeated, .. }) => Err(repeated
            .into_iter()
            .map(|name| FieldError::new(name, "stands in the entry more than once; give it once"))
            .collect()),
        Err(error) => refused(format!("is not valid JSON: {error}")),
    }
}

fn refused<T>(reason: String) -> Result<T, Vec<FieldError>> {
    Err(vec![FieldError::new("", reason)])
}

/// Reads only the members that [`super::access`] and the date need: every stored entry is
/// matched, few are rendered. Damaged bytes have no members.
pub(super) fn for_matching(bytes: &[u8]) -> Object {
    of_bytes(bytes, MATCHED)
}

/// Reads only the members that [`super::topic`] needs.
pub(super) fn for_searching(bytes: &[u8]) -> Object {
    of_bytes(bytes, SEARCHED)
}

/// The texts of the same members, in the order in which they were sent; `None` for damaged bytes.
pub(super) fn texts_for_searching(bytes: &[u8]) -> Option<Vec<(&'static str, &str)>> {
    let mut reader = serde_json::Deserializer::from_str(std::str::from_utf8(bytes).ok()?);
    let texts = reader.deserialize_map(Texts(SEARCHED)).ok()?;
    reader.end().ok()?;
    Some(texts)
}

fn of_bytes(bytes: &[u8], names: &[&str]) -> Object {
    let keeps = |of: &str, name: &str| !of.is_empty() || names.contains(&name);
    std::str::from_utf8(bytes).map(|text| some_of(text, &keeps)).unwrap_or_default()
}

/// Whether a member is kept, by the name of the object that it stands in, empty for the entry
/// itself, and by its own. What stands deeper than that is kept with what it stands in.
pub(super) type Keeps<'a> = &'a dyn Fn(&str, &str) -> bool;

/// Reads the members of a stored entry that are kept. A damaged text has no members.
pub(super) fn some_of(text: &str, keeps: Keeps<'_>) -> Object {
    let mut reader = serde_json::Deserializer::from_str(text);
    let object = Selected(keeps).deserialize(&mut reader);
    object.and_then(|object| reader.end().map(|()| object)).unwrap_or_default()
}

/// The text of a member. An empty text counts as left out.
pub(super) fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The object that a member holds.
pub(super) fn object_in<'a>(object: &'a Object, name: &str) -> Option<&'a Object> {
    object.get(name).and_then(Value::as_object)
}

/// The texts of a list; whatever else the list holds is passed over.
pub(super) fn texts<'a>(object: &'a Object, name: &str) -> impl Iterator<Item = &'a str> {
    object.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a member is there and says something.
pub(super) fn is_given(object: &Object, name: &str) -> bool {
    object.get(name).is_some_and(|value| !value.is_null())
}

/// Puts a derived value where nothing was given; a given value wins.
pub(super) fn fill(object: &mut Object, name: &str, derive: impl FnOnce() -> Value) {
    if !is_given(object, name) {
        object.insert(name.to_owned(), derive());
    }
}

fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for &byte in json {
        if in_text {
            (in_text, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

// `serde_json` keeps the last of two members with one name. At the top level that would let
// a reader that keeps the first one see another entry than we do.
struct Root {
    object: Object,
    repeated: Vec<String>,
}

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RootVisitor)
    }
}

struct RootVisitor;

impl<'de> Visitor<'de> for RootVisitor {
    type Value = Root;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Root, A::Error> {
        let mut root = Root { object: Object::new(), repeated: Vec::new() };
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            match root.object.entry(name) {
                Entry::Vacant(vacant) => {
                    vacant.insert(value);
                }
                Entry::Occupied(known) if root.repeated.len() < 10 && !root.repeated.contains(known.key()) => {
                    root.repeated.push(known.key().clone());
                }
                Entry::Occupied(_) => {}
            }
        }
        Ok(root)
    }
}

const MATCHED: &[&str] =
    &["accesses", "action", "resource", "kind", "key", "verbKind", "project", "tags", "views", "date", "timestamp"];

const SEARCHED: &[&str] = &[
    "accesses",
    "action",
    "resource",
    "kind",
    "key",
    "verbKind",
    "project",
    "tags",
    "views",
    "date",
    "timestamp",
    "name",
    "target",
    "member",
    "token",
];

/// A member's name, copied only where it is written with escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads the members of an entry that are kept, and passes over the others.
struct Selected<'a>(Keeps<'a>);

impl<'de> DeserializeSeed<'de> for Selected<'_> {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Selected<'_> {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object, A::Error> {
        // Room for what is derived, too: growing takes longer than reading.
        let room = Object::with_capacity(32);
        let read = |members: &mut A, name: &str| members.next_value_seed(Member { of: name, keeps: self.0 });
        kept_members(members, room, |name| (self.0)("", name), read)
    }
}

/// Reads the value of a member; of an object the members that are kept.
struct Member<'a> {
    of: &'a str,
    keeps: Keeps<'a>,
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Value, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Value, A::Error> {
        let keeps = |name: &str| (self.keeps)(self.of, name);
        kept_members(members, Object::with_capacity(8), keeps, |members, _| members.next_value()).map(Value::from)
    }
}

/// Adds the members that are kept to `object`, each as `read` reads it, and passes over the others.
fn kept_members<'de, A: MapAccess<'de>>(
    mut members: A,
    mut object: Object,
    keeps: impl Fn(&str) -> bool,
    read: impl Fn(&mut A, &str) -> Result<Value, A::Error>,
) -> Result<Object, A::Error> {
    while let Some(Name(name)) = members.next_key()? {
        if keeps(&name) {
            let value = read(&mut members, &name)?;
            object.insert(name.into_owned(), value);
        } else {
            members.next_value::<IgnoredAny>()?;
        }
    }
    Ok(object)
}

/// Keeps the members of these names as they were sent.
struct Texts(&'static [&'static str]);

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<(&'static str, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(name) = members.next_key::<Name<'_>>()? {
            match self.0.iter().find(|wanted| **wanted == name.0) {
                Some(name) => texts.push((*name, members.next_value::<&RawValue>()?.get())),
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(texts)
    }
}
