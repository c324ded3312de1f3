"""Figures over time, with intervals, epochs and changes."""

from collections.abc import Iterator, Sequence

from harness.report.experiments import VOID
from harness.report.numbers import MeasuredValue, Unit, finite, plain
from harness.report.plots.trend import binned, trend_picture, trend_unit
from harness.report.tables import Column, Illustration, Note, Part, ReportTable, Section, TableCell, figure, row_of
from harness.report.trends import Trend

__all__ = ["sparkline", "trend_section"]

_NEWEST = 100  # runs of a trend shown as a table; the picture and `harness history` have all
_BARS = "▁▂▃▄▅▆▇█"
_SPARKS = 32


def sparkline(values: Sequence[float | None]) -> str:
    """Return one block for each value, from the lowest to the highest; a gap for what is not known.

    Values that are all alike stand half-way up: nothing is high or low about them.
    """
    known = [number for value in values if (number := finite(value)) is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    line = []
    for value in values:
        number = finite(value)
        if number is None:
            line.append(" ")
        elif high == low:
            line.append(_BARS[3])
        else:
            line.append(_BARS[min(int((number - low) / (high - low) * len(_BARS)), len(_BARS) - 1)])
    return "".join(line)


def trend_section(trends: Sequence[Trend], more: int = 0) -> Section | None:
    """Return each figure over time."""
    if not trends:
        return None
    parts: list[Part] = [
        Illustration(trend_picture(trend, f"trend-{index}"), _table(trend)) for index, trend in enumerate(trends)
    ]
    if more:
        parts.append(Note(f"{more} more figures have a history: harness history export --format csv"))
    intro = (
        "A dashed upright line opens a new epoch: another machine, kernel or interpreter, so the levels on both sides "
        "of it are not to be compared. A diamond-topped line marks a change found in the series. Where every run has a "
        "control, the figure is the ratio to it: a busy machine slows both alike."
    )
    return Section("trend", "Trend", tuple(parts), intro, (_sparklines(trends), *_changes(trends)))


def _table(trend: Trend) -> ReportTable:
    unit = trend_unit(trend)
    start = max(0, len(trend) - _NEWEST)
    remarks = _remarks(trend)
    columns = (Column("Run", kind="text"), Column("Made", kind="text"), Column("Figure", unit.name),
               Column("Remarks", kind="text"))  # fmt: skip
    shown = sorted({*range(start, len(trend)), *remarks} & set(range(len(trend))))
    rows = tuple(
        row_of(
            f"{index + 1} {trend.ids[index]}",
            trend.created[index],
            VOID if index in trend.void else figure(_value(trend, index), unit),
            "; ".join(remarks.get(index, ())),
        )
        for index in shown
    )
    caption = f"{trend.metric}: the newest {_NEWEST} runs, and those where something changed" if start else trend.metric
    return ReportTable(caption, columns, rows)


def _value(trend: Trend, index: int) -> MeasuredValue:
    return MeasuredValue(trend.values[index], trend.lows[index], trend.highs[index])


def _remarks(trend: Trend) -> dict[int, list[str]]:
    remarks: dict[int, list[str]] = {}
    for epoch in trend.epochs:
        remarks.setdefault(epoch.index, []).append(f"new epoch: {epoch.label}")
    for index in trend.void:
        remarks.setdefault(index, []).append("void: no figure")
    for change in trend.changes:
        remarks.setdefault(change.index, []).append(f"{change.kind}: {change.text}")
    return remarks


def _sparklines(trends: Sequence[Trend]) -> ReportTable:
    columns = (Column("", kind="name"), *(Column("", kind="word") for _ in range(3)))
    return ReportTable("", columns, tuple(row_of(*_spark_cells(trend, trend_unit(trend))) for trend in trends))


def _spark_cells(trend: Trend, unit: Unit) -> Iterator[str | TableCell]:
    last = next((v for value in reversed(trend.values) if (v := finite(value)) is not None), None)
    newest = f"{plain(None if last is None else last / unit.scale)} {unit.name}".rstrip()
    yield f"  {trend.metric}"
    yield sparkline([one.middle for one in binned(trend, _SPARKS)])
    # What an earlier run said is not the newest.
    yield VOID if len(trend) - 1 in trend.void else newest
    yield f"{len(trend)} runs{f', {len(trend.void)} void' if trend.void else ''}"


def _changes(trends: Sequence[Trend]) -> Iterator[Note]:
    for trend in trends:
        for change in trend.changes:
            where = f"{trend.created[change.index]} ({trend.ids[change.index]})"
            yield Note(f"  ◆ {trend.metric}: {change.kind} at {where}, {change.text}")
