"""The document of a comparison: experiments with their intervals, their A/A control and every raw pair.

Intervals are pairs (low, high); null stands for an end that too few pairs leave unbounded.
"""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.host.environment import Environment
from harness.measure.stats import Estimate

__all__ = [
    "COUNTED",
    "SCHEMA_VERSION",
    "Attempt",
    "Axis",
    "Control",
    "Experiment",
    "Experiments",
    "Factor",
    "Interval",
    "Loaded",
    "RawPair",
    "TermsUsed",
    "Verdict",
    "interval_of",
    "number_or_none",
]

SCHEMA_VERSION: Literal[1] = 1

Axis = Literal["wall_ns", "instructions", "allocated_bytes"]
# Axes that are counted and not timed: a count repeats, so there is no noise for a control to judge.
COUNTED: frozenset[Axis] = frozenset({"instructions", "allocated_bytes"})
Interval = tuple[float | None, float | None]
Factor = bool | int | float | str
Verdict = Literal["slower", "faster", "indistinguishable", "undecided", "void"]


def number_or_none(value: float) -> float | None:
    """Return a finite number, or None: JSON knows neither infinity nor NaN."""
    return value if math.isfinite(value) else None


def interval_of(estimate: Estimate) -> Interval:
    """Return an estimate's interval with None for what is unbounded."""
    return number_or_none(estimate.low), number_or_none(estimate.high)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RawPair(_Part):
    """One pair of fresh processes: the time of each block on both sides, and the statistic made of them."""

    base_blocks: list[int] = Field(
        description="ns (or instructions, or bytes) of each block of the base, in order of rounds"
    )
    head_blocks: list[int]
    base_lines: int = Field(description="lines in each block of the base")
    head_lines: int
    order: str = Field(description="for each round which side went first: b or h")
    off_cpu: float = Field(
        0.0, description="share of the blocks' time the processes were not running: neighbours, or waits"
    )
    base_cpu: list[int] = Field(
        default=[], description="ns of processor time of each block of the base; empty where it was not kept"
    )
    head_cpu: list[int] = Field(default=[], description="the same of the head")
    hash_seeds: tuple[int, int]
    base_per_line: float
    head_per_line: float
    log_ratio: float = Field(description="log(head / base), natural")
    difference: float = Field(description="head - base, per line")
    head_lost: int = Field(0, description="lines whose record returned and that the page does not show")
    head_raised: int = Field(0, description="lines whose evaluation raised")
    head_evaluated: int = 0
    base_lost: int = 0
    base_raised: int = 0
    base_scrapes: int = Field(0, description="scrapes that began to be served while the base was on turn")
    head_scrapes: int = Field(0, description="scrapes that began to be served while the head was on turn")
    void: str = Field("", description="why the pair does not count; empty when it does")


class Control(_Part):
    """The control: A/A pairs, each a subject against itself, measured as the other pairs are and among them.

    Counted axes have none: there `pairs` is 0.
    """

    ratio: float | None
    ratio_interval: Interval
    confidence: float = Field(description="of the interval; 1 - 0.01 / controls, and 0.95 for what is measured again")
    pairs: int
    needed: int = Field(
        0,
        description="pairs that find a bias of one standard deviation of the pairs at this confidence, and again "
        "whenever it is repeated, nine times in ten; 0: not stated, by versions before it was",
    )
    controls: int = Field(1, description="controls of the whole call, which share the chance of a miss")
    subjects: int = Field(1, description="subjects whose A/A pairs it pools")
    detectable: float | None = Field(
        None, description="smallest bias, as a relative change, that these pairs find with power 0.8"
    )


class BootstrapCheck(_Part):
    """The same intervals by the bootstrap, as a check; no verdict rests on them."""

    ratio_interval: Interval
    cost_interval: Interval


class Attempt(_Part):
    """A measurement of a comparison that came out void and was made again; kept, and used for nothing."""

    conclusion: str = Field(description="why it is void")
    pairs: int = Field(description="pairs that counted")
    null: Control
    raw_pairs: list[RawPair]
    raw_null: list[RawPair]


class Experiment(_Part):
    """One comparison: what `head` costs more than `base` for each line."""

    axis: Axis
    base: str
    head: str
    factors: dict[str, Factor] = Field(description="the conditions of the head, such as series, scraped, threads")
    base_factors: dict[str, Factor] = Field(
        default={}, description="where the base's conditions differ from the head's"
    )
    pairs: int = Field(description="pairs that count")
    base_per_line: float | None
    head_per_line: float | None
    cost_per_line: float | None = Field(description="mean over pairs of head - base, in the axis' unit")
    cost_interval: Interval
    ratio: float | None = Field(description="geometric mean over pairs of head / base")
    ratio_interval: Interval
    minimal_detectable_effect: float | None = Field(
        description="relative change found with power 0.8 by this many pairs at the level of the interval"
    )
    null: Control
    verdict: Verdict
    conclusion: str = Field(description="what the pairs allow one to say, in a sentence")
    confidence: float
    looks: int = Field(description="how often the pairs were looked at; paid for in the interval")
    log_ratio_sd: float | None = Field(description="standard deviation of the pairs' log-ratio")
    off_cpu: float | None = Field(
        None, description="median over pairs of the time off the processor; 0 on a quiet machine"
    )
    void_pairs: int = Field(description="pairs left out, by default because a page lacked lines")
    lost: int = Field(0, description="lines whose record returned and that the head's page does not show, all pairs")
    raised: int = Field(0, description="lines whose evaluation raised on the head's side, all pairs")
    evaluated: int = Field(0, description="lines evaluated on the head's side, all pairs")
    repeat_spread: float | None = Field(
        None,
        description="counted axes: by how much the counts of one side's processes differ at most, as a share of them",
    )
    scrapes: int | None = Field(
        None, description="scrapes of the head while it was on turn, pairs that count; null where nobody scraped"
    )
    bootstrap: BootstrapCheck
    raw_pairs: list[RawPair]
    raw_null: list[RawPair]
    attempts: int = Field(1, description="how often it was measured; more than once where it came out void before")
    earlier: list[Attempt] = Field(default_factory=list, description="the attempts before this one, all void")


class TermsUsed(_Part):
    """The settings that the experiments ran under; the same ones and the same seed draw the same orders and seeds."""

    precision: float | None
    budget_s: float | None
    rounds: int
    block_ns: int
    seed: int
    tolerance: float
    fewest: int = Field(0, description="pairs measured in any case; 0 where it was not kept")
    most: int = Field(0, description="pairs measured at most; 0 where it was not kept")
    lumpy: bool = Field(default=False, description="whether plain totals were taken instead of trimmed means")
    settled: bool = Field(default=False, description="whether a comparison ended once it excluded no change")
    comparisons: int = Field(0, description="comparisons measured side by side; 0 where it was not kept")
    gc: str = "as in a program: on, with only what the harness holds frozen"
    hash_seed: str = "drawn for each process"


class Loaded(_Part):
    """A library, or the user's own module, as the measured process imported it."""

    library: str
    version: str = Field(description="of the installed distribution that owns the file; empty where none does")
    file: str = Field(description="the module's file, relative to its environment or its project where it lies in one")


class Experiments(_Part):
    """Everything one call measured."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["overhead"] = "overhead"
    environment: Environment
    terms: TermsUsed
    interrupted: bool = False
    elapsed_s: float
    scraper: str = Field("", description="who scraped the sides that were scraped, and why that one")
    experiments: list[Experiment]
    loaded: dict[str, list[Loaded]] = Field(
        default={}, description="what the processes of each side had imported, by the side's name"
    )
