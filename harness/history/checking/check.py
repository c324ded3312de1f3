"""The decision on the newest runs, compared with those before: pass, regressed, improved or undecided.

Each figure's shift from the runs before gets an interval, whose position relative to the tolerance decides, by the rule
of `harness.measure.decision`.

Several figures are tested at once: Holm's procedure (1979) over all of them keeps the probability that any unchanged
figure is called regressed or improved at or under `alpha`, and each interval is drawn at the level at which its figure
was tested, so that picture and decision agree. The runs compared with end where the newest lasting change point begins;
a change is reported for `RECENT` runs, then its level is the one compared with. Holm's guarantee does not cover
intervals chosen by a change point; false alarms are bounded there by the rate of lasting changes, for each figure.

With fewer than `ENOUGH` comparable runs before, everything is undecided: how much runs differ from one another is not
known. So is a run that was measured on a machine in another state than those before.

A single run that looks slower is only a suspicion, whether or not its interval is clear of the tolerance: it is
measured again, and both measurements together decide. Where a repetition is requested but impossible, it is undecided.
A figure whose experiment is void, or whose machine was busy, is measured again and replaced.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from harness.errors import HarnessError, UsageError
from harness.history.checking.cases import RECENT, Basis, Case, History, case_of
from harness.history.checking.change_points import ChangePoint
from harness.history.checking.level import ENOUGH, MACHINES, Level
from harness.history.figures import Figure
from harness.measure.decision import bounds, decide

__all__ = ["RECENT", "Basis", "CheckResult", "Decision", "FigureDecision", "Question", "check"]


class Decision(Enum):
    """The decision of a check, which determines the command's exit code."""

    PASS = "pass"  # noqa: S105 - no password
    IMPROVED = "improved"
    UNDECIDED = "undecided"
    REGRESSED = "regressed"

    @property
    def exit_code(self) -> int:
        """0 for pass and improved, 1 for a regression, 3 when the runs cannot decide."""
        return {Decision.REGRESSED: 1, Decision.UNDECIDED: 3}.get(self, 0)


@dataclass(frozen=True, slots=True)
class Question:
    """The parameters of a check.

    `tolerance` is the relative slowdown that does not matter (0.03 is 3 %), `alpha` the family-wise level. `baseline`
    is the id of a run to compare with instead of the runs before. `remeasure` measures figures of a run again, given
    its id and their keys; it is called up to `attempts` times before a regression is reported. Where there is none,
    `unconfirmed` may say why: then a suspicion that rests on one run alone is undecided instead of reported.
    """

    tolerance: float = 0.03
    alpha: float = 0.05
    baseline: str | None = None
    remeasure: Callable[[str, Sequence[str]], Sequence[Figure]] | None = None
    attempts: int = 1
    unconfirmed: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise UsageError(f"{self.tolerance} is not a share from 0 to below 1, such as 3%", field="tolerance")
        if not 0 < self.alpha < 0.5:
            raise UsageError(f"{self.alpha} is not a level between 0 and 0.5, such as 5%", field="alpha")


@dataclass(frozen=True, slots=True)
class FigureDecision:
    """The decision on one figure; effects are relative (0.05 is 5 % slower), None where they are unknown.

    `departs_from` is the run at which the level changed, or the newest run compared with. `suspected` means that the
    effect lies beyond the tolerance, and its interval does or may, `confirmed` that both did in the repeated
    measurement; `compared` is the number of runs before, `confidence` that of the interval. `run` is the run of the
    figure.
    """

    key: str
    outcome: Decision
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
    run: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check: a decision for each figure, and the family-wise level they share.

    `run` is the newest run checked; `runs` are all of them, each with the question it answers, oldest first. `skipped`
    are newer runs without a figure, with their questions.
    """

    run: str
    findings: tuple[FigureDecision, ...]
    alpha: float
    tolerance: float
    remeasured: int = 0
    runs: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def outcome(self) -> Decision:
        """The most severe decision of any figure; without figures, undecided."""
        result = {finding.outcome for finding in self.findings}
        order = (Decision.REGRESSED, Decision.UNDECIDED, Decision.IMPROVED, Decision.PASS)
        return next((outcome for outcome in order if outcome in result), Decision.UNDECIDED)


def check(
    index: History, question: Question | None = None, *, run: str | None = None, kind: str = "overhead"
) -> CheckResult:
    """Compare stored runs with the history before them: `run`, or for each question the newest of `kind` with figures.

    A figure in the runs of several questions is taken from the newest one. Raises `UsageError` when there is no such
    run. With nothing to compare with, its figures are undecided and say what to do.
    """
    options = question or Question()
    runs, skipped = _chosen(index, run, kind)
    owners = {metric.key: each for _, each in runs for metric in index.metrics(each)}
    cases = [case_of(index, key, owner, options.baseline) for key, owner in sorted(owners.items())]
    replaced = _replace_doubtful(cases, index, options)
    findings, remeasured = _judge(cases, options), 0
    while (suspected := [finding for finding in findings if finding.suspected]) and remeasured < options.attempts:
        if options.remeasure is None:
            break
        try:
            # The others are left as they were: measuring them again would only be another chance of a false alarm.
            _measure_again(cases, suspected, options.remeasure)
        except HarnessError as error:
            options = replace(options, remeasure=None, unconfirmed=str(error))
        else:
            remeasured += 1
            options = replace(options, unconfirmed="what was measured again is void")
        findings = _judge(cases, options)
    newest = runs[-1][1] if runs else ""
    return CheckResult(newest, findings, options.alpha, options.tolerance, replaced + remeasured, runs, skipped)


_Named = tuple[tuple[str, str], ...]


def _chosen(index: History, run: str | None, kind: str) -> tuple[_Named, _Named]:
    """Return the runs to check, and those without figures, each with its question."""
    if run is not None:
        rows = index.rows("id = ?", (run,))
        if not rows:
            raise UsageError(f"no run {run!r} is kept; `harness overhead` measures and keeps one")
        return (("", rows[0].id),), ()
    answers = index.answers(kind)
    if not answers:
        raise UsageError(f"no run of kind {kind!r} is kept; `harness overhead` measures and keeps one")
    runs = tuple((answer.question, answer.run) for answer in answers if answer.run is not None)
    return runs, tuple((answer.question, answer.skipped) for answer in answers if answer.skipped)


def _measure_again(
    cases: Sequence[Case], wanted: Sequence[FigureDecision], measure: Callable[[str, Sequence[str]], Sequence[Figure]]
) -> None:
    for run in dict.fromkeys(finding.run for finding in wanted):
        keys = tuple(finding.key for finding in wanted if finding.run == run)
        fresh = {metric.key: metric for metric in measure(run, keys)}
        for case in cases:
            if case.key in keys and case.key in fresh:
                case.add(fresh[case.key])


def _replace_doubtful(cases: list[Case], index: History, question: Question) -> int:
    """Measure once more what is void or unlike the runs before, and replace it; return how often that was done."""
    if question.remeasure is None:
        return 0
    doubtful = [case for case in cases if case.void or (case.unlike and _enough(case))]
    done = 0
    for run in dict.fromkeys(case.run for case in doubtful):
        keys = [case.key for case in doubtful if case.run == run]
        try:
            fresh = {metric.key: metric for metric in question.remeasure(run, keys)}
        except HarnessError as error:
            for case in doubtful:
                if case.run == run:
                    _add_reason(case, f"; it could not be measured again: {error}")
            continue
        done += 1
        for i, case in enumerate(cases):
            if case.key in keys and case.key in fresh:
                cases[i] = case_of(index, case.key, run, question.baseline, fresh[case.key])
                _add_reason(cases[i], "; so it was when it was measured again")
    return done


def _enough(case: Case) -> bool:
    level = case.level()
    return level is not None and level.error is not None


def _add_reason(case: Case, why: str) -> None:
    if case.void:
        case.void += why
    elif case.unlike:
        case.unlike += why


def _judge(cases: Sequence[Case], question: Question) -> tuple[FigureDecision, ...]:
    """Test all figures by Holm's procedure and return the decision on each."""
    below, above = bounds(question.tolerance)
    levels = {case.key: level for case in cases if (level := case.level()) is not None}
    tested = [case.key for case in cases if case.key in levels and not case.unlike]
    p_values = {
        key: min(1.0, 2 * min(levels[key].beyond(above), levels[key].below(below)))
        for key in tested
        if levels[key].error is not None
    }
    alphas = _holm(p_values, question.alpha)
    return tuple(_finding(case, levels.get(case.key), alphas.get(case.key, question.alpha), question) for case in cases)


def _holm(p_values: dict[str, float], alpha: float) -> dict[str, float]:
    """Return each figure's level: alpha/K for the smallest p-value, then alpha/(K - 1), until one fails."""
    levels: dict[str, float] = {}
    left, failed = len(p_values), False
    for key in sorted(p_values, key=lambda key: p_values[key]):
        levels[key] = alpha / left
        failed = failed or p_values[key] > alpha / left
        left -= 0 if failed else 1
    return levels


def _finding(case: Case, level: Level | None, alpha: float, question: Question) -> FigureDecision:
    if level is None:
        return FigureDecision(case.key, Decision.UNDECIDED, _nothing(case), changes=case.changes, run=case.run)
    low, high = level.interval(alpha)
    known = level.error is not None
    _, above = bounds(question.tolerance)
    place = Decision.UNDECIDED if case.unlike else Decision(decide(low, high, question.tolerance))
    # Where the runs cannot tell yet, measuring again tells more.
    suspected = known and not case.unlike and level.shift > above
    doubt = _doubt(case, above, question) if place is Decision.REGRESSED else ""
    outcome = Decision.UNDECIDED if doubt else place
    smallest = level.detectable(alpha)
    return FigureDecision(
        case.key, outcome, doubt or _reason(case, level, outcome),
        effect=math.expm1(level.shift),
        interval=(math.expm1(low), math.expm1(high)) if known else None,
        minimal_detectable_effect=math.expm1(above + smallest) if math.isfinite(smallest) else None,
        confidence=1 - alpha if known else None,
        departs_from=case.departs_from, compared=case.compared, basis=case.basis, suspected=suspected,
        confirmed=outcome is Decision.REGRESSED and bool(case.again), changes=case.changes, run=case.run,
    )  # fmt: skip


def _doubt(case: Case, above: float, question: Question) -> str:
    """Return why a suspected regression is not reported; empty when it is."""
    if (again := case.level_of_again()) is not None:
        # What was measured again must itself be over the tolerance: the first figure was chosen for being high.
        return "" if again.shift > above else "looked slower, and did not when it was measured again; measure more"
    # Several kept runs at the new level have confirmed one another.
    if len(case.now) > 1:
        return ""
    if case.again_unlike:
        return f"looks slower in one run, and what was measured again is not like the runs before: {case.again_unlike}"
    if question.unconfirmed:
        return f"looks slower in one run that could not be measured again: {question.unconfirmed}"
    return ""


def _nothing(case: Case) -> str:
    if case.void:
        return f"void, so nothing is known of it; measure it again: {case.void}"
    return "no history to compare with; measure and keep more runs"


def _reason(case: Case, level: Level, outcome: Decision) -> str:
    if case.unlike:
        return f"not like the runs before, so it is no evidence: {case.unlike}"
    across = case.basis is Basis.RATIO_ACROSS
    if level.error is None and across:
        return (
            "no run of this machine is before it, and ratios differ between machines; other machines kept: "
            f"{len(case.machines)}; {MACHINES} are needed to know by how much; measure and keep more runs here"
        )
    if level.error is None:
        return (
            f"comparable runs before it: {len(case.before)}; {ENOUGH} are needed to know how much runs differ; measure "
            "and keep more runs"
        )
    noise = f"how much {len(case.machines)} other machines differ" if across else "the runs' scatter"
    reported = {
        Decision.REGRESSED: "slower than the tolerance allows" + (", measured again" if case.again else ""),
        Decision.IMPROVED: "faster by more than the tolerance",
        Decision.UNDECIDED: "the interval reaches over the tolerance; measure more",
        Decision.PASS: "no slower than the tolerance",
    }[outcome]
    return f"{reported} (noise from {noise})"
