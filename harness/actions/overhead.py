"""Measures the answer to each question of ``harness overhead``, from the settings given."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from harness.errors import UsageError
from harness.instruments.catalog import installed, load_factory
from harness.interrupts import interruptible
from harness.measure.counts.instructions import find_valgrind, run_instructions
from harness.measure.inputs import edge_lines
from harness.measure.pairs.measure import comparisons_for, measure_overhead, target_comparison
from harness.measure.pairs.schedule import Terms
from harness.measure.questions.answer import Answer, outcome_of, outcome_of_table
from harness.measure.questions.columns.columns import ColumnsPlan, measure_columns
from harness.measure.questions.described.description import parse_service
from harness.measure.questions.described.estimates import described_of
from harness.measure.questions.described.measure import BUDGET_S as SERVICE_BUDGET_S
from harness.measure.questions.described.measure import ServicePlan, default_instruments, measure_service
from harness.measure.questions.event_loop.loop import QUICK, LoopPlan, measure_loops
from harness.measure.questions.full import SHORT, FullPlan, measure_full, self_test_outcome
from harness.measure.questions.ladder import measure_ladder
from harness.measure.questions.laws import FACTORS, measure_laws
from harness.measure.questions.pages import exposition_diff
from harness.measure.questions.saturation import Saturation, saturate
from harness.measure.questions.scraping.scrapes import Conditions, ScrapeEffect, measure_scrapes, sweep
from harness.measure.questions.selftest import measure_self_test
from harness.measure.questions.table import ALL_ROWS, ROWS, TablePlan, measure_table
from harness.measure.service.deployments import INSTALL, available
from harness.measure.subject import Subject
from harness.progress import Progress, Step, part_of
from workloads.units import parse_duration_ns

__all__ = ["ALLOWED", "QuestionPlan", "plan"]

Flags = Mapping[str, Any]
T = TypeVar("T", Saturation, ScrapeEffect)

# What a comparison gets unless told otherwise: as precise as asked for, but no longer than this.
PRECISION = 0.01
BUDGET_S = 120.0
_PAIRED = frozenset({"precision", "budget", "seed"})
_SCRAPING = frozenset({"scraper", "scrape_interval"})
_COMPARED = frozenset({"instruments", "series", "base", "axis", "scraped", "threads", "heap"})

# The flags that mean something in each mode of the group itself; the others are refused rather than ignored.
ALLOWED: dict[str, frozenset[str]] = {
    "table": frozenset({"seed", "scraper", "bound", "columns"}),
    "comparison": _PAIRED | _SCRAPING | _COMPARED | {"columns"},
    "target": _PAIRED | {"target", "bare", "axis", "threads", "heap"},
    "described": _PAIRED | {"service", "instruments"},
}
_WHERE = {"target": "with --target", "described": "with --for"}


@dataclass(frozen=True)
class QuestionPlan:
    """What is measured: one of the keys of `MEASURE`, with the flags given."""

    mode: str
    flags: Flags

    def __call__(self, progress: Progress) -> Answer:
        """Measure it."""
        return MEASURE[self.mode](self.flags, progress)


def plan(question: str, flags: Flags) -> QuestionPlan:
    """Return what to measure; raises `UsageError` of flags that do not go together."""
    if question != "table":
        return QuestionPlan(question, flags)
    if "service" in flags:
        # Wrong usage is found out before anything is measured.
        parse_service(flags["service"])
    mode = "described" if "service" in flags else "target" if "target" in flags else "table"
    if mode == "table" and (_COMPARED | _PAIRED - {"seed"}) & flags.keys():
        mode = "comparison"
    for name in flags:
        if name not in ALLOWED[mode]:
            where = _WHERE.get(mode, "without a mode that takes it")
            raise UsageError(f"has no meaning {where}; see harness overhead --help", field=name)
    if flags.get("axis") == "instructions":
        for name in sorted(_SCRAPING | _PAIRED | {"scraped", "threads", "heap", "columns"}):
            if name in flags:
                raise UsageError("instructions are counted, not timed; leave it out", field=name)
    return QuestionPlan(mode, flags)


def _terms(flags: Flags, default_s: float = BUDGET_S, **more: Any) -> Terms:
    precision, budget = flags.get("precision"), flags.get("budget")
    budget_s = None if budget is None else parse_duration_ns(budget) / 1e9
    if precision is None and budget is None:
        precision, budget_s = PRECISION, default_s
    return Terms(precision=precision, budget_s=budget_s, seed=flags.get("seed", 1), **more)


def _instruments(flags: Flags, default: Sequence[str] = ROWS) -> list[str]:
    """Return the instruments asked for, or of the default ones those whose library is there; all of them load."""
    if "instruments" not in flags:
        return installed(default)
    for name in flags["instruments"]:
        load_factory(name)
    return list(flags["instruments"])


def _interval_ms(flags: Flags, default: int) -> int:
    if "scrape_interval" not in flags:
        return default
    ns = parse_duration_ns(flags["scrape_interval"])
    if ns < 10_000_000:
        text = "less than 10ms between two scrapes leaves no time for anything else"
        raise UsageError(text, field="scrape_interval")
    return round(ns / 1e6)


def _one_series(flags: Flags) -> int:
    series = flags.get("series", (1,))
    if len(series) > 1:
        raise UsageError("one number here; several only where instruments are compared", field="series")
    return int(series[0])


def _table(flags: Flags, progress: Progress) -> Answer:
    bound = {"bound_ns": parse_duration_ns(flags["bound"])} if "bound" in flags else {}
    table = TablePlan(scraper=flags.get("scraper", "auto"), seed=flags.get("seed", 1), **bound)

    def measure(progress: Progress) -> Answer:
        return outcome_of_table(measure_table(table, progress))

    return _with_columns(measure, flags, installed(table.instruments), table.pairs_s + table.rates_s, progress)


def _with_columns(
    measure: Callable[[Progress], Answer], flags: Flags, instruments: Sequence[str], seconds: float, progress: Progress
) -> Answer:
    """Return the answer of `measure`, which takes about `seconds`, with the columns asked for, measured after it."""
    if "columns" not in flags:
        return measure(progress)
    columns = ColumnsPlan.of(instruments, flags["columns"], flags.get("seed", 1))
    share = seconds / (seconds + columns.seconds)
    answer = measure(part_of(progress, 0.0, share, then_s=columns.seconds))
    if answer.interrupted:
        return answer
    began = time.monotonic()
    figures, stopped = measure_columns(columns, part_of(progress, share, 1 - share, then_s=0.0))
    elapsed_s = answer.elapsed_s + time.monotonic() - began
    return answer.model_copy(update={"columns": figures, "interrupted": stopped, "elapsed_s": elapsed_s})


def _subject(flags: Flags) -> Subject:
    scraped = flags.get("scraped", False)
    if not scraped and (unused := sorted(_SCRAPING & flags.keys())):
        raise UsageError("nothing is scraped; add --scraped", field=unused[0])
    threads, heap = flags.get("threads", 1), flags.get("heap", 0)
    return Subject(threads=threads, heap=heap, scraped=scraped, interval_ms=_interval_ms(flags, 100))


def _comparison(flags: Flags, progress: Progress) -> Answer:
    base = flags.get("base", "none")
    load_factory(base, "base")
    # Without a list, everything but the base itself: its A/A control is measured anyway.
    instruments = [name for name in _instruments(flags) if "instruments" in flags or name != base]
    comparisons = comparisons_for(instruments, flags.get("series", (1,)), base, _subject(flags))
    if flags.get("axis") == "instructions":
        find_valgrind()
        return outcome_of("comparison", {"comparison": run_instructions(comparisons, progress)})
    terms = _terms(flags)

    def measure(progress: Progress) -> Answer:
        document = measure_overhead(comparisons, terms, progress, scraper=flags.get("scraper", "auto"))
        return outcome_of("comparison", {"comparison": document})

    return _with_columns(measure, flags, instruments, terms.budget_s or BUDGET_S, progress)


def _target(flags: Flags, progress: Progress) -> Answer:
    common = Subject(threads=flags.get("threads", 1), heap=flags.get("heap", 0))
    comparison = target_comparison(flags["target"], flags.get("bare", ""), common)
    if flags.get("axis") == "instructions":
        find_valgrind()
        return outcome_of("target", {"comparison": run_instructions([comparison], progress)})
    return outcome_of("target", {"comparison": measure_overhead([comparison], _terms(flags), progress)})


def _described(flags: Flags, progress: Progress) -> Answer:
    service = parse_service(flags["service"])
    names = _instruments(flags) if "instruments" in flags else default_instruments(service)
    began = time.monotonic()
    service_plan = ServicePlan(service, tuple(names), _terms(flags, SERVICE_BUDGET_S))
    document, processes, interrupted = measure_service(service_plan, progress)
    return outcome_of(
        "described",
        {f"described:{service.text}": document},
        elapsed_s=max(0.0, time.monotonic() - began - document.elapsed_s),
        interrupted=interrupted,
        described=[described_of(service, document.experiments, processes)],
    )


def _ladder(flags: Flags, progress: Progress) -> Answer:
    document = measure_ladder(
        _terms(flags, plan=SHORT),
        progress,
        series=_one_series(flags),
        scraper=flags.get("scraper", "auto"),
        interval_ms=_interval_ms(flags, 100),
    )
    return outcome_of("ladder", {"ladder": document})


def _law_values(text: str) -> tuple[str, tuple[int, ...] | None]:
    """Return the factor and the values of ``series`` or ``series:1,10,100``."""
    factor, _, listed = text.partition(":")
    if factor not in FACTORS:
        raise UsageError(f"there is no factor {factor!r}; choose one of {', '.join(FACTORS)}", field="factor")
    values = listed.split(",") if listed else []
    if not all(value.strip().isdecimal() for value in values):
        raise UsageError(f"{text!r} is not a factor with whole numbers, such as series:1,10,100", field="factor")
    return factor, tuple(int(value) for value in values) or None


def _laws(flags: Flags, progress: Progress) -> Answer:
    factor, values = _law_values(flags["factor"])
    instruments = _instruments(flags)
    laws, document = measure_laws(instruments, factor, _terms(flags, plan=SHORT), progress, values=values)
    return outcome_of("laws", {f"laws:{factor}": document}, laws=laws)


def _in_turn(
    measurements: Sequence[Callable[[Progress], Sequence[T]]], progress: Progress
) -> tuple[list[T], float, bool]:
    """Return what measurements one after another found, the seconds they took, and whether Ctrl-C ended them.

    An interrupt before anything was found goes on.
    """
    began, result, stopped = time.monotonic(), list[T](), False

    def tell(before: int, step: Step) -> None:
        done = (before + step.done) / len(measurements)
        left = (time.monotonic() - began) * (1 - done) / done if done else None
        progress(replace(step, done=done, left_s=left))

    for before, measure in enumerate(measurements):
        try:
            with interruptible():
                result += measure(partial(tell, before))
        except KeyboardInterrupt:
            if not result:
                raise
            stopped = True
        stopped = stopped or result[-1].interrupted
        if stopped:
            break
    return result, time.monotonic() - began, stopped


def _scrapes(flags: Flags, progress: Progress) -> Answer:
    base = Conditions(
        series=_one_series(flags),
        scrapers=flags.get("scrapers", 1),
        scraper=flags.get("scraper", "auto"),
        seed=flags.get("seed", 1),
    )
    base = base.every(_interval_ms(flags, base.interval_ms))

    def measure(conditions: Conditions, progress: Progress) -> list[ScrapeEffect]:
        return sweep(conditions, progress=progress) if "sweep" in flags else [measure_scrapes(conditions, progress)]

    instruments = _instruments(flags, ("opencensus", "opencensus-lean"))
    result, elapsed_s, stopped = _in_turn(
        [partial(measure, replace(base, instrument=name)) for name in instruments], progress
    )
    return outcome_of("scrape", scrapes=result, elapsed_s=elapsed_s, interrupted=stopped)


def _saturation(flags: Flags, progress: Progress) -> Answer:
    bound_ns = parse_duration_ns(flags.get("bound", "5ms"))

    def measure(name: str, series: int, progress: Progress) -> list[Saturation]:
        return [saturate(name, series=series, bound_ns=bound_ns, progress=progress)]

    tasks = [partial(measure, name, series) for series in flags.get("series", (1,)) for name in _instruments(flags)]
    result, elapsed_s, stopped = _in_turn(tasks, progress)
    return outcome_of("saturation", saturation=result, elapsed_s=elapsed_s, interrupted=stopped)


def _self_test(flags: Flags, progress: Progress) -> Answer:
    instrument = flags.get("instrument", "prometheus-client")
    load_factory(instrument)
    result = measure_self_test(_terms(flags), progress, instrument=instrument, trials=flags.get("trials", 1))
    return self_test_outcome(result)


def _pages(flags: Flags, _progress: Progress) -> Answer:
    first, second = flags["first"], flags["second"]
    load_factory(first, "first")
    load_factory(second, "second")
    began = time.monotonic()
    with interruptible():
        result = exposition_diff(first, second, edge_lines(flags.get("seed", 1)))
    return outcome_of("diff", exposition=[result], elapsed_s=time.monotonic() - began)


def _loop(flags: Flags, progress: Progress) -> Answer:
    base = QUICK if flags.get("quick") else LoopPlan()
    deployments = flags.get("deployments", available())
    if not deployments:
        raise UsageError(f"an event loop is measured with uvicorn: {INSTALL}", field="deployments")
    loop_plan = replace(
        base,
        deployments=tuple(deployments),
        series=tuple(flags.get("series", base.series)),
        processes=flags.get("processes", base.processes),
        rate=flags.get("rate", base.rate),
        seed=flags.get("seed", 1),
    )
    began = time.monotonic()
    effects, interrupted = measure_loops(loop_plan, progress)
    return outcome_of("loop", loops=effects, elapsed_s=time.monotonic() - began, interrupted=interrupted)


def _full(flags: Flags, progress: Progress) -> Answer:
    whole = FullPlan(
        tuple(_instruments(flags)),
        () if "instruments" in flags else tuple(installed(ALL_ROWS)),
        flags.get("columns", ()),
        scraper=flags.get("scraper", "auto"),
        seed=flags.get("seed", 1),
    )
    return measure_full(whole, progress)


MEASURE: dict[str, Callable[[Flags, Progress], Answer]] = {
    "table": _table,
    "comparison": _comparison,
    "target": _target,
    "described": _described,
    "ladder": _ladder,
    "laws": _laws,
    "scrapes": _scrapes,
    "saturation": _saturation,
    "self-test": _self_test,
    "pages": _pages,
    "loop": _loop,
    "full": _full,
}
