"""A server that is killed again and again loses nothing that it has acknowledged."""

import random
import threading

import requests
from support import entries
from support.destinations import CONFIGS
from support.server import session

KILLS = 25
SEED = 20_261_123
DESTINATIONS = ["splunk", "elastic", "datadog"]


class Producer(threading.Thread):
    """Sends small batches and repeats each until it is acknowledged, as a careful client does."""

    def __init__(self, server, receiver, seed, stopping):
        super().__init__(daemon=True)
        self.server = server
        self.receiver = receiver
        self.http = session()
        self.random = random.Random(seed)
        self.stopping = stopping
        self.sequences = {}
        self.repeated = 0
        self.failure = None

    def run(self):
        try:
            while not self.stopping.is_set():
                self.send([entries.plain(self.random.choice(list(entries.KINDS))) for _ in range(self.random.randint(1, 4))])
                # Slow enough for a debug build to deliver what is sent while it is killed.
                self.stopping.wait(0.05)
        except Exception as failure:  # noqa: BLE001 - reported by the test
            self.failure = failure

    def send(self, batch):
        answer = self.http.post(f"{self.receiver.control}/expect", json={"ids": entries.ids(batch)}, timeout=20)
        assert answer.ok, answer.text
        while True:
            try:
                answer = self.http.post(
                    f"{self.server.url}/ingest/entries?ids=true", json=batch,
                    headers={"Authorization": self.server.token}, timeout=20,
                )
            except requests.RequestException:
                # Killed before or after the commit: which one, only a repetition tells.
                self.repeated += 1
                self.stopping.wait(0.02)
                continue
            assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
            for item in answer.json()["items"]:
                assert self.sequences.setdefault(item["id"], item["sequence"]) == item["sequence"]
            return


def test_every_acknowledged_entry_is_delivered_whenever_the_server_is_killed(server, receiver, capsys):
    for key in DESTINATIONS:
        server.subscribe(key, CONFIGS[key])
    moments = random.Random(SEED)
    stopping = threading.Event()
    producers = [Producer(server, receiver, SEED + number, stopping) for number in range(3)]
    for producer in producers:
        producer.start()
    never = threading.Event()
    for _ in range(KILLS):
        never.wait(moments.uniform(0.0, 1.0))
        server.kill()
        server.start()
    stopping.set()
    for producer in producers:
        producer.join(30)
        assert not producer.is_alive() and producer.failure is None, producer.failure

    sequences = {entry_id: sequence for producer in producers for entry_id, sequence in producer.sequences.items()}
    receiver.until_stored(sequences, DESTINATIONS)
    lines = [f"{KILLS} kills, {sum(producer.repeated for producer in producers)} requests repeated"]
    for key in DESTINATIONS:
        counts = receiver.counts(key)
        lines.append(f"{key}: {len(sequences)} acknowledged, {counts['distinct']} delivered, {counts['duplicates']} of them again")
        assert receiver.stored(key).keys() == sequences.keys()
        # Elastic refuses a document that it has already, which is what its id is for.
        assert key == "elastic" or counts["refused"] == 0, counts["last_refusal"]
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert len(sequences) > KILLS, "hardly anything was sent"
    numbers = sorted(sequences.values())
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "the log has gaps or places that are used twice"
