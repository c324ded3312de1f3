"""Many workers in one process that do what real ones do, but for driving: each hands over the record of a real run.

    python benchmarks/fake_workers.py     with a line of JSON on standard input: spec, real, count

Prepares first: drives one real shard, and makes every line of the load once for the digests of all shards. Then it says
``ready`` with what was recorded and waits for a second line with the coordinator's ``port`` and ``token``. It ends when
all connections have.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from harness.distributed.display import Increments
from harness.distributed.files import allow_files
from harness.distributed.records import state_of
from harness.distributed.wire import Message, encode, receive, send
from harness.distributed.worker import versions
from harness.load.pump import Snapshot
from harness.load.stop import Stop
from harness.run.shard import Shard, workload_of
from harness.run.spec import RunSpec
from workloads.workload import Digest

__all__ = ["REPORTS", "digests_of", "record_run"]

# How often each worker says how it stands before it hands over its record.
REPORTS = 5
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

    def __init__(self, number: int, state: dict[str, Any], reports: Sequence[Message], made: tuple[str, int]) -> None:
        self._number, self._state, self._reports = number, state, reports
        self._digest, self._made = made

    def serve(self, port: int, token: str) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            machine = f"machine-{self._number // _EACH_MACHINE}"
            about = {"pid": os.getpid(), "host": machine, "boot": machine, "versions": versions()}
            send(peer, {"hello": token, "number": self._number, **about})
            while (message := receive(peer)) is not None:
                self._answer(peer, message)

    def _answer(self, peer: socket.socket, message: Message) -> None:
        if "probe" in message:
            send(peer, {"now_ns": time.monotonic_ns(), "wall_ns": time.time_ns()})
        elif "open" in message:
            send(peer, {"address": "127.0.0.1", "port": 20_000 + self._number})
        elif "cost" in message:
            send(peer, {"self_cost_ns": self._state["self_cost_ns"]})
        elif "windows" in message:
            send(peer, {"windows": []})
        elif "go" in message:
            time.sleep(max(0.0, (message["go"] - time.monotonic_ns()) / 1e9))
            for i in range(REPORTS):
                send(peer, self._reports[i % len(self._reports)])
            record = {**self._state, "digest": self._digest, "made": self._made, "start_ns": message["go"]}
            send(peer, {"record": record})


def main() -> None:
    """Prepare, say so, and serve the coordinator that is then named."""
    about = json.loads(sys.stdin.readline())
    count, spec = int(about["count"]), RunSpec.model_validate(about["spec"])
    state, reports, page = record_run(RunSpec.model_validate(about["real"]))
    made = digests_of(spec, count)
    sizes = {"record_bytes": len(encode({"record": state})), "report_bytes": len(encode(reports[-1]))}
    print(json.dumps({"ready": True, "page": page, **sizes}), flush=True)
    call = json.loads(sys.stdin.readline())
    allow_files(256 + 3 * count)
    threading.stack_size(256 << 10)
    threads = [
        threading.Thread(target=_Fake(k, state, reports, made[k]).serve, args=(call["port"], call["token"]))
        for k in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
