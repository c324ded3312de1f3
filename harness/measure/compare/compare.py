"""The comparison of two sides: one document for each axis, and one overall decision."""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import HarnessError, RunError
from harness.interrupts import interruptible
from harness.measure.compare.sides import Ready, SideCode, of_side, parse_side, prepare
from harness.measure.compare.venvs import Cache
from harness.measure.counts.allocations import count_allocated
from harness.measure.counts.instructions import find_valgrind, run_instructions
from harness.measure.decision import Decision, decide
from harness.measure.inputs import lines_for
from harness.measure.pairs.measure import measure_overhead
from harness.measure.pairs.schedule import Terms
from harness.measure.pairs.side import Side, cores
from harness.measure.provenance import contradiction, loaded_of, versions_of
from harness.measure.reference import at_reference_speed
from harness.measure.result import Experiment, Experiments, Loaded
from harness.measure.verdict import Comparison, bounds_of
from harness.progress import Progress, Step

__all__ = ["AXES", "Compared", "ComparedSide", "Judged", "compare", "gravest", "judge", "probe_side"]

_GRAVEST: tuple[Decision, ...] = ("regressed", "undecided", "improved", "pass")
_REASONS: dict[Decision, str] = {
    "regressed": "costs more than the tolerance of {tolerance:.1%} allows",
    "improved": "costs less, by more than the tolerance",
    "pass": "costs no more than the tolerance allows",
    "undecided": "the interval reaches over the tolerance; give it more time (--budget, --precision)",
}
AXES = ("wall", "instructions", "allocated")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ComparedSide(_Part):
    """One side: as given by the user, as interpreted, and the code and libraries that ran on it."""

    role: str
    given: str
    kind: Literal["instrument", "requirements", "revision", "interpreter"]
    commit: str = ""
    drives: str = Field(description="the instrument, or package.module:function")
    python: str
    libraries: dict[str, str] = Field(
        description="versions installed for the side; of loaded libraries, as reported by its process"
    )


class Judged(_Part):
    """The decision on one axis."""

    axis: str
    outcome: Decision
    reason: str


class Compared(_Part):
    """The result of one comparison; the raw pairs are in the documents, one for each axis."""

    schema_version: Literal[1] = 1
    kind: Literal["comparison"] = "comparison"
    base: ComparedSide
    head: ComparedSide
    tolerance: float
    outcome: Decision
    judged: list[Judged]
    documents: list[Experiments]

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended one of the axes."""
        return any(document.interrupted for document in self.documents)

    @property
    def differing(self) -> dict[str, tuple[str, str]]:
        """The libraries that both sides have in different versions: name -> (base's, head's)."""
        shared = sorted(set(self.base.libraries) & set(self.head.libraries))
        versions = {name: (self.base.libraries[name], self.head.libraries[name]) for name in shared}
        return {name: pair for name, pair in versions.items() if pair[0] != pair[1]}


def judge(experiment: Experiment, tolerance: float) -> tuple[Decision, str]:
    """Return the decision on an experiment by its interval and a tolerance (see `harness.measure.decision`), and why.

    A void experiment, a timed one without a control, and an unbounded interval are undecided.
    """
    interval = bounds_of(experiment)
    if interval is None:
        return "undecided", experiment.conclusion
    outcome = decide(*interval, tolerance)
    return outcome, _REASONS[outcome].format(tolerance=tolerance)


def gravest(outcomes: Sequence[Decision]) -> Decision:
    """Return the gravest of several decisions; undecided for none."""
    return next((decision for decision in _GRAVEST if decision in outcomes), "undecided")


def probe_side(ready: Ready) -> tuple[Loaded, ...]:
    """Load a side once, so that its errors appear before the measurement; return the libraries that it loaded.

    Raise the `HarnessError` of its process.
    """
    with Side(ready.subject, random.Random(1)) as side:  # noqa: S311 - no secret
        side.load(lines_for(ready.subject.series), cores())
        answer = side.loaded()
        side.ask({"do": "finish"})
        return loaded_of(answer)


AxisMeasurer = Callable[[Comparison, str, Terms, Progress], Experiments]


def measure_axis(comparison: Comparison, axis: str, terms: Terms, progress: Progress) -> Experiments:
    """Measure one axis and return its document."""
    if axis == "wall":
        document = measure_overhead([comparison], terms, progress)
        return document.model_copy(update={"experiments": at_reference_speed(document.experiments)})
    if axis == "instructions":
        return run_instructions([comparison], progress, tolerance=terms.tolerance)
    return run_instructions(
        [comparison], progress, tolerance=terms.tolerance, count=count_allocated, axis="allocated_bytes"
    )


def compare(
    base: str,
    head: str,
    code: SideCode,
    terms: Terms,
    cache: Cache,
    *,
    axes: Sequence[str] = ("wall",),
    folder: Path | None = None,
    progress: Progress = lambda _step: None,
    measure: AxisMeasurer = measure_axis,
    probe: Callable[[Ready], Sequence[Loaded]] = probe_side,
) -> Compared:
    """Compare two sides, given as in `harness.measure.compare.sides`, on each of `axes`, and return the result.

    `terms.tolerance` is that of the decision. Raise `UsageError` or `RunError` with the side at fault.
    """
    here = folder or Path.cwd()
    specs = (parse_side("BASE", base, here), parse_side("HEAD", head, here))
    for axis in set(axes) - {"wall"}:
        find_valgrind("allocations" if axis == "allocated" else axis)
    with ExitStack() as stack:
        with interruptible():
            ready = [prepare(one, other, code, cache, here, stack) for one, other in (specs, specs[::-1])]
            loaded = [_probe(side, probe, code, progress) for side in ready]
        # An instrument implies no version: whichever it loads is right.
        named = [{} if side.spec.kind == "instrument" else side.libraries for side in ready]
        if reason := contradiction(named, loaded):
            raise RunError(reason)
        comparison = Comparison(ready[0].subject, ready[1].subject)
        documents: list[Experiments] = []
        for axis in axes:
            documents.append(measure(comparison, axis, terms, progress))
            if documents[-1].interrupted:
                break
    decisions = [_decision_on(document, terms.tolerance) for document in documents]
    return Compared(
        base=_side(ready[0], loaded[0]),
        head=_side(ready[1], loaded[1]),
        tolerance=terms.tolerance,
        outcome=gravest([decision.outcome for decision in decisions]),
        judged=decisions,
        documents=documents,
    )


def _probe(
    side: Ready, probe: Callable[[Ready], Sequence[Loaded]], code: SideCode, progress: Progress
) -> Sequence[Loaded]:
    progress(Step(0.0, None, f"trying {side.spec.given}"))
    try:
        return probe(side)
    except HarnessError as error:
        raise of_side(side.spec.role, error, code) from error


def _decision_on(document: Experiments, tolerance: float) -> Judged:
    outcome, reason = judge(document.experiments[0], tolerance)
    return Judged(axis=document.experiments[0].axis, outcome=outcome, reason=reason)


def _side(ready: Ready, loaded: Sequence[Loaded]) -> ComparedSide:
    spec = ready.spec
    return ComparedSide(
        role=spec.role,
        given=spec.given,
        kind=spec.kind,
        commit=spec.revision.commit if spec.revision else "",
        drives=ready.drives,
        python=ready.python,
        libraries={**ready.libraries, **versions_of(loaded)},
    )
