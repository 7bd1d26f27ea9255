"""CloudEvents as the project's own Python SDK writes them."""

import datetime
import json
from urllib.parse import quote

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

PATH = "/ingest/cloudevents"


@pytest.fixture
def server(make_server):
    return make_server().start()


def event(number, data, **attributes):
    return CloudEvent({
        "id": f"id {number}%ä", "source": "https://shop.test/orders?x=1", "type": "com.example.invoice.paid",
        "subject": "org/acme:invoice/42", "time": datetime.datetime(2026, 9, 21, 14, 13, 20, tzinfo=datetime.timezone.utc),
        **attributes,
    }, data)


def send(server, message):
    answer = server.call("POST", PATH + "?ids=true", data=message.body, headers=dict(message.headers))
    assert answer.status_code == 202, f"{answer.status_code} {answer.text} {message}"
    return answer.json()


def read(server, done):
    return server.call("GET", f"/api/v2/auditlog/{quote(done['items'][0]['id'], safe='')}").json()


DATA = {
    "json": ({"total": 12.5, "lines": [1, "ü"]}, "application/json"),
    "text": ("plain ü", "text/plain"),
    "bytes": (b"\xff\x00", "application/octet-stream"),
}


@pytest.mark.parametrize("write", [to_binary_event, to_structured_event], ids=["binary", "structured"])
@pytest.mark.parametrize("form", DATA)
def test_an_event_of_the_sdk_is_an_entry_and_its_repeat_a_duplicate(server, form, write):
    data, content_type = DATA[form]
    message = write(event(1, data, datacontenttype=content_type))
    done = send(server, message)
    assert done["accepted"] == 1
    assert done["items"][0]["id"] == "https://shop.test/orders?x=1 id 1%ä"
    entry = read(server, done)
    assert entry["date"] == 1790000000000
    assert entry["accesses"] == [{"action": "com.example.invoice.paid", "resource": "org/acme:invoice/42"}]
    assert send(server, message)["duplicates"] == 1


def test_events_of_the_sdk_are_taken_as_a_batch(server):
    batch = [json.loads(to_structured_event(event(number, {"n": number})).body) for number in range(3)]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    answer = server.call("POST", PATH, data=json.dumps(batch).encode(), headers=headers)
    assert answer.status_code == 202 and answer.json()["accepted"] == 3, answer.text
