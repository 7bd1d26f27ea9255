"""Killed again and again under load, the server loses nothing that it has acknowledged, as `bench-recon` counts it."""

import os
import random
import threading

from support.bench import INTEGRATIONS, Sink, load, reconcile
from support.polling import until

KILLS = int(os.environ.get("KILLS", "30"))
SEED = os.environ.get("KILLS_SEED", "20261123")
# One path each: plain, slow, one that resets connections after it has taken the entry, one that fails.
PATHS = ["plain", "slow", "faulty/resets", "faulty/more"]
FAULTS = ["--delay-path", "/slow=20", "--fault-path", "/faulty", "--reset-ratio", "0.05", "--error-ratio", "0.05"]
# A debug build on two cores keeps up with this many entries a second to each of four.
RATE = 60
# The rest of a load after its server was killed, in seconds.
BEYOND = 0.05


def test_nothing_acknowledged_is_lost_by_hundreds_of_kills(make_server, tmp_path, capsys):
    sink = Sink(tmp_path, *FAULTS)
    server = make_server(AUDITCAST_INTEGRATIONS_DIR=INTEGRATIONS).start()
    for path in PATHS:
        statements = [{"effect": "allow", "resources": ["proj/*:env/*:flag/*"], "actions": ["*"]}]
        server.subscribe("bench-post", {"url": f"{sink.urls[0]}/{path}"}, statements)
    moments, never, names, at_start = random.Random(SEED), threading.Event(), [], 0
    for number in range(KILLS):
        if moments.random() < 0.2:
            # While it starts, or recovers from the kill before.
            server.kill()
            server.launch()
            never.wait(moments.uniform(0.0, 0.15))
            at_start += 1
        else:
            lives, name = moments.uniform(0.02, 0.8), f"load-{number}"
            program = load(server, name, "--conns", "8", "--rate", str(RATE), "--duration", str(lives + BEYOND), "--timeout-ms", "2000")
            names.append(name)
            never.wait(lives)
            server.kill()
            assert program.wait() == 0, program.tail()
        if server.program.is_running():
            server.kill()
        server.start()

    def all_there():
        found.update(reconcile(server, names, sink, len(PATHS)))
        return found["lost_entries"] == 0

    found = {}
    try:
        until(all_there, lambda: f"everything is delivered: {found}", 60 + KILLS // 3)
    finally:
        sink.stop()
        with capsys.disabled():
            print(
                f"\n{KILLS} kills, {at_start} of them during a start: {found['accepted']} acknowledged entries to {len(PATHS)} paths, "
                f"{found['lost_entries']} lost, {found['extra_deliveries']} deliveries twice, {found['unsure']} not answered for, "
                f"{found['unsure_but_delivered']} of those delivered"
            )
    assert found["strangers"] == 0
    assert found["accepted"] > KILLS, "hardly anything was sent"
