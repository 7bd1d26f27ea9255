//! What `/openapi.json` says, held against every answer that any test of this crate gets.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, Method};
use regex_lite::Regex;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::support::TestApp;

/// The document of the API.
pub(crate) struct Contract(Value);

/// The document, which is the same for all servers; `read` gets it when it is first asked for.
pub(crate) async fn of(read: impl Future<Output = Value>) -> &'static Contract {
    static CONTRACT: OnceCell<Contract> = OnceCell::const_new();
    CONTRACT.get_or_init(|| async { Contract(read.await) }).await
}

impl Contract {
    /// Whether an answer is one that the document knows. Addresses and methods that it does not
    /// know are not judged.
    ///
    /// # Panics
    /// When it is not, with what is wrong.
    #[track_caller]
    pub(crate) fn check(&self, method: &Method, path: &str, status: u16, headers: &HeaderMap, body: &Value) {
        let Some((pattern, operation)) = self.operation(method, path) else { return };
        let place = format!("{method} {pattern} {status}");
        let listed = &operation["responses"][status.to_string()];
        assert!(listed.is_object(), "{place}: the document does not know this status");
        let response = self.resolved(listed);
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let header = self.resolved(header);
            let found = headers.get(name).map(|value| value.to_str().expect("is text"));
            assert!(found.is_some() || header["required"] != true, "{place}: the header {name} is missing");
            let schema = &header["schema"];
            let is_number = self.resolved(schema)["type"] == "integer";
            let value = found.map(|text| if is_number { text.parse().expect("is a number") } else { json!(text) });
            self.judge(schema, value.as_ref(), &format!("{place} {name}"));
        }
        let content_type = headers.get("content-type").map(|value| value.to_str().expect("is text"));
        let essence = content_type.map(|text| text.split(';').next().unwrap_or_default());
        let Some(essence) = essence else {
            return assert!(response.get("content").is_none(), "{place}: the body is missing");
        };
        let content = &response["content"][essence];
        assert!(content.is_object(), "{place}: the document does not know the type {essence}");
        if essence == "application/json" {
            self.judge(&content["schema"], Some(body), &place);
        }
    }

    fn judge(&self, schema: &Value, value: Option<&Value>, place: &str) {
        let Some(value) = value else { return };
        let mut mistakes = Vec::new();
        self.validate(schema, value, "", &mut mistakes);
        assert!(mistakes.is_empty(), "{place}: {mistakes:?} in {value}");
    }

    /// The operation that answers this request, and its path with parameters in braces.
    fn operation(&self, method: &Method, path: &str) -> Option<(&str, &Value)> {
        let fits = |pattern: &str| {
            let is_parameter = |segment: &str| segment.starts_with('{');
            let same = |(pattern, segment)| is_parameter(pattern) || pattern == segment;
            pattern.split('/').count() == path.split('/').count() && pattern.split('/').zip(path.split('/')).all(same)
        };
        let paths = self.0["paths"].as_object().expect("there are paths");
        // Of two that fit, the one with fewer parameters is meant.
        let (pattern, item) = paths
            .iter()
            .filter(|(pattern, _)| fits(pattern))
            .min_by_key(|(pattern, _)| pattern.matches('{').count())?;
        Some((pattern, item.get(method.as_str().to_ascii_lowercase())?))
    }

    /// What a `$ref` leads to; anything else is given back.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(target) = value["$ref"].as_str() else { return value };
        let pointer = target.strip_prefix('#').expect("references stay in the document");
        self.0.pointer(pointer).unwrap_or_else(|| panic!("there is no {target}"))
    }

    /// Judges a value by a schema (JSON Schema 2020-12, as far as the document uses it). An object
    /// may have no other members than its schema names, unless the schema says otherwise: clients
    /// are told to expect more, but the document has to name all that there are.
    fn validate(&self, schema: &Value, value: &Value, at: &str, mistakes: &mut Vec<String>) {
        let keywords = schema.as_object().unwrap_or_else(|| panic!("{at}: {schema} is no schema"));
        for (keyword, rule) in keywords {
            let is_right = match keyword.as_str() {
                "$ref" => {
                    self.validate(self.resolved(schema), value, at, mistakes);
                    true
                }
                "type" => list(rule).iter().any(|name| is_of(name.as_str().unwrap_or_default(), value)),
                "enum" => list(rule).contains(value),
                "const" => rule == value,
                "properties" | "required" | "additionalProperties" => true,
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.validate(rule, item, &format!("{at}/{index}"), mistakes);
                    }
                    true
                }
                "allOf" => list(rule).iter().all(|one| self.is_valid(one, value)),
                "anyOf" => list(rule).iter().any(|one| self.is_valid(one, value)),
                "oneOf" => list(rule).iter().filter(|one| self.is_valid(one, value)).count() == 1,
                "not" => !self.is_valid(rule, value),
                "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("is a number")),
                "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().expect("is a number")),
                "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= count(rule)),
                "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= count(rule)),
                "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= count(rule)),
                "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= count(rule)),
                "propertyNames" => {
                    value.as_object().is_none_or(|members| members.keys().all(|name| self.is_valid(rule, &json!(name))))
                }
                "pattern" => {
                    let pattern = Regex::new(rule.as_str().expect("is text")).expect("is a pattern");
                    value.as_str().is_none_or(|text| pattern.is_match(text))
                }
                "description" | "examples" | "default" | "format" => true,
                other => panic!("{at}: this test does not know the keyword {other}"),
            };
            if !is_right {
                mistakes.push(format!("{at}: {keyword} {rule}"));
            }
        }
        if let Some(members) = value.as_object() {
            self.validate_members(keywords, members, at, mistakes);
        }
    }

    fn validate_members(
        &self,
        schema: &Map<String, Value>,
        members: &Map<String, Value>,
        at: &str,
        mistakes: &mut Vec<String>,
    ) {
        let named = schema.get("properties").and_then(Value::as_object);
        for name in list(schema.get("required").unwrap_or(&json!([]))).iter().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                mistakes.push(format!("{at}/{name} is missing"));
            }
        }
        // A part of a schema, such as one of a `oneOf`, has no type of its own and says nothing of further members.
        let is_whole = schema.contains_key("type") && named.is_some();
        for (name, member) in members {
            let at = format!("{at}/{name}");
            match (named.and_then(|named| named.get(name)), schema.get("additionalProperties")) {
                (Some(rule), _) => self.validate(rule, member, &at, mistakes),
                (None, Some(rule)) if rule.is_object() => self.validate(rule, member, &at, mistakes),
                (None, None) if is_whole => mistakes.push(format!("{at} is not in the document")),
                (None, _) => {}
            }
        }
    }

    fn is_valid(&self, schema: &Value, value: &Value) -> bool {
        let mut mistakes = Vec::new();
        self.validate(schema, value, "", &mut mistakes);
        mistakes.is_empty()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn count(rule: &Value) -> u64 {
    rule.as_u64().expect("is a count")
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}

/// The document, read without a token.
async fn document() -> Value {
    TestApp::start().await.call("", "GET", "/openapi.json", Value::Null).await.expect(200).body
}

#[tokio::test]
async fn the_document_has_every_route_and_no_other() {
    let document = document().await;
    let methods = ["get", "put", "post", "patch", "delete", "head", "options"];
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .expect("there are paths")
        .iter()
        .flat_map(|(path, item)| {
            let operations = item.as_object().expect("is an object").keys();
            let of_methods = operations.filter(|name| methods.contains(&name.as_str()));
            of_methods.map(move |method| format!("{} {path}", method.to_ascii_uppercase()))
        })
        .collect();
    let served: BTreeSet<_> =
        api::routes().into_iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(described, served, "crates/api/openapi has an operation for each route");
}

#[tokio::test]
async fn every_operation_has_a_name_its_parameters_and_an_answer_of_success() {
    let contract = Contract(document().await);
    let mut names = BTreeSet::new();
    for route in api::routes() {
        let item = &contract.0["paths"][route.path];
        let operation = &item[route.method.as_str().to_ascii_lowercase()];
        let place = format!("{} {}", route.method, route.path);
        let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{place} has no name"));
        assert!(names.insert(name.to_owned()), "{place}: there are two of the name {name}");
        assert!(operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{place} has no summary");
        assert!(operation["tags"][0].is_string(), "{place} has no tag");
        let responses = operation["responses"].as_object().expect("there are answers");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{place} has no answer of success");
        let is_open = operation["security"] == json!([]);
        assert_eq!(is_open, !route.needs_token, "{place}");
        let in_path: BTreeSet<_> = list(item.get("parameters").unwrap_or(&json!([])))
            .iter()
            .map(|parameter| contract.resolved(parameter)["name"].as_str().expect("has a name").to_owned())
            .collect();
        let segments = route.path.split('/').filter(|segment| segment.starts_with('{'));
        let wanted: BTreeSet<_> = segments.map(|segment| segment.trim_matches(['{', '}']).to_owned()).collect();
        assert_eq!(in_path, wanted, "{place}");
    }
}

#[tokio::test]
async fn examples_are_right_and_hold_no_whole_token() {
    let contract = Contract(document().await);
    let schemas = contract.0["components"]["schemas"].as_object().expect("there are schemas");
    let mut seen = 0;
    for (name, schema) in schemas {
        for example in schema["examples"].as_array().into_iter().flatten() {
            contract.judge(schema, Some(example), name);
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} examples");
    assert!(!contract.0.to_string().contains("api-"), "no example shows the value of a token");
}

#[tokio::test]
async fn an_answer_that_the_document_does_not_know_is_found() {
    let contract = Contract(document().await);
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().expect("a value"));
    headers.insert("x-request-id", "a".parse().expect("a value"));
    let is_known = |path: &str, status: u16, headers: &HeaderMap, body: Value| {
        let check = || contract.check(&Method::GET, path, status, headers, &body);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_ok()
    };
    assert!(is_known("/healthz", 200, &headers, json!({"status": "ok"})));
    assert!(!is_known("/healthz", 201, &headers, json!({"status": "ok"})), "a status");
    assert!(!is_known("/healthz", 200, &headers, json!({"status": "well"})), "a value");
    assert!(!is_known("/healthz", 200, &headers, json!({"status": "ok", "more": 1})), "a further member");
    assert!(!is_known("/healthz", 200, &headers, json!({})), "a member that is missing");
    assert!(!is_known("/healthz", 200, &HeaderMap::new(), json!({"status": "ok"})), "no headers");
    let problem = |code: &str| json!({"code": code, "message": "no", "id": "a"});
    assert!(is_known("/api/v2/tokens/x", 404, &headers, problem("not_found")));
    assert!(!is_known("/api/v2/tokens/x", 404, &headers, problem("gone")), "a code");
}
