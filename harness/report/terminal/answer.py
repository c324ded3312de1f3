"""Renders what one call of `harness overhead` found, with what its columns mean and what to do next."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report.adapt import audit_of, exposition_of, law_of, spread_of_outcome
from harness.report.markup import clean
from harness.report.model import AuditSummary, LawPoint, LawSummary, PageDifference
from harness.report.numbers import UNKNOWN, MeasuredValue, Unit, percent, plain, plus_minus, unit_for
from harness.report.overhead import VOID, ladders_of, repeat_words
from harness.report.overhead_table import ladder_table, overhead_view
from harness.report.rates import rates_table, saturation_of
from harness.report.scrape_study import effect_rows, headings, scrape_latency_of, unit_of_study

if TYPE_CHECKING:
    from harness.measure.questions.answer import Answer
    from harness.measure.questions.laws import CostLaw
    from harness.measure.questions.selftest import SelfTest

__all__ = ["audits_of_outcome", "counted_of_outcome", "law_words", "outcome_view", "point_words"]

_SURE = (
    ("times", "the whole line against the base's"),
    ("could see", "the smallest change that so many pairs find four times in five"),
    ("A/A", "identical code against itself, at {control}; where it misses 1 the experiment is void"),
    ("A/A pairs", "where fewer than there should be, only what exceeds their interval too is decided"),
    ("instructions", "counted, so there is no A/A: in its place, by how much the counts of one side differ at most"),
    ("?", "undecided: the interval holds both no change and one that matters; more pairs may settle it"),
)
_SUSTAINED = (
    "the rate up to which half of fresh processes, which nobody scrapes, answer 99 % of the lines in {bound} ms from "
    "when they are due, in runs of {run} s; ± a 95 % interval, or ≥ a bound where the tries allow no more"
)
_SUSTAINED_ONCE = (
    "the highest rate of one bisection at which 99 % of the lines were answered in {bound} ms from when they were due; "
    "each rate was tried once, as earlier versions did, so it may be far off"
)
_SCRAPED = (
    ("while scraped", "the same while {scraper} asks for both pages every {interval}"),
    ("scrapes", "those served while that way of recording was on turn; fewer than {fewest} tell little"),
)
_READING = {
    "table": (
        ("cost", "what recording adds to each line above the bare REPL: mean over pairs of processes ± 95 % interval"),
        *_SCRAPED,
        ("sustained", _SUSTAINED),
        ("callgrind", "instructions a line adds, no matter how busy the machine is; a count, not a time{repeat}"),
        ("audit", "whether what the page shows equals what was sent, to the last line"),
        *_SURE,
    ),
    "comparison": (
        ("cost", "what recording adds to each line above the base: mean over pairs of processes ± 95 % interval"),
        *_SCRAPED,
        *_SURE,
    ),
}
_NEXT = {
    "table": (
        "more exact: harness overhead --instruments opencensus,opencensus-lean --precision 1%",
        "why it costs that: harness overhead --ladder   how it grows: harness overhead --laws series",
    ),
    "comparison": ("to be sure of the measuring: harness overhead --self-test",),
    "ladder": ("how it grows with the number of series: harness overhead --laws series",),
}


def audits_of_outcome(outcome: "Answer") -> dict[str, AuditSummary]:
    """Return the audits of the default table by way of recording."""
    return {row.instrument: audit_of(row.audit) for row in outcome.table if row.audit is not None}


def counted_of_outcome(outcome: "Answer") -> dict[str, float]:
    """Return the instructions a line adds, by way of recording."""
    return {row.instrument: row.instructions_per_line for row in outcome.table if row.instructions_per_line is not None}


def outcome_view(outcome: "Answer") -> RenderableType:
    """Return everything for a terminal, part by part, in the order in which it was measured."""
    from harness.measure.resolution import document_notes

    parts: list[RenderableType] = [Text(clean(note)) for note in document_notes(outcome)]
    for part in (_costs(outcome), _ladder(outcome), _laws(outcome), _scrapes(outcome), _others(outcome)):
        found = list(part)
        if found and parts:
            parts.append(Text())
        parts += found
    if outcome.interrupted:
        parts += [Text(), *_interrupted(outcome)]
    parts += _advice(outcome)
    return Group(*parts) if parts else Text("Nothing was measured.")


def _costs(outcome: "Answer") -> Iterator[RenderableType]:
    for what in ("table", "comparison"):
        document = outcome.part(what)
        if document is None:
            continue
        # Whether it was interrupted is said once, at the end.
        document = document.model_copy(update={"interrupted": False})
        rates = [saturation_of(each) for each in outcome.saturation] if what == "table" else []
        yield overhead_view(document, rates, audits_of_outcome(outcome), counted_of_outcome(outcome))
        yield from _table_notes(outcome)
        yield from _few_scrapes(outcome)
        yield Text()
        yield _reading(outcome, what)


def _table_notes(outcome: "Answer") -> Iterator[Text]:
    for row in outcome.table:
        if row.audit is not None and row.audit.findings:
            names = ", ".join(name.replace("_", " ") for name in row.audit.findings)
            yield Text(clean(f"! {row.instrument}: the audit found {names}"), style="yellow")
    reasons: dict[str, list[str]] = {}
    # After Ctrl-C it is plain why a column is empty.
    for row in () if outcome.interrupted else outcome.table:
        for column, why in row.missing.items():
            reasons.setdefault(f"{column}: {why}", []).append(row.instrument)
    for why, lacking in reasons.items():
        yield Text(clean(f"– {', '.join(lacking)}: no {why}"), style="dim")
    for rate in outcome.saturation if outcome.table else ():
        if rate.reason:
            yield Text(clean(f"– {rate.instrument}: no interval of the rate sustained: {rate.reason}"), style="dim")


def _few_scrapes(outcome: "Answer") -> Iterator[Text]:
    from harness.measure.questions.table import FEWEST_SCRAPES

    few = [
        f"{each.head} {each.scrapes}"
        for each in outcome.experiments
        if each.scrapes is not None and each.scrapes < FEWEST_SCRAPES
    ]
    if few:
        words = f"! fewer than {FEWEST_SCRAPES} scrapes behind the figures while scraped: {', '.join(few)}"
        yield Text(clean(f"{words}; for more: harness overhead --scraped --budget 5m"), style="yellow")


def _reading(outcome: "Answer", what: str) -> RenderableType:
    interval = next(
        (f"{value} ms" for each in outcome.experiments if (value := each.factors.get("scrape_interval_ms"))), "–"
    )
    from harness.measure.questions.table import FEWEST_SCRAPES

    words = {
        "interval": interval,
        "scraper": outcome.scraper or "a scraper",
        "fewest": FEWEST_SCRAPES,
        "bound": next((f"{each.bound_ns / 1e6:g}" for each in outcome.saturation), "5"),
        "run": next((f"{each.run_s:g}" for each in outcome.saturation if each.run_s), "–"),
        "control": _control(outcome),
        "repeat": _repeat(outcome),
    }
    table = Table(
        title=Text("How to read it"), title_justify="left", box=None, show_header=False, pad_edge=False,
        padding=(0, 2, 0, 0),
    )  # fmt: skip
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    shown = _shown(outcome)
    for word, meaning in _READING[what]:
        if not shown.get(word, True):
            continue
        if meaning is _SUSTAINED and all(each.method == "bisection" for each in outcome.saturation):
            meaning = _SUSTAINED_ONCE
        table.add_row({"callgrind": "instructions"}.get(word, word), meaning.format(**words))
    return table


def _control(outcome: "Answer") -> str:
    """Return the level of the controls in words: ``99.5 %, 2 controls in all``."""
    nulls = [each.null for each in outcome.experiments if each.axis == "wall_ns" and each.null.pairs]
    if not nulls:
        return "no level"
    usual = max(nulls, key=lambda null: null.confidence)
    shared = f", so that one call in a hundred has any of its {usual.controls} miss" if usual.controls > 1 else ""
    return f"{percent(usual.confidence)}{shared}"


def _repeat(outcome: "Answer") -> str:
    """Return by how much the default table's counts repeat, as the end of a sentence."""
    return "; " + repeat_words(spread_of_outcome(outcome))


def _shown(outcome: "Answer") -> dict[str, bool]:
    """Return, for each column that may be missing, whether it is there."""
    return {
        "while scraped": any(each.factors.get("scraped") for each in outcome.experiments),
        "scrapes": any(each.scrapes is not None for each in outcome.experiments),
        "sustained": bool(outcome.saturation),
        "callgrind": any(row.instructions_per_line is not None for row in outcome.table),
        "instructions": any(each.axis == "instructions" for each in outcome.experiments),
        "A/A": any(each.axis == "wall_ns" for each in outcome.experiments),
        "A/A pairs": any(0 < each.null.pairs < each.null.needed for each in outcome.experiments),
        "audit": any(row.audit is not None for row in outcome.table),
    }


def _ladder(outcome: "Answer") -> Iterator[RenderableType]:
    document = outcome.part("ladder")
    if document is None:
        return
    for ladder in ladders_of(document):
        yield ladder_table(ladder)
    voided = [each.head for each in document.experiments if each.verdict == "void"]
    if voided:
        yield Text(clean(f"{VOID}, and in no sum: {', '.join(voided)}"), style="bold red")
    yield Text("adds: what this step costs above the one before; a thin bar is a step within the noise", style="dim")


def _laws(outcome: "Answer") -> Iterator[RenderableType]:
    laws = [law_of(each) for each in outcome.laws]
    for factor in dict.fromkeys(law.factor for law in laws):
        chosen = [law for law in laws if law.factor == factor]
        table = _table(f"What a line costs by {factor}, ± 95 %", "")
        values = sorted({point.x for law in chosen for point in law.points})
        for value in values:
            table.add_column(plain(value, 6), justify="right", no_wrap=True)
        for law in chosen:
            at = {point.x: point for point in law.points}
            unit = unit_for([point.cost.value for point in law.points])
            cells = [point_words(at.get(x), unit) for x in values]
            table.add_row(Text(clean(f"{law.subject}, {unit.name}")), *cells)
        yield table
        told = [each for each in outcome.laws if each.factor == factor]
        for each, law in zip(told, chosen, strict=True):
            if words := law_words(each, law):
                yield Text(clean(words), style="" if each.fit is not None else "yellow")
        yield Text()


def point_words(point: LawPoint | None, unit: Unit) -> str:
    """Return the cost at a point of a law with its interval; a void one in words, a dash for one that is not there."""
    if point is None:
        return UNKNOWN
    return VOID if point.void else plus_minus(point.cost, unit)


def law_words(found: "CostLaw", law: LawSummary) -> str:
    """Return what there is to say below a law's points: its formula, why it has none, what was lost; or nothing."""
    if found.fit is not None or found.left_out:
        return found.formula
    return f"{law.subject}: {law.note}" if law.note else ""


def _scrapes(outcome: "Answer") -> Iterator[RenderableType]:
    for effect in outcome.scrapes:
        latency = scrape_latency_of(effect)
        words = f", {latency.factors}" if latency.factors else ""
        unit = unit_of_study(latency)
        title = f"{latency.duration.capitalize()} with and without scrapes: {latency.subject}{words}, {unit.name}"
        table = _table(clean(title), "percentile")
        for heading in headings(latency):
            table.add_column(heading.replace("service ", "service\n").replace("due in ", "due in\n"), justify="right")
        for row in effect_rows(latency, unit):
            table.add_row(*row)
        yield table
        yield Text(clean(latency.note), style="dim")


def _others(outcome: "Answer") -> Iterator[RenderableType]:
    if outcome.saturation and not outcome.table:
        yield rates_table(outcome.saturation)
    if outcome.self_test is not None:
        yield _power(outcome.self_test)
    for diff in outcome.exposition:
        yield _pages(exposition_of(diff))


def _power(found: "SelfTest") -> Table:
    unit = unit_for([each.injected for each in found.delays])
    title = f"Delays put into {clean(found.subject)} ({plain(found.subject_ns / unit.scale, 4)} {unit.name} a line)"
    table = _table(title, "injected")
    for heading in (unit.name, "recovered", "holds it", "found", "95 %", "power"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in found.delays:
        recovered = MeasuredValue(each.recovered, *each.recovered_interval)
        low, high = each.found_interval
        table.add_row(
            "absolute" if each.share is None else percent(each.share),
            plain(each.injected / unit.scale, 4),
            plus_minus(recovered, unit) if each.trials else VOID,
            {True: "✓", False: "✗", None: ""}[each.covered],
            f"{each.found}/{each.trials}{f' +{each.void} void' if each.void else ''}",
            f"{percent(low)}–{percent(high)}" if each.trials else "",
            percent(each.predicted_power) if each.trials else "",
        )
    return table


def _pages(diff: PageDifference) -> RenderableType:
    table = _table("The same lines, two pages; only what differs", "")
    table.add_column(clean(diff.left), overflow="fold")
    table.add_column(clean(diff.right), overflow="fold")
    different = [row for row in diff.rows if not row.same]
    for row in different:
        table.add_row(*(Text(clean(part)) for part in (row.aspect, row.left, row.right)))
    alike = len(diff.rows) - len(different)
    return Group(table, Text(f"{alike} of {len(diff.rows)} aspects are the same.", style="dim"))


def _table(title: str, first: str) -> Table:
    table = Table(
        title=Text(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0), min_width=len(title)
    )
    table.add_column(first, overflow="fold")
    return table


def _interrupted(outcome: "Answer") -> Iterator[Text]:
    pairs = sum(each.pairs for each in outcome.experiments)
    yield Text(f"Interrupted after {pairs} pairs. What they allow one to conclude:", style="yellow")
    for each in outcome.experiments:
        scraped = " while scraped" if each.factors.get("scraped") else ""
        yield Text(clean(f"  {each.head} against {each.base}{scraped}: {each.conclusion}"))


def _advice(outcome: "Answer") -> list[RenderableType]:
    lines = []
    timed = [each for each in outcome.experiments if each.axis == "wall_ns"]
    void = sum(each.verdict == "void" for each in timed)
    if void:
        lines.append(
            Text(f"✗ {void} of {len(timed)} experiments stayed void: measure again when less else runs here.", "red")
        )
    busy = sorted(each.off_cpu for each in timed if each.off_cpu is not None)
    if busy and busy[len(busy) // 2] > 0.05:
        share = percent(busy[len(busy) // 2])
        lines.append(Text(f"! The machine is busy: processes were kept waiting {share} of the time.", "yellow"))
    steps = _NEXT.get(outcome.mode, ())
    if steps and not outcome.interrupted:
        lines.append(Text("\n".join(f"{'Next: ' if i == 0 else '      '}{step}" for i, step in enumerate(steps))))
    return [Text(), *lines] if lines else []
