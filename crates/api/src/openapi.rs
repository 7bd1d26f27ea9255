//! The document that describes this API, after OpenAPI 3.1.
//!
//! It is written by hand in `openapi/`, a file for each area: `paths`, `schemas`, and `parameters`
//! and `responses` where it has some of its own. An operation there lists the answers that are its
//! own. What every request can be answered stands once, in [`statuses`] and in `base.json`.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::{ServedRoute, routes};

const BASE: &str = include_str!("../openapi/base.json");

const AREAS: [&str; 10] = [
    include_str!("../openapi/integrations.json"),
    include_str!("../openapi/subscriptions.json"),
    include_str!("../openapi/deliveries.json"),
    include_str!("../openapi/webhooks.json"),
    include_str!("../openapi/audit_log.json"),
    include_str!("../openapi/entry.json"),
    include_str!("../openapi/ingest.json"),
    include_str!("../openapi/tokens.json"),
    include_str!("../openapi/accounts.json"),
    include_str!("../openapi/server.json"),
];

/// The parts of an area, and where they stand in the document.
const PARTS: [(&str, &str); 4] = [
    ("paths", "/paths"),
    ("parameters", "/components/parameters"),
    ("responses", "/components/responses"),
    ("schemas", "/components/schemas"),
];

/// The document as JSON text.
pub(crate) fn text() -> Bytes {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| document(&routes()).to_string().into());
    TEXT.clone()
}

fn document(routes: &[ServedRoute]) -> Value {
    let mut document = read(BASE);
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["paths"] = json!({});
    for area in AREAS.map(read) {
        for (name, pointer) in PARTS {
            let part = area.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
            if let Some(whole) = document.pointer_mut(pointer).and_then(Value::as_object_mut) {
                whole.extend(part);
            }
        }
    }
    if let Some(paths) = document["paths"].as_object_mut() {
        let of_webhooks: Vec<_> = paths.iter().filter_map(|(path, item)| of_webhooks(path, item)).collect();
        paths.extend(of_webhooks);
    }
    for response in members(&mut document["components"]["responses"]) {
        add_headers(response, true);
    }
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.iter_mut().for_each(|(path, item)| complete(path, item, routes));
    }
    document
}

/// The path of webhooks that does what this one of subscriptions does: all that lie below a
/// single subscription have one.
fn of_webhooks(path: &str, item: &Value) -> Option<(String, Value)> {
    let below = path.strip_prefix("/api/v2/integrations/{key}/{id}/")?;
    let mut item = item.clone();
    let refers_to = |parameter: &Value, name: &str| parameter["$ref"] == format!("#/components/parameters/{name}");
    let parameters = item["parameters"].as_array_mut()?;
    parameters.retain(|parameter| !refers_to(parameter, "IntegrationKey"));
    for parameter in parameters.iter_mut().filter(|parameter| refers_to(parameter, "SubscriptionId")) {
        *parameter = json!({ "$ref": "#/components/parameters/Id" });
    }
    for operation in members(&mut item).filter(|operation| operation.get("operationId").is_some()) {
        let name = operation["operationId"].as_str().unwrap_or_default().replace("Subscription", "");
        operation["operationId"] = format!("{name}OfWebhook").into();
        operation["tags"] = json!(["Webhooks"]);
    }
    Some((format!("/api/v2/webhooks/{{id}}/{below}"), item))
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("the files are part of the program, and a test reads them")
}

fn members(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_object_mut().into_iter().flat_map(Map::values_mut)
}

/// Adds to each operation of a path what holds for all.
fn complete(path: &str, item: &mut Value, routes: &[ServedRoute]) {
    for route in routes.iter().filter(|route| route.path == path) {
        let name = route.method.as_str().to_ascii_lowercase();
        let Some(operation) = item.get_mut(&name) else { continue };
        for response in members(&mut operation["responses"]).filter(|response| response.get("$ref").is_none()) {
            add_headers(response, route.needs_token);
        }
        for status in statuses(route, operation) {
            if operation["responses"].get(status).is_none() {
                operation["responses"][status] = json!({ "$ref": format!("#/components/responses/{status}") });
            }
        }
        if !route.needs_token {
            operation["security"] = json!([]);
        }
    }
}

/// The failures that every request of this form can be answered with.
fn statuses(route: &ServedRoute, operation: &Value) -> Vec<&'static str> {
    let mut statuses = vec!["500"];
    if route.needs_token {
        statuses.extend(["401", "403", "429", "503"]);
    }
    if route.path.contains('{') {
        statuses.push("404");
    }
    if operation.get("requestBody").is_some() {
        statuses.extend(["400", "408", "413", "415"]);
    } else if operation.get("parameters").is_some() {
        statuses.push("400");
    }
    statuses
}

/// Names the headers that every answer has, and those that tell of the limit of a token.
fn add_headers(response: &mut Value, has_limit: bool) {
    let header = |name: &str| json!({ "$ref": format!("#/components/headers/{name}") });
    let mut headers = vec![("X-Request-Id", header("RequestId"))];
    if has_limit {
        headers.extend([
            ("X-Ratelimit-Auth-Token-Limit", header("RateLimit")),
            ("X-Ratelimit-Auth-Token-Remaining", header("RateRemaining")),
            ("X-Ratelimit-Reset", header("RateReset")),
        ]);
    }
    for (name, header) in headers {
        response["headers"][name] = header;
    }
}

#[cfg(test)]
mod tests {
    use app::{Action, Conflict, Error};
    use axum::{http::StatusCode, response::IntoResponse};
    use domain::EntryId;
    use serde_json::Value;

    use super::{AREAS, BASE, PARTS, document, read};
    use crate::{problem::Problem, routes};

    fn cause() -> app::Cause {
        "a cause".into()
    }

    /// One failure of each kind.
    fn failures() -> Vec<Error> {
        let text = || "a text".to_owned();
        vec![
            Error::NotFound("thing"),
            Error::Unauthorized,
            Error::Suspended(text()),
            Error::Forbidden { action: Action::ViewAccount, resource: text() },
            Error::Signature,
            Error::BeyondMaker(text()),
            Error::Loop,
            Error::Invalid { message: text(), errors: Vec::new(), omitted: 0 },
            Error::Unprocessable { message: text(), errors: Vec::new() },
            Error::TooLarge(text()),
            Error::Busy { account_over_share: false },
            Error::Busy { account_over_share: true },
            Error::Full,
            Error::Unavailable { message: "a text", source: cause() },
            Error::Internal(cause()),
            Conflict::Integration(text()).into(),
            Conflict::Edit.into(),
            Conflict::Test { operation: 0 }.into(),
            Conflict::EntryId { index: 0, id: EntryId::from_bytes([1; 12]), sequence: None }.into(),
            Conflict::Jobs.into(),
            Conflict::NothingToRedeliver.into(),
            Conflict::Redelivering(text()).into(),
            Conflict::AccountName.into(),
            Conflict::NeverOn.into(),
            Conflict::Limit { what: "things", max: 1 }.into(),
            Conflict::KeyReused.into(),
        ]
    }

    /// Does nothing but fail to compile when there is a new kind of failure, which has to be put
    /// into the list above then.
    fn is_listed(error: &Error) -> bool {
        match error {
            Error::NotFound(_) | Error::Unauthorized | Error::Suspended(_) | Error::Signature => true,
            Error::Forbidden { .. } | Error::BeyondMaker(_) | Error::Loop | Error::Invalid { .. } => true,
            Error::Unprocessable { .. } | Error::TooLarge(_) | Error::Busy { .. } | Error::Full => true,
            Error::Unavailable { .. } | Error::Internal(_) => true,
            Error::Conflict(conflict) => match conflict {
                Conflict::Edit | Conflict::Test { .. } | Conflict::EntryId { .. } | Conflict::Jobs => true,
                Conflict::NothingToRedeliver | Conflict::Redelivering(_) | Conflict::AccountName => true,
                Conflict::NeverOn | Conflict::KeyReused | Conflict::Limit { .. } => true,
                Conflict::Integration(_) => true,
            },
        }
    }

    /// The values that `code` may have in the answer of this status.
    fn codes(document: &Value, status: &str) -> Vec<Value> {
        let schema = &document["components"]["responses"][status]["content"]["application/json"]["schema"];
        let name = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next()).unwrap_or_default();
        let code = &document["components"]["schemas"][name]["properties"]["code"];
        code["enum"].as_array().cloned().unwrap_or_else(|| vec![code["const"].clone()])
    }

    #[test]
    fn every_failure_has_an_answer_with_its_status_and_code() {
        let document = document(&routes());
        let problems = failures().into_iter().inspect(|error| assert!(is_listed(error))).map(Problem::from);
        let further = [Problem::unsupported("a text"), Problem::of_status(StatusCode::NOT_FOUND)];
        for problem in problems.chain(further) {
            let body: Value = serde_json::from_str(&problem.body("id")).expect("is JSON");
            let status = problem.into_response().status().as_str().to_owned();
            assert!(codes(&document, &status).contains(&body["code"]), "{status} {body}");
        }
    }

    #[test]
    fn no_name_stands_in_two_areas() {
        let base = read(BASE);
        for (name, pointer) in PARTS {
            let of_base = base.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default();
            let mut seen: Vec<String> = of_base.keys().cloned().collect();
            for area in AREAS.map(read) {
                seen.extend(
                    area.get(name).and_then(Value::as_object).into_iter().flat_map(|part| part.keys().cloned()),
                );
            }
            let all = seen.len();
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), all, "{name}");
        }
    }
}
