//! Skipping to now: an explicit choice, in the ledger by name.

use std::sync::Arc;

use delivery::SkipRequest;

use super::{Recipient, deed, unstoppable};
use crate::{App, Caller, Error};

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
        recipient: &Recipient,
    ) -> Result<u64, Error> {
        let (_, found) = self.recipient(caller, recipient.skip(), recipient).await?;
        let (app, caller, recipient) = (Arc::clone(self), caller.clone(), recipient.clone());
        unstoppable(async move {
            let _turn = app.changes.of(found.id).lock().await;
            let (_, stored) = app.recipient(&caller, recipient.skip(), &recipient).await?;
            let now = app.clock.now();
            let record = |skipped: u64| {
                let description =
                    format!("{skipped} entries that were waiting were skipped and will not be delivered.");
                deed::draft(&caller, (&recipient, &stored), (recipient.skip(), "skipped to now with"), description, now)
            };
            let request = SkipRequest { by: caller.represent(), at: now };
            Ok(app.engine.skip_to_now(&stored, &request, record).await?)
        })
        .await
    }
}
