"""Writes a report as one HTML file that needs nothing else: no network, no other file, no library in the browser."""

import base64
import hashlib
from collections.abc import Sequence

from harness.report.collect import Report
from harness.report.contents import sections_of
from harness.report.markup import Child, Element, h, outside, page_text, raw
from harness.report.plots.canvas import stylesheet
from harness.report.tables import Section
from harness.report.writers.html import section_element

__all__ = ["page", "render"]

# What can be had to fill a gap, by section.
_SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "overhead": ("Overhead", ("harness overhead",)),
    "ladder": ("The ladder", ("harness overhead ladder",)),
    "laws": ("Cost laws", ("harness overhead laws series",)),
    "saturation": ("Saturation", ("harness overhead saturation",)),
    "latency": ("Latency", ("harness run", "harness overhead scrapes")),
    "trend": ("Trend, once a figure was measured twice", ("harness overhead",)),
    "findings": ("Audit findings", ("harness run",)),
    "self-test": ("Self-test", ("harness overhead self-test",)),
    "exposition": ("Exposition compared", ("harness overhead pages opencensus prometheus-client",)),
    "runs": ("Load runs", ("harness run",)),
}
_GLOSSARY = (
    (
        "Pair",
        "Two fresh processes measured side by side. The statistics are over pairs, never over what is inside one.",
    ),
    ("95 % interval", "Covers the true value in 95 of 100 such experiments."),
    ("A/A control", "The base against itself. Where its interval misses 1, the experiment is void."),
    ("Smallest effect", "The relative change that as many pairs find four times in five."),
    ("Undecided", "The interval still holds both no change and a change that matters. It is an answer."),
    ("Service, response, lag", "End − start, end − due, start − due: a late start cannot hide in the service time."),
)


def _contents(sections: Sequence[Section]) -> Element:
    links = [h("li", h("a", section.title, href=f"#{section.ident}")) for section in sections]
    return h("nav", h("ul", links), aria_label="Contents")


def _gaps(sections: Sequence[Section]) -> Element | None:
    shown = {section.ident for section in sections}
    missing = [entry for ident, entry in _SOURCES.items() if ident not in shown]
    if not missing:
        return None
    items = [h("li", f"{title}: ", _either(commands)) for title, commands in missing]
    return h(
        "section",
        h("h2", "Not in this report", id="gaps-heading"),
        h("ul", items),
        id="gaps",
        aria_labelledby="gaps-heading",
    )


def _either(commands: Sequence[str]) -> list[Child]:
    parts: list[Child] = []
    for command in commands:
        parts += [" or " if parts else None, h("code", command)]
    return parts


def _glossary() -> Element:
    entries = [h("div", h("dt", word), h("dd", meaning)) for word, meaning in _GLOSSARY]
    heading = h("h2", "How to read this", id="reading-heading")
    return h("section", heading, h("dl", entries), id="reading", aria_labelledby="reading-heading")


def _problems(report: Report) -> Element | None:
    if not report.problems:
        return None
    items = [h("li", outside(problem)) for problem in report.problems]
    return h("div", h("p", "Left out of this report:"), h("ul", items), class_="problems", role="note")


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy under which nothing but this page's own style and script can act."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; img-src data:; style-src {digest(style)}; script-src {digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def page(report: Report) -> Element:
    """Return the page as a tree."""
    style = "".join(stylesheet(name) for name in ("colours.css", "pictures.css", "page.css"))
    script = stylesheet("page.js")
    sections = sections_of(report)
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="referrer", content="no-referrer"),
        h("title", report.title),
        # Without an icon of its own a page on a server asks for one; under this policy that would be an error.
        h("link", rel="icon", href="data:,"),
        raw("style", style),
    )
    made = h("p", "Made ", h("time", report.made), class_="made") if report.made else None
    empty = h("p", "Nothing has been measured yet. Start with: ", h("code", "harness overhead"))
    built = [section_element(section) for section in sections]
    content: list[Child] = [
        h("a", "Skip to the contents", href="#main", class_="skip"),
        h("header", h("h1", outside(report.title)), made, _problems(report)),
        _contents(sections) if sections else None,
        h(
            "main",
            built or empty,
            _gaps(sections),
            _glossary(),
            id="main",
            tabindex="-1",
        ),
        h("div", class_="tip", role="status", aria_live="polite", id="tip", hidden=True),
        raw("script", script),
    ]
    return h("html", head, h("body", content), lang="en")


def render(report: Report) -> str:
    """Return the page as text, to be written as UTF-8."""
    return page_text(page(report))
