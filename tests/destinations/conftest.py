"""What one server sent to all destinations, kept for the tests that look at it, and the fixtures."""

import dataclasses

import pytest
from support import entries
from support.destinations import ALL, CONFIGS, QUICK
from support.fixtures import make_server, receiver, server  # noqa: F401
from support.receiver import Receiver
from support.server import Server


@dataclasses.dataclass
class Sent:
    """The ids of what was ingested, and by destination the requests, counts and subscription."""

    ids: list
    received: dict
    counts: dict
    stored: dict
    subscriptions: dict


def send(folder, batch, destinations, seconds):
    """Sends `batch` through a server and a receiver that live for this only."""
    receiver = Receiver(folder)
    server = Server(folder, receiver=receiver)
    try:
        server.start()
        ids = entries.ids(batch)
        receiver.expect(ids)
        created = {key: server.subscribe(key, CONFIGS[key]) for key in destinations}
        answer = server.ingest(batch)
        assert answer["accepted"] == len(ids)
        server.until_settled(*created.values(), seconds=seconds)
        return Sent(
            ids,
            {key: receiver.received(key) for key in destinations},
            {key: receiver.counts(key) for key in destinations},
            {key: receiver.stored(key) for key in destinations},
            {key: server.subscription(one) for key, one in created.items()},
        )
    finally:
        server.close()
        receiver.stop()


@pytest.fixture(scope="session")
def sent_to_all(tmp_path_factory):
    """Every kind, plain and hostile, and minimal entries, to all."""
    batch = [entries.plain(kind) for kind in entries.KINDS]
    batch += [entries.hostile(kind, entries.EVERY_HOSTILE) for kind in entries.KINDS]
    batch += [entries.hostile("flag", entries.HOSTILE["long"])]
    batch += entries.minimal()
    return send(tmp_path_factory.mktemp("all"), batch, ALL, 90)


@pytest.fixture(scope="session")
def sent_to_the_quick(tmp_path_factory):
    """Each hostile text in each kind, to those that take more than one message a second."""
    batch = [entries.hostile(kind, text) for kind in entries.KINDS for text in entries.HOSTILE.values()]
    return send(tmp_path_factory.mktemp("quick"), batch, QUICK, 90)
