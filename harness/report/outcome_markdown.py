"""What one call of `harness overhead` found as Markdown: tables for pasting into a page or an issue."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.report.adapt import exposition_of, law_of, spread_of_outcome
from harness.report.markup import clean
from harness.report.numbers import MeasuredValue, percent, plain, plus_minus, unit_for, with_interval
from harness.report.overhead import (
    VOID,
    attempt_words,
    conditions,
    control_pairs,
    control_words,
    ladders_of,
    ratio_of,
    repeat_words,
    seen_words,
    verdict_words,
)
from harness.report.overhead_table import overhead_markdown
from harness.report.plots.waterfall import ladder_unit
from harness.report.rates import HEADINGS, condition_words, rate_rows, saturation_of
from harness.report.scrape_study import effect_rows, headings, scrape_latency_of, unit_of_study
from harness.report.terminal.answer import audits_of_outcome, counted_of_outcome, law_words, point_words

if TYPE_CHECKING:
    from harness.host.environment import Environment
    from harness.measure.questions.answer import Answer
    from harness.measure.questions.laws import CostLaw as FoundLaw
    from harness.measure.result import Experiment

__all__ = [
    "costs_markdown",
    "environment_markdown",
    "evidence_markdown",
    "exposition_markdown",
    "ladder_markdown",
    "laws_markdown",
    "outcome_markdown",
    "power_markdown",
    "rates_markdown",
    "scrapes_markdown",
    "table_markdown",
]


def table_markdown(headings: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return a table; the first `left` columns stand to the left, the others, being figures, to the right."""
    rules = ["---" if index < left else "---:" for index in range(len(headings))]
    lines = [headings, rules, *([_cell(part) for part in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return clean(text).replace("\n", " ").replace("|", "\\|")


def outcome_markdown(outcome: "Answer") -> str:
    """Return every part that was measured, with what could be decided above and the environment below."""
    from harness.measure.resolution import document_notes

    parts = [
        *(f"{_cell(note)}\n" for note in document_notes(outcome)),
        costs_markdown(outcome),
        ladder_markdown(outcome),
        laws_markdown(outcome),
        scrapes_markdown(outcome),
        "" if outcome.table else rates_markdown(outcome),
        power_markdown(outcome),
        exposition_markdown(outcome),
        environment_markdown(outcome.environment),
    ]
    if outcome.interrupted:
        parts.append("Interrupted: the figures rest on what was measured until then.\n")
    return "\n".join(part for part in parts if part)


def costs_markdown(outcome: "Answer") -> str:
    """Return the table of ways of recording; empty where none was measured."""
    for what in ("table", "comparison"):
        document = outcome.part(what)
        if document is not None:
            rates = [saturation_of(each) for each in outcome.saturation] if what == "table" else []
            text = overhead_markdown(
                document.model_copy(update={"interrupted": False}),
                rates,
                audits_of_outcome(outcome),
                counted_of_outcome(outcome),
            )
            # The table's own last paragraph is the environment, which stands once at the end.
            text = text.rstrip("\n").rpartition("\n\n")[0] + "\n"
            counted = f"\nInstructions: {repeat_words(spread_of_outcome(outcome))}.\n"
            return f"{text}{counted}" if counted_of_outcome(outcome) else text
    return ""


def evidence_markdown(outcome: "Answer", what: str = "table") -> str:
    """Return what each verdict rests on: ratio, smallest effect, A/A control, pairs."""
    document = outcome.part(what)
    if document is None:
        return ""
    rows = []
    for each in document.experiments:
        words = conditions(each.factors, scraped=True)
        void, again = each.verdict == "void", attempt_words(each)
        rows.append(
            [
                f"{each.head}{f', {words}' if words else ''}",
                f"{verdict_words(each.verdict)}{f', {again}' if again else ''}",
                "" if void else plain(each.ratio, 4),
                with_interval(ratio_of(each))[1],
                seen_words(each),
                str(each.pairs),
                control_words(each),
                control_pairs(each),
                percent(each.null.confidence) if each.null.pairs else "",
            ]
        )
    heads = [
        "comparison", "verdict", "ratio", "95 % interval", "smallest effect seen", "pairs", "A/A interval", "A/A pairs",
        "A/A at",
    ]  # fmt: skip
    return "\n".join([table_markdown(heads, rows, left=2), *_void_reasons(document.experiments)])


def _void_reasons(experiments: "Sequence[Experiment]") -> Iterator[str]:
    """Yield a line for each reason for which experiments are void."""
    reasons: dict[str, list[str]] = {}
    for each in experiments:
        if each.verdict == "void":
            reasons.setdefault(each.conclusion, []).append(each.head)
    for why, heads in reasons.items():
        yield f"- {VOID.split()[0]} {_cell(', '.join(heads))}: {_cell(why)}\n"


def ladder_markdown(outcome: "Answer") -> str:
    """Return the ladder, rung by rung."""
    document = outcome.part("ladder")
    tables = []
    for ladder in ladders_of(document) if document is not None else ():
        unit = ladder_unit(ladder)
        rows = [
            [rung.title, VOID, ""]
            if rung.void
            else [rung.title, plus_minus(rung.increment, unit), with_interval(rung.total, unit)[0]]
            for rung in ladder.rungs
        ]
        tables.append(table_markdown(["step", f"adds, {unit.name}", f"in all, {unit.name}"], rows))
    reasons = _void_reasons(document.experiments) if document is not None else ()
    return "\n".join([*tables, *reasons])


def laws_markdown(outcome: "Answer", factor: str | None = None) -> str:
    """Return the points and the formula of each law, factor by factor."""
    chosen = dict.fromkeys(law.factor for law in outcome.laws if factor is None or law.factor == factor)
    return "\n".join(_laws([law for law in outcome.laws if law.factor == each], each) for each in chosen)


def _laws(found: "Sequence[FoundLaw]", factor: str) -> str:
    laws = [law_of(each) for each in found]
    values = sorted({point.x for law in laws for point in law.points})
    rows = []
    for law in laws:
        at = {point.x: point for point in law.points}
        unit = unit_for([point.cost.value for point in law.points])
        rows.append([law.subject, unit.name, *(point_words(at.get(x), unit) for x in values)])
    table = table_markdown([f"cost by {factor}", "unit", *(plain(value, 6) for value in values)], rows, left=2)
    said = [law_words(each, law) for each, law in zip(found, laws, strict=True)]
    return "\n".join([table, *(f"- {_cell(words)}" for words in said if words)]) + "\n"


def scrapes_markdown(outcome: "Answer") -> str:
    """Return the percentiles with and without scrapes: a table for each duration, and what each study rests on."""
    studies = [scrape_latency_of(effect) for effect in outcome.scrapes]
    parts = []
    for duration in dict.fromkeys(study.duration for study in studies):
        chosen = [study for study in studies if study.duration == duration]
        rows = [
            [f"{study.subject}, {study.factors}", percentile, unit_of_study(study).name, *cells]
            for study in chosen
            for percentile, *cells in effect_rows(study)
        ]
        heads = [f"{duration} of a line", "percentile", "unit", *headings(chosen[0])]
        notes = [f"- {_cell(f'{study.subject}, {study.factors}')}: {_cell(study.note)}" for study in chosen]
        parts.append("\n".join([table_markdown(heads, rows, left=3), *notes]) + "\n")
    return "\n".join(parts)


def rates_markdown(outcome: "Answer") -> str:
    """Return the highest rates sustained, with the reason below where there is no interval."""
    if not outcome.saturation:
        return ""
    table = table_markdown(["way of recording", *HEADINGS], rate_rows(outcome.saturation))
    notes = [f"- {_cell(each.instrument)}: {_cell(each.reason)}" for each in outcome.saturation if each.reason]
    told = f"Sustained: {condition_words(saturation_of(outcome.saturation[0]))}."
    return "\n".join([table, told, *(["", *notes] if notes else [])]) + "\n"


def power_markdown(outcome: "Answer") -> str:
    """Return what became of the delays that were put in."""
    found = outcome.self_test
    if found is None:
        return ""
    unit = unit_for([each.injected for each in found.delays])
    rows = [
        [
            "absolute" if each.share is None else percent(each.share),
            plain(each.injected / unit.scale, 4),
            plus_minus(MeasuredValue(each.recovered, *each.recovered_interval), unit) if each.trials else VOID,
            {True: "yes", False: "no", None: ""}[each.covered],
            f"{each.found} of {each.trials}{f', {each.void} void' if each.void else ''}",
            percent(each.predicted_power) if each.trials else "",
        ]
        for each in found.delays
    ]
    heads = [
        f"put into {found.subject}", f"{unit.name} a line", f"recovered, {unit.name}", "interval holds it", "found",
        "power expected",
    ]  # fmt: skip
    return table_markdown(heads, rows)


def exposition_markdown(outcome: "Answer") -> str:
    """Return where two pages differ."""
    return "\n".join(_pages(outcome))


def _pages(outcome: "Answer") -> Iterator[str]:
    for found in outcome.exposition:
        diff = exposition_of(found)
        rows = [[row.aspect, row.left, row.right] for row in diff.rows if not row.same]
        yield table_markdown(["aspect", diff.left, diff.right], rows, left=3)


def environment_markdown(place: "Environment") -> str:
    """Return the machine and the versions in one sentence."""
    libraries = ", ".join(f"{name} {version}" for name, version in place.libraries.items())
    gib = plain(place.memory_bytes / 2**30, 2)
    machine = f"{place.cpu}, {place.cpu_count} CPUs, {gib} GiB, {place.kernel}, {place.python}"
    return f"Measured on {machine}; {libraries}.\n"
