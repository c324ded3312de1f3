"""What one call of `harness overhead` found as Markdown: tables for pasting into a page or an issue."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.report.adapt import exposition_of, law_of, saturation_of, scrape_latency_of
from harness.report.model import Measured
from harness.report.outcome import audits_of_outcome, counted_of_outcome
from harness.report.overhead import conditions, ladders_of, verdict_words
from harness.report.overhead_table import overhead_markdown
from harness.report.scales import percent, plain, plus_minus, unit_for, with_interval
from harness.report.tree import clean
from harness.report.waterfall import ladder_unit

if TYPE_CHECKING:
    from harness.measure.laws import Law as FoundLaw
    from harness.measure.outcome import Outcome
    from harness.run.environment import Environment

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


def outcome_markdown(outcome: "Outcome") -> str:
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


def costs_markdown(outcome: "Outcome") -> str:
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
            return text.rstrip("\n").rpartition("\n\n")[0] + "\n"
    return ""


def evidence_markdown(outcome: "Outcome", what: str = "table") -> str:
    """Return what each verdict rests on: ratio, smallest effect, A/A control, pairs."""
    document = outcome.part(what)
    if document is None:
        return ""
    rows = []
    for each in document.experiments:
        words = conditions(each.factors, scraped=True)
        rows.append(
            [
                f"{each.head}{f', {words}' if words else ''}",
                verdict_words(each.verdict),
                plain(each.ratio, 4),
                with_interval(Measured(each.ratio, *each.ratio_interval))[1],
                percent(each.minimal_detectable_effect),
                with_interval(Measured(each.null.ratio, *each.null.ratio_interval))[1],
                str(each.pairs),
            ]
        )
    heads = ["comparison", "verdict", "ratio", "95 % interval", "smallest effect seen", "A/A, 99 % interval", "pairs"]
    return table_markdown(heads, rows, left=2)


def ladder_markdown(outcome: "Outcome") -> str:
    """Return the ladder, rung by rung."""
    document = outcome.part("ladder")
    tables = []
    for ladder in ladders_of(document) if document is not None else ():
        unit = ladder_unit(ladder)
        rows = [
            [rung.title, plus_minus(rung.increment, unit), with_interval(rung.total, unit)[0]] for rung in ladder.rungs
        ]
        tables.append(table_markdown(["step", f"adds, {unit.name}", f"in all, {unit.name}"], rows))
    return "\n".join(tables)


def laws_markdown(outcome: "Outcome", factor: str | None = None) -> str:
    """Return the points and the formula of each law, factor by factor."""
    chosen = dict.fromkeys(law.factor for law in outcome.laws if factor is None or law.factor == factor)
    return "\n".join(_laws([law for law in outcome.laws if law.factor == each], each) for each in chosen)


def _laws(found: "Sequence[FoundLaw]", factor: str) -> str:
    laws = [law_of(each) for each in found]
    values = sorted({point.x for law in laws for point in law.points})
    rows = []
    for law in laws:
        at = {point.x: point.cost for point in law.points}
        unit = unit_for([point.cost.value for point in law.points])
        rows.append([law.subject, unit.name, *(plus_minus(at[x], unit) if x in at else "–" for x in values)])
    table = table_markdown([f"cost by {factor}", "unit", *(plain(value, 6) for value in values)], rows, left=2)
    # A law without a fit is its points, which the table has; what was lost or raised there is not in it.
    said = [each.formula if each.fit is not None else f"{law.subject}: {law.note}" if law.note else ""
            for each, law in zip(found, laws, strict=True)]  # fmt: skip
    return "\n".join([table, *(f"- {_cell(words)}" for words in said if words)]) + "\n"


def scrapes_markdown(outcome: "Outcome") -> str:
    """Return the percentiles of a line's latency with and without scrapes."""
    rows = []
    for effect in outcome.scrapes:
        latency = scrape_latency_of(effect)
        for each in latency.effects:
            unit = unit_for([each.outside.value])
            cells = [with_interval(part, unit)[0] for part in (each.outside, each.inside)]
            name = f"{latency.subject}, {latency.factors}"
            rows.append([name, each.percentile, unit.name, *cells, plus_minus(each.difference, unit)])
    if not rows:
        return ""
    return table_markdown(["what", "percentile", "unit", "without scrapes", "with scrapes", "difference"], rows, left=3)


def rates_markdown(outcome: "Outcome") -> str:
    """Return the highest rates sustained."""
    if not outcome.saturation:
        return ""
    bound = outcome.saturation[0].bound_ns / 1e6
    rows = [
        [each.instrument, str(each.series), *(plain(rate, 5) for rate in (each.rate, each.above, each.closed_loop))]
        for each in outcome.saturation
    ]
    heads = ["way of recording", "series", f"p99 under {bound:g} ms, lines/s", "no longer at", "without a schedule"]
    return table_markdown(heads, rows)


def power_markdown(outcome: "Outcome") -> str:
    """Return what became of the delays that were put in."""
    found = outcome.self_test
    if found is None:
        return ""
    unit = unit_for([each.injected for each in found.delays])
    rows = [
        [
            "absolute" if each.share is None else percent(each.share),
            plain(each.injected / unit.scale, 4),
            plus_minus(Measured(each.recovered, *each.recovered_interval), unit),
            "yes" if each.covered else "no",
            f"{each.found} of {each.trials}",
            percent(each.predicted_power),
        ]
        for each in found.delays
    ]
    heads = [
        f"put into {found.subject}", f"{unit.name} a line", f"recovered, {unit.name}", "interval holds it", "found",
        "power expected",
    ]  # fmt: skip
    return table_markdown(heads, rows)


def exposition_markdown(outcome: "Outcome") -> str:
    """Return where two pages differ."""
    return "\n".join(_pages(outcome))


def _pages(outcome: "Outcome") -> Iterator[str]:
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
