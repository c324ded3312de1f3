import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.latency.histogram import HIGHEST_NS, Histogram, _pack, _unpack, rank

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


@settings(max_examples=60, deadline=None)
@given(st.lists(durations, min_size=1, max_size=60))
def test_a_percentile_is_the_bucket_of_the_value_of_nearest_rank(values):
    """At least that share of the values does not exceed it, and it is at most a bucket above the exact value."""
    ours, ordered = of(values), sorted(values)
    for percent in PERCENTS:
        exact = ordered[rank(len(values), percent) - 1]
        found = ours.percentile(percent)
        assert exact <= found <= max(exact * (1 + 1 / 1024), exact)
        assert sum(value <= found for value in values) * 1000 >= round(percent * 10) * len(values)
    assert ours.percentile(100) == max(values)


def test_the_percentile_of_160_values_covers_99_percent():
    """159 of 160 are the least that is 99 %; rounding to the nearest rank would take 158, which is 98.75 %."""
    assert of(range(1, 161)).percentile(99) == 159


@settings(max_examples=30, deadline=None)
@given(st.lists(durations, max_size=30), st.lists(durations, max_size=30))
def test_percentiles_of_the_values_since_a_moment_are_those_of_these_values_alone(before, after):
    """What had been counted before the copy was made has no say."""
    histogram = of(before)
    copied = histogram.reached()
    histogram.record(np.array(after, dtype=np.int64))
    for percent in PERCENTS:
        found, alone = histogram.percentile_since(copied, percent), of(after).percentile(percent)
        # The largest value is known of the whole only, so the bucket's upper end may be above that of the part.
        assert found == alone or (alone is not None and alone <= found <= alone * (1 + 1 / 1024))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, HIGHEST_NS + 5), durations, durations), max_size=40))
def test_recording_rows_at_once_equals_recording_each(rows):
    """Counts, sums and ends are the same, values out of range included."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    together, alone = [Histogram() for _ in range(3)], [Histogram() for _ in range(3)]
    Histogram.record_rows(together, columns)
    for histogram, column in zip(alone, columns, strict=True):
        histogram.record(column)
    for one, other in zip(together, alone, strict=True):
        assert one.counts.tolist() == other.counts.tolist()
        assert one.summary() == other.summary()
        assert one.sum == other.sum


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


@settings(max_examples=40, deadline=None)
@given(st.lists(samples, max_size=4))
def test_increments_add_up_to_the_whole(parts):
    """A histogram that gets what another has recorded since the last time ends as that one."""
    source, before, copy = Histogram(), Histogram(), Histogram()
    for values in parts:
        source.record(np.array(values, dtype=np.int64))
        state = source.state_since(before)
        before.add_state(state)
        copy.add_state(state)
    for other in (before, copy):
        assert other.counts.tolist() == source.counts.tolist()
        assert (other.summary(), other.sum) == (source.summary(), source.sum)


@settings(max_examples=40, deadline=None)
@given(samples, samples)
def test_one_from_another_process_is_the_same_in_less_memory(values, more):
    """It has the same figures and string, can be merged, and grows to full size only when it is added to."""
    whole = of(values)
    stored = Histogram.from_state(whole.state())
    assert stored.summary() == whole.summary()
    assert stored.encode() == whole.encode()
    into = of(more)
    into.merge(stored)
    assert stored._dense is None
    stored.record(np.array(more, dtype=np.int64))
    assert stored.counts.tolist() == into.counts.tolist() == of([*values, *more]).counts.tolist()


@pytest.mark.parametrize("largest", [1, 255, 256, 2**16, 2**32])
def test_counts_of_any_size_are_stored(largest):
    """In as many bytes as the largest needs."""
    whole = of([1, 5_000, HIGHEST_NS])
    whole.counts[5_000 >> 2] = largest
    stored, width = _pack(*whole.packed())
    places, counts = _unpack(stored, width)
    assert (places.tolist(), counts.tolist()) == tuple(array.tolist() for array in whole.packed())
    assert largest < 256**width


@pytest.mark.parametrize(
    ("places", "counts", "width"),
    [([-1], [1], 1), ([40_000], [1], 1), ([5, 5], [1, 1], 1), ([6, 5], [1, 1], 1), ([1, 2], [1], 1), ([1], [1], 5)],
)
def test_what_is_no_histogram_is_refused(places, counts, width):
    """Neither in a state nor in an increment, nor is what cannot be read."""
    packed = _pack(np.array(places), np.array(counts))[0]
    for data in (np.frombuffer(packed, np.uint8), np.array([1, 2, 3], np.uint8)):
        state = {"sum": 1, "min": 1, "max": 1, "packed": data, "width": width}
        with pytest.raises(ValueError, match=r"no such place|no histogram"):
            Histogram.from_state(state)
        with pytest.raises(ValueError, match=r"no such place|no histogram"):
            Histogram().add_state(state)
