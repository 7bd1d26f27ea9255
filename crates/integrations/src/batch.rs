//! How rendered items become the body of one request.

use std::{collections::BTreeMap, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

use crate::{
    extension::{BatchKeys, Flaw},
    render::RenderedItem,
    template::Template,
};

/// How many items, and how many bytes of them, go into one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// At least 1.
    pub items_max: u32,
    /// Bytes of the body before compression. A single item that is larger is still sent alone.
    pub bytes_max: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct BatchFormat {
    pub(crate) limits: BatchLimits,
    /// Form variables and the values that they need to have for requests to be batches.
    pub(crate) only_if: BTreeMap<String, Value>,
    /// Stands before each item; sees the same root as a body template.
    pub(crate) item_prefix: Option<Template>,
    prefix: String,
    separator: String,
    suffix: String,
}

impl BatchFormat {
    pub(crate) fn new(keys: &BatchKeys) -> Result<Self, Flaw> {
        if keys.items_max == 0 || keys.bytes_max == 0 {
            return Err(("itemsMax".into(), "itemsMax and bytesMax must be at least 1".into()));
        }
        let item_prefix = match keys.item_prefix.as_str() {
            "" => None,
            source => Some(
                Template::parse("itemPrefix", source).map_err(|error| ("itemPrefix".to_owned(), error.to_string()))?,
            ),
        };
        Ok(Self {
            limits: BatchLimits { items_max: keys.items_max, bytes_max: keys.bytes_max },
            item_prefix,
            only_if: keys.only_if.clone(),
            prefix: keys.prefix.clone(),
            separator: keys.separator.clone(),
            suffix: keys.suffix.clone(),
        })
    }

    pub(crate) fn join(&self, items: &[RenderedItem]) -> Vec<u8> {
        let content: usize = items.iter().map(|item| item.body.len() + self.separator.len()).sum();
        let mut body = Vec::with_capacity(self.prefix.len() + content + self.suffix.len());
        body.extend_from_slice(self.prefix.as_bytes());
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                body.extend_from_slice(self.separator.as_bytes());
            }
            body.extend_from_slice(&item.body);
        }
        body.extend_from_slice(self.suffix.as_bytes());
        body
    }
}

/// Compresses a body; the same bytes give the same result.
pub(crate) fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}
