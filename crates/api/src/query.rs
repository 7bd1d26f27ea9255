//! Reading query parameters. Unknown ones are ignored, as unknown members of a body are.

use std::ops::RangeInclusive;

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

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
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
    fn flags_are_true_or_false() {
        let read = |query| Query(query).flag("all").ok();
        assert_eq!([read(""), read("all=false"), read("all=true")], [Some(false), Some(false), Some(true)]);
        assert_eq!([read("all"), read("all="), read("all=1")], [Some(false), None, None]);
    }
}
