"""What the REPL core promises."""

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.repl import MAX_LINE_BYTES, Repl
from harness.views import Tags

TAGS = Tags()


class Recording:
    """Keeps what was recorded."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, int, Tags]] = []
        self.registry = None

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        self.rows.append((latency_ms, length_bytes, tags))

    def close(self) -> None:
        pass


class Ticking:
    """A clock that moves on by 1.5 ms with each look at it."""

    def __init__(self) -> None:
        self._ticks = itertools.count(0, 1_500_000)

    def now_ns(self) -> int:
        return next(self._ticks)


def evaluate(line: str) -> tuple[str, str, Recording]:
    instrument, out = Recording(), io.StringIO()
    return Repl(instrument, Ticking(), out).evaluate(line, TAGS), out.getvalue(), instrument


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n")))
def test_a_good_line_is_written_once_upper_cased_and_recorded_with_its_bytes(line: str) -> None:
    """Any text without NUL is echoed upper-cased with one newline; its length is its UTF-8 bytes."""
    result, written, instrument = evaluate(line)
    assert result == line.upper()
    assert written == line.upper() + "\n"
    assert instrument.rows == [(1.5, len(line.encode()), TAGS)]


@pytest.mark.parametrize(
    ("line", "length", "kind"),
    [
        ("ab\udcff", 3, "not_utf8"),
        ("é\udc80", 3, "not_utf8"),
        ("\0", 1, "nul"),
        ("é\0", 3, "nul"),
        ("x" * (MAX_LINE_BYTES + 1), MAX_LINE_BYTES + 1, "too_long"),
        ("é" * (MAX_LINE_BYTES // 2) + "x", MAX_LINE_BYTES + 1, "too_long"),
        ("\0" * (MAX_LINE_BYTES + 1), MAX_LINE_BYTES + 1, "nul"),
        ("\udcff" * (MAX_LINE_BYTES + 1), MAX_LINE_BYTES + 1, "not_utf8"),
    ],
)
def test_a_bad_line_is_recorded_as_an_error_and_not_written(line: str, length: int, kind: str) -> None:
    """A refused line counts with status ERROR, its kind and its true byte length."""
    assert evaluate(line)[:2] == ("", "")
    assert evaluate(line)[2].rows == [(1.5, length, Tags("repl", "ERROR", kind))]


def test_the_longest_line_is_still_good() -> None:
    """The bound itself is allowed."""
    assert evaluate("x" * MAX_LINE_BYTES)[0] == "X" * MAX_LINE_BYTES


def test_the_witness_hears_of_a_line_only_when_its_record_returned() -> None:
    """A record that raises passes through and is not kept; the next line is."""
    kept: list[float] = []
    instrument = Recording()
    repl = Repl(instrument, Ticking(), io.StringIO(), kept.append)
    repl.evaluate("one", TAGS)

    class Failing(Recording):
        def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
            raise RuntimeError("lost")

    failing = Repl(Failing(), Ticking(), io.StringIO(), kept.append)
    with pytest.raises(RuntimeError, match="lost"):
        failing.evaluate("two", TAGS)
    assert kept == [1.5]


def test_the_complaint_names_kind_and_length() -> None:
    """Who watches a terminal is told why a line was refused."""
    heard: list[tuple[str, int]] = []
    Repl(Recording(), Ticking(), io.StringIO(), complain=lambda *a: heard.append(a)).evaluate("a\0", TAGS)
    assert heard == [("nul", 2)]


def test_limits_agree_with_the_workloads() -> None:
    """The REPL refuses exactly what workloads make to be refused."""
    from workloads import refusals

    assert refusals.MAX_LINE_BYTES == MAX_LINE_BYTES
    assert refusals.ERROR_KINDS[1:] == ("not_utf8", "nul", "too_long")
