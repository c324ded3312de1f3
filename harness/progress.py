"""Progress of a long measurement: the share done, the time left, and parts of a longer one."""

from collections.abc import Callable
from dataclasses import dataclass, replace

__all__ = ["Progress", "Step", "part_of"]


@dataclass(frozen=True, slots=True)
class Step:
    """Progress of a measurement: the share done, the seconds left (None while unknown), and the current activity."""

    done: float
    left_s: float | None
    note: str


Progress = Callable[[Step], None]


def part_of(
    progress: Progress,
    before: float,
    share: float,
    *,
    then_s: float | None = None,
    whole_s: float | None = None,
    name: str = "",
) -> Progress:
    """Return the progress of a part: `share` of the whole, after `before` of it is done (both from 0 to 1).

    The time left is what `whole_s` leaves by the share done where the seconds of the whole are given, else that of the
    part and `then_s` more seconds, else not known. `name` goes in front of each note.
    """

    def report(step: Step) -> None:
        done = before + step.done * share
        left = None if then_s is None or step.left_s is None else step.left_s + then_s
        if whole_s is not None:
            left = whole_s * (1 - done)
        note = f"{name}: {step.note}" if name else step.note
        progress(replace(step, done=done, left_s=left, note=note))

    return report
