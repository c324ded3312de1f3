"""The live page itself: what stands on it before anything is known; the script fills it."""

from collections.abc import Mapping
from pathlib import Path

from harness.report.markup import Child, Element, h, outside, page_text
from harness.report.plots.canvas import stylesheet

__all__ = ["live_page", "script", "style"]

_ASSETS = Path(__file__).parent / "assets"
# Key, heading, and what the value is, for the figures at the top.
_TILES = (
    ("rate", "Rate", "lines/s"),
    ("lines", "Lines", "sent so far"),
    ("lag", "Lag p99", "start − due, whole run"),
    ("service", "Service p99", "end − start, whole run"),
    ("response", "Response p99", "end − due, whole run"),
    ("failed", "Failed", "refused or raised"),
    ("scrapes", "Scrapes", "of the metrics page"),
    ("audit", "Audit", "ledger = page = store?"),
)
_CHARTS = (
    ("rate", "Rate", "lines a second, over the last five"),
    ("lag", "Lag", "how late lines started, by second: the band from p50 to p99"),
    ("latency", "Service and response", "how long lines took, by second: the bands from p50 to p99"),
)


def style() -> str:
    """Return the style sheet: that of the reports, and what only this page needs."""
    shared = "".join(stylesheet(name) for name in ("colours.css", "pictures.css", "page.css"))
    return shared + (_ASSETS / "live.css").read_text(encoding="utf-8")


def script(name: str) -> str:
    """Return one of the page's scripts, ``live.js`` or ``chart.js``."""
    return (_ASSETS / name).read_text(encoding="utf-8")


def live_page(about: Mapping[str, object], token: str) -> str:
    """Return the page as text; `about` has its ``title``, ``load`` and ``kinds``, and `token` is what buttons send."""
    kinds = about.get("kinds")
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="harness-token", content=token),
        h("title", f"{about['title']}: live"),
        h("link", rel="icon", href="data:,"),
        h("link", rel="stylesheet", href="/live.css"),
        h("script", src="/live.js", type="module"),
    )
    content: list[Child] = [
        h("a", "Skip to the figures", href="#main", class_="skip"),
        _header(about),
        h(
            "main",
            h("dl", [_tile(*tile) for tile in _TILES if tile[0] != "audit" or about.get("audited")], class_="tiles"),
            _result(),
            h("div", [_chart(*chart) for chart in _CHARTS], class_="charts"),
            _incidents(kinds) if isinstance(kinds, Mapping) and kinds else None,
            _workers(),
            h("div", _errors(), _notes(), class_="columns"),
            id="main",
            tabindex="-1",
        ),
    ]
    return page_text(h("html", head, h("body", content, class_="live"), lang="en"))


def _header(about: Mapping[str, object]) -> Element:
    return h(
        "header",
        h(
            "div",
            h("h1", outside(str(about["title"]))),
            h("p", outside(str(about["load"])), class_="made"),
            class_="headline",
        ),
        h(
            "div",
            h("p", h("span", "Starting", id="state"), role="status", aria_live="polite", class_="state"),
            h("p", h("span", "", id="clock"), " ", h("span", "connecting", id="link"), class_="clock"),
            h("button", "Close", type="button", id="close", hidden=True),
            class_="standing",
        ),
        h("progress", id="done", max="1", value="0", aria_label="Share of the run that is over"),
        class_="top",
    )


def _tile(ident: str, name: str, meaning: str) -> Element:
    return h(
        "div",
        h("dt", name),
        h("dd", "–", id=f"tile-{ident}", class_="value"),
        h("dd", meaning, id=f"more-{ident}", class_="more"),
        class_="tile",
    )


def _chart(ident: str, title: str, meaning: str) -> Element:
    caption = h("figcaption", h("span", title), " ", h("span", meaning, class_="said note"))
    legend = h("p", id=f"legend-{ident}", class_="legend")
    reading = h("p", id=f"reading-{ident}", class_="aside", role="status", aria_live="polite")
    return h("figure", caption, legend, h("div", id=f"chart-{ident}", class_="chart"), reading, data_chart=ident)


def _incidents(kinds: Mapping[str, object]) -> Element:
    buttons = [
        h(
            "li",
            h("button", kind, type="button", data_kind=kind, aria_describedby=f"kind-{number}"),
            h("span", outside(str(sentence)), id=f"kind-{number}", class_="note"),
        )
        for number, (kind, sentence) in enumerate(kinds.items())
    ]
    choices = [h("option", f"{seconds} s", value=seconds) for seconds in (10, 20, 30, 60)]
    return h(
        "section",
        h("h2", "Incidents", id="incidents-heading"),
        h("p", h("label", "Each lasts ", h("select", choices, id="lasting")), class_="lasting"),
        h("ul", buttons, class_="kinds"),
        h("p", "", id="switched", role="status", aria_live="polite", class_="note"),
        id="incidents",
        aria_labelledby="incidents-heading",
    )


def _workers() -> Element:
    names = ("Worker", "Lines", "Lines/s", "Failed", "Dropped", "Lag p99", "Service p99", "Response p99")
    head = h(
        "tr", [h("th", name, scope="col", class_="number" if number else None) for number, name in enumerate(names)]
    )
    table = h("table", h("caption", "Workers", class_="aside"), h("thead", head), h("tbody", id="workers-rows"))
    region = h("div", table, class_="scroll", tabindex="0", role="region", aria_label="Workers")
    return h("section", h("h2", "Workers", id="workers-heading"), region, id="workers", hidden=True)


def _errors() -> Element:
    return h(
        "section",
        h("h2", "Failed lines by kind", id="errors-heading"),
        h("p", "None so far.", id="errors-none", class_="note"),
        h("ul", id="errors-rows", class_="bars"),
        id="errors",
        aria_labelledby="errors-heading",
    )


def _notes() -> Element:
    return h(
        "section",
        h("h2", "What is happening", id="notes-heading"),
        h("ul", id="notes", class_="notes", tabindex="0", aria_labelledby="notes-heading"),
        id="happening",
        aria_labelledby="notes-heading",
    )


def _result() -> Element:
    """Return the place where the result appears at the end."""
    return h("div", id="result", hidden=True, tabindex="-1")
