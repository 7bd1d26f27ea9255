"""Integrations from a folder that are loaded again while entries are delivered by them."""

import json
import pathlib
import re
import shutil
import signal
import threading

import requests
from support import entries
from support.destinations import CONFIGS
from support.polling import until
from support.programs import ROOT
from support.server import session

KEY = "acme"
RELOADS = 12


class Folder:
    """The folder of one integration, which speaks to the collector that the receiver plays."""

    def __init__(self, parent):
        self.path = pathlib.Path(parent) / KEY

    def write(self, source="v0"):
        shutil.copytree(ROOT / "integrations" / "splunk", self.path, dirs_exist_ok=True)
        template = self.path / "templates" / "default.json.hbs"
        template.write_text(template.read_text().replace('"source": "auditcast"', f'"source": "{source}"'))

    def break_template(self):
        (self.path / "templates" / "default.json.hbs").write_text('{\n  "time": {{#if}}\n}')

    def remove(self):
        shutil.rmtree(self.path)


def reload(server):
    """Sends SIGHUP and waits until everything is loaded again."""
    loaded = "the integrations are loaded again"
    before = server.program.errors().count(loaded)
    server.program.process.send_signal(signal.SIGHUP)
    until(lambda: server.program.errors().count(loaded) > before, server.program.tail)


def start(make_server, receiver, tmp_path):
    folder = Folder(tmp_path / "integrations")
    folder.write()
    server = make_server(receiver=receiver, AUDITCAST_INTEGRATIONS_DIR=folder.path.parent).start()
    return server, folder, server.subscribe(KEY, CONFIGS["splunk"])


def listed(server):
    items = server.call("GET", "/api/v2/integrations").json()["items"]
    return next(item for item in items if item["key"] == KEY)


def send(server, receiver, count=1):
    batch = [entries.plain("flag") for _ in range(count)]
    receiver.expect(entries.ids(batch))
    server.ingest(batch)
    return entries.ids(batch)


def sources(receiver):
    """By which versions of the folder the stored events were made."""
    bodies = (request["body"] for request in receiver.received("splunk") if request["stored_ids"])
    texts = (body if isinstance(body, str) else json.dumps(body) for body in bodies)
    return [source for text in texts for source in re.findall(r'"source": "(v\d+)"', text)]


class Producer(threading.Thread):
    """Sends entries until it is told to stop."""

    def __init__(self, server, receiver):
        super().__init__(daemon=True)
        self.server = server
        self.control = receiver.control
        self.http = session()
        self.stopping = threading.Event()
        self.ids = []
        self.last_sequence = 0
        self.failure = None

    def run(self):
        try:
            while not self.stopping.wait(0.005):
                self.send([entries.plain("flag") for _ in range(3)])
        except (AssertionError, requests.RequestException) as failure:
            self.failure = failure

    def send(self, batch):
        expected = self.http.post(f"{self.control}/expect", json={"ids": entries.ids(batch)}, timeout=20)
        assert expected.ok, expected.text
        answer = self.http.post(
            f"{self.server.url}/ingest/entries", json=batch, headers={"Authorization": self.server.token}, timeout=20,
        )
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        self.ids += entries.ids(batch)
        self.last_sequence = answer.json()["lastSequence"]

    def stop(self):
        self.stopping.set()
        self.join(60)
        assert self.failure is None and not self.is_alive(), self.failure


def test_reloads_under_delivery_lose_and_double_nothing(make_server, receiver, tmp_path):
    server, folder, created = start(make_server, receiver, tmp_path)
    producer = Producer(server, receiver)
    producer.start()
    for number in range(1, RELOADS + 1):
        # Every third time the folder is bad, and the version before it serves on.
        if number % 3 == 0:
            folder.break_template()
        else:
            folder.write(f"v{number}")
        seen = len(producer.ids)
        reload(server)
        until(lambda: len(producer.ids) > seen + 30 or producer.failure, "entries come in meanwhile")
    producer.stop()
    server.last_sequence = producer.last_sequence
    server.until_settled(created)
    stored = receiver.stored("splunk")
    assert len(producer.ids) > 30 * RELOADS and set(stored) == set(producer.ids)
    assert set(stored.values()) == {1}, [entry for entry, times in stored.items() if times > 1]
    seen = sources(receiver)
    # Whatever is delivered after a loading is made by what is there then.
    assert set(seen) == {f"v{number}" for number in range(RELOADS + 1) if number == 0 or number % 3}
    ledger = server.call("GET", f"/api/v2/integrations/{KEY}/{created['_id']}/ledger").json()
    assert ledger["counts"]["delivered"] == len(producer.ids), ledger


def test_a_bad_folder_keeps_the_version_that_serves(make_server, receiver, tmp_path):
    server, folder, created = start(make_server, receiver, tmp_path)
    folder.break_template()
    reload(server)
    item = listed(server)
    assert item["state"] == "kept" and item["problem"].startswith("templates/default.json.hbs, line 2"), item
    assert str(tmp_path) not in json.dumps(item)
    assert "templates/default.json.hbs, line 2" in server.program.errors()
    receiver.until_stored(send(server, receiver), ["splunk"])
    assert sources(receiver) == ["v0"]
    another = server.subscribe(KEY, CONFIGS["splunk"], on=False, name="Another")
    assert another["kind"] == KEY
    folder.write("v1")
    reload(server)
    assert listed(server)["state"] == "current"
    send(server, receiver)
    server.until_settled(created)
    assert sources(receiver) == ["v0", "v1"]


def test_a_folder_that_is_gone_holds_its_subscriptions_until_it_is_back(make_server, receiver, tmp_path):
    server, folder, created = start(make_server, receiver, tmp_path)
    own = f"/api/v2/integrations/{KEY}/{created['_id']}"
    sent = send(server, receiver)
    server.until_settled(created)
    folder.remove()
    for come_back in (lambda: reload(server), lambda: (server.stop(), server.start())):
        come_back()
        assert listed(server)["state"] == "missing"
        sent += send(server, receiver, 3)
        held = server.until_state(created, "suspended")
        assert "folder is missing" in held["_delivery"]["reason"], held
        assert [item["_id"] for item in server.call("GET", f"/api/v2/integrations/{KEY}").json()["items"]] == [created["_id"]]
        body = {"name": "More", "config": CONFIGS["splunk"]}
        token = [{"op": "replace", "path": "/config/token", "value": "another-token"}]
        for answer in (
            server.call("POST", f"/api/v2/integrations/{KEY}", json=body),
            server.call("PATCH", own, json=token),
        ):
            assert answer.status_code == 409 and "folder is missing" in answer.json()["message"], answer.text
        server.patch(created, {"op": "replace", "path": "/name", "value": "Renamed"})
        assert len(sources(receiver)) == 1
    folder.write("v1")
    reload(server)
    server.until_settled(created)
    assert set(receiver.stored("splunk")) == set(sent) and set(receiver.stored("splunk").values()) == {1}
    assert sources(receiver) == ["v0"] + ["v1"] * 6
    assert server.until_state(created, "flowing")["name"] == "Renamed"
