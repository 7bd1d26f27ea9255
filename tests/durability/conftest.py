"""The fixtures of tests/support."""

from support.fixtures import make_server, receiver  # noqa: F401
