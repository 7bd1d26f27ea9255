//! One request outside of any subscription, for those who try an integration out.

use std::{sync::Arc, time::Duration};

use domain::Entry;
use integrations::{Moment, redact};

use crate::{
    courier::Sent,
    destination::{Destinations, Request, To, Way},
    engine::{TestResult, shown_request},
    outcome::{Outcome, Reason},
    send::{self, OpenConfig},
    status::Failure,
};

/// Sends one entry, or the test message where there is none, and tells what came back: the body of
/// the answer too, whoever chose the host. It is for who may see all that this process sees.
pub async fn try_out(
    destinations: &Destinations,
    way: Way<'_>,
    to: &To<'_>,
    entry: Option<&Entry>,
    base_url: &str,
) -> TestResult {
    let now = way.clock.now();
    let open = OpenConfig::new(to.config.clone(), to.integration);
    let request = match render(destinations, way, to, entry, base_url, now.into()) {
        Ok(request) => request,
        Err(outcome) => {
            let read = send::unsent(vec![Err(outcome)], open.secrets(), now);
            let outcome = read.results.own.into_iter().flatten().next().unwrap_or(Outcome::Nothing);
            return TestResult { outcome, status_code: None, response_body: None, took: Duration::ZERO, request: None };
        }
    };
    let shown = shown_request(request.summary(), open.secrets());
    let started = way.clock.monotonic();
    let answered = request.send(way).await;
    let took = way.clock.monotonic().saturating_sub(started);
    let (status_code, body) = (answered.status_code, answered.body.clone());
    let read = send::read(&open, answered, vec![Ok(())], way.clock.now());
    let outcome = match read.results.sent {
        Sent::Whole(outcome) => Some(outcome),
        Sent::Each(outcomes) => outcomes.into_iter().next(),
    };
    let unread = || Outcome::Unavailable(Reason::new("unread_item", "the reply says nothing of the message"));
    let response_body = status_code.map(|_| redact(&body, open.secrets(), Failure::BODY_BYTES_MAX));
    TestResult { outcome: outcome.unwrap_or_else(unread), status_code, response_body, took, request: Some(shown) }
}

fn render(
    destinations: &Destinations,
    way: Way<'_>,
    to: &To<'_>,
    entry: Option<&Entry>,
    base_url: &str,
    moment: Moment,
) -> Result<Box<dyn Request>, Outcome> {
    let Some(entry) = entry else {
        return send::prepare_test(destinations, to, way.account, base_url, moment).map(|(request, _)| request);
    };
    let prepared = send::prepare(destinations, to, &[Arc::new(entry.clone())], base_url, moment);
    let place = prepared.entries.into_iter().next().unwrap_or(Err(Outcome::Nothing));
    place.and_then(|()| prepared.request.ok_or(Outcome::Nothing))
}
