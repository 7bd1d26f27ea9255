//! Concrete resources, and the lexical form that they share with resource specifiers.
//!
//! `proj/shop:env/production;eu,{critical:true}:flag/checkout;payments,view:web`: segments
//! split by `:`, each `kind/name` with selectors after `;`. Source of the grammar:
//! docs/policies.md.

/// One thing done to one resource, as an entry records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The action's name, such as `updateOn`.
    pub action: String,
    /// What it was done to.
    pub resource: Resource,
}

/// A concrete resource: its segments from the outside in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// At least one.
    pub segments: Vec<Segment>,
}

/// One step of a resource: `env/production` with what is known of that environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Such as `flag`, or `acct`, which has no name.
    pub kind: String,
    /// The key or id; empty only for `acct`.
    pub name: String,
    /// The tags of this very segment.
    pub tags: Vec<String>,
    /// Property and value as text, such as `critical` and `true`.
    pub properties: Vec<(String, String)>,
    /// The views that it belongs to.
    pub views: Vec<String>,
}

impl Resource {
    /// Reads a resource as an entry gives it, with tags and properties where it has them.
    ///
    /// # Errors
    /// [`ParseResourceError`] says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, ParseResourceError> {
        let segments = lex(text)?
            .into_iter()
            .map(|lexed| {
                let mut segment =
                    Segment { kind: lexed.kind.to_owned(), name: lexed.name.to_owned(), ..Segment::default() };
                for selector in lexed.selectors {
                    match selector {
                        LexedSelector::Tag(tag) => segment.tags.push(tag.to_owned()),
                        LexedSelector::Property(name, value) => {
                            segment.properties.push((name.to_owned(), value.to_owned()));
                        }
                        LexedSelector::View(view) => segment.views.push(view.to_owned()),
                    }
                }
                segment
            })
            .collect();
        Ok(Self { segments })
    }

    /// The text without selectors: `proj/shop:env/production:flag/checkout`.
    pub fn plain(&self) -> String {
        let mut text = String::new();
        for segment in &self.segments {
            if !text.is_empty() {
                text.push(':');
            }
            text.push_str(&segment.kind);
            if segment.kind != "acct" {
                text.push('/');
                text.push_str(&segment.name);
            }
        }
        text
    }

    /// The innermost segment: what the resource is.
    pub fn last(&self) -> &Segment {
        self.segments.last().expect("a resource has at least one segment")
    }

    /// The first segment of this kind.
    pub fn segment(&self, kind: &str) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.kind == kind)
    }
}

/// What is wrong with a resource or a resource specifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseResourceError {
    /// Nothing there.
    #[error("is empty; a resource looks like proj/shop:env/production:flag/checkout")]
    Empty,
    /// `flag`, `proj/`, `*`: a segment without kind or name.
    #[error("segment {0:?} is not kind/name (only acct has no name)")]
    Segment(String),
    /// A kind holds lower-case letters, digits and dashes, and begins with a letter.
    #[error("kind {0:?} is not made of lower-case letters, digits and dashes")]
    Kind(String),
    /// A name with a character that the grammar keeps for itself.
    #[error("name {0:?} holds a comma, a brace or a control character")]
    Name(String),
    /// A selector that is neither tag, `{property:value}` nor `view:name`.
    #[error("selector {0:?} is not a tag, a {{property:value}} or a view:name")]
    Selector(String),
}

/// A segment as written, before a specifier or a resource is made of it.
#[derive(Debug, PartialEq, Eq)]
pub struct LexedSegment<'a> {
    /// Lower-case letters, digits and dashes.
    pub kind: &'a str,
    /// Empty only for `acct`; may hold `*` and `${roleAttribute/…}`.
    pub name: &'a str,
    /// What stands after `;`.
    pub selectors: Vec<LexedSelector<'a>>,
}

/// One selector as written.
#[derive(Debug, PartialEq, Eq)]
pub enum LexedSelector<'a> {
    /// A tag, perhaps with `*`.
    Tag(&'a str),
    /// Name and value of a property.
    Property(&'a str, &'a str),
    /// The name after `view:`, perhaps with `*`.
    View(&'a str),
}

/// Splits a resource or a resource specifier into its segments.
///
/// A leading `/` of a segment is tolerated.
///
/// # Errors
/// [`ParseResourceError`] says what is wrong and where.
pub fn lex(text: &str) -> Result<Vec<LexedSegment<'_>>, ParseResourceError> {
    if text.is_empty() {
        return Err(ParseResourceError::Empty);
    }
    split_segments(text).into_iter().map(lex_segment).collect()
}

fn split_segments(text: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let mut start = 0;
    let mut depth = 0_u32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && !ends_with_view(&text[start..at]) => {
                segments.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    segments.push(&text[start..]);
    segments
}

// The colon of a `view:` selector does not end the segment.
fn ends_with_view(segment: &str) -> bool {
    segment.ends_with(";view") || (segment.ends_with(",view") && segment.contains(';'))
}

fn lex_segment(text: &str) -> Result<LexedSegment<'_>, ParseResourceError> {
    let (head, selectors) = match text.split_once(';') {
        Some((head, selectors)) => (head, lex_selectors(selectors)?),
        None => (text, Vec::new()),
    };
    let head = head.strip_prefix('/').unwrap_or(head);
    if head == "acct" {
        return Ok(LexedSegment { kind: head, name: "", selectors });
    }
    let malformed = || ParseResourceError::Segment(text.to_owned());
    let (kind, name) = head.split_once('/').ok_or_else(malformed)?;
    if kind.is_empty() || name.is_empty() {
        return Err(malformed());
    }
    let kind_is_valid = kind.starts_with(|first: char| first.is_ascii_lowercase())
        && kind.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !kind_is_valid {
        return Err(ParseResourceError::Kind(kind.to_owned()));
    }
    check_name(name)?;
    Ok(LexedSegment { kind, name, selectors })
}

fn check_name(name: &str) -> Result<(), ParseResourceError> {
    let mut rest = name;
    while let Some(at) = rest.find("${roleAttribute/") {
        let Some(end) = rest[at..].find('}') else { break };
        check_name_part(&rest[..at], name)?;
        rest = &rest[at + end + 1..];
    }
    check_name_part(rest, name)
}

fn check_name_part(part: &str, name: &str) -> Result<(), ParseResourceError> {
    if part.chars().any(|c| matches!(c, ',' | '{' | '}') || c.is_control()) {
        return Err(ParseResourceError::Name(name.to_owned()));
    }
    Ok(())
}

fn lex_selectors(text: &str) -> Result<Vec<LexedSelector<'_>>, ParseResourceError> {
    let mut selectors = Vec::new();
    for selector in split_outside_braces(text) {
        if let Some(inside) = selector.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            for property in inside.split(',') {
                selectors.push(lex_property(property, selector)?);
            }
        } else if let Some(view) = selector.strip_prefix("view:").filter(|view| !view.is_empty()) {
            check_name(view).map_err(|_| ParseResourceError::Selector(selector.to_owned()))?;
            selectors.push(LexedSelector::View(view));
        } else if is_tag(selector) {
            selectors.push(LexedSelector::Tag(selector));
        } else {
            return Err(ParseResourceError::Selector(selector.to_owned()));
        }
    }
    Ok(selectors)
}

fn lex_property<'a>(property: &'a str, selector: &str) -> Result<LexedSelector<'a>, ParseResourceError> {
    property
        .split_once(':')
        .filter(|(name, value)| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric())
                && is_tag(value)
        })
        .map(|(name, value)| LexedSelector::Property(name, value))
        .ok_or_else(|| ParseResourceError::Selector(selector.to_owned()))
}

fn is_tag(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*'))
}

fn split_outside_braces(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    text.split(move |c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::{ParseResourceError, Resource};

    #[test]
    fn a_resource_keeps_tags_properties_and_views_on_their_segments() {
        let resource =
            Resource::parse("proj/shop:env/prod;eu,{critical:true}:/flag/checkout;a,b,view:pay").expect("is valid");
        let [project, environment, flag] = resource.segments.as_slice() else { panic!("{resource:?}") };
        assert_eq!((project.kind.as_str(), project.name.as_str()), ("proj", "shop"));
        assert_eq!(environment.tags, ["eu"]);
        assert_eq!(environment.properties, [("critical".to_owned(), "true".to_owned())]);
        assert_eq!(
            (flag.tags.as_slice(), flag.views.as_slice()),
            (["a".to_owned(), "b".to_owned()].as_slice(), ["pay".to_owned()].as_slice())
        );
        assert_eq!(resource.plain(), "proj/shop:env/prod:flag/checkout");
    }

    #[test]
    fn a_view_does_not_swallow_the_next_segment() {
        let resource = Resource::parse("proj/a;view:x:env/b;t,view:y").expect("is valid");
        assert_eq!(resource.plain(), "proj/a:env/b");
    }

    #[test]
    fn account_and_open_kinds_are_resources() {
        for text in ["acct", "org/acme:invoice/42", "member/a@x.io:token/t1", "integration/66f0c0ffee00000000000001"] {
            assert_eq!(Resource::parse(text).map(|resource| resource.plain()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn malformed_resources_are_refused() {
        for text in [
            "",
            "*",
            "flag",
            "proj/",
            "proj/*:env/*:flag",
            "Proj/x",
            "proj/a:",
            "proj/a;",
            "proj/a;{critical}",
            "proj/a,b",
            "proj/a\n",
            "p:q",
        ] {
            assert!(Resource::parse(text).is_err(), "{text:?} was accepted");
        }
        assert_eq!(Resource::parse("flag"), Err(ParseResourceError::Segment("flag".to_owned())));
    }
}
