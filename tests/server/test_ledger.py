"""The check of the ledgers as an operator runs it, and that it finds what is wrong."""

import sqlite3

import pytest
from support import entries
from support.destinations import CONFIGS
from support.polling import until
from support.programs import run

ORDERS = [{"effect": "allow", "resources": ["order/*"], "actions": ["*"]}]


def verify(server, *arguments):
    """Exit code, and the lines that were printed."""
    code, output, errors = run("auditcast", "ledger", "verify", *arguments, folder=server.folder, env=server.env())
    assert not errors, errors
    return code, output.splitlines()


def order(number):
    return entries.plain(action="pay", resource=f"order/{number}", accesses=[{"action": "pay", "resource": f"order/{number}"}])


@pytest.fixture
def settled(server, receiver):
    """A subscription that was paused, edited and skipped, with entries of every fate but dead."""
    created = server.subscribe("splunk", CONFIGS["splunk"], statements=ORDERS)
    batches = [[order(number) for number in range(6)] + [entries.plain()] for _ in range(4)]
    for batch in batches:
        receiver.expect(entries.ids(batch))
    server.ingest(batches[0])
    server.until_settled(created)
    server.patch(created, {"op": "replace", "path": "/on", "value": False})
    server.ingest(batches[1])
    path = f"/api/v2/integrations/splunk/{created['_id']}"
    skipped = server.call("POST", f"{path}/skip-to-now")
    assert skipped.status_code == 200 and skipped.json()["skipped"] >= 7, skipped.text
    narrower = [{**ORDERS[0], "resources": ["order/1", "order/2"]}]
    server.patch(created, {"op": "replace", "path": "/statements", "value": narrower},
                 {"op": "replace", "path": "/on", "value": True})
    server.ingest(batches[2])
    server.until_settled(created)
    deleted = server.subscribe("elastic", CONFIGS["elastic"], statements=ORDERS, name="gone")
    server.ingest(batches[3])
    server.until_settled(created, deleted)
    assert server.call("DELETE", f"/api/v2/integrations/elastic/{deleted['_id']}").status_code == 204
    server.subscribe("signalfx", CONFIGS["signalfx"], on=False, name="never")

    def is_written():
        return all(one.startswith("ok ") for one in verify(server)[1]) and server.call("GET", f"{path}/ledger").json()["counts"]

    counts = until(is_written, "the ledgers are right", 30)
    assert counts["delivered"] == 10 and counts["skipped"] >= 7 and counts["dead"] == 0, counts
    return created


def test_ledgers_are_right_beside_a_running_server_and_without_one(server, settled):
    server.stop()
    code, lines = verify(server)
    assert code == 0
    splunk, elastic, signalfx = lines
    assert splunk.startswith(f"ok {settled['_id']} splunk") and "delivered 10" in splunk
    assert elastic.startswith("ok ") and '"gone"' in elastic and "delivered 6" in elastic
    assert signalfx.startswith("ok ") and signalfx.endswith("never on")
    assert verify(server, "--subscription", settled["_id"], "--account", "default") == (0, [splunk])


@pytest.mark.parametrize("spoil, told", [
    ("UPDATE progress SET delivered = delivered + 1", "delivered: expected 10, found 11"),
    ("UPDATE progress SET skipped = skipped - 1", "skipped: expected"),
    ("UPDATE progress SET dead = 3", "dead: expected 0, found 3"),
    ("DELETE FROM skipped", "skipped: expected 0"),
    ("UPDATE revision SET statements = '[]' WHERE revision = 1", "delivered: expected 4, found 10"),
    ("DELETE FROM revision WHERE revision = 2", "revisions: expected 3, found 2"),
    ("INSERT INTO dead_letter (subscription, sequence, fate, entry_id, reason, died_at, bytes) "
     "SELECT subscription, 3, 'dead', 'x', '', 0, x'' FROM progress", "dead letters with another content than the log"),
    ("DELETE FROM entry WHERE place % 1024 = 5", "entries that the log lacks"),
])
def test_what_was_changed_behind_its_back_is_told(server, settled, spoil, told):
    server.stop()
    with sqlite3.connect(server.data / "auditcast.db") as database:
        database.execute(spoil)
    database.close()
    code, lines = verify(server, "--subscription", settled["_id"])
    assert code == 1
    assert any(line.startswith(f"differs {settled['_id']} splunk") and told in line for line in lines), lines


def test_what_is_not_there_is_told(server, tmp_path):
    for arguments, told in [
        (["--subscription", "66f0c0ffee00000000000001"], "there is no subscription 66f0c0ffee00000000000001"),
        (["--subscription", "x"], "24 lower-case hex digits"),
        (["--account", "nobody"], "there is no account nobody"),
        (["--data-dir", str(tmp_path / "empty")], "no ledgers can be read"),
    ]:
        code, _, errors = run("auditcast", "ledger", "verify", *arguments, folder=server.folder, env=server.env())
        assert code == 1 and told in errors, errors
    assert verify(server) == (0, ["ok: there are no subscriptions"])
