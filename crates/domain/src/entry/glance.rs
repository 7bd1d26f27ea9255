//! Checks an entry while it is being read, without keeping what it says.
//!
//! Nearly every entry is in order, and then only its id is wanted of it. What this does not
//! take for granted (a mistake, a form that few producers use) it leaves to [`super::check`],
//! which alone says what is wrong: it may be unsure, and must never pass what that refuses.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{
    access::{ACCESSES_MAX, is_action},
    check::{LINK, MEMBERS, Member, Shape, in_range},
};
use crate::{EntryId, resource::lex};

/// More names at the top than this are left to the full check, as it compares each with all.
const NAMES_MAX: usize = 64;

/// The id of an entry that is in order; `None` when only the full check can tell.
pub(super) fn id_if_in_order(text: &str) -> Option<Option<EntryId>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let id = reader.deserialize_map(RootVisitor).ok()?;
    reader.end().ok()?;
    Some(id)
}

fn unsure<E: Error>() -> E {
    E::custom("left to the full check")
}

struct RootVisitor;

impl<'de> Visitor<'de> for RootVisitor {
    type Value = Option<EntryId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut id = None;
        let mut has_accesses = false;
        let mut names = [0_u64; NAMES_MAX];
        let mut count = 0;
        while let Some((hash, name)) = members.next_key_seed(Name(|name: &str| (hash(name), Root::named(name))))? {
            // Names that share a hash are taken for one name given twice.
            if count == NAMES_MAX || names[..count].contains(&hash) {
                return Err(unsure());
            }
            names[count] = hash;
            count += 1;
            match name {
                Root::Id => id = members.next_value_seed(Value(Wanted::Id))?,
                Root::Unusual => members.next_value_seed(Value(Wanted::Nothing)).map(drop)?,
                Root::Date => members.next_value_seed(Value(Wanted::Date)).map(drop)?,
                Root::Accesses => {
                    members.next_value_seed(Value(Wanted::Accesses))?;
                    has_accesses = true;
                }
                Root::Known(member) => members.next_value_seed(Value(Wanted::Optional(&member.shape))).map(drop)?,
                Root::Free => members.next_value_seed(Value(Wanted::Anything)).map(drop)?,
            }
        }
        if has_accesses { Ok(id) } else { Err(unsure()) }
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[derive(Clone, Copy)]
enum Root {
    Id,
    /// Members that make the full check do more than look at shapes.
    Unusual,
    Date,
    Accesses,
    Known(&'static Member),
    Free,
}

impl Root {
    fn named(name: &str) -> Self {
        match name {
            "_id" => Self::Id,
            "_origin" | "timestamp" => Self::Unusual,
            "date" => Self::Date,
            "accesses" => Self::Accesses,
            _ => MEMBERS.iter().find(|member| member.name == name).map_or(Self::Free, Self::Known),
        }
    }
}

/// Reads a name and keeps what `self.0` makes of it.
struct Name<F>(F);

impl<'de, F: FnOnce(&str) -> T, T> DeserializeSeed<'de> for Name<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: FnOnce(&str) -> T, T> Visitor<'_> for Name<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        Ok((self.0)(name))
    }
}

/// What a value has to be.
#[derive(Clone, Copy)]
enum Wanted {
    Anything,
    Nothing,
    Id,
    Date,
    Accesses,
    Access,
    Action,
    Resource,
    Text,
    Object(&'static [Member]),
    /// A member that may be left out, and so may be `null`.
    Optional(&'static Shape),
    Required(&'static Shape),
}

impl Wanted {
    fn shape(self) -> Option<&'static Shape> {
        match self {
            Self::Optional(shape) | Self::Required(shape) => Some(shape),
            _ => None,
        }
    }
}

struct Value(Wanted);

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Option<EntryId>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Option<EntryId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        match self.0 {
            Wanted::Anything | Wanted::Nothing | Wanted::Id | Wanted::Date | Wanted::Optional(_) => Ok(None),
            _ => Err(unsure()),
        }
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        match (self.0, self.0.shape()) {
            (Wanted::Anything, _) | (_, Some(Shape::Flag)) => Ok(None),
            _ => Err(unsure()),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        match (self.0, self.0.shape()) {
            (Wanted::Anything, _) | (_, Some(Shape::Millis)) => Ok(None),
            (Wanted::Date, _) if in_range(&number) => Ok(None),
            _ => Err(unsure()),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        match (self.0, i64::try_from(number)) {
            (Wanted::Anything, _) => Ok(None),
            (_, Ok(number)) => self.visit_i64(number),
            (_, Err(_)) => Err(unsure()),
        }
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        if matches!(self.0, Wanted::Anything) { Ok(None) } else { Err(unsure()) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let is_in_order = match self.0 {
            Wanted::Id => return EntryId::parse(text).map(Some).map_err(|_| unsure()),
            Wanted::Anything | Wanted::Text => true,
            Wanted::Action => is_action(text),
            Wanted::Resource => lex(text).is_ok(),
            _ => matches!(self.0.shape(), Some(Shape::Text | Shape::TextOr(_))),
        };
        if is_in_order { Ok(None) } else { Err(unsure()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let of_items = match (self.0, self.0.shape()) {
            (Wanted::Anything, _) => Wanted::Anything,
            (Wanted::Accesses, _) => Wanted::Access,
            (_, Some(Shape::Texts)) => Wanted::Text,
            (_, Some(Shape::List(table))) => Wanted::Object(table),
            _ => return Err(unsure()),
        };
        let mut count = 0;
        while items.next_element_seed(Value(of_items))?.is_some() {
            count += 1;
        }
        let is_in_order = !matches!(self.0, Wanted::Accesses) || (1..=ACCESSES_MAX).contains(&count);
        if is_in_order { Ok(None) } else { Err(unsure()) }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let of_members = match (self.0, self.0.shape()) {
            (Wanted::Access, _) => return visit_access(members),
            (Wanted::Object(table), _) => return visit_object(members, table),
            (_, Some(Shape::Object(table) | Shape::TextOr(table))) => return visit_object(members, table),
            (Wanted::Anything, _) | (_, Some(Shape::Map)) => Wanted::Anything,
            (_, Some(Shape::Links)) => Wanted::Object(LINK),
            _ => return Err(unsure()),
        };
        // The JSON library gives names with this beginning a meaning of its own.
        while let Some(is_special) = members.next_key_seed(Name(|name: &str| name.starts_with("$serde_json")))? {
            if is_special {
                return Err(unsure());
            }
            members.next_value_seed(Value(of_members))?;
        }
        Ok(None)
    }
}

fn visit_access<'de, A: MapAccess<'de>>(mut members: A) -> Result<Option<EntryId>, A::Error> {
    let (mut actions, mut resources) = (0, 0);
    while let Some(wanted) = members.next_key_seed(Name(|name: &str| match name {
        "action" => Wanted::Action,
        "resource" => Wanted::Resource,
        _ if name.starts_with("$serde_json") => Wanted::Nothing,
        _ => Wanted::Anything,
    }))? {
        match wanted {
            Wanted::Action => actions += 1,
            Wanted::Resource => resources += 1,
            _ => {}
        }
        members.next_value_seed(Value(wanted))?;
    }
    if (actions, resources) == (1, 1) { Ok(None) } else { Err(unsure()) }
}

fn visit_object<'de, A: MapAccess<'de>>(mut members: A, table: &'static [Member]) -> Result<Option<EntryId>, A::Error> {
    let mut seen = 0_u64;
    let place = |name: &str| match table.iter().position(|member| member.name == name) {
        None if name.starts_with("$serde_json") => Err(()),
        place => Ok(place),
    };
    while let Some(place) = members.next_key_seed(Name(place))? {
        let place = place.map_err(|()| unsure::<A::Error>())?;
        let Some(place) = place else {
            members.next_value_seed(Value(Wanted::Anything))?;
            continue;
        };
        // Of two members with one name the last counts, and the first may be all that is right.
        if seen & 1 << place != 0 {
            return Err(unsure());
        }
        seen |= 1 << place;
        let Member { shape, required, .. } = &table[place];
        let wanted = if *required { Wanted::Required(shape) } else { Wanted::Optional(shape) };
        members.next_value_seed(Value(wanted))?;
    }
    let is_whole = table.iter().enumerate().all(|(place, member)| !member.required || seen & 1 << place != 0);
    if is_whole { Ok(None) } else { Err(unsure()) }
}
