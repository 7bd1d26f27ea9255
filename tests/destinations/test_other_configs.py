"""The other values that a configuration may have: other regions, other targets, optional fields left out."""

import json

import pytest
from support import entries
from support.destinations import CONFIGS, HOSTS

OTHER = {
    "datadog in the EU by its address in the browser": ("datadog", {"hostURL": "https://app.datadoghq.eu"}, "api.datadoghq.eu"),
    "datadog in us5": ("datadog", {"hostURL": "https://api.us5.datadoghq.com"}, "api.us5.datadoghq.com"),
    "dynatrace without a tag": ("dynatrace", {"tag": None}, "demo.live.dynatrace.com"),
    "dynatrace without an entity": ("dynatrace", {"entity": None}, "demo.live.dynatrace.com"),
    "honeycomb markers": ("honeycomb", {"target": "markers"}, "api.honeycomb.io"),
    "logdna without a level": ("logdna", {"level": None}, "logs.mezmo.com"),
    "an old connector of teams": (
        "msteams", {"url": "https://corp.webhook.office.com/webhookb2/11111111-2222@3333/IncomingWebhook/4444/5555"},
        "corp.webhook.office.com",
    ),
    "new relic in the EU": ("new-relic-apm", {"domain": "api.eu.newrelic.com"}, "api.eu.newrelic.com"),
    "new relic without a domain": ("new-relic-apm", {"domain": None}, "api.newrelic.com"),
    "logs of datadog in the EU": ("datadog-logs", {"site": "datadoghq.eu"}, "http-intake.logs.datadoghq.eu"),
    "dynatrace v2 without a tag": ("dynatrace-v2", {"tag": None, "entity": None}, "demo.live.dynatrace.com"),
    "events of new relic in the EU": ("new-relic", {"domain": "insights-collector.eu01.nr-data.net"}, "insights-collector.eu01.nr-data.net"),
    "changes of new relic in the EU": ("new-relic-changes", {"domain": "api.eu.newrelic.com"}, "api.eu.newrelic.com"),
    "alerts of pagerduty in the EU": ("pagerduty", {"eventType": "alert", "domain": "events.eu.pagerduty.com"}, "events.eu.pagerduty.com"),
    "alerts of jira": ("opsgenie", {"api": "api.atlassian.com", "priority": "P1"}, "api.atlassian.com"),
    "loki without a tenant": ("loki", {"tenant": None}, "loki.example.test"),
    "splunk, raw, in the index of the token": ("splunk-raw", {"index": None, "sourcetype": "acme:audit"}, "splunk.example.test"),
    "a webhook signed in one way only": ("webhook-signed", {"ldSecret": None}, "webhook.example.test"),
    "signalfx in us2": ("signalfx", {"realm": "us2"}, "ingest.us2.signalfx.com"),
    "splunk with a slash at the end": ("splunk", {"base-url": "https://splunk.example.test/"}, "splunk.example.test"),
}


@pytest.mark.parametrize("case", OTHER)
def test_another_configuration_delivers_where_it_says(make_server, receiver, case):
    key, changes, host = OTHER[case]
    server = make_server(receiver=receiver)
    if host not in HOSTS:
        server.settings["AUDITCAST_CONNECT_TO"] += f",{host}:443={receiver.tls}"
    server.start()
    config = {name: value for name, value in {**CONFIGS[key], **changes}.items() if value is not None}
    created = server.subscribe(key, config)
    batch = [entries.plain("flag"), entries.plain("member"), {**entries.hostile("invoice", entries.EVERY_HOSTILE), "customProperties": {}}]
    receiver.expect(entries.ids(batch))
    server.ingest(batch)
    server.until_settled(created)
    counts = receiver.counts(key)
    assert (counts["distinct"], counts["refused"], counts["duplicates"]) == (len(batch), 0, 0), counts
    assert {request["host"] for request in receiver.received(key)} == {host}


def test_a_key_that_is_wrong_suspends_until_it_is_right(make_server, receiver):
    server = make_server(receiver=receiver).start()
    wrong = {"datadog": "apiKey", "elastic": "token", "honeycomb": "apiKey", "logdna": "ingestionKey", "signalfx": "accessToken", "splunk": "token",
             "chronosphere": "secretToken", "compass": "secret", "datadog-private": "apiKey", "terraform-cloud": "token", "datadog-logs": "apiKey", "dynatrace-v2": "apiToken", "elastic-data-stream": "token",
             "grafana": "apiKey", "kosli": "secret", "last9": "apiToken", "loki": "password", "new-relic": "apiKey",
             "new-relic-changes": "apiKey", "opsgenie": "apiKey", "pagerduty": "integrationKey", "splunk-raw": "token"}
    created = {key: server.subscribe(key, {**CONFIGS[key], field: "d3Jvbmc6a2V5"}) for key, field in wrong.items()}
    batch = [entries.plain(kind) for kind in entries.KINDS]
    receiver.expect(entries.ids(batch))
    server.ingest(batch)
    for one in created.values():
        delivery = server.until_state(one, "suspended")["_delivery"]
        assert delivery["waiting"] >= len(batch), "nothing is given up"
    for key, field in wrong.items():
        server.patch(created[key], {"op": "replace", "path": f"/config/{field}", "value": CONFIGS[key][field]})
    receiver.until_stored(entries.ids(batch), wrong)
    server.until_settled(*created.values())
    for key in wrong:
        assert receiver.counts(key)["duplicates"] == 0
        assert "d3Jvbmc6a2V5" not in json.dumps(server.subscription(created[key]))
