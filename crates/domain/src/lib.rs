//! The words that every other crate speaks: ids, times, secrets, sealing, entries.
//!
//! Pure. Deliberately absent: input and output, any async runtime, the real clock.

mod entry;
mod error;
mod id;
mod resource;
mod seal;
mod secret;
mod steady;
mod time;

pub use entry::{Actor, Entry, EntryDraft, EntryFacts, Searched, Term, Told, Topic, folded};
pub use error::{FieldError, error_chain};
pub use id::{AccountId, EntryId, IngestSourceId, InvalidId, JobId, Sequence, SubscriptionId, TokenId};
pub use resource::{Access, LexedSegment, LexedSelector, ParseResourceError, Resource, Segment, lex};
pub use seal::{DataKey, Keys, MasterKey, SealContext, SealError};
pub use secret::Secret;
pub use steady::ClockWatch;
pub use time::{Clock, Timestamp};
