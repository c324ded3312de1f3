"""The bodies of the ladder's rungs: the steps of recording with OpenCensus, one more at each rung.

Similar to MooBench (Waller and Hasselbring 2012), which decomposes the cost of monitoring in the same way: the
difference between neighbouring rungs is the cost of one step.
"""

import time
from collections.abc import Callable

from opencensus.tags.tag_map import TagMap
from opencensus.tags.tag_value import TagValue

from harness.instruments.opencensus import KEY_ERROR, KEY_METHOD, KEY_STATUS, OpenCensusInstrument
from harness.measure.steps import Rung, rung_named
from harness.measure.subject import Subject
from harness.measure.worker.body import Body, Sink, touched
from harness.measure.worker.delay import Evaluate
from harness.views import Tags, View

__all__ = ["build_rung"]

Recording = Callable[[float, int, Tags], object]


class _Steps(OpenCensusInstrument):
    """The quickstart's way of recording, without some of its steps."""

    def __init__(self, views: tuple[View, ...], rung: Rung) -> None:
        super().__init__(views, exporter=rung.exported)
        self._views = views
        if not rung.copying:
            # `export` copies every series of each touched view, with or without an exporter.
            self.stats.view_manager.measure_to_view_map.export = lambda _view_datas: None

    def build(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> object:
        """Build the two maps as `record` does, and record nothing."""
        mmap = self._new_measurement_map()
        mmap.measure_float_put(self._latency, latency_ms)
        mmap.measure_int_put(self._length, length_bytes)
        tmap = TagMap()
        tmap.insert(KEY_METHOD, TagValue(tags.method))
        tmap.insert(KEY_STATUS, TagValue(tags.status))
        if tags.error:
            tmap.insert(KEY_ERROR, TagValue(tags.error))
        return mmap, tmap

    def counts(self) -> dict[str, int]:
        """Return the records in each view, read from OpenCensus' own data."""
        counts = {}
        for view in touched(self._views):
            rows = self.stats.view_manager.get_view(view.name).tag_value_aggregation_data_map.values()
            counts[view.name] = sum(row.count_data for row in rows)
        return counts


def _bare(write: Callable[[str], object]) -> Evaluate:
    def evaluate(line: str, _tags: Tags) -> object:
        return write(line.upper() + "\n")

    return evaluate


def _clocked(write: Callable[[str], object]) -> Evaluate:
    now = time.monotonic_ns

    def evaluate(line: str, _tags: Tags) -> object:
        start = now()
        write(line.upper() + "\n")
        return (now() - start) / 1e6

    return evaluate


def _recording(write: Callable[[str], object], record: Recording) -> Evaluate:
    now = time.monotonic_ns

    def evaluate(line: str, tags: Tags) -> object:
        start = now()
        write(line.upper() + "\n")
        return record((now() - start) / 1e6, len(line), tags)

    return evaluate


def build_rung(name: str, subject: Subject) -> Body:
    """Return the body of the rung `name`; raise `UsageError` where there is none of that name."""
    rung = rung_named(name)
    sink = Sink()
    write = sink.open().write
    if not rung.mapped:
        return Body([_clocked(write) if rung.clocked else _bare(write)], close=sink.close)
    steps = _Steps(subject.view_objects()[: rung.views], rung)
    if not rung.recorded:
        return Body([_recording(write, steps.build)], close=sink.close)
    return Body([_recording(write, steps.record)], steps.counts, steps.registry, sink.close)
