"""Instruments that are wrong in one way each, all made from one that is right."""

import copy
import threading
from collections.abc import Iterator

import numpy as np
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import CollectorRegistry
from prometheus_client.samples import Sample

from harness.instruments.prometheus_client_ import PrometheusClientInstrument
from harness.views import ERRORS, LATENCY, LINE_LENGTHS, LINES_IN, QUICKSTART_VIEWS, Tags, View

# The page that a fault which strikes once strikes: some lines are on it, and some come after it.
PAGE = 9


class Right:
    """Records as prometheus-client does; subclasses change what is recorded or what is shown."""

    def __init__(self, views: tuple[View, ...]) -> None:
        self.inner = PrometheusClientInstrument(views)
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.lines = 0
        self.pages = 0

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        self.lines += 1
        self.wrong(latency_ms, length_bytes, tags)

    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        self.inner.record(latency_ms, length_bytes, tags)

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        self.pages += 1
        for family in self.inner.registry.collect():
            shown = copy.copy(family)
            shown.samples = self.shown(family)
            yield shown

    def shown(self, family: Metric) -> list[Sample]:
        return list(family.samples)

    def close(self) -> None:
        self.inner.close()


# What is recorded.


class LosesOneInAThousand(Right):
    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        if self.lines % 1000:
            self.inner.record(latency_ms, length_bytes, tags)


class AddsOne(Right):
    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        for _ in range(2 if self.lines == 550 else 1):
            self.inner.record(latency_ms, length_bytes, tags)


class CountsTwiceUnderThreads(Right):
    """Two threads take the same record from a queue now and then."""

    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        if self.lines % 400:
            return self.inner.record(latency_ms, length_bytes, tags)
        threads = [threading.Thread(target=self.inner.record, args=(latency_ms, length_bytes, tags)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return None


class RecordsSeconds(Right):
    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        self.inner.record(latency_ms / 1000, length_bytes, tags)


class RecordsTheLengthAsLatency(Right):
    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        self.inner.record(float(min(length_bytes, 20)), length_bytes, tags)


class RecordsNoLatency(Right):
    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        self.inner.record(0.0, length_bytes, tags)


class RoundsToMicroseconds(Right):
    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        self.inner.record(round(latency_ms, 3), length_bytes, tags)


class CountsTheLineEnding(Right):
    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        self.inner.record(latency_ms, length_bytes + 1, tags)


class MixesUpMethods(Right):
    """Puts a line under the method of the line before, now and then."""

    last = Tags()

    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        self.inner.record(latency_ms, length_bytes, self.last if self.lines % 500 == 0 else tags)
        self.last = tags


class SwapsStatusAndError(Right):
    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        swapped = Tags(tags.method, tags.error, tags.status) if tags.error else tags
        self.inner.record(latency_ms, length_bytes, swapped)


class ForgetsTheError(Right):
    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        self.inner.record(latency_ms, length_bytes, tags._replace(error=""))


class CountsLate(Right):
    """Keeps the last forty records back until nothing has come for a while."""

    def __init__(self, views: tuple[View, ...]) -> None:
        super().__init__(views)
        self.kept: list[tuple[float, int, Tags]] = []
        self.shown_at: int | None = None

    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        self.kept.append((latency_ms, length_bytes, tags))
        if len(self.kept) > 40:
            self.inner.record(*self.kept.pop(0))

    def collect(self) -> Iterator[Metric]:
        if self.shown_at == self.lines:
            while self.kept:
                self.inner.record(*self.kept.pop(0))
        self.shown_at = self.lines
        return super().collect()


class StartsAnew(Right):
    """Loses all that it has half way through."""

    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        if self.lines == 600:
            self.inner = PrometheusClientInstrument(QUICKSTART_VIEWS)
        self.inner.record(latency_ms, length_bytes, tags)


class RaisesSometimes(Right):
    def wrong(self, latency_ms: float, length_bytes: int, tags: Tags) -> None:
        if self.lines % 1000 == 0:
            raise RuntimeError("dictionary changed size during iteration")
        self.inner.record(latency_ms, length_bytes, tags)


# What is shown.


class Shows(Right):
    """Changes each sample by `sample`, on every page or on one."""

    once = False

    def shown(self, family: Metric) -> list[Sample]:
        if self.once and self.pages != PAGE:
            return list(family.samples)
        return [shown for sample in family.samples for shown in self.sample(sample)]

    def sample(self, sample: Sample) -> list[Sample]:
        raise NotImplementedError


def of(sample: Sample, view: View, suffix: str = "") -> bool:
    return sample.name == view.family + suffix


class ZeroSum(Shows):
    def sample(self, sample: Sample) -> list[Sample]:
        return [sample._replace(value=0.0) if of(sample, LATENCY, "_sum") else sample]


class NanSum(Shows):
    def sample(self, sample: Sample) -> list[Sample]:
        return [sample._replace(value=float("nan")) if of(sample, LATENCY, "_sum") else sample]


class NoSum(Shows):
    def sample(self, sample: Sample) -> list[Sample]:
        return [] if of(sample, LINE_LENGTHS, "_sum") else [sample]


class SinglePrecision(Shows):
    """Adds up in half the digits."""

    def sample(self, sample: Sample) -> list[Sample]:
        return [sample._replace(value=float(np.float32(sample.value))) if of(sample, LATENCY, "_sum") else sample]


class TwelveDigits(Shows):
    """Shows sums that are off in their twelfth digit: rounded, and no more than that."""

    def sample(self, sample: Sample) -> list[Sample]:
        return [sample._replace(value=sample.value * (1 + 1e-12)) if of(sample, LATENCY, "_sum") else sample]


class DropsASeriesOnce(Shows):
    once = True

    def sample(self, sample: Sample) -> list[Sample]:
        return [] if sample.labels["method"] == "plain" and of(sample, LINES_IN, "_total") else [sample]


class DropsASumOnce(Shows):
    once = True

    def sample(self, sample: Sample) -> list[Sample]:
        return [] if sample.labels["method"] == "plain" and of(sample, LATENCY, "_sum") else [sample]


class NanOnce(Shows):
    once = True

    def sample(self, sample: Sample) -> list[Sample]:
        return [sample._replace(value=float("nan")) if of(sample, LINES_IN, "_total") else sample]


class FallsOnce(Shows):
    once = True

    def sample(self, sample: Sample) -> list[Sample]:
        return [sample._replace(value=0.0) if of(sample, LINES_IN, "_total") else sample]


class AheadOnce(Shows):
    """Shows more than it has, and takes it back."""

    once = True

    def sample(self, sample: Sample) -> list[Sample]:
        return [sample._replace(value=sample.value + 5000) if of(sample, LINES_IN, "_total") else sample]


class FrozenOnce(Right):
    """Serves the page before once more."""

    def __init__(self, views: tuple[View, ...]) -> None:
        super().__init__(views)
        self.kept: dict[str, list[Sample]] = {}

    def shown(self, family: Metric) -> list[Sample]:
        if self.pages == PAGE:
            return self.kept[family.name]
        self.kept[family.name] = list(family.samples)
        return list(family.samples)


class FrozenForEver(FrozenOnce):
    """Serves the same page from some moment on."""

    def shown(self, family: Metric) -> list[Sample]:
        if self.pages >= PAGE:
            return self.kept[family.name]
        return super().shown(family)


class WrongBucket(Shows):
    """Counts what is in the second bucket in the first as well."""

    def __init__(self, views: tuple[View, ...]) -> None:
        super().__init__(views)
        self.second: dict[str, float] = {}

    def shown(self, family: Metric) -> list[Sample]:
        self.second = {
            sample.labels["method"] + sample.labels["error"]: sample.value
            for sample in family.samples
            if of(sample, LINE_LENGTHS, "_bucket") and sample.labels["le"] == "10.0"
        }
        return super().shown(family)

    def sample(self, sample: Sample) -> list[Sample]:
        if of(sample, LINE_LENGTHS, "_bucket") and sample.labels["le"] == "5.0":
            return [sample._replace(value=self.second[sample.labels["method"] + sample.labels["error"]])]
        return [sample]


class InfiniteBucketOneShort(Shows):
    def sample(self, sample: Sample) -> list[Sample]:
        short = of(sample, LINE_LENGTHS, "_bucket") and sample.labels["le"] == "+Inf"
        return [sample._replace(value=sample.value - 1) if short else sample]


class NegativeCounter(Shows):
    def sample(self, sample: Sample) -> list[Sample]:
        return [sample._replace(value=-sample.value) if of(sample, LINES_IN, "_total") else sample]


class ShowsEachSeriesTwice(Shows):
    def sample(self, sample: Sample) -> list[Sample]:
        return [sample, sample] if of(sample, ERRORS, "_total") else [sample]


class InventsASeries(Shows):
    def sample(self, sample: Sample) -> list[Sample]:
        other = sample._replace(labels={**sample.labels, "method": "nobody"})
        return [sample, other] if of(sample, LINES_IN, "_total") and sample.labels["method"] == "plain" else [sample]


class LosesTheErrors(Shows):
    def sample(self, sample: Sample) -> list[Sample]:
        return [] if of(sample, ERRORS, "_total") else [sample]


class EscapesTwice(Shows):
    def sample(self, sample: Sample) -> list[Sample]:
        method = sample.labels["method"].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return [sample._replace(labels={**sample.labels, "method": method})]


class RaisesWhenRead(Right):
    """Cannot be read for three pages."""

    def collect(self) -> Iterator[Metric]:
        if self.pages in {5, 6, 7}:
            self.pages += 1
            raise RuntimeError("dictionary changed size during iteration")
        return super().collect()


class RaisesAtTheEnd(Right):
    def collect(self) -> Iterator[Metric]:
        if self.lines >= 1040:
            raise RuntimeError("closed")
        return super().collect()


class NoPage(Right):
    """Writes what is no page of metrics."""

    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            if self.lines >= 1040:
                family.samples = [sample._replace(value="many") for sample in family.samples]
            yield family


# How it is described.


class OtherHelp(Right):
    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            family.documentation = "Some figure" if family.name == LINES_IN.family else family.documentation
            yield family


class Untyped(Right):
    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            family.type = "unknown" if family.name == LATENCY.family else family.type
            yield family


class GaugeForCounter(Right):
    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            if family.name != LINES_IN.family:
                yield family
                continue
            gauge = GaugeMetricFamily(family.name, family.documentation)
            gauge.samples = [sample._replace(name=family.name) for sample in family.samples]
            yield gauge
