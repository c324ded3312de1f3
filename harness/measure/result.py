"""The stored document of paired experiments: intervals, A/A controls and every raw pair.

Intervals are pairs (low, high); null stands for an end that is unbounded because there are too few pairs.
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
# Axes that are counted and not timed: counts repeat, so there is no noise that needs a control.
COUNTED: frozenset[Axis] = frozenset({"instructions", "allocated_bytes"})
Interval = tuple[float | None, float | None]
Factor = bool | int | float | str
Verdict = Literal["slower", "faster", "indistinguishable", "undecided", "void"]


def number_or_none(value: float) -> float | None:
    """Return `value` where it is finite, else None: JSON has neither infinity nor NaN."""
    return value if math.isfinite(value) else None


def interval_of(estimate: Estimate) -> Interval:
    """Return an estimate's interval, with None for an unbounded end."""
    return number_or_none(estimate.low), number_or_none(estimate.high)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RawPair(_Part):
    """One pair of fresh processes: the times of all blocks of both sides, and the statistics computed from them."""

    base_blocks: list[int] = Field(
        description="ns (or instructions, or bytes) of each block of the base, in order of rounds"
    )
    head_blocks: list[int]
    base_lines: int = Field(description="lines in each block of the base")
    head_lines: int
    order: str = Field(description="for each round the side that ran first: b or h")
    off_cpu: float = Field(
        0.0, description="share of the blocks' time in which the processes were not running: preempted or waiting"
    )
    base_cpu: list[int] = Field(
        default=[], description="ns of processor time of each block of the base; empty where it was not stored"
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
    base_scrapes: int = Field(0, description="scrapes whose serving began during a timed block of the base")
    head_scrapes: int = Field(0, description="scrapes whose serving began during a timed block of the head")
    void: str = Field("", description="why the pair does not count; empty when it does")


class Control(_Part):
    """The control: A/A pairs, each of a subject with itself, measured like the other pairs and interleaved with them.

    Counted axes have no control: `pairs` is 0 there.
    """

    ratio: float | None
    ratio_interval: Interval
    confidence: float = Field(description="of the interval; 1 - 0.01 / controls, and 0.95 in a repetition")
    pairs: int
    needed: int = Field(
        0,
        description="pairs that detect a bias of one standard deviation of the pairs at this confidence, and again "
        "in every repetition, with power 0.9; 0: not stated, in documents of earlier versions",
    )
    controls: int = Field(1, description="controls of the whole call, which share the chance of a miss")
    subjects: int = Field(1, description="subjects whose A/A pairs it pools")
    detectable: float | None = Field(
        None, description="smallest bias, as a relative change, that these pairs detect with power 0.8"
    )


class BootstrapCheck(_Part):
    """The same intervals by the bootstrap, for comparison; no verdict depends on them."""

    ratio_interval: Interval
    cost_interval: Interval


class Attempt(_Part):
    """A void measurement of a comparison that was repeated; stored, and not used in any statistic."""

    conclusion: str = Field(description="why it is void")
    pairs: int = Field(description="pairs that counted")
    null: Control
    raw_pairs: list[RawPair]
    raw_null: list[RawPair]


class Experiment(_Part):
    """One comparison: the cost of `head` per line, relative to that of `base`."""

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
    cost_per_line: float | None = Field(
        description="(ratio - 1) * reference_per_line; without a reference, the mean over pairs of head - base"
    )
    reference_per_line: float | None = Field(
        None,
        description="ns of a line of the base at the reference speed, a geometric mean over all pairs on that base in "
        "the answer; null on counted axes, where nothing was timed, and in documents of earlier versions",
    )
    cost_interval: Interval
    ratio: float | None = Field(description="geometric mean over pairs of head / base")
    ratio_interval: Interval
    minimal_detectable_effect: float | None = Field(
        description="relative change detected with power 0.8 by this many pairs at the level of the interval"
    )
    null: Control
    verdict: Verdict
    conclusion: str = Field(description="the conclusion from the pairs, as a sentence")
    confidence: float
    looks: int = Field(description="number of interim analyses of the pairs; the interval is corrected for them")
    log_ratio_sd: float | None = Field(description="standard deviation of the pairs' log-ratio")
    off_cpu: float | None = Field(
        None, description="median over pairs of the time off the processor; 0 on a quiet machine"
    )
    void_pairs: int = Field(description="pairs that do not count, usually because a page lacked lines")
    lost: int = Field(0, description="lines whose record returned and that the head's page does not show, all pairs")
    raised: int = Field(0, description="lines whose evaluation raised on the head's side, all pairs")
    evaluated: int = Field(0, description="lines evaluated on the head's side, all pairs")
    repeat_spread: float | None = Field(
        None,
        description="counted axes: largest difference between the counts of one side's processes, as a share of them",
    )
    scrapes: int | None = Field(
        None, description="scrapes during timed blocks of the head, pairs that count; null where it was not scraped"
    )
    bootstrap: BootstrapCheck
    raw_pairs: list[RawPair]
    raw_null: list[RawPair]
    attempts: int = Field(1, description="number of measurements; more than one where earlier ones were void")
    earlier: list[Attempt] = Field(default_factory=list, description="the attempts before this one, all void")


class TermsUsed(_Part):
    """The settings of the experiments; equal settings and an equal seed give equal orders and hash seeds."""

    precision: float | None
    budget_s: float | None
    rounds: int
    block_ns: int
    seed: int
    tolerance: float
    fewest: int = Field(0, description="minimum number of pairs; 0 where it was not stored")
    most: int = Field(0, description="maximum number of pairs; 0 where it was not stored")
    lumpy: bool = Field(default=False, description="whether plain totals were used instead of trimmed means")
    settled: bool = Field(default=False, description="whether a comparison ended once its interval excluded no change")
    comparisons: int = Field(0, description="comparisons measured side by side; 0 where it was not stored")
    gc: str = "as in a program: on, with only what the harness holds frozen"
    hash_seed: str = "drawn for each process"
    counted_from: Literal["start", "lines"] = Field(
        "start", description="whether callgrind was active from the start of the process or only for the lines"
    )


class Loaded(_Part):
    """A library, or the user's own module, as the measured process imported it."""

    library: str
    version: str = Field(description="of the installed distribution that owns the file; empty where there is none")
    file: str = Field(description="the module's file, relative to its environment or project where it is inside one")


class Experiments(_Part):
    """The document of one call: all of its experiments and their conditions."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["overhead"] = "overhead"
    environment: Environment
    terms: TermsUsed
    interrupted: bool = False
    elapsed_s: float
    scraper: str = Field("", description="the scraper of the scraped sides, and the reason for its choice")
    experiments: list[Experiment]
    loaded: dict[str, list[Loaded]] = Field(
        default={}, description="the libraries that the processes of each side had imported, by the side's name"
    )
