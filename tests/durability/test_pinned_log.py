"""Another program that reads the database for long keeps the write-ahead log from starting anew: it grows, and shrinks after."""

import contextlib
import re
import sqlite3

from support import entries
from support.polling import until

LIMIT = 1 << 20
ENTRY = 100_000


def wal_bytes(server):
    text = server.call("GET", "/metrics").text
    return float(re.search(r"^auditcast_store_wal_bytes (\S+)$", text, re.MULTILINE)[1])


def ingest(server, count):
    for _ in range(count):
        server.ingest([entries.plain(comment="x" * ENTRY)])


def until_short(server):
    """Ingests until the log is no longer than it should be.

    While one thread moves it into the database, the writer's turn to start it anew has to wait, so that
    on a busy machine it can be longer for a few commits.
    """

    def look():
        ingest(server, 1)
        # A commit may begin below the limit and end beyond it.
        return wal_bytes(server) < LIMIT + 4 * ENTRY

    until(look, lambda: f"a log of {LIMIT} bytes, not of {wal_bytes(server)}")


def test_a_reader_in_the_way_lets_the_log_grow_and_ingest_go_on(make_server):
    server = make_server(AUDITCAST_WAL_CHECKPOINT_BYTES=LIMIT, AUDITCAST_WAL_RESTART_BYTES=LIMIT).start()
    ingest(server, 30)
    until_short(server)
    with contextlib.closing(sqlite3.connect(f"file:{server.data}/auditcast.db?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT count(*) FROM entry").fetchone()
        ingest(server, 40)
        assert reader.execute("SELECT count(*) FROM entry").fetchone() == before, "the reader holds what it saw"
        assert wal_bytes(server) > 3 * LIMIT
        told = "a reader keeps the write-ahead log from starting anew"
        until(lambda: told in server.program.errors(), lambda: f"{told}: {server.program.errors()}")
    ingest(server, 40)
    until_short(server)
    assert server.stop() == 0
    assert not (server.data / "auditcast.db-wal").exists() or (server.data / "auditcast.db-wal").stat().st_size == 0
