//! The lines that the work writes, and what they promise.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, Write},
};

use domain::SubscriptionId;

use crate::Failure;

/// Says one thing in one write, so that a trace shows it as one call.
///
/// What is done is said after the store has answered; what begins, before it is asked.
///
/// # Errors
/// Standard output is closed.
pub fn say(line: &str) -> io::Result<()> {
    io::stdout().lock().write_all(format!("{line}\n").as_bytes())
}

/// What had been begun and done for one subscription.
#[derive(Default)]
pub struct OfSubscription {
    /// The name of its account.
    pub account: String,
    /// The revision that was answered for, and the highest one asked for.
    pub revision: (u64, u64),
    /// The position that was journaled, and the one up to which was delivered.
    pub frontier: (u64, u64),
    /// Dead letters that were journaled, by sequence.
    pub dead: BTreeSet<u64>,
    /// Whether its deletion was answered for, and asked for.
    pub deleted: (bool, bool),
}

/// What must be found after the cut, or must not.
#[derive(Default)]
pub struct Promises {
    /// Accounts that were made.
    pub accounts: BTreeSet<String>,
    /// The ids of acknowledged entries, by account and sequence.
    pub entries: BTreeMap<(String, u64), String>,
    /// By subscription.
    pub subscriptions: HashMap<SubscriptionId, OfSubscription>,
}

impl Promises {
    /// Reads the lines of [`say`].
    ///
    /// # Errors
    /// A line of another form.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let mut promises = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            promises.add(&words).ok_or_else(|| format!("not a line of the work: {line}"))?;
        }
        Ok(promises)
    }

    fn add(&mut self, words: &[&str]) -> Option<()> {
        match words {
            ["account", name] => {
                self.accounts.insert((*name).to_owned());
            }
            ["entry", account, sequence, id] => {
                let before = self.entries.insert(((*account).to_owned(), sequence.parse().ok()?), (*id).to_owned());
                // A sequence that is given twice is a loss of its own.
                return before.is_none().then_some(());
            }
            ["subscribed", account, id] => {
                let subscription = self.subscriptions.entry(SubscriptionId::parse(id).ok()?).or_default();
                (*account).clone_into(&mut subscription.account);
                subscription.revision = (1, 1);
            }
            [what, id, rest @ ..] => {
                let subscription = self.subscriptions.get_mut(&SubscriptionId::parse(id).ok()?)?;
                match (*what, rest) {
                    ("revising", [revision]) => subscription.revision.1 = revision.parse().ok()?,
                    ("revised", [revision]) => subscription.revision.0 = revision.parse().ok()?,
                    ("delivered", [sequence]) => subscription.frontier.1 = sequence.parse().ok()?,
                    ("journaled", [sequence]) => subscription.frontier.0 = sequence.parse().ok()?,
                    ("dead", [sequence]) => drop(subscription.dead.insert(sequence.parse().ok()?)),
                    ("deleting", []) => subscription.deleted.1 = true,
                    ("deleted", []) => subscription.deleted.0 = true,
                    _ => return None,
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// The bytes of an entry, made from its id alone: `NAME-LENGTH`.
pub fn bytes_of(id: &str) -> Option<Vec<u8>> {
    let length: usize = id.rsplit('-').next()?.parse().ok()?;
    let text = id.bytes().cycle().map(|byte| char::from(b'a' + byte % 26)).take(length).collect::<String>();
    Some(format!("{{\"_id\":\"{id}\",\"text\":\"{text}\"}}").into_bytes())
}
