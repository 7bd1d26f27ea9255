//! Faults that a test orders: what receivers do beside taking and refusing.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    reply::Reply,
    route::Place,
    time::{self, SECOND},
    vendor::{self, connector_error},
};

/// Most faults that wait at once.
const WAITING_MAX: usize = 10_000;

/// An order for something to go wrong.
///
/// As JSON: the fields of [`FaultKind`] with its name in `kind`, beside `destination` (absent: every
/// destination) and either `count` (default 1) or `"forever": true`. The first order that fits a
/// request is carried out; each waits until those before it are used up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// The integration key of the destination; `None` is every destination.
    pub destination: Option<String>,
    /// How many requests are still met; `None` is every further one.
    pub count: Option<u32>,
    /// What happens.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What goes wrong. Where `stored` is true the vendor takes the request first and the sender does
/// not learn of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// This status, with `body` or else the vendor's own words for it. A redirect is a status with
    /// a header `location`; 413, 503 and 429 without Retry-After are this too.
    Status {
        /// The status code.
        status: u16,
        /// The body; absent: as the vendor says it.
        #[serde(default)]
        body: Option<String>,
        /// Further headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Whether the entries are stored all the same.
        #[serde(default)]
        stored: bool,
    },
    /// A status with `Retry-After` in seconds.
    RetryAfterSeconds {
        /// The wait in seconds.
        seconds: u64,
        /// The status; default 429.
        #[serde(default = "too_many")]
        status: u16,
    },
    /// A status with `Retry-After` as an HTTP date, and the receiver's own `Date`.
    RetryAfterDate {
        /// The wait in seconds.
        seconds: u64,
        /// The status; default 429.
        #[serde(default = "too_many")]
        status: u16,
    },
    /// 429 with the vendor's own header: Datadog's `X-RateLimit-Reset` in seconds, Dynatrace's as an
    /// instant in microseconds, SignalFx's `Throttle-Type`; elsewhere `Retry-After`.
    VendorRateLimit {
        /// The wait in seconds.
        seconds: u64,
    },
    /// The body is read and then the connection closed without an answer.
    ResetAfterBody {
        /// Whether the entries are stored first; default true, the ambiguous case.
        #[serde(default = "yes")]
        stored: bool,
    },
    /// The body is read and no answer ever comes.
    Hang {
        /// Whether the entries are stored first.
        #[serde(default)]
        stored: bool,
    },
    /// The right answer, one byte at a time.
    Trickle {
        /// Wait before each byte in milliseconds; default 500.
        #[serde(default = "half_a_second")]
        interval_millis: u64,
    },
    /// The right status and headers, and then a body that does not end.
    EndlessBody,
    /// The answer to a good request, which is then forgotten.
    AcceptedThenNothing,
    /// Items of a batch fail inside an answer that is a success, or, at Splunk, after a stored prefix.
    /// Only where the vendor answers by item.
    ItemErrors {
        /// Places of the items that fail, from 0; default the first.
        #[serde(default = "first")]
        items: Vec<usize>,
        /// Their status; default 429.
        #[serde(default = "too_many")]
        status: u16,
    },
    /// 200 with a text that says that it failed: the connector's own at Teams, a page elsewhere.
    TextError {
        /// The status that the text names; default 429.
        #[serde(default = "too_many")]
        status: u16,
    },
}

fn too_many() -> u16 {
    429
}

fn yes() -> bool {
    true
}

fn half_a_second() -> u64 {
    500
}

fn first() -> Vec<usize> {
    vec![0]
}

/// Which items fail and how.
#[derive(Clone, Debug)]
pub(crate) struct ItemErrors {
    items: Vec<usize>,
    status: u16,
}

impl ItemErrors {
    pub fn status_of(&self, index: usize) -> Option<u16> {
        self.items.contains(&index).then_some(self.status)
    }
}

impl Fault {
    /// `count` times `kind` at the destination with this integration key.
    pub fn new(destination: &str, count: u32, kind: FaultKind) -> Self {
        Self { destination: Some(destination.to_owned()), count: Some(count), kind }
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// What is wrong with it, in words for a person.
    pub fn from_json(json: Value) -> Result<Self, String> {
        let Value::Object(mut object) = json else { return Err("a fault is an object".to_owned()) };
        let destination = match object.remove("destination") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err("destination is text".to_owned()),
        };
        let count = match (object.remove("count"), object.remove("forever")) {
            (None, Some(Value::Bool(true))) => None,
            (None, None | Some(Value::Bool(false))) => Some(1),
            (Some(count), None | Some(Value::Bool(false))) => {
                let count = count.as_u64().and_then(|count| u32::try_from(count).ok());
                Some(count.ok_or("count is a whole number")?)
            }
            _ => return Err("a fault has a count or forever, not both".to_owned()),
        };
        let kind = serde_json::from_value(Value::Object(object)).map_err(|error| error.to_string())?;
        let fault = Self { destination, count, kind };
        fault.check().map(|()| fault)
    }

    fn check(&self) -> Result<(), String> {
        if self.count == Some(0) {
            return Err("count is at least 1".to_owned());
        }
        let place = match self.destination.as_deref() {
            None => None,
            Some(name) => Some(Place::named(name).ok_or_else(|| format!("{name} is no destination"))?),
        };
        let answers_by_item =
            [Place::DynatraceV2, Place::Elastic, Place::Honeycomb, Place::Logdna, Place::Splunk].map(Some);
        match &self.kind {
            FaultKind::ItemErrors { .. } if !answers_by_item.contains(&place) => {
                let names = answers_by_item.into_iter().flatten().map(Place::name).collect::<Vec<_>>().join(", ");
                Err(format!("item_errors is for one of {names}"))
            }
            FaultKind::Status { headers, .. } => headers.iter().try_for_each(|(name, value)| {
                let well_formed =
                    http::HeaderName::try_from(name).is_ok() && http::HeaderValue::try_from(value).is_ok();
                if well_formed { Ok(()) } else { Err(format!("{name} is no header")) }
            }),
            _ => Ok(()),
        }
        .and_then(|()| match self.kind.status() {
            Some(status) if !(200..=599).contains(&status) => Err(format!("{status} is no status of an answer")),
            _ => Ok(()),
        })
    }
}

impl FaultKind {
    /// The name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::RetryAfterSeconds { .. } => "retry_after_seconds",
            Self::RetryAfterDate { .. } => "retry_after_date",
            Self::VendorRateLimit { .. } => "vendor_rate_limit",
            Self::ResetAfterBody { .. } => "reset_after_body",
            Self::Hang { .. } => "hang",
            Self::Trickle { .. } => "trickle",
            Self::EndlessBody => "endless_body",
            Self::AcceptedThenNothing => "accepted_then_nothing",
            Self::ItemErrors { .. } => "item_errors",
            Self::TextError { .. } => "text_error",
        }
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. }
            | Self::RetryAfterSeconds { status, .. }
            | Self::RetryAfterDate { status, .. }
            | Self::ItemErrors { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the vendor sees the request at all.
    pub(crate) fn lets_through(&self) -> bool {
        match self {
            Self::Status { stored, .. } | Self::ResetAfterBody { stored } | Self::Hang { stored } => *stored,
            Self::Trickle { .. } | Self::EndlessBody | Self::AcceptedThenNothing | Self::ItemErrors { .. } => true,
            Self::RetryAfterSeconds { .. }
            | Self::RetryAfterDate { .. }
            | Self::VendorRateLimit { .. }
            | Self::TextError { .. } => false,
        }
    }

    pub(crate) fn item_errors(&self) -> Option<ItemErrors> {
        match self {
            Self::ItemErrors { items, status } => Some(ItemErrors { items: items.clone(), status: *status }),
            _ => None,
        }
    }

    /// The answer in the place of the vendor's; `None` where the vendor's own is sent.
    pub(crate) fn reply(&self, place: Place, now: i64) -> Option<Reply> {
        let later =
            |seconds: u64| now.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND));
        match self {
            Self::Status { status, body, headers, .. } => {
                let reply = match body {
                    Some(body) => Reply::text(*status, body.clone()),
                    None => vendor::trouble(place, *status),
                };
                Some(headers.iter().fold(reply, |reply, (name, value)| reply.with_header(name, value)))
            }
            Self::RetryAfterSeconds { seconds, status } => {
                Some(vendor::trouble(place, *status).with_header("retry-after", seconds.to_string()))
            }
            Self::RetryAfterDate { seconds, status } => Some(
                vendor::trouble(place, *status)
                    .with_header("date", time::http_date(now))
                    .with_header("retry-after", time::http_date(later(*seconds))),
            ),
            Self::VendorRateLimit { seconds } => {
                let reply = vendor::trouble(place, 429);
                Some(match place {
                    Place::Datadog | Place::DatadogLogs | Place::DatadogPrivate => reply
                        .with_header("x-ratelimit-limit", "500000")
                        .with_header("x-ratelimit-period", "3600")
                        .with_header("x-ratelimit-remaining", "0")
                        .with_header("x-ratelimit-reset", seconds.to_string()),
                    Place::Dynatrace | Place::DynatraceV2 => {
                        reply.with_header("x-ratelimit-reset", later(*seconds).saturating_mul(1_000).to_string())
                    }
                    Place::SignalFx => reply
                        .with_header("retry-after", seconds.to_string())
                        .with_header("throttle-type", "token-throttled"),
                    _ => reply.with_header("retry-after", seconds.to_string()),
                })
            }
            Self::TextError { status } => Some(Reply::text(
                200,
                match place {
                    Place::Teams => connector_error(*status),
                    _ => format!("<html><title>{status}</title></html>"),
                },
            )),
            _ => None,
        }
    }
}

/// The faults that wait for requests.
#[derive(Debug, Default)]
pub(crate) struct Faults(VecDeque<Fault>);

impl Faults {
    pub fn order(&mut self, fault: Fault) -> Result<(), String> {
        fault.check()?;
        if self.0.len() >= WAITING_MAX {
            return Err(format!("{WAITING_MAX} faults wait already"));
        }
        self.0.push_back(fault);
        Ok(())
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn list(&self) -> Vec<Fault> {
        self.0.iter().cloned().collect()
    }

    /// The fault that meets a request at `place`, used up by one.
    pub fn take(&mut self, place: Place) -> Option<FaultKind> {
        let fits = |fault: &Fault| fault.destination.as_deref().is_none_or(|name| name == place.name());
        let at = self.0.iter().position(fits)?;
        let fault = self.0.get_mut(at)?;
        let kind = fault.kind.clone();
        if let Some(count) = &mut fault.count {
            *count -= 1;
            if *count == 0 {
                self.0.remove(at);
            }
        }
        Some(kind)
    }
}
