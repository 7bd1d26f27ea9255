//! JSON Patch (RFC 6902) on the documents of things that users change.
//!
//! Two differences from the RFC, both because existing clients count on them: `replace` of a
//! member that is absent adds it, and only the members that users may write are reached.
//! No operation may read a secret: its answer would tell whether a guess was right.

use serde_json::Value;

/// The most bytes that the operations of one patch may add together.
const ADDED_BYTES_MAX: usize = 1024 * 1024;
/// How deep a patched document may be nested.
const DEPTH_MAX: usize = 64;

/// One operation of a patch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operation {
    pub(crate) path: Pointer,
    pub(crate) kind: Kind,
}

/// What an operation does to its path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Add(Value),
    Remove,
    Replace(Value),
    Move(Pointer),
    Copy(Pointer),
    Test(Value),
}

/// A JSON Pointer (RFC 6901): the unescaped names from the outside in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer(pub(crate) Vec<String>);

/// Why a patch was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The operation at this place cannot be done, and what it should be.
    Invalid(usize, &'static str, String),
    /// The `test` at this place found another value.
    Test(usize),
}

/// What operations may reach.
pub(crate) struct Bounds<'a> {
    /// Members of the document that may be written.
    pub(crate) writable: &'a [&'a str],
    /// Whether what a pointer with these names leads to may be read; it holds no secret then.
    pub(crate) readable: &'a dyn Fn(&[String]) -> bool,
}

impl Pointer {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err("must be a JSON Pointer such as /config/url");
        };
        rest.split('/').map(unescape).collect::<Option<_>>().map(Self).ok_or("must write ~ as ~0 and / as ~1")
    }

    fn split_last(&self) -> Option<(&String, &[String])> {
        self.0.split_last()
    }

    fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

fn unescape(token: &str) -> Option<String> {
    let valid = token.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    valid.then(|| token.replace("~1", "/").replace("~0", "~"))
}

impl Operation {
    /// Reads one operation.
    ///
    /// # Errors
    /// The member that is wrong, and why.
    pub(crate) fn parse(value: &Value) -> Result<Self, (&'static str, String)> {
        let Some(members) = value.as_object() else {
            return Err(("", "must be an object with op and path".to_owned()));
        };
        let pointer = |name: &'static str| match members.get(name).and_then(Value::as_str) {
            Some(text) => Pointer::parse(text).map_err(|reason| (name, reason.to_owned())),
            None => Err((name, "is missing or not a string".to_owned())),
        };
        let value = || members.get("value").cloned().ok_or(("value", "is missing".to_owned()));
        let op = members.get("op").and_then(Value::as_str).unwrap_or_default();
        let kind = match op {
            "add" => Kind::Add(value()?),
            "remove" => Kind::Remove,
            "replace" => Kind::Replace(value()?),
            "move" => Kind::Move(pointer("from")?),
            "copy" => Kind::Copy(pointer("from")?),
            "test" => Kind::Test(value()?),
            _ => return Err(("op", "must be add, remove, replace, move, copy or test".to_owned())),
        };
        Ok(Self { path: pointer("path")?, kind })
    }
}

/// Applies the operations in order. On failure the document is left half changed, so it has to
/// be a copy.
pub(crate) fn apply(document: &mut Value, operations: &[Operation], bounds: &Bounds<'_>) -> Result<(), Failure> {
    let mut room = ADDED_BYTES_MAX;
    for (place, operation) in operations.iter().enumerate() {
        let invalid = |(member, reason): (&'static str, String)| Failure::Invalid(place, member, reason);
        bounds.check(operation).map_err(invalid)?;
        if let Kind::Test(expected) = &operation.kind {
            if get(document, &operation.path.0) != Some(expected) {
                return Err(Failure::Test(place));
            }
            continue;
        }
        apply_one(document, operation, &mut room).map_err(invalid)?;
    }
    Ok(())
}

type Refusal = (&'static str, String);

fn apply_one(document: &mut Value, Operation { path, kind }: &Operation, room: &mut usize) -> Result<(), Refusal> {
    let at_path = |reason: &'static str| ("path", reason.to_owned());
    match kind {
        Kind::Add(value) => {
            check_size(value, path, room)?;
            add(document, path, value.clone()).map_err(at_path)
        }
        Kind::Remove => remove(document, path).map(drop).map_err(at_path),
        Kind::Replace(value) => {
            check_size(value, path, room)?;
            replace(document, path, value.clone()).map_err(at_path)
        }
        Kind::Move(from) => {
            if path.starts_with(from) && path != from {
                return Err(("from", "must not be moved into itself".to_owned()));
            }
            let value = remove(document, from).map_err(|reason| ("from", reason.to_owned()))?;
            check_size(&value, path, room)?;
            add(document, path, value).map_err(at_path)
        }
        Kind::Copy(from) => {
            let value = get(document, &from.0).ok_or(("from", "is not there".to_owned()))?;
            check_size(value, path, room)?;
            let value = value.clone();
            add(document, path, value).map_err(at_path)
        }
        // Judged by the caller, for it fails in another way.
        Kind::Test(_) => Ok(()),
    }
}

impl Bounds<'_> {
    fn check(&self, operation: &Operation) -> Result<(), Refusal> {
        match &operation.kind {
            Kind::Test(_) => self.check_read("path", &operation.path),
            Kind::Add(_) | Kind::Remove | Kind::Replace(_) => self.check_write("path", &operation.path),
            Kind::Move(from) => {
                self.check_read("from", from)?;
                self.check_write("from", from)?;
                self.check_write("path", &operation.path)
            }
            Kind::Copy(from) => {
                self.check_read("from", from)?;
                self.check_write("path", &operation.path)
            }
        }
    }

    fn check_write(&self, member: &'static str, pointer: &Pointer) -> Result<(), Refusal> {
        let first = pointer.0.first().map(String::as_str);
        if first.is_some_and(|first| self.writable.contains(&first)) {
            return Ok(());
        }
        Err((member, format!("must begin with one of /{}; nothing else can be changed", self.writable.join(", /"))))
    }

    fn check_read(&self, member: &'static str, pointer: &Pointer) -> Result<(), Refusal> {
        let readable = (self.readable)(&pointer.0);
        if readable { Ok(()) } else { Err((member, "holds a secret, which no operation may read".to_owned())) }
    }
}

fn check_size(value: &Value, path: &Pointer, room: &mut usize) -> Result<(), Refusal> {
    let too_large = || ("value", "makes the whole too large".to_owned());
    *room = room.checked_sub(size(value)).ok_or_else(too_large)?;
    if path.0.len() + depth(value) > DEPTH_MAX { Err(too_large()) } else { Ok(()) }
}

/// About the bytes of the value as JSON text.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| size(item) + 1).sum::<usize>(),
        Value::Object(members) => 2 + members.iter().map(|(name, member)| name.len() + 4 + size(member)).sum::<usize>(),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn get<'a>(document: &'a Value, tokens: &[String]) -> Option<&'a Value> {
    tokens.iter().try_fold(document, |value, token| match value {
        Value::Object(members) => members.get(token),
        Value::Array(items) => items.get(index(token)?),
        _ => None,
    })
}

const NO_PARENT: &str = "leads through something that is not there";
const NOT_THERE: &str = "is not there";
const BAD_INDEX: &str = "is not a place in this list";

fn parent_of<'a, 'b>(document: &'a mut Value, path: &'b Pointer) -> Result<(&'a mut Value, &'b str), &'static str> {
    let (last, before) = path.split_last().ok_or("must not be the whole document")?;
    let parent = before.iter().try_fold(document, |value, token| match value {
        Value::Object(members) => members.get_mut(token),
        Value::Array(items) => items.get_mut(index(token)?),
        _ => None,
    });
    Ok((parent.ok_or(NO_PARENT)?, last))
}

fn add(document: &mut Value, path: &Pointer, value: Value) -> Result<(), &'static str> {
    let (parent, last) = parent_of(document, path)?;
    match parent {
        Value::Object(members) => {
            members.insert(last.to_owned(), value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let at = index(last).filter(|at| *at <= items.len()).ok_or(BAD_INDEX)?;
            items.insert(at, value);
        }
        _ => return Err(NO_PARENT),
    }
    Ok(())
}

fn remove(document: &mut Value, path: &Pointer) -> Result<Value, &'static str> {
    let (parent, last) = parent_of(document, path)?;
    match parent {
        Value::Object(members) => members.shift_remove(last).ok_or(NOT_THERE),
        Value::Array(items) => {
            let at = index(last).filter(|at| *at < items.len()).ok_or(BAD_INDEX)?;
            Ok(items.remove(at))
        }
        _ => Err(NO_PARENT),
    }
}

fn replace(document: &mut Value, path: &Pointer, value: Value) -> Result<(), &'static str> {
    let (parent, last) = parent_of(document, path)?;
    match parent {
        // An absent member is added: clients replace what was never set.
        Value::Object(members) => {
            members.insert(last.to_owned(), value);
        }
        Value::Array(items) => {
            let item = index(last).and_then(|at| items.get_mut(at)).ok_or(BAD_INDEX)?;
            *item = value;
        }
        _ => return Err(NO_PARENT),
    }
    Ok(())
}

/// A place in a list, without leading zeros or a sign.
fn index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|byte| byte.is_ascii_digit()) && (token.len() == 1 || !token.starts_with('0'));
    if plain { token.parse().ok() } else { None }
}

/// Applies a merge patch (RFC 7386): members of `patch` win, `null` removes.
pub(crate) fn merge(document: &mut Value, patch: &Value) {
    let Some(members) = patch.as_object() else {
        *document = patch.clone();
        return;
    };
    if !document.is_object() {
        *document = Value::Object(serde_json::Map::new());
    }
    let Some(target) = document.as_object_mut() else { return };
    for (name, member) in members {
        if member.is_null() {
            target.shift_remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), member);
        }
    }
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
