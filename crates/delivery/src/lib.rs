//! The way of an entry from the log to a destination.
//!
//! What follows an attempt is chosen by the pure [`decide`](decide::decide); what a
//! subscription does next by the pure [`courier::Courier`]; the engine performs both.
//! Deliberately absent: a queue beside the log, order between subscriptions, SQL.

mod account;
pub mod attempts;
pub mod client;
pub mod condition;
pub mod courier;
pub mod decide;
pub mod destination;
mod engine;
mod journal;
mod lane;
pub mod ledger;
mod matcher;
mod outcome;
mod permits;
mod seldom;
mod send;
mod shelf;
#[cfg(test)]
mod simulation;
mod status;
mod trial;

pub use condition::{Condition, ConditionKind, ConditionLimits};
pub use engine::counters::{AttemptFigures, DURATION_BOUNDS};
pub use engine::figures::{EngineFigures, IntegrationFigures, Tally};
pub use engine::retention::{HELD_MAX, RETENTION_EVERY, STEP_BYTES, STEP_ENTRIES};
pub use engine::worst::SubscriptionFigures;
pub use engine::{Engine, EngineHealth, EngineSettings, SLOW, SkipRequest, TURN_MAX, TestRequest, TestResult};
pub use journal::{DELAY_MAX, OUTCOMES_MAX};
pub use outcome::{Outcome, OutcomeKind, Reason};
pub use send::{REPLY_BYTES, REPLY_BYTES_PER_ITEM};
pub use status::{Failure, State, Status};
pub use trial::try_out;
