"""What the console promises, in Chromium and on the real Prometheus of a demo."""

import time
from collections.abc import Iterator

import pytest

from tests.harness.cli.commands import running
from tests.harness.dashboards import artefacts
from tests.harness.report.browser import Browser, browser

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser on the console of a running demo, once it shows curves."""
    folder = tmp_path_factory.mktemp("demo")
    with running(folder, ["demo", "--port", "0"]) as command, browser(folder) as opened:
        assert command.wait_until_told("dashboard and alerts: .*\n"), command.told
        address = command.told.partition("alerts: ")[2].split()[0]
        opened.call("url", url=address)
        wait(opened, "document.querySelectorAll('#panel-4 path.curve').length > 0")
        wait(opened, "document.querySelectorAll('#panel-1 rect').length > 9")
        yield opened


def wait(window: Browser, condition: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not window.run(f"return {condition};"):
        assert time.monotonic() < deadline, window.run("return document.body.innerText;")
        time.sleep(0.1)


def test_it_shows_every_panel_and_every_alert(window: Browser) -> None:
    """Each panel has its title and drawing, each alert its state, and the current figures are numbers."""
    titles = window.run("return [...document.querySelectorAll('figure h2')].map(h => h.textContent)")
    assert titles == [panel["title"] for panel in artefacts.console_panels()]
    drawn = window.run(
        "return [...document.querySelectorAll('figure')].map("
        "f => f.querySelectorAll('path.curve, rect, tbody tr').length)"
    )
    assert min(drawn) > 0, dict(zip(titles, drawn, strict=True))
    alerts = window.run("return [...document.querySelectorAll('#alerts strong')].map(e => e.textContent)")
    assert set(alerts) == artefacts.alerts()
    numbers = window.run("return [...document.querySelectorAll('#numbers dd')].map(e => e.textContent)")
    assert numbers
    assert "none" not in numbers


def test_it_fetches_from_prometheus_alone_and_nothing_is_wrong_on_the_console(window: Browser) -> None:
    """No external address, and no message of the browser."""
    assert window.problems() == []
    origins = window.run(
        "return [...new Set(performance.getEntriesByType('resource').map(e => new URL(e.name).origin))]"
    )
    assert origins == [window.run("return location.origin")]


def test_it_moves(window: Browser) -> None:
    """The picture is drawn again with newer data, without any key pressed."""
    before = window.run("return document.querySelector('#panel-4 path.curve').getAttribute('d')")
    deadline = time.monotonic() + PATIENCE_S
    while window.run("return document.querySelector('#panel-4 path.curve').getAttribute('d')") == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_time_shown_can_be_chosen(window: Browser) -> None:
    """A button for each span, the chosen one marked as pressed."""
    window.run("[...document.querySelectorAll('#ranges button')].find(b => b.textContent === '1 min').click()")
    pressed = window.run("return [...document.querySelectorAll('[aria-pressed=true]')].map(b => b.textContent)")
    assert pressed == ["1 min"]
    wait(window, "document.querySelector('#panel-4 svg text').textContent === '-60 s'")


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_no_width_makes_it_scroll_sideways(window: Browser, width: int) -> None:
    """It is readable on a phone: nothing is wider than the screen, no text smaller than 11 pixels."""
    window.size(width, mobile=width < 500)
    wait(window, f"document.querySelector('#panel-4 svg').getBoundingClientRect().width <= {width}")
    assert window.run("return document.documentElement.scrollWidth") <= width
    sizes = window.run(
        "return [...document.querySelectorAll('#panel-4 svg text')].map(t => {"
        "  const svg = t.ownerSVGElement; return parseFloat(getComputedStyle(t).fontSize)"
        "  * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width; })"
    )
    assert min(sizes) > 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_colour_scheme(window: Browser, scheme: str) -> None:
    """Light and dark are those of the system."""
    window.prefer(prefers_color_scheme=scheme)
    paper = window.run("return getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]
