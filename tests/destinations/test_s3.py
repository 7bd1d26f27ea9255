"""Objects in moto's S3, which checks signatures as Amazon's does."""

import http.client
import http.server
import re
import threading
import urllib.parse

import pytest
from support import entries
from support.moto_store import MotoStore
from support.polling import until

KEY = re.compile(r"^logs/prod/[0-9a-f]{24}/\d{4}/\d{2}/\d{2}/\d{2}/\d{20}-\d{20}-[0-9a-f]{32}\.ndjson\.gz$")


@pytest.fixture
def store(tmp_path):
    store = MotoStore(tmp_path)
    yield store
    store.close()


def lines(store):
    return [line for found in store.objects().values() for line in found]


def test_every_entry_lies_in_an_object_as_it_was_sent(make_server, store):
    server = make_server().start()
    created = server.subscribe("s3", store.config(prefix="logs/prod"))
    batch = [entries.plain(kind) for kind in entries.KINDS]
    batch += [entries.hostile(kind, text) for kind in entries.KINDS for text in entries.HOSTILE.values()]
    batch += entries.minimal()
    server.ingest(batch)
    server.until_settled(created)
    found = lines(store)
    assert sorted(line["id"] for line in found) == sorted(entries.ids(batch))
    assert sorted(line["sequence"] for line in found) == list(range(min(l["sequence"] for l in found), server.last_sequence + 1))
    by_id = {entry["_id"]: entry for entry in batch}
    assert all(line["entry"] == by_id[line["id"]] for line in found)
    objects = store.objects()
    assert all(KEY.match(key) for key in objects), list(objects)
    assert len(objects) < len(batch), "entries that wait go together"
    assert store.writes() == len(objects)
    for key, held in objects.items():
        first, last = (int(number) for number in key.rsplit("/", 1)[1].split("-")[:2])
        assert (first, last) == (held[0]["sequence"], held[-1]["sequence"])


class Forgetful(http.server.ThreadingHTTPServer):
    """Passes requests on, and breaks the connection instead of each of the first `failures` answers."""

    daemon_threads = True

    def __init__(self, target, failures):
        super().__init__(("127.0.0.1", 0), _Forwarder)
        self.target, self.failures, self.answers = urllib.parse.urlsplit(target).netloc, failures, []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class _Forwarder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        onward = http.client.HTTPConnection(self.server.target, timeout=30)
        onward.request("PUT", self.path, body, dict(self.headers))
        answer = onward.getresponse()
        text = answer.read()
        with self.server.lock:
            self.server.answers.append(answer.status)
            self.server.failures -= 1
            forgets = self.server.failures >= 0
        if forgets:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name in ("ETag", "Content-Type"):
            if answer.getheader(name):
                self.send_header(name, answer.getheader(name))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def test_an_object_whose_answer_was_lost_is_not_written_twice(make_server, store):
    between = Forgetful(store.url, failures=2)
    try:
        # The store checks the signature for the host that was signed.
        server = make_server().start()
        created = server.subscribe("s3", store.config(endpoint=f"http://127.0.0.1:{between.server_port}"))
        server.ingest([entries.plain()])
        server.until_settled(created)
        assert between.answers == [200, 412, 412], "each attempt puts the object once, and the third is answered"
        path = f"/api/v2/integrations/s3/{created['_id']}/attempts"
        # They are listed once they are written down, which is after the position has moved.
        attempts = until(lambda: len(found := server.call("GET", path).json()["items"]) == 3 and found, "three attempts")
        outcomes = [attempt["outcome"] for attempt in attempts]
        assert sorted(outcomes) == ["accepted", "unavailable", "unavailable"], outcomes
        ids = [line["id"] for line in lines(store)]
        assert len(ids) == len(set(ids)), "nothing lies there twice"
    finally:
        between.shutdown()
        between.server_close()


def test_a_wrong_key_suspends_and_the_right_one_delivers(make_server, store):
    server = make_server().start()
    created = server.subscribe("s3", store.config(secretAccessKey="not-the-secret-of-it"))
    server.ingest([entries.plain()])
    delivery = server.until_state(created, "suspended")["_delivery"]
    assert "(403)" in delivery["reason"], delivery
    assert store.objects() == {}
    assert "not-the-secret-of-it" not in server.program.errors() + str(server.subscription(created))
    server.patch(created, {"op": "replace", "path": "/config/secretAccessKey", "value": store.secret_access_key})
    server.until_settled(created)
    assert len(lines(store)) == 1


def test_a_missing_bucket_suspends(make_server, store):
    server = make_server().start()
    created = server.subscribe("s3", store.config(bucket="nowhere"))
    server.ingest([entries.plain()])
    assert "(404)" in server.until_state(created, "suspended")["_delivery"]["reason"]


def test_a_test_message_lies_apart_from_entries(make_server, store):
    server = make_server().start()
    created = server.subscribe("s3", store.config(), on=False)
    answer = server.call("POST", f"/api/v2/integrations/s3/{created['_id']}/test")
    assert answer.ok and '"accepted"' in answer.text, answer.text
    (key,) = store.objects()
    assert key.split("/")[0] == "auditcast" and key.split("/")[2] == "test"


def test_a_blocked_address_is_never_called(make_server, store):
    server = make_server(AUDITCAST_ALLOW_DESTINATIONS=None).start()
    created = server.subscribe("s3", store.config())
    server.ingest([entries.plain()])
    delivery = server.until_state(created, "suspended")["_delivery"]
    assert "private and special ranges are refused" in delivery["reason"]
    assert store.writes() == 0


def test_a_replay_of_the_same_entries_finds_its_objects_there(make_server, store):
    server = make_server().start()
    created = server.subscribe("s3", store.config())
    server.ingest([entries.plain()])
    server.until_settled(created)
    before = store.objects()
    body = {"from": {"sequence": 1}, "to": {"sequence": server.last_sequence}}
    answer = server.call("POST", f"/api/v2/integrations/s3/{created['_id']}/replays", json=body)
    assert answer.status_code == 202, answer.text
    job = answer.headers["Location"]
    until(lambda: server.call("GET", job).json()["state"] == "done", lambda: server.call("GET", job).text)
    assert store.objects() == before
