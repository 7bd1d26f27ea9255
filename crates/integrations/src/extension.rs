//! What our own engine adds to the public manifest format: the object `auditcast`.
//!
//! docs/integrations.md describes every member.

use std::{collections::BTreeMap, time::Duration};

use domain::{FieldError, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    kind::Kind,
    template::ChatMarkup,
    variables::{VariableType, Variables},
    webhook::StandardWebhook,
};

/// Place within the object and what is wrong there.
pub(crate) type Flaw = (String, String);

/// What auditcast adds to the format.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Extension {
    /// The kind of destination. All but `http` have no endpoint and need a `batch` without `onlyIf`.
    pub(crate) destination: Kind,
    /// A body that needs no templates.
    pub(crate) body: Option<BodyName>,
    /// What an answer means. The first rule that matches decides; all conditions of a rule have to hold.
    pub(crate) reply: Vec<ReplyRule>,
    /// JSON pointer, in the answer to a refused batch, to the number of the first invalid item.
    pub(crate) first_invalid: Option<String>,
    /// A header that says, with a 429, when to come back.
    pub(crate) rate_reset: Option<RateReset>,
    /// How items become one body.
    pub(crate) batch: Option<BatchKeys>,
    /// Bodies of at least this size are compressed with gzip.
    pub(crate) gzip_from_bytes: Option<usize>,
    /// How far from the time of the request the time of an event may lie.
    pub(crate) age: Option<AgeWindow>,
    /// How requests to one target follow each other.
    pub(crate) pace: Option<Pace>,
    /// The longest texts and lists that the destination takes at some places of the body.
    pub(crate) cut: Vec<Cut>,
    /// The largest body, and the texts that give way for it.
    pub(crate) body_budget: Option<BodyBudget>,
    /// The boolean form variable that turns the check of the destination's certificate off.
    pub(crate) skip_verification: Option<String>,
    /// The boolean form variable without which hmacSignature does not sign.
    pub(crate) sign_if: Option<String>,
    /// Form variables that are required beside others.
    pub(crate) requires: Vec<Requirement>,
    /// No part of the catalogue; its subscriptions are made in another way.
    pub(crate) hidden: bool,
    /// Whose markup the texts of a `.json` template are: `{{x}}` is then escaped for that chat in place of HTML.
    pub(crate) markup: Option<ChatMarkup>,
    /// Requests carry the headers of Standard Webhooks.
    pub(crate) standard_webhook: Option<StandardWebhook>,
}

/// A body that needs no template.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum BodyName {
    /// The entry as its producer sent it, byte for byte.
    StoredEntry,
}

/// One rule about replies; the first that matches decides.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ReplyRule {
    /// Any of these; empty: every status.
    #[serde(default)]
    pub(crate) status: Vec<u16>,
    /// JSON pointer to the values of which it has to hold one.
    #[serde(default)]
    pub(crate) json: BTreeMap<String, Vec<Value>>,
    /// JSON pointers of which one has to point to a list or text that is not empty.
    #[serde(default)]
    pub(crate) any_filled: Vec<String>,
    /// The whole body but for blanks at its ends.
    pub(crate) text: Option<String>,
    /// A part of the body.
    pub(crate) contains: Option<String>,
    /// What such an answer means; or `items` says it.
    pub(crate) verdict: Option<VerdictName>,
    /// The machine name of the reason.
    pub(crate) reason: Option<String>,
    /// What the user reads.
    pub(crate) explain: Option<String>,
    /// The body tells of each item.
    pub(crate) items: Option<ItemsRule>,
}

/// A body that tells of each item of a batch.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ItemsRule {
    /// JSON pointer to the list that has one element for each item.
    pub(crate) list: String,
    /// Pointer within an element to its status; `*` stands for the only member.
    #[serde(default)]
    pub(crate) status: String,
    /// Pointer within an element to a text that says why.
    pub(crate) explain: Option<String>,
    /// Statuses whose verdict is not the general one.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("propertyNames" = serde_json::json!({ "$ref": "#/$defs/VerdictName" }))))]
    pub(crate) verdicts: BTreeMap<VerdictName, Vec<u16>>,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum VerdictName {
    /// The destination has it.
    Accepted,
    /// This content is not taken.
    Refused,
    /// Nothing is taken until the configuration changes.
    Misconfigured,
    /// Nothing is taken for a while.
    Throttled,
    /// It may be tried again.
    Unavailable,
}

/// A header that says, with a 429, when to come back.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RateReset {
    /// The header's name.
    pub(crate) header: String,
    /// What its number counts.
    pub(crate) unit: RateUnit,
}

/// What a number in a header counts.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum RateUnit {
    /// Seconds from now.
    Seconds,
    /// A time in microseconds since 1970.
    UnixMicroseconds,
}

/// How items become one body: prefix, items with separators between them, suffix.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct BatchKeys {
    /// Form variables and the values that they need to have, else each entry is sent alone.
    #[serde(default)]
    pub(crate) only_if: BTreeMap<String, Value>,
    /// The most items of a body.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub(crate) items_max: u32,
    /// The largest body before compression, in bytes.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub(crate) bytes_max: u32,
    /// Stands before the first item.
    #[serde(default)]
    pub(crate) prefix: String,
    /// A template for JSON that stands before each item.
    #[serde(default)]
    pub(crate) item_prefix: String,
    /// Stands between items.
    #[serde(default)]
    pub(crate) separator: String,
    /// Stands after the last item.
    #[serde(default)]
    pub(crate) suffix: String,
}

/// What happens to an entry whose event lies outside of the destination's age window.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum OnLate {
    /// It is sent with the time of the request; its own time stands in its text.
    Restamp,
    /// It is not sent.
    Skip,
}

/// How far from the time of the request the time of an event may lie.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AgeWindow {
    /// The greatest age.
    past_max_seconds: Option<u32>,
    /// How far in the future an event may lie.
    future_max_seconds: Option<u32>,
    /// What happens to an entry outside of the window.
    on_late: OnLate,
}

impl AgeWindow {
    /// The greatest age; none when an event may be of any age.
    pub fn past_max(&self) -> Option<Duration> {
        self.past_max_seconds.map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// How far in the future an event may lie; none when there is no limit.
    pub fn future_max(&self) -> Option<Duration> {
        self.future_max_seconds.map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// Whether a request at `now` may tell of an event at `date`.
    pub fn holds(&self, date: Timestamp, now: Timestamp) -> bool {
        let late = self.past_max().is_some_and(|max| now.since(date) > max);
        let early = self.future_max().is_some_and(|max| date.since(now) > max);
        !late && !early
    }

    /// What happens to an entry outside of the window.
    pub fn on_late(&self) -> OnLate {
        self.on_late
    }
}

/// How requests to one target follow each other.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pace {
    /// The least time between the starts of two requests.
    #[serde(default)]
    spacing_ms: u32,
    /// Entries have to arrive in the order of the log, with times that only grow.
    #[serde(default)]
    ordered: bool,
    /// The form variables whose values together name the target.
    target: Vec<String>,
}

impl Pace {
    /// The least time between the starts of two requests.
    pub fn spacing(&self) -> Duration {
        Duration::from_millis(self.spacing_ms.into())
    }

    /// Whether entries have to arrive in the order of the log, with times that only grow.
    pub fn ordered(&self) -> bool {
        self.ordered
    }

    /// The form variables whose values together name the target.
    pub fn target(&self) -> &[String] {
        &self.target
    }
}

/// The longest text that the destination takes at some places of the body.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Cut {
    /// JSON pointer; `*` stands for every member or element.
    #[cfg_attr(test, schemars(regex(pattern = "^/")))]
    pub(crate) at: String,
    /// For a text: how many characters it may have.
    pub(crate) characters_max: Option<usize>,
    /// For a text: how many bytes it may have.
    pub(crate) bytes_max: Option<usize>,
    /// For a list: how many elements it may have.
    pub(crate) items_max: Option<usize>,
    /// What still has to stand at the end of a text that ended so.
    #[serde(default)]
    pub(crate) closing: String,
}

/// The largest body, and the texts that give way for it.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct BodyBudget {
    /// The most bytes.
    pub(crate) bytes_max: usize,
    /// How the destination counts them.
    #[serde(default)]
    pub(crate) measure: Measure,
    /// JSON pointers in the order in which they are shortened.
    #[serde(default)]
    pub(crate) shorten: Vec<String>,
}

/// Form variables that are required where another one is set, or has one of some values.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Requirement {
    /// The form variable that asks for the others.
    pub(crate) variable: String,
    /// Its values that do; left out: all but an empty one.
    #[serde(default)]
    pub(crate) values: Vec<Value>,
    /// The form variables that are required then.
    pub(crate) needs: Vec<String>,
}

impl Requirement {
    /// What a config lacks, by the values that templates see.
    pub(crate) fn mistakes(&self, values: &Map<String, Value>) -> Vec<FieldError> {
        let is_filled = |key: &str| values.get(key).is_some_and(|value| !value.is_null() && value != "");
        let is_asked = match self.values.as_slice() {
            [] => is_filled(&self.variable),
            listed => values.get(&self.variable).is_some_and(|value| listed.contains(value)),
        };
        let lacking = self.needs.iter().filter(|key| is_asked && !is_filled(key));
        let reason = match (self.values.as_slice(), values.get(&self.variable)) {
            ([_, ..], Some(value)) => format!("is required where {} is {value}", self.variable),
            _ => format!("is required beside {}", self.variable),
        };
        lacking.map(|key| FieldError::new(format!("config.{key}"), reason.clone())).collect()
    }
}

/// How the destination counts the bytes of a body.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) enum Measure {
    /// As they are sent.
    #[default]
    Plain,
    /// As a string within other JSON, where a quote or a backslash takes two bytes and a
    /// character outside of ASCII six for each UTF-16 unit.
    Quoted,
}

impl Cut {
    /// The only limit that it has.
    pub(crate) fn limit(&self) -> Option<usize> {
        match (self.characters_max, self.bytes_max, self.items_max) {
            (Some(limit), None, None) | (None, Some(limit), None) | (None, None, Some(limit)) => Some(limit),
            _ => None,
        }
    }
}

impl Extension {
    /// Looks for members that contradict each other or name what is not there.
    pub(crate) fn check(&self, variables: &Variables) -> Result<(), Flaw> {
        for (index, rule) in self.reply.iter().enumerate() {
            if rule.verdict.is_some() == rule.items.is_some() {
                return Err((format!("reply[{index}]"), "needs either verdict or items".into()));
            }
        }
        for (index, cut) in self.cut.iter().enumerate() {
            if cut.limit().is_none() {
                return Err((format!("cut[{index}]"), "needs one of charactersMax, bytesMax and itemsMax".into()));
            }
            if !cut.at.starts_with('/') {
                return Err((format!("cut[{index}].at"), "must be a JSON pointer that begins with /".into()));
            }
        }
        for (index, key) in self.pace.iter().flat_map(|pace| &pace.target).enumerate() {
            if variables.get(key).is_none() {
                return Err((format!("pace.target[{index}]"), "names no form variable".into()));
            }
        }
        for (index, requirement) in self.requires.iter().enumerate() {
            let named = std::iter::once(&requirement.variable).chain(&requirement.needs);
            if let Some(key) = named.into_iter().find(|key| variables.get(key).is_none()) {
                return Err((format!("requires[{index}]"), format!("{key:?} is no form variable")));
            }
        }
        if let Some(key) =
            self.batch.iter().flat_map(|batch| batch.only_if.keys()).find(|key| variables.get(key).is_none())
        {
            return Err(("batch.onlyIf".into(), format!("{key:?} is no form variable")));
        }
        for (member, key) in [("skipVerification", &self.skip_verification), ("signIf", &self.sign_if)] {
            let is_boolean =
                |key: &String| variables.get(key).is_some_and(|variable| variable.kind == VariableType::Boolean);
            if !key.iter().all(is_boolean) {
                return Err((member.into(), "must name a form variable of type boolean".into()));
            }
        }
        if let Some(webhook) = &self.standard_webhook {
            webhook.check(variables, self.batch.is_some())?;
        }
        match &self.batch {
            _ if self.destination == Kind::Http => Ok(()),
            Some(batch) if batch.only_if.is_empty() => Ok(()),
            _ => Err(("batch".into(), format!("is required without onlyIf for the destination {}", self.destination))),
        }
    }
}
