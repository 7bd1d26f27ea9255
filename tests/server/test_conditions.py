"""States that last: told in the log, and so to whoever subscribes to it."""

import json

from support import entries
from support.destinations import CONFIGS
from support.polling import stays, until

ALERTS = [{"effect": "allow", "resources": ["integration/*"], "actions": ["reportTrouble", "reportRecovery"]}]
FLAGS = [{"effect": "allow", "resources": ["proj/*:env/*:flag/*"], "actions": ["*"]}]

QUICK = {
    "AUDITCAST_CONDITIONS_LOOK_SECONDS": 1,
    "AUDITCAST_CONDITIONS_QUIET_SECONDS": 1,
    "AUDITCAST_DELIVERY_PROBE_FIRST_MS": 50,
    "AUDITCAST_DELIVERY_PROBE_MAX_MS": 50,
}


def events(body):
    """The events of one request: one is kept as JSON, several as text."""
    if isinstance(body, dict):
        return [body["event"]]
    found, rest = [], body.strip()
    while rest:
        event, end = json.JSONDecoder().raw_decode(rest)
        found.append(event["event"])
        rest = rest[end:].strip()
    return found


def alerts(receiver):
    """What Splunk was told of conditions."""
    return [event for request in receiver.received("splunk") for event in events(request["body"])]


def test_a_suspended_subscription_is_told_to_another_one_at_its_start_and_its_end(make_server, receiver):
    server = make_server(receiver=receiver, **QUICK).start()
    server.subscribe("splunk", CONFIGS["splunk"], statements=ALERTS, name="Alerts")
    wrong = {**CONFIGS["datadog"], "apiKey": "a-wrong-canary-key"}
    suspended = server.subscribe("datadog", wrong, statements=FLAGS, name="Flags")
    entry = entries.plain()
    receiver.expect(entries.ids([entry]))
    server.ingest([entry])
    server.until_state(suspended, "suspended")
    until(lambda: alerts(receiver), "Splunk is told")
    [told] = alerts(receiver)
    assert (told["action"], told["kind"], told["name"]) == ("reportTrouble", "integration", "Flags")
    assert told["title"] == "System suspended the deliveries of the integration Flags"
    assert "Correct the configuration" in told["details"] and "canary" not in str(told)
    conditions = server.subscription(suspended)["_delivery"]["conditions"]
    assert [one["kind"] for one in conditions] == ["suspended"]
    stays(lambda: len(alerts(receiver)) == 1, "it is told once", 1.5)

    assert server.stop() == 0
    server.start()
    server.patch(suspended, {"op": "replace", "path": "/config/apiKey", "value": CONFIGS["datadog"]["apiKey"]})
    receiver.until_stored(entries.ids([entry]), ["datadog"])
    until(lambda: len(alerts(receiver)) == 2, "Splunk is told of the end")
    assert alerts(receiver)[1]["action"] == "reportRecovery"
    assert "conditions" not in server.subscription(suspended)["_delivery"]
    stays(lambda: len(alerts(receiver)) == 2, "that is told once, too", 1.5)
