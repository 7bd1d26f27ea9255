#!/usr/bin/env python3
"""Cuts the power of a recorded run at many moments, and shows each disk to the store.

    power_cuts.py TRACE --data DIRECTORY --checker target/debug/examples/power_cuts [--cuts N] [--seed S]

TRACE is of a run that changes the files of DIRECTORY and writes lines to standard output, each in one
call, that say what it may rely on; `record` makes one. For each cut the checker is given a disk as it
may be after it, and the lines that had been written until then. A disk that is found wrong is printed
with its seed; `--only SEED` builds that one again and, with `--keep FOLDER`, leaves it there.

The model, as hostile as a journaling file system (ext4, xfs) on an honest disk may be:

- What a file holds is sure when a sync of it began after the write or truncation had ended, and has
  succeeded. Of all that came later, each call is there, or not, or torn at 512 or 4,096 bytes,
  whatever became of those before and after it.
- A call under way at the cut may have happened, in part or whole.
- A file may have grown although what was written there is lost; then zeros or any bytes stand there.
- That a name was given to a file, or taken from it, is sure when its directory was synced after it; a
  sync of the file alone does not keep its name.
- Sectors that a write does not touch stay as they are, and a sync that says so has happened. Without
  these two no program can keep anything.
- The file of shared memory (-shm) is gone: it is no part of what SQLite keeps.

A call that was injected by strace has not happened. Names that end in one of --deaf are files whose
syncs are taken for nothing: what must be found wrong then shows that this program can find it.
"""

import argparse
import collections
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

from check_trace import read_calls

CALLS = "openat,lseek,fdatasync,fsync,pwrite64,write,ftruncate,unlink,rename,mkdir"
# None of these is made by what is recorded today; one that came would have to be modelled first.
UNKNOWN = "pwritev,pwritev2,writev,fallocate,truncate,unlinkat,renameat,renameat2,link,linkat,mkdirat,sync_file_range,copy_file_range"
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
DESCRIPTOR = re.compile(r"^(\d+)(?:<([^>]*)>)?")
SHARED_MEMORY = "-shm"


def traced(trace, command, further=""):
    """The command under strace; `further` calls are traced too, each with a comma before it."""
    return ["strace", "-f", "-y", "-xx", "-s", "100000", "-o", str(trace), "-e", f"trace={CALLS},{UNKNOWN}{further}", *command]


def record(trace, command, inject=None):
    """Runs the command under strace; one whose calls are made to fail may fail itself."""
    faults = ["-e", f"inject={inject}"] if inject else []
    done = subprocess.run(traced(trace, [*faults, *command]), check=False, stdout=subprocess.DEVNULL, timeout=300)
    assert inject or done.returncode == 0, f"{command} ended with {done.returncode}"


def read(trace):
    """The calls of a trace that have happened."""
    with open(trace, encoding="latin-1") as log:
        return [call for call in read_calls(log, call_of) if call.succeeded]


def standard_output(call):
    """The line that a call says; what else says one, the caller of `cut` knows."""
    return call.strings[0] if call.name == "write" and call.number == 1 else None


@dataclass
class Call:
    name: str
    begin: int
    end: int
    result: int
    number: int
    path: str
    strings: list
    rest: str

    @property
    def succeeded(self):
        return self.result >= 0


def text_of(hexadecimal):
    return bytes.fromhex(hexadecimal.replace("\\x", ""))


def call_of(name, args, begin, end):
    args, _, result = args.rpartition(" = ")
    happened = re.match(r"\d+", result) if "(INJECTED)" not in result else None
    strings = []
    for text, cut_off in STRING.findall(args):
        assert not cut_off, "a string was cut off by strace"
        strings.append(text_of(text))
    where = DESCRIPTOR.match(args)
    path = text_of(where[2]).decode() if where and where[2] and where[2].startswith("\\x") else ""
    rest = args.rpartition('"')[2] if strings else args
    return Call(name, begin, end, int(happened[0]) if happened else -1, int(where[1]) if where else -1, path, strings, rest)


@dataclass(eq=False)
class File:
    """What is sure of a file, and the calls on it that are not: (call, offset, data), data None to truncate."""

    sure: bytearray = field(default_factory=bytearray)
    unsure: list = field(default_factory=list)


class Disk:
    """A directory and its files, as calls change them."""

    def __init__(self, directory, deaf=()):
        self.directory = str(directory)
        self.deaf = tuple(deaf)
        self.files = {}
        self.sure_names = {}
        # (call, name, file), file None where the name is taken away.
        self.unsure_names = []
        # Where each descriptor writes next.
        self.positions = {}

    def load(self, base):
        """Begins with what is in the directory `base`, all of it sure."""
        for path in base.iterdir():
            if not path.name.endswith(SHARED_MEMORY):
                self.files[path.name] = self.sure_names[path.name] = File(bytearray(path.read_bytes()))
        return self

    def name_of(self, path):
        folder, _, name = path.rpartition("/")
        return name if folder == self.directory and not name.endswith(SHARED_MEMORY) else None

    def begin(self, call):
        """A call that changes something begins; from now on it may have happened."""
        if call.name == "openat":
            self.positions[call.result] = 0
            name = self.name_of(call.strings[0].decode())
            if name is None:
                return
            if "O_CREAT" in call.rest and name not in self.files:
                self.rename(call, name, File())
            if "O_TRUNC" in call.rest:
                self.files[name].unsure.append((call, 0, None))
        elif call.name == "unlink":
            name = self.name_of(call.strings[0].decode())
            if name is not None:
                self.rename(call, name, None)
        elif call.name == "rename":
            old, new = (self.name_of(text.decode()) for text in call.strings)
            assert (old is None) == (new is None), "a file left the directory or came into it"
            if old is not None:
                file = self.files[old]
                self.rename(call, new, file)
                self.rename(call, old, None)
        elif name := self.name_of(call.path):
            file = self.files[name]
            numbers = [int(number) for number in re.findall(r"(?<![0-9a-fx])\d+", call.rest)]
            if call.name == "pwrite64":
                file.unsure.append((call, numbers[-1], call.strings[0][: call.result]))
            elif call.name == "write":
                offset = self.positions[call.number]
                self.positions[call.number] += call.result
                file.unsure.append((call, offset, call.strings[0][: call.result]))
            elif call.name == "lseek":
                self.positions[call.number] = call.result
            elif call.name == "ftruncate":
                file.unsure.append((call, numbers[-1], None))
            elif call.name not in ("fsync", "fdatasync"):
                raise AssertionError(f"{call.name} on {name} is not in the model")

    def rename(self, call, name, file):
        self.unsure_names.append((call, name, file))
        if file is None:
            del self.files[name]
        else:
            self.files[name] = file

    def sync_ended(self, sync):
        if sync.path.endswith(self.deaf):
            return
        if sync.path == self.directory:
            for call, name, file in self.unsure_names:
                if call.end < sync.begin:
                    put(self.sure_names, name, file)
            self.unsure_names = [change for change in self.unsure_names if change[0].end >= sync.begin]
        elif name := self.name_of(sync.path):
            file = self.files.get(name)
            if file is None:
                return
            for call, offset, data in file.unsure:
                if call.end < sync.begin:
                    change(file.sure, offset, data, bytes)
            file.unsure = [item for item in file.unsure if item[0].end >= sync.begin]

    def after_a_cut(self, luck):
        """Files by name, as they may be now."""
        luck = Luck(luck)
        names = dict(self.sure_names)
        for _, name, file in self.unsure_names:
            if luck.keeps():
                put(names, name, file)
        return {name: luck.content(file) for name, file in names.items()}


def put(names, name, file):
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


def change(content, offset, data, filler):
    """Writes `data`, or truncates where there is none; `filler(count)` is what stands between."""
    end = offset + len(data or b"")
    if len(content) < end:
        content.extend(filler(end - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset:end] = data


class Luck:
    """What one cut does to what was not sure."""

    def __init__(self, luck):
        self.luck = luck
        self.share_kept = luck.choice([0, 0, 0.1, 0.5, 0.9, 1])
        self.share_torn = luck.choice([0, 0.2, 1])
        self.sector = luck.choice([512, 4_096])
        self.filler = luck.choice([bytes, luck.randbytes])

    def keeps(self):
        return self.luck.random() < self.share_kept

    def content(self, file):
        content = bytearray(file.sure)
        for _, offset, data in file.unsure:
            if data is None or self.luck.random() >= self.share_torn:
                if self.keeps():
                    change(content, offset, data, self.filler)
                elif data and self.luck.random() < 0.1:
                    self.grow(content, offset + len(data))
            else:
                self.tear(content, offset, data)
        return content

    def tear(self, content, offset, data):
        if self.luck.random() < 0.5:
            self.grow(content, offset + len(data))
        at = offset
        while at < offset + len(data):
            end = min((at // self.sector + 1) * self.sector, offset + len(data))
            if self.luck.random() < 0.5:
                change(content, at, data[at - offset : end - offset], self.filler)
            at = end

    def grow(self, content, end):
        if len(content) < end:
            content.extend(self.filler(end - len(content)))


def moments(calls, said):
    """(line of the trace, kind, call or text) in the order of time: what is said or begins, and the syncs that end."""
    found = []
    for call in calls:
        if call.name in ("fsync", "fdatasync"):
            found.append((call.end, "sync", call))
        elif text := said(call):
            found.append((call.begin, "line", text))
        else:
            found.append((call.begin, "begin", call))
    return sorted(found, key=lambda moment: moment[0])


def cuts_of(found, count, seed):
    """Moments, as lines of the trace, each with its own seed: everywhere, and most where something was just said."""
    lines = [line for line, kind, _ in found if kind == "line"]
    ends = (found[0][0], found[-1][0] + 2)
    for number in range(count):
        luck = random.Random(f"{seed}/{number}")
        line = luck.choice(lines) + luck.choice([0, 1, 1, 1, 2, 3, 5]) if lines and luck.random() < 0.5 else luck.randrange(*ends)
        yield line, f"{seed}/{number}", luck


@dataclass
class Found:
    cuts: int = 0
    entries: int = 0
    wrong: list = field(default_factory=list)


class Checker:
    """The program that opens images, and one folder in which they are built."""

    def __init__(self, command, keep=None):
        # Memory is the fastest disk there is, and the images are thrown away.
        fastest = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.keep = keep
        self.folder = pathlib.Path(keep or tempfile.mkdtemp(prefix="power-cuts-", dir=fastest))
        self.errors = (self.folder / "errors").open("w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)
        self.errors.close()
        if not self.keep:
            shutil.rmtree(self.folder)

    def check(self, number, files, lines):
        """What it says of these files, when `lines` had been written."""
        image, promises = self.folder / f"image-{number}", self.folder / f"promises-{number}"
        image.mkdir()
        for name, content in files.items():
            (image / name).write_bytes(content)
        promises.write_bytes(lines)
        if self.keep:
            shutil.copytree(image, self.folder / f"untouched-{number}")
        print(image, promises, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().strip()
        if not answer:
            self.errors.seek(0)
            answer = f"wrong: the checker ended with {self.process.wait(60)}: {self.errors.read()[-2_000:]}"
        if not self.keep:
            # The store may still be removing its own files; what stays is removed at the end.
            shutil.rmtree(image, ignore_errors=True)
            promises.unlink()
        return answer


def disks(calls, disk, count, seed, said=standard_output):
    """Cuts a recorded run `count` times: the name of each cut, the files after it, and the lines until then."""
    coming, lines = collections.deque(moments(calls, said)), bytearray()
    cuts = sorted(cuts_of(coming, count, seed), key=lambda one: one[0])
    for line, name, luck in cuts:
        while coming and coming[0][0] < line:
            _, kind, what = coming.popleft()
            if kind == "sync":
                disk.sync_ended(what)
            elif kind == "begin":
                disk.begin(what)
            else:
                lines += what
        yield name, disk.after_a_cut(luck), bytes(lines)


def cut(trace, disk, checker, count, seed, only=None, before=b""):
    """Cuts a recorded run and has each disk checked; `before` are lines from before its beginning."""
    found = Found()
    for name, files, lines in disks(read(trace), disk, count, seed):
        if only not in (None, name):
            continue
        found.cuts += 1
        answer = checker.check(found.cuts, files, before + lines)
        if answer.startswith("ok "):
            found.entries = max(found.entries, int(answer[3:]))
        else:
            found.wrong.append(f"{trace}: --only {name}: {answer}")
    return found


def main():
    parser = argparse.ArgumentParser(description="Nothing that was acknowledged may be lost by a power cut.")
    parser.add_argument("trace", type=pathlib.Path)
    parser.add_argument("--data", required=True, type=pathlib.Path, help="the directory that the trace is about")
    parser.add_argument("--base", type=pathlib.Path, help="what was in it at the beginning")
    parser.add_argument("--before", type=pathlib.Path, help="lines from before the beginning")
    parser.add_argument("--checker", required=True, help="the program power_cuts of crates/store/examples")
    parser.add_argument("--cuts", type=int, default=250)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", help="the seed of one cut, such as 1/17")
    parser.add_argument("--keep", type=pathlib.Path, help="an empty folder in which the images stay")
    parser.add_argument("--deaf", nargs="*", default=[])
    options = parser.parse_args()
    disk = Disk(options.data, options.deaf)
    if options.base:
        disk.load(options.base)
    before = options.before.read_bytes() if options.before else b""
    with Checker([options.checker, "check"], options.keep) as checker:
        found = cut(options.trace, disk, checker, options.cuts, options.seed, options.only, before)
    print(f"{found.cuts} cuts, {found.entries} entries at most, {len(found.wrong)} wrong", *found.wrong, sep="\n")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
