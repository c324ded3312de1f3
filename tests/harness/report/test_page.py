import base64
import hashlib
import math
import re
from dataclasses import fields as fields_of
from dataclasses import is_dataclass, replace
from functools import cache
from typing import Any

import pytest
from pydantic import BaseModel

from harness.measure.questions.laws import CostLaw, Fit, Point
from harness.measure.questions.scraping.effect import Histograms
from harness.measure.questions.table import Audited
from harness.measure.result import Control, Experiments
from harness.report.collect import Report
from harness.report.page import render
from harness.report.trends import Change, Epoch
from harness.run.result import AuditResult, LedgerResult, Rate, RequirementResult
from harness.run.spec import RunSpec
from tests.harness.report.checks import Node, parse, problems
from tests.harness.report.run_samples import ENVIRONMENT, NO_LATENCY, encoded, found, run_result
from tests.harness.report.samples import (
    HOSTILE,
    TERMS,
    document,
    effect,
    experiment,
    full_report,
    ladder,
    law,
    pages,
    pair,
    rate,
    self_test,
    trend,
)

ODD = Point(x=1, cost=math.nan, error=1.0, interval=(-math.inf, math.inf))
ODD_FIT = Fit(
    a=math.nan, b=math.inf, a_interval=(-math.inf, math.inf), b_interval=(-math.inf, math.inf), flat=False, misfit=0.0
)


@pytest.fixture(scope="module")
def full() -> Node:
    return parse(render(full_report()))


def section(root: Node, ident: str) -> Node:
    return next(node for node in root.all("section") if node.attributes.get("id") == ident)


def test_the_page_is_well_formed() -> None:
    """Tags balance, ids are unique, links lead somewhere in the page, every picture and column says what it is."""
    assert problems(render(full_report())) == []


def test_the_checks_themselves_find_faults() -> None:
    """The checks above can fail: each fault planted in a small page is named."""
    faulty = '<h1>a</h1><a href="#no">b</a><i id="x"></i><i id="x"></i><table><tr><th>c</th></tr></table><svg></svg>'
    assert len(problems(faulty)) == 5
    with pytest.raises(AssertionError):
        parse("<p><b>unbalanced</p>")


@pytest.mark.parametrize(
    ("ident", "words"),
    [
        ("overhead", ["opencensus-lean, 100 series", "95.3", "93.4–97.2", "undecided", "void", "1.2", "71\u202f000"]),
        ("ladder", ["two clock reads", "exporter attached"]),
        ("laws", ["cost = 21.4 µs + 71.9 µs × series", "70.5–73.3"]),
        ("saturation", ["8\u202f900", "8\u202f600–9\u202f100"]),
        ("latency", ["p99.9", "while a scrape was served"]),
        ("trend", ["new epoch: AMD EPYC 9B14, CPython 3.12.4", "+6.50 µs ± 0.41 µs"]),
        ("findings", ["sum decreased", "count mismatch", "bucket bound exclusive"]),
        ("exposition", ["what differs", "a value at its bound counts in that bucket", "9 of 11 aspects are the same"]),
        ("self-test", ["absolute", "0.0673 ±0.0072", "0 of 0, 4 void"]),
        ("runs", ["10\u202f000 offered = 9\u202f900 processed + 100 failed + 0 dropped", "response.p99<2ms"]),
        ("raw", ["pair 12", "A/A 6"]),
        ("environment", ["AMD EPYC 7B13", "0.11.4", "Linux 6.1.0"]),
    ],
)
def test_each_section_shows_its_figures(full: Node, ident: str, words: list[str]) -> None:
    """What a document says stands on the page, in the section that the contents link to."""
    text = section(full, ident).words()
    assert [word for word in words if word not in text] == []
    assert any(link.attributes.get("href") == f"#{ident}" for link in full.all("a"))


def test_each_picture_has_a_table_that_says_the_same(full: Node) -> None:
    """Whoever cannot see a picture, or points at none, finds its figures in a table beside it."""
    figures = full.all("figure")
    assert len(figures) == 8
    for figure in figures:
        assert len(figure.all("svg")) == 2
        assert figure.all("table")[0].all("td")


def test_the_policy_lets_only_the_pages_own_script_and_style_act(full: Node) -> None:
    """No other script or style can run, nothing can be fetched: the digests in the policy are those of the page."""
    policy = next(m.attributes["content"] for m in full.all("meta") if "http-equiv" in m.attributes) or ""
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    for tag in ("style", "script"):
        (element,) = full.all(tag)
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_nothing_is_fetched(full: Node) -> None:
    """The page needs no network: the only address in it is the name of the SVG language."""
    text = render(full_report())
    assert set(re.findall(r"https?://[^\s\"'<>)]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not full.all("img", "iframe", "object", "embed")


PLANTED = "a-word-from-outside"


def hostile_report(text: str) -> Report:
    """A report with one hostile text in every field that can come from outside."""
    return planted(outside_report(PLANTED), text)


def planted(value: Any, text: str) -> Any:
    """Put `text` in the place of the word, however deep it lies; the types' own checks are passed by."""
    if isinstance(value, str):
        return value.replace(PLANTED, text)
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return value.model_copy(update={name: planted(getattr(value, name), text) for name in fields})
    if is_dataclass(value) and not isinstance(value, type):
        changes = {each.name: planted(getattr(value, each.name), text) for each in fields_of(value) if each.init}
        return replace(value, **changes)
    if isinstance(value, dict):
        return {planted(key, text): planted(each, text) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(planted(each, text) for each in value)
    return value


def outside_report(text: str) -> Report:
    run = run_result(
        started=text,
        spec=RunSpec.model_construct(**{**RunSpec().model_dump(), "name": text, "content": text, "instrument": text}),
        environment=ENVIRONMENT.model_copy(update={"cpu": text, "kernel": text, "libraries": {text: text}}),
        ledger=LedgerResult(offered=1, processed=0, failed=1, dropped=0, refused={text: 1}, raised={text: 1}),
        audit=AuditResult(conserved=False, compared=[text], findings=[found(text, "error", 1, text)]),
        verdict="invalid",
        reasons=[text],
        requirements=[RequirementResult(text=text, held=False, actual=None)],
    )
    odd = experiment("x", 5.0, base=text, verdict="undecided", conclusion=text, factors={text: text, "series": 2})
    odd = odd.model_copy(update={"head": text, "raw_pairs": [pair(1.0, 2.0, void=text)]})
    rungs = [each.model_copy(update={"conclusion": text}) for each in ladder("2-views").experiments]
    return Report(
        title=text,
        made=text,
        overhead=Experiments.model_construct(**{**dict(document([odd])), "environment": run.environment}),
        saturation=[rate(text, 5.0, 4.0, 6.0), rate(text, None, reason=text)],
        audits={text: Audited(conserved=False, outcome="not_conserved", findings=[text, "sum_decreased"])},
        ladder=document(rungs),
        laws=[
            law(text, 5.0, 2.0, text, void=3),
            CostLaw(instrument=text, factor=text, points=[], fit=None, formula=text),
        ],
        scrapes=[
            effect(text, scraper=text, factors={"series": 1, text: text}, histograms=Histograms(scraped=text)),
            effect(text),
        ],
        self_test=self_test().model_copy(update={"subject": text}),
        expositions=[pages(text, text, text)],
        trends=[
            replace(
                trend(12), metric=text, unit=text, ids=[text] * 12, created=[text] * 12,
                epochs=[Epoch(0, text), Epoch(5, text)], changes=[Change(6, text, text)],
            )
        ],
        runs=[run],
        problems=[text],
    )  # fmt: skip


def shape(page: str) -> set[tuple[str, ...]]:
    """Return which elements with which attributes a page has.

    How many points, labels or legend rows fit depends on a text's length; what they are made of does not.
    """
    return {(each.tag, *sorted(each.attributes)) for each in parse(page).all()}


@cache
def harmless_shape() -> set[tuple[str, ...]]:
    """Return what the pages have that hold nothing hostile."""
    return shape(render(hostile_report("harmless"))) | shape(render(full_report()))


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:24])
def test_nothing_from_outside_becomes_markup(text: str) -> None:
    """Whatever stands in any field, the page has the same elements and attributes as with a harmless word there."""
    page = render(hostile_report(text))
    assert problems(page) == []
    page.encode("utf-8")
    assert shape(page) <= harmless_shape()
    assert len(parse(page).all("script")) == 1


def test_hidden_characters_are_written_out() -> None:
    """Marks that reorder text, controls and half characters are shown as what they are, never obeyed."""
    page = render(Report(title="abc\u202egpj.exe \x00 \udcff \x1b[2J"))
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b\ud800-\udfff]", page)
    assert "abc\\u202egpj.exe \\x00 \\udcff \\x1b[2J" in parse(page).all("h1")[0].words()


def test_long_text_is_cut_and_says_so() -> None:
    """A text of a megabyte does not make a page of a megabyte."""
    page = render(Report(title="x" * 1_000_000))
    assert len(page) < 50_000
    assert "(1,000,000 characters)" in page


@pytest.mark.parametrize(
    "report",
    [
        Report(),
        Report(overhead=document([])),
        Report(overhead=document(interrupted=True)),
        Report(
            overhead=document([
                experiment(
                    "a", 5.0, pairs=0, cost_per_line=None, cost_interval=(None, None), ratio=None,
                    ratio_interval=(None, None), minimal_detectable_effect=None, base_per_line=None, head_per_line=None,
                    null=Control(ratio=None, ratio_interval=(None, None), confidence=0.99, pairs=0),
                    verdict="undecided", raw_pairs=[], raw_null=[],
                ),
                experiment("b", 1.0, cost_per_line=math.nan, cost_interval=(math.nan, math.inf), raw_pairs=[]),
                experiment("c", 0.0, half=0.0),
                experiment("d", -40.0, verdict="faster"),
                experiment("e", 40.0, verdict="void", factors={"scraped": True}, lost=3, raised=2, evaluated=0),
            ])
        ),
        Report(ladder=document([])),
        Report(
            ladder=document([
                each.model_copy(update={"axis": "instructions", "cost_per_line": math.nan, "head_per_line": math.nan})
                for each in ladder().experiments[:1]
            ])
        ),
        Report(
            laws=[
                CostLaw(instrument="a", factor="x", points=[], fit=None, formula=""),
                CostLaw(instrument="b", factor="x", points=[ODD], fit=ODD_FIT, formula=""),
            ]
        ),
        Report(laws=[law("a", 0.0, 0.0), law("b", -5.0, 1.0, "views")]),
        Report(scrapes=[effect(histograms=Histograms(scraped="not base64 at all"), by_window=[])]),
        Report(
            scrapes=[
                effect(
                    histograms=Histograms(scraped=encoded(1.0, 0.0, 0.0, 1), unscraped=encoded(9e11, 0.0, 0.0, 2)),
                    rate=None,
                )
            ]
        ),
        Report(trends=[trend(0), trend(1), trend(2, steps=False)]),
        Report(trends=[replace(trend(5), values=[None] * 5), replace(trend(3), values=[math.nan, math.inf, 0.0])]),
        Report(trends=[replace(trend(4, steps=False), values=[7.0] * 4, lows=[None] * 4, highs=[7.0] * 4)]),
        Report(
            runs=[
                run_result(
                    interrupted=True, verdict="invalid", reasons=["too late"], lag_ns=NO_LATENCY, service_ns=NO_LATENCY,
                    response_ns=NO_LATENCY, rate=Rate(target=None, achieved=0.0), requirements=[],
                    audit=AuditResult(conserved=None, compared=[], findings=[]),
                )
            ]
        ),
    ],
)  # fmt: skip
def test_degenerate_documents_make_whole_pages(report: Report) -> None:
    """Nothing measured, one run, interrupted, void, unknown and not finite: a page each, and never the word nan."""
    page = render(report)
    assert problems(page) == []
    words = parse(page).all("body")[0]
    shown = " ".join(node.text for node in words.all() if node.tag not in {"script", "style"})
    assert not re.search(r"\b(nan|inf|None)\b", shown)
    drawn = [v for svg in words.all("svg") for node in svg.all() for n, v in node.attributes.items() if n in {"x", "d"}]
    assert not re.search(r"nan|inf", " ".join(value or "" for value in drawn))


def test_an_empty_report_says_how_to_begin() -> None:
    """Someone who has measured nothing learns which command to start with."""
    assert "harness overhead" in parse(render(Report())).all("main")[0].words()


def test_a_void_experiment_shows_no_figure() -> None:
    """A figure that must not be believed is not printed in the table."""
    page = render(Report(overhead=document([experiment("x", 123_456.0, verdict="void", conclusion="void")])))
    table = section(parse(page), "overhead").all("table")[0]
    assert "void" in table.words()
    assert "123" not in table.words()


def test_lost_lines_stand_beside_the_verdict() -> None:
    """A library that loses or raises records under threads is not merely fast."""
    lossy = experiment("oc", 5.0, factors={"threads": 4, "scraped": False}, lost=95, raised=3, evaluated=2400)
    text = section(parse(render(Report(overhead=document([lossy])))), "overhead").words()
    assert "lost 95 of 2\u202f400 lines (4.0\u202f%)" in text
    assert "raised 3 of 2\u202f400 lines" in text


def test_terms_of_a_document_are_not_needed_to_draw_it() -> None:
    """Any valid document is drawn, whichever stop rule it was measured under."""
    other = Experiments(
        environment=ENVIRONMENT, terms=TERMS.model_copy(update={"budget_s": None}), elapsed_s=1.0, experiments=[]
    )
    assert problems(render(Report(overhead=other))) == []
