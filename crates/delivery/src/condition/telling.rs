//! The entries by which the engine tells what happens to subscriptions.

use domain::{EntryDraft, SubscriptionId, Timestamp};
use integrations::WEBHOOK_KEY;
use serde_json::{Map, Value, json};

use super::{Condition, ConditionKind, Tell};
use crate::courier::Expired;

/// What such an entry says of its subscription.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) id: SubscriptionId,
    pub(crate) integration: String,
    pub(crate) name: String,
}

impl Subject {
    /// The entry that tells of a condition.
    pub(crate) fn tell(&self, condition: &Condition, tell: Tell, now: Timestamp) -> EntryDraft {
        let Condition { kind, since, reason } = condition;
        let (action, phase) = match tell {
            Tell::Start => ("reportTrouble", "start"),
            Tell::Again => ("reportTrouble", "again"),
            Tell::End => ("reportRecovery", "end"),
        };
        let description = match tell {
            Tell::End => format!("It lasted from {since} to {now}: {reason}"),
            Tell::Start | Tell::Again => format!("Since {since}: {reason}. {}", to_do(*kind)),
        };
        let mut members = self.members(action, title_verb(*kind, tell), now);
        members.insert("description".to_owned(), description.into());
        let told = json!({ "kind": kind.as_str(), "phase": phase, "since": since.as_millis(), "reason": reason });
        members.insert("condition".to_owned(), told);
        EntryDraft::system(&members)
    }

    /// The entry that tells of entries that were given up.
    pub(crate) fn expired(&self, expired: Expired, days: u64, now: Timestamp) -> EntryDraft {
        let Expired { first, last, count } = expired;
        let mut members = self.members("expireEntries", "gave up entries of the integration", now);
        let description = format!(
            "{count} entries, from {first} to {last} in the log, had no fate {days} days after they were received. \
             They count as skipped and leave the log."
        );
        members.insert("description".to_owned(), description.into());
        members.insert("expired".to_owned(), json!({ "first": first.0, "last": last.0, "count": count }));
        EntryDraft::system(&members)
    }

    fn members(&self, action: &str, title_verb: &str, now: Timestamp) -> Map<String, Value> {
        let (kind, href) = match self.integration.as_str() {
            WEBHOOK_KEY => ("webhook", format!("/api/v2/webhooks/{}", self.id)),
            key => ("integration", format!("/api/v2/integrations/{key}/{}", self.id)),
        };
        let resource = format!("{kind}/{}", self.id);
        let link = json!({ "canonical": { "href": href, "type": "application/json" } });
        let members = [
            ("accesses", json!([{ "action": action, "resource": resource }])),
            ("kind", kind.into()),
            ("name", self.name.as_str().into()),
            ("titleVerb", title_verb.replace("integration", kind).into()),
            ("date", now.as_millis().into()),
            ("target", json!({ "_links": link, "name": self.name, "resources": [resource] })),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn title_verb(kind: ConditionKind, tell: Tell) -> &'static str {
    match (kind, tell) {
        (ConditionKind::Held, Tell::Start) => "holds back the deliveries of the integration",
        (ConditionKind::Held, Tell::Again) => "still holds back the deliveries of the integration",
        (ConditionKind::Held, Tell::End) => "no longer holds back the deliveries of the integration",
        (ConditionKind::Suspended, Tell::Start) => "suspended the deliveries of the integration",
        (ConditionKind::Suspended, Tell::Again) => "still suspends the deliveries of the integration",
        (ConditionKind::Suspended, Tell::End) => "no longer suspends the deliveries of the integration",
        (ConditionKind::Behind, Tell::Start) => "falls behind with the integration",
        (ConditionKind::Behind, Tell::Again) => "is still behind with the integration",
        (ConditionKind::Behind, Tell::End) => "is no longer behind with the integration",
        (ConditionKind::NearWindow, Tell::Start) => "is about to be late for the integration",
        (ConditionKind::NearWindow, Tell::Again) => "is still about to be late for the integration",
        (ConditionKind::NearWindow, Tell::End) => "is in time again for the integration",
        (ConditionKind::NearRetention, Tell::Start) => "keeps old entries for the integration",
        (ConditionKind::NearRetention, Tell::Again) => "still keeps old entries for the integration",
        (ConditionKind::NearRetention, Tell::End) => "no longer keeps old entries for the integration",
    }
}

fn to_do(kind: ConditionKind) -> &'static str {
    match kind {
        ConditionKind::Held => {
            "Nothing is lost; it is tried again by itself. See whether the destination is well and its limits suffice."
        }
        ConditionKind::Suspended => {
            "Nothing is lost. Correct the configuration, or what is wrong at the destination, and send a test message."
        }
        ConditionKind::Behind => {
            "Nothing is lost. See whether the destination is slow, and narrow the policy if it wants too much."
        }
        ConditionKind::NearWindow => {
            "See why entries wait, or the destination will not show them under their own time."
        }
        ConditionKind::NearRetention => "Let it deliver, or delete it if it is not needed any more.",
    }
}
