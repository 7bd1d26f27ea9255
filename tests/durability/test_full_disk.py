"""A disk without room: ingest is refused and says why, the rest goes on, and with room again so does ingest.

Needs the right to mount a small file system in memory. Where there is none, this is left out, and
`test_disk_faults.py` fails the system calls instead.
"""

import subprocess

import pytest
from support import entries
from support.destinations import CONFIGS
from support.polling import until

SIZE = 48 << 20
FREE_MIN = 8 << 20
LOG = {"AUDITCAST_WAL_CHECKPOINT_BYTES": 1 << 20, "AUDITCAST_WAL_RESTART_BYTES": 4 << 20}


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    # Lazily, for what is killed at the end of the test may still have files open.
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder, leave=0):
    """Takes all room but so many bytes; the file that takes it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        free = int(subprocess.run(["stat", "-f", "-c", "%a", str(folder)], capture_output=True, text=True, check=True).stdout) * 4096
        for _ in range((free - leave) // 4096 if leave else free // 4096 + 1):
            try:
                file.write(bytes(4096))
            except OSError:
                break
    return filler


def ingest(server, batch):
    return server.call("POST", "/ingest/entries", json=batch)


def assert_refused_for_want_of_room(answer):
    assert (answer.status_code, answer.json().get("code")) == (503, "store_full"), answer.text
    assert int(answer.headers["Retry-After"]) >= 1


def ingest_until_refused(server, acknowledged):
    """Room that files have already is used up first."""
    for _ in range(200):
        batch = [entries.plain(comment="x" * 100_000)]
        answer = ingest(server, batch)
        if answer.status_code != 202:
            return answer
        acknowledged += batch
    raise AssertionError("the disk does not fill")


def until_taken(server, acknowledged):
    batch = [entries.plain()]
    until(lambda: ingest(server, batch).status_code == 202, "ingest goes on")
    acknowledged += batch


def assert_all_there(server, acknowledged):
    for entry in acknowledged:
        assert server.ingest([entry])["duplicates"] == 1, "what was acknowledged is there"


def test_nearly_full_only_ingest_is_refused(make_server, receiver, small_disk):
    server = make_server(small_disk, receiver=receiver, AUDITCAST_DISK_FREE_MIN_BYTES=FREE_MIN, **LOG).start()
    created = server.subscribe("splunk", CONFIGS["splunk"])
    other = server.subscribe("datadog", CONFIGS["datadog"], on=False)
    server.patch(created, {"op": "replace", "path": "/on", "value": False})
    acknowledged = [entries.plain() for _ in range(30)]
    receiver.expect(entries.ids(acknowledged))
    server.ingest(acknowledged)
    filler = fill(small_disk, leave=FREE_MIN // 2)
    # The server looks at the free room only now and then.
    until(lambda: ingest(server, [entries.plain()]).status_code != 202, "ingest is refused")
    assert_refused_for_want_of_room(ingest(server, [entries.plain()]))

    server.patch(created, {"op": "replace", "path": "/on", "value": True})
    receiver.until_stored(entries.ids(acknowledged), ["splunk"])
    server.until_settled(created)
    assert server.call("DELETE", f"/api/v2/integrations/datadog/{other['_id']}").status_code == 204
    assert server.call("GET", "/readyz").status_code == 503, "who watches it is told"
    assert_refused_for_want_of_room(ingest(server, [entries.plain()]))

    filler.unlink()
    until_taken(server, acknowledged)
    assert server.stop() == 0
    server.start()
    assert_all_there(server, acknowledged)


def test_full_to_the_last_byte_nothing_is_lost_and_reads_go_on(make_server, small_disk):
    server = make_server(small_disk, AUDITCAST_DISK_FREE_MIN_BYTES=0, **LOG).start()
    created = server.subscribe("splunk", CONFIGS["splunk"], on=False)
    acknowledged = []
    for _ in range(3):
        filler = fill(small_disk)
        assert_refused_for_want_of_room(ingest_until_refused(server, acknowledged))
        assert server.subscription(created)["_id"] == created["_id"]
        assert server.call("DELETE", f"/api/v2/integrations/splunk/{created['_id'][::-1]}").status_code == 404
        filler.unlink()
        until_taken(server, acknowledged)
    # Killed while it is full, it starts again once there is room.
    filler = fill(small_disk)
    assert_refused_for_want_of_room(ingest_until_refused(server, acknowledged))
    server.kill()
    filler.unlink()
    server.start()
    until_taken(server, acknowledged)
    assert_all_there(server, acknowledged)
