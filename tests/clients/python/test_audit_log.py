"""List, search, read and count entries of the audit log with LaunchDarkly's Python client."""

import launchdarkly_api
import pytest
from conftest import client_with
from launchdarkly_api.api.audit_log_api import AuditLogApi

START = 1_600_000_000_000
COUNT = 25
FLAGS = [{"effect": "allow", "resources": ["proj/*:env/*:flag/*"], "actions": ["updateOn"]}]


@pytest.fixture(scope="module")
def audit_log(client):
    return AuditLogApi(client)


@pytest.fixture
def key(http, name):
    """The key of a flag with 25 entries of its own, two of each date, one of them by a token."""
    key = name.replace(" ", "-")
    entries = [entry(key, number) for number in range(COUNT)]
    answer = http("POST", "/ingest/entries", json=entries)
    assert answer.status_code == 202, answer.text
    return key


def entry(key, number):
    made = {
        "_id": f"{key}/{number}", "kind": "flag", "name": f"The flag {key}", "date": START + number // 2,
        "accesses": [{"action": "updateOn", "resource": f"proj/shop:env/production:flag/{key}"}],
        "member": {"_id": f"member of {key}", "email": "ada@corp.test", "firstName": "Ada", "lastName": "Okoye"},
        "app": {"_id": "a", "isScim": False, "name": "CI", "maintainerName": "Ada"},
        "delta": [{"op": "replace", "path": "/on", "value": True}],
        "previousVersion": {"on": False}, "currentVersion": {"on": True}, "subentries": [],
    }
    if number == 7:
        made["token"] = {"_id": f"token of {key}", "name": "terraform", "ending": "9f3c", "serviceToken": True}
    return made


def walk(http, path, **options):
    """The ids on all pages, following the links."""
    found = []
    while path:
        answer = http("POST" if options else "GET", path, **options)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [item["_id"] for item in page["items"]]
        path = page["_links"].get("next", {}).get("href")
    return found


def test_a_list_is_read_whole_by_the_client(audit_log, key):
    listed = audit_log.get_audit_log_entries(q=key.upper(), limit=20)
    assert [item.id for item in listed.items] == [f"{key}/{number}" for number in range(24, 4, -1)]
    first = listed.items[0]
    assert (first.name, first.kind, first.var_date) == (f"The flag {key}", "flag", START + 12)
    assert first.accesses[0].resource == f"proj/shop:env/production:flag/{key}"
    assert first.member.email == "ada@corp.test" and first.app.name == "CI"
    assert first.title_verb and first.title and first.target.resources == [first.accesses[0].resource]
    assert first.parent.resource == "proj/shop:env/production"
    assert listed.links["next"].href.startswith("/api/v2/auditlog?")


def test_filters_are_those_of_the_client(audit_log, key):
    def numbers(**asked):
        listed = audit_log.get_audit_log_entries(**asked)
        return [int(item.id.rpartition("/")[2]) for item in listed.items if item.id.startswith(key)]

    spec = f"proj/*:env/production:flag/{key}"
    assert numbers(spec=spec, before=START + 2) == [3, 2, 1, 0]
    assert numbers(spec=spec, after=START + 2, before=START + 4) == [7, 6]
    assert numbers(token=f"token of {key}") == [7]
    assert numbers(member=f"member of {key}", limit=2) == [24, 23]
    assert numbers(q=f"kind:flag,key:{key}", limit=1) == [24]
    assert numbers(q=f"kind:segment,key:{key}") == []


def test_a_search_takes_statements(audit_log, key):
    found = audit_log.post_audit_log_entries(q=key, statement_post=FLAGS, limit=3)
    assert [item.id for item in found.items] == [f"{key}/{number}" for number in (24, 23, 22)]
    none = [{"effect": "allow", "resources": ["proj/*:env/*:flag/*"], "actions": ["deleteFlag"]}]
    assert audit_log.post_audit_log_entries(q=key, statement_post=none).items == []
    assert len(audit_log.post_audit_log_entries(q=key).items) == 10


def test_pages_end_between_entries_of_one_date_and_lose_none(http, key):
    expected = [f"{key}/{number}" for number in reversed(range(COUNT))]
    assert walk(http, f"/api/v2/auditlog?q={key}&limit=3") == expected
    assert walk(http, f"/api/v2/auditlog?q={key}&limit=4", json=FLAGS) == expected


def test_one_entry_has_what_was_changed(audit_log, key):
    read = audit_log.get_audit_log_entry(f"{key}/3")
    assert (read.delta, read.previous_version, read.current_version, read.subentries) == (
        [{"op": "replace", "path": "/on", "value": True}], {"on": False}, {"on": True}, [],
    )
    with pytest.raises(launchdarkly_api.exceptions.NotFoundException):
        audit_log.get_audit_log_entry(f"{key}/none")


def test_counts_are_read_by_the_client(audit_log, key):
    counted = audit_log.post_audit_log_entry_counts(
        after=START, before=START + 13, buckets=4, statement_post=FLAGS, member=f"member of {key}",
    )
    assert [(bucket.timestamp - START, bucket.count) for bucket in counted.buckets] == [(0, 8), (4, 8), (8, 8), (12, 1)]
    assert (counted.total_count, counted.bucket_interval_ms) == (25, 4)


def test_mistakes_are_told(audit_log, url, ingest_token):
    for wrong in ({"limit": 21}, {"spec": "*"}):
        with pytest.raises(launchdarkly_api.exceptions.BadRequestException):
            audit_log.get_audit_log_entries(**wrong)
    with pytest.raises(launchdarkly_api.exceptions.ForbiddenException):
        AuditLogApi(client_with(url, ingest_token)).get_audit_log_entries()
    with pytest.raises(launchdarkly_api.exceptions.UnauthorizedException):
        AuditLogApi(client_with(url, None)).get_audit_log_entries()
