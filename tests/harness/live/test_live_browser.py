"""The live page in headless Chromium: while a real run goes on, at its end, and when the connection breaks."""

import json
import os
import re
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.live.feed import LivePage
from harness.live.observer import LiveObserver
from tests.harness.cli.commands import Command, running
from tests.harness.live.feeding import SECOND_NS, Beside, Proxy, page, snapshot, until
from tests.harness.report.browser import Browser, browser

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture
def window(chromium: Browser) -> Browser:
    """Return the browser on an empty page, at a usual size and with a console that is read."""
    chromium.call("url", url="about:blank")
    chromium.size(1280)
    chromium.prefer(prefers_color_scheme="light")
    chromium.problems()
    return chromium


def show(window: Browser, url: str) -> None:
    window.call("url", url=url)
    until(lambda: text(window, "link") == "live", "connection")


def text(window: Browser, ident: str) -> str:
    return str(window.run("return document.getElementById(arguments[0])?.textContent ?? ''", ident))


def leading(words: str) -> float:
    """Return the number at the beginning of a text, thin spaces taken out."""
    found = re.match(r"[\d.]+", words.replace("\u202f", ""))
    assert found is not None, words
    return float(found[0])


def lines_sent(window: Browser) -> float:
    """Return the number of lines that the page shows, 0 before there are any."""
    words = text(window, "tile-lines")
    return 0.0 if words == "–" else leading(words)


def address(command: Command) -> str:
    """Return where a command serves its page."""
    assert command.wait_until_told(r"live page: http\S+/\n")
    found = re.search(r"live page: (http\S+)", command.told)
    assert found is not None
    return found[1]


def connections(window: Browser) -> int:
    return int(window.run("return Number(document.documentElement.dataset.connections ?? 0)"))


def lines_drawn(window: Browser, chart: str) -> int:
    """Return the number of points of the first line of a picture."""
    path = "document.querySelector(`#chart-${arguments[0]} path.line`)?.getAttribute('d') ?? ''"
    return len(re.findall(r"[ML]", str(window.run(f"return {path}", chart))))


def curves(window: Browser) -> list[int]:
    """Return the number of points of each curve of the rate that was sent."""
    paths = "document.querySelectorAll('#chart-rate path.line:not(.dashed)')"
    return [
        len(re.findall(r"[ML]", path))
        for path in window.run(f"return [...{paths}].map(each => each.getAttribute('d'))")
    ]


class Switch:
    """Notes what is switched on."""

    kinds: Mapping[str, str] = {
        "stall": "The loop freezes: lag grows, and lines that were due come in a burst.",
        "errors": "Every second line is refused.",
        "slow": "Each line takes ten times as long.",
    }

    def __init__(self) -> None:
        self.triggered: list[tuple[str, int]] = []

    def trigger(self, kind: str, duration_ns: int) -> None:
        self.triggered.append((kind, duration_ns))


def incident(kind: str, begin_s: int, end_s: int) -> dict[str, Any]:
    return {"kind": kind, "begin_ns": begin_s * SECOND_NS, "end_ns": end_s * SECOND_NS}


def filled(served: LivePage, seconds: int, switch: Switch | None = None) -> LiveObserver:
    """Tell a page of so many seconds of a run."""
    observer = LiveObserver(served, Beside(), switch)
    observer.say("serving http://127.0.0.1:8000/metrics")
    for second in range(1, seconds + 1):
        observer.progress(snapshot(second), second, 0)
    return observer


@pytest.mark.parametrize(
    ("duration", "number"), [("60s", signal.SIGINT), pytest.param("15s", None, marks=pytest.mark.slow)]
)
def test_a_real_run_is_watched_to_its_end(window: Browser, tmp_path: Path, duration: str, number: int | None) -> None:
    """While lines are sent figures and pictures grow; at the end the page says what the result says, and stays."""
    result_file = tmp_path / "result.json"
    arguments = [
        "run", "--live", "--arrivals", "constant:500/s", "--duration", duration, "--errors", "5%", "--scraper",
        "builtin", "--scrape-interval", "500ms", "--instrument", "prometheus-client", "--json", str(result_file),
    ]  # fmt: skip
    with running(tmp_path, arguments, grace_s=100.0) as command:
        show(window, address(command))
        assert command.wait_for(lambda: text(window, "state") == "Sending", "sending")
        # Of fewer lines there is no p99.
        assert command.wait_for(lambda: lines_sent(window) > 1100, "progress")
        assert command.wait_for(lambda: lines_drawn(window, "rate") >= 2, "picture")
        assert command.wait_for(lambda: window.run("return document.querySelectorAll('.scrape').length > 0"), "scrape")
        if number is not None:
            command.interrupt(number)
        assert command.ended() in {0, 1, 130}, command.told
        command.leaves_nothing()
    until(lambda: "ended" in text(window, "link"), "end")
    result = json.loads(result_file.read_text())
    ledger = result["ledger"]
    assert leading(text(window, "tile-lines")) == ledger["offered"] > 1100
    assert ("Interrupted" in text(window, "state")) is result["interrupted"] is (number is not None)
    assert leading(text(window, "tile-failed")) == ledger["failed"] > 0
    assert leading(text(window, "tile-scrapes")) == result["scrapes"]["count"]
    assert leading(text(window, "tile-rate")) == pytest.approx(result["rate"]["achieved"], abs=0.51)
    assert result["verdict"].upper() in text(window, "state").split(", ")
    assert ("✓ conserved" in text(window, "tile-audit")) is (result["audit"]["outcome"] == "conserved")
    units = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}
    for name in ("lag", "service", "response"):
        value, unit = text(window, f"tile-{name}").split()
        assert float(value) * units[unit] == pytest.approx(result[f"{name}_ns"]["p99"], rel=0.005)
    kinds = window.run(
        "return [...document.querySelectorAll('#errors-rows li')].map("
        "li => [li.querySelector('span').textContent, Number(li.querySelector('b').textContent)])"
    )
    assert dict(kinds) == ledger["refused"]
    assert f"{ledger['offered']:,}".replace(",", "\u202f") in text(window, "result")
    assert result["workload"]["digest"] in text(window, "result")
    assert window.problems() == []


@pytest.mark.slow
def test_several_workers_are_rows(window: Browser, tmp_path: Path) -> None:
    """A run of two has a row for each while it goes on."""
    arguments = ["run", "--live", "--workers", "2", "--duration", "60s", "--scraper", "none", "--instrument", "none"]
    with running(tmp_path, arguments, grace_s=100.0) as command:
        show(window, address(command))
        rows = "return [...document.querySelectorAll('#workers-rows tr')].map(r => r.children[0].textContent)"
        assert command.wait_for(lambda: window.run(rows) == ["0", "1"], "rows")
        command.interrupt(signal.SIGINT)
        assert command.ended() == 130, command.told
    assert window.problems() == []


def test_a_broken_connection_comes_back_with_all_that_was_missed(window: Browser) -> None:
    """Cut and refused for a while, the page connects again by itself and shows every second of the run."""
    with page(scheduled=[incident("slow", 2, 4), incident("flood", 50, 60)]) as served:
        proxy = Proxy(int(served.url.rsplit(":", 1)[1].rstrip("/")))
        try:
            observer = filled(served, 5)
            show(window, f"http://127.0.0.1:{proxy.port}/")
            until(lambda: lines_drawn(window, "rate") == 5, "five seconds")
            before = connections(window)
            proxy.refusing = True
            proxy.cut()
            until(lambda: "lost" in text(window, "link"), "word of the loss")
            for second in range(6, 21):
                observer.progress(snapshot(second), second, 0)
            observer.incident("stall", 7 * SECOND_NS, 9 * SECOND_NS)
            proxy.refusing = False
            until(lambda: text(window, "link") == "live", "connection")
            assert connections(window) > before
            until(lambda: lines_drawn(window, "rate") == 20, "twenty seconds")
            assert leading(text(window, "tile-lines")) == 2000
            # Of the two that were scheduled one has not come yet.
            assert window.run("return document.querySelectorAll('#chart-rate .incident').length") == 2
            assert window.run("return document.querySelectorAll('#notes li').length") == 1
        finally:
            proxy.close()


@pytest.mark.slow
def test_a_connection_that_falls_silent_is_opened_again(window: Browser) -> None:
    """A stopped process sends nothing, not even its beat: the page tries again until it answers."""
    with page() as served:
        filled(served, 3)
        show(window, served.url)
        before = connections(window)
        os.kill(served.pid, signal.SIGSTOP)
        try:
            tries = "return Number(document.documentElement.dataset.tries)"
            begun = window.run(tries)
            until(lambda: window.run(tries) > begun, "new attempt")
        finally:
            os.kill(served.pid, signal.SIGCONT)
        until(lambda: connections(window) > before, "new connection")
        assert lines_drawn(window, "lag") == 3


def test_the_buttons_work_by_keyboard(window: Browser) -> None:
    """Tab reaches each button, Enter switches its incident on, and the page says and draws that it is on."""
    switch = Switch()
    with page(kinds=switch.kinds) as served:
        observer = filled(served, 5, switch)
        show(window, served.url)
        window.run(
            "document.getElementById('lasting').value = '20'; document.querySelector('[data-kind=stall]').focus()"
        )
        window.call("actions", actions=[{"type": "key", "id": "k", "actions": [
            {"type": "keyDown", "value": "\ue007"}, {"type": "keyUp", "value": "\ue007"},
        ]}])  # fmt: skip

        def triggered() -> bool:
            observer.progress(snapshot(6), 6, 0)
            return bool(switch.triggered)

        until(triggered, "incident")
        assert switch.triggered == [("stall", 20 * SECOND_NS)]
        observer.progress(snapshot(7), 7, 0)
        until(lambda: text(window, "state") == "Incident: stall", "word of the incident")
        assert text(window, "switched") == "stall since 0:06, until 0:26"
        until(lambda: window.run("return document.querySelectorAll('.chart .incident').length") == 3, "marks")
        assert window.problems() == []


def test_the_page_can_be_closed_from_the_browser(window: Browser) -> None:
    """Once the run may be closed there is a button; pressed, the run hears of it."""
    with page() as served:
        filled(served, 2)
        show(window, served.url)
        assert window.run("return document.getElementById('close').hidden") is True
        served.tell({"stays_s": 600})
        until(lambda: window.run("return !document.getElementById('close').hidden"), "button")
        window.run("document.getElementById('close').click()")
        assert served.wait_closed(60.0)
    until(lambda: "ended" in text(window, "link"), "end")
    assert window.problems() == []


def test_no_line_is_drawn_across_seconds_that_are_missing(window: Browser) -> None:
    """A loop that stands still tells nothing: the curve ends there and begins anew after it."""
    with page() as served:
        observer = filled(served, 10)
        for second in range(30, 40):
            observer.progress(snapshot(second), 0, 0)
        show(window, served.url)
        until(lambda: curves(window) == [10, 10], "two curves")
        assert not window.problems()


def test_a_picture_is_read_with_the_arrow_keys(window: Browser) -> None:
    """From second to second, in words that are read aloud; Escape goes back to the newest."""
    with page() as served:
        filled(served, 9)
        show(window, served.url)
        until(lambda: lines_drawn(window, "rate") == 9, "picture")
        said = window.run(
            "const svg = document.querySelector('#chart-rate svg'); svg.focus();"
            "const press = key => svg.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));"
            "const said = [];"
            "for (const key of ['Home', 'ArrowRight', 'End', 'ArrowLeft']) {"
            "  press(key); said.push(document.getElementById('reading-rate').textContent); }"
            "return [document.activeElement === svg, ...said];"
        )
    assert said[0] is True
    assert [words.split(":")[0] + words.split(":")[1][:3] for words in said[1:]] == ["001", "002", "009", "008"]
    assert said[1] == "0:01: scheduled 100, sent 99"


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_no_width_makes_the_page_scroll_sideways(window: Browser, width: int) -> None:
    """On a phone as on a screen everything fits, pictures at their own width, and fingers can hit the buttons."""
    switch = Switch()
    window.size(width, mobile=width < 500)
    long = {"not_utf8": 400, "a_subject_raised_something_with_a_very_long_name_that_does_not_end": 3}
    with page(kinds=switch.kinds, load="x" * 200) as served:
        observer = filled(served, 9, switch)
        observer.say(f"a link: http://127.0.0.1:9090/graph?{'y' * 300}")
        workers = {n: snapshot(9, offered=450) for n in (0, 1)}
        observer.progress(snapshot(10, errors=long, workers=workers), 9, 1)
        show(window, served.url)
        until(lambda: lines_drawn(window, "latency") == 10, "picture")
        assert window.run("return document.documentElement.scrollWidth") <= width
        heights = window.run("return [...document.querySelectorAll('button:not([hidden])')].map(b => b.offsetHeight)")
        assert min(heights) >= 36
        svgs = window.run(
            "return [...document.querySelectorAll('.chart svg')].map(s => s.getBoundingClientRect().right)"
        )
        assert max(svgs) <= width
    assert window.problems() == []


CONTRAST = """
const lum = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
  .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
  return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
const ground = node => { for (let at = node; at; at = at.parentElement) {
  const colour = getComputedStyle(at).backgroundColor;
  if (!/, 0\\)$/.test(colour)) return colour; } return 'rgb(255, 255, 255)'; };
const seen = {};
for (const node of document.querySelectorAll('body *')) {
  if (![...node.childNodes].some(c => c.nodeType === 3 && c.textContent.trim())) continue;
  if (!node.getClientRects().length || node.disabled) continue;
  const style = getComputedStyle(node);
  const text = node.namespaceURI.endsWith('svg') ? style.fill : style.color;
  const [a, b] = [lum(text), lum(ground(node))].sort((x, y) => y - x);
  seen[`${node.tagName}.${node.className.baseVal ?? node.className} ${text}`] = (a + .05) / (b + .05);
}
return seen;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(window: Browser, scheme: str) -> None:
    """In light and dark, all text stands out from its ground by 4.5 to 1 (WCAG 2, AA)."""
    switch = Switch()
    window.prefer(prefers_color_scheme=scheme)
    with page(kinds=switch.kinds) as served:
        filled(served, 9, switch).incident("stall", 2 * SECOND_NS, 5 * SECOND_NS)
        show(window, served.url)
        until(lambda: lines_drawn(window, "latency") == 9, "picture")
        ratios: dict[str, Any] = window.run(CONTRAST)
    assert len(ratios) > 10
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


def test_what_changes_all_the_time_is_not_read_aloud(window: Browser) -> None:
    """Only the state, the switch and what the arrow keys ask for are announced, politely."""
    with page(kinds=Switch.kinds) as served:
        show(window, served.url)
        live = window.run("return [...document.querySelectorAll('[aria-live]')].map(e => [e.id, e.ariaLive])")
        inside = window.run("return [...document.querySelectorAll('[aria-live] [id]')].map(e => e.id)")
    assert {kind for _, kind in live} == {"polite"}
    assert {ident for ident, _ in live if ident} == {"switched", "reading-rate", "reading-lag", "reading-latency"}
    assert inside == ["state"]
