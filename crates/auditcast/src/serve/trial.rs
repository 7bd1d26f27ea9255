//! One request outside of any subscription: no database is opened and nothing is listened to.

use std::sync::Arc;

use anyhow::Context;
use delivery::{
    TestResult,
    client::AddressGuard,
    destination::{To, Way},
};
use domain::{AccountId, Clock, Entry};
use integrations::{CommonLine, Integration};
use serde_json::{Map, Value};

use super::wire;
use crate::{clock::SystemClock, settings::Settings};

/// Nobody's account.
const ACCOUNT: AccountId = AccountId::from_bytes([0; 12]);

/// Sends one entry, or the test message where there is none, and tells what came back.
///
/// All addresses are open: who starts this program can reach them without it.
///
/// # Errors
/// When the client cannot be made, such as for an extra root that cannot be read.
pub fn try_out(
    settings: &Settings,
    integration: &Arc<Integration>,
    config: &Map<String, Value>,
    entry: Option<&Entry>,
) -> anyhow::Result<TestResult> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let client = wire::client(&settings.delivery, "command-line", Arc::clone(&clock))?;
    let everywhere = ["0.0.0.0/0", "::/0"].map(str::parse).into_iter().collect::<Result<_, _>>();
    client.allow(ACCOUNT, &AddressGuard::allowing(everywhere.context("all addresses are a range")?));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let (destinations, common) = (destinations::all(), CommonLine::default());
    let to = To { integration, config, common: &common };
    let way = Way { client: &client, account: ACCOUNT, clock: &*clock };
    let base_url = settings.base_url(settings.listen);
    Ok(runtime.block_on(delivery::try_out(&destinations, way, &to, entry, &base_url)))
}
