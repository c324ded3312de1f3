"""A run over time as a page shows it: panels over one axis, what happened meanwhile, and a table that says the same."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import cast

import pytest

from harness.report.collect import Report
from harness.report.markup import Element
from harness.report.page import render
from harness.report.plots.canvas import NARROW, WIDE, Picture, text_width
from harness.report.plots.timeline import MOST_NAMED, timeline_picture
from harness.report.sections.runs import run_parts, runs_section
from harness.report.sections.timeline import timeline_parts
from harness.report.tables import Illustration, ReportTable
from harness.report.timelines import OverTime, TimedEvent, over_time
from harness.report.writers.markdown import write_markdown
from harness.run.result import RunResult
from tests.harness.report.run_samples import run_result, timeline

STALL = TimedEvent("stall", 12.2, 15.2)
# Where the plot begins, and the pixels of each of 30 seconds.
LEFT, SECOND = 56.0, (WIDE - 8.0 - 56.0) / 30


def time_of(run: RunResult) -> OverTime:
    found = over_time(run)
    assert found is not None
    return found


def drawn(time: OverTime, width: int = WIDE) -> Element:
    return timeline_picture(time, "over time", "t").draw(width)


def shown(run: RunResult) -> Illustration:
    [part] = timeline_parts(run, "t")
    assert isinstance(part, Illustration)
    return part


def classes(svg: Element, kind: str) -> list[Element]:
    return [node for node in svg.iter() if kind in (node.get("class") or "")]


def begun(path: Element) -> int:
    """Return how many separate pieces a path has."""
    return str(path.get("d")).count("M")


def told(picture: Picture, width: int = WIDE) -> list[tuple[float, float, str]]:
    points = json.loads(str(picture.draw(width).get("data-points")))
    return [(x, y, text) for x, y, text in points]


def column(table: ReportTable, label: str) -> list[str]:
    index = [column.label for column in table.columns].index(label)
    return [row[index].value for row in table.rows]


def test_every_point_is_drawn_and_told_in_each_panel() -> None:
    """Rate, lag, service, response and failures of each second, with pointer and arrow keys, and in the table."""
    run = run_result()
    part = shown(run)
    words = [text for _, _, text in told(part.picture)]
    assert len(words) == 5 * 30
    assert "13 s, lines/s: achieved 0, scheduled 1\u202f000" in words
    assert "12 s, service time: p50 " in " ".join(words)
    assert len(part.table.rows) == 30
    assert column(part.table, "From, s")[:3] == ["0", "1", "2"]
    assert column(part.table, "Lines/s achieved")[11:16] == ["1\u202f000", "300", "0", "0", "3\u202f700"]
    assert column(part.table, "Lines failed")[:5] == ["0", "1", "2", "3", "0"]


def test_a_percentile_that_is_not_known_is_a_gap() -> None:
    """No line is drawn through it, and the table has a dash."""
    run = run_result()
    assert column(shown(run).table, "Response time p99, µs")[28] == "–"
    assert [begun(node) for node in classes(drawn(time_of(run)), "curve thin s0")] == [1, 2, 2, 2]
    assert [begun(node) for node in classes(drawn(time_of(run)), "curve thin s2")] == [1, 1, 1]


def test_a_line_is_level_for_as_long_as_its_point_lasts() -> None:
    """So what begins in a second is drawn from the beginning of that second on."""
    [rate, *_] = classes(drawn(time_of(run_result())), "curve thin s0")
    ends = [float(place) for place in re.findall(r"H([\d.]+)", str(rate.get("d")))]
    assert ends == pytest.approx([LEFT + SECOND * (index + 1) for index in range(30)], abs=0.01)
    levels = re.findall(r"(?:^M[\d.]+ |V)([\d.]+)", str(rate.get("d")))
    assert levels[11] == levels[10]
    assert float(levels[12]) > float(levels[11])


def test_incidents_and_scrapes_are_bands_with_words() -> None:
    """Each incident shades every panel and has its name above; pointer and arrow keys tell when it was."""
    svg = drawn(replace(time_of(run_result()), incidents=[STALL]))
    assert [begun(node) for node in classes(svg, "band s3")] == [30] * 5
    assert "stall" in [node.text for node in svg.iter("text")]
    assert "stall at 12.2 s, for 3 s" in json.dumps(svg.get("data-points"))
    bands = [re.match(r"M([\d.]+) [\d.]+h([\d.]+)v", str(node.get("d"))) for node in classes(svg, "band s4")]
    assert len(bands) == 5
    for band in bands:
        assert band
        assert float(band[1]) == pytest.approx(LEFT + 12.2 * SECOND, abs=0.01)
        assert float(band[2]) == pytest.approx(3 * SECOND, abs=0.01)


def test_incidents_are_read_from_a_result_that_has_them() -> None:
    """In its order and units; what took no time is a moment. A result of an earlier version has none."""
    run = run_result()
    assert time_of(run).incidents == []
    happened = [SimpleNamespace(kind="slow", start_ns=3 * 10**9, duration_ns=2 * 10**9),
                SimpleNamespace(kind="restart", start_ns=9_000_000_000, duration_ns=0)]  # fmt: skip
    telling = SimpleNamespace(timeline=run.timeline, incidents=happened)
    time = time_of(cast("RunResult", telling))
    assert [event.words for event in time.incidents] == ["slow at 3 s, for 2 s", "restart at 9 s"]
    table = next(part.table for part in timeline_parts(cast("RunResult", SimpleNamespace(
        timeline=run.timeline, incidents=happened, spec=run.spec)), "t") if isinstance(part, Illustration))  # fmt: skip
    assert column(table, "Meanwhile")[2:6] == ["a scrape", "slow, a scrape", "slow, a scrape", "a scrape"]
    assert column(table, "Meanwhile")[9] == "restart, a scrape"


def test_the_table_says_what_happened_meanwhile() -> None:
    """Scrapes by their number, and none where there was none."""
    run = run_result()
    assert set(column(shown(run).table, "Meanwhile")) == {"a scrape"}
    bare = run_result(timeline=timeline().model_copy(update={"scrapes": []}))
    assert "Meanwhile" not in [each.label for each in shown(bare).table.columns]
    assert not classes(drawn(time_of(bare)), "band")


def test_many_points_stay_a_page() -> None:
    """Of 600 points the picture shows each; table, phone and arrow keys have at most 120, with the highest of each."""
    run = run_result(timeline=timeline(600, 4.0))
    part = shown(run)
    assert len(part.table.rows) == MOST_NAMED
    assert len(told(part.picture)) == 5 * MOST_NAMED
    assert len(render(Report(runs=[run]))) < 500_000
    stalled = column(part.table, "Response time longest, µs")[2]
    assert float(stalled.replace("\u202f", "")) == pytest.approx(12e6, rel=0.01)
    assert "1\u202f800 shorter scrapes are not marked" in part.table.notes[0].text
    assert not classes(part.picture.draw(WIDE), "band"), "2 400 scrapes would shade all of it"


def test_the_time_axis_has_a_unit_that_suits() -> None:
    """Seconds, minutes or hours."""
    for points, width, unit in ((30, 1.0, "s"), (300, 1.0, "min"), (600, 64.0, "h")):
        svg = drawn(time_of(run_result(timeline=timeline(points, width))))
        assert f"time since the start, {unit}" in [node.text for node in svg.iter("text")]


def test_a_closed_loop_has_neither_schedule_nor_lag() -> None:
    """Nor a response time beside the service time."""
    points = [point.model_copy(update={"target": None}) for point in timeline().points]
    run = run_result(timeline=timeline().model_copy(update={"points": points}))
    labels = [each.heading for each in shown(run).table.columns]
    assert "Lines/s" in labels
    assert not [label for label in labels if label.startswith(("Lag", "Response"))]


def test_dropped_lines_stand_on_failed_ones() -> None:
    """Each has its column, and its part of the bar."""
    points = [point.model_copy(update={"dropped": 5}) for point in timeline().points]
    run = run_result(timeline=timeline().model_copy(update={"points": points}))
    assert set(column(shown(run).table, "Dropped")) == {"5"}
    assert len(classes(drawn(time_of(run)), "bar s4")) == 30


@pytest.mark.parametrize("result", [None, timeline(1)])
def test_without_a_time_series_nothing_is_shown(result: object) -> None:
    """A result of an earlier version, and a run of one point, are shown as ever."""
    run = run_result(timeline=result)
    assert list(timeline_parts(run, "t")) == []
    assert "over time" not in render(Report(runs=[run]))


def test_it_is_on_pages_only() -> None:
    """A terminal and Markdown have the figures of the whole run, as before."""
    run = run_result()
    section = runs_section([run])
    assert section is not None
    assert "over time" not in write_markdown([section])
    assert not [part for part in run_parts(run) if isinstance(part, Illustration)]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_incident_names_do_not_touch(width: int) -> None:
    """However many incidents, and however late: each has its name, in a row with room for it."""
    events = [TimedEvent(f"incident-{i}", i * 1.5, i * 1.5 + 1) for i in range(20)]
    svg = drawn(replace(time_of(run_result()), incidents=events), width)
    rows: dict[str, list[tuple[float, float]]] = {}
    for node in svg.iter("text"):
        if (text := node.text or "").startswith("incident-"):
            left = float(str(node.get("x")))
            rows.setdefault(str(node.get("y")), []).append((left, left + text_width(text)))
    assert sum(map(len, rows.values())) == 20
    for ends in rows.values():
        assert ends[-1][1] <= width + 0.1
        assert all(before[1] < after[0] for before, after in pairwise(ends))
