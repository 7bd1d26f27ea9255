//! Kinds of destinations: how a request is made of entries, how it is sent, and what came of it.
//!
//! An implementation decides nothing: what follows from an outcome is chosen by `decide` for
//! all kinds alike, and the engine gives windows, holds, permits, evidence and the masking of
//! secrets. Deliberately absent: connections of their own; every implementation goes out
//! through the [`Client`] that it is given.

pub(crate) mod http;

use std::{collections::HashMap, fmt, sync::Arc};

use domain::{AccountId, Clock, Entry};
use futures_util::future::BoxFuture;
use integrations::{CommonLine, Integration, Kind, RenderedItem};
use serde_json::{Map, Value};

use crate::{
    client::{Client, Peer, Profile, SendError, is_public},
    outcome::{Outcome, Reason},
};

/// One kind of destination.
pub trait Destination: Send + Sync {
    /// Makes of what the template gave for an entry, the body of `item`, what stands for it in a
    /// request. The limits of a batch count its bytes.
    ///
    /// # Errors
    /// The outcome of this entry without a request.
    fn encode(&self, to: &To<'_>, entry: &Entry, item: &mut RenderedItem) -> Result<(), Outcome> {
        let _ = (to, entry, item);
        Ok(())
    }

    /// Makes one request of encoded items, at least one; `entries` are those that they stand for.
    ///
    /// # Errors
    /// The outcome of all of them without a request.
    fn request(
        &self,
        to: &To<'_>,
        entries: &[Arc<Entry>],
        items: Vec<RenderedItem>,
    ) -> Result<Box<dyn Request>, Outcome>;

    /// Whether a redelivery sends each entry alone, since answers do not tell the entries of a
    /// request apart.
    fn redelivers_alone(&self) -> bool {
        false
    }
}

/// A request that is ready to be sent.
pub trait Request: Send + Sync {
    /// What can be said of it beforehand.
    fn summary(&self) -> Summary<'_>;

    /// Sends it and reads what comes back.
    fn send<'a>(self: Box<Self>, way: Way<'a>) -> BoxFuture<'a, Answered>;
}

/// To whom a request goes.
#[derive(Clone, Copy)]
pub struct To<'a> {
    /// The integration.
    pub integration: &'a Arc<Integration>,
    /// The config in the clear.
    pub config: &'a Map<String, Value>,
    /// What its requests have in common.
    pub common: &'a CommonLine,
}

impl To<'_> {
    /// The text that the config gives for a form variable, or its default; empty for none.
    pub fn text(&self, key: &str) -> String {
        match self.integration.values(self.config).get(key) {
            Some(Value::String(text)) => text.clone(),
            _ => String::new(),
        }
    }

    /// Whether the config, or its default, says true.
    pub fn flag(&self, key: &str) -> bool {
        self.integration.values(self.config).get(key) == Some(&Value::Bool(true))
    }
}

/// What can be said of a request before it is sent.
#[derive(Clone, Copy)]
pub struct Summary<'a> {
    /// Such as `POST`.
    pub method: &'static str,
    /// An address with scheme and host; it may hold keys.
    pub url: &'a str,
    /// Length of what is sent.
    pub bytes: usize,
}

/// The way out.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// Makes the connections, to permitted addresses only.
    pub client: &'a Client,
    /// For whom: what the operator allows this account to reach is open.
    pub account: AccountId,
    /// Tells the time at which an answer is read.
    pub clock: &'a dyn Clock,
}

impl Way<'_> {
    /// Which connections may be used for a destination whose certificate is checked or not.
    pub fn profile(&self, verify_tls: bool) -> Profile {
        Profile { account: self.account, verify_tls }
    }
}

/// Whether an account may see what `peer` says in its own words, and who it is: an answer of a
/// host that the config chose could come from within the operator's network, and tell what is there.
pub fn may_show(integration: &Integration, peer: Option<Peer>) -> bool {
    integration.host_is_fixed() || peer.is_some_and(|peer| is_public(peer.address.ip()))
}

/// What came of a request. Its texts may repeat secrets; the engine takes them out.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What came of it as a whole; of several items, that of the first which failed.
    pub outcome: Outcome,
    /// What came of each item in order, where the answer tells them apart.
    pub items: Option<Vec<Outcome>>,
    /// The answer's status, where answers have one.
    pub status_code: Option<u16>,
    /// The beginning of the answer.
    pub body: Vec<u8>,
    /// Who answered.
    pub peer: Option<Peer>,
    /// Whether the destination may have what it did not accept, since its answer is missing.
    pub may_be_stored: bool,
}

impl Answered {
    /// An answer that speaks of the request as a whole.
    pub fn whole(outcome: Outcome) -> Self {
        Self { outcome, items: None, status_code: None, body: Vec::new(), peer: None, may_be_stored: false }
    }

    /// An answer that tells of each item.
    pub fn each(items: Vec<Outcome>) -> Self {
        let failed = items.iter().find(|outcome| **outcome != Outcome::Accepted).cloned();
        Self { items: Some(items), ..Self::whole(failed.unwrap_or(Outcome::Accepted)) }
    }
}

impl From<SendError> for Answered {
    fn from(error: SendError) -> Self {
        Self { may_be_stored: true, ..Self::whole(error.into()) }
    }
}

/// The kinds that this process can deliver to. [`Kind::Http`] is always among them.
#[derive(Clone)]
pub struct Destinations(HashMap<Kind, Arc<dyn Destination>>);

impl Default for Destinations {
    fn default() -> Self {
        Self(HashMap::new()).with(Kind::Http, Arc::new(http::Http))
    }
}

impl Destinations {
    /// These and one more.
    #[must_use]
    pub fn with(mut self, kind: Kind, destination: Arc<dyn Destination>) -> Self {
        self.0.insert(kind, destination);
        self
    }

    pub(crate) fn of(&self, kind: Kind) -> Result<&dyn Destination, Outcome> {
        self.0.get(&kind).map(|found| &**found).ok_or_else(|| {
            let text = format!("this build of the server cannot deliver to destinations of the kind {kind}");
            Outcome::Misconfigured(Reason::new("kind_not_built", text))
        })
    }
}

impl fmt::Debug for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use integrations::Kind;

    use super::{Answered, Destinations};
    use crate::outcome::{Outcome, Reason};

    #[test]
    fn a_kind_that_is_not_built_takes_nothing_and_says_so() {
        let built = Destinations::default();
        assert!(built.of(Kind::Http).is_ok());
        let Err(Outcome::Misconfigured(reason)) = built.of(Kind::Otlp) else { panic!("it is not built") };
        assert!(reason.text.contains("otlp"), "{}", reason.text);
    }

    #[test]
    fn the_outcome_of_several_items_is_that_of_the_first_which_failed() {
        let refused = |text: &str| Outcome::Refused(Reason::new("refused", text));
        let answered = Answered::each(vec![Outcome::Accepted, refused("second"), refused("third")]);
        assert_eq!(answered.outcome, refused("second"));
        assert_eq!(Answered::each(vec![Outcome::Accepted; 2]).outcome, Outcome::Accepted);
    }
}
