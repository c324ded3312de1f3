"""Provenance: the library files that the measured processes loaded, as reported by the processes themselves."""

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
    # An environment created for a side links to our packages without installing them.
    if library == _OURS and os.path.realpath(file) == os.path.realpath(harness.__file__):
        return harness.__version__
    return belongs_to(library, file, search)


def loaded_of(answer: Mapping[str, Any]) -> tuple[Loaded, ...]:
    """Return the libraries in a worker's answer, with absolute file paths; empty for workers that report none."""
    search = tuple(answer.get("search") or ())
    return tuple(
        Loaded(library=library, version=_version(library, file, search), file=file)
        for library, file in answer.get("loaded") or ()
    )


def versions_of(loaded: Iterable[Loaded]) -> dict[str, str]:
    """Return the version of each library in `LIBRARIES`; its location where no installed distribution owns the file."""
    return {
        module.library: module.version or f"from {portable(module.file)}"
        for module in loaded
        if module.library in LIBRARIES
    }


class Provenance:
    """Collector of the libraries loaded by each subject's processes; all have to agree with the subject's first."""

    def __init__(self) -> None:
        self._loaded: dict[str, dict[str, Loaded]] = {}
        self._pythons: dict[str, str] = {}

    def add(self, subject: Subject, answer: Mapping[str, Any]) -> None:
        """Add a worker's answer to loading `subject`; raise `RunError` when it differs from an earlier answer."""
        self._pythons[subject.name] = subject.python
        modules = self._loaded.setdefault(subject.name, {})
        for module in loaded_of(answer):
            # Under other conditions a side may load more modules, such as those that serve its page.
            if modules.setdefault(module.library, module) != module:
                raise RunError(
                    f"{subject.name}: {module.library} was changed while it was measured ({module.file}); measure again"
                )

    def applied(self, document: Experiments) -> Experiments:
        """Return the document with the loaded libraries, whose versions replace those that are merely installed."""
        loaded_versions: dict[str, set[str]] = {}
        for loaded in self._loaded.values():
            for library, version in versions_of(loaded.values()).items():
                loaded_versions.setdefault(library, set()).add(version)
        libraries = dict(document.environment.libraries)
        # Sides with different versions of a library have none in common; `loaded` lists the version of each side.
        for library, versions in loaded_versions.items():
            if len(versions) == 1:
                [libraries[library]] = versions
            else:
                libraries.pop(library, None)
        portable_modules = {
            name: [
                module.model_copy(update={"file": portable(module.file, self._pythons[name])})
                for module in loaded.values()
            ]
            for name, loaded in self._loaded.items()
        }
        environment = document.environment.model_copy(update={"libraries": libraries})
        return document.model_copy(
            update={"environment": environment, "loaded": {**document.loaded, **portable_modules}}
        )


def contradiction(
    installed: Sequence[Mapping[str, str]], loaded: Sequence[Sequence[Loaded]], roles: Sequence[str] = ("BASE", "HEAD")
) -> str:
    """Return one line on a side that does not load what is installed for it; empty where both sides do.

    `installed` maps libraries to versions, for each side; a library that it does not name may have any version. A side
    contradicts it when it loads another version, or a file that no installed distribution owns; both sides do when
    they load the same file of a library that is installed for them in two versions.
    """
    theirs = LIBRARIES.keys() - {_OURS}
    files = [{module.library: module for module in side if module.library in theirs} for side in loaded]
    for role, versions, side in zip(roles, installed, files, strict=True):
        for library, module in side.items():
            version = versions.get(library)
            if version and module.version != version:
                what = f"version {module.version}" if module.version else "another copy"
                return f"{role}: {library} {version} is installed, but {what} is loaded, from {module.file}; {_REMEDY}"
    for library in sorted(files[0].keys() & files[1].keys()):
        file = files[0][library].file
        distinct = {side[library] for side in installed if library in side}
        if file == files[1][library].file and len(distinct) > 1:
            return f"both sides load {library} from {file}, so they would be the same; {_REMEDY}"
    return ""


_REMEDY = "take its folder off PYTHONPATH and out of .pth files"
