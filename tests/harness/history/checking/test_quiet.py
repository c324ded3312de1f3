"""What waiting for a quiet moment promises: it ends, soon where it is quiet, and says what it saw."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.history.checking import quiet
from harness.history.checking.quiet import BUSY, Moment, wait_for_quiet
from harness.progress import Step


class Looks:
    """Processors as busy as told, one look after the other; each look takes the time it is asked for."""

    def __init__(self, *busy: float | None) -> None:
        self._busy: Iterator[float | None] = iter(busy)
        self._last = busy[-1]
        self.now_s = 0.0
        self.count = 0

    def __call__(self, seconds: float) -> float | None:
        self.now_s += seconds
        self.count += 1
        return next(self._busy, self._last)

    def clock(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("why", "busy", "longest_s", "found", "looks"),
    [
        ("it is quiet", [0.01], 60.0, Moment(quiet=True, waited_s=2.0, busy=0.01), 1),
        ("it becomes quiet", [0.9, 0.5, 0.05], 60.0, Moment(quiet=True, waited_s=6.0, busy=0.05), 3),
        ("it never does", [1.0], 60.0, Moment(quiet=False, waited_s=60.0, busy=1.0), 30),
        ("one may not wait at all", [1.0], 0.0, Moment(quiet=False, waited_s=2.0, busy=1.0), 1),
        ("the system does not tell", [None], 60.0, Moment(quiet=True, waited_s=2.0, busy=None), 1),
    ],
)
def test_waiting_ends(why: str, busy: list[float | None], longest_s: float, found: Moment, looks: int) -> None:
    """Where {why}."""
    watch = Looks(*busy)
    assert (wait_for_quiet(longest_s, watch, now=watch.clock), watch.count) == (found, looks), why


def test_what_the_runs_before_bore_can_be_borne() -> None:
    """On a machine that is always busy nobody waits for an hour that never comes."""
    watch = Looks(0.3)
    assert wait_for_quiet(60.0, watch, bearable=0.5, now=watch.clock).quiet
    assert not wait_for_quiet(60.0, watch, bearable=BUSY, now=watch.clock).quiet


def test_waiting_shows_how_long_it_may_still_take() -> None:
    """A person sees that it waits, for what, and until when."""
    watch, steps = Looks(0.8), list[Step]()
    wait_for_quiet(10.0, watch, steps.append, now=watch.clock)
    assert [(step.done, step.left_s) for step in steps] == [(0.2, 8.0), (0.4, 6.0), (0.6, 4.0), (0.8, 2.0)]
    assert steps[0].note == "waiting for a quiet moment (80% busy)"


def _stat(path: Path, *processors: tuple[int, int, int]) -> None:
    """Write what the system would: user, idle and stolen ticks of each processor, and guests' ticks counted twice."""
    lines = [f"cpu{i} {user} 0 0 {idle} 0 0 0 {stolen} 500 0" for i, (user, idle, stolen) in enumerate(processors)]
    path.write_text("\n".join(["cpu  1 2 3 4 5 6 7 8 9 10", *lines, "intr 5"]) + "\n", encoding="ascii")


@pytest.mark.parametrize(
    ("what", "after", "busy"),
    [
        ("nothing runs", [(100, 300, 0), (100, 300, 0)], 0.0),
        ("one processor is busy, the other is not", [(100, 300, 0), (250, 150, 0)], 0.75),
        ("another guest takes half of one", [(100, 200, 100), (100, 300, 0)], 0.5),
    ],
)
def test_the_busier_processor_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, after: list[tuple[int, int, int]], busy: float
) -> None:
    """Of the two that measure, whichever would disturb: {what}."""
    from harness.measure.pairs.side import Cores

    path = tmp_path / "stat"
    monkeypatch.setattr(quiet, "_STAT", path)
    monkeypatch.setattr(quiet, "cores", lambda: Cores(measured=1, home=0))
    monkeypatch.setattr("harness.history.checking.quiet.time.sleep", lambda _seconds: _stat(path, *after))
    _stat(path, (100, 100, 0), (100, 100, 0))
    assert quiet.processors(1.0) == pytest.approx(busy), what


@pytest.mark.parametrize("text", ["", "cpu0 1 2", "cpu0 a b c d e f g h", None])
def test_a_system_that_does_not_tell_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """Without ticks of each processor there is no reading, and nothing raises."""
    path = tmp_path / "stat"
    if text is not None:
        path.write_text(text, encoding="ascii")
    monkeypatch.setattr(quiet, "_STAT", path)
    monkeypatch.setattr("harness.history.checking.quiet.time.sleep", lambda _seconds: None)
    assert quiet.processors(1.0) is None


def test_this_system_is_read() -> None:
    """A real look returns a share, or says that there is none to be had."""
    found = quiet.processors(0.05)
    assert found is None or 0 <= found <= 1
