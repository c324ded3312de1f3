"""What one side of a comparison is: a frozen description that travels to a fresh process as JSON."""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.views import FINE_LATENCY_BOUNDS_MS, LATENCY_BOUNDS_MS, QUICKSTART_VIEWS, TAG_KEYS, View

if TYPE_CHECKING:
    from harness.measure.steps import Rung

__all__ = ["OWN", "Subject", "latency_bounds"]

# The instrument of a user's own function: whatever it records through.
OWN = "own"

# Some 5 GB.
_MOST_HEAP = 50_000_000
ALL_VIEWS = tuple(view.name for view in QUICKSTART_VIEWS)


def latency_bounds(buckets: str) -> tuple[float, ...]:
    """Return the latency bounds in ms: ``quickstart``, ``fine``, or as many as a number such as ``50`` says.

    A number gives bounds in equal ratios from 0.1 µs to 10 s, so that real latencies spread over several buckets.
    Raises `UsageError` for anything else and for fewer than one bound.
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
    """One side of a comparison, down to everything that may change what a line costs.

    - `instrument`: a way of recording, by name or ``package.module:Name``.
    - `target`: the user's own function ``package.module:function``, called with each line in place of our REPL;
      `instrument` is then ``none`` for the side whose recording calls are muted, or ``own`` for the function as it is.
      `bare` names a function to use for the muted side instead.
    - `rung`: a rung of the ladder in place of an instrument (see `harness.measure.worker.rungs`).
    - `series`: how many tag sets the lines are spread over.
    - `views`, `tags`, `buckets`: names of the views, how many of the three tag keys they have, latency bounds.
    - `threads`: how many threads share the lines of a block.
    - `scraped`: whether its endpoint is up and scraped while it is measured, every `interval_ms` milliseconds.
    - `heap`: how many objects of an application live beside it (see `harness.measure.worker.heap`).
    - `delay_ns`: time added to each line by waiting on the clock; None leaves the waiting out altogether.
    - `python`, `path`: another interpreter, and folders put first on its search path, for comparing versions. Where
      both are given, `path` leads to our own packages too: with ours would come all libraries installed beside them.
    - `folder`: where its process works, instead of where we do.
    - `label`: what tables call it, instead of its instrument.
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
            raise UsageError(f"views: there is no view {unknown[0]!r}; choose of {', '.join(ALL_VIEWS)}")
        latency_bounds(self.buckets)
        if self.rung:
            _ = self._rung

    @property
    def served(self) -> bool:
        """Whether its endpoint is up while it is measured."""
        return self.scraped or bool(self.rung and self._rung.served)

    @property
    def _rung(self) -> "Rung":
        # Imported by the few processes that climb the ladder.
        from harness.measure.steps import rung_named

        return rung_named(self.rung)

    @property
    def name(self) -> str:
        """How tables call this side."""
        if self.label:
            return self.label
        if self.rung:
            return self.rung
        if self.target:
            return f"{self.target} ({'as it is' if self.instrument != 'none' else self.bare or 'muted'})"
        return self.instrument

    @property
    def own_module(self) -> str:
        """The module of the user's own that it runs: a target's, or that of ``package.module:Name``; empty for none."""
        path = self.target or (self.instrument if ":" in self.instrument else "")
        return path.partition(":")[0]

    @property
    def factors(self) -> dict[str, int | float | str | bool]:
        """The conditions under which it is measured; what is left at its default is left out, but for three."""
        found: dict[str, int | float | str | bool] = {
            "series": self.series,
            "scraped": self.scraped,
            "threads": self.threads,
        }
        if self.scraped:
            found["scrape_interval_ms"] = self.interval_ms
        if self.views != ALL_VIEWS:
            found["views"] = len(self.views)
        for name in ("tags", "buckets", "heap", "target", "bare", "python", "path"):
            value = getattr(self, name)
            if value != _DEFAULTS[name]:
                found[name] = value
        if self.delay_ns is not None:
            found["delay_ns"] = self.delay_ns
        return found

    def view_objects(self) -> tuple[View, ...]:
        """Return the views as this subject wants them."""
        keys = TAG_KEYS[: self.tags]
        bounds = latency_bounds(self.buckets)
        chosen = [replace(view, tag_keys=keys) for view in QUICKSTART_VIEWS if view.name in self.views]
        return tuple(replace(view, bounds=bounds) if view.name == ALL_VIEWS[0] else view for view in chosen)

    def to_json(self) -> str:
        """Return a line of JSON that `from_json` reads back, without `folder` and `label`."""
        # What only its parent needs stays here, so that workers of earlier revisions understand the rest.
        return json.dumps({name: value for name, value in asdict(self).items() if name not in {"folder", "label"}})

    @staticmethod
    def from_json(text: str) -> "Subject":
        """Return the subject that `to_json` wrote."""
        data = json.loads(text)
        return Subject(**{**data, "views": tuple(data["views"])})


_DEFAULTS = {field.name: field.default for field in fields(Subject)}
