"""A sink as the pushing process sees it: the process started, its address, what has arrived there as a page."""

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.children import ISOLATED, end_group, has_ended, own_folder, python_path
from harness.errors import InstrumentError
from harness.interrupts import uninterrupted
from harness.views import Aggregation, View

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import CollectorRegistry

__all__ = ["PushOutcome", "SinkProcess", "Transport"]

Transport = Literal["udp", "unix", "otlp"]

_START_S = 30.0
_ANSWER_S = 60.0
_STOP_S = 1.0
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """What became of the packets (datagrams or requests) that were pushed.

    `arrived` could be decoded and were counted, `unreadable` are values or requests that were not. `lost_at_sink` were
    dropped because the receive buffer of the sink's socket was full, `lost_at_client` because the client could not send
    them, as far as it says. `arrivals` has, for packets in order and at most 65 536 of them, when it was sent and when
    it had been decoded, both ``time.monotonic_ns``.
    """

    transport: Transport
    arrived: int = 0
    unreadable: int = 0
    lost_at_sink: int = 0
    lost_at_client: int = 0
    arrivals: tuple[tuple[int, int], ...] = ()

    @property
    def lost(self) -> int:
        """Packets that are known to be lost."""
        return self.lost_at_sink + self.lost_at_client

    def earlier(self, by_ns: int) -> "PushOutcome":
        """Return the same with all moments earlier by `by_ns`, as on another machine's clock."""
        return replace(self, arrivals=tuple((sent - by_ns, read - by_ns) for sent, read in self.arrivals))


def _nothing() -> None:
    pass


def _none() -> int:
    return 0


class SinkProcess:
    """A sink in a process of its own; `address` and `port`, or `path`, are where it listens on this machine.

    `registry` shows what has arrived, as families of the views: it flushes the client and asks the sink. Raises
    `InstrumentError` where the process does not start or gives no answer.
    """

    def __init__(self, transport: Transport, views: tuple[View, ...]) -> None:
        self.transport = transport
        self.address, self.port, self.path = "127.0.0.1", 0, ""
        self._views = views
        self._flush: Callable[[], object] = _nothing
        self._dropped: Callable[[], int] = _none
        self._asking = threading.Lock()
        self._received = b""
        self._registry: CollectorRegistry | None = None
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        counts = Aggregation.COUNT
        spec = {
            "kind": transport,
            "bounds": {view.family: None if view.aggregation is counts else list(view.bounds) for view in views},
            "parent": os.getpid(),
        }
        with uninterrupted():
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, *ISOLATED, "-m", "harness.push.process", json.dumps(spec)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env={**os.environ, "PYTHONPATH": python_path(own_folder())},
                process_group=0,
            )
        try:
            where = self._hear(_START_S)
        except BaseException:
            self.close()
            raise
        self.port, self.path = where.get("port", 0), where.get("path", "")

    @property
    def pid(self) -> int:
        """The sink's process."""
        return self._process.pid

    @property
    def registry(self) -> "CollectorRegistry":
        """What has arrived, as a page shows it."""
        if self._registry is None:
            # Only here: a process that shows no page needs no library for it.
            from prometheus_client.registry import CollectorRegistry

            self._registry = CollectorRegistry()
            self._registry.register(_Arrived(self))
        return self._registry

    def attach(self, flush: Callable[[], object], dropped: Callable[[], int] = _none) -> None:
        """Set how the client is made to send what it still holds, and how many packets it says it could not send."""
        self._flush, self._dropped = flush, dropped

    def settle(self) -> None:
        """Return once what was sent has been read: a pause after which a burst finds an empty buffer again."""
        self._ask("settle")

    def families(self) -> "list[Metric]":
        """Return what has arrived of each view that has a series."""
        self._flush()
        rows = self._ask("shown")["series"]
        return [_family(view, rows[view.family]) for view in self._views if rows[view.family]]

    def pushed(self) -> PushOutcome:
        """Return what became of everything that was pushed until now."""
        self._flush()
        answer = self._ask("arrivals")
        return PushOutcome(
            self.transport,
            answer["packets"],
            answer["unreadable"],
            answer["overflowed"],
            # Once the client has told it to the sink, it counts from zero again.
            self._dropped() + round(answer["telemetry"].get("packets_dropped", 0)),
            tuple((sent, read) for sent, read in answer["arrivals"]),
        )

    def close(self) -> None:
        """End the process; may be called again."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        has_ended(self._process, _STOP_S)
        end_group(self._process)
        if self.path:
            shutil.rmtree(Path(self.path).parent, ignore_errors=True)
        self._complaints.close()

    def _ask(self, command: str) -> dict[str, Any]:
        with self._asking:
            assert self._process.stdin is not None  # noqa: S101 - Popen is called with PIPE
            try:
                self._process.stdin.write(f"{command}\n".encode())
            except (OSError, ValueError):
                raise self._died() from None
            return self._hear(_ANSWER_S)

    def _hear(self, within_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - Popen is called with PIPE
        stream = self._process.stdout.fileno()
        deadline = time.monotonic() + within_s
        pieces = [self._received]
        while b"\n" not in pieces[-1]:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                raise InstrumentError(f"the sink gave no answer within {within_s:g} s")
            pieces.append(os.read(stream, _CHUNK))
            if not pieces[-1]:
                raise self._died()
        line, _, self._received = b"".join(pieces).partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> InstrumentError:
        if self._complaints.closed:
            return InstrumentError("the sink is stopped")
        has_ended(self._process, _STOP_S)
        code = end_group(self._process)
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return InstrumentError(f"the sink's process ended with {code}: {lines[-1].strip() if lines else 'no output'}")


class _Arrived:
    """What has arrived, as a collector of prometheus-client."""

    def __init__(self, sink: SinkProcess) -> None:
        self._sink = sink

    def collect(self) -> "Iterator[Metric]":
        """Yield the families of the views that have a series."""
        yield from self._sink.families()


def _family(view: View, rows: list[list[Any]]) -> "Metric":
    from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily

    keys = len(view.tag_keys)
    if view.aggregation is Aggregation.COUNT:
        counter = CounterMetricFamily(view.family, view.description, labels=view.tag_keys)
        for row in rows:
            counter.add_metric(row[:keys], row[-1])
        return counter
    histogram = HistogramMetricFamily(view.family, view.description, labels=view.tag_keys)
    for row in rows:
        _, total, bounds, buckets = row[-4:]
        histogram.add_metric(row[:keys], _cumulated(bounds, buckets), total)
    return histogram


def _cumulated(bounds: list[float], buckets: list[float]) -> list[tuple[str, float]]:
    from prometheus_client.utils import floatToGoString

    shown: list[tuple[str, float]] = []
    total = 0.0
    for bound, count in zip([*bounds, float("inf")], buckets, strict=True):
        total += count
        shown.append((floatToGoString(bound), total))  # type: ignore[no-untyped-call]
    return shown
