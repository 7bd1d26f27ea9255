//! The bodies in which a change may come.

use domain::FieldError;
use serde_json::{Map, Value, json};

use crate::{
    Conflict, Error, Settings,
    patch::{self, Bounds, Failure, Kind, Operation, Pointer},
};

/// What a change is made to.
pub(crate) struct Subject {
    /// Such as `a subscription`.
    pub(crate) noun: &'static str,
    /// Members that can be changed.
    pub(crate) writable: &'static [&'static str],
    /// Members that cannot, beside those that begin with `_`.
    pub(crate) fixed: &'static [&'static str],
    /// A member that old clients put beside the config.
    pub(crate) legacy: Option<&'static str>,
}

/// A change as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) comment: Option<String>,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    /// Where the operations stand in the body, and the operations.
    Patch(&'static str, Vec<Operation>),
    Merge(Value),
}

impl Edit {
    /// Reads a list of operations, `{comment, patch}` or `{comment, merge}`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake.
    pub(crate) fn parse(subject: &Subject, body: &Value, settings: &Settings) -> Result<Self, Error> {
        let members = match body {
            Value::Array(operations) => {
                return Ok(Self { comment: None, change: read_operations(subject, "", operations, settings)? });
            }
            Value::Object(members) => members,
            _ => return Err(Error::invalid(FORMS)),
        };
        let comment = read_comment(members, settings)?;
        let change = match (members.get("patch"), members.get("merge")) {
            (Some(Value::Array(operations)), None) => read_operations(subject, "patch", operations, settings)?,
            (None, Some(Value::Object(merge))) => read_merge(subject, merge)?,
            _ if members.contains_key("instructions") => {
                return Err(Error::invalid(format!("{} cannot be changed by instructions; {FORMS}", subject.noun)));
            }
            _ => return Err(Error::invalid(FORMS)),
        };
        Ok(Self { comment, change })
    }

    /// The document after the change. What pointers lead to secrets, `readable` tells.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what cannot be done, [`Error::Conflict`] for a failed `test`.
    pub(crate) fn apply(
        &self,
        subject: &Subject,
        mut document: Value,
        readable: &dyn Fn(&[String]) -> bool,
    ) -> Result<Value, Error> {
        match &self.change {
            Change::Merge(merge) => patch::merge(&mut document, merge),
            Change::Patch(list, operations) => {
                let bounds = Bounds { writable: subject.writable, readable };
                patch::apply(&mut document, operations, &bounds).map_err(|failure| match failure {
                    Failure::Test(operation) => Error::from(Conflict::Test { operation }),
                    Failure::Invalid(operation, member, reason) => {
                        let attribute = place(list, operation, member);
                        Error::mistakes("the patch cannot be applied", vec![FieldError::new(attribute, reason)])
                    }
                })?;
            }
        }
        Ok(document)
    }
}

/// Stands for a secret where a change is applied to see what it writes: what is still there
/// afterwards was not written. No secret is an object, so nobody can write it.
pub(crate) fn hidden() -> Value {
    json!({ "hidden": true })
}

const FORMS: &str = "the body must be a JSON Patch: an array of {op, path, value}, \
                     or {\"comment\": …, \"patch\": […]} or {\"comment\": …, \"merge\": {…}}";

fn read_comment(members: &Map<String, Value>, settings: &Settings) -> Result<Option<String>, Error> {
    let reason = match members.get("comment") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(comment)) if comment.chars().count() <= settings.comment_max_chars => {
            return Ok(Some(comment.clone()).filter(|comment| !comment.is_empty()));
        }
        Some(Value::String(_)) => format!("must not be longer than {} characters", settings.comment_max_chars),
        Some(_) => "must be a string".to_owned(),
    };
    Err(Error::mistakes("the comment is not valid", vec![FieldError::new("comment", reason)]))
}

fn read_operations(
    subject: &Subject,
    list: &'static str,
    values: &[Value],
    settings: &Settings,
) -> Result<Change, Error> {
    if values.len() > settings.patch_max_operations {
        return Err(Error::invalid(format!(
            "the patch has {} operations; at most {} are allowed",
            values.len(),
            settings.patch_max_operations
        )));
    }
    let mut operations = Vec::with_capacity(values.len());
    let mut mistakes = Vec::new();
    for (at, value) in values.iter().enumerate() {
        match Operation::parse(value) {
            Ok(operation) => operations.push(without_legacy(subject, operation)),
            Err((member, reason)) => mistakes.push(FieldError::new(place(list, at, member), reason)),
        }
    }
    if mistakes.is_empty() {
        Ok(Change::Patch(list, operations))
    } else {
        Err(Error::mistakes("the patch is not valid", mistakes))
    }
}

/// Such as `patch[2].op`.
fn place(list: &str, operation: usize, member: &str) -> String {
    FieldError::new(member, "").within(&format!("{list}[{operation}]")).attribute
}

/// Lets pointers to the legacy member lead to the one in the config.
fn without_legacy(subject: &Subject, Operation { mut path, mut kind }: Operation) -> Operation {
    let lead = |Pointer(tokens): &mut Pointer| {
        if let Some(first) = tokens.first()
            && Some(first.as_str()) == subject.legacy
        {
            tokens.insert(0, "config".to_owned());
        }
    };
    lead(&mut path);
    if let Kind::Move(from) | Kind::Copy(from) = &mut kind {
        lead(from);
    }
    Operation { path, kind }
}

fn read_merge(subject: &Subject, merge: &Map<String, Value>) -> Result<Change, Error> {
    let read_only = |name: &&String| name.starts_with('_') || subject.fixed.contains(&name.as_str());
    let mistakes: Vec<_> = merge
        .keys()
        .filter(read_only)
        .map(|name| FieldError::new(format!("merge.{name}"), "cannot be changed"))
        .collect();
    if !mistakes.is_empty() {
        return Err(Error::mistakes("the merge is not valid", mistakes));
    }
    let mut merge = merge.clone();
    if let Some(name) = subject.legacy
        && let Some(value) = merge.shift_remove(name)
        && let Value::Object(config) = merge.entry("config").or_insert_with(|| Value::Object(Map::new()))
    {
        config.entry(name).or_insert(value);
    }
    Ok(Change::Merge(Value::Object(merge)))
}
