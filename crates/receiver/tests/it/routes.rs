//! Which vendor a request is for, and what the record says of it.

use serde_json::json;

use crate::support::{accepts, intake, post, refuses};

#[test]
fn the_host_chooses_and_else_the_path() {
    let intake = intake();
    for (host, path, destination) in [
        ("api.datadoghq.com", "/api/v1/events", "datadog"),
        ("api.us5.datadoghq.com", "/", "datadog"),
        ("abc.live.dynatrace.com", "/api/v1/events", "dynatrace"),
        ("abc.live.dynatrace.com", "/api/v2/events/ingest", "dynatrace-v2"),
        ("api.eu1.honeycomb.io", "/1/batch/x", "honeycomb"),
        ("logs.logdna.com", "/logs/ingest", "logdna"),
        ("logs.mezmo.com", "/logs/ingest", "logdna"),
        ("prod-1.westeurope.logic.azure.com", "/workflows/x", "msteams"),
        ("x.webhook.office.com", "/webhookb2/x", "msteams"),
        ("api.eu.newrelic.com", "/v2/applications/1/deployments.json", "new-relic-apm"),
        ("ingest.eu0.signalfx.com", "/v2/event", "signalfx"),
        ("splunk.example.test", "/x", "splunk"),
        ("elastic.example.test", "/x", "elastic"),
        ("http-intake.logs.us5.datadoghq.com", "/api/v2/logs", "datadog-logs"),
        ("insights-collector.eu01.nr-data.net", "/v1/accounts/1/events", "new-relic"),
        ("api.newrelic.com", "/graphql", "new-relic-changes"),
        ("elastic.example.test", "/logs-a-b/_bulk", "elastic-data-stream"),
        ("splunk.example.test", "/services/collector/raw", "splunk-raw"),
        ("events.eu.pagerduty.com", "/v2/enqueue", "pagerduty"),
        ("api.atlassian.com", "/jsm/ops/integration/v2/alerts", "opsgenie"),
        ("hooks.slack.com", "/services/x", "slack"),
        ("hooks.zapier.com", "/x", "zapier"),
        ("acme.chronosphere.io", "/x", "chronosphere"),
        ("app.kosli.com", "/x", "kosli"),
        ("webhook.example.test", "/x", "webhook-signed"),
        ("mydatadoghq.com", "/", "unknown"),
        ("localhost", "/api/v1/events", "datadog"),
        ("localhost", "/e/env/api/v1/events", "dynatrace"),
        ("localhost", "/api/v2/events/ingest", "dynatrace-v2"),
        ("10.0.0.1", "/idx/_doc", "elastic"),
        ("10.0.0.1", "/_bulk", "elastic"),
        ("10.0.0.1", "/idx/_create/1", "elastic"),
        ("10.0.0.1", "/1/markers/x", "honeycomb"),
        ("10.0.0.1", "/v2/event", "signalfx"),
        ("10.0.0.1", "/services/collector/event", "splunk"),
        ("10.0.0.1", "/webhook/x/IncomingWebhook/y", "msteams"),
        ("10.0.0.1", "/loki/api/v1/push", "loki"),
        ("10.0.0.1", "/api/annotations", "grafana"),
        ("10.0.0.1", "/hooks/catch/1/x", "zapier"),
        ("10.0.0.1", "/hooks/x", "mattermost"),
        ("10.0.0.1", "/v4/x/events/receiver/launchdarkly", "last9"),
        ("10.0.0.1", "/api/v1/data/events/receiver/launchdarkly", "chronosphere"),
        ("10.0.0.1", "/v3/event", "unknown"),
    ] {
        let mut request = post(path, &[], "");
        request.host = host.to_owned();
        intake.answer(&request);
        assert_eq!(intake.received(None).pop().unwrap().destination, destination, "{host}{path}");
    }
    let token = post("/api/v1/events", &[("authorization", "Api-Token x")], "");
    intake.answer(&token);
    assert_eq!(intake.received(None).pop().unwrap().destination, "dynatrace");
}

#[test]
fn an_unknown_place_is_404_and_recorded() {
    let intake = intake();
    refuses(&intake, &post("/nowhere", &[], "x"), 404, "no vendor");
    assert_eq!(intake.summary()["unknown"].refused, 1);
}

#[test]
fn ids_are_counted_where_they_were_stored() {
    let intake = intake();
    assert_eq!(intake.expect(["id-1", "id-2", "id-3", "id-4"]), Ok(4));
    assert!(intake.expect([""]).is_err());
    let key = [("authorization", "Splunk splunk-token")];
    let event = |id: &str| json!({"event": {"title": "t", "id": id}}).to_string();
    let send = |body: String| post("/services/collector/event", &key, body);
    accepts(&intake, &send(event("id-1") + &event("id-2")), 200, "Success", 2);
    accepts(&intake, &send(event("id-2")), 200, "Success", 1);
    // The prefix before the bad event is stored; what follows it is not.
    intake.answer(&send(format!("{}{{\"event\":\"\"}}{}", event("id-3"), event("id-4"))));
    let last = intake.received(Some("splunk")).pop().unwrap();
    assert_eq!(
        (last.entry_ids, last.stored_ids),
        (vec!["id-3".to_owned(), "id-4".to_owned()], vec!["id-3".to_owned()])
    );
    let counts = intake.summary()["splunk"].clone();
    assert_eq!((counts.requests, counts.stored, counts.distinct), (3, 4, 3));
    assert_eq!((counts.duplicates, counts.missing, counts.refused), (1, 1, 1));
    assert_eq!(counts.last_refusal.as_deref(), Some("event 1: Event field cannot be blank"));
    intake.clear();
    assert!(intake.summary().is_empty() && intake.received(None).is_empty());
}

#[test]
fn a_request_is_kept_as_it_came() {
    let intake = intake();
    intake.answer(&post("/services/collector/event?channel=x", &[("authorization", "Splunk secret")], "{\"event\":1}"));
    let received = intake.received(None).pop().unwrap();
    assert_eq!(received.path, "/services/collector/event?channel=x");
    assert_eq!(received.headers, [("authorization".to_owned(), "Splunk secret".to_owned())]);
    assert_eq!(received.value(), json!({"event": 1}));
    assert_eq!((received.status, received.refused.as_deref()), (403, Some("Invalid token")));
}
