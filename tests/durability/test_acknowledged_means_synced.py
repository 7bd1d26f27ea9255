"""No 202 leaves the server before a sync of the log that began after its rows were written.

A kill cannot show a missing sync, since the kernel still writes what it has been given. So the
server runs under strace, and check_trace.py reads what it did in which order.
"""

import concurrent.futures
import pathlib
import signal
import subprocess
import sys

import psutil
import pytest
from support.programs import Program, binary

CHECKER = pathlib.Path(__file__).with_name("check_trace.py")
CALLS = "fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg,read,recvfrom"
PRODUCERS = 4
ENTRIES = 10


@pytest.fixture
def traced(make_server, tmp_path):
    """`traced(*options)` starts a server under strace; it and the log of its calls."""

    def traced(*options):
        server = make_server()
        log = tmp_path / "trace.log"
        strace = ["strace", "-f", "-y", "-s", "16384", "-o", str(log), "-e", f"trace={CALLS}", *options]
        server.program = Program("server", [*strace, binary("auditcast"), "serve"], server.folder, server.env())
        server.url = server.program.line(server.program.err, r"serving on (https?://[^\s\"]+)")[1]
        return server, log

    return traced


def send(server):
    """Several producers at once, one entry a request, each under an id of its own."""

    def produce(producer):
        for number in range(ENTRIES):
            entry = {"_id": f"trace-{producer}-{number}", "action": "updateOn", "resource": "proj/a:env/b:flag/c"}
            answer = server.call("POST", "/ingest/entries?ids=true", json=entry)
            assert answer.status_code == 202, answer.text

    with concurrent.futures.ThreadPoolExecutor(PRODUCERS) as pool:
        list(pool.map(produce, range(PRODUCERS)))


def end(server):
    # strace hands no signal on, so the server is asked itself.
    for child in psutil.Process(server.program.pid).children(recursive=True):
        child.send_signal(signal.SIGTERM)
    server.program.wait(60)


def check(server, log):
    command = [
        sys.executable, str(CHECKER), str(log), "--wal", str(server.data / "auditcast.db-wal"),
        "--ack", r"^HTTP/1\.1 202", "--id", r'"id":"(trace-[0-9-]+)"', "--least", str(PRODUCERS * ENTRIES),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_no_202_leaves_before_its_rows_are_synced(traced):
    server, log = traced()
    send(server)
    end(server)
    checked = check(server, log)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_check_notices_syncs_that_do_not_happen(traced):
    # From the tenth on, a sync of the writer says that it was done, and is not.
    server, log = traced("-e", "inject=fsync,fdatasync:retval=0:when=10+")
    send(server)
    end(server)
    checked = check(server, log)
    assert checked.returncode == 1, checked.stdout + checked.stderr
