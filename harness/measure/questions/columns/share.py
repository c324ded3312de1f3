"""Share of a core that recording takes at a given rate of lines: processor time of processes in an open loop.

In each round every way of recording and the bare REPL run as fresh processes on the measured core. They take turns in
windows of one schedule of Poisson arrivals each; the process on turn sleeps until a line is due, as a service does, and
the others wait for their turn. The processor time of the whole process, threads of the library included, is divided by
the lines sent and multiplied by the rate; the share of the bare REPL in the same round is subtracted. The sampling unit
is the round.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.children import private_folder
from harness.errors import RunError
from harness.measure.inputs import lines_for
from harness.measure.pairs.pair import voided
from harness.measure.pairs.side import Side, apart, cores, start_sides
from harness.measure.questions.columns.figures import ColumnFigure, Repeats, figure_of
from harness.measure.questions.open_loop import due_until, run_open_loop
from harness.measure.subject import Subject

__all__ = ["RATES", "SharePlan", "ShareRound", "cpu_shares", "share_of", "share_rounds"]

RATES = (1_000, 10_000)
BASE = "none"
# A process this late does not keep up: its processor time for each line is known by then.
_GIVE_UP_NS = 200_000_000


@dataclass(frozen=True, slots=True)
class SharePlan:
    """The plan: `rounds` of fresh processes, in each `windows` of `window_s` seconds for each process and rate."""

    rates: tuple[int, ...] = RATES
    rounds: int = 8
    windows: int = 3
    window_s: float = 0.25
    seed: int = 1


@dataclass(frozen=True, slots=True)
class ShareRound:
    """One round: processor time in ns and lines sent by instrument and rate, and by instrument why it is void."""

    cpu_ns: dict[tuple[str, int], int]
    lines: dict[tuple[str, int], int]
    void: dict[str, str]

    def share(self, name: str, rate: int) -> float:
        """Return the share of a core that a process takes at `rate` lines per second; NaN where no line was sent."""
        lines = self.lines.get((name, rate), 0)
        return self.cpu_ns[name, rate] / lines * rate / 1e9 if lines else float("nan")


def share_of(measured: ShareRound, name: str, rate: int) -> tuple[float | None, str]:
    """Return the share of a core above the bare REPL in one round, or why the round does not count."""
    void = measured.void.get(name) or measured.void.get(BASE, "")
    return (None, void) if void else (measured.share(name, rate) - measured.share(BASE, rate), "")


def cpu_shares(
    instruments: Sequence[str], rounds: Iterator[ShareRound], rates: Sequence[int], step: Callable[[], object]
) -> list[ColumnFigure]:
    """Return the share of a core of each instrument at each rate; `step` is called after each round."""
    repeats = {(name, rate): Repeats() for name in instruments for rate in rates}
    for measured in rounds:
        for (name, rate), values in repeats.items():
            values.add(*share_of(measured, name, rate))
        step()
    return [figure_of(name, "cpu", rate, values) for (name, rate), values in repeats.items()]


@contextmanager
def share_rounds(instruments: Sequence[str], plan: SharePlan) -> "Iterator[Iterator[ShareRound]]":
    """Yield the rounds of a plan, each measured when it is asked for; raise `RunError` where a process fails."""
    rng = random.Random(plan.seed)  # noqa: S311 - orders and hash seeds, nothing secret
    with apart(cores()), private_folder("harness-shares-") as folder:
        yield (_round([BASE, *(n for n in instruments if n != BASE)], plan, rng, folder) for _ in range(plan.rounds))


def _round(names: Sequence[str], plan: SharePlan, rng: random.Random, folder: Path) -> ShareRound:
    where = cores()
    measured = ShareRound({}, {}, {})
    with ExitStack() as stack:
        sides = _started(stack, [Subject(instrument=name) for name in names], rng, where.home)
        for rate in plan.rates:
            for _ in range(plan.windows):
                due = due_until(rate, round(plan.window_s * 1e9), rng.getrandbits(32))
                for name, side in rng.sample(list(sides.items()), len(sides)):
                    run = run_open_loop(side, due, folder / "due", give_up_ns=_GIVE_UP_NS, sleep=True)
                    key = name, rate
                    measured.cpu_ns[key] = measured.cpu_ns.get(key, 0) + run.cpu_ns
                    measured.lines[key] = measured.lines.get(key, 0) + run.sent
        for name, side in sides.items():
            if reason := voided(name, 1, side.ask({"do": "finish"})):
                measured.void[name] = reason
    return measured


def _started(stack: ExitStack, subjects: Sequence[Subject], rng: random.Random, home: int) -> dict[str, Side]:
    """Return a loaded process on the measured core for each subject; they start in random order."""
    where = cores()
    order = rng.sample(subjects, len(subjects))
    sides = start_sides(stack, order, rng, [home] * len(order))
    for side in sides:
        # One after the other: a process that warms up would be in the way of the next one.
        side.load(lines_for(side.subject.series), where)
        side.loaded()
        side.ask({"do": "pin"})
    if len({side.subject.name for side in sides}) < len(sides):
        raise RunError("each way of recording can be measured once in a round")
    return {side.subject.name: side for side in sides}
