"""The service under incidents: lines held up by `slow`, `stall` and `bad-deploy`, and a renewal at each restart."""

from collections.abc import Callable, Iterable

from harness.load.clock import Clock
from harness.load.driver import Evaluate
from harness.load.stop import Stop
from harness.repl import TextSink
from harness.views import Tags
from workloads.incidents import KINDS, Incident, of_kinds

__all__ = ["AffectedService"]

# How many times as long a line takes while the service is slow.
_SLOWDOWN = 10
# How long a wait goes on before the stop flag is looked at again.
_GLANCE_NS = 50_000_000
_NEVER = 1 << 62


def _do_nothing() -> None:
    pass


class AffectedService:
    """A REPL with its incidents, between the driver and the output.

    The driver calls `evaluate`, and the REPL writes through `write`: while the service is slow, a write ends when ten
    times the time since the line's beginning has passed, so that the latency recorded is ten times as long as well. A
    stall holds up the line that begins first in it, before it is evaluated. A restart calls `renew` before the first
    line of a slice that begins at its time or later, when every line before it is accounted for. Waiting ends early
    when `stop` is requested.
    """

    def __init__(
        self,
        clock: Clock,
        stop: Stop,
        sink: TextSink,
        incidents: Iterable[Incident] = (),
    ) -> None:
        self._clock, self._stop = clock, stop
        self._now = clock.now_ns
        self._sink_write = sink.write
        self._incidents: list[Incident] = []
        self._restarts: list[Incident] = []
        self._evaluate: Evaluate = _not_begun
        self._unaffected: Evaluate | None = None
        self._start_ns = 0
        self._next_ns = _NEVER
        self._slow = False
        self._line_ns = 0
        self._calls = 0
        self._held: dict[int, int] = {}
        self.renew: Callable[[], object] = _do_nothing
        """Called at each restart, between two lines."""
        self.before_holding: Callable[[], object] = _do_nothing
        """Called before a line is held up: whoever tells what is going on cannot do so meanwhile."""
        for incident in incidents:
            self.add(incident)

    def use(self, evaluate: Evaluate, unaffected: Evaluate | None = None) -> None:
        """Evaluate lines with this from now on; `unaffected` does the same without this service around it."""
        self._evaluate, self._unaffected = evaluate, unaffected

    def evaluator(self, affected: Evaluate) -> Evaluate:
        """Return what evaluates the lines until something is added: what is `affected`, while anything is ahead."""
        ahead = self._slow or self._next_ns != _NEVER
        return affected if ahead or self._unaffected is None else self._unaffected

    def begin(self, start_ns: int) -> None:
        """Count the incidents from this moment of the clock."""
        self._start_ns = start_ns
        self._next_ns = start_ns if self._incidents else _NEVER

    def add(self, incident: Incident) -> None:
        """Let one more incident happen, from its beginning or the next line on; one of the load alone is no concern."""
        if not KINDS[incident.kind].acts_on_service:
            return
        self._incidents = sorted([*self._incidents, incident], key=lambda each: each.start_ns)
        if incident.kind == "restart":
            self._restarts = sorted([*self._restarts, incident], key=lambda each: each.start_ns)
        # Whatever is next is found out before the next line.
        self._next_ns = min(self._next_ns, self._start_ns + incident.start_ns)

    @property
    def next_restart_ns(self) -> int | None:
        """When, from the start, the next restart is due; None when there is none ahead."""
        return self._restarts[0].start_ns if self._restarts else None

    def take_held(self) -> dict[int, int]:
        """Return by how much (ns) calls of `evaluate` since the last time were held up, by number; begins a slice."""
        held, self._held, self._calls = self._held, {}, 0
        return held

    def evaluate(self, line: str, tags: Tags) -> object:
        """Evaluate a line, after what has to happen before it."""
        try:
            if self._now() >= self._next_ns:
                self._hold()
            self._line_ns = self._now()
            return self._evaluate(line, tags)
        finally:
            self._calls += 1

    def write(self, text: str, /) -> None:
        """Write the text; while the service is slow, return when that has taken long enough."""
        self._sink_write(text)
        if self._slow:
            done = self._now()
            self._wait_until(self._line_ns + _SLOWDOWN * (done - self._line_ns))
            self._note(self._now() - done)

    def _hold(self) -> None:
        """Restart, stand still, and become slow or quick again, as the present moment requires."""
        self.before_holding()
        began = self._now()
        if not self._calls:
            while self._restarts and self._start_ns + self._restarts[0].start_ns <= self._now():
                self._restarts.pop(0)
                self.renew()
        for each in of_kinds(self._incidents, "stall", "restart"):
            if each.start_ns <= self._now() - self._start_ns < each.end_ns:
                self._wait_until(self._start_ns + each.end_ns)
        at = self._now() - self._start_ns
        self._slow = any(each.start_ns <= at < each.end_ns for each in of_kinds(self._incidents, "slow", "bad-deploy"))
        edges = [edge for each in self._incidents for edge in (each.start_ns, each.end_ns) if edge > at]
        # A restart that falls into a slice is seen to before the first line of the next one.
        overdue = bool(self._restarts) and self._restarts[0].start_ns <= at
        ahead = at if overdue else min(edges, default=None)
        self._next_ns = _NEVER if ahead is None else self._start_ns + ahead
        self._note(self._now() - began)

    def _note(self, held_ns: int) -> None:
        if held_ns > 0:
            self._held[self._calls] = self._held.get(self._calls, 0) + held_ns

    def _wait_until(self, moment_ns: int) -> None:
        while not self._stop.requested and (now := self._now()) < moment_ns:
            self._clock.wait_until(min(moment_ns, now + _GLANCE_NS))


def _not_begun(_line: str, _tags: Tags) -> object:
    raise RuntimeError("nothing evaluates lines yet")
