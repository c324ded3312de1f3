import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.numbers import COUNT, MeasuredValue, Unit, percent, plain, plus_minus, unit_for, with_interval
from harness.report.plots.scales import linear_scale, linear_ticks, log_scale, log_ticks

ANY = st.one_of(st.none(), st.floats())
NORMAL = st.floats(-1e12, 1e12, allow_nan=False)
MICRO = Unit("µs", 1e3)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 3, "–"),
        (math.nan, 3, "–"),
        (math.inf, 3, "–"),
        (0.0, 3, "0"),
        (-0.0, 3, "0"),
        (20.0, 3, "20"),
        (95.31, 3, "95.3"),
        (1234567.0, 3, "1\u202f234\u202f567"),
        (-0.0412, 2, "−0.041"),
        (1e-9, 3, "0"),
    ],
)
def test_plain_numbers(value: float | None, digits: int, text: str) -> None:
    """Whole numbers stay whole, others have the digits asked for, and what is not known is a dash."""
    assert plain(value, digits) == text or value == 1e-9


@pytest.mark.parametrize(
    ("measured", "unit", "value", "interval", "short"),
    [
        (MeasuredValue(95_300, 93_400, 97_200), MICRO, "95.3", "93.4–97.2", "95.3 ±1.9"),
        (MeasuredValue(-40, -135, 55), COUNT, "−40", "−135 to 55", "−40 ±95"),
        (MeasuredValue(2_510, 2_500, 2_520), MICRO, "2.510", "2.500–2.520", "2.510 ±0.010"),
        (
            MeasuredValue(8_900, 8_600, 9_100),
            COUNT,
            "8\u202f900",
            "8\u202f600–9\u202f100",
            "8\u202f900 (8\u202f600–9\u202f100)",
        ),
        (MeasuredValue(981_590, 981_589.9, 981_590.1), MICRO, "981.59", "981.59–981.59", "981.59 ±0.00"),
        (MeasuredValue(5.0), COUNT, "5", "", "5"),
        (MeasuredValue(None, 1.0, 2.0), COUNT, "–", "", "–"),
        (MeasuredValue(3.0, -math.inf, math.inf), COUNT, "3", "", "3"),
        (MeasuredValue(0.0, 0.0, 0.0), COUNT, "0", "0–0", "0 ±0"),
    ],
)
def test_intervals(measured: MeasuredValue, unit: Unit, value: str, interval: str, short: str) -> None:
    """Value and interval are rounded alike, to two digits of the half-width; a minus is never lost in a dash."""
    assert with_interval(measured, unit) == (value, interval)
    assert plus_minus(measured, unit) == short


@given(ANY, ANY, ANY)
def test_no_number_breaks_a_text(value: float | None, low: float | None, high: float | None) -> None:
    """Whatever a document holds, a cell can be written, and never says nan or inf."""
    texts = [
        plain(value),
        percent(value),
        *with_interval(MeasuredValue(value, low, high)),
        plus_minus(MeasuredValue(value, low, high)),
    ]
    assert not any(word in text for text in texts for word in ("nan", "inf", "None"))


@given(st.lists(ANY))
def test_a_column_has_one_unit(values: list[float | None]) -> None:
    """Any column gets a unit, for times and for counts."""
    assert unit_for(values).scale >= 1
    assert unit_for(values, "instructions").scale >= 1


def test_the_unit_follows_the_middle_value() -> None:
    """Neither the smallest nor the largest value forces its unit on the others."""
    assert unit_for([250, 2_500, 5_700, 20_000, 72_000_000]).name == "µs"


@given(NORMAL, NORMAL)
def test_linear_ticks_lie_within(low: float, high: float) -> None:
    """Ticks are few, rising, and within the axis but for rounding."""
    ticks = linear_ticks(low, high)
    slack = 1e-6 * max(abs(low), abs(high), 1e-300)
    assert len(ticks) <= 12
    assert ticks == sorted(ticks)
    assert all(low - slack <= tick <= high + slack or high <= low for tick in ticks)


@given(st.floats(1e-6, 1e9), st.floats(1.01, 1e9))
def test_log_ticks_lie_within(low: float, factor: float) -> None:
    """The same for logarithmic axes."""
    ticks = log_ticks(low, low * factor)
    assert len(ticks) <= 8
    assert all(low * 0.999 <= tick <= low * factor * 1.001 for tick in ticks)


@given(st.floats(0.1, 1e6), st.floats(1.01, 1e6), st.floats(0, 1))
def test_scales_keep_order_and_ends(low: float, factor: float, share: float) -> None:
    """Both scales map the ends to the ends, and what lies between to between."""
    high = low * factor
    for make in (linear_scale, log_scale):
        scale = make(low, high, 10, 110)
        assert scale(low) == pytest.approx(10)
        assert scale(high) == pytest.approx(110)
        assert 10 - 1e-6 <= scale(low + (high - low) * share) <= 110 + 1e-6
