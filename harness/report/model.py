"""What a report shows, as plain values: neither where it came from nor how it is drawn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.report.numbers import NOT_KNOWN, MeasuredValue, finite

if TYPE_CHECKING:
    from harness.host.environment import Environment
    from harness.measure.result import Experiment, Experiments
    from harness.run.result import RunResult

__all__ = [
    "AuditSummary",
    "Change",
    "Epoch",
    "ExpositionRow",
    "FindingWords",
    "LadderSummary",
    "LawPoint",
    "LawSummary",
    "LawTerm",
    "PageDifference",
    "Report",
    "RungCost",
    "ScrapeEffectSummary",
    "ScrapeLatency",
    "SourceSummary",
    "SustainedRate",
    "Trend",
]


@dataclass(frozen=True, slots=True)
class FindingWords:
    """One thing an audit found; `severity` is info, warning or error."""

    name: str
    severity: str
    size: float
    detail: str
    cause: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class AuditSummary:
    """What the audit of a way of recording said.

    `conserved` is None where there was nothing to compare, or where, as `outcome` then says, it could not be verified.
    """

    conserved: bool | None
    findings: Sequence[FindingWords] = ()
    outcome: str | None = None

    @property
    def not_verified(self) -> bool:
        """Whether something could not be looked at, and nothing was seen to be wrong."""
        return self.outcome == "not_verified"


@dataclass(frozen=True, slots=True)
class RungCost:
    """One rung of the ladder: what it adds to a line, and the line's whole cost with it and, `below`, without it.

    Of a void rung none of these is known.
    """

    name: str
    title: str
    increment: MeasuredValue
    total: MeasuredValue
    verdict: str = ""
    below: MeasuredValue = NOT_KNOWN

    @property
    def void(self) -> bool:
        """Whether its experiment does not count."""
        return self.verdict == "void"


@dataclass(frozen=True, slots=True)
class LadderSummary:
    """What recording is made of, one step more at each rung; in ns per line, or instructions."""

    rungs: Sequence[RungCost]
    subject: str = "opencensus"
    unit: Literal["ns", "instructions"] = "ns"


@dataclass(frozen=True, slots=True)
class LawPoint:
    """The cost per line at one value of the factor; a `void` one has none."""

    x: float
    cost: MeasuredValue
    void: bool = False


@dataclass(frozen=True, slots=True)
class LawTerm:
    """One coefficient: the cost is the sum of ``value * x**power`` over the terms; `symbol` names it in a formula."""

    symbol: str
    power: float
    coefficient: MeasuredValue


@dataclass(frozen=True, slots=True)
class LawSummary:
    """Cost per line against one factor, in ns: the points measured and the terms fitted to them.

    `misfit` is chi-squared per degree of freedom: far above 1 the law is no good description.
    """

    subject: str
    factor: str
    points: Sequence[LawPoint]
    terms: Sequence[LawTerm] = ()
    misfit: float | None = None
    note: str = ""

    def at(self, x: float) -> float | None:
        """Return the fitted cost at `x`; None without a fit."""
        values = [finite(term.coefficient.value) for term in self.terms]
        if not values or None in values:
            return None
        return math.fsum((value or 0.0) * x**term.power for value, term in zip(values, self.terms, strict=True))


@dataclass(frozen=True, slots=True)
class SustainedRate:
    """The highest open-loop rate, in lines/s, at which the response p99 stays under `bound_ms`.

    `rate` is known with its interval, or else at most bounded by `at_least`, and `note` says why. `single` marks the
    rate of an earlier version's bisection, which was tried once and has no interval. A try takes `run_s` seconds, 0
    where that was not stored.
    """

    subject: str
    rate: MeasuredValue
    bound_ms: float
    factors: str = ""
    at_least: float | None = None
    single: bool = False
    tries: int = 0
    run_s: float = 0.0
    scraped: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class ScrapeEffectSummary:
    """One percentile in windows without scrapes and in windows with them, ns, and the difference with its interval.

    `during` is of lines that were due while a scrape was being served, `during_difference` what they took longer than
    those in windows without scrapes, and `service_difference` compares service times by window.
    """

    percentile: str
    outside: MeasuredValue
    inside: MeasuredValue
    difference: MeasuredValue
    during: MeasuredValue = NOT_KNOWN
    during_difference: MeasuredValue = NOT_KNOWN
    service_difference: MeasuredValue = NOT_KNOWN


@dataclass(frozen=True, slots=True)
class ScrapeLatency:
    """Latency in windows with scrapes and in windows without: encoded HDR histograms in ns, differences by percentile.

    `served` is the histogram of the lines due while a scrape was being served, `duration` names what is compared, and
    `note` says what it rests on.
    """

    subject: str
    inside: str
    outside: str
    effects: Sequence[ScrapeEffectSummary] = ()
    factors: str = ""
    served: str = ""
    duration: str = "response time"
    note: str = ""


@dataclass(frozen=True, slots=True)
class ExpositionRow:
    """One aspect of two pages, in their own words."""

    aspect: str
    left: str
    right: str
    same: bool


@dataclass(frozen=True, slots=True)
class PageDifference:
    """The pages of two libraries after the same workload."""

    left: str
    right: str
    rows: Sequence[ExpositionRow]


@dataclass(frozen=True, slots=True)
class Epoch:
    """A new fingerprint from run `index` on: nanoseconds on both sides of it are not to be compared."""

    index: int
    label: str


@dataclass(frozen=True, slots=True)
class Change:
    """The level changed at run `index`; `kind` is step or drift, `lasting` if strong enough for many looks."""

    index: int
    kind: str
    text: str
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure over all runs, oldest first, in columns of equal length; None where a run did not say.

    `void` are the indices of the runs whose experiment does not count.
    """

    metric: str
    unit: str
    ids: Sequence[str]
    created: Sequence[str]
    values: Sequence[float | None]
    lows: Sequence[float | None]
    highs: Sequence[float | None]
    epochs: Sequence[Epoch] = ()
    changes: Sequence[Change] = ()
    void: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.values)


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
    much counts of one side differ at most, None where each was made once. `evidence` are experiments
    behind ladders and laws, whose raw pairs are shown beside those of `overhead`. `more_trends` is the number of
    figures with a history that are not among `trends`.
    """

    title: str = "What recording costs"
    made: str = ""
    overhead: "Experiments | None" = None
    saturation: Sequence[SustainedRate] = ()
    audits: "dict[str, AuditSummary]" = field(default_factory=dict)
    counted: Mapping[str, float] = field(default_factory=dict)
    counted_spread: float | None = None
    ladders: Sequence[LadderSummary] = ()
    laws: Sequence[LawSummary] = ()
    latencies: Sequence[ScrapeLatency] = ()
    expositions: Sequence[PageDifference] = ()
    trends: Sequence[Trend] = ()
    more_trends: int = 0
    evidence: "Sequence[Experiment]" = ()
    sources: Sequence[SourceSummary] = ()
    runs: "Sequence[RunResult]" = ()
    problems: Sequence[str] = ()
