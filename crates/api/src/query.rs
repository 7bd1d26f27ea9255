//! Reading query parameters. Unknown ones are ignored, as unknown members of a body are.

use std::ops::RangeInclusive;

use domain::Timestamp;

use crate::problem::Problem;

/// The query of a request. Of a parameter that comes twice the first counts.
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(crate) fn of(uri: &'a axum::http::Uri) -> Self {
        Self(uri.query().unwrap_or_default())
    }

    /// A whole number in decimal digits.
    pub(crate) fn number(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number.filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            let limits = if *to == u64::MAX { format!("from {from} on") } else { format!("from {from} to {to}") };
            Problem::invalid(format!("the query parameter {name} must be a number {limits}"))
        })
    }

    /// How many items a page may have at most: 1 to `max`, and `default` if that is left out.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, Problem> {
        let limit = self.number("limit", 1..=max as u64)?;
        Ok(limit.map_or(default, |limit| usize::try_from(limit).unwrap_or(max)))
    }

    /// `true` or `false`; left out, it is `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid(format!("the query parameter {name} must be true or false"))),
        }
    }

    /// The text as it stands there.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name)
    }

    /// The text that is meant: `+` and `%20` are spaces. Of an empty one nothing is left.
    pub(crate) fn decoded(&self, name: &str) -> Result<Option<String>, Problem> {
        Ok(self.decoded_all(name)?.into_iter().next())
    }

    /// The same for a parameter that may come several times.
    pub(crate) fn decoded_all(&self, name: &str) -> Result<Vec<String>, Problem> {
        let mut texts = Vec::new();
        for text in self.values(name) {
            let decoded = percent_decoded(&text.replace('+', " "));
            let wrong = || Problem::invalid(format!("the query parameter {name} must be UTF-8 text, written with %"));
            texts.extend(Some(decoded.ok_or_else(wrong)?).filter(|text| !text.is_empty()));
        }
        Ok(texts)
    }

    /// The query as it is but for these parameters, with `more` behind; with a `?` before.
    pub(crate) fn with(&self, left_out: &[&str], more: &str) -> String {
        let is_kept = |pair: &&str| !pair.is_empty() && !left_out.contains(&pair.split('=').next().unwrap_or_default());
        let kept: Vec<&str> = self.0.split('&').filter(is_kept).chain([more]).collect();
        format!("?{}", kept.join("&"))
    }

    /// A time, as milliseconds since 1970 or after RFC 3339.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let time = percent_decoded(text).as_deref().and_then(Timestamp::parse);
        time.map(Some).ok_or_else(|| {
            let example = "2026-09-21T14:13:20Z, with a + written as %2B";
            let forms = format!("in milliseconds since 1970, or as in {example}");
            Problem::invalid(format!("the query parameter {name} must be a time {forms}"))
        })
    }

    /// One of some words; gives back its place among them.
    pub(crate) fn choice(&self, name: &str, words: &[&str]) -> Result<Option<usize>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let place = words.iter().position(|word| *word == text);
        place
            .map(Some)
            .ok_or_else(|| Problem::invalid(format!("the query parameter {name} must be one of {}", words.join(", "))))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    fn values<'b>(&self, name: &'b str) -> impl Iterator<Item = &'a str> + use<'a, 'b> {
        self.0.split('&').filter_map(move |pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// Text in which some bytes are written as `%` and two hex digits; `None` when it is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let pair = digit(0).zip(digit(1)).filter(|_| *first == b'%');
        let escaped = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn numbers_are_digits_within_their_range() {
        let read = |query| Query(query).number("limit", 1..=100).ok();
        assert_eq!(read(""), Some(None));
        assert_eq!(read("limits=7&x=limit=8"), Some(None));
        assert_eq!(read("a=b&limit=7&limit=8"), Some(Some(7)));
        for bad in ["limit=", "limit=0", "limit=101", "limit=-1", "limit=+1", "limit=1.0", "limit=99999999999999999999"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn limits_of_pages_have_a_default_and_an_end() {
        let read = |query| Query(query).limit(20, 100).ok();
        assert_eq!([read(""), read("limit=1"), read("limit=100")], [Some(20), Some(1), Some(100)]);
        assert_eq!([read("limit=0"), read("limit=101")], [None, None]);
    }

    #[test]
    fn times_are_milliseconds_or_dates_with_an_offset() {
        let read = |query: &str| Query(query).time("after").ok().map(|time| time.map(domain::Timestamp::as_millis));
        assert_eq!(read(""), Some(None));
        for same in ["1790000000000", "2026-09-21T14:13:20Z", "2026-09-21T16%3A13%3A20%2B02%3a00"] {
            assert_eq!(read(&format!("after={same}")), Some(Some(1_790_000_000_000)), "{same}");
        }
        for bad in ["", "x", "-1", "%", "%2", "%ff", "2026-09-21", "2026-09-21T14:13:20", "99999999999999999999"] {
            assert_eq!(read(&format!("after={bad}")), None, "{bad}");
        }
    }

    #[test]
    fn texts_are_decoded_and_may_come_several_times() {
        let read = |query| Query(query).decoded_all("q").ok();
        let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(read("a=b&x=q"), texts(&[]));
        assert_eq!(read("q=a+b%2Bc&q=&r=1&q=%C3%A4"), texts(&["a b+c", "ä"]));
        assert_eq!(read("q=%ff"), None);
        assert_eq!(
            Query("q=a&before=1&limit=2&beforehand=3").with(&["before"], "x=1"),
            "?q=a&limit=2&beforehand=3&x=1"
        );
        assert_eq!(Query("").with(&[], "x=1"), "?x=1");
    }

    #[test]
    fn choices_are_the_words_as_they_are() {
        let read = |query| Query(query).choice("outcome", &["a", "b"]).ok();
        assert_eq!([read(""), read("outcome=a"), read("outcome=b")], [Some(None), Some(Some(0)), Some(Some(1))]);
        assert_eq!([read("outcome=A"), read("outcome=")], [None, None]);
    }

    #[test]
    fn flags_are_true_or_false() {
        let read = |query| Query(query).flag("all").ok();
        assert_eq!([read(""), read("all=false"), read("all=true")], [Some(false), Some(false), Some(true)]);
        assert_eq!([read("all"), read("all="), read("all=1")], [Some(false), None, None]);
    }
}
