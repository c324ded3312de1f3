import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.history.checking.change_points import MIN_RUNS, Kind, change_points, scan, thresholds
from tests.harness.history.makers import ar1


def _flagged(series: np.ndarray, ends: list[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    found = scan(series, ends)
    once, every = thresholds(np.array(ends or [series.shape[1]]), found.phi)
    return found.score > once, found.score > every


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_unchanged_noise_is_flagged_in_at_most_five_percent_of_series(phi: float) -> None:
    """Of 400 unchanged series of 100 runs, independent or autocorrelated, at most 5 % have a change point."""
    once, _ = _flagged(ar1(np.random.default_rng(7), 400, 100, phi))
    assert once.mean() <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_looking_after_every_run_finds_a_lasting_change_in_at_most_five_percent(phi: float) -> None:
    """Of 400 unchanged series, at most 5 % are ever given a lasting change at any of the looks from run 10 to 100."""
    _, every = _flagged(ar1(np.random.default_rng(8), 400, 100, phi), list(range(MIN_RUNS, 101)))
    assert every.any(axis=1).mean() <= 0.05


@pytest.mark.parametrize(("phi", "before"), [(0.0, 50), (0.0, 90), (0.5, 70), (0.5, 90)])
def test_a_three_sigma_step_is_found_within_ten_runs(phi: float, before: int) -> None:
    """A step of three marginal standard deviations is found with ten runs after it in at least 90 % of series."""
    series = ar1(np.random.default_rng(9), 400, before + 10, phi)
    series[:, before:] += 3
    once, _ = _flagged(series)
    assert once.mean() >= 0.9


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("noise", [0.01, 0.02])
def test_a_drift_of_one_percent_a_run_is_found_in_twenty_runs(phi: float, noise: float) -> None:
    """A drift of 1 % a run over 20 runs, in noise of 1 or 2 %, is found in at least 98 % of series."""
    series = noise * ar1(np.random.default_rng(10), 200, 60, phi)
    series[:, 40:] += np.log(1.01) * np.arange(1, 21)
    once, _ = _flagged(series)
    assert once.mean() >= 0.98


def test_a_clear_step_is_placed_and_measured() -> None:
    """The change point names the first run at the new level, its size with an error, and the noise around it."""
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 1, 40), rng.normal(8, 1, 20)])
    (found,) = change_points(values)
    assert (found.index, found.kind, found.lasting) == (40, Kind.STEP, True)
    assert found.shift == pytest.approx(8, abs=4 * found.error)
    assert 0.1 < found.error < 0.6
    assert found.sigma == pytest.approx(1, abs=0.3)


def test_up_and_down_again_are_two_changes() -> None:
    """Each change of level is its own change point."""
    rng = np.random.default_rng(2)
    levels = np.repeat([0.0, 9.0, 0.0], 25)
    assert [change.index for change in change_points(levels + rng.normal(0, 1, 75))] == [25, 50]


def test_a_drift_is_told_from_a_step() -> None:
    """A level that wanders off steadily is one drift, and its shift is the whole way."""
    rng = np.random.default_rng(3)
    values = rng.normal(0, 0.01, 60)
    values[40:] += 0.01 * np.arange(1, 21)
    (found,) = change_points(values)
    assert found.kind is Kind.DRIFT
    assert found.shift == pytest.approx(0.2, abs=0.03)


def test_one_slow_run_is_no_change() -> None:
    """A single outlier, wherever it is, is not a change of level."""
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 1, 60)
    for place in (0, 30, 57, 58, 59):
        values = noise.copy()
        values[place] += 10
        assert change_points(values) == ()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([], "no run"),
        ([1.0], "one run"),
        ([1.0, 9.0] * 4, "too few runs"),
        ([5.0] * 50, "all the same"),
        ([5.0 + 1e-13 * (i % 3) for i in range(50)], "the same up to rounding"),
        ([float("nan")] * 50, "nothing finite"),
    ],
)
def test_degenerate_series_have_no_change(values: list[float], why: str) -> None:
    """Series that cannot tell have no change point: {why}."""
    assert change_points(values) == (), why


def test_a_step_without_noise_is_found() -> None:
    """Figures that repeat exactly, as instruction counts do, change where they change."""
    (found,) = change_points([100.0] * 20 + [101.0] * 5)
    assert (found.index, found.kind) == (20, Kind.STEP)
    assert found.shift == pytest.approx(1)


def test_runs_that_say_nothing_keep_their_place() -> None:
    """A run without a finite figure is skipped, and the places of the others stay those of the whole series."""
    values = np.array([0.0, np.nan, *np.zeros(18), *np.full(8, 5.0)]) + np.random.default_rng(5).normal(0, 0.1, 28)
    assert [change.index for change in change_points(values)] == [20]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), runs=st.integers(MIN_RUNS, 60), scale=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3)
)
def test_scores_do_not_depend_on_unit_or_level(seed: int, runs: int, scale: float, offset: float) -> None:
    """Whether runs are in ns or ms, and from what level they start, changes no score."""
    series = np.random.default_rng(seed).normal(0, 1, (1, runs))
    assert scan(scale * series + offset).score == pytest.approx(scan(series).score, abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), end=st.integers(MIN_RUNS, 50))
def test_a_prefix_scores_as_if_nothing_followed(seed: int, end: int) -> None:
    """Looking back at run n gives what looking at run n gave: no future leaks into the past."""
    series = np.random.default_rng(seed).normal(0, 1, (2, 50))
    whole, alone = scan(series, [end]), scan(series[:, :end])
    assert whole.score == pytest.approx(alone.score, abs=1e-8)
    assert (whole.place == alone.place).all()


def test_prefixes_outside_the_series_are_refused() -> None:
    """A look needs at least the runs of a shortest series, and no more than there are."""
    with pytest.raises(ValueError, match="a prefix has 10 to 20 runs"):
        scan(np.zeros((1, 20)), [21])
