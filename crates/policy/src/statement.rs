//! Statements and what they decide.

use std::sync::Arc;

use domain::{Access, FieldError};
use serde_json::Value;

use crate::{glob::Glob, parse, specifier::Specifier};

/// A validated list of statements, compiled for matching. Clones share it; those that decide alike
/// are equal, however their statements were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(crate) rules: Arc<[Statement]>,
}

/// What a policy says of one access. Statements are counted from 0, as they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// No deny statement matches, and this is the first allow statement that does.
    Allowed {
        /// Its place in the policy.
        statement: usize,
    },
    /// This is the first deny statement that matches; what is allowed elsewhere has no say.
    Denied {
        /// Its place in the policy.
        statement: usize,
    },
    /// No statement matches, which allows nothing.
    NoMatch,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    pub(crate) resources: Set<Specifier>,
    pub(crate) actions: Set<Glob>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// What a list of patterns stands for: `resources` and `actions`, or their complements.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Set<T> {
    Only(Box<[T]>),
    // Seldom; boxed once more, it makes no set larger than a list.
    AllBut(Box<Box<[T]>>),
}

impl Policy {
    /// Checks and compiles a JSON array of statements.
    ///
    /// # Errors
    /// Every mistake at once, each with its place in the array, such as `[0].resources[1]`.
    /// A list beyond its limit is one mistake; what is in it is not looked at.
    pub fn parse(statements: &Value) -> Result<Self, Vec<FieldError>> {
        Ok(Self { rules: parse::statements(statements)?.into() })
    }

    /// Whether it has no statements. Such a policy allows nothing.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether it allows at least one of the accesses of an entry.
    pub fn allows(&self, accesses: &[Access]) -> bool {
        accesses.iter().any(|access| self.allows_access(access))
    }

    /// Whether it allows this access: an allow statement matches and no deny statement does.
    pub fn allows_access(&self, access: &Access) -> bool {
        // Most policies have nothing to do with most entries, so the search for an allow
        // statement ends most questions.
        self.first(Effect::Allow, access).is_some() && self.first(Effect::Deny, access).is_none()
    }

    /// Which statement decides about this access, and how.
    pub fn decide(&self, access: &Access) -> Decision {
        if let Some(statement) = self.first(Effect::Deny, access) {
            return Decision::Denied { statement };
        }
        self.first(Effect::Allow, access).map_or(Decision::NoMatch, |statement| Decision::Allowed { statement })
    }

    /// Specifiers one of which matches a resource of every access that it allows; none when
    /// there is a statement that allows all resources but some.
    pub fn allowed_resources(&self) -> Option<Vec<&Specifier>> {
        let mut specifiers = Vec::new();
        for statement in self.rules.iter().filter(|statement| statement.effect == Effect::Allow) {
            match &statement.resources {
                Set::Only(only) => specifiers.extend(only),
                Set::AllBut(_) => return None,
            }
        }
        Some(specifiers)
    }

    fn first(&self, effect: Effect, access: &Access) -> Option<usize> {
        self.rules.iter().position(|statement| statement.effect == effect && statement.matches(access))
    }
}

impl Statement {
    fn matches(&self, access: &Access) -> bool {
        self.resources.contains(|specifier| specifier.matches(&access.resource))
            && self.actions.contains(|pattern| pattern.matches(&access.action))
    }
}

impl<T> Set<T> {
    fn contains(&self, matches: impl FnMut(&T) -> bool) -> bool {
        match self {
            Self::Only(patterns) => patterns.iter().any(matches),
            Self::AllBut(patterns) => !patterns.iter().any(matches),
        }
    }
}
