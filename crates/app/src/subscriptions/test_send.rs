//! Sending a subscription's test message.

use std::sync::Arc;

use delivery::TestResult;

use super::{Recipient, unstoppable};
use crate::{Action, App, Caller, Error};

impl App {
    /// Sends the test message of a subscription or webhook now, be it on or off, and tells what came back.
    /// It is no delivery and counts nowhere, but one that is accepted ends a suspension.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] for an unknown integration or id, or one of
    /// another integration; or what the store says. What the destination says is no error.
    pub async fn subscription_test(
        self: &Arc<Self>,
        caller: &Caller,
        recipient: &Recipient,
    ) -> Result<TestResult, Error> {
        let (_, stored) = self.recipient(caller, Action::ValidateConnection, recipient).await?;
        let app = Arc::clone(self);
        // Once it was sent, what came of it counts for the pace of its target.
        unstoppable(async move { Ok(app.engine.test(&stored).await?) }).await
    }
}
