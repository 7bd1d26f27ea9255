//! Answers. The library reserves memory for as many elements as an answer claims to have; these
//! answers come from servers that anybody may name, so they are read here, with an eye on what
//! is there.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};
use delivery::Outcome;

use super::error::unread;

/// Where a topic's partitions are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Topic {
    /// A code of the protocol; 0 for none.
    pub(super) error: i16,
    /// Number and leader of each, in the order of their numbers.
    pub(super) partitions: Vec<(i32, i32)>,
    pub(super) brokers: BTreeMap<i32, (String, u16)>,
}

/// An answer, read from its beginning; none where it ends too early.
struct Reader(Bytes);

impl Reader {
    fn i8(&mut self) -> Option<i8> {
        self.0.try_get_i8().ok()
    }

    fn i16(&mut self) -> Option<i16> {
        self.0.try_get_i16().ok()
    }

    fn i32(&mut self) -> Option<i32> {
        self.0.try_get_i32().ok()
    }

    fn i64(&mut self) -> Option<i64> {
        self.0.try_get_i64().ok()
    }

    fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    /// A text; the empty one for null.
    fn text(&mut self) -> Option<String> {
        let length = self.i16()?;
        let bytes = self.take(usize::try_from(length).unwrap_or(0))?;
        String::from_utf8(bytes.to_vec()).ok()
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.i32()?;
        self.take(usize::try_from(length).unwrap_or(0))
    }

    fn each(&mut self, mut read: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let count = self.i32()?;
        (0..count.max(0)).try_for_each(|_| read(self))
    }
}

fn whole<T>(read: Option<T>) -> Result<T, Outcome> {
    read.ok_or_else(|| unread("an answer of the broker cannot be read"))
}

/// Of an answer about the metadata of one topic.
pub(super) fn topic(answer: Bytes) -> Result<Topic, Outcome> {
    whole(read_topic(&mut Reader(answer)))
}

fn read_topic(reader: &mut Reader) -> Option<Topic> {
    let mut topic = Topic { error: 0, partitions: Vec::new(), brokers: BTreeMap::new() };
    let _throttled = reader.i32()?;
    reader.each(|reader| {
        let (id, host, port) = (reader.i32()?, reader.text()?, reader.i32()?);
        let _rack = reader.text()?;
        topic.brokers.insert(id, (host, u16::try_from(port).ok()?));
        Some(())
    })?;
    let _cluster = reader.text()?;
    let _controller = reader.i32()?;
    reader.each(|reader| {
        topic.error = reader.i16()?;
        let (_name, _is_internal) = (reader.text()?, reader.i8()?);
        reader.each(|reader| {
            // What a partition without a leader lacks shows when it is sent to.
            let _error = reader.i16()?;
            let (index, leader, _epoch) = (reader.i32()?, reader.i32()?, reader.i32()?);
            for _replicas_in_sync_and_offline in 0..3 {
                reader.each(|reader| reader.i32().map(drop))?;
            }
            topic.partitions.push((index, leader));
            Some(())
        })
    })?;
    topic.partitions.sort_unstable();
    Some(topic)
}

/// The error codes by partition, of an answer to records of one topic.
pub(super) fn produced(answer: Bytes) -> Result<BTreeMap<i32, i16>, Outcome> {
    let mut codes = BTreeMap::new();
    let reader = &mut Reader(answer);
    let read = reader.each(|reader| {
        let _topic = reader.text()?;
        reader.each(|reader| {
            let (index, code) = (reader.i32()?, reader.i16()?);
            let (_offset, _appended, _start) = (reader.i64()?, reader.i64()?, reader.i64()?);
            codes.insert(index, code);
            Some(())
        })
    });
    whole(read).map(|()| codes)
}

/// The error code of an answer to a mechanism.
pub(super) fn handshaken(answer: Bytes) -> Result<i16, Outcome> {
    whole(Reader(answer).i16())
}

/// The error code of an answer to a step of a mechanism, and its bytes.
pub(super) fn authenticated(answer: Bytes) -> Result<(i16, Bytes), Outcome> {
    let reader = &mut Reader(answer);
    let mut read = || {
        let (code, _message) = (reader.i16()?, reader.text()?);
        Some((code, reader.bytes()?))
    };
    whole(read())
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::{
        messages::{
            BrokerId, MetadataResponse, ProduceResponse, SaslAuthenticateResponse, SaslHandshakeResponse, TopicName,
            metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
            produce_response::{PartitionProduceResponse, TopicProduceResponse},
        },
        protocol::{Encodable, StrBytes},
    };

    use super::{authenticated, handshaken, produced, topic};
    use crate::kafka::request::{METADATA_VERSION, PRODUCE_VERSION};

    fn encoded(answer: &impl Encodable, version: i16) -> Bytes {
        let mut bytes = BytesMut::new();
        answer.encode(&mut bytes, version).unwrap();
        bytes.freeze()
    }

    fn metadata() -> Bytes {
        let broker = |id: i32, host: &'static str| {
            let host = StrBytes::from_static_str(host);
            MetadataResponseBroker::default().with_node_id(BrokerId(id)).with_host(host).with_port(9_092)
        };
        let partition = |index: i32, leader: i32| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(BrokerId(leader))
                .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
                .with_isr_nodes(vec![BrokerId(1)])
        };
        let audit = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str("audit"))))
            .with_partitions(vec![partition(1, 2), partition(0, 1)]);
        let answer = MetadataResponse::default()
            .with_brokers(vec![broker(1, "one.test"), broker(2, "two.test")])
            .with_cluster_id(Some(StrBytes::from_static_str("cluster")))
            .with_topics(vec![audit]);
        encoded(&answer, METADATA_VERSION)
    }

    #[test]
    fn answers_are_read_as_the_library_writes_them() {
        let found = topic(metadata()).unwrap();
        assert_eq!((found.error, found.partitions), (0, vec![(0, 1), (1, 2)]));
        assert_eq!(found.brokers[&2], ("two.test".to_owned(), 9_092));
        let of_partition = |index: i32, code: i16| {
            PartitionProduceResponse::default().with_index(index).with_error_code(code).with_base_offset(7)
        };
        let audit = TopicProduceResponse::default()
            .with_name(TopicName(StrBytes::from_static_str("audit")))
            .with_partition_responses(vec![of_partition(0, 0), of_partition(1, 6)]);
        let answer = encoded(&ProduceResponse::default().with_responses(vec![audit]), PRODUCE_VERSION);
        let codes: Vec<_> = produced(answer).unwrap().into_iter().collect();
        assert_eq!(codes, [(0, 0), (1, 6)]);
    }

    #[test]
    fn steps_of_a_login_are_read() {
        let taken = SaslHandshakeResponse::default().with_mechanisms(vec![StrBytes::from_static_str("PLAIN")]);
        assert_eq!(handshaken(encoded(&taken, 1)).unwrap(), 0);
        assert_eq!(handshaken(encoded(&taken.with_error_code(33), 1)).unwrap(), 33);
        let step = SaslAuthenticateResponse::default().with_auth_bytes(Bytes::from_static(b"r=x"));
        assert_eq!(authenticated(encoded(&step, 1)).unwrap(), (0, Bytes::from_static(b"r=x")));
        let refused = SaslAuthenticateResponse::default()
            .with_error_code(58)
            .with_error_message(Some(StrBytes::from_static_str("no")));
        assert_eq!(authenticated(encoded(&refused, 1)).unwrap(), (58, Bytes::new()));
        assert!(authenticated(Bytes::from_static(&[0, 0, 0, 9])).is_err());
    }

    #[test]
    fn an_answer_that_ends_early_or_claims_too_much_is_none() {
        let answer = metadata();
        for length in 0..answer.len() {
            assert!(topic(answer.slice(..length)).is_err(), "{length}");
        }
        let huge = Bytes::from_static(&[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0]);
        assert!(topic(huge.clone()).is_err());
        assert!(produced(huge.slice(4..)).is_err());
    }
}
