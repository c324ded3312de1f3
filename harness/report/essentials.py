"""The essentials of a report for a terminal."""

from rich.console import Group, RenderableType
from rich.text import Text

from harness.report.collect import Report
from harness.report.contents import sections_of
from harness.report.tables import Illustration, Note, Part
from harness.report.writers.terminal import write_terminal

__all__ = ["essentials"]

# On a page, not on a terminal: every raw pair, and the machine.
_LEFT_OUT = frozenset({"raw", "environment"})


def _on_page_only(part: Part) -> bool:
    return isinstance(part, Illustration) and part.only_on_page


def essentials(report: Report) -> RenderableType:
    """Return what a terminal shows of a report: each section, or what is brief of it, below its title."""
    shown: list[RenderableType] = []
    for section in sections_of(report):
        # The overhead table has a column of rates.
        if section.ident in _LEFT_OUT or (section.ident == "saturation" and report.overhead is not None):
            continue
        parts: list[Part] = [each for each in section.brief or section.parts if not _on_page_only(each)]
        if not parts or (section.ident == "findings" and not section.brief):
            continue
        shown += [Text(section.title, style="bold"), write_terminal(parts), Text()]
    shown += [write_terminal([Note(f"! {problem}", tone="warning")]) for problem in report.problems]
    if not shown:
        shown.append(Text("Nothing has been measured yet. Start with: harness overhead"))
    return Group(*shown)
