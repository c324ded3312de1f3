"""Due times are the law's own, exactly, at any place, and never fall."""

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workloads.arrivals import Arrivals, make_arrivals
from workloads.errors import GrammarError
from workloads.grammar import parse

S = 10**9
BILLION = 10**9

SHAPES = [
    "constant:1000",
    "constant:7/m",
    "constant:0.123456789012345",
    "ramp:from=10,to=1000,over=3s",
    "ramp:from=1000,to=10,over=3s",
    "ramp:from=0,to=500,over=1s",
    "ramp:from=500,to=0,over=20s",
    "steps:100:0:333.3:50,each=700ms",
    "sine:1000,amplitude=100%,period=3s",
    "sine:333,period=10ms",
    "burst:1000,period=300ms,duty=7%",
    "day:777,period=10s",
]
JITTERED = ["poisson:1000", *(f"{shape},jitter=poisson" for shape in SHAPES)]


def arrivals(text: str, seed: int = 1) -> Arrivals:
    return make_arrivals(parse("arrivals", text), seed)


@pytest.mark.parametrize(
    ("says", "text", "first", "due"),
    [
        ("1000/s is one line each millisecond", "constant:1000", 0, [0, 1_000_000, 2_000_000]),
        ("3/s is rounded down, never drifting", "constant:3", 0, [0, 333_333_333, 666_666_666, S]),
        ("line three billion of 3/s is due at a billion seconds", "constant:3", 3 * BILLION, [BILLION * S]),
        ("7/s after a billion lines", "constant:7", BILLION, [BILLION * S // 7, (BILLION + 1) * S // 7]),
        ("1/h", "constant:1/h", 5, [5 * 3600 * S]),
        ("0 to 2/s in 10 s: line i at sqrt(10 i) s", "ramp:from=0,to=2,over=10s", 0, [0, 3_162_277_660, 4_472_135_954]),
        ("after the ramp's 10 lines it stays at 2/s", "ramp:from=0,to=2,over=10s", 10, [10 * S, 10 * S + S // 2]),
        ("2/s to 0 in 10 s: line 5 at 10 - sqrt(50) s", "ramp:from=2,to=0,over=10s", 5, [2_928_932_188]),
        ("a pause sends nothing, and lines go on after it", "steps:1:0:2,each=2s", 0, [0, S, 4 * S, 4 * S + S // 2]),
        ("the last step stays", "steps:1:0:2,each=2s", 6, [6 * S, 6 * S + S // 2]),
        ("a burst sends its 10 lines in the first tenth", "burst:10,duty=10%", 0, [0, 10**7, 2 * 10**7]),
        ("each period starts a burst", "burst:10,duty=10%", 9, [9 * 10**7, S, S + 10**7]),
        ("a swing holds its mean exactly", "sine:10,period=1s", 0, [0]),
        ("swing one billion starts on the second", "sine:10,period=1s", 10 * BILLION, [BILLION * S]),
        ("day ten thousand starts on time", "day:1/h", 24 * 10**4, [10**4 * 86_400 * S]),
        ("a day begun at another hour has its own lines a day", "day:1/h,from=8", 24 * 10**4, [10**4 * 86_400 * S]),
        ("a closed loop has no due times", "max", BILLION, [0, 0]),
    ],
)
def test_exact_due_times(says: str, text: str, first: int, due: list[int]) -> None:
    """Lines are due at exactly these nanoseconds."""
    assert arrivals(text).due(first, len(due)).tolist() == due, says


def _ramp(t: Fraction) -> Fraction:
    inside = min(t, Fraction(3))
    return 10 * inside + Fraction(990, 6) * inside**2 + max(t - 3, Fraction(0)) * 1000


def _steps(t: Fraction) -> Fraction:
    each = Fraction(7, 10)
    rates = [Fraction(100), Fraction(0), Fraction(3333, 10), Fraction(50)]
    parts = [rate * min(max(t - i * each, Fraction(0)), each) for i, rate in enumerate(rates[:-1])]
    return sum(parts, Fraction(0)) + rates[-1] * max(t - 3 * each, Fraction(0))


def _burst(t: Fraction) -> Fraction:
    period = Fraction(3, 10)
    turn, inside = divmod(t, period)
    return 300 * turn + 300 * min(inside / (period * Fraction(7, 100)), Fraction(1))


def _sine(t: Fraction) -> Fraction:
    turn, inside = divmod(t, 3)
    swing = math.sin(math.pi * float(inside) / 3) ** 2
    return 3000 * turn + 1000 * inside + Fraction(1000 * 3 / math.pi * swing)


LAWS: list[tuple[str, Callable[[Fraction], Fraction], Fraction]] = [
    ("constant:1000", lambda t: 1000 * t, Fraction(0)),
    ("constant:7/m", lambda t: t * 7 / 60, Fraction(0)),
    ("constant:0.123456789012345", lambda t: t * Fraction("0.123456789012345"), Fraction(0)),
    ("ramp:from=10,to=1000,over=3s", _ramp, Fraction(0)),
    ("steps:100:0:333.3:50,each=700ms", _steps, Fraction(0)),
    ("burst:1000,period=300ms,duty=7%", _burst, Fraction(0)),
    ("sine:1000,amplitude=100%,period=3s", _sine, Fraction(1, 10**9)),
]


@pytest.mark.parametrize(("text", "law", "slack"), LAWS, ids=[law[0] for law in LAWS])
@pytest.mark.parametrize("first", [0, 1, 777, 29_990, BILLION, 10**12 + 1])
def test_due_times_keep_within_a_nanosecond_of_the_exact_law(
    text: str, law: Callable[[Fraction], Fraction], slack: Fraction, first: int
) -> None:
    """N(due(i) - 1 ns) <= i <= N(due(i) + 2 ns) by the law in fractions, at the start as after a trillion lines."""
    first = min(first, int(law(Fraction(2**33))) - 40)  # 272 years: what 64 bits of nanoseconds hold
    due = arrivals(text).due(first, 40).tolist()
    for i, ns in enumerate(due, first):
        assert law(Fraction(ns + 2, S)) + slack >= i
        assert ns == 0 or law(Fraction(ns - 1, S)) - slack <= i


@pytest.mark.parametrize("text", SHAPES + JITTERED)
def test_any_cut_into_blocks_gives_the_same_times_and_they_never_fall(text: str) -> None:
    """due(0, n) equals the same lines asked for in pieces and backwards, and is sorted."""
    one = arrivals(text)
    n = min(one.total or 9_500, 9_500)
    whole = one.due(0, n)
    assert whole.dtype == np.int64
    assert (np.diff(whole) >= 0).all()
    assert whole[0] >= 0
    other = arrivals(text)
    cuts = sorted({0, 1, 2, 100, 4095, 4096, 4097, 8192, n})
    cuts = [cut for cut in cuts if cut <= n]
    parts = [other.due(a, b - a) for a, b in reversed(list(pairwise(cuts)))]
    np.testing.assert_array_equal(np.concatenate(parts[::-1]), whole)
    assert [int(other.due(i, 1)[0]) for i in range(0, n, 997)] == whole[::997].tolist()


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(SHAPES + JITTERED), st.integers(0, 10**12), st.integers(1, 300), st.integers(1, 300))
def test_random_access_far_out(text: str, first: int, a: int, b: int) -> None:
    """Anywhere up to a trillion lines, two neighbouring blocks are one block, and sorted."""
    one = arrivals(text)
    # Slow rates need more than the 292 years that 64 bits of nanoseconds hold.
    first %= max(one.count_until(2**62) - a - b, 1)
    whole = one.due(first, a + b)
    np.testing.assert_array_equal(np.concatenate([one.due(first, a), one.due(first + a, b)]), whole)
    assert (np.diff(whole) >= 0).all()


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(SHAPES + JITTERED), st.integers(1, 30 * S))
def test_count_until_is_the_number_of_due_times_before(text: str, duration_ns: int) -> None:
    """Exactly the lines due before the duration are counted."""
    one = arrivals(text)
    n = one.count_until(duration_ns)
    assert n == 0 or int(one.due(n - 1, 1)[0]) < duration_ns
    assert n == one.total or int(one.due(n, 1)[0]) >= duration_ns


@pytest.mark.parametrize(
    ("text", "seconds", "lines"),
    [
        ("constant:1000", 10, 10_000),
        ("constant:7/m", 60, 7),
        ("ramp:from=10,to=1000,over=3s", 3, 1515),
        ("ramp:from=500,to=0,over=20s", 100, 5000),
        ("steps:100:0:333.3:50,each=700ms", 2.1, 304),
        ("sine:1000,amplitude=100%,period=3s", 9, 9000),
        ("burst:1000,period=300ms,duty=7%", 3, 3000),
        ("day:777,period=10s", 20, 15_540),
    ],
)
def test_whole_stretches_hold_the_lines_of_the_law(text: str, seconds: float, lines: int) -> None:
    """In [0, T) lie as many lines as the area under the rate, rounded up because line 0 is due at once."""
    assert arrivals(text).count_until(round(seconds * S)) == lines


@pytest.mark.parametrize("text", ["poisson:1000", "constant:1000,jitter=poisson"])
def test_poisson_gaps_are_exponential_and_independent(text: str) -> None:
    """Kolmogorov-Smirnov on 60 000 gaps with a fixed seed; neighbouring gaps do not correlate."""
    gaps = np.diff(arrivals(text).due(0, 60_001)) / S
    assert stats.kstest(gaps, "expon", args=(0, 1 / 1000)).pvalue > 0.001
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.02


def test_poisson_counts_disperse_as_poisson_counts_do() -> None:
    """Over windows of ten leaves and more the count's variance equals its mean, so the tree adds the right noise."""
    due = np.concatenate([arrivals("poisson:1000", seed).due(0, 70_000) for seed in range(12)])
    for width in (0.05, 0.5, 4.0):
        counts = [np.histogram(part, np.arange(0, 60 * S, width * S))[0] for part in due.reshape(12, -1)]
        ratio = np.var(np.concatenate(counts), ddof=1) / np.mean(np.concatenate(counts))
        size = sum(map(len, counts))
        low, high = stats.chi2.ppf([0.0005, 0.9995], size - 1) / (size - 1)
        assert low < ratio < high, width


def test_the_tree_has_the_spread_of_a_sum_of_gaps() -> None:
    """Over 400 seeds, event 4096 k lies around 4096 k with the standard deviation sqrt(4096 k) at every level."""
    for event in (4096, 8192, 12_288, 7 * 4096, 1024 * 4096):
        times = np.array([arrivals("poisson:1", seed).due(event - 1, 1)[0] / S for seed in range(400)])
        assert stats.kstest(times, stats.gamma(event).cdf).pvalue > 0.001, event


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "0.123" not in shape and "7/m" not in shape])
def test_jittered_shapes_follow_their_law(shape: str) -> None:
    """Sent back through the law (the plain schedule's inverse), jittered times are uniform."""
    plain, random = arrivals(shape), arrivals(f"{shape},jitter=poisson", seed=5)
    n = min(plain.count_until(9 * S), 20_000)
    end = int(plain.due(n - 1, 1)[0])
    grid = plain.due(0, n)
    events = random.due(0, random.count_until(end))
    u = np.interp(events, grid, np.arange(n)) / (n - 1)
    if shape.startswith("steps"):
        assert not ((events > 0.7 * S) & (events < 1.4 * S)).any(), "nothing is due in a pause"
    assert abs(events.size - n) < 4 * math.sqrt(n)
    assert stats.kstest(u, "uniform").pvalue > 0.001


def test_seeds_change_only_what_is_random() -> None:
    """Poisson times differ by seed and repeat by seed; plain shapes know no seed."""
    assert arrivals("poisson:10", 1).due(0, 9).tolist() == arrivals("poisson:10", 1).due(0, 9).tolist()
    assert arrivals("poisson:10", 1).due(0, 9).tolist() != arrivals("poisson:10", 2).due(0, 9).tolist()
    assert arrivals("sine:10", 1).due(0, 9).tolist() == arrivals("sine:10", 2).due(0, 9).tolist()


def test_timestamps_are_replayed_exactly(tmp_path: Path) -> None:
    """Decimal epoch seconds keep their nanoseconds; time starts at the first one; speed divides."""
    path = tmp_path / "times"
    path.write_text("1700000000.123456789\n1700000000.123456790\n1.700000001123456789e9\r\n")
    replay = arrivals(f"replay:{path}")
    assert replay.total == 3
    assert replay.due(0, 3).tolist() == [0, 1, S]
    assert replay.count_until(S) == 2
    assert arrivals(f"replay:{path},speed=2").due(2, 1).tolist() == [S // 2]
    path.write_text("5\n7\n")
    assert arrivals(f"replay:{path},unit=ms").due(0, 2).tolist() == [0, 2_000_000]


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        ("", "is empty"),
        ("1\nx\n", "line 2"),
        ("1\n\n2\n", "line 2"),
        ("nan\n", "line 1"),
        ("inf\n", "line 1"),
        ("1e99999999\n", "line 1"),
        ("2\n1\n", "line 2"),
        ("0\n1e12\n", "146 years"),
        ("\udcff\n", "line 1"),
    ],
)
def test_bad_timestamp_files_are_one_line(tmp_path: Path, content: str, fragment: str) -> None:
    """A file that is no list of ascending timestamps is refused with the line at fault."""
    path = tmp_path / "times"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(GrammarError) as caught:
        arrivals(f"replay:{path}")
    assert fragment in str(caught.value)
    assert str(caught.value).startswith("arrivals replay: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["ramp:from=0,to=0", "steps:0:0"])
def test_a_law_without_lines_is_refused(text: str) -> None:
    """Rates that are all zero are no load."""
    with pytest.raises(GrammarError, match=f"^arrivals {text.partition(':')[0]}: "):
        arrivals(text)


def test_a_day_begun_in_the_morning_starts_busier_than_one_begun_at_midnight() -> None:
    """The hour given is where the day starts: the hour from ten has its share of the whole, that from two its own."""
    hour = 3600 * S
    lines = {start: arrivals(f"day:rate=1000,from={start}").count_until(hour) for start in (10, 2)}
    # Whole lines only, of some 450 000: a hundred-thousandth either way.
    assert lines[10] / lines[2] == pytest.approx((155 + 160) / (10 + 8), rel=1e-5)
