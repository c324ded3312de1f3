"""Storage of each result as one immutable file, written so that a kill at any instant leaves it whole or absent.

    temporary file, locked -> written -> fsync -> linked under its own name -> temporary name removed -> folder fsync

Where the file system has no hard links it is renamed instead. Names start with the time and end with random letters, so
copies of the folder merge without conflicts. A temporary file belongs to a living writer while it is locked; an
unlocked one older than a minute is removed at the next save.
"""

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import SaveError, UsageError
from harness.history.envelope import DamagedError, Envelope, NewerError, decode, encode, timestamp
from harness.history.files import read_whole
from harness.history.problems import Problem, Trouble

__all__ = ["DEFAULT_FOLDER", "IGNORED", "Store"]

DEFAULT_FOLDER = Path(".harness") / "runs"
# What git has to leave out of the folder: the cache, and temporary files.
IGNORED = ".index.*\n.saving-*\n"

_SUFFIX = ".json"
_TEMPORARY = ".saving-"
_SWEEP_AFTER_S = 60.0
# What file systems without hard links answer, such as FAT and some that are mounted over a network.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK}


def _now() -> datetime:
    return datetime.now(UTC)


class Store:
    """A folder of stored results.

    Reading works on a folder that cannot be written, and on one that does not exist (it is empty). `clock` returns the
    aware time under which a result is stored. `reading` is called with the number of files read and the total while an
    index over them is built: the first time that takes seconds for thousands of results.
    """

    def __init__(
        self,
        folder: Path | str = DEFAULT_FOLDER,
        *,
        clock: Callable[[], datetime] = _now,
        reading: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self.folder = Path(folder)
        self.reading = reading
        self._clock = clock

    def save(
        self,
        kind: str,
        document: Mapping[str, Any],
        *,
        fingerprint: Mapping[str, Any],
        git: Mapping[str, Any] | None = None,
        label: str = "",
        name: str | None = None,
        created: datetime | None = None,
    ) -> Envelope:
        """Store one result and return its envelope.

        `name` replaces the random end of the id, so that the same thing imported twice gets the same id; `created`
        replaces the clock's time. Raises `SaveError` (one line) when it cannot be written, also when that id already
        exists; nothing half-written is left.
        """
        moment = created or self._clock()
        try:
            self._prepare()
            # Eight random letters of 16 collide once in a billion saves within one microsecond; then another is drawn.
            for _ in range(8):
                envelope = self._envelope(kind, document, fingerprint, git or {}, label, moment, name)
                try:
                    self._write(self.path(envelope.id), encode(envelope))
                except FileExistsError:
                    if name is not None:
                        raise SaveError(f"{envelope.id} is already kept in {self.folder}") from None
                    continue
                return envelope
        except OSError as error:
            raise SaveError(
                f"cannot save to {self.folder}: {error.strerror or error}; choose another with --store"
            ) from error
        raise SaveError(f"cannot save to {self.folder}: every name tried is taken")

    @staticmethod
    def _envelope(
        kind: str,
        document: Mapping[str, Any],
        fingerprint: Mapping[str, Any],
        git: Mapping[str, Any],
        label: str,
        moment: datetime,
        name: str | None,
    ) -> Envelope:
        created = timestamp(moment)
        compact = created.replace("-", "").replace(":", "")
        return Envelope(f"{compact}-{name or secrets.token_hex(4)}", kind, created, label, fingerprint, git, document)

    def path(self, run_id: str) -> Path:
        """Return the file that holds `run_id`."""
        return self.folder / f"{run_id}{_SUFFIX}"

    def names(self) -> dict[str, tuple[int, int]]:
        """Return the size in bytes and the modification time in ns of each stored file, by file name.

        A folder that does not exist is empty; raises `UsageError` when it cannot be listed.
        """
        result: dict[str, tuple[int, int]] = {}
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    # A name that is no UTF-8 was never given by `save`, and no index can hold it.
                    if entry.name.endswith(_SUFFIX) and not entry.name.startswith(".") and _encodable(entry.name):
                        # Removed by another process since it was listed: then it is not there.
                        with suppress(FileNotFoundError):
                            about = entry.stat()
                            result[entry.name] = about.st_size, about.st_mtime_ns
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UsageError(f"cannot read {self.folder}: {error.strerror or error}", field="store") from error
        return result

    def read(self, file_name: str) -> Envelope | Problem:
        """Return the envelope in one file of the folder, or the problem with it."""
        path = self.folder / file_name
        try:
            # A pipe or a device may never end.
            if not path.is_file() and path.exists():
                return Problem(path, Trouble.UNREADABLE, "cannot be read (it is not a regular file)")
            envelope = decode(read_whole(path))
        except OSError as error:
            return Problem(path, Trouble.UNREADABLE, f"cannot be read ({error.strerror or error})")
        except NewerError as error:
            return Problem(path, Trouble.NEWER, str(error))
        except DamagedError as error:
            return Problem(path, Trouble.DAMAGED, str(error))
        if file_name != envelope.id + _SUFFIX:
            return Problem(path, Trouble.DAMAGED, f"holds the result {envelope.id!r}, not the one it is named after")
        return envelope

    def runs(self) -> Iterator[Envelope | Problem]:
        """Yield all stored results, oldest first, and the problems among them in order."""
        for file_name in sorted(self.names()):
            yield self.read(file_name)

    def load(self, run_id: str) -> Envelope:
        """Return one result by its id or the unambiguous start or end of it; raises `UsageError` otherwise."""
        result = self.read(self.find(run_id) + _SUFFIX)
        if isinstance(result, Problem):
            raise UsageError(result.line)
        return result

    def find(self, run_id: str) -> str:
        """Return the full id for `run_id`, its start or its end; raises `UsageError` unless exactly one matches."""
        known = [name.removesuffix(_SUFFIX) for name in self.names()]
        matches = sorted(name for name in known if run_id and (name.startswith(run_id) or name.endswith(run_id)))
        if run_id in matches:
            return run_id
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise UsageError(f"no run {run_id!r} is kept in {self.folder}; `harness history list` shows those that are")
        raise UsageError(
            f"{run_id!r} could be {len(matches)} runs, from {matches[0]} to {matches[-1]}; give more of the id"
        )

    def remove(self, run_id: str) -> Path:
        """Remove one result, damaged or not, and return its path; raises `UsageError` or `SaveError`."""
        path = self.path(self.find(run_id))
        try:
            path.unlink(missing_ok=True)
            self._sync_folder()
        except OSError as error:
            raise SaveError(f"cannot remove {path}: {error.strerror or error}") from error
        return path

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            with suppress(FileExistsError), ignore.open("x", encoding="ascii") as file:
                file.write(IGNORED)
        self._sweep()

    def _write(self, path: Path, data: bytes) -> None:
        with _temporary(self.folder) as (name, descriptor):
            with memoryview(data) as view:
                written = 0
                while written < len(data):
                    written += os.write(descriptor, view[written:])
            os.fsync(descriptor)
            self._name(name, path)
        self._sync_folder()

    def _name(self, temporary: Path, path: Path) -> None:
        """Give a whole file its name; raises `FileExistsError` where that is taken."""
        try:
            # A link, unlike a rename, never replaces what is there.
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._rename(temporary, path)

    def _rename(self, temporary: Path, path: Path) -> None:
        """Rename on a file system without hard links, where writers look for the name one after the other."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            temporary.rename(path)
        finally:
            os.close(descriptor)

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        """Remove the temporary files of dead writers; those of living ones are locked, or younger than a minute."""
        for path in self.folder.glob(f"{_TEMPORARY}*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime < _SWEEP_AFTER_S:
                    continue
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(descriptor)


def _encodable(name: str) -> bool:
    return name.encode("utf-8", "ignore").decode("utf-8") == name


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[Path, int]]:
    """Open a new locked file in `folder` for writing, and remove its name afterwards in any case."""
    name = folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        # A file system without locks keeps the writer safe by the file's age alone.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield name, descriptor
    finally:
        os.close(descriptor)
        with suppress(OSError):
            name.unlink()
