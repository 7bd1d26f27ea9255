"""The destinations as the receiver plays them."""

TEAMS_HOST = "prod-01.westeurope.logic.azure.com"
TEAMS_URL = (
    f"https://{TEAMS_HOST}/workflows/e2e/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=teams-signature"
)

WEBHOOK_SECRET = "whsec_YXVkaXRjYXN0IHdlYmhvb2sgc2VjcmV0IDEyMzQ1Njc4"
PREVIOUS_WEBHOOK_SECRET = "whsec_cHJldmlvdXMgd2ViaG9vayBzZWNyZXQgOTg3NjU0MzIx"

CONFIGS = {
    "chronosphere": {
        "receiverURL": "https://acme.chronosphere.io/api/v1/data/events/receiver/launchdarkly", "secretToken": "ld-webhook-secret",
    },
    "datadog": {"apiKey": "datadog-key"},
    "compass": {"url": "https://compass.example.test/webhooks/1", "secret": "ld-webhook-secret"},
    "datadog-logs": {"apiKey": "datadog-key"},
    "datadog-private": {"apiKey": "datadog-key", "hostURL": "https://datadog.example.test"},
    "dynatrace": {"apiToken": "dynatrace-token", "url": "https://demo.live.dynatrace.com", "entity": "APPLICATION", "tag": "e2e"},
    "dynatrace-v2": {"apiToken": "dynatrace-token", "url": "https://demo.live.dynatrace.com", "entity": "SERVICE", "tag": "e2e"},
    "elastic": {"url": "https://elastic.example.test", "token": "ZWxhc3RpYzprZXk=", "index": "audit"},
    "elastic-data-stream": {"url": "https://elastic.example.test", "token": "ZWxhc3RpYzprZXk=", "namespace": "e2e"},
    "grafana": {"endpointUrl": "https://grafana.example.test", "apiKey": "grafana-token"},
    "honeycomb": {"datasetName": "auditcast", "apiKey": "honeycomb-key"},
    "kosli": {"webhookUrl": "https://app.kosli.com/api/v2/webhooks/1", "secret": "ld-webhook-secret"},
    "last9": {"endpointUrl": "https://last9.example.test/v4/organizations/acme", "apiToken": "last9-token"},
    "logdna": {"ingestionKey": "logdna-key", "level": "INFO"},
    "loki": {"url": "https://loki.example.test", "user": "loki", "password": "loki-password", "tenant": "e2e"},
    "mattermost": {"url": "https://mattermost.example.test/hooks/hook-token"},
    "msteams": {"url": TEAMS_URL},
    "msteams-app": {"url": "https://msteams-app.example.test/hook", "secret": "ld-webhook-secret"},
    "new-relic": {"accountId": "4711", "apiKey": "newrelic-key"},
    "new-relic-apm": {"apiKey": "newrelic-key", "applicationId": "4711", "domain": "api.newrelic.com"},
    "new-relic-changes": {"apiKey": "newrelic-key", "entityGuid": "MXxBUE18QVBQTElDQVRJT058MQ"},
    "opsgenie": {"apiKey": "opsgenie-key"},
    "pagerduty": {"integrationKey": "0123456789abcdef0123456789abcdef"},
    "signalfx": {"accessToken": "signalfx-token", "realm": "us1"},
    "slack": {"url": "https://hooks.slack.com/services/T0001/B0001/hook-token"},
    "splunk": {"base-url": "https://splunk.example.test", "token": "splunk-token", "skip-ca-verification": False},
    "splunk-raw": {"base-url": "https://splunk.example.test", "token": "splunk-token", "index": "audit"},
    "terraform-cloud": {"token": "terraform-token", "workspaceId": "ws-4BVpp4ZcUkKQiYDR"},
    "webhook-signed": {"url": "https://webhook.example.test/audit", "secret": WEBHOOK_SECRET, "ldSecret": "ld-webhook-secret"},
    "zapier": {"url": "https://hooks.zapier.com/hooks/catch/1234567/hook-token/"},
}

ALL = list(CONFIGS)
# These take one message a second, so that a test cannot send them many.
SPACED = ["msteams", "new-relic-apm", "slack"]
QUICK = [key for key in ALL if key not in SPACED]
BATCHED = [
    "datadog-logs", "elastic", "elastic-data-stream", "honeycomb", "logdna", "loki", "new-relic", "signalfx", "splunk", "splunk-raw",
]
# These tell what they have from what is new, by a handle or by the content.
IDEMPOTENT = ["elastic", "elastic-data-stream", "loki"]
# These say with any 2xx that they have taken an entry, so that the body of the answer means nothing.
ANY_SUCCESS = ["chronosphere", "compass", "kosli", "last9", "msteams-app", "webhook-signed"]

HOSTS = [
    "api.datadoghq.com", "demo.live.dynatrace.com", "elastic.example.test", "api.honeycomb.io", "logs.logdna.com",
    "logs.mezmo.com", TEAMS_HOST, "api.newrelic.com", "ingest.us1.signalfx.com", "splunk.example.test",
    "acme.chronosphere.io", "http-intake.logs.datadoghq.com", "grafana.example.test", "app.kosli.com", "last9.example.test",
    "loki.example.test", "mattermost.example.test", "insights-collector.newrelic.com", "api.opsgenie.com",
    "events.pagerduty.com", "hooks.slack.com", "webhook.example.test", "hooks.zapier.com", "compass.example.test",
    "datadog.example.test", "msteams-app.example.test", "app.terraform.io",
]
