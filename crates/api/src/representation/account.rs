//! How accounts look on the wire.

use app::{Account, AccountRetention};
use domain::AccountId;
use serde_json::{Value, json};

use super::{link, millis};

pub(crate) const LIST: &str = "/api/v2/accounts";

/// One account.
pub(crate) fn account(account: &Account) -> Value {
    let mut members = json!({
        "_links": { "parent": link(LIST), "self": link(&format!("{LIST}/{}", account.id)) },
        "_id": account.id.to_string(),
        "name": account.name,
        "creationDate": millis(account.created_at),
        "allowDestinations": account.allow_destinations,
    });
    if let Some((since, reason)) = &account.suspension {
        members["suspended"] = json!({ "since": millis(*since), "reason": reason });
    }
    members
}

/// How long the entries of an account are kept; `days` is null where that is as for all.
pub(crate) fn retention(account: AccountId, retention: AccountRetention) -> Value {
    let parent = format!("{LIST}/{account}");
    json!({
        "_links": { "parent": link(&parent), "self": link(&format!("{parent}/retention")) },
        "days": retention.days,
        "legalHold": retention.legal_hold,
    })
}
