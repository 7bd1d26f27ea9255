"""Elastic against a server that speaks Elasticsearch's protocol and was not written by us."""

import http.client
import http.server
import threading
import urllib.parse

import pytest
import requests
from osmem_server import OsmemServer
from support import entries


@pytest.fixture(scope="module")
def search():
    with OsmemServer.start(addr="127.0.0.1:0") as search:
        yield search


@pytest.fixture
def index():
    return entries.new_id("audit")


def documents(search, index):
    """The documents by the id of their entry."""
    requests.post(f"{search.url}/{index}/_refresh", timeout=30)
    answer = requests.get(f"{search.url}/{index}/_search", json={"size": 1000, "query": {"match_all": {}}}, timeout=30)
    if answer.status_code == 404:
        return {}
    hits = answer.json()["hits"]["hits"]
    found = {hit["_source"]["event"]["id"]: hit["_source"] for hit in hits}
    assert len(found) == len(hits), "an entry has two documents"
    return found


def make_index(search, index, settings):
    answer = requests.put(f"{search.url}/{index}", json=settings, timeout=30)
    assert answer.ok, answer.text


def subscribe(server, url, index):
    return server.subscribe("elastic", {"url": url, "token": "ZWxhc3RpYzprZXk=", "index": index})


def test_entries_become_documents_with_their_fields(make_server, search, index):
    server = make_server().start()
    created = subscribe(server, search.url, index)
    batch = [entries.plain(kind) for kind in entries.KINDS]
    batch += [entries.hostile(kind, text) for kind in ("flag", "member", "invoice") for text in entries.HOSTILE.values()]
    batch += entries.minimal()
    server.ingest(batch)
    server.until_settled(created)
    found = documents(search, index)
    assert sorted(found) == sorted(entries.ids(batch))
    flag = found[batch[0]["_id"]]
    assert flag["event"]["action"] == "updateOn"
    assert flag["labels"]["kind"] == "flag" and flag["labels"]["project_key"] == "shop"
    assert flag["labels"]["environment_key"] == "production"
    assert flag["user"] == {
        "name": "ada@shop.example", "id": entries.MEMBER["_id"], "full_name": "Ada Okoye", "email": "ada@shop.example",
    }
    assert set(flag["tags"]) >= {"auditcast", "payments"}
    assert flag["event"]["reason"] == "ticket OPS-12"
    for entry in batch:
        if "name" in entry and 0 < len(entry["name"]) < 500:
            assert found[entry["_id"]]["labels"]["name"] == entry["name"]
    status = server.subscription(created)["_status"]
    assert (status["successCount"], status["errorCount"]) == (len(batch), 0)


class Forgetful(http.server.ThreadingHTTPServer):
    """Passes requests on, and lets the first `failures` answers fall under the table."""

    daemon_threads = True

    def __init__(self, target, failures):
        super().__init__(("127.0.0.1", 0), _Forwarder)
        self.target = urllib.parse.urlsplit(target).netloc
        self.failures = failures
        self.bodies = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Forwarder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        onward = http.client.HTTPConnection(self.server.target, timeout=30)
        kept = {name: self.headers[name] for name in ("Content-Type", "Content-Encoding") if self.headers[name]}
        onward.request("POST", self.path, body, kept)
        answer = onward.getresponse()
        text = answer.read()
        onward.close()
        with self.server.lock:
            self.server.bodies.append(body)
            forgets = self.server.failures > 0
            self.server.failures -= 1
        self.close_connection = forgets
        if forgets:
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type"))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def test_an_entry_that_is_sent_again_makes_no_second_document(make_server, search, index):
    between = Forgetful(search.url, failures=3)
    try:
        server = make_server().start()
        created = subscribe(server, between.url, index)
        batch = [entries.plain(kind) for kind in entries.KINDS]
        server.ingest(batch)
        server.until_settled(created)
        assert sorted(documents(search, index)) == sorted(entries.ids(batch))
        assert len(between.bodies) > 3, "answers were lost, so requests were sent again"
        status = server.subscription(created)["_status"]
        assert status["successCount"] == len(batch), "a document that is there already counts as delivered"
        assert status["errorCount"] > 0
    finally:
        between.shutdown()
        between.server_close()


def test_an_index_that_takes_nothing_suspends_and_loses_nothing(make_server, search, index):
    strict = {"mappings": {"dynamic": "strict", "properties": {"other": {"type": "keyword"}}}}
    make_index(search, f"{index}-strict", strict)
    server = make_server().start()
    created = subscribe(server, search.url, f"{index}-strict")
    batch = [entries.plain(kind) for kind in entries.KINDS]
    server.ingest(batch)
    server.until_state(created, "suspended")
    assert documents(search, f"{index}-strict") == {}
    server.patch(created, {"op": "replace", "path": "/config/index", "value": index})
    server.until_settled(created)
    assert sorted(documents(search, index)) == sorted(entries.ids(batch))


def test_documents_fit_strict_types_of_the_common_schema(make_server, search, index):
    mapping = {"mappings": {"dynamic": "false", "properties": {
        "@timestamp": {"type": "date"}, "message": {"type": "text"}, "tags": {"type": "keyword"},
        "event": {"properties": {"id": {"type": "keyword"}, "action": {"type": "keyword"}, "kind": {"type": "keyword"}}},
        "user": {"properties": {"name": {"type": "keyword"}, "email": {"type": "keyword"}}},
    }}}
    make_index(search, index, mapping)
    server = make_server().start()
    created = subscribe(server, search.url, index)
    batch = [entries.plain(kind) for kind in entries.KINDS] + entries.minimal()
    server.ingest(batch)
    server.until_settled(created)
    assert sorted(documents(search, index)) == sorted(entries.ids(batch))
    day = {"range": {"@timestamp": {"gte": "now-1h", "lte": "now"}}}
    answer = requests.get(f"{search.url}/{index}/_search", json={"size": 1000, "query": day}, timeout=30)
    recent = {hit["_source"]["event"]["id"] for hit in answer.json()["hits"]["hits"]}
    assert set(entries.ids(batch[:10])) <= recent, "the time of an entry is one that a query by time finds"


def test_entries_go_once_to_the_name_of_their_data_stream(make_server, search):
    # The server here has no data streams and makes an index of that name.
    dataset = entries.new_id("audit").replace("-", ".")
    between = Forgetful(search.url, failures=2)
    try:
        server = make_server().start()
        config = {"url": between.url, "token": "ZWxhc3RpYzprZXk=", "dataset": dataset, "namespace": "e2e"}
        created = server.subscribe("elastic-data-stream", config)
        batch = [entries.plain(kind) for kind in entries.KINDS] + entries.minimal()
        server.ingest(batch)
        server.until_settled(created)
        found = documents(search, f"logs-{dataset}-e2e")
        assert sorted(found) == sorted(entries.ids(batch))
        stream = {"type": "logs", "dataset": dataset, "namespace": "e2e"}
        assert all(document["data_stream"] == stream for document in found.values())
    finally:
        between.shutdown()
        between.server_close()
