"""The nine destinations as the receiver plays them."""

TEAMS_HOST = "prod-01.westeurope.logic.azure.com"
TEAMS_URL = (
    f"https://{TEAMS_HOST}/workflows/e2e/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=teams-signature"
)

CONFIGS = {
    "datadog": {"apiKey": "datadog-key"},
    "dynatrace": {"apiToken": "dynatrace-token", "url": "https://demo.live.dynatrace.com", "entity": "APPLICATION", "tag": "e2e"},
    "elastic": {"url": "https://elastic.example.test", "token": "ZWxhc3RpYzprZXk=", "index": "audit"},
    "honeycomb": {"datasetName": "auditcast", "apiKey": "honeycomb-key"},
    "logdna": {"ingestionKey": "logdna-key", "level": "INFO"},
    "msteams": {"url": TEAMS_URL},
    "new-relic-apm": {"apiKey": "newrelic-key", "applicationId": "4711", "domain": "api.newrelic.com"},
    "signalfx": {"accessToken": "signalfx-token", "realm": "us1"},
    "splunk": {"base-url": "https://splunk.example.test", "token": "splunk-token", "skip-ca-verification": False},
}

ALL = list(CONFIGS)
# These take one message a second, so that a test cannot send them many.
SPACED = ["msteams", "new-relic-apm"]
QUICK = [key for key in ALL if key not in SPACED]
BATCHED = ["elastic", "honeycomb", "logdna", "signalfx", "splunk"]

HOSTS = [
    "api.datadoghq.com", "demo.live.dynatrace.com", "elastic.example.test", "api.honeycomb.io", "logs.logdna.com",
    "logs.mezmo.com", TEAMS_HOST, "api.newrelic.com", "ingest.us1.signalfx.com", "splunk.example.test",
]
