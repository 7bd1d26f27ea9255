"""A disk that fails, call by call: what was acknowledged stays, and a failed sync is the last thing that a process does.

strace lets a system call fail, in each thread at the call with a given number. Here it does so at one
call after the other of a short run on the store, or on a server.
"""

import concurrent.futures
import os
import signal
import subprocess

import power_cuts
import psutil
import pytest
from support import entries
from support.programs import Program, binary
from support.server import session

# Each so-manieth call of the run; 1 takes a few minutes.
EVERY = int(os.environ.get("DISK_FAULTS_EVERY", "12"))
ROUNDS = 3
SIGABRT = signal.SIGABRT
# How far each thread comes in a run without faults is less than this.
CALLS_MAX = 400
SYNCS = "fdatasync,fsync"

FAULTS = [
    ("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), (SYNCS, "EIO"), (SYNCS, "ENOSPC"),
    ("pread64", "EIO"), ("openat", "EIO"), ("openat", "EMFILE"), ("ftruncate", "EIO"), ("ftruncate", "ENOSPC"), ("unlink", "EIO"),
]


@pytest.fixture(scope="module")
def checker():
    with power_cuts.Checker([binary("examples/power_cuts"), "check"]) as checker:
        yield checker


def work(folder, inject):
    """A run in which one call fails: how it ended, what it said, and how many calls strace let fail."""
    data, trace = folder / "data", folder / "trace.log"
    data.mkdir(parents=True)
    # Only what concerns these files; else loading the program would be what fails.
    names = ["auditcast.db", "auditcast.db-wal", "auditcast.db-journal", "auditcast.db-shm"]
    paths = [argument for path in [data, *(data / name for name in names)] for argument in ("-P", str(path))]
    strace = ["strace", "-f", *paths, "-o", str(trace), "-e", f"trace={inject.partition(':')[0]}", "-e", f"inject={inject}"]
    done = subprocess.run(
        [*strace, binary("examples/power_cuts"), "work", str(data), "1", str(ROUNDS)],
        capture_output=True, check=False, timeout=120,
    )
    return done, trace.read_text(errors="replace").count("(INJECTED)")


@pytest.mark.parametrize(("calls", "error"), FAULTS, ids=[f"{calls.split(',')[0]}-{error}" for calls, error in FAULTS])
def test_a_call_that_fails_loses_nothing_that_was_acknowledged(tmp_path, checker, capsys, calls, error):
    failed, wrong = 0, []
    step = EVERY if calls in ("pwrite64", "pread64") else max(1, EVERY // 4)
    for number in range(1, CALLS_MAX, step):
        folder = tmp_path / str(number)
        done, injected = work(folder, f"{calls}:error={error}:when={number}")
        if not injected:
            break
        failed += injected
        files = {path.name: path.read_bytes() for path in (folder / "data").iterdir() if not path.name.endswith("-shm")}
        answer = checker.check(f"{calls}-{error}-{number}", files, done.stdout)
        if not answer.startswith("ok "):
            wrong.append(f"{calls} number {number} with {error}: {answer}; ended with {done.returncode}: {done.stderr.decode()[-300:]}")
        # What is refused is told and the run goes on; only a failed sync ends it.
        if calls == SYNCS and done.returncode == 0:
            wrong.append(f"{calls} number {number} with {error}: the run went on")
        if b"panicked" in done.stderr:
            wrong.append(f"{calls} number {number} with {error}: {done.stderr.decode()[-300:]}")
    with capsys.disabled():
        print(f"\n{calls} {error}: {failed} calls failed, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
    assert failed, "no call failed"


@pytest.fixture
def faulty(make_server, tmp_path):
    """`faulty(inject, **settings)` starts a server whose calls fail or wait."""

    def faulty(inject, **settings):
        server = make_server(**settings)
        strace = ["strace", "-f", "--seccomp-bpf", "-o", str(tmp_path / "faults.log"), "-e", f"trace={inject.partition(':')[0]}"]
        server.program = Program("server", [*strace, "-e", f"inject={inject}", binary("auditcast"), "serve"], server.folder, server.env())
        server.url = server.program.line(server.program.err, r"serving on (https?://[^\s\"]+)")[1]
        return server

    return faulty


def end(server):
    """strace hands no signal on, so the server is asked itself."""
    for child in psutil.Process(server.program.pid).children(recursive=True):
        child.send_signal(signal.SIGTERM)
    server.program.wait(60)


def post(server, batch, http):
    return http.post(f"{server.url}/ingest/entries?ids=true", json=batch, headers={"Authorization": server.token}, timeout=60)


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_server_whose_sync_fails_says_so_and_ends_and_loses_nothing(faulty, error):
    server = faulty(f"{SYNCS}:error={error}:when=14")
    acknowledged = []
    for _ in range(100):
        batch = [entries.plain()]
        try:
            answer = post(server, batch, server.http)
        except OSError:
            break
        if answer.status_code != 202:
            break
        acknowledged += batch
    assert 0 < len(acknowledged) < 100
    # strace ends as the program under it did.
    assert server.program.wait(30) in (-SIGABRT, 128 + SIGABRT)
    assert "a sync failed: the process ends" in server.program.errors()
    server.start()
    assert server.ingest(acknowledged)["duplicates"] == len(acknowledged), "what was acknowledged is there"


def test_a_slow_disk_makes_ingest_slow_and_bounded_and_never_wrong(faulty):
    # A tenth of a second for each sync, and room for a few entries in the queue.
    server = faulty(
        f"{SYNCS}:delay_enter=100000", AUDITCAST_INGEST_ENTRY_MAX_BYTES=20_000, AUDITCAST_INGEST_BODY_MAX_BYTES=20_000,
        AUDITCAST_INGEST_QUEUE_MAX_BYTES=40_000,
    )

    def produce(_):
        with session() as http:
            told = []
            for _ in range(12):
                batch = [entries.plain(comment="x" * 9_000)]
                told.append((batch, post(server, batch, http)))
            return told

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        told = [item for items in pool.map(produce, range(16)) for item in items]
    statuses = {answer.status_code for _, answer in told}
    assert 202 in statuses and statuses & {429, 503} and statuses <= {202, 429, 503}, statuses
    for _, answer in told:
        if answer.status_code != 202:
            assert int(answer.headers["Retry-After"]) >= 1, answer.text
    acknowledged = [entry for batch, answer in told if answer.status_code == 202 for entry in batch]
    end(server)
    server.start()
    for entry in acknowledged:
        assert server.ingest([entry])["duplicates"] == 1, "what was acknowledged is there"
