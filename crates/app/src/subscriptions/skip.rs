//! Skipping to now: an explicit choice, in the ledger by name.

use std::sync::Arc;

use delivery::SkipRequest;
use domain::{EntryDraft, Timestamp};

use super::{form::Form, parse_id, record::Record, unstoppable};
use crate::{Action, App, Caller, Error, access::subscription_resource};

impl App {
    /// Skips every entry that has no fate yet, and records that; says how many they were. Requests
    /// that have started run to their end, and what they do not deliver is tried again.
    ///
    /// Whoever may change the statements could reach the same by them, so it takes the same action.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] for an unknown integration or id, or one of
    /// another integration; or what the store says.
    pub async fn subscription_skip_to_now(
        self: &Arc<Self>,
        caller: &Caller,
        key: &str,
        id: &str,
    ) -> Result<u64, Error> {
        caller.authorise(Action::UpdateConfiguration, &subscription_resource(id))?;
        let integration = self.integration(key)?;
        let id = parse_id(id)?;
        let (app, caller, key) = (Arc::clone(self), caller.clone(), key.to_owned());
        unstoppable(async move {
            let _turn = app.changes.of(id).lock().await;
            let stored = app.stored(caller.account, &key, id).await?;
            let now = app.clock.now();
            let form = Form::without_config(&stored);
            let record = Record {
                caller: &caller,
                id,
                integration: &integration,
                before: None,
                after: Some(&form),
                comment: None,
            };
            let request = SkipRequest { by: caller.represent(), at: now };
            Ok(app.engine.skip_to_now(&stored, &request, |skipped| record_skip(&record, skipped, now)).await?)
        })
        .await
    }
}

fn record_skip(record: &Record<'_>, skipped: u64, now: Timestamp) -> EntryDraft {
    let description = format!("{skipped} entries that were waiting were skipped and will not be delivered.");
    record.deed(Action::UpdateConfiguration, "skipped to now with the integration", description, now)
}
