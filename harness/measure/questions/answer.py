"""The answer of one call of `harness overhead`, whatever the question: the document that is stored and rendered."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.host.environment import Environment, environment
from harness.measure.questions.columns.figures import ColumnFigure
from harness.measure.questions.described.estimates import Described, described_of
from harness.measure.questions.event_loop.effect import LoopEffect
from harness.measure.questions.laws import CostLaw, laws_of
from harness.measure.questions.pages import ExpositionDiff
from harness.measure.questions.saturation import Saturation
from harness.measure.questions.scraping.effect import ScrapeEffect
from harness.measure.questions.selftest import SelfTest, recovered
from harness.measure.questions.table import Audited, Table
from harness.measure.reference import at_reference_speed
from harness.measure.result import Experiment, Experiments, TermsUsed

__all__ = ["Answer", "Mode", "Part", "ResultRow", "joined", "outcome_of", "outcome_of_table", "renewed"]

Mode = Literal[
    "table", "comparison", "target", "ladder", "laws", "scrape", "saturation", "self-test", "diff", "loop", "full",
    "described",
]  # fmt: skip

_NO_PAIRS = TermsUsed(precision=None, budget_s=None, rounds=0, block_ns=0, seed=0, tolerance=0.0)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True)


class Part(_Section):
    """The experiments that belong to one question: from `first` up to, but not including, `end`."""

    what: str = Field(description="table, comparison, ladder, laws:<factor>, self-test or described:<service>")
    first: int
    end: int
    terms: TermsUsed
    elapsed_s: float


class ResultRow(_Section):
    """The columns of the default table that do not come from pairs; `missing` has the reason for an empty one."""

    instrument: str
    instructions_per_line: float | None = Field(description="above the bare REPL, by callgrind")
    instructions_spread: float | None = Field(
        None, description="largest difference between counts of one side, as a share of them; null: counted once"
    )
    audit: Audited | None
    missing: dict[str, str]


class Answer(Experiments):
    """A document of experiments with all other results of the same call; sections not requested are empty."""

    mode: Mode
    created: str = Field("", description="end of the measurement, UTC, ISO 8601")
    parts: list[Part] = Field(default_factory=list)
    table: list[ResultRow] = Field(default_factory=list)
    laws: list[CostLaw] = Field(default_factory=list)
    saturation: list[Saturation] = Field(default_factory=list)
    scrapes: list[ScrapeEffect] = Field(default_factory=list)
    self_test: SelfTest | None = Field(None, description="its experiments are among the others")
    exposition: list[ExpositionDiff] = Field(default_factory=list)
    loops: list[LoopEffect] = Field(default_factory=list, description="scrapes and pushes of event loops")
    described: list[Described] = Field(default_factory=list, description="what recording costs described services")
    columns: list[ColumnFigure] = Field(default_factory=list, description="columns of the table that were asked for")

    def part(self, what: str) -> Experiments | None:
        """Return the experiments of the part `what` as a document of their own; None where there are none."""
        part = next((part for part in self.parts if part.what == what), None)
        if part is None:
            return None
        return Experiments(
            environment=self.environment,
            terms=part.terms,
            interrupted=self.interrupted,
            elapsed_s=part.elapsed_s,
            scraper=self.scraper,
            experiments=self.experiments[part.first : part.end],
            loaded=self.loaded,
        )

    def document(self) -> dict[str, Any]:
        """Return the answer as a JSON object."""
        return self.model_dump(mode="json")


def outcome_of(
    mode: Mode, parts: Mapping[str, Experiments] | None = None, *, elapsed_s: float = 0.0, interrupted: bool = False,
    **sections: Any,
) -> Answer:  # fmt: skip
    """Return the answer made of documents by their part's name; `sections` are further fields of `Answer`.

    `elapsed_s` is added to the documents' own times; the answer is interrupted where a document or `interrupted` is.
    """
    experiments: list[Experiment] = []
    ranges: list[Part] = []
    for what, document in (parts or {}).items():
        first = len(experiments)
        experiments += document.experiments
        end = len(experiments)
        ranges.append(Part(what=what, first=first, end=end, terms=document.terms, elapsed_s=document.elapsed_s))
    documents = list((parts or {}).values())
    answer = Answer(
        environment=_environment(documents),
        loaded={name: modules for document in documents for name, modules in document.loaded.items()},
        terms=documents[0].terms if documents else _NO_PAIRS,
        interrupted=interrupted or any(document.interrupted for document in documents),
        elapsed_s=elapsed_s + sum(document.elapsed_s for document in documents),
        scraper=next((document.scraper for document in documents if document.scraper), ""),
        experiments=experiments,
        mode=mode,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        parts=ranges,
        **sections,
    )
    return _at_one_speed(answer)


def _environment(documents: Sequence[Experiments]) -> Environment:
    """Return the environment of the measurement, with the libraries reported by the measured processes."""
    libraries = {name: version for document in documents for name, version in document.environment.libraries.items()}
    here = documents[0].environment if documents else environment()
    return here.model_copy(update={"libraries": libraries}) if libraries else here


def outcome_of_table(table: Table) -> Answer:
    """Return the answer with the default table."""
    rows = [
        ResultRow(
            instrument=row.instrument,
            instructions_per_line=row.instructions_per_line,
            instructions_spread=row.instructions_spread,
            audit=row.audit,
            missing=row.missing,
        )
        for row in table.rows
    ]
    saturation = [row.saturation for row in table.rows if row.saturation is not None]
    rest = max(0.0, table.elapsed_s - table.document.elapsed_s)
    return outcome_of("table", {"table": table.document}, elapsed_s=rest, table=rows, saturation=saturation)


def renewed(outcome: Answer) -> Answer:
    """Return a stored answer with its costs, its laws and its self-test recomputed from their experiments.

    The conclusions of earlier versions may rest on void pairs or on intervals that are too narrow; the pairs are valid.
    """
    return _at_one_speed(outcome).model_copy(update={"self_test": _renewed_self_test(outcome)})


def _at_one_speed(outcome: Answer) -> Answer:
    """Return the answer with all costs at the reference speed, and the laws of these costs."""
    # The delays of the self-test are the same at every speed.
    kept = {i for part in outcome.parts if part.what == "self-test" for i in range(part.first, part.end)}
    others = [i for i in range(len(outcome.experiments)) if i not in kept]
    renewed_costs = dict(zip(others, at_reference_speed([outcome.experiments[i] for i in others]), strict=True))
    experiments = [renewed_costs.get(i, each) for i, each in enumerate(outcome.experiments)]
    outcome = outcome.model_copy(update={"experiments": experiments})
    laws = []
    for factor in dict.fromkeys(law.factor for law in outcome.laws):
        document = outcome.part(f"laws:{factor}")
        stored = [law for law in outcome.laws if law.factor == factor]
        laws += stored if document is None else laws_of(document, factor)
    return outcome.model_copy(update={"laws": laws, "described": _renewed_described(outcome)})


def _renewed_described(outcome: Answer) -> list[Described]:
    """Return the answers for described services, computed from the costs as they are now."""
    renewed_answers = []
    for each in outcome.described:
        document = outcome.part(f"described:{each.service.text}")
        experiments = [] if document is None else document.experiments
        renewed_answers.append(described_of(each.service, experiments, each.processes))
    return renewed_answers


def _renewed_self_test(outcome: Answer) -> SelfTest | None:
    document, stored = outcome.part("self-test"), outcome.self_test
    if document is None or stored is None:
        return stored
    experiments, size = document.experiments, len(stored.delays)
    trials = [
        document.model_copy(update={"experiments": experiments[i : i + size]})
        for i in range(0, len(experiments) - size + 1, size)
    ]
    delays = [recovered(delay.injected, delay.share, i, trials) for i, delay in enumerate(stored.delays)]
    return stored.model_copy(update={"delays": delays if trials else stored.delays})


def joined(mode: Mode, outcomes: list[Answer]) -> Answer:
    """Return several answers as one; of sections that can exist only once, the last one is used."""
    parts: dict[str, Experiments] = {}
    for outcome in outcomes:
        parts |= {part.what: document for part in outcome.parts if (document := outcome.part(part.what)) is not None}
    paired = sum(document.elapsed_s for document in parts.values())
    lists = ("table", "laws", "saturation", "scrapes", "exposition", "loops", "described", "columns")
    return outcome_of(
        mode,
        parts,
        elapsed_s=max(0.0, sum(outcome.elapsed_s for outcome in outcomes) - paired),
        interrupted=any(outcome.interrupted for outcome in outcomes),
        self_test=next((outcome.self_test for outcome in reversed(outcomes) if outcome.self_test is not None), None),
        **{name: [item for outcome in outcomes for item in getattr(outcome, name)] for name in lists},
    )
