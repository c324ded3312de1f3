"""All questions in one call: table, ladder, cost laws, scrapes, rates and self-test, each with its share of time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.measure.controls import count_controls
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Comparison, Terms
from harness.measure.questions.answer import Answer, joined, outcome_of, outcome_of_table
from harness.measure.questions.columns.columns import ColumnsPlan, measure_columns
from harness.measure.questions.columns.names import ColumnName
from harness.measure.questions.ladder import measure_ladder, rung_comparisons
from harness.measure.questions.laws import FACTORS, law_comparisons, measure_laws
from harness.measure.questions.scraping.scrapes import Conditions, sweep
from harness.measure.questions.selftest import SELF_TESTED, SHARES, SelfTest, delayed_pair, measure_self_test
from harness.measure.questions.table import ROWS, TablePlan, measure_table, table_comparisons, table_terms
from harness.progress import Progress, part_of

__all__ = [
    "SHORT",
    "FullPlan",
    "Stage",
    "measure_full",
    "paired_parts",
    "run_stages",
    "self_test_outcome",
    "stages_of",
]

# Many comparisons side by side need many short pairs rather than few long ones.
SHORT = BlockPlan(rounds=10, block_ns=5_000_000)


@dataclass(frozen=True, slots=True)
class FullPlan:
    """The time of each stage, in seconds of pairs; the defaults take about 30 minutes on two cores.

    `more` are further rows of the table and of its `columns`, without laws; they add to the time of the table.
    """

    instruments: tuple[str, ...] = ROWS
    more: tuple[str, ...] = ()
    columns: tuple[ColumnName, ...] = ()
    table_s: float = 240.0
    rates_s: float = 150.0
    rate_run_s: float = 1.0
    ladder_s: float = 150.0
    laws_s: tuple[tuple[str, float], ...] = (
        ("series", 240.0), ("views", 100.0), ("tags", 100.0), ("buckets", 100.0), ("threads", 100.0),
    )  # fmt: skip
    scrape_processes: int = 4
    self_test_s: float = 60.0
    self_test_trials: int = 5
    scraper: str = "auto"
    seed: int = 1

    @property
    def rows(self) -> tuple[str, ...]:
        """All rows of the table."""
        return tuple(dict.fromkeys((*self.instruments, *self.more)))

    @property
    def longer(self) -> float:
        """How many times as long as planned the table takes, so that each row has its share of the time."""
        return len(self.rows) / len(self.instruments) if self.instruments else 1.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a longer measurement: its name, its approximate duration in seconds, and its function."""

    name: str
    seconds: float
    measure: Callable[[Progress], Answer]


def self_test_outcome(result: SelfTest) -> Answer:
    """Return the answer with a self-test, whose trials' experiments become the experiments of the answer."""
    first, *others = result.documents
    together = first.model_copy(
        update={
            "experiments": [experiment for document in result.documents for experiment in document.experiments],
            "elapsed_s": sum(document.elapsed_s for document in result.documents),
            "interrupted": any(document.interrupted for document in (first, *others)),
        }
    )
    return outcome_of("self-test", {"self-test": together}, self_test=result.model_copy(update={"documents": []}))


def table_plan(plan: FullPlan) -> TablePlan:
    """Return the plan of the table stage."""
    return TablePlan(
        instruments=plan.rows, pairs_s=plan.table_s * plan.longer, rates_s=plan.rates_s * plan.longer,
        rate_run_s=plan.rate_run_s, scraper=plan.scraper, seed=plan.seed,
    )  # fmt: skip


def paired_parts(plan: FullPlan) -> dict[str, tuple[list[Comparison], Terms]]:
    """Return the paired measurements by name, with terms that share one family of controls.

    Trials of the self-test have a delay of zero here, since their delays are only known during the measurement.
    """
    table = table_plan(plan)
    trial = [delayed_pair(SELF_TESTED, 0.0)] * (len(SHARES) + 1)
    parts = {
        "table": (table_comparisons(table, plan.rows), table_terms(table)),
        "ladder": (rung_comparisons(), Terms(budget_s=plan.ladder_s, seed=plan.seed, plan=SHORT)),
        **{
            f"laws:{factor}": (
                law_comparisons(plan.instruments, factor),
                Terms(budget_s=seconds, seed=plan.seed, plan=SHORT),
            )
            for factor, seconds in plan.laws_s
        },
        **{
            f"self-test {number}": (trial, Terms(budget_s=plan.self_test_s, seed=plan.seed + number))
            for number in range(plan.self_test_trials)
        },
    }
    controls = count_controls(*(comparisons for comparisons, _ in parts.values()))
    return {name: (comparisons, replace(terms, controls=controls)) for name, (comparisons, terms) in parts.items()}


def stages_of(plan: FullPlan) -> list[Stage]:
    """Return the stages of a plan in order."""
    terms = {name: terms for name, (_, terms) in paired_parts(plan).items()}
    asked = ColumnsPlan.of(plan.rows, plan.columns, plan.seed)

    def columns(progress: Progress) -> Answer:
        began = time.monotonic()
        figures, stopped = measure_columns(asked, progress)
        return outcome_of("table", columns=figures, elapsed_s=time.monotonic() - began, interrupted=stopped)

    def table(progress: Progress) -> Answer:
        stage_plan = table_plan(plan).model_copy(update={"controls": terms["table"].controls})
        return outcome_of_table(measure_table(stage_plan, progress))

    def ladder(progress: Progress) -> Answer:
        return outcome_of("ladder", {"ladder": measure_ladder(terms["ladder"], progress, scraper=plan.scraper)})

    def law(factor: str) -> Callable[[Progress], Answer]:
        def measure(progress: Progress) -> Answer:
            laws, document = measure_laws(plan.instruments, factor, terms[f"laws:{factor}"], progress)
            return outcome_of("laws", {f"laws:{factor}": document}, laws=laws)

        return measure

    def scrapes(progress: Progress) -> Answer:
        began = time.monotonic()
        conditions = Conditions(processes=plan.scrape_processes, scraper=plan.scraper, seed=plan.seed)
        effects = sweep(conditions, progress=progress)
        stopped = any(effect.interrupted for effect in effects)
        return outcome_of("scrape", scrapes=effects, elapsed_s=time.monotonic() - began, interrupted=stopped)

    def self_test(progress: Progress) -> Answer:
        trials = plan.self_test_trials
        return self_test_outcome(measure_self_test(terms["self-test 0"], progress, trials=trials))

    return [
        Stage("the table", (plan.table_s + plan.rates_s) * plan.longer, table),
        *([Stage("its columns", asked.seconds, columns)] if plan.columns else []),
        Stage("the ladder", plan.ladder_s, ladder),
        *(Stage(f"cost by {factor}", seconds, law(factor)) for factor, seconds in plan.laws_s),
        # Eight points, of which the one scraped once a second takes three times as long.
        Stage("scrapes", 10 * plan.scrape_processes * 6.5, scrapes),
        Stage("the self-test", plan.self_test_trials * (plan.self_test_s + 1) + 10, self_test),
    ]


def run_stages(stages: Sequence[Stage], progress: Progress) -> Answer:
    """Run the stages one after the other and return their joined answer; Ctrl-C keeps the results so far.

    The interrupted stage keeps what its own measurement keeps. Raise `KeyboardInterrupt` where there is no result.
    """
    total = sum(stage.seconds for stage in stages)
    outcomes: list[Answer] = []
    before, stopped = 0.0, False
    for stage in stages:
        report = part_of(progress, before / total, stage.seconds / total, whole_s=total, name=stage.name)
        try:
            outcomes.append(stage.measure(report))
        except KeyboardInterrupt:
            if not outcomes:
                raise
            stopped = True
        before += stage.seconds
        if stopped or outcomes[-1].interrupted:
            break
    answer = joined("full", outcomes)
    return answer.model_copy(update={"interrupted": True}) if stopped else answer


def measure_full(plan: FullPlan | None = None, progress: Progress = lambda _step: None) -> Answer:
    """Run all stages of `plan`; raise `ValueError` for an unknown factor."""
    full = plan or FullPlan()
    unknown = [factor for factor, _ in full.laws_s if factor not in FACTORS]
    if unknown:
        raise ValueError(f"there is no law by {unknown[0]}")
    return run_stages(stages_of(full), progress)
