"""The essentials of a report for a terminal: overhead, ladder, laws, trends as sparklines, runs and findings."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.load.tail import supported
from harness.report.markup import clean
from harness.report.model import PageDifference, Report, ScrapeLatency, SustainedRate, Trend
from harness.report.numbers import finite, plain, unit_for
from harness.report.overhead import VOID
from harness.report.overhead_table import ladder_table, law_lines, overhead_view
from harness.report.page.observations import audits_of
from harness.report.plots.percentiles import decoded
from harness.report.plots.trend import binned, trend_unit
from harness.report.rates import condition_words, rate_cell

__all__ = ["essentials", "sparkline"]

_BARS = "▁▂▃▄▅▆▇█"
_SPARKS = 32
_MARKS = {"error": ("✗", "bold red"), "warning": ("!", "yellow"), "info": ("·", "dim")}


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


def essentials(report: Report) -> RenderableType:
    """Return what a terminal shows of a report."""
    parts: list[RenderableType] = []
    if report.overhead is not None:
        parts += [overhead_view(report.overhead, report.saturation, report.audits, counted=report.counted), Text()]
    for ladder in report.ladders:
        parts += [ladder_table(ladder), Text()]
    if report.laws:
        parts += [_heading("Cost laws"), *(Text(f"  {line}") for line in law_lines(report.laws)), Text()]
    if report.saturation and report.overhead is None:
        parts += [_heading("Highest rate sustained"), *_rates(report.saturation), Text()]
    if report.latencies:
        parts += [_heading("Latency without and with scrapes"), *_latencies(report.latencies), Text()]
    if report.trends:
        parts += [_heading("Trend, oldest to newest"), _trends(report.trends), *_changes(report.trends), Text()]
    if report.expositions:
        parts += [_heading("Exposition compared"), *_pages(report.expositions), Text()]
    if report.runs:
        parts += [_heading("Load runs"), *_runs(report), Text()]
    parts += _findings(report)
    parts += [Text(f"! {clean(problem)}", style="yellow") for problem in report.problems]
    if not parts:
        parts.append(Text("Nothing has been measured yet. Start with: harness overhead"))
    return Group(*parts)


def _heading(words: str) -> Text:
    return Text(words, style="bold")


def _plain_table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(headings))
    for index, heading in enumerate(headings):
        # What a thing is called gives way first; its figures are what the table is for.
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1 if index == 0 else None)
    return table


def _latencies(latencies: Iterable[ScrapeLatency]) -> Iterable[RenderableType]:
    for latency in latencies:
        table = _plain_table(f"  {clean(latency.subject)}", "p50", "p90", "p99", "p99.9")
        windows = (("without", latency.outside), ("with", latency.inside), ("while served", latency.served))
        for name, text in windows:
            curve = decoded(name, text)
            if curve is None:
                continue
            told = curve.percentiles((50, 90, 99, 99.9))
            unit = unit_for([told[50] if told[50] is not None else curve.histogram.max])
            texts = ("–" if at is None else f"{plain(at / unit.scale)} {unit.name}" for at in told.values())
            table.add_row(f"  {name}", *texts)
        yield table


def _rates(rates: Iterable[SustainedRate]) -> Iterable[Text]:
    for rate in rates:
        words = f", {clean(rate.factors)}" if rate.factors else ""
        cell = rate_cell(rate)
        beside = f" ({cell.interval or cell.note})" if cell.interval or cell.note else ""
        yield Text(f"  {clean(rate.subject)}{words}: {cell.value} lines/s{beside}, {condition_words(rate)}")


def _pages(expositions: Iterable[PageDifference]) -> Iterable[Text]:
    for diff in expositions:
        differing = sum(not row.same for row in diff.rows)
        yield Text(f"  {clean(diff.left)}, {clean(diff.right)}: {differing} of {len(diff.rows)} aspects differ")


def _trends(trends: Sequence[Trend]) -> Table:
    table = _plain_table("", "", "", "")
    for trend in trends:
        unit = trend_unit(trend)
        values = [one.middle for one in binned(trend, _SPARKS)]
        last = next((v for value in reversed(trend.values) if (v := finite(value)) is not None), None)
        newest = f"{plain(None if last is None else last / unit.scale)} {clean(unit.name)}".rstrip()
        if len(trend) - 1 in trend.void:
            # What an earlier run said is not the newest.
            newest = VOID
        void = f", {len(trend.void)} void" if trend.void else ""
        table.add_row(Text(f"  {clean(trend.metric)}"), sparkline(values), Text(newest), f"{len(trend)} runs{void}")
    return table


def _changes(trends: Sequence[Trend]) -> Iterable[Text]:
    for trend in trends:
        for change in trend.changes:
            where = f"{clean(trend.created[change.index])} ({clean(trend.ids[change.index])})"
            yield Text(f"  ◆ {clean(trend.metric)}: {clean(change.kind)} at {where}, {clean(change.text)}")


def _runs(report: Report) -> Iterable[Text]:
    for run in report.runs:
        mark, style = ("✓ valid", "green") if run.verdict == "valid" else ("✗ INVALID", "bold red")
        count = run.response_ns.count
        p99 = run.response_ns.p99 if supported(99, count) else None
        unit = unit_for([p99])
        tail = f"response p99 {plain(p99 / unit.scale)} {unit.name}" if p99 is not None else f"{plain(count, 15)} lines"
        words = (
            f"  {clean(run.spec.name)}: {plain(run.rate.achieved)} lines/s through {clean(run.spec.instrument)}, {tail}"
        )
        yield Text.assemble((f"  {mark}", style), words)


def _findings(report: Report) -> Iterable[Text]:
    for name, audit in audits_of(report):
        for finding in audit.findings:
            if finding.severity == "info":
                continue
            mark, style = _MARKS.get(finding.severity, _MARKS["warning"])
            detail = f": {finding.detail}" if finding.detail else ""
            yield Text.assemble((mark, style), f" {clean(name)}: {clean(finding.name)}{clean(detail)}")
