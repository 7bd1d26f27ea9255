"""Splunk behind a certificate that nobody signed for us."""

import pytest
from support import entries
from support.destinations import CONFIGS


@pytest.fixture
def server(make_server, receiver):
    """A server that does not know the receiver's authority."""
    return make_server(receiver=receiver, AUDITCAST_EXTRA_CA=None).start()


def splunk(skip):
    return {**CONFIGS["splunk"], "skip-ca-verification": skip}


def test_with_checks_skipped_it_delivers(server, receiver):
    created = server.subscribe("splunk", splunk(True))
    batch = [entries.plain()]
    receiver.expect(entries.ids(batch))
    server.ingest(batch)
    receiver.until_stored(entries.ids(batch), ["splunk"])
    assert server.subscription(created)["_status"]["errorCount"] == 0


def test_with_checks_it_is_suspended_for_the_certificate_and_goes_on_when_they_are_skipped(server, receiver):
    created = server.subscribe("splunk", splunk(False))
    batch = [entries.plain()]
    receiver.expect(entries.ids(batch))
    server.ingest(batch)
    delivery = server.until_state(created, "suspended")["_delivery"]
    assert "certificate" in delivery["reason"].lower(), delivery
    assert delivery["waiting"] == len(batch)
    assert receiver.received() == [], "nothing is sent to whom is not trusted"
    server.patch(created, {"op": "replace", "path": "/config/skip-ca-verification", "value": True})
    receiver.until_stored(entries.ids(batch), ["splunk"])


def test_skipping_for_one_subscription_does_not_skip_for_another(server, receiver):
    careless = server.subscribe("splunk", splunk(True))
    careful = server.subscribe("splunk", splunk(False))
    batch = [entries.plain() for _ in range(3)]
    receiver.expect(entries.ids(batch))
    server.ingest(batch)
    server.until_settled(careless)
    server.until_state(careful, "suspended")
    assert receiver.counts("splunk")["duplicates"] == 0, "only the careless one delivered"
