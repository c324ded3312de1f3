"""Revisions of the user's git repository: resolved, and checked out beside the work tree, which is never touched."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.children import GRACE_S, run_to_end
from harness.errors import RunError
from harness.measure.deadlines import INSTALLING_S

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
        done = run_to_end(
            ["git", "-C", str(folder), *arguments],
            what=f"git {arguments[0]}",
            # A whole tree is written in the latter case.
            within_s=INSTALLING_S if index else GRACE_S,
            environment=environment,
        )
    except FileNotFoundError as error:
        raise RunError("git is not on PATH") from error
    if done.code:
        raise RunError(f"git {arguments[0]}: {done.last_word if done.complaints.strip() else done.code}")
    return done.output.decode(errors="replace").strip()


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
