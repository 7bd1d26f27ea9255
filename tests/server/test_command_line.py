"""The command line, settings, tokens and HTTPS, as an operator meets them."""

import functools
import json

import pytest
import requests
from support import entries
from support.certificates import Certificates
from support.destinations import CONFIGS
from support.programs import environment, run
from support.server import session


def test_config_check_reports_every_mistake_at_once(tmp_path):
    (tmp_path / "auditcast.toml").write_text('listen = "nowhere"\nno_such_key = 1\ndelivery_window_max = 0\n')
    env = environment(AUDITCAST_LOG_FORMAT="xml", AUDITCAST_NO_SUCH_KEY="1", AUDITCAST_TLS_CERT="cert.pem",
                      AUDITCAST_ALLOW_DESTINATIONS="10.0.0.0/99")
    code, _, errors = run("auditcast", "config", "check", "--http-connections-max", "many", folder=tmp_path, env=env)
    assert code not in (0, None)
    for part in ["listen", "no_such_key", "delivery_window_max", "AUDITCAST_LOG_FORMAT", "AUDITCAST_NO_SUCH_KEY", "tls_key",
                 "10.0.0.0/99", "--http-connections-max"]:
        assert part in errors, f"{part} is not named: {errors}"
    served, _, _ = run("auditcast", "serve", folder=tmp_path, env=env)
    assert served not in (0, None), "a server does not start with mistakes in its settings"
    assert not (tmp_path / "data").exists(), "and touches nothing"


def test_a_right_configuration_is_said_to_be_right(tmp_path):
    code, output, errors = run("auditcast", "config", "check", folder=tmp_path)
    assert code == 0, errors
    assert output + errors


def test_the_first_start_shows_an_admin_token_once(make_server):
    server = make_server(bootstrap=False)
    server.start()
    shown = server.program.output().strip().splitlines()
    token = shown[-1]
    assert len(shown) == 2 and len(token) >= 20
    assert token not in server.program.errors(), "a log is kept, the token is not"
    created = server.call("POST", "/api/v2/integrations/datadog", token=token, json={"name": "x", "config": CONFIGS["datadog"]})
    assert created.status_code == 201, created.text
    assert server.stop() == 0
    server.start()
    assert server.program.output() == "", "the second start shows no token"
    assert server.call("GET", "/api/v2/integrations/datadog", token=token).status_code == 200


def test_a_given_bootstrap_token_is_not_shown(server):
    assert server.program.output() == ""
    assert server.token not in server.program.errors()


def test_another_bootstrap_token_at_a_later_start_ends_the_one_before(server):
    first = server.token
    assert server.stop() == 0
    server.settings["AUDITCAST_BOOTSTRAP_TOKEN"] = "another-token-for-the-same-server"
    server.start()
    for token, status in ((first, 401), ("another-token-for-the-same-server", 200)):
        assert server.call("GET", "/api/v2/integrations/splunk", token=token).status_code == status


def assert_can_only_ingest(server, token, created):
    answer = server.call("POST", "/ingest/entries", token=token, json=[entries.plain()])
    assert answer.status_code == 202, answer.text
    path = f"/api/v2/integrations/splunk/{created['_id']}"
    change = [{"op": "replace", "path": "/name", "value": "mine"}]
    new = {"name": "x", "config": CONFIGS["splunk"]}
    for method, where, body in [
        ("GET", "/api/v2/integrations/splunk", None), ("POST", "/api/v2/integrations/splunk", new),
        ("GET", path, None), ("PATCH", path, change), ("DELETE", path, None),
    ]:
        answer = server.call(method, where, token=token, json=body)
        assert answer.status_code == 403, f"{method} {where}: {answer.status_code}"
        assert answer.json()["code"] == "forbidden"
    assert server.subscription(created)["name"] == created["name"]


@pytest.mark.parametrize("running", [True, False], ids=["beside a server", "without one"])
def test_a_token_for_ingest_can_do_nothing_else(server, running):
    created = server.subscribe("splunk", CONFIGS["splunk"], on=False)
    if not running:
        assert server.stop() == 0
    code, output, errors = run("auditcast", "token", "create", "--ingest", "--name", "shop", folder=server.folder, env=server.env())
    assert code == 0, errors
    token = output.strip()
    assert token and len(token.split()) == 1, "the token stands alone, for scripts"
    assert token not in errors
    if not running:
        server.start()
    assert_can_only_ingest(server, token, created)


def test_an_admin_token_from_the_command_line_is_one(server):
    code, output, errors = run("auditcast", "token", "create", folder=server.folder, env=server.env())
    assert code == 0, errors
    new = {"name": "x", "config": CONFIGS["splunk"]}
    answer = server.call("POST", "/api/v2/integrations/splunk", token=output.strip(), json=new)
    assert answer.status_code == 201, answer.text


def test_a_token_for_an_account_that_is_not_there_is_refused(server):
    code, output, errors = run("auditcast", "token", "create", "--account", "nobody", folder=server.folder, env=server.env())
    assert code != 0 and output == "" and "no such account" in errors


def test_help_has_examples(tmp_path):
    for words in (["serve"], ["config", "check"], ["token", "create"], ["integrations", "list"]):
        code, output, _ = run("auditcast", *words, "--help", folder=tmp_path)
        assert code == 0 and "Example" in output and f"auditcast {' '.join(words)}" in output, words


def test_the_integrations_are_listed_with_their_fields(tmp_path):
    code, output, errors = run("auditcast", "integrations", "list", folder=tmp_path)
    assert code == 0, errors
    for key, config in CONFIGS.items():
        for word in (key, *config):
            assert word in output, f"{word} of {key}"


def test_https_is_served_with_the_given_certificate(make_server, tmp_path):
    certificates = Certificates(tmp_path)
    server = make_server(**certificates.settings()).start()
    assert server.url.startswith("https://")
    server.http.verify = str(certificates.ca)
    assert server.ingest([entries.plain()])["accepted"] == 1
    assert server.call("GET", "/readyz").status_code == 200
    stranger = session()
    with pytest.raises(requests.exceptions.SSLError):
        stranger.get(server.url + "/healthz", timeout=10)
    with pytest.raises(requests.exceptions.ConnectionError):
        stranger.get(server.url.replace("https", "http") + "/healthz", timeout=10)


def test_a_certificate_that_is_none_keeps_the_server_from_starting(make_server, tmp_path):
    certificates = Certificates(tmp_path)
    certificates.chain.write_text("no certificate")
    server = make_server(**certificates.settings())
    code, _, errors = run("auditcast", "serve", folder=tmp_path, env=server.env())
    assert code != 0 and str(certificates.chain) in errors


def test_the_retention_of_an_account_is_changed_beside_a_server_and_without_one(server):
    def retention(*change):
        code, output, errors = run("auditcast", "account", "retention", *change, folder=server.folder, env=server.env())
        return code, output + errors

    assert "400 days, the age of all accounts; no legal hold" in retention("default")[1]
    assert "2555 days, its own age" in retention("default", "--days", "2555")[1]
    assert server.stop() == 0
    assert "a legal hold stands" in retention("default", "--days", "default", "--legal-hold", "on")[1]
    server.start()
    code, output = retention("default")
    assert code == 0 and "400 days, the age of all accounts; a legal hold stands" in output
    newest = server.call("GET", "/api/v2/auditlog?q=kind:account&limit=2").json()["items"]
    assert [access["action"] for access in newest[0]["accesses"]] == ["updateRetention", "updateLegalHold"]
    assert [access["action"] for access in newest[1]["accesses"]] == ["updateRetention"]
    for wrong in (["default", "--days", "0"], ["default", "--legal-hold", "maybe"], ["no-such-account"]):
        assert retention(*wrong)[0] not in (0, None)


def test_an_integration_of_ones_own_is_made_checked_and_tried_out(tmp_path, receiver):
    """The way of an author: new, check, preview, test, each with errors that say what to do."""
    auditcast = functools.partial(run, "auditcast", "integrations", folder=tmp_path)
    code, output, errors = auditcast("new", "acme-siem")
    assert code == 0 and "acme-siem/manifest.json" in output, errors
    assert auditcast("new", "acme-siem")[0] == 2
    assert auditcast("check", "acme-siem")[0] == 0
    code, output, errors = auditcast("preview", "acme-siem")
    assert code == 0 and "Authorization: Bearer ********" in output, errors
    (tmp_path / "acme-siem" / "templates" / "default.json.hbs").write_text('{\n  "name": {{name}}\n}')
    code, _, errors = auditcast("check", "acme-siem")
    assert code == 2 and "default.json.hbs" in errors and "not JSON" in errors

    schema = json.loads(auditcast("schema")[1])
    assert schema["properties"]["formVariables"]["type"] == "array"

    # The real client, past the guard that keeps servers from private addresses.
    config = tmp_path / "splunk.json"
    lab = ["--connect-to", f"splunk.example.test:443={receiver.tls}", "--extra-ca", str(receiver.ca)]
    config.write_text(json.dumps(CONFIGS["splunk"]))
    code, output, errors = auditcast("test", "splunk", "--config", str(config), *lab)
    assert code == 0 and "answered: 200" in output and "outcome: accepted" in output, output + errors
    entry = tmp_path / "entry.json"
    entry.write_text(json.dumps({**entries.plain(), "name": "A name of its own"}))
    code, output, errors = auditcast("test", "splunk", "--config", str(config), "--entry", str(entry), *lab)
    assert code == 0 and len(receiver.received("splunk")) == 2, output + errors
    assert "A name of its own" in json.dumps(receiver.received("splunk")[1]["body"])
    config.write_text(json.dumps({**CONFIGS["splunk"], "token": "canary-wrong-token"}))
    code, output, errors = auditcast("test", "splunk", "--config", str(config), *lab)
    assert code == 1 and "answered: 403" in output and "outcome: misconfigured" in output, output + errors
    assert "canary" not in output + errors
    config.write_text(json.dumps({"token": "canary-wrong-token"}))
    code, output, errors = auditcast("test", "splunk", "--config", str(config), *lab)
    assert code == 2 and "config.base-url is required" in errors and not output, output + errors
    assert not (tmp_path / "data").exists(), "nothing is stored"
