//! What a receiver says when it takes records.

use delivery::{Outcome, Reason, destination::Answered};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use prost::Message;
use serde_json::Value;

use super::Encoding;

/// What of a receiver's own words goes into a reason.
const WORDS_MAX: usize = 300;

/// A 200.
pub(super) struct Success<'a> {
    pub(super) headers: &'a [(String, String)],
    pub(super) body: &'a [u8],
    /// Whether the body was longer than what is read of it.
    pub(super) truncated: bool,
    /// Whether the account may see what the receiver says in its own words.
    pub(super) shows_words: bool,
}

impl Success<'_> {
    /// Reads the answer to so many records that were sent in `encoding`.
    pub(super) fn read(&self, encoding: Encoding, records: usize) -> Answered {
        if self.truncated {
            return Answered::whole(unreadable("the answer (200) is too long to be read"));
        }
        // The answer tells its own form, which ought to be that of the request.
        let content_type = self.headers.iter().find(|(name, _)| name == "content-type");
        let encoding = match content_type.map_or("", |(_, value)| value) {
            "application/x-protobuf" => Encoding::Protobuf,
            json if json.starts_with("application/json") => Encoding::Json,
            _ => encoding,
        };
        let partial = match encoding {
            _ if self.body.is_empty() => Some(ExportLogsPartialSuccess::default()),
            Encoding::Protobuf => {
                ExportLogsServiceResponse::decode(self.body).ok().map(|read| read.partial_success.unwrap_or_default())
            }
            Encoding::Json => from_json(self.body),
        };
        // A number below zero is no number of records, so it is not known what was taken.
        match partial.filter(|partial| partial.rejected_log_records >= 0) {
            Some(partial) => self.judge(&partial, records),
            None => Answered::whole(unreadable("the answer (200) cannot be read, so nothing shows that it was taken")),
        }
    }

    /// Only the number of rejected records is told, and such a request must not be sent again.
    fn judge(&self, partial: &ExportLogsPartialSuccess, records: usize) -> Answered {
        let rejected = usize::try_from(partial.rejected_log_records).unwrap_or(usize::MAX);
        if rejected == 0 {
            // With a message alone it is a warning.
            return Answered::whole(Outcome::Accepted);
        }
        let words: String = partial.error_message.chars().take(WORDS_MAX).collect();
        let says = if words.is_empty() || !self.shows_words { String::new() } else { format!(": {words}") };
        if rejected >= records {
            // Nothing of it is stored, so smaller requests double nothing.
            let text = format!("the destination rejects it{says}");
            return Answered::whole(Outcome::Refused(Reason::new("rejected", text)));
        }
        let text = format!(
            "the destination rejected {rejected} of the {records} records of this request and does not say which{says}"
        );
        Answered::each(vec![Outcome::Skipped(Reason::new("partly_rejected", text)); records])
    }
}

/// A success that the protocol does not have.
pub(super) fn unexpected(status: u16) -> Outcome {
    let text = format!("the destination answered with {status}, and a receiver of logs that takes them says 200");
    Outcome::Unavailable(Reason::new("unexpected_reply", text))
}

fn unreadable(text: &str) -> Outcome {
    Outcome::Unavailable(Reason::new("reply_unreadable", text))
}

/// The partial success of an answer in JSON; none when it is no such answer.
fn from_json(body: &[u8]) -> Option<ExportLogsPartialSuccess> {
    let Value::Object(answer) = serde_json::from_slice(body).ok()? else { return None };
    let Some(partial) = answer.get("partialSuccess").filter(|partial| !partial.is_null()) else {
        return Some(ExportLogsPartialSuccess::default());
    };
    let rejected_log_records = match partial.get("rejectedLogRecords") {
        None | Some(Value::Null) => 0,
        Some(Value::String(text)) => text.parse().ok()?,
        Some(number) => number.as_i64()?,
    };
    let error_message = partial.get("errorMessage").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(ExportLogsPartialSuccess { rejected_log_records, error_message })
}

#[cfg(test)]
mod tests {
    use delivery::{Outcome, destination::Answered};

    use super::{Encoding, Success};

    const NEGATIVE: &str = r#"{"partialSuccess":{"rejectedLogRecords":-1}}"#;

    /// The outcome's name, its reason, and whether it speaks of each record.
    fn read(encoding: Encoding, content_type: &str, body: &[u8], records: usize) -> (&'static str, String, bool) {
        let headers = [("content-type".to_owned(), content_type.to_owned())];
        let success = Success { headers: &headers, body, truncated: false, shows_words: true };
        let Answered { outcome, items, .. } = success.read(encoding, records);
        let text = outcome.reason().map(|reason| reason.text.clone()).unwrap_or_default();
        (outcome.kind().name(), text, items.is_some_and(|items| items.len() == records))
    }

    fn json(body: &str, records: usize) -> (&'static str, String, bool) {
        read(Encoding::Json, "application/json; charset=utf-8", body.as_bytes(), records)
    }

    #[test]
    fn only_a_success_without_rejected_records_is_one() {
        for taken in ["", "{}", r#"{"partialSuccess":null}"#, r#"{"partialSuccess":{"errorMessage":"old fields"}}"#] {
            assert_eq!(json(taken, 5), ("accepted", String::new(), false), "{taken}");
        }
        for unread in ["<html>", "[]", r#"{"partialSuccess":{"rejectedLogRecords":"many"}}"#, NEGATIVE] {
            assert_eq!(json(unread, 5).0, "unavailable", "{unread}");
        }
        let cut = Success { headers: &[], body: &[], truncated: true, shows_words: true };
        assert!(matches!(cut.read(Encoding::Protobuf, 1).outcome, Outcome::Unavailable(_)));
    }

    #[test]
    fn records_of_which_some_were_rejected_are_not_sent_again() {
        let some = json(r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}"#, 5);
        let text = "the destination rejected 2 of the 5 records of this request and does not say which: too old";
        assert_eq!(some, ("skipped", text.to_owned(), true));
        let alone = json(r#"{"partialSuccess":{"rejectedLogRecords":1}}"#, 1);
        assert_eq!(alone, ("refused", "the destination rejects it".to_owned(), false));
        let all = json(r#"{"partialSuccess":{"rejectedLogRecords":5}}"#, 5);
        assert_eq!(all.0, "refused");
    }

    #[test]
    fn the_words_of_a_receiver_are_repeated_only_where_they_may_be_shown() {
        let body = br#"{"partialSuccess":{"rejectedLogRecords":1,"errorMessage":"host db-7 is full"}}"#;
        for (records, shows_words) in [(1, false), (2, false), (1, true), (2, true)] {
            let success = Success { headers: &[], body, truncated: false, shows_words };
            let answered = success.read(Encoding::Json, records);
            let text = answered.outcome.reason().map(|reason| reason.text.clone()).unwrap_or_default();
            assert_eq!(text.contains("db-7"), shows_words, "{text}");
        }
    }

    #[test]
    fn an_answer_is_read_in_its_own_form() {
        // Field 1 with field 1 = 2 and field 2 = "no".
        let partial = [0x0a, 0x06, 0x08, 0x02, 0x12, 0x02, b'n', b'o'];
        let read_as = |encoding, content_type| read(encoding, content_type, &partial, 3);
        assert_eq!(read_as(Encoding::Protobuf, "application/x-protobuf").0, "skipped");
        assert_eq!(read_as(Encoding::Json, "application/x-protobuf").0, "skipped");
        assert_eq!(read_as(Encoding::Protobuf, "").0, "skipped");
        assert_eq!(read_as(Encoding::Protobuf, "application/json").0, "unavailable");
    }
}
