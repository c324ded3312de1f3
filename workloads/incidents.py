"""Incidents of a load: what goes wrong, when, what is then to be seen, and which alert fires; free of numpy."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from workloads import units
from workloads.errors import GrammarError
from workloads.grammar import quoted

__all__ = ["KINDS", "TOUR", "Incident", "IncidentKind", "begun_by", "of_kinds", "parse_incident"]

# How long a tour through all of them usually takes: one a minute, half of which is for what follows it.
TOUR = "10m"
_FORM = re.compile(r"\s*([^@\s]*)\s*@\s*([^+]*?)\s*(?:\+\s*(.*?)\s*)?")
_AT_ONCE = frozenset({"0", "0s"})


@dataclass(frozen=True, slots=True)
class IncidentKind:
    """A kind of incident: what it does, what should be visible where, and which alerts fire.

    One that `shapes_load` is part of the lines and their due times, one that `acts_on_service` delays or renews whoever
    processes them; one kind does both.
    """

    does: str
    shows: str
    alerts: tuple[str, ...]
    shapes_load: bool = False
    acts_on_service: bool = False

    @property
    def alert(self) -> str:
        """The names of its alerts as text."""
        return " and ".join(self.alerts)


KINDS: dict[str, IncidentKind] = {
    "errors": IncidentKind(
        "half of the lines are refused: they are not UTF-8, or hold NUL",
        "The share of lines with status ERROR rises to a half, in lines_in and in the errors by kind.",
        ("LinesRefused",),
        shapes_load=True,
    ),
    "slow": IncidentKind(
        "evaluating and writing a line takes ten times as long",
        "The quantiles of the latency rise tenfold, and the lag and the response time with them.",
        ("LatencyHigh",),
        acts_on_service=True,
    ),
    "stall": IncidentKind(
        "the loop stands still before a line until the incident is over",
        "The rate of lines falls to zero although lines are due, then catches up; one line has a long service time.",
        ("NoLines",),
        acts_on_service=True,
    ),
    "long-lines": IncidentKind(
        "each line is twenty times as long, up to 64 KiB",
        "The line lengths move into the upper buckets, and their quantiles rise twentyfold.",
        ("LinesLong",),
        shapes_load=True,
    ),
    "flood": IncidentKind(
        "the schedule runs five times as fast",
        "The rate of lines rises fivefold; lag and response time rise where the service cannot keep up.",
        ("TrafficFlood",),
        shapes_load=True,
    ),
    "series": IncidentKind(
        "each line carries one of 60 further values of the tag method",
        "The number of series and the size of a page jump, and stay high until a restart.",
        ("SeriesExplosion",),
        shapes_load=True,
    ),
    "restart": IncidentKind(
        "a new instrument and registry take over behind the same endpoint, with all counters at zero",
        "Every counter falls to zero and the graphs of raw counters have a step; rate() takes it for a reset.",
        ("CounterReset",),
        acts_on_service=True,
    ),
    "silence": IncidentKind(
        "the schedule stands still: no line is due",
        "The rate of lines falls to zero and nothing catches up afterwards; scrapes go on.",
        ("NoLines",),
        shapes_load=True,
    ),
    "bad-deploy": IncidentKind(
        "evaluating a line takes ten times as long and a quarter of the lines are refused, until it is rolled back",
        "The latency and the share of refused lines rise at one moment and fall back at another.",
        ("LatencyHigh", "LinesRefused"),
        shapes_load=True,
        acts_on_service=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident, in nanoseconds from the start of the load; only a restart may have no duration.

    Raises `GrammarError` of the field ``incident``.
    """

    kind: str
    start_ns: int
    duration_ns: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            close = difflib.get_close_matches(self.kind.lower()[:40], KINDS, n=1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            text = f"there is no incident {quoted(self.kind)}{hint} (known: {', '.join(KINDS)})"
            raise GrammarError(text, field="incident")
        least = 0 if self.kind == "restart" else 1
        if self.start_ns < 0 or not least <= self.duration_ns <= units.MAX_DURATION_NS:
            text = f"{self.kind} needs a duration and a start that is not negative, as in {self.kind}@2m+10s"
            raise GrammarError(text, field="incident")

    @property
    def end_ns(self) -> int:
        """When it is over."""
        return self.start_ns + self.duration_ns

    def __str__(self) -> str:
        """Return it as a user writes it: ``stall@2m+10s``."""
        start = units.format_exact_duration(self.start_ns) if self.start_ns else "0s"
        lasts = f"+{units.format_exact_duration(self.duration_ns)}" if self.duration_ns else ""
        return f"{self.kind}@{start}{lasts}"


def parse_incident(text: str) -> Incident:
    """Return the incident written as ``kind@start+duration``, as in ``stall@2m+10s``; a restart needs no duration.

    Raises `GrammarError`, one line that quotes the text and says what would be right.
    """
    try:
        return _incident(text)
    except GrammarError as error:
        raise GrammarError(error.text, field="incident", value=quoted(text)) from None


def _incident(text: str) -> Incident:
    match = _FORM.fullmatch(text)
    if match is None or not text.isprintable():
        raise GrammarError("is not of the form kind@start+duration, as in stall@2m+10s")
    kind, start, duration = match.groups()
    # The kind is looked up first: a wrong name matters more than a wrong time.
    Incident(kind, 0, 1)
    start_ns = 0 if start in _AT_ONCE else units.parse_duration_ns(start)
    if duration is None and kind != "restart":
        raise GrammarError(f"a duration is missing; write {kind}@{start}+10s")
    return Incident(kind, start_ns, 0 if duration is None else units.parse_duration_ns(duration))


def of_kinds(incidents: Iterable[Incident], *kinds: str) -> tuple[Incident, ...]:
    """Return the incidents of these kinds, in order of their start."""
    return tuple(sorted((each for each in incidents if each.kind in kinds), key=lambda each: each.start_ns))


def begun_by(incidents: Iterable[Incident], moment_ns: int) -> tuple[Incident, ...]:
    """Return the incidents that had begun by a moment (ns from the start), in order of their start."""
    return tuple(sorted((each for each in incidents if each.start_ns <= moment_ns), key=lambda each: each.start_ns))
