"""A run over time: the picture of its rate, durations and failures by second, and the table that says the same."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.load.latency.tail import FEWEST_BEYOND
from harness.report.numbers import UNKNOWN, plain
from harness.report.plots.timeline import MOST_NAMED, timeline_picture
from harness.report.tables import Column, Illustration, Note, Part, ReportTable, TableCell
from harness.report.timelines import OverTime, Panel, moment_text, over_time

if TYPE_CHECKING:
    from harness.run.result import RunResult

__all__ = ["timeline_parts"]


def timeline_parts(run: "RunResult", ident: str) -> Iterator[Part]:
    """Yield the picture of a run over time and its table, on a page only; nothing where there is no time series."""
    time = over_time(run)
    if time is None:
        return
    title = f"{run.spec.name} over time"
    left_out = run.timeline.scrapes_left_out if run.timeline else 0
    yield Illustration(timeline_picture(time, title, ident), _table(time, title, left_out), only_on_page=True)


def _table(time: OverTime, title: str, left_out: int) -> ReportTable:
    """Return a row for each point, or for several where there are many."""
    shown = time.joined(MOST_NAMED)
    panels = shown.panels()
    named = bool(shown.incidents or shown.scrapes)
    columns = (
        Column("From", "s", kind="text"),
        *(Column(_heading(panel, name), panel.unit.name) for panel in panels for name in panel.names),
        *((Column("Meanwhile", kind="text"),) if named else ()),
    )
    rows = tuple(
        (
            TableCell(moment_text(point.start_s)),
            *(_cell(panel, row[index]) for panel in panels for row in panel.series),
            *((TableCell(_meanwhile(shown, index)),) if named else ()),
        )
        for index, point in enumerate(shown.points)
    )
    unknown = any(cell.value == UNKNOWN for row in rows for cell in row)
    return ReportTable(title, columns, rows, tuple(_notes(shown, left_out, unknown=unknown)), quiet=True)


def _heading(panel: Panel, name: str) -> str:
    if panel.kind == "losses":
        return name.capitalize() or panel.title
    return f"{panel.title} {name}".strip()


def _cell(panel: Panel, value: float | None) -> TableCell:
    return TableCell(plain(None if value is None else value / panel.unit.scale, 5 if panel.kind == "rate" else 3))


def _meanwhile(time: OverTime, index: int) -> str:
    """Return the incidents of a point's time, and the number of scrapes that began in it."""
    start_s = time.points[index].start_s
    end_s = start_s + time.points[index].width_s
    words = [event.kind for event in time.incidents if event.within(start_s, end_s)]
    scrapes = sum(start_s <= event.start_s < end_s for event in time.scrapes)
    if scrapes:
        words.append("a scrape" if scrapes == 1 else f"{scrapes} scrapes")
    return ", ".join(words)


def _notes(time: OverTime, left_out: int, *, unknown: bool) -> Iterator[Note]:
    words = []
    if unknown:
        words.append(f"{UNKNOWN}: fewer than {FEWEST_BEYOND} lines lie beyond that percentile, or none was due")
    if time.joined_from > 1:
        words.append(f"each row stands for {time.joined_from} points and has their highest percentiles")
    if left_out:
        words.append(f"{plain(left_out, 15)} shorter scrapes are not marked")
    if not time.closed:
        words.append("a line counts where it was due, but for the achieved rate, which counts it where it began")
    if words:
        yield Note(f"{'; '.join(words)}.", tone="quiet")
