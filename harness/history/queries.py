"""`harness history list`, `show` and `rm` as functions that return values for the command line to print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.history.envelope import KINDS, Envelope, timestamp
from harness.history.figures import Figure
from harness.history.fingerprint import fingerprint, git_state
from harness.history.index import Index, RunRow, storable
from harness.history.problems import Problem
from harness.history.store import Store

__all__ = ["Listing", "ShownRun", "keep", "list_runs", "remove_runs", "show_run"]


@dataclass(frozen=True, slots=True)
class Listing:
    """Runs, oldest first, the files left out, and the ids of runs that open an epoch (on another machine)."""

    rows: tuple[RunRow, ...]
    problems: tuple[Problem, ...]
    opens_epoch: frozenset[str]


@dataclass(frozen=True, slots=True)
class ShownRun:
    """One run in full, and its figures."""

    envelope: Envelope
    metrics: tuple[Figure, ...]


def keep(store: Store, kind: str, document: Mapping[str, Any], label: str = "") -> Envelope:
    """Store a result just measured by this process, in this folder; raises `SaveError` with one line.

    The versions stored are those of the measured processes, where the document has them.
    """
    here = fingerprint()
    seen = (document.get("environment") or {}).get("libraries") or {}
    return store.save(
        kind, document, fingerprint={**here, "versions": {**here["versions"], **seen}}, git=git_state(), label=label
    )


def list_runs(
    store: Store,
    *,
    kind: str | None = None,
    label: str | None = None,
    since: str | None = None,
    instrument: str | None = None,
    newest: int | None = None,
) -> Listing:
    """Return the runs that match all filters given.

    `label` matches labels that contain it, `since` is a date or moment in ISO 8601 (UTC unless stated), `instrument`
    matches runs that measured it on either side, `newest` keeps that many. Raises `UsageError`
    with the field.
    """
    wanted: list[tuple[str, Sequence[object]]] = []
    if kind is not None:
        if kind not in KINDS:
            raise UsageError(f"{kind!r} is not one of {', '.join(KINDS)}", field="kind")
        wanted.append(("kind = ?", (kind,)))
    if label is not None:
        wanted.append(("instr(label, ?) > 0", (storable(label),)))
    if since is not None:
        wanted.append(("created >= ?", (_moment(since),)))
    if instrument is not None:
        measured = "EXISTS (SELECT 1 FROM metrics WHERE metrics.name = runs.name AND (head = ? OR base = ?))"
        wanted.append((measured, (storable(instrument), storable(instrument))))
    with Index(store) as index:
        rows = index.rows(" AND ".join(text for text, _ in wanted), [value for _, values in wanted for value in values])
        problems = index.problems
    opens = frozenset(row.id for before, row in pairwise(rows) if before.epoch != row.epoch)
    return Listing(tuple(rows if newest is None else rows[max(0, len(rows) - newest) :]), tuple(problems), opens)


def _moment(since: str) -> str:
    try:
        moment = datetime.fromisoformat(since)
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, UsageError) as error:
        text = f"{since!r} is not a date such as 2026-01-31, nor 2026-01-31T12:00Z"
        raise UsageError(text, field="since") from error


def show_run(store: Store, run_id: str) -> ShownRun:
    """Return one run by id, or by the start or end of it; ``newest`` is the newest. Raises `UsageError`."""
    with Index(store) as index:
        if run_id == "newest":
            rows = index.rows()
            if not rows:
                raise UsageError(f"no run is kept in {store.folder}")
            run_id = rows[-1].id
        envelope = store.load(run_id)
        return ShownRun(envelope, tuple(index.metrics(envelope.id)))


def remove_runs(store: Store, run_ids: Sequence[str]) -> tuple[Path, ...]:
    """Remove the runs named, all or none when a name matches no run or several; return their paths."""
    if not run_ids:
        raise UsageError("name the runs to remove; kept results are never removed by themselves")
    # All names are looked up before the first file goes.
    result = list(dict.fromkeys(store.find(run_id) for run_id in run_ids))
    return tuple(store.remove(run_id) for run_id in result)
