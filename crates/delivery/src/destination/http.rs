//! Requests as a manifest describes them.

use std::sync::Arc;

use domain::{Entry, error_chain};
use futures_util::future::BoxFuture;
use integrations::{HttpRequest, Integration, RenderedItem, Reply, ReplyReading};

use super::{Answered, Destination, Request, Summary, To, Way, may_show};
use crate::{
    client::Answer,
    outcome::{Outcome, Reason},
    send,
};

pub(crate) struct Http;

struct HttpCall {
    integration: Arc<Integration>,
    request: HttpRequest,
    items: usize,
}

impl Destination for Http {
    fn request(
        &self,
        to: &To<'_>,
        _entries: &[Arc<Entry>],
        items: Vec<RenderedItem>,
    ) -> Result<Box<dyn Request>, Outcome> {
        let request = to
            .integration
            .request_sharing(to.config, to.common, &items)
            .map_err(|error| Outcome::Misconfigured(Reason::new("unrenderable", error_chain(&error))))?;
        Ok(Box::new(HttpCall { integration: Arc::clone(to.integration), request, items: items.len() }))
    }
}

impl Request for HttpCall {
    fn summary(&self) -> Summary<'_> {
        Summary { method: self.request.method, url: &self.request.url, bytes: self.request.body.len() }
    }

    fn send<'a>(self: Box<Self>, way: Way<'a>) -> BoxFuture<'a, Answered> {
        Box::pin(async move {
            let Self { integration, request, items } = *self;
            let profile = way.profile(request.verify_tls);
            match way.client.send(request, profile, send::reply_bytes_max(items)).await {
                Err(error) => error.into(),
                Ok(answer) => read(&integration, answer, items, way),
            }
        })
    }
}

fn read(integration: &Integration, answer: Answer, items: usize, way: Way<'_>) -> Answered {
    let Answer { status, headers, body, truncated, peer, .. } = answer;
    let reply = Reply { status, headers: &headers, body: &body, truncated, shows_words: may_show(integration, peer) };
    let reading = integration.read_reply(items, &reply, way.clock.now());
    let first_invalid = integration.first_invalid(&reply).filter(|_| items > 1);
    let answered = match reading {
        ReplyReading::Items(verdicts) => Answered::each(verdicts.into_iter().map(Outcome::from).collect()),
        ReplyReading::Whole(verdict) => {
            let outcome = Outcome::from(verdict);
            let items = first_invalid.and_then(|first| split_at_first_invalid(&outcome, first, items));
            Answered { items, ..Answered::whole(outcome) }
        }
    };
    Answered { status_code: Some(status), body, peer, ..answered }
}

/// Tells the items of a failed request apart by the number of the first invalid one.
///
/// Those before it are stored. Whether the number counts from 0 or from 1 is disputed, so the
/// one before it counts as a suspect, too. A refusal is then asked of each suspect alone; where
/// the destination was only busy, all that it has not stored wait together.
fn split_at_first_invalid(outcome: &Outcome, first: usize, items: usize) -> Option<Vec<Outcome>> {
    if first > items {
        return None;
    }
    let stored = first.saturating_sub(1);
    let rest = |item: usize| match outcome {
        Outcome::Refused(_) => Some(Outcome::Undecided { alone: item <= first }),
        Outcome::Unavailable(_) | Outcome::Throttled { .. } => Some(outcome.clone()),
        _ => None,
    };
    (0..items).map(|item| if item < stored { Some(Outcome::Accepted) } else { rest(item) }).collect()
}

#[cfg(test)]
mod tests {
    use integrations::Reason;

    use super::split_at_first_invalid;
    use crate::outcome::Outcome;

    /// One letter an item: accepted, alone, together, waiting.
    fn split(outcome: &Outcome, first: usize) -> String {
        let Some(each) = split_at_first_invalid(outcome, first, 5) else { return "whole".to_owned() };
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
