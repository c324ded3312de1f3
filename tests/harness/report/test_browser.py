import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.report.collect import Report
from harness.report.page import render
from tests.harness.report.browser import Browser, browser
from tests.harness.report.samples import full_report, trend
from tests.harness.report.test_page import hostile_report

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def written(folder: Path, report: Report) -> Path:
    path = folder / "report.html"
    path.write_text(render(report), encoding="utf-8")
    return path


def test_the_page_opens_from_disk_without_a_word_on_the_console(window: Browser, tmp_path: Path) -> None:
    """Opened from disk, the page draws its pictures, fetches nothing, and its policy blocks nothing of its own."""
    window.open(written(tmp_path, full_report()))
    assert window.problems() == []
    assert window.run("return performance.getEntriesByType('resource').length") == 0
    drawn = "return [...document.querySelectorAll('svg.wide')].map(s => s.getBoundingClientRect().height)"
    heights = window.run(drawn)
    assert len(heights) == 8
    assert min(heights) > 100


@pytest.mark.slow
def test_a_picture_answers_to_the_arrow_keys(window: Browser, tmp_path: Path) -> None:
    """With the keyboard alone a picture is reached and tells its points one by one."""
    window.size(1280)
    window.open(written(tmp_path, full_report()))
    said = window.run(
        "const svg = document.querySelector('svg.wide'); svg.focus();"
        "const press = key => svg.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));"
        "const tip = document.getElementById('tip'); const said = [];"
        "for (const key of ['ArrowRight', 'ArrowRight', 'End', 'Escape']) {"
        "  press(key); said.push(tip.hidden ? '' : tip.textContent); }"
        "return [document.activeElement === svg, ...said];"
    )
    assert said[0] is True
    assert said[1].startswith("opencensus, not scraped: 95.3 µs")
    assert said[2].startswith("opencensus, while scraped")
    assert said[3].startswith("opentelemetry, 100 series: ✗ void")
    assert said[4] == ""


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_no_width_makes_the_page_scroll_sideways(window: Browser, tmp_path: Path, width: int) -> None:
    """On a phone as on a screen only tables scroll sideways, and one version of each picture is shown."""
    window.size(width, mobile=width < 500)
    window.open(written(tmp_path, full_report()))
    assert window.run("return document.documentElement.scrollWidth") <= width
    shown = window.run(
        "return [...document.querySelectorAll('figure')].map(f => [...f.querySelectorAll(':scope > svg')]"
        ".filter(s => getComputedStyle(s).display !== 'none').length)"
    )
    assert set(shown) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(window: Browser, tmp_path: Path, scheme: str) -> None:
    """In light and dark, each colour that text has stands out from the ground by 4.5 to 1 (WCAG 2, AA)."""
    window.prefer(prefers_color_scheme=scheme)
    window.open(written(tmp_path, full_report()))
    ratios = window.run(
        "const lum = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)"
        ".map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);"
        "return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };"
        "const ground = lum(getComputedStyle(document.body).backgroundColor); const found = {};"
        "for (const e of document.querySelectorAll('main :not(svg, svg *), main svg text'))"
        "{ if (!e.textContent.trim()) continue;"
        "const style = getComputedStyle(e); const c = e.namespaceURI.endsWith('svg') ? style.fill : style.color;"
        "if (!c.startsWith('rgb')) continue;"
        "const l = lum(c); found[c] = (Math.max(l, ground) + .05) / (Math.min(l, ground) + .05); }"
        "return found;"
    )
    svg_ground = {name: ratio for name, ratio in ratios.items() if ratio < 4.5}
    assert len(ratios) >= 5
    assert svg_ground == {}, json.dumps(ratios)


@pytest.mark.slow
def test_hostile_text_runs_nothing(window: Browser, tmp_path: Path) -> None:
    """A page full of markup in its data shows it as text: no dialog, no error, no element that was not ours."""
    text = '"><img src=x onerror=alert(1)></title></script><script>alert(2)</script>'
    window.open(written(tmp_path, hostile_report(text)))
    assert window.problems() == []
    assert window.run("return document.querySelectorAll('img').length") == 0
    assert text in window.run("return document.querySelector('h1').textContent")


@pytest.mark.slow
def test_ten_thousand_runs_stay_a_page(window: Browser, tmp_path: Path) -> None:
    """A long history is drawn in bins: the page stays small and opens without an error."""
    path = written(tmp_path, Report(trends=[trend(10_000)]))
    assert path.stat().st_size < 400_000
    window.open(path)
    assert window.problems() == []
    assert window.run("return document.querySelector('svg.wide path.curve').getTotalLength()") > 200


@pytest.mark.slow
def test_it_prints(window: Browser, tmp_path: Path) -> None:
    """Printed, the page is a PDF of several pages."""
    window.open(written(tmp_path, full_report()))
    printed = window.printed()
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page") > 3
