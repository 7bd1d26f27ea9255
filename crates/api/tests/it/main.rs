//! The REST API over a real store, a real catalogue and a running engine, called in process.

mod accounts;
mod attempts;
mod audit_log;
mod audit_log_export;
mod audit_log_model;
mod cloud_events;
mod dead_letters;
mod deliveries;
mod envelope;
mod ingest;
mod ingest_sources;
mod integration_health;
mod ledger;
mod logs;
mod metrics;
mod rates;
mod records;
mod replays;
mod subscriptions;
mod support;
mod terraform;
mod test_sends;
mod tokens;
mod updates;
mod walk;
mod webhooks;
