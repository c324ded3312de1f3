"""Bad lines are bad in exactly the way they are said to be, and their true lengths are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.errors import GrammarError
from workloads.forms import LANGUAGES
from workloads.grammar import parse
from workloads.refusals import ERROR_KINDS, MAX_LINE_BYTES, classify, make_errors, spoil, spoiled_lengths

GOOD = st.text(max_size=60).map(lambda t: t.encode("utf-8", "ignore").decode().replace("\0", "").replace("\n", ""))


@given(GOOD, st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_a_spoiled_line_is_bad_in_its_own_way_only(line: str, error: int, pick: int) -> None:
    """Its bytes survive the round trip, have the stated length, and are refused for the stated reason."""
    lengths = np.array([len(line.encode())])
    length = int(spoiled_lengths(lengths, np.array([error], dtype=np.int8), np.array([pick], dtype=np.uint32))[0])
    bad = spoil(line, error, length, pick)
    raw = bad.encode("utf-8", "surrogateescape")
    assert raw.decode("utf-8", "surrogateescape") == bad
    assert len(raw) == length
    assert classify(raw) == error
    if error < 3:
        assert length == max(len(line.encode()), 1)
    else:
        assert MAX_LINE_BYTES < length <= MAX_LINE_BYTES + 1024


@given(st.binary(max_size=60).filter(lambda b: b"\n" not in b), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_lines_that_were_bad_already_end_up_as_said(raw: bytes, error: int, pick: int) -> None:
    """A replayed file's bad line, spoiled, is refused for the reason that the truth states."""
    lengths = np.array([len(raw)])
    length = int(spoiled_lengths(lengths, np.array([error], dtype=np.int8), np.array([pick], dtype=np.uint32))[0])
    bad = spoil(raw.decode("utf-8", "surrogateescape"), error, length, pick).encode("utf-8", "surrogateescape")
    assert (len(bad), classify(bad)) == (length, error)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"fine", ""),
        (b"", ""),
        ("é".encode(), ""),
        (b"\xff", "not_utf8"),
        (b"\xff\0", "not_utf8"),
        (b"a\0", "nul"),
        (b"x" * MAX_LINE_BYTES, ""),
        (b"x" * (MAX_LINE_BYTES + 1), "too_long"),
        (b"\0" * (MAX_LINE_BYTES + 1), "nul"),
    ],
)
def test_classification_follows_the_order_of_the_repl(line: bytes, kind: str) -> None:
    """Not UTF-8 before NUL before too long."""
    assert ERROR_KINDS[classify(line)] == kind


def test_shares_are_kept() -> None:
    """`even` gives each kind a third; `each` gives what was asked for; zero means none."""
    even, each = (make_errors(parse("errors", text)) for text in ("3%", "not_utf8=0.5%,nul=0.1%"))
    assert even is not None
    assert each is not None
    np.testing.assert_allclose(even.probabilities, [0.97, 0.01, 0.01, 0.01])
    np.testing.assert_allclose(each.probabilities, [0.994, 0.005, 0.001])
    assert make_errors(parse("errors", "0")) is None
    all_bad = make_errors(parse("errors", "nul=100%"))
    assert all_bad is not None
    assert all_bad.values.tolist() == [2]


def test_shares_beyond_one_are_refused() -> None:
    """More bad lines than lines cannot be."""
    with pytest.raises(GrammarError, match=r"^the shares add up to 1\.2") as raised:
        make_errors(parse("errors", "not_utf8=60%,nul=60%"))
    assert raised.value.field == "errors"


def test_the_kinds_are_the_keys() -> None:
    """The table's keys and the truth's index name the same kinds in the same order."""
    form = LANGUAGES["errors"].form("each")
    assert form is not None
    assert tuple(p.name for p in form.parameters) == ERROR_KINDS[1:]
