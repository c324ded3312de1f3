import dataclasses
import math
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.audit.audit import Audit, AuditOutcome, audit
from harness.audit.findings import Finding, Name, Severity, sentence, unseen
from harness.expected import Expected, SeriesTruth
from harness.exposition.page import Family, Page, Sample, Shown, fold, parse_page
from harness.views import LATENCY, LINE_LENGTHS, LINES_IN, Tags, View
from tests.harness.scrape.conforming import VIEWS, expected_of, page_of, truth_of, truths

REPL = Tags()
SIMPLE = expected_of({REPL: [3, 5, 5, 12, 10_000]})


def stored(page: Page) -> Shown:
    """Return what a scraper stores of a page that it takes as it is."""
    return fold(page.samples, (*VIEWS, LATENCY))


def names(found: tuple[Finding, ...]) -> set[Name]:
    return {finding.name for finding in found}


def only(found: tuple[Finding, ...], name: Name) -> Finding:
    (finding,) = [finding for finding in found if finding.name is name]
    return finding


def without(page: Page, *samples: Sample) -> Page:
    return dataclasses.replace(page, samples=tuple(sample for sample in page.samples if sample not in samples))


def changed(page: Page, index: int, by: float) -> Page:
    samples = list(page.samples)
    samples[index] = samples[index]._replace(value=samples[index].value + by)
    return dataclasses.replace(page, samples=tuple(samples))


@given(truths())
def test_a_page_that_tells_the_truth_passes_without_any_finding(expected: Expected) -> None:
    """Whatever was recorded, a conforming page stored as it is leaves nothing to report."""
    page = page_of(expected)
    result = audit(expected, VIEWS, page, stored(page))
    assert result.findings == ()
    assert result.conserved


@given(truths(), st.data())
def test_any_single_wrong_number_is_noticed(expected: Expected, data: st.DataObject) -> None:
    """No count, bucket or sum of the page can be off by one without a finding; counts and sums fail the audit."""
    page = page_of(expected)
    index = data.draw(st.integers(0, len(page.samples) - 1))
    wrong = changed(page, index, data.draw(st.sampled_from([-1.0, 1.0])))
    result = audit(expected, VIEWS, wrong, stored(wrong))
    name = wrong.samples[index].name
    if name.endswith("_sum"):
        assert names(result.findings) == {Name.SUM_MISMATCH}
        assert result.outcome is AuditOutcome.NOT_CONSERVED
    elif name.endswith("_bucket") and wrong.samples[index].labels["le"] != "+Inf":
        # One value at the bound, counted one bucket higher, looks the same as a library with exclusive bounds.
        assert names(result.findings) & {Name.BUCKET_MISMATCH, Name.BUCKET_BOUND_EXCLUSIVE}
    else:
        assert not result.conserved


@given(truths(), st.data())
def test_a_sample_that_is_left_out_is_noticed(expected: Expected, data: st.DataObject) -> None:
    """No sample can be missing from the page without a finding."""
    page = page_of(expected)
    sample = data.draw(st.sampled_from(page.samples))
    # Zero values in a bucket below the first one filled are told by their absence just as loudly.
    assert audit(expected, VIEWS, without(page, sample), None).findings != (Finding(Name.NOT_STORED),)


@given(truths())
def test_the_exclusive_rule_is_recognised_with_its_exact_size(expected: Expected) -> None:
    """Counting value < bound is a finding that says how many values moved, and does not fail the audit."""
    lengths = expected[LINE_LENGTHS.name]
    moved = sum(sum(truth.at_bound) for truth in lengths.values())
    assume(moved)

    def exclusive(view: View, tags: Tags, index: int, value: float) -> float:
        inside = view is LINE_LENGTHS and index < len(view.bounds)
        return value - lengths[tags].at_bound[index] if inside else value

    page = page_of(expected, exclusive)
    result = audit(expected, VIEWS, page, stored(page))
    assert result.conserved
    (finding,) = result.findings
    assert (finding.name, finding.size) == (Name.BUCKET_BOUND_EXCLUSIVE, moved)


@given(truths(minimum=2), st.data())
def test_a_series_that_is_lost_or_invented_fails_and_is_named(expected: Expected, data: st.DataObject) -> None:
    """A series on one side only is an error that carries its tags and how many values it holds."""
    gone = data.draw(st.sampled_from(sorted(expected[LINES_IN.name])))
    fewer = {view: {t: truth for t, truth in series.items() if t != gone} for view, series in expected.items()}
    lost = audit(expected, VIEWS, page_of(fewer), None)
    invented = audit(fewer, VIEWS, page_of(expected), None)
    for result, name in ((lost, Name.SERIES_MISSING), (invented, Name.SERIES_UNEXPECTED)):
        assert not result.conserved
        finding = next(finding for finding in result.findings if finding.name is name)
        assert finding.detail["values"] == expected[LINES_IN.name][gone].count
        assert gone.method in finding.detail["examples"][0]


@given(truths(), st.data())
def test_a_store_that_differs_from_the_page_fails(expected: Expected, data: st.DataObject) -> None:
    """What Prometheus stored must equal the page, sample by sample."""
    page = page_of(expected)
    index = data.draw(st.integers(0, len(page.samples) - 1))
    result = audit(expected, VIEWS, page, stored(changed(page, index, 1)))
    assert only(result.findings, Name.STORED_DIFFERS).size == 1
    assert not result.conserved
    assert not audit(expected, VIEWS, page, stored(dataclasses.replace(page, samples=page.samples[1:]))).conserved


def test_buckets_that_follow_neither_rule_fail() -> None:
    """Half a move is no rule: one of two values at a bound in the wrong bucket is an error."""
    page = page_of(SIMPLE, lambda *shown: shown[3] - (shown[2] == 0))
    result = audit(SIMPLE, VIEWS, page, stored(page))
    finding = only(result.findings, Name.BUCKET_MISMATCH)
    assert not result.conserved
    assert "le=5: ledger 3, page 2.0" in finding.detail["examples"][0]


def test_bounds_other_than_the_views_fail() -> None:
    """A bucket that the view does not have is an error, even if all others are right."""
    extra = Sample(f"{LINE_LENGTHS.family}_bucket", {**REPL._asdict(), "le": "7"}, 3.0)
    page = page_of(SIMPLE)
    result = audit(SIMPLE, VIEWS, dataclasses.replace(page, samples=(*page.samples, extra)), None)
    assert "le=7 is no bound" in only(result.findings, Name.BUCKET_MISMATCH).detail["examples"][0]


def test_the_same_series_twice_fails() -> None:
    """A repeated sample is an error, because a scraper keeps only one of them."""
    page = page_of(SIMPLE)
    twice = dataclasses.replace(page, samples=(*page.samples, page.samples[0]))
    assert only(audit(SIMPLE, VIEWS, twice, None).findings, Name.SERIES_REPEATED).size == 1


def test_a_series_that_was_made_and_never_used_is_no_finding() -> None:
    """A child with only zeros, as prometheus-client makes them beforehand, is not an unexpected series."""
    empty = {view: {**series} for view, series in SIMPLE.items()}
    empty[LINES_IN.name][Tags("idle")] = SeriesTruth(0, 0.0)
    assert audit(SIMPLE, VIEWS, page_of(empty), stored(page_of(empty))).findings == ()


@pytest.mark.parametrize(
    ("what", "total", "count", "found"),
    [
        ("adding 1000 floats may be off by 1000 roundoffs", 100.0 * (1 + 900 * 2.0**-53), 1000, None),
        ("more than adding explains was rounded", 100.0 * (1 + 5000 * 2.0**-53), 1000, Name.SUM_INEXACT),
        ("a mean times the count, as OpenCensus has it", 100.0 * (1 - 2e-12), 1000, Name.SUM_INEXACT),
        ("just within a billionth is still rounding", 100.0 * (1 + 0.99e-9), 1000, Name.SUM_INEXACT),
        ("more than a billionth is another number", 100.0 * (1 + 1.01e-9), 1000, Name.SUM_MISMATCH),
        ("adding ten million floats may be off by more", 100.0 * (1 + 1.1e-9), 10_000_000, None),
        ("but not by any amount", 100.0 * (1 + 1.2e-9), 10_000_000, Name.SUM_MISMATCH),
        ("seconds where milliseconds should be", 0.1, 1000, Name.SUM_MISMATCH),
        ("a thousand times too much", 100_000.0, 1000, Name.SUM_MISMATCH),
        ("nothing at all", 0.0, 1000, Name.SUM_MISMATCH),
        ("no number", float("nan"), 1000, Name.SUM_MISMATCH),
        ("infinity", float("inf"), 1000, Name.SUM_MISMATCH),
        ("no sample", None, 1000, Name.SUM_MISMATCH),
    ],
)
def test_a_sum_is_right_rounded_or_wrong(what: str, total: float | None, count: int, found: Name | None) -> None:
    """Rounding is a warning; a sum that is missing, no number, or off by more than rounding explains is an error."""
    truth = SeriesTruth(count, 100.0, (count, *[0] * len(LATENCY.bounds)), (0,) * len(LATENCY.bounds))
    page = page_of_latency(truth, total)
    result = audit({LATENCY.name: {REPL: truth}}, [LATENCY], page, stored(page))
    assert names(result.findings) & {Name.SUM_INEXACT, Name.SUM_MISMATCH} == ({found} if found else set()), what
    assert result.outcome is (AuditOutcome.NOT_CONSERVED if found is Name.SUM_MISMATCH else AuditOutcome.CONSERVED)


@pytest.mark.parametrize(("total", "found"), [(0.0, False), (1e-300, True), (None, True)])
def test_a_sum_of_nothing_but_zeros_is_zero(total: float | None, found: bool) -> None:
    """Where every value was zero, any other sum is wrong, however small."""
    truth = SeriesTruth(3, 0.0, (3, *[0] * len(LATENCY.bounds)), (0,) * len(LATENCY.bounds))
    page = page_of_latency(truth, total)
    result = audit({LATENCY.name: {REPL: truth}}, [LATENCY], page, stored(page))
    assert (Name.SUM_MISMATCH in names(result.findings)) is found


@given(st.integers(1, 40_000), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_sums_from_a_running_mean_are_rounded_and_no_error(count: int, seed: int) -> None:
    """OpenCensus multiplies a running mean by the count; whatever it recorded, that stays within rounding."""
    random = Random(seed)  # noqa: S311 - values for a test
    values = [random.lognormvariate(-4, 3) for _ in range(count)]
    mean = 0.0
    for number, value in enumerate(values, 1):
        mean += (value - mean) / number
    exact = math.fsum(values)
    truth = SeriesTruth(count, exact, (count, *[0] * len(LATENCY.bounds)), (0,) * len(LATENCY.bounds))
    page = page_of_latency(truth, mean * count)
    assert audit({LATENCY.name: {REPL: truth}}, [LATENCY], page, stored(page)).outcome is AuditOutcome.CONSERVED


def page_of_latency(truth: SeriesTruth, total: float | None) -> Page:
    labels = REPL._asdict()
    buckets = [
        Sample(f"{LATENCY.family}_bucket", {**labels, "le": str(bound)}, truth.count)
        for bound in (*LATENCY.bounds, "+Inf")
    ]
    rest = [Sample(f"{LATENCY.family}_count", labels, truth.count)]
    if total is not None:
        rest.append(Sample(f"{LATENCY.family}_sum", labels, total))
    family = Family(LATENCY.family, "histogram", LATENCY.description)
    return Page("", "", (*buckets, *rest), {LATENCY.family: family}, {})


def test_latency_buckets_are_audited_with_the_exact_latencies() -> None:
    """Float latencies are compared bucket by bucket as lengths are."""
    truth = truth_of([0.01, 25.0, 25.000001, 7000.5], LATENCY.bounds)
    page = page_of_latency(dataclasses.replace(truth, count=4), truth.total)
    assert Name.BUCKET_MISMATCH in names(audit({LATENCY.name: {REPL: truth}}, [LATENCY], page, None).findings)


def test_what_has_nothing_to_show_is_not_audited() -> None:
    """An instrument that exposes nothing by design is conserved, and the audit says that it compared nothing."""
    result = audit(None, VIEWS, parse_page(""), None)
    assert result.conserved
    assert names(result.findings) == {Name.NOTHING_EXPOSED}


def test_an_empty_page_fails_when_something_was_recorded() -> None:
    """An instrument that should have exposed lines and shows nothing loses them all."""
    assert not audit(SIMPLE, VIEWS, parse_page(""), stored(parse_page(""))).conserved


def test_lines_on_which_recording_raised_fail_the_audit() -> None:
    """A record that raised is not on the page; that is an error even where all else agrees."""
    page = page_of(SIMPLE)
    result = audit(SIMPLE, VIEWS, page, stored(page), raised=3)
    assert only(result.findings, Name.RECORD_RAISED).size == 3
    assert not result.conserved


def test_a_page_that_was_not_fetched_fails_once() -> None:
    """Without a page nothing is known, and the reason given elsewhere is kept instead of repeated."""
    assert names(audit(SIMPLE, VIEWS, None).findings) == {Name.PAGE_UNREADABLE}
    reason = Finding(Name.PAGE_UNREADABLE, 1, {"reason": "500"})
    assert audit(SIMPLE, VIEWS, None, others=[reason]).findings == (reason,)


@pytest.mark.parametrize(
    ("what", "page", "others", "outcome", "conserved"),
    [
        ("all was seen and right", page_of(SIMPLE), [], AuditOutcome.CONSERVED, True),
        ("a warning changes nothing", page_of(SIMPLE), [Name.SCRAPE_SLOW], AuditOutcome.CONSERVED, True),
        ("the server was killed", page_of(SIMPLE), [Name.SCRAPER_DIED], AuditOutcome.NOT_VERIFIED, None),
        (
            "interrupted before the last scrape",
            page_of(SIMPLE),
            [Name.STORE_UNREADABLE],
            AuditOutcome.NOT_VERIFIED,
            None,
        ),
        ("the page cannot be read", None, [Name.PAGE_UNREADABLE], AuditOutcome.NOT_VERIFIED, None),
        ("many scrapes failed", page_of(SIMPLE), [Name.TOO_MANY_SCRAPES_FAILED], AuditOutcome.NOT_VERIFIED, None),
        ("not all scrapes were read", page_of(SIMPLE), [Name.SCRAPES_UNREAD], AuditOutcome.NOT_VERIFIED, None),
        ("a line is missing", page_of({}), [], AuditOutcome.NOT_CONSERVED, False),
        ("a wrong page outweighs one unseen", page_of({}), [Name.SCRAPER_DIED], AuditOutcome.NOT_CONSERVED, False),
        ("a scrape was wrong", page_of(SIMPLE), [Name.SCRAPE_BEHIND], AuditOutcome.NOT_CONSERVED, False),
    ],
)
def test_the_outcome_tells_wrong_from_not_seen(
    what: str, page: Page | None, others: list[Name], outcome: AuditOutcome, conserved: bool | None
) -> None:
    """What was seen to be wrong is not conserved; what could not be seen is not verified, and never called wrong."""
    result = audit(SIMPLE, VIEWS, page, None, others=[Finding(name) for name in others])
    assert (result.outcome, result.conserved) == (outcome, conserved), what


@pytest.mark.parametrize("name", list(Name))
def test_only_errors_are_about_what_was_not_seen(name: Name) -> None:
    """A finding that says what could not be looked at fails the run, and alone makes it not verified."""
    if unseen(name):
        assert Finding(name).severity is Severity.ERROR
        assert Audit((Finding(name),)).outcome is AuditOutcome.NOT_VERIFIED


@pytest.mark.parametrize(
    ("what", "old", "new", "found"),
    [
        ("a gauge", "_in_total counter", "_in_total gauge", {Name.TYPE_MISMATCH}),
        ("no type", "# TYPE oc_python_demo_lines_in_total counter\n", "", {Name.TYPE_MISMATCH}),
        ("another text", "from standard input", "read", {Name.HELP_MISMATCH}),
        ("no text", " The number of lines from standard input", "", {Name.HELP_MISMATCH}),
        ("nothing wrong", "", "", set()),
    ],
)
def test_type_and_help_text_are_compared_with_the_view(what: str, old: str, new: str, found: set[Name]) -> None:
    """What a page says about a family is a warning of its own where it is not what the view says."""
    text = page_of(SIMPLE).text
    assert old in text
    page = parse_page(text.replace(old, new))
    result = audit(SIMPLE, VIEWS, page, stored(page))
    assert names(result.findings) == found, what
    assert result.outcome is AuditOutcome.CONSERVED


def test_repeated_descriptions_are_counted() -> None:
    """HELP and TYPE lines beyond the first of a family are a finding of that size; the counts still agree."""
    page = page_of(SIMPLE)
    head = f"# HELP {LINE_LENGTHS.family} again\n# TYPE {LINE_LENGTHS.family} histogram\n"
    again = parse_page(page.text + head)
    result = audit(SIMPLE, VIEWS, again, stored(again))
    assert result.conserved
    assert only(result.findings, Name.HELP_TYPE_REPEATED).size == 2


OVERFLOW = Sample(f"{LINES_IN.family}_total", {"otel_metric_overflow": "True"}, 4.0)


@pytest.mark.parametrize("count", [4, 5])
def test_folded_series_are_one_finding_where_the_overflow_has_all_their_values(count: int) -> None:
    """Else the series are missing, and the overflow is one that no line has: something more is wrong."""
    expected: Expected = {LINES_IN.name: {Tags("a"): SeriesTruth(3, 30.0), Tags("b"): SeriesTruth(count, 40.0)}}
    page = page_of({LINES_IN.name: {Tags("a"): SeriesTruth(3, 30.0)}})
    page = dataclasses.replace(page, samples=(*page.samples, OVERFLOW))
    found = audit(expected, (LINES_IN,), page, fold(page.samples, (LINES_IN,))).findings
    if count == 4:
        folded = only(found, Name.SERIES_FOLDED)
        assert (folded.size, folded.detail["values"]) == (1, 4)
        assert names(found) == {Name.SERIES_FOLDED}
        assert sentence(folded) == "1 series folded into one, 4 values in it (demo_lines_in)"
    else:
        assert names(found) == {Name.SERIES_MISSING, Name.SERIES_UNEXPECTED}
