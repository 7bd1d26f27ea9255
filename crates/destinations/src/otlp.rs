//! OpenTelemetry logs over HTTP, in JSON or protobuf.
//!
//! Source: OpenTelemetry Protocol Specification 1.8, OTLP/HTTP. docs/integrations/otlp.md says
//! what becomes of an entry.

mod json;
mod record;
mod reply;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use delivery::{
    Outcome, REPLY_BYTES, Reason,
    client::Answer,
    destination::{Answered, Destination, Request, Summary, To, Way, may_show},
};
use domain::Entry;
use futures_util::future::BoxFuture;
use integrations::{HttpRequest, Integration, RenderedItem, Reply, ReplyReading};
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::InstrumentationScope,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use prost::Message;
use url::Url;

/// Where logs go below the address of a receiver.
const PATH: &str = "/v1/logs";

/// How requests and answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    fn of(to: &To<'_>) -> Self {
        if to.text("encoding") == "json" { Self::Json } else { Self::Protobuf }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }
}

/// Log records, sent to a receiver of OTLP/HTTP.
pub(crate) struct Otlp;

struct Export {
    integration: Arc<Integration>,
    request: HttpRequest,
    encoding: Encoding,
    records: usize,
}

impl Destination for Otlp {
    fn encode(&self, to: &To<'_>, entry: &Entry, item: &mut RenderedItem) -> Result<(), Outcome> {
        let record = record::log_record(entry, item, to.flag("original"))
            .map_err(|text| Outcome::Unrenderable(Reason::new("unrenderable", text)))?;
        item.body = match Encoding::of(to) {
            Encoding::Json => json::log_record(&record).to_string().into_bytes(),
            Encoding::Protobuf => record.encode_to_vec(),
        };
        Ok(())
    }

    fn request(
        &self,
        to: &To<'_>,
        _entries: &[Arc<Entry>],
        items: Vec<RenderedItem>,
    ) -> Result<Box<dyn Request>, Outcome> {
        Ok(Box::new(export(to, &items)?))
    }

    fn redelivers_alone(&self) -> bool {
        true
    }
}

impl Request for Export {
    fn summary(&self) -> Summary<'_> {
        Summary { method: self.request.method, url: &self.request.url, bytes: self.request.body.len() }
    }

    fn send<'a>(self: Box<Self>, way: Way<'a>) -> BoxFuture<'a, Answered> {
        Box::pin(async move {
            let Self { integration, request, encoding, records } = *self;
            let profile = way.profile(request.verify_tls);
            match way.client.send(request, profile, REPLY_BYTES).await {
                Err(error) => error.into(),
                Ok(answer) => read(&integration, answer, encoding, records, way),
            }
        })
    }
}

fn export(to: &To<'_>, items: &[RenderedItem]) -> Result<Export, Outcome> {
    let failed = |text: String| Outcome::Misconfigured(Reason::new("unrenderable", text));
    let url = address(&to.text("url")).ok_or_else(|| failed("the URL cannot be used".to_owned()))?;
    let encoding = Encoding::of(to);
    let body = match encoding {
        Encoding::Json => json_body(&to.text("serviceName"), items),
        Encoding::Protobuf => {
            protobuf_body(to.text("serviceName"), items).map_err(|error| failed(error.to_string()))?
        }
    };
    let (body, is_packed) = to.integration.packed(body).map_err(|error| failed(error.to_string()))?;
    let mut headers = vec![("Content-Type".to_owned(), encoding.content_type().to_owned())];
    if is_packed {
        headers.push(("Content-Encoding".to_owned(), "gzip".to_owned()));
    }
    let value = to.text("headerValue");
    if !value.is_empty() {
        headers.push((to.text("headerName"), value));
    }
    let verify_tls = to.integration.verifies_tls(to.config);
    let request = HttpRequest { method: "POST", url, headers, body, verify_tls };
    Ok(Export { integration: Arc::clone(to.integration), request, encoding, records: items.len() })
}

fn read(integration: &Integration, answer: Answer, encoding: Encoding, records: usize, way: Way<'_>) -> Answered {
    let Answer { status, headers, body, truncated, peer, .. } = answer;
    let shows_words = may_show(integration, peer);
    let answered = if status == 200 {
        let reply = reply::Success { headers: &headers, body: &body, truncated, shows_words };
        reply.read(encoding, records)
    } else {
        let reply = Reply { status, headers: &headers, body: &body, truncated, shows_words };
        match integration.read_reply(records, &reply, way.clock.now()) {
            ReplyReading::Items(verdicts) => Answered::each(verdicts.into_iter().map(Outcome::from).collect()),
            ReplyReading::Whole(integrations::Verdict::Accepted) => Answered::whole(reply::unexpected(status)),
            ReplyReading::Whole(verdict) => Answered::whole(verdict.into()),
        }
    };
    Answered { status_code: Some(status), body, peer, ..answered }
}

/// The address for logs: what the config gives, with the path of logs at its end.
fn address(base: &str) -> Option<String> {
    let mut url = Url::parse(base).ok().filter(Url::has_host)?;
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(PATH) {
        url.set_path(&format!("{path}{PATH}"));
    }
    url.set_fragment(None);
    Some(url.into())
}

fn resource(service_name: String) -> Resource {
    let name = record::any_value(service_name.into());
    Resource { attributes: vec![record::attribute("service.name", name)], ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "auditcast".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

fn protobuf_body(service_name: String, items: &[RenderedItem]) -> Result<Vec<u8>, prost::DecodeError> {
    let records: Result<Vec<_>, _> = items.iter().map(|item| LogRecord::decode(item.body.as_slice())).collect();
    let scope_logs = ScopeLogs { scope: Some(scope()), log_records: records?, ..ScopeLogs::default() };
    let resource_logs = ResourceLogs {
        resource: Some(resource(service_name)),
        scope_logs: vec![scope_logs],
        ..ResourceLogs::default()
    };
    Ok(ExportLogsServiceRequest { resource_logs: vec![resource_logs] }.encode_to_vec())
}

fn json_body(service_name: &str, items: &[RenderedItem]) -> Vec<u8> {
    let resource = json::resource(&resource(service_name.to_owned()));
    let mut body = format!(
        r#"{{"resourceLogs":[{{"resource":{resource},"scopeLogs":[{{"scope":{},"logRecords":["#,
        json::scope(&scope())
    )
    .into_bytes();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&item.body);
    }
    body.extend_from_slice(b"]}]}]}");
    body
}
