"""Says whether the newest run records slower than those before: pass, regressed, improved or undecided.

Each figure's shift from the runs before gets an interval, and its place beside the tolerance decides, by the rule of
`harness.measure.decision`.

Several figures are tested at once: Holm's procedure (1979) over all of them keeps the probability that any unchanged
figure is called regressed or improved at or under `alpha`, and each interval is drawn at the level at which its
figure was tested, so the picture and the verdict agree. What the runs are compared with ends where the newest lasting
change point begins; a change stays news for `RECENT` runs, then its level is the one compared with. Holm's promise
holds for a fixed place of that split; where a change point has chosen it, the interval is one after selection, and
false alarms are bounded by the rate of lasting changes, for each figure.

A single run that looks slower is only a suspicion: it is measured again, or, where that cannot be done and is asked
for, left undecided. A figure whose experiment is void is measured again as well, and undecided until it can be.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from harness.errors import HarnessError, UsageError
from harness.history.detect import ChangePoint, Kind, change_points
from harness.history.index import Index, Point
from harness.history.level import ENOUGH, Level, Value, shift
from harness.history.metrics import Metric
from harness.measure.decision import bounds, decide

__all__ = ["RECENT", "Basis", "Check", "Finding", "Outcome", "Question", "check"]

# A change is reported until this many runs have followed it.
RECENT = 20
# How many runs are looked back on; more would only slow the check down.
HORIZON = 300


class Outcome(Enum):
    """What a check found; the command's exit code comes with it."""

    PASS = "pass"  # noqa: S105 - no password
    IMPROVED = "improved"
    UNDECIDED = "undecided"
    REGRESSED = "regressed"

    @property
    def exit_code(self) -> int:
        """0 when nothing stands in the way, 1 for a regression, 3 when the runs cannot tell."""
        return {Outcome.REGRESSED: 1, Outcome.UNDECIDED: 3}.get(self, 0)


class Basis(Enum):
    """What was compared with what."""

    RATIO = "ratio to the control of the same run, same machine"
    RATIO_ACROSS = "ratio to the control of the same run, other machines"
    ABSOLUTE = "nanoseconds, same machine"
    NONE = "nothing comparable"


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask of the history.

    `tolerance` is the relative slowdown that does not matter (0.03 is 3 %), `alpha` the family-wise level. `baseline`
    is the id of a run to compare with instead of the runs before. `remeasure` measures the figures of the newest run
    whose keys it is given afresh; it is called up to `attempts` times before a regression is reported. Where there is
    none, `unconfirmed` may say why: then a suspicion that rests on one run alone is undecided instead of reported.
    """

    tolerance: float = 0.03
    alpha: float = 0.05
    baseline: str | None = None
    remeasure: Callable[[Sequence[str]], Sequence[Metric]] | None = None
    attempts: int = 1
    unconfirmed: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise UsageError(f"--tolerance: {self.tolerance} is not a share from 0 to below 1, such as 3%")
        if not 0 < self.alpha < 0.5:
            raise UsageError(f"--alpha: {self.alpha} is not a level between 0 and 0.5, such as 5%")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found for one figure; effects are relative (0.05 is 5 % slower), None where nothing can be said.

    `departs_from` is the run at which the level changed, or the newest run compared with. `suspected` tells that the
    interval lies beyond the tolerance, `confirmed` that it still did when it was measured again; `compared` is the
    number of runs before, `confidence` that of the interval.
    """

    key: str
    outcome: Outcome
    reason: str
    effect: float | None = None
    interval: tuple[float, float] | None = None
    minimal_detectable_effect: float | None = None
    confidence: float | None = None
    departs_from: str | None = None
    compared: int = 0
    basis: Basis = Basis.NONE
    suspected: bool = False
    confirmed: bool = False
    changes: tuple[tuple[str, ChangePoint], ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict on one run: its findings, one for each figure, and the family-wise level they share."""

    run: str
    findings: tuple[Finding, ...]
    alpha: float
    tolerance: float
    remeasured: int = 0

    @property
    def outcome(self) -> Outcome:
        """The gravest finding; with no figure at all, undecided."""
        found = {finding.outcome for finding in self.findings}
        order = (Outcome.REGRESSED, Outcome.UNDECIDED, Outcome.IMPROVED, Outcome.PASS)
        return next((outcome for outcome in order if outcome in found), Outcome.UNDECIDED)


@dataclass(slots=True)
class _Case:
    """One figure of the newest run with the runs it is compared with."""

    key: str
    basis: Basis
    before: list[Value] = field(default_factory=list)
    now: list[Value] = field(default_factory=list)
    again: list[Value] = field(default_factory=list)
    departs_from: str | None = None
    changes: tuple[tuple[str, ChangePoint], ...] = ()
    void: str = ""

    def level(self) -> Level | None:
        return shift(self.before, self.now, self.again) if self.before and self.now else None


def check(index: Index, question: Question | None = None, *, run: str | None = None, kind: str = "overhead") -> Check:
    """Compare one kept run (default: the newest of `kind`) with the history before it.

    Raises `UsageError` when there is no such run. With nothing to compare with, its figures are undecided and say
    what to do.
    """
    asked = question or Question()
    rows = index.rows("id = ?", (run,)) if run else index.rows("kind = ?", (kind,))
    if not rows:
        what = f"run {run!r}" if run else f"run of kind {kind!r}"
        raise UsageError(f"no {what} is kept; `harness overhead` measures and keeps one")
    newest = rows[-1].id
    cases = [_case(index, metric.key, newest, asked.baseline) for metric in index.metrics(newest)]
    replaced = _replace_void(cases, index, newest, asked)
    findings, remeasured = _judge(cases, asked), 0
    while (suspected := _suspected(findings)) and asked.remeasure is not None and remeasured < asked.attempts:
        try:
            # The others are left as they were: measuring them again would only be another chance of a false alarm.
            _add([case for case in cases if case.key in suspected], asked.remeasure(suspected))
        except HarnessError as error:
            asked = replace(asked, remeasure=None, unconfirmed=str(error))
        else:
            remeasured += 1
            asked = replace(asked, unconfirmed="what was measured again is void")
        findings = _judge(cases, asked)
    return Check(newest, findings, asked.alpha, asked.tolerance, replaced + remeasured)


def _suspected(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(finding.key for finding in findings if finding.suspected)


def _add(cases: Sequence[_Case], metrics: Sequence[Metric]) -> None:
    fresh = {metric.key: metric for metric in metrics}
    for case in cases:
        if case.key in fresh and (value := _value(fresh[case.key], case.basis)) is not None:
            case.again.append(value)


def _replace_void(cases: list[_Case], index: Index, newest: str, asked: Question) -> int:
    """Measure what is void in the newest run once more, in place of it; return how often that was done (0 or 1)."""
    void = [case.key for case in cases if case.void]
    if not void or asked.remeasure is None:
        return 0
    try:
        fresh = {metric.key: metric for metric in asked.remeasure(void)}
    except HarnessError as error:
        for case in cases:
            case.void += f"; it could not be measured again: {error}" if case.void else ""
        return 0
    for i, case in enumerate(cases):
        if case.void and case.key in fresh:
            cases[i] = _case(index, case.key, newest, asked.baseline, fresh[case.key])
    return 1


def _value(metric: Metric, basis: Basis) -> Value | None:
    """Return the logarithm to compare, or None where the run did not state the figure."""
    if basis is Basis.ABSOLUTE:
        positive = metric.value is not None and metric.value > 0
        return Value.of(metric.value or 0.0, None, None, 0) if positive else None
    if metric.ratio is None:
        return None
    return Value.of(metric.ratio, metric.ratio_low, metric.ratio_high, metric.pairs)


def _case(index: Index, key: str, newest: str, baseline: str | None, fresh: Metric | None = None) -> _Case:
    """Gather what one figure is compared with: runs of the same epoch, or of any when only ratios are at stake.

    `fresh` stands in the place of what the newest run said.
    """
    points = index.points(key, HORIZON + 1, newest)
    if baseline is not None:
        points = [point for point in index.points(key, 1, baseline) if point.run == baseline] + points[-1:]
    if fresh is not None:
        points[-1] = replace(points[-1], metric=fresh)
    here = points[-1]
    if here.metric.void:
        return _Case(key, Basis.NONE, void=here.metric.void)
    has_ratio = here.metric.ratio is not None
    same = [point for point in points if point.epoch == here.epoch]
    basis = Basis.RATIO if has_ratio else Basis.ABSOLUTE
    # On a new machine the first runs have only other machines' ratios to be compared with.
    if has_ratio and len(same) == 1 and len(points) > 1:
        same, basis = points, Basis.RATIO_ACROSS
    known = [(point, value) for point in same if (value := _value(point.metric, basis)) is not None]
    return _split(_Case(key, basis), known, newest)


def _split(case: _Case, known: list[tuple[Point, Value]], newest: str) -> _Case:
    """Divide the runs at the newest lasting change point that is still news; without one, at the newest run."""
    if not known or known[-1][0].run != newest:
        case.basis = Basis.NONE
        return case
    found = [change for change in change_points([value.log for _, value in known]) if change.lasting]
    case.changes = tuple((known[change.index][0].run, change) for change in found)
    last = len(known) - 1
    recent = [change for change in found if change.index > last - RECENT]
    older = [change for change in found if change.index <= last - RECENT]
    begin = older[-1].index if older else 0
    start = recent[0].index if recent else last
    case.before = [value for _, value in known[begin:start]]
    case.now = [value for _, value in known[start:]]
    if recent:
        # Later changes replace the level; a drift has reached it only at its end.
        newest_level = max(recent[-1].index, last - 2) if recent[-1].kind is Kind.DRIFT else recent[-1].index
        case.now = [value for _, value in known[newest_level:]]
    case.departs_from = known[start if recent else max(last - 1, 0)][0].run
    return case


def _judge(cases: Sequence[_Case], asked: Question) -> tuple[Finding, ...]:
    """Test all figures by Holm's procedure and word each one's finding."""
    below, above = bounds(asked.tolerance)
    levels = {case.key: level for case in cases if (level := case.level()) is not None}
    p_values = {
        key: min(1.0, 2 * min(level.beyond(above), 1.0 if level.error is None else 1 - level.beyond(below)))
        for key, level in levels.items()
    }
    alphas = _holm(p_values, asked.alpha)
    return tuple(_finding(case, levels.get(case.key), alphas.get(case.key, asked.alpha), asked) for case in cases)


def _holm(p_values: dict[str, float], alpha: float) -> dict[str, float]:
    """Return each figure's level: alpha/K for the smallest p-value, then alpha/(K - 1), until one fails."""
    levels: dict[str, float] = {}
    left, failed = len(p_values), False
    for key in sorted(p_values, key=lambda key: p_values[key]):
        levels[key] = alpha / left
        failed = failed or p_values[key] > alpha / left
        left -= 0 if failed else 1
    return levels


def _finding(case: _Case, level: Level | None, alpha: float, asked: Question) -> Finding:
    if level is None:
        why = "no history to compare with; measure and keep more runs"
        if case.void:
            why = f"void, so nothing is known of it; measure it again: {case.void}"
        return Finding(case.key, Outcome.UNDECIDED, why, basis=Basis.NONE, changes=case.changes)
    low, high = level.interval(alpha)
    _, above = bounds(asked.tolerance)
    place = Outcome(decide(low, high, asked.tolerance))
    suspected = place is Outcome.REGRESSED
    doubt = _doubt(case, above, asked) if suspected else ""
    outcome = Outcome.UNDECIDED if doubt else place
    smallest = level.detectable(alpha)
    return Finding(
        case.key, outcome, doubt or _reason(case, level, outcome),
        effect=math.expm1(level.shift),
        interval=None if level.error is None else (math.expm1(low), math.expm1(high)),
        minimal_detectable_effect=math.expm1(above + smallest) if math.isfinite(smallest) else None,
        confidence=None if level.error is None else 1 - alpha,
        departs_from=case.departs_from, compared=len(case.before), basis=case.basis,
        suspected=suspected, confirmed=outcome is Outcome.REGRESSED and bool(case.again), changes=case.changes,
    )  # fmt: skip


def _doubt(case: _Case, above: float, asked: Question) -> str:
    """Return why a suspected regression is not to be reported; empty when it is."""
    if case.again:
        # What was measured again must itself be over the tolerance: the first figure was chosen for being high.
        held = shift(case.before, case.again).shift > above
        return "" if held else "looked slower, and did not when it was measured again; measure more"
    # Several kept runs at the new level have confirmed one another.
    if asked.unconfirmed and len(case.now) == 1:
        return f"looks slower in one run that could not be measured again: {asked.unconfirmed}"
    return ""


def _reason(case: _Case, level: Level, outcome: Outcome) -> str:
    if level.error is None:
        return f"the runs state no interval; {ENOUGH} runs would show their noise, {len(case.before)} are kept"
    noise = (
        "the pairs of the runs alone, too few runs to know their scatter" if level.within_only else "the runs' scatter"
    )
    told = {
        Outcome.REGRESSED: "slower than the tolerance allows" + (", measured again" if case.again else ""),
        Outcome.IMPROVED: "faster by more than the tolerance",
        Outcome.UNDECIDED: "the interval reaches over the tolerance; measure more",
        Outcome.PASS: "no slower than the tolerance",
    }[outcome]
    return f"{told} (noise from {noise})"
