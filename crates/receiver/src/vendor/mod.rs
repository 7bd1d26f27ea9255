//! The vendors. Each module refuses what its vendor's documentation says it refuses.

mod card;
mod datadog;
mod datadog_logs;
mod dynatrace;
mod elastic;
mod grafana;
mod honeycomb;
mod last9;
mod loki;
mod mapping;
mod mattermost;
mod mezmo;
mod newrelic;
mod newrelic_changes;
mod newrelic_events;
mod opsgenie;
mod pagerduty;
mod selector;
mod signalfx;
mod slack;
mod splunk;
mod teams;
mod terraform;
mod webhook;
mod zapier;

pub(crate) use teams::connector_error;

use std::collections::{BTreeMap, HashSet, VecDeque};

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    fault::ItemErrors,
    options::Options,
    reply::{Judgement, Refusal, Reply},
    request::Request,
    route::Place,
};

/// What the vendors remember from one request to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    numbers: u64,
    documents: HashSet<String>,
    document_order: VecDeque<String>,
    datasets: HashSet<String>,
    /// Second of the newest deployment by application id.
    deployments: BTreeMap<String, i64>,
    /// Newest time by labels of a Loki stream, in milliseconds.
    streams: BTreeMap<String, i64>,
    acks: u64,
}

impl Memory {
    /// Most Elasticsearch documents that are remembered; the oldest are forgotten first.
    const DOCUMENTS_MAX: usize = 1_000_000;
    /// Most names of each other kind that are remembered.
    const NAMES_MAX: usize = 10_000;

    /// A number that was not given before.
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Remembers a document; false when it was there.
    fn document(&mut self, index: &str, id: &str) -> bool {
        let name = format!("{index}/{id}");
        let new = self.documents.insert(name.clone());
        if new {
            self.document_order.push_back(name);
        }
        if self.document_order.len() > Self::DOCUMENTS_MAX
            && let Some(oldest) = self.document_order.pop_front()
        {
            self.documents.remove(&oldest);
        }
        new
    }
}

/// One request before a vendor.
pub(crate) struct Call<'a> {
    pub request: &'a Request,
    /// The body unpacked, or why it cannot be.
    pub payload: &'a Result<Bytes, String>,
    pub options: &'a Options,
    /// UTC milliseconds.
    pub now: i64,
    pub memory: &'a mut Memory,
    pub item_errors: Option<&'a ItemErrors>,
}

impl<'a> Call<'a> {
    /// The status that a fault wants for item `index`.
    fn injected(&self, index: usize) -> Option<u16> {
        self.item_errors.and_then(|errors| errors.status_of(index))
    }

    /// The body, where its coding is one of `codings` and it has at most `most` bytes.
    fn body(&self, codings: &[&str], most: usize) -> Result<&'a [u8], BadBody> {
        let coding = self.request.encoding();
        if !coding.is_empty() && !codings.contains(&coding.as_str()) {
            return Err(BadBody::Coding(format!("content coding {coding} is not taken")));
        }
        match self.payload {
            Ok(bytes) if bytes.len() > most => {
                Err(BadBody::Large(format!("{} bytes, {most} are the most", bytes.len())))
            }
            Ok(bytes) => Ok(bytes),
            Err(reason) => Err(BadBody::Coding(reason.clone())),
        }
    }

    fn bearer(&self, scheme: &str) -> Option<&'a str> {
        let value = self.request.header("authorization")?;
        value.strip_prefix(scheme)?.strip_prefix(' ')
    }

    fn is_post(&self) -> bool {
        self.request.method == Method::POST
    }

    fn is_json(&self) -> bool {
        self.request.media_type() == "application/json"
    }
}

/// A body that a vendor does not even begin to read.
enum BadBody {
    Coding(String),
    Large(String),
}

impl BadBody {
    fn status(&self) -> u16 {
        match self {
            Self::Coding(_) => 415,
            Self::Large(_) => 413,
        }
    }

    fn reason(self) -> String {
        match self {
            Self::Coding(reason) | Self::Large(reason) => reason,
        }
    }
}

/// Lets the vendor of `place` judge the request.
pub(crate) fn judge(place: Place, call: &mut Call<'_>) -> Judgement {
    let verdict = match place {
        Place::Chronosphere | Place::Compass | Place::Kosli | Place::TeamsApp => webhook::judge_ld(call),
        Place::Datadog | Place::DatadogPrivate => datadog::judge(call),
        Place::DatadogLogs => datadog_logs::judge(call),
        Place::Dynatrace => dynatrace::judge_v1(call),
        Place::DynatraceV2 => dynatrace::judge_v2(call),
        Place::Elastic | Place::ElasticStream => elastic::judge(call),
        Place::Grafana => grafana::judge(call),
        Place::Honeycomb => honeycomb::judge(call),
        Place::Last9 => last9::judge(call),
        Place::Logdna => mezmo::judge(call),
        Place::Loki => loki::judge(call),
        Place::Mattermost => mattermost::judge(call),
        Place::NewRelic => newrelic::judge(call),
        Place::NewRelicChanges => newrelic_changes::judge(call),
        Place::NewRelicEvents => newrelic_events::judge(call),
        Place::Opsgenie => opsgenie::judge(call),
        Place::PagerDuty => pagerduty::judge(call),
        Place::SignalFx => signalfx::judge(call),
        Place::Slack => slack::judge(call),
        Place::Splunk | Place::SplunkRaw => splunk::judge(call),
        Place::Teams => teams::judge(call),
        Place::Terraform => terraform::judge(call),
        Place::Webhook => webhook::judge_standard(call),
        Place::Zapier => zapier::judge(call),
        Place::Unknown => {
            let reason = format!("no vendor has {} at host {}", call.request.path, call.request.host);
            Err(Refusal::new(Reply::json(404, &json!({"error": reason})), reason))
        }
    };
    verdict.unwrap_or_else(Judgement::from)
}

/// The body with which the vendor of `place` explains a `status` that it gives for reasons of its own.
pub(crate) fn trouble(place: Place, status: u16) -> Reply {
    let text = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("Error");
    match (place, status) {
        (Place::Datadog | Place::DatadogLogs | Place::DatadogPrivate, _) => {
            Reply::json(status, &json!({"errors": [text]}))
        }
        (Place::Dynatrace | Place::DynatraceV2, _) => {
            Reply::json(status, &json!({"error": {"code": status, "message": text}}))
        }
        (Place::Elastic | Place::ElasticStream, 429) => {
            elastic::error(429, "es_rejected_execution_exception", "rejected execution of coordinating operation")
        }
        (Place::Elastic | Place::ElasticStream, _) => elastic::error(status, "exception", text),
        (Place::NewRelic, _) => Reply::json(status, &json!({"error": {"title": text}})),
        (Place::SignalFx, _) => Reply::json(status, &json!({"code": status, "message": text})),
        (Place::Splunk | Place::SplunkRaw, 503) => splunk::reply(503, 9, "Server is busy"),
        (Place::Splunk | Place::SplunkRaw, 500) => splunk::reply(500, 8, "Internal server error"),
        (Place::Splunk | Place::SplunkRaw, 413) => splunk::reply(413, 27, "Request entity too large"),
        (Place::Splunk | Place::SplunkRaw, 429) => splunk::reply(429, 26, "Server is at capacity"),
        (Place::Teams | Place::Loki, _) => Reply::text(status, text),
        (Place::Slack, 429) => Reply::text(status, "rate_limited"),
        (Place::Slack, _) => Reply::text(status, "rollup_error"),
        (Place::Grafana, _) => Reply::json(status, &json!({"message": text})),
        _ => Reply::json(status, &json!({"error": text})),
    }
}

/// The answer with which the vendor of `place` takes a request and then stores nothing.
pub(crate) fn hollow(place: Place, judged: Reply) -> Reply {
    match place {
        Place::Dynatrace => dynatrace::nothing_stored(),
        _ => judged,
    }
}

/// The first key of `object` that is not among `known`.
fn unknown_key<'v>(object: &'v Map<String, Value>, known: &[&str]) -> Option<&'v str> {
    object.keys().map(String::as_str).find(|key| !known.contains(key))
}

/// Whether the value is a whole number that fits 64 bits with sign.
fn is_integer(value: &Value) -> bool {
    value.as_i64().is_some()
}

fn is_scalar(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

/// The first of `keys` that is present in `object` and no string.
fn not_text<'k>(object: &Map<String, Value>, keys: &[&'k str]) -> Option<&'k str> {
    keys.iter().find(|key| object.get(**key).is_some_and(|value| !value.is_string())).copied()
}
