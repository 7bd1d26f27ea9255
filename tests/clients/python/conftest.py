"""The server under test, and subscriptions that do not outlive their test."""

import json
import os
import pathlib
import uuid

import launchdarkly_api
import pytest
import requests
from launchdarkly_api.api.integration_audit_log_subscriptions_api import IntegrationAuditLogSubscriptionsApi

CASES = json.loads((pathlib.Path(__file__).parent.parent / "configs.json").read_text())

STATEMENTS = [
    {"effect": "allow", "resources": ["proj/*:env/production:flag/*;beta,gamma", "proj/*"], "actions": ["*"]},
    {"effect": "deny", "notResources": ["proj/shop:env/*;{critical:true}:flag/*"], "notActions": ["updateOn", "create*"]},
    {"effect": "allow", "resources": ["acct", "member/*:token/*"], "notActions": ["delete*"]},
]


def setting(name):
    value = os.environ.get(name)
    if not value:
        pytest.exit(f"{name} is not set; tests/clients/README.md says what it holds", returncode=2)
    return value


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES, ids=[case["key"] for case in CASES])


@pytest.fixture(scope="session")
def url():
    return setting("AUDITCAST_TEST_URL").rstrip("/")


@pytest.fixture(scope="session")
def tls_url():
    return setting("AUDITCAST_TEST_TLS_URL").rstrip("/")


@pytest.fixture(scope="session")
def ca():
    return setting("AUDITCAST_TEST_CA")


@pytest.fixture(scope="session")
def token():
    return setting("AUDITCAST_TEST_TOKEN")


@pytest.fixture(scope="session")
def ingest_token():
    return setting("AUDITCAST_TEST_INGEST_TOKEN")


@pytest.fixture(scope="session")
def client(url, token):
    return client_with(url, token)


@pytest.fixture(scope="session")
def subscriptions(client):
    return IntegrationAuditLogSubscriptionsApi(client)


@pytest.fixture
def http(url, token):
    """`http(method, path, …)` sends a bare request; the client library would not send a wrong one."""
    with requests.Session() as session:
        session.headers["Authorization"] = token

        def send(method, path, **options):
            options.setdefault("timeout", 30)
            return session.request(method, url + path, **options)

        yield send


@pytest.fixture
def name():
    return f"client test {uuid.uuid4()}"


@pytest.fixture
def created(subscriptions, case, name):
    """A subscription of the integration of this case."""
    body = {"name": name, "on": False, "tags": ["b", "a"], "config": case["config"], "statements": STATEMENTS}
    subscription = subscriptions.create_subscription(case["key"], body)
    assert subscription is not None, "the client reads a create only from a 201"
    yield subscription
    forget(subscriptions, case["key"], subscription.id)


def client_with(url, token):
    keys = {"ApiKey": token} if token is not None else {}
    return launchdarkly_api.ApiClient(launchdarkly_api.Configuration(host=url, api_key=keys))


def forget(subscriptions, key, subscription_id):
    try:
        subscriptions.delete_subscription(key, subscription_id)
    except launchdarkly_api.exceptions.NotFoundException:
        pass


def masked(case, config=None):
    """The config as the server shows it."""
    shown = dict(config or case["config"])
    if case["secret"]:
        shown[case["secret"]] = case["mask"]
    return shown


def assert_error(status, code, answered_status, headers, text):
    """The answer is an error in the form that every client reads."""
    assert answered_status == status, text
    assert headers["Content-Type"].split(";")[0] == "application/json"
    body = json.loads(text)
    assert body["code"] == code, text
    assert isinstance(body["message"], str) and body["message"], text
    uuid.UUID(body["id"])
    for error in body.get("errors", []):
        assert isinstance(error["attribute"], str) and isinstance(error["reason"], str) and error["reason"], text
    return body
