//! Requests, in the versions that are spoken here: none of them is newer than Kafka 2.1, and
//! Kafka 4 still has them.

use bytes::{Bytes, BytesMut};
use domain::Entry;
use integrations::RenderedItem;
use kafka_protocol::{
    indexmap::IndexMap,
    messages::{
        ApiKey, MetadataRequest, ProduceRequest, SaslAuthenticateRequest, SaslHandshakeRequest, TopicName,
        metadata_request::MetadataRequestTopic,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::StrBytes,
    records::{
        Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
        RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    },
};

pub(super) const METADATA_VERSION: i16 = 7;
pub(super) const PRODUCE_VERSION: i16 = 7;
const HANDSHAKE_VERSION: i16 = 1;
const AUTHENTICATE_VERSION: i16 = 1;

/// All replicas in sync have it.
const ACKS_ALL: i16 = -1;

/// A request and how it is announced.
pub(super) struct Asked<R> {
    pub(super) key: ApiKey,
    pub(super) version: i16,
    pub(super) message: R,
}

/// One entry, as it stands in the topic.
pub(super) struct Message {
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    headers: [(&'static str, String); 4],
    timestamp: i64,
}

impl Message {
    pub(super) fn new(entry: &Entry, item: RenderedItem) -> Self {
        Self {
            key: Bytes::from(format!("{}/{}", entry.account, entry.id)),
            value: Bytes::from(item.body),
            headers: [
                ("auditcast-account", entry.account.to_string()),
                ("auditcast-sequence", entry.sequence.0.to_string()),
                ("auditcast-id", entry.id.as_str().to_owned()),
                ("auditcast-received-at", entry.received_at.as_millis().to_string()),
            ],
            timestamp: item.stamp.as_millis(),
        }
    }
}

fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

pub(super) fn metadata(topic: &str) -> Asked<MetadataRequest> {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
    let message = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
    Asked { key: ApiKey::Metadata, version: METADATA_VERSION, message }
}

pub(super) fn handshake(mechanism: &'static str) -> Asked<SaslHandshakeRequest> {
    let message = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    Asked { key: ApiKey::SaslHandshake, version: HANDSHAKE_VERSION, message }
}

pub(super) fn authenticate(bytes: Vec<u8>) -> Asked<SaslAuthenticateRequest> {
    let message = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(bytes));
    Asked { key: ApiKey::SaslAuthenticate, version: AUTHENTICATE_VERSION, message }
}

pub(super) fn produce(topic: &str, batches: Vec<(i32, Bytes)>, timeout_ms: i32) -> Asked<ProduceRequest> {
    let of_partition =
        |(index, records): (i32, Bytes)| PartitionProduceData::default().with_index(index).with_records(Some(records));
    let data = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(batches.into_iter().map(of_partition).collect());
    let message = ProduceRequest::default().with_acks(ACKS_ALL).with_timeout_ms(timeout_ms).with_topic_data(vec![data]);
    Asked { key: ApiKey::Produce, version: PRODUCE_VERSION, message }
}

/// The messages of one partition as one batch.
///
/// # Errors
/// What the encoder says.
pub(super) fn batch(messages: &[&Message]) -> Result<Bytes, String> {
    let records: Vec<_> = (0_i32..).zip(messages).map(|(offset, message)| record(offset, message)).collect();
    let mut encoded = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut encoded, &records, &options).map_err(|error| error.to_string())?;
    Ok(encoded.freeze())
}

fn record(offset: i32, message: &Message) -> Record {
    let header =
        |(name, text): &(&'static str, String)| (StrBytes::from_static_str(name), Some(Bytes::from(text.clone())));
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: offset.into(),
        // Counted on, though it stands for none: else the encoder makes a batch of each record, and
        // brokers take only one batch for a partition.
        sequence: NO_SEQUENCE + offset,
        timestamp: message.timestamp,
        key: Some(message.key.clone()),
        value: Some(message.value.clone()),
        headers: message.headers.iter().map(header).collect::<IndexMap<_, _>>(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};
    use integrations::{Catalogue, Item};
    use serde_json::{Map, json};

    use super::{Message, batch};

    fn message() -> Message {
        let catalogue = Catalogue::builtin().unwrap();
        let bytes = json!({ "action": "updateOn", "resource": "proj/web", "date": 1_790_000_000_123_i64 }).to_string();
        let now = Timestamp::from_millis(1_790_000_005_000);
        let id = EntryId::parse("e1").unwrap();
        let entry = Entry::new(AccountId::from_bytes([0xac; 12]), Sequence(7), id, now, Arc::from(bytes.into_bytes()));
        let Item::Body(item) =
            catalogue.get("kafka").unwrap().render_item(&Map::new(), &entry, "https://audit.test", now).unwrap()
        else {
            panic!("there is something to send")
        };
        Message::new(&entry, item)
    }

    #[test]
    fn a_record_is_named_by_account_and_entry_and_has_the_time_of_the_event() {
        let message = message();
        assert_eq!(&message.key[..], b"acacacacacacacacacacacac/e1");
        assert_eq!(message.timestamp, 1_790_000_000_123);
        assert!(serde_json::from_slice::<serde_json::Value>(&message.value).is_ok());
        let headers: Vec<_> = message.headers.iter().map(|(name, text)| format!("{name}={text}")).collect();
        assert_eq!(headers[1..], ["auditcast-sequence=7", "auditcast-id=e1", "auditcast-received-at=1790000005000"]);
    }

    #[test]
    fn the_records_of_a_partition_are_one_batch_without_a_producer() {
        let message = message();
        let encoded = batch(&[&message, &message, &message]).unwrap();
        let number = |at: usize| i32::from_be_bytes(encoded[at..at + 4].try_into().unwrap());
        // The places of the batch's length, the base sequence and the count of records.
        assert_eq!(usize::try_from(number(8)).unwrap() + 12, encoded.len());
        assert_eq!((number(53), number(57)), (-1, 3));
        assert_eq!(encoded[16], 2, "the version of the form");
    }
}
