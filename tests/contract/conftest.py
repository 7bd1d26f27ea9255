"""The fixtures of tests/support."""

from support.fixtures import make_server  # noqa: F401
