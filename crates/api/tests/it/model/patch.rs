//! What a change of a document comes to, after RFC 6902, RFC 7386 and docs/api.md.

use serde_json::{Value, json};

/// Why a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It cannot be read.
    Unreadable,
    /// It cannot be done.
    Impossible,
    /// A `test` found another value.
    OtherValue,
}

/// What may be done to a document.
pub(super) struct Rules {
    /// Members that can be changed.
    pub(super) writable: &'static [&'static str],
    /// Members that a merge may not name, beside those that begin with `_`.
    pub(super) fixed: &'static [&'static str],
    /// A member with secrets in it, and what in it is none.
    pub(super) guarded: Option<(&'static str, &'static [&'static str])>,
}

impl Rules {
    fn may_write(&self, pointer: &[String]) -> bool {
        pointer.first().is_some_and(|first| self.writable.contains(&first.as_str()))
    }

    fn may_read(&self, pointer: &[String]) -> bool {
        let Some((member, public)) = self.guarded else { return true };
        match pointer {
            [] => false,
            [first] => first != member,
            [first, name, ..] => first != member || public.contains(&name.as_str()),
        }
    }
}

/// The document after a change in any of its forms.
pub(super) fn changed(document: &Value, change: &Value, rules: &Rules) -> Result<Value, Refused> {
    let mut document = document.clone();
    let operations = match change {
        Value::Array(operations) => operations,
        Value::Object(members) => {
            if members.get("comment").is_some_and(|comment| !comment.is_string()) {
                return Err(Refused::Unreadable);
            }
            match (members.get("patch"), members.get("merge")) {
                (Some(Value::Array(operations)), None) => operations,
                (None, Some(merge @ Value::Object(members))) => {
                    if members.keys().any(|name| name.starts_with('_') || rules.fixed.contains(&name.as_str())) {
                        return Err(Refused::Unreadable);
                    }
                    merged(&mut document, merge);
                    return Ok(document);
                }
                _ => return Err(Refused::Unreadable),
            }
        }
        _ => return Err(Refused::Unreadable),
    };
    let read: Vec<_> = operations.iter().map(operation).collect::<Option<_>>().ok_or(Refused::Unreadable)?;
    for (name, path, from, value) in read {
        apply(&mut document, (&name, &path, from.as_deref(), &value), rules)?;
    }
    Ok(document)
}

type Operation = (String, Vec<String>, Option<Vec<String>>, Value);

fn operation(value: &Value) -> Option<Operation> {
    let name = value["op"].as_str()?;
    let path = pointer(&value["path"])?;
    let given = value.get("value").cloned();
    match name {
        "add" | "replace" | "test" => Some((name.to_owned(), path, None, given?)),
        "move" | "copy" => Some((name.to_owned(), path, Some(pointer(&value["from"])?), Value::Null)),
        "remove" => Some((name.to_owned(), path, None, Value::Null)),
        _ => None,
    }
}

fn pointer(value: &Value) -> Option<Vec<String>> {
    let text = value.as_str()?;
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.strip_prefix('/').map(|rest| rest.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect())
}

fn apply(
    document: &mut Value,
    (name, path, from, value): (&str, &[String], Option<&[String]>, &Value),
    rules: &Rules,
) -> Result<(), Refused> {
    let allowed = |is_allowed: bool| if is_allowed { Ok(()) } else { Err(Refused::Impossible) };
    let from = from.unwrap_or_default();
    match name {
        "test" => {
            allowed(rules.may_read(path))?;
            let is_same = at(document, path) == Some(value);
            return if is_same { Ok(()) } else { Err(Refused::OtherValue) };
        }
        "move" => {
            allowed(rules.may_read(from) && rules.may_write(from) && rules.may_write(path))?;
            allowed(path == from || !path.starts_with(from))?;
            let value = at(document, from).cloned().ok_or(Refused::Impossible)?;
            remove(document, from)?;
            return add(document, path, value);
        }
        "copy" => {
            allowed(rules.may_read(from) && rules.may_write(path))?;
            let value = at(document, from).cloned().ok_or(Refused::Impossible)?;
            return add(document, path, value);
        }
        _ => allowed(rules.may_write(path))?,
    }
    match name {
        "add" => add(document, path, value.clone()),
        "remove" => remove(document, path),
        _ => {
            // A member that is not there is added, an item of a list is not.
            let is_item = parent(document, path).is_some_and(|parent| parent.is_array());
            if is_item {
                *at_mut(document, path).ok_or(Refused::Impossible)? = value.clone();
                return Ok(());
            }
            add(document, path, value.clone())
        }
    }
}

fn at<'a>(document: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(document, |place, name| match place {
        Value::Object(members) => members.get(name),
        Value::Array(items) => items.get(place_of(name)?),
        _ => None,
    })
}

fn at_mut<'a>(document: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(document, |place, name| match place {
        Value::Object(members) => members.get_mut(name),
        Value::Array(items) => items.get_mut(place_of(name)?),
        _ => None,
    })
}

fn parent<'a>(document: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    at_mut(document, path.split_last()?.1)
}

fn place_of(name: &str) -> Option<usize> {
    let place: usize = name.parse().ok()?;
    (place.to_string() == name).then_some(place)
}

fn add(document: &mut Value, path: &[String], value: Value) -> Result<(), Refused> {
    let last = path.last().ok_or(Refused::Impossible)?;
    match parent(document, path) {
        Some(Value::Object(members)) => {
            members.insert(last.clone(), value);
            Ok(())
        }
        Some(Value::Array(items)) => {
            let place = if last == "-" { Some(items.len()) } else { place_of(last) };
            let place = place.filter(|place| *place <= items.len()).ok_or(Refused::Impossible)?;
            items.insert(place, value);
            Ok(())
        }
        _ => Err(Refused::Impossible),
    }
}

fn remove(document: &mut Value, path: &[String]) -> Result<(), Refused> {
    at(document, path).ok_or(Refused::Impossible)?;
    let last = path.last().ok_or(Refused::Impossible)?;
    match parent(document, path) {
        Some(Value::Object(members)) => drop(members.remove(last)),
        Some(Value::Array(items)) => drop(items.remove(place_of(last).ok_or(Refused::Impossible)?)),
        _ => return Err(Refused::Impossible),
    }
    Ok(())
}

fn merged(document: &mut Value, merge: &Value) {
    let Value::Object(members) = merge else {
        *document = merge.clone();
        return;
    };
    if !document.is_object() {
        *document = json!({});
    }
    for (name, value) in members {
        if value.is_null() {
            document.as_object_mut().expect("is an object").remove(name);
        } else {
            merged(&mut document[name], value);
        }
    }
}
