"""A server whose power is cut at any moment since its very first start starts again, with all that it answered for."""

import json
import os
import re
import shutil

import power_cuts
import psutil
from support.destinations import CONFIGS
from support.programs import Program, binary
from support.server import Server

CUTS = int(os.environ.get("POWER_CUTS", "250")) // 8
SEED = os.environ.get("POWER_CUTS_SEED", "1")
ENTRIES = 6
ANSWER = re.compile(rb"^HTTP/1\.1 (201|202) ")
ID = re.compile(rb'"(?:_id|id)":"([0-9a-z-]+)"')


def said(call):
    """The ids that an answer acknowledges."""
    text = b"".join(call.strings)
    if call.name not in ("write", "writev", "sendto") or not ANSWER.match(text):
        return None
    return ID.search(text)[1] + b"\n"


def entry(number):
    return {"_id": f"cut-{number}", "action": "updateOn", "resource": "proj/a:env/b:flag/c", "comment": "x" * 900 * number}


def recorded(server, trace):
    """A first start, a subscription and some entries, under strace; the path of the subscription."""
    command = power_cuts.traced(trace, [binary("auditcast"), "serve"], ",sendto")
    server.program = Program("server", command, server.folder, server.env())
    server.url = server.program.line(server.program.err, r"serving on (https?://[^\s\"]+)")[1]
    created = server.subscribe("datadog", CONFIGS["datadog"])
    for number in range(ENTRIES):
        assert server.call("POST", "/ingest/entries?ids=true", json=entry(number)).status_code == 202
    # strace hands no signal on. A kill leaves what a power cut does not take.
    for child in psutil.Process(server.program.pid).children(recursive=True):
        child.kill()
    server.program.wait(60)
    return created


def assert_starts_with(server, created, lines):
    try:
        server.start()
        assert server.call("GET", "/readyz").status_code == 200, server.call("GET", "/readyz").text
        for line in lines.split():
            if line.decode() == created["_id"]:
                assert server.subscription(created)["config"] == created["config"]
            else:
                answer = server.call("POST", "/ingest/entries", json=entry(int(line.rpartition(b"-")[2])))
                assert answer.status_code == 202 and answer.json()["duplicates"] == 1, f"{line} is lost: {answer.text}"
    finally:
        server.close()


def test_a_server_starts_after_a_power_cut_at_any_moment_since_its_first_start(tmp_path, capsys):
    server, trace = Server(tmp_path), tmp_path / "trace.log"
    created = recorded(server, trace)
    calls = power_cuts.read(trace)

    made = next(call for call in calls if call.name == "mkdir" and call.strings[0].decode() == str(server.data))
    first = next(call for call in calls if said(call))
    syncs = [call for call in calls if call.name == "fsync" and call.path == str(tmp_path)]
    assert any(made.end < sync.begin and sync.end < first.begin for sync in syncs), "the data directory itself may be lost"

    answered, cuts = 0, 0
    for name, files, lines in power_cuts.disks(calls, power_cuts.Disk(server.data), CUTS, SEED, said):
        shutil.rmtree(server.data)
        server.data.mkdir()
        for file, content in files.items():
            (server.data / file).write_bytes(content)
        try:
            assert_starts_with(server, created, lines)
        except AssertionError as failure:
            there = json.dumps({file: len(content) for file, content in files.items()})
            raise AssertionError(f"POWER_CUTS_SEED={SEED}, cut {name}: {there}: {failure}") from failure
        answered, cuts = max(answered, len(lines.split())), cuts + 1
    with capsys.disabled():
        print(f"\na server from its first start on: {cuts} power cuts, {answered} answers at most")
    assert answered > ENTRIES // 2
