"""What a side of `harness compare` may be, and how it becomes a subject that a fresh process can run.

| written as | is |
|---|---|
| ``prometheus-client``, ``package.module:Name`` | an instrument, in the interpreter that runs us |
| ``'prometheus-client==0.20.0'``, ``'pip:prometheus-client'`` | requirements, in an environment of their own |
| ``git:v1.2``, ``HEAD~1``, ``main`` | a revision of the repository around us, in an environment of its own |
| ``./venv/bin/python`` | an interpreter that exists |

In this order; a name that could be several is the first of them, and ``git:`` or ``pip:`` says which is meant.
"""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError, RunError, UsageError
from harness.instruments.catalog import BUILT_IN, load_factory
from harness.measure.compare.revisions import Revision, find_revision
from harness.measure.compare.venvs import Cache, Recipe, Venv, describe
from harness.measure.subject import OWN, Subject

__all__ = ["Kind", "Ready", "SideCode", "SideSpec", "implied_instrument", "of_side", "parse_side", "prepare"]

Kind = Literal["instrument", "requirements", "revision", "interpreter"]

# A library -> the instrument that records through it. The first that is named counts: the others depend on the last.
_IMPLIED = (
    ("opentelemetry", "opentelemetry"),
    ("opencensus", "opencensus"),
    ("prometheus-client", "prometheus-client"),
)
# What an instrument needs beside the requirements named; every worker reads its own page through prometheus-client.
_NEEDS = {
    "opencensus": ("opencensus", "opencensus-ext-prometheus"),
    "opencensus-lean": ("opencensus", "opencensus-ext-prometheus"),
    "opentelemetry": ("opentelemetry-sdk", "opentelemetry-exporter-prometheus"),
}
_ALWAYS = ("prometheus-client",)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_REQUIREMENT = re.compile(rf"{_NAME.pattern}(?:\[[^\]]*\])?(?:[=<>!~@;].*)?")
_OPERATOR = re.compile(r"\s*(===|==|~=|>=|<=|!=|<|>|@|;)\s*")
_OLDEST = (3, 11)


@dataclass(frozen=True, slots=True)
class SideSpec:
    """A side as it was written and what it was found to be; `role` is ``BASE`` or ``HEAD``."""

    role: str
    given: str
    kind: Kind
    requirements: tuple[str, ...] = ()
    revision: Revision | None = None


@dataclass(frozen=True, slots=True)
class SideCode:
    """What is run on sides that are no instrument: an instrument by name, or the user's own function; and with what.

    `extra` are requirements installed on both sides.
    """

    instrument: str = ""
    target: str = ""
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """A side that can be measured."""

    asked: SideSpec
    subject: Subject
    drives: str
    python: str
    libraries: dict[str, str] = field(default_factory=dict)


def parse_side(role: str, given: str, folder: Path) -> SideSpec:
    """Return what `given` is, seen from `folder`; raises `UsageError` in one line that begins with `role`."""
    text = given.strip()
    if text.startswith("git:"):
        return SideSpec(role, given, "revision", revision=_revision(role, given, text.removeprefix("git:"), folder))
    if text.startswith("pip:"):
        return SideSpec(role, given, "requirements", _requirements(role, text.removeprefix("pip:")))
    if text in BUILT_IN or (":" in text and "/" not in text and not _OPERATOR.search(text)):
        _check_instrument(role, text)
        return SideSpec(role, text, "instrument")
    if "/" in text and "@" not in text and _is_program(folder / Path(text).expanduser()):
        return SideSpec(role, str(folder / Path(text).expanduser()), "interpreter")
    if text.startswith(("./", "../", "/", "~")):
        raise UsageError(f"{role}: there is no such program as {given!r}")
    return _other(role, given, text, folder)


def _other(role: str, given: str, text: str, folder: Path) -> SideSpec:
    if not text or _OPERATOR.search(text) or " " in text:
        return SideSpec(role, given, "requirements", _requirements(role, text))
    try:
        return SideSpec(role, given, "revision", revision=find_revision(text, folder))
    except RunError:
        pass  # it may be something else
    try:
        _check_instrument(role, text)  # somebody else's, by entry point
        return SideSpec(role, text, "instrument")
    except UsageError:
        if _NAME.fullmatch(text) and implied_instrument([text]):
            return SideSpec(role, given, "requirements", (text,))
    raise UsageError(
        f"{role}: {given!r} is no instrument ({', '.join(BUILT_IN)}), no interpreter, no revision of a repository "
        "here (git:REV), and no requirement (name==version)"
    )


def _check_instrument(role: str, name: str) -> None:
    try:
        load_factory(name)
    except UsageError as error:
        raise UsageError(f"{role}: {error}") from error


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _revision(role: str, given: str, name: str, folder: Path) -> Revision:
    try:
        return find_revision(name, folder)
    except RunError as error:
        raise UsageError(f"{role}: {given!r} is no revision of a repository here: {error}") from error


def _requirements(role: str, text: str) -> tuple[str, ...]:
    """Split requirements at spaces, but for those around operators; what pip would take for an option is refused."""
    found = tuple(_OPERATOR.sub(r"\1", text.strip()).split())
    if not found:
        raise UsageError(f"{role}: it is empty; name an instrument, a requirement, a revision or an interpreter")
    for each in found:
        if not _REQUIREMENT.fullmatch(each):
            raise UsageError(f"{role}: {each!r} is not a requirement such as prometheus-client==0.20.0")
    return found


def implied_instrument(requirements: Sequence[str]) -> str:
    """Return the instrument that records through one of the libraries required, or nothing."""
    names = [match[0].lower().replace("_", "-") for each in requirements if (match := _NAME.match(each))]
    return next((found for library, found in _IMPLIED if any(name.startswith(library) for name in names)), "")


def _instrument_of(asked: SideSpec, driven: SideCode, other: SideSpec) -> str:
    if asked.kind == "instrument":
        return asked.given
    found = driven.instrument or implied_instrument(asked.requirements)
    # What only one side tells holds for both: a revision is compared with a release of the same library.
    found = found or (other.given if other.kind == "instrument" else implied_instrument(other.requirements))
    if not found:
        raise UsageError(
            f"{asked.role}: {asked.given!r} does not tell what to run: name it by --instrument NAME or "
            "--target package.module:function"
        )
    return found


def prepare(
    asked: SideSpec, other: SideSpec, driven: SideCode, cache: Cache, folder: Path, open_until: ExitStack
) -> Ready:
    """Return the side ready to be measured; its environment is kept from being cleared until `open_until` closes.

    Raises `UsageError` or `RunError` in one line that begins with the side's role.
    """
    try:
        return _prepare(asked, other, driven, cache, folder, open_until)
    except HarnessError as error:
        raise of_side(asked.role, error, driven) from error


def of_side(role: str, error: HarnessError, driven: SideCode) -> HarnessError:
    """Return `error` with the side it was met on; its field stays where that was given, and was not told by a side."""
    text, given = str(error), {"instrument": driven.instrument, "target": driven.target}
    field = error.field if given.get(error.field, True) else ""
    return type(error)(text if text.startswith(f"{role}: ") else f"{role}: {text}", field=field)


def _prepare(
    asked: SideSpec, other: SideSpec, driven: SideCode, cache: Cache, folder: Path, open_until: ExitStack
) -> Ready:
    if driven.target and asked.kind == "instrument":
        raise UsageError(f"{asked.given!r} is an instrument, which takes the place of --target")
    instrument = "" if driven.target else _instrument_of(asked, driven, other)
    if asked.kind == "instrument":
        known = describe(sys.executable)
        return Ready(asked, Subject(instrument), instrument, known["python"], known["libraries"])
    if asked.kind == "interpreter":
        found = _interpreter(asked.given, cache)
    else:
        wanted = (*asked.requirements, *driven.extra, *_missing(asked.requirements, instrument))
        found = open_until.enter_context(cache.environment(Recipe(wanted, asked.revision)))
    return Ready(asked, _subject(asked, found, instrument, driven, folder), instrument or driven.target, found.version,
                 found.libraries)  # fmt: skip


def _missing(requirements: Sequence[str], instrument: str) -> tuple[str, ...]:
    named = {match[0].lower().replace("_", "-") for each in requirements if (match := _NAME.match(each))}
    return tuple(each for each in (*_NEEDS.get(instrument, ()), *_ALWAYS) if each not in named)


def _interpreter(path: str, cache: Cache) -> Venv:
    # Not resolved: a virtual environment's interpreter is a link to another one.
    python = os.path.abspath(path)  # noqa: PTH100
    known = describe(python)
    if tuple(known["version"]) < _OLDEST:
        raise UsageError(f"{path} is {known['python']}; {'.'.join(map(str, _OLDEST))} or newer is needed")
    if "prometheus-client" not in known["libraries"]:
        raise UsageError(f"{path} has no prometheus-client, which every side is checked through; install it there")
    return Venv(python, known["libraries"], known["python"], packages=cache.own_packages())


def _subject(asked: SideSpec, found: Venv, instrument: str, driven: SideCode, folder: Path) -> Subject:
    tree = Path(found.folder) if found.folder else None
    # A revision of this very project is measured by itself: its own packages go before ours.
    itself = tree is not None and any(
        (tree / "harness" / "measure" / name).exists() for name in ("worker", "worker.py")
    )
    works_in = found.folder or (str(folder) if driven.target else "")
    return Subject(
        instrument=instrument or OWN,
        target=driven.target,
        # Both sides are the function as it is. Naming it again says so: it need not record through a known library.
        bare=driven.target,
        python=found.python,
        path=found.folder if itself else found.packages,
        folder=works_in,
        label=asked.given,
    )
