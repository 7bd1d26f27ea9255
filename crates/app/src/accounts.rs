//! Accounts as the operator of the server sees them: whole ones, and nothing of what is in them.

use std::{str::FromStr, sync::Arc};

use delivery::client::AllowedRange;
use domain::{AccountId, FieldError, SealError, Secret, Timestamp};
use serde_json::{Value, json};
use store::{AccountEdit, NewAccount, Suspension};

use crate::{
    AccessToken, Action, App, Caller, Conflict, DEFAULT_ACCOUNT, Error,
    access::{account_resource, operated_resource},
    edit::{Edit, Subject},
    record::Record,
    subscriptions::unstoppable,
};

/// The longest name of an account, in characters.
const NAME_CHARS_MAX: usize = 64;
/// The most address ranges that one account may be allowed.
const RANGES_MAX: usize = 100;

const SUBJECT: Subject =
    Subject { noun: "an account", writable: &["allowDestinations"], fixed: &["name", "creationDate"], legacy: None };

/// An account as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name, by which the command line knows it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when and why it is suspended.
    pub suspension: Option<(Timestamp, String)>,
    /// Address ranges that its deliveries may reach beside public ones, as they were given.
    pub allow_destinations: Vec<String>,
}

impl App {
    /// Makes an account.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] with every mistake; [`Conflict::AccountName`] when
    /// there is one of this name; [`Error::Unavailable`] without a master key; or what the store says.
    pub async fn account_create(self: &Arc<Self>, caller: &Caller, body: &Value) -> Result<Account, Error> {
        let id = self.store.account_id();
        caller.authorise(Action::CreateAccount, &operated_resource(&id.to_string()))?;
        let Value::Object(members) = body else {
            return Err(Error::invalid("the body must be an object with name"));
        };
        let mut mistakes = Vec::new();
        let name = read_name(members.get("name"), &mut mistakes);
        let allow_destinations = read_ranges(members.get("allowDestinations"), &mut mistakes);
        if !mistakes.is_empty() {
            return Err(Error::mistakes("the account is not valid", mistakes));
        }
        let after = Account { id, name, created_at: self.clock.now(), suspension: None, allow_destinations };
        let record = record(caller, &[Action::CreateAccount], None, Some(&after), None);
        let record = record.draft(self.clock.now(), self.settings.entry_max_bytes);
        let new = NewAccount {
            id,
            name: after.name.clone(),
            allow_destinations: json!(after.allow_destinations).to_string(),
        };
        let app = Arc::clone(self);
        unstoppable(async move {
            let master = app.keyring.master().ok_or(SealError::MasterKey)?;
            let made = app.store.account_create(new, master, record).await.map_err(|error| match error {
                store::Error::Conflict => Conflict::AccountName.into(),
                other => Error::from(other),
            })?;
            app.open_destinations(&made);
            present(&made)
        })
        .await
    }

    /// All accounts, the oldest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`], or what the store says.
    pub async fn account_list(&self, caller: &Caller) -> Result<Vec<Account>, Error> {
        caller.authorise(Action::ViewAccount, &operated_resource("*"))?;
        self.store.account_list().await?.iter().map(present).collect()
    }

    /// One account, by id or name.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], or what the store says.
    pub async fn account_get(&self, caller: &Caller, id_or_name: &str) -> Result<Account, Error> {
        present(&self.operated(caller, Action::ViewAccount, id_or_name).await?)
    }

    /// Changes which addresses the deliveries of an account may reach, for every request from the
    /// return on, and records that in its log.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] for a
    /// failed `test`, or what the store says.
    pub async fn account_update(
        self: &Arc<Self>,
        caller: &Caller,
        id_or_name: &str,
        body: &Value,
    ) -> Result<Account, Error> {
        self.operated(caller, Action::UpdateAccount, id_or_name).await?;
        let edit = Edit::parse(&SUBJECT, body, &self.settings)?;
        let (app, caller, id_or_name) = (Arc::clone(self), caller.clone(), id_or_name.to_owned());
        unstoppable(async move {
            let _turn = app.account_changes.lock().await;
            let stored = app.operated(&caller, Action::UpdateAccount, &id_or_name).await?;
            let before = present(&stored)?;
            let document = json!({ "allowDestinations": before.allow_destinations });
            let document = edit.apply(&SUBJECT, document, &|_| true)?;
            let mut mistakes = Vec::new();
            let allow_destinations = read_ranges(document.get("allowDestinations"), &mut mistakes);
            if !mistakes.is_empty() {
                return Err(Error::mistakes("the account is not valid", mistakes));
            }
            if allow_destinations == before.allow_destinations {
                return Ok(before);
            }
            let after = Account { allow_destinations, ..before.clone() };
            let action = [Action::UpdateAccount];
            let record = record(&caller, &action, Some(&before), Some(&after), edit.comment.as_deref());
            let updated = app.store_account(&after, &record).await?;
            app.open_destinations(&updated);
            present(&updated)
        })
        .await
    }

    /// Suspends an account, or changes why it is: its tokens are refused with this reason from the
    /// return on, and its deliveries stop where they are.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`], or what the store says.
    pub async fn account_suspend(
        self: &Arc<Self>,
        caller: &Caller,
        id_or_name: &str,
        body: &Value,
    ) -> Result<Account, Error> {
        let found = self.operated(caller, Action::SuspendAccount, id_or_name).await?;
        if found.name == DEFAULT_ACCOUNT {
            let text = "the account default cannot be suspended: it holds the tokens of operators";
            return Err(Error::invalid(text));
        }
        let reason = read_reason(body, self.settings.comment_max_chars)?;
        let (app, caller, id) = (Arc::clone(self), caller.clone(), found.id);
        unstoppable(async move {
            let _turn = app.account_changes.lock().await;
            let before = present(&app.store.account_get(id).await?)?;
            let since = before.suspension.as_ref().map_or_else(|| app.clock.now(), |(since, _)| *since);
            let after = Account { suspension: Some((since, reason)), ..before.clone() };
            if before == after {
                return Ok(before);
            }
            let record = record(&caller, &[Action::SuspendAccount], Some(&before), Some(&after), None);
            let stored = match app.engine.account_freeze(id).await {
                Ok(()) => app.store_account(&after, &record).await,
                Err(error) => Err(error.into()),
            };
            app.tokens.forget_account(id);
            app.take_up_account(id).await;
            present(&stored?)
        })
        .await
    }

    /// Lets a suspended account go on: its tokens work, and its deliveries go on where they stopped.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], or what the store says.
    pub async fn account_resume(self: &Arc<Self>, caller: &Caller, id_or_name: &str) -> Result<Account, Error> {
        let found = self.operated(caller, Action::ResumeAccount, id_or_name).await?;
        let (app, caller, id) = (Arc::clone(self), caller.clone(), found.id);
        unstoppable(async move {
            let _turn = app.account_changes.lock().await;
            let before = present(&app.store.account_get(id).await?)?;
            if before.suspension.is_none() {
                return Ok(before);
            }
            let after = Account { suspension: None, ..before.clone() };
            let record = record(&caller, &[Action::ResumeAccount], Some(&before), Some(&after), None);
            let stored = app.store_account(&after, &record).await;
            app.tokens.forget_account(id);
            app.take_up_account(id).await;
            present(&stored?)
        })
        .await
    }

    /// Makes a token in an account, bound to no other token there. Its value is beside it, to be
    /// shown this once.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`], or what the store says.
    pub async fn account_token_create(
        &self,
        caller: &Caller,
        id_or_name: &str,
        body: &Value,
    ) -> Result<(AccessToken, Secret), Error> {
        let account = self.operated(caller, Action::CreateAccessToken, id_or_name).await?;
        self.token_create_in(caller, account.id, body).await
    }

    /// Whether the caller may do this with accounts; asked before the body is read.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn account_may(&self, caller: &Caller, action: Action) -> Result<(), Error> {
        caller.authorise(action, &operated_resource("*"))
    }

    /// Opens to each account the addresses that it is allowed; for the start of the server.
    ///
    /// # Errors
    /// What the store says.
    pub async fn accounts_open_destinations(&self) -> Result<(), Error> {
        self.store.account_list().await?.iter().for_each(|account| self.open_destinations(account));
        Ok(())
    }

    pub(crate) async fn operated(
        &self,
        caller: &Caller,
        action: Action,
        id_or_name: &str,
    ) -> Result<store::Account, Error> {
        caller.authorise(action, &operated_resource(id_or_name))?;
        let found = match AccountId::parse(id_or_name) {
            Ok(id) => self.store.account_get(id).await.map(Some),
            Err(_) => self.store.account_by_name(id_or_name).await,
        };
        match found {
            Ok(Some(account)) => Ok(account),
            Ok(None) | Err(store::Error::NotFound) => Err(Error::NotFound("account")),
            Err(other) => Err(other.into()),
        }
    }

    async fn store_account(&self, after: &Account, record: &Record<'_>) -> Result<store::Account, Error> {
        let record = record.draft(self.clock.now(), self.settings.entry_max_bytes);
        let suspension = after.suspension.clone().map(|(since, reason)| Suspension { since, reason });
        let edit = AccountEdit { allow_destinations: json!(after.allow_destinations).to_string(), suspension };
        Ok(self.store.account_update(after.id, edit, record).await?)
    }

    /// What is stored stays stored if this fails, so it is no failure of the change.
    async fn take_up_account(&self, id: AccountId) {
        if let Err(error) = self.engine.account_reload(id).await {
            tracing::error!(account = %id, error = &error as &dyn std::error::Error, "not taken up after a change");
        }
    }

    fn open_destinations(&self, stored: &store::Account) {
        let ranges = ranges_of(stored).iter().filter_map(|range| AllowedRange::from_str(range).ok()).collect();
        self.engine.allow_destinations(stored.id, ranges);
    }
}

fn record<'a>(
    caller: &'a Caller,
    actions: &'a [Action],
    before: Option<&'a Account>,
    after: Option<&'a Account>,
    comment: Option<&'a str>,
) -> Record<'a> {
    let name = after.or(before).map_or("", |account| &account.name);
    let title_verb = match actions {
        [Action::CreateAccount] => "created the account",
        [Action::SuspendAccount] => "suspended the account",
        [Action::ResumeAccount] => "resumed the account",
        _ => "updated the account",
    };
    Record {
        caller: Some(caller),
        actions,
        resource: account_resource().plain(),
        kind: "account",
        name,
        title_verb: title_verb.to_owned(),
        href: after.or(before).map_or_else(String::new, |account| format!("/api/v2/accounts/{}", account.id)),
        comment,
        before: before.map(version),
        after: after.map(version),
    }
}

fn version(account: &Account) -> Value {
    let mut version = json!({
        "_id": account.id.to_string(),
        "name": account.name,
        "allowDestinations": account.allow_destinations,
    });
    if let Some((since, reason)) = &account.suspension {
        version["suspended"] = json!({ "since": since.as_millis(), "reason": reason });
    }
    version
}

fn ranges_of(stored: &store::Account) -> Vec<String> {
    serde_json::from_str(&stored.allow_destinations).unwrap_or_default()
}

fn present(stored: &store::Account) -> Result<Account, Error> {
    Ok(Account {
        id: stored.id,
        name: stored.name.clone(),
        created_at: stored.created_at,
        suspension: stored.suspension.clone().map(|held| (held.since, held.reason)),
        allow_destinations: serde_json::from_str(&stored.allow_destinations).map_err(Error::internal)?,
    })
}

fn read_name(value: Option<&Value>, mistakes: &mut Vec<FieldError>) -> String {
    let is_plain = |name: &str| {
        let begins = name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
        begins && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
    };
    let reason = match value {
        None | Some(Value::Null) => "is required".to_owned(),
        Some(Value::String(name)) if name.len() > NAME_CHARS_MAX || !is_plain(name) => format!(
            "must be at most {NAME_CHARS_MAX} lower-case letters, digits and - _ . beginning with a letter or digit"
        ),
        // Accounts are found by either.
        Some(Value::String(name)) if AccountId::parse(name).is_ok() => "must not look like an id".to_owned(),
        Some(Value::String(name)) => return name.clone(),
        Some(_) => "must be a string".to_owned(),
    };
    mistakes.push(FieldError::new("name", reason));
    String::new()
}

fn read_ranges(value: Option<&Value>, mistakes: &mut Vec<FieldError>) -> Vec<String> {
    const NAME: &str = "allowDestinations";
    let items = match value {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(items)) if items.len() <= RANGES_MAX => items,
        Some(Value::Array(_)) => {
            mistakes.push(FieldError::new(NAME, format!("must not be more than {RANGES_MAX}")));
            return Vec::new();
        }
        Some(_) => {
            mistakes.push(FieldError::new(NAME, "must be an array of strings"));
            return Vec::new();
        }
    };
    let mut ranges = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        match item.as_str().map(AllowedRange::from_str) {
            Some(Ok(_)) => ranges.extend(item.as_str().map(str::to_owned)),
            Some(Err(error)) => mistakes.push(FieldError::new(format!("{NAME}[{place}]"), error.to_string())),
            None => mistakes.push(FieldError::new(format!("{NAME}[{place}]"), "must be a string")),
        }
    }
    ranges
}

fn read_reason(body: &Value, chars_max: usize) -> Result<String, Error> {
    let reason = match body.get("reason") {
        Some(Value::String(reason)) if reason.is_empty() => "must not be empty".to_owned(),
        Some(Value::String(reason)) if reason.chars().count() > chars_max => {
            format!("must not be longer than {chars_max} characters")
        }
        Some(Value::String(reason)) if reason.chars().any(char::is_control) => {
            "must not hold line breaks or other control characters".to_owned()
        }
        Some(Value::String(reason)) => return Ok(reason.clone()),
        Some(_) => "must be a string".to_owned(),
        None => "is required; it is told to those who are refused".to_owned(),
    };
    Err(Error::mistakes("the account cannot be suspended like this", vec![FieldError::new("reason", reason)]))
}
