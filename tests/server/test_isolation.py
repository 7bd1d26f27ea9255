"""Destinations that hang, reset, trickle or never end change nothing for those that answer."""

import psutil
from support.bench import INTEGRATIONS, Sink, load, reconcile
from support.polling import until

HEALTHY = 4
# What happens at each host, and how many subscriptions go there: those that hang alone would take all
# permits if they could.
HOSTS = ["reset", "trickle", "endless", "hang", "hang", "hang", "hang"]
BAD = 8
PERMITS = 32
ENTRIES = 150
FLAGS = [{"effect": "allow", "resources": ["proj/*:env/*:flag/*"], "actions": ["*"]}]
# The least that a request waits for its answer is longer: who hangs has not been given up by then.
SECONDS = 25


def test_who_does_not_answer_holds_nobody_else_up(make_server, tmp_path, capsys):
    misbehave = [argument for kind in set(HOSTS) for argument in ("--misbehave", f"/{kind}={kind}")]
    sink = Sink(tmp_path, *misbehave, hosts=["127.0.0.1", *(f"127.0.1.{number}" for number in range(1, len(HOSTS) + 1))])
    server = make_server(
        AUDITCAST_INTEGRATIONS_DIR=INTEGRATIONS, AUDITCAST_DELIVERY_PERMITS=PERMITS,
        AUDITCAST_DELIVERY_FIRST_BYTE_TIMEOUT_MS=60_000, AUDITCAST_DELIVERY_REQUEST_TIMEOUT_MS=60_000,
    ).start()
    try:
        for number in range(HEALTHY):
            server.subscribe("bench-post", {"url": f"{sink.urls[0]}/ok{number}"}, FLAGS)
        # One entry each, so that they are known to answer.
        assert load(server, "first", "--count", "1").wait() == 0
        until(lambda: sink.stats()["unique"] == HEALTHY, "the first one is delivered")
        server_process = psutil.Process(server.program.pid)
        memory = server_process.memory_info().rss
        for host, kind in enumerate(HOSTS, start=1):
            for number in range(BAD):
                server.subscribe("bench-post", {"url": f"{sink.urls[host]}/{kind}/{host}/{number}"}, FLAGS)
            # Each kind meets an entry before those that hang take all that they can.
            assert load(server, kind, "--count", "1").wait() == 0
            until(lambda kind=kind: f"/{kind}/" in sink.ids(), f"{kind} is asked")

        program = load(server, "second", "--conns", "4", "--rate", "30", "--count", str(ENTRIES))
        most_files = 0

        def healthy_have_all():
            nonlocal most_files
            most_files = max(most_files, server_process.num_fds())
            lines = [line.split("\t") for line in sink.ids().splitlines()]
            return sum(1 for path, _, delivered, *_ in lines if path.startswith("/ok") and int(delivered)) == HEALTHY * (ENTRIES + 1 + len(HOSTS))

        until(healthy_have_all, "the healthy ones have everything", SECONDS)
        assert program.wait() == 0
        grown = server_process.memory_info().rss - memory
        with capsys.disabled():
            print(f"\n{HEALTHY} healthy beside {BAD * len(HOSTS)} bad: {most_files} files open at most, {grown >> 20} MiB more memory")
        # What is open beside requests in flight: idle connections, the database, listeners.
        assert most_files <= PERMITS + 100
        assert grown < 64 << 20
        assert reconcile(server, ["first", "second"], sink, HEALTHY)["lost_entries"] == 0
        limits = server_process.rlimit(psutil.RLIMIT_NOFILE)
        assert limits[0] == limits[1], "the limit of open files is raised to what is allowed"
    finally:
        sink.stop()
