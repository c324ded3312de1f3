"""A fault: what is done to a command, what has to come of it, and the register of all faults by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.faults.trial import Trial

__all__ = ["FAULTS", "Fault", "SkippedError", "fault"]

# Performs a fault in a trial and returns what was observed; raises `AssertionError` for what must not be.
Act = Callable[["Trial"], str]


class SkippedError(Exception):
    """The machine does not allow the fault; the text says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by name. `deadline_s` is for one trial; where `kills` is true it is for each kill, in seconds."""

    name: str
    family: str
    done: str
    expected: str
    act: Act
    deadline_s: float
    kills: bool


FAULTS: dict[str, Fault] = {}


def fault(
    name: str, done: str, expected: str, *, deadline_s: float = 180.0, kills: bool = False
) -> Callable[[Act], Act]:
    """Return a decorator that registers a function as the fault `name`, with what is done and what is expected."""

    def register(act: Act) -> Act:
        assert name not in FAULTS, name
        FAULTS[name] = Fault(name, act.__module__.rpartition(".")[2], done, expected, act, deadline_s, kills)
        return act

    return register
