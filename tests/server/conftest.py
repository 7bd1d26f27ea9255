"""The fixtures of tests/support."""

from support.fixtures import make_server, receiver, server  # noqa: F401
