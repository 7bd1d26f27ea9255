"""`auditcast ingest` and `auditcast source`, as somebody at a shell meets them."""

import hashlib
import hmac
import http.server
import json
import os
import re
import subprocess
import threading

import pytest
from support import entries
from support.programs import binary, environment, run

TOKEN = "token-of-the-ingest-command-0001"


@pytest.fixture
def server(make_server):
    server = make_server()
    server.token = server.settings["AUDITCAST_BOOTSTRAP_TOKEN"] = TOKEN
    return server.start()


def ingest(folder, *arguments, url, token=TOKEN, given=None):
    """The exit code, standard output and standard error of one run."""
    command = [binary("auditcast"), "ingest", *arguments]
    env = environment(AUDITCAST_URL=url, AUDITCAST_TOKEN=token)
    done = subprocess.run(command, cwd=folder, env=env, input=given, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def write(folder, lines, name="entries.ndjson"):
    (folder / name).write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return name


def stored(server):
    """Ids of the log, oldest first, without those of the server itself."""
    text = server.call("GET", "/api/v2/auditlog/export").text
    return [line["_id"] for line in map(json.loads, text.splitlines()) if line["entry"].get("_origin") != "system"]


def test_a_file_is_stored_in_order_and_a_repeat_reports_duplicates(server, tmp_path):
    batch = [entries.plain() for _ in range(25)]
    file = write(tmp_path, [*batch[:10], "", *batch[10:]])
    code, output, errors = ingest(tmp_path, file, "--batch", "4", url=server.url)
    assert (code, output, errors) == (0, "25 stored, 0 duplicates\n", "")
    assert stored(server) == [entry["_id"] for entry in batch]
    # With other batches, so that only the ids can tell.
    code, output, _ = ingest(tmp_path, file, "--batch", "7", url=server.url)
    assert (code, output) == (0, "0 stored, 25 duplicates\n")
    assert len(stored(server)) == 25


def test_entries_without_an_id_are_not_doubled_by_a_repeat(server, tmp_path):
    same = {"action": "pay", "resource": "org/acme:invoice/42"}
    file = write(tmp_path, [same] * 6)
    assert ingest(tmp_path, file, "--batch", "2", url=server.url)[:2] == (0, "6 stored, 0 duplicates\n")
    assert ingest(tmp_path, file, "--batch", "2", url=server.url)[:2] == (0, "0 stored, 6 duplicates\n")
    assert len(stored(server)) == 6


def test_standard_input_and_a_token_file(server, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    given = json.dumps(entries.plain())
    code, output, errors = ingest(tmp_path, "-", "--token-file", "token", url=server.url, token="", given=given)
    assert (code, output) == (0, "1 stored, 0 duplicates\n"), errors


def test_the_same_entries_from_another_input_are_other_entries(server, tmp_path):
    same = {"action": "backup", "resource": "acct"}
    for _ in range(2):
        assert ingest(tmp_path, "-", url=server.url, given=json.dumps(same))[:2] == (0, "1 stored, 0 duplicates\n")
    for name in ("monday", "tuesday"):
        file = write(tmp_path, [same], name)
        assert ingest(tmp_path, file, url=server.url)[:2] == (0, "1 stored, 0 duplicates\n")
    # As a log is that was emptied and filled again.
    os.utime(tmp_path / "monday", ns=(0, 0))
    assert ingest(tmp_path, "monday", url=server.url)[:2] == (0, "1 stored, 0 duplicates\n")
    assert len(stored(server)) == 5


def test_mistakes_name_their_lines_and_what_came_before_is_stored(server, tmp_path):
    good = [entries.plain() for _ in range(4)]
    file = write(tmp_path, [*good, "", {"_id": "no-access"}, "{not json"])
    code, output, errors = ingest(tmp_path, file, "--batch", "4", url=server.url)
    assert (code, output) == (3, "4 stored, 0 duplicates\n")
    assert re.findall(r"^line (\d+): ", errors, re.MULTILINE) == ["6", "7"], errors
    assert "Up to line 4 everything is stored" in errors
    changed = {**good[1], "comment": "other"}
    code, output, errors = ingest(tmp_path, write(tmp_path, [good[0], changed]), url=server.url)
    assert (code, output) == (3, "0 stored, 0 duplicates\n")
    assert errors.startswith("line 2: ") and "Nothing was stored." in errors
    too_large = {**entries.plain(), "comment": "x" * 300_000}
    code, output, errors = ingest(tmp_path, write(tmp_path, [entries.plain(), too_large]), url=server.url)
    assert (code, output) == (3, "1 stored, 0 duplicates\n") and errors.startswith("line 2: "), errors


def test_what_a_server_refuses_is_told_with_codes_of_its_own(server, tmp_path):
    file = write(tmp_path, [entries.plain()])
    code, _, errors = ingest(tmp_path, file, url=server.url, token="wrong-token-0002")
    assert code == 1 and "401" in errors and "wrong-token" not in errors
    code, _, errors = ingest(tmp_path, file, url="http://127.0.0.1:1")
    assert code == 1 and "cannot be reached" in errors
    assert ingest(tmp_path, "no-such-file", url=server.url)[0] == 1
    for wrong in (["--batch", "0"], ["--url", "nowhere"], ["--token-file", "no-such-file"]):
        assert ingest(tmp_path, file, *wrong, url=server.url)[0] == 2, wrong
    code, _, errors = ingest(tmp_path, file, url=server.url, token="")
    assert code == 2 and "AUDITCAST_TOKEN" in errors


class Busy(http.server.BaseHTTPRequestHandler):
    """Gives the answers of a list, one after the other, and keeps what it was sent."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.headers["Idempotency-Key"], body))
        status, headers, answer = self.server.answers.pop(0)
        if status is None:
            self.close_connection = True
            return
        text = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def busy():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    server.seen, server.answers = [], []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


OK = (202, {}, {"accepted": 2, "duplicates": 0})


def test_it_waits_as_long_as_it_is_asked_to_and_sends_the_same_again(busy, tmp_path):
    file = write(tmp_path, [entries.plain() for _ in range(4)])
    refused = {"message": "slowly"}
    busy.answers = [(429, {"Retry-After": "1"}, refused), OK, (503, {"Retry-After": "0"}, refused), (None, {}, {}), OK]
    code, output, errors = ingest(tmp_path, file, "--batch", "2", url=f"http://127.0.0.1:{busy.server_port}")
    assert (code, output) == (0, "4 stored, 0 duplicates\n"), errors
    assert busy.seen[0] == busy.seen[1] and busy.seen[2] == busy.seen[3] == busy.seen[4]
    assert busy.seen[0][0] != busy.seen[2][0]


def test_it_gives_up_when_it_would_have_to_wait_for_longer_than_it_may(busy, tmp_path):
    file = write(tmp_path, [entries.plain()])
    busy.answers = [(503, {"Retry-After": "60"}, {"message": "the disk of the server is nearly full"})]
    code, _, errors = ingest(tmp_path, file, "--patience-seconds", "59", url=f"http://127.0.0.1:{busy.server_port}")
    assert code == 1 and "nearly full" in errors and len(busy.seen) == 1
    busy.answers = [(503, {"Retry-After": str(asked)}, {"message": "never"}) for asked in (1, 2**64 - 1)]
    code, _, errors = ingest(tmp_path, file, url=f"http://127.0.0.1:{busy.server_port}")
    assert code == 1 and "never" in errors and "panicked" not in errors, errors


def test_what_is_too_large_is_halved(busy, tmp_path):
    file = write(tmp_path, [entries.plain() for _ in range(3)])
    large = (413, {}, {"message": "too large"})
    one = (202, {}, {"accepted": 1, "duplicates": 0})
    busy.answers = [large, one, large, one, one]
    code, output, errors = ingest(tmp_path, file, url=f"http://127.0.0.1:{busy.server_port}")
    assert (code, output) == (0, "3 stored, 0 duplicates\n"), errors
    assert [body.count(b"\n") for _, body in busy.seen] == [3, 1, 2, 1, 1]


def test_sources_are_made_listed_and_deleted_beside_a_running_server_and_without_one(make_server):
    server = make_server().start()

    def source(*arguments):
        return run("auditcast", "source", *arguments, folder=server.folder, env=server.env())

    code, output, errors = source("create", "--name", "Hosted account")
    assert code == 0, errors
    made = dict(line.split(maxsplit=1) for line in output.splitlines())
    body = json.dumps(entries.plain()).encode()
    signature = hmac.new(made["secret"].encode(), body, hashlib.sha256).hexdigest()
    sent = server.http.post(server.url + made["path"], data=body, headers={"X-LD-Signature": signature})
    assert sent.status_code == 202, sent.text
    listed = server.call("GET", "/api/v2/ingest-sources").json()["items"]
    assert [one["_id"] for one in listed] == [made["id"]]
    record = server.call("GET", "/api/v2/auditlog?q=Hosted").json()["items"][0]
    assert record["accesses"][0]["action"] == "createAccessToken" and made["secret"] not in json.dumps(record)
    assert source("create", "--name", "x", "--account", "nobody")[0] == 1
    assert server.stop() == 0
    code, output, _ = source("list")
    assert code == 0 and output.startswith(made["id"]) and output.endswith("Hosted account\n") and made["secret"] not in output
    assert source("delete", "no-such-id")[0] == 1
    assert source("delete", made["id"])[0] == 0
    assert source("list")[1] == ""
    server.start()
    gone = server.http.post(server.url + made["path"], data=body, headers={"X-LD-Signature": signature})
    assert gone.status_code == 404
