//! Integrations: from an entry to a request, and from a reply to what it means.
//!
//! An integration is a folder with a manifest and templates, in the public format of
//! LaunchDarkly's integration framework and a few keys of our own; docs/integrations.md
//! describes both. Pure but for reading the folders. Deliberately absent: sending, waiting,
//! the clock, and what follows from a verdict.

mod about;
mod address;
mod batch;
mod catalogue;
mod check;
mod cut;
mod extension;
mod format;
mod integration;
mod kind;
mod live;
mod locate;
mod manifest;
mod preview;
mod redact;
mod render;
mod reply;
mod retry_after;
mod sample;
mod samples;
mod schema;
mod shelf;
mod source;
pub mod template;
mod variables;
mod webhook;

/// The key of the hidden integration that webhooks are subscriptions to.
pub const WEBHOOK_KEY: &str = "webhook";

pub use about::About;
pub use batch::BatchLimits;
pub use catalogue::{Catalogue, Earlier, LoadProblem, load_folder};
pub use extension::{AgeWindow, OnLate, Pace};
pub use integration::{CommonLine, HttpRequest, Integration};
pub use kind::Kind;
pub use live::LiveCatalogue;
pub use preview::{Preview, PreviewOutcome, PreviewRequest};
pub use redact::redact;
pub use render::{Item, Moment, Nothing, RenderError, RenderedItem};
pub use reply::{Reason, Reply, ReplyReading, Verdict};
pub use retry_after::RETRY_AFTER_MAX;
pub use samples::{Sample, samples};
pub use schema::MANIFEST_SCHEMA;
pub use shelf::{Fitting, Shelf, Standing};
pub use source::Source;
pub use variables::{FormVariable, VariableType};
