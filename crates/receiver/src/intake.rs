//! Judges requests and keeps what came of them. Deliberately absent: sockets.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    fault::{Fault, FaultKind, Faults},
    options::Options,
    record::{Counts, Received, Record},
    reply::{Judgement, Reply},
    request::Request,
    route::Place,
    vendor::{self, Call, Memory},
};

/// The vendors, the faults that wait and the record of what came.
#[derive(Debug)]
pub struct Intake {
    options: Options,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    memory: Memory,
    faults: Faults,
    record: Record,
}

/// An answer and how it goes out.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What the vendor says.
    pub reply: Reply,
    /// How it is sent.
    pub delivery: Delivery,
}

/// How an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At once.
    Whole,
    /// Not at all: the connection is closed.
    Reset,
    /// Not at all: the connection stays open.
    Hang,
    /// One byte after each wait.
    Trickle(Duration),
    /// With a body that does not end.
    Endless,
}

impl Intake {
    /// An intake that has seen nothing.
    pub fn new(options: Options) -> Self {
        Self { options, state: Mutex::default() }
    }

    /// Judges `request`, records it and says how to answer.
    pub fn answer(&self, request: &Request) -> Answer {
        let now = (self.options.now)();
        let payload = request.unpack();
        let place = Place::of(request);
        let mut state = self.state();
        let fault = state.faults.take(place);
        let mut judgement = if fault.as_ref().is_none_or(FaultKind::lets_through) {
            let item_errors = fault.as_ref().and_then(FaultKind::item_errors);
            vendor::judge(
                place,
                &mut Call {
                    request,
                    payload: &payload,
                    options: &self.options,
                    now,
                    memory: &mut state.memory,
                    item_errors: item_errors.as_ref(),
                },
            )
        } else {
            unseen(fault.as_ref())
        };
        let delivery = fault.as_ref().map_or(Delivery::Whole, |kind| apply(kind, place, now, &mut judgement));
        let body = payload.unwrap_or_else(|_| request.body.clone());
        let fault = fault.as_ref().map(FaultKind::name);
        let received = received(request, body, place, now, &state.record, &judgement, fault);
        state.record.add(received);
        Answer { reply: judgement.reply, delivery }
    }

    /// Orders a fault.
    ///
    /// # Errors
    /// An unknown destination, or `item_errors` at one that does not answer by item.
    pub fn order(&self, fault: Fault) -> Result<(), String> {
        self.state().faults.order(fault)
    }

    /// The faults that still wait.
    pub fn faults(&self) -> Vec<Fault> {
        self.state().faults.list()
    }

    /// Takes back all faults that wait.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Adds ids of entries to look for in bodies; answers how many are expected now.
    ///
    /// # Errors
    /// An empty id, or more than a million.
    pub fn expect<I: AsRef<str>>(&self, ids: impl IntoIterator<Item = I>) -> Result<usize, String> {
        let mut state = self.state();
        for id in ids {
            if !state.record.expected.add(id.as_ref()) {
                return Err("an id is empty, or too many are expected".to_owned());
            }
        }
        Ok(state.record.expected.len())
    }

    /// The requests since the last clearing, oldest first: all, or those at `destination`.
    pub fn received(&self, destination: Option<&str>) -> Vec<Received> {
        let state = self.state();
        let wanted = |received: &&Received| destination.is_none_or(|name| received.destination == name);
        state.record.requests().filter(wanted).cloned().collect()
    }

    /// The counts by destination since the last clearing.
    pub fn summary(&self) -> BTreeMap<&'static str, Counts> {
        self.state().record.counts()
    }

    /// Forgets the requests and counts. What the vendors stored, the expected ids and the faults stay.
    pub fn clear(&self) {
        self.state().record.clear();
    }

    // A panic while the lock was held leaves counts that are at worst one request short.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The judgement of a request that a fault keeps from the vendor.
fn unseen(fault: Option<&FaultKind>) -> Judgement {
    let name = fault.map_or("none", FaultKind::name);
    Judgement { reply: Reply::empty(500), refused: Some(format!("fault: {name}")), stored: Vec::new() }
}

/// Changes the vendor's answer as the fault wants it.
fn apply(kind: &FaultKind, place: Place, now: i64, judgement: &mut Judgement) -> Delivery {
    if let Some(reply) = kind.reply(place, now) {
        judgement.reply = reply;
    }
    match kind {
        FaultKind::ResetAfterBody { .. } => Delivery::Reset,
        FaultKind::Hang { .. } => Delivery::Hang,
        FaultKind::Trickle { interval_millis } => Delivery::Trickle(Duration::from_millis(*interval_millis)),
        FaultKind::EndlessBody => Delivery::Endless,
        FaultKind::AcceptedThenNothing => {
            if judgement.refused.is_none() {
                judgement.stored.clear();
                judgement.refused = Some(format!("fault: {}", kind.name()));
                judgement.reply = vendor::hollow(place, judgement.reply.clone());
            }
            Delivery::Whole
        }
        _ => Delivery::Whole,
    }
}

fn received(
    request: &Request,
    body: Bytes,
    place: Place,
    now: i64,
    record: &Record,
    judgement: &Judgement,
    fault: Option<&'static str>,
) -> Received {
    let separator = if request.query.is_empty() { "" } else { "?" };
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Received {
        at: now,
        destination: place.name(),
        method: request.method.to_string(),
        host: request.host.clone(),
        path: format!("{}{separator}{}", request.path, request.query),
        headers: request.headers.iter().map(header).collect(),
        body_bytes: body.len(),
        entry_ids: record.expected.find(&body),
        stored_ids: judgement.stored.iter().flat_map(|item| record.expected.find(item.as_bytes())).collect(),
        stored_items: judgement.stored.len(),
        status: judgement.reply.status,
        refused: judgement.refused.clone(),
        fault,
        body,
    }
}
