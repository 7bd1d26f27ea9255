//! What would be sent to an integration for an entry.

use std::sync::Arc;

use domain::{Entry, EntryDraft, EntryId, FieldError, Sequence};
use integrations::{Integration, Preview, samples};
use serde_json::{Map, Value};

use crate::{Action, App, Caller, Conflict, Error};

impl App {
    /// Previews of one account that are rendered at a time; further ones wait.
    pub const PREVIEWS_MAX: usize = 2;

    /// Whether the caller may look at previews for this integration; asked before the body is read.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`] for an unknown integration, [`Error::Conflict`] for
    /// one that cannot be used now, or that this server cannot deliver to.
    pub fn integration_may_preview(&self, caller: &Caller, key: &str) -> Result<(), Error> {
        self.previewed_integration(caller, key).map(drop)
    }

    /// Renders under the `config` of `body` its `entry`, or the stored one that `entryId` names, or
    /// a sample. Nothing is stored and nothing is sent.
    ///
    /// # Errors
    /// As [`Self::integration_may_preview`]; [`Error::NotFound`] for an unknown entry;
    /// [`Error::Invalid`] with every mistake of config and entry; or what the store says.
    pub async fn integration_preview(&self, caller: &Caller, key: &str, body: &Value) -> Result<Preview, Error> {
        let integration = self.previewed_integration(caller, key)?;
        let Value::Object(members) = body else {
            return Err(Error::invalid("the body must be an object with config, and entry or entryId"));
        };
        let mut mistakes: Vec<_> = members
            .keys()
            .filter(|name| !matches!(name.as_str(), "config" | "entry" | "entryId"))
            .map(|name| FieldError::new(name.as_str(), "is not a member of this request"))
            .collect();
        let config = self.previewed_config(&integration, members).map_err(|found| mistakes.extend(found)).ok();
        let entry = match (members.get("entry"), members.get("entryId")) {
            (Some(_), Some(_)) => {
                mistakes.push(FieldError::new("entryId", "must be left out beside entry"));
                None
            }
            (Some(entry), None) => self.drafted(caller, entry).map_err(|found| mistakes.extend(found)).ok(),
            (None, Some(Value::String(id))) => Some(self.entry_get(caller, id).await?),
            (None, Some(_)) => {
                mistakes.push(FieldError::new("entryId", "must be the id of an entry, a string"));
                None
            }
            (None, None) => samples(caller.account, self.clock.now()).into_iter().next().map(|sample| sample.entry),
        };
        match (config, entry) {
            (Some(config), Some(entry)) if mistakes.is_empty() => {
                let _turn = self.previews.take(caller.account).await;
                let (public_url, now) = (self.engine.public_url().to_owned(), self.clock.now());
                // A template may take long enough to keep the requests of others waiting.
                let render = move || integration.preview(&config, &entry, &public_url, now);
                let rendered = tokio::task::spawn_blocking(render).await.map_err(Error::internal)?;
                rendered.map_err(|error| Error::invalid(error.to_string()))
            }
            _ => Err(Error::mistakes(format!("there is no preview for {key}"), mistakes)),
        }
    }

    fn previewed_integration(&self, caller: &Caller, key: &str) -> Result<Arc<Integration>, Error> {
        self.authorise_empty_list(caller, Action::ValidateConnection)?;
        let integration = self.usable_integration(key)?;
        match self.engine.undeliverable(&integration) {
            Some(reason) => Err(Conflict::Integration(format!("this server cannot deliver to {key}: {reason}")).into()),
            None => Ok(integration),
        }
    }

    fn previewed_config(
        &self,
        integration: &Integration,
        members: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Vec<FieldError>> {
        let mistake = |reason: String| vec![FieldError::new("config", reason)];
        let config = match members.get("config") {
            Some(Value::Object(config)) => config.clone(),
            Some(_) => return Err(mistake("must be an object".to_owned())),
            None => return Err(mistake("is required".to_owned())),
        };
        let bytes_max = self.settings.config_max_bytes;
        if serde_json::to_string(&config).map_or(usize::MAX, |text| text.len()) > bytes_max {
            return Err(mistake(format!("must not be larger than {bytes_max} bytes")));
        }
        integration.validate_config(&config).map(|()| config)
    }

    /// An entry that nobody sent.
    fn drafted(&self, caller: &Caller, entry: &Value) -> Result<Entry, Vec<FieldError>> {
        let text = entry.to_string();
        let bytes_max = self.settings.entry_max_bytes;
        if text.len() > bytes_max {
            return Err(vec![FieldError::new("entry", format!("must not be larger than {bytes_max} bytes"))]);
        }
        let draft = EntryDraft::parse(text.as_bytes());
        let within = |mistake: FieldError| mistake.within("entry");
        let draft = draft.map_err(|found| found.into_iter().map(within).collect::<Vec<_>>())?;
        let id = draft.id.unwrap_or_else(|| EntryId::from_bytes([0; 12]));
        Ok(Entry::new(caller.account, Sequence(0), id, self.clock.now(), draft.bytes))
    }
}
