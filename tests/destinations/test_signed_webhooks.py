"""The reference implementation of Standard Webhooks verifies what was sent."""

import hashlib
import hmac
import json

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from support import entries
from support.destinations import CONFIGS, PREVIOUS_WEBHOOK_SECRET, WEBHOOK_SECRET

KEY = "webhook-signed"


@pytest.fixture
def sent(make_server, receiver):
    """`sent(config, batch)` delivers the entries; headers and bodies as they came."""

    def sent(config, batch):
        server = make_server(receiver=receiver).start()
        created = server.subscribe(KEY, config)
        receiver.expect(entries.ids(batch))
        server.ingest(batch)
        server.until_settled(created)
        return [(dict(request["headers"]), json.dumps(request["body"], ensure_ascii=False, separators=(",", ":")))
                for request in receiver.received(KEY)]

    return sent


def assert_refused(secret, body, headers):
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


def test_every_request_is_verified_by_the_reference(sent):
    batch = [entries.plain(kind) for kind in entries.KINDS] + [entries.hostile("flag", entries.EVERY_HOSTILE)]
    requests = sent(CONFIGS[KEY], batch)
    assert len(requests) == len(batch)
    for headers, body in requests:
        assert Webhook(WEBHOOK_SECRET).verify(body, headers)["_id"] in body
        assert_refused(PREVIOUS_WEBHOOK_SECRET, body, headers)
        assert_refused(WEBHOOK_SECRET, body.replace('"date"', '"data"', 1), headers)
        assert_refused(WEBHOOK_SECRET, body, {**headers, "webhook-id": "msg_0"})
        signature = hmac.new(b"ld-webhook-secret", body.encode(), hashlib.sha256).hexdigest()
        assert headers["x-ld-signature"] == signature
    assert len({headers["webhook-id"] for headers, _ in requests}) == len(batch)


def test_while_a_secret_is_changed_both_verify(sent):
    config = {**CONFIGS[KEY], "secret": PREVIOUS_WEBHOOK_SECRET, "previousSecret": WEBHOOK_SECRET}
    [(headers, body)] = sent(config, [entries.plain()])
    for secret in (WEBHOOK_SECRET, PREVIOUS_WEBHOOK_SECRET):
        Webhook(secret).verify(body, headers)


def test_attempts_of_one_entry_share_their_id_and_each_verifies(make_server, receiver):
    server = make_server(receiver=receiver).start()
    receiver.fault("status", KEY, status=503, stored=True)
    receiver.fault("reset_after_body", KEY, stored=True)
    created = server.subscribe(KEY, CONFIGS[KEY])
    batch = [entries.plain()]
    receiver.expect(entries.ids(batch))
    server.ingest(batch)
    server.until_settled(created)
    attempts = [dict(request["headers"]) for request in receiver.received(KEY)]
    assert len(attempts) == 3
    assert len({attempt["webhook-id"] for attempt in attempts}) == 1
    assert [request["refused"] for request in receiver.received(KEY)] == [None] * 3
