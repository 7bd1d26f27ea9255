"""Syslog against a strict receiver, and against rsyslog where that is installed."""

import shutil
import socket

import pytest
from support import entries
from support.certificates import Certificates
from support.polling import until
from support.programs import Program, environment
from support.syslog import SyslogReceiver


@pytest.fixture
def receive():
    made = []

    def make(**options):
        made.append(SyslogReceiver(**options))
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


def config(receiver, **more):
    return {"address": f"127.0.0.1:{receiver.port}", "transport": "tcp", **more}


@pytest.mark.parametrize("longest", [2048, 8000])
def test_every_entry_becomes_a_message_of_the_rfc(make_server, receive, longest):
    receiver = receive(longest=longest)
    server = make_server().start()
    created = server.subscribe("syslog", config(receiver, messageBytesMax=str(longest), hostname="audit.corp.test", appName="shop"))
    batch = [entries.plain(kind) for kind in entries.KINDS]
    batch += [entries.hostile(kind, text) for kind in entries.KINDS for text in entries.HOSTILE.values()]
    batch += entries.minimal()
    server.ingest(batch)
    server.until_settled(created)
    assert receiver.refused == []
    assert sorted(receiver.ids()) == sorted(entries.ids(batch))
    assert receiver.connections < len(batch), "entries that wait go together"
    assert {(one["pri"], one["host"], one["app"], one["proc"]) for one in receiver.messages} == {("110", "audit.corp.test", "shop", "-")}
    by_id = {one["data"]["id"]: one for one in receiver.messages}
    flag = by_id[batch[0]["_id"]]
    assert flag["id"] == "updateOn" and flag["text"].startswith("Ada Okoye changed the flag")
    assert flag["data"]["project"] == "shop" and flag["data"]["email"] == "ada@shop.example"
    assert any(one["text"].endswith("…") for one in receiver.messages), "long texts are cut"


def test_over_tls_the_certificate_is_checked_unless_that_is_skipped(make_server, receive, tmp_path):
    certificates = Certificates(tmp_path)
    receiver = receive(certificates=certificates)
    trusting = make_server(AUDITCAST_EXTRA_CA=certificates.ca).start()
    created = trusting.subscribe("syslog", config(receiver, transport="tls"))
    batch = [entries.plain() for _ in range(20)]
    trusting.ingest(batch)
    trusting.until_settled(created)
    assert sorted(receiver.ids()) == sorted(entries.ids(batch))
    trusting.close()

    other = tmp_path / "other"
    other.mkdir()
    server = make_server(folder=other).start()
    created = server.subscribe("syslog", config(receiver, transport="tls"))
    server.ingest([entries.plain()])
    delivery = server.until_state(created, "suspended")["_delivery"]
    assert "certificate" in delivery["reason"], delivery
    assert len(receiver.ids()) == len(batch)
    server.patch(created, {"op": "add", "path": "/config/skipVerification", "value": True})
    server.until_settled(created)
    assert len(receiver.ids()) == len(batch) + 1


def test_a_connection_that_is_reset_is_not_accepted(make_server, receive):
    receiver = receive()
    receiver.reset = 3
    server = make_server().start()
    created = server.subscribe("syslog", config(receiver))
    batch = [entries.plain() for _ in range(5)]
    server.ingest(batch)
    server.until_settled(created)
    assert sorted(set(receiver.ids())) == sorted(entries.ids(batch))
    assert server.subscription(created)["_status"]["errorCount"] > 0


def test_a_receiver_that_never_closes_is_believed_only_if_the_config_says_so(make_server, receive):
    receiver = receive(closes=False)
    server = make_server(AUDITCAST_DELIVERY_FIRST_BYTE_TIMEOUT_MS=1500, AUDITCAST_DELIVERY_REQUEST_TIMEOUT_MS=1500).start()
    created = server.subscribe("syslog", config(receiver))
    server.ingest([entries.plain()])

    def failed():
        return server.subscription(created)["_status"]["errorCount"] > 0

    until(failed, lambda: str(server.subscription(created)))
    assert server.subscription(created)["_status"]["successCount"] == 0
    assert "confirm: none" in str(server.subscription(created))
    server.patch(created, {"op": "replace", "path": "/config/confirm", "value": "none"})
    server.until_settled(created)


def test_what_answers_is_no_receiver_of_syslog(make_server):
    server = make_server().start()
    # The server itself: it answers in HTTP that this is no request.
    created = server.subscribe("syslog", {"address": server.url.split("//")[1], "transport": "tcp"})
    server.ingest([entries.plain()])
    until(lambda: server.subscription(created)["_status"]["errorCount"] > 0, lambda: str(server.subscription(created)))
    assert server.subscription(created)["_status"]["successCount"] == 0


def test_a_blocked_address_is_never_called(make_server, receive):
    receiver = receive()
    server = make_server(AUDITCAST_ALLOW_DESTINATIONS=None).start()
    created = server.subscribe("syslog", config(receiver))
    server.ingest([entries.plain()])
    delivery = server.until_state(created, "suspended")["_delivery"]
    assert "private and special ranges are refused" in delivery["reason"]
    assert receiver.connections == 0


def test_a_config_is_checked_whole(make_server):
    server = make_server().start()
    wrong = {"address": "logs.example.test", "transport": "udp", "hostname": "a b", "structuredDataId": "x]", "facility": "kern"}
    answer = server.call("POST", "/api/v2/integrations/syslog", json={"name": "x", "config": wrong, "on": True})
    assert answer.status_code == 400
    for key in wrong:
        assert f"config.{key}" in answer.text, answer.text


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.skipif(not shutil.which("rsyslogd"), reason="rsyslog is not installed")
def test_rsyslog_reads_every_message(make_server, tmp_path):
    port, out = free_port(), tmp_path / "rsyslog.log"
    (tmp_path / "rsyslog.conf").write_text(f"""
module(load="imtcp" maxSessions="50")
template(name="parts" type="string" string="%pri%|%hostname%|%app-name%|%msgid%|%structured-data%|%msg%\\n")
input(type="imtcp" port="{port}" address="127.0.0.1")
action(type="omfile" file="{out}" template="parts" asyncWriting="off" flushOnTXEnd="on")
""")
    command = ["rsyslogd", "-n", "-f", str(tmp_path / "rsyslog.conf"), "-i", str(tmp_path / "rsyslog.pid")]
    rsyslog = Program("rsyslog", command, tmp_path, environment())
    try:
        until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "rsyslog listens")
        server = make_server().start()
        created = server.subscribe("syslog", {"address": f"127.0.0.1:{port}", "transport": "tcp"})
        batch = [entries.plain(kind) for kind in entries.KINDS]
        batch += [entries.hostile(kind, text) for kind in entries.KINDS for text in entries.HOSTILE.values()]
        server.ingest(batch)
        server.until_settled(created)
        until(lambda: out.exists() and out.read_bytes().count(b"\n") >= len(batch), lambda: str(out.read_bytes()[-2000:]))
        found = out.read_text().removesuffix("\n").split("\n")
        assert len(found) == len(batch), "no message was split"
        for entry in batch:
            (line,) = [line for line in found if f'id="{entry["_id"]}"' in line]
            assert line.startswith("110|auditcast|auditcast|")
    finally:
        rsyslog.kill()
