//! Elasticsearch, document and bulk API:
//! <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk>.

use http::Method;
use serde_json::{Map, Value, json};

use super::{BadBody, Call, mapping, unknown_key};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    request,
};

const METADATA: [&str; 11] = [
    "_id",
    "_index",
    "dynamic_templates",
    "if_primary_term",
    "if_seq_no",
    "pipeline",
    "require_alias",
    "require_data_stream",
    "routing",
    "version",
    "version_type",
];
const ID_MAX: usize = 512;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    let Some(key) = call.bearer("ApiKey") else {
        let reason = "missing authentication credentials for REST request";
        return Err(refuse(401, "security_exception", reason));
    };
    if key != call.options.keys.elastic {
        return Err(refuse(401, "security_exception", "unable to authenticate with provided credentials"));
    }
    let (post, put) = (call.is_post(), call.request.method == Method::PUT);
    let segments = call.request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["_bulk"] if post || put => bulk(call, None),
        [index, "_bulk"] if post || put => bulk(call, Some(index)),
        [index, "_doc"] if post => document(call, index, None, true),
        [index, "_doc", id] if post || put => {
            let create = call.request.parameter("op_type").as_deref() == Some("create");
            document(call, index, Some(id), create)
        }
        [index, "_create", id] if post || put => document(call, index, Some(id), true),
        _ => {
            let reason = format!("incorrect HTTP method or path [{} {}]", call.request.method, call.request.path);
            Err(refuse(405, "method_not_allowed", &reason))
        }
    }
}

pub(super) fn error(status: u16, kind: &str, reason: &str) -> Reply {
    let cause = json!({"type": kind, "reason": reason});
    Reply::json(status, &json!({"error": {"root_cause": [cause], "type": kind, "reason": reason}, "status": status}))
        .with_header("x-elastic-product", "Elasticsearch")
}

/// What one operation comes to: the status and either a result or an error.
struct Outcome {
    status: u16,
    failure: Option<(&'static str, String)>,
    result: &'static str,
}

impl Outcome {
    fn failed(status: u16, kind: &'static str, reason: impl Into<String>) -> Self {
        Self { status, failure: Some((kind, reason.into())), result: "" }
    }
}

fn document(call: &mut Call<'_>, index: &str, id: Option<&str>, create: bool) -> Verdict {
    let body = read(call, &["application/json"])?;
    if body.is_empty() {
        return Err(refuse(400, "parse_exception", "request body is required"));
    }
    let source = source(body).map_err(|reason| refuse(400, "document_parsing_exception", &reason))?;
    let made = format!("auto-{}", call.memory.number());
    let id = id.unwrap_or(&made);
    id_fits(id)?;
    let outcome = store(call, index, id, create, &source);
    if let Some((kind, reason)) = outcome.failure {
        return Err(refuse(outcome.status, kind, &reason));
    }
    let reply = json!({
        "_index": index, "_id": id, "_version": 1, "result": outcome.result,
        "_shards": {"total": 2, "successful": 1, "failed": 0}, "_seq_no": call.memory.number(), "_primary_term": 1,
    });
    let reply = Reply::json(outcome.status, &reply).with_header("x-elastic-product", "Elasticsearch");
    Ok(Judgement::stored(reply, &Value::Object(source)))
}

fn bulk(call: &mut Call<'_>, default_index: Option<&str>) -> Verdict {
    let body = read(call, &["application/x-ndjson", "application/json"])?;
    if body.is_empty() {
        return Err(refuse(400, "parse_exception", "request body is required"));
    }
    if !body.ends_with(b"\n") {
        let reason = "The bulk request must be terminated by a newline [\\n]";
        return Err(refuse(400, "illegal_argument_exception", reason));
    }
    let operations = operations(body, default_index)?;
    let (mut items, mut stored, mut refused) = (Vec::new(), Vec::new(), None);
    for (at, operation) in operations.into_iter().enumerate() {
        let made = format!("auto-{}", call.memory.number());
        let id = operation.id.as_deref().unwrap_or(&made);
        let outcome = match (call.injected(at), source(operation.source)) {
            (Some(429), _) => Outcome::failed(429, "es_rejected_execution_exception", "fault: rejected execution"),
            (Some(status), _) => Outcome::failed(status, "exception", "fault"),
            (None, Err(reason)) => Outcome::failed(400, "document_parsing_exception", reason),
            (None, Ok(source)) => {
                let outcome = store(call, &operation.index, id, operation.create, &source);
                if outcome.failure.is_none() {
                    stored.push(Value::Object(source).to_string());
                }
                outcome
            }
        };
        let mut item = json!({"_index": operation.index, "_id": id, "status": outcome.status});
        match &outcome.failure {
            Some((kind, reason)) => {
                item["error"] = json!({"type": kind, "reason": reason});
                refused = Some(reason.clone());
            }
            None => item["result"] = json!(outcome.result),
        }
        items.push(if operation.create { json!({"create": item}) } else { json!({"index": item}) });
    }
    let reply = json!({"errors": refused.is_some(), "took": 1, "items": items});
    let reply = Reply::json(200, &reply).with_header("x-elastic-product", "Elasticsearch");
    Ok(Judgement { reply, refused, stored })
}

struct Operation<'b> {
    index: String,
    id: Option<String>,
    create: bool,
    source: &'b [u8],
}

/// The operations of a body that ends with a newline. An unreadable action line refuses the whole request.
fn operations<'b>(body: &'b [u8], default_index: Option<&str>) -> Result<Vec<Operation<'b>>, Refusal> {
    let illegal = |reason: &str| refuse(400, "illegal_argument_exception", reason);
    let mut lines = body.strip_suffix(b"\n").unwrap_or(body).split(|byte| *byte == b'\n').enumerate();
    let mut operations = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let number = number + 1;
        let malformed = || illegal(&format!("Malformed action/metadata line [{number}], expected one action object"));
        let Ok(Value::Object(action)) = serde_json::from_slice::<Value>(line) else { return Err(malformed()) };
        let mut entries = action.into_iter();
        let (Some((verb, Value::Object(metadata))), None) = (entries.next(), entries.next()) else {
            return Err(malformed());
        };
        let create = match verb.as_str() {
            "create" => true,
            "index" => false,
            _ => return Err(illegal(&format!("line [{number}]: this receiver takes create and index, not [{verb}]"))),
        };
        if let Some(key) = unknown_key(&metadata, &METADATA) {
            return Err(illegal(&format!("Action/metadata line [{number}] contains an unknown parameter [{key}]")));
        }
        let text = |key: &str| metadata.get(key).and_then(Value::as_str);
        let Some(index) = text("_index").or(default_index) else {
            return Err(refuse(400, "action_request_validation_exception", "Validation Failed: 1: index is missing;"));
        };
        let id = text("_id").map(str::to_owned);
        if metadata.contains_key("_id") && id.is_none() {
            return Err(illegal(&format!("line [{number}]: _id is text")));
        }
        id_fits(id.as_deref().unwrap_or("auto"))?;
        let Some((_, source)) = lines.next() else {
            return Err(illegal(&format!("line [{number}]: the action has no source line")));
        };
        operations.push(Operation { index: index.to_owned(), id, create, source });
    }
    if operations.is_empty() {
        return Err(refuse(400, "action_request_validation_exception", "Validation Failed: 1: no requests added;"));
    }
    Ok(operations)
}

fn store(call: &mut Call<'_>, index: &str, id: &str, create: bool, source: &Map<String, Value>) -> Outcome {
    if let Some(reason) = bad_index(index) {
        return Outcome::failed(400, "invalid_index_name_exception", reason);
    }
    if is_data_stream(index) {
        if !create {
            let reason = "only write ops with an op_type of create are allowed in data streams";
            return Outcome::failed(400, "illegal_argument_exception", reason);
        }
        if source.get("@timestamp").is_none_or(Value::is_null) {
            let reason = "data stream timestamp field [@timestamp] is missing";
            return Outcome::failed(400, "document_parsing_exception", reason);
        }
        if let Some(reason) = other_stream(index, source) {
            return Outcome::failed(400, "document_parsing_exception", reason);
        }
    }
    if let Some(reason) = mapping::misfit(id, source) {
        return Outcome::failed(400, "document_parsing_exception", reason);
    }
    match (call.memory.document(index, id), create) {
        (true, _) => Outcome { status: 201, failure: None, result: "created" },
        (false, false) => Outcome { status: 200, failure: None, result: "updated" },
        (false, true) => {
            let reason = format!("[{id}]: version conflict, document already exists (current version [1])");
            Outcome::failed(409, "version_conflict_engine_exception", reason)
        }
    }
}

fn read<'b>(call: &Call<'b>, media_types: &[&str]) -> Result<&'b [u8], Refusal> {
    let media_type = call.request.media_type();
    if !media_types.contains(&media_type.as_str()) {
        let reason = format!("Content-Type header [{media_type}] is not supported");
        return Err(Refusal::new(Reply::json(406, &json!({"error": reason, "status": 406})), reason));
    }
    call.body(&["gzip"], request::BODY_MAX).map_err(|bad| match bad {
        BadBody::Large(reason) => refuse(413, "content_too_long_exception", &reason),
        BadBody::Coding(reason) => refuse(400, "illegal_argument_exception", &reason),
    })
}

fn source(line: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(source)) => Ok(source),
        Ok(_) => Err("failed to parse: a document is an object".to_owned()),
        Err(error) => Err(format!("failed to parse: {error}")),
    }
}

fn id_fits(id: &str) -> Result<(), Refusal> {
    if !id.is_empty() && id.len() <= ID_MAX {
        return Ok(());
    }
    let reason = if id.is_empty() {
        "if _id is specified it must not be empty".to_owned()
    } else {
        format!("id is too long, must be no longer than {ID_MAX} bytes but was: {}", id.len())
    };
    Err(refuse(400, "action_request_validation_exception", &format!("Validation Failed: 1: {reason};")))
}

/// Rules of <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-create>.
fn bad_index(index: &str) -> Option<String> {
    let why = if index != index.to_lowercase() {
        "must be lowercase"
    } else if index.contains(['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':']) {
        "must not contain the following characters ['\\','/','*','?','\"','<','>','|',' ',',','#',':']"
    } else if index.starts_with(['-', '_', '+']) {
        "must not start with '_', '-', or '+'"
    } else if matches!(index, "" | "." | "..") {
        "must not be empty, '.' or '..'"
    } else if index.len() > 255 {
        "index name is too long"
    } else {
        return None;
    };
    Some(format!("Invalid index name [{index}], {why}"))
}

/// The built-in index templates make a data stream of every name like `logs-DATASET-NAMESPACE`.
fn is_data_stream(index: &str) -> bool {
    index.strip_prefix("logs-").is_some_and(|rest| rest.contains('-'))
}

/// The fields `data_stream.*` are constant in a data stream: they are left out or those of its name.
fn other_stream(index: &str, source: &Map<String, Value>) -> Option<String> {
    let named: Vec<&str> = index.splitn(3, '-').collect();
    let sent = source.get("data_stream")?;
    ["type", "dataset", "namespace"].iter().zip(named).find_map(|(key, name)| {
        let value = sent.get(key)?;
        let reason = format!("[data_stream.{key}]: constant_keyword [{name}] does not take {value}");
        (value.as_str() != Some(name)).then_some(reason)
    })
}

fn refuse(status: u16, kind: &str, reason: &str) -> Refusal {
    Refusal::new(error(status, kind, reason), reason)
}
