//! What each vendor takes and refuses, what faults do, and the listeners.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like the test that calls it")]

mod alerts;
mod binary;
mod chats;
mod datadog;
mod dynatrace;
mod elastic;
mod faults;
mod honeycomb;
mod logs;
mod mezmo;
mod newrelic;
mod newrelic_others;
mod routes;
mod signalfx;
mod sockets;
mod splunk;
mod support;
mod teams;
mod webhooks;
