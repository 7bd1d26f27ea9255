"""Starts a server over HTTP and one over HTTPS, and runs a command that finds them in its environment.

A server speaks one of the two, and a data folder belongs to one server, so there are two. They have
the same admin token.

    python serve.py -- COMMAND…
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from support.certificates import Certificates
from support.programs import run
from support.server import Server


def serve(folder, command):
    """The exit code of `command`."""
    certificates = Certificates(folder)
    (folder / "http").mkdir()
    (folder / "https").mkdir()
    plain = Server(folder / "http")
    encrypted = Server(folder / "https", AUDITCAST_BOOTSTRAP_TOKEN=plain.token, **certificates.settings())
    try:
        plain.start()
        encrypted.start()
        code, ingest_token, errors = run("auditcast", "token", "create", "--ingest", folder=folder, env=plain.env())
        assert code == 0, errors
        environment = {
            **os.environ,
            "AUDITCAST_TEST_URL": plain.url,
            "AUDITCAST_TEST_TLS_URL": encrypted.url,
            "AUDITCAST_TEST_CA": str(certificates.ca),
            "AUDITCAST_TEST_TOKEN": plain.token,
            "AUDITCAST_TEST_INGEST_TOKEN": ingest_token.strip(),
        }
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        plain.close()
        encrypted.close()


if __name__ == "__main__":
    assert sys.argv[1] == "--" and sys.argv[2:], __doc__
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(serve(pathlib.Path(temporary), sys.argv[2:]))
