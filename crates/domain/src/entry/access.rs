//! What an entry says was done to what.

use std::borrow::Cow;

use serde_json::Value;

use super::read::{Object, is_given, object_in, text, texts};
use crate::{Access, FieldError, Resource, Segment};

/// The most accesses of one entry.
pub(super) const ACCESSES_MAX: usize = 1_000;

/// The longest action, in bytes.
pub(super) const ACTION_BYTES_MAX: usize = 128;

/// An access as the entry names it.
pub(super) struct Named<'a> {
    pub(super) action: &'a str,
    pub(super) resource: Cow<'a, str>,
}

/// The accesses of an entry as texts, in the first of the three forms that it uses.
pub(super) fn named(root: &Object) -> Vec<Named<'_>> {
    let listed = root.get("accesses").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if !listed.is_empty() {
        return listed
            .iter()
            .filter_map(|access| {
                let access = access.as_object()?;
                Some(Named { action: text(access, "action")?, resource: text(access, "resource")?.into() })
            })
            .collect();
    }
    if let (Some(action), Some(resource)) = (text(root, "action"), text(root, "resource")) {
        return vec![Named { action, resource: resource.into() }];
    }
    match (text(root, "verbKind"), resource_of_kind(root)) {
        (Some(action), Ok(resource)) => vec![Named { action, resource: resource.into() }],
        _ => Vec::new(),
    }
}

/// The accesses for policies: with the tags, properties and views that stand elsewhere in the entry.
pub(super) fn accesses(root: &Object) -> Vec<Access> {
    named(root)
        .into_iter()
        .filter_map(|named| {
            let resource = completed(&named.resource, root)?;
            Some(Access { action: named.action.to_owned(), resource })
        })
        .collect()
}

/// The resource of this text with what stands elsewhere in the entry.
pub(super) fn completed(text: &str, root: &Object) -> Option<Resource> {
    let mut resource = Resource::parse(text).ok()?;
    complete(&mut resource, root);
    Some(resource)
}

/// Every mistake in the accesses.
pub(super) fn check(root: &Object, mistakes: &mut Vec<FieldError>) {
    match root.get("accesses") {
        Some(Value::Array(accesses)) if accesses.len() > ACCESSES_MAX => {
            mistakes.push(FieldError::new("accesses", format!("must hold at most {ACCESSES_MAX} accesses")));
        }
        Some(Value::Array(accesses)) if !accesses.is_empty() => {
            for (index, access) in accesses.iter().enumerate() {
                check_listed(&format!("accesses[{index}]"), access, mistakes);
            }
        }
        None | Some(Value::Null | Value::Array(_)) => check_unlisted(root, mistakes),
        Some(_) => mistakes.push(FieldError::new("accesses", format!("must be {LIST_FORM}"))),
    }
}

const LIST_FORM: &str = "a list of {\"action\": text, \"resource\": text}";

const MISSING: &str = "are missing: give accesses: [{action, resource}], or action and resource, \
                       or kind, key and verbKind";

fn check_listed(path: &str, access: &Value, mistakes: &mut Vec<FieldError>) {
    let Some(access) = access.as_object() else {
        mistakes.push(FieldError::new(path, "must be {\"action\": text, \"resource\": text}"));
        return;
    };
    let mut checked = Vec::new();
    check_action("action", access.get("action"), &mut checked);
    check_resource(access.get("resource"), &mut checked);
    mistakes.extend(checked.into_iter().map(|mistake| mistake.within(path)));
}

fn check_unlisted(root: &Object, mistakes: &mut Vec<FieldError>) {
    if is_given(root, "action") || is_given(root, "resource") {
        check_action("action", root.get("action"), mistakes);
        check_resource(root.get("resource"), mistakes);
    } else if root.get("kind").is_some_and(Value::is_string) {
        check_action("verbKind", root.get("verbKind"), mistakes);
        match resource_of_kind(root) {
            Err(mistake) => mistakes.push(mistake),
            Ok(resource) => {
                if let Err(error) = Resource::parse(&resource) {
                    mistakes.push(FieldError::new("kind", format!("and key do not make a resource: it {error}")));
                }
            }
        }
    } else {
        mistakes.push(FieldError::new("accesses", MISSING));
    }
}

fn check_action(path: &str, action: Option<&Value>, mistakes: &mut Vec<FieldError>) {
    if !action.and_then(Value::as_str).is_some_and(is_action) {
        let reason = format!(
            "must be the name of an action, such as updateOn: a letter, then letters, digits and _ . : -, \
             at most {ACTION_BYTES_MAX} in all"
        );
        mistakes.push(FieldError::new(path, reason));
    }
}

pub(super) fn is_action(text: &str) -> bool {
    text.len() <= ACTION_BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
}

fn check_resource(resource: Option<&Value>, mistakes: &mut Vec<FieldError>) {
    match resource.and_then(Value::as_str) {
        None => {
            mistakes.push(FieldError::new("resource", "must be a text such as proj/shop:env/production:flag/checkout"));
        }
        Some(text) => {
            if let Err(error) = Resource::parse(text) {
                mistakes.push(FieldError::new("resource", error.to_string()));
            }
        }
    }
}

/// The resource that `kind`, `key`, `project.key` and `project.environment.key` name.
fn resource_of_kind(root: &Object) -> Result<String, FieldError> {
    let kind = match text(root, "kind") {
        Some("account" | "acct") => return Ok("acct".to_owned()),
        Some("project") => "proj",
        Some("environment") => "env",
        Some(kind) => kind,
        None => return Err(FieldError::new("kind", "must not be empty")),
    };
    let project = object_in(root, "project");
    let environment = project.and_then(|project| object_in(project, "environment"));
    let project_key = project.and_then(|project| text(project, "key")).map(|key| ("project.key", key));
    let environment_key =
        environment.and_then(|environment| text(environment, "key")).map(|key| ("project.environment.key", key));
    let key = text(root, "key").map(|key| ("key", key));
    let (project_key, environment_key, key) = match kind {
        "proj" => (None, None, key.or(project_key)),
        "env" => (project_key, None, key.or(environment_key)),
        _ => (project_key, environment_key, key),
    };
    let key = key.ok_or_else(|| FieldError::new("key", "must be given with kind, or give accesses"))?;
    let mut resource = String::new();
    for (kind, part) in [("proj", project_key), ("env", environment_key), (kind, Some(key))] {
        let Some((path, name)) = part else { continue };
        // A colon or a semicolon in a key would make it other segments or selectors.
        if name.chars().any(|character| ":;,{}".contains(character) || character.is_control()) {
            return Err(FieldError::new(path, "must not hold : ; , { } or a control character"));
        }
        if !resource.is_empty() {
            resource.push(':');
        }
        resource.push_str(kind);
        resource.push('/');
        resource.push_str(name);
    }
    Ok(resource)
}

fn complete(resource: &mut Resource, root: &Object) {
    if let Some(project) = object_in(root, "project") {
        add_tags(segment_named(resource, "proj", text(project, "key")), project);
        if let Some(environment) = object_in(project, "environment")
            && let Some(segment) = segment_named(resource, "env", text(environment, "key"))
        {
            if let Some(critical) = environment.get("critical").and_then(Value::as_bool)
                && segment.properties.iter().all(|(name, _)| name != "critical")
            {
                segment.properties.push(("critical".to_owned(), critical.to_string()));
            }
            add_tags(Some(segment), environment);
        }
    }
    let last = resource.segments.last_mut();
    if let Some(last) = last {
        for view in texts(root, "views") {
            push_new(&mut last.views, view);
        }
        add_tags(Some(last), root);
    }
}

// What an entry says of one project does not hold for another one among its accesses.
fn segment_named<'a>(resource: &'a mut Resource, kind: &str, key: Option<&str>) -> Option<&'a mut Segment> {
    resource
        .segments
        .iter_mut()
        .find(|segment| segment.kind == kind)
        .filter(|segment| key.is_none_or(|key| key == segment.name))
}

fn add_tags(segment: Option<&mut Segment>, object: &Object) {
    if let Some(segment) = segment {
        for tag in texts(object, "tags") {
            push_new(&mut segment.tags, tag);
        }
    }
}

fn push_new(list: &mut Vec<String>, text: &str) {
    if list.iter().all(|known| known != text) {
        list.push(text.to_owned());
    }
}
