"""Replays and redeliveries go on after a kill, until each of their entries has its count."""

from support import entries
from support.destinations import CONFIGS
from support.polling import until

COUNT = 40


def some(receiver, count):
    batch = [entries.plain("flag") for _ in range(count)]
    receiver.expect(entries.ids(batch))
    return batch


def ended(server, place):
    """The job at this place, once it has ended."""
    seen = {}

    def look():
        seen.update(server.call("GET", place).json())
        return seen["state"] != "running"

    until(look, lambda: f"the job ends: {seen}", 60)
    return seen


def make(server, place, body):
    answer = server.call("POST", place, json=body)
    assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
    return answer.headers["Location"]


def path(created):
    return f"/api/v2/integrations/{created['kind']}/{created['_id']}"


def test_a_replay_goes_on_after_a_kill(server, receiver):
    created = server.subscribe("splunk", CONFIGS["splunk"])
    batch = some(receiver, COUNT)
    first = server.ingest(batch)["firstSequence"]
    server.until_settled(created)
    receiver.fault("status", "splunk", status=503, forever=True)
    place = make(server, f"{path(created)}/replays", {"from": {"sequence": first}, "to": {"sequence": first + COUNT - 1}})
    for _ in range(3):
        server.until_state(created, "holding")
        server.kill()
        server.start()
        assert server.call("GET", place).json()["state"] == "running"
    receiver.clear_faults()
    job = ended(server, place)
    assert job["state"] == "done"
    assert job["counts"] == {"accepted": COUNT, "refused": 0, "filtered": 0, "skipped": 0}
    stored = receiver.stored("splunk")
    assert set(stored) == set(entries.ids(batch)) and min(stored.values()) >= 2


def test_a_dead_letter_is_redelivered_after_a_kill(server, receiver):
    created = server.subscribe("splunk", CONFIGS["splunk"])
    server.ingest(some(receiver, 1))
    server.until_settled(created)
    receiver.fault("status", "splunk", status=400, count=1)
    refused = some(receiver, 1)
    sequence = server.ingest(refused)["firstSequence"]

    def letters():
        return [letter["sequence"] for letter in server.call("GET", f"{path(created)}/dead-letters").json()["items"]]

    until(lambda: letters() == [sequence], letters)
    receiver.fault("status", "splunk", status=503, forever=True)
    place = make(server, f"{path(created)}/dead-letters/redeliver", {"all": True})
    server.until_state(created, "holding")
    server.kill()
    server.start()
    assert letters() == [sequence]
    receiver.clear_faults()
    assert ended(server, place)["counts"]["accepted"] == 1
    assert letters() == []
    receiver.until_stored(entries.ids(refused), ["splunk"])
    counts = server.call("GET", "/api/v2/integration-health").json()["items"][0]["counts"]
    assert (counts["delivered"], counts["dead"]) == (2, 0), counts
