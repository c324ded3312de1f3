"""A second run confirms the first where its ratios lie within the first one's prediction intervals."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from benchmarks.cost.page_text import page
from benchmarks.cost.replication import predicted, replication
from harness.measure.questions.answer import Answer
from tests.benchmarks.cost.test_what_a_metric_costs import stored


@pytest.fixture(scope="module")
def run() -> Answer:
    """Return the stored run."""
    return stored()


def changed(run: Answer, number: int, shift: float = 0.0, **update: object) -> Answer:
    """Return the run with one experiment changed: fields as given, and each pair's log-ratio larger by `shift`."""
    experiments = list(run.experiments)
    before = experiments[number]
    pairs = [pair.model_copy(update={"log_ratio": pair.log_ratio + shift}) for pair in before.raw_pairs]
    experiments[number] = before.model_copy(update={"raw_pairs": pairs, **update})
    return run.model_copy(update={"experiments": experiments})


@pytest.mark.parametrize(("count", "further"), [(4, 24), (24, 24), (24, 6)])
def test_the_prediction_covers_as_often_as_it_says(count: int, further: int) -> None:
    """Of 4,000 pairs of runs that differ by chance alone, 95 % within four standard deviations of that share."""
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(4000):
        low, high = predicted(rng.normal(5.0, 0.1, count).tolist(), further)
        inside += low <= rng.normal(5.0, 0.1, further).mean() <= high
    assert abs(inside / 4000 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 4000)


def test_a_run_confirms_itself(run: Answer) -> None:
    """Every ratio of table, ladder and laws is compared once, and lies where it did."""
    found = replication(run, run)
    assert found.inside == len(found.compared) > 100
    assert found.left_out == 0
    assert found.share_interval[0] < 1 == found.share_interval[1]


@pytest.mark.parametrize(("share", "inside"), [(0.9, True), (-0.9, True), (1.1, False), (-1.1, False)])
def test_a_ratio_beyond_the_prediction_is_not_confirmed(run: Answer, share: float, inside: bool) -> None:
    """Moved by so much of the way to the prediction's end."""
    logs = [pair.log_ratio for pair in run.experiments[0].raw_pairs]
    low, high = predicted(logs, len(logs))
    found = replication(run, changed(run, 0, share * (high - low) / 2))
    assert found.compared[0].inside == inside
    assert found.inside == len(found.compared) - (not inside)


def test_what_one_run_lacks_or_has_void_is_not_compared(run: Answer) -> None:
    """A void ratio is counted as left out; one under other conditions is another ratio."""
    whole = len(replication(run, run).compared)
    void = replication(changed(run, 3, verdict="void"), run)
    assert (len(void.compared), void.left_out) == (whole - 1, 1)
    other = replication(run, changed(run, 3, factors={"series": 7}))
    assert (len(other.compared), other.left_out) == (whole - 1, 0)


def test_the_page_says_how_many_are_confirmed_and_which_are_not(run: Answer) -> None:
    """With the hours between the two, and a row for each ratio of a law or step that lies beyond."""
    later = changed(run, 12, 1.0)
    created = datetime.fromisoformat(run.created) + timedelta(hours=7)
    later = later.model_copy(update={"created": created.isoformat()})
    text = page(later, {}, None, run)
    section = text.partition("## Does a second run say the same?")[2].partition("\n## ")[0]
    total = len(replication(run, run).compared)
    assert f"**{total - 1} of {total}**" in section
    assert "7 hours earlier" in section
    assert section.count("✓ within") == 10
    assert section.count("✗ beyond") == 1
    assert "(ladder)" in section
