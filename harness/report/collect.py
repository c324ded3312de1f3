"""Reads documents of every kind a command has saved, and puts the newest word on each question into one report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.report.adapt import audit_of, exposition_of, law_of, spread_of_outcome
from harness.report.model import (
    AuditSummary,
    LawSummary,
    PageDifference,
    Report,
    ScrapeLatency,
    SourceSummary,
    SustainedRate,
)
from harness.report.overhead import ladders_of
from harness.report.rates import saturation_of
from harness.report.scrape_study import scrape_latency_of

if TYPE_CHECKING:
    from harness.measure.questions.answer import Answer
    from harness.measure.result import Experiment, Experiments
    from harness.run.result import RunResult

__all__ = ["Found", "assembled", "read_document"]

_WORDS = {
    "table": "overhead table",
    "comparison": "comparison",
    "ladder": "ladder",
    "scrape": "latency in and outside scrapes",
    "saturation": "saturation",
    "diff": "exposition compared",
    "full": "whole matrix",
}
# Parts of a document whose experiments are rows of the overhead table.
_COSTS = ("table", "comparison")


@dataclass(frozen=True, slots=True)
class Found:
    """A document that was read: `where` is its id or its file, `created` when it was measured, as far as is known."""

    where: str
    content: "Answer | Experiments | RunResult"
    what: str
    created: str = ""
    label: str = ""


def read_document(document: Mapping[str, Any], where: str, created: str = "", label: str = "") -> list[Found]:
    """Return what a document of `harness run`, `overhead`, `check` or `compare` holds.

    A comparison holds one for each axis. Raises `UsageError` in one line for any other document.
    """
    from pydantic import ValidationError

    kind = document.get("kind")
    if kind not in {"run", "overhead", "comparison"}:
        raise UsageError(f"{where}: not a result of `harness run`, `harness overhead` or `harness compare`")
    version = document.get("schema_version")
    if isinstance(version, int) and version > 1:
        raise UsageError(f"{where}: written under schema version {version}; upgrade recording-harness to read it")
    try:
        return [
            replace(found, where=where, label=label, created=found.created or created) for found in _parsed(document)
        ]
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where}: not a whole {kind} document: {place}: {first['msg'].lower()}") from error


def _parsed(document: Mapping[str, Any]) -> Iterator[Found]:
    if document["kind"] == "run":
        from harness.run.result import RunResult

        result = RunResult.model_validate(document)
        yield Found("", result, f"load run: {result.spec.name}", result.started)
        return
    if document["kind"] == "comparison":
        from harness.measure.compare.compare import Compared

        compared = Compared.model_validate(document)
        yield from (Found("", each, "comparison") for each in compared.documents)
        return
    if "mode" not in document:
        from harness.measure.result import Experiments

        yield Found("", Experiments.model_validate(document), "comparison")
        return
    from harness.measure.questions.answer import Answer, renewed

    # Its laws and its self-test as they are concluded today, whatever version wrote them.
    outcome = renewed(Answer.model_validate(document))
    yield Found("", outcome, _what(outcome))


def _what(outcome: "Answer") -> str:
    if outcome.mode == "laws":
        return f"cost by {', '.join(dict.fromkeys(law.factor for law in outcome.laws))}"
    return _WORDS.get(outcome.mode, outcome.mode)


@dataclass(slots=True)
class _Newest:
    """The newest word on each question; whatever is put in later takes the place of what is like it."""

    costs: "dict[tuple[object, ...], Experiment]" = field(default_factory=dict)
    document: "Experiments | None" = None
    ladder: "Experiments | None" = None
    behind: "dict[str, list[Experiment]]" = field(default_factory=dict)
    audits: dict[str, AuditSummary] = field(default_factory=dict)
    counted: dict[str, float] = field(default_factory=dict)
    counted_spread: float | None = None
    laws: dict[tuple[str, str], LawSummary] = field(default_factory=dict)
    rates: dict[tuple[str, int], SustainedRate] = field(default_factory=dict)
    scrapes: dict[tuple[object, ...], ScrapeLatency] = field(default_factory=dict)
    pages: dict[tuple[str, str], PageDifference] = field(default_factory=dict)
    runs: "dict[tuple[str, str], RunResult]" = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, found: Found) -> None:
        """Take in one document."""
        content = found.content
        if content.kind == "run":
            key = (content.spec.name, content.spec.instrument)
            self.runs.pop(key, None)
            self.runs[key] = content
            return
        from harness.measure.questions.answer import Answer

        if isinstance(content, Answer):
            self._outcome(content, found.where)
        else:
            self._costs(content, found.where)
            self.ladder = content if ladders_of(content) else self.ladder

    def _outcome(self, outcome: "Answer", where: str) -> None:
        for part in outcome.parts:
            document = outcome.part(part.what)
            if document is not None and part.what.partition(":")[0] in _COSTS:
                self._costs(document, where)
            elif part.what == "ladder":
                self.ladder = document
            elif document is not None and part.what.startswith("laws:"):
                self.behind[part.what] = document.experiments
        if outcome.table:
            self.counted_spread = spread_of_outcome(outcome)
        for row in outcome.table:
            if row.audit is not None:
                self.audits[row.instrument] = audit_of(row.audit)
            if row.instructions_per_line is not None:
                self.counted[row.instrument] = row.instructions_per_line
        self.laws |= {(each.factor, each.instrument): law_of(each) for each in outcome.laws}
        self.rates |= {(each.instrument, each.series): saturation_of(each) for each in outcome.saturation}
        self.scrapes |= {
            (each.instrument, tuple(each.factors.items())): scrape_latency_of(each) for each in outcome.scrapes
        }
        self.pages |= {
            (each.left.instrument, each.right.instrument): exposition_of(each) for each in outcome.exposition
        }

    def _costs(self, document: "Experiments", where: str) -> None:
        before = self.document
        if before is not None and _machine(before) != _machine(document):
            # Nanoseconds of two machines do not belong into one table.
            self.problems.append(f"the costs measured before {where} are left out: they are of another machine")
            self.costs.clear()
        self.document = document
        for each in document.experiments:
            factors = tuple(sorted((name, str(value)) for name, value in each.factors.items()))
            self.costs[each.axis, each.base, each.head, factors] = each


def _machine(document: "Experiments") -> tuple[object, ...]:
    place = document.environment
    return place.cpu, place.cpu_count, place.kernel, place.python, place.python_build


def _minute(created: str) -> str:
    """Return a moment in UTC, to the minute; what is not one, as it is."""
    try:
        return f"{datetime.fromisoformat(created).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return created


def assembled(found: Sequence[Found], problems: Sequence[str] = (), **more: Any) -> Report:
    """Return the report of documents, oldest first; `more` are fields of `Report`, such as trends."""
    newest = _Newest()
    for each in found:
        newest.add(each)
    overhead = newest.document
    if overhead is not None:
        overhead = overhead.model_copy(update={"experiments": list(newest.costs.values())})
    evidence = [each for experiments in newest.behind.values() for each in experiments]
    if newest.ladder is not None and newest.ladder is not newest.document:
        evidence = [*newest.ladder.experiments, *evidence]
    return Report(
        overhead=overhead,
        audits=newest.audits,
        counted=newest.counted,
        counted_spread=newest.counted_spread,
        saturation=list(newest.rates.values()),
        ladders=() if newest.ladder is None else ladders_of(newest.ladder),
        laws=list(newest.laws.values()),
        latencies=list(newest.scrapes.values()),
        expositions=list(newest.pages.values()),
        evidence=evidence,
        runs=list(newest.runs.values()),
        sources=[
            SourceSummary(each.where, each.what, _minute(each.created), each.label, each.content.environment)
            for each in found
        ],
        problems=[*problems, *newest.problems],
        **more,
    )
