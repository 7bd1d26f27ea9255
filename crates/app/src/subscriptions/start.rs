//! Where a new subscription starts, if the caller asks for a place.

use domain::{AccountId, FieldError, Sequence, Timestamp};
use serde_json::Value;

use crate::{App, Error};

const FORMS: &str = "must be \"now\", \"beginning\", {\"sequence\": number} or {\"receivedAt\": time}";

/// What the member `start` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// When it is first on.
    Now,
    /// With the first entry that the log has.
    Beginning,
    /// With the entry after this one.
    After(Sequence),
    /// With the first entry that was received then or later.
    ReceivedAt(Timestamp),
}

impl Start {
    fn parse(value: Option<&Value>) -> Result<Self, FieldError> {
        let members = match value {
            None | Some(Value::Null) => return Ok(Self::Now),
            Some(Value::String(word)) if word == "now" => return Ok(Self::Now),
            Some(Value::String(word)) if word == "beginning" => return Ok(Self::Beginning),
            Some(Value::Object(members)) if members.len() == 1 => members,
            Some(_) => return Err(FieldError::new("start", FORMS)),
        };
        if let Some(sequence) = members.get("sequence") {
            let reason = "must be a whole number from 0 on";
            let sequence = sequence.as_u64().ok_or_else(|| FieldError::new("start.sequence", reason))?;
            return Ok(Self::After(Sequence(sequence)));
        }
        let received_at = members.get("receivedAt").ok_or_else(|| FieldError::new("start", FORMS))?;
        let time = match received_at {
            Value::Number(millis) => millis.as_i64().map(Timestamp::from_millis),
            Value::String(text) => Timestamp::parse(text),
            _ => None,
        };
        let reason = "must be milliseconds since 1970, or a time such as 2026-11-23T08:00:00Z";
        time.map(Self::ReceivedAt).ok_or_else(|| FieldError::new("start.receivedAt", reason))
    }
}

impl App {
    /// The sequence before the first one that the subscription is to judge; `None` for now.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no place in the log; or what the store says.
    pub(super) async fn start_asked(
        &self,
        account: AccountId,
        value: Option<&Value>,
    ) -> Result<Option<Sequence>, Error> {
        let start = Start::parse(value).map_err(wrong)?;
        if start == Start::Now {
            return Ok(None);
        }
        let before = self.store.log_beginning(account).await?.previous();
        let last = self.store.entry_last_sequence(account).await?;
        match start {
            Start::Now | Start::Beginning => Ok(Some(before)),
            Start::After(sequence) if sequence < before => {
                let first = before.next();
                let reason = format!("the log begins with {first}: must be at least {before}, or start \"beginning\"");
                Err(wrong(FieldError::new("start.sequence", reason)))
            }
            Start::After(sequence) if sequence > last => {
                let reason = format!("the log ends with {last}: must not be more than that");
                Err(wrong(FieldError::new("start.sequence", reason)))
            }
            Start::After(sequence) => Ok(Some(sequence)),
            Start::ReceivedAt(time) if time > self.clock.now() => {
                Err(wrong(FieldError::new("start.receivedAt", "must not be in the future")))
            }
            Start::ReceivedAt(time) => {
                let first_time = self.store.entry_times_after(vec![(account, before)]).await?;
                let is_gone = first_time.into_iter().flatten().any(|first_time| time < first_time);
                if is_gone && before > Sequence(0) {
                    let reason = "the log does not reach back to then; ask for start \"beginning\"";
                    return Err(wrong(FieldError::new("start.receivedAt", reason)));
                }
                Ok(Some(self.store.entry_first_received(account, time).await?.previous()))
            }
        }
    }
}

fn wrong(mistake: FieldError) -> Error {
    Error::mistakes("the start is not valid", vec![mistake])
}

#[cfg(test)]
mod tests {
    use domain::{Sequence, Timestamp};
    use serde_json::{Value, json};

    use super::Start;

    fn parse(value: &Value) -> Result<Start, String> {
        Start::parse(Some(value)).map_err(|mistake| mistake.attribute)
    }

    #[test]
    fn a_start_is_a_word_a_sequence_or_a_time() {
        assert_eq!(Start::parse(None).ok(), Some(Start::Now));
        let at = Start::ReceivedAt(Timestamp::from_millis(1_790_000_000_000));
        for (value, expected) in [
            (Value::Null, Start::Now),
            (json!("now"), Start::Now),
            (json!("beginning"), Start::Beginning),
            (json!({"sequence": 0}), Start::After(Sequence(0))),
            (json!({"sequence": 17}), Start::After(Sequence(17))),
            (json!({"receivedAt": 1_790_000_000_000_i64}), at),
            (json!({"receivedAt": "2026-09-21T14:13:20Z"}), at),
            (json!({"receivedAt": "2026-09-21T16:13:20.000+02:00"}), at),
        ] {
            assert_eq!(parse(&value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn anything_else_is_named() {
        for (value, attribute) in [
            (json!("then"), "start"),
            (json!(7), "start"),
            (json!({}), "start"),
            (json!({"at": 7}), "start"),
            (json!({"sequence": 1, "receivedAt": 7}), "start"),
            (json!({"sequence": -1}), "start.sequence"),
            (json!({"sequence": "1"}), "start.sequence"),
            (json!({"receivedAt": "yesterday"}), "start.receivedAt"),
            (json!({"receivedAt": 1.5}), "start.receivedAt"),
        ] {
            assert_eq!(parse(&value), Err(attribute.to_owned()), "{value}");
        }
    }
}
