"""Every refusal has the documented status, a body that clients can read, and no effect."""

import json

import launchdarkly_api
import pytest
from conftest import STATEMENTS, assert_error, client_with
from launchdarkly_api.api.integration_audit_log_subscriptions_api import IntegrationAuditLogSubscriptionsApi

NO_ID = "66f0c0ffee00000000000000"


def base(key):
    return f"/api/v2/integrations/{key}"


def five_operations(key, subscription_id):
    """Create, list, read, change and delete."""
    one = f"{base(key)}/{subscription_id}"
    return [
        ("POST", base(key), {"name": "refused", "config": {}}),
        ("GET", base(key), None),
        ("GET", one, None),
        ("PATCH", one, [{"op": "replace", "path": "/name", "value": "refused"}]),
        ("DELETE", one, None),
    ]


def refused(answer, status, code):
    return assert_error(status, code, answer.status_code, answer.headers, answer.text)


def refused_at(answer, attribute):
    """A 400 that names the wrong field."""
    body = refused(answer, 400, "invalid_request")
    attributes = [error["attribute"] for error in body["errors"]]
    assert any(named == attribute or named.startswith((f"{attribute}.", f"{attribute}[")) for named in attributes), body


@pytest.mark.parametrize("sent", [None, "", "api-00000000-0000-4000-8000-000000000000", "Bearer nonsense", "ü"])
def test_without_a_valid_token_nothing_is_told(http, case, created, sent):
    # A session drops a header whose value is None.
    headers = {"Authorization": sent.encode() if sent is not None else None}
    for method, path, body in five_operations(case["key"], created.id):
        refused(http(method, path, json=body, headers=headers), 401, "unauthorized")


def test_a_token_may_follow_the_word_bearer(http, case, created, token):
    answer = http("GET", f"{base(case['key'])}/{created.id}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_a_token_for_ingest_may_not_touch_subscriptions(http, case, created, ingest_token):
    for method, path, body in five_operations(case["key"], created.id):
        if method == "POST":
            body = {"name": "refused", "config": case["config"]}
        refused(http(method, path, json=body, headers={"Authorization": ingest_token}), 403, "forbidden")
    assert http("GET", f"{base(case['key'])}/{created.id}").json()["name"] == created.name


def test_the_client_raises_what_the_status_says(url, ingest_token, subscriptions, case):
    errors = launchdarkly_api.exceptions
    with pytest.raises(errors.UnauthorizedException):
        IntegrationAuditLogSubscriptionsApi(client_with(url, "nonsense")).get_subscriptions(case["key"])
    with pytest.raises(errors.ForbiddenException):
        IntegrationAuditLogSubscriptionsApi(client_with(url, ingest_token)).get_subscriptions(case["key"])
    with pytest.raises(errors.NotFoundException):
        subscriptions.get_subscription_by_id(case["key"], NO_ID)
    with pytest.raises(errors.BadRequestException):
        subscriptions.create_subscription(case["key"], {"name": "refused", "config": {"no-such-field": "x"}})


def test_an_unknown_integration_is_not_found(http):
    for method, path, body in five_operations("no-such-tool", NO_ID):
        refused(http(method, path, json=body), 404, "not_found")


@pytest.mark.parametrize("wrong", [NO_ID, "fake-id", "66F0C0FFEE00000000000001", "%2e%2e", "a%2Fb", "ü"])
def test_an_unknown_id_of_any_shape_is_not_found(http, case, wrong):
    for method, path, body in five_operations(case["key"], wrong)[2:]:
        refused(http(method, path, json=body), 404, "not_found")


def test_an_id_of_another_integration_is_not_found(http, case, created):
    other = "splunk" if case["key"] != "splunk" else "datadog"
    for method, path, body in five_operations(other, created.id)[2:]:
        refused(http(method, path, json=body), 404, "not_found")
    assert http("GET", f"{base(case['key'])}/{created.id}").status_code == 200


def test_an_unknown_method_is_not_allowed(http, case, created):
    for path in (base(case["key"]), f"{base(case['key'])}/{created.id}"):
        refused(http("PUT", path, json={}), 405, "method_not_allowed")


def test_a_create_without_name_or_config_is_refused(http, case):
    refused_at(http("POST", base(case["key"]), json={"config": case["config"]}), "name")
    refused_at(http("POST", base(case["key"]), json={"name": "refused"}), "config")


def test_a_config_that_is_wrong_is_refused_at_its_field(http, case, created):
    def both(config, attribute):
        refused_at(http("POST", base(case["key"]), json={"name": "refused", "config": config}), attribute)
        change = [{"op": "replace", "path": "/config", "value": config}]
        refused_at(http("PATCH", f"{base(case['key'])}/{created.id}", json=change), attribute)

    for field in case["required"]:
        both({name: value for name, value in case["config"].items() if name != field}, f"config.{field}")
        both({**case["config"], field: ""}, f"config.{field}")
        both({**case["config"], field: None}, f"config.{field}")
    both({**case["config"], "no-such-field": "x"}, "config.no-such-field")
    for field, value in case["wrong"].items():
        both({**case["config"], field: value}, f"config.{field}")
    assert http("GET", f"{base(case['key'])}/{created.id}").json()["config"] == created.config


def test_no_error_repeats_a_secret(http, case):
    if case["secret"] is not None:
        config = {**case["config"], "no-such-field": "x"}
        answer = http("POST", base(case["key"]), json={"name": "refused", "config": config})
        assert answer.status_code == 400 and case["config"][case["secret"]] not in answer.text


@pytest.mark.parametrize(
    "statement",
    [
        {"effect": "maybe", "resources": ["acct"], "actions": ["*"]},
        {"resources": ["acct"], "actions": ["*"]},
        {"effect": "allow", "actions": ["*"]},
        {"effect": "allow", "resources": [], "actions": ["*"]},
        {"effect": "allow", "resources": ["acct"]},
        {"effect": "allow", "resources": ["acct"], "notResources": ["acct"], "actions": ["*"]},
        {"effect": "allow", "resources": ["acct"], "actions": ["*"], "notActions": ["x"]},
        {"effect": "allow", "resources": ["*"], "actions": ["*"]},
        {"effect": "allow", "resources": [""], "actions": ["*"]},
        {"effect": "allow", "resources": ["flag"], "actions": ["*"]},
        {"effect": "allow", "resources": ["proj/"], "actions": ["*"]},
        {"effect": "allow", "resources": ["proj/*:env/*:flag"], "actions": ["*"]},
        {"effect": "allow", "resources": ["acct"], "actions": ["update on"]},
        {"effect": "allow", "resources": "acct", "actions": ["*"]},
        "allow",
    ],
    ids=json.dumps,
)
def test_a_wrong_statement_is_refused(http, case, created, statement):
    statements = [STATEMENTS[0], statement]
    body = {"name": "refused", "config": case["config"], "statements": statements}
    refused_at(http("POST", base(case["key"]), json=body), "statements[1]")
    change = [{"op": "replace", "path": "/statements", "value": statements}]
    refused_at(http("PATCH", f"{base(case['key'])}/{created.id}", json=change), "statements[1]")


@pytest.mark.parametrize(
    "members", [{"name": 5}, {"on": "true"}, {"tags": "a"}, {"tags": [1]}, {"statements": {}}, {"config": []}], ids=json.dumps
)
def test_a_member_of_a_wrong_type_is_refused(http, case, members):
    refused(http("POST", base(case["key"]), json={"name": "n", "config": case["config"], **members}), 400, "invalid_request")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', '{"name": "a", "config": {}} {}'])
def test_a_body_that_is_no_object_is_refused(http, case, text):
    headers = {"Content-Type": "application/json"}
    refused(http("POST", base(case["key"]), data=text, headers=headers), 400, "invalid_request")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a merge without its envelope"},
        {"comment": "x", "instructions": [{"kind": "turnOn"}]},
        [{"op": "rename", "path": "/name", "value": "x"}],
        [{"op": "replace", "value": "x"}],
        [{"op": "replace", "path": "name", "value": "x"}],
        [{"op": "replace", "path": "/_id", "value": NO_ID}],
        [{"op": "replace", "path": "/kind", "value": "splunk"}],
        [{"op": "replace", "path": "/_status/errorCount", "value": 0}],
        [{"op": "remove", "path": "/_links"}],
        [{"op": "remove", "path": "/no-such-member"}],
        [{"op": "replace", "path": "/no/such/parent", "value": 1}],
        [{"op": "remove", "path": "/name"}],
        [{"op": "remove", "path": "/tags/7"}],
        [{"op": "replace", "path": "/on", "value": 1}],
        "x",
        None,
    ],
    ids=json.dumps,
)
def test_a_wrong_change_is_refused_and_changes_nothing(http, case, created, change):
    path = f"{base(case['key'])}/{created.id}"
    before = http("GET", path).json()
    good = {"op": "replace", "path": "/tags", "value": ["lost"]}
    refused(http("PATCH", path, json=[good, *change] if isinstance(change, list) else change), 400, "invalid_request")
    assert http("GET", path).json() == before


def test_a_failed_test_is_a_conflict(http, subscriptions, case, created):
    path = f"{base(case['key'])}/{created.id}"
    change = [{"op": "test", "path": "/name", "value": "another"}, {"op": "replace", "path": "/name", "value": "lost"}]
    refused(http("PATCH", path, json=change), 409, "conflict")
    with pytest.raises(launchdarkly_api.exceptions.ConflictException):
        subscriptions.update_subscription(case["key"], created.id, change)
    change[0]["value"] = created.name
    change[1]["value"] = "kept"
    assert http("PATCH", path, json=change).json()["name"] == "kept"


def test_an_unknown_route_is_not_found(http):
    refused(http("GET", "/api/v2/no-such-thing"), 404, "not_found")


def test_other_forms_of_a_right_change_are_taken(http, case, created):
    path = f"{base(case['key'])}/{created.id}"

    def rename(name):
        return [{"op": "replace", "path": "/name", "value": name}]

    semantic = {"Content-Type": "application/json; domain-model=launchdarkly.semanticpatch"}
    for name, options in {
        "charset": {"data": json.dumps(rename("charset")), "headers": {"Content-Type": "application/json; charset=utf-8"}},
        "array": {"data": json.dumps(rename("array")), "headers": semantic},
        "typeless": {"data": json.dumps(rename("typeless")).encode()},
        "comment": {"json": {"comment": "why", "patch": rename("comment")}},
        "merge": {"json": {"comment": "why", "merge": {"name": "merge"}}},
    }.items():
        answer = http("PATCH", path, **options)
        assert answer.status_code == 200 and answer.json()["name"] == name, answer.text
    overridden = http("POST", path, json=rename("overridden"), headers={"X-HTTP-Method-Override": "PATCH"})
    assert overridden.status_code == 200 and overridden.json()["name"] == "overridden", overridden.text
    assert http("POST", path, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 204


def test_unknown_members_of_a_body_are_passed_over(http, subscriptions, case, name):
    body = {"name": name, "config": case["config"], "on": False, "no-such-member": {"x": 1}}
    answer = http("POST", base(case["key"]), json=body)
    assert answer.status_code == 201, answer.text
    assert "no-such-member" not in answer.json()
    subscriptions.delete_subscription(case["key"], answer.json()["_id"])
