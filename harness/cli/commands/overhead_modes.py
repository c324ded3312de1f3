"""The modes of `harness overhead`: each takes the flags given and returns what was measured."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.interrupts import interruptible
from workloads.units import parse_duration_ns

if TYPE_CHECKING:
    from harness.measure.pairs.schedule import Progress, Terms
    from harness.measure.questions.answer import Answer
    from harness.measure.subject import Subject

__all__ = ["ALLOWED", "MEASURE", "checked_mode"]

Flags = Mapping[str, Any]

# What a comparison gets unless told otherwise: as precise as asked for, but no longer than this.
PRECISION = 0.01
BUDGET_S = 120.0
_PAIRED = frozenset({"precision", "budget", "seed"})
_SCRAPING = frozenset({"scraper", "scrape_interval"})
_COMPARED = frozenset({"instruments", "series", "base", "axis", "scraped", "threads", "heap"})

# The flags that mean something in each mode; the others are refused rather than ignored.
ALLOWED: dict[str, frozenset[str]] = {
    "table": frozenset({"seed", "scraper", "bound"}),
    "comparison": _PAIRED | _SCRAPING | _COMPARED,
    "target": _PAIRED | {"target", "bare", "axis", "threads", "heap"},
    "ladder": _PAIRED | _SCRAPING | {"ladder", "series"},
    "laws": _PAIRED | {"laws", "instruments"},
    "scrape": _SCRAPING | {"scrape", "instruments", "series", "scrapers", "sweep", "seed"},
    "saturation": frozenset({"saturation", "instruments", "series", "bound"}),
    "self-test": _PAIRED | {"self_test", "instruments", "trials"},
    "diff": frozenset({"diff", "seed"}),
    "full": frozenset({"full", "instruments", "scraper", "seed"}),
}
_MODES = ("target", "ladder", "laws", "scrape", "saturation", "self_test", "diff", "full")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def checked_mode(flags: Flags) -> str:
    """Return the one mode that the flags ask for; raises `UsageError` naming flags that do not go together."""
    asked = [name for name in _MODES if flags.get(name)]
    if len(asked) > 1:
        raise UsageError(f"{_flag(asked[1])}: not together with {_flag(asked[0])}; ask for one thing at a time")
    mode = asked[0].replace("_", "-") if asked else "comparison" if _COMPARED & flags.keys() else "table"
    if mode == "table" and _PAIRED & flags.keys() - {"seed"}:
        mode = "comparison"
    for name in flags:
        if name not in ALLOWED[mode]:
            where = "without a mode that takes it" if mode in {"table", "comparison"} else f"with {_flag(asked[0])}"
            raise UsageError(f"{_flag(name)}: has no meaning {where}; see harness overhead --help")
    _check_axis(flags)
    return mode


def _check_axis(flags: Flags) -> None:
    if flags.get("axis") != "instructions":
        return
    for name in ("precision", "budget", "seed", "scraped", "threads", "heap", "scrape_interval", "scraper"):
        if name in flags:
            raise UsageError(f"{_flag(name)}: instructions are counted, not timed; leave it out")


def _terms(flags: Flags, **more: Any) -> "Terms":
    from harness.measure.pairs.schedule import Terms

    precision, budget = flags.get("precision"), flags.get("budget")
    budget_s = None if budget is None else parse_duration_ns(budget) / 1e9
    if precision is None and budget is None:
        precision, budget_s = PRECISION, BUDGET_S
    return Terms(precision=precision, budget_s=budget_s, seed=flags.get("seed", 1), **more)


def _instruments(flags: Flags, default: Sequence[str] = ()) -> list[str]:
    """Return the instruments asked for, or of the default ones those whose library is there; all of them load."""
    from harness.instruments.catalog import load_factory
    from harness.measure.questions.table import ROWS

    if "instruments" in flags:
        for name in flags["instruments"]:
            load_factory(name)
        return list(flags["instruments"])
    present = []
    for name in default or ROWS:
        try:
            load_factory(name)
        except UsageError:
            continue  # an extra that is not installed; the table says which
        present.append(name)
    return present


def _interval_ms(flags: Flags, default: int) -> int:
    if "scrape_interval" not in flags:
        return default
    ns = parse_duration_ns(flags["scrape_interval"])
    if ns < 10_000_000:
        raise UsageError("--scrape-interval: less than 10ms between two scrapes leaves no time for anything else")
    return round(ns / 1e6)


def _one_series(flags: Flags) -> int:
    series = flags.get("series", (1,))
    if len(series) > 1:
        raise UsageError("--series: one number here; several only where instruments are compared")
    return int(series[0])


def _table(flags: Flags, progress: "Progress") -> "Answer":
    from harness.measure.questions.answer import outcome_of_table
    from harness.measure.questions.table import TablePlan, measure_table

    bound = {"bound_ns": parse_duration_ns(flags["bound"])} if "bound" in flags else {}
    plan = TablePlan(scraper=flags.get("scraper", "auto"), seed=flags.get("seed", 1), **bound)
    return outcome_of_table(measure_table(plan, progress))


def _subject(flags: Flags) -> "Subject":
    from harness.measure.subject import Subject

    scraped = flags.get("scraped", False)
    if not scraped and (unused := sorted(_SCRAPING & flags.keys())):
        raise UsageError(f"{_flag(unused[0])}: nothing is scraped; add --scraped")
    threads, heap = flags.get("threads", 1), flags.get("heap", 0)
    return Subject(threads=threads, heap=heap, scraped=scraped, interval_ms=_interval_ms(flags, 100))


def _comparison(flags: Flags, progress: "Progress") -> "Answer":
    from harness.instruments.catalog import load_factory
    from harness.measure.counts.instructions import find_valgrind, run_instructions
    from harness.measure.pairs.measure import comparisons_for, measure_overhead
    from harness.measure.questions.answer import outcome_of

    base = flags.get("base", "none")
    load_factory(base, "base")
    # Without a list, everything but the base itself: its A/A control is measured anyway.
    instruments = [name for name in _instruments(flags) if "instruments" in flags or name != base]
    comparisons = comparisons_for(instruments, flags.get("series", (1,)), base, _subject(flags))
    if flags.get("axis") == "instructions":
        find_valgrind()
        return outcome_of("comparison", {"comparison": run_instructions(comparisons, progress)})
    scraper = flags.get("scraper", "auto")
    return outcome_of(
        "comparison", {"comparison": measure_overhead(comparisons, _terms(flags), progress, scraper=scraper)}
    )


def _target(flags: Flags, progress: "Progress") -> "Answer":
    from harness.measure.counts.instructions import find_valgrind, run_instructions
    from harness.measure.pairs.measure import measure_overhead, target_comparison
    from harness.measure.questions.answer import outcome_of
    from harness.measure.subject import Subject

    common = Subject(threads=flags.get("threads", 1), heap=flags.get("heap", 0))
    comparison = target_comparison(flags["target"], flags.get("bare", ""), common)
    if flags.get("axis") == "instructions":
        find_valgrind()
        return outcome_of("target", {"comparison": run_instructions([comparison], progress)})
    return outcome_of("target", {"comparison": measure_overhead([comparison], _terms(flags), progress)})


def _ladder(flags: Flags, progress: "Progress") -> "Answer":
    from harness.measure.questions.answer import outcome_of
    from harness.measure.questions.full import SHORT
    from harness.measure.questions.ladder import measure_ladder

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
    from harness.measure.questions.laws import FACTORS

    factor, _, listed = text.partition(":")
    if factor not in FACTORS:
        raise UsageError(f"--laws: there is no factor {factor!r}; choose one of {', '.join(FACTORS)}")
    values = listed.split(",") if listed else []
    if not all(value.strip().isdecimal() for value in values):
        raise UsageError(f"--laws: {text!r} is not a factor with whole numbers, such as series:1,10,100")
    return factor, tuple(int(value) for value in values) or None


def _laws(flags: Flags, progress: "Progress") -> "Answer":
    from harness.measure.questions.answer import outcome_of
    from harness.measure.questions.full import SHORT
    from harness.measure.questions.laws import measure_laws

    factor, values = _law_values(flags["laws"])
    instruments = _instruments(flags)
    laws, document = measure_laws(instruments, factor, _terms(flags, plan=SHORT), progress, values=values)
    return outcome_of("laws", {f"laws:{factor}": document}, laws=laws)


def _scrape(flags: Flags, progress: "Progress") -> "Answer":
    from dataclasses import replace

    from harness.measure.questions.answer import outcome_of
    from harness.measure.questions.scrapes import Conditions, ScrapeEffect, measure_scrapes, sweep

    instruments = _instruments(flags, ("opencensus", "opencensus-lean"))
    base = Conditions(
        series=_one_series(flags),
        scrapers=flags.get("scrapers", 1),
        scraper=flags.get("scraper", "auto"),
        seed=flags.get("seed", 1),
    )
    base = base.every(_interval_ms(flags, base.interval_ms))
    began, found, stopped = time.monotonic(), list[ScrapeEffect](), False
    for i, name in enumerate(instruments):

        def tell(step: Any, i: int = i) -> None:
            done = (i + step.done) / len(instruments)
            left = (time.monotonic() - began) * (1 - done) / done if done else None
            progress(replace(step, done=done, left_s=left))

        conditions = replace(base, instrument=name)
        try:
            with interruptible():
                found += sweep(conditions, progress=tell) if flags.get("sweep") else [measure_scrapes(conditions, tell)]
        except KeyboardInterrupt:
            if not found:
                raise
            stopped = True
            break
        if found[-1].interrupted:
            break
    stopped = stopped or found[-1].interrupted
    return outcome_of("scrape", scrapes=found, elapsed_s=time.monotonic() - began, interrupted=stopped)


def _saturation(flags: Flags, progress: "Progress") -> "Answer":
    from dataclasses import replace

    from harness.measure.questions.answer import outcome_of
    from harness.measure.questions.saturation import Saturation, saturate

    bound_ns = parse_duration_ns(flags.get("bound", "5ms"))
    tasks = [(name, series) for series in flags.get("series", (1,)) for name in _instruments(flags)]
    began, found, stopped = time.monotonic(), list[Saturation](), False
    for i, (name, series) in enumerate(tasks):

        def tell(step: Any, i: int = i) -> None:
            done = (i + step.done) / len(tasks)
            left = (time.monotonic() - began) * (1 - done) / done if done else None
            progress(replace(step, done=done, left_s=left))

        try:
            with interruptible():
                found.append(saturate(name, series=series, bound_ns=bound_ns, progress=tell))
        except KeyboardInterrupt:
            stopped = True
        if stopped or found[-1].interrupted:
            stopped = True
            break
    return outcome_of("saturation", saturation=found, elapsed_s=time.monotonic() - began, interrupted=stopped)


def _self_test(flags: Flags, progress: "Progress") -> "Answer":
    from harness.measure.questions.full import self_test_outcome
    from harness.measure.questions.selftest import measure_self_test

    instruments = _instruments(flags, ("prometheus-client",))
    if len(instruments) > 1:
        raise UsageError("--instruments: the self-test takes one subject")
    found = measure_self_test(_terms(flags), progress, instrument=instruments[0], trials=flags.get("trials", 1))
    return self_test_outcome(found)


def _diff(flags: Flags, _progress: "Progress") -> "Answer":
    from harness.instruments.catalog import load_factory
    from harness.measure.inputs import edge_lines
    from harness.measure.questions.answer import outcome_of
    from harness.measure.questions.pages import exposition_diff

    names = flags["diff"]
    if len(names) != 2:
        raise UsageError("--diff: name two ways of recording, such as opencensus,opencensus-lean")
    for name in names:
        load_factory(name, "diff")
    began = time.monotonic()
    with interruptible():
        found = exposition_diff(names[0], names[1], edge_lines(flags.get("seed", 1)))
    return outcome_of("diff", exposition=[found], elapsed_s=time.monotonic() - began)


def _full(flags: Flags, progress: "Progress") -> "Answer":
    from harness.measure.questions.full import FullPlan, measure_full

    instruments = tuple(_instruments(flags))
    plan = FullPlan(instruments=instruments, scraper=flags.get("scraper", "auto"), seed=flags.get("seed", 1))
    return measure_full(plan, progress)


MEASURE: dict[str, Callable[[Flags, "Progress"], "Answer"]] = {
    "table": _table,
    "comparison": _comparison,
    "target": _target,
    "ladder": _ladder,
    "laws": _laws,
    "scrape": _scrape,
    "saturation": _saturation,
    "self-test": _self_test,
    "diff": _diff,
    "full": _full,
}
