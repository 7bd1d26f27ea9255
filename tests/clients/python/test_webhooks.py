"""Webhooks with LaunchDarkly's Python client, and the requests of its Terraform provider."""

import launchdarkly_api
import pytest
from conftest import assert_error, client_with
from launchdarkly_api.api.webhooks_api import WebhooksApi

STATEMENTS = [{"effect": "allow", "resources": ["proj/shop:env/*:flag/*"], "notActions": ["updateDescription"]}]
NEW = {"url": "https://ci.corp.test/ld", "sign": True, "secret": "s3cr3t-value", "on": False, "tags": ["ci"], "statements": STATEMENTS}


@pytest.fixture(scope="session")
def webhooks(client):
    return WebhooksApi(client)


@pytest.fixture
def made(webhooks, name):
    made = webhooks.post_webhook({**NEW, "name": name})
    assert made is not None, "the client reads a create only from a 200"
    yield made
    try:
        webhooks.delete_webhook(made.id)
    except launchdarkly_api.exceptions.NotFoundException:
        pass


def test_what_is_made_is_read_and_listed_with_its_secret(webhooks, made, name):
    read = webhooks.get_webhook(made.id)
    assert (read.name, read.url, read.secret, read.on, read.tags) == (name, NEW["url"], NEW["secret"], False, ["ci"])
    assert [statement.to_dict() for statement in read.statements] == STATEMENTS
    assert made.id in {webhook.id for webhook in webhooks.get_all_webhooks().items}


def test_a_patch_changes_it_and_a_delete_ends_it(webhooks, made):
    changed = webhooks.patch_webhook(made.id, [{"op": "replace", "path": "/url", "value": "https://other.corp.test"}])
    assert changed.url == "https://other.corp.test"
    webhooks.delete_webhook(made.id)
    with pytest.raises(launchdarkly_api.exceptions.NotFoundException):
        webhooks.get_webhook(made.id)


def test_one_to_be_signed_without_a_secret_gets_one(webhooks):
    made = webhooks.post_webhook({"url": NEW["url"], "sign": True, "on": False})
    webhooks.delete_webhook(made.id)
    assert len(made.secret) >= 32 and made.tags == []


def test_mistakes_are_told(webhooks, url, ingest_token):
    with pytest.raises(launchdarkly_api.exceptions.BadRequestException):
        webhooks.post_webhook({"url": "no address", "sign": False, "on": False})
    with pytest.raises(launchdarkly_api.exceptions.ForbiddenException):
        WebhooksApi(client_with(url, ingest_token)).get_all_webhooks()


def test_the_sequence_of_the_provider(http, name):
    created = http("POST", "/api/v2/webhooks", json={"url": NEW["url"], "on": True, "name": "", "sign": False})
    assert created.status_code == 200, created.text
    path = f"/api/v2/webhooks/{created.json()['_id']}"
    tagged = http("PATCH", path, json=[{"op": "replace", "path": "/tags", "value": ["terraform"]}])
    assert tagged.status_code == 200, tagged.text

    def update(secret, last):
        operations = [
            {"op": "replace", "path": "/url", "value": "https://other.corp.test"},
            {"op": "replace", "path": "/secret", "value": secret},
            {"op": "replace", "path": "/on", "value": False},
            {"op": "replace", "path": "/name", "value": name},
            {"op": "replace", "path": "/tags", "value": ["terraform"]},
            last,
        ]
        updated = http("PATCH", path, json=operations)
        assert updated.status_code == 200, updated.text
        return http("GET", path).json()

    read = update("SuperSecret", {"op": "replace", "path": "/statements", "value": STATEMENTS})
    assert (read["secret"], read["statements"], read["on"]) == ("SuperSecret", STATEMENTS, False)
    read = update("", {"op": "remove", "path": "/statements"})
    assert not read.get("secret") and not read.get("statements")
    assert http("DELETE", path).status_code == 204
    gone = http("GET", path)
    assert_error(404, "not_found", gone.status_code, gone.headers, gone.text)
