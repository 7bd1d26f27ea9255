//! How long the entries of an account are kept.

use domain::{AccountId, EntryDraft, FieldError};
use serde_json::{Value, json};
use store::{Account, AccountRetention};

use crate::{
    Action, App, Caller, Conflict, Error,
    edit::{Edit, Subject},
    record::Record,
};

/// A change of how long an account's entries are kept. What is left out stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionChange {
    /// So many days, or as long as those of all.
    pub days: Option<Option<u32>>,
    /// Whether nothing of the account's log is deleted.
    pub legal_hold: Option<bool>,
}

/// Who changes it, and why.
#[derive(Clone, Copy, Default)]
struct By<'a> {
    caller: Option<&'a Caller>,
    comment: Option<&'a str>,
}

const SUBJECT: Subject =
    Subject { noun: "the retention of an account", writable: &["days", "legalHold"], fixed: &[], legacy: None };

impl App {
    /// The most days for which entries are kept.
    pub const RETENTION_DAYS_MAX: u32 = 36_500;

    /// How long the entries of the account of this name are kept. For whoever runs the server: no
    /// token is asked for.
    ///
    /// # Errors
    /// [`Error::NotFound`], or what the store says.
    pub async fn account_retention(&self, name: &str) -> Result<AccountRetention, Error> {
        let account = self.account_named(name).await?;
        Ok(self.store.account_retention(account.id).await?)
    }

    /// Changes how long the entries of the account of this name are kept, and records it in the
    /// account's log. For whoever runs the server: no token is asked for. A change that changes
    /// nothing is not recorded.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for a number of days out of range;
    /// [`Error::Conflict`] when it was changed at the same time.
    pub async fn account_retention_update(
        &self,
        name: &str,
        change: RetentionChange,
    ) -> Result<AccountRetention, Error> {
        self.retention_update(&self.account_named(name).await?, change, By::default()).await
    }

    /// How long the entries of an account are kept, for an operator; beside it the account's id.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], or what the store says.
    pub async fn operated_retention(
        &self,
        caller: &Caller,
        id_or_name: &str,
    ) -> Result<(AccountId, AccountRetention), Error> {
        let account = self.operated(caller, Action::ViewAccount, id_or_name).await?;
        Ok((account.id, self.store.account_retention(account.id).await?))
    }

    /// Changes how long the entries of an account are kept, for an operator, and records it in the
    /// account's log; beside it the account's id.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`]; [`Error::Conflict`] for a
    /// failed `test` or a change at the same time; or what the store says.
    pub async fn operated_retention_update(
        &self,
        caller: &Caller,
        id_or_name: &str,
        body: &Value,
    ) -> Result<(AccountId, AccountRetention), Error> {
        let account = self.operated(caller, Action::UpdateAccount, id_or_name).await?;
        let edit = Edit::parse(&SUBJECT, body, &self.settings)?;
        let before = self.store.account_retention(account.id).await?;
        let document = json!({ "days": before.days, "legalHold": before.legal_hold });
        let change = read_change(&edit.apply(&SUBJECT, document, &|_| true)?)?;
        let by = By { caller: Some(caller), comment: edit.comment.as_deref() };
        Ok((account.id, self.retention_update(&account, change, by).await?))
    }

    async fn retention_update(
        &self,
        account: &Account,
        change: RetentionChange,
        by: By<'_>,
    ) -> Result<AccountRetention, Error> {
        let is_in_range = |days: u32| (1..=Self::RETENTION_DAYS_MAX).contains(&days);
        if !change.days.flatten().is_none_or(is_in_range) {
            return Err(Error::invalid(format!("entries are kept for 1 to {} days", Self::RETENTION_DAYS_MAX)));
        }
        let before = self.store.account_retention(account.id).await?;
        let after = AccountRetention {
            days: change.days.unwrap_or(before.days),
            legal_hold: change.legal_hold.unwrap_or(before.legal_hold),
        };
        if after == before {
            return Ok(after);
        }
        let record = self.retention_record(account, by, before, after);
        match self.store.account_retention_update(account.id, before, after, record).await {
            Ok(()) => Ok(after),
            Err(store::Error::Conflict) => Err(Conflict::Edit.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn retention_record(
        &self,
        account: &Account,
        by: By<'_>,
        before: AccountRetention,
        after: AccountRetention,
    ) -> EntryDraft {
        let mut actions = Vec::new();
        actions.extend((before.days != after.days).then_some(Action::UpdateRetention));
        actions.extend((before.legal_hold != after.legal_hold).then_some(Action::UpdateLegalHold));
        let title_verb = match (before.legal_hold, after.legal_hold) {
            (false, true) => "put a legal hold on the log of the account",
            (true, false) => "lifted the legal hold on the log of the account",
            _ => "changed how long entries are kept of the account",
        };
        let record = Record {
            caller: by.caller,
            actions: &actions,
            resource: "acct".to_owned(),
            kind: "account",
            name: &account.name,
            title_verb: title_verb.to_owned(),
            href: "/api/v2/auditlog".to_owned(),
            comment: by.comment,
            before: Some(version(before)),
            after: Some(version(after)),
        };
        record.draft(self.clock.now(), self.settings.entry_max_bytes)
    }

    pub(crate) async fn account_named(&self, name: &str) -> Result<Account, Error> {
        self.store.account_by_name(name).await?.ok_or(Error::NotFound("account"))
    }
}

/// What the patched document says: all of it.
fn read_change(document: &Value) -> Result<RetentionChange, Error> {
    let mut mistakes = Vec::new();
    let days = match document.get("days") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let days = value.as_u64().and_then(|days| u32::try_from(days).ok());
            let days = days.filter(|days| (1..=App::RETENTION_DAYS_MAX).contains(days));
            if days.is_none() {
                let reason = format!("must be a whole number from 1 to {}, or null", App::RETENTION_DAYS_MAX);
                mistakes.push(FieldError::new("days", reason));
            }
            days
        }
    };
    // Left out by mistake, it would end what a court may have ordered.
    let legal_hold = document.get("legalHold").and_then(Value::as_bool);
    if legal_hold.is_none() {
        mistakes.push(FieldError::new("legalHold", "must be true or false"));
    }
    if mistakes.is_empty() {
        return Ok(RetentionChange { days: Some(days), legal_hold });
    }
    Err(Error::mistakes("the retention is not valid", mistakes))
}

/// `retentionDays` is left out where the account has no age of its own.
fn version(retention: AccountRetention) -> Value {
    let mut version = json!({ "legalHold": retention.legal_hold });
    if let Some(days) = retention.days {
        version["retentionDays"] = days.into();
    }
    version
}
