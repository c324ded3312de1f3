"""Exports kept figures in the formats of other tools, and imports results of pytest-benchmark."""

from collections.abc import Iterable
from pathlib import Path

from harness.history.exchange.exports import ExportedFigure, export_figures, export_pytest_benchmark
from harness.history.exchange.imports import Imported, import_benchmarks
from harness.history.index import Index
from harness.history.queries import Listing
from harness.history.store import Store

__all__ = ["exported", "imported"]


def exported(store: Store, listing: Listing, form: str) -> str:
    """Return the figures of the runs listed as text of the format `form`; of the newest run for pytest-benchmark."""
    if form == "pytest-benchmark":
        text = export_pytest_benchmark(store.load(listing.rows[-1].id))
    else:
        with Index(store) as index:
            figures = (
                ExportedFigure(row.id, row.created, row.kind, row.label, row.epoch, row.revision, metric)
                for row in listing.rows
                for metric in index.metrics(row.id)
            )
            text = export_figures(figures, form)
    # Lone surrogates, as in names that are no UTF-8, have no place in a text file.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def imported(store: Store, paths: Iterable[Path], label: str) -> Imported:
    """Import files, or folders of them, and return what became of all; see `import_benchmarks` for what it raises."""
    done = [import_benchmarks(store, path, label) for path in paths]
    return Imported(
        tuple(run for each in done for run in each.new),
        tuple(path for each in done for path in each.known),
        tuple(problem for each in done for problem in each.problems),
    )
