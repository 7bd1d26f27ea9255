"""The attempts of a subscription as its users see them."""

from support import entries
from support.destinations import CONFIGS
from support.polling import until


def attempts(server, created, query=""):
    answer = server.call("GET", f"/api/v2/integrations/{created['kind']}/{created['_id']}/attempts{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_a_failure_shows_its_peer_and_answer_only_where_no_config_chooses_the_host(make_server, receiver):
    server = make_server(receiver=receiver).start()
    made = {}
    for key in ("datadog", "splunk"):
        receiver.fault("status", key, status=403, body="not with this key", forever=True)
        made[key] = server.subscribe(key, CONFIGS[key])
    server.ingest([entries.plain()])
    for created in made.values():
        server.until_state(created, "suspended")
    # Ended by a clean stop, so that everything is written down.
    assert server.stop() == 0
    receiver.clear_faults()
    server.start()

    shown = attempts(server, made["datadog"], "?outcome=failed")[-1]
    assert (shown["number"], shown["outcome"], shown["statusCode"], shown["sent"]) == (1, "misconfigured", 403, True)
    assert shown["responseBody"] == "not with this key"
    assert shown["address"] == receiver.tls
    assert shown["tls"]["version"].startswith("TLSv1") and shown["tls"]["cipherSuite"].startswith("TLS")
    assert shown["next"]["does"] == "suspend" and shown["next"]["at"] > shown["endedAt"]

    hidden = attempts(server, made["splunk"], "?outcome=failed")[-1]
    assert (hidden["number"], hidden["statusCode"], hidden["next"]["does"]) == (1, 403, "suspend")
    assert not {"responseBody", "address", "tls"} & set(hidden)

    for created in made.values():
        server.until_settled(created)
        # It is listed once it is written down.
        accepted = until(lambda: attempts(server, created, "?outcome=accepted"), lambda: "no accepted attempt is listed")
        assert [attempt["probe"] for attempt in accepted] == [True]
