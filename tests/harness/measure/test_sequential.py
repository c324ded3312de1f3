import math

import numpy as np
import pytest
from scipy import stats

from harness.measure.sequential import Looks, obrien_fleming_spent, t_critical


def pocock_spent(fraction, alpha):
    """Return what Lan and DeMets' other function, of the Pocock type, has spent: alpha·ln(1 + (e - 1)t)."""
    return alpha * math.log1p((math.e - 1) * min(max(fraction, 0.0), 1.0))


# Boundaries of five equally spaced two-sided looks at 0.05, as tabled for Lan and DeMets' functions (ldbounds).
OBRIEN_FLEMING = [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]
POCOCK = [2.4380, 2.4268, 2.4101, 2.3966, 2.3859]


@pytest.mark.parametrize(("spent", "tabled"), [(obrien_fleming_spent, OBRIEN_FLEMING), (pocock_spent, POCOCK)])
def test_boundaries_match_the_published_table(spent, tabled):
    """The integration reproduces the tabled critical values of both functions to three decimals."""
    looks = Looks(0.05, spent)
    assert [looks.look(20 * k, k / 5) for k in range(1, 6)] == pytest.approx(tabled, abs=5e-4)


@pytest.mark.parametrize("spent", [obrien_fleming_spent, pocock_spent])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_spending_starts_at_nothing_and_ends_at_alpha(spent, alpha):
    """All of the level is spent at full information, and no more beyond it."""
    assert spent(0.0, alpha) == 0.0
    assert spent(1.0, alpha) == pytest.approx(alpha)
    assert spent(3.0, alpha) == pytest.approx(alpha)
    steps = [spent(k / 50, alpha) for k in range(51)]
    assert steps == sorted(steps)


def test_one_look_costs_nothing():
    """A single look at full information is the ordinary test."""
    assert Looks(0.05).look(17, 1.0) == pytest.approx(stats.norm.isf(0.025), abs=1e-6)


def test_a_look_with_nothing_left_can_not_cross():
    """When nothing is spent at a look its critical value is out of reach, and stays finite."""
    looks = Looks(0.05)
    assert looks.look(2, 1e-6) >= 8.9
    assert looks.look(20, 1.0) == pytest.approx(stats.norm.isf(0.025), abs=1e-4)
    assert looks.look(21, 1.0) >= 4.0


def test_a_look_needs_new_pairs():
    """Looking twice at the same pairs is a mistake."""
    looks = Looks()
    looks.look(10, 0.5)
    with pytest.raises(ValueError, match="10 pairs after one at 10"):
        looks.look(10, 1.0)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 5.0])
def test_alpha_is_a_share(alpha):
    """5 instead of 0.05 says so."""
    with pytest.raises(ValueError, match="alpha"):
        Looks(alpha)


@pytest.mark.parametrize(
    ("z", "count", "expected"), [(1.959964, 1, math.inf), (1.959964, 2, 12.706), (1.959964, 20, 2.0930)]
)
def test_critical_values_carry_over_to_students_t(z, count, expected):
    """The same two-sided level, at n - 1 degrees of freedom; fewer than two pairs never decide."""
    assert t_critical(z, count) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("spent", [obrien_fleming_spent, pocock_spent])
def test_false_alarms_stay_at_the_level_with_few_pairs(spent):
    """20 000 simulated experiments without effect, looked at six times from 8 pairs on: 5 % cross at any look."""
    counts = [8, 12, 16, 24, 32, 48]
    looks = Looks(0.05, spent)
    criticals = [t_critical(looks.look(n, n / counts[-1]), n) for n in counts]
    values = np.random.default_rng(2024).normal(0, 0.02, (20_000, counts[-1]))
    crossed = np.zeros(len(values), dtype=bool)
    for count, critical in zip(counts, criticals, strict=True):
        seen = values[:, :count]
        crossed |= np.abs(seen.mean(axis=1)) > critical * seen.std(axis=1, ddof=1) / math.sqrt(count)
    assert crossed.mean() == pytest.approx(0.05, abs=0.006)


def test_unpaid_looks_would_double_false_alarms():
    """The same looks at the ordinary 5 % each: what the spending protects from."""
    counts = [8, 12, 16, 24, 32, 48]
    values = np.random.default_rng(2024).normal(0, 0.02, (20_000, counts[-1]))
    crossed = np.zeros(len(values), dtype=bool)
    for count in counts:
        crossed |= stats.ttest_1samp(values[:, :count], 0.0, axis=1).pvalue < 0.05
    assert crossed.mean() > 0.1
