//! What the mappings of other formats to entries have in common.

use domain::Resource;

/// The name that an action has at most, in bytes, as docs/entries.md says.
const ACTION_BYTES_MAX: usize = 128;

/// The action that a name of an event stands for: what an action cannot hold becomes `-`. None
/// when nothing of the kind comes of it.
pub(super) fn action(name: &str) -> Option<String> {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    let action: String = name.chars().map(|c| if is_kept(c) { c } else { '-' }).collect();
    (action.starts_with(|c: char| c.is_ascii_alphabetic()) && action.len() <= ACTION_BYTES_MAX).then_some(action)
}

/// Whether a text can be the resource of an entry as it is.
pub(super) fn is_resource(text: &str) -> bool {
    // Specifiers are written alike, but a resource that holds a pattern would match too much.
    !text.contains(['*', '$']) && Resource::parse(text).is_ok()
}

/// Any text as the name of a segment: what has a meaning in resources and policies stands there
/// as `%` and two hex digits.
pub(super) fn segment_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for c in text.chars() {
        if ":;,{}*$%".contains(c) || (c.is_control() && c.is_ascii()) {
            name.push_str(&format!("%{:02X}", u32::from(c)));
        } else if c.is_control() {
            name.push(char::REPLACEMENT_CHARACTER);
        } else {
            name.push(c);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{action, is_resource, segment_name};

    #[test]
    fn names_of_events_become_actions() {
        for (name, expected) in [
            ("com.example.invoice.paid", Some("com.example.invoice.paid")),
            ("user/logged in", Some("user-logged-in")),
            ("ns:a_b-c", Some("ns:a_b-c")),
            ("", None),
            ("1.up", None),
            ("/a", None),
        ] {
            assert_eq!(action(name).as_deref(), expected, "{name}");
        }
        assert_eq!(action(&"a".repeat(128)).map(|action| action.len()), Some(128));
        assert_eq!(action(&"a".repeat(129)), None);
    }

    #[test]
    fn any_text_can_be_the_name_of_a_segment() {
        for text in ["https://a.test/b?c", "a:b;c,d{e}f*g$h%i", "\u{1}\u{85}", "ä/ö", "${roleAttribute/x}"] {
            let name = segment_name(text);
            assert!(is_resource(&format!("source/{name}:subject/{name}")), "{name}");
        }
        assert_eq!(segment_name("https://a.test/b"), "https%3A//a.test/b");
        assert!(!is_resource("proj/*") && !is_resource("mynewfile.jpg"));
    }
}
