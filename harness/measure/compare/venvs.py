"""Virtual environments for the sides of a comparison, cached by content and shared between commands.

An entry of the cache is a folder: `venv`, for a revision its `tree`, and `complete.json`, which is written last. An
entry without that file, or whose interpreter reports something else, is broken and is rebuilt. Builders and clearers
hold an exclusive lock on ``<entry>.lock``, users a shared one, so that concurrent commands build an entry once and none
is removed while in use. Our own packages are not installed, since their dependencies could exclude the versions to be
compared; sides import them through a folder of links (`own_packages`).
"""

import fcntl
import hashlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import __version__
from harness.children import GRACE_S, PROJECT, run_to_end
from harness.errors import RunError
from harness.measure.compare.revisions import Revision, check_out
from harness.measure.deadlines import INSTALLING_S

__all__ = ["Cache", "Recipe", "Venv", "default_folder", "describe"]

# Incremented when earlier entries are no longer usable.
_FORMAT = 1
_ATTEMPTS = 3
_MARKER = "complete.json"
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_DESCRIBE = """
import importlib.metadata, json, platform, sys
names = {(package.metadata["Name"] or "").lower().replace("_", "-"): package.version
         for package in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_implementation() + " " + platform.python_version(),
                  "version": list(sys.version_info[:2]), "libraries": dict(sorted(names.items()))}))
"""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The content of an environment: requirements in pip's syntax, and for a revision its whole tree."""

    requirements: tuple[str, ...]
    revision: Revision | None = None

    @property
    def key(self) -> str:
        """The name of its entry: a hash of the content, of the Python version and of our version."""
        tree = (self.revision.tree, self.revision.inside) if self.revision else None
        parts = [_FORMAT, __version__, sys.version, sys.base_prefix, sorted(self.requirements), tree]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]

    def __str__(self) -> str:
        revision = (f"revision {self.revision.commit[:12]}",) if self.revision else ()
        return " ".join((*revision, *self.requirements))


@dataclass(frozen=True, slots=True)
class Venv:
    """An environment: interpreter, installed libraries, Python version, folder of a revision's code, our packages."""

    python: str
    libraries: dict[str, str]
    version: str
    folder: str = ""
    packages: str = ""


def default_folder() -> Path:
    """Return the user's cache folder, ``$XDG_CACHE_HOME`` or ``~/.cache``, by the XDG Base Directory Specification."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    # The specification requires that relative paths are ignored.
    base = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return base / "recording-harness" / "compare"


def describe(python: str) -> dict[str, Any]:
    """Return ``python``, ``version`` and ``libraries`` of an interpreter; raise `RunError` where it does not run."""
    try:
        process = run_to_end([python, "-I", "-c", _DESCRIBE], what=f"{python}, asked what it is,", within_s=GRACE_S)
        answer: dict[str, Any] = json.loads(process.output)
        return {"python": answer["python"], "version": answer["version"], "libraries": answer["libraries"]}
    except OSError as error:
        raise RunError(f"{python} does not run: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{python} does not answer as a Python interpreter does") from error


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Newer releases of pip end with a generic hint; the reason is in the last error.
    reasons = [line for line in lines if line.lower().startswith("error: ")]
    return (reasons or lines or ["no output"])[-1]


class Cache:
    """The folder with all entries; `say` is called with a message before each slow step."""

    def __init__(self, folder: Path | None = None, say: Say = lambda _text: None) -> None:
        self.folder = (folder or default_folder()).expanduser().resolve()
        self._say = say

    @contextmanager
    def environment(self, recipe: Recipe) -> Iterator[Venv]:
        """Yield the recipe's environment, built if there is none; it cannot be cleared inside the context.

        Raise `RunError` with one line, the last of pip or git, where it cannot be built.
        """
        entry = self.folder / recipe.key
        # Another command may clear the cache between building and use, but hardly several times in a row.
        for _ in range(_ATTEMPTS):
            with self._locked(entry, fcntl.LOCK_SH):
                venv = self._whole(entry, recipe)
                if venv is not None:
                    yield venv
                    return
            with self._locked(entry, fcntl.LOCK_EX):
                if self._whole(entry, recipe) is None:
                    self._build(entry, recipe)
        raise RunError(f"the environment for {recipe} in {entry} does not stay as it was built", field="cache")

    def own_packages(self) -> str:
        """Return a folder with links to our two packages and nothing else, created if there is none."""
        name = hashlib.sha256(PROJECT.encode()).hexdigest()[:12]
        folder = self.folder / f"packages-{name}"
        try:
            self._own_folder()
            folder.mkdir(exist_ok=True)
            for package in ("harness", "workloads"):
                _link(folder / package, Path(PROJECT) / package)
        except OSError as error:
            raise _unusable(self.folder, error) from error
        return str(folder)

    def clear(self) -> tuple[int, int]:
        """Remove every entry that is not in use; return how many were removed, and how many were in use."""
        removed = in_use = 0
        for lock in sorted(self.folder.glob("*.lock")):
            try:
                with self._locked(lock.with_suffix(""), fcntl.LOCK_EX | fcntl.LOCK_NB):
                    removed += lock.with_suffix("").exists()
                    _remove(lock.with_suffix(""))
            except BlockingIOError:
                in_use += 1
        return removed, in_use

    def _own_folder(self) -> None:
        """Create the cache, for this user alone; raise `RunError` where another user could put code into it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = self.folder.stat()
        if about.st_uid != os.getuid() or about.st_mode & stat.S_IWOTH:
            text = f"{self.folder} belongs to another user, or others may write to it, and code from it is run"
            raise RunError(f"{text}; choose a folder of your own", field="cache")

    @contextmanager
    def _locked(self, entry: Path, how: int) -> Iterator[None]:
        # Lock files are not removed: if one were while another process waits for it, both would get the lock.
        try:
            self._own_folder()
            file = entry.with_suffix(".lock").open("a")
        except OSError as error:
            raise _unusable(self.folder, error) from error
        with file:
            self._acquire(file.fileno(), how)
            yield

    def _acquire(self, file: int, how: int) -> None:
        if how & fcntl.LOCK_NB:
            fcntl.flock(file, how)
            return
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            self._say("waiting for another command that uses the same environment")
            fcntl.flock(file, how)

    def _whole(self, entry: Path, recipe: Recipe) -> Venv | None:
        """Return the entry's environment where it is complete and reports the same as when it was built, else None."""
        python = str(entry / "venv" / "bin" / "python")
        try:
            description = json.loads((entry / _MARKER).read_text(encoding="utf-8"))
            if describe(python) != description:
                return None
        except (OSError, ValueError, RunError):
            return None
        folder = entry / "tree" / recipe.revision.inside if recipe.revision else None
        if folder is not None and not folder.is_dir():
            return None
        return Venv(python, description["libraries"], description["python"], str(folder or ""), self.own_packages())

    def _build(self, entry: Path, recipe: Recipe) -> None:
        self._say(f"building an environment for {recipe} (kept in {self.folder})")
        try:
            _remove(entry)
            entry.mkdir(parents=True)
            self._fill(entry, recipe)
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def _fill(self, entry: Path, recipe: Recipe) -> None:
        venv = entry / "venv"
        _command([sys.executable, "-I", "-m", "venv", str(venv)], "a virtual environment could not be made")
        own: list[str] = []
        if recipe.revision is not None:
            tree = entry / "tree"
            check_out(recipe.revision, tree)
            own = _installable(tree, tree / recipe.revision.inside)
            # Last on the search path, so that the installed revision, with compiled parts, precedes its plain tree.
            site = next((venv / "lib").glob("python*/site-packages"))
            (site / "revision-tree.pth").write_text(f"{tree / recipe.revision.inside}\n", encoding="utf-8")
        python = str(venv / "bin" / "python")
        if own or recipe.requirements:
            install = [python, "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
            # Behind `--` nothing is an option.
            _command([*install, *own, "--", *recipe.requirements], f"pip could not install {recipe}")
        marker = entry / f"{_MARKER}.part"
        marker.write_text(json.dumps(describe(python)), encoding="utf-8")
        marker.replace(entry / _MARKER)


def _installable(tree: Path, start: Path) -> list[str]:
    """Return pip's arguments to install a tree: the project nearest to `start`, its requirements file, or nothing."""
    folder = start
    while True:
        if any((folder / name).is_file() for name in _PROJECT_FILES):
            return [str(folder)]
        if (folder / "requirements.txt").is_file():
            return ["--requirement", str(folder / "requirements.txt")]
        if folder == tree:
            return []
        folder = folder.parent


def _command(arguments: list[str], failed: str) -> None:
    # Without PYTHONPATH: pip would treat packages there as installed. The build processes that pip starts inherit the
    # environment, but not the flag -I.
    own = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    process = run_to_end(arguments, what=f"{failed}: pip", within_s=INSTALLING_S, environment=own)
    if process.code:
        raise RunError(f"{failed}: {_last(process.complaints or process.output.decode(errors='replace'))}")


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    spare = link.with_name(f"{link.name}.{os.getpid()}")
    spare.symlink_to(target)
    spare.replace(link)


def _remove(folder: Path) -> None:
    # The marker first: the rest of an interrupted removal must not look complete.
    (folder / _MARKER).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


def _unusable(folder: Path, error: OSError) -> RunError:
    return RunError(f"{error.filename or folder}: {error.strerror or error}", field="cache")
