//! The files of an integration as they were read: what can be kept, and loaded again.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};

use crate::render::hex;

/// The texts of a manifest and of the templates that it names, by their paths in the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source(BTreeMap<String, String>);

impl Source {
    /// Reads what [`Self::to_text`] gave; none for anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// A JSON object of paths and texts.
    pub fn to_text(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// Names the content: 32 hex digits, the same for the same files.
    pub fn version(&self) -> String {
        hex(&digest(&SHA256, self.to_text().as_bytes()).as_ref()[..16])
    }

    pub(crate) fn get(&self, file: &str) -> Option<&String> {
        self.0.get(file)
    }
}

impl FromIterator<(String, String)> for Source {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(files: T) -> Self {
        Self(files.into_iter().collect())
    }
}
