"""Forked workers as a run sees them: one page, and one record of all; the process that forks them is started here."""

import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from harness.children import ISOLATED, end_group, has_ended, own_folder, python_path
from harness.deadline import Deadline
from harness.distributed.display import WholeDisplay, progress_every_ns
from harness.distributed.forked.collected import Collected
from harness.distributed.protocol.wire import Incoming, Message, WireError, send
from harness.distributed.silence import SilenceWatch
from harness.errors import RunError, UsageError, from_answer
from harness.exposition.page import Page
from harness.incidents.triggers import Triggers
from harness.interrupts import uninterrupted
from harness.load.stop import Stop
from harness.run.shard import ShardRecord, workload_of
from harness.run.spec import RunSpec
from harness.run.workers import Lost, Progress, WorkerInfo
from harness.scrape.endpoint import fetch_page
from harness.scrape.fetch import page_url, time_page
from harness.scrape.scraper import Target
from harness.scrape.windows import Window
from harness.views import views_for

__all__ = ["ForkedWorkers"]

_START_S, _ANSWER_S, _END_S = 60.0, 30.0, 3.0
# From the moment that everybody is ready to the instant at which all begin.
_LEAD_NS, _LEAD_EACH_NS = 100_000_000, 2_000_000
_GLANCE_S = 0.05
_PIECE = 1 << 20
# Reports over which a rate is averaged.
_RATE_OVER = 25
# It would put everything of prometheus-client into multiprocess mode, whatever is to be measured.
_UNWANTED = "PROMETHEUS_MULTIPROC_DIR"


class _Master:
    """The process that forks, and the connection to it."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        self._incoming, self._messages = Incoming(), list[Message]()
        # Scrapes that were served by workers that have ended.
        self.left: list[Window] = []
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        environment = {name: value for name, value in os.environ.items() if name != _UNWANTED}
        try:
            with theirs, uninterrupted():
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [sys.executable, *ISOLATED, "-m", "harness.distributed.forked.master", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._complaints,
                    env={**environment, "PYTHONPATH": python_path(own_folder())},
                    pass_fds=[theirs.fileno()],
                    process_group=0,
                )
        except OSError as error:
            self._connection.close()
            self._complaints.close()
            raise RunError(f"no worker can be started: {error.strerror}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: Message) -> None:
        try:
            send(self._connection, message)
        except OSError as error:
            raise self._gone() from error

    def next(self, within_s: float) -> Message | None:
        """Return the next message, None where there is none in time; raises `RunError` where a process failed."""
        if not self._messages and select.select([self._connection], [], [], within_s)[0]:
            try:
                piece = self._connection.recv(_PIECE)
                self._messages += self._incoming.add(piece)
            except (OSError, WireError) as error:
                raise self._gone() from error
            if not piece:
                raise self._gone()
        if not self._messages:
            return None
        message = self._messages.pop(0)
        if "left" in message:
            self.left += [Window(*window) for window in message["left"]]
        if "error" in message:
            raise from_answer(message)
        if "failed" in message:
            raise RunError(f"forked worker {message['failed']} ended with code {message['code']}{self._last_words()}")
        return message

    def answer(self, key: str, deadline: Deadline, what: str) -> Message:
        """Return the next message that has `key`; what comes before it is not waited for any more."""
        while True:
            message = self.next(deadline.glance_s(what))
            if message is not None and key in message:
                return message

    def _gone(self) -> RunError:
        has_ended(self._process, _END_S)
        return RunError(
            f"the process that forks workers ended with code {end_group(self._process)}{self._last_words()}"
        )

    def _last_words(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1].strip()}" if lines else ""

    def close(self) -> None:
        self._connection.close()
        has_ended(self._process, _END_S)
        end_group(self._process)
        self._complaints.close()


class _Served:
    """The page of all, which any of the workers makes."""

    def __init__(self, master: _Master, target: Target) -> None:
        self._master, self._target = master, target
        self._windows: list[Window] = []

    @property
    def url(self) -> str:
        return page_url(*self._target)

    @property
    def windows(self) -> list[Window]:
        """The scrapes served by the workers that run, and by those that were recycled; in the order of their ends."""
        with suppress(RunError):
            self._master.send({"windows": True})
            answer = self._master.answer("windows", Deadline(_ANSWER_S), "the workers do not tell their scrapes")
            own = [Window(*window) for window in answer["windows"]]
            self._windows = sorted([*self._master.left, *own], key=lambda window: window.end_ns)
        return self._windows

    def page(self, deadline: Deadline | None = None) -> Page:
        return fetch_page(*self._target, deadline)

    def rest_durations_ns(self, repeats: int = 5, deadline: Deadline | None = None) -> list[int]:
        """Return how long the page took its client each time."""
        wait = deadline or Deadline(_ANSWER_S * repeats)
        return [time_page(*self._target, wait) for _ in range(repeats)]


class _Totals:
    """Progress of workers whose processes come and go: what those that have ended did is added to what is told now."""

    _COUNTS = ("offered", "processed", "failed", "dropped")
    _SCRAPES = ("scrapes", "failed_scrapes")

    def __init__(self, progress: Progress) -> None:
        self.display = WholeDisplay(progress)
        self._ended: dict[int, Counter[str]] = {}
        self._scrapes: dict[int, Counter[str]] = {}
        self._recent: dict[int, deque[tuple[int, int]]] = {}

    def take(self, message: Message) -> None:
        number = message["worker"]
        ended = self._ended.setdefault(number, Counter())
        self._scrapes[number] = Counter({name: message[name] for name in self._SCRAPES})
        snapshot = {**message["snapshot"], **{name: message["snapshot"][name] + ended[name] for name in self._COUNTS}}
        if ended:
            # Its own rates are those since the start of the run, most of which it was not there.
            snapshot |= {"rate": self._rate(number, snapshot), "target_rate": None}
        scrapes = {name: message[name] + ended[name] for name in self._SCRAPES}
        self.display.take(number, {**message, **scrapes, "snapshot": snapshot})

    def _rate(self, number: int, snapshot: Mapping[str, int]) -> float:
        """Return the lines a second of a worker over its last reports."""
        recent = self._recent.setdefault(number, deque(maxlen=_RATE_OVER))
        recent.append((snapshot["elapsed_ns"], snapshot["offered"]))
        took_ns, lines = (last - first for first, last in zip(recent[0], recent[-1], strict=True))
        return lines * 1e9 / took_ns if took_ns > 0 else 0.0

    def end(self, number: int, outcomes: Counter[str]) -> None:
        self._ended[number] = self._ended.get(number, Counter()) + outcomes + self._scrapes.pop(number, Counter())


class ForkedWorkers:
    """Workers forked from one process, as one of the `Workers` of a run; all are ready when it is made.

    Raises `UsageError` for a spec that cannot be sent by forked workers, `RunError` where they do not start, and what
    building the instrument or its endpoint met.
    """

    def __init__(self, spec: RunSpec, triggers: Triggers | None = None) -> None:
        self._count = spec.fork or 1
        self._views = views_for(spec.latency_buckets)
        self._workload = workload_of(spec)
        _check(spec, closed=self._workload.closed_loop)
        if triggers is not None:
            triggers.refuse("forked workers take no incidents")
        self._collected = Collected(self._workload, self._views, self._count)
        self._master = _Master()
        try:
            self._master.send({"open": spec.model_dump(mode="json")})
            about = self._master.answer("port", Deadline(_START_S), "the workers are not ready")
        except BaseException:
            self.close()
            raise
        target = Target(about["address"], about["port"])
        self.infos: Sequence[WorkerInfo] = (WorkerInfo(0, "", self._master.pid, target),)
        self.served = (_Served(self._master, target),)

    def drive(self, stop: Stop, progress: Progress) -> Sequence[ShardRecord | Lost]:
        """Let all begin at one instant and gather what every process did."""
        totals = _Totals(progress)
        start_ns = time.monotonic_ns() + _LEAD_NS + _LEAD_EACH_NS * self._count
        end_ns = start_ns + self._workload.last_due_ns
        watch = SilenceWatch(stop, lambda: self._master.send({"stop": True}), end_ns, self._count)
        try:
            self._master.send({"go": start_ns, "every_ns": progress_every_ns(self._count)})
            while unfinished := self._collected.unfinished:
                message = self._master.next(_GLANCE_S)
                if message is not None and "worker" in message:
                    watch.heard(message["worker"])
                    self._take(message, totals)
                totals.display.show()
                if silent := [number for number in watch.overdue() if number in unfinished]:
                    return (Lost(f"forked worker {silent[0]} did not hand over its result", start_ns),)
            record = self._collected.result()
        except RunError as error:
            return (Lost(error.text, start_ns),)
        return (record or Lost("every forked worker was killed", start_ns),)

    def _take(self, message: dict[str, Any], totals: _Totals) -> None:
        if "snapshot" in message:
            totals.take(message)
        elif "record" in message:
            totals.end(message["worker"], self._collected.add_record(message))
        elif "killed" in message:
            totals.end(message["worker"], self._collected.add_killed(message))

    def close(self) -> None:
        """End every worker and the process that forked them."""
        self._master.close()


def _check(spec: RunSpec, *, closed: bool) -> None:
    """Raise `UsageError` for what forked workers cannot do."""
    if spec.workers != 1 or spec.cluster is not None:
        raise UsageError("is for one process that forks; leave workers and cluster out", field="fork")
    if spec.incidents:
        raise UsageError("takes no incidents; leave them out, or use workers", field="fork")
    if spec.policy != "burst":
        raise UsageError("sends every line; leave the policy drop out", field="fork")
    if closed:
        raise UsageError(
            "needs a schedule, and max has none; choose other arrivals, such as poisson:rate=1000", field="fork"
        )
