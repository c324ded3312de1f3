"""The text of docs/what-a-metric-costs.md: sentences around figures that all come from one measured document."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from harness.measure.document import Experiment
from harness.measure.outcome import Outcome
from harness.measure.validate import Validation
from harness.report.model import Measured
from harness.report.outcome_markdown import (
    costs_markdown,
    environment_markdown,
    evidence_markdown,
    ladder_markdown,
    laws_markdown,
    power_markdown,
    rates_markdown,
    scrapes_markdown,
    table_markdown,
)
from harness.report.scales import percent, plain, unit_for, with_interval

__all__ = ["page"]

Links = Mapping[str, tuple[str, str]]

_TEMPLATE = Path(__file__).with_name("what-a-metric-costs.template.md")
_FACTORS = ("series", "views", "tags", "buckets", "threads")
_NOT_MEASURED = "Not measured in this run."


def page(outcome: Outcome, links: Links, validation: Validation | None) -> str:
    """Return the page: the template with every figure put in; what was not measured says so."""
    figures = {
        "headline": "\n".join(_headline(outcome)),
        "costs": costs_markdown(outcome),
        "evidence": evidence_markdown(outcome),
        "ladder": ladder_markdown(outcome),
        "scrapes": scrapes_markdown(outcome),
        "rates": rates_markdown(outcome),
        "power": power_markdown(outcome),
        **{f"laws_{factor}": laws_markdown(outcome, factor) for factor in _FACTORS},
    }
    optional = {
        "findings": "\n".join(_findings(outcome)),
        **{f"picture_by_{factor}": _picture(links, f"by-{factor}") for factor in _FACTORS},
        **{f"picture_{name}": _picture(links, name) for name in ("costs", "ladder")},
    }
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        {name: text.strip() or _NOT_MEASURED for name, text in figures.items()},
        **{name: text.strip() for name, text in optional.items()},
        made=outcome.created.partition("T")[0],
        minutes=f"{outcome.elapsed_s / 60:.0f}",
        validation="\n".join(_validation(validation)).strip(),
        environment=environment_markdown(outcome.environment).strip(),
    )
    # Where something is left out, so is the room around it.
    return re.sub(r"\n{3,}", "\n\n", text)


def _picture(links: Links, name: str) -> str:
    if name not in links:
        return ""
    path, description = links[name]
    return f"![{description.replace('[', '(').replace(']', ')')}]({path})\n"


def _cost(outcome: Outcome, what: str, head: str, **factors: object) -> Experiment | None:
    document = outcome.part(what)
    for each in document.experiments if document is not None else ():
        if each.head == head and each.verdict != "void" and factors.items() <= each.factors.items():
            return each
    return None


def _shown(experiment: Experiment) -> str:
    unit = unit_for([experiment.cost_per_line])
    value, interval = with_interval(Measured(experiment.cost_per_line, *experiment.cost_interval), unit)
    return f"{value} {unit.name} ({interval})"


def _headline(outcome: Outcome) -> Iterator[str]:
    lines = []
    for series, what in ((1, "table"), (100, "laws:series")):
        heavy = _cost(outcome, what, "opencensus", series=series, scraped=False)
        lean = _cost(outcome, what, "opencensus-lean", series=series, scraped=False)
        if heavy is None or lean is None or not heavy.cost_per_line or not lean.cost_per_line:
            continue
        share = plain(heavy.cost_per_line / lean.cost_per_line)
        lines.append(
            f"- At {series} series OpenCensus adds {_shown(heavy)} to a line, `opencensus-lean` {_shown(lean)}: "
            f"{share} times less."
        )
    others = [_cost(outcome, "table", name, scraped=False) for name in ("prometheus-client", "opentelemetry")]
    lines += [f"- {each.head} adds {_shown(each)}." for each in others if each is not None]
    if lines:
        yield "In short, above the bare REPL, with 95 % intervals:\n"
        yield "\n".join(lines) + "\n"


def _findings(outcome: Outcome) -> Iterator[str]:
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
    rows = [
        _rate("false alarms on identical code", found.false_alarms, found.identical, found.false_alarm_rate),
        _rate("slowdowns of 1 % found", found.found, found.slowdowns, found.found_rate),
        _rate("void", found.voided, found.experiments, found.voided_rate),
    ]
    yield "Hundreds of whole experiments (`make validate`, raw pairs in `docs/data/validation.jsonl.gz`):\n"
    yield table_markdown(["what", "count", "of", "share", "95 % interval"], rows)


def _rate(name: str, count: int, total: int, interval: tuple[float, float]) -> list[str]:
    share = percent(count / total) if total else "–"
    return [name, str(count), str(total), share, f"{percent(interval[0])} to {percent(interval[1])}"]
