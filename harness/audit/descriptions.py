"""Checks of a page's family descriptions: each view's type and help text."""

from collections.abc import Iterable, Iterator

from harness.audit.findings import Finding, Name
from harness.exposition.page import Family, Page
from harness.views import Aggregation, View

__all__ = ["check_descriptions"]

_TYPES = {Aggregation.COUNT: "counter", Aggregation.DISTRIBUTION: "histogram"}


def check_descriptions(page: Page, views: Iterable[View]) -> Iterator[Finding]:
    """Yield a finding for each of the `views` that the page shows with a wrong type or help text."""
    for view in views:
        family = _family(page, view)
        right = _TYPES[view.aggregation]
        if family is None or family.type != right:
            shown = "nothing" if family is None else repr(family.type)
            yield Finding(Name.TYPE_MISMATCH, 1, {"view": view.name, "shown": shown, "right": repr(right)})
        if family is None or _unescaped(family.help) != view.description:
            examples = [] if family is None else [family.help[:200]]
            yield Finding(Name.HELP_MISMATCH, 1, {"view": view.name, "examples": examples})


def _family(page: Page, view: View) -> Family | None:
    # The text format puts a counter's suffix into the family's name, OpenMetrics does not.
    names = (f"{view.family}_total", view.family) if view.aggregation is Aggregation.COUNT else (view.family,)
    return next((page.families[name] for name in names if name in page.families), None)


def _unescaped(text: str) -> str:
    return text.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")
