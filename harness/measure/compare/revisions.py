"""Revisions of the user's git repository: resolved, and checked out elsewhere; the work tree is never changed."""

import os
from dataclasses import dataclass
from pathlib import Path

from harness.children import GRACE_S, private_folder, run_to_end
from harness.errors import RunError
from harness.measure.deadlines import INSTALLING_S

__all__ = ["Revision", "check_out", "find_revision"]


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit and its tree, as hashes; `repository` is the top of the work tree, `inside` the user's folder in it."""

    repository: str
    commit: str
    tree: str
    inside: str = "."


def _git(folder: str | Path, *arguments: str, index: str = "") -> str:
    environment = {**os.environ, **({"GIT_INDEX_FILE": index} if index else {})}
    try:
        process = run_to_end(
            ["git", "-C", str(folder), *arguments],
            what=f"git {arguments[0]}",
            # Commands with an index write a whole tree.
            within_s=INSTALLING_S if index else GRACE_S,
            environment=environment,
        )
    except FileNotFoundError as error:
        raise RunError("git is not on PATH") from error
    if process.code:
        raise RunError(f"git {arguments[0]}: {process.last_word if process.complaints.strip() else process.code}")
    return process.output.decode(errors="replace").strip()


def find_revision(name: str, folder: Path) -> Revision:
    """Return the revision `name` of the repository around `folder`; raise `RunError` with git's message for none."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    commit = _git(folder, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
    tree = _git(folder, "rev-parse", "--verify", f"{commit}^{{tree}}")
    inside = os.path.relpath(folder.resolve(), Path(top).resolve())
    return Revision(top, commit, tree, inside)


def check_out(revision: Revision, folder: Path) -> None:
    """Write the revision's files into `folder`, exactly as git would check them out; submodules stay empty.

    It uses its own index: work tree, index and list of worktrees of the repository do not change. Raise `RunError`
    where git fails, or where the revision has no folder `inside`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with private_folder("harness-index-") as spare:
        index = str(spare / "index")
        _git(revision.repository, "read-tree", revision.commit, index=index)
        _git(revision.repository, "checkout-index", "--all", f"--prefix={folder}/", index=index)
    if not (folder / revision.inside).is_dir():
        raise RunError(f"there is no folder {revision.inside} in revision {revision.commit[:12]}")
