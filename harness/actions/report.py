"""Gathers what a report shows: kept runs and documents in files, with how their figures moved over time."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from harness.errors import HarnessError, UsageError
from harness.history.envelope import DamagedError, NewerError, decode
from harness.history.files import read_whole
from harness.history.index import Index
from harness.history.store import Store
from harness.report.collect import Report, StoredDocument, assembled, read_document
from harness.report.trends import MOST_TRENDS, trends_of

__all__ = ["gathered"]

# Load runs looked through for the newest of each scenario.
_LOAD_RUNS = 6


def _is_file(text: str) -> bool:
    """Return whether a name is meant as a file; ids have neither a suffix nor a folder."""
    return text.endswith(".json") or "/" in text or Path(text).is_file()


def _read_file(path: Path) -> list[StoredDocument]:
    try:
        data = read_whole(path)
        document = json.loads(data)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not whole JSON") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path}: not a result of a harness command")
    if "sha256" not in document:
        return read_document(document, str(path))
    try:
        stored = decode(data)
    except (DamagedError, NewerError) as error:
        raise UsageError(f"{path}: {error}") from error
    return read_document(stored.document, str(path), stored.created, stored.label)


def _read_stored(store: Store, run_id: str) -> list[StoredDocument]:
    stored = store.load(run_id)
    return read_document(stored.document, stored.id, stored.created, stored.label)


def _chosen(index: Index, store: Store, names: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Return the ids of the runs to read, oldest first, and the files; without names the newest runs of each kind."""
    if not names:
        return sorted([*index.newest("overhead"), *index.newest("run", _LOAD_RUNS)]), []
    files = [Path(name) for name in names if _is_file(name)]
    wanted = [name for name in names if not _is_file(name)]
    ids = [index.last() if name == "newest" else store.find(name) for name in wanted]
    return [each for each in ids if each], files


def gathered(store: Store, names: Sequence[str]) -> tuple[Report, int]:
    """Return the report, and how many of the documents named could not be read."""
    with Index(store) as index:
        problems = [problem.line for problem in index.problems] if not names else []
        ids, files = _chosen(index, store, names)
        if names:
            keys = list(dict.fromkeys(metric.key for each in ids for metric in index.metrics(each)))
        else:
            keys = list(index.trending())
        trends = trends_of(index, keys)
    result: list[StoredDocument] = []
    failed = 0
    reads = [*(partial(_read_stored, store, each) for each in ids), *(partial(_read_file, each) for each in files)]
    for read in reads:
        try:
            result += read()
        except HarnessError as error:
            failed += 1
            problems.append(str(error))
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    more = max(0, len(keys) - MOST_TRENDS)
    return assembled(result, problems, trends=trends, more_trends=more, made=made), failed
