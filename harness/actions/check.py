"""What ``harness check`` measures: a new run, and again what looks slower than before."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import RunError, UsageError
from harness.history.checking import quiet
from harness.history.checking.cases import case_of
from harness.history.figures import Figure
from harness.history.index import Index
from harness.history.store import Store
from harness.progress import Progress
from workloads.units import format_duration

if TYPE_CHECKING:
    from harness.measure.result import Experiments

__all__ = ["measure_new", "measuring_again", "require_kind"]

_BUDGET_S = 60.0
_BASE = "reference"


def measure_new(
    store: Store, progress: Progress, *, instruments: Sequence[str] | None, base: str | None, budget_s: float | None
) -> dict[str, Any]:
    """Measure what the newest kept run with figures measured, as it did, or the ways of recording named.

    Return one document of all that was measured. Raise `UsageError` where nothing says what to measure.
    """
    from harness.history.checking.remeasure import FigureGroup, groups_in, measure, shared
    from harness.instruments.catalog import installed, load_factory
    from harness.measure.pairs.measure import comparisons_for
    from harness.measure.pairs.schedule import Terms
    from harness.measure.questions.table import ROWS

    with Index(store) as index:
        stored = [answer.run for answer in index.answers("overhead") if answer.run is not None]
        seed = len(index.rows("kind = ?", ("overhead",))) + 1
    if instruments is None and base is None and stored:
        groups = groups_in(store.load(stored[-1]).document)
    else:
        against = base or _BASE
        load_factory(against, "base")
        names = list(instruments or installed(ROWS))
        for name in names:
            load_factory(name)
        pairs = comparisons_for([name for name in names if name != against or len(names) == 1], base=against)
        groups = (FigureGroup("wall_ns", tuple(pairs), Terms(budget_s=_BUDGET_S)),)
    if not groups:
        raise UsageError("the newest kept run holds no experiment; name what to measure", field="instruments")
    return _joined(measure(shared(groups, _BUDGET_S if budget_s is None else budget_s, seed), progress))


def _joined(documents: "Sequence[Experiments]") -> dict[str, Any]:
    """Return one document of all groups that were measured one after another, each with its own terms."""
    from harness.measure.questions.answer import outcome_of

    parts = {f"comparison:{i}" if i else "comparison": document for i, document in enumerate(documents)}
    return outcome_of("comparison", parts).document()


def measuring_again(
    store: Store,
    index: Index,
    progress: Progress,
    *,
    budget_s: float | None,
    wait_s: float,
    announce: Callable[[int], None],
) -> Callable[[str, Sequence[str]], Sequence[Figure]]:
    """Return what measures figures of a run again, in a quiet moment that it waits at most `wait_s` for.

    `announce` gets the number of figures first. Raise `RunError` where they cannot be measured again here.
    """

    def again(run: str, keys: Sequence[str]) -> Sequence[Figure]:
        # Looking at what is installed takes as long as the check itself, so it waits for a suspicion.
        from harness.history import fingerprint
        from harness.history.checking.remeasure import measure_again, why_not

        envelope = store.load(run)
        if reason := why_not(envelope, fingerprint.fingerprint(), fingerprint.git_state()):
            raise RunError(reason)
        announce(len(keys))
        bearable = max([quiet.BUSY, *(case_of(index, key, run).limits.off_cpu for key in keys)])
        moment = quiet.wait_for_quiet(wait_s, quiet.processors, progress, bearable=bearable)
        if not moment.quiet:
            raise RunError(
                f"there was no quiet moment in {format_duration(wait_s * 1e9)}: a processor was {moment.busy:.0%} busy"
            )
        return measure_again(envelope, keys, progress, budget_s=budget_s)

    return again


def require_kind(index: Index, kind: str) -> None:
    """Raise `UsageError` where no run of the kind is kept."""
    if index.answers(kind):
        return
    kinds = sorted({row.kind for row in index.rows()})
    others = f"; --kind {kinds[0]} checks one of the kept runs of kind {', '.join(kinds)}" if kinds else ""
    raise UsageError(f"no run of kind {kind} is kept; `harness overhead` or --fresh measures and keeps one{others}")
