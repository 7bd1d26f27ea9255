"""The benchmark's programs: a sink that counts what comes to each path, a load, and what compares the two."""

import json

import requests

from support.programs import ROOT, Program, binary, environment, run

INTEGRATIONS = ROOT / "bench" / "integrations"


class Sink:
    """A running `bench-sink` with one address for each of `hosts`; its --help lists the options."""

    def __init__(self, folder, *options, hosts=("127.0.0.1",)):
        listen = [argument for host in hosts for argument in ("--listen", f"{host}:0")]
        self.program = Program("sink", [binary("bench-sink"), *listen, *options], folder, environment())
        self.program.line(self.program.out, "^ready")
        self.urls = [line for line in self.program.output().splitlines() if line.startswith("http://")]
        self.http = requests.Session()
        self.http.trust_env = False

    def stats(self):
        return self.http.get(f"{self.urls[0]}/_sink/stats", timeout=60).json()

    def ids(self):
        """What came, as `bench-recon` reads it."""
        return self.http.get(f"{self.urls[0]}/_sink/ids", timeout=60).text

    def stop(self):
        self.http.close()
        self.program.kill()


def load(server, name, *options):
    """A `bench-load` that runs; what it knows to be accepted comes into the file `NAME.tsv`."""
    command = [
        binary("bench-load"), "--url", f"{server.url}/ingest/entries", "--header", f"authorization: {server.token}",
        "--ids-out", str(server.folder / f"{name}.tsv"), *options,
    ]
    return Program(name, command, server.folder, environment())


def reconcile(server, names, sink, fanout):
    """What `bench-recon` says of the loads of these names; each entry has to have come to `fanout` paths."""
    delivered = server.folder / "delivered.tsv"
    delivered.write_text(sink.ids())
    accepted = [argument for name in names for argument in ("--accepted", str(server.folder / f"{name}.tsv"))]
    code, out, errors = run(
        "bench-recon", *accepted, "--delivered", str(delivered), "--fanout", str(fanout), folder=server.folder,
    )
    assert out, f"bench-recon ended with {code}: {errors}"
    return json.loads(out)
