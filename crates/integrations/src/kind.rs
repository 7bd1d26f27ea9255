//! Kinds of destinations: those that plain HTTP requests reach, and those that need a sender of
//! their own.

use std::fmt;

use domain::{AccountId, Entry, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{batch, integration::Integration, sample};

/// How a destination is spoken to. `auditcast.destination` of a manifest names it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Requests as the manifest describes them.
    #[default]
    Http,
    /// OpenTelemetry logs over HTTP.
    Otlp,
    /// Objects of an S3-compatible store.
    S3,
    /// Syslog messages over TLS or TCP.
    Syslog,
    /// Records of a Kafka topic.
    Kafka,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Http, Self::Otlp, Self::S3, Self::Syslog, Self::Kafka];

    /// The name that manifests use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Otlp => "otlp",
            Self::S3 => "s3",
            Self::Syslog => "syslog",
            Self::Kafka => "kafka",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Integration {
    /// How the destination is spoken to.
    pub fn kind(&self) -> Kind {
        self.extension.destination
    }

    /// Whether the destination's certificate is checked under this config.
    pub fn verifies_tls(&self, config: &Map<String, Value>) -> bool {
        let Some(key) = &self.extension.skip_verification else { return true };
        let given = config.get(key).filter(|value| !value.is_null());
        given.or_else(|| self.variables.get(key).map(|variable| &variable.default)) != Some(&Value::Bool(true))
    }

    /// The entry that test messages are made of. It is in no log: its sequence is 0.
    pub fn sample_entry(&self, account: AccountId, now: Timestamp) -> Entry {
        sample::environment_update(account, now)
    }

    /// A body as it is sent: compressed with gzip if the manifest wants that for its size, and
    /// whether it is.
    ///
    /// # Errors
    /// What the compressor says.
    pub fn packed(&self, body: Vec<u8>) -> std::io::Result<(Vec<u8>, bool)> {
        match self.extension.gzip_from_bytes {
            Some(from) if body.len() >= from => Ok((batch::gzip(&body)?, true)),
            _ => Ok((body, false)),
        }
    }
}
