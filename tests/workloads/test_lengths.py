"""Line lengths follow the law that their name promises, exactly within min and max."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workloads.discrete import Discrete
from workloads.errors import GrammarError
from workloads.forms import MAX_LINE_BYTES
from workloads.grammar import parse
from workloads.lengths import Lengths, make_lengths
from workloads.workload import LENGTH_BOUNDS_BYTES

DRAWS = 200_000


def lengths(text: str, bounds: tuple[float, ...] = LENGTH_BOUNDS_BYTES) -> Lengths:
    return make_lengths(parse("lengths", text), bounds)


def rounded(law: object, low: int, high: int) -> np.ndarray:
    """Return P(k) of a frozen scipy law rounded to whole numbers and conditioned on low..high."""
    k = np.arange(low, high + 1)
    p = law.cdf(k + 0.5) - law.cdf(k - 0.5)  # type: ignore[attr-defined]
    return p / p.sum()


def zipf(s: float, low: int, high: int) -> np.ndarray:
    p = np.arange(low, high + 1) ** -s
    return p / p.sum()


LAWS = [
    ("constant:80", 80, 80, np.ones(1)),
    ("uniform:min=10,max=19", 10, 19, np.full(10, 0.1)),
    ("normal:mean=80,sd=20,max=200", 0, 200, rounded(stats.norm(80, 20), 0, 200)),
    ("lognormal:median=40,sigma=0.8,max=500", 0, 500, rounded(stats.lognorm(0.8, scale=40), 0, 500)),
    ("exponential:mean=50,min=5,max=400", 5, 400, rounded(stats.expon(scale=50), 5, 400)),
    ("pareto:alpha=1.5,min=20,max=900", 20, 900, rounded(stats.pareto(1.5, scale=20), 20, 900)),
    ("zipf:s=1.1,max=300", 1, 300, zipf(1.1, 1, 300)),
    (
        "3*constant:5 + 1*uniform:min=8,max=9",
        5,
        9,
        np.array([0.75, 0, 0, 0.125, 0.125]),
    ),
]


@pytest.mark.parametrize(("text", "low", "high", "expected"), LAWS, ids=[law[0].split(":")[0] for law in LAWS])
def test_probabilities_are_those_of_the_named_law(text: str, low: int, high: int, expected: np.ndarray) -> None:
    """The probability of each whole length equals scipy's (or the textbook's), rounded and conditioned."""
    mine = lengths(text).probabilities
    assert mine.size == high + 1
    assert mine[:low].sum() == 0
    np.testing.assert_allclose(mine[low:], expected, rtol=1e-7, atol=1e-15)


@pytest.mark.parametrize(("text", "low", "high", "expected"), LAWS, ids=[law[0].split(":")[0] for law in LAWS])
def test_draws_follow_the_probabilities(text: str, low: int, high: int, expected: np.ndarray) -> None:
    """A chi-square test over 200 000 draws with a fixed seed does not tell them from the law."""
    drawn = lengths(text).sample(np.random.default_rng(20), DRAWS)
    assert drawn.dtype == np.int64
    assert drawn.min() >= low
    assert drawn.max() <= high
    counts = np.bincount(drawn - low, minlength=high - low + 1)
    likely = expected * DRAWS > 10
    observed = np.append(counts[likely], counts[~likely].sum())
    wanted = np.append(expected[likely], expected[~likely].sum()) * DRAWS
    keep = wanted > 0
    assert observed[~keep].sum() == 0
    if keep.sum() > 1:
        assert stats.chisquare(observed[keep], wanted[keep] * observed.sum() / wanted.sum()).pvalue > 0.001


def test_a_wrong_law_would_be_noticed() -> None:
    """The chi-square test above rejects a sigma that is 2 % off, so it is a test."""
    drawn = lengths("lognormal:median=40,sigma=0.816,max=500").sample(np.random.default_rng(20), DRAWS)
    expected = rounded(stats.lognorm(0.8, scale=40), 0, 500)
    likely = expected * DRAWS > 10
    observed = np.append(np.bincount(drawn, minlength=501)[likely], 0)
    observed[-1] = DRAWS - observed.sum()
    wanted = np.append(expected[likely], expected[~likely].sum()) * DRAWS
    assert stats.chisquare(observed, wanted * observed.sum() / wanted.sum()).pvalue < 1e-6


@given(
    st.sampled_from(["uniform", "normal", "lognormal", "exponential", "zipf", "edges", "lognormal:median=300,sigma=2"]),
    st.integers(0, 1001),
    st.integers(0, 2000),
    st.integers(0, 2**32),
)
def test_limits_hold_exactly(name: str, low: int, width: int, seed: int) -> None:
    """Whatever min and max, each length lies between them, or the expression is refused."""
    text = f"{name}{',' if ':' in name else ':'}min={low},max={low + width}"
    try:
        law = lengths(text)
    except GrammarError:
        with pytest.raises(GrammarError, match="widen"):
            lengths(text)
        return
    drawn = law.sample(np.random.default_rng(seed), 50)
    assert drawn.min() >= low
    assert drawn.max() <= low + width
    assert np.isin(drawn, law.possible).all()


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("constant:80,max=60", "no length lies between min=0 and max=60"),
        ("uniform:min=9,max=3", "min=9 is above max=3"),
        ("normal:mean=10,sd=1,min=5000", "widen"),
        ("edges:min=5000", "widen"),
        ("empirical:/no/such/file", "/no/such/file"),
        ("empirical:/", "cannot read the file '/'"),
    ],
)
def test_contradictions_are_one_line(text: str, fragment: str) -> None:
    """Limits that leave nothing and files that cannot be read are said in one line of the field."""
    with pytest.raises(GrammarError) as caught:
        lengths(text)
    assert fragment in str(caught.value)
    assert caught.value.field == "lengths"
    assert "\n" not in str(caught.value)


def test_edges_are_each_bound_and_its_neighbours() -> None:
    """Edges aim one byte below, at, and one above each bound of the view, equally often."""
    law = lengths("edges", (5, 100))
    assert law.possible.tolist() == [4, 5, 6, 99, 100, 101]
    np.testing.assert_allclose(law.probabilities[law.possible], 1 / 6)


def test_empirical_counts_bytes_of_lines(tmp_path: Path) -> None:
    r"""Lengths are bytes without the line ending, ``\r\n`` included; an over-long line is left out."""
    path = tmp_path / "some, lines.txt"
    path.write_bytes("aé\r\nb\nb\n\nlast".encode() + b"\n" + b"x" * 70_000)
    law = lengths(f'empirical:path="{path}"')
    assert {int(k): round(float(law.probabilities[k]), 9) for k in law.possible} == {0: 0.2, 1: 0.4, 3: 0.2, 4: 0.2}


def test_empirical_refuses_an_empty_file(tmp_path: Path) -> None:
    """A file without a line cannot be drawn from."""
    path = tmp_path / "empty"
    path.touch()
    with pytest.raises(GrammarError, match="is empty"):
        lengths(f"empirical:{path}")


@given(
    st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=300).filter(lambda w: sum(w) > 1e-3),
    st.integers(0, 1000),
)
def test_the_guide_table_equals_a_plain_search(weights: list[float], first: int) -> None:
    """Drawing through the guide table gives what inverting the cumulative distribution by search gives."""
    law = Discrete(np.array(weights), first)
    cumulative = np.rint(np.cumsum(law.probabilities) * 2.0**53).astype(np.int64)
    cumulative[-1] = 2**53
    raw = np.concatenate([np.random.PCG64(1).random_raw(500), np.array([0, 2**64 - 1], dtype=np.uint64)])
    plain = cumulative.searchsorted((raw >> np.uint64(11)).astype(np.int64), "right") + law.first
    np.testing.assert_array_equal(law.draw(raw), plain)


def test_sampling_depends_on_the_generator_only() -> None:
    """The same generator gives the same lengths, another one others, and the usual limit is 64 KiB."""
    law = lengths("pareto:alpha=0.1,min=1")
    first, again, other = (law.sample(np.random.default_rng(seed), 1000) for seed in (3, 3, 4))
    assert first.tolist() == again.tolist() != other.tolist()
    assert first.max() <= MAX_LINE_BYTES
    assert len(Counter(first.tolist())) > 300
    assert math.isclose(law.probabilities.sum(), 1)
