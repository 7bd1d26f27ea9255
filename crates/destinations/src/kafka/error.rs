//! What the error codes of the protocol mean.

use delivery::{Outcome, Reason};
use kafka_protocol::ResponseError;

/// The outcome of a request about a topic or a login; none without an error.
pub(super) fn of(code: i16) -> Option<Outcome> {
    use ResponseError as E;
    let error = ResponseError::try_from_code(code)?;
    let explained = match error {
        E::UnknownTopicOrPartition => "the cluster has no such topic, or does not show it to this user",
        E::InvalidTopicException => "the name of the topic is not valid",
        E::TopicAuthorizationFailed | E::ClusterAuthorizationFailed => "the user may not write to the topic",
        E::SaslAuthenticationFailed => "the cluster does not know the user with this password",
        E::UnsupportedSaslMechanism | E::IllegalSaslState => "the broker does not take this login here",
        E::PolicyViolation => "a policy of the cluster forbids it",
        E::UnsupportedVersion => "the broker is older than Kafka 2.1, or no longer speaks its versions",
        E::InvalidRequiredAcks => "the topic does not take acks=all",
        _ => return Some(Outcome::Unavailable(Reason::new("kafka", format!("the broker failed: {error}")))),
    };
    Some(Outcome::Misconfigured(Reason::new("kafka", format!("{explained} ({error})"))))
}

/// The outcome of one of so many records that went to a partition together.
pub(super) fn of_records(code: i16, together: usize) -> Outcome {
    use ResponseError as E;
    match ResponseError::try_from_code(code) {
        None => Outcome::Accepted,
        // The leader has moved, and the next request asks where to.
        Some(error @ E::UnknownTopicOrPartition) => {
            Outcome::Unavailable(Reason::new("kafka", format!("the broker does not have the partition now ({error})")))
        }
        Some(E::MessageTooLarge | E::RecordListTooLarge | E::InvalidRecord | E::InvalidTimestamp) if together > 1 => {
            Outcome::Undecided { alone: true }
        }
        Some(error @ (E::MessageTooLarge | E::RecordListTooLarge | E::InvalidRecord | E::InvalidTimestamp)) => {
            Outcome::Refused(Reason::new("kafka", format!("the broker does not take the record ({error})")))
        }
        Some(_) => of(code).unwrap_or(Outcome::Accepted),
    }
}

pub(super) fn unread(text: &str) -> Outcome {
    Outcome::Unavailable(Reason::new("reply_unreadable", text))
}

#[cfg(test)]
mod tests {
    use kafka_protocol::ResponseError as E;

    use super::{of, of_records};

    #[test]
    fn a_code_means_what_the_protocol_says() {
        for (error, of_topic, alone, together) in [
            (E::UnknownTopicOrPartition, "misconfigured", "unavailable", "unavailable"),
            (E::TopicAuthorizationFailed, "misconfigured", "misconfigured", "misconfigured"),
            (E::LeaderNotAvailable, "unavailable", "unavailable", "unavailable"),
            (E::NotLeaderOrFollower, "unavailable", "unavailable", "unavailable"),
            (E::NotEnoughReplicas, "unavailable", "unavailable", "unavailable"),
            (E::NotEnoughReplicasAfterAppend, "unavailable", "unavailable", "unavailable"),
            (E::RequestTimedOut, "unavailable", "unavailable", "unavailable"),
            // Sent again, each alone.
            (E::MessageTooLarge, "unavailable", "refused", "unavailable"),
            (E::InvalidRecord, "unavailable", "refused", "unavailable"),
            (E::SaslAuthenticationFailed, "misconfigured", "misconfigured", "misconfigured"),
            (E::Unknown(9_999), "unavailable", "unavailable", "unavailable"),
        ] {
            let code = error.code();
            assert_eq!(of(code).unwrap().kind().name(), of_topic, "{error}");
            assert_eq!(of_records(code, 1).kind().name(), alone, "{error}");
            assert_eq!(of_records(code, 2).kind().name(), together, "{error}");
        }
        assert_eq!((of(0), of_records(0, 3).kind().name()), (None, "accepted"));
    }
}
