//! What searches ask of an entry: when it happened, what it is about, and who did it.
//!
//! Many entries are about the same thing, so what they are about is reduced to a short text of its
//! own, which an index keeps once for all of them and from which a [`Topic`] is read.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use serde_json::{Map, Value, json};

use super::derive::Derived;
use super::read::{Object, for_searching, object_in, text, texts, texts_for_searching};
use super::{Entry, access, audit_kind, check};
use crate::{Access, Resource, Timestamp};

/// What an entry says to a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Searched {
    /// When the event happened; when it was received, if the entry does not say.
    pub date: Timestamp,
    /// What [`Topic::read`] reads. The same for all entries about the same.
    pub topic: String,
    /// Whether other entries can be about the same: not where only the entry's id gives a name.
    pub is_shared: bool,
    /// Who did it.
    pub actor: Actor,
}

/// The same before it is understood, which costs far less: two entries that say the same here have
/// one [`Searched::topic`], if it is shared, and one [`Searched::actor`].
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// As in [`Searched`].
    pub date: Timestamp,
    members: Vec<(&'static str, &'a str)>,
}

impl<'a> Told<'a> {
    /// Names and texts on which the topic rests.
    pub fn topic(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        self.members.iter().copied().filter(|(name, _)| !is_of_date(name) && !is_of_actor(name))
    }

    /// Names and texts on which the actor rests.
    pub fn actor(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        self.members.iter().copied().filter(|(name, _)| is_of_actor(name))
    }
}

fn is_of_actor(name: &str) -> bool {
    matches!(name, "member" | "token")
}

fn is_of_date(name: &str) -> bool {
    matches!(name, "date" | "timestamp")
}

/// `None` for bytes that are damaged.
pub(super) fn told(entry: &Entry) -> Option<Told<'_>> {
    let members = texts_for_searching(&entry.bytes)?;
    let dates = members.iter().filter(|(name, _)| is_of_date(name));
    let read = |(name, text): &(&str, &str)| Some(((*name).to_owned(), serde_json::from_str(text).ok()?));
    let date = check::date(&dates.filter_map(read).collect()).unwrap_or(entry.received_at);
    Some(Told { date, members })
}

/// Who made the change of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The id of the member.
    pub member: Option<String>,
    /// The id of the access token.
    pub token: Option<String>,
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The kind of the changed resource, such as `flag`.
    pub kind: String,
    /// Its key, or its id where it has none.
    pub key: Option<String>,
    /// Its name; never empty but for damaged bytes.
    pub name: String,
    /// What was done to what.
    pub accesses: Vec<Access>,
    /// The resources that the entry names as its target.
    pub targets: Vec<Resource>,
}

pub(super) fn searched(entry: &Entry) -> Searched {
    let root = for_searching(&entry.bytes);
    let id_of = |name| object_in(&root, name).and_then(|object| text(object, "_id")).map(str::to_owned);
    let (topic, is_shared) = reduced(&root, entry.id.as_str());
    Searched {
        date: check::date(&root).unwrap_or(entry.received_at),
        topic,
        is_shared,
        actor: Actor { member: id_of("member"), token: id_of("token") },
    }
}

/// The members that say what the entry is about, in one order, and the name that is derived; and
/// whether that name says more than the entry's id.
fn reduced(root: &Object, id: &str) -> (String, bool) {
    let accesses = access::accesses(root);
    let kind = kind_of(root, &accesses);
    let mut reduced = Object::new();
    let mut put = |name: &str, value: Value| reduced.insert(name.to_owned(), value);
    let derived = Derived::new(root, id, &kind, &accesses, "", &|_, _| true);
    put("name", derived.name().into());
    for name in ["kind", "key", "verbKind", "action", "resource"] {
        if let Some(given) = text(root, name) {
            put(name, given.into());
        }
    }
    if let Some(Value::Array(listed)) = root.get("accesses") {
        put("accesses", listed.iter().map(|access| picked(access, &["action", "resource"])).collect());
    }
    if let Some(project) = root.get("project") {
        let mut picked_project = picked(project, &["key", "tags"]);
        if let Some(environment) = project.get("environment") {
            picked_project["environment"] = picked(environment, &["key", "tags", "critical"]);
        }
        put("project", picked_project);
    }
    for name in ["tags", "views"] {
        if texts(root, name).next().is_some() {
            put(name, texts(root, name).collect());
        }
    }
    let targets: Vec<&str> =
        object_in(root, "target").into_iter().flat_map(|target| texts(target, "resources")).collect();
    if !targets.is_empty() {
        put("target", json!({ "resources": targets }));
    }
    (Value::Object(reduced).to_string(), !derived.is_named_by_id())
}

fn picked(value: &Value, names: &[&str]) -> Value {
    let pick = |name: &&str| Some(((*name).to_owned(), value.get(*name)?.clone()));
    Value::Object(names.iter().filter_map(pick).collect())
}

fn kind_of(root: &Object, accesses: &[Access]) -> String {
    text(root, "kind").map_or_else(|| audit_kind(accesses).to_owned(), str::to_owned)
}

impl Topic {
    /// Reads [`Searched::topic`]; another text is about nothing.
    pub fn read(reduced: &str) -> Self {
        let root: Map<String, Value> = serde_json::from_str(reduced).unwrap_or_default();
        let accesses = access::accesses(&root);
        let last_name = || accesses.first().map(|access| access.resource.last().name.as_str());
        let key = text(&root, "key").or_else(last_name).filter(|key| !key.is_empty()).map(str::to_owned);
        let targets = object_in(&root, "target").into_iter().flat_map(|target| texts(target, "resources"));
        Self {
            kind: kind_of(&root, &accesses),
            key,
            name: text(&root, "name").unwrap_or_default().to_owned(),
            targets: targets.filter_map(|target| access::completed(target, &root)).collect(),
            accesses,
        }
    }

    /// Every resource that it names.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.accesses.iter().map(|access| &access.resource).chain(&self.targets)
    }

    /// By what an index finds it. A search for what it is about asks for some of these.
    pub fn terms(&self) -> BTreeSet<Term> {
        let mut terms = BTreeSet::from([Term::kind(&self.kind)]);
        terms.extend(self.key.as_deref().map(Term::key));
        for resource in self.resources() {
            terms.insert(Term::shape(resource.segments.iter().map(|segment| segment.kind.as_str())));
            for segment in &resource.segments {
                terms.insert(Term::segment(&segment.kind, &segment.name));
                terms.extend(segment.tags.iter().map(|tag| Term::tag(tag)));
            }
        }
        let name: Vec<char> = folded(&self.name).chars().collect();
        if name.len() > NAME_CHARS_MAX {
            terms.insert(Term::long_name());
        } else {
            terms.extend((1..=GRAM_CHARS).flat_map(|size| name.windows(size).map(Term::gram)));
        }
        terms
    }

    /// Whether its name holds `part`, which is [`folded`].
    pub fn name_holds(&self, part: &str) -> bool {
        folded(&self.name).contains(part)
    }
}

/// Longest run of letters of a name that is a term.
const GRAM_CHARS: usize = 3;
/// Longest name, in characters, that is taken apart.
const NAME_CHARS_MAX: usize = 256;

/// A text without the difference between upper and lower case, each letter by itself.
pub fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// One word of an index: letters and digits. Two things may share one, so who finds something by it
/// looks whether it is the right thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term(u8, u64);

impl Term {
    /// The kind of a topic.
    pub fn kind(kind: &str) -> Self {
        Self::of(b'k', kind)
    }

    /// The key of a topic.
    pub fn key(key: &str) -> Self {
        Self::of(b'y', key)
    }

    /// The kinds of the segments of a resource, from the outside in.
    pub fn shape<'a>(kinds: impl Iterator<Item = &'a str>) -> Self {
        let mut shape = String::new();
        for kind in kinds {
            shape.push_str(kind);
            shape.push('/');
        }
        Self::of(b'r', &shape)
    }

    /// A segment of a resource.
    pub fn segment(kind: &str, name: &str) -> Self {
        Self::of(b's', &format!("{kind}/{name}"))
    }

    /// A tag of a segment.
    pub fn tag(tag: &str) -> Self {
        Self::of(b't', tag)
    }

    /// A name that is too long to be taken apart; it may hold anything.
    pub fn long_name() -> Self {
        Self::of(b'l', "")
    }

    /// All of these are terms of every name that holds `part`, if it is not a [`Self::long_name`];
    /// none if every name does. `part` is [`folded`].
    pub fn of_name_part(part: &str) -> BTreeSet<Self> {
        let letters: Vec<char> = part.chars().collect();
        letters.windows(letters.len().clamp(1, GRAM_CHARS)).map(Self::gram).collect()
    }

    fn gram(letters: &[char]) -> Self {
        Self::of(b'g', &String::from_iter(letters))
    }

    // FNV-1a: short, the same on every machine, and nothing rests on nobody finding two equal ones.
    fn of(sort: u8, text: &str) -> Self {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = text.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step);
        Self(sort, (hash ^ hash >> 44) & 0xfff_ffff_ffff)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char(char::from(self.0))?;
        write!(f, "{:011x}", self.1)
    }
}
