"""Virtual environments for the sides of a comparison, cached by their content, each built once and shared.

An entry of the cache is a folder: `venv`, for a revision its `tree`, and `complete.json`, which is written last. What
lacks that file, or does not answer as it says, is broken and is built again. Builders and clearers hold an exclusive
lock on ``<entry>.lock``, users a shared one, so that two commands at once build once and nobody's environment is taken
away. Nothing of ours is installed: our dependencies would forbid the very versions to be compared. Sides find our two
packages through a folder of links (`own_packages`).
"""

import fcntl
import hashlib
import json
import os
import shutil
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

# Bumped when an entry of an earlier day would no longer do.
_FORMAT = 1
_ATTEMPTS = 3
_MARKER = "complete.json"
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_DESCRIBE = """
import importlib.metadata, json, platform, sys
names = {(each.metadata["Name"] or "").lower().replace("_", "-"): each.version
         for each in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_implementation() + " " + platform.python_version(),
                  "version": list(sys.version_info[:2]), "libraries": dict(sorted(names.items()))}))
"""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an environment is made of: requirements as pip reads them, and for a revision its whole tree."""

    requirements: tuple[str, ...]
    revision: Revision | None = None

    @property
    def key(self) -> str:
        """The name of its entry: a hash of what is installed, for which Python, by which version of ours."""
        tree = (self.revision.tree, self.revision.inside) if self.revision else None
        parts = [_FORMAT, __version__, sys.version, sys.base_prefix, sorted(self.requirements), tree]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]

    def __str__(self) -> str:
        revision = (f"revision {self.revision.commit[:12]}",) if self.revision else ()
        return " ".join((*revision, *self.requirements))


@dataclass(frozen=True, slots=True)
class Venv:
    """What can be run: an interpreter, the folder of a revision's code, what is installed, our packages' folder."""

    python: str
    libraries: dict[str, str]
    version: str
    folder: str = ""
    packages: str = ""


def default_folder() -> Path:
    """Return the user's cache folder, ``$XDG_CACHE_HOME`` or ``~/.cache``, by the XDG Base Directory Specification."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative paths ignored.
    base = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return base / "recording-harness" / "compare"


def describe(python: str) -> dict[str, Any]:
    """Return ``python``, ``version`` and ``libraries`` of an interpreter; raises `RunError` when it does not answer."""
    try:
        done = run_to_end([python, "-I", "-c", _DESCRIBE], what=f"{python}, asked what it is,", within_s=GRACE_S)
        found: dict[str, Any] = json.loads(done.output)
        return {"python": found["python"], "version": found["version"], "libraries": found["libraries"]}
    except OSError as error:
        raise RunError(f"{python} does not run: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{python} does not answer as a Python interpreter does") from error


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Newer releases of pip close with a hint that says nothing by itself; the reason is in the last error.
    reasons = [line for line in lines if line.lower().startswith("error: ")]
    return (reasons or lines or ["no word"])[-1]


class Cache:
    """The folder with all entries; `say` is told of whatever takes a while."""

    def __init__(self, folder: Path | None = None, say: Say = lambda _text: None) -> None:
        self.folder = (folder or default_folder()).expanduser().resolve()
        self._say = say

    @contextmanager
    def environment(self, recipe: Recipe) -> Iterator[Venv]:
        """Yield the recipe's environment, built now if there is none, and keep it from being cleared meanwhile.

        Raises `RunError` in one line, with pip's or git's last one, when it cannot be built.
        """
        entry = self.folder / recipe.key
        # Between building it and using it somebody may clear the cache; that this happens again and again is no chance.
        for _ in range(_ATTEMPTS):
            with self._locked(entry, fcntl.LOCK_SH):
                found = self._whole(entry, recipe)
                if found is not None:
                    yield found
                    return
            with self._locked(entry, fcntl.LOCK_EX):
                if self._whole(entry, recipe) is None:
                    self._build(entry, recipe)
        raise RunError(f"the environment for {recipe} in {entry} does not stay as it was built", field="cache")

    def own_packages(self) -> str:
        """Return a folder that holds links to our two packages and nothing else, made now if there is none."""
        name = hashlib.sha256(PROJECT.encode()).hexdigest()[:12]
        folder = self.folder / f"packages-{name}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for package in ("harness", "workloads"):
                _link(folder / package, Path(PROJECT) / package)
        except OSError as error:
            raise _unusable(self.folder, error) from error
        return str(folder)

    def clear(self) -> tuple[int, int]:
        """Remove every entry; return how many are gone, and how many were in use and are kept."""
        removed = kept = 0
        for lock in sorted(self.folder.glob("*.lock")):
            try:
                with self._locked(lock.with_suffix(""), fcntl.LOCK_EX | fcntl.LOCK_NB):
                    removed += lock.with_suffix("").exists()
                    _remove(lock.with_suffix(""))
            except BlockingIOError:
                kept += 1
        return removed, kept

    @contextmanager
    def _locked(self, entry: Path, how: int) -> Iterator[None]:
        # The lock files stay: one removed while another process waits for it would be locked by both.
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
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
        """Return the entry's environment when it is complete and still answers as it did when it was built."""
        python = str(entry / "venv" / "bin" / "python")
        try:
            known = json.loads((entry / _MARKER).read_text(encoding="utf-8"))
            if describe(python) != known:
                return None
        except (OSError, ValueError, RunError):
            return None
        folder = entry / "tree" / recipe.revision.inside if recipe.revision else None
        if folder is not None and not folder.is_dir():
            return None
        return Venv(python, known["libraries"], known["python"], str(folder or ""), self.own_packages())

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
        wanted = list(recipe.requirements)
        if recipe.revision is not None:
            tree = entry / "tree"
            check_out(recipe.revision, tree)
            wanted += _installable(tree, tree / recipe.revision.inside)
            # Last on the search path: what the revision installs, compiled parts included, goes before its plain tree.
            site = next((venv / "lib").glob("python*/site-packages"))
            (site / "revision-tree.pth").write_text(f"{tree / recipe.revision.inside}\n", encoding="utf-8")
        python = str(venv / "bin" / "python")
        if wanted:
            install = [python, "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
            _command([*install, *wanted], f"pip could not install {recipe}")
        marker = entry / f"{_MARKER}.part"
        marker.write_text(json.dumps(describe(python)), encoding="utf-8")
        marker.replace(entry / _MARKER)


def _installable(tree: Path, start: Path) -> list[str]:
    """Return what to tell pip to install a tree: the project nearest to `start`, or its requirements, or nothing."""
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
    # Neither where the user stands nor on PYTHONPATH: pip would take what lies there for installed already. What builds
    # a project is started by pip and gets the environment, not the flag.
    own = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    done = run_to_end(arguments, what=f"{failed}: pip", within_s=INSTALLING_S, environment=own)
    if done.code:
        raise RunError(f"{failed}: {_last(done.complaints or done.output.decode(errors='replace'))}")


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    spare = link.with_name(f"{link.name}.{os.getpid()}")
    spare.symlink_to(target)
    spare.replace(link)


def _remove(folder: Path) -> None:
    # The marker first: what is left of a removal that was interrupted must not look whole.
    (folder / _MARKER).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


def _unusable(folder: Path, error: OSError) -> RunError:
    return RunError(f"{error.filename or folder}: {error.strerror or error}", field="cache")
