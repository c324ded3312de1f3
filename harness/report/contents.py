"""The sections of a report, in the order in which they are shown."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.report.collect import Report
from harness.report.sections.audits import Audit, audits_section
from harness.report.sections.environment import environment_section
from harness.report.sections.evidence import raw_section
from harness.report.sections.ladder import ladder_section, ladders_of
from harness.report.sections.latency import latency_section
from harness.report.sections.laws import laws_section
from harness.report.sections.overhead import overhead_section
from harness.report.sections.pages import pages_section
from harness.report.sections.runs import runs_section
from harness.report.sections.saturation import saturation_section
from harness.report.sections.selftest import selftest_section
from harness.report.sections.service.described import described_section
from harness.report.sections.service.loops import loops_section
from harness.report.sections.trend import trend_section
from harness.report.tables import Section

if TYPE_CHECKING:
    from harness.host.environment import Environment

__all__ = ["audits_in", "sections_of"]


def sections_of(report: Report) -> list[Section]:
    """Return the sections of a report that have something to show."""
    document = report.overhead
    experiments = [*(() if document is None else document.experiments), *report.evidence]
    built = (
        overhead_section(
            document, report.saturation, report.audits, report.counted, report.counted_spread, report.columns
        ),
        ladder_section(() if report.ladder is None else ladders_of(report.ladder)),
        laws_section(report.laws),
        saturation_section(report.saturation),
        latency_section(report.scrapes, report.runs),
        loops_section(report.loops),
        described_section(report.described),
        selftest_section(report.self_test),
        trend_section(report.trends, report.more_trends),
        audits_section(list(audits_in(report))),
        pages_section(report.expositions),
        runs_section(report.runs),
        raw_section(experiments),
        environment_section(_places(report), report.sources),
    )
    return [section for section in built if section is not None]


def audits_in(report: Report) -> Iterator[tuple[str, Audit]]:
    """Yield every audit of a report with the name of what was audited."""
    yield from report.audits.items()
    yield from ((f"{run.spec.name} ({run.spec.instrument})", run.audit) for run in report.runs)


def _places(report: Report) -> "Iterator[tuple[str, Environment]]":
    if report.sources:
        yield from ((source.what, source.environment) for source in report.sources)
        return
    if report.overhead is not None:
        yield "overhead", report.overhead.environment
    yield from ((run.spec.name, run.environment) for run in report.runs)
