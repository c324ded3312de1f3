"""Latency: distributions in and outside scrapes, and those of load runs."""

from typing import TYPE_CHECKING

from harness.report.plots.percentiles import decoded
from harness.report.sections.scrapes import distribution, effect_parts
from harness.report.tables import Illustration, Part, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.measure.questions.scrape_effect import ScrapeEffect
    from harness.run.result import RunResult

__all__ = ["latency_section"]


def latency_section(effects: "Sequence[ScrapeEffect]", runs: "Sequence[RunResult]" = ()) -> Section | None:
    """Return the latency distributions in and outside scrapes, then those of each run."""
    scraped = [part for index, each in enumerate(effects) for part in effect_parts(each, f"scrape-latency-{index}")]
    parts: list[Part] = list(scraped)
    for index, run in enumerate(runs):
        curves = [
            decoded("service (end − start)", run.service_ns.hdr),
            decoded("response (end − due)", run.response_ns.hdr),
        ]
        parts += distribution([c for c in curves if c], f"Latency of {run.spec.name}", f"run-latency-{index}")
    if not parts:
        return None
    intro = (
        "How many lines took how long. To the right only the slowest are left: at 99.9 one line in a thousand took "
        "longer than the curve says. Curves end, and – stands, where fewer than ten lines are left."
    )
    brief = tuple(part.table for part in scraped if isinstance(part, Illustration))
    return Section("latency", "Latency", tuple(parts), intro, brief)
