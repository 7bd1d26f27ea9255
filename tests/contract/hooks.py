"""What schemathesis has to be told that the document cannot say."""

import datetime

import schemathesis
from hypothesis import strategies as st


def _specifiers():
    """Specifiers as docs/policies.md describes them; their grammar is too deep for a pattern."""
    names = st.text("abcXYZ019._*-", min_size=1, max_size=6)
    kinds = st.sampled_from(["proj", "env", "flag", "org", "webhook", "integration"])
    segments = st.builds("{}/{}".format, kinds, names)
    selectors = st.one_of(names, names.map("view:{}".format), names.map("{{critical:{}}}".format))
    with_selectors = st.builds(
        lambda segment, chosen: segment + (";" + ",".join(chosen) if chosen else ""),
        segments, st.lists(selectors, max_size=2),
    )
    return st.one_of(st.just("acct"), st.lists(with_selectors, min_size=1, max_size=3).map(":".join))


schemathesis.openapi.format("resource-specifier", _specifiers())
# What happened before 1970 is in no audit log; there is no keyword for it.
_TIMES = st.datetimes(datetime.datetime(1970, 1, 2), datetime.datetime(2999, 1, 1))
schemathesis.openapi.format("date-time", _TIMES.map(lambda time: time.isoformat(timespec="seconds") + "Z"))
# No name under .invalid has an address (RFC 2606), so nobody is called by a webhook that is made here.
schemathesis.openapi.format("http-address", st.text("abc019-", max_size=8).map("https://hooks.invalid/{}".format))


def _with_plain_numbers(value):
    """The same value, in which 1.0 is 1, and numbers that are too large are 0.

    JSON Schema takes 1.0 for a whole number and knows no largest one. The server does not, and says so at the
    head of its document.
    """
    if isinstance(value, int) and abs(value) > 10 ** 308:
        return 0
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_plain_numbers(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_plain_numbers(member) for name, member in value.items()}
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes of a request one that can be judged, and that starts no delivery."""
    case.body = _with_plain_numbers(case.body)
    if isinstance(case.body, dict) and case.body.get("on") is True:
        case.body["on"] = False
    if isinstance(case.query, dict):
        # It comes out of a link. Others are refused, as the tests of the audit log in Rust show.
        case.query.pop("cursor", None)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Leaves bodies to other tests that are lines or protobuf: to schemathesis they are any text, right or wrong."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict) and "requestBody" in operation:
                for form in ("application/x-ndjson", "application/x-protobuf"):
                    operation["requestBody"]["content"].pop(form, None)


@schemathesis.deserializer("application/x-protobuf")
def raw(context, response):
    """What a protobuf holds is judged by the tests in Rust; here it is bytes of whatever kind."""
    return response.content.decode("latin-1")
