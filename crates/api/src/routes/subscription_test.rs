//! `POST /api/v2/integrations/{key}/{id}/test`, `POST /api/v2/webhooks/{id}/test`

use std::sync::Arc;

use app::{Caller, TestResult};
use axum::{Extension, Json, extract::State};
use serde_json::{Map, Value, json};

use super::To;
use crate::{Shared, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    To(recipient): To,
) -> Result<Json<Value>, Problem> {
    let result = shared.app.subscription_test(&caller, &recipient).await?;
    Ok(Json(representation(&result)))
}

fn representation(result: &TestResult) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    put("outcome", Some(result.outcome.kind().name().into()));
    put("reason", result.outcome.reason().map(|reason| json!({ "name": reason.name, "text": reason.text })));
    put("statusCode", result.status_code.map(Value::from));
    put("responseBody", result.response_body.as_deref().map(Value::from));
    put("durationMs", Some(u64::try_from(result.took.as_millis()).unwrap_or(u64::MAX).into()));
    let request = result.request.as_ref();
    put("request", request.map(|sent| json!({ "method": sent.method, "url": sent.url, "bytes": sent.bytes })));
    Value::Object(members)
}
