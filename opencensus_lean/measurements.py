"""The measurement map that records into a store."""

from collections.abc import Callable, Mapping
from typing import Any

from opencensus.stats.measurement_map import MeasurementMap
from opencensus.tags import TagContext

__all__ = ["LeanMeasurementMap", "measurement_map_class"]

Record = Callable[[Mapping[str, str], Mapping[Any, float]], None]


class LeanMeasurementMap(MeasurementMap):  # type: ignore[misc]
    """A measurement map that hands its values to the store, without the time stamp that nothing there would read.

    What all maps of one recorder have in common stands in a class of their own (see `measurement_map_class`), so that a
    new map sets one attribute.
    """

    _attachments: dict[str, str] | None = None
    _invalid = False
    _record: Record

    def __init__(self) -> None:
        self._measurement_map: dict[Any, float] = {}

    def record(self, tags: Any = None) -> None:
        """Record all values under `tags`, by default those of the current context."""
        if tags is None:
            tags = TagContext.get()
        self._record({} if tags is None else tags.map, self._measurement_map)


def measurement_map_class(measure_to_view_map: Any, record: Record) -> type[LeanMeasurementMap]:
    """Return the class of the measurement maps that lead to `measure_to_view_map`; built without arguments."""
    return type(
        LeanMeasurementMap.__name__,
        (LeanMeasurementMap,),
        {"_measure_to_view_map": measure_to_view_map, "_record": staticmethod(record)},
    )
