//! Tokens that no other token makes: of the start of the server and of the command line.

use domain::{Secret, TokenId};
use store::{Account, NewToken, Token, TokenEdit, TokenKind};

use super::{API_VERSIONS, record, value};
use crate::{Action, App, DEFAULT_ACCOUNT, Error, Grant};

const BOOTSTRAP_NAME: &str = "bootstrap token";

impl App {
    /// Makes sure that the account `default` exists and can be entered.
    ///
    /// With a `value`, one admin token of exactly this value exists afterwards, and none of an
    /// earlier one. Without, a token is made if there is none at all, and returned to be shown
    /// this once.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the value cannot be a token, or is one that may do less;
    /// otherwise what the store says.
    pub async fn token_bootstrap(&self, value: Option<Secret>) -> Result<Option<Secret>, Error> {
        let account = self.store.account_ensure(DEFAULT_ACCOUNT, self.keyring.master()).await?;
        let Some(value) = value else {
            if self.store.token_any().await? {
                return Ok(None);
            }
            return self.token_make(&account, "first token", &Grant::Admin).await.map(Some);
        };
        if value::token_of(value.expose()) != Some(value.expose()) {
            return Err(Error::invalid(format!(
                "the bootstrap token must be 1 to {} printable ASCII characters without blanks",
                value::VALUE_BYTES_MAX
            )));
        }
        let present = self.store.token_bootstrap(account.id).await?;
        let found = self.store.token_by_hash(value::hash_of(value.expose())).await?;
        match (present, found) {
            // Somebody may have taken rights from it, or given it an end.
            (Some(present), Some(found)) if found.token.id == present.id && !found.is_old => {
                self.bootstrap_restore(&present).await?;
            }
            (_, Some(found)) if !is_old_of(&found, &account) => {
                let is_admin = Grant::from_text(&found.token.edit.grant) == Some(Grant::Admin);
                if found.token.account != account.id || !is_admin {
                    return Err(Error::invalid("the bootstrap token exists already and is not an admin token"));
                }
            }
            (Some(present), _) => self.bootstrap_replace(&present, &value).await?,
            (None, _) => {
                let id = self.store.token_id();
                self.token_store(&account, id, BOOTSTRAP_NAME, &Grant::Admin, &value, TokenKind::Bootstrap).await?;
            }
        }
        Ok(None)
    }

    /// Makes a token in the account of this name, and returns its value to be shown this once.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such account; [`Error::Invalid`] for a bad name, or an
    /// operator's token in another account than `default`.
    pub async fn token_create(&self, account: &str, name: &str, grant: &Grant) -> Result<Secret, Error> {
        if *grant == Grant::Operator && account != DEFAULT_ACCOUNT {
            return Err(Error::invalid("the tokens of operators live in the account default"));
        }
        let account = self.store.account_by_name(account).await?.ok_or(Error::NotFound("account"))?;
        if name.is_empty() || name.chars().count() > self.settings.name_max_chars || name.chars().any(char::is_control)
        {
            return Err(Error::invalid(format!("a token's name has 1 to {} characters", self.settings.name_max_chars)));
        }
        self.token_make(&account, name, grant).await
    }

    async fn token_make(&self, account: &Account, name: &str, grant: &Grant) -> Result<Secret, Error> {
        let value = value::make()?;
        let id = self.store.token_id();
        self.token_store(account, id, name, grant, &value, TokenKind::Service).await?;
        Ok(value)
    }

    async fn token_store(
        &self,
        account: &Account,
        id: TokenId,
        name: &str,
        grant: &Grant,
        value: &Secret,
        kind: TokenKind,
    ) -> Result<Token, Error> {
        let new = NewToken {
            id,
            account: account.id,
            value: value::stored(value),
            kind,
            member: id,
            api_version: API_VERSIONS[0],
            edit: TokenEdit {
                name: name.to_owned(),
                description: String::new(),
                grant: grant.to_text(),
                expires_at: None,
            },
        };
        let (now, bytes_max) = (self.clock.now(), self.settings.entry_max_bytes);
        let after = record::Version::of_new(&new, grant);
        let record = record::created(None, &after, now, bytes_max);
        Ok(self.store.token_create(new, record).await?)
    }

    /// The value of the setting has changed: the old one ends at once.
    async fn bootstrap_replace(&self, present: &Token, value: &Secret) -> Result<(), Error> {
        let (now, bytes_max) = (self.clock.now(), self.settings.entry_max_bytes);
        let before = record::Version::of(present, &super::grant_of(present)?);
        let new = value::stored(value);
        let after = before.with_ending(&new.ending);
        let record = record::changed(None, &before, &after, &[Action::ResetAccessToken], None, now, bytes_max);
        let replaced =
            self.store.token_reset(present.account, (present.id, present.revision), new, None, record).await?;
        self.tokens.forget(present.id);
        self.bootstrap_restore(&replaced).await
    }

    /// What the setting promises: an admin token without an end.
    async fn bootstrap_restore(&self, present: &Token) -> Result<(), Error> {
        let grant = super::grant_of(present)?;
        if grant == Grant::Admin && present.edit.expires_at.is_none() {
            return Ok(());
        }
        let (now, bytes_max) = (self.clock.now(), self.settings.entry_max_bytes);
        let before = record::Version::of(present, &grant);
        let edit = TokenEdit { grant: Grant::Admin.to_text(), expires_at: None, ..present.edit.clone() };
        let changed = Token { edit: edit.clone(), ..present.clone() };
        let after = record::Version::of(&changed, &Grant::Admin);
        let actions = [Action::UpdateAccessTokenPolicy, Action::UpdateAccessTokenExpiry];
        let record = record::changed(None, &before, &after, &actions, None, now, bytes_max);
        self.store.token_update(present.account, present.id, present.revision, edit, record).await?;
        self.tokens.forget(present.id);
        Ok(())
    }
}

/// A value that the bootstrap token had before a reset is free to be its value again.
fn is_old_of(found: &store::TokenFound, account: &Account) -> bool {
    found.is_old && found.token.kind == TokenKind::Bootstrap && found.token.account == account.id
}
