"""A Kafka cluster in this process: librdkafka's own mock brokers."""

from confluent_kafka import Consumer, Producer, TopicPartition
from support.polling import until


class Cluster:
    """Three brokers that live as long as this does."""

    def __init__(self):
        self.producer = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 3, "log_level": 0})
        brokers = self.producer.list_topics(timeout=10).brokers.values()
        self.brokers = sorted(f"{broker.host}:{broker.port}" for broker in brokers)

    def make(self, topic):
        """Makes a topic, as asking for it does here."""

        def partitions():
            return self.producer.list_topics(topic, timeout=10).topics[topic].partitions

        return len(until(partitions, f"topic {topic}"))

    def records(self, topic, count, seconds=30):
        """The first `count` records of all partitions, in the order in which they came from each."""
        consumer = Consumer({
            "bootstrap.servers": ",".join(self.brokers), "group.id": "test", "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "log_level": 0,
        })
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(self.make(topic))])
        found = []

        def more():
            record = consumer.poll(0.2)
            if record is not None and record.error() is None:
                found.append(record)
            return len(found) >= count

        until(more, lambda: f"{count} records, got {len(found)}", seconds)
        consumer.close()
        return found
