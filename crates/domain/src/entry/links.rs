//! Addresses of a resource in the REST API and in the pages of the product.
//!
//! Only for the kinds whose addresses are known; a resource of any other kind has links only
//! where the producer gives them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::read::Object;

/// The path of the changed resource in the REST API.
pub(super) fn canonical(kind: &str, project: &str, key: &str) -> Option<String> {
    let key = segment(key)?;
    let in_project = |middle: &str| Some(format!("/api/v2/{middle}/{}/{key}", segment(project)?));
    match kind {
        "project" => Some(format!("/api/v2/projects/{key}")),
        "environment" => Some(format!("/api/v2/projects/{}/environments/{key}", segment(project)?)),
        "flag" => in_project("flags"),
        "metric" => in_project("metrics"),
        "webhook" => Some(format!("/api/v2/webhooks/{key}")),
        "member" => Some(format!("/api/v2/members/{key}")),
        "token" | "service-token" => Some(format!("/api/v2/tokens/{key}")),
        _ => None,
    }
}

/// The path of the page of the changed resource. `environment` is `~` for all of them.
pub(super) fn site(kind: &str, project: &str, environment: &str, key: &str) -> Option<String> {
    let in_environment = |middle: &str| {
        let environment = if environment == "~" { "~".to_owned() } else { segment(environment)? };
        Some(format!("/{}/{environment}/{middle}/{}", segment(project)?, segment(key)?))
    };
    match kind {
        "flag" => in_environment("features"),
        "segment" => in_environment("segments"),
        "project" | "environment" => Some("/settings/projects".to_owned()),
        "webhook" | "integration" => Some("/integrations".to_owned()),
        "member" => Some(format!("/settings/members/{}/permissions", segment(key)?)),
        _ => None,
    }
}

/// The path of the page of an entry.
pub(super) fn details(project: &str, environment: Option<&str>, id: &str) -> String {
    let id = segment(id).unwrap_or_default();
    match (segment(project), environment.and_then(segment)) {
        (Some(project), Some(environment)) => format!("/{project}/{environment}/audit/{id}/details"),
        _ => format!("/settings/history/{id}/details"),
    }
}

/// The path of an entry in the REST API.
pub(super) fn entry(id: &str) -> String {
    format!("/api/v2/auditlog/{}", segment(id).unwrap_or_default())
}

/// A link to JSON.
pub(super) fn api(href: &str) -> Value {
    json!({"href": href, "type": "application/json"})
}

/// A link to a page.
pub(super) fn page(href: &str) -> Value {
    json!({"href": href, "type": "text/html"})
}

/// Makes every href that begins with `/` absolute under `base`, which has no slash at its end.
pub(super) fn make_absolute(links: &mut Object, base: &str) {
    for link in links.values_mut() {
        if let Some(Value::String(href)) = link.get_mut("href")
            && href.starts_with('/')
        {
            href.insert_str(0, base);
        }
    }
}

/// An address without the characters that end a link in Markdown.
pub(super) fn in_markdown(href: &str) -> String {
    encode(href, |character| {
        !character.is_control() && !character.is_whitespace() && !"()<>[]\"\\`".contains(character)
    })
}

// A path segment; none for an empty name. Dots alone would be read as steps in the path.
fn segment(name: &str) -> Option<String> {
    if matches!(name, "" | "." | "..") {
        return None;
    }
    Some(encode(name, |character| character.is_ascii_alphanumeric() || "-._~@+".contains(character)))
}

fn encode(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        if stays(character) {
            encoded.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a `String` cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{canonical, details, in_markdown, site};

    #[test]
    fn known_kinds_have_addresses() {
        for (kind, api, page) in [
            ("flag", Some("/api/v2/flags/shop/k"), Some("/shop/production/features/k")),
            ("segment", None, Some("/shop/production/segments/k")),
            ("metric", Some("/api/v2/metrics/shop/k"), None),
            ("project", Some("/api/v2/projects/k"), Some("/settings/projects")),
            ("environment", Some("/api/v2/projects/shop/environments/k"), Some("/settings/projects")),
            ("member", Some("/api/v2/members/k"), Some("/settings/members/k/permissions")),
            ("webhook", Some("/api/v2/webhooks/k"), Some("/integrations")),
            ("integration", None, Some("/integrations")),
            ("service-token", Some("/api/v2/tokens/k"), None),
            ("invoice", None, None),
        ] {
            assert_eq!(canonical(kind, "shop", "k").as_deref(), api, "{kind}");
            assert_eq!(site(kind, "shop", "production", "k").as_deref(), page, "{kind}");
        }
    }

    #[test]
    fn names_cannot_change_the_shape_of_a_path() {
        assert_eq!(canonical("flag", "a/b", "c?d#e f").as_deref(), Some("/api/v2/flags/a%2Fb/c%3Fd%23e%20f"));
        assert_eq!(canonical("flag", "shop", ".."), None);
        assert_eq!(canonical("flag", "", "x"), None);
        assert_eq!(site("flag", "shop", "~", "ä").as_deref(), Some("/shop/~/features/%C3%A4"));
        assert_eq!(details("shop", Some("production"), "a/b"), "/shop/production/audit/a%2Fb/details");
        assert_eq!(details("shop", None, "a"), "/settings/history/a/details");
        assert_eq!(in_markdown("mailto:a)b c@x"), "mailto:a%29b%20c@x");
    }
}
