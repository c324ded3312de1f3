"""Every line has exactly the bytes that were asked for, and nothing in it ends a line."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.content import POOLED_BYTES, VARIANTS, make_content
from workloads.corpora import Text
from workloads.forms import LANGUAGES, MAX_LINE_BYTES

KINDS = [form.name for form in LANGUAGES["content"].forms]
LINE_ENDS = set("\0\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")


def take(kind: str, lengths: list[int], seed: int = 1, picks_seed: int = 0) -> list[str]:
    picks = np.random.PCG64(picks_seed).random_raw(len(lengths)).astype(np.uint32)
    return make_content(kind, seed).take(np.array(lengths, dtype=np.int64), picks)


@pytest.mark.parametrize("kind", KINDS)
def test_exact_bytes_at_every_short_length_and_some_long_ones(kind: str) -> None:
    """0, 1, 2, … 1100 bytes and up to the limit: as many bytes as asked, valid UTF-8, one line."""
    lengths = [*range(1100), 4095, 4096, 30_011, MAX_LINE_BYTES - 1, MAX_LINE_BYTES]
    for length, line in zip(lengths, take(kind, lengths), strict=True):
        assert len(line.encode()) == length
        assert LINE_ENDS.isdisjoint(line)
        assert len(line.splitlines()) == (1 if length else 0)


@given(st.sampled_from(KINDS), st.lists(st.integers(0, 700), min_size=1, max_size=20), st.integers(0, 2**40))
def test_exact_bytes_for_any_lengths_and_picks(kind: str, lengths: list[int], picks_seed: int) -> None:
    """No choice of text changes the length, alone or among others."""
    assert [len(line.encode()) for line in take(kind, lengths, picks_seed=picks_seed)] == lengths


@given(st.text(min_size=1, max_size=80).filter(lambda t: t.strip() and t.isprintable()), st.integers(0, 500))
def test_any_corpus_is_cut_between_characters(text: str, length: int) -> None:
    """Cutting never splits a character, whatever the text; full stops fill up at most three bytes."""
    line = Text([text, "é" + text]).cut(1, length)
    assert len(line.encode()) == length
    assert line.rstrip(".") in ("é" + text + " " + text + " ") * 600 or length == 0


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_text_and_other_seed_other_text(kind: str) -> None:
    """The seed decides the corpus; taking twice or in another order changes nothing."""
    lengths = [40] * 50 + [500] * 3
    first = take(kind, lengths)
    make_content.cache_clear()
    take(kind, [7, 41, 300])
    assert take(kind, lengths) == first
    assert take(kind, lengths, seed=2) != first


def test_a_length_has_as_many_different_lines_as_stated() -> None:
    """Word lines of 40 bytes: close to VARIANTS different ones; longer than the pool: many more."""
    assert len(set(take("words", [40] * 20_000))) > 0.95 * VARIANTS
    assert len(set(take("words", [POOLED_BYTES] * 5_000))) > 4_000


def test_unicode_has_characters_of_each_size() -> None:
    """Characters of one, two, three and four bytes all occur in fair numbers."""
    text = "".join(take("unicode", [400] * 50))
    sizes = [sum(len(char.encode()) == size for char in text) for size in (1, 2, 3, 4)]
    assert min(sizes) > 100, sizes


def test_json_lines_are_json() -> None:
    """From one byte on every JSON line parses, and where there is room it is an object."""
    for length, line in enumerate(take("json", list(range(400)))):
        if length:
            value = json.loads(line)
            assert length < 12 or isinstance(value, dict)


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("words", r"[a-z]+( [a-z]+)*"),
        ("sentences", r"[A-Z][a-z]*( [A-Za-z]+)*\..*"),
        ("names", r"[A-Z][A-Za-z']+ [A-Z][A-Za-z']+, .*"),
        ("log", r"\d+\.\d+\.\d+\.\d+ - \S+ \[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d \+0000\] \"(GET|POST) /\S+ .*"),
        ("ascii", r"[ -~]{150}"),
    ],
)
def test_lines_look_like_what_they_are_called(kind: str, pattern: str) -> None:
    """A line of 150 bytes starts like a word, a sentence, a name, a record of an access log."""
    import re

    lines = take(kind, [150] * 100)
    assert all(re.match(pattern, line) for line in lines), lines[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["names", "log", "json"])
def test_the_lines_of_a_seed_are_the_same_in_another_year(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faker makes dates relative to today unless told otherwise; a seed must not."""
    import datetime as dt

    import faker.providers.date_time as provider

    from workloads.corpora import make_corpus

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime.now(tz) + dt.timedelta(days=3 * 365)

    today = [make_corpus(kind, 1).cut(place, 200) for place in range(50)]
    monkeypatch.setattr(provider, "datetime", Later)
    assert [make_corpus(kind, 1).cut(place, 200) for place in range(50)] == today
