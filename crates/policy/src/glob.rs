//! Patterns over names, tags, property values and actions.

/// A compiled pattern: `*` is any run of characters, also an empty one; all else is literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Glob {
    /// `*`.
    Any,
    /// No `*` in it.
    Literal(Box<str>),
    /// Text with `*` in it.
    Parts(Box<Parts>),
    /// Holds a placeholder, which only a member's role could fill in.
    Nothing,
}

/// `first*middle*…*last`, each of them perhaps empty, no middle part empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parts {
    first: Box<str>,
    middle: Box<[Box<str>]>,
    last: Box<str>,
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        if pattern.contains("${roleAttribute/") {
            return Self::Nothing;
        }
        let Some((first, rest)) = pattern.split_once('*') else {
            return Self::Literal(pattern.into());
        };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let middle: Box<[_]> = middle.split('*').filter(|part| !part.is_empty()).map(Box::from).collect();
        if first.is_empty() && middle.is_empty() && last.is_empty() {
            return Self::Any;
        }
        Self::Parts(Box::new(Parts { first: first.into(), middle, last: last.into() }))
    }

    /// Linear in the lengths of pattern and text: each middle part is taken where it first
    /// occurs, which leaves the most room for those after it, so nothing is ever tried again.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(literal) => **literal == *text,
            Self::Parts(parts) => {
                let Parts { first, middle, last } = &**parts;
                let between = text.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last));
                let Some(mut rest) = between else { return false };
                for part in middle {
                    let Some(at) = rest.find(&**part) else { return false };
                    rest = &rest[at + part.len()..];
                }
                true
            }
            Self::Nothing => false,
        }
    }

    /// The only text that it matches, if there is only one.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(literal) => Some(literal),
            Self::Any | Self::Parts(_) | Self::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Glob;

    // Follows the definition letter by letter and tries every length of every star.
    fn matches_by_definition(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| matches_by_definition(rest, &text[taken..])),
            Some((letter, rest)) => text.first() == Some(letter) && matches_by_definition(rest, &text[1..]),
        }
    }

    #[test]
    fn stars_match_any_run_and_everything_else_is_literal() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("**", "abc", true),
            ("", "", true),
            ("", "a", false),
            ("ops_*", "ops_", true),
            ("ops_*", "ops", false),
            ("*_ops", "x_ops", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "abbc", true),
            ("a*bc*c", "abc", false),
            ("*a*a*", "a", false),
            ("*ab*ba*", "aba", false),
            ("a?c", "abc", false),
            ("[ab]", "a", false),
            ("é*é", "éxé", true),
            ("é*é", "é", false),
            ("A", "a", false),
            ("a-${roleAttribute/team}", "a-${roleAttribute/team}", false),
            ("*${roleAttribute/team}*", "", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn a_pattern_of_stars_is_read_as_one_star() {
        assert_eq!(Glob::new("***"), Glob::Any);
    }

    // With backtracking this pattern takes longer than anyone can wait.
    #[test]
    fn a_hostile_pattern_costs_no_more_than_its_length() {
        let glob = Glob::new(&"*a".repeat(500));
        assert!(!glob.matches(&("a".repeat(499) + &"b".repeat(200_000))));
        assert!(!Glob::new(&format!("*{}b*", "a".repeat(1_000))).matches(&"a".repeat(200_000)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        // Star and letter by turns, over two letters, so that parts overlap often.
        #[test]
        fn matching_follows_the_definition(pattern in "(\\*?[aé]{0,2}){0,4}\\*{0,2}", text in "[aé]{0,8}") {
            let letters: Vec<char> = pattern.chars().collect();
            let expected = matches_by_definition(&letters, &text.chars().collect::<Vec<_>>());
            prop_assert_eq!(Glob::new(&pattern).matches(&text), expected);
        }
    }
}
