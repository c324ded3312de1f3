"""The answer of one call of `harness overhead`, with what its columns mean and what to do next."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType

from harness.report.collect import audits_of, counted_of, spread_of
from harness.report.experiments import repeat_words
from harness.report.numbers import percent
from harness.report.sections.environment import environment_words
from harness.report.sections.ladder import ladder_section, ladders_of
from harness.report.sections.latency import latency_section
from harness.report.sections.laws import laws_section
from harness.report.sections.overhead import overhead_section
from harness.report.sections.pages import pages_section
from harness.report.sections.saturation import saturation_section
from harness.report.sections.selftest import selftest_section
from harness.report.sections.service.described import described_section
from harness.report.sections.service.loops import loops_section
from harness.report.tables import Facts, Note, Part, Section, TableCell
from harness.report.writers.markdown import write_markdown
from harness.report.writers.terminal import write_terminal
from workloads.units import format_duration

if TYPE_CHECKING:
    from harness.measure.questions.answer import Answer

__all__ = ["answer_markdown", "answer_sections", "answer_view", "costs_section"]

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
_COST = (
    "what recording adds to each line above {base}, ± 95 % interval, at the speed of the machine at which {line} takes "
    "{{reference}}"
)
# Columns on request: under every question that has rows.
_ASKED = (
    (
        "memory",
        "resident memory that a series adds, of a thousand: four views with their buckets; fresh processes",
    ),
    (
        "CPU",
        "processor time of a process at that rate, asleep between lines, minus the bare REPL's; 100 % is a core",
    ),
    ("import", "from the start of an interpreter to its imported library, minus one that imports nothing"),
    ("page", "making the page that Prometheus asks for, compressed, without sending it"),
)
_READING = {
    "table": (
        ("cost", _COST.format(base="the bare REPL", line="a bare line")),
        *_SCRAPED,
        ("sustained", _SUSTAINED),
        ("callgrind", "instructions a line adds, no matter how busy the machine is; a count, not a time{repeat}"),
        ("audit", "whether what the page shows equals what was sent, to the last line"),
        *_SURE,
    ),
    "comparison": (
        ("cost", _COST.format(base="the base", line="a line of the base")),
        *_SCRAPED,
        *_SURE,
    ),
}
_NEXT = {
    "table": (
        "more exact: harness overhead --instruments opencensus,opencensus-lean --precision 1%",
        "why it costs that: harness overhead ladder   how it grows: harness overhead laws series",
    ),
    "loop": ("what to do about a stall: docs/event-loops.md",),
    "comparison": ("to be sure of the measuring: harness overhead self-test",),
    "described": (
        "how a scrape stalls an event loop: harness overhead loop",
        "what a page of forked workers shows: harness run --fork",
    ),
    "ladder": ("how it grows with the number of series: harness overhead laws series",),
}
# Two of the columns count instructions, and are never shown at once.
_SHOWN_AS = {"callgrind": "instructions"}


def costs_section(answer: "Answer") -> Section | None:
    """Return the overhead table of an answer; None where none was measured."""
    for what in ("table", "comparison"):
        document = answer.part(what)
        if document is not None:
            # That it was interrupted is said once, at the end.
            document = document.model_copy(update={"interrupted": False})
            rates = answer.saturation if what == "table" else []
            counted = counted_of(answer)
            return overhead_section(document, rates, audits_of(answer), counted, spread_of(answer), answer.columns)
    return None


def answer_sections(answer: "Answer") -> list[Section]:
    """Return a section for each part that was measured, in the order in which it was."""
    ladder = answer.part("ladder")
    built = (
        costs_section(answer),
        ladder_section(() if ladder is None else ladders_of(ladder)),
        laws_section(answer.laws),
        latency_section(answer.scrapes),
        loops_section(answer.loops),
        described_section(answer.described),
        # The default table has a column of rates.
        None if answer.table else saturation_section(answer.saturation),
        selftest_section(answer.self_test),
        pages_section(answer.exposition),
    )
    return [section for section in built if section is not None]


def answer_markdown(answer: "Answer") -> str:
    """Return every part that was measured, with what could be decided above and the environment below."""
    from harness.measure.resolution import document_notes

    parts: list[Part] = [Note(note) for note in document_notes(answer)]
    parts += answer_sections(answer)
    parts.append(Note(environment_words(answer.environment)))
    if answer.interrupted:
        parts.append(Note("Interrupted: the figures rest on what was measured until then."))
    return write_markdown(parts)


def answer_view(answer: "Answer") -> RenderableType:
    """Return everything for a terminal, part by part, in the order in which it was measured."""
    from harness.measure.resolution import document_notes

    blocks: list[list[Part]] = [[Note(note) for note in document_notes(answer)]]
    for section in answer_sections(answer):
        blocks.append([section])
        if section.ident == "overhead":
            blocks[-1] += [*_table_notes(answer), *_few_scrapes(answer)]
            blocks.append([Note("How to read it", tone="strong"), _reading(answer)])
    blocks += [list(_interruption(answer)), list(_advice(answer))]
    parts = [part for block in blocks if block for part in (Note(""), *block)]
    return write_terminal(parts[1:] or [Note("Nothing was measured.")])


def _table_notes(answer: "Answer") -> Iterator[Note]:
    for row in answer.table:
        if row.audit is not None and row.audit.findings:
            names = ", ".join(name.replace("_", " ") for name in row.audit.findings)
            yield Note(f"! {row.instrument}: the audit found {names}", tone="warning")
    reasons: dict[str, list[str]] = {}
    # After Ctrl-C it is plain why a column is empty.
    for row in () if answer.interrupted else answer.table:
        for column, why in row.missing.items():
            reasons.setdefault(f"{column}: {why}", []).append(row.instrument)
    for why, lacking in reasons.items():
        yield Note(f"– {', '.join(lacking)}: no {why}", tone="quiet")
    for rate in answer.saturation if answer.table else ():
        if rate.reason:
            yield Note(f"– {rate.instrument}: no interval of the rate sustained: {rate.reason}", tone="quiet")


def _few_scrapes(answer: "Answer") -> Iterator[Note]:
    from harness.measure.questions.table import FEWEST_SCRAPES

    few = [
        f"{experiment.head} {experiment.scrapes}"
        for experiment in answer.experiments
        if experiment.scrapes is not None and experiment.scrapes < FEWEST_SCRAPES
    ]
    if few:
        words = f"! fewer than {FEWEST_SCRAPES} scrapes behind the figures while scraped: {', '.join(few)}"
        yield Note(f"{words}; for more: harness overhead --scraped --budget 5m", tone="warning")


def _reading(answer: "Answer") -> Facts:
    from harness.measure.questions.table import FEWEST_SCRAPES

    intervals = (each.factors.get("scrape_interval_ms") for each in answer.experiments)
    words = {
        "interval": next((f"{value} ms" for value in intervals if value), "–"),
        "scraper": answer.scraper or "a scraper",
        "fewest": FEWEST_SCRAPES,
        "bound": next((f"{rate.bound_ns / 1e6:g}" for rate in answer.saturation), "5"),
        "run": next((f"{rate.run_s:g}" for rate in answer.saturation if rate.run_s), "–"),
        "control": _control(answer),
        "reference": _reference(answer),
        "repeat": f"; {repeat_words(spread_of(answer))}",
    }
    shown = _shown(answer)
    asked = {each.column for each in answer.columns}
    once = all(rate.method == "bisection" for rate in answer.saturation)
    rows = []
    for word, meaning in _READING["table" if answer.part("table") is not None else "comparison"]:
        if shown.get(word, True):
            said = _SUSTAINED_ONCE if meaning is _SUSTAINED and once else meaning
            rows.append((_SHOWN_AS.get(word, word), TableCell(said.format(**words))))
    rows += [(word, TableCell(meaning)) for word, meaning in _ASKED if word.lower() in asked]
    return Facts(tuple(rows))


def _reference(answer: "Answer") -> str:
    """Return what a line of the base takes at the reference speed, in words."""
    times = (each.reference_per_line for each in answer.experiments if not each.factors.get("scraped"))
    return format_duration(next((time for time in times if time is not None), 0.0))


def _control(answer: "Answer") -> str:
    """Return the level of the controls in words: ``99.5 %, 2 controls in all``."""
    nulls = [each.null for each in answer.experiments if each.axis == "wall_ns" and each.null.pairs]
    if not nulls:
        return "no level"
    usual = max(nulls, key=lambda null: null.confidence)
    shared = f", so that one call in a hundred has any of its {usual.controls} miss" if usual.controls > 1 else ""
    return f"{percent(usual.confidence)}{shared}"


def _shown(answer: "Answer") -> dict[str, bool]:
    """Return, for each column that may be missing, whether it is there."""
    return {
        "while scraped": any(each.factors.get("scraped") for each in answer.experiments),
        "scrapes": any(each.scrapes is not None for each in answer.experiments),
        "sustained": bool(answer.saturation),
        "callgrind": any(row.instructions_per_line is not None for row in answer.table),
        "instructions": any(each.axis == "instructions" for each in answer.experiments),
        "A/A": any(each.axis == "wall_ns" for each in answer.experiments),
        "A/A pairs": any(0 < each.null.pairs < each.null.needed for each in answer.experiments),
        "audit": any(row.audit is not None for row in answer.table),
    }


def _interruption(answer: "Answer") -> Iterator[Note]:
    if not answer.interrupted:
        return
    pairs = sum(experiment.pairs for experiment in answer.experiments)
    yield Note(f"Interrupted after {pairs} pairs. What they allow one to conclude:", tone="warning")
    for experiment in answer.experiments:
        scraped = " while scraped" if experiment.factors.get("scraped") else ""
        yield Note(f"  {experiment.head} against {experiment.base}{scraped}: {experiment.conclusion}")


def _advice(answer: "Answer") -> Iterator[Note]:
    timed = [experiment for experiment in answer.experiments if experiment.axis == "wall_ns"]
    void = sum(experiment.verdict == "void" for experiment in timed)
    if void:
        words = f"✗ {void} of {len(timed)} experiments stayed void: measure again when less else runs here."
        yield Note(words, tone="error")
    busy = sorted(experiment.off_cpu for experiment in timed if experiment.off_cpu is not None)
    if busy and busy[len(busy) // 2] > 0.05:
        share = percent(busy[len(busy) // 2])
        yield Note(f"! The machine is busy: processes were kept waiting {share} of the time.", tone="warning")
    steps = () if answer.interrupted else _NEXT.get(answer.mode, ())
    if steps:
        yield Note("\n".join(f"{'      ' if index else 'Next: '}{step}" for index, step in enumerate(steps)))
