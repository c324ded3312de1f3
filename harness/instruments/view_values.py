"""The families of the views, sorted by the value of a line that each of them takes."""

from typing import NamedTuple

from harness.views import LATENCY_MS, LINE_LENGTH, REFUSED, TAG_KEYS, Aggregation, View

__all__ = ["ViewValues", "view_values"]


class ViewValues(NamedTuple):
    """The families that take a line's latency, its length, one for each line, and one for each refused line.

    `keys` are the tag keys that all of them have.
    """

    latency: tuple[str, ...]
    length: tuple[str, ...]
    line: tuple[str, ...]
    refused: tuple[str, ...]
    keys: tuple[str, ...]


def view_values(views: tuple[View, ...]) -> ViewValues:
    """Return the families of the views; raises `ValueError` where a view takes what no line has."""
    keys = views[0].tag_keys if views else TAG_KEYS
    if any(view.tag_keys != keys or keys != TAG_KEYS[: len(keys)] for view in views):
        raise ValueError(f"every view needs the same first few of the tag keys {', '.join(TAG_KEYS)}")
    distributions = [view for view in views if view.aggregation is Aggregation.DISTRIBUTION]
    counters = [view for view in views if view.aggregation is Aggregation.COUNT]
    if unknown := [view.name for view in distributions if view.measure not in {LATENCY_MS, LINE_LENGTH}]:
        raise ValueError(f"no value of a line is known for the distributions {', '.join(unknown)}")
    return ViewValues(
        latency=tuple(view.family for view in distributions if view.measure == LATENCY_MS),
        length=tuple(view.family for view in distributions if view.measure == LINE_LENGTH),
        line=tuple(view.family for view in counters if view.measure != REFUSED),
        refused=tuple(view.family for view in counters if view.measure == REFUSED),
        keys=keys,
    )
