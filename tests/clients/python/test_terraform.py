"""The requests of LaunchDarkly's Terraform provider, byte for byte where it matters, over HTTPS."""

import http.client
import json
import ssl
import urllib.parse

import pytest
from conftest import assert_error, masked

# The Go client sends its own version header and the provider adds another one.
HEADERS = [
    ("User-Agent", "launchdarkly-terraform-provider/2.25.0"),
    ("Accept", "application/json"),
    ("Ld-Api-Version", "20240415"),
    ("Ld-Api-Version", "20240415"),
    ("Accept-Encoding", "identity"),
]

STATEMENTS = [
    {"effect": "deny", "resources": ["proj/*"], "actions": ["*"]},
    {"effect": "allow", "notResources": ["proj/*:env/production:flag/*"], "notActions": ["deleteFlag", "updateOn"]},
]


class Provider:
    """Sends as the provider does: one connection, headers in its order."""

    def __init__(self, url, ca, token):
        address = urllib.parse.urlsplit(url)
        assert address.scheme == "https", "the provider speaks HTTPS only"
        context = ssl.create_default_context(cafile=ca)
        self.connection = http.client.HTTPSConnection(address.hostname, address.port or 443, context=context, timeout=30)
        self.token = token

    def send(self, method, path, body=None, headers=()):
        self.connection.putrequest(method, f"/api/v2/integrations/{path}", skip_accept_encoding=True)
        for name, value in [*HEADERS, ("Authorization", self.token), *headers]:
            self.connection.putheader(name, value)
        payload = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            self.connection.putheader("Content-Type", "application/json")
            self.connection.putheader("Content-Length", str(len(payload)))
        self.connection.endheaders(payload or None)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def read(self, key, subscription_id):
        status, headers, text = self.send("GET", f"{key}/{subscription_id}")
        assert status == 200, text
        # The Go client decodes nothing of another type.
        assert headers["Content-Type"].split(";")[0] == "application/json"
        return json.loads(text)


@pytest.fixture
def provider(tls_url, ca, token):
    provider = Provider(tls_url, ca, token)
    yield provider
    provider.connection.close()


@pytest.fixture
def applied(provider, case, name):
    """What `terraform apply` leaves: created, and then read."""
    body = {"name": name, "on": False, "tags": ["terraform"], "config": case["config"], "statements": STATEMENTS}
    status, _, text = provider.send("POST", case["key"], body)
    assert status == 201, text
    subscription_id = json.loads(text)["_id"]
    yield provider.read(case["key"], subscription_id)
    status, _, text = provider.send("DELETE", f"{case['key']}/{subscription_id}")
    assert status in (204, 404), text


def assert_state(subscription, case, **expected):
    """The provider compares these with its plan; a difference is drift."""
    for member, value in expected.items():
        if member == "config":
            assert subscription["config"] == masked(case, value)
            for field, sent in value.items():
                assert type(subscription["config"][field]) is type(sent), field
        elif member == "tags":
            assert sorted(subscription["tags"]) == sorted(value)
        else:
            assert subscription[member] == value, member
    assert isinstance(subscription["_id"], str)


def test_apply_reads_back_what_it_created(case, applied, name):
    assert_state(applied, case, name=name, on=False, tags=["terraform"], config=case["config"], statements=STATEMENTS)


def test_a_second_plan_finds_no_difference(provider, case, applied):
    assert provider.read(case["key"], applied["_id"]) == applied


def test_update_replaces_all_five_members_at_once(provider, case, applied):
    config = {**case["config"], case["change"]["field"]: case["change"]["value"]}
    statements = [{"effect": "allow", "resources": ["proj/*:env/production:flag/*"], "actions": ["*"]}]
    update = [
        {"op": "replace", "path": "/name", "value": "renamed"},
        {"op": "replace", "path": "/tags", "value": []},
        {"op": "replace", "path": "/config", "value": config},
        {"op": "replace", "path": "/on", "value": True},
        {"op": "replace", "path": "/statements", "value": statements},
    ]
    status, _, text = provider.send("PATCH", f"{case['key']}/{applied['_id']}", update)
    assert status == 200, text
    updated = provider.read(case["key"], applied["_id"])
    assert_state(updated, case, name="renamed", on=True, tags=[], config=config, statements=statements)
    status, _, text = provider.send("PATCH", f"{case['key']}/{applied['_id']}", update)
    assert status == 200 and provider.read(case["key"], applied["_id"])["config"] == updated["config"], text


def test_destroy_deletes_and_the_next_read_is_404(provider, case, applied):
    status, _, text = provider.send("DELETE", f"{case['key']}/{applied['_id']}")
    assert (status, text) == (204, "")
    for method in ("GET", "DELETE"):
        status, headers, text = provider.send(method, f"{case['key']}/{applied['_id']}")
        assert_error(404, "not_found", status, headers, text)


def test_the_data_source_creates_without_on(provider, case, name):
    body = {"name": name, "config": case["config"], "statements": STATEMENTS}
    status, _, text = provider.send("POST", case["key"], body)
    assert status == 201, text
    created = json.loads(text)
    read = provider.read(case["key"], created["_id"])
    provider.send("DELETE", f"{case['key']}/{created['_id']}")
    # A default of the manifest is not shown: the data source would see a field that no one set.
    assert_state(read, case, name=name, on=False, tags=[], config=case["config"], statements=STATEMENTS)


def test_the_data_source_gets_404_for_an_id_that_is_none(provider, case):
    status, headers, text = provider.send("GET", f"{case['key']}/fake-id")
    assert_error(404, "not_found", status, headers, text)


def test_a_mistake_is_never_answered_with_a_status_that_is_retried(provider, case, name):
    wrong = {"name": name, "on": False, "tags": [], "config": {**case["config"], "no-such-field": "x"}, "statements": STATEMENTS}
    status, headers, text = provider.send("POST", case["key"], wrong)
    assert_error(400, "invalid_request", status, headers, text)


def test_version_headers_that_differ_or_are_unknown_are_taken(provider, case, applied):
    path = f"{case['key']}/{applied['_id']}"
    for extra in ("beta", "20160426", "99999999", "x"):
        status, _, text = provider.send("GET", path, headers=[("LD-API-Version", extra)])
        assert status == 200, text
