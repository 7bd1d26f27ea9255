"""Stopping, starting again, pausing."""

import json
import socket

from support import entries
from support.destinations import CONFIGS
from support.polling import stays, until
from support.programs import run

FAST = ["splunk", "elastic", "datadog"]


def post_head(server, length):
    """A connection on which the server works on a post, and waits for its body."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = (
        f"POST /ingest/entries HTTP/1.1\r\nHost: x\r\nAuthorization: {server.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    )
    connection.sendall(head.encode())
    assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    return connection


def test_a_request_in_flight_is_finished_before_the_end(server):
    entry = entries.plain()
    body = json.dumps([entry]).encode()
    connection = post_head(server, len(body))
    connection.sendall(body[:20])
    server.http.close()
    server.program.process.terminate()
    server.program.line(server.program.err, "SIGTERM received")
    connection.sendall(body[20:])
    assert connection.recv(65_536).startswith(b"HTTP/1.1 202")
    assert server.program.wait() == 0
    server.start()
    assert server.ingest([entry])["duplicates"] == 1, "what was acknowledged is there"


def test_after_sigterm_nobody_new_is_served(server):
    body = json.dumps([entries.plain()]).encode()
    connection = post_head(server, len(body))
    server.http.close()
    server.program.process.terminate()
    server.program.line(server.program.err, "SIGTERM received")
    host, port = server.url.removeprefix("http://").split(":")

    def refused():
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except ConnectionRefusedError:
            return True
        return False

    until(refused, "new connections are refused", 10)
    connection.sendall(body)
    assert connection.recv(65_536).startswith(b"HTTP/1.1 202")
    assert server.program.wait() == 0


def test_a_request_that_never_ends_does_not_keep_the_server_from_stopping(make_server, receiver):
    server = make_server(receiver=receiver, AUDITCAST_SHUTDOWN_SECONDS=1).start()
    connection = post_head(server, 1_000)
    connection.sendall(b"[")
    assert server.stop() == 0
    connection.close()


def test_clean_stops_in_the_middle_of_deliveries_deliver_nothing_twice(server, receiver):
    created = [server.subscribe(key, CONFIGS[key]) for key in FAST]
    sent = []
    for stop in range(4):
        batch = [entries.plain(kind) for kind in entries.KINDS for _ in range(12)]
        receiver.expect(entries.ids(batch))
        server.ingest(batch)
        sent += batch
        # Datadog takes one at a time, so most of a batch is still to come.
        enough = len(sent) - len(batch) + 5 * (stop + 1)
        until(lambda: receiver.counts("datadog")["distinct"] >= enough, "deliveries are under way")
        assert server.stop() == 0, server.program.tail()
        server.start()
    receiver.until_stored(entries.ids(sent), FAST)
    server.until_settled(*created)
    assert {key: receiver.counts(key)["duplicates"] for key in FAST} == dict.fromkeys(FAST, 0)


def test_a_delivery_in_flight_is_waited_for_and_not_repeated(server, receiver):
    receiver.fault("trickle", "splunk", interval_millis=40)
    created = server.subscribe("splunk", CONFIGS["splunk"])
    batch = [entries.plain()]
    receiver.expect(entries.ids(batch))
    server.ingest(batch)
    receiver.until_stored(entries.ids(batch), ["splunk"])
    assert server.stop() == 0
    server.start()
    server.until_settled(created)
    assert receiver.counts("splunk")["duplicates"] == 0


def test_a_second_server_on_the_same_data_says_so_and_ends(server):
    code, _, errors = run("auditcast", "serve", folder=server.folder, env=server.env())
    assert code != 0
    assert "in use by another auditcast" in errors and str(server.program.pid) in errors
    assert server.call("GET", "/healthz").status_code == 200, "the first one goes on"


def test_a_restart_keeps_tokens_subscriptions_and_positions(server, receiver):
    code, ingest_token, errors = run("auditcast", "token", "create", "--ingest", folder=server.folder, env=server.env())
    assert code == 0, errors
    created = [server.subscribe(key, CONFIGS[key]) for key in FAST]
    paused = server.subscribe("signalfx", CONFIGS["signalfx"], on=False)
    first = [entries.plain(kind) for kind in entries.KINDS]
    receiver.expect(entries.ids(first))
    server.ingest(first)
    server.until_settled(*created)
    before = [server.subscription(one) for one in [*created, paused]]
    assert server.stop() == 0
    server.start()
    assert [server.subscription(one) for one in [*created, paused]] == before
    second = [entries.plain()]
    receiver.expect(entries.ids(second))
    answer = server.call("POST", "/ingest/entries", token=ingest_token.strip(), json=second)
    assert answer.status_code == 202, answer.text
    receiver.until_stored(entries.ids(first + second), FAST)
    for key in FAST:
        assert receiver.counts(key)["duplicates"] == 0


def test_a_paused_subscription_keeps_its_position_and_catches_up(server, receiver):
    created = server.subscribe("splunk", CONFIGS["splunk"])
    other = server.subscribe("elastic", CONFIGS["elastic"])
    batches = [[entries.plain(kind) for kind in entries.KINDS] for _ in range(3)]
    for batch in batches:
        receiver.expect(entries.ids(batch))
    server.ingest(batches[0])
    server.until_settled(created)
    position = server.subscription(created)["_delivery"]["position"]
    server.patch(created, {"op": "replace", "path": "/on", "value": False})
    server.ingest(batches[1])
    server.until_settled(other)
    assert server.stop() == 0
    server.start()
    server.ingest(batches[2])
    server.until_settled(other)
    delivery = server.subscription(created)["_delivery"]
    assert (delivery["state"], delivery["position"]) == ("paused", position)
    assert delivery["waiting"] >= 20
    assert receiver.counts("splunk")["distinct"] == 10
    server.patch(created, {"op": "replace", "path": "/on", "value": True})
    receiver.until_stored(entries.ids(sum(batches, [])), ["splunk"])
    server.until_settled(created)
    assert receiver.counts("splunk")["duplicates"] == 0


def test_what_was_answered_as_off_or_deleted_gets_nothing_more(server, receiver):
    paused = server.subscribe("splunk", CONFIGS["splunk"])
    deleted = server.subscribe("elastic", CONFIGS["elastic"])
    other = server.subscribe("signalfx", CONFIGS["signalfx"])
    server.patch(paused, {"op": "replace", "path": "/on", "value": False})
    assert server.call("DELETE", f"/api/v2/integrations/elastic/{deleted['_id']}").status_code == 204
    batch = [entries.plain()]
    receiver.expect(entries.ids(batch))
    server.ingest(batch)
    server.until_settled(other)
    stays(lambda: not receiver.received("splunk") and not receiver.received("elastic"), "nothing is sent", 1)


def test_a_subscription_starts_with_what_comes_after_it(server, receiver):
    before = [entries.plain()]
    receiver.expect(entries.ids(before))
    server.ingest(before)
    created = server.subscribe("splunk", CONFIGS["splunk"])
    after = [entries.plain()]
    receiver.expect(entries.ids(after))
    server.ingest(after)
    server.until_settled(created)
    assert list(receiver.stored("splunk")) == entries.ids(after)


def test_an_accepted_entry_counts_as_waiting_from_its_answer_on(server, receiver):
    receiver.fault("hang", "splunk", forever=True)
    created = server.subscribe("splunk", CONFIGS["splunk"])
    for number in range(1, 151):
        server.ingest([entries.plain()])
        waiting = server.subscription(created)["_delivery"]["waiting"]
        assert waiting >= number, f"{waiting} of at least {number}"
