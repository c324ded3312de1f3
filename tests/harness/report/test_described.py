"""What a report says of a described service: a row and a paragraph for each way of recording."""

import pytest

from harness.measure.questions.answer import Answer, outcome_of
from harness.measure.questions.described.description import ServiceDescription
from harness.measure.questions.described.estimates import FootprintRecord, described_of
from harness.report.answer import answer_markdown
from harness.report.collect import assembled, read_document
from harness.report.contents import sections_of
from harness.report.page import render
from harness.report.sections.service.described import described_section, service_words
from harness.report.writers.markdown import write_markdown
from tests.harness.report.samples import document, experiment

MS = 1_000_000
SERVICE = ServiceDescription(series=200, rate=2000.0, workers=4, scrape_s=15.0)
WAYS = ("prometheus-client", "prometheus-client-multiprocess", "opentelemetry", "opencensus", "dogstatsd", "late")


def record(instrument: str, page_ms: float | None, shown: int = 804, **more: object) -> FootprintRecord:
    """One process of four workers with 201 tag sets each."""
    values = {
        "before": 30_000_000, "after": 31_400_000, "page_ns": [] if page_ms is None else [round(page_ms * MS)] * 3,
        "page_bytes": 9000, "recorded": 804, "own": 201, "shown": shown, "series": 201, "shown_series": 201,
    }  # fmt: skip
    return FootprintRecord(instrument=instrument, **values | more)


@pytest.fixture(scope="module")
def answer() -> Answer:
    """One worker counted; all of them; series folded; a void experiment; pushed; and a page that is too slow."""
    costs = [experiment(name, cost, series=200) for name, cost in zip(WAYS, (5_000, 12_000, 20_000), strict=False)]
    costs.append(experiment("opencensus", 9e6, series=200, verdict="void", conclusion="void: lines were lost"))
    costs += [experiment("dogstatsd", 30_000, series=200), experiment("late", 1e7, series=200)]
    processes = [
        *(record("prometheus-client", each, shown=201) for each in (9.0, 11.0, 10.0)),
        *(record("prometheus-client-multiprocess", each) for each in (38.0, 41.0, 40.0)),
        *(record("opentelemetry", each, shown_series=100) for each in (70.0, 71.0)),
        *(record("opencensus", 20.0, void="it ended with 1") for _ in range(3)),
        *(record("dogstatsd", None) for _ in range(2)),
        *(record("late", each) for each in (11_000.0, 11_010.0)),
    ]
    return outcome_of(
        "described", {f"described:{SERVICE.text}": document(costs)}, described=[described_of(SERVICE, costs, processes)]
    )


def paragraph(answer: Answer, name: str) -> str:
    """Return what the answer says of one way of recording in words."""
    lines = answer_markdown(answer).splitlines()
    return next(line for line in lines if line.startswith("- ") and f"{name}:" in line.replace("*", ""))


def test_a_service_is_said_in_words() -> None:
    """With its units."""
    words = service_words(SERVICE)
    assert words.replace("\u202f", " ") == "200 series, 2 000 lines/s, 4 workers, scraped every 15 s"
    assert "1 worker," in service_words(ServiceDescription())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("prometheus-client", "of a core in each of 4 workers, making pages 0.0"),
        ("prometheus-client", "% (0.052–0.085) in the one that is scraped"),
        ("prometheus-client", "in each worker, about 5.3 MiB in all"),
        ("prometheus-client", "A scrape holds a worker up for 10.0 ms (7.8–12.8) at most"),
        ("prometheus-client", "in which 5.0 lines come due"),
        ("prometheus-client", "What breaks first: already, the page shows the lines of one worker, 201 of the 804"),
        ("prometheus-client-multiprocess", "times the rate"),
        ("prometheus-client-multiprocess", "Then: at 252 ("),
        ("opentelemetry", "What breaks first: already, 100 of 201 series are on the page"),
        ("opencensus", "CPU is not known: void: lines were lost"),
        ("opencensus", "Memory is not known: it ended with 1"),
        (
            "opencensus",
            "It is not known whether a page takes longer than the 10 s that a scrape may take: it ended with 1.",
        ),
        ("opencensus", "How long a scrape holds it up is not known: it ended with 1"),
        ("dogstatsd", "No scrape holds it up: no page is made, since it pushes its values"),
        ("dogstatsd", "times the rate, 133 250 lines/s, recording fills a core of each worker"),
        ("late", "Then: already, recording and pages fill a core of each worker"),
        ("late", "What breaks first: already, a page takes longer than the 10 s that a scrape may take"),
    ],
)
def test_everything_is_said_in_words_and_figures(answer: Answer, name: str, words: str) -> None:
    """Each figure with its interval, what is not known with its reason, and what breaks first."""
    assert words in paragraph(answer, name).replace("\u202f", " ")


def test_the_table_has_a_row_for_each_and_no_figure_of_what_is_void(answer: Answer) -> None:
    """CPU, memory, time and what breaks first; a void experiment has its word."""
    (section,) = [described_section(answer.described)]
    assert section is not None
    (table,) = section.tables()
    rows = {row[0]: row for row in table.texts()}
    assert list(rows) == list(WAYS)
    assert rows["prometheus-client"][4] == "already: one worker counted"
    assert rows["prometheus-client-multiprocess"][4].startswith("core full at ×")
    assert rows["opentelemetry"][4] == "already: series folded"
    assert rows["opencensus"][1:] == ["✗ void", "–", "–", "–"]
    assert rows["dogstatsd"][3] == "–"
    assert "3 of 3 processes void: it ended with 1" in write_markdown([section])


def test_a_stored_answer_is_shown_in_a_report_once_and_on_a_page(answer: Answer) -> None:
    """The newest for each service; its raw pairs are among the evidence."""
    stored = read_document(answer.document(), "service.json")
    report = assembled([*stored, *stored])
    assert [each.service for each in report.described] == [SERVICE]
    assert len(report.evidence) == len(WAYS)
    sections = [section.ident for section in sections_of(report)]
    assert sections.count("described") == 1
    assert [source.what for source in report.sources] == ["a described service"] * 2
    assert "already: one worker counted" in render(report)


def test_a_document_of_before_has_no_such_section(answer: Answer) -> None:
    """Stored documents without the field open as they did."""
    stored = answer.document()
    del stored["described"]
    (read,) = read_document(stored, "before.json")
    assert described_section(read.content.described) is None


def test_a_cost_that_is_not_above_zero_breaks_nothing() -> None:
    """No rate is named, and no more is said than was seen."""
    described = described_of(SERVICE, [experiment("dogstatsd", -20.0)], [record("dogstatsd", None)] * 2)
    section = described_section([described])
    assert section is not None
    (table,) = section.tables()
    assert table.texts()[0][4] == "nothing seen"
    assert "Recording was not seen to cost anything." in write_markdown([section])


def test_series_that_take_no_memory_are_said_to_take_none_that_was_seen() -> None:
    """A client that sends each value has no series."""
    processes = [record("dogstatsd", None, after=30_000_000)] * 2
    section = described_section([described_of(SERVICE, [experiment("dogstatsd", 20.0)], processes)])
    assert section is not None
    assert "No memory of its series was seen." in write_markdown([section])
