//! Drops what is kept of old attempts, little by little.

use std::{sync::Arc, time::Duration};

use domain::{SubscriptionId, Timestamp};
use store::AttemptLimits;

use super::{Engine, Inner};

/// Between two passes over all subscriptions.
const EVERY: Duration = Duration::from_secs(10 * 60);

impl Engine {
    /// Drops the attempts that are no longer kept, in small steps between which the store does
    /// other things; the engine does so by itself while it runs. Gives back how many rows of the
    /// store are gone.
    ///
    /// # Errors
    /// [`store::Error`] of the first step that fails; the steps before it stay done.
    pub async fn drop_old_attempts(&self) -> Result<usize, store::Error> {
        self.inner.drop_old_attempts().await
    }
}

impl Inner {
    async fn drop_old_attempts(&self) -> Result<usize, store::Error> {
        let kept = i64::try_from(self.settings.attempts_kept.as_millis()).unwrap_or(i64::MAX);
        // A clock that has jumped makes nothing old, so until it has stood only their number counts.
        let now = if self.time_is_settled() { self.time() } else { Timestamp::from_millis(i64::MIN) };
        let ended_before = Timestamp::from_millis(now.as_millis().saturating_sub(kept));
        let limits = AttemptLimits { ended_before, kept_max: self.settings.attempts_kept_max };
        let mut next = Some(SubscriptionId::from_bytes([0; 12]));
        let mut rows = 0;
        while let Some(from) = next.filter(|_| !self.is_stopping()) {
            let step = self.store.attempt_drop_step(from, limits).await?;
            rows += step.rows;
            next = step.next;
        }
        Ok(rows)
    }
}

/// Drops what is old for as long as the engine runs, first after its start.
pub(super) async fn run(engine: &Arc<Inner>) {
    while !engine.is_stopping() {
        match engine.drop_old_attempts().await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "old attempts were dropped"),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "old attempts were not dropped");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = engine.stopping.cancelled() => {}
        }
    }
}
