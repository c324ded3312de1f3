"""Words for kept runs and their figures, as plain text: for terminals, pipes and log files alike."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.history.figures import Figure
    from harness.history.index import RunRow
    from harness.history.queries import Listing, ShownRun

__all__ = ["COLUMNS", "aligned", "inert", "list_cells", "shown_lines"]

COLUMNS = ("run", "kind", "label", "figures", "revision", "machine", "")


def inert(text: str) -> str:
    """Return text from outside so that it is one line, can be encoded, and does nothing to a terminal."""
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in encodable)


def aligned(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> Iterator[str]:
    """Yield rows of cells as lines, columns as wide as their widest cell; those in `right` end at one place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def list_cells(listing: "Listing") -> list[tuple[str, ...]]:
    """Return a row of `COLUMNS` for each run; a run that opens an epoch says so."""
    return [_cells(row, opens=row.id in listing.opens_epoch) for row in listing.rows]


def _cells(row: "RunRow", *, opens: bool) -> tuple[str, ...]:
    revision = f"{inert(row.revision)[:9]}{'+' if row.dirty else ''}" if row.revision else "-"
    notes = [row.verdict] if row.verdict else []
    notes += ["new epoch"] if opens else []
    return row.id, row.kind, inert(row.label) or "-", str(row.metrics), revision, inert(row.epoch), ", ".join(notes)


def shown_lines(shown: "ShownRun") -> Iterator[str]:
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
    yield from aligned([(name, inert(str(value))) for name, value in facts])
    yield ""
    if not shown.metrics:
        yield "no figures that could be compared"
        return
    header = ("per line", "95 % interval", "ratio to base", "95 % interval", "pairs", "figure")
    rows = [header, *(_figure(metric) for metric in shown.metrics)]
    yield from aligned(rows, right=frozenset(range(5)))


def _figure(metric: "Figure") -> tuple[str, ...]:
    return (
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
