//! One request: open the configuration, render, send, read the reply.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use domain::{AccountId, Entry, Keys, SealContext, Secret, SubscriptionId, Timestamp, error_chain};
use integrations::{CommonLine, Integration, Item, Moment, Nothing, RenderError, RenderedItem, redact};
use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::{
    client::Peer,
    courier::{Results, Sent},
    destination::{Answered, Destination, Destinations, Request, To, may_show},
    lane::Spec,
    outcome::{Outcome, Reason},
    status::Failure,
};

/// Bytes of a reply that are read: this many and [`REPLY_BYTES_PER_ITEM`] for each item.
pub const REPLY_BYTES: usize = 64 * 1024;
/// Bytes of a reply that are read for each entry of its request, beside [`REPLY_BYTES`].
pub const REPLY_BYTES_PER_ITEM: usize = 1024;
/// The most of a reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// A subscription's configuration in the clear, as long as there is a request under it.
pub(crate) struct OpenConfig {
    pub(crate) config: Map<String, Value>,
    pub(crate) common: CommonLine,
    integration: Arc<Integration>,
    secrets: OnceLock<Vec<Secret>>,
}

impl OpenConfig {
    /// Opens what `spec` has, unless nothing can be sent by its integration. Requests that are under
    /// way together share it.
    pub(crate) fn open(
        keys: &dyn Keys,
        account: AccountId,
        subscription: SubscriptionId,
        spec: &Spec,
    ) -> Result<Arc<Self>, Outcome> {
        if let Some(reason) = &spec.unusable {
            return Err(Outcome::Misconfigured(Reason::new("integration_unusable", reason.to_string())));
        }
        let mut used = spec.used.lock();
        if let Some(open) = used.opened.upgrade() {
            return Ok(open);
        }
        let config = Self::values(keys, account, subscription, &spec.config)?;
        let open = Arc::new(Self::new(config, &spec.integration));
        used.opened = Arc::downgrade(&open);
        Ok(open)
    }

    pub(crate) fn new(config: Map<String, Value>, integration: &Arc<Integration>) -> Self {
        let integration = Arc::clone(integration);
        Self { config, common: CommonLine::default(), integration, secrets: OnceLock::new() }
    }

    /// What no text for users may repeat. It is looked for when it is first asked for, since nothing
    /// is told of a request that is accepted.
    pub(crate) fn secrets(&self) -> &[Secret] {
        self.secrets.get_or_init(|| self.integration.secret_values(&self.config))
    }

    /// The values of a sealed configuration.
    pub(crate) fn values(
        keys: &dyn Keys,
        account: AccountId,
        subscription: SubscriptionId,
        sealed: &[u8],
    ) -> Result<Map<String, Value>, Outcome> {
        let context = SealContext { account, subscription, field: "config" };
        let failed = |text: String| Outcome::Misconfigured(Reason::new("config_sealed", text));
        let plain = keys
            .open(context, sealed)
            .map_err(|error| failed(format!("the stored configuration cannot be opened: {error}")))?;
        // The parser's message could repeat a piece of the configuration.
        serde_json::from_slice(&plain).map_err(|_| failed("the stored configuration is not a JSON object".to_owned()))
    }
}

/// A request, and what it says of each entry that it was made from.
pub(crate) struct Prepared {
    /// `None` when no entry has anything to send.
    pub(crate) request: Option<Box<dyn Request>>,
    /// One for each entry that is part of this attempt: a place in the request, or its fate
    /// without one.
    pub(crate) entries: Vec<Result<(), Outcome>>,
    /// The greatest time that the request gives to the destination.
    pub(crate) stamp: Option<Timestamp>,
}

impl Prepared {
    /// The same fate for all of them.
    fn none(outcome: &Outcome, entries: usize) -> Self {
        Self { request: None, entries: vec![Err(outcome.clone()); entries], stamp: None }
    }
}

/// Renders `entries`; those that no longer fit into one request are left out at the end.
pub(crate) fn prepare(
    destinations: &Destinations,
    to: &To<'_>,
    entries: &[Arc<Entry>],
    base_url: &str,
    moment: Moment,
) -> Prepared {
    let destination = match destinations.of(to.integration.kind()) {
        Ok(destination) => destination,
        Err(outcome) => return Prepared::none(&outcome, entries.len()),
    };
    let limits = to.integration.batch(to.config);
    // What lies outside of the age window is sent by redeliveries alone.
    let items_max = if moment.sends_late && destination.redelivers_alone() { 1 } else { usize::MAX };
    let mut places = Vec::with_capacity(entries.len());
    let mut placed: Vec<Arc<Entry>> = Vec::new();
    let mut items: Vec<RenderedItem> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        match render(destination, to, entry, base_url, moment) {
            Ok(item) => {
                let fits = bytes + item.body.len() <= limits.bytes_max as usize && items.len() < items_max;
                if !items.is_empty() && !fits {
                    break;
                }
                bytes += item.body.len();
                items.push(item);
                placed.push(Arc::clone(entry));
                places.push(Ok(()));
            }
            Err(outcome) => places.push(Err(outcome)),
        }
    }
    let stamp = items.iter().map(|item| item.stamp).max();
    let mut prepared = Prepared { request: None, entries: places, stamp };
    if !items.is_empty() {
        match destination.request(to, &placed, items) {
            Ok(request) => prepared.request = Some(request),
            Err(outcome) => {
                // Each entry was rendered; what fails here would fail with any of them.
                for place in prepared.entries.iter_mut().filter(|place| place.is_ok()) {
                    *place = Err(outcome.clone());
                }
            }
        }
    }
    prepared
}

fn render(
    destination: &dyn Destination,
    to: &To<'_>,
    entry: &Entry,
    base_url: &str,
    moment: Moment,
) -> Result<RenderedItem, Outcome> {
    let item = to.integration.render_item(to.config, entry, base_url, moment).map_err(|error| unrenderable(&error))?;
    let mut item = body(item)?;
    destination.encode(to, entry, &mut item)?;
    Ok(item)
}

/// The item, or the outcome of an entry for which there is none.
fn body(item: Item) -> Result<RenderedItem, Outcome> {
    match item {
        Item::Body(item) => Ok(item),
        Item::Nothing(Nothing::Late) => {
            Err(Outcome::Skipped(Reason::new("too_old", "the event is older than the destination takes")))
        }
        Item::Nothing(Nothing::NoTemplate | Nothing::EmptyBody) => Err(Outcome::Nothing),
    }
}

/// Makes the test message of an account's subscription, and says what time it gives.
pub(crate) fn prepare_test(
    destinations: &Destinations,
    to: &To<'_>,
    account: AccountId,
    base_url: &str,
    moment: Moment,
) -> Result<(Box<dyn Request>, Timestamp), Outcome> {
    let destination = destinations.of(to.integration.kind())?;
    let item = to.integration.validation_item(to.config, account, base_url, moment);
    let mut item = body(item.map_err(|error| unrenderable(&error))?)?;
    let sample = to.integration.sample_entry(account, moment.now);
    destination.encode(to, &sample, &mut item)?;
    let stamp = item.stamp;
    Ok((destination.request(to, &[Arc::new(sample)], vec![item])?, stamp))
}

pub(crate) fn unrenderable(error: &RenderError) -> Outcome {
    let reason = Reason::new("unrenderable", error_chain(error));
    if error.is_of_entry() { Outcome::Unrenderable(reason) } else { Outcome::Misconfigured(reason) }
}

/// How much of the reply to a request of `items` items is read.
pub(crate) fn reply_bytes_max(items: usize) -> usize {
    REPLY_BYTES + REPLY_BYTES_PER_ITEM * items
}

/// Scheme, host and port of a URL.
pub(crate) fn origin(url: &str) -> String {
    let path = url.find("://").map(|at| at + 3).and_then(|at| Some(at + url[at..].find(['/', '?', '#'])?));
    let origin = &url[..path.unwrap_or(url.len())];
    // What stands before an at sign is a key, and no part of the host.
    origin.rsplit('@').next().unwrap_or(origin).to_ascii_lowercase()
}

/// What came of an attempt, for its entries, and what is kept of a failure.
pub(crate) struct Read {
    pub(crate) results: Results,
    pub(crate) failure: Option<Failure>,
    pub(crate) failed_entries: u64,
    /// What came of the request as a whole; `None` when none was made.
    pub(crate) exchange: Option<Exchange>,
}

/// A request and its answer, as far as the account may see them.
pub(crate) struct Exchange {
    /// The outcome, of several items that of the first which failed.
    pub(crate) outcome: Outcome,
    pub(crate) status_code: Option<u16>,
    /// The beginning of the body of a failure, redacted.
    pub(crate) response_body: Option<String>,
    pub(crate) peer: Option<Peer>,
}

impl Exchange {
    /// One of which nothing but its outcome is known.
    pub(crate) fn unknown(outcome: Outcome) -> Self {
        Self { outcome, status_code: None, response_body: None, peer: None }
    }
}

/// What an account may see of an answer, beside its status.
struct Shown {
    body: bool,
    peer: bool,
}

impl Shown {
    fn of(integration: &Integration, peer: Option<Peer>) -> Self {
        Self { body: integration.shows_response_body(), peer: may_show(integration, peer) }
    }
}

/// Tells what came back apart for the entries of the attempt, and keeps of it what may be shown.
pub(crate) fn read(open: &OpenConfig, answered: Answered, places: Vec<Result<(), Outcome>>, now: Timestamp) -> Read {
    let items = places.iter().filter(|place| place.is_ok()).count();
    let Answered { outcome, items: each, status_code, body, peer, .. } = answered;
    let shown = Shown::of(&open.integration, peer);
    let peer = peer.filter(|_| shown.peer);
    let is_failure = |outcome: &Outcome| *outcome != Outcome::Accepted;
    let has_failed = is_failure(&outcome) || each.iter().flatten().any(is_failure) || places.iter().any(Result::is_err);
    let has_body = has_failed && shown.body && status_code.is_some();
    let response_body = has_body.then(|| redact(&body, open.secrets(), Failure::BODY_BYTES_MAX));
    let outcome = redacted(outcome, || open.secrets());
    let sent = match each {
        None => Sent::Whole(outcome.clone()),
        Some(each) => Sent::Each(each.into_iter().map(|outcome| redacted(outcome, || open.secrets())).collect()),
    };
    let own = places.into_iter().map(|place| place.err().map(|outcome| redacted(outcome, || open.secrets()))).collect();
    let results = Results { own, sent };
    let body_of_failure = if outcome == Outcome::Accepted { None } else { response_body.clone() };
    let exchange = Exchange { outcome, status_code, response_body: body_of_failure, peer };
    let (failure, failed_entries) = failure(&results, items, status_code, response_body, now);
    Read { results, failure, failed_entries, exchange: Some(exchange) }
}

/// What came of an attempt that sent nothing.
pub(crate) fn unsent(places: Vec<Result<(), Outcome>>, secrets: &[Secret], now: Timestamp) -> Read {
    let own = places.into_iter().map(|place| Some(redacted(place.err().unwrap_or(Outcome::Nothing), || secrets)));
    let results = Results { own: own.collect(), sent: Sent::Each(Vec::new()) };
    let (failure, failed_entries) = failure(&results, 0, None, None, now);
    Read { results, failure, failed_entries, exchange: None }
}

fn redacted<'a>(outcome: Outcome, secrets: impl Fn() -> &'a [Secret]) -> Outcome {
    let clean = |reason: Reason| Reason {
        text: redact(reason.text.as_bytes(), secrets(), REASON_BYTES_MAX),
        name: reason.name,
    };
    match outcome {
        Outcome::Accepted | Outcome::Nothing | Outcome::Undecided { .. } => outcome,
        Outcome::Skipped(reason) => Outcome::Skipped(clean(reason)),
        Outcome::Unrenderable(reason) => Outcome::Unrenderable(clean(reason)),
        Outcome::Refused(reason) => Outcome::Refused(clean(reason)),
        Outcome::Misconfigured(reason) => Outcome::Misconfigured(clean(reason)),
        Outcome::Throttled { retry_after, reason } => Outcome::Throttled { retry_after, reason: clean(reason) },
        Outcome::Unavailable(reason) => Outcome::Unavailable(clean(reason)),
    }
}

fn failure(
    results: &Results,
    items: usize,
    status_code: Option<u16>,
    response_body: Option<String>,
    at: Timestamp,
) -> (Option<Failure>, u64) {
    let own = results.own.iter().flatten().filter_map(Outcome::reason);
    let (of_request, failed) = match &results.sent {
        Sent::Whole(outcome) => (outcome.reason(), if outcome.reason().is_some() { items } else { 0 }),
        Sent::Each(outcomes) => {
            let mut failed = outcomes.iter().filter_map(Outcome::reason);
            let first = failed.next();
            (first, usize::from(first.is_some()) + failed.count())
        }
    };
    let failed = failed + own.clone().count();
    let reason = of_request.or(own.clone().next());
    let failure = reason.map(|reason| Failure { status_code, response_body, reason: reason.text.clone(), at });
    (failure, u64::try_from(failed).unwrap_or(u64::MAX))
}

/// A place that several subscriptions may send to, which wants its requests apart or in order.
#[derive(Default)]
pub(crate) struct Target {
    pub(crate) next_at: Duration,
    pub(crate) last_stamp: Option<Timestamp>,
}

/// The targets of all accounts.
#[derive(Default)]
pub(crate) struct Targets(Mutex<HashMap<TargetName, Arc<tokio::sync::Mutex<Target>>>>);

type TargetName = (AccountId, String, String);

impl Targets {
    /// The target that the configuration names, if the integration paces its requests.
    pub(crate) fn get(
        &self,
        account: AccountId,
        integration: &Integration,
        config: &Map<String, Value>,
    ) -> Option<Arc<tokio::sync::Mutex<Target>>> {
        integration.pace()?;
        let name = (account, integration.key().to_owned(), integration.target(config));
        Some(Arc::clone(self.0.lock().entry(name).or_default()))
    }
}

#[cfg(test)]
mod tests {
    use integrations::Catalogue;

    use super::Shown;
    use crate::client::Peer;

    #[test]
    fn peers_are_shown_where_anybody_could_reach_them_or_no_config_chooses_them() {
        let catalogue = Catalogue::builtin().expect("loads");
        let shown = |key, address: &str| {
            let peer = Peer { address: address.parse().expect("is an address"), tls: None };
            let shown = Shown::of(catalogue.get(key).expect("is built in"), Some(peer));
            (shown.peer, shown.body)
        };
        for (key, address, expected) in [
            ("splunk", "10.0.0.7:8088", (false, false)),
            ("splunk", "[::ffff:127.0.0.1]:8088", (false, false)),
            ("splunk", "93.184.216.34:8088", (true, false)),
            ("datadog", "127.0.0.1:443", (true, true)),
        ] {
            assert_eq!(shown(key, address), expected, "{key} {address}");
        }
        assert!(!Shown::of(catalogue.get("splunk").expect("is built in"), None).peer);
    }
}
