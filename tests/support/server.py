"""The server under test, and its API."""

import json
import secrets

import requests

from support.polling import until
from support.programs import Program, binary, environment

# Waits that a test would otherwise sit out. What they mean is in docs/settings.md.
QUICK = {
    "AUDITCAST_DELIVERY_BACKOFF_FIRST_MS": 100,
    "AUDITCAST_DELIVERY_BACKOFF_MAX_MS": 500,
    "AUDITCAST_DELIVERY_PROBE_FIRST_MS": 300,
    "AUDITCAST_DELIVERY_PROBE_MAX_MS": 600,
    "AUDITCAST_DELIVERY_ENTRY_SCHEDULE_SECONDS": 3600,
    # The disk of a machine that runs tests may be small.
    "AUDITCAST_DISK_FREE_MIN_BYTES": 0,
}

EVERYTHING = [{
    "effect": "allow", "actions": ["*"],
    "resources": ["proj/*", "proj/*:env/*", "proj/*:metric/*", "proj/*:env/*:flag/*", "proj/*:env/*:segment/*", "acme/*",
                  "member/*", "member/*:token/*", "webhook/*", "application/*", "org/*:invoice/*"],
}]


def session():
    """A session that takes neither a proxy nor certificates from the environment."""
    http = requests.Session()
    http.trust_env = False
    return http


class Server:
    """A server with a data folder of its own. It can be stopped and started again."""

    def __init__(self, folder, receiver=None, bootstrap=True, **settings):
        self.folder = folder
        self.data = folder / "data"
        self.token = f"admin-{secrets.token_hex(16)}" if bootstrap else None
        self.settings = {
            "AUDITCAST_LISTEN": "127.0.0.1:0",
            "AUDITCAST_DATA_DIR": self.data,
            "AUDITCAST_BOOTSTRAP_TOKEN": self.token,
            "AUDITCAST_ALLOW_DESTINATIONS": "127.0.0.0/8",
            **QUICK,
        }
        if receiver:
            from support.destinations import HOSTS

            self.settings["AUDITCAST_CONNECT_TO"] = ",".join(f"{host}:443={receiver.tls}" for host in HOSTS)
            self.settings["AUDITCAST_EXTRA_CA"] = receiver.ca
        self.settings.update(settings)
        self.program = None
        self.url = None
        self.last_sequence = 0
        self.http = session()

    def env(self):
        return environment(**self.settings)

    def launch(self):
        """Starts the program and does not wait for it to serve."""
        self.program = Program("server", [binary("auditcast"), "serve"], self.folder, self.env())

    def start(self):
        self.launch()
        self.url = self.program.line(self.program.err, r"serving on (https?://[^\s\"]+)")[1]
        return self

    def stop(self):
        """A clean end; the exit code."""
        return self.program.terminate()

    def kill(self):
        self.program.kill()

    def close(self):
        self.http.close()
        if self.program and self.program.is_running():
            self.program.kill()

    def call(self, method, path, token=None, **options):
        """One request with the admin token or another one. The answer, whatever its status."""
        headers = {"Authorization": token or self.token, **options.pop("headers", {})}
        return self.http.request(method, self.url + path, headers=headers, timeout=options.pop("timeout", 60), **options)

    def subscribe(self, key, config, statements=None, on=True, name="End to end"):
        """Creates a subscription; its representation."""
        body = {"name": name, "on": on, "config": config, "statements": statements or EVERYTHING}
        answer = self.call("POST", f"/api/v2/integrations/{key}", json=body)
        assert answer.status_code == 201, f"{key}: {answer.status_code} {answer.text}"
        return answer.json()

    def subscription(self, created):
        answer = self.call("GET", f"/api/v2/integrations/{created['kind']}/{created['_id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def patch(self, created, *operations):
        answer = self.call("PATCH", f"/api/v2/integrations/{created['kind']}/{created['_id']}", json=list(operations))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until_state(self, created, state, seconds=30):
        """Waits until the subscription is in `state`; its representation then."""
        seen = {}

        def look():
            seen.update(self.subscription(created))
            return seen["_delivery"]["state"] == state and seen

        return until(look, lambda: f"{state}: {seen.get('_delivery')} {seen.get('_status')}", seconds)

    def until_settled(self, *created, seconds=60):
        """Waits until everything that was ingested has its fate for these subscriptions."""
        seen = {}

        def look():
            for one in created:
                seen[one["kind"]] = self.subscription(one)["_delivery"]
            return all(one.get("waiting") == 0 and one["position"] >= self.last_sequence for one in seen.values())

        until(look, lambda: f"settled up to {self.last_sequence}: {seen}", seconds)

    def ingest(self, entries, **options):
        """Sends entries as one batch; the answer to it, which must be a 202."""
        data = json.dumps(entries, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        answer = self.call("POST", "/ingest/entries", data=data, headers=headers, **options)
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        done = answer.json()
        self.last_sequence = max(self.last_sequence, done["lastSequence"] or 0)
        return done
