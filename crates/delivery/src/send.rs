//! One request: open the configuration, render, send, read the reply.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{AccountId, Entry, Keys, SealContext, Secret, SubscriptionId, Timestamp, error_chain};
use integrations::{
    HttpRequest, Integration, Item, Moment, Nothing, RenderError, RenderedItem, Reply, ReplyReading, redact,
};
use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::{
    client::{Answer, Peer, Profile, SendError, is_public},
    courier::{Results, Sent},
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

/// A subscription's configuration in the clear, for the length of one request.
pub(crate) struct OpenConfig {
    pub(crate) config: Map<String, Value>,
    pub(crate) secrets: Vec<Secret>,
}

impl OpenConfig {
    pub(crate) fn open(
        keys: &dyn Keys,
        account: AccountId,
        subscription: SubscriptionId,
        spec: &Spec,
    ) -> Result<Self, Outcome> {
        let context = SealContext { account, subscription, field: "config" };
        let failed = |text: String| Outcome::Misconfigured(Reason::new("config_sealed", text));
        let plain = keys
            .open(context, &spec.config)
            .map_err(|error| failed(format!("the stored configuration cannot be opened: {error}")))?;
        // The parser's message could repeat a piece of the configuration.
        let config: Map<String, Value> = serde_json::from_slice(&plain)
            .map_err(|_| failed("the stored configuration is not a JSON object".to_owned()))?;
        let secrets = spec.integration.secret_values(&config);
        Ok(Self { config, secrets })
    }
}

/// A request, and what it says of each entry that it was made from.
pub(crate) struct Prepared {
    /// `None` when no entry has anything to send.
    pub(crate) request: Option<HttpRequest>,
    /// One for each entry that is part of this attempt: a place in the request, or its fate
    /// without one.
    pub(crate) entries: Vec<Result<(), Outcome>>,
    /// The greatest time that the request gives to the destination.
    pub(crate) stamp: Option<Timestamp>,
}

/// Renders `entries`; those that no longer fit into one request are left out at the end.
pub(crate) fn prepare(
    integration: &Integration,
    config: &Map<String, Value>,
    entries: &[Arc<Entry>],
    base_url: &str,
    moment: Moment,
) -> Prepared {
    let limits = integration.batch(config);
    let mut places = Vec::with_capacity(entries.len());
    let mut items: Vec<RenderedItem> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        match integration.render_item(config, entry, base_url, moment) {
            Ok(Item::Body(item)) => {
                let fits = items.is_empty() || bytes + item.body.len() <= limits.bytes_max;
                if !fits {
                    break;
                }
                bytes += item.body.len();
                items.push(item);
                places.push(Ok(()));
            }
            Ok(Item::Nothing(Nothing::Late)) => {
                let text = "the event is older than the destination takes";
                places.push(Err(Outcome::Skipped(Reason::new("too_old", text))));
            }
            Ok(Item::Nothing(Nothing::NoTemplate | Nothing::EmptyBody)) => places.push(Err(Outcome::Nothing)),
            Err(error) => places.push(Err(unrenderable(&error))),
        }
    }
    let stamp = items.iter().map(|item| item.stamp).max();
    let mut prepared = Prepared { request: None, entries: places, stamp };
    if !items.is_empty() {
        match integration.request(config, &items) {
            Ok(request) => prepared.request = Some(request),
            Err(error) => {
                // Each entry was rendered; what fails here would fail with any of them.
                let outcome = Outcome::Misconfigured(Reason::new("unrenderable", error_chain(&error)));
                for place in prepared.entries.iter_mut().filter(|place| place.is_ok()) {
                    *place = Err(outcome.clone());
                }
            }
        }
    }
    prepared
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

/// Which connections a request may use.
pub(crate) fn profile(request: &HttpRequest, is_default_account: bool) -> Profile {
    Profile { private_ranges: is_default_account, verify_tls: request.verify_tls }
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

/// What an account may see of an answer, beside its status: an answer of a host that the config
/// chose could come from within the operator's network, and tell what is there.
struct Shown {
    body: bool,
    peer: bool,
}

impl Shown {
    fn of(integration: &Integration, peer: Option<Peer>) -> Self {
        let is_public = peer.is_some_and(|peer| is_public(peer.address.ip()));
        Self { body: integration.shows_response_body(), peer: integration.host_is_fixed() || is_public }
    }
}

/// Reads what came back, and tells it apart for the entries of the attempt.
pub(crate) fn read(
    integration: &Integration,
    secrets: &[Secret],
    answered: Result<Answer, SendError>,
    places: Vec<Result<(), Outcome>>,
    now: Timestamp,
) -> Read {
    let items = places.iter().filter(|place| place.is_ok()).count();
    let (mut status_code, mut response_body, mut peer) = (None, None, None);
    let mut first_invalid = None;
    let reading = match answered {
        Err(error) => Err(Outcome::from(error)),
        Ok(answer) => {
            status_code = Some(answer.status);
            let shown = Shown::of(integration, answer.peer);
            peer = answer.peer.filter(|_| shown.peer);
            if shown.body {
                response_body = Some(redact(&answer.body, secrets, Failure::BODY_BYTES_MAX));
            }
            let Answer { status, headers, body, truncated, .. } = &answer;
            let reply = Reply { status: *status, headers, body, truncated: *truncated };
            let reading = integration.read_reply(items, &reply, now);
            first_invalid = integration.first_invalid(&reply).filter(|_| items > 1);
            Ok(reading)
        }
    };
    let sent = match reading {
        Err(outcome) => Sent::Whole(redacted(outcome, secrets)),
        Ok(ReplyReading::Whole(verdict)) => Sent::Whole(redacted(Outcome::from(verdict), secrets)),
        Ok(ReplyReading::Items(verdicts)) => {
            Sent::Each(verdicts.into_iter().map(|verdict| redacted(Outcome::from(verdict), secrets)).collect())
        }
    };
    let outcome = outcome_of(&sent);
    let sent = match (sent, first_invalid) {
        (Sent::Whole(outcome), Some(first)) => split_at_first_invalid(outcome, first, items),
        (sent, _) => sent,
    };
    let own = places.into_iter().map(|place| place.err().map(|outcome| redacted(outcome, secrets))).collect();
    let results = Results { own, sent };
    let body_of_failure = if outcome == Outcome::Accepted { None } else { response_body.clone() };
    let exchange = Exchange { outcome, status_code, response_body: body_of_failure, peer };
    let (failure, failed_entries) = failure(&results, items, status_code, response_body, now);
    Read { results, failure, failed_entries, exchange: Some(exchange) }
}

/// What came of the request as a whole.
fn outcome_of(sent: &Sent) -> Outcome {
    match sent {
        Sent::Whole(outcome) => outcome.clone(),
        Sent::Each(outcomes) => {
            outcomes.iter().find(|outcome| **outcome != Outcome::Accepted).unwrap_or(&Outcome::Accepted).clone()
        }
    }
}

/// Tells the items of a failed request apart by the number of the first invalid one.
///
/// Those before it are stored. Whether the number counts from 0 or from 1 is disputed, so the
/// one before it counts as a suspect, too. A refusal is then asked of each suspect alone; where
/// the destination was only busy, all that it has not stored wait together.
fn split_at_first_invalid(outcome: Outcome, first: usize, items: usize) -> Sent {
    if first > items {
        return Sent::Whole(outcome);
    }
    let stored = first.saturating_sub(1);
    let rest = |item: usize| match &outcome {
        Outcome::Refused(_) => Some(Outcome::Undecided { alone: item <= first }),
        Outcome::Unavailable(_) | Outcome::Throttled { .. } => Some(outcome.clone()),
        _ => None,
    };
    let each: Option<Vec<_>> =
        (0..items).map(|item| if item < stored { Some(Outcome::Accepted) } else { rest(item) }).collect();
    each.map_or(Sent::Whole(outcome), Sent::Each)
}

/// What came of an attempt that sent nothing.
pub(crate) fn unsent(places: Vec<Result<(), Outcome>>, secrets: &[Secret], now: Timestamp) -> Read {
    let own = places.into_iter().map(|place| Some(redacted(place.err().unwrap_or(Outcome::Nothing), secrets)));
    let results = Results { own: own.collect(), sent: Sent::Each(Vec::new()) };
    let (failure, failed_entries) = failure(&results, 0, None, None, now);
    Read { results, failure, failed_entries, exchange: None }
}

fn redacted(outcome: Outcome, secrets: &[Secret]) -> Outcome {
    let clean =
        |reason: Reason| Reason { text: redact(reason.text.as_bytes(), secrets, REASON_BYTES_MAX), name: reason.name };
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
    use integrations::{Catalogue, Reason};

    use super::{Shown, split_at_first_invalid};
    use crate::{client::Peer, courier::Sent, outcome::Outcome};

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

    /// One letter an item: accepted, alone, together, waiting.
    fn split(outcome: &Outcome, first: usize) -> String {
        let Sent::Each(each) = split_at_first_invalid(outcome.clone(), first, 5) else { return "whole".to_owned() };
        let letter = |outcome: &Outcome| match outcome {
            Outcome::Accepted => 'a',
            Outcome::Undecided { alone: true } => '1',
            Outcome::Undecided { alone: false } => 't',
            _ => 'w',
        };
        each.iter().map(letter).collect()
    }

    #[test]
    fn what_stands_before_the_first_invalid_item_is_stored_whichever_way_it_is_counted() {
        let reason = || Reason::new("refused", "no");
        let refused = Outcome::Refused(reason());
        for (first, expected) in [(0, "1tttt"), (1, "11ttt"), (2, "a11tt"), (4, "aaa11"), (5, "aaaa1"), (6, "whole")] {
            assert_eq!(split(&refused, first), expected, "{first}");
        }
        assert_eq!(split(&Outcome::Unavailable(reason()), 3), "aawww");
        assert_eq!(split(&Outcome::Throttled { retry_after: None, reason: reason() }, 3), "aawww");
        assert_eq!(split(&Outcome::Misconfigured(reason()), 3), "whole");
    }
}
