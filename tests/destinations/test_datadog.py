"""Datadog's own client reads what was sent to Datadog."""

import pytest
from datadog_api_client.model_utils import validate_and_convert_types
from datadog_api_client.configuration import Configuration
from datadog_api_client.v1.model.event_create_request import EventCreateRequest


def decoded(body):
    """As the vendor's client decodes: lengths and types are checked."""
    configuration = Configuration()
    return validate_and_convert_types(body, (EventCreateRequest,), ["body"], False, True, configuration)


def requests_of(*sent):
    return [request for one in sent for request in one.received["datadog"]]


def test_every_body_is_an_event_of_datadogs_model(sent_to_all, sent_to_the_quick):
    known = set(EventCreateRequest.attribute_map.values())
    requests = requests_of(sent_to_all, sent_to_the_quick)
    assert requests
    for request in requests:
        event = decoded(request["body"])
        # The model keeps what it cannot read instead of refusing it.
        assert not event._unparsed, request["body"]
        assert set(request["body"]) <= known
        assert len(event.text) <= 4_000 and event.text.startswith("%%% \n") and event.text.endswith("\n%%%")
        assert event.title.strip()


@pytest.mark.parametrize("wrong", [{"text": "x" * 4_001}, {"date_happened": "1790000000"}, {"aggregation_key": "x" * 101}])
def test_the_model_refuses_what_datadog_refuses(wrong):
    with pytest.raises(Exception, match=next(iter(wrong))):
        decoded({"title": "t", "text": "t", **wrong})
