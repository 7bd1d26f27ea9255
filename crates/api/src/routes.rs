//! One operation per file: take the request apart, call the use case, map what comes back.

pub(crate) mod account_create;
pub(crate) mod account_get;
pub(crate) mod account_list;
pub(crate) mod account_resume;
pub(crate) mod account_retention_get;
pub(crate) mod account_retention_update;
pub(crate) mod account_suspend;
pub(crate) mod account_token_create;
pub(crate) mod account_update;
pub(crate) mod attempt_list;
pub(crate) mod caller_identity;
pub(crate) mod cloud_events_ingest;
pub(crate) mod dead_letter_list;
pub(crate) mod dead_letter_redeliver;
pub(crate) mod entries_ingest;
pub(crate) mod entry_count;
pub(crate) mod entry_export;
pub(crate) mod entry_get;
pub(crate) mod entry_list;
pub(crate) mod entry_search;
pub(crate) mod health;
pub(crate) mod ingest_source_create;
pub(crate) mod ingest_source_delete;
pub(crate) mod ingest_source_list;
pub(crate) mod integration_health;
pub(crate) mod integration_list;
pub(crate) mod integration_manifest_list;
pub(crate) mod integration_preview;
pub(crate) mod launchdarkly_ingest;
pub(crate) mod ledger_get;
pub(crate) mod logs_ingest;
pub(crate) mod member_list;
pub(crate) mod metrics;
pub(crate) mod openapi_get;
pub(crate) mod replay_create;
pub(crate) mod replay_get;
pub(crate) mod replay_list;
pub(crate) mod replay_stop;
pub(crate) mod role_get;
pub(crate) mod skip_to_now;
pub(crate) mod subscription_create;
pub(crate) mod subscription_delete;
pub(crate) mod subscription_get;
pub(crate) mod subscription_list;
pub(crate) mod subscription_test;
pub(crate) mod subscription_update;
pub(crate) mod token_create;
pub(crate) mod token_delete;
pub(crate) mod token_get;
pub(crate) mod token_list;
pub(crate) mod token_reset;
pub(crate) mod token_update;
pub(crate) mod webhook_create;
pub(crate) mod webhook_delete;
pub(crate) mod webhook_get;
pub(crate) mod webhook_list;
pub(crate) mod webhook_update;

use std::collections::HashMap;

use app::Recipient;
use axum::{
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};

use crate::problem::Problem;

/// The integration key of the path, or whatever else stands in its one place.
pub(crate) struct Key(pub(crate) String);

/// Integration key and subscription id of the path, the id of any shape.
pub(crate) struct KeyAndId(pub(crate) String, pub(crate) String);

/// The subscription or webhook of the path.
pub(crate) struct To(pub(crate) Recipient);

/// The id of a replay or redelivery in the path, of any shape.
pub(crate) struct Replay(pub(crate) String);

// A path that cannot be decoded names nothing that exists.
fn not_found() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND)
}

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(key) = Path::from_request_parts(parts, state).await.map_err(|_| not_found())?;
        Ok(Self(key))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KeyAndId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path((key, id)) = Path::from_request_parts(parts, state).await.map_err(|_| not_found())?;
        Ok(Self(key, id))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for To {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut named = named(parts, state).await?;
        let id = named.remove("id").ok_or_else(not_found)?;
        Ok(Self(match named.remove("key") {
            Some(integration) => Recipient::Subscription { integration, id },
            None => Recipient::Webhook { id },
        }))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Replay {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        named(parts, state).await?.remove("replay").map(Self).ok_or_else(not_found)
    }
}

/// The parameters of the path by name.
async fn named<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<HashMap<String, String>, Problem> {
    let Path(named) = Path::from_request_parts(parts, state).await.map_err(|_| not_found())?;
    Ok(named)
}
