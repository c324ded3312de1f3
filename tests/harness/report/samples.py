"""Documents as a real measurement writes them, made by hand: what the report's tests render."""

import math
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from harness.measure.questions.columns.figures import ColumnFigure, Repeats, figure_of
from harness.measure.questions.columns.names import ColumnName
from harness.measure.questions.laws import CostLaw, Fit, Point
from harness.measure.questions.pages import ExpositionDiff, FamilyShown, ShownPages
from harness.measure.questions.saturation import Saturation, Trial
from harness.measure.questions.scraping.effect import Histograms, ScrapeEffect, Shift
from harness.measure.questions.selftest import Recovered, SelfTest
from harness.measure.questions.table import Audited
from harness.measure.result import COUNTED, BootstrapCheck, Control, Experiment, Experiments, RawPair, TermsUsed
from harness.measure.steps import RUNGS
from harness.report.collect import Report
from harness.report.trends import Change, Epoch, Trend
from harness.run.result import (
    AuditResult,
)
from tests.harness.report.run_samples import ENVIRONMENT, encoded, found, run_result

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><b>out</b>",
    "]]> --> </style></title><svg/onload=alert(1)>",
    "abc\u202egpj.exe\u2066",
    "null\x00 bell\x07 lone\udcff",
    "x" * 20_000,
    "javascript:alert(1)",
    "{{7*7}} ${7*7} `rm`",
    "|a|b|\n| c |",
)

TERMS = TermsUsed(precision=None, budget_s=60.0, rounds=40, block_ns=10_000_000, seed=1, tolerance=0.02)


def pair(base: float, head: float, **more: Any) -> RawPair:
    return RawPair(
        base_blocks=[int(base * 100)] * 4,
        head_blocks=[int(head * 100)] * 4,
        base_lines=100,
        head_lines=100,
        order="bhhb",
        hash_seeds=(1, 2),
        base_per_line=base,
        head_per_line=head,
        log_ratio=math.log(head / base),
        difference=head - base,
        **more,
    )


def experiment(
    head: str, cost: float, *, base: str = "none", series: int = 1, half: float = 0.02, **more: Any
) -> Experiment:
    """An experiment whose base costs 900 ns a line, and whose interval is ± `half` of the cost."""
    rng = random.Random(f"{head}{cost}{series}")  # noqa: S311 - a fixed seed for data made up
    own = 900.0
    pairs = [pair(own * rng.gauss(1, 0.01), own + cost * rng.gauss(1, 0.02)) for _ in range(12)]
    nulls = [pair(own, own * rng.gauss(1, 0.01)) for _ in range(6)]
    ratio = (own + cost) / own
    control = Control(ratio=1.0012, ratio_interval=(0.994, 1.0085), confidence=0.99, pairs=6)
    if more.get("axis") in COUNTED:
        control = Control(ratio=None, ratio_interval=(None, None), confidence=0.99, pairs=0)
    values: dict[str, Any] = {
        "axis": "wall_ns",
        "base": base,
        "head": head,
        "factors": {"series": series, "scraped": False, "threads": 1},
        "pairs": 12,
        "base_per_line": own,
        "head_per_line": own + cost,
        "cost_per_line": cost,
        "cost_interval": (cost - half * abs(cost), cost + half * abs(cost)),
        "ratio": ratio,
        "ratio_interval": (ratio * 0.99, ratio * 1.01),
        "minimal_detectable_effect": 0.012,
        "null": control,
        "verdict": "slower",
        "conclusion": f"{head} costs {ratio:.4g} times what {base} does",
        "confidence": 0.95,
        "looks": 3,
        "log_ratio_sd": 0.02,
        "void_pairs": 0,
        "evaluated": 12_000,
        "bootstrap": BootstrapCheck(
            ratio_interval=(ratio * 0.99, ratio * 1.01), cost_interval=(cost * 0.98, cost * 1.02)
        ),
        "raw_pairs": pairs,
        "raw_null": nulls,
    }
    return Experiment(**{**values, **more})


def scraped(head: str, cost: float, series: int = 1) -> Experiment:
    factors = {"series": series, "scraped": True, "threads": 1}
    return experiment(head, cost, series=series, half=0.04, factors=factors)


COSTS = {
    ("opencensus", 1): 95_300,
    ("opencensus", 100): 7_120_000,
    ("opencensus-lean", 1): 8_140,
    ("opencensus-lean", 100): 8_330,
    ("prometheus-client", 1): 5_710,
    ("prometheus-cached", 1): 2_510,
    ("opentelemetry", 1): 20_300,
}


def document(experiments: list[Experiment] | None = None, **more: Any) -> Experiments:
    if experiments is None:
        experiments = []
        for (head, series), cost in COSTS.items():
            experiments += [experiment(head, cost, series=series), scraped(head, cost * 1.07, series)]
        experiments.append(
            experiment(
                "prometheus-client", 140, series=100, half=2, verdict="undecided",
                conclusion="undecided between 0.991 and 1.043 times the cost",
            )
        )  # fmt: skip
        experiments.append(
            experiment("opentelemetry", 19_000, series=100, verdict="void", void_pairs=5, pairs=7,
                       conclusion="void: none against itself came out at 1.0100 to 1.0300 times its own cost")
        )  # fmt: skip
        experiments += [
            experiment(head, cost * 10.3, axis="instructions", half=0.0001)
            for (head, series), cost in COSTS.items()
            if series == 1
        ]
    return Experiments(environment=ENVIRONMENT, terms=TERMS, elapsed_s=61.2, experiments=experiments, **more)


STEPS = ((118, 9), (4_930, 60), (1_210, 70), (2_940, 80), (1_870, 85), (2_380, 90), (-40, 95), (58_400, 900),
         (22_300, 1_100), (310, 1_200), (3_900, 1_500))  # fmt: skip


def ladder(*void: str) -> Experiments:
    """Each rung against the one below; the rungs named in `void` are void."""
    level = 640.0
    experiments = []
    for (below, rung), (cost, half) in zip(pairwise(RUNGS), STEPS, strict=True):
        found: dict[str, Any] = {"verdict": "void", "conclusion": "void: too far off"} if rung.name in void else {}
        experiments.append(
            experiment(
                rung.name, cost, base=below.name, base_per_line=level, head_per_line=level + cost,
                cost_interval=(cost - half, cost + half), factors={"series": 1}, **found,
            )
        )  # fmt: skip
        level += cost
    return document(experiments)


def law(instrument: str, base: float, slope: float, factor: str = "series", void: float | None = None) -> CostLaw:
    rng = random.Random(instrument + factor)  # noqa: S311 - a fixed seed for data made up
    points = []
    for x in (1, 3, 10, 30, 100, 300, 1000):
        cost = (base + slope * x) * rng.gauss(1, 0.02)
        known = {"cost": cost, "error": cost * 0.01, "interval": (cost * 0.97, cost * 1.03), "pairs": 9}
        points.append(
            Point(x=x, **(known if x != void else {"cost": None, "error": None, "void": "void: too far off"}))
        )
    fit = Fit(
        a=base, b=slope, a_interval=(base * 0.95, base * 1.05),
        b_interval=(slope - abs(slope) * 0.02, slope + abs(slope) * 0.02), flat=False, misfit=1.3,
    )  # fmt: skip
    words = f"{base:.6g} + {slope:.6g} * {factor}"
    return CostLaw(
        instrument=instrument, factor=factor, points=points, fit=fit, formula=words, left_out=int(void is not None)
    )


def rate(instrument: str, value: float | None, low: float = 0, high: float = 0, **more: Any) -> Saturation:
    """A rate with its interval; without a value, one that no tries bound."""
    tries = [
        Trial(
            rate=9e3,
            achieved=9e3,
            p99_ns=4_000_000,
            lag_p99_ns=100,
            sustained=each,
            reason="" if each else "p99 over the bound",
        )
        for each in (True, True, False)
    ]
    values: dict[str, Any] = {
        "instrument": instrument, "series": 1, "bound_ns": 10_000_000, "closed_loop": 12_345.0, "rate": value or 0.0,
        "above": 0.0, "trials": tries, "method": "staircase", "interval": (low, high) if value is not None else None,
        "reason": "" if value is not None else "too few tries",
    }  # fmt: skip
    return Saturation(**{**values, **more})


def column(
    instrument: str, name: ColumnName, at: int | None, *values: float, void: int = 0, reason: str = ""
) -> ColumnFigure:
    """A cell of a column on request, with its repeats."""
    made = Repeats()
    for value in values:
        made.add(value)
    for _ in range(void):
        made.add(None, "2 of 11 lines are not on the page")
    return figure_of(instrument, name, at, made, reason)


def columns() -> list[ColumnFigure]:
    """All columns of two ways of recording, one of which has no page, and of a third that lost lines."""
    made = [
        column("opencensus", "memory", 1_000, 2_790.0, 2_812.0, 2_801.0),
        column("statsd", "memory", 1_000, 230.0, 260.0, 240.0),
    ]
    for rate, share in ((1_000, 0.0124), (10_000, 1.032)):
        made.append(column("opencensus", "cpu", rate, share, share * 1.02, share * 0.99))
        made.append(column("statsd", "cpu", rate, share / 3, share / 3.1, share / 2.9))
        made.append(column("broken", "cpu", rate, share, void=2))
    made += [column(name, "import", None, 171e6, 175e6, 169e6) for name in ("opencensus", "statsd")]
    for series, time in ((100, 21e6), (1_000, 212e6)):
        made.append(column("opencensus", "page", series, time, time * 1.03, time * 0.98))
        made.append(column("statsd", "page", series, reason="it pushes, so that nobody asks for a page"))
    return made


def effect(instrument: str = "opencensus", **more: Any) -> ScrapeEffect:
    """A study of scrapes; p99.9 has too few lines."""
    shifts = [
        Shift(percentile=p, unscraped=out, scraped=out * k, difference=out * (k - 1),
              interval=(out * (k - 1.1), out * (k - 0.9)))
        for p, out, k in ((50.0, 95e3, 1.02), (90.0, 150e3, 1.2), (99.0, 230e3, 3.1))
    ]  # fmt: skip
    few = Shift(percentile=99.9, unscraped=None, scraped=None, difference=None, interval=(None, None))
    drawn = Histograms(
        scraped=encoded(110e3, 0.5, 0.02, seed=5), unscraped=encoded(95e3, seed=6),
        served=encoded(140e3, 0.5, 0.04, seed=7),
    )  # fmt: skip
    values: dict[str, Any] = {
        "instrument": instrument, "factors": {"series": 1}, "scraper": "builtin", "processes": 5, "scrapes": 50,
        "lines": 9000, "served_share": 0.1, "by_window": [*shifts, few], "by_moment": [*shifts, few],
        "service_by_window": [*shifts, few], "histograms": drawn, "rate": 4_000.0, "closed_loop": 8_000.0, "busy": 0.5,
    }  # fmt: skip
    return ScrapeEffect(**{**values, **more})


def self_test() -> SelfTest:
    """Two delays: one recovered, one of which every trial was void."""
    sound = Recovered(
        share=0.01, injected=66.0, recovered=67.3, recovered_interval=(60.1, 74.5), covered=True, trials=4, found=3,
        found_interval=(0.19, 0.99), predicted_power=0.8, close=None,
    )  # fmt: skip
    void = Recovered(
        share=None, injected=5_000.0, recovered=None, recovered_interval=(None, None), covered=None, trials=0, found=0,
        found_interval=(0.0, 1.0), predicted_power=0.0, close=None, void=4,
    )  # fmt: skip
    return SelfTest(subject="prometheus-client", subject_ns=6_600.0, delays=[sound, void], documents=[])


def pages(left: str = "opencensus", right: str = "opencensus-lean", word: str = "latency") -> ExpositionDiff:
    family = FamilyShown(
        names=[f"{word}_count"], type="histogram", help=word, descriptions=6, labels=[word],
        label_sets=[f'method="{word}"'], le=["10.0"], inclusive=False, count=3, sum=1.5, sum_error=0.0,
    )  # fmt: skip
    other = family.model_copy(update={"inclusive": True, "descriptions": 2})
    return ExpositionDiff(
        left=ShownPages(instrument=left, views={word: family}, other_families=[]),
        right=ShownPages(instrument=right, views={word: other}, other_families=[]),
        differences={},
    )


def trend(runs: int = 60, *, steps: bool = True, noise: Callable[[random.Random], float] | None = None) -> Trend:
    rng = random.Random(runs)  # noqa: S311 - a fixed seed for data made up
    draw = noise or (lambda source: source.gauss(0, 900))
    values: list[float | None] = []
    for index in range(runs):
        level = 95_000 + (6_500 if steps and index >= runs * 0.7 else 0) + (-21_000 if index >= runs * 0.35 else 0)
        values.append(level + draw(rng))
    lows = [None if v is None else v - 1_900 for v in values]
    highs = [None if v is None else v + 1_900 for v in values]
    second = int(runs * 0.35)
    return Trend(
        "opencensus above none",
        "ns",
        [f"{index:06x}" for index in range(runs)],
        [f"2026-{1 + index % 12:02d}-{1 + index % 28:02d}T10:00:00Z" for index in range(runs)],
        values,
        lows,
        highs,
        [Epoch(0, "AMD EPYC 7B13, CPython 3.11.7"), Epoch(second, "AMD EPYC 9B14, CPython 3.12.4")] if runs > 2 else [],
        [Change(int(runs * 0.7), "step", "+6.50 µs ± 0.41 µs")] if steps and runs > 5 else [],
    )


def full_report() -> Report:
    return Report(
        made="2026-11-23 22:00 UTC",
        overhead=document(),
        saturation=[
            rate("opencensus", 8_900, 8_600, 9_100),
            rate("opencensus-lean", 71_000, 69_500, 73_000),
            rate("prometheus-client", 98_000, 95_000, 99_800),
        ],
        audits={
            "opencensus": Audited(
                conserved=False, outcome="not_conserved", findings=["sum_decreased", "help_type_repeated"]
            ),
            "opencensus-lean": Audited(conserved=True, outcome="conserved", findings=[]),
        },
        columns=columns(),
        ladder=ladder(),
        laws=[
            law("opencensus", 21_400, 71_900),
            law("opencensus-lean", 8_100, 0.9),
            law("opentelemetry", 20_100, 1.2),
            law("opencensus", 51_000, 14_300, "views"),
        ],
        scrapes=[effect()],
        self_test=self_test(),
        expositions=[pages()],
        trends=[trend()],
        runs=[
            run_result(
                audit=AuditResult(
                    conserved=True, compared=["page", "prometheus"],
                    findings=[
                        *run_result().audit.findings,
                        found("count_mismatch", "error", 12, "12 lines of series OK/repl are not on the page"),
                    ],
                )
            )
        ],
    )  # fmt: skip
