"""The sides of `harness compare`: their notation, and their conversion to subjects for fresh processes.

| notation | meaning |
|---|---|
| ``prometheus-client``, ``package.module:Name`` | an instrument, in our own interpreter |
| ``'prometheus-client==0.20.0'``, ``'pip:prometheus-client'`` | requirements, in an environment of their own |
| ``git:v1.2``, ``HEAD~1``, ``main`` | a revision of the repository around us, in an environment of its own |
| ``./venv/bin/python`` | an existing interpreter |

An ambiguous name has the first possible meaning in this order; the prefixes ``git:`` and ``pip:`` are unambiguous.
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

# A library -> the instrument that records through it. The first one named counts, since the others require the last.
_IMPLIED = (
    ("opentelemetry", "opentelemetry"),
    ("opencensus", "opencensus"),
    ("prometheus-client", "prometheus-client"),
)
# Further requirements of an instrument; every worker reads its own page through prometheus-client.
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
    """A side as given by the user and as interpreted; `role` is ``BASE`` or ``HEAD``."""

    role: str
    given: str
    kind: Kind
    requirements: tuple[str, ...] = ()
    revision: Revision | None = None


@dataclass(frozen=True, slots=True)
class SideCode:
    """The code that runs on sides that are no instrument: an instrument by name, or the user's own function.

    `extra` are requirements to install on both sides; raises `UsageError` of ``extra`` for what is none.
    """

    instrument: str = ""
    target: str = ""
    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for requirement in self.extra:
            # A path or an address is one too for pip; one of its options is not.
            if not requirement.strip() or requirement.lstrip().startswith("-") or not requirement.isprintable():
                text = f"{requirement!r} is not a requirement such as prometheus-client==0.20.0"
                raise UsageError(text, field="extra")


@dataclass(frozen=True, slots=True)
class Ready:
    """A side that can be measured."""

    spec: SideSpec
    subject: Subject
    drives: str
    python: str
    libraries: dict[str, str] = field(default_factory=dict)


def parse_side(role: str, given: str, folder: Path) -> SideSpec:
    """Return the side that `given` means in `folder`; raise `UsageError` with one line that begins with `role`."""
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
        pass  # it may have another meaning
    try:
        _check_instrument(role, text)  # of another package, by entry point
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
    """Split requirements at spaces that are not next to operators; raise `UsageError` for none, and for pip options."""
    requirements = tuple(_OPERATOR.sub(r"\1", text.strip()).split())
    if not requirements:
        raise UsageError(f"{role}: it is empty; name an instrument, a requirement, a revision or an interpreter")
    for requirement in requirements:
        if not _REQUIREMENT.fullmatch(requirement):
            raise UsageError(f"{role}: {requirement!r} is not a requirement such as prometheus-client==0.20.0")
    return requirements


def implied_instrument(requirements: Sequence[str]) -> str:
    """Return the instrument that records through one of the required libraries; empty for none."""
    names = [_normalised(match[0]) for requirement in requirements if (match := _NAME.match(requirement))]
    return next((instrument for library, instrument in _IMPLIED if any(name.startswith(library) for name in names)), "")


def _normalised(name: str) -> str:
    return name.lower().replace("_", "-")


def _instrument_of(spec: SideSpec, code: SideCode, other: SideSpec) -> str:
    if spec.kind == "instrument":
        return spec.given
    instrument = code.instrument or implied_instrument(spec.requirements)
    # An instrument implied by one side holds for both: a revision is compared with a release of the same library.
    instrument = instrument or (other.given if other.kind == "instrument" else implied_instrument(other.requirements))
    if not instrument:
        raise UsageError(
            f"{spec.role}: {spec.given!r} does not imply what to run: name it with --instrument NAME or "
            "--target package.module:function"
        )
    return instrument


def prepare(
    spec: SideSpec, other: SideSpec, code: SideCode, cache: Cache, folder: Path, open_until: ExitStack
) -> Ready:
    """Return the side ready to be measured; its environment cannot be cleared until `open_until` closes.

    Raise `UsageError` or `RunError` with one line that begins with the side's role.
    """
    try:
        return _prepare(spec, other, code, cache, folder, open_until)
    except HarnessError as error:
        raise of_side(spec.role, error, code) from error


def of_side(role: str, error: HarnessError, code: SideCode) -> HarnessError:
    """Return `error` with the role of its side, and with its field where that was given and not implied by a side."""
    text, options = str(error), {"instrument": code.instrument, "target": code.target}
    field = error.field if options.get(error.field, True) else ""
    return type(error)(text if text.startswith(f"{role}: ") else f"{role}: {text}", field=field)


def _prepare(
    spec: SideSpec, other: SideSpec, code: SideCode, cache: Cache, folder: Path, open_until: ExitStack
) -> Ready:
    if code.target and spec.kind == "instrument":
        raise UsageError(f"{spec.given!r} is an instrument, which takes the place of --target")
    instrument = "" if code.target else _instrument_of(spec, code, other)
    if spec.kind == "instrument":
        ours = describe(sys.executable)
        return Ready(spec, Subject(instrument), instrument, ours["python"], ours["libraries"])
    if spec.kind == "interpreter":
        venv = _interpreter(spec.given, cache)
    else:
        requirements = (*spec.requirements, *code.extra, *_missing(spec.requirements, instrument))
        venv = open_until.enter_context(cache.environment(Recipe(requirements, spec.revision)))
    return Ready(spec, _subject(spec, venv, instrument, code, folder), instrument or code.target, venv.version,
                 venv.libraries)  # fmt: skip


def _missing(requirements: Sequence[str], instrument: str) -> tuple[str, ...]:
    names = {_normalised(match[0]) for requirement in requirements if (match := _NAME.match(requirement))}
    return tuple(need for need in (*_NEEDS.get(instrument, ()), *_ALWAYS) if need not in names)


def _interpreter(path: str, cache: Cache) -> Venv:
    # Not resolved, since a virtual environment's interpreter is a link to another one.
    python = os.path.abspath(path)  # noqa: PTH100
    description = describe(python)
    if tuple(description["version"]) < _OLDEST:
        raise UsageError(f"{path} is {description['python']}; {'.'.join(map(str, _OLDEST))} or newer is needed")
    if "prometheus-client" not in description["libraries"]:
        raise UsageError(f"{path} has no prometheus-client, which every side is checked through; install it there")
    return Venv(python, description["libraries"], description["python"], packages=cache.own_packages())


def _subject(spec: SideSpec, venv: Venv, instrument: str, code: SideCode, folder: Path) -> Subject:
    tree = Path(venv.folder) if venv.folder else None
    # A revision of this project is measured with its own packages instead of ours.
    itself = tree is not None and any(
        (tree / "harness" / "measure" / name).exists() for name in ("worker", "worker.py")
    )
    works_in = venv.folder or (str(folder) if code.target else "")
    return Subject(
        instrument=instrument or OWN,
        target=code.target,
        # Both sides run the function as it is. With itself as `bare`, it need not record through a known library.
        bare=code.target,
        python=venv.python,
        path=venv.folder if itself else venv.packages,
        folder=works_in,
        label=spec.given,
    )
