"""Incidents switched on while a run goes on, from any thread."""

from collections import deque

from harness.errors import UsageError
from workloads.incidents import KINDS, Incident

__all__ = ["Triggers"]


class Triggers:
    """Switches for incidents: handed to a run, and called while it goes on.

    `kinds` are those that can be switched on; none before the run takes it and after it has ended.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, int | None, int]] = deque()
        self._refusal = "the run has not begun yet"
        self._excluded: dict[str, str] = {}

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of incident that can be switched on now."""
        return () if self._refusal else tuple(kind for kind in KINDS if kind not in self._excluded)

    def trigger(self, kind: str, duration_ns: int) -> None:
        """Switch on an incident; it begins between two lines, at the latest a tenth of a second later.

        Safe to call from any thread. A restart happens at once, and no line is handled for `duration_ns` afterwards,
        which may be 0. Raises `UsageError` for a kind or a duration that is not possible, and while no run takes it.
        """
        Incident(kind, 0, duration_ns)
        if reason := self._refusal or self._excluded.get(kind):
            raise UsageError(f"{kind} cannot be switched on: {reason}", field="incident")
        self._waiting.append((kind, None, duration_ns))

    def put(self, incident: Incident) -> None:
        """Switch on an incident that begins at a time of its own: the same for each of several workers."""
        self._waiting.append((incident.kind, incident.start_ns, incident.duration_ns))

    def allow(self) -> None:
        """Accept incidents from now on."""
        self._refusal = ""

    def refuse(self, reason: str) -> None:
        """Accept no incident from now on, for that reason, as in ``the run is over``."""
        self._refusal = reason

    def exclude(self, kind: str, reason: str) -> None:
        """Do not accept this kind, for that reason."""
        self._excluded[kind] = reason

    @property
    def waiting(self) -> bool:
        """Whether an incident was switched on that nobody has taken yet."""
        return bool(self._waiting)

    def take(self, earliest_ns: int) -> list[Incident]:
        """Return the incidents switched on since the last call, in order.

        They begin at `earliest_ns` from the start of the load, or at the time of their own where that is later.
        """
        taken = []
        while self._waiting:
            kind, start_ns, duration_ns = self._waiting.popleft()
            taken.append(Incident(kind, max(earliest_ns, start_ns or 0), duration_ns))
        return taken

    @property
    def excluded(self) -> dict[str, str]:
        """The kinds that are not accepted, with the reason."""
        return dict(self._excluded)
