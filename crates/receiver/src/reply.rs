//! What a vendor answers, and what it made of the request.

use bytes::Bytes;
use serde_json::Value;

/// One HTTP answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Headers in the order in which they are sent.
    pub headers: Vec<(String, String)>,
    /// The body, uncompressed.
    pub body: Bytes,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::typed(status, "application/json", body.to_string())
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self::typed(status, "text/plain; charset=utf-8", body.into())
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    fn typed(status: u16, media_type: &str, body: String) -> Self {
        Self { status, headers: vec![("content-type".to_owned(), media_type.to_owned())], body: Bytes::from(body) }
    }

    pub(crate) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The body as JSON; null where it is none.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// A request that the vendor refused whole.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub reply: Reply,
    pub reason: String,
}

impl Refusal {
    pub fn new(reply: Reply, reason: impl Into<String>) -> Self {
        Self { reply, reason: reason.into() }
    }
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub reply: Reply,
    /// Why the request, or the last refused item of it, was not stored.
    pub refused: Option<String>,
    /// The stored items as JSON text.
    pub stored: Vec<String>,
}

impl Judgement {
    /// One item that was stored.
    pub fn stored(reply: Reply, item: &Value) -> Self {
        Self { reply, refused: None, stored: vec![item.to_string()] }
    }

    /// An answer to a request that carries no entries.
    pub fn nothing(reply: Reply) -> Self {
        Self { reply, refused: None, stored: Vec::new() }
    }
}

impl From<Refusal> for Judgement {
    fn from(refusal: Refusal) -> Self {
        Self { reply: refusal.reply, refused: Some(refusal.reason), stored: Vec::new() }
    }
}

/// A vendor's verdict on one request.
pub(crate) type Verdict = Result<Judgement, Refusal>;
