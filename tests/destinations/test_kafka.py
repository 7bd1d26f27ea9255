"""Kafka against librdkafka's mock brokers."""

import json
import socket
import threading

import pytest
from support import entries
from support.kafka import Cluster
from support.polling import until


@pytest.fixture(scope="module")
def cluster():
    return Cluster()


@pytest.fixture
def topic(cluster):
    name = entries.new_id("audit")
    cluster.make(name)
    return name


def config(cluster, topic, **more):
    return {"brokers": ",".join(cluster.brokers), "topic": topic, "transport": "tcp", **more}


def test_every_entry_becomes_a_record_where_kafkas_own_clients_would_put_it(make_server, cluster, topic):
    server = make_server().start()
    created = server.subscribe("kafka", config(cluster, topic))
    batch = [entries.plain(kind) for kind in entries.KINDS]
    batch += [entries.hostile(kind, text) for kind in entries.KINDS for text in entries.HOSTILE.values()]
    batch += entries.minimal()
    server.ingest(batch)
    server.until_settled(created)
    found = cluster.records(topic, len(batch))
    by_id = {json.loads(record.value())["_id"]: record for record in found}
    assert sorted(by_id) == sorted(entries.ids(batch)) and len(found) == len(batch)
    flag = by_id[batch[0]["_id"]]
    assert json.loads(flag.value())["accesses"] == batch[0]["accesses"]
    assert flag.timestamp()[1] == batch[0]["date"]
    headers = {name: text.decode() for name, text in flag.headers()}
    assert headers["auditcast-id"] == batch[0]["_id"]
    assert flag.key().decode() == f"{headers['auditcast-account']}/{batch[0]['_id']}"
    assert int(headers["auditcast-sequence"]) <= server.last_sequence
    assert len({record.partition() for record in found}) > 1

    # The same keys through librdkafka with the partitioner of the Java client.
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": cluster.brokers[0], "partitioner": "murmur2_random", "log_level": 0})
    other = entries.new_id("other")
    cluster.make(other)
    for record in found:
        producer.produce(other, key=record.key(), value=b"x")
    assert producer.flush(30) == 0
    elsewhere = {record.key(): record.partition() for record in cluster.records(other, len(found))}
    assert elsewhere == {record.key(): record.partition() for record in found}


def test_a_broker_that_is_down_is_passed_over(make_server, cluster, topic):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        down = f"127.0.0.1:{closed.getsockname()[1]}"
        server = make_server().start()
        created = server.subscribe("kafka", {**config(cluster, topic), "brokers": f"{down},{cluster.brokers[0]}"})
        server.ingest([entries.plain()])
        server.until_settled(created)
        assert len(cluster.records(topic, 1)) == 1


def test_a_test_message_is_written_and_told(make_server, cluster, topic):
    server = make_server().start()
    created = server.subscribe("kafka", config(cluster, topic), on=False)
    answer = server.call("POST", f"/api/v2/integrations/kafka/{created['_id']}/test")
    assert answer.ok and '"accepted"' in answer.text and topic in answer.text, answer.text
    assert len(cluster.records(topic, 1)) == 1


def test_a_login_without_a_password_is_refused(make_server, cluster, topic):
    server = make_server().start()
    wrong = config(cluster, topic, login="PLAIN", username="ada")
    with pytest.raises(AssertionError, match=r"400 .*config\.password.*is required where login"):
        server.subscribe("kafka", wrong)


class Liar:
    """Answers every request with the same bytes, after the number of the request."""

    def __init__(self, answer):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.answer, self.asked = answer, 0
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.socket.getsockname()[1]}"

    def _serve(self):
        while True:
            try:
                stream, _ = self.socket.accept()
            except OSError:
                return
            with stream:
                head = stream.recv(12)
                self.asked += 1
                body = head[8:12] + self.answer
                stream.sendall(len(body).to_bytes(4, "big") + body)

    def close(self):
        self.socket.close()


def metadata(host, port):
    """An answer about one topic with one partition, led by a broker at this address."""
    text = len(host).to_bytes(2, "big") + host.encode()
    broker = (7).to_bytes(4, "big") + text + port.to_bytes(4, "big") + b"\xff\xff"
    partition = b"\0\0" + b"\0\0\0\0" + (7).to_bytes(4, "big") + b"\0\0\0\0" + b"\0\0\0\0" * 3
    topic = b"\0\0" + b"\0\5audit" + b"\0" + b"\0\0\0\1" + partition
    return b"\0\0\0\0" + b"\0\0\0\1" + broker + b"\xff\xff" + b"\0\0\0\7" + b"\0\0\0\1" + topic


@pytest.mark.parametrize("answer", [b"", b"\0\0\0\0\x7f\xff\xff\xff", b"\xff" * 64])
def test_answers_that_are_none_bring_nobody_down(make_server, answer):
    liar = Liar(answer)
    server = make_server().start()
    created = server.subscribe("kafka", {"brokers": liar.address, "topic": "audit", "transport": "tcp"})
    server.ingest([entries.plain()])
    until(lambda: server.subscription(created)["_status"]["errorCount"] > 0, lambda: str(server.subscription(created)))
    assert server.subscription(created)["_status"]["successCount"] == 0
    liar.close()


def test_a_cluster_cannot_lead_to_addresses_that_are_not_permitted(make_server):
    with socket.create_server(("127.0.0.2", 0)) as inside:
        liar = Liar(metadata("127.0.0.2", inside.getsockname()[1]))
        server = make_server(AUDITCAST_ALLOW_DESTINATIONS="127.0.0.1/32").start()
        created = server.subscribe("kafka", {"brokers": liar.address, "topic": "audit", "transport": "tcp"})
        server.ingest([entries.plain()])
        delivery = server.until_state(created, "suspended")["_delivery"]
        assert "private and special ranges are refused" in delivery["reason"]
        inside.setblocking(False)
        with pytest.raises(BlockingIOError):
            inside.accept()
        liar.close()


def test_a_config_is_checked_whole(make_server):
    server = make_server().start()
    wrong = {"brokers": "one.test", "topic": "a b", "transport": "udp", "login": "GSSAPI"}
    answer = server.call("POST", "/api/v2/integrations/kafka", json={"name": "x", "config": wrong, "on": True})
    assert answer.status_code == 400
    for key in wrong:
        assert f"config.{key}" in answer.text, answer.text
