//! The three layers laid over each other, and the mistakes found on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Layer, Mistake, Settings,
    keys::{ENVIRONMENT_PREFIX, Form, KEYS, Key},
    values,
};

/// The value of each key, as text, from the highest layer that has one.
pub(super) struct Layers {
    values: BTreeMap<&'static str, (Layer, String)>,
    mistakes: Vec<Mistake>,
    read: BTreeSet<&'static str>,
}

impl Layers {
    pub(super) fn collect(file: &str, overrides: &BTreeMap<String, String>) -> Self {
        let mut layers = Self { values: BTreeMap::new(), mistakes: Vec::new(), read: BTreeSet::new() };
        for key in KEYS {
            if let Some(default) = key.default {
                layers.values.insert(key.name, (Layer::Default, default.to_owned()));
            }
        }
        layers.lay_file(file);
        let (flags, environment): (Vec<_>, Vec<_>) = overrides.iter().partition(|(name, _)| name.starts_with("--"));
        for (name, value) in environment {
            layers.lay_text(Layer::Environment, name, value);
        }
        for (name, value) in flags {
            layers.lay_text(Layer::Flag, name, value);
        }
        layers
    }

    /// A value that every server has. What is wrong is remembered, and the default stands in,
    /// so that the keys after it are read too.
    pub(super) fn read<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        self.read_optional(name, &parse).unwrap_or_else(|| {
            let default = Key::named(name).default.and_then(|default| parse(default).ok());
            default.expect("a key that is always read has a default that fits it")
        })
    }

    /// A value that a server may do without.
    pub(super) fn read_optional<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.read.insert(name);
        let (_, value) = self.values.get(name)?;
        match parse(value) {
            Ok(value) => Some(value),
            Err(reason) => self.refuse(name, reason),
        }
    }

    pub(super) fn number(&mut self, name: &'static str) -> u64 {
        let form = Key::named(name).form;
        self.read(name, |text| values::number(form, text))
    }

    pub(super) fn size(&mut self, name: &'static str) -> usize {
        usize::try_from(self.number(name)).unwrap_or(usize::MAX)
    }

    pub(super) fn count(&mut self, name: &'static str) -> u32 {
        u32::try_from(self.number(name)).unwrap_or(u32::MAX)
    }

    pub(super) fn seconds(&mut self, name: &'static str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    pub(super) fn days(&mut self, name: &'static str) -> Duration {
        Duration::from_secs(self.number(name).saturating_mul(24 * 60 * 60))
    }

    pub(super) fn millis(&mut self, name: &'static str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    /// Remembers that `low` must not be above `high`.
    pub(super) fn at_most(&mut self, low: &'static str, high: &'static str) {
        let value = |name| self.values.get(name).and_then(|(_, text)| text.parse::<u64>().ok());
        if let (Some(small), Some(large)) = (value(low), value(high))
            && small > large
        {
            // The operator is told at the key that he set himself.
            let (name, reason) = if self.layer(low) >= self.layer(high) {
                (low, format!("{small} is more than {high}, which is {large}"))
            } else {
                (high, format!("{large} is less than {low}, which is {small}"))
            };
            self.refuse::<()>(name, reason);
        }
    }

    /// Remembers a mistake in the value of a key.
    pub(super) fn refuse<T>(&mut self, name: &'static str, reason: impl Into<String>) -> Option<T> {
        let layer = self.layer(name);
        let spelled = match layer {
            Layer::Default | Layer::File => name.to_owned(),
            Layer::Environment => Key::named(name).environment(),
            Layer::Flag => Key::named(name).flag(),
        };
        self.mistakes.push(Mistake { key: spelled, layer, reason: reason.into() });
        None
    }

    pub(super) fn finish(self, settings: Settings) -> Result<Settings, Vec<Mistake>> {
        debug_assert!(KEYS.iter().all(|key| self.read.contains(key.name)), "a key of the table is never read");
        if self.mistakes.is_empty() { Ok(settings) } else { Err(self.mistakes) }
    }

    fn layer(&self, name: &str) -> Layer {
        self.values.get(name).map_or(Layer::Default, |(layer, _)| *layer)
    }

    fn lay_file(&mut self, file: &str) {
        let table = match file.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                // The error's own text quotes the line, which may hold the bootstrap token.
                let line = error.span().map_or(1, |span| file[..span.start].lines().count().max(1));
                let reason = format!("is not TOML: {}", error.message());
                self.mistakes.push(Mistake { key: format!("line {line}"), layer: Layer::File, reason });
                return;
            }
        };
        for (name, value) in table {
            let Some(key) = KEYS.iter().find(|key| key.name == name) else {
                self.unknown(Layer::File, &name);
                continue;
            };
            match file_value(key, &value) {
                Ok(text) => self.lay(Layer::File, key, text),
                Err(reason) => self.mistakes.push(Mistake { key: name, layer: Layer::File, reason }),
            }
        }
    }

    fn lay_text(&mut self, layer: Layer, spelled: &str, value: &str) {
        let spells = |key: &&Key| match layer {
            Layer::Flag => key.flag() == spelled,
            _ => key.environment() == spelled,
        };
        match KEYS.iter().find(spells) {
            None => self.unknown(layer, spelled),
            Some(_) if value.is_empty() => {
                let reason = "is empty; give a value or leave it out".to_owned();
                self.mistakes.push(Mistake { key: spelled.to_owned(), layer, reason });
            }
            Some(key) => self.lay(layer, key, value.to_owned()),
        }
    }

    fn lay(&mut self, layer: Layer, key: &Key, text: String) {
        self.values.insert(key.name, (layer, text));
    }

    fn unknown(&mut self, layer: Layer, spelled: &str) {
        let bare = spelled.trim_start_matches("--").trim_start_matches(ENVIRONMENT_PREFIX);
        let bare = bare.to_ascii_lowercase().replace('-', "_");
        let nearest = KEYS.iter().min_by_key(|key| strsim::damerau_levenshtein(key.name, &bare));
        let reason = match nearest.filter(|key| strsim::damerau_levenshtein(key.name, &bare) <= 3) {
            None => "is not a setting; docs/settings.md lists them all".to_owned(),
            Some(key) => format!(
                "is not a setting; the nearest is {}",
                match layer {
                    Layer::Environment => key.environment(),
                    Layer::Flag => key.flag(),
                    Layer::File | Layer::Default => key.name.to_owned(),
                }
            ),
        };
        self.mistakes.push(Mistake { key: spelled.to_owned(), layer, reason });
    }
}

/// A value of the file in the text form of the other layers.
fn file_value(key: &Key, value: &toml::Value) -> Result<String, String> {
    match (key.form, value) {
        (Form::Text | Form::Path | Form::Secret, toml::Value::String(text)) if text.is_empty() => {
            Err("is empty; give a value or leave it out".to_owned())
        }
        (Form::Text | Form::Path | Form::Secret, toml::Value::String(text)) => Ok(text.clone()),
        (Form::Number { .. }, toml::Value::Integer(number)) => Ok(number.to_string()),
        (Form::List, toml::Value::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(",")).ok_or_else(|| "must be a list of texts in quotes".to_owned())
        }
        (Form::Text | Form::Path | Form::Secret, _) => Err("must be a text in quotes".to_owned()),
        (Form::Number { .. }, _) => Err("must be a whole number without quotes".to_owned()),
        (Form::List, _) => Err("must be a list of texts, such as [\"a\", \"b\"]".to_owned()),
    }
}
