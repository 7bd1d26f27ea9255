//! Many policies, asked at once.
//!
//! Most subscriptions of an account share a policy or differ in a name, so policies that
//! decide alike are held once, and each is found by the kinds, the literal names and one
//! literal tag of the resources that it allows. What is found so is a candidate; the policy
//! itself decides.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, Hash, Hasher, RandomState},
};

use domain::{Access, Resource};
use hashbrown::HashTable;
use smallvec::{SmallVec, smallvec};

use crate::{
    Policy,
    specifier::Specifier,
    statement::{Effect, Set},
};

/// Policies under keys, ordered so that one look tells which of them allow an entry.
///
/// The time of a look grows with the number of different policies that may match, not with
/// the number of keys that do not.
#[derive(Debug)]
pub struct PolicyIndex<K> {
    by_key: HashMap<K, Member>,
    /// Groups by the rules of their policies, which stand in `groups`.
    by_rules: HashTable<usize>,
    groups: Vec<Option<Group<K>>>,
    free: Vec<usize>,
    places: HashMap<u64, ByFixed>,
    /// Groups that allow a complement, which any resource may be in.
    everywhere: Vec<usize>,
    // Hashes stand for kinds, names and tags. A collision costs one needless candidate.
    hashing: RandomState,
}

/// Keys whose policies have equal rules.
#[derive(Debug)]
struct Group<K> {
    policy: Policy,
    // Most groups have one key.
    keys: SmallVec<[K; 1]>,
}

/// Where a key stands: its group, and its place among that group's keys. Memory holds fewer of both
/// than these can count.
#[derive(Clone, Copy, Debug)]
struct Member {
    group: u32,
    place: u32,
}

impl Member {
    fn new(group: usize, place: usize) -> Self {
        Self { group: group as u32, place: place as u32 }
    }
}

/// For one sequence of kinds: what specifiers fix, then the hash of those names and of that
/// tag, then the groups. Few things are fixed in many ways, and each way costs one look.
type ByFixed = BTreeMap<Fixed, HashMap<u64, SmallVec<[usize; 1]>>>;

/// What a specifier says without `*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Fixed {
    /// One bit for each segment with a literal name. Segments past the bits are not indexed;
    /// the policy itself looks at them.
    named: u64,
    /// The first segment with a literal tag.
    tagged: Option<usize>,
}

/// The way to a group through `places`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    kinds: u64,
    fixed: Fixed,
    texts: u64,
}

impl<K: Copy + Eq + Hash> PolicyIndex<K> {
    /// An index without policies.
    pub fn new() -> Self {
        Self {
            by_key: HashMap::new(),
            by_rules: HashTable::new(),
            groups: Vec::new(),
            free: Vec::new(),
            places: HashMap::new(),
            everywhere: Vec::new(),
            hashing: RandomState::new(),
        }
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Puts a policy under a key, in place of the one that was there.
    pub fn insert(&mut self, key: K, policy: Policy) {
        self.remove(&key);
        let group = match self.by_rules.find(self.hash_of(&policy), |&group| self.has_rules(group, &policy)) {
            Some(&group) => group,
            None => self.group_add(policy),
        };
        if let Some(members) = &mut self.groups[group] {
            self.by_key.insert(key, Member::new(group, members.keys.len()));
            members.keys.push(key);
        }
    }

    /// Takes a key and its policy out; nothing happens if it is not there.
    pub fn remove(&mut self, key: &K) {
        let Some(member) = self.by_key.remove(key) else { return };
        let (group, place) = (member.group as usize, member.place as usize);
        let Some(members) = &mut self.groups[group] else { return };
        members.keys.swap_remove(place);
        if let Some(moved) = members.keys.get(place) {
            self.by_key.insert(*moved, member);
        }
        if members.keys.is_empty() {
            self.group_remove(group);
        }
    }

    /// Replaces what is in `found` by the keys whose policy allows at least one of the
    /// accesses, each once. The order says nothing, but equal histories give equal orders.
    pub fn matches(&self, accesses: &[Access], found: &mut Vec<K>) {
        found.clear();
        let mut allowing = Vec::new();
        for access in accesses {
            self.each_candidate(&access.resource, |group| {
                if self.groups[group].as_ref().is_some_and(|members| members.policy.allows_access(access)) {
                    allowing.push(group);
                }
            });
        }
        allowing.sort_unstable();
        allowing.dedup();
        for members in allowing.into_iter().filter_map(|group| self.groups[group].as_ref()) {
            found.extend_from_slice(&members.keys);
        }
    }

    /// May visit a group more than once.
    fn each_candidate<'r>(&self, resource: &'r Resource, mut visit: impl FnMut(usize)) {
        self.everywhere.iter().copied().for_each(&mut visit);
        let kinds = self.hash(resource.segments.iter().map(|segment| segment.kind.as_str()));
        let Some(by_fixed) = self.places.get(&kinds) else { return };
        for (fixed, by_texts) in by_fixed {
            let named = resource.segments.iter().enumerate().filter(|(at, _)| fixed.is_named(*at));
            let names = named.map(|(_, segment)| segment.name.as_str());
            let mut look = |tag: Option<&'r str>| {
                let groups = by_texts.get(&self.hash(names.clone().chain(tag)));
                groups.into_iter().flatten().copied().for_each(&mut visit);
            };
            match fixed.tagged.and_then(|at| resource.segments.get(at)) {
                Some(segment) => segment.tags.iter().for_each(|tag| look(Some(tag))),
                None => look(None),
            }
        }
    }

    fn group_add(&mut self, policy: Policy) -> usize {
        let group = self.free.pop().unwrap_or_else(|| {
            self.groups.push(None);
            self.groups.len() - 1
        });
        for place in self.places_of(&policy) {
            let groups = self.places.entry(place.kinds).or_default().entry(place.fixed).or_default();
            groups.entry(place.texts).or_default().push(group);
        }
        if is_everywhere(&policy) {
            self.everywhere.push(group);
        }
        let hash = self.hash_of(&policy);
        self.groups[group] = Some(Group { policy, keys: smallvec![] });
        let (groups, hashing) = (&self.groups, &self.hashing);
        let hash_of = |&group: &usize| groups[group].as_ref().map_or(0, |held| hashing.hash_one(&held.policy.rules));
        self.by_rules.insert_unique(hash, group, hash_of);
        group
    }

    fn group_remove(&mut self, group: usize) {
        let Some(Group { policy, .. }) = self.groups[group].take() else { return };
        self.free.push(group);
        if let Ok(found) = self.by_rules.find_entry(self.hash_of(&policy), |&other| other == group) {
            found.remove();
        }
        self.everywhere.retain(|&other| other != group);
        for place in self.places_of(&policy) {
            self.place_remove(place, group);
        }
    }

    fn place_remove(&mut self, place: Place, group: usize) {
        let Some(by_fixed) = self.places.get_mut(&place.kinds) else { return };
        let Some(by_texts) = by_fixed.get_mut(&place.fixed) else { return };
        let Some(groups) = by_texts.get_mut(&place.texts) else { return };
        groups.retain(|other| *other != group);
        if groups.is_empty() {
            by_texts.remove(&place.texts);
        }
        if by_texts.is_empty() {
            by_fixed.remove(&place.fixed);
        }
        if by_fixed.is_empty() {
            self.places.remove(&place.kinds);
        }
    }

    fn places_of(&self, policy: &Policy) -> BTreeSet<Place> {
        allowed(policy)
            .filter_map(|resources| match resources {
                Set::Only(specifiers) => Some(specifiers),
                Set::AllBut(_) => None,
            })
            .flatten()
            .map(|specifier| self.place_of(specifier))
            .collect()
    }

    fn place_of(&self, specifier: &Specifier) -> Place {
        let kinds = self.hash(specifier.segments.iter().map(|segment| &*segment.kind));
        let mut fixed = Fixed::default();
        let mut texts = Vec::new();
        for (at, segment) in specifier.segments.iter().enumerate().take(u64::BITS as usize) {
            if let Some(name) = segment.name.literal() {
                fixed.named |= 1 << at;
                texts.push(name);
            }
        }
        let mut tags = specifier.segments.iter().enumerate().filter_map(|(at, segment)| Some((at, segment.tag()?)));
        if let Some((at, tag)) = tags.next() {
            fixed.tagged = Some(at);
            texts.push(tag);
        }
        Place { kinds, fixed, texts: self.hash(texts.into_iter()) }
    }

    fn has_rules(&self, group: usize, policy: &Policy) -> bool {
        self.groups[group].as_ref().is_some_and(|held| held.policy == *policy)
    }

    fn hash_of(&self, policy: &Policy) -> u64 {
        self.hashing.hash_one(&policy.rules)
    }

    fn hash<'a>(&self, texts: impl Iterator<Item = &'a str>) -> u64 {
        let mut hasher = self.hashing.build_hasher();
        texts.for_each(|text| text.hash(&mut hasher));
        hasher.finish()
    }
}

impl<K: Copy + Eq + Hash> Default for PolicyIndex<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl Fixed {
    fn is_named(&self, at: usize) -> bool {
        at < u64::BITS as usize && self.named & (1 << at) != 0
    }
}

fn is_everywhere(policy: &Policy) -> bool {
    allowed(policy).any(|resources| matches!(resources, Set::AllBut(_)))
}

fn allowed(policy: &Policy) -> impl Iterator<Item = &Set<Specifier>> {
    policy.rules.iter().filter(|statement| statement.effect == Effect::Allow).map(|statement| &statement.resources)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Policy, PolicyIndex};

    #[test]
    fn what_is_taken_out_leaves_nothing_behind() {
        let mut index = PolicyIndex::new();
        for round in 0..3 {
            for key in 0..20 {
                let statements = json!([
                    {"effect": "allow", "resources": [format!("proj/p{}", key % 7), "proj/*;eu"], "actions": ["*"]},
                    {"effect": "allow", "notResources": [format!("proj/q{}", key % 5)], "actions": [format!("a{round}")]},
                ]);
                index.insert(key, Policy::parse(&statements).expect("the statements are valid"));
            }
            (0..20).for_each(|key| index.remove(&key));
        }
        assert!(index.by_key.is_empty() && index.by_rules.is_empty());
        assert!(index.places.is_empty() && index.everywhere.is_empty());
        assert!(index.groups.len() == index.free.len() && index.groups.len() <= 20, "{index:?}");
    }
}
