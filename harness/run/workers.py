"""The workers of a run: this process alone, or several that start at one instant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.deadline import Deadline
from harness.exposition.page import Page
from harness.incidents.triggers import Triggers
from harness.load.pump import Snapshot
from harness.load.stop import Stop
from harness.run.shard import Shard, ShardRecord
from harness.run.spec import RunSpec
from harness.scrape.scraper import Target
from harness.scrape.windows import Window

__all__ = ["Lost", "Progress", "Served", "Single", "WorkerInfo", "Workers"]


class Served(Protocol):
    """What a worker serves, as the coordinator looks at it; times on the coordinator's clock."""

    @property
    def url(self) -> str:
        """Where its page is."""

    @property
    def windows(self) -> list[Window]:
        """The scrapes it has served."""

    def page(self, deadline: Deadline | None = None) -> Page:
        """Fetch and read its page; raises `EndpointError`, `ExpositionError` or `DeadlineError`."""

    def rest_durations_ns(self, repeats: int = 5, deadline: Deadline | None = None) -> list[int]:
        """Let it serve the page some times and return how long each took; raises as `page` does."""


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """Who a worker is, and how far its clock is from the coordinator's.

    `offset_ns` is the worker's monotonic clock less the coordinator's, known to within `uncertainty_ns`; both are 0
    where they are the same clock. `wall_offset_ns` is the same of the time of day, for information.
    """

    number: int
    host: str
    pid: int
    target: Target
    offset_ns: int = 0
    uncertainty_ns: int = 0
    wall_offset_ns: int = 0


# Hears how all workers stand together, the scrapes they served and how many of those failed.
Progress = Callable[[Snapshot, int, int], object]


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker that was lost before it had handed over its result.

    `start_ns` is when it was to begin, on the coordinator's monotonic clock; None where it was lost before that was
    said. `last` is what it reported last, if it did, and `heard_ns` when that was heard.
    """

    reason: str
    start_ns: int | None = None
    last: Snapshot | None = None
    heard_ns: int = 0


class Workers(Protocol):
    """All workers of one run, ready to be driven; closing them leaves nothing behind."""

    @property
    def infos(self) -> Sequence[WorkerInfo]:
        """Who they are, in the order of their numbers."""

    @property
    def served(self) -> Sequence[Served]:
        """What each serves."""

    def drive(self, stop: Stop, progress: Progress) -> Sequence[ShardRecord | Lost]:
        """Send the load from one instant on, and return what each worker did; the reason of one that was lost."""

    def close(self) -> None:
        """End everything; never raises, and may be called again."""


class Single:
    """A run of one: shard 0 of 1, in this process; `triggers` switch on incidents meanwhile."""

    def __init__(self, spec: RunSpec, triggers: Triggers | None = None) -> None:
        self._shard = Shard(spec, triggers=triggers)
        try:
            self._shard.open(spec.address, spec.port)
            self._shard.measure_self_cost()
        except BaseException:
            self._shard.close()
            raise
        endpoint = self._shard.endpoint
        self.infos = (WorkerInfo(0, "", 0, Target(endpoint.address, endpoint.port)),)
        self.served = (endpoint,)

    def drive(self, stop: Stop, progress: Progress) -> Sequence[ShardRecord]:
        """Send everything from this thread."""
        endpoint = self.served[0]
        served_before, failed_before = endpoint.served, endpoint.failed

        def tell(snapshot: Snapshot) -> None:
            progress(snapshot, endpoint.served - served_before, endpoint.failed - failed_before)

        return (self._shard.drive(stop, tell),)

    def close(self) -> None:
        """Stop serving."""
        self._shard.close()
