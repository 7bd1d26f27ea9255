"""The figures as Prometheus itself reads them."""

from prometheus_client.parser import text_string_to_metric_families
from support import entries
from support.destinations import CONFIGS

KINDS = {
    "auditcast_attempts": "counter",
    "auditcast_attempts_unrecorded": "counter",
    "auditcast_attempt_duration_seconds": "histogram",
    "auditcast_store_commits": "counter",
    "auditcast_subscription_state": "gauge",
    "auditcast_subscription_lag_entries": "gauge",
    "auditcast_subscription_oldest_unsettled_seconds": "gauge",
    "auditcast_subscriptions_left_out": "gauge",
}


def metrics(server):
    answer = server.call("GET", "/metrics")
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "each family is told once"
    return {family.name: family for family in families}


def value(family, name, **labels):
    found = [sample.value for sample in family.samples if sample.name == name and sample.labels == labels]
    assert len(found) == 1, (name, labels, family.samples)
    return found[0]


def test_prometheus_reads_every_family_and_finds_what_happened(make_server, receiver):
    server = make_server(receiver=receiver, AUDITCAST_METRICS_SUBSCRIPTIONS_MAX=1).start()
    good = server.subscribe("datadog", CONFIGS["datadog"])
    receiver.fault("status", "splunk", status=403, forever=True)
    bad = server.subscribe("splunk", CONFIGS["splunk"])
    server.ingest([entries.plain(), entries.plain()])
    server.until_settled(good)
    server.until_state(bad, "suspended")
    families = metrics(server)
    assert {name: families[name].type for name in KINDS} == KINDS
    assert all(family.documentation for family in families.values())
    assert "unknown" not in {family.type for family in families.values()}

    attempts = families["auditcast_attempts"]
    accepted = value(attempts, "auditcast_attempts_total", integration="datadog", outcome="accepted")
    assert accepted >= 1
    assert value(attempts, "auditcast_attempts_total", integration="splunk", outcome="misconfigured") >= 1
    took = families["auditcast_attempt_duration_seconds"]
    of_datadog = [sample for sample in took.samples if sample.labels.get("integration") == "datadog"]
    buckets = [sample.value for sample in of_datadog if sample.name.endswith("_bucket")]
    assert buckets == sorted(buckets) and of_datadog[len(buckets) - 1].labels["le"] == "+Inf"
    assert buckets[-1] == value(took, "auditcast_attempt_duration_seconds_count", integration="datadog") == accepted

    worst = {"integration": "splunk", "subscription": bad["_id"]}
    states = families["auditcast_subscription_state"].samples
    assert [sample.labels for sample in states] == [{**worst, "state": "suspended"}]
    lag = families["auditcast_subscription_lag_entries"]
    assert value(lag, "auditcast_subscription_lag_entries", **worst) == 2
    assert value(families["auditcast_subscriptions_left_out"], "auditcast_subscriptions_left_out") == 1
