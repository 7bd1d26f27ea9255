"""Waiting for something to become true, never for a length of time."""

import time

INTERVAL = 0.03


def until(condition, what, seconds=30):
    """The first truthy result of `condition()`; an AssertionError that names `what` after `seconds`.

    `what` is a text, or a function that makes one when it is too late.
    """
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(INTERVAL)


def stays(condition, what, seconds):
    """Fails as soon as `condition()` is not true within `seconds`: for what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), what() if callable(what) else what
        time.sleep(INTERVAL)
