//! Which entries a subscription wants: allow and deny statements over resources and actions.
//!
//! Pure. Deliberately absent: what an empty policy means to a webhook or a subscription that
//! has none, because that is the caller's choice. Here an empty policy allows nothing.
//! The language is described in docs/policies.md, whose examples are this crate's tests.

mod glob;
mod index;
mod parse;
mod specifier;
mod statement;

pub use index::PolicyIndex;
pub use parse::{ACTION_BYTES_MAX, ACTIONS_MAX, SPECIFIER_BYTES_MAX, SPECIFIERS_MAX, STATEMENTS_MAX};
pub use specifier::{Landmarks, Specifier};
pub use statement::{Decision, Policy};
