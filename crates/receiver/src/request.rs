//! A request as it came, and its body as a vendor reads it.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, Method};

/// Largest body that is read or unpacked, in bytes: Elasticsearch's limit, the largest of all.
pub(crate) const BODY_MAX: usize = 100 << 20;

/// One HTTP request, read whole.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Host without port, in lower case.
    pub host: String,
    /// Path without query, as sent.
    pub path: String,
    /// Query without question mark; empty when there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as sent, perhaps compressed.
    pub body: Bytes,
}

impl Request {
    /// The header `name` where it is text; the first where there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The decoded value of the query parameter `name`; the first where there are several.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('=').or(Some((pair, ""))))
            .find(|(key, _)| percent_decode(key) == name)
            .map(|(_, value)| percent_decode(&value.replace('+', " ")))
    }

    /// The parts of the path between slashes, decoded.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path.trim_start_matches('/').split('/').map(percent_decode).collect()
    }

    /// The media type without its parameters, in lower case.
    pub(crate) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The content coding in lower case; empty when there is none.
    pub(crate) fn encoding(&self) -> String {
        let value = self.header("content-encoding").unwrap_or_default().trim().to_ascii_lowercase();
        if value == "identity" { String::new() } else { value }
    }

    /// The body unpacked, or why it cannot be.
    pub(crate) fn unpack(&self) -> Result<Bytes, String> {
        match self.encoding().as_str() {
            "" => Ok(self.body.clone()),
            "gzip" => {
                let mut unpacked = Vec::new();
                let limit = u64::try_from(BODY_MAX).unwrap_or(u64::MAX).saturating_add(1);
                MultiGzDecoder::new(&self.body[..])
                    .take(limit)
                    .read_to_end(&mut unpacked)
                    .map_err(|error| format!("the body is no gzip: {error}"))?;
                Ok(Bytes::from(unpacked))
            }
            other => Err(format!("content coding {other} is not one this receiver reads")),
        }
    }
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let value = hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(value.unwrap_or(byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
