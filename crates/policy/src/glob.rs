//! Patterns over names, tags, property values and actions.

/// A pattern: `*` is any run of characters, also an empty one; all else is literal. One with a
/// placeholder, which only a member's role could fill in, matches nothing.
///
/// There can be very many: none is `*`, all else is kept as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Glob(Option<Box<str>>);

/// How a placeholder begins, and what is kept of a pattern with one.
const PLACEHOLDER: &str = "${roleAttribute/";

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        if pattern.contains(PLACEHOLDER) {
            return Self(Some(PLACEHOLDER.into()));
        }
        let is_any = !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'*');
        Self((!is_any).then(|| pattern.into()))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self.0.as_deref() {
            None => true,
            Some(PLACEHOLDER) => false,
            // Every pattern matches itself, whether there is a star in it or not.
            Some(pattern) => pattern == text || matches_parts(pattern, text),
        }
    }

    /// The only text that it matches, if there is only one.
    pub(crate) fn literal(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.contains('*') && *text != PLACEHOLDER)
    }
}

/// Linear in the lengths of pattern and text: each part between two stars is taken where it first
/// occurs, which leaves the most room for those after it, so nothing is ever tried again.
fn matches_parts(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let between = text.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let Some(mut between) = between else { return false };
    middle.split('*').all(|part| match between.split_once(part) {
        Some((_, rest)) => {
            between = rest;
            true
        }
        None => false,
    })
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
            ("${roleAttribute/", "${roleAttribute/", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn a_pattern_of_stars_is_read_as_one_star() {
        assert_eq!(Glob::new("***"), Glob(None));
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
