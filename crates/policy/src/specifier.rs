//! Resource specifiers: patterns over concrete resources.

use domain::{LexedSegment, LexedSelector, ParseResourceError, Resource, Segment, lex};

use crate::glob::Glob;

/// A pattern over resources, such as `proj/*:env/production;{critical:true}:flag/*;payments`.
///
/// Matches resources of just as many segments, of the same kinds in the same order: a
/// specifier of a project says nothing about what is in that project.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Specifier {
    pub(crate) segments: Box<[SegmentPattern]>,
}

/// What is fixed in a specifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landmarks<'a> {
    /// The kind of each segment, from the outside in.
    pub kinds: Vec<&'a str>,
    /// Kind and name of segments; the name of `acct` is empty.
    pub names: Vec<(&'a str, &'a str)>,
    /// Tags, of whatever segment.
    pub tags: Vec<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SegmentPattern {
    pub(crate) kind: Box<str>,
    pub(crate) name: Glob,
    selectors: Box<[Selector]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Selector {
    Tag(Glob),
    Property { name: Box<str>, value: Glob },
    View(Glob),
}

impl Specifier {
    /// Reads a specifier as a statement gives it. Its length is for the caller to limit.
    ///
    /// # Errors
    /// [`ParseResourceError`] says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, ParseResourceError> {
        let segments = lex(text)?.iter().map(SegmentPattern::new).collect();
        Ok(Self { segments })
    }

    /// What every resource has that it matches: the kinds of its segments, and the names and tags
    /// that are given without `*`.
    pub fn landmarks(&self) -> Landmarks<'_> {
        Landmarks {
            kinds: self.segments.iter().map(|segment| &*segment.kind).collect(),
            names: self.segments.iter().filter_map(|segment| Some((&*segment.kind, segment.name.literal()?))).collect(),
            tags: self.segments.iter().filter_map(SegmentPattern::tag).collect(),
        }
    }

    /// Whether the resource is one of those that this describes.
    pub fn matches(&self, resource: &Resource) -> bool {
        self.segments.len() == resource.segments.len()
            && self.segments.iter().zip(&resource.segments).all(|(pattern, segment)| pattern.matches(segment))
    }
}

impl SegmentPattern {
    fn new(lexed: &LexedSegment<'_>) -> Self {
        let selectors = lexed.selectors.iter().map(Selector::new).collect();
        Self { kind: lexed.kind.into(), name: Glob::new(lexed.name), selectors }
    }

    /// A tag that a segment has to have, if one is given without `*`.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.selectors.iter().find_map(|selector| match selector {
            Selector::Tag(glob) => glob.literal(),
            Selector::Property { .. } | Selector::View(_) => None,
        })
    }

    fn matches(&self, segment: &Segment) -> bool {
        *self.kind == *segment.kind
            && self.name.matches(&segment.name)
            && self.selectors.iter().all(|selector| selector.matches(segment))
    }
}

impl Selector {
    fn new(lexed: &LexedSelector<'_>) -> Self {
        match *lexed {
            LexedSelector::Tag(tag) => Self::Tag(Glob::new(tag)),
            LexedSelector::Property(name, value) => Self::Property { name: name.into(), value: Glob::new(value) },
            LexedSelector::View(view) => Self::View(Glob::new(view)),
        }
    }

    fn matches(&self, segment: &Segment) -> bool {
        match self {
            Self::Tag(glob) => segment.tags.iter().any(|tag| glob.matches(tag)),
            Self::Property { name, value } => {
                segment.properties.iter().any(|(property, text)| **name == **property && value.matches(text))
            }
            Self::View(glob) => segment.views.iter().any(|view| glob.matches(view)),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Resource;

    use super::Specifier;

    fn check(specifier: &str, resource: &str, expected: bool) {
        let pattern = Specifier::parse(specifier).expect("the specifier is valid");
        let resource = Resource::parse(resource).expect("the resource is valid");
        assert_eq!(pattern.matches(&resource), expected, "{specifier} on {resource:?}");
    }

    #[test]
    fn a_specifier_matches_its_own_depth_and_kinds_only() {
        check("proj/x", "proj/x", true);
        check("proj/x", "proj/x:env/y", false);
        check("proj/x:env/y", "proj/x", false);
        check("proj/*:env/*", "proj/x:metric/y", false);
        check("org/acme:invoice/*", "org/acme:invoice/42", true);
        check("acct", "acct", true);
    }

    #[test]
    fn every_selector_of_a_segment_has_to_hold_on_that_segment() {
        check("flag/*;a,b", "flag/x;a,b,c", true);
        check("flag/*;a,b", "flag/x;a", false);
        check("env/*;a:flag/*", "env/x:flag/y;a", false);
        check("env/*;{critical:true,region:eu*}", "env/x;{critical:true,region:eu-1}", true);
        check("env/*;{critical:true,region:eu*}", "env/x;{critical:true,region:us-1}", false);
        check("env/*;{critical:*}", "env/x", false);
        check("env/*;{critical:true}", "env/x;true", false);
        check("flag/*;view:pay*,beta", "flag/x;view:web,view:payments,beta", true);
        check("flag/*;view:pay", "flag/x;pay", false);
    }

    #[test]
    fn a_placeholder_matches_nothing() {
        check("proj/${roleAttribute/project}", "proj/x", false);
        check("proj/a-${roleAttribute/project}-*", "proj/a-x-y", false);
        check("flag/*;view:${roleAttribute/view}", "flag/x;view:v", false);
    }

    #[test]
    fn malformed_specifiers_are_refused() {
        for text in ["*", "", "flag", "proj/", "proj/*:env/*:flag", "proj/a{b}", "proj/a,b", "env/*;{critical:}"] {
            assert!(Specifier::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
