"""Secrets leave the server towards their own destination and nowhere else."""

import http.server
import json
import threading

import pytest
from support import entries
from support.destinations import CONFIGS, TEAMS_HOST
from support.polling import until
from support.programs import run

# One for each secret; long enough to be no coincidence, and of one shape that no other text has.
CANARIES = {
    ("datadog", "apiKey"): "canarydatadog0123456789abcdef0001",
    ("dynatrace", "apiToken"): "dt0c01.CANARYDYNATRACE.SECRETPART0002",
    ("elastic", "token"): "Y2FuYXJ5OmVsYXN0aWMwMDAzY2FuYXJ5",
    ("honeycomb", "apiKey"): "canaryhoneycomb0004canaryhoneycomb",
    ("logdna", "ingestionKey"): "canarylogdna0005canarylogdna0005",
    ("new-relic-apm", "apiKey"): "NRAK-CANARYNEWRELIC0006CANARY",
    ("signalfx", "accessToken"): "canarysignalfx0007canarysignalfx",
    ("splunk", "token"): "canary00-0008-4000-8000-canarysplunk",
    ("chronosphere", "secretToken"): "canarychronosphere0020canary",
    ("compass", "secret"): "canarycompass0021canarycompass",
    ("datadog-logs", "apiKey"): "canarydatadoglogs0022canary",
    ("datadog-private", "apiKey"): "canarydatadogprivate0023canary",
    ("dynatrace-v2", "apiToken"): "dt0c01.CANARYDYNATRACE.SECRETPART0024",
    ("elastic-data-stream", "token"): "Y2FuYXJ5OmVsYXN0aWMwMDI1Y2FuYXJ5",
    ("grafana", "apiKey"): "glsa_canarygrafana0026canary",
    ("kosli", "secret"): "canarykosli0027canarykosli",
    ("last9", "apiToken"): "canarylast9-0028-canarylast9",
    ("loki", "password"): "canaryloki0029canaryloki",
    ("msteams-app", "secret"): "canarymsteamsapp0030canary",
    ("new-relic", "apiKey"): "canarynewrelic0031canaryNRAL",
    ("new-relic-changes", "apiKey"): "NRAK-CANARYCHANGES0032CANARY",
    ("opsgenie", "apiKey"): "canary00-0033-4000-8000-opsgenie",
    ("splunk-raw", "token"): "canary00-0034-4000-8000-splunkraw",
    ("terraform-cloud", "token"): "canary.atlasv1.terraform0035canary",
    ("webhook-signed", "secret"): "whsec_Y2FuYXJ5d2ViaG9vazAwMzZjYW5hcnl3ZWJob29r",
    ("webhook-signed", "previousSecret"): "whsec_Y2FuYXJ5d2ViaG9vazAwMzdjYW5hcnl3ZWJob29r",
    ("webhook-signed", "ldSecret"): "canaryldwebhook0038canary",
}
# Kinds that no vendor's stand-in plays. Syslog is not among them: its configs have no secret.
OF_OTHER_KINDS = {
    "kafka": ("password", "canarykafka0044canarykafka"),
    "otlp": ("headerValue", "Bearer canaryotlp0045canaryotlp"),
    "s3": ("secretAccessKey", "canarys3secret0046canarys3secret"),
}
# What a webhook is signed with is shown to those who may change it, and to nobody else.
WEBHOOK_SECRET = "canarywebhook0047canarywebhook"
TEAMS_SIGNATURE = "canaryteamssignature0009canary"
# Fields that clients read back whole although they carry a key: the part that is replaced, and the canary.
READ_BACK = {
    "mattermost": ("url", "hook-token", "canarymattermost0040canary"),
    "msteams": ("url", "teams-signature", TEAMS_SIGNATURE),
    "pagerduty": ("integrationKey", "0123456789abcdef0123456789abcdef", "canarypagerduty0041canary0041abc"),
    "slack": ("url", "hook-token", "canaryslack0042canaryslack"),
    "zapier": ("url", "hook-token", "canaryzapier0043canaryzapier"),
}
BOOTSTRAP = "canary-bootstrap-token-0010-canary"
# A second subscription of this kind has a key that its destination knows, and watches the others being changed.
WATCHER = "signalfx"
NEW_KEY = "canarydatadog-the-second-0011-canary"
WRONG_BEARER = "canary-of-nobody-0012-canary"

OWN_CHANGES = [{"effect": "allow", "actions": ["*"], "resources": ["integration/*", "service-token/*", "member/*:token/*", "acct"]}]
FLAGS = [{"effect": "allow", "actions": ["*"], "resources": ["proj/*:env/*:flag/*"]}]


def config(key):
    values = {field: canary for (owner, field), canary in CANARIES.items() if owner == key}
    if key in READ_BACK:
        field, part, canary = READ_BACK[key]
        values[field] = CONFIGS[key][field].replace(part, canary)
    return {**CONFIGS[key], **values}


def assert_absent(canaries, text, where):
    raw = text if isinstance(text, bytes) else text.encode()
    for canary in canaries:
        assert canary.encode() not in raw, f"{canary} in {where}"


@pytest.fixture(params=["text", "json"])
def server(request, make_server, receiver):
    return make_server(
        receiver=receiver, AUDITCAST_LOG_LEVEL="trace", AUDITCAST_LOG_FORMAT=request.param, AUDITCAST_BOOTSTRAP_TOKEN=BOOTSTRAP,
    )


def all_files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


class Caller:
    """Calls the API and keeps every answer."""

    def __init__(self, server):
        self.server = server
        self.answers = []

    def __call__(self, method, path, **options):
        answer = self.server.call(method, path, **options)
        self.answers.append((f"{method} {path} -> {answer.status_code}", answer.status_code < 300, answer.text, str(answer.headers)))
        return answer

    def assert_without(self, canaries):
        for what, is_success, text, headers in self.answers:
            # Terraform needs these as they were given: they are not marked secret.
            for key, (field, _, _) in READ_BACK.items():
                text = text.replace(json.dumps(config(key)[field])[1:-1], "") if is_success else text
            assert_absent(canaries, text + headers, what)


def create_and_suspend(server, receiver, call, ingest_token):
    """A subscription of each kind, whose destination has answered with what it was sent."""
    for (key, _), canary in CANARIES.items():
        if key == WATCHER:
            continue
        receiver.fault("status", key, status=401, body=json.dumps({"error": f"the key {canary} is not known"}), forever=True)
    for key, (_, _, canary) in READ_BACK.items():
        receiver.fault("status", key, status=401, body=f"no such signature: {canary}", forever=True)
    created = {}
    for key in CONFIGS:
        body = {"name": "Canary", "on": True, "config": config(key), "statements": FLAGS}
        answer = call("POST", f"/api/v2/integrations/{key}", json=body)
        assert answer.status_code == 201, answer.text
        created[key] = answer.json()
    assert call("POST", "/ingest/entries", token=ingest_token, json=[entries.plain()]).status_code == 202
    for one in created.values():
        server.until_state(one, "suspended")
    # What a destination answers from here on would hold keys that it is not sent any more.
    receiver.clear_faults()
    return created


def make_mistakes(call, created):
    """Requests that carry secrets and fail, and a change of a secret."""
    for key in CONFIGS:
        wrong = {"name": 7, "config": {**config(key), "no_such_field": 1, "hostURL": TEAMS_SIGNATURE}}
        assert call("POST", f"/api/v2/integrations/{key}", json=wrong).status_code == 400
    for credentials in (WRONG_BEARER, f"Bearer {WRONG_BEARER}", f"Basic {WRONG_BEARER}"):
        assert call("GET", "/api/v2/integrations/splunk", token=credentials).status_code == 401
    path = f"/api/v2/integrations/datadog/{created['datadog']['_id']}"
    assert call("PATCH", path, json=[{"op": "replace", "path": "/config/apiKey", "value": NEW_KEY}]).status_code == 200
    assert call("PATCH", path, json=[{"op": "test", "path": "/config/apiKey", "value": NEW_KEY}]).status_code >= 400


def test_no_canary_is_in_logs_files_answers_or_other_destinations(server, receiver):
    server.token = BOOTSTRAP
    server.start()
    code, output, errors = run("auditcast", "token", "create", "--ingest", folder=server.folder, env=server.env())
    assert code == 0, errors
    ingest_token = output.strip()
    read_back = [canary for _, _, canary in READ_BACK.values()]
    canaries = [*CANARIES.values(), *read_back, NEW_KEY, BOOTSTRAP, ingest_token, WRONG_BEARER]
    watcher = server.subscribe(WATCHER, CONFIGS[WATCHER], statements=OWN_CHANGES)
    call = Caller(server)
    created = create_and_suspend(server, receiver, call, ingest_token)
    make_mistakes(call, created)
    for key, one in created.items():
        assert call("GET", f"/api/v2/integrations/{key}").status_code == 200
        shown = call("GET", f"/api/v2/integrations/{key}/{one['_id']}").json()
        assert shown["_status"]["errors"], "the answer that repeats the secret is among the errors"
        attempts = call("GET", f"/api/v2/integrations/{key}/{one['_id']}/attempts?outcome=failed").json()["items"]
        assert attempts[-1]["statusCode"] == 401, attempts
    # Of a host that no config can choose the answer is shown, without the secret that it repeats.
    assert any("[hidden]" in text for what, _, text, _ in call.answers if "/attempts" in what)
    assert call("GET", "/metrics").status_code == 200
    call("DELETE", f"/api/v2/integrations/dynatrace/{created['dynatrace']['_id']}")
    call("GET", "/readyz")
    server.until_settled(watcher)
    assert server.stop() == 0

    call.assert_without(canaries)
    log = server.program.errors() + server.program.output()
    assert log.count("an attempt failed") >= len(CONFIGS)
    assert_absent(canaries, log, "the log")
    own = [request for request in receiver.received(WATCHER) if "signalfx-token" in json.dumps(request["headers"])]
    bodies = json.dumps([request["body"] for request in own])
    assert all(one["_id"] in bodies for one in created.values()), "changes of subscriptions are delivered"
    assert_absent(canaries, json.dumps(own), "what another destination got")
    files = all_files(server.data)
    assert any(b"Canary" in path.read_bytes() for path in files), "what is no secret is there as it is"
    for path in files:
        assert_absent(canaries, path.read_bytes(), path.name)


def test_files_of_a_killed_server_hold_no_canary(server, receiver):
    server.token = BOOTSTRAP
    server.start()
    for key in CONFIGS:
        server.subscribe(key, config(key))
    receiver.fault("status", status=500, forever=True)
    server.ingest([entries.plain(kind) for kind in entries.KINDS])
    server.kill()
    files = all_files(server.data)
    assert any(path.name.endswith("-wal") for path in files), [path.name for path in files]
    for path in files:
        assert_absent([*CANARIES.values(), *(canary for _, _, canary in READ_BACK.values()), BOOTSTRAP], path.read_bytes(), path.name)


class Echo(http.server.BaseHTTPRequestHandler):
    """Refuses every request with all that it was sent."""

    def log_message(self, *_):
        pass

    def refuse(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = json.dumps({"error": str(self.headers), "body": body.decode(errors="replace")}).encode()
        self.server.seen.append(str(self.headers))
        self.send_response(401)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT = refuse


@pytest.fixture
def echo():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.seen = []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def configs_of_other_kinds(echo):
    address = f"127.0.0.1:{echo.server_port}"
    configs = {
        "kafka": {"brokers": "127.0.0.1:1", "topic": "audit", "transport": "tcp", "login": "PLAIN", "username": "u"},
        "otlp": {"url": f"http://{address}"},
        "s3": {
            "bucket": "audit", "region": "eu-central-1", "endpoint": f"http://{address}", "addressing": "path",
            "accessKeyId": "AKIAEXAMPLE",
        },
    }
    return {key: {**config, OF_OTHER_KINDS[key][0]: OF_OTHER_KINDS[key][1]} for key, config in configs.items()}


def test_secrets_of_other_kinds_and_of_webhooks_are_shown_to_nobody_else(server, echo):
    server.token = BOOTSTRAP
    server.start()
    canaries = [*(canary for _, canary in OF_OTHER_KINDS.values()), WEBHOOK_SECRET]
    call = Caller(server)
    reader = call("POST", "/api/v2/tokens", json={"name": "reader", "role": "reader"}).json()["token"]
    created = {}
    for key, config in configs_of_other_kinds(echo).items():
        answer = call("POST", f"/api/v2/integrations/{key}", json={"name": "Canary", "on": True, "config": config, "statements": FLAGS})
        assert answer.status_code == 201, answer.text
        created[key] = answer.json()
    body = {"name": "Canary", "url": f"http://127.0.0.1:{echo.server_port}/hook", "sign": True, "on": True, "secret": WEBHOOK_SECRET}
    made = server.call("POST", "/api/v2/webhooks", json=body)
    assert made.status_code == 200 and made.json()["secret"] == WEBHOOK_SECRET
    path = f"/api/v2/webhooks/{made.json()['_id']}"
    server.ingest([entries.plain()])
    for key, one in created.items():
        until(lambda one=one: server.subscription(one)["_status"]["errors"], f"{key} has failed")
        for below in ("", "/attempts", "/ledger", "/dead-letters"):
            assert call("GET", f"/api/v2/integrations/{key}/{one['_id']}{below}").status_code == 200
    until(lambda: call("GET", path, token=reader).json()["_delivery"]["state"] == "suspended", "the webhook is suspended")
    assert any("x-ld-signature" in seen.lower() for seen in echo.seen) and any("canaryotlp" in seen for seen in echo.seen)
    secret = [{"op": "replace", "path": "/secret", "value": WEBHOOK_SECRET}]
    assert call("PATCH", path, token=reader, json=secret).status_code == 403
    wrong = {**body, "url": WEBHOOK_SECRET, "statements": [WEBHOOK_SECRET]}
    assert server.call("POST", "/api/v2/webhooks", json=wrong).status_code == 400
    for below in ("/api/v2/webhooks", "/api/v2/integration-health", "/api/v2/auditlog"):
        assert call("GET", below, token=reader).status_code == 200
    assert call("GET", "/metrics").status_code == 200
    assert server.stop() == 0
    call.assert_without(canaries)
    assert_absent(canaries, server.program.errors() + server.program.output(), "the log")
    for file in all_files(server.data):
        assert_absent(canaries, file.read_bytes(), file.name)


def test_credentials_inside_an_address_are_shown_to_nobody(server, receiver):
    server.token = BOOTSTRAP
    server.start()
    password = "canary-password-0013-canary"
    body = {"name": "x", "on": True, "config": {**CONFIGS["splunk"], "base-url": f"https://user:{password}@splunk.example.test"}}
    answer = server.call("POST", "/api/v2/integrations/splunk", json=body)
    if answer.status_code == 201:
        server.ingest([entries.plain()])
        server.until_settled(answer.json())
        assert_absent([password], json.dumps(server.subscription(answer.json())["_status"]), "_status")
    else:
        assert answer.status_code == 400
        assert_absent([password], answer.text, "the answer")
    assert server.stop() == 0
    assert_absent([password], server.program.errors(), "the log")
    for path in all_files(server.data):
        assert_absent([password], path.read_bytes(), path.name)


def test_members_that_are_hidden_do_not_reach_datadog(make_server, receiver):
    server = make_server(receiver=receiver).start()
    created = server.subscribe("datadog", {**CONFIGS["datadog"], "hideMemberDetails": True})
    batch = [entries.plain(kind, title=None) for kind in entries.KINDS]
    receiver.expect(entries.ids(batch))
    server.ingest(batch)
    server.until_settled(created)
    bodies = json.dumps([request["body"] for request in receiver.received("datadog")])
    assert_absent(["ada@shop.example", "Okoye"], bodies, "an event")
    assert receiver.counts("datadog")["distinct"] == len(batch)


def test_a_teams_address_is_named_by_its_host_only_in_logs(make_server, receiver):
    server = make_server(receiver=receiver, AUDITCAST_LOG_LEVEL="trace").start()
    receiver.fault("status", "msteams", status=500, count=2)
    created = server.subscribe("msteams", CONFIGS["msteams"])
    server.ingest([entries.plain()])
    server.until_settled(created)
    assert "sig=" not in server.program.errors() and "/workflows/" not in server.program.errors()
    assert TEAMS_HOST not in json.dumps(server.subscription(created)["_status"])
