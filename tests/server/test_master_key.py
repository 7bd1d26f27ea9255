"""Without the right master key nothing is sent and nothing is harmed."""

import os

import pytest
from support import entries
from support.destinations import CONFIGS

FAST = ["splunk", "elastic", "datadog"]


@pytest.fixture
def stopped(server, receiver):
    """A server that has delivered an entry and was stopped; with its subscriptions."""
    created = [server.subscribe(key, CONFIGS[key]) for key in FAST]
    first = [entries.plain()]
    receiver.expect(entries.ids(first))
    server.ingest(first)
    server.until_settled(*created)
    assert server.stop() == 0
    return created


def lose(path):
    path.unlink()


def change(path):
    path.write_bytes(os.urandom(32))


def garble(path):
    path.write_text("no key")


@pytest.mark.parametrize("spoil", [lose, change, garble])
def test_without_the_key_it_starts_says_so_and_goes_on_when_the_key_is_back(server, receiver, stopped, spoil):
    key_file = server.data / "master.key"
    right = key_file.read_bytes()
    spoil(key_file)
    spoiled = key_file.read_bytes() if key_file.exists() else None
    server.start()
    answer = server.call("GET", "/readyz")
    assert answer.status_code == 503
    assert "key" in " ".join(answer.json()["problems"]).lower(), answer.text
    assert server.call("GET", "/healthz").status_code == 200

    second = [entries.plain(kind) for kind in entries.KINDS]
    receiver.expect(entries.ids(second))
    server.ingest(second)
    for created in stopped:
        # A probe finds no better.
        server.program.line(server.program.err, f"(?s)({created['_id']}.*?configuration cannot be opened.*?){{2}}")
        shown = server.call("GET", f"/api/v2/integrations/{created['kind']}/{created['_id']}")
        assert shown.status_code == 503 and "master key" in shown.json()["message"]
        assert receiver.counts(created["kind"])["requests"] == 1, "nothing is sent"
    refused = server.call("POST", "/api/v2/integrations/splunk", json={"name": "x", "config": CONFIGS["splunk"]})
    assert refused.status_code >= 500, "a config that cannot be sealed is not taken"
    assert server.stop() == 0
    assert (key_file.read_bytes() if key_file.exists() else None) == spoiled, "no key is overwritten or made anew"

    key_file.write_bytes(right)
    key_file.chmod(0o600)
    server.start()
    assert server.call("GET", "/readyz").status_code == 200
    receiver.until_stored([*entries.ids(second), *receiver.stored("splunk")], FAST)
    server.until_settled(*stopped)
    for key in FAST:
        assert receiver.counts(key)["distinct"] == 1 + len(second)
        assert receiver.counts(key)["duplicates"] == 0


def test_the_made_key_is_private_and_its_place_is_said(server):
    key_file = server.data / "master.key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert str(key_file) in server.program.errors() and "back it up" in server.program.errors()


def test_a_first_start_with_a_key_file_that_is_missing_makes_nothing(make_server, tmp_path):
    server = make_server(AUDITCAST_MASTER_KEY_FILE=tmp_path / "elsewhere.key")
    server.launch()
    assert server.program.wait() != 0
    assert "elsewhere.key does not exist" in server.program.errors()
    assert not (tmp_path / "elsewhere.key").exists()
    assert not (server.data / "master.key").exists()
