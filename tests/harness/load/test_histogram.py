import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.histogram import HIGHEST_NS, Histogram

# Powers of two and their neighbours are where a bucket begins or ends.
EDGES = sorted(
    {max(0, (1 << bit) + step) for bit in range(42) for step in (-1, 0, 1) if (1 << bit) + step <= HIGHEST_NS}
)
durations = st.one_of(st.integers(0, HIGHEST_NS), st.integers(0, 5_000), st.sampled_from([*EDGES, HIGHEST_NS]))
samples = st.lists(durations, max_size=60)
PERCENTS = (0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0)


def of(values):
    histogram = Histogram()
    histogram.record(np.array(values, dtype=np.int64))
    return histogram


def reference(values):
    histogram = HdrHistogram(1, HIGHEST_NS, 3)
    for value in values:
        assert histogram.record_value(value)
    return histogram


@settings(max_examples=60, deadline=None)
@given(samples)
def test_counts_equal_those_of_the_reference(values):
    """Every value falls into the very bucket in which HdrHistogram counts it."""
    assert of(values).counts.tolist() == list(reference(values).counts)


def test_every_bucket_edge_equals_the_reference():
    """So do all values at which a bucket begins or ends."""
    assert of(EDGES).counts.tolist() == list(reference(EDGES).counts)


@settings(max_examples=15, deadline=None)
@given(st.lists(durations, min_size=1, max_size=60))
def test_percentiles_equal_those_of_the_reference(values):
    """Percentiles are HdrHistogram's, but never beyond the smallest and largest value that was recorded."""
    ours, theirs = of(values), reference(values)
    for percent in PERCENTS:
        if percent:
            expected = min(theirs.get_value_at_percentile(percent), max(values))
            assert ours.percentile(percent) == expected
    assert ours.percentile(100) == max(values)


@given(st.lists(samples, max_size=5))
def test_merging_loses_nothing(parts):
    """Recording in parts and merging equals recording everything at once, in every figure."""
    whole = of([value for part in parts for value in part])
    merged = Histogram()
    for part in parts:
        merged.merge(of(part))
    assert merged.counts.tolist() == whole.counts.tolist()
    assert merged.summary() == whole.summary()
    assert merged.sum == whole.sum


@given(samples)
def test_figures_beside_the_counts_are_exact(values):
    """Count, sum, mean, smallest and largest carry no rounding of the buckets."""
    histogram = of(values)
    assert (histogram.count, histogram.sum) == (len(values), sum(values))
    assert histogram.min == min(values, default=None)
    assert histogram.max == max(values, default=None)
    assert histogram.mean == (sum(values) / len(values) if values else None)


@settings(max_examples=40, deadline=None)
@given(samples)
def test_the_encoded_string_is_the_reference_s(values):
    """What we encode is what HdrHistogram encodes of the same values, and its reader finds every count in it."""
    text = of(values).encode()
    assert text == reference(values).encode().decode()
    assert Histogram.decode(text).counts.tolist() == of(values).counts.tolist()
    assert Histogram.decode(text).count == len(values)


@pytest.mark.parametrize(
    ("value", "counted_as"), [(-1, 0), (HIGHEST_NS + 1, HIGHEST_NS), (2**62, HIGHEST_NS)], ids=["below", "above", "far"]
)
def test_values_out_of_range_are_counted_at_the_end(value, counted_as):
    """Nothing is lost beyond the range: it counts at the nearer end."""
    histogram = of([value, 7])
    assert histogram.count == 2
    assert sorted((histogram.min, histogram.max)) == sorted((counted_as, 7))


def test_an_empty_histogram_has_no_figures():
    """Without values there is a count of zero and nothing else."""
    summary = of([]).summary()
    assert summary.count == 0
    assert {summary.min, summary.p50, summary.p90, summary.p99, summary.p999, summary.max, summary.mean} == {None}
    assert Histogram.decode(of([]).encode()).count == 0
