//! What became of ingest requests since the start of the server.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Ingested;
use crate::{Conflict, Error};

#[derive(Default)]
pub(crate) struct Counts {
    accepted: AtomicU64,
    duplicates: AtomicU64,
    refused: [AtomicU64; REASONS.len()],
}

/// Why requests are refused; the last one stands for failures of the server.
const REASONS: [&str; 9] =
    ["forbidden", "loop", "invalid", "too_large", "id_conflict", "rate_limited", "busy", "store_full", "failed"];

impl Counts {
    pub(crate) fn note(&self, ingested: Result<&Ingested, &Error>) {
        match ingested {
            Ok(ingested) if ingested.repeated => add(&self.duplicates, ingested.items.len()),
            Ok(ingested) => {
                add(&self.accepted, ingested.accepted);
                add(&self.duplicates, ingested.duplicates);
            }
            Err(error) => {
                let reason = reason(error);
                if let Some(place) = REASONS.iter().position(|known| *known == reason) {
                    add(&self.refused[place], 1);
                }
            }
        }
    }

    /// Entries that were new, and entries that were there already.
    pub(crate) fn entries(&self) -> [(&'static str, u64); 2] {
        [("accepted", &self.accepted), ("duplicate", &self.duplicates)]
            .map(|(result, count)| (result, count.load(Ordering::Relaxed)))
    }

    /// Requests that were refused whole, by reason.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.refused.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

fn add(count: &AtomicU64, more: usize) {
    count.fetch_add(more as u64, Ordering::Relaxed);
}

fn reason(error: &Error) -> &'static str {
    match error {
        Error::Unauthorized
        | Error::Signature
        | Error::Forbidden { .. }
        | Error::Suspended(_)
        | Error::BeyondMaker(_) => "forbidden",
        Error::Loop => "loop",
        Error::Invalid { .. } | Error::Unprocessable { .. } | Error::NotFound(_) => "invalid",
        Error::TooLarge(_) => "too_large",
        Error::Conflict(Conflict::KeyReused) => "invalid",
        Error::Conflict(_) => "id_conflict",
        Error::Busy { account_over_share: true } => "rate_limited",
        Error::Busy { account_over_share: false } => "busy",
        Error::Full => "store_full",
        Error::Unavailable { .. } | Error::Internal(_) => "failed",
    }
}
