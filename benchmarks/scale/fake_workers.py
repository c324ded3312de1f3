"""Many workers in one process that do what real ones do, but for driving: each hands over the record of a real run.

    python benchmarks/scale/fake_workers.py     with a line of JSON on standard input: spec, real, count

Prepares first: drives one real shard, and makes every line of the load once for the digests of all shards. Then it says
``ready`` with what was recorded and waits for a second line with the coordinator's ``port`` and ``token``. It ends when
all connections have.
"""

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from harness.distributed.display import Increments
from harness.distributed.protocol.reader import Reader
from harness.distributed.protocol.records import state_of
from harness.distributed.protocol.wire import Message, encode, send
from harness.distributed.worker import versions
from harness.load.pump import Snapshot
from harness.load.stop import Stop
from harness.run.shard import Shard, workload_of
from harness.run.spec import RunSpec
from workloads.workload import Digest

__all__ = ["REPORTS", "digests_of", "record_run"]

# How often each worker says how it stands before it hands over its record.
REPORTS = 3
# Workers that say that they are on the same machine.
_EACH_MACHINE = 16


def digests_of(spec: RunSpec, count: int) -> list[tuple[str, int]]:
    """Return digest and number of lines of each of `count` shards, in one pass over the load."""
    parts, made = [Digest() for _ in range(count)], [0] * count
    for block in workload_of(spec).blocks():
        for number, part in enumerate(parts):
            own = slice((number - block.first) % count, None, count)
            lines = block.lines[own]
            part.add(lines, block.due_ns[own])
            made[number] += len(lines)
    return [(part.hexdigest(), lines) for part, lines in zip(parts, made, strict=True)]


def record_run(spec: RunSpec) -> tuple[dict[str, Any], list[Message], str]:
    """Drive a real run in this process; return the state of its record, its reports, and its page as text."""
    shard, reports = Shard(spec), list[Message]()
    try:
        shard.open("127.0.0.1", 0)
        shard.measure_self_cost()
        increments = Increments(shard.timings)

        def report(snapshot: Snapshot) -> None:
            message = increments.message(snapshot)
            increments.told(message)
            reports.append({**message, "scrapes": 1, "failed_scrapes": 0})

        state = state_of(shard.drive(Stop(), report))
        return state, reports, shard.endpoint.page().text
    finally:
        shard.close()


class _Fake:
    """One worker: dials, answers, and hands over what was recorded."""

    def __init__(self, number: int, made: tuple[str, int]) -> None:
        self._number = number
        self._digest, self._made = made
        self._peer: socket.socket | None = None
        self.go_ns: int | None = None
        self.gone = False

    def dial(self, port: int, token: str, reader: Reader) -> None:
        peer = self._peer = socket.create_connection(("127.0.0.1", port))
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        machine = f"machine-{self._number // _EACH_MACHINE}"
        about = {"pid": os.getpid(), "host": machine, "boot": machine, "versions": versions()}
        send(peer, {"hello": token, "number": self._number, **about})
        reader.add(peer, self._take)

    def _take(self, message: Message | None) -> None:
        if message is None:
            self.gone = True
        elif "probe" in message:
            self._say({"now_ns": time.monotonic_ns(), "wall_ns": time.time_ns()})
        elif "open" in message:
            self._say({"address": "127.0.0.1", "port": 20_000 + self._number})
        elif "cost" in message:
            self._say({"self_cost_ns": 250.0})
        elif "windows" in message:
            self._say({"windows": []})
        elif "go" in message:
            self.go_ns = message["go"]

    def report(self, message: Message) -> None:
        self._say(message)

    def hand_over(self, state: dict[str, Any]) -> None:
        self._say({"record": {**state, "digest": self._digest, "made": self._made, "start_ns": self.go_ns}})

    def _say(self, message: Message) -> None:
        if self._peer is not None:
            with contextlib.suppress(OSError):
                send(self._peer, message)


def main() -> None:
    """Prepare, say so, and serve the coordinator that is then named."""
    about = json.loads(sys.stdin.readline())
    count, spec = int(about["count"]), RunSpec.model_validate(about["spec"])
    state, reports, page = record_run(RunSpec.model_validate(about["real"]))
    made = digests_of(spec, count)
    sizes = {"record_bytes": len(encode({"record": state})), "report_bytes": len(encode(reports[-1]))}
    print(json.dumps({"ready": True, "page": page, **sizes}), flush=True)
    call = json.loads(sys.stdin.readline())
    reader, fakes = Reader(), [_Fake(number, made[number]) for number in range(count)]
    for fake in fakes:
        fake.dial(call["port"], call["token"], reader)
    _until(lambda: all(fake.go_ns is not None or fake.gone for fake in fakes))
    time.sleep(max(0.0, (max(fake.go_ns or 0 for fake in fakes) - time.monotonic_ns()) / 1e9))
    for report in (reports[i % len(reports)] for i in range(REPORTS)):
        for fake in fakes:
            fake.report(report)
    for fake in fakes:
        fake.hand_over(state)
    _until(lambda: all(fake.gone for fake in fakes))


def _until(condition: Callable[[], bool]) -> None:
    """Wait for what the reader's thread brings about; the coordinator ends this process if it never comes."""
    while not condition():
        time.sleep(0.01)


if __name__ == "__main__":
    main()
