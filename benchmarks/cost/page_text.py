"""The text of docs/what-a-metric-costs.md: sentences around figures that all come from one measured document."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import stdev
from string import Template

from benchmarks.cost.readers import readers, share_of
from benchmarks.cost.replication import Compared, replication
from benchmarks.stored_block import table
from harness.measure.questions.answer import Answer
from harness.measure.questions.validation import Validation
from harness.report.answer import costs_section
from harness.report.commands.validation import bound_words, method_words, validation_table
from harness.report.experiments import VOID, conditions
from harness.report.numbers import MeasuredValue, percent, plain, with_interval
from harness.report.sections.environment import environment_words
from harness.report.sections.ladder import ladder_table, ladders_of
from harness.report.sections.latency import effect_table
from harness.report.sections.laws import points_table
from harness.report.sections.saturation import rate_tables
from harness.report.sections.selftest import selftest_table
from harness.report.tables import Note
from harness.report.writers.markdown import table_markdown, write_markdown
from workloads.units import format_duration

__all__ = ["page"]

Links = Mapping[str, tuple[str, str]]

_TEMPLATE = Path(__file__).with_name("what-a-metric-costs.template.md")
_FACTORS = ("series", "views", "tags", "buckets", "threads")
_NOT_MEASURED = "Not measured in this run."


def page(outcome: Answer, links: Links, validation: Validation | None, first: Answer | None = None) -> str:
    """Return the page: the template with every figure put in; what was not measured says so.

    `first` is an earlier run of the same matrix, which this one confirms or does not.
    """
    costs = costs_section(outcome)
    # Its last part is what the verdicts rest on.
    parts = costs.parts if costs is not None else ()
    ladder = outcome.part("ladder")
    figures = {
        "readers": readers(outcome, validation),
        "costs": write_markdown(parts[:-1]),
        "evidence": write_markdown(parts[-1:]),
        "ladder": "\n".join(table_markdown(ladder_table(each)) for each in (ladders_of(ladder) if ladder else ())),
        "scrapes": write_markdown(map(effect_table, outcome.scrapes)),
        "rates": write_markdown(rate_tables(outcome.saturation)),
        "power": table_markdown(selftest_table(outcome.self_test)) if outcome.self_test is not None else "",
        "replication": "\n".join(_replication(first, outcome)) if first is not None else "",
        **{f"laws_{factor}": _laws(outcome, factor) for factor in _FACTORS},
    }
    optional = {
        "void": "\n".join(_void(outcome)),
        "findings": "\n".join(_findings(outcome)),
        **{f"picture_by_{factor}": _picture(links, f"by-{factor}") for factor in _FACTORS},
        **{f"picture_{name}": _picture(links, name) for name in ("costs", "ladder")},
    }
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        {name: text.strip() or _NOT_MEASURED for name, text in figures.items()},
        **{name: text.strip() for name, text in optional.items()},
        **_speed(outcome),
        share=share_of("opentelemetry", outcome, 10_000),
        made=outcome.created.partition("T")[0],
        minutes=f"{outcome.elapsed_s / 60:.0f}",
        validation="\n".join(_validation(validation)).strip(),
        environment=write_markdown([Note(environment_words(outcome.environment))]).strip(),
    )
    # Where something is left out, so is the room around it.
    return re.sub(r"\n{3,}", "\n\n", text)


def _speed(outcome: Answer) -> dict[str, str]:
    """Return the time of a bare line at the reference speed, and how far it moved: a standard deviation, as a share."""
    bare = [each for each in outcome.experiments if each.base == "none" and not each.factors.get("scraped")]
    times = [pair.base_per_line for each in bare for pair in each.raw_pairs if not pair.void]
    reference = next((each.reference_per_line for each in bare if each.reference_per_line), None)
    moved = stdev(map(math.log, times)) if len(times) > 1 else None
    return {"reference": "–" if reference is None else format_duration(reference), "moved": percent(moved)}


def _laws(outcome: Answer, factor: str) -> str:
    laws = [law for law in outcome.laws if law.factor == factor]
    return table_markdown(points_table(laws)) if laws else ""


def _picture(links: Links, name: str) -> str:
    if name not in links:
        return ""
    path, description = links[name]
    return f"![{description.replace('[', '(').replace(']', ')')}]({path})\n"


def _void(outcome: Answer) -> Iterator[str]:
    """Yield how many experiments are void, and how many were before they were measured again."""
    void = sum(each.verdict == "void" for each in outcome.experiments)
    again = sum(each.attempts > 1 for each in outcome.experiments)
    total = len(outcome.experiments)
    if void:
        yield (
            f"{void} of the {total} experiments behind this page are void: identical code came out different in their "
            f"control. They are marked {VOID}, show no figure, and are in no law, sum or headline.\n"
        )
    if again:
        yield f"{again} of the {total} experiments were void at first and were measured again.\n"


def _findings(outcome: Answer) -> Iterator[str]:
    for row in outcome.table:
        if row.audit is not None and row.audit.findings:
            names = ", ".join(f"`{name}`" for name in row.audit.findings)
            yield f"The audit of `{row.instrument}` found {names}; see [the audit](audit.md).\n"
        for column, why in row.missing.items():
            yield f"`{row.instrument}` has no {column}: {why}.\n"


def _validation(found: Validation | None) -> Iterator[str]:
    if found is None:
        yield "The long proof, hundreds of whole experiments, is `make validate`; it has not been run for this page.\n"
        return
    yield "Hundreds of whole experiments (`make validate`, raw pairs in `docs/data/validation.jsonl.gz`):\n"
    yield table_markdown(validation_table(found))
    yield " ".join(part for part in (bound_words(found), method_words(found)) if part) + "\n"


def _replication(first: Answer, second: Answer) -> Iterator[str]:
    """Yield how many ratios of the first run the second confirms, those of the table, and those it does not."""
    found = replication(first, second)
    if not found.compared:
        return
    low, high = found.share_interval
    share = percent(found.inside / len(found.compared))
    yield (
        f"**{found.inside} of {len(found.compared)}** ratios of this run lie where the run of "
        f"{first.created.partition('T')[0]}, {_hours_between(first, second)} earlier, predicts them with 95 %: {share} "
        f"({percent(low)} to {percent(high)}, as if they were independent). The prediction allows for the scatter of "
        "pairs within that run and for nothing that changes between runs."
        + (f" {found.left_out} more are void in one of the two." if found.left_out else "")
        + "\n"
    )
    changed = _versions_changed(first, second)
    if changed:
        yield f"Between the two these versions changed: {', '.join(changed)}.\n"
    yield "Ratios of the table to the bare REPL:\n"
    yield _compared_table([each for each in found.compared if each.part == "table"])
    if beyond := [each for each in found.compared if each.part != "table" and not each.inside]:
        yield "Of the others, these lie beyond the prediction:\n"
        yield _compared_table(beyond)


def _hours_between(first: Answer, second: Answer) -> str:
    apart = datetime.fromisoformat(second.created) - datetime.fromisoformat(first.created)
    return f"{apart.total_seconds() / 3600:.0f} hours"


def _versions_changed(first: Answer, second: Answer) -> list[str]:
    then, now = first.environment.libraries, second.environment.libraries
    return [
        f"{name} {then.get(name, 'none')} to {now.get(name, 'none')}" for name in now if then.get(name) != now[name]
    ]


def _compared_table(compared: Sequence[Compared]) -> str:
    rows = []
    for each in compared:
        under = conditions(dict(reversed(each.factors)), scraped=True)
        part = "" if each.part == "table" else f" ({each.part})"
        value, interval = with_interval(MeasuredValue(each.first, each.low, each.high))
        confirmed = "✓ within" if each.inside else "✗ beyond"
        what = f"{each.head}{f', {under}' if under else ''}{part}"
        rows.append([what, value, interval, plain(each.second, 4), confirmed])
    return table(["What", "First run", "Predicted with 95 %", "This run", "Confirmed"], rows)
