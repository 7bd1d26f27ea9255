"""The setting that leaves the index for searches out."""

from support import entries
from support.polling import until

# Entries outside the index that a search still reads (docs/api.md).
READ_MOST = 200_000
BATCH = 1_000
HAY = [{"action": "updateOn", "resource": "proj/p:env/e:flag/hay"}]


def found(server, text):
    return server.call("GET", f"/api/v2/auditlog?q={text}")


def unindexed(server):
    lines = server.call("GET", "/metrics").text.splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("auditcast_unindexed_entries "))


def test_without_the_index_searches_end_at_a_limit_and_with_it_they_go_on(make_server):
    server = make_server(AUDITCAST_SEARCH_INDEX="off").start()
    sought = entries.plain(name="needle")
    server.ingest([sought])
    assert [item["_id"] for item in found(server, "needle").json()["items"]] == [sought["_id"]]
    assert unindexed(server) >= 1

    for number in range(READ_MOST // BATCH):
        server.ingest([{"_id": f"{number}-{one}", "name": "hay", "accesses": HAY} for one in range(BATCH)])
    refused = found(server, "needle")
    assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
    assert "search_index" in refused.json()["message"]
    assert unindexed(server) > READ_MOST

    server.stop()
    server.settings["AUDITCAST_SEARCH_INDEX"] = "on"
    server.start()
    until(lambda: unindexed(server) == 0, "all entries in the index", seconds=300)
    assert [item["_id"] for item in found(server, "needle").json()["items"]] == [sought["_id"]]
