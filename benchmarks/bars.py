"""Speed bars: a pytest plugin with performance limits that a quiet machine meets easily, and reports of missed ones.

A missed bar is reported with its reason and fails nothing, because a busy machine misses it whatever the code does;
with --strict-bars it fails its benchmark, for maintainers on a quiet machine (`make bars`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from harness.load.drive_result import DriveResult
from workloads.units import format_duration

__all__ = ["Bar", "Hold", "hold", "pytest_addoption", "pytest_terminal_summary", "why_late"]

# A cause that accounts for at least this share of the missing time explains it.
_MOST = 0.5


@dataclass(frozen=True)
class Bar:
    """A limit and a measured value; the limit is a maximum where `highest`, else a minimum."""

    what: str
    value: float
    limit: float
    show: Callable[[float], str]
    reason: str = ""
    highest: bool = True

    @property
    def held(self) -> bool:
        """Whether the value is within the limit; NaN never is."""
        return self.value <= self.limit if self.highest else self.value >= self.limit

    @property
    def text(self) -> str:
        """The value, the limit and the reason of the miss, in one line."""
        limit = f"{'at most' if self.highest else 'at least'} {self.show(self.limit)}"
        return f"{self.what}: {self.show(self.value)}, and the bar is {limit}; {self.reason or 'no reason is known'}"


Hold = Callable[[Bar], None]
_MISSED = pytest.StashKey[list[str]]()


def why_late(driven: DriveResult, missing_ns: float) -> str:
    """Return the main cause of `missing_ns` in a run: the machine, the generation of blocks, or the loop itself."""
    lost, making = driven.machine.lost_ns, driven.longest_outside_ns
    worst = driven.timings.lag.summary().max or 0
    facts = f"{format_duration(missing_ns)} are missing and the latest line was {format_duration(worst)} late"
    if lost >= _MOST * missing_ns:
        return f"{facts}: the machine kept the loop from running for {format_duration(lost)}"
    if making >= _MOST * missing_ns:
        return f"{facts}: making one block took {format_duration(making)}"
    return f"{facts}: the loop itself is too slow, or was held up in a way that the system does not tell"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --strict-bars."""
    parser.addoption("--strict-bars", action="store_true", help="let a missed speed bar fail its benchmark")


@pytest.fixture
def hold(request: pytest.FixtureRequest) -> Hold:
    """Return a function that records a missed bar, and with --strict-bars fails for it."""

    def take(bar: Bar) -> None:
        if bar.held:
            return
        request.config.stash.setdefault(_MISSED, []).append(bar.text)
        if request.config.getoption("--strict-bars"):
            pytest.fail(bar.text, pytrace=False)

    return take


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report the missed bars at the end, whether they fail anything or not."""
    missed = config.stash.get(_MISSED, [])
    if not missed:
        return
    strict = config.getoption("--strict-bars")
    terminalreporter.write_line(
        f"{len(missed)} speed bar{' was' if len(missed) == 1 else 's were'} missed"
        + ("" if strict else "; nothing fails for it (`make bars` is strict)")
    )
    for text in missed:
        terminalreporter.write_line(f"  {text}")
