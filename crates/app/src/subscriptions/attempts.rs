//! Looking at the attempts of a subscription.

use delivery::{
    OutcomeKind,
    attempts::{Attempt, unpack},
};
use domain::{Sequence, SubscriptionId, Timestamp};

use super::Recipient;
use crate::{Action, App, Caller, Error};

/// Rows of the store that are read at once.
const ROWS: usize = 500;
/// Bytes of rows that are read at once.
const ROWS_BYTES: usize = 512 * 1024;

/// Which attempts are asked for; all that is given has to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptsAsked {
    /// What came of them.
    pub outcome: Option<OutcomeAsked>,
    /// They ended at this time or later.
    pub after: Option<Timestamp>,
    /// They ended before this time.
    pub before: Option<Timestamp>,
    /// This entry was part of them.
    pub sequence: Option<Sequence>,
    /// Their numbers are smaller than this.
    pub below: Option<u64>,
    /// The most of them.
    pub limit: usize,
}

/// What came of the attempts that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeAsked {
    /// Just this.
    Is(OutcomeKind),
    /// Anything but that all was accepted.
    Failed,
}

impl AttemptsAsked {
    /// The largest limit that is given.
    pub const LIMIT_MAX: usize = 100;
    /// Attempts that are looked at for one page; then it ends, however few it has.
    pub const LOOKED_MAX: usize = 200_000;

    fn wants(&self, attempt: &Attempt) -> bool {
        let outcome = match self.outcome {
            None => true,
            Some(OutcomeAsked::Is(kind)) => attempt.outcome() == kind,
            Some(OutcomeAsked::Failed) => attempt.outcome() != OutcomeKind::Accepted,
        };
        outcome
            && self.after.is_none_or(|after| attempt.ended_at >= after)
            && self.before.is_none_or(|before| attempt.ended_at < before)
            && self.sequence.is_none_or(|sequence| attempt.carries(sequence))
    }
}

/// Some attempts of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Newest first.
    pub attempts: Vec<NumberedAttempt>,
    /// Below this number there are more, or may be; `None` when there are none.
    pub next_below: Option<u64>,
}

/// An attempt and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedAttempt {
    /// 1, 2, 3, … in the order in which the attempts of the subscription ended.
    pub number: u64,
    /// The attempt.
    pub attempt: Attempt,
}

impl App {
    /// The attempts of a subscription or webhook, newest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] for an unknown integration or id, or one of
    /// another integration; or what the store says.
    pub async fn attempt_list(
        &self,
        caller: &Caller,
        recipient: &Recipient,
        asked: AttemptsAsked,
    ) -> Result<Attempts, Error> {
        let (_, stored) = self.recipient(caller, Action::ViewDeliveries, recipient).await?;
        self.attempts_of(stored.id, asked).await
    }

    async fn attempts_of(&self, id: SubscriptionId, asked: AttemptsAsked) -> Result<Attempts, Error> {
        let mut search = Search { asked, found: Vec::new(), below: asked.below, looked: 0 };
        loop {
            let page = self.store.attempt_page(id, search.below, ROWS, ROWS_BYTES).await?;
            if page.is_empty() {
                return Ok(Attempts { attempts: search.found, next_below: None });
            }
            for row in page {
                let attempts = unpack(&row.packed).map_err(Error::internal)?;
                if search.look(row.first, attempts) {
                    let next_below = search.found.last().map(|last| last.number);
                    return Ok(Attempts { attempts: search.found, next_below });
                }
                search.below = Some(row.first);
            }
            if search.looked >= AttemptsAsked::LOOKED_MAX {
                return Ok(Attempts { attempts: search.found, next_below: search.below });
            }
        }
    }
}

/// A page that is being filled.
struct Search {
    asked: AttemptsAsked,
    found: Vec<NumberedAttempt>,
    /// From here on everything was looked at.
    below: Option<u64>,
    looked: usize,
}

impl Search {
    /// Looks at the attempts of one row; says whether the page is full and there is another one.
    fn look(&mut self, first: u64, attempts: Vec<Attempt>) -> bool {
        self.looked += attempts.len();
        let numbered = (first..).zip(attempts).map(|(number, attempt)| NumberedAttempt { number, attempt });
        let mut numbered: Vec<_> = numbered.collect();
        while let Some(one) = numbered.pop() {
            let is_new = self.asked.below.is_none_or(|below| one.number < below);
            if !is_new || !self.asked.wants(&one.attempt) {
                continue;
            }
            if self.found.len() >= self.asked.limit.min(AttemptsAsked::LIMIT_MAX) {
                return true;
            }
            self.found.push(one);
        }
        false
    }
}
