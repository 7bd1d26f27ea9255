//! Sending a subscription's test message.

use std::sync::Arc;

use delivery::TestResult;

use super::{parse_id, unstoppable};
use crate::{Action, App, Caller, Error, access::subscription_resource};

impl App {
    /// Sends the test message of a subscription now, be it on or off, and tells what came back.
    /// It is no delivery and counts nowhere, but one that is accepted ends a suspension.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] for an unknown integration or id, or one of
    /// another integration; or what the store says. What the destination says is no error.
    pub async fn subscription_test(
        self: &Arc<Self>,
        caller: &Caller,
        key: &str,
        id: &str,
    ) -> Result<TestResult, Error> {
        caller.authorise(Action::ValidateConnection, &subscription_resource(id))?;
        self.integration(key)?;
        let stored = self.stored(caller.account, key, parse_id(id)?).await?;
        let app = Arc::clone(self);
        // Once it was sent, what came of it counts for the pace of its target.
        unstoppable(async move { Ok(app.engine.test(&stored).await?) }).await
    }
}
