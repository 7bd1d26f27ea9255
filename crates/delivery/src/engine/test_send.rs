//! Test messages: sent now, to the place that the configuration names, and no deliveries.

use std::{sync::Arc, time::Duration};

use domain::{Secret, Timestamp};
use integrations::redact;
use store::Subscription;
use tokio::sync::OwnedMutexGuard;

use super::{Engine, Inner};
use crate::{
    courier::Sent,
    destination::{Request, Summary, To},
    lane::{Lane, Spec},
    outcome::{Outcome, Reason},
    permits::Permit,
    send::{self, OpenConfig, Target},
    status::Failure,
};

/// How long a test message waits for its turn behind deliveries. Somebody waits for its answer.
pub const TURN_MAX: Duration = Duration::from_secs(30);

/// What came of a test message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// What the answer means, as it would for an entry.
    pub outcome: Outcome,
    /// The answer's status; `None` when there was no answer.
    pub status_code: Option<u16>,
    /// The beginning of the answer's body, redacted; only where it may be shown.
    pub response_body: Option<String>,
    /// From the start of the request to the end of its answer.
    pub took: Duration,
    /// What was sent; `None` when no request could be made.
    pub request: Option<TestRequest>,
}

/// What was sent as a test message, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRequest {
    /// Such as `POST`.
    pub method: &'static str,
    /// Scheme and host, and the path where nothing in it is secret; `…` for the rest.
    pub url: String,
    /// Length of the body as it was sent.
    pub bytes: usize,
}

/// The right to send: a turn at a paced target, if it is one, and a permit.
struct Turn {
    target: Option<OwnedMutexGuard<Target>>,
    _permit: Permit,
}

impl Engine {
    /// Sends the test message of a subscription now, be it on or off. It is no delivery and
    /// counts nowhere, but one that is accepted ends a suspension.
    ///
    /// # Errors
    /// [`store::Error`] when the account cannot be loaded; then nothing was sent.
    pub async fn test(&self, subscription: &Subscription) -> Result<TestResult, store::Error> {
        let account = self.inner.account(subscription.account).await?;
        let lane = account.lock().lanes.get(subscription.id).map(Arc::clone);
        let (result, stamp) = self.inner.send_test(subscription, lane.as_deref()).await;
        if result.outcome == Outcome::Accepted
            && let Some(lane) = lane
        {
            {
                let mut state = lane.lock();
                if let Some(stamp) = stamp {
                    state.courier.stamped(stamp);
                }
                // An edit since then begins anew, whatever the older revision met.
                if state.spec.revision == subscription.revision {
                    state.courier.test_accepted(self.inner.clock.monotonic());
                }
            }
            self.inner.journal.note_lane(&account, &lane, 0);
            self.inner.pump(&lane);
        }
        Ok(result)
    }
}

impl Inner {
    /// The result, and the time that an ordered destination was told.
    async fn send_test(&self, subscription: &Subscription, lane: Option<&Lane>) -> (TestResult, Option<Timestamp>) {
        let spec = match self.spec(subscription) {
            Ok(spec) => spec,
            Err(problem) => {
                return (unsent(Outcome::Misconfigured(Reason::new("invalid_subscription", problem))), None);
            }
        };
        let open = match OpenConfig::open(&*self.keys, subscription.account, subscription.id, &spec) {
            Ok(open) => open,
            Err(outcome) => return (unsent(outcome), None),
        };
        let rendered = self.render_test(subscription, lane, &spec, &open, None);
        let host = match &rendered {
            Ok((request, _)) => send::origin(request.summary().url),
            Err(outcome) => return (unsent(self.redacted(outcome.clone(), open.secrets())), None),
        };
        let turn = self.turn(subscription, &spec, &open, &host);
        let Ok(mut turn) = tokio::time::timeout(TURN_MAX, turn).await else {
            let text = "other requests to this destination are under way; try again";
            return (unsent(Outcome::Unavailable(Reason::new("no_turn", text))), None);
        };
        // Rendered anew: the turn can have been long in coming.
        let (request, stamp) = match self.render_test(subscription, lane, &spec, &open, turn.target.as_deref()) {
            Ok(rendered) => rendered,
            Err(outcome) => return (unsent(self.redacted(outcome, open.secrets())), None),
        };
        let shown = shown(request.summary(), open.secrets());
        let result =
            TestResult { request: Some(shown), ..self.exchange_test(subscription, &spec, &open, request).await };
        let pace = spec.integration.pace();
        if let (Some(pace), Some(target)) = (pace, turn.target.as_deref_mut()) {
            target.next_at = self.clock.monotonic() + pace.spacing();
            // Without an answer nobody knows whether the destination has it.
            if result.outcome == Outcome::Accepted || result.status_code.is_none() {
                target.last_stamp = target.last_stamp.max(Some(stamp));
            }
        }
        (result, pace.map(|_| stamp))
    }

    fn render_test(
        &self,
        subscription: &Subscription,
        lane: Option<&Lane>,
        spec: &Spec,
        open: &OpenConfig,
        target: Option<&Target>,
    ) -> Result<(Box<dyn Request>, Timestamp), Outcome> {
        let moment = self.moment(lane, spec, target);
        let to = To { integration: &spec.integration, config: &open.config, common: &open.common };
        let (destinations, base_url) = (&self.settings.destinations, &self.settings.public_url);
        send::prepare_test(destinations, &to, subscription.account, base_url, moment)
    }

    /// Waits until a request may start.
    async fn turn(&self, subscription: &Subscription, spec: &Spec, open: &OpenConfig, host: &str) -> Turn {
        let mut turn = None;
        if let Some(target) = self.targets.get(subscription.account, &spec.integration, &open.config) {
            let target = target.lock_owned().await;
            let wait = target.next_at.saturating_sub(self.clock.monotonic());
            tokio::time::sleep(wait).await;
            turn = Some(target);
        }
        Turn { target: turn, _permit: self.permits.acquire(Some(host), false).await }
    }

    /// The outcome of a message that was not sent, without secrets in its text.
    fn redacted(&self, outcome: Outcome, secrets: &[Secret]) -> Outcome {
        let read = send::unsent(vec![Err(outcome)], secrets, self.clock.now());
        read.results.own.into_iter().flatten().next().unwrap_or(Outcome::Nothing)
    }

    async fn exchange_test(
        &self,
        subscription: &Subscription,
        spec: &Spec,
        open: &OpenConfig,
        request: Box<dyn Request>,
    ) -> TestResult {
        let integration = &spec.integration;
        let (answered, took) = self.send_to(request, subscription.account).await;
        let status_code = answered.status_code;
        let shows_body = integration.shows_response_body() && status_code.is_some();
        let response_body = shows_body.then(|| redact(&answered.body, open.secrets(), Failure::BODY_BYTES_MAX));
        let read = send::read(open, answered, vec![Ok(())], self.clock.now());
        let outcome = match read.results.sent {
            Sent::Whole(outcome) => outcome,
            Sent::Each(outcomes) => outcomes.into_iter().next().unwrap_or_else(|| {
                Outcome::Unavailable(Reason::new("unread_item", "the reply says nothing of the message"))
            }),
        };
        TestResult { outcome, status_code, response_body, took, request: None }
    }
}

fn unsent(outcome: Outcome) -> TestResult {
    TestResult { outcome, status_code: None, response_body: None, took: Duration::ZERO, request: None }
}

pub(crate) fn shown(request: Summary<'_>, secrets: &[Secret]) -> TestRequest {
    TestRequest { method: request.method, url: shown_url(request.url, secrets), bytes: request.bytes }
}

/// A URL without what may be secret. Of one that is made of a credential only scheme and host
/// are shown, and never a query, since keys often stand there.
fn shown_url(url: &str, secrets: &[Secret]) -> String {
    let origin = send::origin(url);
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let path_at = url[after_scheme..].find(['/', '?', '#']).map_or(url.len(), |at| after_scheme + at);
    let (path, query) = match url[path_at..].find(['?', '#']) {
        Some(at) => (&url[path_at..path_at + at], "?…"),
        None => (&url[path_at..], ""),
    };
    let plain = percent_decoded(path);
    let is_secret = |secret: &Secret| {
        let secret = secret.expose();
        path.contains(secret) || plain.contains(secret) || (secret.contains("://") && send::origin(secret) == origin)
    };
    let path = if secrets.iter().any(is_secret) { "/…" } else { path };
    let scheme = &url[..after_scheme];
    let host = origin.strip_prefix(scheme).unwrap_or(&origin);
    format!("{scheme}{host}{path}{query}")
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let pair = (bytes[at] == b'%').then(|| digit(at + 1).zip(digit(at + 2))).flatten();
        let (byte, length) = match pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => (byte, 3),
            None => (bytes[at], 1),
        };
        decoded.push(byte);
        at += length;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use domain::Secret;

    use super::shown_url;

    fn shown(url: &str, secrets: &[&str]) -> String {
        let secrets: Vec<_> = secrets.iter().map(|secret| Secret::new((*secret).to_owned())).collect();
        shown_url(url, &secrets)
    }

    #[test]
    fn a_shown_url_has_neither_secrets_nor_credentials_nor_a_query() {
        assert_eq!(shown("https://api.test/v1/logs", &["key-1"]), "https://api.test/v1/logs");
        assert_eq!(shown("https://api.test", &[]), "https://api.test");
        assert_eq!(shown("https://api.test:8443/v1?region=eu", &[]), "https://api.test:8443/v1?…");
        assert_eq!(shown("https://api.test?key=1", &[]), "https://api.test?…");
        assert_eq!(shown("https://user:pass@api.test/in", &[]), "https://api.test/in");
        assert_eq!(shown("https://api.test/v1/key-1/send", &["key-1"]), "https://api.test/…");
        assert_eq!(shown("https://api.test/v1/k%7Ey%20%C3%A4/send", &["k~y ä"]), "https://api.test/…");
        // What is made of a credential can differ from it, and only the host is known to be none.
        let hook = "https://hook.test/in/abc?sig=xyz";
        assert_eq!(shown("https://hook.test/in/abc?sig=xyz", &[hook]), "https://hook.test/…?…");
        assert_eq!(shown("https://hook.test/in/abc/more", &[hook]), "https://hook.test/…");
    }

    #[test]
    fn broken_escapes_in_a_url_stay_as_they_are() {
        assert_eq!(super::percent_decoded("/a%2"), "/a%2");
        assert_eq!(super::percent_decoded("/%zz%"), "/%zz%");
        assert_eq!(super::percent_decoded("%41%e4"), "A\u{fffd}");
    }
}
