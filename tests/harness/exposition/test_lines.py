"""A page is split into lines piece by piece, and no line is cut."""

import pytest

from harness.exposition import fast_reader


@pytest.mark.parametrize("text", ["", "\n", "a 1", "a 1\nb 2", "a 1\n\n\nb 2\n", "abc 1\nd 2\ne 3\n"])
@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_the_samples_do_not_depend_on_the_size_of_the_pieces(
    text: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a piece would end, it ends with a line."""
    expected = [(line.split()[0], float(line.split()[1])) for line in text.split("\n") if line]
    monkeypatch.setattr(fast_reader, "_AT_ONCE", at_once)
    assert [(sample.name, sample.value) for sample in fast_reader.plain_samples(text)] == expected
