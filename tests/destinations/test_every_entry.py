"""Whatever an entry holds, every destination takes it."""

import pytest
from support.destinations import ALL, BATCHED, QUICK


def assert_complete(sent, key):
    counts = sent.counts[key]
    assert counts["refused"] == 0, counts["last_refusal"]
    assert sorted(sent.stored[key]) == sorted(sent.ids)
    assert set(sent.stored[key].values()) == {1}, "nothing failed, so nothing is sent twice"
    status = sent.subscriptions[key]["_status"]
    assert (status["successCount"], status["errorCount"]) == (len(sent.ids), 0)


@pytest.mark.parametrize("key", ALL)
def test_every_kind_plain_hostile_and_minimal_arrives(sent_to_all, key):
    assert_complete(sent_to_all, key)


@pytest.mark.parametrize("key", QUICK)
def test_each_hostile_text_in_each_kind_arrives(sent_to_the_quick, key):
    assert_complete(sent_to_the_quick, key)


@pytest.mark.parametrize("key", BATCHED)
def test_a_backlog_goes_in_batches(sent_to_the_quick, key):
    assert len(sent_to_the_quick.received[key]) < len(sent_to_the_quick.ids) / 2
