"""The report: documents of every kind that a command saves, read into the newest result on each question."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.report.experiments import is_rung
from harness.report.trends import Trend

if TYPE_CHECKING:
    from harness.host.environment import Environment
    from harness.measure.questions.answer import Answer
    from harness.measure.questions.columns.figures import ColumnFigure
    from harness.measure.questions.described.estimates import Described
    from harness.measure.questions.event_loop.effect import LoopEffect
    from harness.measure.questions.laws import CostLaw
    from harness.measure.questions.pages import ExpositionDiff
    from harness.measure.questions.saturation import Saturation
    from harness.measure.questions.scraping.effect import ScrapeEffect
    from harness.measure.questions.selftest import SelfTest
    from harness.measure.questions.table import Audited
    from harness.measure.result import Experiment, Experiments
    from harness.run.result import RunResult

__all__ = [
    "Report", "SourceSummary", "StoredDocument", "assembled", "audits_of", "counted_of", "read_document", "report_of",
    "spread_of",
]  # fmt: skip

_WORDS = {
    "table": "overhead table",
    "comparison": "comparison",
    "ladder": "ladder",
    "scrape": "latency in and outside scrapes",
    "saturation": "saturation",
    "diff": "exposition compared",
    "loop": "stalls of an event loop",
    "described": "a described service",
    "full": "whole matrix",
}
# Parts of a document whose experiments are rows of the overhead table.
_COSTS = ("table", "comparison")


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """A document that a report shows: `where` is its id or its file, `what` the words for what it measured."""

    where: str
    what: str
    created: str
    label: str
    environment: "Environment"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one page shows; what is empty is left out and named as such at the end.

    `audits` and `counted` (instructions per line above the base) are by way of recording; `counted_spread` is by how
    much counts of one side differ at most, None where each was made once. `evidence` are experiments behind laws and
    described services, whose raw pairs are shown beside those of `overhead`. `more_trends` is the number of figures
    with a history that are not among `trends`.
    """

    title: str = "What recording costs"
    made: str = ""
    overhead: "Experiments | None" = None
    saturation: "Sequence[Saturation]" = ()
    audits: "Mapping[str, Audited]" = field(default_factory=dict)
    counted: Mapping[str, float] = field(default_factory=dict)
    counted_spread: float | None = None
    columns: "Sequence[ColumnFigure]" = ()
    ladder: "Experiments | None" = None
    laws: "Sequence[CostLaw]" = ()
    scrapes: "Sequence[ScrapeEffect]" = ()
    loops: "Sequence[LoopEffect]" = ()
    described: "Sequence[Described]" = ()
    self_test: "SelfTest | None" = None
    expositions: "Sequence[ExpositionDiff]" = ()
    trends: Sequence[Trend] = ()
    more_trends: int = 0
    evidence: "Sequence[Experiment]" = ()
    sources: Sequence[SourceSummary] = ()
    runs: "Sequence[RunResult]" = ()
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document that was read: `where` is its id or its file, `created` when it was measured, as far as is known."""

    where: str
    content: "Answer | Experiments | RunResult"
    what: str
    created: str = ""
    label: str = ""


def read_document(document: Mapping[str, Any], where: str, created: str = "", label: str = "") -> list[StoredDocument]:
    """Return what a document of `harness run`, `overhead`, `check` or `compare` holds.

    A comparison holds one for each axis. Raises `UsageError` in one line for any other document.
    """
    from pydantic import ValidationError

    kind = document.get("kind")
    if kind not in ("run", "overhead", "comparison"):
        raise UsageError(f"{where}: not a result of `harness run`, `harness overhead` or `harness compare`")
    version = document.get("schema_version")
    if isinstance(version, int) and version > 1:
        raise UsageError(f"{where}: written under schema version {version}; upgrade recording-harness to read it")
    try:
        return [
            replace(stored, where=where, label=label, created=stored.created or created) for stored in _parsed(document)
        ]
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where}: not a whole {kind} document: {place}: {first['msg'].lower()}") from error


def _parsed(document: Mapping[str, Any]) -> Iterator[StoredDocument]:
    if document["kind"] == "run":
        from harness.run.result import RunResult

        result = RunResult.model_validate(document)
        yield StoredDocument("", result, f"load run: {result.spec.name}", result.started)
        return
    if document["kind"] == "comparison":
        from harness.measure.compare.compare import Compared

        compared = Compared.model_validate(document)
        yield from (StoredDocument("", each, "comparison") for each in compared.documents)
        return
    if "mode" not in document:
        from harness.measure.result import Experiments

        yield StoredDocument("", Experiments.model_validate(document), "comparison")
        return
    from harness.measure.questions.answer import Answer, renewed

    # Its laws and its self-test as they are concluded today, whatever version wrote them.
    answer = renewed(Answer.model_validate(document))
    yield StoredDocument("", answer, _what(answer))


def _what(answer: "Answer") -> str:
    if answer.mode == "laws":
        return f"cost by {', '.join(dict.fromkeys(law.factor for law in answer.laws))}"
    return _WORDS.get(answer.mode, answer.mode)


@dataclass(slots=True)
class _Newest:
    """The newest word on each question; whatever is put in later takes the place of what is like it."""

    costs: "dict[tuple[object, ...], Experiment]" = field(default_factory=dict)
    document: "Experiments | None" = None
    ladder: "Experiments | None" = None
    behind: "dict[str, list[Experiment]]" = field(default_factory=dict)
    audits: "dict[str, Audited]" = field(default_factory=dict)
    counted: dict[str, float] = field(default_factory=dict)
    counted_spread: float | None = None
    columns: "dict[tuple[str, int | None, str], ColumnFigure]" = field(default_factory=dict)
    laws: "dict[tuple[str, str], CostLaw]" = field(default_factory=dict)
    rates: "dict[tuple[str, int], Saturation]" = field(default_factory=dict)
    scrapes: "dict[tuple[object, ...], ScrapeEffect]" = field(default_factory=dict)
    loops: "dict[tuple[str, int], LoopEffect]" = field(default_factory=dict)
    described: "dict[str, Described]" = field(default_factory=dict)
    self_test: "SelfTest | None" = None
    pages: "dict[tuple[str, str], ExpositionDiff]" = field(default_factory=dict)
    runs: "dict[tuple[str, str], RunResult]" = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, stored: StoredDocument) -> None:
        """Take in one document."""
        content = stored.content
        if content.kind == "run":
            key = (content.spec.name, content.spec.instrument)
            self.runs.pop(key, None)
            self.runs[key] = content
            return
        from harness.measure.questions.answer import Answer

        if isinstance(content, Answer):
            self._answer(content, stored.where)
        else:
            self._costs(content, stored.where)
            self.ladder = content if any(map(is_rung, content.experiments)) else self.ladder

    def _answer(self, answer: "Answer", where: str) -> None:
        for part in answer.parts:
            document = answer.part(part.what)
            if document is not None and part.what.partition(":")[0] in _COSTS:
                self._costs(document, where)
            elif part.what == "ladder":
                self.ladder = document
            elif document is not None and part.what.startswith(("laws:", "described:")):
                self.behind[part.what] = document.experiments
        if answer.table:
            self.counted_spread = spread_of(answer)
        self.audits |= audits_of(answer)
        self.counted |= counted_of(answer)
        self.columns |= {(each.column, each.at, each.instrument): each for each in answer.columns}
        self.laws |= {(law.factor, law.instrument): law for law in answer.laws}
        self.rates |= {(rate.instrument, rate.series): rate for rate in answer.saturation}
        self.scrapes |= {(effect.instrument, tuple(effect.factors.items())): effect for effect in answer.scrapes}
        self.loops |= {(effect.deployment, effect.asked_series): effect for effect in answer.loops}
        self.described |= {each.service.text: each for each in answer.described}
        self.self_test = answer.self_test or self.self_test
        self.pages |= {(diff.left.instrument, diff.right.instrument): diff for diff in answer.exposition}

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


def audits_of(answer: "Answer") -> "dict[str, Audited]":
    """Return the audits of the default table by way of recording."""
    return {row.instrument: row.audit for row in answer.table if row.audit is not None}


def counted_of(answer: "Answer") -> dict[str, float]:
    """Return the instructions a line adds, by way of recording."""
    return {row.instrument: row.instructions_per_line for row in answer.table if row.instructions_per_line is not None}


def spread_of(answer: "Answer") -> float | None:
    """Return the largest difference between counts of one side in the default table; None where each was made once."""
    return max((row.instructions_spread for row in answer.table if row.instructions_spread is not None), default=None)


def _machine(document: "Experiments") -> tuple[object, ...]:
    place = document.environment
    return place.cpu, place.cpu_count, place.kernel, place.python, place.python_build


def _minute(created: str) -> str:
    """Return a moment in UTC, to the minute; what is not one, as it is."""
    try:
        return f"{datetime.fromisoformat(created).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return created


def report_of(overhead: "Experiments | None" = None, **more: Any) -> Report:
    """Return the report of one document, whose experiments may hold a ladder; `more` are fields of `Report`."""
    rungs = overhead is not None and any(map(is_rung, overhead.experiments))
    return Report(overhead=overhead, ladder=overhead if rungs else None, **more)


def assembled(documents: Sequence[StoredDocument], problems: Sequence[str] = (), **more: Any) -> Report:
    """Return the report of documents, oldest first; `more` are fields of `Report`, such as trends."""
    newest = _Newest()
    for document in documents:
        newest.add(document)
    overhead = newest.document
    if overhead is not None:
        overhead = overhead.model_copy(update={"experiments": list(newest.costs.values())})
    evidence = [experiment for experiments in newest.behind.values() for experiment in experiments]
    if newest.ladder is not None and newest.ladder is not newest.document:
        evidence = [*newest.ladder.experiments, *evidence]
    return Report(
        overhead=overhead,
        audits=newest.audits,
        counted=newest.counted,
        counted_spread=newest.counted_spread,
        columns=list(newest.columns.values()),
        saturation=list(newest.rates.values()),
        ladder=newest.ladder,
        laws=list(newest.laws.values()),
        scrapes=list(newest.scrapes.values()),
        loops=list(newest.loops.values()),
        described=list(newest.described.values()),
        self_test=newest.self_test,
        expositions=list(newest.pages.values()),
        evidence=evidence,
        runs=list(newest.runs.values()),
        sources=[
            SourceSummary(each.where, each.what, _minute(each.created), each.label, each.content.environment)
            for each in documents
        ],
        problems=[*problems, *newest.problems],
        **more,
    )
