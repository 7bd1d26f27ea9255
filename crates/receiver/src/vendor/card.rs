//! The parts of the Adaptive Card schema that a message in a channel uses: <https://adaptivecards.io/explorer/>.

use serde_json::{Map, Value};

/// Versions that Teams renders in a message of a webhook.
const VERSIONS: [&str; 6] = ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"];
const DEPTH_MAX: usize = 32;

const ENUMS: [(&str, &[&str]); 6] = [
    ("color", &["default", "dark", "light", "accent", "good", "warning", "attention"]),
    ("horizontalAlignment", &["left", "center", "right"]),
    ("size", &["auto", "stretch", "default", "small", "medium", "large", "extralarge"]),
    ("spacing", &["default", "none", "small", "medium", "large", "extralarge", "padding"]),
    ("weight", &["default", "lighter", "bolder"]),
    ("fontType", &["default", "monospace"]),
];

/// Why `content` is no card that a channel shows; `Ok` where it is one.
pub(super) fn check(content: &Value) -> Result<(), String> {
    let Value::Object(card) = content else { return Err("the content is an object".to_owned()) };
    if text(card, "type") != Some("AdaptiveCard") {
        return Err("the type of the content is AdaptiveCard".to_owned());
    }
    if !text(card, "version").is_some_and(|version| VERSIONS.contains(&version)) {
        return Err(format!("version is one of {}", VERSIONS.join(", ")));
    }
    if text(card, "$schema").is_none_or(|schema| !schema.ends_with("//adaptivecards.io/schemas/adaptive-card.json"))
        && card.contains_key("$schema")
    {
        return Err("$schema is http://adaptivecards.io/schemas/adaptive-card.json".to_owned());
    }
    if card.get("body").and_then(Value::as_array).is_none_or(Vec::is_empty) && !card.contains_key("actions") {
        return Err("a card has a body".to_owned());
    }
    list(card, "body", 0, element)?;
    list(card, "actions", 0, action)
}

type Check = fn(&Map<String, Value>, usize) -> Result<(), String>;

fn list(owner: &Map<String, Value>, key: &str, depth: usize, check: Check) -> Result<(), String> {
    let Some(value) = owner.get(key) else { return Ok(()) };
    if depth > DEPTH_MAX {
        return Err("the card is nested too deep".to_owned());
    }
    let Value::Array(items) = value else { return Err(format!("{key} is a list")) };
    for (at, item) in items.iter().enumerate() {
        let Value::Object(item) = item else { return Err(format!("{key}[{at}] is an object")) };
        check(item, depth + 1).map_err(|reason| format!("{key}[{at}]: {reason}"))?;
    }
    Ok(())
}

fn element(element: &Map<String, Value>, depth: usize) -> Result<(), String> {
    for (key, allowed) in ENUMS {
        match element.get(key) {
            None => {}
            Some(Value::String(value)) if allowed.contains(&value.to_lowercase().as_str()) => {}
            Some(value) => return Err(format!("{value} is no {key}")),
        }
    }
    for key in ["wrap", "separator", "isSubtle", "isVisible"] {
        if element.get(key).is_some_and(|value| !value.is_boolean()) {
            return Err(format!("{key} is true or false"));
        }
    }
    match text(element, "type") {
        Some("TextBlock") => text(element, "text").map(drop).ok_or_else(|| "a TextBlock has a text".to_owned()),
        Some("RichTextBlock") => match element.get("inlines") {
            Some(Value::Array(_)) => Ok(()),
            _ => Err("a RichTextBlock has inlines".to_owned()),
        },
        Some("FactSet") => {
            required_list(element, "facts")?;
            list(element, "facts", depth, fact)
        }
        Some("Image") => url(element),
        Some("ImageSet") => list(element, "images", depth, self::element),
        Some("Container") => {
            required_list(element, "items")?;
            list(element, "items", depth, self::element)
        }
        Some("ColumnSet") => list(element, "columns", depth, column),
        Some("ActionSet") => {
            required_list(element, "actions")?;
            list(element, "actions", depth, action)
        }
        Some("Table") => list(element, "rows", depth, |_, _| Ok(())),
        Some(other) => Err(format!("{other} is no element")),
        None => Err("an element has a type".to_owned()),
    }
}

fn column(column: &Map<String, Value>, depth: usize) -> Result<(), String> {
    match text(column, "type") {
        None | Some("Column") => list(column, "items", depth, element),
        Some(other) => Err(format!("{other} is no Column")),
    }
}

fn fact(fact: &Map<String, Value>, _depth: usize) -> Result<(), String> {
    match (text(fact, "title"), text(fact, "value")) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err("a fact has a title and a value that are text".to_owned()),
    }
}

fn action(action: &Map<String, Value>, _depth: usize) -> Result<(), String> {
    match text(action, "type") {
        Some("Action.OpenUrl") => url(action),
        Some("Action.ShowCard") => check(action.get("card").unwrap_or(&Value::Null)),
        Some("Action.Submit" | "Action.Execute" | "Action.ToggleVisibility") => Ok(()),
        _ => Err("an action has a known type".to_owned()),
    }
}

fn url(owner: &Map<String, Value>) -> Result<(), String> {
    let absolute = |url: &str| ["https://", "http://", "mailto:", "data:image/"].iter().any(|s| url.starts_with(s));
    if text(owner, "url").is_some_and(absolute) { Ok(()) } else { Err("url is an absolute URL".to_owned()) }
}

fn required_list(owner: &Map<String, Value>, key: &str) -> Result<(), String> {
    if owner.contains_key(key) { Ok(()) } else { Err(format!("{key} is missing")) }
}

fn text<'v>(owner: &'v Map<String, Value>, key: &str) -> Option<&'v str> {
    owner.get(key).and_then(Value::as_str)
}
