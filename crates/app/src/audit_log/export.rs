//! Giving the log away whole, or a range of it, in the order of its sequences.

use std::{collections::HashSet, sync::Arc};

use domain::{AccountId, Entry, Sequence, Timestamp};
use parking_lot::Mutex;
use serde_json::json;
use store::Store;

use crate::{Action, App, Caller, Error, access::account_resource, record::Record};

const PAGE_ENTRIES: usize = 512;
const PAGE_BYTES: usize = 1024 * 1024;

/// Which entries are to be exported. Neither bound: all that are there when it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportAsked {
    /// From this sequence on.
    pub first: Option<Sequence>,
    /// Up to this sequence, which is included.
    pub last: Option<Sequence>,
    /// What was received from this time on; not together with a sequence.
    pub from: Option<Timestamp>,
    /// What was received before this time; not together with a sequence.
    pub to: Option<Timestamp>,
}

/// An export that is under way. Its range is fixed when it begins.
#[derive(Debug)]
pub struct Export {
    store: Store,
    account: AccountId,
    after: Sequence,
    last: Sequence,
    _turn: Turn,
}

/// The accounts of which an export is under way.
#[derive(Debug, Default)]
pub(crate) struct Exports(Mutex<HashSet<AccountId>>);

/// The one export of an account; it ends when this is dropped.
#[derive(Debug)]
struct Turn {
    exports: Arc<Exports>,
    account: AccountId,
}

impl Exports {
    fn begin(self: &Arc<Self>, account: AccountId) -> Result<Turn, Error> {
        let refused = |message| Err(Error::Unavailable { message, source: "no turn for an export is free".into() });
        let mut running = self.0.lock();
        if running.contains(&account) {
            return refused("an export of this account is under way; try again when it has ended");
        }
        if running.len() >= App::EXPORTS_MAX {
            return refused("as many exports are under way as may be; try again when one of them has ended");
        }
        running.insert(account);
        Ok(Turn { exports: Arc::clone(self), account })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.exports.0.lock().remove(&self.account);
    }
}

impl App {
    /// The most exports that are under way at a time, one for each account. Each holds a few
    /// megabytes and, now and then, a reading connection.
    pub const EXPORTS_MAX: usize = 16;

    /// Begins an export, and records it in the log. `format` is its name in the record.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] for bounds of both kinds; [`Error::Unavailable`] while
    /// one of the account is under way, or as many as may be; or what the store says.
    pub async fn entries_export(
        &self,
        caller: &Caller,
        asked: ExportAsked,
        format: &'static str,
    ) -> Result<Export, Error> {
        caller.authorise(Action::ExportAuditLog, &account_resource())?;
        let by_time = asked.from.is_some() || asked.to.is_some();
        if by_time && (asked.first.is_some() || asked.last.is_some()) {
            return Err(Error::invalid(
                "give either sequences (fromSequence, toSequence) or times (from, to), not both",
            ));
        }
        let account = caller.account;
        let turn = self.exports.begin(account)?;
        let (first, last) = self.export_range(account, asked).await?;
        let record = Record {
            caller: Some(caller),
            actions: &[Action::ExportAuditLog],
            resource: "acct".to_owned(),
            kind: "account",
            name: "audit log",
            title_verb: "exported entries of the".to_owned(),
            href: "/api/v2/auditlog".to_owned(),
            comment: None,
            before: None,
            after: Some(json!({ "firstSequence": first.0, "lastSequence": last.0, "format": format })),
        };
        let draft = record.draft(self.clock.now(), self.settings.entry_max_bytes);
        self.store.entry_record(account, draft).await?;
        Ok(Export { store: self.store.clone(), account, after: first.previous(), last, _turn: turn })
    }

    /// The first and the last sequence; the first is the greater one when there is nothing.
    async fn export_range(&self, account: AccountId, asked: ExportAsked) -> Result<(Sequence, Sequence), Error> {
        let (mut first, mut last) =
            (self.store.log_beginning(account).await?, self.store.entry_last_sequence(account).await?);
        if let Some(from) = asked.from {
            first = self.store.entry_first_received(account, from).await?;
        }
        if let Some(to) = asked.to {
            last = self.store.entry_first_received(account, to).await?.previous();
        }
        first = first.max(asked.first.unwrap_or_default());
        last = last.min(asked.last.unwrap_or(last));
        Ok((first, last))
    }
}

impl Export {
    /// The first and the last sequence of what is left; `None` when nothing is.
    pub fn range(&self) -> Option<(Sequence, Sequence)> {
        (self.after < self.last).then(|| (self.after.next(), self.last))
    }

    /// The next entries, in order; none at the end.
    ///
    /// # Errors
    /// [`Error::Internal`] when they have left the log meanwhile, since what follows would hide
    /// that something is missing; or what the store says.
    pub async fn next(&mut self) -> Result<Vec<Arc<Entry>>, Error> {
        if self.after >= self.last {
            return Ok(Vec::new());
        }
        let mut page = self.store.entry_page(self.account, self.after, PAGE_ENTRIES, PAGE_BYTES).await?;
        let wanted = self.after.next();
        if page.first().map(|entry| entry.sequence) != Some(wanted) {
            let text = format!("entry {wanted} has left the log while it was exported");
            return Err(Error::internal(text));
        }
        page.retain(|entry| entry.sequence <= self.last);
        self.after = page.last().map_or(self.last, |entry| entry.sequence);
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::AccountId;

    use super::Exports;
    use crate::{App, Error};

    fn account(number: usize) -> AccountId {
        AccountId::from_bytes([u8::try_from(number).expect("is small"); 12])
    }

    #[test]
    fn an_account_has_one_export_and_all_together_have_a_bound() {
        let exports = Arc::new(Exports::default());
        let mut turns: Vec<_> = (0..App::EXPORTS_MAX).map(|number| exports.begin(account(number))).collect();
        assert!(turns.iter().all(Result::is_ok));
        let message = |number| match exports.begin(account(number)) {
            Err(Error::Unavailable { message, .. }) => message,
            other => panic!("is refused: {other:?}"),
        };
        assert!(message(0).contains("of this account"));
        assert!(message(App::EXPORTS_MAX).contains("as many exports"));
        drop(turns.pop());
        assert!(exports.begin(account(App::EXPORTS_MAX)).is_ok());
        assert!(message(0).contains("of this account"));
    }
}
