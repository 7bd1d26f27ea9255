"""Ingest over a real connection: forms, sizes, repetition, many at once."""

import concurrent.futures
import gzip
import json
import socket
import threading

import pytest
from support import entries
from support.destinations import CONFIGS
from support.server import session


@pytest.fixture
def server(make_server):
    return make_server().start()


def send(server, data, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.call("POST", "/ingest/entries?ids=true", data=data, headers=headers)


def lines(batch):
    return "".join(json.dumps(entry) + "\n" for entry in batch).encode()


FORMS = {
    "object": (lambda batch: json.dumps(batch[0]).encode(), "application/json", 1),
    "array": (lambda batch: json.dumps(batch).encode(), "application/json", 3),
    "lines": (lines, "application/x-ndjson", 3),
    "lines without the last end": (lambda batch: lines(batch)[:-1], "application/x-ndjson; charset=utf-8", 3),
}


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_taken_and_repeated_as_duplicates(server, form, compressed):
    write, content_type, count = FORMS[form]
    batch = [entries.plain(kind) for kind in ("flag", "member", "invoice")]
    data = gzip.compress(write(batch)) if compressed else write(batch)
    headers = {"Content_Type": content_type, **({"Content_Encoding": "gzip"} if compressed else {})}
    for accepted, duplicates in [(count, 0), (0, count)]:
        answer = send(server, data, **headers)
        assert answer.status_code == 202, answer.text
        body = answer.json()
        assert (body["accepted"], body["duplicates"]) == (accepted, duplicates)
        assert [item["id"] for item in body["items"]] == entries.ids(batch)[:count]
        assert [item["duplicate"] for item in body["items"]] == [accepted == 0] * count
    assert (body["firstSequence"], body["lastSequence"]) == (None, None)


def test_a_batch_with_a_bad_entry_is_not_stored_and_every_bad_one_is_named(server):
    batch = [entries.plain(), {"_id": "x"}, entries.plain(), {"action": 7, "resource": "acct"}]
    answer = send(server, json.dumps(batch).encode(), Content_Type="application/json")
    assert answer.status_code == 400
    places = [error["attribute"] for error in answer.json()["errors"]]
    assert any("1" in place for place in places) and any("3" in place for place in places), places
    assert not any(place.startswith(("0", "[0]", "2", "[2]")) for place in places), places
    assert server.ingest([batch[0], batch[2]])["duplicates"] == 0


def test_the_same_id_with_other_bytes_is_a_conflict(server):
    entry = entries.plain()
    first = server.ingest([entry])
    other = entries.plain()
    answer = send(server, json.dumps([other, {**entry, "comment": "changed"}]).encode(), Content_Type="application/json")
    assert answer.status_code == 409
    body = answer.json()
    assert (body["code"], body["index"], body["entryId"], body["sequence"]) == ("id_conflict", 1, entry["_id"], first["firstSequence"])
    assert server.ingest([other])["duplicates"] == 0, "nothing of the batch was stored"


def test_a_batch_without_ids_is_repeated_by_its_key(server):
    data = json.dumps([{"action": "pay", "resource": "org/a:invoice/1"}] * 3).encode()
    key = entries.new_id("key")
    first = send(server, data, Content_Type="application/json", Idempotency_Key=key)
    assert first.status_code == 202 and first.json()["accepted"] == 3
    assert server.stop() == 0
    server.start()
    again = send(server, data, Content_Type="application/json", Idempotency_Key=key)
    assert again.status_code == 202
    assert [item["id"] for item in again.json()["items"]] == [item["id"] for item in first.json()["items"]]
    assert again.headers["Idempotency-Replayed"] == "true"
    different = json.dumps([{"action": "pay", "resource": "org/a:invoice/2"}]).encode()
    assert send(server, different, Content_Type="application/json", Idempotency_Key=key).status_code == 422


def test_limits_are_said_with_413(make_server):
    server = make_server(
        AUDITCAST_INGEST_BODY_MAX_BYTES=100_000, AUDITCAST_INGEST_ENTRY_MAX_BYTES=10_000, AUDITCAST_INGEST_BATCH_MAX_ENTRIES=20,
    ).start()
    small = {"action": "pay", "resource": "org/a:invoice/1"}
    many = [small] * 21
    long_entry = [{**small, "comment": "x" * 10_000}]
    long_body = [{**small, "comment": "x" * 9_000}] * 12
    for batch in (many, long_entry, long_body):
        for encode, headers in [(lambda data: data, {}), (gzip.compress, {"Content_Encoding": "gzip"})]:
            answer = send(server, encode(json.dumps(batch).encode()), Content_Type="application/json", **headers)
            assert answer.status_code == 413, f"{answer.status_code} {answer.text}"
            assert answer.json()["code"] == "request_too_large"
    assert server.ingest([small] * 20)["accepted"] == 20


def test_a_bomb_of_gzip_is_refused_without_much_memory(server):
    bomb = gzip.compress(b" " * 300_000_000)
    answer = send(server, bomb, Content_Type="application/json", Content_Encoding="gzip")
    assert answer.status_code == 413, answer.text
    with open(f"/proc/{server.program.pid}/status", encoding="ascii") as status:
        peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak_kib < 250_000


@pytest.mark.parametrize(("data", "headers", "status"), [
    (b"", {}, 400), (b"[", {}, 400), (b"7", {}, 400), (b"\xff", {}, 400),
    (b"{}", {"Content_Type": "text/plain"}, 415), (b"{}", {"Content_Encoding": "br"}, 415),
    (b"no gzip", {"Content_Encoding": "gzip"}, 400),
    (gzip.compress(b"[]" * 50)[:-9], {"Content_Encoding": "gzip"}, 400),
])
def test_what_cannot_be_read_is_refused(server, data, headers, status):
    answer = send(server, data, **{"Content_Type": "application/json", **headers})
    assert answer.status_code == status, answer.text
    assert answer.json()["message"]


def test_a_thousand_small_posts_at_once_are_all_taken_in_order_without_gaps(make_server, receiver):
    server = make_server(receiver=receiver).start()
    created = server.subscribe("splunk", CONFIGS["splunk"])
    batch = [entries.plain() for _ in range(1_000)]
    receiver.expect(entries.ids(batch))
    local = threading.local()

    def post(entry):
        if not hasattr(local, "http"):
            local.http = session()
        headers = {"Authorization": server.token}
        answer = local.http.post(f"{server.url}/ingest/entries", json=entry, headers=headers, timeout=60)
        return answer.status_code, answer.json()

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(post, batch))
    assert {status for status, _ in answers} == {202}
    sequences = sorted(body["firstSequence"] for _, body in answers)
    assert sequences == list(range(sequences[0], sequences[0] + 1_000))
    server.last_sequence = sequences[-1]
    server.until_settled(created)
    counts = receiver.counts("splunk")
    assert (counts["distinct"], counts["duplicates"]) == (1_000, 0)


def test_a_refusal_before_the_body_came_says_whether_the_connection_goes_on(server):
    # Clients keep connections; one that is closed without a word fails their next request.
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /ingest/entries HTTP/1.1\r\nHost: x\r\nAuthorization: wrong\r\nContent-Length: 2\r\n\r\n")
        first = connection.recv(65_536)
        assert first.startswith(b"HTTP/1.1 401")
        if b"\r\nconnection: close\r\n" not in first.lower():
            connection.sendall(b"{}" + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
