"""What one call of `harness overhead` found, whatever was asked: the document that is saved, kept and rendered."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.host.environment import Environment, environment
from harness.measure.questions.laws import CostLaw, laws_of
from harness.measure.questions.pages import ExpositionDiff
from harness.measure.questions.saturation import Saturation
from harness.measure.questions.scrape_effect import ScrapeEffect
from harness.measure.questions.selftest import SelfTest, recovered
from harness.measure.questions.table import Audited, Table
from harness.measure.result import Experiment, Experiments, TermsUsed

__all__ = ["Answer", "Mode", "Part", "ResultRow", "joined", "outcome_of", "outcome_of_table", "renewed"]

Mode = Literal[
    "table", "comparison", "target", "ladder", "laws", "scrape", "saturation", "self-test", "diff", "full"
]  # fmt: skip

_NO_PAIRS = TermsUsed(precision=None, budget_s=None, rounds=0, block_ns=0, seed=0, tolerance=0.0)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True)


class Part(_Section):
    """Which experiments were measured for what: those from `first` up to, not including, `end`."""

    what: str = Field(description="table, comparison, ladder, laws:<factor> or self-test")
    first: int
    end: int
    terms: TermsUsed
    elapsed_s: float


class ResultRow(_Section):
    """The columns of the default table that no pairs are behind; `missing` says why one is empty."""

    instrument: str
    instructions_per_line: float | None = Field(description="above the bare REPL, by callgrind")
    instructions_spread: float | None = Field(
        None, description="largest difference between counts of one side, as a share of them; null: counted once"
    )
    audit: Audited | None
    missing: dict[str, str]


class Answer(Experiments):
    """A document of comparisons, and what else was measured in the same call; empty sections were not asked for."""

    mode: Mode
    created: str = Field("", description="when the measuring was done, UTC, ISO 8601")
    parts: list[Part] = Field(default_factory=list)
    table: list[ResultRow] = Field(default_factory=list)
    laws: list[CostLaw] = Field(default_factory=list)
    saturation: list[Saturation] = Field(default_factory=list)
    scrapes: list[ScrapeEffect] = Field(default_factory=list)
    self_test: SelfTest | None = Field(None, description="its experiments stand among the others")
    exposition: list[ExpositionDiff] = Field(default_factory=list)

    def part(self, what: str) -> Experiments | None:
        """Return the experiments measured for `what`, as a document of their own; None when there are none."""
        found = next((part for part in self.parts if part.what == what), None)
        if found is None:
            return None
        return Experiments(
            environment=self.environment,
            terms=found.terms,
            interrupted=self.interrupted,
            elapsed_s=found.elapsed_s,
            scraper=self.scraper,
            experiments=self.experiments[found.first : found.end],
            loaded=self.loaded,
        )

    def document(self) -> dict[str, Any]:
        """Return the outcome as JSON takes it."""
        return self.model_dump(mode="json")


def outcome_of(
    mode: Mode, parts: Mapping[str, Experiments] | None = None, *, elapsed_s: float = 0.0, interrupted: bool = False,
    **sections: Any,
) -> Answer:  # fmt: skip
    """Return the outcome of documents by what they were measured for; `sections` are fields of `Answer`.

    Where documents are given, theirs are the time and whether it was interrupted, in addition to what is passed.
    """
    experiments: list[Experiment] = []
    ranges: list[Part] = []
    for what, document in (parts or {}).items():
        first = len(experiments)
        experiments += document.experiments
        end = len(experiments)
        ranges.append(Part(what=what, first=first, end=end, terms=document.terms, elapsed_s=document.elapsed_s))
    documents = list((parts or {}).values())
    return Answer(
        environment=_environment(documents),
        loaded={name: each for document in documents for name, each in document.loaded.items()},
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


def _environment(documents: Sequence[Experiments]) -> Environment:
    """Return where it was measured, with the libraries as the measured processes saw them."""
    libraries = {name: version for document in documents for name, version in document.environment.libraries.items()}
    here = documents[0].environment if documents else environment()
    return here.model_copy(update={"libraries": libraries}) if libraries else here


def outcome_of_table(table: Table) -> Answer:
    """Return the outcome of the default table."""
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
    """Return a stored outcome with its laws and its self-test derived anew from the experiments behind them.

    What an earlier version concluded from its pairs may have used void ones, or intervals too narrow; the pairs stand.
    """
    laws = []
    for factor in dict.fromkeys(law.factor for law in outcome.laws):
        document = outcome.part(f"laws:{factor}")
        kept = [law for law in outcome.laws if law.factor == factor]
        laws += kept if document is None else laws_of(document, factor)
    return outcome.model_copy(update={"laws": laws, "self_test": _renewed_self_test(outcome)})


def _renewed_self_test(outcome: Answer) -> SelfTest | None:
    document, found = outcome.part("self-test"), outcome.self_test
    if document is None or found is None:
        return found
    each, size = document.experiments, len(found.delays)
    trials = [
        document.model_copy(update={"experiments": each[i : i + size]}) for i in range(0, len(each) - size + 1, size)
    ]
    delays = [recovered(delay.injected, delay.share, i, trials) for i, delay in enumerate(found.delays)]
    return found.model_copy(update={"delays": delays if trials else found.delays})


def joined(mode: Mode, outcomes: list[Answer]) -> Answer:
    """Return several outcomes as one; of sections that exist once the last one counts."""
    parts: dict[str, Experiments] = {}
    for outcome in outcomes:
        parts |= {part.what: each for part in outcome.parts if (each := outcome.part(part.what)) is not None}
    paired = sum(document.elapsed_s for document in parts.values())
    lists = ("table", "laws", "saturation", "scrapes", "exposition")
    return outcome_of(
        mode,
        parts,
        elapsed_s=max(0.0, sum(outcome.elapsed_s for outcome in outcomes) - paired),
        interrupted=any(outcome.interrupted for outcome in outcomes),
        self_test=next((each.self_test for each in reversed(outcomes) if each.self_test is not None), None),
        **{name: [each for outcome in outcomes for each in getattr(outcome, name)] for name in lists},
    )
