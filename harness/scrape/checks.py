"""Checks each scrape against the one before: counters and sums never fall, and a count equals its +Inf bucket."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.scrape.exposition import Sample
from harness.scrape.findings import Finding, Name
from harness.views import QUICKSTART_VIEWS, Aggregation, View

__all__ = ["Checker", "sample_names"]

MAX_EXAMPLES = 5

_Key = tuple[str, frozenset[tuple[str, str]]]


def sample_names(views: Sequence[View] = QUICKSTART_VIEWS) -> dict[str, str]:
    """Map the name of each sample a view can show to its part: ``counter``, ``sum``, ``count`` or ``bucket``."""
    names: dict[str, str] = {}
    for view in views:
        if view.aggregation is Aggregation.COUNT:
            names[view.family] = names[f"{view.family}_total"] = "counter"
        else:
            names |= {f"{view.family}_{part}": part for part in ("count", "sum", "bucket")}
    return names


@dataclass(slots=True)
class _Tally:
    """How often something happened, how large it was altogether, and the first few times."""

    times: int = 0
    amount: float = 0.0
    examples: list[str] = field(default_factory=list)

    def add(self, amount: float, example: str) -> None:
        self.times += 1
        self.amount += amount
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)


class Checker:
    """Takes the samples of one scrape after the other and remembers what was wrong; only our views are looked at."""

    def __init__(self, views: Sequence[View] = QUICKSTART_VIEWS) -> None:
        self._parts = sample_names(views)
        self._last: dict[_Key, float] = {}
        self._counters = _Tally()
        self._sums = _Tally()
        self._torn = _Tally()

    def observe(self, samples: Iterable[Sample]) -> None:
        """Compare one scrape with what the scrapes before it showed."""
        counts: dict[_Key, float] = {}
        infinite: dict[_Key, float] = {}
        for sample in samples:
            part = self._parts.get(sample.name)
            if part is None:
                continue
            self._compare(sample, part)
            if part == "count":
                counts[_key(sample.name.removesuffix("_count"), sample.labels)] = sample.value
            elif part == "bucket" and sample.labels.get("le") == "+Inf":
                infinite[_key(sample.name.removesuffix("_bucket"), sample.labels)] = sample.value
        for key, count in counts.items():
            shown = infinite.get(key)
            if shown != count:
                self._torn.add(
                    1, f"{_written(key)} count {count:g}, +Inf {'missing' if shown is None else f'{shown:g}'}"
                )

    def _compare(self, sample: Sample, part: str) -> None:
        key = (sample.name, frozenset(sample.labels.items()))
        before = self._last.get(key)
        self._last[key] = sample.value
        if before is not None and sample.value < before:
            tally = self._sums if part == "sum" else self._counters
            tally.add(before - sample.value, f"{_written(key)} {before!r} -> {sample.value!r}")

    def findings(self) -> list[Finding]:
        """Return what has been found until now."""
        named = (
            (Name.COUNTER_DECREASED, self._counters),
            (Name.SUM_DECREASED, self._sums),
            (Name.COUNT_NOT_INF_BUCKET, self._torn),
        )
        return [
            Finding(name, tally.times, {"fallen": tally.amount, "examples": list(tally.examples)})
            for name, tally in named
            if tally.times
        ]


def _key(family: str, labels: Mapping[str, str]) -> _Key:
    return family, frozenset((name, value) for name, value in labels.items() if name != "le")


def _written(key: _Key) -> str:
    name, labels = key
    inside = ",".join(f'{label}="{value}"' for label, value in sorted(labels))
    return f"{name}{{{inside}}}"
