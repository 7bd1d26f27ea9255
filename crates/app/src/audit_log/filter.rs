//! What an entry has to be about, from the words of a request.

use std::sync::Arc;

use domain::{FieldError, Searched, Term, Topic, folded};
use policy::{Policy, SPECIFIER_BYTES_MAX, Specifier};
use serde_json::Value;
use store::{ActorFilter, Terms, TopicFilter};

use crate::Error;

/// What an entry has to be about and by whom; all that is given has to hold.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// A part of the resource's name, whatever the case of its letters; or terms such as
    /// `kind:flag,key:checkout`.
    pub q: Option<String>,
    /// A resource specifier.
    pub spec: Option<String>,
    /// Statements, one of which allows an access of the entry; null and an empty list allow all.
    pub statements: Option<Value>,
    /// Ids of members, of whom one made the change.
    pub members: Vec<String>,
    /// Ids of access tokens, with one of which the change was made.
    pub tokens: Vec<String>,
}

/// The longest `q`, in bytes.
const Q_BYTES_MAX: usize = 1024;
/// The most terms in `q`, and the most members and tokens.
const TERMS_MAX: usize = 100;

/// A filter that was read.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    about: Arc<About>,
    pub(super) actors: ActorFilter,
}

#[derive(Debug, Default)]
struct About {
    /// Folded; the name holds all of them.
    parts: Vec<String>,
    /// One of these, if there are any.
    kinds: Vec<String>,
    /// One of these, if there are any.
    keys: Vec<String>,
    spec: Option<Specifier>,
    policy: Option<Policy>,
}

impl Filter {
    pub(super) fn read(asked: &EntryFilter) -> Result<Self, Error> {
        for (name, ids) in [("member", &asked.members), ("token", &asked.tokens)] {
            if ids.len() > TERMS_MAX {
                return Err(Error::invalid(format!("the query parameter {name} may come at most {TERMS_MAX} times")));
            }
        }
        let mut about = About::default();
        about.read_q(asked.q.as_deref().unwrap_or_default())?;
        about.spec = asked.spec.as_deref().map(read_spec).transpose()?;
        about.policy = read_statements(asked.statements.as_ref())?;
        let actors = ActorFilter { members: asked.members.clone(), tokens: asked.tokens.clone() };
        Ok(Self { about: Arc::new(about), actors })
    }

    /// The same for the index; none when every topic fits.
    pub(super) fn topics(&self) -> Option<TopicFilter> {
        if self.about.is_everything() {
            return None;
        }
        let about = Arc::clone(&self.about);
        Some(TopicFilter { fits: Arc::new(move |topic| about.fits(topic)), terms: self.about.terms() })
    }

    /// Whether the filter lets everything through.
    pub(super) fn is_everything(&self) -> bool {
        self.about.is_everything() && self.actors.members.is_empty() && self.actors.tokens.is_empty()
    }

    /// Whether an entry fits.
    pub(super) fn fits(&self, searched: &Searched) -> bool {
        let actor = &searched.actor;
        self.actors.fits(actor.member.as_deref(), actor.token.as_deref())
            && (self.about.is_everything() || self.about.fits(&Topic::read(&searched.topic)))
    }
}

impl About {
    fn read_q(&mut self, q: &str) -> Result<(), Error> {
        if q.len() > Q_BYTES_MAX {
            return Err(Error::invalid(format!("the query parameter q is longer than {Q_BYTES_MAX} bytes")));
        }
        let term_of = |part: &str| {
            let (name, value) = part.trim().split_once(':')?;
            ["kind", "key"].iter().find(|known| **known == name).map(|known| (*known, value.trim().to_owned()))
        };
        // A comma may stand in a name, so it separates only where there are terms.
        if !q.split(',').any(|part| term_of(part).is_some()) {
            self.parts.extend(Some(folded(q)).filter(|part| !part.is_empty()));
            return Ok(());
        }
        if q.split(',').count() > TERMS_MAX {
            return Err(Error::invalid(format!("the query parameter q has more than {TERMS_MAX} terms")));
        }
        for part in q.split(',') {
            match term_of(part) {
                Some((name, value)) if value.is_empty() => {
                    return Err(Error::invalid(format!("the query parameter q has nothing after {name}:")));
                }
                Some(("kind", value)) => self.kinds.push(value),
                Some((_, value)) => self.keys.push(value),
                None => self.parts.extend(Some(folded(part.trim())).filter(|part| !part.is_empty())),
            }
        }
        Ok(())
    }

    fn is_everything(&self) -> bool {
        self.parts.is_empty()
            && self.kinds.is_empty()
            && self.keys.is_empty()
            && self.spec.is_none()
            && self.policy.is_none()
    }

    fn fits(&self, topic: &Topic) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&topic.kind))
            && (self.keys.is_empty() || topic.key.as_ref().is_some_and(|key| self.keys.contains(key)))
            && self.parts.iter().all(|part| topic.name_holds(part))
            && self.spec.as_ref().is_none_or(|spec| topic.resources().any(|resource| spec.matches(resource)))
            && self.policy.as_ref().is_none_or(|policy| policy.allows(&topic.accesses))
    }

    fn terms(&self) -> Vec<Terms> {
        let one_of = |texts: &[String], term: fn(&str) -> Term| -> Option<Terms> {
            let terms: Terms = texts.iter().map(|text| vec![term(text)]).collect();
            (!terms.is_empty()).then_some(terms)
        };
        let parts = self.parts.iter().map(|part| {
            let terms: Vec<Term> = Term::of_name_part(part).into_iter().collect();
            vec![terms, vec![Term::long_name()]]
        });
        let allowed = self.policy.as_ref().and_then(Policy::allowed_resources);
        let allowed = allowed.filter(|specifiers| !specifiers.is_empty() && specifiers.len() <= TERMS_MAX);
        let mut all: Vec<Terms> = parts.collect();
        all.extend(one_of(&self.kinds, Term::kind));
        all.extend(one_of(&self.keys, Term::key));
        all.extend(self.spec.as_ref().map(|spec| vec![terms_of(spec)]));
        all.extend(allowed.map(|specifiers| specifiers.into_iter().map(terms_of).collect()));
        all
    }
}

/// What a resource has that the specifier matches.
fn terms_of(specifier: &Specifier) -> Vec<Term> {
    let landmarks = specifier.landmarks();
    let mut terms = vec![Term::shape(landmarks.kinds.iter().copied())];
    terms.extend(landmarks.names.iter().map(|(kind, name)| Term::segment(kind, name)));
    terms.extend(landmarks.tags.iter().map(|tag| Term::tag(tag)));
    terms
}

fn read_spec(spec: &str) -> Result<Specifier, Error> {
    let wrong = |reason: String| {
        let example = "a resource specifier looks like proj/*:env/production:flag/*;beta";
        Error::mistakes(
            format!("the query parameter spec cannot be read; {example}"),
            vec![FieldError::new("spec", reason)],
        )
    };
    if spec.len() > SPECIFIER_BYTES_MAX {
        return Err(wrong(format!("is longer than {SPECIFIER_BYTES_MAX} bytes")));
    }
    Specifier::parse(spec).map_err(|error| wrong(error.to_string()))
}

fn read_statements(statements: Option<&Value>) -> Result<Option<Policy>, Error> {
    let Some(statements) = statements.filter(|statements| !statements.is_null()) else { return Ok(None) };
    match Policy::parse(statements) {
        Ok(policy) => Ok(Some(policy).filter(|policy| !policy.is_empty())),
        Err(mistakes) => Err(Error::mistakes("the statements are not valid", mistakes)),
    }
}

#[cfg(test)]
mod tests {
    use super::{About, EntryFilter, Filter};

    #[test]
    fn q_is_a_part_of_the_name_unless_it_has_terms() {
        let read = |q: &str| {
            let mut about = About::default();
            about.read_q(q).map(|()| (about.parts.join("|"), about.kinds.join("|"), about.keys.join("|"))).ok()
        };
        let found = |parts: &str, kinds: &str, keys: &str| Some((parts.to_owned(), kinds.to_owned(), keys.to_owned()));
        assert_eq!(read(""), found("", "", ""));
        assert_eq!(read("Check, Out"), found("check, out", "", ""));
        assert_eq!(read("time: 5"), found("time: 5", "", ""));
        assert_eq!(read("kind:flag,key:x"), found("", "flag", "x"));
        assert_eq!(read("kind:flag, kind:Segment , ÄB,,"), found("äb", "flag|Segment", ""));
        assert_eq!(read("kind:"), None);
        assert_eq!(read(&"a".repeat(1025)), None);
        assert_eq!(read(&"kind:a,".repeat(100)), None);
    }

    #[test]
    fn a_filter_without_words_lets_everything_through() {
        let read = |asked: &EntryFilter| Filter::read(asked).map(|filter| filter.is_everything()).ok();
        assert_eq!(read(&EntryFilter::default()), Some(true));
        let statements = Some(serde_json::json!([]));
        assert_eq!(read(&EntryFilter { statements, ..EntryFilter::default() }), Some(true));
        assert_eq!(read(&EntryFilter { tokens: vec!["t".to_owned()], ..EntryFilter::default() }), Some(false));
    }
}
