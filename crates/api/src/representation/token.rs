//! How access tokens look on the wire.

use app::{AccessToken, Power};
use domain::Secret;
use serde_json::{Map, Value, json};

use super::{link, millis};

pub(crate) const LIST: &str = "/api/v2/tokens";

/// One token; with its `value` only where it was just made.
pub(crate) fn token(token: &AccessToken, value: Option<&Secret>) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| members.extend(value.map(|value| (name.to_owned(), value)));
    let text = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Value::from);
    let own = format!("{LIST}/{}", token.id);
    put("_links", Some(json!({ "parent": link(LIST), "self": link(&own) })));
    put("_id", Some(token.id.to_string().into()));
    put("ownerId", Some(token.member.to_string().into()));
    put("memberId", Some(token.member.to_string().into()));
    put("name", text(&token.name));
    put("description", text(&token.description));
    put("creationDate", Some(millis(token.created_at)));
    put("lastModified", Some(millis(token.updated_at)));
    match &token.power {
        Power::Role(role) => put("role", Some((*role).into())),
        Power::CustomRole(role) => put("customRoleIds", Some(vec![*role].into())),
        Power::Statements(statements) => put("inlineRole", Some(statements.clone())),
    }
    put("_limited", token.is_limited.then(|| true.into()));
    put("token", Some(value.map_or(token.ending.as_str(), Secret::expose).into()));
    put("serviceToken", Some(token.is_service.into()));
    put("defaultApiVersion", Some(token.api_version.into()));
    put("lastUsed", token.last_used_at.map(millis));
    put("expiry", token.expires_at.map(millis));
    Value::Object(members)
}
