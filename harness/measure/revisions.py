"""Revisions of the user's git repository: resolved, and checked out beside the work tree, which is never touched."""

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RunError

__all__ = ["Revision", "check_out", "find_revision"]


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit and its tree, as hashes; `repository` is the top of the work tree, `inside` where the user stands."""

    repository: str
    commit: str
    tree: str
    inside: str = "."


def _git(folder: str | Path, *arguments: str, index: str = "") -> str:
    environment = {**os.environ, **({"GIT_INDEX_FILE": index} if index else {})}
    try:
        done = subprocess.run(  # noqa: S603 - git with our own arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's git
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=environment,
        )
    except FileNotFoundError as error:
        raise RunError("git is not on PATH") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise RunError(f"git {arguments[0]}: {said[-1] if said else done.returncode}")
    return done.stdout.strip()


def find_revision(name: str, folder: Path) -> Revision:
    """Return what `name` is in the repository around `folder`; raises `RunError` with git's word when it is nothing."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    commit = _git(folder, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
    tree = _git(folder, "rev-parse", "--verify", f"{commit}^{{tree}}")
    inside = os.path.relpath(folder.resolve(), Path(top).resolve())
    return Revision(top, commit, tree, inside)


def check_out(revision: Revision, folder: Path) -> None:
    """Write the revision's files into `folder`, exactly as git would check them out; submodules stay empty.

    Through an index of our own: neither work tree nor index nor the list of worktrees of the repository changes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="harness-index-") as spare:
        index = str(Path(spare) / "index")
        _git(revision.repository, "read-tree", revision.commit, index=index)
        _git(revision.repository, "checkout-index", "--all", f"--prefix={folder}/", index=index)
    if not (folder / revision.inside).is_dir():
        raise RunError(f"there is no folder {revision.inside} in revision {revision.commit[:12]}")
