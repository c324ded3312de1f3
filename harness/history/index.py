"""A SQLite cache of the figures beside the stored files: 10 000 runs are listed without opening one of them.

It holds nothing that the files do not. It is updated whenever it is opened, rebuilt when it is missing, damaged or of
another version, and kept in memory when the folder cannot be written or another process holds it.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, Self

from harness.history.envelope import Envelope
from harness.history.figures import Figure, metrics_of, question_of
from harness.history.problems import Problem, Trouble
from harness.history.store import Store

__all__ = ["INDEX_NAME", "FigurePoint", "Index", "NewestRun", "RunRow", "storable"]

INDEX_NAME = ".index.sqlite"

# Counts up whenever the tables or what is read into them change: an older cache is then rebuilt.
_VERSION = 4
_PATIENCE_S = 5.0

_FINGERPRINT_PARTS = ("machine", "versions")
_METRIC_FIELDS = tuple(field.name for field in fields(Figure))
_METRIC_COLUMNS = ", ".join(f"metrics.{name}" for name in _METRIC_FIELDS)
# What says that the cache cannot be used just now, and not that it is damaged.
_HELD = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM,
}  # fmt: skip
_SCHEMA = f"""
CREATE TABLE files (name TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, trouble TEXT, detail TEXT) WITHOUT ROWID;
CREATE TABLE runs (
    name TEXT PRIMARY KEY, id TEXT, kind TEXT, created TEXT, label TEXT, epoch TEXT, machine TEXT, versions TEXT,
    revision TEXT, dirty INTEGER, verdict TEXT, question TEXT
) WITHOUT ROWID;
CREATE TABLE metrics (
    name TEXT, created TEXT, {", ".join(_METRIC_FIELDS)}, PRIMARY KEY (key, created, name)
) WITHOUT ROWID;
CREATE INDEX metrics_of_run ON metrics (name);
PRAGMA user_version = {_VERSION};
"""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of the list; `machine` and `versions` are JSON text, `metrics` the number of figures it holds."""

    id: str
    kind: str
    created: str
    label: str
    epoch: str
    machine: str
    versions: str
    revision: str | None
    dirty: bool | None
    verdict: str | None
    metrics: int


@dataclass(frozen=True, slots=True)
class FigurePoint:
    """One figure of one run, placed in time."""

    run: str
    created: str
    epoch: str
    metric: Figure


@dataclass(frozen=True, slots=True)
class NewestRun:
    """The newest run with figures of a question; None where there is none.

    `skipped` is the newest run of all where that has no figure; empty where it has.
    """

    question: str
    run: str | None = None
    skipped: str = ""


_ROW_FIELDS = tuple(field.name for field in fields(RunRow))


def _truth(value: int | None) -> bool | None:
    return None if value is None else bool(value)


class Index:
    """The up-to-date figures of one store; use as a context manager.

    `problems` are the files left out. `in_memory` means that the cache could not be written, `rebuilt` that a damaged
    or older one was replaced.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.in_memory = False
        self.rebuilt = False
        self._path = store.folder / INDEX_NAME
        self._base = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the cache's file."""
        self._base.close()

    @property
    def problems(self) -> list[Problem]:
        """The files that are left out, by name, each with its reason."""
        result = self._base.execute("SELECT name, trouble, detail FROM files WHERE trouble IS NOT NULL ORDER BY name")
        return [Problem(self._store.folder / name, Trouble(trouble), detail) for name, trouble, detail in result]

    def rows(self, where: str = "", values: Sequence[object] = ()) -> list[RunRow]:
        """Return the runs, oldest first; `where` is an SQL condition over the columns of `runs`, with its `values`."""
        condition = f"WHERE {where}" if where else ""
        result: Iterable[Any] = self._base.execute(
            "SELECT id, kind, created, label, epoch, machine, versions, revision, dirty, verdict,"  # noqa: S608 - ours
            " (SELECT count(*) FROM metrics WHERE metrics.name = runs.name)"
            f" FROM runs {condition} ORDER BY created, id",
            tuple(values),
        )
        return [RunRow(**{**dict(zip(_ROW_FIELDS, row, strict=True)), "dirty": _truth(row[8])}) for row in result]

    def points(self, key: str, newest: int | None = None, until: str | None = None) -> list[FigurePoint]:
        """Return one figure over time, oldest first, of the `newest` runs that have it (default: all).

        `until` is the id of the last run wanted.
        """
        result = self._base.execute(
            f"SELECT runs.id, runs.created, runs.epoch, {_METRIC_COLUMNS}"  # noqa: S608 - our own columns
            " FROM metrics JOIN runs ON runs.name = metrics.name"
            " WHERE metrics.key = ? AND (metrics.created, runs.id) <="
            " (coalesce((SELECT runs.created FROM runs WHERE runs.id = ?), '~'), coalesce(?, '~'))"
            " ORDER BY metrics.created DESC, metrics.name DESC LIMIT ?",
            (key, until, until, -1 if newest is None else newest),
        )
        return [FigurePoint(run, created, epoch, Figure(*rest)) for run, created, epoch, *rest in result][::-1]

    def newest(self, kind: str, most: int = 1) -> list[str]:
        """Return the ids of the `most` newest runs of a kind, for each question.

        Oldest first. A table, a ladder and the laws of one day do not hide each other (see `question_of`).
        """
        result = self._base.execute(
            "SELECT id FROM (SELECT id, created, row_number() OVER"
            " (PARTITION BY question ORDER BY created DESC, id DESC) AS place FROM runs WHERE kind = ?)"
            " WHERE place <= ? ORDER BY created, id",
            (kind, most),
        )
        return [row[0] for row in result]

    def answers(self, kind: str) -> list[NewestRun]:
        """Return, for each question of a kind's runs, the newest run with figures; the newest one last."""
        result: dict[str, NewestRun] = {}
        for question, run, figures in self._base.execute(
            "SELECT question, id, (SELECT count(*) FROM metrics WHERE metrics.name = runs.name)"
            " FROM runs WHERE kind = ? ORDER BY created DESC, id DESC",
            (kind,),
        ):
            answer = result.setdefault(question, NewestRun(question))
            if answer.run is None and figures:
                result[question] = replace(answer, run=run)
            elif answer.run is None and not answer.skipped:
                result[question] = replace(answer, skipped=run)
        return sorted(result.values(), key=lambda answer: answer.run or "")

    def last(self) -> str | None:
        """Return the id of the newest run; None for an empty history."""
        result = self._base.execute("SELECT id FROM runs ORDER BY created DESC, id DESC LIMIT 1").fetchone()
        return None if result is None else str(result[0])

    def machines(self) -> dict[str, str]:
        """Return the machine of each epoch, as JSON text."""
        return dict(self._base.execute("SELECT epoch, max(machine) FROM runs GROUP BY epoch").fetchall())

    def trending(self) -> dict[str, int]:
        """Return the number of runs that have each figure, the figure measured last first; figures seen once left out.

        Where its experiment was void a run does not have the figure.

        Of figures measured by the same run, those that more runs have come first.
        """
        result = self._base.execute(
            "SELECT key, count(*) AS runs FROM metrics WHERE void = '' GROUP BY key HAVING runs > 1"
            " ORDER BY max(created) DESC, runs DESC, key"
        )
        return dict(result.fetchall())

    def keys(self) -> list[str]:
        """Return the names of all stored figures, sorted."""
        return [row[0] for row in self._base.execute("SELECT DISTINCT key FROM metrics ORDER BY key")]

    def metrics(self, run_id: str) -> list[Figure]:
        """Return the figures of one run, sorted by key."""
        result = self._base.execute(
            f"SELECT {_METRIC_COLUMNS} FROM metrics WHERE name = ? ORDER BY key",  # noqa: S608 - our own columns
            (self._store.path(run_id).name,),
        )
        return [Figure(*row) for row in result]

    def _open(self) -> sqlite3.Connection:
        """Open the cache beside the files, replaced once if damaged; if it cannot be written it is held in memory."""
        for attempt in range(2):
            if not self._store.folder.is_dir():
                break
            try:
                return self._prepared(sqlite3.connect(self._path, timeout=_PATIENCE_S, isolation_level=None))
            except sqlite3.DatabaseError as error:
                # Read-only, held for long by another process, or a full disk: what is there may be sound; leave it.
                held = getattr(error, "sqlite_errorcode", 0) & 0xFF in _HELD
                if held or attempt or not self._discard():
                    break
        self.in_memory = True
        return self._prepared(sqlite3.connect(":memory:", isolation_level=None))

    def _discard(self) -> bool:
        self.rebuilt = True
        try:
            for path in (self._path, self._path.with_name(INDEX_NAME + "-journal")):
                path.unlink(missing_ok=True)
        except OSError:
            return False
        return True

    def _prepared(self, base: sqlite3.Connection) -> sqlite3.Connection:
        try:
            # A cache that a power cut empties is rebuilt, so it need not wait for the disk.
            base.execute("PRAGMA synchronous = OFF")
            version = base.execute("PRAGMA user_version").fetchone()[0]
            if version not in {0, _VERSION}:
                raise sqlite3.DatabaseError(f"the cache is of version {version}")  # noqa: TRY301 - handled like damage
            self._refresh(base, create=version == 0)
        except BaseException:
            base.close()
            raise
        return base

    def _refresh(self, base: sqlite3.Connection, *, create: bool) -> None:
        """Read the files that are new or changed, and drop those that are gone, in one transaction."""
        names = self._store.names()
        known = {} if create else _known(base)
        if not create and known == names:
            return
        base.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have brought it up to date while this one waited.
            if base.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _SCHEMA.split(";"):
                    base.execute(statement)
            known = _known(base)
            _forget(base, [name for name in known if names.get(name) != known[name]])
            unread = sorted(name for name in names if known.get(name) != names[name])
            try:
                for i, name in enumerate(unread):
                    self._store.reading(i, len(unread))
                    _learn(base, name, names[name], self._store.read(name))
            finally:
                # Whatever shows how far it is ends here, after Ctrl-C as well.
                self._store.reading(len(unread), len(unread))
            base.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                base.execute("ROLLBACK")
            raise


def _known(base: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    return {name: (size, mtime) for name, size, mtime in base.execute("SELECT name, size, mtime_ns FROM files")}


def _forget(base: sqlite3.Connection, names: Sequence[str]) -> None:
    gone = [(name,) for name in names]
    for table in ("files", "runs", "metrics"):
        base.executemany(f"DELETE FROM {table} WHERE name = ?", gone)  # noqa: S608 - our own tables


def _learn(base: sqlite3.Connection, name: str, about: tuple[int, int], entry: Envelope | Problem) -> None:
    if isinstance(entry, Problem):
        base.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?)", (name, *about, entry.trouble.value, entry.detail))
        return
    base.execute("INSERT INTO files VALUES (?, ?, ?, NULL, NULL)", (name, *about))
    values: Sequence[object]
    machine, versions = (json.dumps(entry.fingerprint.get(part, {}), sort_keys=True) for part in _FINGERPRINT_PARTS)
    dirty, revision = entry.git.get("dirty"), entry.git.get("revision")
    verdict = entry.document.get("verdict")
    values = (
        name, entry.id, entry.kind, entry.created, entry.label, entry.epoch, machine, versions,
        revision if isinstance(revision, str) else None, None if dirty is None else int(bool(dirty)),
        verdict if isinstance(verdict, str) else None, question_of(entry.document),
    )  # fmt: skip
    base.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _storable(values))
    places = ", ".join("?" * (len(_METRIC_FIELDS) + 2))
    for metric in metrics_of(entry.kind, entry.document):
        values = (name, entry.created, *astuple(metric))
        base.execute(f"INSERT INTO metrics VALUES ({places})", _storable(values))  # noqa: S608 - places only


def _storable(values: Sequence[object]) -> list[object]:
    return [storable(value) if isinstance(value, str) else value for value in values]


def storable(text: str) -> str:
    """Return text with lone surrogates (bytes that are not UTF-8) escaped, since SQLite rejects them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
