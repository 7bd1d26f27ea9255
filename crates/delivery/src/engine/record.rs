//! What is recorded of an attempt.

use std::time::Duration;

use domain::Timestamp;
use store::LetterFate;

use crate::{
    attempts::{Attempt, Evidence, runs},
    client::Peer,
    courier::{Died, Load, Sent, Source},
    lane::LaneState,
    outcome::Outcome,
    send::{Exchange, Read},
};

/// Completes the records of a load whose outcomes were just applied, and keeps them until they
/// are written down.
pub(super) fn keep(state: &mut LaneState, records: Vec<Attempt>, load: &Load, died: &[Died]) {
    for mut attempt in records {
        if let Some(evidence) = &mut attempt.evidence {
            let died = died.iter().filter(|died| died.fate == LetterFate::Dead);
            let of_it = died.filter(|died| attempt.runs.iter().any(|run| run.holds(died.entry.sequence)));
            evidence.dead = u64::try_from(of_it.count()).unwrap_or(u64::MAX);
            evidence.follows = state.courier.follows(load);
        }
        let is_sent = attempt.evidence.as_ref().is_none_or(|evidence| evidence.is_sent);
        state.spec.counters.count(attempt.outcome(), is_sent.then_some(attempt.took));
        if !state.attempts.push(attempt) {
            state.spec.counters.count_unrecorded(1);
        }
    }
}

/// The request, if one was made, and the entries that failed without being part of one. What
/// follows is not known yet.
pub(super) fn records(load: &Load, read: &Read, took: Duration, ended_at: Timestamp) -> Vec<Attempt> {
    let request = read.exchange.as_ref().map(|exchange| of_request(load, read, exchange, took, ended_at));
    request.into_iter().chain(of_unsent(load, read, ended_at)).collect()
}

fn of_request(load: &Load, read: &Read, exchange: &Exchange, took: Duration, ended_at: Timestamp) -> Attempt {
    let Exchange { outcome, status_code, response_body, peer } = exchange;
    let sent = load.entries.iter().zip(&read.results.own).filter(|(_, own)| own.is_none()).map(|(entry, _)| entry);
    let runs = runs(sent);
    let items = runs.iter().map(|run| run.count).sum();
    let evidence = (*outcome != Outcome::Accepted).then(|| {
        let unknown = integrations::Reason::new("unread_item", "the answer does not tell its entries apart");
        let evidence =
            Evidence::new(outcome.kind(), outcome.reason().unwrap_or(&unknown), failed(&read.results.sent, items));
        let shown = |(version, cipher): (&str, &str)| (version.to_owned(), cipher.to_owned());
        Box::new(Evidence {
            is_sent: true,
            response_body: response_body.clone(),
            address: peer.map(|peer| peer.address.to_string()),
            tls: peer.and_then(|peer: Peer| peer.tls).map(shown),
            ..evidence
        })
    });
    Attempt { runs, status_code: *status_code, evidence, ..blank(load, took, ended_at) }
}

/// Items of a request of so many that were not accepted.
fn failed(sent: &Sent, items: u64) -> u64 {
    match sent {
        Sent::Whole(_) => items,
        Sent::Each(outcomes) => {
            let accepted = outcomes.iter().filter(|outcome| **outcome == Outcome::Accepted).count();
            items.saturating_sub(u64::try_from(accepted).unwrap_or(u64::MAX))
        }
    }
}

/// Entries of which no request could be made. Those that are passed over on purpose are none.
fn of_unsent(load: &Load, read: &Read, ended_at: Timestamp) -> Option<Attempt> {
    let first = read.results.own.iter().flatten().find(|own| is_failure(own))?;
    let own = load.entries.iter().zip(&read.results.own);
    let failed = own.filter(|(_, own)| own.as_ref().is_some_and(is_failure));
    let runs = runs(failed.map(|(entry, _)| entry));
    let entries = runs.iter().map(|run| run.count).sum();
    let evidence = Evidence::new(first.kind(), first.reason()?, entries);
    Some(Attempt { runs, evidence: Some(Box::new(evidence)), ..blank(load, Duration::ZERO, ended_at) })
}

/// What is known of any attempt of the load.
fn blank(load: &Load, took: Duration, ended_at: Timestamp) -> Attempt {
    Attempt {
        ended_at,
        took,
        runs: Vec::new(),
        status_code: None,
        is_probe: load.is_probe,
        is_of_job: load.source != Source::Log,
        evidence: None,
    }
}

fn is_failure(own: &Outcome) -> bool {
    matches!(own, Outcome::Unrenderable(_) | Outcome::Misconfigured(_))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};
    use integrations::{BatchLimits, Reason};

    use super::records;
    use crate::{
        attempts::{Attempt, Run},
        courier::{Courier, Load, Pacing, Results, Sent},
        outcome::{Outcome, OutcomeKind},
        send::{Exchange, Read},
    };

    /// A request of the entries 1 to 5.
    fn load() -> Load {
        let mut courier = Courier::new(Sequence(0), 1, Pacing { window_max: 1, ordered: false });
        for sequence in 1..=5 {
            let id = EntryId::parse("x").expect("is an id");
            let (account, received_at, bytes) =
                (AccountId::from_bytes([0; 12]), Timestamp::from_millis(0), Arc::from(&b"{}"[..]));
            courier.accept(Arc::new(Entry::new(account, Sequence(sequence), id, received_at, bytes)));
        }
        courier.take(Duration::ZERO, BatchLimits { items_max: 9, bytes_max: 999 }).expect("a request may start")
    }

    fn of(own: Vec<Option<Outcome>>, sent: Sent, exchange: Option<Outcome>) -> Vec<Attempt> {
        let exchange = exchange.map(Exchange::unknown);
        let read = Read { results: Results { own, sent }, failure: None, failed_entries: 0, exchange };
        records(&load(), &read, Duration::from_millis(3), Timestamp::from_millis(7))
    }

    fn run(first: u64, count: u64) -> Run {
        Run { first: Sequence(first), count }
    }

    fn reason() -> Reason {
        Reason::new("why", "because")
    }

    #[test]
    fn entries_of_which_no_request_was_made_have_an_attempt_of_their_own() {
        let broken = || Some(Outcome::Unrenderable(reason()));
        let own = vec![None, broken(), Some(Outcome::Nothing), broken(), None];
        let attempts = of(own, Sent::Whole(Outcome::Accepted), Some(Outcome::Accepted));
        let [request, unsent] = attempts.as_slice() else { panic!("{attempts:?}") };
        assert_eq!((&request.runs, request.outcome()), (&vec![run(1, 1), run(5, 1)], OutcomeKind::Accepted));
        assert_eq!(request.took, Duration::from_millis(3));
        let evidence = unsent.evidence.as_ref().expect("it failed");
        assert_eq!((&unsent.runs, unsent.outcome()), (&vec![run(2, 1), run(4, 1)], OutcomeKind::Unrenderable));
        assert_eq!((evidence.is_sent, evidence.failed, unsent.took), (false, 2, Duration::ZERO));
    }

    #[test]
    fn what_is_passed_over_on_purpose_is_no_attempt() {
        let own = vec![Some(Outcome::Nothing), Some(Outcome::Skipped(reason())), None, None, None];
        let attempts = of(own, Sent::Whole(Outcome::Accepted), Some(Outcome::Accepted));
        assert_eq!(attempts.iter().map(|attempt| attempt.runs.as_slice()).collect::<Vec<_>>(), [[run(3, 3)]]);
        assert_eq!(of(vec![Some(Outcome::Nothing); 5], Sent::Each(Vec::new()), None), []);
    }

    #[test]
    fn items_that_were_not_accepted_are_counted() {
        let refused = Outcome::Refused(reason());
        let each = [Outcome::Accepted, refused.clone(), Outcome::Accepted, refused.clone(), Outcome::Accepted];
        let failed = |sent| {
            let attempts = of(vec![None; 5], sent, Some(refused.clone()));
            let evidence = attempts[0].evidence.as_ref().expect("it failed");
            assert_eq!((attempts.len(), evidence.is_sent, evidence.outcome), (1, true, OutcomeKind::Refused));
            evidence.failed
        };
        assert_eq!(failed(Sent::Each(each.to_vec())), 2);
        assert_eq!(failed(Sent::Whole(refused.clone())), 5);
    }
}
