"""Which files of which libraries the measured processes have loaded, as they said themselves."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import harness
from harness.errors import RunError
from harness.host.libraries import LIBRARIES, belongs_to, portable
from harness.measure.result import Experiments, Loaded
from harness.measure.subject import Subject

__all__ = ["Provenance", "contradiction", "loaded_of", "versions_of"]

_OURS = "recording-harness"


@cache
def _version(library: str, file: str, search: tuple[str, ...]) -> str:
    # An environment made for a side leads to our packages by links, without installing them.
    if library == _OURS and os.path.realpath(file) == os.path.realpath(harness.__file__):
        return harness.__version__
    return belongs_to(library, file, search)


def loaded_of(answer: Mapping[str, Any]) -> tuple[Loaded, ...]:
    """Return what a worker's answer says it has loaded, with absolute files; nothing from workers that do not tell."""
    search = tuple(answer.get("search", ()))
    return tuple(
        Loaded(library=library, version=_version(library, file, search), file=file)
        for library, file in answer.get("loaded", ())
    )


def versions_of(loaded: Iterable[Loaded]) -> dict[str, str]:
    """Return the version of each library known by name; where the file is of no installed version, its place."""
    return {each.library: each.version or f"from {portable(each.file)}" for each in loaded if each.library in LIBRARIES}


class Provenance:
    """Collects what the processes of each subject have loaded, and holds each to what the first one said."""

    def __init__(self) -> None:
        self._loaded: dict[str, dict[str, Loaded]] = {}
        self._pythons: dict[str, str] = {}

    def add(self, subject: Subject, answer: Mapping[str, Any]) -> None:
        """Add what a worker answered to loading `subject`; raises `RunError` when it differs from an earlier one."""
        self._pythons[subject.name] = subject.python
        known = self._loaded.setdefault(subject.name, {})
        for each in loaded_of(answer):
            # Under other conditions a side may load more: what serves its page, say.
            if known.setdefault(each.library, each) != each:
                raise RunError(
                    f"{subject.name}: {each.library} was changed while it was measured ({each.file}); measure again"
                )

    def applied(self, document: Experiments) -> Experiments:
        """Return the document with what was loaded in it, in the place of what is merely installed."""
        told: dict[str, set[str]] = {}
        for loaded in self._loaded.values():
            for library, version in versions_of(loaded.values()).items():
                told.setdefault(library, set()).add(version)
        libraries = dict(document.environment.libraries)
        # Sides that differ in a library have no version in common; `loaded` has each.
        for library, versions in told.items():
            if len(versions) == 1:
                [libraries[library]] = versions
            else:
                libraries.pop(library, None)
        shown = {
            name: [
                each.model_copy(update={"file": portable(each.file, self._pythons[name])}) for each in loaded.values()
            ]
            for name, loaded in self._loaded.items()
        }
        environment = document.environment.model_copy(update={"libraries": libraries})
        return document.model_copy(update={"environment": environment, "loaded": {**document.loaded, **shown}})


def contradiction(
    installed: Sequence[Mapping[str, str]], loaded: Sequence[Sequence[Loaded]], roles: Sequence[str] = ("BASE", "HEAD")
) -> str:
    """Return in one line where the sides do not load what is installed for them, or nothing.

    `installed` maps libraries to versions, for each side; a library that is not in it may be any. A side contradicts
    it when it loads another version or a file of no installed version; both do when they load the same file of a
    library that is installed for them in two versions.
    """
    theirs = LIBRARIES.keys() - {_OURS}
    files = [{each.library: each for each in side if each.library in theirs} for side in loaded]
    for role, versions, side in zip(roles, installed, files, strict=True):
        for library, each in side.items():
            wanted = versions.get(library)
            if wanted and each.version != wanted:
                what = f"version {each.version}" if each.version else "another copy"
                return f"{role}: {library} {wanted} is installed, but {what} is loaded, from {each.file}; {_REMEDY}"
    for library in sorted(files[0].keys() & files[1].keys()):
        file = files[0][library].file
        known = {side[library] for side in installed if library in side}
        if file == files[1][library].file and len(known) > 1:
            return f"both sides load {library} from {file}, so they would be the same; {_REMEDY}"
    return ""


_REMEDY = "take its folder off PYTHONPATH and out of .pth files"
