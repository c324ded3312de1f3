"""The answers for three readers: figures of the stored run, the same in README.md and on the page."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cost import what_a_metric_costs
from benchmarks.cost.readers import _than, quotient, readers
from harness.measure.questions.answer import Answer
from harness.report.numbers import MeasuredValue
from tests.benchmarks.cost.test_what_a_metric_costs import stored

ROOT = Path(__file__).parents[3]
VOID = "so nothing is said about it here"
POSITIVE = st.floats(1e-3, 1e9)


@st.composite
def values(draw: st.DrawFn) -> MeasuredValue:
    value, below, above = draw(POSITIVE), draw(st.floats(1.0, 2.0)), draw(st.floats(1.0, 2.0))
    return MeasuredValue(value, value / below, value * above)


def answers(outcome: Answer) -> list[str]:
    return readers(outcome, what_a_metric_costs.validation(ROOT / "docs"), "docs/").strip().split("\n\n")


def test_the_readme_opens_with_what_the_stored_run_says() -> None:
    """Before its first section, to the letter; the page opens with the same figures."""
    said = answers(stored())
    opening = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## ")[0]
    page = (ROOT / "docs" / "what-a-metric-costs.md").read_text(encoding="utf-8").partition("\n## ")[0]
    for each in said:
        assert VOID not in each
        assert each in opening
        assert each.replace("](docs/", "](") in page


def test_each_answer_is_three_sentences() -> None:
    """For whoever has no time for more."""
    for each in answers(stored()):
        _, _, sentences = each.partition(".** ")
        assert len(re.findall(r"\.(?= |$)", sentences)) == 3


@pytest.mark.parametrize(
    ("part", "head", "silent"),
    [
        ("table", "opencensus", [0]),
        ("laws:series", "opencensus-lean", [0]),
        ("table", "prometheus-client", [0, 1]),
        ("table", "opentelemetry", [1]),
    ],
)
def test_an_answer_that_rests_on_a_void_experiment_has_no_figure(part: str, head: str, silent: list[int]) -> None:
    """It says so; the others stay as they are."""
    outcome, sound = stored(), answers(stored())
    document = outcome.part(part)
    assert document is not None
    of_part = {id(each) for each in document.experiments if each.head == head}
    void = [each.model_copy(update={"verdict": "void"} if id(each) in of_part else {}) for each in outcome.experiments]
    said = answers(outcome.model_copy(update={"experiments": void}))
    for number, (now, before) in enumerate(zip(said, sound, strict=True)):
        assert (VOID in now) == (number in silent)
        assert number in silent or now == before


def test_without_a_proof_nothing_is_said_about_it() -> None:
    """The last answer rests on experiments of `make validate`."""
    assert VOID in readers(stored(), None).strip().split("\n\n")[2]


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(1.1, 1.3, "move for other reasons"), (0.7, 0.9, "cheaper still"), (0.9, 1.1, "decides nothing")],
)
def test_what_moving_brings_is_said_from_the_interval(low: float, high: float, words: str) -> None:
    """And not from the ratio alone."""
    assert words in _than(MeasuredValue(1.0, low, high))


@given(values(), values())
def test_a_quotient_and_its_inverse_say_the_same(one: MeasuredValue, other: MeasuredValue) -> None:
    """Turned round, value and ends are the reciprocals; the ends lie on both sides of the value."""
    ratio, inverse = quotient(one, other), quotient(other, one)
    assert None not in (ratio.value, ratio.low, ratio.high, inverse.value, inverse.low, inverse.high)
    assert ratio.low <= ratio.value <= ratio.high  # type: ignore[operator]
    for there, back in ((ratio.value, inverse.value), (ratio.low, inverse.high), (ratio.high, inverse.low)):
        assert math.isclose(there * back, 1.0, rel_tol=1e-9)  # type: ignore[operator]


@given(values())
def test_a_quotient_by_what_is_known_exactly_has_the_interval_of_the_rest(one: MeasuredValue) -> None:
    """Relative to the value it is as wide as before."""
    ratio = quotient(one, MeasuredValue(2.0, 2.0, 2.0))
    assert math.isclose(ratio.high / ratio.low, one.high / one.low, rel_tol=1e-9)  # type: ignore[operator]


@pytest.mark.parametrize("missing", [MeasuredValue(), MeasuredValue(1.0), MeasuredValue(0.0, -1.0, 1.0)])
def test_a_quotient_of_what_is_not_known_is_not_known(missing: MeasuredValue) -> None:
    """Neither value nor interval."""
    known = MeasuredValue(1.0, 0.9, 1.1)
    assert quotient(missing, known) == quotient(known, missing) == MeasuredValue()
