"""Access tokens with LaunchDarkly's Python client, and the requests of its Terraform provider."""

import time

import launchdarkly_api
import pytest
from conftest import assert_error, client_with
from launchdarkly_api.api.access_tokens_api import AccessTokensApi
from launchdarkly_api.api.account_members_api import AccountMembersApi
from launchdarkly_api.api.custom_roles_api import CustomRolesApi
from launchdarkly_api.api.other_api import OtherApi

STATEMENTS = [{"effect": "allow", "resources": ["integration/*"], "actions": ["*"]}]


@pytest.fixture(scope="session")
def tokens(client):
    return AccessTokensApi(client)


@pytest.fixture
def made(tokens, name):
    made = tokens.post_token({"name": name, "role": "reader", "serviceToken": True})
    assert made is not None, "the client reads a create only from a 201"
    yield made
    try:
        tokens.delete_token(made.id)
    except launchdarkly_api.exceptions.NotFoundException:
        pass


def identity_of(url, value):
    return OtherApi(client_with(url, value)).get_caller_identity()


def test_the_value_is_whole_once_and_works(tokens, made, url, name):
    assert identity_of(url, made.token).token_id == made.id
    read = tokens.get_token(made.id)
    assert (read.name, read.role, read.service_token) == (name, "reader", True)
    assert read.token == made.token[-4:]
    assert read.default_api_version == 20240415
    assert read.last_used is not None


def test_a_deleted_token_works_no_more(tokens, made, url):
    tokens.delete_token(made.id)
    with pytest.raises(launchdarkly_api.exceptions.UnauthorizedException):
        identity_of(url, made.token)
    with pytest.raises(launchdarkly_api.exceptions.NotFoundException):
        tokens.get_token(made.id)


def test_a_reset_gives_another_value(tokens, made, url):
    until = int(time.time() * 1000) + 3_600_000
    second = tokens.reset_token(made.id, expiry=until)
    assert second.id == made.id and second.token != made.token
    assert {identity_of(url, value).token_id for value in (made.token, second.token)} == {made.id}
    third = tokens.reset_token(made.id)
    for value in (made.token, second.token):
        with pytest.raises(launchdarkly_api.exceptions.UnauthorizedException):
            identity_of(url, value)
    assert identity_of(url, third.token).token_id == made.id


def test_a_patch_changes_it_and_one_that_cannot_be_applied_is_unprocessable(tokens, made):
    changed = tokens.patch_token(made.id, [{"op": "replace", "path": "/name", "value": "renamed"}])
    assert changed.name == "renamed"
    with pytest.raises(launchdarkly_api.exceptions.UnprocessableEntityException):
        tokens.patch_token(made.id, [{"op": "remove", "path": "/inlineRole"}])


def test_lists_have_pages(tokens, made):
    page = tokens.get_tokens(limit=1, offset=0, show_all=True)
    assert len(page.items) == 1 and page.total_count >= 2
    assert page.links["next"].href.startswith("/api/v2/tokens?")
    everyone = tokens.get_tokens(limit=1000, show_all=True)
    assert made.id in {token.id for token in everyone.items}


def test_inline_roles_and_the_ingest_role(tokens, client, http):
    for body, shown in [
        ({"inlineRole": STATEMENTS}, {"inlineRole": STATEMENTS}),
        ({"customRoleIds": ["ingest"]}, {"customRoleIds": ["ingest"]}),
    ]:
        token = tokens.post_token({"name": "x", **body})
        read = http("GET", f"/api/v2/tokens/{token.id}").json()
        tokens.delete_token(token.id)
        assert {member: read.get(member) for member in ("role", "inlineRole", "customRoleIds") if member in read} == shown
    role = CustomRolesApi(client).get_custom_role("ingest")
    assert (role.id, role.key) == ("ingest", "ingest")


def test_the_provider_finds_a_member(client, url, token):
    members = AccountMembersApi(client).get_members(limit=1)
    assert [member.id for member in members.items] == [identity_of(url, token).member_id]


def test_the_sequence_of_the_provider(http, name):
    created = http("POST", "/api/v2/tokens", json={"name": name, "serviceToken": False, "role": "writer"})
    assert created.status_code == 201, created.text
    path = f"/api/v2/tokens/{created.json()['_id']}"
    update = [
        {"op": "replace", "path": "/name", "value": f"{name} 2"},
        {"op": "remove", "path": "/role"},
        {"op": "replace", "path": "/inlineRole", "value": STATEMENTS},
    ]
    updated = http("PATCH", path, json=update)
    assert updated.status_code == 200, updated.text
    read = http("GET", path).json()
    assert (read["name"], read["inlineRole"], "role" in read) == (f"{name} 2", STATEMENTS, False)
    assert http("DELETE", path).status_code == 204
    gone = http("GET", path)
    assert_error(404, "not_found", gone.status_code, gone.headers, gone.text)


def test_a_token_without_the_right_is_refused(url, ingest_token):
    with pytest.raises(launchdarkly_api.exceptions.ForbiddenException):
        AccessTokensApi(client_with(url, ingest_token)).get_tokens()
