"""Stored runs: a list of them, and one in full."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.report.tables import Column, Facts, Note, Part, ReportTable, TableCell, row_of
from harness.report.text import inert

if TYPE_CHECKING:
    from harness.history.figures import Figure
    from harness.history.index import RunRow
    from harness.history.queries import Listing, ShownRun

__all__ = ["runs_table", "stored_run_parts"]


def runs_table(listing: "Listing") -> ReportTable:
    """Return a row for each run; a run that opens an epoch says so."""
    # What other commands take is never broken; labels may be long.
    columns = (
        Column("run", kind="word"), Column("kind", kind="word"), Column("label", kind="text"), Column("figures"),
        Column("revision", kind="word"), Column("machine", kind="word"), Column("", kind="word"),
    )  # fmt: skip
    return ReportTable("", columns, tuple(_run(row, opens=row.id in listing.opens_epoch) for row in listing.rows))


def _run(row: "RunRow", *, opens: bool) -> tuple[TableCell, ...]:
    revision = f"{inert(row.revision)[:9]}{'+' if row.dirty else ''}" if row.revision else "-"
    notes = [row.verdict] if row.verdict else []
    notes += ["new epoch"] if opens else []
    label = inert(row.label) or "-"
    return row_of(row.id, row.kind, label, str(row.metrics), revision, inert(row.epoch), ", ".join(notes))


def stored_run_parts(shown: "ShownRun") -> Iterator[Part]:
    """Yield one run in full, but for its raw pairs: who, when, on what, and its figures."""
    run = shown.envelope
    machine, versions = run.fingerprint.get("machine", {}), run.fingerprint.get("versions", {})
    facts = [
        ("run", run.id), ("kind", run.kind), ("measured", run.created), ("label", run.label or "-"),
        ("revision", f"{run.git.get('revision') or '-'}{' with changes' if run.git.get('dirty') else ''}"),
        ("branch", run.git.get("branch") or "-"),
        ("machine", f"{run.epoch}: {', '.join(str(machine.get(n, '-')) for n in ('cpu', 'cpu_count', 'kernel'))}"),
        ("python", f"{machine.get('python', '-')}, hash seed {machine.get('hash_seed', '-')}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items()) or "-"),
    ]  # fmt: skip
    yield Facts(tuple((name, TableCell(inert(str(value)))) for name, value in facts))
    yield Note("")
    if not shown.metrics:
        yield Note("no figures that could be compared")
        return
    headings = ("per line", "95 % interval", "ratio to base", "95 % interval", "pairs")
    columns = (*map(Column, headings), Column("figure", kind="text"))
    yield ReportTable("", columns, tuple(map(_figure, shown.metrics)))


def _figure(metric: "Figure") -> tuple[TableCell, ...]:
    return row_of(
        "-" if metric.value is None else f"{_number(metric.value)} {metric.unit}",
        _interval(metric.low, metric.high),
        _number(metric.ratio),
        _interval(metric.ratio_low, metric.ratio_high),
        str(metric.pairs) if metric.pairs else "-",
        inert(metric.key) + (f" (void: {inert(metric.void)})" if metric.void else ""),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None and high is None else f"{_number(low)} to {_number(high)}"
