//! From JSON to statements, with every mistake named.

use domain::FieldError;
use serde_json::{Map, Value};

use crate::{
    glob::Glob,
    specifier::Specifier,
    statement::{Effect, Set, Statement},
};

/// Most statements of a policy.
pub const STATEMENTS_MAX: usize = 64;
/// Most specifiers in `resources` or `notResources` of one statement.
pub const SPECIFIERS_MAX: usize = 256;
/// Most patterns in `actions` or `notActions` of one statement.
pub const ACTIONS_MAX: usize = 256;
/// Longest specifier, in bytes of UTF-8.
pub const SPECIFIER_BYTES_MAX: usize = 1024;
/// Longest action pattern, in bytes.
pub const ACTION_BYTES_MAX: usize = 256;

/// One of the two pairs of members, of which a statement has exactly one each.
struct Pair<T> {
    only: &'static str,
    all_but: &'static str,
    items_max: usize,
    parse: fn(&str) -> Result<T, String>,
}

const RESOURCES: Pair<Specifier> =
    Pair { only: "resources", all_but: "notResources", items_max: SPECIFIERS_MAX, parse: specifier };
const ACTIONS: Pair<Glob> = Pair { only: "actions", all_but: "notActions", items_max: ACTIONS_MAX, parse: action };

pub(crate) fn statements(value: &Value) -> Result<Vec<Statement>, Vec<FieldError>> {
    let Some(values) = value.as_array() else {
        return Err(vec![FieldError::new("", "must be an array of statements")]);
    };
    if values.len() > STATEMENTS_MAX {
        let reason = format!("has {} statements; at most {STATEMENTS_MAX} are allowed", values.len());
        return Err(vec![FieldError::new("", reason)]);
    }
    let mut statements = Vec::with_capacity(values.len());
    let mut mistakes = Vec::new();
    for (place, value) in values.iter().enumerate() {
        match statement(value) {
            Ok(statement) => statements.push(statement),
            Err(found) => mistakes.extend(found.into_iter().map(|mistake| mistake.within(&format!("[{place}]")))),
        }
    }
    if mistakes.is_empty() { Ok(statements) } else { Err(mistakes) }
}

fn statement(value: &Value) -> Result<Statement, Vec<FieldError>> {
    let Some(members) = value.as_object() else {
        return Err(vec![FieldError::new("", "must be an object with effect, resources and actions")]);
    };
    let mut mistakes = Vec::new();
    let effect = effect(members, &mut mistakes);
    let resources = RESOURCES.read(members, &mut mistakes);
    let actions = ACTIONS.read(members, &mut mistakes);
    match (effect, resources, actions) {
        (Some(effect), Some(resources), Some(actions)) if mistakes.is_empty() => {
            Ok(Statement { effect, resources, actions })
        }
        _ => Err(mistakes),
    }
}

fn effect(members: &Map<String, Value>, mistakes: &mut Vec<FieldError>) -> Option<Effect> {
    match members.get("effect").and_then(Value::as_str) {
        Some("allow") => Some(Effect::Allow),
        Some("deny") => Some(Effect::Deny),
        _ => {
            mistakes.push(FieldError::new("effect", "must be \"allow\" or \"deny\""));
            None
        }
    }
}

impl<T> Pair<T> {
    fn read(&self, members: &Map<String, Value>, mistakes: &mut Vec<FieldError>) -> Option<Set<T>> {
        let (only, all_but) = (self.only, self.all_but);
        match (given(members, only), given(members, all_but)) {
            (Some(value), None) => self.items(only, value, mistakes).map(Set::Only),
            (None, Some(value)) => self.items(all_but, value, mistakes).map(|patterns| Set::AllBut(Box::new(patterns))),
            (Some(first), Some(second)) => {
                self.items(only, first, mistakes);
                self.items(all_but, second, mistakes);
                let reason = format!("cannot stand beside {only}; a statement has one of the two");
                mistakes.push(FieldError::new(all_but, reason));
                None
            }
            (None, None) => {
                let reason = format!("is missing or empty; a statement has either {only} or {all_but}");
                mistakes.push(FieldError::new(only, reason));
                None
            }
        }
    }

    fn items(&self, member: &str, value: &Value, mistakes: &mut Vec<FieldError>) -> Option<Box<[T]>> {
        let Some(values) = value.as_array() else {
            mistakes.push(FieldError::new(member, "must be an array of strings"));
            return None;
        };
        if values.len() > self.items_max {
            let reason = format!("has {} items; at most {} are allowed", values.len(), self.items_max);
            mistakes.push(FieldError::new(member, reason));
            return None;
        }
        let mut items = Vec::with_capacity(values.len());
        for (place, value) in values.iter().enumerate() {
            let item = value.as_str().ok_or_else(|| "must be a string".to_owned()).and_then(self.parse);
            match item {
                Ok(item) => items.push(item),
                Err(reason) => mistakes.push(FieldError::new(format!("{member}[{place}]"), reason)),
            }
        }
        Some(items.into())
    }
}

// Clients that know only one member of a pair send the other one as null or empty.
fn given<'a>(members: &'a Map<String, Value>, member: &str) -> Option<&'a Value> {
    members.get(member).filter(|value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()))
}

fn specifier(text: &str) -> Result<Specifier, String> {
    check_length(text, SPECIFIER_BYTES_MAX)?;
    Specifier::parse(text).map_err(|error| error.to_string())
}

fn action(text: &str) -> Result<Glob, String> {
    check_length(text, ACTION_BYTES_MAX)?;
    let is_valid = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '*' | '.' | '_' | '-' | ':'));
    if is_valid {
        Ok(Glob::new(text))
    } else {
        Err(format!(
            "{text:?} is not an action: a letter or *, then letters, digits, *, dot, dash, underscore or colon"
        ))
    }
}

fn check_length(text: &str, bytes_max: usize) -> Result<(), String> {
    if text.len() > bytes_max {
        return Err(format!("is {} bytes long; at most {bytes_max} are allowed", text.len()));
    }
    Ok(())
}
