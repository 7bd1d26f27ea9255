"""The local stand-in of the vendors, and what it got."""

import requests

from support.polling import until
from support.programs import Program, binary, environment


class Receiver:
    """A running `auditcast-receiver`; its documentation lists the faults and the fields of a request."""

    def __init__(self, folder, *arguments):
        self.ca = folder / "vendors-ca.pem"
        command = [
            binary("auditcast-receiver"), "--tls-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
            "--control-listen", "127.0.0.1:0", "--ca-out", str(self.ca), *arguments,
        ]
        self.program = Program("receiver", command, folder, environment())
        self.control = self.program.line(self.program.out, r"^control: (\S+)")[1]
        self.tls = self.program.line(self.program.out, r"^vendors: https://(\S+)")[1]
        self.plain = self.program.line(self.program.out, r"^vendors: http://(\S+)")[1]
        self.http = requests.Session()
        self.http.trust_env = False

    def _ask(self, method, path, **options):
        answer = self.http.request(method, self.control + path, timeout=60, **options)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def stop(self):
        self.http.close()
        self.program.kill()

    def expect(self, ids):
        self._ask("POST", "/expect", json={"ids": list(ids)})

    def fault(self, kind, destination=None, **fields):
        self._ask("POST", "/faults", json={"kind": kind, "destination": destination, **fields})

    def waiting_faults(self):
        return self._ask("GET", "/faults").json()

    def clear_faults(self):
        self._ask("DELETE", "/faults")

    def forget(self):
        self._ask("DELETE", "/received")

    def received(self, destination=None):
        """The requests, oldest first."""
        return self._ask("GET", "/received", params={"destination": destination} if destination else None).json()

    def counts(self, destination):
        nothing = {"requests": 0, "refused": 0, "stored": 0, "distinct": 0, "duplicates": 0, "missing": 0}
        return self._ask("GET", "/summary").json().get(destination, nothing)

    def stored(self, destination):
        """How many times each expected id was stored."""
        times = {}
        for request in self.received(destination):
            for entry_id in request["stored_ids"]:
                times[entry_id] = times.get(entry_id, 0) + 1
        return times

    def until_stored(self, ids, destinations, seconds=60):
        """Waits until each of `ids`, all of which are expected, is stored at each of `destinations`."""
        count = len(set(ids))

        def lacking():
            summary = self._ask("GET", "/summary").json()
            return {key: summary.get(key) for key in destinations if summary.get(key, {}).get("distinct", 0) < count}

        until(lambda: not lacking(), lambda: f"{count} entries at {lacking()}", seconds)
