"""The subject of one side of a comparison: a frozen description that is sent to a fresh process as JSON."""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.views import FINE_LATENCY_BOUNDS_MS, LATENCY_BOUNDS_MS, QUICKSTART_VIEWS, TAG_KEYS, View

if TYPE_CHECKING:
    from harness.measure.steps import Rung

__all__ = ["OWN", "Subject", "latency_bounds"]

# The instrument of a user's own function, whichever library it records through.
OWN = "own"

# About 5 GB.
_MOST_HEAP = 50_000_000
ALL_VIEWS = tuple(view.name for view in QUICKSTART_VIEWS)


def latency_bounds(buckets: str) -> tuple[float, ...]:
    """Return the latency bounds in ms called ``quickstart`` or ``fine``, or as many as a number such as ``50``.

    A number gives bounds in geometric progression from 0.1 µs to 10 s, so that real latencies spread over several
    buckets. Raise `UsageError` for any other text and for numbers outside 1 to 10000.
    """
    named = {"quickstart": LATENCY_BOUNDS_MS, "fine": FINE_LATENCY_BOUNDS_MS}
    if buckets in named:
        return named[buckets]
    if not buckets.isdecimal() or not 1 <= int(buckets) <= 10_000:
        raise UsageError(f"buckets: {buckets!r} is neither quickstart, fine nor a number from 1 to 10000")
    count = int(buckets)
    return tuple(1e-4 * 10 ** (8 * i / max(1, count - 1)) for i in range(count))


@dataclass(frozen=True, slots=True)
class Subject:
    """One side of a comparison, with everything that may change the cost of a line.

    - `instrument`: a way of recording, by name or ``package.module:Name``.
    - `target`: the user's own function ``package.module:function``, called once per line instead of our REPL;
      `instrument` is then ``none`` for the side with muted recording calls, or ``own`` for the function as it is.
      `bare` names a function to use for the muted side instead.
    - `rung`: a rung of the ladder instead of an instrument (see `harness.measure.worker.rungs`).
    - `series`: number of tag sets that the lines are spread over.
    - `views`, `tags`, `buckets`: names of the views, number of their tag keys (of three), latency bounds.
    - `threads`: number of threads that share the lines of a block.
    - `scraped`: whether its endpoint is scraped during the measurement, every `interval_ms` milliseconds.
    - `heap`: number of additional application objects in its process (see `harness.measure.worker.heap`).
    - `delay_ns`: time in ns added to each line by a busy wait; None for no wait at all.
    - `python`, `path`: another interpreter, and folders at the front of its search path, for comparing versions. Where
      both are given, `path` has to contain our own packages: adding ours would add all libraries installed with them.
    - `folder`: working directory of its process, instead of ours.
    - `label`: its name in tables, instead of that of its instrument.
    """

    instrument: str = "none"
    series: int = 1
    views: tuple[str, ...] = ALL_VIEWS
    tags: int = len(TAG_KEYS)
    buckets: str = "quickstart"
    threads: int = 1
    scraped: bool = False
    interval_ms: int = 100
    heap: int = 0
    delay_ns: float | None = None
    rung: str = ""
    target: str = ""
    bare: str = ""
    python: str = ""
    path: str = ""
    folder: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        if self.series < 1 or self.threads < 1:
            raise UsageError("a subject needs at least one series and one thread")
        if not 0 <= self.heap <= _MOST_HEAP:
            raise UsageError(f"{self.heap} objects are not between none and {_MOST_HEAP:,}", field="heap")
        if not 0 <= self.tags <= len(TAG_KEYS):
            raise UsageError(f"tags: there are {len(TAG_KEYS)} tag keys, not {self.tags}")
        if self.delay_ns is not None and not 0 <= self.delay_ns <= 1e9:
            raise UsageError(f"a delay of {self.delay_ns} ns is not between 0 and a second")
        unknown = [name for name in self.views if name not in ALL_VIEWS]
        if unknown:
            raise UsageError(f"views: there is no view {unknown[0]!r}; choose from {', '.join(ALL_VIEWS)}")
        latency_bounds(self.buckets)
        if self.rung:
            _ = self._rung

    @property
    def served(self) -> bool:
        """Whether its endpoint is up during the measurement."""
        return self.scraped or bool(self.rung and self._rung.served)

    @property
    def _rung(self) -> "Rung":
        # Imported only in the processes that measure the ladder.
        from harness.measure.steps import rung_named

        return rung_named(self.rung)

    @property
    def name(self) -> str:
        """Name of this side in tables."""
        if self.label:
            return self.label
        if self.rung:
            return self.rung
        if self.target:
            return f"{self.target} ({'as it is' if self.instrument != 'none' else self.bare or 'muted'})"
        return self.instrument

    @property
    def own_module(self) -> str:
        """The user's own module that it runs: a target's, or that of ``package.module:Name``; empty for none."""
        path = self.target or (self.instrument if ":" in self.instrument else "")
        return path.partition(":")[0]

    @property
    def factors(self) -> dict[str, int | float | str | bool]:
        """The conditions of its measurement: series, scraped and threads, and all others that are not the default."""
        factors: dict[str, int | float | str | bool] = {
            "series": self.series,
            "scraped": self.scraped,
            "threads": self.threads,
        }
        if self.scraped:
            factors["scrape_interval_ms"] = self.interval_ms
        if self.views != ALL_VIEWS:
            factors["views"] = len(self.views)
        for name in ("tags", "buckets", "heap", "target", "bare", "python", "path"):
            value = getattr(self, name)
            if value != _DEFAULTS[name]:
                factors[name] = value
        if self.delay_ns is not None:
            factors["delay_ns"] = self.delay_ns
        return factors

    def view_objects(self) -> tuple[View, ...]:
        """Return the views with this subject's tag keys and latency bounds."""
        keys = TAG_KEYS[: self.tags]
        bounds = latency_bounds(self.buckets)
        views = [replace(view, tag_keys=keys) for view in QUICKSTART_VIEWS if view.name in self.views]
        return tuple(replace(view, bounds=bounds) if view.name == ALL_VIEWS[0] else view for view in views)

    def to_json(self) -> str:
        """Return one line of JSON for `from_json`, without `folder` and `label`, which only the parent needs.

        Workers of earlier revisions do not accept fields that they do not know: those are in it only where they matter.
        """
        absent = {"folder", "label"} | {name for name in _ADDED_LATER if getattr(self, name) == _DEFAULTS[name]}
        return json.dumps({name: value for name, value in asdict(self).items() if name not in absent})

    @staticmethod
    def from_json(text: str) -> "Subject":
        """Return the subject encoded by `to_json`."""
        data = json.loads(text)
        return Subject(**{**data, "views": tuple(data["views"])})


_ADDED_LATER = ("heap",)
_DEFAULTS = {field.name: field.default for field in fields(Subject)}
