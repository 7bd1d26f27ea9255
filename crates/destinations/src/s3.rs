//! Objects in an S3-compatible store: compressed lines under a key that names the content.
//!
//! Requests are made and signed by `object_store`, and go out through the guarded client. What
//! an answer means is read from the answer itself, since the library keeps only a part of it.

mod connect;
mod key;
mod reply;

use std::sync::Arc;

use delivery::{
    Outcome, REPLY_BYTES, Reason,
    destination::{Answered, Destination, Request, Summary, To, Way},
};
use domain::{Entry, error_chain};
use futures_util::future::BoxFuture;
use integrations::{Integration, RenderedItem};
use object_store::{
    Attribute, Attributes, ObjectStore, PutMode, PutOptions, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use serde_json::{json, value::RawValue};
use url::Url;

use connect::{Guarded, Seen};

/// The longest key that S3 takes, in bytes.
const KEY_BYTES_MAX: usize = 1_024;

/// Objects of an S3-compatible store.
pub(crate) struct S3;

struct Put {
    integration: Arc<Integration>,
    bucket: Bucket,
    key: Path,
    url: String,
    body: PutPayload,
}

/// Where objects go, and with which key of the account.
#[derive(Clone)]
struct Bucket {
    name: String,
    region: String,
    /// With the bucket's name in it, if that is part of the host.
    endpoint: Url,
    is_host: bool,
    access_key_id: String,
    secret_access_key: String,
    verify_tls: bool,
}

impl Destination for S3 {
    fn encode(&self, _to: &To<'_>, entry: &Entry, item: &mut RenderedItem) -> Result<(), Outcome> {
        let text = String::from_utf8(std::mem::take(&mut item.body)).map_err(|error| unrenderable(&error))?;
        // Line breaks of JSON stand between its values only.
        let line = text.replace(['\n', '\r'], " ");
        let given = RawValue::from_string(line).map_err(|error| unrenderable(&error))?;
        let envelope = json!({
            "account": entry.account,
            "sequence": entry.sequence.0,
            "id": entry.id.as_str(),
            "receivedAt": entry.received_at.as_millis(),
        })
        .to_string();
        let open = envelope.trim_end_matches('}');
        item.body = format!("{open},\"entry\":{}}}\n", given.get()).into_bytes();
        Ok(())
    }

    fn request(
        &self,
        to: &To<'_>,
        entries: &[Arc<Entry>],
        items: Vec<RenderedItem>,
    ) -> Result<Box<dyn Request>, Outcome> {
        let failed = |text: String| Outcome::Misconfigured(Reason::new("invalid_request", text));
        let bucket = Bucket::new(to).ok_or_else(|| failed("the endpoint cannot be used".to_owned()))?;
        let lines: Vec<u8> = items.into_iter().flat_map(|item| item.body).collect();
        let key = key::of(&to.text("prefix"), entries, &lines);
        if key.len() > KEY_BYTES_MAX {
            return Err(failed(format!("the prefix makes keys longer than {KEY_BYTES_MAX} bytes")));
        }
        let key = Path::parse(key).map_err(|error| failed(error_chain(&error)))?;
        let (body, _) = to.integration.packed(lines).map_err(|error| failed(error.to_string()))?;
        let url = bucket.url(&key);
        Ok(Box::new(Put { integration: Arc::clone(to.integration), bucket, key, url, body: body.into() }))
    }
}

fn unrenderable(error: &dyn std::error::Error) -> Outcome {
    Outcome::Unrenderable(Reason::new("unrenderable", format!("the template gave no JSON: {error}")))
}

impl Bucket {
    fn new(to: &To<'_>) -> Option<Self> {
        let (name, region, given) = (to.text("bucket"), to.text("region"), to.text("endpoint"));
        let is_host = to.text("addressing") == "virtual";
        let given = if given.is_empty() { format!("https://s3.{region}.amazonaws.com") } else { given };
        let mut endpoint = Url::parse(&given).ok().filter(Url::has_host)?;
        if is_host {
            let host = format!("{name}.{}", endpoint.host_str()?);
            endpoint.set_host(Some(&host)).ok()?;
        }
        Some(Self {
            name,
            region,
            endpoint,
            is_host,
            access_key_id: to.text("accessKeyId"),
            secret_access_key: to.text("secretAccessKey"),
            verify_tls: to.integration.verifies_tls(to.config),
        })
    }

    fn base(&self) -> &str {
        self.endpoint.as_str().trim_end_matches('/')
    }

    fn url(&self, key: &Path) -> String {
        if self.is_host { format!("{}/{key}", self.base()) } else { format!("{}/{}/{key}", self.base(), self.name) }
    }

    fn open(self, connector: Guarded) -> object_store::Result<AmazonS3> {
        AmazonS3Builder::new()
            .with_endpoint(self.base())
            .with_virtual_hosted_style_request(self.is_host)
            .with_allow_http(true)
            .with_bucket_name(self.name)
            .with_region(self.region)
            .with_access_key_id(self.access_key_id)
            .with_secret_access_key(self.secret_access_key)
            // The engine knows when to try again.
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(connector)
            .build()
    }
}

impl Request for Put {
    fn summary(&self) -> Summary<'_> {
        Summary { method: "PUT", url: &self.url, bytes: self.body.content_length() }
    }

    fn send<'a>(self: Box<Self>, way: Way<'a>) -> BoxFuture<'a, Answered> {
        Box::pin(async move {
            let seen = self.put(way).await;
            self.answered(seen, way)
        })
    }
}

impl Put {
    /// What came back; none when no request was made.
    async fn put(&self, way: Way<'_>) -> Option<Seen> {
        let (connector, seen) = Guarded::new(way, self.bucket.verify_tls, REPLY_BYTES);
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, "application/gzip".into());
        let options = PutOptions { mode: PutMode::Create, attributes, ..PutOptions::default() };
        let store = self.bucket.clone().open(connector).ok()?;
        // What the library makes of the answer tells less than the answer.
        let _ = store.put_opts(&self.key, self.body.clone(), options).await;
        seen.take()
    }

    fn answered(&self, seen: Option<Seen>, way: Way<'_>) -> Answered {
        match seen {
            Some(Ok(answer)) => reply::read(&self.integration, answer, way.clock.now()),
            Some(Err(error)) => error.into(),
            None => {
                let text = "no request can be made for this bucket and endpoint";
                Answered::whole(Outcome::Misconfigured(Reason::new("invalid_request", text)))
            }
        }
    }
}
