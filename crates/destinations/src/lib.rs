//! Destinations that plain HTTP requests do not reach, each behind the trait of `delivery`.
//!
//! Every connection is made by the guarded client that a request is given. Deliberately
//! absent: retries, waits and what follows from an outcome; one engine does that for all.

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "syslog")]
mod syslog;

use delivery::destination::Destinations;

/// All kinds of destinations that this build has.
pub fn all() -> Destinations {
    let destinations = Destinations::default();
    #[cfg(feature = "kafka")]
    let destinations = destinations.with(integrations::Kind::Kafka, std::sync::Arc::new(kafka::Kafka));
    #[cfg(feature = "otlp")]
    let destinations = destinations.with(integrations::Kind::Otlp, std::sync::Arc::new(otlp::Otlp));
    #[cfg(feature = "s3")]
    let destinations = destinations.with(integrations::Kind::S3, std::sync::Arc::new(s3::S3));
    #[cfg(feature = "syslog")]
    let destinations = destinations.with(integrations::Kind::Syslog, std::sync::Arc::new(syslog::Syslog));
    destinations
}
