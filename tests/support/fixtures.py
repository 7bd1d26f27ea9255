"""Fixtures that each folder of tests imports into its conftest."""

import pytest

from support.receiver import Receiver
from support.server import Server


@pytest.fixture
def receiver(tmp_path):
    receiver = Receiver(tmp_path)
    yield receiver
    receiver.stop()


@pytest.fixture
def make_server(tmp_path):
    """`make_server(…)` makes a server, not yet started, that ends with the test."""
    made = []

    def make(folder=tmp_path, **options):
        server = Server(folder, **options)
        made.append(server)
        return server

    yield make
    for server in made:
        server.close()


@pytest.fixture
def server(make_server, receiver):
    """A server that reaches the receiver under the names of the vendors."""
    return make_server(receiver=receiver).start()
