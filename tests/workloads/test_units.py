"""Rates, durations, sizes, counts and shares are read exactly, and anything else is refused in one line."""

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads import units
from workloads.errors import GrammarError

PARSERS: list[Callable[[str], object]] = [
    units.parse_duration_ns,
    units.parse_rate,
    units.parse_size,
    units.parse_count,
    units.parse_fraction,
    units.parse_share,
    units.parse_number,
]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.parse_duration_ns, "250ms", 250_000_000),
        (units.parse_duration_ns, "0.1s", 100_000_000),
        (units.parse_duration_ns, " 1.5 h ", 5_400_000_000_000),
        (units.parse_duration_ns, "2m", 120_000_000_000),
        (units.parse_duration_ns, "3µs", 3_000),
        (units.parse_rate, "5000", 5000),
        (units.parse_rate, "5k", 5000),
        (units.parse_rate, "5000/s", 5000),
        (units.parse_rate, "1.5k/s", 1500),
        (units.parse_rate, "300/m", 5),
        (units.parse_rate, "10/h", Fraction(1, 360)),
        (units.parse_size, "64KiB", 65_536),
        (units.parse_size, "4kB", 4000),
        (units.parse_size, "0", 0),
        (units.parse_count, "2M", 2_000_000),
        (units.parse_count, "1_000", 1000),
        (units.parse_fraction, "2%", 0.02),
        (units.parse_share, "0.1%", Fraction(1, 1000)),
        (units.parse_number, "1e3", 1000),
    ],
)
def test_values_as_people_write_them(parse: Callable[[str], object], text: str, value: object) -> None:
    """Each unit means what it says, and decimals are exact."""
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (units.parse_duration_ns, "10"),
        (units.parse_duration_ns, "0s"),
        (units.parse_duration_ns, "-1s"),
        (units.parse_duration_ns, "367d"),
        (units.parse_duration_ns, "1e999s"),
        (units.parse_rate, "0"),
        (units.parse_rate, "nan"),
        (units.parse_rate, "inf"),
        (units.parse_rate, "1e10/s"),
        (units.parse_rate, "1e-300"),
        (units.parse_rate, "5/"),
        (units.parse_rate, "5/week"),
        (units.parse_size, "1.5"),
        (units.parse_size, "2GiB"),
        (units.parse_count, "0"),
        (units.parse_count, "0.5"),
        (units.parse_count, "1e16"),
        (units.parse_share, "101%"),
        (units.parse_share, "-1%"),
        (units.parse_number, "9" * 5000),
        (units.parse_number, ""),
    ],
)
def test_what_is_not_a_value_is_refused(parse: Callable[[str], object], text: str) -> None:
    """Missing units, zero, negative, endless and absurd numbers are one line that quotes the text."""
    with pytest.raises(GrammarError) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.sampled_from(PARSERS), st.text(max_size=40) | st.text("0123456789.eE+-_%/ kKmMgGiBsnh", max_size=70))
def test_no_text_is_more_than_an_error_line(parse: Callable[[str], object], text: str) -> None:
    """Any text is a value or a GrammarError of one line, never another exception."""
    line = ""
    try:
        parse(text)
    except GrammarError as error:
        line = str(error)
    assert "\n" not in line


@given(st.integers(1, units.MAX_DURATION_NS))
def test_exact_durations_are_read_back(ns: int) -> None:
    """What `format_exact_duration` writes is read as the same nanoseconds."""
    assert units.parse_duration_ns(units.format_exact_duration(ns)) == ns


@given(st.integers(0, units.MAX_SIZE))
def test_exact_sizes_are_read_back(size: int) -> None:
    """What `format_size` writes is read as the same bytes."""
    assert units.parse_size(units.format_size(size)) == size


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1250, "1.25 µs"),
        (1_250_000, "1.25 ms"),
        (2.5e9, "2.5 s"),
        (float("nan"), "n/a"),
        (999_400, "999 µs"),
        (999_500, "1 ms"),
        (999_960_000, "1 s"),
        (999.9e9, "1000 s"),
        (3.6e12, "3600 s"),
    ],
)
def test_durations_for_a_reader(ns: float, text: str) -> None:
    """A duration is shown with three digits in the unit that suits it."""
    assert units.format_duration(ns) == text
