//! A local receiver that speaks the ingest protocols of the vendors and refuses what they refuse.
//!
//! It serves `make demo` and the end-to-end tests. It is written from the vendors' public
//! documentation, not from the templates that send to it, so that a wrong unit, a missing field or
//! an over-long text is refused here as it would be there. Where a vendor takes such a mistake
//! silently and stores something useless (a millisecond number read as seconds, a log line of last
//! week stamped as of now), the receiver refuses it, because a test could not see it otherwise.
//!
//! | destination | requests | key in [`Keys`] |
//! | --- | --- | --- |
//! | `datadog` | `POST /api/v1/events` | `DD-API-KEY: datadog-key` |
//! | `dynatrace` | `POST [/e/ENV]/api/v1/events` | `Authorization: Api-Token dynatrace-token` |
//! | `dynatrace-v2` | `POST [/e/ENV]/api/v2/events/ingest` | the same |
//! | `elastic` | `POST [/INDEX]/_bulk`, `POST /INDEX/_doc`, `PUT /INDEX/_doc/ID`, `PUT /INDEX/_create/ID` | `Authorization: ApiKey ZWxhc3RpYzprZXk=` |
//! | `honeycomb` | `POST /1/batch/DATASET`, `POST /1/markers/DATASET` | `X-Honeycomb-Team: honeycomb-key` |
//! | `logdna` | `POST /logs/ingest?hostname=…` | `apikey: logdna-key`, or Basic |
//! | `msteams` | `POST …/workflows/ID/triggers/manual/paths/invoke`, `POST /webhookb2/…/IncomingWebhook/…` | `sig=teams-signature` in the URL of a workflow |
//! | `new-relic-apm` | `POST /v2/applications/ID/deployments.json` | `Api-Key: newrelic-key`, or `X-Api-Key` |
//! | `signalfx` | `POST /v2/event` | `X-SF-Token: signalfx-token` |
//! | `splunk` | `POST /services/collector/event` | `Authorization: Splunk splunk-token` |
//!
//! The vendor is known by the `Host`; at any other host by the path, and where two vendors share a
//! path (`/api/v1/events`) by the header that carries the key. [`Intake`] judges requests without
//! a socket; [`Receiver`] puts it behind TLS, plain HTTP and a control listener.
//!
//! The control listener answers in JSON:
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /received[?destination=KEY]` | the requests, oldest first |
//! | `DELETE /received` | 204; requests and counts are forgotten |
//! | `GET /summary` | the [`Counts`] by destination |
//! | `POST /expect {"ids": […]}` | how many ids of entries are looked for now, anywhere in a body |
//! | `POST /faults`, with a [`Fault`] or a list of them | 204 |
//! | `GET /faults`, `DELETE /faults` | the faults that wait; 204 |
//! | `GET /ca.pem`, `GET /healthz` | the authority's certificate; `ok` |
//!
//! Kept are the last 100,000 requests, and of their bodies 1 MiB each and 256 MiB in all.
//!
//! Not spoken: zstd bodies, `filter_path` and dynamic mapping at Elasticsearch, and the rate limits
//! of the vendors, which come by fault only.
//!
//! The library reads no clock for what it judges: [`Options`] brings one.

mod body;
mod certificates;
mod control;
mod fault;
mod ids;
mod intake;
mod options;
mod record;
mod reply;
mod request;
mod route;
mod serve;
mod time;
mod vendor;

pub use fault::{Fault, FaultKind};
pub use intake::{Answer, Delivery, Intake};
pub use options::{Keys, Now, Options};
pub use record::{Counts, Received};
pub use reply::Reply;
pub use request::Request;
pub use serve::Receiver;
