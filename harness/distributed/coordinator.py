"""The workers of one run as the coordinator sees them: dialled in, on one clock, begun at one instant, listened to."""

import contextlib
import hmac
import queue
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Protocol

from harness.deadline import Deadline, call_within
from harness.distributed.clocks import Clocks, ShiftedTruth
from harness.distributed.display import WholeDisplay, progress_every_ns
from harness.distributed.protocol.connection import Connection, GoneError, understood
from harness.distributed.protocol.reader import Reader
from harness.distributed.protocol.records import record_from
from harness.distributed.protocol.values import host_in, port_in, whole
from harness.distributed.protocol.wire import Message, receive
from harness.distributed.relay import TriggerRelay
from harness.distributed.silence import SilenceWatch, end_when_silent
from harness.distributed.worker import boot_id, versions
from harness.errors import RunError
from harness.exposition.page import Page
from harness.host.open_files import allow_files
from harness.incidents.triggers import Triggers
from harness.load.stop import Stop
from harness.run.shard import ShardRecord, workload_of
from harness.run.spec import RunSpec
from harness.run.together import together
from harness.run.workers import Lost, Progress, Served, WorkerInfo
from harness.scrape.endpoint import fetch_page, page_url
from harness.scrape.scraper import Target
from harness.scrape.windows import Window
from harness.views import views_for

__all__ = ["Fleet", "WorkerLauncher", "is_loopback"]

# For all workers to dial in: for the first, and for each further one.
_START_S, _START_EACH_S = 30.0, 2.0
_ANSWER_S = 30.0
# From the moment that everybody is ready to the instant at which all begin.
_LEAD_NS, _LEAD_EACH_NS = 200_000_000, 2_000_000
_GLANCE_S = 0.05
# A worker's machine that gives no sign for so long is gone or cut off; all it is sent is short.
_SILENCE_S = 4.0
# Bytes that are read of somebody who has not shown the token yet.
_MOST_HELLO = 1 << 16
# For all of it: whoever sends it byte by byte must not keep the workers waiting.
_HELLO_S = 5.0
# Open files: a connection, a process and what it complains for each worker, and whatever else is open.
_FILES, _FILES_EACH = 256, 3
# Messages that wait to be taken in; then workers wait to send the next.
_MOST_WAITING = 64
# Workers whose endpoints are opened at the same time, and whose clocks are compared where they are far away: more
# uncertain than this, in nanoseconds.
_AT_ONCE = 32
_MOST_WORDS = 300
_FAR_NS = 150_000


def is_loopback(address: str) -> bool:
    """Return whether an address leads to this machine only."""
    return ip_address(address).is_loopback


class WorkerLauncher(Protocol):
    """Whoever starts workers that dial in; a fake one takes its place in tests."""

    @property
    def address(self) -> str:
        """The address by which workers reach the coordinator; unless it is loopback they serve where they dial from."""

    def start(self, port: int, token: str, count: int) -> None:
        """Start workers 0 to `count` - 1, each with `harness.distributed.worker`; raises `RunError`."""

    def reason(self, number: int) -> str:
        """Return why a worker is gone, as far as it is known; empty while it runs."""

    def close(self) -> None:
        """End all workers; never raises, and may be called again."""


class _RemoteServed:
    """What one worker serves, asked for over its connection and over HTTP."""

    def __init__(self, connection: Connection, target: Target, clocks: Clocks) -> None:
        self._connection, self._target, self._clocks = connection, target, clocks
        self._windows: list[Window] = []

    @property
    def url(self) -> str:
        return page_url(*self._target)

    @property
    def windows(self) -> list[Window]:
        """The scrapes served until now; what was known before where the worker is gone."""
        try:
            answer = self._connection.ask({"windows": True}, Deadline(_ANSWER_S), "it does not tell its scrapes")
            shift = self._clocks.offset_ns
            with understood(self._connection.number):
                self._windows = [
                    Window(whole(begin) - shift, whole(end) - shift, *rest) for begin, end, *rest in answer["windows"]
                ]
        except RunError:
            pass
        return self._windows

    def page(self, deadline: Deadline | None = None) -> Page:
        return fetch_page(*self._target, deadline)

    def rest_durations_ns(self, repeats: int = 5, deadline: Deadline | None = None) -> list[int]:
        wait = deadline or Deadline(_ANSWER_S * repeats)
        answer = self._connection.ask({"rest": repeats}, wait, f"{self.url} was not read")
        with understood(self._connection.number):
            durations = [whole(duration) for duration in answer["rest_ns"]]
            if len(durations) != repeats:
                raise ValueError(f"{len(durations)} durations of {repeats}")
            return durations


class Fleet:
    """Several workers; see `harness.run.workers.Workers`. All are ready when it is made, or `RunError` is raised."""

    def __init__(
        self,
        spec: RunSpec,
        count: int,
        launcher: WorkerLauncher,
        triggers: Triggers | None = None,
        *,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        """`beside` is what a worker is told beside its spec when it opens its shard; `triggers` switch on incidents."""
        self._spec, self._launcher, self._triggers = spec, launcher, triggers
        self._beside = {**(beside or {}), "switchable": triggers is not None}
        self._workload = workload_of(spec, switchable=triggers is not None)
        self._connections: dict[int, Connection] = {}
        self._dialled_from: dict[int, str] = {}
        # Host and process of each.
        self._named: dict[int, tuple[str, int]] = {}
        self._reader = Reader()
        self._events: queue.Queue[tuple[int, Message | None]] = queue.Queue(_MOST_WAITING)
        try:
            self._gather(count)
            self._open(count)
        except BaseException:
            self.close()
            raise

    def _gather(self, count: int) -> None:
        """Start the workers and wait until each has dialled in; raises `RunError`."""
        token = secrets.token_hex(16)
        allow_files(_FILES + _FILES_EACH * count)
        deadline = Deadline(_START_S + _START_EACH_S * count)
        address = self._launcher.address
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.create_server((address, 0), family=family, backlog=max(count, 8)) as listener:
            listener.settimeout(_GLANCE_S)
            self._launcher.start(listener.getsockname()[1], token, count)
            while len(self._connections) < count:
                deadline.check(f"{count - len(self._connections)} of {count} workers have not dialled in")
                try:
                    peer, _ = listener.accept()
                except TimeoutError:
                    self._check_started(count)
                    continue
                self._welcome(peer, token, count)

    def _check_started(self, count: int) -> None:
        for number in range(count):
            if number not in self._connections and (reason := self._launcher.reason(number)):
                raise RunError(f"worker {number} {reason}")

    def _welcome(self, peer: socket.socket, token: str, count: int) -> None:
        """Take in a worker that says hello with the run's token; whoever else dials is turned away."""
        peer.settimeout(_HELLO_S)
        try:
            hello = call_within(Deadline(_HELLO_S), "it says no hello", lambda: receive(peer, _MOST_HELLO))
        except (OSError, RunError):
            hello = None
        said = "" if hello is None else str(hello.get("hello", ""))
        # As bytes: text that is not ASCII cannot be compared in constant time.
        known = hello is not None and hmac.compare_digest(said.encode("utf-8", "backslashreplace"), token.encode())
        number = hello.get("number") if hello is not None and known else None
        if hello is None or type(number) is not int or not 0 <= number < count or number in self._connections:
            peer.close()
            return
        peer.settimeout(None)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end_when_silent(peer, _SILENCE_S)
        self._dialled_from[number] = str(peer.getpeername()[0])
        self._connections[number] = Connection(number, peer, hello)
        with understood(number):
            here, there = versions(), dict(hello.get("versions", {}))
            self._named[number] = str(hello["host"]), whole(hello["pid"])
        if different := sorted(name for name in {*here, *there} if here.get(name) != there.get(name)):
            reported = ", ".join(
                f"{name} {there.get(name, 'none')} instead of {here.get(name, 'none')}" for name in different
            )
            raise RunError(f"worker {number} on {hello.get('host')} has {reported}; install the same on both")

    def _open(self, count: int) -> None:
        """Compare clocks, let each worker open its shard and measure its loop; raises `RunError` or what a worker met.

        Endpoints are opened at the same time: nothing is measured there.
        """
        spec = self._spec.model_dump(mode="json")
        self._clocks = self._compare_all_clocks(count)
        targets = together(lambda number: self._open_one(number, count, spec), range(count), _AT_ONCE)
        self._measure_loops()
        self.infos: Sequence[WorkerInfo] = [
            WorkerInfo(
                number,
                *self._named[number],
                target,
                clocks.offset_ns,
                clocks.uncertainty_ns,
                clocks.wall_offset_ns,
            )
            for number, (target, clocks) in enumerate(zip(targets, self._clocks, strict=True))
        ]
        self.served: Sequence[Served] = [
            _RemoteServed(self._connections[number], target, clocks)
            for number, (target, clocks) in enumerate(zip(targets, self._clocks, strict=True))
        ]

    def _compare_all_clocks(self, count: int) -> list[Clocks]:
        """Compare one clock after the other, since an answer that waits for this process looks like distance.

        Where the first or the last worker is so far away that this does not matter, several at the same time.
        """
        ends = {number: self._compare_clocks(number) for number in {0, count - 1}}
        far = any(clocks.uncertainty_ns > _FAR_NS for clocks in ends.values())
        between = together(self._compare_clocks, range(1, count - 1), _AT_ONCE if far else 1)
        return [ends[0], *between, ends[count - 1]][:count]

    def _compare_clocks(self, number: int) -> Clocks:
        connection, own_boot = self._connections[number], boot_id()
        same = bool(own_boot) and connection.hello.get("boot") == own_boot
        clocks = connection.clocks(Deadline(_ANSWER_S), same_clock=same)
        connection.listen(self._reader)
        return clocks

    def _open_one(self, number: int, count: int, spec: dict[str, Any]) -> Target:
        port = self._spec.port + number if self._spec.port else 0
        place = {"number": number, "of": count, "address": self._serving_address(number), "port": port}
        request = {"open": spec, **place, **self._beside}
        answer = self._connections[number].ask(
            request, Deadline(_ANSWER_S), f"worker {number} does not open its endpoint"
        )
        with understood(number):
            for kind, reason in answer.get("excluded", {}).items():
                if self._triggers is not None:
                    self._triggers.exclude(kind, str(reason))
            return Target(host_in(answer["address"]), port_in(answer["port"]))

    def _measure_loops(self) -> None:
        """Let the workers of each machine measure their loops one after the other: two at a time disturb each other."""
        machines: dict[str, list[Connection]] = {}
        for connection in self._connections.values():
            machines.setdefault(str(connection.hello.get("boot") or connection.hello.get("host")), []).append(
                connection
            )

        def measure(connections: Sequence[Connection]) -> None:
            for connection in connections:
                what = f"worker {connection.number} does not measure its loop"
                connection.ask({"cost": True}, Deadline(_ANSWER_S), what)

        together(measure, list(machines.values()), _AT_ONCE)

    def _serving_address(self, number: int) -> str:
        """Return where a worker serves its page: on another machine the address by which it is reached."""
        return self._spec.address if is_loopback(self._launcher.address) else self._dialled_from[number]

    def drive(self, stop: Stop, progress: Progress) -> Sequence[ShardRecord | Lost]:
        """Let all begin at one instant and gather what they did; those that do not tell in time are lost."""
        count = len(self.infos)
        self._display = WholeDisplay(progress)
        self._start_ns = start_ns = time.monotonic_ns() + _LEAD_NS + _LEAD_EACH_NS * count
        watch = SilenceWatch(stop, lambda: self._tell({"stop": True}), start_ns + int(self._span_s() * 1e9), count)

        def hear(number: int, message: Message | None) -> None:
            watch.heard(number)
            if message is not None and "snapshot" in message:
                # Here, in the reader's thread: to hand each report to another one takes longer than to take it in.
                self._display.take(number, message)
            else:
                self._events.put((number, message))

        outcomes: dict[int, ShardRecord | Lost] = {}
        gone: list[int] = []
        for number, connection in self._connections.items():
            there = connection.on_event(hear)
            begin_ns = start_ns + self._clocks[number].offset_ns
            try:
                connection.send({"go": begin_ns, "every_ns": progress_every_ns(count)})
            except GoneError:
                there = False
            if not there:
                gone.append(number)
        # Why it is gone may take a moment to be known, for which the others must not wait.
        outcomes.update({number: self._lost(number, self._why_gone(number)) for number in gone})
        switch = TriggerRelay(self._triggers, self._tell, start_ns, closed=self._workload.closed_loop)
        try:
            self._listen(outcomes, watch, switch)
        finally:
            switch.close()
            self._ignore_events()
        return [outcomes[number] for number in range(count)]

    def _ignore_events(self) -> None:
        """Hear nothing more that was not asked for; what waits must not hold up the answers behind it."""
        for connection in self._connections.values():
            connection.on_event(lambda _number, _message: None)
        with contextlib.suppress(queue.Empty):
            while True:
                self._events.get_nowait()

    def _lost(self, number: int, reason: str) -> Lost:
        display = self._display
        return Lost(reason, self._start_ns, display.snapshots.get(number), display.heard_ns.get(number, 0))

    def _span_s(self) -> float:
        """Return how long the schedule is, in seconds; 0 for a closed loop that only a number of lines ends."""
        workload = self._workload
        if workload.closed_loop or workload.total is None:
            return (workload.spec.duration_ns or 0) / 1e9
        return workload.last_due_ns / 1e9

    def _tell(self, message: Message) -> None:
        for connection in self._connections.values():
            try:
                connection.send(message)
            except GoneError:
                continue

    def _listen(self, outcomes: "dict[int, ShardRecord | Lost]", watch: SilenceWatch, switch: TriggerRelay) -> None:
        """Hear every worker to its end; who is silent is looked up a few times a second, and not at every message."""
        look_s = time.monotonic()
        while len(outcomes) < len(self.infos):
            switch.tell()
            try:
                number, message = self._events.get(timeout=_GLANCE_S)
            except queue.Empty:
                number, message = -1, {}
            if number >= 0 and number not in outcomes:
                self._finish(number, message, outcomes)
            if time.monotonic() >= look_s:
                look_s = time.monotonic() + _GLANCE_S
                self._display.show()
                for late in watch.overdue():
                    if late not in outcomes:
                        outcomes[late] = self._lost(late, "it did not hand over its result, nor say how it stands")
        self._display.show()

    def _finish(self, number: int, message: Message | None, outcomes: "dict[int, ShardRecord | Lost]") -> None:
        if message is None:
            outcomes[number] = self._lost(number, self._why_gone(number))
        elif "record" in message:
            outcomes[number] = self._record(number, message["record"])

    def _why_gone(self, number: int) -> str:
        """Return why a connection ended; the system may tell of a process' end a little later."""
        until = time.monotonic() + 1.0
        while not (reason := self._launcher.reason(number)) and time.monotonic() < until:
            time.sleep(0.01)
        silent = "" if is_loopback(self._launcher.address) else f", or its machine gave no sign for {_SILENCE_S:.0f} s"
        return reason or f"the connection to it broke{silent}"

    def _record(self, number: int, state: Any) -> ShardRecord | Lost:
        """Return a worker's record on the coordinator's clock."""
        views = views_for(self._spec.latency_buckets)
        try:
            record = record_from(state, views, self._workload.methods)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:_MOST_WORDS]
            return self._lost(number, f"its result cannot be read ({reason})")
        return _shifted(record, self._clocks[number])

    def close(self) -> None:
        """Close every connection, upon which the workers end, and see to it that they do."""
        for connection in self._connections.values():
            connection.close()
        self._launcher.close()
        self._reader.close()


def _shifted(record: ShardRecord, clocks: Clocks) -> ShardRecord:
    if not clocks.offset_ns and not clocks.uncertainty_ns:
        return record
    driven = replace(record.driven, start_ns=record.driven.start_ns - clocks.offset_ns)
    pushed = None if record.pushed is None else record.pushed.earlier(clocks.offset_ns)
    shifted = None if record.log is None else ShiftedTruth(record.log, clocks)
    return replace(record, driven=driven, shifted=shifted, pushed=pushed)
