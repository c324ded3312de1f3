"""Results of load runs, as built-in samples for tests of reports."""

import random
from typing import Any

import numpy as np

from harness.host.environment import Environment
from harness.load.latency.histogram import Histogram
from harness.run.result import (
    AuditResult,
    FindingResult,
    Latency,
    LedgerResult,
    Rate,
    RequirementResult,
    RunResult,
    Scrapes,
    WorkloadResult,
)
from harness.run.spec import RunSpec
from harness.run.timeline import ScrapeSpan, TimelinePoint, TimelineResult, TimelineSpread

ENVIRONMENT = Environment(
    cpu="AMD EPYC 7B13",
    cpu_count=2,
    memory_bytes=8 * 2**30,
    kernel="Linux 6.1.0",
    machine="x86_64",
    python="CPython 3.11.7",
    python_build="main Dec 2023 GCC 12.2.0 3.11.7",
    hash_seed="random",
    libraries={"opencensus": "0.11.4", "prometheus-client": "0.26.0", "opentelemetry-sdk": "1.45.2"},
)


def encoded(median_ns: float, spread: float = 0.35, tail: float = 0.003, count: int = 200_000, seed: int = 1) -> str:
    rng = np.random.default_rng(seed)
    values = median_ns * rng.lognormal(0, spread, count)
    values[rng.random(count) < tail] *= 40
    histogram = Histogram()
    histogram.record(values.astype(np.int64))
    return histogram.encode()


def latency(median: float, seed: int = 1) -> Latency:
    text = encoded(median, count=10_000, seed=seed)
    found = Histogram.decode(text).summary()
    return Latency(
        p50=found.p50, p90=found.p90, p99=found.p99, p999=found.p999, max=found.max, mean=found.mean,
        count=found.count, hdr=text,
    )  # fmt: skip


NO_LATENCY = Latency(p50=None, p90=None, p99=None, p999=None, max=None, mean=None, count=0, hdr=Histogram().encode())


def found(name: str, severity: Any, size: float, detail: str) -> FindingResult:
    return FindingResult(
        name=name,
        severity=severity,
        size=size,
        detail=detail,
        cause="values equal to a bound",
        remedy="compare with <=",
    )


def spread(p50: float | None, p99: float | None, longest: float | None) -> TimelineSpread:
    p50, p99, longest = (None if value is None else round(value) for value in (p50, p99, longest))
    return TimelineSpread(p50=p50, p99=p99, max=longest)


def timeline(points: int = 30, width_s: float = 1.0, rate: float = 1_000.0) -> TimelineResult:
    """A run with a stall of three points from the thirteenth on; the last but one has too few lines for percentiles."""
    rng = random.Random(points)  # noqa: S311 - a fixed seed for data made up
    made = []
    for index in range(points):
        waits = max(0.0, (15 - index) * width_s * 1e9) if 12 <= index < 15 else 0.0
        few, noise = index == points - 2, rng.gauss(1, 0.04)
        lag, service = [800 * noise + waits, 30e3 * noise + waits, 210e3 * noise + waits], [96e3, 210e3, 640e3]
        service = [value * noise for value in service]
        if index == 12:
            service[2] = waits
        response = [lag[0] + service[0], lag[1] + service[1], max(lag[2], service[2]) + 5e5]
        columns = [lag, service, response]
        spreads = [spread(None, None, values[2]) if few else spread(*values) for values in columns]
        made.append(
            TimelinePoint(
                start_s=index * width_s, width_s=width_s, lines=8 if few else round(rate * width_s),
                target=8 / width_s if few else rate, achieved=rate * {12: 0.3, 13: 0, 14: 0, 15: 3.7}.get(index, 1),
                failed=index % 4, dropped=0, lag_ns=spreads[0], service_ns=spreads[1], response_ns=spreads[2],
            )
        )  # fmt: skip
    scrapes = [ScrapeSpan(start_s=0.4 + at, duration_s=0.004) for at in range(int(points * width_s))]
    return TimelineResult(width_s=width_s, points=made, scrapes=scrapes[:600], scrapes_left_out=len(scrapes[600:]))


def run_result(**more: Any) -> RunResult:
    values: dict[str, Any] = {
        "started": "2026-11-23T21:00:00Z",
        "elapsed_s": 10.0,
        "interrupted": False,
        "spec": RunSpec(name="quickstart", duration="10s"),
        "environment": ENVIRONMENT,
        "workload": WorkloadResult(digest="9f86d081884c7d65", lines=10_000, methods=1),
        "ledger": LedgerResult(
            offered=10_000, processed=9_900, failed=100, dropped=0, refused={"not_utf8": 60, "nul": 40}, raised={}
        ),
        "rate": Rate(target=1000.0, achieved=1000.02),
        "lag_ns": latency(800, 2),
        "service_ns": latency(96_000, 3),
        "response_ns": latency(99_000, 4),
        "self_cost_ns_per_line": 412.0,
        "scrapes": Scrapes(
            scraper="prometheus 2.42.0", count=11, failed=0, duration_ms={"p50": 3.1, "max": 6.0}, windows=[]
        ),
        "audit": AuditResult(
            conserved=True,
            compared=["page", "prometheus"],
            findings=[
                found("bucket_bound_exclusive", "warning", 42, "42 values equal to a bound stand one bucket too high"),
                found("promtool_missing", "info", 1, "promtool was not found"),
            ],
        ),
        "verdict": "valid",
        "reasons": [],
        "requirements": [RequirementResult(text="response.p99<2ms", held=True, actual=0.214)],
        "timeline": timeline(),
    }  # fmt: skip
    return RunResult(**{**values, **more})
