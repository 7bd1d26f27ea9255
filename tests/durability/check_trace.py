#!/usr/bin/env python3
"""Checks in a trace of system calls that nothing is acknowledged before it is synced.

Takes a log of strace, the path of the write-ahead log (the file of SQLite that ends in `-wal`)
and a pattern of the acknowledging write, and demands for each acknowledgement that

1. what it acknowledges was written to the WAL, and
2. a sync of the WAL began after that write had ended, succeeded, and ended before the
   acknowledgement began.

With --id, what is acknowledged is every match of the first group of that pattern in the
acknowledging write, and the write to the WAL is the first one that holds the match; the sync
must have begun after the whole transaction was written, up to its commit frame. Without it,
each acknowledgement must have had some whole transaction in the WAL, and a sync after that, since the last
read on the same descriptor (its request) and since the previous acknowledgement there; that is
for connections with one request at a time.

The log must come from

    strace -f -y -s 16384 -e trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg,read,recvfrom

A call that strace was told to fail or to leave out (INJECTED) has not happened. Prints what is
wrong, one line each, and ends with status 1; with status 2 when the trace shows nothing to
judge, so that an empty trace never passes.
"""

import argparse
import re
import sys
from dataclasses import dataclass

LINE = re.compile(r"^(?:\[pid\s+)?(?P<pid>\d+)?\]?\s*(?:\d\d:\d\d:\d\d\S*\s+|\d+\.\d+\s+)?(?P<rest>.*)$")
CALL = re.compile(r"^(?P<name>[a-z0-9_]+)\((?P<args>.*)$", re.DOTALL)
RESUMED = re.compile(r"^<\.\.\. (?P<name>[a-z0-9_]+) resumed>(?P<args>.*)$", re.DOTALL)
UNFINISHED = re.compile(r"\s*<unfinished \.\.\.>\s*$")
DESCRIPTOR = re.compile(r"^(?P<number>\d+)<(?P<path>[^>]*)>")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-f]{2}|.)")
NAMED = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}

SYNCS = {"fdatasync", "fsync"}
READS = {"read", "recvfrom"}
WRITES = {"pwrite64", "write", "writev", "sendto", "sendmsg"}


@dataclass
class Call:
    name: str
    descriptor: str
    path: str
    data: str
    begin: int
    end: int
    result: int

    @property
    def succeeded(self):
        return self.result >= 0


def unescape(match):
    code = match.group(1)
    if code[0] in "01234567":
        return chr(int(code, 8))
    if code[0] == "x" and len(code) == 3:
        return chr(int(code[1:], 16))
    return NAMED.get(code, code)


def read_calls(lines, call_of=None):
    """The calls of a log in the order in which they began, each with the lines of its begin and end.

    `call_of(name, args, begin, end)` makes a call of what stands between the parentheses and after them.
    """
    call_of = call_of or described_call
    open_calls = {}
    calls = []
    number = -1
    for number, line in enumerate(lines):
        match = LINE.match(line.rstrip("\n"))
        pid, rest = match["pid"] or "0", match["rest"]
        if resumed := RESUMED.match(rest):
            begun = open_calls.pop((pid, resumed["name"]), None)
            if begun is not None:
                begin, args = begun
                calls.append(call_of(resumed["name"], args + resumed["args"], begin, number))
        elif call := CALL.match(rest):
            args = call["args"]
            if UNFINISHED.search(args):
                open_calls[pid, call["name"]] = (number, UNFINISHED.sub("", args))
            else:
                calls.append(call_of(call["name"], args, number, number))
    # A call that never ended, because the process did, may still have acknowledged something.
    for (_, name), (begin, args) in open_calls.items():
        calls.append(call_of(name, args + ") = ?", begin, number + 1))
    return sorted(calls, key=lambda call: call.begin)


def described_call(name, args, begin, end):
    where = DESCRIPTOR.match(args)
    result = args.rpartition(" = ")[2]
    happened = re.match(r"\d+", result) if "(INJECTED)" not in result else None
    data = "".join(ESCAPE.sub(unescape, text) for text in STRING.findall(args)) if name in WRITES else ""
    descriptor = where["number"] if where else "?"
    return Call(name, descriptor, where["path"] if where else "", data, begin, end, int(happened[0]) if happened else -1)


def synced(write, ack, syncs):
    return any(sync.begin > write.end and sync.end < ack.begin for sync in syncs)


def ends_of_transactions(writes):
    """The place of the last write of each transaction, in order.

    A frame of the WAL is a header of 24 bytes and a page, written one after the other; bytes 4
    to 7 of the header are not zero in the last frame of a transaction, and only there
    (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
    """
    pairs = enumerate(zip(writes, writes[1:]), start=1)
    return [at for at, (header, _) in pairs if len(header.data) == 24 and header.data[4:8] != "\0\0\0\0"]


def mistakes_of(acks, writes, syncs, reads, id_pattern):
    previous = {}
    ends = ends_of_transactions(writes)
    for ack in acks:
        where = f"line {ack.begin + 1}"
        if id_pattern is None:
            requests = [read.end for read in reads if read.descriptor == ack.descriptor and read.end < ack.begin]
            since = max([previous.get(ack.descriptor, -1), *requests])
            fitting = [writes[at] for at in ends if since < writes[at].begin and writes[at].end < ack.begin]
            if not fitting:
                yield f"{where}: acknowledged, but nothing was written to the WAL before"
            elif not any(synced(write, ack, syncs) for write in fitting):
                yield f"{where}: acknowledged before the WAL was synced"
            previous[ack.descriptor] = ack.begin
            continue
        ids = id_pattern.findall(ack.data)
        if not ids:
            yield f"{where}: an acknowledgement names no id"
        for name in ids:
            index = next((index for index, write in enumerate(writes) if name in write.data), None)
            end = next((at for at in ends if index is not None and at >= index), None)
            write = None if end is None else writes[end]
            if write is None or write.end >= ack.begin:
                yield f"{where}: {name} was acknowledged before it was written to the WAL"
            elif not synced(write, ack, syncs):
                yield f"{where}: {name} was acknowledged before the WAL was synced"


def main():
    parser = argparse.ArgumentParser(description="Nothing may be acknowledged before it is synced.")
    parser.add_argument("log", help="the log of strace -f -y -s 16384")
    parser.add_argument("--wal", required=True, help="path of the WAL, as strace -y shows it")
    parser.add_argument("--ack", required=True, help="pattern of the acknowledging write, such as 'HTTP/1.1 202'")
    parser.add_argument("--id", help="pattern whose first group is an id in the acknowledging write")
    parser.add_argument("--least", type=int, default=1, help="acknowledgements that must be in the log")
    options = parser.parse_args()

    with open(options.log, encoding="latin-1") as log:
        calls = read_calls(log.readlines())
    of_wal = [call for call in calls if call.path == options.wal and call.succeeded]
    writes = [call for call in of_wal if call.name == "pwrite64"]
    syncs = [call for call in of_wal if call.name in SYNCS]
    reads = [call for call in calls if call.name in READS and call.result > 0]
    ack_pattern = re.compile(options.ack)
    acks = [call for call in calls if call.path != options.wal and ack_pattern.search(call.data)]

    mistakes = list(mistakes_of(acks, writes, syncs, reads, re.compile(options.id) if options.id else None))
    print(f"{len(acks)} acknowledgements, {len(writes)} writes to the WAL, {len(syncs)} syncs of it")
    for mistake in mistakes:
        print(mistake)
    if mistakes:
        return 1
    if len(acks) < options.least:
        print(f"at least {options.least} acknowledgements should be in the log")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
