"""The page's sections on what was seen while running: latency, runs, findings, trend, exposition, machine."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.load.tail import statistic_supported
from harness.report.markup import Child, Element, h, outside
from harness.report.model import (
    AuditSummary,
    ExpositionRow,
    FindingWords,
    PageDifference,
    Report,
    ScrapeLatency,
    SourceSummary,
    Trend,
)
from harness.report.numbers import MeasuredValue, Unit, plain, unit_for
from harness.report.overhead import VOID
from harness.report.page.blocks import NUMBER, Head, details, facts, figure, note, section, severity, table, verdict
from harness.report.page.costs import interval_cell
from harness.report.plots.percentiles import Curve, decoded, percentiles_picture, quantile_text
from harness.report.plots.trend import trend_picture, trend_unit
from harness.report.run_words import on_schedule
from harness.report.scrape_study import effect_rows, headings, unit_of_study

if TYPE_CHECKING:
    from harness.host.environment import Environment
    from harness.run.result import RunResult

__all__ = [
    "audits_of",
    "environment_section",
    "exposition_section",
    "findings_section",
    "latency_section",
    "runs_section",
    "trend_section",
]

_SHOWN = (50.0, 90.0, 99.0, 99.9, 99.99)
_NEWEST = 100  # runs of a trend shown as a table; the picture and `harness history` have all


def latency_section(report: Report) -> Element | None:
    """Return the latency distributions in and outside scrapes, then those of each run."""
    parts: list[Child] = []
    for index, each in enumerate(report.latencies):
        parts.append(_scrape_latency(each, f"scrape-latency-{index}"))
    for index, run in enumerate(report.runs):
        curves = [
            decoded("service (end − start)", run.service_ns.hdr),
            decoded("response (end − due)", run.response_ns.hdr),
        ]
        parts.append(_distribution([c for c in curves if c], f"Latency of {run.spec.name}", f"run-latency-{index}"))
    if not any(part is not None for part in parts):
        return None
    return section(
        "latency",
        "Latency",
        note(
            "How many lines took how long. To the right only the slowest are left: at 99.9 one line in a thousand took "
            "longer than the curve says. Curves end, and – stands, where fewer than ten lines are left."
        ),
        parts,
    )


def _scrape_latency(latency: ScrapeLatency, ident: str) -> Element | None:
    curves = [
        decoded("windows without scrapes", latency.outside),
        decoded("windows with scrapes", latency.inside),
        decoded("while a scrape was served", latency.served),
    ]
    words = f", {latency.factors}" if latency.factors else ""
    title = f"{latency.duration.capitalize()} in and outside scrapes: {latency.subject}{words}"
    drawn = _distribution([curve for curve in curves if curve], title, ident)
    return (
        h("div", drawn, _effects(latency) if latency.effects else None)
        if drawn is not None or latency.effects
        else None
    )


def _effects(latency: ScrapeLatency) -> Element:
    unit = unit_of_study(latency)
    heads = [Head("Percentile"), *(Head(words.capitalize(), NUMBER, unit.name) for words in headings(latency))]
    body: list[list[Child]] = [list(row) for row in effect_rows(latency, unit)]
    words = f", {latency.factors}" if latency.factors else ""
    title = f"What a scrape adds to the {latency.duration} of {latency.subject}{words}"
    return h("div", table(title, heads, body), note(outside(latency.note)) if latency.note else None)


def _distribution(curves: Sequence[Curve], title: str, ident: str) -> Element | None:
    if not curves:
        return None
    unit = unit_for([curve.histogram.percentile(50) for curve in curves])
    heads = [Head("Percentile"), *(Head(curve.label, NUMBER, unit.name) for curve in curves)]
    found = [curve.percentiles(_SHOWN) for curve in curves]
    body: list[list[Child]] = [
        [quantile_text(percent), *(_scaled(at[percent], unit) for at in found)] for percent in _SHOWN
    ]
    body.append(["highest", *(plain((curve.histogram.max or 0) / unit.scale) for curve in curves)])
    return figure(percentiles_picture(curves, title, ident), table(title, heads, body, quiet=True))


def _scaled(value: float | None, unit: Unit) -> str:
    return plain(None if value is None else value / unit.scale)


def runs_section(runs: "Sequence[RunResult]") -> Element | None:
    """Return each load run: what was sent, what became of it, and whether to believe it."""
    if not runs:
        return None
    return section("runs", "Load runs", [_run(run) for run in runs])


def _run(run: "RunResult") -> Element:
    ledger = run.ledger
    valid = run.verdict == "valid"
    words = f"✓ valid: {on_schedule(run)}" if valid else "✗ invalid: do not believe the latencies"
    failed = {**ledger.refused, **ledger.raised}
    kinds = f" ({', '.join(f'{plain(n, 15)} {kind}' for kind, n in failed.items())})" if failed else ""
    rate = f"{plain(run.rate.achieved, 6)} lines/s"
    target = " (closed loop)" if run.rate.target is None else f" of {plain(run.rate.target, 6)} scheduled"
    spec = run.spec
    offered, processed, refused, dropped = (
        plain(count, 15) for count in (ledger.offered, ledger.processed, ledger.failed, ledger.dropped)
    )
    lines = f"{offered} offered = {processed} processed + {refused} failed + {dropped} dropped"
    return h(
        "article",
        h("h3", outside(spec.name), f", {run.started}"),
        h("p", verdict("valid" if valid else "invalid", words)),
        h("ul", [h("li", outside(reason)) for reason in run.reasons]) if run.reasons else None,
        note("Interrupted: what is shown covers the lines sent until then.") if run.interrupted else None,
        facts(
            [
                ("Load", outside(f"{spec.lengths}, {spec.content}, {spec.arrivals}, seed {spec.seed}")),
                ("Through", outside(spec.instrument)),
                ("Lines", lines),
                ("Failed", outside(f"{plain(ledger.failed, 15)}{kinds}")),
                ("Rate", f"{rate}{target}"),
                ("Scrapes", [f"{run.scrapes.count}, {run.scrapes.failed} failed, by ", outside(run.scrapes.scraper)]),
                ("Loop's own cost", f"{plain(run.self_cost_ns_per_line)} ns a line"),
                ("Digest", h("code", run.workload.digest)),
            ]
        ),
        _latency_table(run),
        _requirements(run),
    )  # fmt: skip


def _latency_table(run: "RunResult") -> Element:
    kinds = [("service", run.service_ns), ("response", run.response_ns), ("lag", run.lag_ns)]
    if run.lateness_ns is not None:
        kinds.append(("lateness", run.lateness_ns))
    unit = unit_for([latency.p50 for _, latency in kinds[:2]])
    names = ("p50", "p90", "p99", "p999", "max", "mean")
    heads = [Head("Latency"), *(Head("p99.9" if n == "p999" else n, NUMBER, unit.name) for n in names)]
    body: list[list[Child]] = []
    for kind, latency in kinds:
        told = [getattr(latency, name) if statistic_supported(name, latency.count) else None for name in names]
        body.append([kind, *(_scaled(value, unit) for value in told)])
    return table(f"Latency of {run.spec.name}", heads, body, quiet=True)


def _requirements(run: "RunResult") -> Element | None:
    if not run.requirements:
        return None
    heads = [Head("Requirement"), Head("Held"), Head("Was", NUMBER)]
    body: list[list[Child]] = [
        [
            outside(each.text),
            verdict("valid", "✓ held") if each.held else verdict("invalid", "✗ missed"),
            plain(each.actual, 4),
        ]
        for each in run.requirements
    ]
    return table(f"Requirements of {run.spec.name}", heads, body)


def audits_of(report: Report) -> Iterator[tuple[str, AuditSummary]]:
    """Yield every audit of a report with the name of what was audited."""
    yield from report.audits.items()
    for run in report.runs:
        found = [
            FindingWords(each.name, each.severity, each.size, each.detail, each.cause, each.remedy)
            for each in run.audit.findings
        ]
        yield f"{run.spec.name} ({run.spec.instrument})", AuditSummary(run.audit.conserved, found, run.audit.outcome)


def findings_section(report: Report) -> Element | None:
    """Return what the audits found, the gravest first."""
    audits = list(audits_of(report))
    if not audits:
        return None
    order = {"error": 0, "warning": 1, "info": 2}
    heads = [Head("Finding"), Head("Severity"), Head("In"), Head("Size", NUMBER), Head("Detail")]
    found = [(name, each) for name, audit in audits for each in audit.findings]
    found.sort(key=lambda pair: order.get(pair[1].severity, 3))
    body: list[list[Child]] = [
        [
            outside(each.name.replace("_", " ")),
            severity(each.severity),
            outside(name),
            _size(each.size),
            _explained(each),
        ]
        for name, each in found
    ]
    return section(
        "findings",
        "Audit findings",
        h("ul", [h("li", outside(name), ": ", _conserved(audit)) for name, audit in audits]),
        table("Findings of all audits", heads, body, stacked=True, quiet=True) if body else note("No finding."),
    )


def _size(size: float) -> str:
    """Return a finding's size; the last places of a sum are small, and yet not nothing."""
    return f"{size:.1e}" if 0 < abs(size) < 1e-4 else plain(size, 4)


def _explained(finding: FindingWords) -> list[Child]:
    parts: list[Child] = [h("div", outside(finding.detail))]
    for label, words in (("Cause: ", finding.cause), ("Remedy: ", finding.remedy)):
        if words:
            parts.append(h("div", label, outside(words), class_="note"))
    return [h("div", parts)]


def _conserved(audit: AuditSummary) -> Element:
    if audit.not_verified:
        return verdict("invalid", "✗ not verified: not everything could be looked at")
    if audit.conserved is None:
        return verdict("undecided", "nothing to compare")
    if audit.conserved:
        return verdict("valid", "✓ every count equals the ledger's")
    return verdict("invalid", "✗ not conserved: values differ from the ledger's")


def exposition_section(expositions: Sequence[PageDifference]) -> Element | None:
    """Return the pages of two libraries beside each other."""
    if not expositions:
        return None
    parts: list[Child] = []
    for diff in expositions:
        title = f"The pages of {diff.left} and {diff.right} after the same workload"
        differing, alike = ([row for row in diff.rows if row.same is same] for same in (False, True))
        parts.append(
            _aspects(f"{title}: what differs", diff, differing)
            if differing
            else note(outside(f"{title} do not differ."))
        )
        if alike:
            words = f"{len(alike)} of {len(diff.rows)} aspects are the same"
            parts.append(details(words, _aspects(f"{title}: what is the same", diff, alike)))
    return section("exposition", "Exposition compared", parts)


def _aspects(title: str, diff: PageDifference, rows: Sequence[ExpositionRow]) -> Element:
    heads = [Head("Aspect"), Head(diff.left), Head(diff.right)]
    body: list[list[Child]] = [
        [row.aspect, h("code", outside(row.left)), h("code", outside(row.right))] for row in rows
    ]
    return table(title, heads, body, stacked=True)


def trend_section(trends: Sequence[Trend], more: int = 0) -> Element | None:
    """Return each figure over time."""
    if not trends:
        return None
    return section(
        "trend",
        "Trend",
        note(
            "A dashed upright line opens a new epoch: another machine, kernel or interpreter, so the levels on "
            "both sides of it are not to be compared. A diamond-topped line marks a change found in the series. "
            "Where every run has a control, the figure is the ratio to it: a busy machine slows both alike."
        ),
        [_trend(each, f"trend-{index}") for index, each in enumerate(trends)],
        note(f"{more} more figures have a history: ", h("code", "harness history export --format csv"), ".")
        if more
        else None,
    )


def _trend(trend: Trend, ident: str) -> Element:
    unit = trend_unit(trend)
    start = max(0, len(trend) - _NEWEST)
    changes = {change.index: f"{change.kind}: {change.text}" for change in trend.changes}
    epochs = {epoch.index: f"new epoch: {epoch.label}" for epoch in trend.epochs}
    heads = [Head("Run"), Head("Made"), Head("Figure", NUMBER, unit.name), Head("Remarks")]
    body: list[list[Child]] = []
    for index in sorted({*range(start, len(trend)), *changes, *epochs} & set(range(len(trend)))):
        measured = MeasuredValue(trend.values[index], trend.lows[index], trend.highs[index])
        void = "void: no figure" if index in trend.void else ""
        remarks = "; ".join(part for part in (epochs.get(index), void, changes.get(index)) if part)
        body.append(
            [
                [f"{index + 1} ", outside(trend.ids[index])],
                outside(trend.created[index]),
                VOID if void else interval_cell(_in_unit(measured, unit.scale)),
                outside(remarks) if remarks else "",
            ]
        )
    caption = f"{trend.metric}: the newest {_NEWEST} runs, and those where something changed" if start else trend.metric
    return figure(trend_picture(trend, ident), table(caption, heads, body))


def _in_unit(value: MeasuredValue, scale: float) -> MeasuredValue:
    parts = (None if part is None else part / scale for part in (value.value, value.low, value.high))
    return MeasuredValue(*parts)


def environment_section(report: Report) -> Element | None:
    """Return the machine and the versions of each result, once for those that are alike, and where each comes from."""
    found: dict[str, tuple[Environment, dict[str, None]]] = {}
    for name, place in _places(report):
        found.setdefault(repr(place), (place, {}))[1][name] = None
    if not found:
        return None
    return section(
        "environment",
        "Environment",
        [_environment(place, list(names)) for place, names in found.values()],
        _sources(report.sources) if report.sources else None,
    )


def _places(report: Report) -> "Iterator[tuple[str, Environment]]":
    if report.sources:
        yield from ((source.what, source.environment) for source in report.sources)
        return
    if report.overhead is not None:
        yield "overhead", report.overhead.environment
    yield from ((run.spec.name, run.environment) for run in report.runs)


def _sources(sources: Sequence[SourceSummary]) -> Element:
    heads = [Head("Shown"), Head("Measured"), Head("Label"), Head("Document")]
    body: list[list[Child]] = [
        [outside(each.what), outside(each.created), outside(each.label), h("code", outside(each.where))]
        for each in sources
    ]
    return table("Where the figures come from", heads, body, stacked=True)


def _environment(place: "Environment", names: Sequence[str]) -> Element:
    rows: list[tuple[str, Child]] = [
        ("Of", outside(", ".join(names))),
        ("Processor", outside(f"{place.cpu}, {place.cpu_count} usable")),
        ("Memory", f"{plain(place.memory_bytes / 2**30)} GiB"),
        ("System", outside(f"{place.kernel}, {place.machine}")),
        ("Python", outside(f"{place.python} ({place.python_build})")),
        ("Hash seed", outside(place.hash_seed)),
    ]
    return h("div", facts(rows), details("Library versions", _versions(place.libraries), open_=True))


def _versions(libraries: Mapping[str, str]) -> Element:
    body: list[list[Child]] = [[outside(name), outside(version)] for name, version in libraries.items()]
    return table("Library versions", [Head("Library"), Head("Version")], body, quiet=True)
