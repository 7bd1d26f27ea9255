//! Destinations that plain HTTP requests do not reach, each behind the trait of `delivery`.
//!
//! Every connection is made by the guarded client that a request is given. Deliberately
//! absent: retries, waits and what follows from an outcome; one engine does that for all.

#[cfg(feature = "otlp")]
mod otlp;

use std::sync::Arc;

use delivery::destination::Destinations;
use integrations::Kind;

/// All kinds of destinations that this build has.
pub fn all() -> Destinations {
    let destinations = Destinations::default();
    #[cfg(feature = "otlp")]
    let destinations = destinations.with(Kind::Otlp, Arc::new(otlp::Otlp));
    destinations
}
