"""OpenTelemetry logs, decoded by the protocol's own definitions."""

import pytest
from support import entries
from support.otlp import JSON, PROTOBUF, OtlpReceiver, attributes, value
from support.polling import until


@pytest.fixture
def collector():
    collector = OtlpReceiver()
    yield collector
    collector.close()


def config(collector, **more):
    return {"url": collector.url, "headerName": "api-key", "headerValue": "otlp-secret-1", **more}


def uids(collector):
    return [attributes(record)["audit.id"] for _, record in collector.records()]


@pytest.mark.parametrize("encoding, content_type", [("protobuf", PROTOBUF), ("json", JSON)])
def test_every_entry_becomes_a_record_that_says_what_the_entry_says(make_server, collector, encoding, content_type):
    server = make_server().start()
    created = server.subscribe("otlp", config(collector, encoding=encoding, serviceName="shop-audit"))
    batch = [entries.plain(kind) for kind in entries.KINDS]
    batch += [entries.hostile(kind, text) for kind in entries.KINDS for text in entries.HOSTILE.values()]
    batch += entries.minimal()
    server.ingest(batch)
    server.until_settled(created)
    assert collector.refused == []
    assert sorted(uids(collector)) == sorted(entries.ids(batch))
    headers = [headers for headers, _, _ in collector.requests]
    assert all(one["api-key"] == "otlp-secret-1" and one["content-type"] == content_type for one in headers)
    assert any(one.get("content-encoding") == "gzip" for one in headers), "large requests are compressed"
    assert len(collector.requests) < len(batch), "entries that wait go together"
    sent = {entry["_id"]: entry for entry in batch}
    for resource, record in collector.records():
        assert attributes(resource) == {"service.name": "shop-audit"}
        said = attributes(record)
        entry = sent[said["audit.id"]]
        assert record.severity_number == 9
        if "date" in entry:
            assert record.time_unix_nano == entry["date"] * 1_000_000
        assert abs(record.observed_time_unix_nano - entries.now_ms() * 1_000_000) < 300 * 10**9
        assert f'"_id": "{entry["_id"]}"' in said["log.record.original"] or entry["_id"][:20] in said["log.record.original"]
        assert value(record.body)
    uid = [attributes(record)["log.record.uid"] for _, record in collector.records()]
    assert len(set(uid)) == len(batch)
    plain = {attributes(record)["audit.id"]: record for _, record in collector.records()}[batch[0]["_id"]]
    said = attributes(plain)
    assert plain.event_name == "flag.updateOn"
    assert value(plain.body).startswith("Ada Okoye changed the flag")
    assert (said["audit.kind"], said["audit.action"], said["audit.project.key"]) == ("flag", "updateOn", "shop")
    assert said["user.email"] == "ada@shop.example" and said["audit.comment"] == "ticket OPS-12"
    assert isinstance(said["auditcast.sequence"], int) and said["audit.tags"] == ["payments"]


def test_the_original_can_be_left_out(make_server, collector):
    server = make_server().start()
    created = server.subscribe("otlp", config(collector, original=False))
    server.ingest([entries.plain()])
    server.until_settled(created)
    assert "log.record.original" not in attributes(collector.records()[0][1])


def test_a_partly_taken_request_is_not_sent_again_and_a_redelivery_finds_the_culprit(make_server, collector):
    server = make_server().start()
    created = server.subscribe("otlp", config(collector), on=False)
    batch = [entries.plain() for _ in range(5)]
    server.ingest(batch[:1])
    server.patch(created, {"op": "replace", "path": "/on", "value": True})
    server.until_settled(created)
    server.patch(created, {"op": "replace", "path": "/on", "value": False})
    server.ingest(batch[1:])
    collector.script = [(200, (1, "attribute too long"), {})]
    before = len(collector.requests)
    server.patch(created, {"op": "replace", "path": "/on", "value": True})
    server.until_settled(created)
    assert len(collector.requests) == before + 1, "such a request is sent once"
    path = f"/api/v2/integrations/otlp/{created['_id']}"
    letters = until(lambda: server.call("GET", f"{path}/dead-letters").json()["items"], "letters")
    assert [one["fate"] for one in letters] == ["skipped"] * 4
    assert all("rejected 1 of the 4 records" in str(one) for one in letters)
    assert not any("attribute too long" in str(one) for one in letters), "a private address speaks in no reason"
    collector.script = [(200, None, {}), (200, (1, "attribute too long"), {})]
    answer = server.call("POST", f"{path}/dead-letters/redeliver", json={"all": True})
    assert answer.status_code == 202, answer.text

    def only_the_culprit():
        items = server.call("GET", f"{path}/dead-letters").json()["items"]
        return [one["fate"] for one in items] == ["dead"]

    until(only_the_culprit, lambda: server.call("GET", f"{path}/dead-letters").text)
    assert len(collector.requests) == before + 5, "each was sent alone"


def test_it_waits_as_long_as_it_is_asked_to(make_server, collector):
    server = make_server().start()
    created = server.subscribe("otlp", config(collector))
    collector.script = [(429, None, {"Retry-After": "1"}), (503, None, {"Retry-After": "1"}), (502, None, {})]
    batch = [entries.plain()]
    server.ingest(batch)
    server.until_settled(created)
    assert uids(collector) == entries.ids(batch)
    path = f"/api/v2/integrations/otlp/{created['_id']}/attempts"
    attempts = until(lambda: len(found := server.call("GET", path).json()["items"]) == 4 and found, "four attempts")
    outcomes = [one["outcome"] for one in reversed(attempts)]
    assert outcomes == ["throttled", "throttled", "unavailable", "accepted"]
    assert attempts[1]["endedAt"] - attempts[3]["endedAt"] >= 2_000, "each wait was at least a second"


def test_a_wrong_key_suspends_and_loses_nothing_and_is_shown_nowhere(make_server, collector):
    server = make_server().start()
    created = server.subscribe("otlp", config(collector))
    collector.script = [(401, None, {})] * 1000
    server.ingest([entries.plain()])
    server.until_state(created, "suspended")
    assert "otlp-secret-1" not in str(server.subscription(created))
    assert "otlp-secret-1" not in server.program.errors() + server.program.output()
    collector.script = []
    server.patch(created, {"op": "replace", "path": "/config/headerValue", "value": "otlp-secret-2"})
    server.until_settled(created)
    assert len(uids(collector)) == 1


def test_a_test_message_tells_what_it_sent(make_server, collector):
    server = make_server().start()
    created = server.subscribe("otlp", config(collector), on=False)
    answer = server.call("POST", f"/api/v2/integrations/otlp/{created['_id']}/test")
    assert answer.ok, answer.text
    assert f"{collector.url}/v1/logs" in answer.text and "accepted" in answer.text
    until(lambda: len(collector.requests) == 1, "one request")
    assert attributes(collector.records()[0][1])["auditcast.sequence"] == 0


def test_a_config_is_checked_whole(make_server):
    server = make_server().start()
    wrong = {"url": "otel.example.test:4318", "headerName": "api key", "encoding": "grpc", "more": 1}
    answer = server.call("POST", "/api/v2/integrations/otlp", json={"name": "x", "config": wrong, "on": True})
    assert answer.status_code == 400
    for key in wrong:
        assert f"config.{key}" in answer.text, answer.text


def test_a_blocked_address_is_never_called(make_server, collector):
    server = make_server(AUDITCAST_ALLOW_DESTINATIONS=None).start()
    created = server.subscribe("otlp", config(collector))
    server.ingest([entries.plain()])
    delivery = server.until_state(created, "suspended")["_delivery"]
    assert "private and special ranges are refused" in delivery["reason"]
    assert collector.requests == []
