"""Create, read, list, change and delete with LaunchDarkly's Python client, per integration."""

import json

import launchdarkly_api
import pytest
from conftest import STATEMENTS, forget, masked


def statements_of(subscription):
    return [statement.to_dict() for statement in subscription.statements]


def patch(subscriptions, case, subscription, *operations):
    changed = subscriptions.update_subscription(case["key"], subscription.id, list(operations))
    assert changed is not None, "the client reads a change only from a 200"
    return changed


def operation(op, path, value=None):
    return {"op": op, "path": path} if op == "remove" else {"op": op, "path": path, "value": value}


def assert_same(left, right):
    assert json.dumps(left.to_dict(), sort_keys=True) == json.dumps(right.to_dict(), sort_keys=True)


def test_what_is_created_comes_back_with_its_secrets_masked(case, created, name):
    assert created.name == name
    assert created.kind == case["key"]
    assert created.on is False
    assert sorted(created.tags) == ["a", "b"]
    assert created.config == masked(case)
    assert statements_of(created) == STATEMENTS
    assert len(created.id) == 24 and set(created.id) <= set("0123456789abcdef")


def test_links_are_relative(case, created):
    assert created.links["self"].href == f"/api/v2/integrations/{case['key']}/{created.id}"
    assert created.links["parent"].href == f"/api/v2/integrations/{case['key']}"
    assert created.links["self"].type == "application/json"


def test_the_status_of_a_new_subscription_counts_nothing(case, created, http):
    status = http("GET", f"/api/v2/integrations/{case['key']}/{created.id}").json()["_status"]
    assert status == {"successCount": 0, "errorCount": 0, "errors": []}
    assert created.status.success_count == 0 and created.status.last_success is None


def test_get_answers_what_create_answered(subscriptions, case, created):
    assert_same(subscriptions.get_subscription_by_id(case["key"], created.id), created)


def test_list_holds_it_and_only_its_kind(subscriptions, case, created):
    listed = subscriptions.get_subscriptions(case["key"])
    assert listed.key == case["key"]
    assert listed.links["self"].href == f"/api/v2/integrations/{case['key']}"
    [same] = [item for item in listed.items if item.id == created.id]
    assert {item.kind for item in listed.items} == {case["key"]}
    assert (same.name, same.config, statements_of(same)) == (created.name, created.config, STATEMENTS)


def test_one_field_of_the_config_changes_alone(subscriptions, case, created):
    field, value = case["change"]["field"], case["change"]["value"]
    changed = patch(subscriptions, case, created, operation("replace", f"/config/{field}", value))
    assert changed.config == masked(case, {**case["config"], field: value})
    assert_same(subscriptions.get_subscription_by_id(case["key"], created.id), changed)


def test_a_secret_is_replaced_by_its_path(subscriptions, case, created):
    secret = case["secret"]
    if secret is not None:
        changed = patch(subscriptions, case, created, operation("replace", f"/config/{secret}", "another-secret-9876"))
        assert changed.config[secret] == "********9876"


def test_a_mask_written_back_is_no_new_secret(subscriptions, case, created):
    changed = patch(subscriptions, case, created, operation("replace", "/config", created.config))
    assert changed.config == created.config


def test_name_switch_tags_and_statements_change(subscriptions, case, created):
    statements = list(reversed(STATEMENTS))
    changed = patch(
        subscriptions,
        case,
        created,
        operation("replace", "/name", "renamed"),
        operation("replace", "/tags", []),
        operation("add", "/tags/-", "ops"),
        operation("replace", "/statements", statements),
    )
    assert (changed.name, changed.tags, statements_of(changed)) == ("renamed", ["ops"], statements)
    assert changed.config == created.config
    assert patch(subscriptions, case, created, operation("replace", "/statements", [])).statements == []
    assert patch(subscriptions, case, created, operation("replace", "/on", True)).on is True
    assert patch(subscriptions, case, created, operation("replace", "/on", False)).on is False


def test_a_failed_change_changes_nothing(subscriptions, case, created):
    with pytest.raises(launchdarkly_api.exceptions.BadRequestException):
        subscriptions.update_subscription(
            case["key"], created.id, [operation("replace", "/name", "lost"), operation("replace", "/on", "yes")]
        )
    assert_same(subscriptions.get_subscription_by_id(case["key"], created.id), created)


def test_delete_answers_204_once_and_404_then(subscriptions, case, created):
    answer = subscriptions.delete_subscription_with_http_info(case["key"], created.id)
    assert answer.status_code == 204 and answer.raw_data in (b"", None)
    for call in (subscriptions.get_subscription_by_id, subscriptions.delete_subscription):
        with pytest.raises(launchdarkly_api.exceptions.NotFoundException):
            call(case["key"], created.id)
    assert created.id not in [item.id for item in subscriptions.get_subscriptions(case["key"]).items]


def test_a_subscription_is_off_and_has_the_default_policy_unless_said(subscriptions, case, name):
    subscription = subscriptions.create_subscription(case["key"], {"name": name, "config": case["config"]})
    try:
        assert subscription.on is False
        assert subscription.tags == []
        assert statements_of(subscription), "the default policy of the integration is stored and shown"
    finally:
        forget(subscriptions, case["key"], subscription.id)


def test_no_statements_stay_no_statements(subscriptions, case, name):
    body = {"name": name, "config": case["config"], "statements": []}
    subscription = subscriptions.create_subscription(case["key"], body)
    try:
        assert subscription.statements == []
    finally:
        forget(subscriptions, case["key"], subscription.id)
