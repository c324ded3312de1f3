"""States of the ledger in memory and in a file are the same states, within the limit."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.truth.entries import Entries, Entry
from harness.load.truth.moments import PageMoments

COLUMNS = 3


def entry(position: int, series: list[int]) -> Entry:
    numbers = np.array(sorted(set(series)), dtype=np.int64)
    return Entry(position, numbers, np.full((numbers.size, COLUMNS), float(position)))


def states(entries: Entries) -> dict[int, dict[int, float]]:
    """Return the state of each series at each position that is known."""
    state: dict[int, float] = {}
    result = {}
    for each in entries:
        state.update(zip(each.series.tolist(), each.rows[:, 0].tolist(), strict=True))
        result[each.position] = dict(state)
    return result


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), max_size=40), st.integers(0, 2_000))
def test_states_are_those_of_a_list_without_a_limit(changed: list[list[int]], memory_bytes: int) -> None:
    """From `known_from` on, wherever they are held; never more than the limit, but for the last ones."""
    whole, small = Entries(1 << 30, 1 << 30), Entries(3_000, memory_bytes)
    for number, series in enumerate(changed, 1):
        for entries in (whole, small):
            entries.append(entry(number, series))
        assert small.size_bytes <= 3_000
    expected = {place: state for place, state in states(whole).items() if place >= small.known_from}
    assert states(small) == expected
    assert not changed or len(changed) in expected


def test_memory_does_not_grow_with_the_number_of_states() -> None:
    """What is held after a hundred is held after ten thousand."""
    entries = Entries(1 << 20, 4_000)
    held = []
    for number in range(1, 10_001):
        entries.append(entry(number, list(range(20))))
        held.append(entries.held_bytes)
    assert max(held[100:]) <= 4_000 + 2_000
    assert len(entries) > 1_000


def test_a_full_disk_leaves_them_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the same limit, and the states that follow are right."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    entries = Entries(3_000, 500)
    for number in range(1, 21):
        if number == 10:
            monkeypatch.setattr(os, "pwrite", full)
        entries.append(entry(number, [number % 5]))
    assert max(states(entries)) == 20
    assert states(entries)[20] == {0: 20.0, 1: 16.0, 2: 17.0, 3: 18.0, 4: 19.0}


def test_no_file_is_left_and_none_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even while it is in use."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    entries = Entries(3_000, 0)
    entries.append(entry(1, [1]))
    assert list(tmp_path.iterdir()) == []
    before = len(list(Path("/proc/self/fd").iterdir()))
    del entries
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 1


def test_moments_are_found_and_taken() -> None:
    """The first from a moment on, the last until one; those taken are gone."""
    moments = PageMoments()
    moments.extend((10 * number, number) for number in range(3_000))
    assert (moments.from_on(15), moments.until(15)) == ((20, 2), (10, 1))
    assert [moments.popleft() for _ in range(2_000)] == [10 * number for number in range(2_000)]
    assert (moments.first, len(moments), moments.until(15)) == ((20_000, 2_000), 1_000, None)
    assert moments.from_on(99_999_999) is None
    assert moments.rows().shape == (1_000, 2)
