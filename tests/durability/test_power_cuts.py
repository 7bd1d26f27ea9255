"""What the store has acknowledged is there after a power cut, at whatever moment and whatever else is lost.

`power_cuts.py` says what a cut may do. Here runs are recorded, and each is cut many times.
"""

import os
import random
import shutil

import power_cuts
import pytest
from support.programs import binary

RUNS = [1, 2, 3]
ROUNDS = 15
# Of each run, and of one that begins on a disk that a cut has left: a thousand in all.
CUTS = int(os.environ.get("POWER_CUTS", "250"))
SEED = os.environ.get("POWER_CUTS_SEED", "1")
# Where something is left out on purpose, a few are enough to find it.
FEW = 40


@pytest.fixture(scope="module")
def checker():
    with power_cuts.Checker([binary("examples/power_cuts"), "check"]) as checker:
        yield checker


def work(folder, seed, *plant, inject=None):
    """Records a run on the data in `folder`; these and the trace."""
    data, trace = folder / "data", folder / f"trace-{seed}.log"
    data.mkdir(exist_ok=True)
    power_cuts.record(trace, [binary("examples/power_cuts"), "work", str(data), str(seed), str(ROUNDS), *plant], inject)
    return data, trace


def tell(capsys, what, found):
    with capsys.disabled():
        print(f"\n{what}: {found.cuts} power cuts, {len(found.wrong)} wrong, {found.entries} entries at most")


@pytest.mark.parametrize("run", RUNS)
def test_what_was_acknowledged_is_there_after_a_power_cut(tmp_path, checker, capsys, run):
    data, trace = work(tmp_path, run)
    found = power_cuts.cut(trace, power_cuts.Disk(data), checker, CUTS, f"{SEED}.{run}")
    tell(capsys, f"run {run}", found)
    assert not found.wrong, "\n".join(found.wrong)
    assert found.entries > 100, "hardly anything was done"


def test_a_power_cut_while_the_store_recovers_from_one_loses_nothing(tmp_path, checker, capsys):
    data, trace = work(tmp_path, 4)
    cuts = list(power_cuts.disks(power_cuts.read(trace), power_cuts.Disk(data), 20, f"{SEED}.base"))
    _, files, lines = random.Random(SEED).choice(cuts[len(cuts) // 2 :])
    shutil.rmtree(data)
    for folder in (data, tmp_path / "base"):
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
    data, trace = work(tmp_path, 5)
    disk = power_cuts.Disk(data).load(tmp_path / "base")
    (tmp_path / "before").write_bytes(lines)
    found = power_cuts.cut(trace, disk, checker, CUTS, f"{SEED}.5", before=lines)
    tell(capsys, "after a cut", found)
    assert not found.wrong, "\n".join(found.wrong)


@pytest.mark.parametrize("inject", ["pwrite64:error=EIO:when=150..152", "pwrite64:error=ENOSPC:when=90+40", "fdatasync:error=EIO:when=25"])
def test_a_disk_that_fails_before_the_power_does_loses_nothing(tmp_path, checker, inject):
    data, trace = work(tmp_path, 8, inject=inject)
    found = power_cuts.cut(trace, power_cuts.Disk(data), checker, FEW, SEED)
    assert not found.wrong, "\n".join(found.wrong)
    assert "(INJECTED)" in trace.read_text(encoding="latin-1"), "no call failed"


@pytest.mark.parametrize("deaf", [["-wal", ".db", "data"], ["-wal"], [".db"], ["data"]], ids=["all", "log", "database", "directory"])
def test_a_sync_that_is_left_out_is_noticed(tmp_path, checker, deaf):
    data, trace = work(tmp_path, 6)
    found = power_cuts.cut(trace, power_cuts.Disk(data, deaf), checker, FEW, SEED)
    assert found.wrong, f"{found.cuts} cuts lost nothing without syncs of {deaf}"


def test_commits_with_synchronous_off_are_noticed(tmp_path, checker):
    data, trace = work(tmp_path, 7, "off")
    found = power_cuts.cut(trace, power_cuts.Disk(data), checker, FEW, SEED)
    assert any("-off" in wrong and "is lost" in wrong for wrong in found.wrong), found
