"""The document that a server gives of its API."""

from openapi_spec_validator import OpenAPIV31SpecValidator


def test_the_document_is_valid_after_openapi(make_server):
    server = make_server().start()
    answer = server.http.get(server.url + "/openapi.json", timeout=60)
    assert answer.status_code == 200, "it takes no token"
    document = answer.json()
    assert document["openapi"].startswith("3.1.")
    mistakes = [str(mistake) for mistake in OpenAPIV31SpecValidator(document).iter_errors()]
    assert mistakes == []
