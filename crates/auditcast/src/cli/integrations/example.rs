//! An entry and a config, read from files or made up, and the request that they give.

use std::{fmt::Write, fs, path::Path, sync::Arc};

use domain::{AccountId, Clock, Entry, EntryDraft, EntryId, Sequence, Timestamp};
use integrations::{Integration, Nothing, Preview, PreviewOutcome, samples};
use serde_json::{Map, Value};

use super::{Asked, subject};
use crate::{clock::SystemClock, settings::Settings};

/// Nobody's account.
pub(super) const ACCOUNT: AccountId = AccountId::from_bytes([0; 12]);

/// What is rendered.
pub(super) struct Example {
    pub(super) integration: Arc<Integration>,
    /// Valid for the integration.
    pub(super) config: Map<String, Value>,
    /// That of a file; none where none is named.
    pub(super) entry: Option<Entry>,
    pub(super) now: Timestamp,
}

impl Example {
    /// # Errors
    /// Every mistake of folder, config and entry.
    pub(super) fn read(settings: &Settings, asked: &Asked) -> Result<Self, Vec<String>> {
        let integration = subject::named(settings, &asked.integration)?;
        if let Some(reason) = integration.undeliverable() {
            return Err(vec![format!("{} cannot be delivered to: {reason}", integration.key())]);
        }
        let now = SystemClock::start().now();
        let mut mistakes = Vec::new();
        let mut note = |found: Vec<String>| mistakes.extend(found);
        let config = match &asked.config {
            Some(file) => config(&integration, file).map_err(&mut note).ok(),
            None => Some(integration.sample_config(false)),
        };
        let entry = asked.entry.as_deref().map(|file| entry(file, now, settings.ingest.entry_max_bytes));
        let entry = entry.transpose().map_err(&mut note).unwrap_or_default();
        match config {
            Some(config) if mistakes.is_empty() => Ok(Self { integration, config, entry, now }),
            _ => Err(mistakes),
        }
    }

    /// The request as text; warnings go to standard error.
    ///
    /// # Errors
    /// Why there is none although there should be one.
    pub(super) fn preview(&self, settings: &Settings) -> Result<String, Vec<String>> {
        let sample = || samples(ACCOUNT, self.now).into_iter().next().map(|sample| sample.entry);
        let entry = self.entry.clone().or_else(sample).ok_or_else(Vec::new)?;
        let base_url = settings.base_url(settings.listen);
        let preview = self.integration.preview(&self.config, &entry, &base_url, self.now);
        let Preview { outcome, warnings } = preview.map_err(|error| vec![error.to_string()])?;
        warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        let nothing = |reason: &str| Ok(format!("nothing is sent: {reason}\n"));
        let request = match outcome {
            PreviewOutcome::Request(request) => request,
            PreviewOutcome::Nothing(Nothing::NoTemplate) => {
                return nothing("there is no template for this kind of entry");
            }
            PreviewOutcome::Nothing(Nothing::EmptyBody) => return nothing("the template gives an empty body"),
            PreviewOutcome::Nothing(Nothing::Late) => return nothing("the event is older than the destination takes"),
            PreviewOutcome::Unrenderable(reason) => return Err(vec![reason]),
        };
        let mut text = format!("{} {}\n", request.method, request.url.as_deref().unwrap_or_default());
        for (name, value) in &request.headers {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}: {value}");
        }
        let _ = write!(text, "\n{}\n", request.body);
        Ok(text)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Vec<String>> {
    fs::read(file).map_err(|error| vec![format!("{} cannot be read: {error}", file.display())])
}

fn config(integration: &Integration, file: &Path) -> Result<Map<String, Value>, Vec<String>> {
    let shown = file.display();
    // The parser's message names line and column, and nothing that stands there.
    let config: Map<String, Value> =
        serde_json::from_slice(&read(file)?).map_err(|error| vec![format!("{shown} is not a JSON object: {error}")])?;
    integration
        .validate_config(&config)
        .map_err(|found| found.iter().map(|mistake| format!("{shown}: {mistake}")).collect::<Vec<_>>())?;
    Ok(config)
}

fn entry(file: &Path, now: Timestamp, bytes_max: usize) -> Result<Entry, Vec<String>> {
    let shown = file.display();
    let bytes = read(file)?;
    if bytes.len() > bytes_max {
        return Err(vec![format!("{shown} is larger than an entry may be, {bytes_max} bytes")]);
    }
    let draft = EntryDraft::parse(&bytes);
    let draft = draft.map_err(|found| found.iter().map(|mistake| format!("{shown}: {mistake}")).collect::<Vec<_>>())?;
    let id = draft.id.unwrap_or_else(|| EntryId::from_bytes([0; 12]));
    Ok(Entry::new(ACCOUNT, Sequence(0), id, now, draft.bytes))
}
