//! The rows, in the order of the table.

mod drain;
mod idle;
mod ingest;
mod isolation;
mod kill;
mod latency;
mod search;
mod steady;

use super::{Bench, Row};

type Measure = fn(&Bench) -> anyhow::Result<Vec<Row>>;

/// Each with the name by which it is chosen; several lines of the table may belong to one.
pub(super) const ROWS: &[(&str, Measure)] = &[
    ("ingest, single entries", ingest::single),
    ("ingest, batches of 100", ingest::batches),
    ("latency", latency::measure),
    ("steady, one subscription", steady::measure),
    ("ingest with a backlog", ingest::with_backlog),
    ("ingest, none of 1,000 matches", ingest::none_matches),
    ("kill", kill::measure),
    ("drain, unbatched", drain::unbatched),
    ("drain, over TLS", drain::over_tls),
    ("drain, Datadog", drain::datadog),
    ("drain, batched", drain::batched),
    ("slow sink", drain::slow_sink),
    ("isolation", isolation::measure),
    ("index", ingest::beside_index),
    ("search", search::measure),
    ("idle subscriptions", idle::measure),
    ("memory", idle::memory),
];
