"""Requests that schemathesis makes of the document, right ones and wrong ones, to a running server.

Its settings, and each check that does not hold for an operation, are in schemathesis.toml.
"""

import os
import pathlib
import subprocess
import sys

import pytest

from support.programs import run

FOLDER = pathlib.Path(__file__).parent


def made(server, path, body, token=None):
    """The id of something that is made to be read and changed."""
    answer = server.call("POST", path, token=token, json=body)
    assert answer.status_code in (200, 201), f"{path}: {answer.status_code} {answer.text}"
    return answer.json()["_id"]


def belongings(server):
    """One of each thing, by the name of the variable in schemathesis.toml."""
    config = {"base-url": "https://splunk.invalid:8088", "token": "0123456789ab9a9a", "skip-ca-verification": False}
    server.ingest([{"_id": "entry-1", "action": "pay", "resource": "org/acme:invoice/42"}])
    return {
        "SUBSCRIPTION": made(server, "/api/v2/integrations/splunk", {"name": "one", "config": config}),
        "WEBHOOK": made(server, "/api/v2/webhooks", {"url": "https://hooks.invalid/", "sign": True, "on": False}),
        "ACCESS_TOKEN": made(server, "/api/v2/tokens", {"name": "one", "serviceToken": True}),
    }


def tokens(server, folder):
    """A token of each role."""
    code, operator, errors = run("auditcast", "token", "create", "--operator", folder=folder, env=server.env())
    assert code == 0, errors
    roles = {"admin": server.token, "operator": operator.strip()}
    for role in ["reader", "ingest"]:
        answer = server.call("POST", "/api/v2/tokens", json={"role": role, "serviceToken": True})
        roles[role] = answer.json()["token"]
    return roles


# What is refused for the token is refused before it is looked at, so less of it is enough.
ALL = ["--phases", "examples,coverage,fuzzing"]
SOME = ["--phases", "examples,fuzzing", "--max-examples", "3"]


@pytest.mark.parametrize("role, much", [("admin", ALL), ("reader", SOME), ("operator", SOME), ("ingest", SOME)])
def test_the_server_keeps_to_its_document(make_server, tmp_path, role, much):
    server = make_server().start()
    variables = {**belongings(server), "PYTHONPATH": str(FOLDER), "SCHEMATHESIS_HOOKS": "hooks"}
    token = tokens(server, tmp_path)[role]
    command = [
        pathlib.Path(sys.executable).with_name("schemathesis"), "--config-file", FOLDER / "schemathesis.toml",
        "run", f"{server.url}/openapi.json", "--no-color", "--header", f"Authorization: {token}", *much,
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=600, check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert server.http.get(f"{server.url}/healthz", timeout=60).status_code == 200
